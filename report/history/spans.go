package history

import (
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

// span is a period in which something happened again and again, with no pause longer than the
// join of its list.
type span struct{ from, to capture.Position }

// spans are the periods in which something happened, in the order of time. They answer when it
// happened last before a moment, and first after it.
type spans []span

// add adds a moment. Two moments less than join nanoseconds apart fall into one span. Where more
// than limit spans would result, the two with the shortest pause between them become one: the long
// pauses, which a restart or a hang leaves, remain.
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
	switch { // list[i-1] begins at or before the moment, list[i] begins behind it
	case i > 0 && at.Time-list[i-1].to.Time <= join:
		if at.Time > list[i-1].to.Time {
			list[i-1].to = at
		}
	case i < n && list[i].from.Time-at.Time <= join:
		list[i].from = at
	default:
		list = slices.Insert(list, i, span{at, at})
	}
	if len(list) > limit {
		list = list.joinClosest()
	}
	*s = list
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
	return slices.Delete(s, closest, closest+1)
}

// lastBefore is the last known moment before t. Within a span the end that is known counts.
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

// firstAfter is the first known moment after t. Within a span the end that is known counts.
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

// covers reports whether the whole time between two moments lies in one period.
func (s spans) covers(from, to int64) bool {
	return slices.ContainsFunc(s, func(p span) bool { return p.from.Time <= from && p.to.Time >= to })
}

// within is a moment after from and not after to; ok is false where there is none.
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
