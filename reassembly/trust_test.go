package reassembly

import (
	"net/netip"
	"slices"
	"strings"
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
		"two versions ahead": {func(c *capturetest.Conversation) {
			at(c, 10, genuine[10:])
			at(c, 10, append(slices.Clone(genuine[10:len(genuine)-1]), 1))
			c.Send(capturetest.ToBroker, genuine[:10])
			c.Miss(capturetest.ToBroker, len(genuine)-10)
		}, Span{10, n}},
		"the same version ahead twice": {func(c *capturetest.Conversation) {
			at(c, 10, genuine[10:])
			at(c, 10, genuine[10:])
			c.Send(capturetest.ToBroker, genuine[:10])
			c.Miss(capturetest.ToBroker, len(genuine)-10)
		}, Span{}},
		"the same version ahead in another segmentation": {func(c *capturetest.Conversation) {
			at(c, 20, genuine[20:])
			at(c, 10, genuine[10:])
			c.Send(capturetest.ToBroker, genuine[:10])
			c.Miss(capturetest.ToBroker, len(genuine)-10)
		}, Span{}},
		"a part ahead that the receiver acknowledged before": {func(c *capturetest.Conversation) {
			at(c, 10, genuine[10:])
			c.Miss(capturetest.ToBroker, len(genuine))
			c.Ack(capturetest.ToClient)
			c.Seq[capturetest.ToBroker] -= uint32(len(genuine))
			c.Send(capturetest.ToBroker, append(slices.Clone(genuine[:10]), []byte("other bytes for these")[:len(genuine)-10]...))
		}, Span{}},
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

// pretend plays a packet that nobody sent.
func pretend(c *capturetest.Conversation, distance uint32, play func()) {
	seq, silent := c.Seq, c.Silent
	c.Seq[capturetest.ToBroker] += distance
	c.Silent = true
	play()
	c.Seq, c.Silent = seq, silent
}

// TestForgedBytesInsteadOfARequest: bytes that are no request are not believed where one is due, if
// their sender sends other bytes in their place.
func TestForgedBytesInsteadOfARequest(t *testing.T) {
	forged := map[string][]byte{
		"junk": []byte(strings.Repeat("junk", 30)), "more than all requests": []byte(strings.Repeat("junk", 350)),
		"HTTP": []byte("GET / HTTP/1.1\r\n\r\n"), "a TLS alert": {0x15, 3, 3, 0, 2, 2, 40},
	}
	for name, data := range forged {
		for before := range 3 {
			r := capturetest.NewRecorder()
			c := r.Open(client, broker)
			for i := range uint32(5) {
				if int(i) == before {
					pretend(c, 0, func() { c.Send(capturetest.ToBroker, data) })
				}
				c.Exchange(request(3, 1, i, 20), response(i, 50))
			}
			got := run(t, r.Packets, 100)
			if len(got.lines) != 10 || got.conns[0].Protocol != Kafka || got.missing() != 0 {
				t.Errorf("%s before request %d: %v, %v", name, before, got.conns[0].Protocol, got.lines)
			}
		}
	}
}

// TestForgedRequestThatIsNeverAcknowledged: the receiver lacks the bytes before it to the end.
func TestForgedRequestThatIsNeverAcknowledged(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 20), response(1, 50))
	pretend(c, 1000, func() { c.Send(capturetest.ToBroker, request(3, 99, 7, 20)) })
	for i := range uint32(5) {
		c.Exchange(request(3, 1, i+2, 20), response(i+2, 50))
	}
	if got := run(t, r.Packets, 100); len(got.lines) != 12 || got.missing() != 0 {
		t.Errorf("%d bytes missing: %v", got.missing(), got.lines)
	}
}

// TestForgedFirstSegmentOfASide: what the other side has acknowledged says where the side continues.
func TestForgedFirstSegmentOfASide(t *testing.T) {
	for _, distance := range []uint32{6 << 20, 100 << 20, 1 << 31} {
		for name, play := range map[string]func(c *capturetest.Conversation){
			"ACK":  func(c *capturetest.Conversation) { c.Ack(capturetest.ToBroker) },
			"RST":  func(c *capturetest.Conversation) { c.Reset(capturetest.ToBroker) },
			"FIN":  func(c *capturetest.Conversation) { c.Fin(capturetest.ToBroker) },
			"data": func(c *capturetest.Conversation) { c.Send(capturetest.ToBroker, []byte("forged bytes")) },
		} {
			r := capturetest.NewRecorder()
			c := r.Join(client, broker)
			c.Silent = true
			c.Send(capturetest.ToClient, response(1, 50))
			c.Silent = false
			pretend(c, distance, func() { play(c) })
			for i := range uint32(5) {
				c.Exchange(request(3, 1, i+2, 20), response(i+2, 50))
			}
			if got := run(t, r.Packets, 100); count(got.lines, "request") != 5 {
				t.Errorf("%s %d bytes ahead: %v", name, distance, got.lines)
			}
		}
	}
}

// TestForgedAcknowledgementBeforeAnAnswer does not say where the broker's side begins.
func TestForgedAcknowledgementBeforeAnAnswer(t *testing.T) {
	packets, err := capturetest.ReadFile("../testdata/captures/confluent-go-2.6.1_broker-2.1.pcap")
	if err != nil {
		t.Fatal(err)
	}
	const tcp = 14 + 20  // Ethernet, IPv4
	forged := packets[2] // the ACK of the handshake
	forged.Data = slices.Clone(forged.Data)
	clear(forged.Data[tcp+8 : tcp+12]) // the acknowledgement number
	forged.Data[tcp+13] |= capturetest.RST
	want := run(t, packets, 100)
	got := run(t, slices.Insert(slices.Clone(packets), 1, forged), 100)
	if d := cmp.Diff(withoutFrames(want.lines), withoutFrames(got.lines)); d != "" {
		t.Errorf("(-untouched +forged):\n%s", d)
	}
}

// TestForgedSYNInPlaceOfTheNextByte: its number is one off, and the connection from before goes on.
func TestForgedSYNInPlaceOfTheNextByte(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Join(client, broker)
	c.Silent = true
	c.Send(capturetest.ToClient, response(1, 0))
	forged := r.Between(client, broker)
	forged.Seq = c.Seq
	forged.Syn(capturetest.ToClient)
	c.Silent = false
	c.Exchange(request(3, 1, 2, 10), response(2, 0))
	c.Exchange(request(3, 1, 3, 10), response(3, 0))
	if got := run(t, r.Packets, 100); len(got.lines) != 4 {
		t.Errorf("%v", got.lines)
	}
}

// TestForgedRefusal: a SYN that is answered was not refused. The connection is read from its first
// byte on.
func TestForgedRefusal(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Between(client, broker)
	c.Syn(capturetest.ToBroker)
	c.Segment(capturetest.ToClient, capturetest.RST, nil)
	c.Syn(capturetest.ToClient)
	c.Ack(capturetest.ToBroker)
	c.Exchange(request(3, 1, 1, 10), response(1, 0))
	got := run(t, r.Packets, 100)
	if last := got.conns[len(got.conns)-1]; len(got.lines) != 2 || !last.HasInitial || last.Midstream {
		t.Errorf("%v, %+v", got.lines, last)
	}
}
