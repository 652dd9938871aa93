package capture_test

import (
	"net/netip"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

func TestChecksum(t *testing.T) {
	for _, ends := range [][2]string{{"192.0.2.1:1000", "192.0.2.2:9092"}, {"[2001:db8::1]:1000", "[2001:db8::2]:9092"}} {
		src, dst := netip.MustParseAddrPort(ends[0]), netip.MustParseAddrPort(ends[1])
		for _, payload := range []string{"", "a", "odd", "some bytes that are longer than a few words"} {
			r := capturetest.NewRecorder()
			c := r.Open(src, dst)
			c.Silent = true // no acknowledgement behind the payload
			if payload != "" {
				c.Send(capturetest.ToBroker, []byte(payload))
			}
			p := r.Packets[len(r.Packets)-1]
			header := 14 + 20
			if src.Addr().Is6() {
				header = 14 + 40
			}
			for _, tt := range []struct {
				name   string
				change func(data []byte) []byte
				want   capture.ChecksumState
			}{
				{"as sent", func(d []byte) []byte { return d }, capture.ChecksumGood},
				{"wrong", func(d []byte) []byte { d[header+16] ^= 1; return d }, capture.ChecksumBad},
				{"of the pseudo-header", func(d []byte) []byte {
					var sum uint32
					for _, a := range [][]byte{src.Addr().AsSlice(), dst.Addr().AsSlice()} {
						for i := 0; i < len(a); i += 2 {
							sum += uint32(a[i])<<8 | uint32(a[i+1])
						}
					}
					sum += 6 + uint32(d[header+12]>>4)*4 + uint32(len(payload))
					for sum > 0xffff {
						sum = sum>>16 + sum&0xffff
					}
					d[header+16], d[header+17] = byte(sum>>8), byte(sum)
					return d
				}, capture.ChecksumUnfilled},
				{"cut", func(d []byte) []byte { return d[:header+16] }, capture.ChecksumUnknown},
			} {
				var s capture.Segment
				data := tt.change(append([]byte(nil), p.Data...))
				packet := capture.Packet{Data: data, Length: uint32(len(p.Data)), Link: capture.LinkType(p.Link)}
				if !capture.NewDissector(capture.DissectorOptions{}).Segment(&packet, &s) {
					t.Fatalf("%s, %q, %s: no segment", ends[0], payload, tt.name)
				}
				if got := s.Checksum(); got != tt.want {
					t.Errorf("%s, %q, %s: state %d, want %d", ends[0], payload, tt.name, got, tt.want)
				}
				if s.TTL != 64 {
					t.Errorf("%s: TTL %d, want 64", ends[0], s.TTL)
				}
			}
		}
	}
}
