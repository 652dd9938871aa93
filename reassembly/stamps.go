package reassembly

import "github.com/kafkavet/kafkavet/capture"

// If both sides of a connection use TCP timestamps, each segment has one and echoes one of the other
// side (RFC 7323 3.2). Who does not see the connection does not know them.
const (
	// maxStampBack is how far a timestamp or an echo may be from the latest one, maxStampAhead how far
	// a timestamp may be ahead. A unit is 1 ms or, in Linux since 6.7, 1 µs: then these are 67 s and 18
	// minutes. One in 128 pairs of random numbers is within.
	maxStampBack, maxStampAhead = 1 << 26, 1 << 30
	// maxStamped bounds flow.stamped. So many segments in a row without the timestamps of the
	// connection show that it has others, or none.
	maxStamped = 16
)

// isForeign reports whether another than its side sent the segment of direction d. A RST often has
// no timestamp. Another timestamp counts if the side's SYN was captured, or the other side, which may
// acknowledge it.
func (f *flow) isForeign(s *capture.Segment, d Direction) bool {
	value, echo, has, ok := s.Timestamps()
	switch {
	case !ok || s.Flags&capture.RST != 0:
		return false
	case s.Flags&capture.SYN == 0 && !(has && f.fitsStamps(value, echo, d)):
		isProven := f.stamped > 0 && (!has || f.synced[d] || f.seen[d.Reverse()])
		f.stamped = max(f.stamped-1, -maxStamped)
		if has && f.stamped < 0 {
			f.stamps = [2]uint32{}
			f.stamps[d] = value
		}
		return isProven
	case s.Flags&capture.SYN == 0:
		if f.stamped++; f.stamped > 1 {
			f.stamped = min(f.stamped+1, maxStamped)
		}
	case s.Flags&capture.ACK != 0 && has:
		f.stamped = maxStamped
	case s.Flags&capture.ACK != 0:
		f.stamped = -maxStamped
	case has && f.stamped == 0: // the answer decides; until then, one segment without is forged
		f.stamped = 1
	}
	if has && (f.stamps[d] == 0 || int32(value-f.stamps[d]) > 0) {
		f.stamps[d] = value
	}
	return false
}

// fitsStamps reports whether a timestamp and the echo of one are near the latest ones.
func (f *flow) fitsStamps(value, echo uint32, d Direction) bool {
	own, other := f.stamps[d], f.stamps[d.Reverse()]
	return (own == 0 || value-own+maxStampBack <= maxStampBack+maxStampAhead) && (other == 0 || within(echo, other, maxStampBack))
}
