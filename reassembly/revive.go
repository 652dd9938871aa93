package reassembly

import "github.com/kafkavet/kafkavet/capture"

// The end of a connection may be forged: two FINs and their acknowledgement, or a RST. If both
// sides go on behind it, a new conn takes over. It has no state of the old one, as in a connection
// joined midstream.

// isBehind reports whether s begins or continues behind the end of f. An end system that has sent
// an end does not send such bytes.
func (f *flow) isBehind(s *capture.Segment, d Direction) bool {
	n := int32(s.Seq + s.Length - f.last[d])
	return f.over() && f.conn != nil && s.Length > 0 && 0 < n && n <= maxHole &&
		s.Flags&(capture.SYN|capture.FIN|capture.RST|capture.ACK) == capture.ACK
}

// reopen revokes the end of a flow.
func (t *flowTable) reopen(f *flow) {
	if f.over() {
		t.inactive--
	}
	f.closed = 0
}

// revive makes c a connection that begins with the segment at, after an end that may be forged.
// Nothing of it is believed before both sides go on.
func (c *conn) revive(at capture.Position) {
	c.isUnproven = true
	c.half = [2]half{}
	i := &c.info
	i.First, i.Last, i.Now, i.Midstream, i.HasInitial, i.Seen = at, at, at, true, false, [2]bool{true, true}
	c.dialogue.init(true)
}

// isBehind reports whether the conn before c is not over, so all segments are of that one. It
// reads that conn only as long as batches with items of it are in flight, or it is not over.
func (c *conn) isBehind() bool {
	if c.doubted == nil || c.doubted.before == nil {
		return false
	}
	before := c.doubted.before
	if before.over {
		c.doubted.before = nil
		return false
	}
	if before.doubted == nil {
		before.doubted = new(doubts)
	}
	before.doubted.after = c
	return true
}
