package reassembly

import (
	"encoding/binary"
	"hash/maphash"
	"math"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxSegment bounds the payload of a segment, in bytes. Segmentation offload makes up to 512
	// KiB (Linux "BIG TCP"). A longer segment is an error of the capture.
	maxSegment = 1 << 20
	// maxHole bounds the missing bytes to wait for: filling 4 MiB takes 64 calls of the assembler.
	// A larger gap is lost at once: reordered packets are not that far apart.
	maxHole = 4 << 20
	// holeTicks is how long to wait for a missing segment if nothing shows that the receiver has
	// it. The unit is ticks of one second; live captures multiply it by liveTicks. TCP
	// retransmits after some 200 ms at first.
	holeTicks = 5
	// lackedTicks is the same if the receiver lacks the segment too: after a later one was sent,
	// it acknowledged only the bytes before the missing one. The later segments may be forged.
	lackedTicks = 60
	// ackedWait is how many more segments of the connection to wait for if the receiver has
	// acknowledged the missing bytes. The capture lost them, or they follow some packets later, as
	// in captures from several queues.
	ackedWait = 48
	// lingerTicks is how many ticks to keep a reset connection, and to wait for bytes before a
	// FIN. Segments may be in flight or out of order.
	lingerTicks = 2
	// recentSegments is how many of the latest segments of a direction are compared with later
	// versions of their bytes: the first headBytes of each, and all of one up to recentBytes.
	recentSegments = 2
	recentBytes    = 512
	headBytes      = 8
)

var fingerprintSeed = maphash.MakeSeed()

// fingerprint returns a hash. Equal bytes have the same hash within one run of the program.
func fingerprint(p []byte) uint32 { return uint32(maphash.Bytes(fingerprintSeed, p)) }

// half sorts the segments of one direction of a connection.
type half struct {
	next    uint32 // sequence number of the next byte to deliver
	finSeq  uint32
	acked   uint32 // highest acknowledgement from the other side
	oldest  uint32 // lowest one, valid while not synced
	synced  bool   // next is known
	ended   bool   // all bytes before the FIN were delivered
	fin     bool   // a FIN was captured, at finSeq
	ackSeen bool
	turn    uint8
	// recentSeq to recentHead identify the latest segments delivered. Separate arrays need less
	// memory than an array of structures. recentSum is of all bytes, recentHead of the first.
	recentSeq                           [recentSegments]uint32
	recentLength, recentSum, recentHead [recentSegments]uint16
	finDue                              int32 // tick at which the wait for bytes before the FIN ends; 0 for none
	// ahead is the first acknowledgement of bytes that have not arrived. It is nil before the
	// first one.
	ahead *ackAhead
	hole  *disorder // segments that arrived early; usually nil
}

// ackAhead is an acknowledgement of bytes that had not arrived, in packet at. over says that they
// have arrived since.
type ackAhead struct {
	ack  uint32
	over bool
	at   capture.Position
}

// order processes a segment of a raw direction. Segments may come in any order.
func (c *conn) order(raw Direction, it *item) {
	h := &c.half[raw]
	seq := it.seq
	if it.flags&capture.SYN != 0 {
		seq++
		if h.synced && !c.dialogue.decided && c.mode == inClear && h.next-uint32(c.info.Bytes[raw^c.swapped]) != seq {
			c.forgetBefore(raw)
		}
		if !h.synced {
			h.next, h.synced = seq, true
		}
	}
	if !h.synced && it.flags&capture.RST == 0 { // a RST may be forged: its number and bytes begin nothing
		h.next, h.synced = seq, true
		if n := int32(seq - h.oldest); c.half[raw.Reverse()].synced && h.ackSeen && n > 0 && n < maxHole {
			h.next = h.oldest     // the first captured acknowledgement ends here: later bytes are late or lost
			if c.sidesUnknown() { // or from before the capture
				c.reportGap(raw, int64(n), it.at)
				h.next = seq
			}
		}
	}
	c.judgePostponed(it)
	hasData := it.length > 0 && h.synced && !h.ended
	isPostponed := hasData && (c.postponedOf(raw) != nil || c.ahead(it))
	if !isPostponed || c.half[raw.Reverse()].hole != nil {
		c.acknowledge(it)
	}
	c.turns++
	if hasData {
		if isPostponed {
			c.postpone(it)
		} else {
			c.payload(raw, h, seq, it)
		}
	}
	if it.flags&capture.FIN != 0 && h.synced && !h.fin {
		h.fin, h.finSeq = true, seq+it.length
	}
	for i := range c.half {
		if c.half[i].hole != nil {
			c.skipOverdue(Direction(i))
		}
	}
	if c.isPostponing() {
		c.resume(false)
	}
	c.checkFIN(raw)
}

// forgetBefore forgets what came before the SYN of a raw direction and does not continue it. Its
// receiver did not believe that.
func (c *conn) forgetBefore(raw Direction) {
	c.w.disbelieved++
	c.w.reorder.end(c, raw)
	c.dialogue.takePending(c)
	for i := range c.dialogue.fr {
		c.dialogue.fr[i].drop(c)
	}
	c.dialogue = dialogue{}
	c.dialogue.init(c.info.Midstream)
	c.half[raw] = half{}
	c.info.Bytes[raw^c.swapped] = 0
}

// acknowledge records what a segment acknowledges.
func (c *conn) acknowledge(it *item) {
	if it.flags&capture.ACK == 0 {
		return
	}
	h, r := &c.half[it.dir], &c.half[it.dir.Reverse()]
	switch {
	case !r.ackSeen:
		r.acked, r.oldest, r.ackSeen = it.ack, it.ack, true
	case int32(it.ack-r.acked) > 0:
		r.acked = it.ack
	case !r.synced && int32(it.ack-r.oldest) < 0:
		r.oldest = it.ack
	}
	if r.hole != nil && it.ack == r.next {
		r.hole.isLacked = true
	}
	if !r.ended && int32(it.first()-h.next) <= 0 { // a segment that arrived early does not show when the bytes before it were sent
		r.noteAhead(it)
	}
}

// noteAhead records the first packet that acknowledges bytes of h that have not arrived.
func (h *half) noteAhead(it *item) {
	a := h.ahead
	isNew := a == nil || a.over || int32(it.ack-a.ack) > 0 // no byte has arrived: the highest acknowledgement proves most
	if h.synced {
		isPast := a == nil || a.over || int32(a.ack-h.next) <= 0
		isNew = isPast && int32(it.ack-h.next) > 0
		if a != nil {
			a.over = isPast
		}
	}
	if isNew {
		if a == nil {
			a = new(ackAhead)
			h.ahead = a
		}
		*a = ackAhead{ack: it.ack, at: it.at}
	}
}

// lostBefore returns the earliest packet known to follow the next n bytes, which are missing: at,
// or one that acknowledges them.
func (h *half) lostBefore(n int64, at capture.Position) capture.Position {
	if a := h.ahead; a != nil && !a.over && int64(int32(a.ack-h.next)) >= n && a.at.Before(at) {
		return a.at
	}
	return at
}

func (c *conn) payload(raw Direction, h *half, seq uint32, it *item) {
	length, p := it.length, it.payload
	if length > maxSegment {
		c.w.limits.HugeSegments++
		return
	}
	if room := int32(h.finSeq - seq); h.fin && room < int32(length) {
		switch {
		case int32(seq-h.next) <= 0 && h.finSeq != h.next: // the receiver has the bytes behind the FIN before the FIN counts
			c.revokeFIN(raw)
		case room <= 0: // no receiver accepts bytes after a FIN
			return
		default:
			length = uint32(room)
			p = p[:min(room, int32(len(p)))]
		}
	}
	ahead := int32(seq - h.next)
	if ahead < 0 { // at least partly a copy of delivered bytes
		old := uint32(-ahead)
		if c.isTraced {
			c.w.opt.Tracer.Printf(it.at, "%d bytes %v came again", min(old, length), raw^c.swapped)
		}
		c.overlap(raw, seq, min(old, length), it)
		if old >= length {
			return
		}
		seq, length, ahead = h.next, length-old, 0
		p = p[min(int(old), len(p)):]
	}
	if ahead > maxHole {
		c.w.reorder.drain(c, raw)
		c.lost(raw, int64(seq-h.next), it.at)
		h.next, ahead = seq, 0
	}
	if h.hole == nil {
		if ahead == 0 {
			h.next += length
			h.remember(seq, p)
			c.deliver(raw, p, length, it.at)
			return
		}
		if c.isTraced {
			c.w.opt.Tracer.Printf(it.at, "out of order %v: %d bytes before this segment are waited for", raw^c.swapped, ahead)
		}
		h.hole = c.w.reorder.begin(c, raw)
		c.wait()
	}
	if c.sidesUnknown() && c.isRequest(p) {
		h.hole.hasRequest = true
	}
	c.w.reorder.add(c, raw, seq, length, p, it.at)
}

// overlap compares n retransmitted bytes from seq on with the first copy, as far as it is known.
func (c *conn) overlap(raw Direction, seq, n uint32, it *item) {
	h := &c.half[raw]
	for i := range recentSegments {
		old, length := h.recentSeq[i], uint32(h.recentLength[i])
		from := old - seq
		if length == 0 || from >= n || from >= uint32(len(it.payload)) {
			continue
		}
		p := it.payload[from:]
		isOther := length >= headBytes && len(p) >= headBytes && headOf(p) != h.recentHead[i]
		if length <= recentBytes && uint32(len(p)) >= length {
			isOther = uint16(fingerprint(p[:length])) != h.recentSum[i]
		}
		if isOther {
			c.contest(raw, old, min(length, n-from))
		}
	}
}

// headOf returns a hash of the first headBytes of p.
func headOf(p []byte) uint16 {
	return uint16(binary.LittleEndian.Uint64(p) * 0x9e3779b97f4a7c15 >> 48)
}

// contest records that the capture has two versions of n bytes from seq on. If the receiver
// acknowledged them before the second version, it has the first.
func (c *conn) contest(raw Direction, seq, n uint32) {
	c.odd().Conflicts += uint64(n)
	h := &c.half[raw]
	if h.ackSeen && int32(h.acked-seq-n) >= 0 {
		return
	}
	d := raw ^ c.swapped
	from := int64(c.info.Bytes[d]) - int64(int32(h.next-seq))
	to := from + int64(n)
	if s := &c.odd().Contested[d]; s.To == 0 {
		*s = Span{from, to}
	} else {
		s.From, s.To = min(s.From, from), max(s.To, to)
	}
}

func (h *half) remember(seq uint32, p []byte) {
	i := h.turn % recentSegments
	h.recentSeq[i], h.recentLength[i] = seq, uint16(min(len(p), math.MaxUint16))
	if len(p) <= recentBytes {
		h.recentSum[i] = uint16(fingerprint(p))
	}
	if len(p) >= headBytes {
		h.recentHead[i] = headOf(p)
	}
	h.turn++
}

// waitTicks returns how many ticks to wait for the segment that h lacks.
func (w *worker) waitTicks(h *half) int32 {
	if h.hole.isLacked && h.acked == h.next {
		return w.hole / holeTicks * lackedTicks
	}
	return w.hole
}

// skipOverdue gives up the missing bytes of a raw direction that are overdue.
func (c *conn) skipOverdue(raw Direction) {
	h := &c.half[raw]
	if q := h.hole; h.ackSeen && c.turns%(ackedWait/2) == 0 {
		q.acked, q.ackedLater = q.ackedLater, h.acked
	}
	for h.hole != nil && h.hole.isOverdue(c.turns) {
		c.w.reorder.skip(c, raw)
	}
}

// checkFIN ends a raw direction if all bytes before its FIN were delivered.
func (c *conn) checkFIN(raw Direction) {
	h := &c.half[raw]
	if h.ended || !h.fin || h.hole != nil || c.postponedOf(raw) != nil {
		return
	}
	if n := int32(h.finSeq - h.next); n > 0 && n <= maxHole { // the last bytes are missing
		if h.finDue == 0 {
			h.finDue = c.w.ticks + lingerTicks
			c.wait()
		}
		if h.finDue > c.w.ticks {
			return
		}
		if h.isUnprovedFIN() {
			c.revokeFIN(raw)
			return
		}
		c.lost(raw, int64(n), c.info.Now)
	}
	h.ended = true
	c.endDirection(raw)
}
