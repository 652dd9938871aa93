package reassembly

import (
	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

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
	// ended are the connections that are over, since the batch began.
	ended []*conn
	// ticks counts ticks; it is the clock of everything that waits. hole is
	// how many of them a missing segment is waited for.
	ticks, hole int32
	// join is where a searched chunk is put together with what was left of the one before.
	join []byte
	// heads are buffers for the beginnings of messages, by headSizes, to be used again.
	heads [len(headSizes)][][]byte
	held  int // bytes of all buffers that are lent out
	frame Frame
	// While isLost, bytes are given up that were lost before the packet lostBefore.
	isLost     bool
	lostBefore capture.Position
	// asked is the head of the request that showed who the client is, of askedSize bytes
	// (dialogue.noteRequest).
	asked     []byte
	askedSize int64
	// pending are the bytes held of connections that are not decided yet, postponed those of
	// answers that came too early.
	pending, postponed int
	// doubted are the bytes of segments that wait for confirmation.
	doubted int
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
		case twinItem:
			it.conn.noteBehind(it.payload)
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
		} else if c.over {
			w.ended = append(w.ended, c)
		}
	}
	clear(w.waiting[len(keep):])
	w.waiting = keep
}

const (
	// headFloor is what is always held of a message: its size and the fixed part of a request
	// header.
	headFloor = 64
	// maxHeldBytes bounds what a shard holds of incomplete messages: 4
	// MiB, of which 4 shards make 16 MiB. A message that comes when
	// this is used up is judged by its first headFloor bytes.
	maxHeldBytes = 4 << 20
	// maxSpare bounds the buffers of each size that are kept to be used again: 32 of all sizes are
	// 250 KiB.
	maxSpare = 32
)

// headSizes are the sizes of buffers for the beginnings of messages: the last holds a response of
// the length that is looked through (4 KiB). A buffer that has to hold more is as large as that,
// and is not kept.
var headSizes = [...]int{headFloor, 512, 1 << 10, 2 << 10, sizeBytes + 4<<10}

// headClass is the place in headSizes of the smallest size that holds n bytes, len(headSizes) if
// none does.
func headClass(n int) (class int) {
	for class < len(headSizes) && headSizes[class] < n {
		class++
	}
	return class
}

// room returns a buffer for n bytes that holds those of buf, which may be nil and is given back if
// it is too small. When too much is held already, the buffer returned has room for headFloor
// bytes, or as many as buf.
func (w *worker) room(buf []byte, n int) []byte {
	if buf != nil && n <= cap(buf) {
		return buf
	}
	class := headClass(n)
	if class < len(headSizes) {
		n = headSizes[class]
	}
	if n > headFloor && w.held+n > maxHeldBytes {
		w.limits.HeldBytes++
		if buf != nil {
			return buf
		}
		class, n = 0, headFloor
	}
	larger := w.head(class, n)
	w.held += cap(larger)
	larger = append(larger, buf...)
	w.release(buf)
	return larger
}

// head returns an empty buffer of n bytes, which is the size of the class.
func (w *worker) head(class, n int) []byte {
	if class < len(headSizes) {
		if spare := w.heads[class]; len(spare) > 0 {
			w.heads[class] = spare[:len(spare)-1]
			return spare[len(spare)-1][:0]
		}
	}
	return make([]byte, 0, n)
}

// release takes back a buffer of room.
func (w *worker) release(buf []byte) {
	w.held -= cap(buf)
	class := headClass(cap(buf))
	if class < len(headSizes) && cap(buf) == headSizes[class] && len(w.heads[class]) < maxSpare {
		w.heads[class] = append(w.heads[class], buf)
	}
}
