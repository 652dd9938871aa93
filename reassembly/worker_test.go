package reassembly

import (
	"runtime"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// tally is a Shard and a Handler that wants n bytes of each frame.
type tally struct{ n, messages, bytes int }

func (q *tally) Open(*Connection) Handler                       { return q }
func (q *tally) Closed(*Connection)                             {}
func (q *tally) Want(Direction, int64, []byte) (n int, ok bool) { return q.n, true }
func (q *tally) Plausible(_ Direction, size int64, h []byte) bool {
	return looksLike(size, h) == Strong
}
func (q *tally) Anchor(Direction) (anchors [][]byte, offset int) { return nil, 0 }
func (q *tally) Lost(Direction, capture.Position)                {}
func (q *tally) Size() int                                       { return 0 }
func (q *tally) End()                                            {}
func (q *tally) Drop()                                           {}
func (q *tally) Expect(int64, []byte)                            {}
func (q *tally) Message(f *Frame)                                { q.messages, q.bytes = q.messages+1, q.bytes+len(f.Head) }

// slow returns n connections of w, each with one request sent.
func slow(w *worker, n int) []*conn {
	conns := make([]*conn, n)
	for i := range conns {
		conns[i] = newConn(w, &flow{})
		conns[i].bytes(ToBroker, request(3, 1, 1, 20), capture.Position{})
	}
	return conns
}

// TestSlowMessagesHoldLittle guards against buffers that are larger than counted, or not counted:
// a frame arrives a few bytes at a time on very many connections.
func TestSlowMessagesHoldLittle(t *testing.T) {
	const n = 20_000
	for _, want := range []int{20, 300, 3000, 16 << 10} {
		q := &tally{n: want}
		w := newWorker(&Options{LooksLikeRequest: looksLike}, q)
		conns := slow(w, n)
		if q.messages != n || w.held != 0 {
			t.Fatalf("%d messages, %d bytes held between them", q.messages, w.held)
		}
		q.bytes = 0
		msg := request(3, 1, 2, 17<<10)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for _, c := range conns {
			c.bytes(ToBroker, msg[:30], capture.Position{})
		}
		for _, c := range conns {
			c.bytes(ToBroker, msg[30:16<<10], capture.Position{})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		held := 0
		for _, c := range conns {
			held += cap(c.dialogue.fr[ToBroker].buf)
		}
		if held != w.held || held > maxHeldBytes+n*headFloor {
			t.Errorf("%d bytes of each: %d bytes held, %d counted, the cap is %d", want, held, w.held, maxHeldBytes+n*headFloor)
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 5*int64(held)/4+1<<20 {
			t.Errorf("%d bytes of each: the heap grew by %d bytes for %d that are held", want, grown, held)
		}
		if limited := w.limits.HeldBytes > 0; limited != (want > headFloor) {
			t.Errorf("%d bytes of each: %d messages were held for less", want, w.limits.HeldBytes)
		}
		for _, c := range conns {
			c.bytes(ToBroker, msg[16<<10:], capture.Position{})
		}
		if q.messages != 2*n || q.bytes < n*min(want, headFloor-sizeBytes) || w.held != 0 {
			t.Errorf("%d bytes of each: %d messages with %d bytes of their heads, %d still held", want, q.messages, q.bytes, w.held)
		}
		runtime.KeepAlive(conns)
	}
}

// TestSlowMessagesAllocateNothing: buffers of every usual size are reused.
func TestSlowMessagesAllocateNothing(t *testing.T) {
	for _, want := range []int{20, 300, 1000, 2000, 4 << 10} {
		w := newWorker(&Options{LooksLikeRequest: looksLike}, &tally{n: want})
		conns := slow(w, maxSpare/2)
		msg := request(3, 1, 2, 5<<10)
		if allocs := testing.AllocsPerRun(10, func() {
			for _, part := range [][]byte{msg[:3], msg[3:50], msg[50:600], msg[600:5000], msg[5000:]} {
				for _, c := range conns {
					c.bytes(ToBroker, part, capture.Position{})
				}
			}
		}); allocs != 0 {
			t.Errorf("%d bytes of each: %v allocations", want, allocs)
		}
	}
}
