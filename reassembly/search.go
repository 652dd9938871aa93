package reassembly

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

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
	// tellingAnchor is the least length of an anchor that identifies a message: a correlation id,
	// or a client id of two letters with its length.
	tellingAnchor = 4
	// maxTries bounds the segments of a direction that are searched before it is
	// known whether the connection speaks Kafka at all.
	maxTries = 256
)

// search looks for the beginning of a message in what is left of the chunk
// before and p. When it finds one, it goes over to reading and returns the bytes from there on;
// otherwise nil. start: p begins where a segment does.
func (f *framer) search(c *conn, p []byte, start bool, at capture.Position) []byte {
	b, old := p, len(f.buf)
	if old > 0 {
		c.w.join = append(append(c.w.join[:0], f.buf...), p...)
		b = c.w.join
	}
	if o, ok := f.find(c, b, old, start); ok {
		f.drop(c)
		f.state, f.tentative, f.resynced, f.tries = reading, true, !f.joined, 0
		return b[o:]
	}
	if !f.joined || f.holdsAnchor(c, b) {
		c.lostPlace(f.dir, at)
	}
	f.carry(c, b, old, start)
	f.tries = min(f.tries+1, maxTries)
	if f.tries == maxTries && c.dialogue.handler == nil {
		f.drop(c)
		f.state = stopped
	}
	return nil
}

// holdsAnchor reports whether b may hold an expected message that was not recognised.
func (f *framer) holdsAnchor(c *conn, b []byte) bool {
	anchors, _ := c.anchor(f.dir)
	return len(anchors) > maxAnchors || slices.ContainsFunc(anchors, func(a []byte) bool { return bytes.Contains(b, a) })
}

// research looks once more at what is held of a search, with what is left of the data before a gap
// or the end.
func (f *framer) research(c *conn, at capture.Position) {
	if c.dialogue.handler != nil || f.state != searching || len(f.buf) == 0 {
		return
	}
	c.w.join = append(c.w.join[:0], f.buf...)
	f.final = true
	o, ok := f.find(c, c.w.join, len(c.w.join), false)
	f.final = false
	if ok {
		f.drop(c)
		f.state, f.tentative, f.resynced, f.tries = reading, true, !f.joined, 0
		f.data(c, bytes.Clone(c.w.join[o:]), at)
	}
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
		best, isStart := f.nextStart(c, from, old, start), true
		if best < 0 {
			best, isStart = len(b), false
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
		if isStart && best < old && c.dialogue.handler == nil && isWhole(b[best:]) {
			f.starts.clear(best) // more bytes change nothing
		}
		from = best + 1
	}
}

// nextStart returns the first place from from on where a segment begins, -1 without one: among the
// old bytes, which were held, or behind them if start. Where anchors are known, only the first of
// the old bytes are asked for.
func (f *framer) nextStart(c *conn, from, old int, start bool) int {
	if from < old && (from == 0 || c.dialogue.handler == nil) {
		if n := f.starts.next(from); n >= 0 && n < old {
			return n
		}
	}
	if start && from <= old {
		return old
	}
	return -1
}

// isWhole reports whether all that Plausible is asked with of a message that begins with b is
// there.
func isWhole(b []byte) bool {
	if len(b) < sizeBytes {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(b)))
	return size < minMessage || size > maxMessage || int64(len(b)-sizeBytes) >= min(size, plausibleBytes)
}

// starts are the places among the bytes held of a search at which segments begin, a bit each; nil
// is none.
type starts [(carryBytes + 63) / 64]uint64

func (s *starts) set(n int) { s[n/64] |= 1 << (n % 64) }
func (s *starts) clear(n int) {
	if s != nil {
		s[n/64] &^= 1 << (n % 64)
	}
}

// next returns the first place from n on, -1 without one.
func (s *starts) next(n int) int {
	if s == nil {
		return -1
	}
	for i := n / 64; i < len(s); i, n = i+1, (i+1)*64 {
		if w := s[i] >> (n % 64); w != 0 {
			return n + bits.TrailingZeros64(w)
		}
	}
	return -1
}

// candidate reports whether a message can begin with b.
func (f *framer) candidate(c *conn, b []byte, isStart bool) bool {
	if len(b) < sizeBytes+minMessage {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(b)))
	if size < minMessage || size > maxMessage {
		return false
	}
	head := clip(b[sizeBytes:], size)
	if c.dialogue.handler == nil && !f.final && int64(len(head)) < min(size, plausibleBytes) {
		return false // the beginning of a client id looks like anything
	}
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

// alone reports whether b, which begins where a segment does, is one message to its last byte, and
// holds one of the anchors where a message must. That the size is right says more than whether the
// body is understood.
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

// carry keeps the end of b, and where segments begin in it.
func (f *framer) carry(c *conn, b []byte, old int, start bool) {
	f.buf = c.w.room(f.buf, min(len(b), carryBytes))
	from := max(0, len(b)-min(carryBytes, cap(f.buf)))
	var kept starts
	for n := f.starts.next(from); n >= 0 && n < old; n = f.starts.next(n + 1) {
		kept.set(n - from)
	}
	if start && old >= from {
		kept.set(old - from)
	}
	switch {
	case f.starts != nil:
		*f.starts = kept
	case kept != (starts{}):
		f.starts = new(starts)
		*f.starts = kept
	}
	f.buf = append(f.buf[:0], b[from:]...)
}
