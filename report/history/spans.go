package history

import (
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

// span is a period with repeated events. No pause in it is longer than the join of its list.
type span struct {
	from, to capture.Position
	// n counts the events for which count was called.
	n uint64
}

// extend adds an event to s, which may be the zero value.
func (s *span) extend(at capture.Position) {
	if s.from.Time == 0 || at.Time < s.from.Time {
		s.from = at
	}
	if at.Time > s.to.Time {
		s.to = at
	}
}

// in reports whether s overlaps a life. It returns its first or its last event if that is inside
// the life, else the zero value.
func (s span) in(from, to int64) (at capture.Position, ok bool) {
	if s.to.Time == 0 || s.from.Time >= to || s.to.Time < from {
		return at, false
	}
	switch {
	case s.from.Time >= from:
		at = s.from
	case s.to.Time < to:
		at = s.to
	}
	return at, true
}

// spans are the periods with events, ordered by time. They return the last event before a time,
// and the first after it.
type spans []span

// add adds an event. Two events at most join nanoseconds apart are in one span. If there are more
// than limit spans, the two with the shortest pause between them are joined. So the long pauses
// remain, which a restart or a hang leaves.
func (s *spans) add(at capture.Position, join int64, limit int) {
	list := *s
	n := len(list)
	if n > 0 && at.Time >= list[n-1].from.Time {
		if last := &list[n-1]; at.Time-last.to.Time <= join {
			if at.Time > last.to.Time {
				last.to = at
			}
			return
		}
	}
	i := n
	for i > 0 && at.Time < list[i-1].from.Time {
		i--
	}
	switch { // list[i-1] begins at or before at, list[i] begins after it
	case i > 0 && at.Time-list[i-1].to.Time <= join:
		if at.Time > list[i-1].to.Time {
			list[i-1].to = at
		}
	case i < n && list[i].from.Time-at.Time <= join:
		list[i].from = at
	default:
		list = slices.Insert(list, i, span{from: at, to: at})
	}
	if len(list) > limit {
		list = list.joinClosest()
	}
	*s = list
}

func (s spans) count(t int64) {
	for i := range s {
		if s[i].from.Time <= t && s[i].to.Time >= t {
			s[i].n++
			return
		}
	}
}

// joinClosest joins the two neighbours with the shortest pause between them.
func (s spans) joinClosest() spans {
	closest := 1
	for i := 2; i < len(s); i++ {
		if s[i].from.Time-s[i-1].to.Time < s[closest].from.Time-s[closest-1].to.Time {
			closest = i
		}
	}
	s[closest-1].to = s[closest].to
	s[closest-1].n += s[closest].n
	return slices.Delete(s, closest, closest+1)
}

// lastBefore returns the last known event before t. Inside a span only its ends are known.
func (s spans) lastBefore(t int64) (at capture.Position, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		switch {
		case s[i].to.Time < t:
			return s[i].to, true
		case s[i].from.Time < t:
			return s[i].from, true
		}
	}
	return capture.Position{}, false
}

// firstAfter returns the first known event after t. Inside a span only its ends are known.
func (s spans) firstAfter(t int64) (at capture.Position, ok bool) {
	for i := range s {
		switch {
		case s[i].from.Time > t:
			return s[i].from, true
		case s[i].to.Time > t:
			return s[i].to, true
		}
	}
	return capture.Position{}, false
}

// covers reports whether one span contains the complete time from one time to another.
func (s spans) covers(from, to int64) bool {
	return slices.ContainsFunc(s, func(p span) bool { return p.from.Time <= from && p.to.Time >= to })
}

// anyIn reports whether s has an event between two times.
func (s spans) anyIn(from, to int64) bool {
	at, ok := s.within(from, to-1)
	return ok && at.Time < to
}

// during reports whether a time between two others is inside a span.
func (s spans) during(from, to int64) bool { return s.anyIn(from, to) || s.covers(from, to) }

// within returns an event after from and not after to; ok is false for none. Inside a span it
// returns the end of the span, which may be after to.
func (s spans) within(from, to int64) (at capture.Position, ok bool) {
	for i := range s {
		switch {
		case s[i].to.Time <= from:
		case s[i].from.Time > to:
			return capture.Position{}, false
		case s[i].from.Time > from:
			return s[i].from, true
		default:
			return s[i].to, true
		}
	}
	return capture.Position{}, false
}
