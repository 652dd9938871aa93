package reassembly

import (
	"bytes"

	"github.com/kafkavet/kafkavet/capture"
)

// Segments are judged as end systems judge them (RFC 9293 3.10.7.4, RFC 5961). Anyone can send a
// segment that the capture contains and its receiver discards. No decision here depends on one
// segment alone, because a capture also loses segments.
const (
	// maxAckDistance bounds the distance between an acknowledgement and the captured bytes. A
	// window is at most 1 GiB (RFC 7323 2.3); Linux limits it to tens of MiB (net.ipv4.tcp_rmem).
	maxAckDistance = 64 << 20
	// maxDoubted bounds the segments of one connection that wait for confirmation. maxDoubtedBytes
	// bounds the payload of each; a longer one is not kept. maxShardDoubted bounds their payload
	// in a shard: 1 MiB; 4 shards make 4 MiB.
	maxDoubted      = 4
	maxDoubtedBytes = 64 << 10
	maxShardDoubted = 1 << 20
	// confirmations is how many consecutive segments confirm each other if the other side was not
	// captured.
	confirmations = 3
)

const (
	// maxSummed bounds the payload whose checksum is always verified. Requests that decide a
	// verdict are short. Summing all segments would take half of all time.
	maxSummed = 512
	// maxOneSegment bounds the payload whose checksum proves something: an Ethernet frame. Cards
	// join segments to longer ones and leave a wrong checksum (receive segment coalescing).
	maxOneSegment = 1500 - 20 - 20
	// maxProof bounds flow.proof. proofStep is what a checksum adds that agrees with it, so one
	// forged segment does not outweigh one of the sender.
	maxProof, proofStep = 100, 4
	// minTTL and usualTTL detect a TTL that expires before the receiver. Senders begin at 64, 128
	// or 255. A TTL below minTTL in a direction that has usualTTL or more is not a route change.
	minTTL, usualTTL = 5, 20
)

// neverSent reports whether no TCP sends a segment with these flags in a connection, and no
// receiver accepts it: it has no ACK (RFC 9293 3.10.7.4), or a SYN that ends the connection.
func neverSent(flags capture.TCPFlags) bool {
	return flags&(capture.SYN|capture.RST|capture.ACK) == 0 ||
		flags&capture.SYN != 0 && flags&(capture.FIN|capture.RST) != 0
}

// discards reports whether the receiver discards the segment or never gets it: its checksum is
// wrong, or its TTL expires. The worker verifies the checksums of longer segments (conn.isWrong).
func (f *flow) discards(s *capture.Segment, d Direction) bool {
	if s.Length == 0 && s.Flags&(capture.SYN|capture.FIN|capture.RST) == 0 {
		return false
	}
	ttl := s.TTL()
	if f.ttl[d] == 0 && f.isAt(s) {
		f.ttl[d] = ttl
	}
	if f.ttl[d] >= usualTTL && 0 < ttl && ttl < minTTL {
		return true
	}
	return (s.Length <= maxSummed || s.Fragmented) && f.prove(s.Checksum(), d)
}

// prove reports whether a checksum shows that the receiver discards a segment. Some hosts leave
// anything in the checksums of their own segments, because the card fills them in (offload). So the
// sender's checksums so far decide.
func (f *flow) prove(sum capture.Checksum, d Direction) bool {
	p := &f.proof[d]
	isProven, step := *p > 0, int8(1)
	switch sum {
	case capture.ChecksumRight:
		if *p >= 0 {
			step = proofStep
		}
	case capture.ChecksumLeft: // by the sender, or by receive offload where it joins segments
		if isProven {
			return false
		}
		step = -proofStep
	case capture.ChecksumWrong, capture.ChecksumZero:
		if step = -1; !isProven {
			step = -proofStep
		}
	default:
		return false
	}
	*p = max(-maxProof, min(*p+step, maxProof))
	return isProven && sum != capture.ChecksumRight
}

// isWrong reports whether the receiver discards the segment because its checksum is wrong. Only
// segments that flow.discards left out are verified: those without payload, and longer ones.
func (it *item) isWrong() bool {
	if !it.isProven || it.length > maxOneSegment {
		return false
	}
	sum := it.covered.Checksum()
	return sum == capture.ChecksumWrong || sum == capture.ChecksumZero
}

// doubts are segments that their receiver may have discarded: the sequence or acknowledgement
// number is far from the captured bytes. They are accepted if another segment confirms them.
type doubts struct {
	segments []item
	bytes    int
	// before is the conn of the same flow that was not over when this one was made, after the one
	// that was made when this one was not over. nil is for none.
	before, after *conn
}

// resetMark is the state at the RST that ended the connection.
type resetMark struct {
	dir  Direction // raw, as conn.half
	seq  uint32
	peer uint32 // the peer's next byte: its bytes sent after the RST begin here
}

// accepts reports whether the receiver can have accepted the segment, given the known sequence
// numbers. It may clear FIN in it.flags. It keeps a segment in doubt, which is accepted later if
// others confirm it.
func (c *conn) accepts(it *item) bool {
	h := &c.half[it.dir]
	if c.mode == ignored {
		return true
	}
	if it.isForeign && !c.acknowledgeDoubted(it) { // Linux accepts one without a timestamp: an acknowledgement decides
		c.doubt(it)
		return false
	}
	if c.isUnproven {
		if !c.confirmed(it) {
			return false
		}
		c.isUnproven = false
		c.w.disbelieved++
		return true
	}
	if it.flags&capture.RST != 0 {
		r := &c.half[it.dir.Reverse()]
		isImpossible := it.flags&capture.ACK != 0 && r.synced && !within(it.ack, r.next, maxAckDistance)
		if r.synced && !h.synced && c.turns == 0 { // only an acknowledgement of the SYN refuses it
			isImpossible = it.flags&capture.ACK == 0 || it.ack != r.next
		}
		if isImpossible || h.synced && !within(it.seq, h.next, maxHole) || h.isFarFirst(it.seq) {
			c.w.disbelieved++
			return false
		}
		return true
	}
	if it.length > maxSummed && c.readsHeader(it) && it.isWrong() {
		c.w.disbelieved++
		return false
	}
	if c.isStale(it) {
		c.w.disbelieved++
		return false
	}
	if c.reset >= 0 {
		c.reviveReset(it)
	}
	if c.isFar(it) {
		return c.confirmed(it)
	}
	c.acknowledgeDoubted(it)
	c.reviveFIN(it)
	c.replaceFIN(it)
	if c.isBehindFIN(it) {
		c.doubt(it)
		return false
	}
	if it.flags&capture.FIN != 0 && h.synced && !h.fin && int32(it.first()+it.length-h.next) < 0 {
		it.flags &^= capture.FIN
		c.w.disbelieved++
	}
	return true
}

// isStale reports whether a segment with payload acknowledges bytes from before the other side's
// SYN (RFC 5961 5.2).
func (c *conn) isStale(it *item) bool {
	raw := it.dir.Reverse()
	return it.length > 0 && it.flags&capture.ACK != 0 && c.info.HasInitial && c.info.Bytes[raw^c.swapped] < maxAckDistance &&
		int32(it.ack-c.info.Initial[raw]) <= 0
}

// within reports whether a and b differ by at most n.
func within(a, b uint32, n int32) bool {
	d := int32(a - b)
	return d >= -n && d <= n
}

// isFarFirst reports whether seq is that of the first segment of its side, and far from what the other
// side has acknowledged before.
func (h *half) isFarFirst(seq uint32) bool {
	return !h.synced && h.ackSeen && !within(seq, h.acked, maxHole)
}

// isFar reports whether the sequence or acknowledgement number is farther from the captured bytes
// than a loss in the capture can explain.
func (c *conn) isFar(it *item) bool {
	h, r := &c.half[it.dir], &c.half[it.dir.Reverse()]
	if it.flags&capture.ACK != 0 && r.synced && !within(it.ack, r.next, maxAckDistance) {
		return true
	}
	if it.flags&capture.SYN == 0 && h.isFarFirst(it.first()) {
		return true
	}
	if !h.synced || it.length == 0 && it.flags&capture.FIN == 0 {
		return false
	}
	next := h.next
	if h.ackSeen && int32(h.acked-next) > 0 {
		next = h.acked // the receiver has more than the capture
	}
	return int32(it.first()-next) > maxHole
}

// confirmed keeps a segment that is far from the captured bytes until a segment of the other side
// matches it. If the other side was not captured, consecutive segments confirm each other. It
// reports whether the segment is confirmed; then it first passes on the segments kept that it matches.
func (c *conn) confirmed(it *item) bool {
	fits := 0
	if it.isWrong() {
		c.w.disbelieved++
		return false
	}
	segments := c.doubts()
	var isNear [maxDoubted]bool // others are not passed on: they may be forged
	for i := range segments {
		q := &segments[i]
		switch {
		case q.isForeign:
		case q.dir != it.dir:
			if isNear[i] = within(it.ack, q.first()+q.length, maxHole) && within(q.ack, it.seq, maxHole); isNear[i] {
				fits = confirmations
			}
		default:
			if isNear[i] = within(it.first(), q.first()+q.length, maxHole); isNear[i] && !c.info.Seen[it.dir.Reverse()^c.swapped] {
				fits++
			}
		}
	}
	if fits < confirmations {
		c.doubt(it)
		return false
	}
	c.dropDoubts()
	for i := range segments {
		if isNear[i] {
			c.acceptDoubted(&segments[i])
		}
	}
	if c.over {
		return false
	}
	c.jump(it)
	return true
}

// acknowledgeDoubted passes on the segments kept that this segment acknowledges. It reports whether
// there was one.
func (c *conn) acknowledgeDoubted(it *item) (acknowledged bool) {
	if len(c.doubts()) == 0 || it.flags&capture.ACK == 0 || it.isWrong() {
		return false
	}
	segments := c.doubts()
	for i := range segments {
		q := &segments[i]
		h, end := &c.half[q.dir], q.first()+q.length
		n := int32(it.ack - end)
		isMissing := !h.synced || int32(q.first()-h.next) > maxHole
		if q.isForeign { // nobody else sent what is acknowledged
			if q.flags&capture.FIN != 0 {
				end++
			}
			isMissing = int32(end-h.next) > 0 && int32(it.ack-end) >= 0
		}
		if q.dir == it.dir || n < 0 || n > maxHole || !isMissing {
			continue
		}
		acknowledged = true
		c.acceptDoubted(q)
	}
	if acknowledged {
		c.dropDoubts()
	}
	return acknowledged
}

// acceptDoubted passes on a segment kept, unless an earlier one ended the connection.
func (c *conn) acceptDoubted(q *item) {
	c.w.disbelieved--
	if c.over {
		return
	}
	c.jump(q)
	if q.flags&capture.FIN != 0 {
		c.fin(q.dir^c.swapped, q)
	}
	c.order(q.dir, q)
}

// jump sets the sequence numbers of a direction to those of a confirmed segment. The bytes between
// were lost.
func (c *conn) jump(it *item) {
	h, r := &c.half[it.dir], &c.half[it.dir.Reverse()]
	if n := int32(it.first() - h.next); h.synced && (n > maxHole || n < -maxAckDistance) {
		c.w.reorder.drain(c, it.dir)
		c.lost(it.dir, int64(max(n, 1)), it.at)
		h.next = it.first()
	}
	if it.flags&capture.ACK != 0 && r.synced && !within(it.ack, r.next, maxAckDistance) {
		c.w.reorder.drain(c, it.dir.Reverse())
		c.lost(it.dir.Reverse(), int64(max(int32(it.ack-r.next), 1)), it.at)
		r.next, r.acked = it.ack, it.ack
	}
}

// doubt keeps a segment for confirmed.
func (c *conn) doubt(it *item) {
	c.w.disbelieved++
	if it.isForeign && it.length == 0 && it.flags&capture.FIN == 0 || len(it.payload) > maxDoubtedBytes || c.w.doubted+len(it.payload) > maxShardDoubted {
		return
	}
	if c.doubted == nil {
		c.doubted = new(doubts)
	}
	q := c.doubted
	if len(q.segments) == maxDoubted {
		n := len(q.segments[0].payload)
		q.segments = append(q.segments[:0], q.segments[1:]...)
		q.bytes -= n
		c.w.doubted -= n
	}
	kept := *it
	kept.payload = bytes.Clone(it.payload)
	q.segments = append(q.segments, kept)
	q.bytes += len(kept.payload)
	c.w.doubted += len(kept.payload)
}

func (c *conn) dropDoubts() {
	if q := c.doubted; q != nil {
		c.w.doubted -= q.bytes
		q.segments, q.bytes = nil, 0
	}
}

func (c *conn) doubts() []item {
	if c.doubted == nil {
		return nil
	}
	return c.doubted.segments
}

// reviveReset revokes a reset if its sender continues: it sends bytes behind the RST, or
// acknowledges bytes sent after it. An end system that has sent a RST does neither.
func (c *conn) reviveReset(it *item) {
	m := &c.resetMark
	if it.dir != m.dir || c.isFar(it) {
		return
	}
	sent := it.length > 0 && int32(it.first()+it.length-m.seq) > 0
	acked := it.flags&capture.ACK != 0 && c.half[m.dir.Reverse()].synced && int32(it.ack-m.peer) > 0
	if !sent && !acked {
		return
	}
	c.reset = -1
	c.revoke(Reset, m.dir)
}

// reviveFIN revokes a FIN of the other side if this segment acknowledges bytes behind it: the FIN
// never arrived. The bytes behind it were kept in doubt.
func (c *conn) reviveFIN(it *item) {
	raw := it.dir.Reverse()
	h := &c.half[raw]
	if !h.fin || it.flags&capture.ACK == 0 || int32(it.ack-h.finSeq) <= 1 {
		return
	}
	c.revokeFIN(raw)
	segments := c.doubts()
	c.dropDoubts()
	for i := range segments {
		if q := &segments[i]; q.dir == raw && !q.isForeign {
			c.acceptDoubted(q)
		}
	}
}

// replaceFIN revokes an earlier FIN that is behind one in order: a side sends its bytes up to one
// FIN.
func (c *conn) replaceFIN(it *item) {
	h := &c.half[it.dir]
	end := it.first() + it.length
	if it.flags&capture.FIN != 0 && h.fin && !h.ended && int32(it.first()-h.next) <= 0 && int32(end-h.next) >= 0 && int32(end-h.finSeq) < 0 {
		c.revokeFIN(it.dir)
	}
}

// isUnproved reports whether the receiver acknowledges neither the next n bytes nor what is behind
// them, and they are more than a capture loses at once. The segment behind them may be forged.
func (h *half) isUnproved(n uint32) bool {
	return h.ackSeen && int32(h.acked-h.next-n) < 0 && n > maxUnproved
}

// isUnprovedFIN reports whether the receiver lacks the n bytes before the FIN, as far as the capture
// shows. Its acknowledgements end where the captured bytes do, or isUnproved.
func (h *half) isUnprovedFIN() bool {
	n := h.finSeq - h.next
	return n > 0 && h.ackSeen && h.acked == h.next || h.isUnproved(n)
}

// isBehindFIN reports whether a segment has bytes behind the FIN that ended its direction. An end
// system that has sent a FIN sends none.
func (c *conn) isBehindFIN(it *item) bool {
	h := &c.half[it.dir]
	return h.ended && h.fin && it.length > 0 && int32(it.first()+it.length-h.finSeq) > 0
}

func (c *conn) revokeFIN(raw Direction) {
	h := &c.half[raw]
	h.fin, h.ended, h.finDue = false, false, 0
	c.revoke(Closed, raw)
}

// revoke revokes the end that direction raw caused.
func (c *conn) revoke(how EndKind, raw Direction) {
	c.w.disbelieved++
	if e := &c.info.End; e.Kind == how && e.By == raw^c.swapped {
		*e = End{}
	}
}

// readsHeader reports whether bytes of the segment are parsed, not only counted.
func (c *conn) readsHeader(it *item) bool {
	switch c.mode {
	case inClear:
		f := &c.dialogue.fr[it.dir]
		return !c.dialogue.decided || f.state != reading || !f.complete() || f.left() <= int64(it.length)
	case crypted:
		return true
	}
	return false // TLS without a key log: summing it would take as long as the rest
}
