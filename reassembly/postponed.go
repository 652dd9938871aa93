package reassembly

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxPostponed bounds the payload that one connection postpones: 256 KiB are a few large
	// responses. maxShardPostponed bounds that of a shard: 2 MiB; 4 shards make 8 MiB.
	maxPostponed      = 256 << 10
	maxShardPostponed = 2 << 20
	// postponedBytes is the memory of a segment without its payload.
	postponedBytes = 128
	// maxJudged is how many of them the next segment of their sender can prove forged.
	maxJudged = 4
	// maxHeader is how many bytes of a request show its header and the beginning of its client id.
	maxHeader = 24
)

// postponed are segments of one side that acknowledge bytes which were not delivered yet. Those
// bytes are missing, or were captured late. Without the wait, a response would precede its request,
// and would look like the response to a lost request. Or nobody sent those bytes, and the segment is
// forged (RFC 5961 5.2). Segments without the request that is due may be forged too. What both sides
// send next decides that.
type postponed struct {
	segments []lateSegment
	bytes    int
	dir      Direction // raw, as conn.half
}

// lateSegment is a segment that waits since tick (worker.ticks) and turn (conn.turns).
type lateSegment struct {
	item
	tick int32
	turn uint32
	// isConfirmed: its sender went on behind it, and acknowledges no less. isContradicted: the
	// other side sent something since, and has not acknowledged it.
	isConfirmed, isContradicted bool
}

// postponedOf returns the segments of a raw direction that wait; nil for none.
func (c *conn) postponedOf(raw Direction) *postponed {
	if c.postponed == nil {
		return nil
	}
	return c.postponed[raw]
}

func (c *conn) isPostponing() bool { return c.postponed != nil && *c.postponed != [2]*postponed{} }

// ahead reports whether a segment was captured before bytes that it acknowledges.
func (c *conn) ahead(it *item) bool {
	if it.flags&capture.ACK == 0 {
		return false
	}
	other := &c.half[it.dir.Reverse()]
	if c.sidesUnknown() && !other.waitsWithRequest() {
		return false // bytes from before the capture never arrive
	}
	if it.dir^c.swapped == ToBroker && !c.sidesUnknown() { // a request does not need an earlier response, if one was sent
		return other.synced && !other.fin && (c.isUnsent(it) || c.isNoRequest(it))
	}
	if !other.synced { // nothing of the client was captured so far, but it may follow soon
		return !c.info.Midstream && c.turns <= ackedWait
	}
	n := int32(it.ack - other.next)
	return n > 0 && n <= maxAckDistance && !other.ended
}

// sidesUnknown reports whether either side may be the client. Only the responses to requests that
// wait for missing bytes are then postponed.
func (c *conn) sidesUnknown() bool { return c.info.Midstream && !c.dialogue.decided }

// waitsWithRequest reports whether a request of this direction waits for missing bytes.
func (h *half) waitsWithRequest() bool { return h.hole != nil && h.hole.hasRequest }

// isRequest reports whether the payload of a segment certainly begins with a request.
func (c *conn) isRequest(p []byte) bool {
	if len(p) < sizeBytes+wantBytes {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(p)))
	return size >= wantBytes && c.w.opt.LooksLikeRequest(size, clip(p[sizeBytes:], size)) == Strong
}

// isNoRequest reports whether a segment begins where a request must begin, with other bytes. The
// client speaks another protocol, or nobody sent it.
func (c *conn) isNoRequest(it *item) bool {
	t, f := &c.dialogue, &c.dialogue.fr[it.dir]
	isDue := t.decided && f.state == reading && f.passed == 0 || !t.decided && t.isFromStart && t.pending == nil && c.info.Bytes[ToBroker] == 0
	skip := c.half[it.dir].next - it.first() // bytes that came before
	if c.mode != inClear || !isDue || uint64(skip)+sizeBytes > uint64(len(it.payload)) {
		return false
	}
	if q := c.half[it.dir].hole; q != nil && q.queued[0].seq == it.first()+it.length {
		return false // the client's next bytes came before it
	}
	p := it.payload[skip:]
	size := int64(int32(binary.BigEndian.Uint32(p)))
	if size < wantBytes || size > maxMessage {
		return true
	}
	head := clip(p[sizeBytes:], size)
	if c.w.opt.LooksLikeRequest(size, head[:min(len(head), maxHeader)]) >= Likely {
		return false // its body does not matter, and takes time
	}
	return int64(len(head)) >= min(size, plausibleBytes) && c.w.opt.LooksLikeRequest(size, head) == No
}

// isUnsent reports whether a segment acknowledges bytes that the capture lacks, and nothing behind
// them was captured.
func (c *conn) isUnsent(it *item) bool {
	other := &c.half[it.dir.Reverse()]
	end := other.next
	if other.hole != nil {
		end = other.hole.queued[len(other.hole.queued)-1].end()
	}
	n := int32(it.ack - end)
	return n > 0 && n <= maxAckDistance
}

// waits reports whether a segment still has to wait. When the bytes that it acknowledges have
// arrived, it may be forged still: they may have been sent later. So its receiver must acknowledge
// it, or its sender go on. A request waits until both sides have shown what they know of it.
func (c *conn) waits(l *lateSegment) bool {
	switch h := &c.half[l.dir]; {
	case c.mode == ignored:
		return false
	case l.dir^c.swapped == ToBroker && !c.sidesUnknown():
		return !l.isConfirmed && !l.isContradicted || c.w.ticks-l.tick < c.w.hole
	case c.ahead(&l.item):
		return !c.overdue(l)
	default:
		isAcked := h.ackSeen && int32(h.acked-l.first()-l.length) >= 0
		return !l.isConfirmed && !isAcked && !c.overdue(l)
	}
}

// judgePostponed compares the segments that wait with the next one.
func (c *conn) judgePostponed(it *item) {
	if it.flags&capture.ACK == 0 || c.sidesUnknown() {
		return
	}
	if q := c.postponedOf(it.dir.Reverse()); q != nil && it.dir^c.swapped == ToClient { // a response waits for its request
		last := &q.segments[len(q.segments)-1]
		end := last.first() + last.length
		for c.postponedOf(q.dir) != nil && q.segments[0].isProved(it, end, c.half[it.dir].next) {
			c.deliverPostponed(q)
		}
		if c.postponedOf(q.dir) != nil {
			q.segments[0].isContradicted = true
		}
	}
	if q := c.postponedOf(it.dir); q != nil && it.length > 0 {
		c.judgeByNext(q, it)
	}
}

// judgeByNext compares the segments that wait with the next one of their sender.
func (c *conn) judgeByNext(q *postponed, it *item) {
	if l := &q.segments[len(q.segments)-1]; it.seq == l.first()+l.length && int32(it.ack-l.ack) >= 0 {
		l.isConfirmed = true
	}
	for i := 0; i < min(len(q.segments), maxJudged); i++ {
		l := &q.segments[i]
		n := min(len(it.payload), len(l.payload))
		isOther := it.seq == l.seq && !bytes.Equal(it.payload[:n], l.payload[:n])
		// A sender never acknowledges less than before, and it does not send other bytes again.
		if isOther || int32(it.seq-l.seq) >= 0 && int32(it.ack-l.ack) < 0 {
			c.w.disbelieved++
			c.removePostponed(q, i)
			i--
		}
	}
}

// isProved reports whether a segment of the other side proves l: its end system has received l, or
// has sent the bytes that l acknowledges, which the capture lacks. end is that of all segments that
// wait, next that side's next byte.
func (l *lateSegment) isProved(it *item, end, next uint32) bool {
	return int32(it.ack-l.first()-l.length) >= 0 && int32(it.ack-end) <= 0 || it.first() != next && int32(it.first()-l.ack) >= 0
}

// isDoubtful reports whether a request is forged, as far as the capture shows: it has no loss, and
// the broker sent something since, but has not acknowledged the request.
func (c *conn) isDoubtful(l *lateSegment) bool {
	return l.isContradicted && !l.isConfirmed && !c.info.Midstream && c.info.Odd().Gaps == 0
}

// overdue reports whether a segment has waited long enough. While bytes are missing, skipOverdue
// decides.
func (c *conn) overdue(l *lateSegment) bool {
	return c.half[l.dir.Reverse()].hole == nil && (c.turns-l.turn > ackedWait || c.w.ticks-l.tick >= c.w.hole)
}

// postpone queues a segment, and later ones of its direction, until resume.
func (c *conn) postpone(it *item) {
	q := c.postponedOf(it.dir)
	if q == nil {
		if c.postponed == nil {
			c.postponed = new([2]*postponed)
		}
		q = &postponed{dir: it.dir}
		c.postponed[it.dir] = q
		c.wait()
	}
	l := lateSegment{item: *it, tick: c.w.ticks, turn: c.turns}
	l.payload = bytes.Clone(it.payload)
	n := len(l.payload) + postponedBytes
	q.segments = append(q.segments, l)
	q.bytes += n
	c.w.postponed += n
}

// deliverPostponed delivers the first segment that waits.
func (c *conn) deliverPostponed(q *postponed) {
	l := q.segments[0]
	c.removePostponed(q, 0)
	c.acknowledge(&l.item)
	c.payload(l.dir, &c.half[l.dir], l.first(), &l.item)
}

func (c *conn) removePostponed(q *postponed, i int) {
	n := len(q.segments[i].payload) + postponedBytes
	q.bytes -= n
	c.w.postponed -= n
	if i == 0 {
		q.segments = q.segments[1:]
	} else {
		q.segments = slices.Delete(q.segments, i, i+1)
	}
	if len(q.segments) == 0 {
		c.postponed[q.dir] = nil
	}
}

// resume delivers the segments that need not wait any more, or all of them.
func (c *conn) resume(all bool) {
	for i := range c.half {
		for c.postponedOf(Direction(i)) != nil {
			q := c.postponed[i]
			l := &q.segments[0]
			full := q.bytes > maxPostponed || c.w.postponed > maxShardPostponed
			if !all && !full && c.waits(l) {
				break
			}
			if full {
				c.w.limits.QueuedSegments++
			} else if c.isDoubtful(l) {
				c.w.disbelieved++
				c.removePostponed(q, 0)
				continue
			}
			c.deliverPostponed(q)
		}
	}
}
