package reassembly

import (
	"testing"

	"github.com/kafkavet/kafkavet/capture"
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
