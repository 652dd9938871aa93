package capture

import (
	"encoding/binary"
	"testing"
)

// TestHeadersLeadToTheSegment: in every supported encapsulation, the last header is the TCP header
// of Segment's result, and the one before it is the IP header with its source.
func TestHeadersLeadToTheSegment(t *testing.T) {
	d := NewDissector(DissectorOptions{VXLANPorts: []uint16{otherVXLANPort}, GenevePorts: []uint16{otherGenevePort}})
	for _, c := range builtCases() {
		t.Run(c.name, func(t *testing.T) {
			p := c.packet()
			var s Segment
			if !d.Segment(&p, &s) {
				t.Fatal("no segment")
			}
			before := d.Stats()
			hs := d.Headers(&p, nil)
			if after := d.Stats(); after.Packets != before.Packets || after.Segments != before.Segments {
				t.Error("Headers has a part in the statistics")
			}
			if len(hs) == 0 || hs[len(hs)-1].Kind != HeaderTCP {
				t.Fatalf("headers %v do not end in TCP", hs)
			}
			tcp := p.Data[hs[len(hs)-1].At:]
			if binary.BigEndian.Uint16(tcp) != s.SrcPort || binary.BigEndian.Uint16(tcp[2:]) != s.DstPort || binary.BigEndian.Uint32(tcp[4:]) != s.Seq {
				t.Errorf("no TCP header at %d", hs[len(hs)-1].At)
			}
			if got, want := hs[len(hs)-1].Wire, int(tcp[12]>>4)*4+int(s.Length); got != want {
				t.Errorf("the TCP segment has %d bytes on the wire, want %d", got, want)
			}
			if source(p.Data, hs) != s.Src {
				t.Errorf("no IP header with the source %x in %v", s.Src, hs)
			}
		})
	}
}

// source returns the source address in the innermost IP header.
func source(data []byte, hs []Header) (src [16]byte) {
	for _, h := range hs {
		switch b := data[h.At:]; h.Kind {
		case HeaderIPv4:
			mapIPv4(&src, b[12:16])
		case HeaderIPv6:
			src = [16]byte(b[8:24])
		}
	}
	return src
}
