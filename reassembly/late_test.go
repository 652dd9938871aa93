package reassembly

import (
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// TestWaits: a response waits for the bytes that it acknowledges, a request until both sides have shown
// what they know of it.
func TestWaits(t *testing.T) {
	late := func(d Direction, ack uint32) lateSegment {
		seq := [2]uint32{1000, 2000}[d]
		return lateSegment{item: item{dir: d, seq: seq, length: 10, ack: ack, flags: capture.ACK}}
	}
	for _, tc := range []struct {
		name   string
		l      lateSegment
		change func(c *conn, l *lateSegment)
		want   bool
	}{
		{"a response before its request", late(ToClient, 1100), nil, true},
		{"and for long enough", late(ToClient, 1100), func(c *conn, _ *lateSegment) { c.w.ticks = holeTicks }, false},
		{"a response behind its request", late(ToClient, 1000), nil, true},
		{"and its sender went on", late(ToClient, 1000), func(_ *conn, l *lateSegment) { l.isConfirmed = true }, false},
		{"and it was acknowledged", late(ToClient, 1000), func(c *conn, _ *lateSegment) { c.half[ToClient].ackSeen, c.half[ToClient].acked = true, 2010 }, false},
		{"and it was acknowledged in part", late(ToClient, 1000), func(c *conn, _ *lateSegment) { c.half[ToClient].ackSeen, c.half[ToClient].acked = true, 2009 }, true},
		{"and nothing was acknowledged", late(ToClient, 1000), func(c *conn, _ *lateSegment) { c.half[ToClient].acked = 2010 }, true},
		{"and that for long enough", late(ToClient, 1000), func(c *conn, _ *lateSegment) { c.w.ticks = holeTicks }, false},
		{"a request", late(ToBroker, 2100), nil, true},
		{"a request that was confirmed", late(ToBroker, 2100), func(c *conn, l *lateSegment) { c.w.ticks, l.isConfirmed = holeTicks, true }, false},
		{"a request that was contradicted", late(ToBroker, 2100), func(c *conn, l *lateSegment) { c.w.ticks, l.isContradicted = holeTicks, true }, false},
		{"a request that was confirmed before its time", late(ToBroker, 2100), func(c *conn, l *lateSegment) { c.w.ticks, l.isConfirmed = holeTicks-1, true }, true},
		{"a request that came later", late(ToBroker, 2100), func(c *conn, l *lateSegment) { c.w.ticks, l.tick, l.isConfirmed = holeTicks, 1, true }, true},
		{"a request that nothing is known of", late(ToBroker, 2100), func(c *conn, _ *lateSegment) { c.w.ticks = holeTicks }, true},
		{"nothing is read", late(ToClient, 1100), func(c *conn, _ *lateSegment) { c.mode = ignored }, false},
		{"the sides are unknown", late(ToBroker, 2100), func(c *conn, _ *lateSegment) { c.info.Midstream, c.w.ticks = true, holeTicks }, false},
	} {
		c := halfway(t)
		if tc.change != nil {
			tc.change(c, &tc.l)
		}
		if got := c.waits(&tc.l); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestProofOfALateSegment: its receiver acknowledges it, or has sent the bytes that it acknowledges.
func TestProofOfALateSegment(t *testing.T) {
	const end, next = 1100, 2000 // of the segments that wait; of the other side's bytes
	l := lateSegment{item: item{seq: 1000, length: 50, ack: 2500, flags: capture.ACK}}
	for _, tc := range []struct {
		name     string
		seq, ack uint32
		want     bool
	}{
		{"acknowledges it", next, 1050, true},
		{"acknowledges a part", next, 1049, false},
		{"acknowledges all that waits", next, end, true},
		{"acknowledges more", next, end + 1, false},
		{"is behind what it acknowledges", 2500, 1000, true},
		{"is before that", 2499, 1000, false},
		{"is the next one", next, 1000, false},
	} {
		if got := l.isProved(&item{dir: ToClient, seq: tc.seq, ack: tc.ack, flags: capture.ACK}, end, next); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	l.ack = next
	if l.isProved(&item{dir: ToClient, seq: next, ack: 1000, flags: capture.ACK}, end, next) {
		t.Error("bytes in order prove that others are missing before them")
	}
}

// TestLateSegmentsAndTheNext: a sender that goes on behind its segment confirms it. One that sends
// other bytes in its place, or acknowledges less, has not sent it.
func TestLateSegmentsAndTheNext(t *testing.T) {
	waiting := func(n int) (q *postponed) {
		q = &postponed{dir: ToBroker}
		for i := range n {
			q.segments = append(q.segments, lateSegment{item: item{seq: 1000 + 4*uint32(i), length: 4, ack: 2010, flags: capture.ACK, payload: []byte("abcd")}})
		}
		return q
	}
	for _, tc := range []struct {
		name      string
		n         int // segments that wait
		it        item
		left      int
		confirmed bool // the last one
	}{
		{"goes on", 1, item{seq: 1004, ack: 2010, length: 1}, 1, true},
		{"acknowledges more", 1, item{seq: 1004, ack: 2011, length: 1}, 1, true},
		{"acknowledges less", 1, item{seq: 1004, ack: 2009, length: 1}, 0, false},
		{"leaves bytes out", 1, item{seq: 1005, ack: 2010, length: 1}, 1, false},
		{"the same bytes", 1, item{seq: 1000, ack: 2010, length: 4, payload: []byte("abcd")}, 1, false},
		{"the same and more bytes", 1, item{seq: 1000, ack: 2010, length: 5, payload: []byte("abcde")}, 1, false},
		{"other bytes", 1, item{seq: 1000, ack: 2010, length: 2, payload: []byte("ax")}, 0, false},
		{"other bytes, acknowledging more", 1, item{seq: 1000, ack: 2011, length: 2, payload: []byte("ax")}, 0, false},
		{"bytes before, acknowledging less", 1, item{seq: 999, ack: 2009, length: 1, payload: []byte("x")}, 1, false},
		{"the same, acknowledging less", 1, item{seq: 1000, ack: 2009, length: 4, payload: []byte("abcd")}, 0, false},
		{"goes on behind several", 3, item{seq: 1012, ack: 2010, length: 1}, 3, true},
		{"goes on behind the first", 3, item{seq: 1004, ack: 2010, length: 4, payload: []byte("abcd")}, 3, false},
		{"other bytes for one of several", 3, item{seq: 1004, ack: 2010, length: 4, payload: []byte("abxd")}, 2, false},
		{"acknowledges less than several", 3, item{seq: 1012, ack: 2009, length: 1}, 0, false},
		{"acknowledges less than many", maxJudged + 2, item{seq: 1100, ack: 2009, length: 1}, 0, false},
	} {
		c := halfway(t)
		q := waiting(tc.n)
		for range tc.n {
			q.bytes += 4 + postponedBytes
		}
		c.postponed = &[2]*postponed{ToBroker: q}
		c.w.postponed = q.bytes
		tc.it.flags = capture.ACK
		c.judgeByNext(q, &tc.it)
		confirmed := tc.left > 0 && q.segments[len(q.segments)-1].isConfirmed
		if len(q.segments) != tc.left || confirmed != tc.confirmed || int(c.w.disbelieved) != tc.n-tc.left || c.w.postponed != tc.left*(4+postponedBytes) || (c.postponed[ToBroker] == nil) != (tc.left == 0) {
			t.Errorf("%s: %d segments are left, want %d; confirmed %v, want %v; %d not believed, %d bytes", tc.name, len(q.segments), tc.left, confirmed, tc.confirmed, c.w.disbelieved, c.w.postponed)
		}
	}
}

// TestWhereARequestIsDue: bytes that are none are no request of the client, as far as they show it.
func TestWhereARequestIsDue(t *testing.T) {
	junk := []byte("junk, junk, junk")
	long := request(3, 1, 1, 2*plausibleBytes)
	noRequest := append([]byte(nil), long...)
	noRequest[4] = 0x7f // an unknown API key
	for _, tc := range []struct {
		name    string
		payload []byte
		change  func(c *conn, it *item)
		want    bool
	}{
		{"other bytes", junk, nil, true},
		{"a request", request(3, 1, 1, 10), nil, false},
		{"a long request", long, nil, false},
		{"a long frame that is no request", noRequest, nil, true},
		{"as much of it as shows that", noRequest[:sizeBytes+plausibleBytes], nil, true},
		{"less of it", noRequest[:sizeBytes+plausibleBytes-1], nil, false},
		{"a request that is only likely", request(3, 16, 1, 10), nil, false},
		{"a request that may be anything", unnamed(1, 20), nil, false},
		{"a size", junk[:sizeBytes], nil, true},
		{"less than a size", junk[:sizeBytes-1], nil, false},
		{"the size of the smallest request", append([]byte{0, 0, 0, wantBytes}, make([]byte, 7)...), nil, false},
		{"a smaller size", append([]byte{0, 0, 0, wantBytes - 1}, make([]byte, 7)...), nil, true},
		{"the size of the largest request", append([]byte{maxMessage >> 24, 0, 0, 0}, make([]byte, 7)...), nil, false},
		{"a larger size", append([]byte{maxMessage >> 24, 0, 0, 1}, make([]byte, 7)...), nil, true},
		{"behind bytes that came before", append([]byte("ab"), request(3, 1, 1, 10)...), func(_ *conn, it *item) { it.seq -= 2 }, false},
		{"only bytes that came before", junk, func(_ *conn, it *item) { it.seq -= 16 }, false},
		{"inside a request", junk, func(c *conn, _ *item) { c.dialogue.fr[ToBroker].passed = 4 }, false},
		{"behind a loss", junk, func(c *conn, _ *item) { c.dialogue.fr[ToBroker].state = searching }, false},
		{"inside TLS", junk, func(c *conn, _ *item) { c.mode = crypted }, false},
		{"at the beginning", junk, func(c *conn, _ *item) { c.dialogue.decided = false }, true},
		{"at the beginning, behind bytes that are held", junk, func(c *conn, _ *item) { c.dialogue.decided, c.dialogue.pending = false, new(undecided) }, false},
		{"at the beginning, behind a preface", junk, func(c *conn, _ *item) { c.dialogue.decided, c.info.Bytes[ToBroker] = false, 10 }, false},
		{"at the beginning of the capture", junk, func(c *conn, _ *item) { c.dialogue.decided, c.dialogue.isFromStart = false, false }, false},
		{"the next bytes came before it", junk, func(c *conn, _ *item) {
			c.half[ToBroker].hole = &disorder{queued: []queuedPart{{seq: 1016, length: 10}}}
		}, false},
		{"later bytes came before it", junk, func(c *conn, _ *item) {
			c.half[ToBroker].hole = &disorder{queued: []queuedPart{{seq: 1017, length: 10}}}
		}, true},
	} {
		c := halfway(t)
		c.dialogue.decided = true
		it := item{seq: 1000, ack: 2000, flags: capture.ACK, payload: tc.payload, length: uint32(len(tc.payload))}
		if tc.change != nil {
			tc.change(c, &it)
		}
		if got := c.isNoRequest(&it); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestBytesAndAFIN: bytes behind a FIN do not count. If the FIN lies inside bytes in order, it was
// forged.
func TestBytesAndAFIN(t *testing.T) {
	for _, tc := range []struct {
		name             string
		fin, seq, length uint32
		delivered        uint64
		queued           uint32 // bytes that wait
		revoked          bool
	}{
		{"up to it", 1020, 1000, 20, 20, 0, false},
		{"across it", 1020, 1000, 21, 21, 0, true},
		{"behind it", 1000, 1000, 10, 0, 0, false},
		{"ahead and across it", 1020, 1010, 20, 0, 10, false},
		{"ahead and behind it", 1020, 1020, 20, 0, 0, false},
		{"ahead and farther behind it", 1020, 1030, 20, 0, 0, false},
		{"partly a copy", 1020, 990, 20, 10, 0, false},
		{"a copy", 1020, 990, 10, 0, 0, false},
		{"the most that is waited for", 0, 1000 + maxHole, 10, 0, 10, false},
		{"more", 0, 1001 + maxHole, 10, maxHole + 11, 0, false},
		{"the longest segment", 0, 1000, maxSegment, maxSegment, 0, false},
		{"an error of the capture", 0, 1000, maxSegment + 1, 0, 0, false},
	} {
		c := halfway(t)
		h := &c.half[ToBroker]
		h.fin, h.finSeq = tc.fin > 0, tc.fin
		c.mode = ignored // only count
		it := &item{seq: tc.seq, length: tc.length, payload: make([]byte, min(tc.length, 1000)), flags: capture.ACK}
		c.payload(ToBroker, h, tc.seq, it)
		queued := uint32(0)
		if h.hole != nil {
			queued = h.hole.queued[0].length
		}
		isHuge := c.w.limits.HugeSegments == 1
		if c.info.Bytes[ToBroker] != tc.delivered || queued != tc.queued || (tc.fin > 0 && !h.fin) != tc.revoked || isHuge != (tc.length > maxSegment) {
			t.Errorf("%s: %d bytes delivered, want %d; %d queued, want %d; FIN %v, huge %v", tc.name, c.info.Bytes[ToBroker], tc.delivered, queued, tc.queued, h.fin, isHuge)
		}
	}
}

// TestAcknowledgementsAreOrdered: the highest one counts, and before the first segment of a side the
// lowest one shows where it begins.
func TestAcknowledgementsAreOrdered(t *testing.T) {
	c := halfway(t)
	h := &c.half[ToBroker]
	h.synced = false
	ack := func(n uint32) { c.acknowledge(&item{dir: ToClient, seq: 2000, ack: n, flags: capture.ACK}) }
	for _, step := range []struct{ ack, acked, oldest uint32 }{{1100, 1100, 1100}, {1200, 1200, 1100}, {1050, 1200, 1050}, {1060, 1200, 1050}, {1050, 1200, 1050}} {
		if ack(step.ack); h.acked != step.acked || h.oldest != step.oldest {
			t.Errorf("after %d: %d to %d are acknowledged, want %d to %d", step.ack, h.oldest, h.acked, step.oldest, step.acked)
		}
	}
	h.synced = true
	if ack(900); h.oldest != 1050 || h.acked != 1200 {
		t.Errorf("%d to %d are acknowledged", h.oldest, h.acked)
	}
	c.acknowledge(&item{dir: ToClient, seq: 2000, ack: 1300, flags: capture.RST})
	if h.acked != 1200 {
		t.Error("a RST without ACK acknowledges")
	}
}

// TestFirstAcknowledgementOfMissingBytes: the first packet that acknowledges bytes which have not
// arrived bounds when they were sent. If no byte of the side arrived so far, the highest one does.
func TestFirstAcknowledgementOfMissingBytes(t *testing.T) {
	at := func(n uint64) capture.Position { return capture.Position{Frame: n, Time: int64(n)} }
	note := func(h *half, frame uint64, ack uint32) {
		h.noteAhead(&item{ack: ack, at: at(frame), flags: capture.ACK})
	}
	h := &half{next: 1000, synced: true}
	for _, step := range []struct {
		frame     uint64
		ack, next uint32
		bytes     int64
		want      uint64
	}{
		{1, 1000, 1000, 10, 99}, // all has arrived
		{2, 1001, 1000, 1, 2},
		{3, 1050, 1000, 1, 2}, // not the first
		{4, 1050, 1000, 2, 99},
		{5, 1050, 1001, 49, 5}, // the first bytes have arrived
		{6, 1060, 1001, 49, 5},
		{7, 1060, 1060, 1, 99},
		{8, 1070, 1060, 10, 8},
		{9, 1070, 1060, 11, 99},
	} {
		h.next = step.next
		note(h, step.frame, step.ack)
		if got := h.lostBefore(step.bytes, at(99)); got.Frame != step.want {
			t.Errorf("packet %d: %d bytes were lost before packet %d, want %d", step.frame, step.bytes, got.Frame, step.want)
		}
	}
	if got := h.lostBefore(1, at(7)); got.Frame != 7 {
		t.Errorf("lost before packet %d, want 7", got.Frame)
	}
	h = &half{}
	for _, step := range []struct {
		frame uint64
		ack   uint32
		want  uint64
	}{{1, 1000, 1}, {2, 1100, 2}, {3, 1100, 2}, {4, 1050, 2}} {
		if note(h, step.frame, step.ack); h.ahead.at.Frame != step.want {
			t.Errorf("packet %d: packet %d counts, want %d", step.frame, h.ahead.at.Frame, step.want)
		}
	}
}

// TestWaitForAMissingSegment: it is longer if the receiver lacks the segment, too. In a live capture
// ticks are shorter.
func TestWaitForAMissingSegment(t *testing.T) {
	for _, tc := range []struct {
		name string
		live bool
		h    half
		want int32
	}{
		{"the receiver may have it", false, half{next: 1000, acked: 1000, hole: new(disorder)}, holeTicks},
		{"the receiver lacks it", false, half{next: 1000, acked: 1000, hole: &disorder{isLacked: true}}, lackedTicks},
		{"the receiver lacked it", false, half{next: 1000, acked: 1010, hole: &disorder{isLacked: true}}, holeTicks},
		{"live", true, half{next: 1000, acked: 1000, hole: new(disorder)}, holeTicks * liveTicks},
		{"live, the receiver lacks it", true, half{next: 1000, acked: 1000, hole: &disorder{isLacked: true}}, lackedTicks * liveTicks},
	} {
		if got := newWorker(&Options{Live: tc.live}, new(log)).waitTicks(&tc.h); got != tc.want {
			t.Errorf("%s: %d ticks, want %d", tc.name, got, tc.want)
		}
	}
}

// TestOverdueParts: bytes are overdue if their receiver acknowledged them many segments ago.
func TestOverdueParts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		acked  uint32
		behind uint32 // segments since
		want   bool
	}{{"long ago", 1010, ackedWait + 1, true}, {"not so long ago", 1010, ackedWait, false}, {"in part", 1009, ackedWait + 1, false}, {"and more", 1500, ackedWait + 1, true}} {
		q := &disorder{acked: tc.acked, queued: []queuedPart{{seq: 1010, turn: 7}}}
		if got := q.isOverdue(7 + tc.behind); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
