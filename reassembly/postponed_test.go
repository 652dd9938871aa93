package reassembly

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestLostRequestOfLongConversation guards against responses that precede their requests while a
// lost request is waited for. It also guards against a wait that restarts with every packet.
func TestLostRequestOfLongConversation(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Silent = true // each side acknowledges only with data
	const n = 300
	var lost []int
	for i := range n {
		if i%60 == 40 {
			lost = append(lost, len(r.Packets))
		}
		c.Exchange(request(3, 1, uint32(i+1), 20), response(uint32(i+1), 50))
	}
	c.Close(capturetest.ToClient)
	packets := slices.Clone(r.Packets)
	for _, i := range slices.Backward(lost) {
		packets = slices.Delete(packets, i, i+1)
	}
	got := run(t, packets, 50)
	for _, what := range []string{"request", "response"} { // voice accepts a response only if its request is known
		if k := count(got.lines, what); k != n-len(lost) {
			t.Errorf("%d lines of a %s, want %d", k, what, n-len(lost))
		}
	}
	if l := got.stats.Limits; l != (Limits{}) {
		t.Errorf("limits were reached: %+v", l)
	}
}

// TestAnswersWaitForRequests captures one direction some packets before the other.
func TestAnswersWaitForRequests(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 20), response(1, 50))
	c.Exchange(request(3, 1, 2, 20), response(2, 50))
	c.Close(capturetest.ToBroker)
	want := run(t, r.Packets, 100)
	byBroker := capturetest.OneWay(r.Packets, capturetest.ToClient)
	byClient := capturetest.OneWay(r.Packets, capturetest.ToBroker)
	got := run(t, slices.Concat(byBroker, byClient), 100)
	if d := cmp.Diff(sorted(withoutFrames(want.lines)), sorted(withoutFrames(got.lines))); d != "" {
		t.Errorf("(-in order +answers first) %s", d)
	}
	if got.conns[0].End.By != want.conns[0].End.By {
		t.Errorf("ended by %d, want %d", got.conns[0].End.By, want.conns[0].End.By)
	}
}

// TestPostponedBytesAreBounded has a broker that acknowledges bytes which the client never sent.
func TestPostponedBytesAreBounded(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 20), response(1, 50))
	c.Silent = true
	c.Miss(capturetest.ToBroker, 1000)
	c.MSS = 60_000
	c.Send(capturetest.ToClient, response(2, 2<<20))
	w := newWorker(&Options{LooksLikeRequest: looksLike}, new(log))
	most := 0
	for _, it := range dispatched(t, w, r.Packets) {
		w.work([]item{it})
		most = max(most, w.postponed)
	}
	if limit := maxPostponed + c.MSS + postponedBytes; most == 0 || most > limit {
		t.Errorf("%d bytes were postponed, want some and at most %d", most, limit)
	}
	if w.limits.QueuedSegments == 0 {
		t.Error("the limit was not counted")
	}
}

// TestFirstFINIsFoundByItsAcknowledgement: the broker closes first, and its FIN is captured late
// or not at all.
func TestFirstFINIsFoundByItsAcknowledgement(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 20), response(1, 50))
	c.Send(capturetest.ToBroker, request(3, 1, 2, 20))
	fin := len(r.Packets)
	c.Fin(capturetest.ToClient)
	c.Fin(capturetest.ToBroker)
	c.Ack(capturetest.ToClient)
	late := slices.Clone(r.Packets)
	late[fin], late[fin+1] = late[fin+1], late[fin]
	for name, packets := range map[string][]capturetest.Packet{
		"in order": r.Packets, "late": late, "lost": slices.Delete(slices.Clone(r.Packets), fin, fin+1),
	} {
		got := run(t, packets, 100)
		if e := got.conns[0].End; e.Kind != Closed || e.By != ToClient || got.missing() != 0 {
			t.Errorf("%s: %+v, %d bytes missing", name, e, got.missing())
		}
	}
}

// TestLastAnswerIsMissing: the client acknowledges a response that was not captured, and nothing
// follows.
func TestLastAnswerIsMissing(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.Exchange(request(3, 1, 1, 20), response(1, 50))
	c.Send(capturetest.ToBroker, request(3, 1, 2, 20))
	c.Miss(capturetest.ToClient, 58)
	c.Ack(capturetest.ToBroker)
	if got := run(t, r.Packets, 100); got.missing() != 58 {
		t.Errorf("%d bytes missing, want 58", got.missing())
	}
}

// TestFirstAnswerIsMissing loses the broker's SYN and its first response. The client's first
// acknowledgement shows where the broker's bytes begin.
func TestFirstAnswerIsMissing(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	first := len(r.Packets)
	c.Silent = true
	c.Exchange(request(3, 1, 1, 20), response(1, 50))
	c.Exchange(request(3, 1, 2, 20), response(2, 50))
	packets := slices.Delete(slices.Clone(r.Packets), first+1, first+2)
	packets = slices.Delete(packets, 1, 2)
	got := run(t, packets, 100)
	if got.missing() != 58 {
		t.Errorf("%d bytes missing, want 58: %v", got.missing(), got.lines)
	}
}

// TestLostServerHelloIsNoConfusion loses each packet in turn. The bytes behind the lost first
// bytes of a TLS server need not begin a record.
func TestLostServerHelloIsNoConfusion(t *testing.T) {
	packets := capturetest.MustRead("../testdata/captures/kv2007-near-tls.pcap")
	tls := 0
	for i := range packets {
		for _, c := range run(t, slices.Delete(slices.Clone(packets), i, i+1), 100).conns {
			if c.Protocol == TLS {
				tls++
			}
			if c.Confusion != NoConfusion {
				t.Errorf("without packet %d: confusion %d", i+1, c.Confusion)
			}
		}
	}
	if tls == 0 {
		t.Error("no connection spoke TLS")
	}
}

// TestOutlines: a TLS connection of which nothing is decrypted has an Outline, also if it was
// joined midstream. Others have none.
func TestOutlines(t *testing.T) {
	packets := capturetest.MustRead("../testdata/captures/kv2007-near-tls.pcap")
	for name, packets := range map[string][]capturetest.Packet{"whole": packets, "midstream": packets[30:]} {
		outlines := 0
		for _, c := range run(t, packets, 100).conns {
			if (c.Outline != nil) != (c.Protocol == TLS) {
				t.Errorf("%s: stream %d speaks %v, outline %v", name, c.Stream, c.Protocol, c.Outline)
			}
			if c.Outline == nil {
				continue
			}
			records, omitted := c.Outline.Records()
			if len(records) < 3 || omitted > 0 {
				t.Errorf("%s: stream %d has %d records", name, c.Stream, len(records))
			}
			outlines++
		}
		if outlines != 3 {
			t.Errorf("%s: %d outlines", name, outlines)
		}
	}
	for _, name := range []string{"http-to-broker", "kafkajs-2.2.4_broker-2.1"} {
		for _, c := range run(t, capturetest.MustRead("../testdata/captures/"+name+".pcap"), 100).conns {
			if c.Outline != nil {
				t.Errorf("%s: stream %d has an outline", name, c.Stream)
			}
		}
	}
}

// TestAhead: a segment waits if it acknowledges bytes that have not arrived. Others do not wait.
func TestAhead(t *testing.T) {
	segment := func() *item { return &item{dir: ToClient, flags: capture.ACK, ack: 1100} }
	for _, tc := range []struct {
		name   string
		change func(c *conn, it *item)
		want   bool
	}{
		{"acknowledges what has not come", func(*conn, *item) {}, true},
		{"acknowledges what has come", func(_ *conn, it *item) { it.ack = 1000 }, false},
		{"is the client's", func(_ *conn, it *item) { it.dir = ToBroker }, true},
		{"is the client's, of what has come", func(_ *conn, it *item) { it.dir, it.ack = ToBroker, 1 }, false},
		{"is the client's, of a FIN", func(c *conn, it *item) { it.dir, c.half[ToClient].fin = ToBroker, true }, false},
		{"is the client's, of bytes that queue", func(c *conn, it *item) {
			it.dir, c.half[ToClient].hole = ToBroker, &disorder{queued: []queuedPart{{seq: 1000, length: 100}}}
		}, false},
		{"acknowledges nothing", func(_ *conn, it *item) { it.flags = capture.PSH }, false},
		{"the roles are unknown", func(c *conn, _ *item) { c.info.Midstream = true }, false},
		{"the roles of a joined connection are known", func(c *conn, _ *item) { c.info.Midstream, c.dialogue.decided = true, true }, true},
		{"the most that is waited for", func(_ *conn, it *item) { it.ack = 1000 + maxAckDistance }, true},
		{"more", func(_ *conn, it *item) { it.ack = 1001 + maxAckDistance }, false},
		{"the client's side is over", func(c *conn, _ *item) { c.half[ToBroker].ended = true }, false},
		{"the client's first segment may be late", func(c *conn, _ *item) { c.half[ToBroker].synced, c.turns = false, ackedWait }, true},
		{"the client's segments are not captured", func(c *conn, _ *item) { c.half[ToBroker].synced, c.turns = false, ackedWait+1 }, false},
		{"the client's segments came before the capture", func(c *conn, _ *item) {
			c.half[ToBroker].synced, c.info.Midstream, c.dialogue.decided = false, true, true
		}, false},
	} {
		w := newWorker(&Options{}, new(log))
		c := newConn(w, &flow{synced: [2]bool{true, true}, base: [2]uint32{999, 0}})
		it := segment()
		tc.change(c, it)
		if got := c.ahead(it); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestJoinedRequestDoesNotWait: if the broker sent first and some of its bytes are missing, the
// client's request is still found at once.
func TestJoinedRequestDoesNotWait(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Join(client, broker)
	c.Silent = true
	c.Send(capturetest.ToClient, []byte{1, 2, 3})
	c.Miss(capturetest.ToClient, 10)
	c.Send(capturetest.ToBroker, request(3, 1, 1, 20))
	w := newWorker(&Options{LooksLikeRequest: looksLike}, new(log))
	items := dispatched(t, w, r.Packets)
	w.work(items)
	if conn := items[0].conn; conn.info.Protocol != Kafka || conn.info.Client != client {
		t.Errorf("protocol %d, client %v", conn.info.Protocol, conn.info.Client)
	}
}

// TestOverdue: a response waits no longer than the limit, and then all segments behind it go on,
// too.
func TestOverdue(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *conn)
		want   bool
	}{
		{"just come", func(*conn) {}, false},
		{"segments enough", func(c *conn) { c.turns += ackedWait }, false},
		{"one segment more", func(c *conn) { c.turns += ackedWait + 1 }, true},
		{"nearly ticks enough", func(c *conn) { c.w.ticks += holeTicks - 1 }, false},
		{"ticks enough", func(c *conn) { c.w.ticks += holeTicks }, true},
		{"the client's bytes wait for others", func(c *conn) {
			c.w.ticks += holeTicks
			c.half[ToBroker].hole = new(disorder)
		}, false},
	} {
		c := newConn(newWorker(&Options{}, new(log)), &flow{synced: [2]bool{true, true}, base: [2]uint32{999, 0}})
		tc.change(c)
		if got := c.overdue(&lateSegment{item: item{dir: ToClient}}); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
		if c.half[ToBroker].hole != nil {
			continue
		}
		q := &postponed{dir: ToClient}
		c.postponed = &[2]*postponed{ToClient: q}
		for range 2 {
			q.segments = append(q.segments, lateSegment{item: item{dir: ToClient, flags: capture.ACK, ack: 1100, seq: 1}})
		}
		c.resume(false)
		if waits := c.postponed[ToClient] != nil; waits == tc.want {
			t.Errorf("%s: waits %v", tc.name, waits)
		}
	}
}

// TestFirstByteOfTheBroker checks where the broker's bytes begin if its SYN was not captured.
func TestFirstByteOfTheBroker(t *testing.T) {
	const far = 50_000_000
	for _, tc := range []struct {
		name    string
		acked   uint32 // by the client, before the broker's first segment
		seq     uint32 // of the broker's first segment
		missing uint64
	}{
		{"the first segment is there", far, far, 0},
		{"the first 58 bytes are not", far, far + 58, 58},
		{"the first segment was acknowledged before it was captured", far, far - 58, 0},
		{"the acknowledgement is of something else", far, far + maxHole, 0},
	} {
		r := capturetest.NewRecorder()
		c := r.Between(client, broker)
		c.Silent = true
		c.Syn(capturetest.ToBroker)
		h := capturetest.TCPHeader{Seq: c.Seq[capturetest.ToBroker], Ack: tc.acked, Flags: capturetest.ACK}
		q := request(3, 1, 1, 20)
		r.Record(capturetest.TCP(client, broker, h, q))
		c.Seq[capturetest.ToBroker] += uint32(len(q))
		c.Seq[capturetest.ToClient] = tc.seq
		c.Send(capturetest.ToClient, response(1, 50))
		got := run(t, r.Packets, 100)
		if n := count(got.lines, "response"); got.missing() != tc.missing || n != 1 {
			t.Errorf("%s: %d bytes missing, want %d; %d responses", tc.name, got.missing(), tc.missing, n)
		}
	}
}
