package reassembly

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestTapGetsEveryWantedPacket: Tap gets every packet in the order of the source, with its
// stream number. That includes packets without payload and excludes those of unwanted connections.
func TestTapGetsEveryWantedPacket(t *testing.T) {
	r := capturetest.NewRecorder()
	first := r.Open(client, broker)
	second := r.Open(netip.AddrPortFrom(client.Addr(), 40001), broker)
	third := r.Open(netip.AddrPortFrom(client.Addr(), 40002), broker)
	third.Exchange(request(1, 1, 1, 10), response(1, 10))
	second.Exchange(request(1, 1, 1, 10), response(1, 10))
	first.Close(capturetest.ToClient)
	var want, got []string
	d := capture.NewDissector(capture.DissectorOptions{})
	for i, p := range r.Packets {
		pkt := capture.Packet{Data: p.Data, Length: uint32(p.Length()), Link: capture.LinkType(p.Link)}
		var s capture.Segment
		if !d.Segment(&pkt, &s) {
			t.Fatalf("packet %d holds no segment", i+1)
		}
		port := max(s.SrcPort, s.DstPort)
		if port != 40001 {
			want = append(want, fmt.Sprintf("frame %d of stream %d, %d bytes", i+1, port-40000, s.Length))
		}
	}
	pool := NewPool(Options{
		Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike,
		Want: func(s *capture.Segment) bool { return s.SrcPort != 40001 && s.DstPort != 40001 },
		Tap: func(stream uint32, p *capture.Packet, s *capture.Segment) {
			got = append(got, fmt.Sprintf("frame %d of stream %d, %d bytes", p.Frame, stream, s.Length))
		},
	}, func() Shard[[]string] { return &log{} }, func([][]string) error { return nil })
	if _, err := pool.Run(t.Context(), &memory{packets: r.Packets, batch: 3}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("packets (-want +got):\n%s", d)
	}
}
