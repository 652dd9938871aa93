package reassembly

import (
	"encoding/binary"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// sizeBytes is the length of the size field in front of each Kafka frame.
	sizeBytes = 4
	// wantBytes is how many bytes of a frame Handler.Want needs: the API key, the version and the
	// correlation id of a request.
	wantBytes = 8
	// plausibleBytes bounds the bytes of a frame that Handler.Plausible and LooksLikeRequest get.
	plausibleBytes = 300
)

// framer splits one direction of a connection into Kafka frames. It holds only the first bytes
// that the Handler wants and counts the others.
type framer struct {
	dir   Direction
	state framerState
	// isTentative: a search found the current frame, and nothing has confirmed it so far.
	isTentative  bool
	resynced     bool   // for Frame.Resynced
	joined       bool   // searching for the first frame of a connection joined midstream, nothing of which was lost
	hasSize      bool   // size is known
	hasWant      bool   // want is known
	isHeaderLost bool   // the frame's header was lost: only its end is needed
	isPassedOn   bool   // the frame was passed on
	final        bool   // no more bytes follow before a gap or the end
	tries        uint16 // chunks searched without success, at most maxTries
	want         int32  // bytes wanted, including the size field
	size         int64
	passed       int64  // bytes of the frame so far, including its size field
	buf          []byte // from worker.room
	first        capture.Position
	offset       int64   // Frame.Offset
	starts       *starts // while searching: the segment beginnings in buf, which holds earlier bytes
}

type framerState uint8

const (
	reading   framerState = iota // in or between frames
	searching                    // the beginning of the next frame is unknown
	stopped                      // no more frames are expected
)

// data processes the next bytes. They begin and end where a segment or a TLS record does.
func (f *framer) data(c *conn, p []byte, at capture.Position) {
	start := true
	for len(p) > 0 {
		switch f.state {
		case reading:
			p = f.read(c, p, at)
		case searching:
			p = f.search(c, p, start, at)
		case stopped:
			return
		}
		start = false
	}
}

// read takes bytes of one frame from p and returns the bytes behind them.
func (f *framer) read(c *conn, p []byte, at capture.Position) []byte {
	if f.passed == 0 {
		f.first, f.offset = at, c.streamOffset(len(p))
		if n := f.whole(c, p, at); n > 0 || f.state != reading {
			return p[n:]
		}
	}
	for !f.complete() { // the head
		p = p[f.gather(c, p):]
		if !f.readHead(c, at) {
			return p
		}
		if len(p) == 0 && !f.complete() {
			return p
		}
	}
	if f.dir == ToClient && !f.isTentative && !f.isPassedOn {
		f.passOn(c, at)
	}
	n := min(int64(len(p)), f.left())
	f.passed += n
	p = p[n:]
	if f.left() == 0 {
		f.finish(c, p, at)
	}
	return p
}

// whole passes on a frame that lies completely in p, without copying it. It returns its length
// with the size field, or 0 if the frame is not complete.
func (f *framer) whole(c *conn, p []byte, at capture.Position) int {
	if f.isTentative || len(p) < sizeBytes+wantBytes {
		return 0
	}
	size := int64(int32(binary.BigEndian.Uint32(p)))
	if size < wantBytes || size > int64(len(p)-sizeBytes) {
		return 0
	}
	body := p[sizeBytes : sizeBytes+size]
	want, ok := c.want(f.dir, size, body)
	if !ok {
		f.startSearch(c, at)
		return 0
	}
	f.size = size
	f.emit(c, body[:min(int64(max(want, 0)), size)], 0, at)
	return sizeBytes + int(size)
}

// complete reports whether the wanted part of the head has arrived.
func (f *framer) complete() bool { return f.hasWant && len(f.buf) >= int(f.want) }

// left returns how many bytes of the frame have not arrived so far.
func (f *framer) left() int64 { return sizeBytes + f.size - f.passed }

// gather moves bytes from p to buf, as many as the next decision needs.
func (f *framer) gather(c *conn, p []byte) int {
	need := sizeBytes
	switch {
	case f.hasWant:
		need = int(f.want)
	case f.hasSize:
		need = sizeBytes + int(min(f.size, wantBytes))
	}
	if f.buf == nil {
		f.buf = c.w.room(nil, headFloor)
	}
	n := min(need-len(f.buf), len(p))
	f.buf = append(f.buf, p[:n]...)
	f.passed += int64(n)
	return n
}

// readHead reads the size and calls want as soon as enough bytes have arrived. It returns false if
// this is not a frame.
func (f *framer) readHead(c *conn, at capture.Position) bool {
	if !f.hasSize && len(f.buf) >= sizeBytes {
		f.size, f.hasSize = int64(int32(binary.BigEndian.Uint32(f.buf))), true
		if f.size < 0 {
			f.startSearch(c, at)
			return false
		}
	}
	if f.hasSize && !f.hasWant && len(f.buf) >= sizeBytes+int(min(f.size, wantBytes)) {
		n, ok := c.want(f.dir, f.size, f.buf[sizeBytes:])
		if !ok {
			f.startSearch(c, at)
			return false
		}
		want := max(sizeBytes+int(min(int64(max(n, 0)), f.size)), len(f.buf))
		f.buf = c.w.room(f.buf, want)
		f.want = int32(min(want, cap(f.buf)))
		f.hasWant = true
	}
	return true
}

func (f *framer) passOn(c *conn, at capture.Position) {
	if f.isHeaderLost {
		return
	}
	f.isPassedOn = true
	lacking := int64(0)
	if f.dir == ToBroker {
		lacking = f.left()
	}
	f.emit(c, f.buf[sizeBytes:], lacking, at)
}

// emit passes the frame to the connection. It reuses the worker's Frame to avoid an allocation for
// each frame.
func (f *framer) emit(c *conn, head []byte, lacking int64, at capture.Position) {
	c.w.frame = Frame{
		Direction: f.dir, Size: f.size, Head: head, First: f.first, Last: at, Resynced: f.resynced,
		Offset: f.offset, Lacking: lacking,
	}
	f.resynced = false
	c.message(&c.w.frame)
}

// finish is called at the last byte of a frame. behind is what follows it in the same segment.
func (f *framer) finish(c *conn, behind []byte, at capture.Position) {
	if f.isTentative && !f.confirmed(c, behind) {
		f.startSearch(c, at)
		return
	}
	f.isTentative = false
	if !f.isPassedOn {
		f.passOn(c, at)
	}
	f.next(c)
}

// confirmed reports whether the end of a segment or another frame follows a frame that a search
// found.
func (f *framer) confirmed(c *conn, behind []byte) bool {
	if len(behind) == 0 {
		return true
	}
	if len(behind) < sizeBytes+wantBytes {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(behind)))
	return c.plausible(f.dir, size, clip(behind[sizeBytes:], size))
}

// clip cuts p to the size of the frame and to plausibleBytes.
func clip(p []byte, size int64) []byte {
	return p[:max(0, min(int64(len(p)), size, plausibleBytes))]
}

func (f *framer) next(c *conn) {
	f.drop(c)
	f.hasSize, f.hasWant, f.isHeaderLost, f.isPassedOn, f.isTentative = false, false, false, false, false
	f.passed = 0
}

func (f *framer) drop(c *conn) {
	if f.buf != nil {
		c.w.release(f.buf)
		f.buf = nil
	}
}

// startSearch starts the search for the next frame. at is the latest packet that the loss can be
// in.
func (f *framer) startSearch(c *conn, at capture.Position) {
	f.joined = f.joined && f.isTentative
	isFirst := f.dir == ToClient && f.state == reading && f.offset == 0 && c.tls == nil && !c.info.Midstream
	if isFirst && f.passed == int64(len(f.buf)) && c.noteGreeting(f.buf) { // buf holds everything so far
		f.drop(c)
		f.state = stopped
		return
	}
	f.buf = f.buf[:0]
	f.hasSize, f.hasWant, f.isHeaderLost, f.isPassedOn, f.isTentative = false, false, false, false, false
	f.passed = 0
	f.state, f.starts = searching, nil
	c.reportLost(f.dir, at)
}

// gap skips n missing bytes; exact is false if n is an estimate. at is the first packet behind
// them.
func (f *framer) gap(c *conn, n int64, exact bool, at capture.Position) {
	f.searchAgain(c, at)
	switch {
	case f.state == stopped:
		return
	case f.state == searching:
		f.joined = false
		f.buf = f.buf[:0]
		f.starts = nil
		c.reportLost(f.dir, at)
		return
	case !f.hasSize:
		f.startSearch(c, at)
		return
	}
	if !f.hasWant { // the header is lost but not the size: the end of the frame is known
		if len(f.buf) < sizeBytes+int(min(f.size, wantBytes)) {
			f.isHeaderLost = true
			c.reportLost(f.dir, at)
		}
		f.hasWant = true
	}
	f.want = min(f.want, int32(len(f.buf))) // the head ends here
	if f.dir == ToClient && !f.isTentative && !f.isPassedOn {
		f.passOn(c, at)
	}
	left := f.left()
	switch {
	case exact && n < left:
		f.passed += n
	case exact && n == left: // the frame ends where the next segment begins
		f.passed += n
		f.finish(c, nil, at)
	default: // the end lies in the gap
		if f.isTentative {
			f.startSearch(c, at)
			return
		}
		if !f.isPassedOn {
			f.passed += left
			f.passOn(c, at)
		}
		f.next(c)
		f.startSearch(c, at)
	}
}

// open reports whether a frame has begun and not ended.
func (f *framer) open() bool {
	return f.state == reading && f.hasSize && !f.isHeaderLost && !f.isTentative && f.left() > 0
}
