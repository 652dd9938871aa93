package capture

import (
	"cmp"
	"io"
	"math"
	"slices"
)

const (
	// maxMerged bounds the open captures. A further overlapping capture begins when one of these
	// ends (Info.Delayed). The first mergedInFull have up to readSize of packets in memory, and
	// twice that during a change of batches; the others have peekSize: 8 MiB and 7 MiB.
	maxMerged    = 64
	mergedInFull = 8
)

// cursor is an open input.
type cursor struct {
	*file
	in *input
	// ahead holds packets that were read; those from at on were not returned yet.
	ahead Batch
	at    int
}

// head is the time of the next packet in ahead.
func (c *cursor) head() int64 { return c.ahead.Packets[c.at].Time }

// refill makes ahead hold a packet. It returns false at the end.
func (c *cursor) refill() bool {
	if c.at < len(c.ahead.Packets) {
		return true
	}
	c.at = 0
	return c.fill(&c.ahead)
}

// Next implements Source. A batch has packets of one capture, or of several that overlap in
// time.
func (s *Files) Next(b *Batch) error {
	b.Packets = b.Packets[:0]
	for {
		if len(s.active) == 0 {
			if s.next == len(s.inputs) {
				return io.EOF
			}
			s.start()
		}
		if c := s.active[0]; len(s.active) == 1 && c.at == len(c.ahead.Packets) {
			if s.fillFromOne(c, b) {
				return nil
			}
		} else if s.merge(b) {
			return nil
		}
	}
}

// nextFirst is the time of the first packet of the next input.
func (s *Files) nextFirst() int64 {
	if s.next == len(s.inputs) || len(s.active) == maxMerged {
		return math.MaxInt64
	}
	return s.inputs[s.next].first
}

// start opens the next input.
func (s *Files) start() {
	in, info := s.inputs[s.next], &s.infos[s.next]
	c := &cursor{in: in}
	if in.begun == nil {
		c.file = s.begin(in, info, &s.done, s.opt.Secrets)
	} else {
		c.file, c.ahead = in.begun.file, in.begun.batch
		*info = in.begun.info
		c.info, in.begun = info, nil
		for i := range c.ahead.Packets {
			c.ahead.Packets[i].Capture = in.index
			c.ahead.Packets[i].Time += in.shift
		}
	}
	if len(s.active) >= mergedInFull {
		c.readSize = peekSize
	}
	c.capture, c.shift = in.index, in.shift
	if info.ClockOffset = in.shift; in.reference != nil {
		info.ClockOf = in.reference.index
	}
	info.Delayed = len(s.active) == maxMerged-1 && in.first < s.latest
	s.next++
	s.active = append(s.active, c)
}

// finish closes an input at its end.
func (s *Files) finish(c *cursor) {
	s.tail = c.tail
	_ = c.close() // closing a file that was only read cannot lose data
	if s.total >= 0 {
		s.done.Add(c.in.size - c.raw.n.Load()) // also the bytes not read
	}
	s.active = slices.DeleteFunc(s.active, func(other *cursor) bool { return other == c })
}

// fillFromOne fills b from the only open input. It returns false at the end of the input, or if
// another input begins before the last of these packets.
func (s *Files) fillFromOne(c *cursor, b *Batch) bool {
	if !c.fill(b) {
		s.finish(c)
		return false
	}
	if c.info.Last+c.shift < s.nextFirst() {
		return true
	}
	c.ahead, *b = *b, c.ahead
	b.Packets = b.Packets[:0]
	c.at = 0
	return false
}

// merge fills b with copies of the next packets in time. It returns false if there are none, or
// if b has all packets read so far of the only open input.
func (s *Files) merge(b *Batch) bool {
	b.room(readSize, 0)
	used := 0
	for len(b.Packets) < maxBatchPackets {
		c, until := s.earliest()
		if c == nil {
			break
		}
		for ; c.at < len(c.ahead.Packets) && c.head() <= until && len(b.Packets) < maxBatchPackets; c.at++ {
			p := c.ahead.Packets[c.at]
			if used+len(p.Data) > len(b.buf) {
				if used > 0 {
					return true
				}
				b.room(len(p.Data), 0)
			}
			end := used + copy(b.buf[used:], p.Data)
			p.Data = b.buf[used:end:end]
			b.Packets = append(b.Packets, p)
			s.latest, used = p.Time, end
		}
		if len(s.active) == 1 && c.at == len(c.ahead.Packets) {
			break
		}
	}
	return len(b.Packets) > 0
}

// earliest returns the input with the earliest next packet. No packet of another input comes
// before until, or at it. It opens inputs that begin by then and closes ended ones; nil means
// that none is left.
func (s *Files) earliest() (first *cursor, until int64) {
	for i := 0; i < len(s.active); {
		if c := s.active[i]; c.refill() {
			i++
		} else {
			s.finish(c)
		}
	}
	if len(s.active) == 0 {
		return nil, 0
	}
	// Packets of equal time come in the order of the captures.
	slices.SortFunc(s.active, func(a, b *cursor) int {
		return cmp.Or(cmp.Compare(a.head(), b.head()), cmp.Compare(a.capture, b.capture))
	})
	first, until = s.active[0], math.MaxInt64
	if len(s.active) > 1 {
		if until = s.active[1].head(); s.active[1].capture < first.capture {
			until--
		}
	}
	if next := s.nextFirst(); next <= first.head() {
		s.start()
		return s.earliest()
	} else if next < math.MaxInt64 {
		until = min(until, next-1)
	}
	return first, until
}
