package reassembly

import (
	"math"

	"github.com/kafkavet/kafkavet/capture"
)

// maxChallenges bounds the SYNs on live connections that wait for an answer: 4,096 of some 150
// bytes are 600 KiB. When it is reached, all are dropped.
const maxChallenges = 4096

// challenge keeps a SYN on a live connection. An end system answers it with a challenge ACK and
// keeps the connection (RFC 5961 4). Only later segments show that the connection was over. The
// SYN and all packets behind it get another stream number here, as in Wireshark.
func (t *flowTable) challenge(f *flow, s *capture.Segment) {
	if old, ok := t.challenges[f]; ok && old.syn.Seq == s.Seq {
		return
	}
	if len(t.challenges) >= maxChallenges {
		for g := range t.challenges {
			g.isChallenged = false
		}
		clear(t.challenges)
	}
	isNew := f.numbered != s.Capture && t.renumber(f, s.Capture)
	if !isNew {
		f.number = t.nextNumber(s.Capture)
	}
	c := challenge{syn: *s, stream: t.streams, number: f.number}
	c.syn.Payload = nil
	t.challenges[f], f.isChallenged = c, true
	t.disbelieved++
	t.streams++
}

// challenge is a SYN on a live connection, and the stream numbers of the connection that it would
// begin: over all captures, and within its own.
type challenge struct {
	syn            capture.Segment
	stream, number uint32
}

// replaced returns the connection that the SYN kept for f began. s must prove it: it acknowledges
// the SYN or follows it. Otherwise replaced returns nil. f stays, because all of this may be
// forged.
func (t *flowTable) replaced(f *flow, s *capture.Segment, d Direction) *flow {
	c := t.challenges[f]
	isSender := s.SrcPort == c.syn.SrcPort && s.Src == c.syn.Src
	switch {
	case isSender && (s.Seq != c.syn.Seq+1 || s.Flags&(capture.ACK|capture.RST) != capture.ACK):
		return nil
	case isSender && f.fits(s, d): // the SYN was one byte before the next segment
		return nil
	case !isSender && (s.Ack != c.syn.Seq+1 || s.Flags&(capture.ACK|capture.SYN) != capture.ACK|capture.SYN):
		return nil
	}
	delete(t.challenges, f)
	f.isChallenged = false
	t.disbelieved--
	g := t.insertRival(&c.syn, f)
	g.stream, g.numbered, g.number = c.stream, c.syn.Capture, c.number
	e, _ := g.rawDirection(&c.syn)
	t.note(g, &c.syn, e)
	return g
}

// begin handles a SYN, or a segment after a SYN on a live connection. It returns what lookup does.
func (t *flowTable) begin(f *flow, s *capture.Segment, d Direction) (g *flow, e Direction, fresh bool) {
	if f.isChallenged {
		if g := t.replaced(f, s, d); g != nil {
			e, _ := g.rawDirection(s)
			return g, e, true
		}
	}
	isAnswer := s.Flags&capture.ACK != 0
	if r := d.Reverse(); isAnswer && f.closed == 4 && f.conn != nil && f.synced[r] && f.last[r] == f.base[r]+1 && s.Ack == f.last[r] {
		t.reopen(f) // a SYN that is answered was not refused
		f.conn = nil
		t.silent++
		t.disbelieved++
	}
	switch {
	case s.Flags&capture.SYN == 0,
		!isAnswer && !f.begunBefore(s.Seq, d) && !f.isVain(d),
		isAnswer && (!f.synced[d] || s.Seq == f.base[d]):
		return f, d, false
	case f.discards(s, d), isAnswer && f.closed == 0 && f.fits(s, d):
		t.disbelieved++
		return nil, d, false
	case !isAnswer && f.isLive():
		t.challenge(f, s)
		return nil, d, false
	}
	number, numbered, elsewhere := f.number, f.numbered, f.elsewhere
	isVain := f.isVain(d)
	isNumbered := isAnswer || isVain || f.isChallenged && t.challenges[f].syn.Seq == s.Seq
	isKept := f.closed&3 == 0 && f.conn != endedConn && (!isVain || f.synced[d.Reverse()])
	if isKept {
		g = t.insertRival(s, f)
	} else {
		t.drop(f, Replaced)
		g = t.insert(s, t.hash(s)) // f is empty now
	}
	g.stream = t.streams
	t.streams++
	if isNumbered { // Wireshark begins no other stream
		g.number, g.numbered, g.elsewhere = number, numbered, elsewhere
	} else {
		g.numbered, g.number = s.Capture, t.nextNumber(s.Capture)
	}
	e, _ = g.rawDirection(s)
	return g, e, true
}

// isVain reports whether f has only segments of the other side that acknowledge nothing. They are
// not of the connection that a SYN of direction d begins.
func (f *flow) isVain(d Direction) bool { return f.seen[d.Reverse()] && !f.seen[d] && !f.acked }

// fits reports whether the numbers of s are near those of f.
func (f *flow) fits(s *capture.Segment, d Direction) bool { return f.distance(s, d) < sameFlowWindow }

// distance returns how far the numbers of s are from those of f. If f has no segment of the sender,
// any number fits nearly. If s acknowledges what f has not seen, it does not fit.
func (f *flow) distance(s *capture.Segment, d Direction) uint32 {
	far := uint32(0)
	switch r := d.Reverse(); {
	case s.Flags&capture.ACK == 0 && !f.seen[d]:
		return 1 << 31
	case s.Flags&capture.ACK != 0 && !f.seen[r]:
		far = sameFlowWindow
	case s.Flags&capture.ACK != 0:
		far = min(s.Ack-f.last[r], f.last[r]-s.Ack)
	}
	switch {
	case f.seen[d]:
		far = max(far, min(s.Seq-f.last[d], f.last[d]-s.Seq))
	case s.Flags&capture.SYN == 0:
		far++
	}
	return far
}

// insertRival adds a connection with the addresses of f, which a later SYN may have replaced. Only
// what follows shows which of them exists.
func (t *flowTable) insertRival(s *capture.Segment, f *flow) *flow {
	t.evictNetwork(s, f)
	f.isReplaced, f.isRival = true, true
	g := t.insert(s, t.hash(s))
	g.isRival = true
	return g
}

// rival returns the connection whose numbers fit s best among those with the addresses of f. If s
// fits none, as a SYN that begins one, it is the latest.
func (t *flowTable) rival(s *capture.Segment, f *flow) *flow {
	best, least := f, uint32(math.MaxUint32)
	isSYN := s.Flags&(capture.SYN|capture.ACK) == capture.SYN
	for i := t.buckets[f.hash&uint32(len(t.buckets)-1)]; i != 0; i = t.at(i - 1).next {
		g := t.at(i - 1)
		d, ok := g.rawDirection(s)
		if !ok || g.alias != 0 || g.domain != f.domain || g.depth != f.depth {
			continue
		}
		n := g.distance(s, d)
		switch {
		case isSYN && g.seen[d] && g.base[d] == s.Seq:
			n = 0
		case isSYN || n > sameFlowWindow:
			n = 1 << 31
		}
		if n < least || n == least && g.stream > best.stream {
			best, least = g, n
		}
	}
	return best
}

// isLive reports whether both sides were captured and neither has ended.
func (f *flow) isLive() bool { return f.closed == 0 && f.seen[0] && f.seen[1] }
