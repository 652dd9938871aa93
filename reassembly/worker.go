package reassembly

import "github.com/kafkavet/kafkavet/reassembly/tlsrecord"

// opener is the part of a Shard that does not depend on what it produces.
type opener interface {
	Open(c *Connection) Handler
	Closed(c *Connection)
}

// worker does the work of one shard. Everything in it, and every conn of the
// shard, belongs to the shard's goroutine.
type worker struct {
	opt    *Options
	opener opener
	counts
	reorder *reorderer
	tls     *tlsrecord.Scratch
	// waiting are the connections that a tick has to look at: a segment is missing, or
	// an end has come and its last bytes may still follow.
	waiting []*conn
	// ticks counts ticks; it is the clock of everything that waits. hole is
	// how many of them a missing segment is waited for.
	ticks, hole int64
	// join is where a searched chunk is put together with what was left of the one before.
	join []byte
	// heads are buffers for the beginnings of messages, to be used again.
	heads [][]byte
	held  int // bytes lent out of heads
	frame Frame
	// pending are the bytes held of connections that are not decided yet, postponed those of answers that came too early.
	pending, postponed int
}

func newWorker(opt *Options, o opener) *worker {
	w := &worker{opt: opt, opener: o, tls: tlsrecord.NewScratch(), hole: holeTicks}
	if opt.Live {
		w.hole *= liveTicks
	}
	w.reorder = newReorderer(w)
	return w
}

// work does what one batch dealt to the shard.
func (w *worker) work(items []item) {
	for i := range items {
		it := &items[i]
		switch it.kind {
		case segmentItem:
			it.conn.segment(it)
		case endItem:
			it.conn.finish(it.end, it.at)
		case tickItem:
			w.tick(it)
		}
	}
}

// tick looks at the connections that wait.
func (w *worker) tick(it *item) {
	w.ticks++
	keep := w.waiting[:0]
	for _, c := range w.waiting {
		c.info.Now = it.at
		if c.waited() {
			keep = append(keep, c)
		}
	}
	clear(w.waiting[len(keep):])
	w.waiting = keep
}

const (
	// headBytes is the size of a buffer for the beginning of a message.
	headBytes = 512
	// maxHeldBytes bounds what a shard holds of messages whose rest has not come: 4
	// MiB, of which 4 shards make 16 MiB. A message that comes when
	// this is used up is judged by its first headFloor bytes.
	maxHeldBytes = 4 << 20
	// headFloor is what is always held of a message: its size and the fixed part of a request header.
	headFloor = 64
)

// head returns an empty buffer that n bytes can be appended to, or fewer when
// too much is held already.
func (w *worker) head(n int) (buf []byte, allowed int) {
	if n > headFloor && w.held+n > maxHeldBytes {
		w.limits.HeldBytes++
		n = headFloor
	}
	w.held += n
	if l := len(w.heads); l > 0 {
		buf, w.heads = w.heads[l-1], w.heads[:l-1]
		return buf[:0], n
	}
	return make([]byte, 0, headBytes), n
}

// release takes back a buffer of head that was allowed n bytes.
func (w *worker) release(buf []byte, n int) {
	w.held -= n
	if cap(buf) <= 2*headBytes && len(w.heads) < 64 {
		w.heads = append(w.heads, buf)
	}
}
