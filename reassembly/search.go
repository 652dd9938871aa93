package reassembly

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// minMessage and maxMessage bound the size of a frame to search for, in bytes. A request has
	// at least 8 bytes, a response 4. Brokers accept up to 100 MiB (socket.request.max.bytes);
	// responses are about as large.
	minMessage = 4
	maxMessage = 256 << 20
	// carryBytes is how many searched bytes are kept to find a header that spans two segments.
	carryBytes = sizeBytes + plausibleBytes
	// maxAnchors bounds the byte strings to search for at once.
	maxAnchors = 8
	// minAnchor is the shortest anchor that identifies a frame: a correlation id, or a client
	// id of two letters with its length.
	minAnchor = 4
	// maxTries bounds the segments of a direction to search, and to hold, before the connection is
	// known to be Kafka. Of later segments, only the beginning is examined (framer.sift).
	maxTries = 256
)

// search looks for the beginning of a frame in the bytes kept and in p. If it finds one, it
// switches to reading and returns the bytes from there on. Otherwise it returns nil. start: p
// begins where a segment does.
func (f *framer) search(c *conn, p []byte, start bool, at capture.Position) []byte {
	if f.tries == maxTries && c.dialogue.handler == nil {
		return f.sift(c, p, start)
	}
	b, old := p, len(f.buf)
	if old > 0 {
		c.w.join = append(append(c.w.join[:0], f.buf...), p...)
		b = c.w.join
	}
	if o, ok := f.find(c, b, old, start); ok {
		f.drop(c)
		f.state, f.isTentative, f.resynced, f.tries = reading, true, !f.joined, 0
		return b[o:]
	}
	if !f.joined || f.holdsAnchor(c, b) {
		c.reportLost(f.dir, at)
	}
	f.keepTail(c, b, old, start)
	f.tries = min(f.tries+1, maxTries)
	if f.tries == maxTries && c.dialogue.handler == nil {
		f.drop(c)
	}
	return nil
}

// sift is a search that holds nothing. The bytes so far can be of one frame until they are more
// than a frame has.
func (f *framer) sift(c *conn, p []byte, start bool) []byte {
	if start && f.candidate(c, p, true) {
		f.state, f.isTentative, f.tries = reading, true, 0
		return p
	}
	if c.info.Bytes[f.dir] > maxMessage {
		f.state = stopped
	}
	return nil
}

// isSifting reports whether the framer holds nothing of what it searches.
func (f *framer) isSifting() bool { return f.state == searching && f.tries == maxTries }

// holdsAnchor reports whether b may hold an expected frame that was not recognized.
func (f *framer) holdsAnchor(c *conn, b []byte) bool {
	anchors, _ := c.anchor(f.dir)
	return len(anchors) > maxAnchors || slices.ContainsFunc(anchors, func(a []byte) bool { return bytes.Contains(b, a) })
}

// searchAgain repeats a search in the bytes kept when no more bytes follow before a gap or the end.
func (f *framer) searchAgain(c *conn, at capture.Position) {
	if c.dialogue.handler != nil || f.state != searching || len(f.buf) == 0 {
		return
	}
	c.w.join = append(c.w.join[:0], f.buf...)
	f.final = true
	o, ok := f.find(c, c.w.join, len(c.w.join), false)
	f.final = false
	if ok {
		f.drop(c)
		f.state, f.isTentative, f.resynced, f.tries = reading, true, !f.joined, 0
		f.data(c, bytes.Clone(c.w.join[o:]), at)
	}
}

// find returns the offset in b at which a frame can begin. The first old bytes of b were searched
// before, but too few bytes followed them then. A frame begins where a segment does, or offset
// bytes before an anchor.
func (f *framer) find(c *conn, b []byte, old int, start bool) (int, bool) {
	anchors, offset := c.anchor(f.dir)
	anchors = anchors[:min(len(anchors), maxAnchors)]
	var hits [maxAnchors]int // the next offset of each anchor
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
		if f.candidate(c, b[best:], isStart) || isStart && isSingleFrame(b[best:], anchors, offset) {
			return best, true
		}
		if isStart && best < old && c.dialogue.handler == nil && isWhole(b[best:]) {
			f.starts.clear(best) // more bytes change nothing
		}
		from = best + 1
	}
}

// nextStart returns the first offset, not before from, at which a segment begins, or -1. It looks
// in the old bytes, then behind them if start is true. If there is a handler, it returns only the
// first of the old ones.
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

// isWhole reports whether b has all bytes of a frame that Plausible needs.
func isWhole(b []byte) bool {
	if len(b) < sizeBytes {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(b)))
	return size < minMessage || size > maxMessage || int64(len(b)-sizeBytes) >= min(size, plausibleBytes)
}

// starts is a bit set: the offsets in the bytes kept at which segments begin. nil is empty.
type starts [(carryBytes + 63) / 64]uint64

func (s *starts) set(n int) { s[n/64] |= 1 << (n % 64) }
func (s *starts) clear(n int) {
	if s != nil {
		s[n/64] &^= 1 << (n % 64)
	}
}

// next returns the first offset in s that is not before n, or -1.
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

// candidate reports whether a frame can begin with b.
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
		return false // the beginning of a client id can match anything
	}
	if int64(len(head)) < min(size, wantBytes) || !c.plausible(f.dir, size, head) {
		return false
	}
	if isStart || f.dir == ToBroker {
		return true
	}
	// A correlation id has only four bytes, which may occur anywhere. Inside a segment, the next
	// frame or the segment's end must confirm the response at once.
	return sizeBytes+size <= int64(len(b)) && f.confirmed(c, b[sizeBytes+size:])
}

// isSingleFrame reports whether b, which begins where a segment does, is exactly one frame and has
// an anchor at its offset. A correct size proves more than a body that parses.
func isSingleFrame(b []byte, anchors [][]byte, offset int) bool {
	if len(b) < sizeBytes+minMessage || len(b) < offset || int64(int32(binary.BigEndian.Uint32(b))) != int64(len(b)-sizeBytes) {
		return false
	}
	for _, a := range anchors {
		if len(a) >= minAnchor && bytes.HasPrefix(b[offset:], a) {
			return true
		}
	}
	return false
}

// keepTail keeps the end of b and the segment beginnings in it.
func (f *framer) keepTail(c *conn, b []byte, old int, start bool) {
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
