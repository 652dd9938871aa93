package reassembly

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

// join processes the next bytes of a connection whose beginning was not captured. Until it finds a
// request in one direction, the client's side is unknown. It holds everything until then, up to
// maxPending: a response may precede the first request that can be recognized.
func (t *dialogue) join(c *conn, k chunk) {
	if !t.answered && !c.afterConnect(k) && c.foreign(k.dir, k.p, k.at) {
		return
	}
	t.answered = t.answered || k.dir == ToClient
	t.fr[k.dir^c.swapped].data(c, k.p, k.at)
	if t.found || t.answers(c, k) {
		t.start(c, k)
		return
	}
	if t.fr[0].state == stopped && t.fr[1].state == stopped {
		c.w.limits.Undecided++
		c.giveUp(Other)
		return
	}
	if t.fr[0].isSifting() && t.fr[1].isSifting() {
		t.takePending(c)
		return
	}
	k.p = bytes.Clone(k.p)
	t.keep(c, k)
}

// keep holds a chunk of a joined connection. It drops the oldest chunks if there are too many.
func (t *dialogue) keep(c *conn, k chunk) {
	t.hold(c, k)
	q := t.pending
	full := c.w.pending > maxShardPending
	if full {
		c.w.limits.HeldBytes++
	}
	for len(q.chunks) > 0 && (full || q.bytes > maxPending || len(q.chunks) > maxPendingChunks) {
		n := len(q.chunks[0].p)
		q.dropped = q.chunks[0].at
		q.chunks[0] = chunk{}
		q.chunks = q.chunks[1:]
		q.bytes -= n
		c.w.pending -= n + chunkBytes
	}
}

// noteRequest records the first request found. Its direction shows which side is the client.
func (t *dialogue) noteRequest(c *conn, from Direction, size int64, head []byte) {
	t.found, t.requestDir = true, from
	c.w.firstRequest, c.w.firstRequestSize = append(c.w.firstRequest[:0], head[:min(len(head), plausibleBytes)]...), size
}

// answers reports whether k begins with the response to a frame held. Such a pair proves that the
// frame is a request, even if nothing in it is certain.
func (t *dialogue) answers(c *conn, k chunk) bool {
	answer := message(k.p)
	if t.pending == nil || answer == nil || c.isBroker(k.dir.Reverse()) {
		return false
	}
	for i := range t.pending.chunks {
		q := &t.pending.chunks[i]
		if q.dir == k.dir {
			continue
		}
		for p := q.p; ; {
			asked := message(p)
			if len(asked) < wantBytes {
				break
			}
			if c.isExchange(asked, answer) {
				t.noteRequest(c, q.dir, int64(len(asked)), asked)
				return true
			}
			p = p[sizeBytes+len(asked):]
		}
	}
	return false
}

// isExchange reports whether asked and answer, two whole frames, are a request and its response.
func (c *conn) isExchange(asked, answer []byte) bool {
	if c.w.opt.LooksLikeExchange == nil || len(asked) < wantBytes || len(answer) < 4 || !bytes.Equal(asked[4:8], answer[:4]) {
		return false
	}
	n := int64(len(asked))
	return c.w.opt.LooksLikeRequest(n, clip(asked, n)) >= Likely || c.w.opt.LooksLikeExchange(asked, answer)
}

// start frames a joined connection: all chunks held, then k.
func (t *dialogue) start(c *conn, k chunk) {
	swapped := t.requestDir == ToClient
	if swapped {
		c.swap()
	}
	for i := range t.fr {
		t.fr[i].drop(c)
		t.fr[i] = framer{dir: Direction(i) ^ c.swapped, state: searching, joined: c.info.Midstream}
	}
	held := t.takePending(c)
	t.open(c)
	t.handler.Expect(c.w.firstRequestSize, c.w.firstRequest)
	if held == nil {
		held = new(undecided)
	}
	if held.dropped != (capture.Position{}) {
		t.handler.Lost(ToBroker, held.dropped)
		t.handler.Lost(ToClient, held.dropped)
	}
	for _, k := range inOrder(append(held.chunks, k)) {
		if swapped {
			k.dir = k.dir.Reverse()
		}
		t.replayChunk(c, k)
	}
}

// inOrder sorts chunks by packet. Those of one direction keep their order: a chunk that waited for
// a missing segment follows later packets of the other direction.
func inOrder(chunks []chunk) []chunk {
	sorted := make([]chunk, 0, len(chunks))
	var next [2]int
	skip := func(d Direction) {
		for next[d] < len(chunks) && chunks[next[d]].dir != d {
			next[d]++
		}
	}
	for len(sorted) < len(chunks) {
		skip(ToBroker)
		skip(ToClient)
		i, j := next[ToBroker], next[ToClient]
		d := ToBroker
		if i == len(chunks) || j < len(chunks) && chunks[j].at.Before(chunks[i].at) {
			d = ToClient
		}
		sorted = append(sorted, chunks[next[d]])
		next[d]++
	}
	return sorted
}

// finish searches for a request again when no more bytes follow.
func (t *dialogue) finish(c *conn) {
	for i := range t.fr {
		t.fr[i].searchAgain(c, c.info.LastData[t.fr[i].dir])
	}
	if t.found || t.answersHeld(c) || t.holdsLoneRequest(c) {
		t.start(c, chunk{at: c.info.Now})
	}
}

// answersHeld searches all chunks held, sorted by packet, for a request and its response. Bytes
// that waited for missing ones were held after their responses.
func (t *dialogue) answersHeld(c *conn) bool {
	if t.pending == nil {
		return false
	}
	t.pending.chunks = inOrder(t.pending.chunks)
	return slices.ContainsFunc(t.pending.chunks, func(k chunk) bool { return t.answers(c, k) })
}

// holdsLoneRequest searches the segments held for one that is exactly a likely request. Its body
// does not fit, and its response was not captured.
func (t *dialogue) holdsLoneRequest(c *conn) bool {
	if t.pending == nil {
		return false
	}
	for _, k := range t.pending.chunks {
		m := message(k.p)
		n := int64(len(m))
		if n < wantBytes || len(k.p) != sizeBytes+len(m) || c.isBroker(k.dir) || c.w.opt.LooksLikeRequest(n, m) < Likely {
			continue
		}
		t.noteRequest(c, k.dir, n, m)
		return true
	}
	return false
}

// message returns the first frame in p without its size field. It returns nil if the frame is not
// complete.
func message(p []byte) []byte {
	if len(p) < sizeBytes {
		return nil
	}
	size := int64(int32(binary.BigEndian.Uint32(p)))
	if size < minMessage || size > int64(len(p)-sizeBytes) {
		return nil
	}
	return p[sizeBytes : sizeBytes+size]
}
