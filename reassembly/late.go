package reassembly

import (
	"bytes"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxPostponed bounds the payload of one connection that waits for what it
	// acknowledges: 256 KiB are a few large answers. maxShardPostponed bounds that of a shard: 2
	// MiB, of which 4 shards make 8 MiB.
	maxPostponed      = 256 << 10
	maxShardPostponed = 2 << 20
	// postponedBytes is what a segment takes beside its payload.
	postponedBytes = 128
)

// postponed are segments of the broker that acknowledge bytes of the client which have not been
// passed on: those are missing, or were captured late. An answer would otherwise come before its
// request, and be taken for one to a request that was lost.
type postponed struct {
	segments []late
	bytes    int
	dir      Direction // raw, as conn.half
}

// late is a segment that waits since tick (worker.ticks) and turn (conn.turns).
type late struct {
	item
	tick int32
	turn uint32
}

// ahead reports whether a segment was captured before bytes that it acknowledges. Only segments of
// the broker wait: requests need no answers before them.
func (c *conn) ahead(it *item) bool {
	if it.dir^c.swapped != ToClient || it.flags&capture.ACK == 0 || c.info.Midstream && !c.dialogue.decided {
		return false // not the broker's, or not known yet
	}
	client := &c.half[it.dir.Reverse()]
	if !client.synced { // nothing of the client has been seen, unless it comes soon
		return !c.info.Midstream && c.turns <= ackedWait
	}
	n := int32(it.ack - client.next)
	return n > 0 && n <= maxHole && !client.ended
}

// overdue reports whether a segment has waited long enough. Where bytes are known to be missing,
// skipOverdue decides.
func (c *conn) overdue(l *late) bool {
	return c.half[l.dir.Reverse()].hole == nil && (c.turns-l.turn > ackedWait || c.w.ticks-l.tick >= c.w.hole)
}

// postpone keeps a segment, and those of its direction behind it, until resume.
func (c *conn) postpone(it *item) {
	if c.late != nil && c.late.dir != it.dir {
		c.payload(it.dir, &c.half[it.dir], it.first(), it)
		return
	}
	if c.late == nil {
		c.late = &postponed{dir: it.dir}
		c.wait()
	}
	l := late{item: *it, tick: c.w.ticks, turn: c.turns}
	l.payload = bytes.Clone(it.payload)
	n := len(l.payload) + postponedBytes
	c.late.segments = append(c.late.segments, l)
	c.late.bytes += n
	c.w.postponed += n
}

// resume passes on the segments whose requests have come or are overdue, or all of them.
func (c *conn) resume(all bool) {
	for c.late != nil {
		q := c.late
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
			c.late = nil
		}
		c.payload(l.dir, &c.half[l.dir], l.first(), &l.item)
	}
}
