package reassembly

import (
	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// untypedShard is the part of Shard without its type parameter.
type untypedShard interface {
	Open(c *Connection) Handler
	Closed(c *Connection)
}

// worker does the work of one shard. It and every conn of the shard belong to the shard's
// goroutine.
type worker struct {
	opt   *Options
	shard untypedShard
	counts
	reorder *reorderer
	tls     tlsrecord.Options
	// waiting are the connections that each tick checks: a segment is missing, or the end has come
	// and its last bytes may follow.
	waiting []*conn
	// closing are the ticks at which connections ended whose records wait for secrets.
	closing map[*conn]int32
	// ended are the connections that ended since the batch began.
	ended []*conn
	// ticks counts ticks; all waits use it as their clock. hole is how many ticks to wait for a
	// missing segment.
	ticks, hole int32
	// join concatenates a chunk to search with the unsearched end of the previous one.
	join []byte
	// heads are spare buffers for the heads of frames, by headSizes.
	heads [len(headSizes)][][]byte
	held  int // bytes of all buffers in use
	frame Frame
	// isLost is true while lost bytes are given up. They precede packet lostBefore.
	isLost     bool
	lostBefore capture.Position
	// firstRequest is the head of the request that identified the client, firstRequestSize its
	// size in bytes (dialogue.noteRequest).
	firstRequest     []byte
	firstRequestSize int64
	// pending are the bytes held of undecided connections. postponed are those of responses that
	// arrived early.
	pending, postponed int
	// doubted are the payload bytes of segments that wait for confirmation.
	doubted int
	// open are the connections that are not over, in no order. weights is what they take.
	open              []weighed
	weights, maxBytes int
	lone              int // of open, those of which one side was captured
	hand              int // the place in open where the next eviction looks
	stale             int // evicted connections in waiting
}

func newWorker(opt *Options, o untypedShard) *worker {
	w := &worker{opt: opt, shard: o, tls: tlsrecord.Options{Scratch: tlsrecord.NewScratch(), Subjects: opt.Subjects}, hole: holeTicks, closing: map[*conn]int32{}, maxBytes: maxShardBytes}
	if opt.Live {
		w.hole *= liveTicks
		w.tls.Wait = liveWait
	}
	w.reorder = newReorderer(w)
	return w
}

// work processes the items of one batch.
func (w *worker) work(items []item) {
	for i := range items {
		it := &items[i]
		switch it.kind {
		case segmentItem:
			w.segment(it)
		case endItem:
			it.conn.finish(it.end, it.at)
		case twinItem:
			it.conn.twin(it.payload)
		case tickItem:
			w.tick(it)
		}
	}
}

// segment processes a segment of a connection.
func (w *worker) segment(it *item) {
	c := it.conn
	c.segment(it)
	if c.turns < weighEvery || c.turns%weighEvery == 0 {
		w.weigh(c, it.at)
	}
}

// tick checks the connections that wait.
func (w *worker) tick(it *item) {
	w.ticks++
	keep := w.waiting[:0]
	for _, c := range w.waiting {
		c.info.Now = it.at
		if c.isStillWaiting() {
			keep = append(keep, c)
		} else if c.over {
			w.ended = append(w.ended, c)
		}
	}
	clear(w.waiting[len(keep):])
	w.waiting, w.stale = keep, 0
}

const (
	// headFloor is what is always held of a frame, in bytes: its size and the fixed part of a
	// request header.
	headFloor = 64
	// maxHeldBytes bounds what a shard holds of incomplete frames: 4 MiB; 4 shards make 16 MiB.
	// When it is used up, only the first headFloor bytes of a frame are held.
	maxHeldBytes = 4 << 20
	// maxSpare bounds the spare buffers of each size: 32 of all sizes are 250 KiB.
	maxSpare = 32
)

// headSizes are the sizes of buffers for the heads of frames, in bytes. The last holds a whole
// response of the largest length that decode searches (4 KiB). A larger buffer has the exact size
// and is not kept.
var headSizes = [...]int{headFloor, 512, 1 << 10, 2 << 10, sizeBytes + 4<<10}

// headClass returns the index of the smallest size in headSizes that holds n bytes, or
// len(headSizes) if none does.
func headClass(n int) (class int) {
	for class < len(headSizes) && headSizes[class] < n {
		class++
	}
	return class
}

// room returns a buffer for n bytes with the content of buf. buf may be nil; if it is too small,
// room releases it. If too much is held already, it returns buf or a buffer of headFloor bytes.
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

// head returns an empty buffer of n bytes, the size of the class.
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
