package reassembly

import (
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestDisordersShareAnAssembler: each second segment of two connections in turn arrives before the
// one in front of it. The assembler needs one connection of its own for all of them, until its
// sequence numbers are large.
func TestDisordersShareAnAssembler(t *testing.T) {
	q := &tally{n: 100}
	w := newWorker(&Options{LooksLikeRequest: looksLike}, q)
	conns := []*conn{newConn(w, &flow{}), newConn(w, &flow{})}
	next := [2]uint32{1, 1}
	pair := func(i int) {
		p := request(3, 1, uint32(2*i), 20)
		second := request(3, 1, uint32(2*i+1), 20)
		from := next[i%2]
		for _, s := range []struct {
			seq uint32
			p   []byte
		}{{from + uint32(len(p)), second}, {from, p}} {
			w.work([]item{{conn: conns[i%2], seq: s.seq, flags: capture.ACK, length: uint32(len(s.p)), payload: s.p}})
		}
		next[i%2] += uint32(len(p) + len(second))
	}
	for i := range 2 { // begin in order
		p := request(3, 1, 0, 20)
		w.work([]item{{conn: conns[i], seq: 1, flags: capture.ACK, length: uint32(len(p)), payload: p}})
		next[i] += uint32(len(p))
	}
	for i := range 1000 {
		pair(i)
	}
	if r := w.reorder; q.messages != 2002 || r.ids != 1 || len(r.idle) != 1 || r.pages != 0 {
		t.Errorf("%d messages, %d connections of the assembler, %d idle, %d pages", q.messages, r.ids, len(r.idle), r.pages)
	}
	c, h := conns[0], &conns[0].half[ToBroker]
	h.hole = w.reorder.begin(c, ToBroker)
	h.hole.queued = []queuedPart{{seq: h.next + maxOffset/2}}
	w.reorder.skip(c, ToBroker)
	h.hole.queued = nil
	w.reorder.endIfFilled(c, ToBroker)
	next[0] = h.next
	if n := len(w.reorder.idle); n != 0 {
		t.Errorf("%d connections of the assembler are idle behind %d bytes", n, maxOffset/2)
	}
	for i := range 100 {
		pair(i)
	}
	if r := w.reorder; q.messages != 2202 || r.ids != 2 {
		t.Errorf("%d messages, %d connections of the assembler", q.messages, r.ids)
	}
}

// TestCutSegmentsAhead: segments that the snapshot length cut arrive before the one in front of them.
// Their other bytes count as missing, each in its place.
func TestCutSegmentsAhead(t *testing.T) {
	const kept = 60
	for _, n := range []int{100, 1400, 70_000} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.MSS = 1 << 20
		c.Exchange(request(3, 1, 1, 10), response(1, 20))
		c.Silent = true
		first := len(r.Packets)
		c.Send(capturetest.ToBroker, request(3, 1, 2, 10))
		for i := range uint32(2) {
			c.Send(capturetest.ToBroker, request(0, 3, 3+i, n)) // of 18 bytes more
			p := &r.Packets[len(r.Packets)-1]
			p.OrigLen, p.Data = len(p.Data), p.Data[:14+20+20+kept]
		}
		c.Silent = false
		c.Exchange(request(3, 1, 5, 10), response(5, 20))
		r.Packets[first], r.Packets[first+2] = r.Packets[first+2], r.Packets[first]
		r.Packets[first], r.Packets[first+1] = r.Packets[first+1], r.Packets[first]
		got := run(t, r.Packets, 100)
		if o := got.conns[0].Odd(); count(got.lines, "request") != 5 || o.Missing != uint64(2*(n+18-kept)) || o.Gaps != 2 || o.Conflicts != 0 {
			t.Errorf("bodies of %d bytes: %d bytes in %d gaps, %d conflicts, %q", n, o.Missing, o.Gaps, o.Conflicts, got.lines)
		}
	}
}

// TestQueuesAreBounded: what waits for a missing segment, in a direction and in a shard.
func TestQueuesAreBounded(t *testing.T) {
	for _, tc := range []struct {
		name       string
		pages, all int // before the last segment, of one page
		isFull     bool
	}{
		{"the last page of a direction", maxPages - 1, maxPages - 1, false},
		{"one more", maxPages, maxPages, true},
		{"the last page of a shard", 1, maxShardPages - 1, false},
		{"one more in a shard", 1, maxShardPages, true},
	} {
		c := halfway(t)
		c.mode = ignored
		h := &c.half[ToBroker]
		ahead := func(seq uint32) { c.payload(ToBroker, h, seq, &item{seq: seq, length: 10, payload: make([]byte, 10)}) }
		ahead(1100)
		h.hole.pages, c.w.reorder.pages = tc.pages, tc.all // as if others were queued
		ahead(1200)
		if isFull := c.w.limits.QueuedSegments > 0; isFull != tc.isFull || (len(h.hole.queued) == 2) == tc.isFull {
			t.Errorf("%s: the limit was counted %d times", tc.name, c.w.limits.QueuedSegments)
		}
	}
	for n, want := range map[uint32]int{1: 1, pageBytes: 1, pageBytes + 1: 2, 2 * pageBytes: 2} {
		if got := (&queuedPart{length: n}).pages(); got != want {
			t.Errorf("%d bytes take %d pages, want %d", n, got, want)
		}
	}
}
