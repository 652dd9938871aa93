package capture

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testOptions are the options of all tests here.
var testOptions = DissectorOptions{VXLANPorts: []uint16{otherVXLANPort}, GenevePorts: []uint16{otherGenevePort}}

// refusedCase is a packet without a segment.
type refusedCase struct {
	name   string
	link   LinkType
	data   []byte
	length int // on the wire, if it is not len(data)
	// reason is why the packet counts as unparsed. If empty, it counts as other.
	reason string
	// limit is the name of the limit that it exceeds.
	limit string
}

// readable is a Segment for readable differences.
type readable struct {
	Src, Dst       netip.AddrPort
	Seq, Ack       uint32
	Flags          TCPFlags
	Payload        string
	Length         uint32
	Depth          uint8
	Domain, Pieces bool
	Position       Position
}

func read(s *Segment) readable {
	return readable{
		Src: netip.AddrPortFrom(netip.AddrFrom16(s.Src).Unmap(), s.SrcPort),
		Dst: netip.AddrPortFrom(netip.AddrFrom16(s.Dst).Unmap(), s.DstPort),
		Seq: s.Seq, Ack: s.Ack, Flags: s.Flags, Payload: string(s.Payload), Length: s.Length,
		Depth: s.Depth, Domain: s.Domain != 0, Pieces: s.Fragmented, Position: s.Position,
	}
}

// compareReadable is an option for cmp.
var compareReadable = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

// garbage returns a Segment with a value in every field. It shows a field that is not set.
func garbage() Segment {
	s := Segment{Position: Position{Frame: 1, Time: 2, Capture: 3}, Payload: []byte("old"), Domain: 1, SrcPort: 1, DstPort: 2, Seq: 3, Ack: 4, Length: 5, Flags: RST, Depth: 6, Fragmented: true}
	copy(s.Src[:], "a source address")
	copy(s.Dst[:], "where it goes to")
	return s
}

// TestSegmentInEveryWrapping guards against a layer that is not supported, or that shifts an
// address, a length or a byte of the payload.
func TestSegmentInEveryWrapping(t *testing.T) {
	for _, c := range builtCases() {
		t.Run(c.name, func(t *testing.T) {
			d, p, s := NewDissector(testOptions), c.packet(), garbage()
			if !d.Segment(&p, &s) {
				t.Fatalf("no segment: %v", d.Stats().Unparsed)
			}
			want := readable{
				Src: netip.AddrPortFrom(builtSrc4, builtSrcPort), Dst: netip.AddrPortFrom(builtDst4, builtDstPort),
				Seq: builtSeq, Ack: builtAck, Flags: builtFlags, Payload: builtPayload, Length: uint32(len(builtPayload)),
				Depth: c.depth, Domain: c.domain, Position: p.Position,
			}
			if c.v6 {
				want.Src, want.Dst = netip.AddrPortFrom(builtSrc6, builtSrcPort), netip.AddrPortFrom(builtDst6, builtDstPort)
			}
			if c.name == shortenedCase {
				want.Payload = want.Payload[:len(c.data)-ethernetHeader-ipv4Header-tcpHeader]
			}
			if diff := cmp.Diff(want, read(&s), compareReadable); diff != "" {
				t.Errorf("segment (-want +got):\n%s", diff)
			}
			if got := d.Stats(); got.Packets != 1 || got.Segments != 1 || len(got.Limits) != 0 {
				t.Errorf("counted as %+v", got)
			}
		})
	}
}

// shortenedCase is the case in which part of the payload is missing.
const shortenedCase = "ipv4 total length beyond a mirrored and shortened frame"

// TestPacketsWithoutSegment guards against false segments, and against skipped packets with a
// wrong count.
func TestPacketsWithoutSegment(t *testing.T) {
	for _, c := range slices.Concat(linkRefused(), ipRefused(), tunnelRefused(), rareRefused()) {
		t.Run(c.name, func(t *testing.T) {
			d, s := NewDissector(testOptions), garbage()
			at := Position{Frame: 7, Time: 8, Capture: 9}
			p := Packet{Position: at, Data: c.data, Length: uint32(max(c.length, len(c.data))), Link: c.link}
			if d.Segment(&p, &s) {
				t.Fatalf("a segment: %+v", read(&s))
			}
			got, want := d.Stats(), DissectorStats{Packets: 1, Limits: map[string]uint64{}}
			if c.reason == "" {
				want.Other = 1
			} else {
				if len(got.Unparsed) != 1 || got.Unparsed[0].String() != c.reason {
					t.Fatalf("unparsed for %v, want %q", got.Unparsed, c.reason)
				}
				u := got.Unparsed[0]
				want.Unparsed = []Unparsed{{Layer: u.Layer, Problem: u.Problem, Protocol: u.Protocol, Packets: 1, First: at}}
			}
			if c.limit != "" {
				want.Limits[c.limit] = 1
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("statistics (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSnapshotLength guards against wrong lengths and addresses in captures with a short snapshot
// length. Cut anywhere, a packet gives no segment, or the same one with less payload.
func TestSnapshotLength(t *testing.T) {
	for _, c := range builtCases() {
		if c.name == shortenedCase {
			continue // its wire length is already wrong
		}
		p, whole := c.packet(), garbage()
		if !NewDissector(testOptions).Segment(&p, &whole) {
			t.Fatalf("%s: no segment", c.name)
		}
		found := 0
		for n := range c.data {
			d, s := NewDissector(testOptions), garbage()
			p.Data = slices.Clone(c.data[:n]) // a copy, to detect reads past its end
			if !d.Segment(&p, &s) {
				if got := d.Stats(); unparsedPackets(got) != 1 {
					t.Errorf("%s cut to %d bytes counts as %+v", c.name, n, got)
				}
				continue
			}
			found++
			want := read(&whole)
			want.Payload = want.Payload[:min(len(s.Payload), len(want.Payload))]
			if diff := cmp.Diff(want, read(&s), compareReadable); diff != "" || s.Domain != whole.Domain {
				t.Errorf("%s cut to %d bytes (-want +got):\n%s", c.name, n, diff)
			}
		}
		// From the TCP flags on, each missing byte is one byte less of payload.
		if least := len(builtPayload) + tcpHeader - tcpNeeded; found < least {
			t.Errorf("%s: only %d of the cut packets have a segment, want %d", c.name, found, least)
		}
	}
}

// TestStraightWayAgrees compares the fast path for plain packets with parsing header by header.
func TestStraightWayAgrees(t *testing.T) {
	d, taken := NewDissector(testOptions), 0
	check := func(p *Packet) {
		straight, thorough := garbage(), garbage()
		if !plainSegment(p, &straight) {
			return
		}
		taken++
		if !d.dissect(p, &thorough) {
			t.Errorf("% x: only the straight way finds a segment", p.Data)
		} else if read(&straight) != read(&thorough) {
			t.Errorf("% x (-header by header +straight):\n%s", p.Data, cmp.Diff(thorough, straight))
		}
	}
	whole := append(ethernetOf(etherTypeIPv4, ipv4Of(builtSrc4, builtDst4, protocolTCP, tcpOf(slices.Repeat([]byte{1}, 12), builtPayload))), "pad"...)
	for at := range whole {
		for value := range 256 {
			p := Packet{Data: slices.Clone(whole), Length: uint32(len(whole)), Link: LinkTypeEthernet}
			p.Data[at] = byte(value)
			check(&p)
			p.Data = p.Data[:len(p.Data)-12]
			check(&p)
		}
	}
	if taken < 1000 {
		t.Errorf("the straight way was taken %d times, too seldom to say anything", taken)
	}
}

// TestUnsupportedLinkTypesBounded guards against memory that grows with the number of link types
// in a crafted capture.
func TestUnsupportedLinkTypesBounded(t *testing.T) {
	d := NewDissector(DissectorOptions{})
	var s Segment
	for i := range 1000 {
		d.Segment(&Packet{Position: Position{Frame: uint64(i + 1)}, Link: LinkType(1000 + i)}, &s)
	}
	d.Segment(&Packet{Link: 1000}, &s)
	got := d.Stats()
	if n := len(got.Unparsed); n != maxUnsupported+1 {
		t.Fatalf("%d reasons listed, want %d", n, maxUnsupported+1)
	}
	want := Unparsed{Problem: ProblemUnsupported, Protocol: Protocol{ProtocolLink, 1000}, Packets: 2, First: Position{Frame: 1}}
	if diff := cmp.Diff(want, got.Unparsed[0]); diff != "" {
		t.Errorf("first link type (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint64{"unsupported_protocols": 1000 - maxUnsupported}, got.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	nameless := Unparsed{Problem: ProblemUnsupported, Packets: 1000 - maxUnsupported, First: Position{Frame: maxUnsupported + 1}}
	if diff := cmp.Diff(nameless, got.Unparsed[maxUnsupported]); diff != "" {
		t.Errorf("unparsed without a name (-want +got):\n%s", diff)
	}
}

func unparsedPackets(s DissectorStats) (n uint64) {
	for _, u := range s.Unparsed {
		n += u.Packets
	}
	return n
}

// TestReasonsHaveNames guards against a reason without text in the report.
func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for l := range layerCount + 1 {
		seen[l.String()] = true
	}
	for p := range problemCount + 1 {
		seen[p.String()] = true
	}
	if n := int(layerCount) + int(problemCount) + 2; len(seen) != n || seen[""] {
		t.Errorf("%d different names for %d layers and problems: %v", len(seen), n, seen)
	}
}

// rareAllocations is what gopacket may allocate for a rare header.
const rareAllocations = 8

// TestDissectorAllocatesNothing guards the speed of the hot path.
func TestDissectorAllocatesNothing(t *testing.T) {
	for _, c := range builtCases() {
		d, p := NewDissector(testOptions), c.packet()
		var s Segment
		allowed := 0.0
		if c.library {
			allowed = rareAllocations
		}
		if n := testing.AllocsPerRun(100, func() { d.Segment(&p, &s) }); n > allowed {
			t.Errorf("%s: %v allocations a packet", c.name, n)
		}
	}
}

func BenchmarkDissector(b *testing.B) {
	names := []string{"ethernet ipv4", "ethernet ipv6", "vlan", "sll2", "ipv4 options", "vxlan", "erspan II", "geneve in vxlan in gre in ip in ip"}
	for _, c := range builtCases() {
		if !slices.Contains(names, c.name) {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			d, p := NewDissector(testOptions), c.packet()
			var s Segment
			b.ReportAllocs()
			for b.Loop() {
				if !d.Segment(&p, &s) {
					b.Fatal("no segment")
				}
			}
		})
	}
	b.Run("udp", func(b *testing.B) {
		data := ethernetOf(etherTypeIPv4, outer4(protocolUDP, udpOf(53, make([]byte, 100))))
		d, p := NewDissector(testOptions), Packet{Data: data, Length: uint32(len(data)), Link: LinkTypeEthernet}
		var s Segment
		b.ReportAllocs()
		for b.Loop() {
			if d.Segment(&p, &s) {
				b.Fatal("a segment")
			}
		}
	})
}
