package reassembly

import (
	"bytes"
	"encoding/binary"
)

// maxDoubt bounds a request that waits for its answer to vouch for it, with its size field: 4 KiB hold
// all but Produce requests. What all connections of a shard hold so counts to maxShardPending.
const maxDoubt = 4 << 10

// doubt looks at bytes of a conversation that was joined midstream and is not decided. A message that fills p and
// could be a request, though nothing in it tells for sure, is kept until the other side speaks: an answer that
// fits it decides, and then doubt takes the bytes of both.
func (t *dialogue) doubt(c *conn, d Direction, k chunk) (taken bool) {
	if c.w.opt.LooksLikeExchange == nil {
		return false
	}
	if q := t.pending; q != nil {
		asked := q.chunks[0]
		if d != asked.dir && c.w.opt.LooksLikeExchange(asked.p[sizeBytes:], message(k.p)) {
			t.believe(c, d, k)
			return true
		}
		t.take(c)
	}
	msg := message(k.p)
	if c.isBroker(d) || len(msg) < wantBytes || len(k.p) != sizeBytes+len(msg) || len(k.p) > maxDoubt || c.w.pending > maxShardPending ||
		!doubtful(c.w.opt.LooksLikeRequest(int64(len(msg)), clip(msg, int64(len(msg))))) {
		return false
	}
	k.p = bytes.Clone(k.p)
	t.hold(c, k)
	return false
}

func doubtful(how Likelihood) bool { return how == Weak || how == Fits }

// believe takes the kept request and its answer, which came in direction d.
func (t *dialogue) believe(c *conn, d Direction, answer chunk) {
	asked := t.take(c).chunks[0]
	if d == ToBroker {
		c.swap()
	}
	for i := range t.fr {
		f := &t.fr[i]
		f.drop(c)
		f.dir = Direction(i) ^ c.flip
		f.state, f.resynced, f.tries, f.atStart = reading, true, 0, false
	}
	t.open(c)
	c.offset = asked.offset
	t.data(c, ToBroker, asked.p, asked.at)
	c.offset = answer.offset
	t.data(c, ToClient, answer.p, answer.at)
}

// message is the first message in p without its size, empty if it is not all there.
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
