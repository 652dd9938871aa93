package reassembly

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestTwoVersionsOfBytes: of two segments with different content, the receiver has what it
// acknowledged, or else what arrived in order. If both precede its acknowledgement, that is
// unknown.
func TestTwoVersionsOfBytes(t *testing.T) {
	genuine, forged := request(3, 1, 1, 10), request(3, 1, 1, 10)
	forged[7] = 9 // another version
	n := int64(len(genuine))
	at := func(c *capturetest.Conversation, distance int, data []byte) {
		c.Seq[capturetest.ToBroker] += uint32(distance)
		c.Send(capturetest.ToBroker, data)
		c.Seq[capturetest.ToBroker] -= uint32(distance + len(data))
	}
	for name, tc := range map[string]struct {
		play func(c *capturetest.Conversation)
		want Span
	}{
		"a copy before the acknowledgement": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, genuine)
			at(c, -len(genuine), forged)
		}, Span{0, n}},
		"two segments, and one copy of both": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, genuine[:4])
			c.Send(capturetest.ToBroker, genuine[4:])
			at(c, -len(genuine), forged)
		}, Span{4, n}},
		"a shorter copy before the acknowledgement": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, genuine)
			at(c, -len(genuine), forged[:20])
		}, Span{0, 20}},
		"the same bytes in another segmentation": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, genuine)
			at(c, -len(genuine), genuine[:20])
			at(c, -len(genuine)+20, genuine[20:])
		}, Span{}},
		"a copy behind the acknowledgement": {func(c *capturetest.Conversation) {
			c.Silent = false
			c.Send(capturetest.ToBroker, genuine)
			c.Silent = true
			at(c, -len(genuine), forged)
		}, Span{}},
		"junk ahead, then all in order": {func(c *capturetest.Conversation) {
			at(c, 5, []byte("junk"))
			c.Send(capturetest.ToBroker, genuine)
		}, Span{5, 9}},
		"junk ahead that goes on behind what is in order": {func(c *capturetest.Conversation) {
			at(c, len(genuine)-2, []byte("junk"))
			c.Send(capturetest.ToBroker, genuine)
		}, Span{n - 2, n}},
		"the same bytes ahead": {func(c *capturetest.Conversation) {
			at(c, 5, genuine[5:9])
			c.Send(capturetest.ToBroker, genuine)
		}, Span{}},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Silent = true
		tc.play(c)
		c.Silent = false
		c.Exchange(request(3, 1, 2, 10), response(2, 0))
		got := run(t, r.Packets, 100)
		if d := cmp.Diff([]string{"request 3 v1 id 1 size 24", "request 3 v1 id 2 size 24", "response 2 size 4"}, sorted(withoutFrames(got.lines))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if s := got.conns[0].Odd().Contested[ToBroker]; s != tc.want {
			t.Errorf("%s: contested %v, want %v", name, s, tc.want)
		}
	}
}

// TestMissingBytesThatTheReceiverLacksToo waits for them: segments ahead of them may be forged.
func TestMissingBytesThatTheReceiverLacksToo(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 10), response(1, 0))
	c.Silent = true
	c.Seq[capturetest.ToBroker] += 100
	c.Send(capturetest.ToBroker, []byte("junk"))
	c.Seq[capturetest.ToBroker] -= 104
	c.Ack(capturetest.ToClient)
	c.Silent = false
	other := r.Open(netip.AddrPortFrom(client.Addr(), client.Port()+1), broker) // time passes
	for range 20 {
		r.Wait(1e9)
		other.Exchange(request(3, 1, 1, 10), response(1, 0))
	}
	c.Exchange(request(3, 1, 2, 10), response(2, 0))
	if got := run(t, r.Packets, 100); count(got.lines, "request 3 v1 id 2") != 1 || len(got.lines) != 44 {
		t.Errorf("%+v", got.conns[0])
	}
}

// TestOneConnectionInManyNetworks bounds what each lookup compares: one SYN under 1,000 network
// ids. The connection with payload outlives those without.
func TestOneConnectionInManyNetworks(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 10), response(1, 0))
	packets, syn := r.Packets, r.Packets[0]
	r.Packets = nil
	for id := range 1_000 {
		packets = append(packets, capturetest.Encapsulate([]capturetest.Packet{syn}, capturetest.VXLAN(4789, uint32(id)))...)
	}
	c.Exchange(request(3, 1, 2, 10), response(2, 0))
	packets = append(packets, r.Packets...)
	got := run(t, packets, 100)
	if n := got.stats.Limits.Networks; len(got.lines) != 4 || n != 1_001-maxNetworks {
		t.Errorf("%v, %d networks evicted", got.lines, n)
	}
}
