package reassembly

import (
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// steady is a Handler and a Shard. It accepts each request, keeps nothing and allocates nothing.
type steady struct{ requests, responses int }

func (s *steady) Open(*Connection) Handler                        { return s }
func (s *steady) Closed(*Connection)                              {}
func (s *steady) Want(Direction, int64, []byte) (n int, ok bool)  { return 12, true }
func (s *steady) Plausible(Direction, int64, []byte) bool         { return true }
func (s *steady) Anchor(Direction) (anchors [][]byte, offset int) { return nil, 0 }
func (s *steady) Expect(int64, []byte)                            {}
func (s *steady) Lost(Direction, capture.Position)                {}
func (s *steady) Size() int                                       { return 0 }
func (s *steady) End()                                            {}
func (s *steady) Drop()                                           {}
func (s *steady) Message(f *Frame) {
	if f.Direction == ToBroker {
		s.requests++
	} else {
		s.responses++
	}
}

// traffics are the kinds of traffic to measure: for each, the packets that begin the connection
// and those of one round. A round repeats with higher sequence numbers.
var traffics = []struct {
	name            string
	request, answer int // lengths of the bodies
	mss             int
}{
	{"small", 20, 30, capturetest.DefaultMSS},
	{"bulk", 64 << 10, 30, capturetest.DefaultMSS},
	{"offloaded", 64 << 10, 30, 60_000},
	{"split", 20, 30, 7},
}

// rounds returns the items of one round on an open connection, and by how much the sequence
// numbers of each side increase.
func rounds(t testing.TB, w *worker, asked, answer, mss int) (items []item, by [2]uint32, size int) {
	r := capturetest.NewRecorder()
	c := r.Open(client, broker)
	c.MSS = mss
	c.Exchange(request(3, 1, 1, asked), response(1, answer))
	first, before := len(r.Packets), c.Seq
	c.Exchange(request(3, 1, 2, asked), response(2, answer))
	by = [2]uint32{c.Seq[0] - before[0], c.Seq[1] - before[1]}
	all := dispatched(t, w, r.Packets)
	skipped := len(r.Packets) - len(all) // packets before the first payload
	w.work(all[:first-skipped])
	items = all[first-skipped:]
	for i := range items {
		size += int(items[i].length)
	}
	return items, by, size
}

// next changes items to those of the next round.
func next(items []item, by [2]uint32) {
	for i := range items {
		d := items[i].dir
		items[i].seq += by[d]
		items[i].ack += by[d.Reverse()]
		items[i].at.Frame += uint64(len(items))
	}
}

// TestNoAllocationsInOrder: segments in order allocate nothing, whatever their size.
func TestNoAllocationsInOrder(t *testing.T) {
	for _, k := range traffics {
		s := new(steady)
		w := newWorker(&Options{LooksLikeRequest: looksLike}, s)
		items, by, _ := rounds(t, w, k.request, k.answer, k.mss)
		c := items[0].conn
		n := testing.AllocsPerRun(50, func() {
			w.work(items)
			next(items, by)
		})
		if n != 0 || c.info.Odd().Missing != 0 || s.requests != 52 || s.responses != 52 {
			t.Errorf("%s: %v allocations a round, %d bytes missing, %d requests, %d responses", k.name, n, c.info.Odd().Missing, s.requests, s.responses)
		}
	}
}

// BenchmarkSegments measures a shard on segments in order.
func BenchmarkSegments(b *testing.B) {
	for _, k := range traffics {
		b.Run(k.name, func(b *testing.B) {
			w := newWorker(&Options{LooksLikeRequest: looksLike}, new(steady))
			items, by, size := rounds(b, w, k.request, k.answer, k.mss)
			measure(b, w, items, by, size)
		})
	}
}

// BenchmarkReordered measures the same with every two segments of the client swapped.
func BenchmarkReordered(b *testing.B) {
	w := newWorker(&Options{LooksLikeRequest: looksLike}, new(steady))
	items, by, size := rounds(b, w, 64<<10, 30, capturetest.DefaultMSS)
	var places []int
	for i := range items {
		if items[i].dir == ToBroker && items[i].length > 0 {
			places = append(places, i)
		}
	}
	for pair := range slices.Chunk(places, 2) {
		if len(pair) == 2 {
			items[pair[0]], items[pair[1]] = items[pair[1]], items[pair[0]]
		}
	}
	measure(b, w, items, by, size)
}

func measure(b *testing.B, w *worker, items []item, by [2]uint32, size int) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		w.work(items)
		next(items, by)
	}
	b.ReportMetric(float64(b.N*len(items))/b.Elapsed().Seconds(), "segments/s")
}
