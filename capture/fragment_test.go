package capture

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	millisecond = int64(1e6)
	second      = int64(1e9)
)

// piecesOf cuts the payload of a datagram at those offsets. packet makes each part a fragment.
func piecesOf(payload []byte, cuts []int, packet func(offset int, more bool, part []byte) []byte) [][]byte {
	var all [][]byte
	from := 0
	for _, to := range append(slices.Clone(cuts), len(payload)) {
		all = append(all, packet(from, to < len(payload), payload[from:to]))
		from = to
	}
	return all
}

// fragments4 returns fragments of an IPv4 datagram between the built addresses.
func fragments4(id uint16, protocol uint8, payload []byte, cuts ...int) [][]byte {
	return piecesOf(payload, cuts, func(offset int, more bool, part []byte) []byte {
		return ipv4Fragment(builtSrc4, builtDst4, protocol, id, fragmentField(offset, more), part)
	})
}

// fragmentField returns the fragment field of an IPv4 header.
func fragmentField(offset int, more bool) uint16 {
	field := uint16(offset / 8)
	if more {
		field |= moreFragments4
	}
	return field
}

// fragments6 is the same for IPv6.
func fragments6(id uint32, next uint8, payload []byte, cuts ...int) [][]byte {
	return piecesOf(payload, cuts, func(offset int, more bool, part []byte) []byte {
		return ipv6Of(builtSrc6, builtDst6, protocolFragment, fragment6Of(next, offset, more, id, part))
	})
}

// numbered returns n bytes without two equal groups of 8.
func numbered(n int) string {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = binary.BigEndian.AppendUint32(b, uint32(i)*2654435761)
	}
	return string(b[:n])
}

// feed passes packets of raw IP to d, a millisecond apart from start on. It returns the segments,
// with copied payload.
func feed(d *Dissector, start int64, packets ...[]byte) []Segment {
	var all []Segment
	for i, data := range packets {
		p := Packet{Position: Position{Frame: uint64(i + 1), Time: start + int64(i)*millisecond}, Data: data, Length: uint32(len(data)), Link: LinkTypeRaw}
		var s Segment
		if d.Segment(&p, &s) {
			s.Payload = slices.Clone(s.Payload)
			all = append(all, s)
		}
	}
	return all
}

// twice returns every packet twice in a row, as "any" captures it.
func twice(packets [][]byte) [][]byte {
	var all [][]byte
	for _, p := range packets {
		all = append(all, p, p)
	}
	return all
}

func reversed(packets [][]byte) [][]byte {
	packets = slices.Clone(packets)
	slices.Reverse(packets)
	return packets
}

// TestFragmentsMakeOneSegment guards against datagrams that are reassembled wrongly, not at all,
// or more than once.
func TestFragmentsMakeOneSegment(t *testing.T) {
	text := numbered(3000)
	tcp := tcpOf(nil, text)
	vxlan := udpOf(portVXLAN, vxlanOf(8, 0, 42, ethernetOf(etherTypeIPv4, ipv4Of(builtSrc4, builtDst4, protocolTCP, tcp))))
	outer := func(id uint16) [][]byte {
		return piecesOf(vxlan, []int{1400, 2800}, func(offset int, more bool, part []byte) []byte {
			return ipv4Fragment(outerSrc4, outerDst4, protocolUDP, id, fragmentField(offset, more), part)
		})
	}
	inTunnel := func(packets [][]byte) [][]byte {
		var all [][]byte
		for _, p := range packets {
			all = append(all, outer4(protocolIPv4, p))
		}
		return all
	}
	interleaved := func(a, b [][]byte) [][]byte {
		var all [][]byte
		for i := range a {
			all = append(all, a[i], b[i])
		}
		return all
	}
	var dontFragment [][]byte
	for _, p := range fragments4(1, protocolTCP, tcp, 1480, 2960) {
		dontFragment = append(dontFragment, with16(p, 6, binary.BigEndian.Uint16(p[6:])|0x4000))
	}
	three := fragments4(1, protocolTCP, tcp, 1480, 2960)
	// The content of an outer datagram is a fragment of an inner one.
	both := piecesOf(fragments4(5, protocolTCP, tcp, 1600)[1], []int{800}, func(offset int, more bool, part []byte) []byte {
		return ipv4Fragment(outerSrc4, outerDst4, protocolIPv4, 6, fragmentField(offset, more), part)
	})
	both = append(inTunnel(fragments4(5, protocolTCP, tcp, 1600)[:1]), both...)
	for name, c := range map[string]struct {
		packets [][]byte
		frame   uint64 // in which the datagram is complete
		depth   uint8
		copies  int // of the segment, 1 if 0
		v6      bool
	}{
		"ipv4 in order":                  {packets: three, frame: 3},
		"ipv4 reversed":                  {packets: reversed(three), frame: 3},
		"ipv4 with don't fragment":       {packets: dontFragment, frame: 3},
		"ipv4 last one first":            {packets: [][]byte{three[2], three[0], three[1]}, frame: 3},
		"ipv4 every packet twice":        {packets: twice(three), frame: 5},
		"ipv4 all of it twice":           {packets: slices.Concat(three, three), frame: 3},
		"ipv4 8 bytes of tcp first":      {packets: fragments4(1, protocolTCP, tcp, 8, 16, 24), frame: 4},
		"ipv4 in 60 pieces, worst order": {packets: worstOrder(fragments4(1, protocolTCP, tcp, multiples(48, 3000)...)), frame: 63},
		"ipv6 in order":                  {packets: fragments6(1, protocolTCP, tcp, 1232, 2464), frame: 3, v6: true},
		"ipv6 reversed, twice":           {packets: twice(reversed(fragments6(1, protocolTCP, tcp, 1232, 2464))), frame: 5, v6: true},
		"ipv6 extension header in the fragments": {
			packets: fragments6(1, protocolDestination, extensionOf(protocolTCP, 2, tcp), 16, 1232), frame: 3, v6: true,
		},
		"vxlan in fragments":           {packets: outer(9), frame: 3, depth: 1},
		"vxlan in fragments, reversed": {packets: reversed(outer(9)), frame: 3, depth: 1},
		"fragments in a tunnel":        {packets: inTunnel(three), frame: 3, depth: 1},
		"fragments in fragments":       {packets: both, frame: 3, depth: 1},
		"inside and outside a tunnel":  {packets: interleaved(three, inTunnel(three)), frame: 5, copies: 2},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDissector(DissectorOptions{})
			got := feed(d, 0, c.packets...)
			if len(got) != max(c.copies, 1) {
				t.Fatalf("%d segments, want %d; %+v", len(got), max(c.copies, 1), d.Stats())
			}
			s := got[0]
			src := builtSrc4.As16()
			if c.v6 {
				src = builtSrc6.As16()
			}
			if s.Frame != c.frame || s.Depth != c.depth || !s.Fragmented || s.Src != src || s.Seq != builtSeq {
				t.Errorf("frame %d, depth %d, fragmented %v, want %d, %d, true; %+v", s.Frame, s.Depth, s.Fragmented, c.frame, c.depth, read(&s))
			}
			if diff := cmp.Diff(text, string(s.Payload)); diff != "" || int(s.Length) != len(text) {
				t.Errorf("length %d, want %d; payload (-want +got):\n%s", s.Length, len(text), diff)
			}
			if f := fragmentsOf(d); f.Pending != 0 || f.Held != len(c.packets)-len(got) {
				t.Errorf("%+v after %d packets, want none pending", f, len(c.packets))
			}
		})
	}
}

// multiples returns the multiples of n below end.
func multiples(n, end int) []int {
	var all []int
	for at := n; at < end; at += n {
		all = append(all, at)
	}
	return all
}

// worstOrder returns every other packet, then the others: the largest number of separate ranges.
func worstOrder(packets [][]byte) [][]byte {
	var even, odd [][]byte
	for i, p := range packets {
		if i%2 == 0 {
			even = append(even, p)
		} else {
			odd = append(odd, p)
		}
	}
	return append(even, odd...)
}

// TestFragmentsOfDifferentDatagramsStayApart guards against a datagram made of parts of two.
func TestFragmentsOfDifferentDatagramsStayApart(t *testing.T) {
	one, two := tcpOf(nil, numbered(100)), tcpOf(nil, numbered(200)[100:])
	first := fragments4(1, protocolTCP, one, 64)[0]
	tagged := func(id uint16, ip []byte) []byte { return ethernetOf(etherTypeVLAN, tagOf(id, etherTypeIPv4, ip)) }
	for name, packets := range map[string][][]byte{
		"another id":        {first, fragments4(2, protocolTCP, two, 64)[1]},
		"another protocol":  {first, fragments4(1, protocolGRE, two, 64)[1]},
		"another direction": {first, ipv4Fragment(builtDst4, builtSrc4, protocolTCP, 1, 64/8, two[64:])},
		"another ipv6 id":   {fragments6(1, protocolTCP, one, 64)[0], fragments6(2, protocolTCP, two, 64)[1]},
		"inside a tunnel":   {first, outer4(protocolIPv4, fragments4(1, protocolTCP, two, 64)[1])},
		"another vlan": {
			outer4(protocolGRE, greOf(0, etherTypeBridging, 0, tagged(1, first))),
			outer4(protocolGRE, greOf(0, etherTypeBridging, 0, tagged(2, fragments4(1, protocolTCP, two, 64)[1]))),
		},
	} {
		d := NewDissector(DissectorOptions{})
		if got := feed(d, 0, packets...); len(got) != 0 {
			t.Errorf("%s: completed a datagram: %+v", name, read(&got[0]))
		}
		if got := fragmentsOf(d).Pending; got != 2 {
			t.Errorf("%s: %d datagrams pending, want 2", name, got)
		}
	}
}

// TestFragmentsOverlap guards against bytes that replace earlier ones.
func TestFragmentsOverlap(t *testing.T) {
	text := numbered(200)
	tcp := tcpOf(nil, text)
	other := bytes.Repeat([]byte("x"), len(tcp))
	part := func(b []byte, lo, hi int) []byte {
		return ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(lo, hi < len(tcp)), b[lo:hi])
	}
	part6 := func(b []byte, lo, hi int) []byte {
		return ipv6Of(builtSrc6, builtDst6, protocolFragment, fragment6Of(protocolTCP, lo, hi < len(tcp), 1, b[lo:hi]))
	}
	end := len(tcp)
	for name, c := range map[string]struct {
		packets [][]byte
		want    fragmentCounts
	}{
		"same bounds, other bytes":           {[][]byte{part(tcp, 0, 80), part(other, 0, 80), part(tcp, 80, end)}, fragmentCounts{Held: 2, Complete: 1}},
		"same bytes, inside":                 {[][]byte{part(tcp, 0, 80), part(tcp, 40, 72), part(tcp, 80, end)}, fragmentCounts{Held: 2, Complete: 1}},
		"reaches back":                       {[][]byte{part(tcp, 0, 80), mixed(part, other, tcp, 40, 80, end)}, fragmentCounts{Held: 1, Complete: 1}},
		"reaches over both":                  {[][]byte{part(tcp, 0, 40), part(tcp, 80, 120), overBoth(part, tcp, other), part(tcp, 160, end)}, fragmentCounts{Held: 3, Complete: 1}},
		"ipv6 same bounds":                   {[][]byte{part6(tcp, 0, 80), part6(other, 0, 80), part6(tcp, 80, end)}, fragmentCounts{Held: 2, Complete: 1}},
		"beyond the end":                     {[][]byte{part(tcp, 80, end), part(append(slices.Clone(other), other...), 160, 400), part(tcp, 0, 80)}, fragmentCounts{Held: 2, Complete: 1}},
		"beyond the end, and more to follow": {[][]byte{part(tcp, 80, end), ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(216, true), other[:16]), part(tcp, 0, 80)}, fragmentCounts{Held: 2, Complete: 1}},
		"an earlier end":                     {[][]byte{part(tcp, 80, end), ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(80, false), other[:40]), part(tcp, 0, 80)}, fragmentCounts{Held: 2, Complete: 1}},
		"an end before what was there":       {[][]byte{part(tcp, 80, 160), ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(80, false), other[:40]), part(tcp, 0, 80), part(tcp, 160, end)}, fragmentCounts{Held: 3, Complete: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDissector(DissectorOptions{})
			got := feed(d, 0, c.packets...)
			if len(got) != 1 || string(got[0].Payload) != text {
				t.Fatalf("%d segments, want one with %q", len(got), text)
			}
			if diff := cmp.Diff(c.want, fragmentsOf(d)); diff != "" {
				t.Errorf("fragments (-want +got):\n%s", diff)
			}
		})
	}
}

// fragmentCounts count the packets with fragments that completed nothing, and the datagrams in a
// Dissector.
type fragmentCounts struct{ Held, Pending, Complete int }

func fragmentsOf(d *Dissector) fragmentCounts {
	return fragmentCounts{int(d.Stats().Fragments), d.fragments.pending.length, d.fragments.finished.length}
}

// mixed returns a fragment from lo to hi, with the bytes of a before middle and those of b after
// it.
func mixed(part func([]byte, int, int) []byte, a, b []byte, lo, middle, hi int) []byte {
	return part(slices.Concat(a[:middle], b[middle:]), lo, hi)
}

// overBoth returns a fragment from 16 to 160. It has the right bytes only where there were none
// before: from 40 to 80 and from 120 on.
func overBoth(part func([]byte, int, int) []byte, right, wrong []byte) []byte {
	return part(slices.Concat(wrong[:40], right[40:80], wrong[80:120], right[120:]), 16, 160)
}

// TestFragmentsRefused guards against impossible fragments that are accepted.
func TestFragmentsRefused(t *testing.T) {
	fragment := func(offset int, more bool, n int) []byte {
		return ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(offset, more), make([]byte, n))
	}
	for name, c := range map[string]struct {
		packet []byte
		want   fragmentCounts
		other  uint64
	}{
		"empty":                       {fragment(0, true, 0), fragmentCounts{}, 0},
		"more follow at an odd place": {fragment(0, true, 9), fragmentCounts{}, 0},
		"beyond 65,535":               {fragment(65528, false, 8), fragmentCounts{}, 0},
		"ipv6 beyond 65,535":          {ipv6Of(builtSrc6, builtDst6, protocolFragment, fragment6Of(protocolTCP, 65528, false, 1, make([]byte, 8))), fragmentCounts{}, 0},
		"up to 65,535":                {fragment(65528, false, 7), fragmentCounts{Held: 1, Pending: 1}, 0},
		"icmp":                        {ipv4Fragment(builtSrc4, builtDst4, 1, 1, moreFragments4, make([]byte, 8)), fragmentCounts{}, 1},
		"icmpv6":                      {ipv6Of(builtSrc6, builtDst6, protocolFragment, fragment6Of(58, 0, true, 1, make([]byte, 8))), fragmentCounts{}, 1},
	} {
		d := NewDissector(DissectorOptions{})
		feed(d, 0, c.packet)
		got := d.Stats()
		if diff := cmp.Diff(c.want, fragmentsOf(d)); diff != "" || got.Other != c.other || unparsedPackets(got) != 1-c.other-got.Fragments {
			t.Errorf("%s: %d other, unparsed %v, fragments (-want +got):\n%s", name, got.Other, got.Unparsed, diff)
		}
	}
}

// TestFragmentsExpire guards against old fragments in a datagram that reuses their id, and against
// memory that is never freed.
func TestFragmentsExpire(t *testing.T) {
	old, fresh := tcpOf(nil, numbered(300)), tcpOf(nil, numbered(600)[300:])
	first, both := fragments4(1, protocolTCP, old, 160)[:1], fragments4(1, protocolTCP, fresh, 160)
	for name, c := range map[string]struct {
		before, after [][]byte
		wait          int64
		segments      int
		want          fragmentCounts
	}{
		"in time":                         {first, both[1:], fragmentTimeout, 1, fragmentCounts{Held: 1, Complete: 1}},
		"too late":                        {first, both[1:], fragmentTimeout + 1, 0, fragmentCounts{Held: 2, Pending: 1}},
		"too early":                       {first, both[1:], -fragmentTimeout - 1, 0, fragmentCounts{Held: 2, Pending: 1}},
		"id used again":                   {first, both, fragmentTimeout + 1, 1, fragmentCounts{Held: 2, Complete: 1}},
		"copy of a complete one":          {both, both, 10 * millisecond, 0, fragmentCounts{Held: 3, Complete: 1}},
		"id of a complete one used again": {both, both, duplicateWindow + 2*millisecond, 1, fragmentCounts{Held: 2, Complete: 1}},
		"id of a complete one used again, backwards": {both, both, -duplicateWindow, 1, fragmentCounts{Held: 2, Complete: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDissector(DissectorOptions{})
			start := 100 * second
			feed(d, start, c.before...)
			if got := feed(d, start+c.wait, c.after...); len(got) != c.segments {
				t.Errorf("%d segments, want %d", len(got), c.segments)
			}
			if diff := cmp.Diff(c.want, fragmentsOf(d)); diff != "" {
				t.Errorf("fragments (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFragmentLimits guards against memory that grows with the packets.
func TestFragmentLimits(t *testing.T) {
	tcp := tcpOf(nil, numbered(200))
	firsts := func(n, size int) [][]byte {
		var all [][]byte
		for id := range n {
			all = append(all, ipv4Fragment(builtSrc4, builtDst4, protocolTCP, uint16(id), moreFragments4, make([]byte, size)))
		}
		return all
	}
	scattered := func(n int) [][]byte {
		var all [][]byte
		for i := range n {
			all = append(all, ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(16*i+8, true), make([]byte, 8)))
		}
		return all
	}
	for name, c := range map[string]struct {
		packets [][]byte
		limit   map[string]uint64
		want    fragmentCounts
	}{
		"datagrams": {firsts(maxDatagrams+10, 8), map[string]uint64{"fragmented_datagrams": 10},
			fragmentCounts{Held: maxDatagrams + 10, Pending: maxDatagrams}},
		"bytes": {firsts(70, 32768), map[string]uint64{"fragment_bytes": 6},
			fragmentCounts{Held: 70, Pending: 64}},
		"pieces": {scattered(maxSpans + 5), map[string]uint64{"fragment_pieces": 5},
			fragmentCounts{Held: maxSpans + 5, Pending: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDissector(DissectorOptions{})
			for i, p := range c.packets {
				feed(d, 0, p)
				if i%16 == 0 {
					checkFragmentMemory(t, d)
				}
			}
			got := d.Stats()
			if diff := cmp.Diff(c.limit, got.Limits); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.want, fragmentsOf(d)); diff != "" {
				t.Errorf("fragments (-want +got):\n%s", diff)
			}
			if got := feed(d, 0, fragments4(9999, protocolTCP, tcp, 80)...); len(got) != 1 {
				t.Errorf("the datagram after it gives %d segments, want 1", len(got))
			}
		})
	}
}

// TestFragmentBytesExhausted guards against a datagram that evicts itself if there is memory for
// one only.
func TestFragmentBytesExhausted(t *testing.T) {
	d := NewDissector(DissectorOptions{})
	d.fragments.maxBytes = 70 << 10 // one buffer of 64 KiB, and one of 4
	text := numbered(40000)
	packets := fragments4(1, protocolTCP, tcpOf(nil, text), 4000, 8000)
	feed(d, 0, packets[:2]...) // 16 KiB buffer
	feed(d, 0, packets[2:]...) // also needs one of 64 KiB
	checkFragmentMemory(t, d)
	want := fragmentCounts{Held: 3, Pending: 1}
	if diff := cmp.Diff(want, fragmentsOf(d)); diff != "" {
		t.Errorf("fragments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint64{"fragment_bytes": 1}, d.Stats().Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

// TestFinishedDatagramsBounded guards against unbounded memory for complete datagrams.
func TestFinishedDatagramsBounded(t *testing.T) {
	d := NewDissector(DissectorOptions{})
	const n = maxDatagrams + 100
	for id := range uint16(n) {
		for _, p := range fragments4(id, protocolTCP, tcpOf(nil, numbered(100)), 64) {
			feed(d, 0, p)
		}
	}
	checkFragmentMemory(t, d)
	want := fragmentCounts{Held: n, Complete: maxDatagrams}
	if diff := cmp.Diff(want, fragmentsOf(d)); diff != "" {
		t.Errorf("fragments (-want +got):\n%s", diff)
	}
}

// checkFragmentMemory checks that the count of bytes is right and within the limit.
func checkFragmentMemory(t *testing.T, d *Dissector) {
	t.Helper()
	m, held := &d.fragments, 0
	for g := m.pending.oldest; g != nil; g = g.newer {
		held += len(g.buffer)
	}
	for g := m.finished.oldest; g != nil; g = g.newer {
		held += len(g.buffer)
	}
	for _, free := range m.free {
		for _, b := range free {
			held += len(b)
		}
	}
	for _, b := range m.lent {
		held += len(b)
	}
	if held != m.bytes || held > m.maxBytes {
		t.Fatalf("%d bytes of fragments held, %d counted, %d allowed", held, m.bytes, m.maxBytes)
	}
	if n := m.pending.length + m.finished.length; n != len(m.datagrams) || m.pending.length > m.maxDatagrams || m.finished.length > m.maxDatagrams {
		t.Fatalf("%d pending and %d finished datagrams, %d by key", m.pending.length, m.finished.length, len(m.datagrams))
	}
}

// TestFragmentsAgreeWithModel guards the bookkeeping of ranges. Random fragments, overlapping and
// in any order, give the same as an array in which each byte is written once.
func TestFragmentsAgreeWithModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	completed := 0
	for round := range 3000 {
		total := 8 * (4 + r.IntN(20))
		model, have := make([]byte, total), make([]bool, total)
		copy(model, tcpOf(nil, "")) // no fragment with other bytes overlaps the header
		header := fragments4(1, protocolTCP, model, 24)[0]
		for i := range 24 {
			have[i] = true
		}
		d := NewDissector(DissectorOptions{})
		var s Segment
		p := Packet{Data: header, Length: uint32(len(header)), Link: LinkTypeRaw}
		found := d.Segment(&p, &s)
		for range 60 {
			lo := 8 + 8*r.IntN(total/8-1) // 0 to total would not be a fragment
			hi := min(lo+8*(1+r.IntN(6)), total)
			part := make([]byte, hi-lo)
			for i := range part {
				part[i] = byte(r.Uint32())
			}
			data := ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(lo, hi < total), part)
			for i := range part {
				if lo+i >= 24 && !have[lo+i] {
					model[lo+i], have[lo+i] = part[i], true
				}
			}
			p := Packet{Data: data, Length: uint32(len(data)), Link: LinkTypeRaw}
			if found = d.Segment(&p, &s); found {
				break
			}
		}
		count := 0
		for _, h := range have {
			if h {
				count++
			}
		}
		if found != (count == total) {
			t.Fatalf("round %d: complete is %v with %d of %d bytes", round, found, count, total)
		}
		if found {
			completed++
			if !bytes.Equal(s.Payload, model[20:]) {
				t.Fatalf("round %d: % x, want % x", round, s.Payload, model[20:])
			}
		}
		checkFragmentMemory(t, d)
	}
	if completed < 1000 {
		t.Errorf("only %d datagrams were completed", completed)
	}
}

// TestFragmentsAllocateNothing guards the steady state: buffers and datagrams are reused.
func TestFragmentsAllocateNothing(t *testing.T) {
	d := NewDissector(DissectorOptions{})
	packets := fragments4(1, protocolTCP, tcpOf(nil, numbered(8000)), 1480, 2960, 4440, 5920, 7400)
	p := Packet{Link: LinkTypeRaw}
	var s Segment
	id, found := uint16(0), 0
	run := func() {
		id++
		p.Time += millisecond
		for _, data := range packets {
			binary.BigEndian.PutUint16(data[4:], id)
			p.Data, p.Length = data, uint32(len(data))
			if d.Segment(&p, &s) {
				found++
			}
		}
	}
	for range 5000 {
		run()
	}
	if n := testing.AllocsPerRun(5000, run); n != 0 {
		t.Errorf("%v allocations a datagram", n)
	}
	if found != 5000+5001 {
		t.Errorf("%d segments, want %d", found, 5000+5001)
	}
}

func BenchmarkFragments(b *testing.B) {
	d := NewDissector(DissectorOptions{})
	packets := fragments4(1, protocolTCP, tcpOf(nil, numbered(2900)), 1480)
	var s Segment
	p := Packet{Link: LinkTypeRaw}
	id := uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		id++
		p.Time += millisecond
		for _, data := range packets {
			binary.BigEndian.PutUint16(data[4:], id)
			p.Data, p.Length = data, uint32(len(data))
			d.Segment(&p, &s)
		}
	}
	if d.fragments.finished.length == 0 {
		b.Fatal("nothing was put together")
	}
}

// TestFragmentsAreEvictedInTime: other datagrams' time evicts incomplete and complete datagrams,
// even if many are complete at once.
func TestFragmentsAreEvictedInTime(t *testing.T) {
	d := NewDissector(DissectorOptions{})
	part := func(id uint16) []byte { return fragments4(id, protocolTCP, tcpOf(nil, numbered(200)), 80)[0] }
	feed(d, 0, part(1))
	feed(d, fragmentTimeout+second, part(2))
	if got := fragmentsOf(d); got.Held != 2 || got.Pending != 1 {
		t.Errorf("%+v, want two fragments, the second one pending", got)
	}
	const many = maxDatagrams + 10
	complete := NewDissector(DissectorOptions{})
	for id := range uint16(many) {
		for _, data := range fragments4(id, protocolTCP, tcpOf(nil, numbered(200)), 80) {
			p := Packet{Position: Position{Time: second}, Data: data, Length: uint32(len(data)), Link: LinkTypeRaw}
			complete.Segment(&p, new(Segment))
		}
	}
	if n := complete.fragments.finished.length; n != maxDatagrams {
		t.Errorf("%d complete datagrams are remembered, want %d", n, maxDatagrams)
	}
}
