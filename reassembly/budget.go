package reassembly

import "github.com/kafkavet/kafkavet/capture"

const (
	// maxShardBytes bounds what the connections of a shard take, with everything held for them: 32
	// MiB; 4 shards make 128 MiB. An open Kafka connection takes some 1,250 bytes, so 100,000 of
	// them can be open.
	maxShardBytes = 32 << 20
	// maxShardLone bounds the connections of a shard of which one side was captured: 4,096, and
	// 16,384 in 4 shards. Anyone can send such packets with any address.
	maxShardLone = 4 << 10
	// weighedScan is how many connections are compared to choose one to evict.
	weighedScan = 16
	// connBytes is the memory of a connection without the parts that weight adds.
	connBytes = 768
	// outlineBytes is the memory of an Outline with the records of a handshake and some requests.
	// oddityBytes, prefaceBytes and holeBytes are those of an Oddities, of a preface that was read
	// and of a disorder.
	outlineBytes, oddityBytes, prefaceBytes, holeBytes = 512, 256, 256, 256
	// weighEvery is the number of segments after which an older connection is weighed again.
	weighEvery = 16
)

// weighed is an open connection, its share of worker.weights, and when it was weighed.
type weighed struct {
	conn   *conn
	at     int64
	weight int32
	isLone bool // one side was captured; counted in worker.lone
}

// weight estimates the bytes that c takes, without what the worker counts for all connections.
func (c *conn) weight() int {
	n := connBytes
	if c.dialogue.handler != nil {
		n += c.dialogue.handler.Size()
	}
	if c.tls != nil {
		n += c.tls.Size()
	}
	if c.info.Outline != nil {
		n += outlineBytes
	}
	if o := c.info.Oddities; o != nil {
		n += oddityBytes + len(o.Prefaces)*prefaceBytes
	}
	for i := range c.half {
		if c.half[i].hole != nil {
			n += holeBytes
		}
	}
	return n
}

// used returns the bytes that the connections of w take.
func (w *worker) used() int {
	return w.weights + w.held + w.pending + w.postponed + w.doubted + w.reorder.pages*pageMemory
}

// weigh counts what c takes. If the shard then takes too much, connections are evicted.
func (w *worker) weigh(c *conn, at capture.Position) {
	if c.over {
		return
	}
	if c.place == 0 {
		w.open = append(w.open, weighed{conn: c})
		c.place = uint32(len(w.open))
	}
	n, is := int32(c.weight()), &w.open[c.place-1]
	w.weights += int(n - is.weight)
	is.weight, is.at = n, at.Time
	w.countLone(is, c.info.Seen[0] != c.info.Seen[1])
	for w.lone > maxShardLone || w.used() > w.maxBytes && len(w.open) > 1 {
		w.limits.Flows++
		w.evict(at)
	}
}

func (w *worker) countLone(is *weighed, isLone bool) {
	switch {
	case isLone && !is.isLone:
		w.lone++
	case !isLone && is.isLone:
		w.lone--
	}
	is.isLone = isLone
}

// forget removes a connection that is over.
func (w *worker) forget(c *conn) {
	if c.place == 0 {
		return
	}
	last, is := len(w.open)-1, &w.open[c.place-1]
	w.weights -= int(is.weight)
	w.countLone(is, false)
	w.open[last].conn.place = c.place
	*is, w.open[last] = w.open[last], weighed{}
	w.open = w.open[:last]
	c.place = 0
}

// evict ends one of the next weighedScan connections that are too many: the one without a segment
// for longest. Its memory is not read to choose it.
func (w *worker) evict(at capture.Position) {
	var oldest *weighed
	isLone := w.lone > maxShardLone
	for looked := 0; looked < min(weighedScan, len(w.open)); {
		if w.hand >= len(w.open) {
			w.hand = 0
		}
		is := &w.open[w.hand]
		w.hand++
		if isLone && !is.isLone {
			continue
		}
		looked++
		if oldest == nil || is.at < oldest.at {
			oldest = is
		}
	}
	victim := oldest.conn
	victim.isEvicted = true
	isWaiting := victim.isWaiting
	if isLone && victim.isOneSegment() {
		victim.drop()
	} else {
		victim.finish(Expired, at)
	}
	if isWaiting {
		w.stale++
		w.prune()
	}
}

// isOneSegment reports whether c has one segment and no state that other segments, or keys, wait for.
func (c *conn) isOneSegment() bool {
	return c.turns == 1 && c.tls == nil && c.preface == nil && c.doubted == nil && c.postponed == nil
}

// drop ends a connection of one segment, which anyone can send, and reports it to nobody: limits count it.
func (c *conn) drop() {
	for d, h := range c.half {
		if h.hole != nil {
			c.w.reorder.discard(c, Direction(d))
		}
	}
	c.dialogue.takePending(c)
	for i := range c.dialogue.fr {
		c.dialogue.fr[i].drop(c)
	}
	if c.dialogue.handler != nil {
		c.dialogue.handler.Drop()
	}
	c.over, c.dialogue, c.mode = true, dialogue{}, ignored
	c.leave()
}

// prune drops evicted connections from waiting once they are half of it: the next tick can be far.
func (w *worker) prune() {
	if w.stale <= len(w.waiting)/2 {
		return
	}
	keep := w.waiting[:0]
	for _, c := range w.waiting {
		if c.over {
			w.ended = append(w.ended, c)
		} else {
			keep = append(keep, c)
		}
	}
	clear(w.waiting[len(keep):])
	w.waiting, w.stale = keep, 0
}
