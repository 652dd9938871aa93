package reassembly

import (
	"bytes"
	"encoding/binary"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// minMessage and maxMessage bound the size of a message that is searched for. A
	// request has at least 8 bytes, a response 4; brokers take up to 100 MiB
	// (socket.request.max.bytes), and answer about as much.
	minMessage = 4
	maxMessage = 256 << 20
	// carryBytes is how much of what was searched in vain is kept, so that a
	// header that lies in two segments is found.
	carryBytes = sizeBytes + plausibleBytes
	// maxAnchors bounds the byte strings searched for at once.
	maxAnchors = 8
	// tellingAnchor is how long an anchor must be to tell anything: a correlation id, or a client id of two letters.
	tellingAnchor = 4
	// maxTries bounds the segments of a direction that are searched before it is
	// known whether the connection speaks Kafka at all.
	maxTries = 256
)

// search looks for the beginning of a message in what is left of the chunk
// before and p. When it finds one, it goes over to reading and returns the bytes from there on;
// otherwise nil. start tells that p begins where a segment does.
func (f *framer) search(c *conn, p []byte, start bool, at capture.Position) []byte {
	b, old := p, len(f.buf)
	if old > 0 {
		c.w.join = append(append(c.w.join[:0], f.buf...), p...)
		b = c.w.join
	}
	if o, ok := f.find(c, b, old, start); ok {
		f.drop(c)
		f.state, f.tentative, f.resynced, f.tries = reading, true, true, 0
		return b[o:]
	}
	f.carry(c, b, old, start)
	c.lostPlace(f.dir, at)
	if f.tries++; f.tries >= maxTries && c.talk.handler == nil {
		f.drop(c)
		f.state = stopped
	}
	return nil
}

// find returns the offset in b at which a message can be believed to begin. The
// first old bytes of b were searched before, but ended too early. A message begins where a
// segment does, or at the distance the grammar names from one of its anchors.
func (f *framer) find(c *conn, b []byte, old int, start bool) (int, bool) {
	anchors, offset := c.anchor(f.dir)
	anchors = anchors[:min(len(anchors), maxAnchors)]
	var hits [maxAnchors]int // the next place each anchor asks for
	for i := range anchors {
		hits[i] = -1
	}
	for from := 0; ; {
		best, isStart := len(b), false
		if from == 0 && old > 0 && f.atStart {
			best, isStart = 0, true
		} else if from <= old && start {
			best, isStart = old, true
		}
		for i, a := range anchors {
			if hits[i] < from {
				hits[i] = len(b)
				if from+offset < len(b) && len(a) > 0 {
					if n := bytes.Index(b[from+offset:], a); n >= 0 {
						hits[i] = from + n
					}
				}
			}
			if hits[i] < best {
				best, isStart = hits[i], false
			}
		}
		if best >= len(b) {
			return 0, false
		}
		if f.candidate(c, b[best:], isStart) || isStart && alone(b[best:], anchors, offset) {
			return best, true
		}
		from = best + 1
	}
}

// candidate tells whether a message can begin with b.
func (f *framer) candidate(c *conn, b []byte, isStart bool) bool {
	if len(b) < sizeBytes+minMessage {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(b)))
	if size < minMessage || size > maxMessage {
		return false
	}
	head := clip(b[sizeBytes:], size)
	if int64(len(head)) < min(size, wantBytes) || !c.plausible(f.dir, size, head) {
		return false
	}
	if isStart || f.dir == ToBroker {
		return true
	}
	// A correlation id is but four bytes, which may stand anywhere: inside a
	// segment the response has to be borne out at once.
	return sizeBytes+size <= int64(len(b)) && f.confirmed(c, b[sizeBytes+size:])
}

// alone tells whether b, which begins where a segment does, is one message to its last byte, and holds one of
// the anchors where a message must. That the size is right says more than whether the body is understood.
func alone(b []byte, anchors [][]byte, offset int) bool {
	if len(b) < sizeBytes+minMessage || len(b) < offset || int64(int32(binary.BigEndian.Uint32(b))) != int64(len(b)-sizeBytes) {
		return false
	}
	for _, a := range anchors {
		if len(a) >= tellingAnchor && bytes.HasPrefix(b[offset:], a) {
			return true
		}
	}
	return false
}

// carry keeps the end of b, if possible from the beginning of a segment on.
func (f *framer) carry(c *conn, b []byte, old int, start bool) {
	f.buf = c.w.room(f.buf, min(len(b), carryBytes))
	from, atStart := max(0, len(b)-min(carryBytes, cap(f.buf))), false
	switch {
	case old > 0 && f.atStart && from == 0:
		atStart = true
	case start && from <= old:
		from, atStart = old, true
	}
	f.buf = append(f.buf[:0], b[from:]...)
	f.atStart = atStart
}
