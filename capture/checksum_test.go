package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestChecksums compares the checksums of segments in every encapsulation with those that package
// capturetest fills in.
func TestChecksums(t *testing.T) {
	r := capturetest.NewRecorder()
	for _, ends := range [][2]string{{"192.0.2.7:40001", "192.0.2.9:9092"}, {"[2001:db8::7]:40001", "[2001:db8::9]:9092"}} {
		c := r.Open(netip.MustParseAddrPort(ends[0]), netip.MustParseAddrPort(ends[1]))
		c.Exchange([]byte("a request of odd length"), []byte("an answer"))
	}
	variants := append(capturetest.Encapsulations(), capturetest.Variant{Name: "fragments", Rewrite: func(p []capturetest.Packet, _ uint64) []capturetest.Packet {
		return capturetest.Fragment(p, 16, capturetest.Fragments{})
	}})
	for _, v := range variants {
		if v.Keeps&capturetest.KeepsAddresses == 0 && v.Name != "fragments" {
			continue // rebuilt, with right checksums
		}
		seen := map[Checksum]int{}
		for change, want := range map[string]Checksum{"": ChecksumRight, "payload": ChecksumWrong, "zero": ChecksumZero, "offload": ChecksumLeft, "cut": ChecksumUnknown} {
			d, s := NewDissector(DissectorOptions{}), garbage()
			for _, p := range v.Rewrite(changed(r.Packets, change), 1) {
				pkt := Packet{Data: p.Data, Length: uint32(p.Length()), Link: LinkType(p.Link)}
				if !d.Segment(&pkt, &s) || len(s.Payload) == 0 && change != "" {
					continue
				}
				seen[want]++
				if got := s.Checksum(); got != want {
					t.Errorf("%s, %s: checksum is %d, want %d", v.Name, change, got, want)
				}
				if got := s.Covered().Checksum(); got != want && (got != ChecksumUnknown || v.Name == "VLAN") {
					t.Errorf("%s, %s: later, the checksum is %d, want %d", v.Name, change, got, want)
				}
				if ttl := s.TTL(); ttl != 64 && !s.Fragmented {
					t.Errorf("%s: TTL %d", v.Name, ttl)
				}
			}
		}
		if v.Name != "fragments" && len(seen) < 3 {
			t.Errorf("%s: only %v were tried", v.Name, seen)
		}
	}
}

// changed returns packets with a change that checksums cover.
func changed(packets []capturetest.Packet, what string) []capturetest.Packet {
	var out []capturetest.Packet
	for _, p := range packets {
		p.Data = slices.Clone(p.Data)
		ip := p.Data[ethernetHeader:]
		at := ipv4Header
		if ip[0]>>4 == 6 {
			at = ipv6Header
		}
		tcp := ip[at:]
		payload := int(tcp[12]>>4) * 4
		if len(tcp) > payload {
			switch what {
			case "payload":
				tcp[payload] ^= 0x55
			case "zero":
				tcp[16], tcp[17] = 0, 0
			case "offload":
				var s Segment
				pkt := Packet{Data: p.Data, Length: uint32(len(p.Data)), Link: LinkTypeEthernet}
				NewDissector(DissectorOptions{}).Segment(&pkt, &s)
				binary.BigEndian.PutUint16(tcp[16:], s.pseudoHeader(len(tcp)))
			case "cut":
				p.OrigLen = len(p.Data)
				p.Data = p.Data[:len(p.Data)-1]
			}
		}
		out = append(out, p)
	}
	return out
}

// TestTimestamps finds the timestamp option among others.
func TestTimestamps(t *testing.T) {
	for name, tc := range map[string]struct {
		options string
		cut     int
		has, ok bool
	}{
		"none":                  {"", 0, false, true},
		"usual":                 {"\x01\x01\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x09", 0, true, true},
		"of a SYN":              {"\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x09\x01\x03\x03\x07", 0, true, true},
		"without padding":       {"\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x09\x00\x00", 0, true, true},
		"behind the last":       {"\x01\x00\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x09", 0, false, true},
		"behind a length of 0":  {"\x05\x00\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x09", 0, true, true},
		"behind a long option":  {"\x05\xff\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x09", 0, false, true},
		"of a wrong length":     {"\x01\x01\x08\x09\x00\x00\x00\x07\x00\x00\x00\x09", 0, false, true},
		"incomplete":            {"\x01\x01\x08\x0a", 0, false, true},
		"cut by the snaplength": {"\x01\x01\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x09", 1, false, false},
	} {
		r := capturetest.NewRecorder()
		c := r.Join(netip.MustParseAddrPort("192.0.2.7:40001"), netip.MustParseAddrPort("192.0.2.9:9092"))
		c.Options = []byte(tc.options)
		c.Ack(capturetest.ToBroker)
		data := r.Packets[0].Data
		pkt, s := Packet{Data: data[:len(data)-tc.cut], Length: uint32(len(data)), Link: LinkTypeEthernet}, garbage()
		if !NewDissector(DissectorOptions{}).Segment(&pkt, &s) {
			t.Fatalf("%s: no segment", name)
		}
		value, echo, has, ok := s.Timestamps()
		if has != tc.has || ok != tc.ok || has && (value != 7 || echo != 9) {
			t.Errorf("%s: %d, %d, has %v, ok %v", name, value, echo, has, ok)
		}
	}
}
