package reassembly

import (
	"bytes"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxPostponed bounds the payload that one connection postpones: 256 KiB are a few large
	// responses. maxShardPostponed bounds that of a shard: 2 MiB; 4 shards make 8 MiB.
	maxPostponed      = 256 << 10
	maxShardPostponed = 2 << 20
	// postponedBytes is the memory of a segment without its payload.
	postponedBytes = 128
)

// postponed are segments of the broker that acknowledge client bytes which were not delivered yet.
// Those bytes are missing, or were captured late. Without the wait, a response would precede its
// request, and would look like the response to a lost request.
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
}

// ahead reports whether a segment was captured before bytes that it acknowledges. Only segments of
// the broker wait: a request does not need an earlier response.
func (c *conn) ahead(it *item) bool {
	if it.dir^c.swapped != ToClient || it.flags&capture.ACK == 0 || c.info.Midstream && !c.dialogue.decided {
		return false // from the client, or the sides are unknown
	}
	client := &c.half[it.dir.Reverse()]
	if !client.synced { // nothing of the client was captured so far, but it may follow soon
		return !c.info.Midstream && c.turns <= ackedWait
	}
	n := int32(it.ack - client.next)
	return n > 0 && n <= maxHole && !client.ended
}

// overdue reports whether a segment has waited long enough. While bytes are missing, skipOverdue
// decides.
func (c *conn) overdue(l *lateSegment) bool {
	return c.half[l.dir.Reverse()].hole == nil && (c.turns-l.turn > ackedWait || c.w.ticks-l.tick >= c.w.hole)
}

// postpone queues a segment, and later ones of its direction, until resume.
func (c *conn) postpone(it *item) {
	if c.postponed != nil && c.postponed.dir != it.dir {
		c.payload(it.dir, &c.half[it.dir], it.first(), it)
		return
	}
	if c.postponed == nil {
		c.postponed = &postponed{dir: it.dir}
		c.wait()
	}
	l := lateSegment{item: *it, tick: c.w.ticks, turn: c.turns}
	l.payload = bytes.Clone(it.payload)
	n := len(l.payload) + postponedBytes
	c.postponed.segments = append(c.postponed.segments, l)
	c.postponed.bytes += n
	c.w.postponed += n
}

// resume delivers the segments whose requests have arrived or are overdue, or all of them.
func (c *conn) resume(all bool) {
	for c.postponed != nil {
		q := c.postponed
		l := &q.segments[0]
		full := q.bytes > maxPostponed || c.w.postponed > maxShardPostponed
		if !all && !full && c.mode != ignored && c.ahead(&l.item) && !c.overdue(l) {
			return
		}
		if full {
			c.w.limits.QueuedSegments++
		}
		n := len(l.payload) + postponedBytes
		q.bytes -= n
		c.w.postponed -= n
		if q.segments = q.segments[1:]; len(q.segments) == 0 {
			c.postponed = nil
		}
		c.payload(l.dir, &c.half[l.dir], l.first(), &l.item)
	}
}
