package capture

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"
	"time"
)

// The limits for any 64 KiB of input.
const (
	fuzzInput  = 64 << 10
	fuzzTime   = 50 * time.Millisecond
	fuzzMemory = 16 << 20
)

// withinBudget fails the test if dissect takes more time or memory than fuzzInput bytes may. On a
// busy machine, it measures the time up to three times.
func withinBudget(t *testing.T, dissect func()) {
	t.Helper()
	var before, after runtime.MemStats
	least := time.Hour
	for range 3 {
		runtime.ReadMemStats(&before)
		start := time.Now()
		dissect()
		least = min(least, time.Since(start))
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > fuzzMemory {
			t.Fatalf("%d bytes allocated, more than %d", n, fuzzMemory)
		}
		if least <= fuzzTime {
			return
		}
	}
	t.Fatalf("took %v, more than %v", least, fuzzTime)
}

// checkSegment checks what is true for every segment.
func checkSegment(t *testing.T, p *Packet, s *Segment) {
	t.Helper()
	if len(s.Payload) > int(s.Length) || s.Length > maxDatagram || s.Position != p.Position || s.Depth > maxTunnels {
		t.Fatalf("length %d with %d captured, depth %d, position %v", s.Length, len(s.Payload), s.Depth, s.Position)
	}
	if !s.Fragmented && len(s.Payload) > len(p.Data) {
		t.Fatalf("%d bytes of payload in a packet of %d", len(s.Payload), len(p.Data))
	}
}

// checkDissectorStats checks that every packet was counted once.
func checkDissectorStats(t *testing.T, d *Dissector, packets int) {
	t.Helper()
	n := d.Stats()
	if sum := n.Segments + n.Other + n.Fragments + unparsedPackets(n); n.Packets != uint64(packets) || sum != n.Packets {
		t.Fatalf("%d packets given, %d counted, %d of them with what became of them: %+v", packets, n.Packets, sum, n)
	}
}

// FuzzSegment looks for packets that make the dissector panic or read past their end, or that give
// another segment when cut.
func FuzzSegment(f *testing.F) {
	for _, c := range builtCases() {
		f.Add(uint32(c.link), uint32(len(c.data)), c.data)
	}
	for _, c := range slices.Concat(linkRefused(), ipRefused(), tunnelRefused(), rareRefused()) {
		f.Add(uint32(c.link), uint32(c.length), c.data)
	}
	f.Fuzz(func(t *testing.T, link, length uint32, data []byte) {
		if len(data) > fuzzInput {
			return
		}
		p := Packet{Position: Position{Frame: 1}, Data: slices.Clip(data), Length: length, Link: LinkType(link)}
		withinBudget(t, func() {
			d := NewDissector(testOptions)
			var s Segment
			if d.Segment(&p, &s) {
				checkSegment(t, &p, &s)
			}
			checkDissectorStats(t, d, 1)
		})
		var whole, cut Segment
		if p.Length = max(length, uint32(len(data))); !NewDissector(testOptions).Segment(&p, &whole) {
			return
		}
		p.Data = p.Data[:len(p.Data)*3/4]
		if NewDissector(testOptions).Segment(&p, &cut) {
			n := min(len(cut.Payload), len(whole.Payload))
			if cut.Src != whole.Src || cut.Dst != whole.Dst || cut.SrcPort != whole.SrcPort || cut.DstPort != whole.DstPort ||
				cut.Seq != whole.Seq || cut.Length != whole.Length || cut.Domain != whole.Domain || string(cut.Payload) != string(whole.Payload[:n]) {
				t.Fatalf("cut to %d bytes: %+v, whole: %+v", len(p.Data), read(&cut), read(&whole))
			}
		}
	})
}

// sequenceOf encodes packets of raw IP as an input of FuzzFragments: for each 4 bytes of header,
// then its bytes.
func sequenceOf(packets ...[]byte) []byte {
	var b []byte
	for i, p := range packets {
		b = append(be16(b, uint16(len(p))), byte(i), 0)
		b = append(b, p...)
	}
	return b
}

// dissectSequence dissects the packets of such an input. The header bytes are the length, the
// milliseconds since the previous packet, and how many more bytes were on the wire.
func dissectSequence(t *testing.T, input []byte) *Dissector {
	t.Helper()
	d := NewDissector(testOptions)
	var s Segment
	p := Packet{Link: LinkTypeRaw}
	packets := 0
	for len(input) >= 4 {
		n := min(int(binary.BigEndian.Uint16(input)), len(input)-4)
		p.Time += int64(int8(input[2])) * 200 * millisecond
		p.Data = slices.Clip(input[4 : 4+n])
		p.Length = uint32(n) + uint32(input[3])
		input = input[4+n:]
		p.Frame++
		packets++
		if d.Segment(&p, &s) {
			checkSegment(t, &p, &s)
		}
	}
	checkFragmentMemory(t, d)
	checkDissectorStats(t, d, packets)
	return d
}

// FuzzFragments looks for sequences of fragments that break the bookkeeping or exceed the limits.
func FuzzFragments(f *testing.F) {
	tcp := tcpOf(nil, numbered(300))
	three, six := fragments4(1, protocolTCP, tcp, 80, 160), fragments6(1, protocolTCP, tcp, 80, 160)
	f.Add(sequenceOf(three...))
	f.Add(sequenceOf(reversed(three)...))
	f.Add(sequenceOf(twice(three)...))
	f.Add(sequenceOf(six...))
	f.Add(sequenceOf(slices.Concat(three[:2], six[1:], three[2:])...))
	f.Add(sequenceOf(outer4(protocolIPv4, three[0]), outer4(protocolIPv4, three[1]), outer4(protocolIPv4, three[2])))
	f.Add(sequenceOf(three[0], fragments4(1, protocolTCP, tcp, 40)[1]))
	for _, input := range hostileFragments() {
		f.Add(input[:4096])
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) <= fuzzInput {
			withinBudget(t, func() { dissectSequence(t, input) })
		}
	})
}

// hostileFragments are 64 KiB of fragments each, made to be as expensive as possible.
func hostileFragments() map[string][]byte {
	small := make([]byte, 8)
	flood := func(packet func(i int) []byte) []byte {
		var b []byte
		for i := 0; len(b) < fuzzInput; i++ {
			b = append(b, sequenceOf(packet(i))...)
		}
		return b[:fuzzInput]
	}
	fragment := func(id, offset int) []byte {
		return ipv4Fragment(builtSrc4, builtDst4, protocolTCP, uint16(id), fragmentField(offset, true), small)
	}
	return map[string][]byte{
		"a full buffer each":             flood(func(i int) []byte { return fragment(i, 65520) }),
		"every other place of one":       flood(func(i int) []byte { return fragment(1, 16*(i%4000)) }),
		"every other place, last first":  flood(func(i int) []byte { return fragment(1, 65520-16*(i%4000)) }),
		"growing from size to size":      flood(func(i int) []byte { return fragment(i%700, []int{0, 5000, 20000, 65520}[i/700%4]) }),
		"the smallest, then the largest": flood(func(i int) []byte { return fragment(i, []int{0, 65520}[i/1024%2]) }),
		"complete with two":              flood(func(i int) []byte { return fragments4(uint16(i/2), protocolTCP, make([]byte, 16), 8)[i%2] }),
		"complete at full size": flood(func(i int) []byte {
			return ipv4Fragment(builtSrc4, builtDst4, protocolTCP, uint16(i), fragmentField(65520, false), small)
		}),
	}
}

// TestHostileFragments guards against floods of fragments that take too much time or memory.
func TestHostileFragments(t *testing.T) {
	for name, input := range hostileFragments() {
		t.Run(name, func(t *testing.T) {
			var d *Dissector
			withinBudget(t, func() { d = dissectSequence(t, input) })
			if got := d.Stats(); got.Packets-got.Other < 1500 {
				t.Errorf("%+v: too few fragments to cost anything", got)
			}
		})
	}
}
