package reassembly

import "github.com/kafkavet/kafkavet/capture"

// maxChallenges bounds the SYNs on live connections that wait for an answer: 4,096 of some 150
// bytes are 600 KiB. When it is reached, all are dropped.
const maxChallenges = 4096

// challenge keeps a SYN on a live connection. An end system answers it with a challenge ACK and
// keeps the connection (RFC 5961 4). Only later segments show that the connection was over. The
// SYN gets its stream number here, as in Wireshark.
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
	c := challenge{syn: *s, stream: t.streams, number: t.nextNumber(s.Capture)}
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
// the SYN or follows it. Otherwise replaced returns nil.
func (t *flowTable) replaced(f *flow, s *capture.Segment) *flow {
	c := t.challenges[f]
	isSender := s.SrcPort == c.syn.SrcPort && s.Src == c.syn.Src
	switch {
	case isSender && (s.Seq != c.syn.Seq+1 || s.Flags&(capture.ACK|capture.RST) != capture.ACK):
		return nil
	case !isSender && (s.Ack != c.syn.Seq+1 || s.Flags&(capture.ACK|capture.SYN) != capture.ACK|capture.SYN):
		return nil
	}
	h := f.hash
	t.drop(f, Replaced)
	t.disbelieved--
	g := t.insert(&c.syn, h)
	g.stream = c.stream
	g.numbered, g.number = c.syn.Capture, c.number
	d, _ := g.direction(&c.syn)
	t.note(g, &c.syn, d)
	return g
}

// isLive reports whether both sides were captured and neither has ended.
func (f *flow) isLive() bool { return f.closed == 0 && f.seen[0] && f.seen[1] }
