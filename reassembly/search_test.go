package reassembly

import (
	"encoding/binary"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// frameOf returns the first n bytes of a frame of the given size.
func frameOf(size uint32, n int) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 0, max(n, 4)), size)[:max(n, 4)][:n]
}

// TestIsWhole: more bytes change nothing once a candidate has as many as are looked at.
func TestIsWhole(t *testing.T) {
	for _, tc := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"less than a size", frameOf(20, 3), false},
		{"a size", frameOf(20, 4), false},
		{"all but one byte", frameOf(20, 23), false},
		{"all", frameOf(20, 24), true},
		{"nearly as much as is looked at", frameOf(5000, sizeBytes+plausibleBytes-1), false},
		{"as much as is looked at", frameOf(5000, sizeBytes+plausibleBytes), true},
		{"a size that no frame has", frameOf(minMessage-1, 4), true},
		{"the smallest size", frameOf(minMessage, 4), false},
		{"the largest size", frameOf(maxMessage, 4), false},
		{"a larger size", frameOf(maxMessage+1, 4), true},
	} {
		if got := isWhole(tc.b); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestIsSingleFrame: a frame that fills a segment needs an anchor, not a body that parses.
func TestIsSingleFrame(t *testing.T) {
	const offset = 12
	b := request(3, 99, 1, 10)
	for _, tc := range []struct {
		name   string
		b      []byte
		anchor string
		want   bool
	}{
		{"the client id", b, "\x00\x04test", true},
		{"another one", b, "\x00\x04tost", false},
		{"a part of it is too short", b, "\x00\x04t", false},
		{"the shortest", b, "\x00\x04te", true},
		{"a byte more", append(append([]byte(nil), b...), 0), "\x00\x04test", false},
		{"a byte less", b[:len(b)-1], "\x00\x04test", false},
		{"it ends where the anchor begins", frameOf(8, 12), "\x00\x04test", false},
		{"it ends before the anchor", frameOf(7, 11), "\x00\x04test", false},
		{"less than a frame", frameOf(3, 7), "\x00\x04test", false},
	} {
		if got := isSingleFrame(tc.b, [][]byte{[]byte(tc.anchor)}, offset); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	if !isSingleFrame(frameOf(minMessage, 8), [][]byte{{0, 0, 0, 0}}, 4) {
		t.Error("the smallest response is not found")
	}
}

// TestStarts is a set of offsets.
func TestStarts(t *testing.T) {
	var s *starts
	s.clear(3)
	if s.next(0) != -1 {
		t.Error("an empty set has an offset")
	}
	s = new(starts)
	for _, n := range []int{3, 63, 64, 200, carryBytes - 1} {
		s.set(n)
	}
	s.clear(63)
	for from, want := range map[int]int{0: 3, 3: 3, 4: 64, 64: 64, 65: 200, 201: carryBytes - 1, carryBytes: -1} {
		if got := s.next(from); got != want {
			t.Errorf("the next from %d on is %d, want %d", from, got, want)
		}
	}
}

// TestCandidates: what can be the beginning of a frame. Before the protocol is known, all bytes that
// are looked at must be there. A response inside a segment must be confirmed at once.
func TestCandidates(t *testing.T) {
	asked, said := request(3, 1, 1, 10), response(7, 10)
	long := request(3, 1, 1, 2*plausibleBytes)
	for _, tc := range []struct {
		name    string
		d       Direction
		b       []byte
		isStart bool
		change  func(c *conn, f *framer)
		want    bool
	}{
		{"a request", ToBroker, asked, true, nil, true},
		{"a request inside a segment", ToBroker, asked, false, nil, true},
		{"a part of a request", ToBroker, asked[:20], true, nil, true},
		{"less than is looked at", ToBroker, asked[:11], true, nil, false},
		{"a request, the protocol is unknown", ToBroker, asked, true, func(c *conn, _ *framer) { c.dialogue.handler = nil }, true},
		{"a part of a request, the protocol is unknown", ToBroker, asked[:27], true, func(c *conn, _ *framer) { c.dialogue.handler = nil }, false},
		{"the last part of a request, the protocol is unknown", ToBroker, asked[:27], true, func(c *conn, f *framer) { c.dialogue.handler, f.final = nil, true }, true},
		{"as much as is looked at, the protocol is unknown", ToBroker, long[:sizeBytes+plausibleBytes], true, func(c *conn, _ *framer) { c.dialogue.handler = nil }, true},
		{"a byte less, the protocol is unknown", ToBroker, long[:sizeBytes+plausibleBytes-1], true, func(c *conn, _ *framer) { c.dialogue.handler = nil }, false},
		{"a response", ToClient, said, true, nil, true},
		{"a response inside a segment", ToClient, said, false, nil, true},
		{"a part of a response inside a segment", ToClient, said[:17], false, nil, false},
		{"a part of a response", ToClient, said[:12], true, nil, true},
		{"a response and other bytes", ToClient, append(append([]byte(nil), said...), "other bytes, no frame"...), false, nil, false},
		{"a response and another one", ToClient, append(append([]byte(nil), said...), response(8, 10)...), false, nil, true},
		{"another response", ToClient, response(9, 10), true, nil, false},
		{"the smallest response", ToClient, response(7, 0), true, nil, true},
		{"a byte less", ToClient, response(7, 0)[:7], true, nil, false},
		{"a size that no frame has", ToClient, append([]byte{0, 0, 0, 3}, said[4:8]...), true, nil, false},
		{"the largest size", ToClient, append([]byte{maxMessage >> 24, 0, 0, 0}, said[4:]...), true, nil, true},
		{"a larger size", ToClient, append([]byte{maxMessage >> 24, 0, 0, 1}, said[4:]...), true, nil, false},
	} {
		c := halfway(t)
		c.dialogue.handler = &voice{log: new(log), c: &c.info, id: []byte("\x00\x04test"), awaited: [][]byte{{0, 0, 0, 7}, {0, 0, 0, 8}}}
		f := &framer{dir: tc.d, state: searching}
		if tc.change != nil {
			tc.change(c, f)
		}
		if got := f.candidate(c, tc.b, tc.isStart); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestTailIsKept: the end of what was searched is kept, with the beginnings of segments in it.
func TestTailIsKept(t *testing.T) {
	for _, tc := range []struct {
		name  string
		old   int // bytes kept before, whose first and last one begin a segment
		n     int // bytes behind them
		start bool
		kept  int
		want  []int
	}{
		{"the first bytes", 0, 20, true, 20, []int{0}},
		{"inside a segment", 0, 20, false, 20, nil},
		{"more of the next segment", 10, 20, true, 30, []int{0, 9, 10}},
		{"more of the same segment", 10, 20, false, 30, []int{0, 9}},
		{"as many as are kept", 10, carryBytes - 10, true, carryBytes, []int{0, 9, 10}},
		{"one more", 10, carryBytes - 9, true, carryBytes, []int{8, 9}},
		{"all old ones go", 10, carryBytes, true, carryBytes, []int{0}},
		{"and their end", 10, carryBytes + 1, true, carryBytes, nil},
	} {
		c := halfway(t)
		f := &framer{state: searching}
		if tc.old > 0 {
			f.starts = new(starts)
			f.starts.set(0)
			f.starts.set(tc.old - 1)
		}
		f.keepTail(c, make([]byte, tc.old+tc.n), tc.old, tc.start)
		var got []int
		for n := f.starts.next(0); n >= 0; n = f.starts.next(n + 1) {
			got = append(got, n)
		}
		if len(f.buf) != tc.kept || len(got) != len(tc.want) {
			t.Errorf("%s: %d bytes with beginnings at %d, want %d, %d", tc.name, len(f.buf), got, tc.kept, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s: beginnings at %d, want %d", tc.name, got, tc.want)
			}
		}
	}
}

// TestJudge: what the first bytes of a client, and of the answer, say about the protocol.
func TestJudge(t *testing.T) {
	weak, likely := unnamed(1, 20), request(3, 16, 1, 20)
	no := request(91, 1, 1, 2*plausibleBytes)
	next := func(b []byte, id uint32) []byte { return append(append([]byte(nil), b...), unnamed(id, 20)...) }
	for _, tc := range []struct {
		name          string
		first, answer []byte
		want          Protocol
		sure          bool
	}{
		{"a request", request(3, 1, 1, 20), nil, Kafka, true},
		{"less than its size", weak[:3], nil, Undecided, false},
		{"its size", weak[:4], nil, Undecided, false},
		{"a size that no request has", frameOf(wantBytes-1, 4), nil, Other, true},
		{"the smallest size", frameOf(wantBytes, 4), nil, Undecided, false},
		{"the largest size", frameOf(maxMessage, 4), nil, Undecided, false},
		{"a larger size", frameOf(maxMessage+1, 4), nil, Other, true},
		{"less than its header", weak[:11], nil, Undecided, false},
		{"no request", no, nil, Other, true},
		{"no request, so far", no[:sizeBytes+plausibleBytes-1], nil, Undecided, false},
		{"no request, as far as is looked at", no[:sizeBytes+plausibleBytes], nil, Other, true},
		{"no request so far, answered", no[:sizeBytes+plausibleBytes-1], response(1, 20), Other, true},
		{"a doubtful request", weak, nil, Undecided, false},
		{"and its response", weak, response(1, 20), Kafka, true},
		{"and the beginning of its response", weak, response(1, 20)[:8], Kafka, true},
		{"and less than that", weak, response(1, 20)[:7], Undecided, false},
		{"and another response", weak, response(2, 20), Other, true},
		{"and the smallest response", weak, response(1, 0), Kafka, true},
		{"and a smaller one", weak, []byte{0, 0, 0, 3, 0, 0, 0, 1}, Other, true},
		{"and the largest response", weak, []byte{maxMessage >> 24, 0, 0, 0, 0, 0, 0, 1}, Kafka, true},
		{"and a larger one", weak, []byte{maxMessage >> 24, 0, 0, 1, 0, 0, 0, 1}, Other, true},
		{"and the next request", next(weak, 2), nil, Kafka, true},
		{"and the header of the next request", next(weak, 2)[:len(weak)+12], nil, Undecided, false},
		{"and less than that", next(weak, 2)[:len(weak)+11], nil, Undecided, false},
		{"and another request", next(weak, 3), nil, Undecided, false},
		{"and the same request", next(weak, 1), nil, Undecided, false},
		{"and other bytes", append(append([]byte(nil), weak...), append([]byte{0, 0, 0, 8, 0x7f, 0, 0, 0}, 0, 0, 0, 2)...), nil, Undecided, false},
		{"a likely request, and a foreign answer", likely, []byte("HTTP/1.1 400 Bad Request\r\n"), Kafka, true},
		{"a doubtful request, and a foreign answer", weak, []byte("HTTP/1.1 400 Bad Request\r\n"), Other, true},
	} {
		if got, sure := halfway(t).judge(tc.first, tc.answer); got != tc.want || sure != tc.sure {
			t.Errorf("%s: %v, sure %v, want %v, %v", tc.name, got, sure, tc.want, tc.sure)
		}
	}
}

// TestRequestThatFits: a request that fits is accepted alone only if it is complete.
func TestRequestThatFits(t *testing.T) {
	b := request(3, 1, 1, 20)
	for _, tc := range []struct {
		name string
		how  Likelihood
		b    []byte
		want bool
	}{
		{"fits", Fits, b, true}, {"fits, a byte is missing", Fits, b[:len(b)-1], false}, {"weak", Weak, b, false},
		{"likely, a byte is missing", Likely, b[:len(b)-1], true}, {"likely, a byte more", Likely, append(b[:len(b):len(b)], 0), false},
		{"likely, the header", Likely, b[:12], true}, {"likely, less than the header", Likely, b[:11], false},
	} {
		c := newConn(newWorker(&Options{LooksLikeRequest: func(int64, []byte) Likelihood { return tc.how }}, new(log)), &flow{})
		held := &undecided{chunks: []chunk{{p: tc.b[:5]}, {p: tc.b[5:]}}, bytes: len(tc.b)}
		if got := c.isLoneRequest(held); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
		for name, k := range map[string]chunk{"an answer": {dir: ToClient}, "a gap": {gap: 1}} {
			if c.isLoneRequest(&undecided{chunks: append(held.chunks, k), bytes: held.bytes}) {
				t.Errorf("%s, and %s: it is accepted", tc.name, name)
			}
		}
	}
}

// TestPendingIsFull: bytes, chunks, and the bytes of all connections are bounded.
func TestPendingIsFull(t *testing.T) {
	w := newWorker(&Options{}, new(log))
	for _, tc := range []struct {
		bytes, chunks, all int
		want               bool
	}{{maxPending, 1, 0, false}, {maxPending + 1, 1, 0, true}, {1, maxPendingChunks, 0, false}, {1, maxPendingChunks + 1, 0, true}, {1, 1, maxShardPending, false}, {1, 1, maxShardPending + 1, true}} {
		w.pending = tc.all
		p := undecided{bytes: tc.bytes, chunks: make([]chunk, tc.chunks)}
		if got := p.isFull(w); got != tc.want {
			t.Errorf("%d bytes, %d chunks, %d of all: %v, want %v", tc.bytes, tc.chunks, tc.all, got, tc.want)
		}
	}
}

// TestSpanHas: a range ends before its last offset.
func TestSpanHas(t *testing.T) {
	for _, tc := range []struct {
		offset, n int64
		want      bool
	}{{10, 1, true}, {19, 1, true}, {20, 1, false}, {9, 1, false}, {9, 2, true}, {0, 100, true}} {
		if got := (Span{10, 20}).Has(tc.offset, tc.n); got != tc.want {
			t.Errorf("%d bytes at %d: %v, want %v", tc.n, tc.offset, got, tc.want)
		}
	}
}

// TestLimitsThatWereHit: only those.
func TestLimitsThatWereHit(t *testing.T) {
	if hit := (Limits{Networks: 2}).Hit(); len(hit) != 1 || hit["networks"] != 2 {
		t.Errorf("%v", hit)
	}
}

// TestRoomForHeads: a head of the usual sizes is held in a buffer of the next size. At the limit, only
// the beginning of a head is held.
func TestRoomForHeads(t *testing.T) {
	w := newWorker(&Options{}, new(log))
	for n, want := range map[int]int{1: headFloor, headFloor: headFloor, headFloor + 1: 512, 512: 512, 513: 1 << 10, sizeBytes + 4<<10: sizeBytes + 4<<10, 5 + 4<<10: 5 + 4<<10} {
		if b := w.room(nil, n); cap(b) != want || w.held != want {
			t.Errorf("%d bytes: a buffer of %d, %d held, want %d", n, cap(b), w.held, want)
		} else {
			w.release(b)
		}
	}
	w.held = maxHeldBytes - 512
	b := w.room(nil, 512)
	if cap(b) != 512 || w.limits.HeldBytes != 0 {
		t.Errorf("the last buffer has %d bytes", cap(b))
	}
	if small := w.room(nil, 512); cap(small) != headFloor || w.limits.HeldBytes != 1 {
		t.Errorf("at the limit: %d bytes, counted %d times", cap(small), w.limits.HeldBytes)
	}
	if same := w.room(b, 1024); cap(same) != 512 || w.limits.HeldBytes != 2 {
		t.Errorf("a larger one at the limit: %d bytes, counted %d times", cap(same), w.limits.HeldBytes)
	}
	if same := w.room(b, 512); &same[:1][0] != &b[:1][0] || w.limits.HeldBytes != 2 {
		t.Error("a buffer that is large enough is replaced")
	}
}

// TestWeight: everything that is held for connections counts.
func TestWeight(t *testing.T) {
	w := newWorker(&Options{}, new(log))
	w.weights, w.held, w.pending, w.postponed, w.doubted, w.reorder.pages = 1, 20, 300, 4000, 50000, 3
	if n := w.used(); n != 54321+3*pageMemory {
		t.Errorf("%d bytes", n)
	}
	c := halfway(t)
	c.odd().Prefaces = make([]Preface, 3)
	if n := c.weight(); n != connBytes+oddityBytes+3*prefaceBytes {
		t.Errorf("a connection with three prefaces: %d bytes", n)
	}
}

// TestOneSegment: a connection with anything that other segments or keys wait for is not dropped
// without a report.
func TestOneSegment(t *testing.T) {
	for name, change := range map[string]func(c *conn){
		"two segments": func(c *conn) { c.turns = 2 }, "a preface": func(c *conn) { c.preface = new(preface) },
		"doubts": func(c *conn) { c.doubted = new(doubts) }, "late segments": func(c *conn) { c.postponed = new([2]*postponed) },
		"TLS": func(c *conn) { c.startTLS(nil, []byte{22}, capture.Position{}) },
	} {
		c := halfway(t)
		if c.turns = 1; !c.isOneSegment() {
			t.Error("one segment")
		}
		if change(c); c.isOneSegment() {
			t.Errorf("%s: it counts as one segment", name)
		}
	}
}
