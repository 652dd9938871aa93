package history

import (
	"cmp"
	"math"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
)

// restart is the end of a life, from its first sign to the last one that belongs to it.
type restart struct{ from, to capture.Position }

// findRestarts finds the restarts of the address. First it finds those with other signs than
// connections that ended together: what was answered before them excuses no end after them.
func (v *view) findRestarts() {
	var signs []restart
	for _, s := range v.refused {
		if v.livedOn(s.from.Time, s.to.Time) {
			continue // what listens refused single connections
		}
		signs = append(signs, restart{s.from, s.from}, restart{s.to, s.to})
	}
	for _, t := range append(v.changed(), v.stopped()...) {
		signs = append(signs, restart{capture.Position{Time: t}, capture.Position{Time: t}})
	}
	v.restarts = v.join(slices.Clone(signs))
	v.restarts = v.join(append(signs, v.endedTogether()...))
	clear(v.facts) // the lives are different now
}

// join returns the restarts by their signs, ordered by time. Two signs are one restart if the time
// between them is at most together, or has no answer.
func (v *view) join(signs []restart) []restart {
	slices.SortStableFunc(signs, func(x, y restart) int { return cmp.Compare(x.from.Time, y.from.Time) })
	restarts := signs[:0]
	for _, r := range signs {
		if n := len(restarts); n > 0 {
			last := &restarts[n-1]
			if _, answered := v.alive.within(last.to.Time+together, r.from.Time); !answered || r.from.Time <= last.to.Time+together {
				if r.to.Time > last.to.Time {
					last.to = r.to
				}
				continue
			}
		}
		restarts = append(restarts, r)
	}
	return restarts
}

// endedTogether returns the times at which the broker ended several connections within
// milliseconds. At least one of them gave no reason: no request was open on it, or only one in a
// version that the address answers. Idle connections do not count: they may have reached the same
// limit.
func (v *view) endedTogether() []restart {
	ends := slices.Clone(v.ends)
	slices.SortStableFunc(ends, func(x, y brokerEnd) int { return cmp.Compare(x.at.Time, y.at.Time) })
	var signs []restart
	for i := 0; i < len(ends); {
		j, innocent := i+1, 0
		for j < len(ends) && ends[j].at.Time-ends[i].at.Time <= together {
			j++
		}
		for _, e := range ends[i:j] {
			if !e.idle && v.isInnocent(&e) {
				innocent++
			}
		}
		if j-i > 1 && innocent > 0 {
			signs = append(signs, restart{ends[i].at, ends[j-1].at})
		}
		i = j
	}
	return signs
}

// isInnocent reports whether no request of the client explains why the broker ended a connection.
func (v *view) isInnocent(e *brokerEnd) bool {
	k := e.stream.culprit
	if k == nil {
		return !e.outstanding
	}
	return hasWaited(&k.Exchange) || v.isExonerated(k) && !k.Exchange.Verdict.IsOutside()
}

// changed returns the times at which the address began to advertise another table. If an earlier
// table returns, there are several brokers behind the address, and none of them began a new life.
func (v *view) changed() []int64 {
	if v.comesBack() > 0 {
		return nil
	}
	var signs []int64
	for i := 1; i < len(v.adverts); i++ {
		signs = append(signs, v.pauseBefore(v.adverts[i-1].to.Time, v.adverts[i].from.Time))
	}
	return signs
}

// comesBack returns the index of the first table that returns after another one, 0 for none. If the
// address served no connection in between, a broker may have gone back to its earlier release.
func (a *address) comesBack() int {
	for i := 2; i < len(a.adverts); i++ {
		if a.unserved.during(a.adverts[i-1].to.Time, a.adverts[i].from.Time) {
			continue
		}
		for _, earlier := range a.adverts[:i-1] {
			if same(earlier.ranges, a.adverts[i].ranges) {
				return i
			}
		}
	}
	return 0
}

// Restarted reports whether a broker restarted at each change of its table. Between two tables it
// ended connections or did not serve them, and no connection from before was served afterwards.
func (b *Book) Restarted(at decode.Endpoint) bool {
	v := b.view(at)
	if v == nil || len(v.adverts) < 2 || v.comesBack() > 0 {
		return false
	}
	for i := 1; i < len(v.adverts); i++ {
		from, to := v.adverts[i-1].to.Time, v.adverts[i].from.Time
		ended := slices.ContainsFunc(v.ends, func(e brokerEnd) bool { return e.at.Time > from && e.at.Time < to })
		if v.livedOn(from, to) || !ended && !v.unserved.during(from, to) {
			return false
		}
	}
	return true
}

// RestartedAt reports whether a broker was restarting at a time, in nanoseconds.
func (b *Book) RestartedAt(at decode.Endpoint, moment int64) bool {
	v := b.view(at)
	if v == nil {
		return false
	}
	_, ok := v.restartAround(moment, moment)
	return ok
}

// pauseBefore returns the beginning of the longest pause without an answer between two times.
func (v *view) pauseBefore(from, to int64) int64 {
	best, at := int64(-1), to-1
	last := from
	for i := range v.alive {
		s := &v.alive[i]
		if s.to.Time <= from {
			continue
		}
		next := min(s.from.Time, to)
		if next-last > best {
			best, at = next-last, last+1
		}
		if s.from.Time >= to {
			break
		}
		last = max(last, min(s.to.Time, to))
	}
	return at
}

// life returns the life at time t: from its beginning up to the next restart.
func (v *view) life(t int64) (from, to int64) {
	from, to = math.MinInt64+1, math.MaxInt64
	for _, r := range v.restarts {
		if r.from.Time > t {
			return from, r.from.Time
		}
		from = r.from.Time
	}
	return from, to
}

// restartAround returns the restart of the address while a request waited or just after that.
// Otherwise it returns the restart before the request, if the address has not answered anything
// since.
func (v *view) restartAround(sent, over int64) (restart, bool) {
	for _, r := range v.restarts {
		switch {
		case r.from.Time > over+together:
			return restart{}, false
		case r.to.Time >= sent-together:
			return r, true
		default:
			if _, ok := v.alive.within(r.to.Time+together, sent); !ok {
				return r, true
			}
		}
	}
	return restart{}, false
}

// stopped returns the times since which the address repeatedly refuses a version that it had
// answered, and answers others. Another release has replaced it, even if nothing else shows the
// change. An address that meanwhile ends connections without reading a request turns them away.
func (v *view) stopped() []int64 {
	var signs []int64
	for key, refusals := range v.refusals {
		list := v.answers[key]
		if list == nil || len(*list) == 0 {
			continue
		}
		last := (*list)[len(*list)-1].to.Time
		var first, latest int64
		n := moments{}
		for _, k := range refusals {
			if k.Exchange.Request.Time <= last || v.hasOwnCause(k) {
				continue
			}
			if n.count == 0 {
				first = k.Exchange.Request.Time
			}
			latest = k.Exchange.Decided.Time
			n.add(latest)
		}
		isServing := v.alive.during(first, latest)
		turnsAway := v.unserved.during(first, latest)
		if n.count >= againAndAgain && isServing && !turnsAway && !v.livedOn(last, first) {
			signs = append(signs, v.pauseBefore(last, first))
		}
	}
	return signs
}

// livedOn reports whether a connection that had begun before one time was served after the other.
// The broker's process did not end between them.
func (v *view) livedOn(before, after int64) bool { return v.servedUntil(before) > after }

// servedUntil returns the time of the latest answer on a connection that had begun before a time,
// or before the capture.
func (v *view) servedUntil(before int64) (latest int64) {
	for _, s := range v.streams {
		if s.first.Time > 0 && (s.midstream || s.first.Time <= before) {
			latest = max(latest, s.answered.Time)
		}
	}
	return latest
}

// againAndAgain is how often an answered version must be refused to show another release.
const againAndAgain = 3

// moments counts times in ascending order. Times within together count once.
type moments struct {
	count int
	first int64 // the beginning of the latest group that counts once
}

func (m *moments) add(t int64) {
	if m.count == 0 || t-m.first > together {
		m.count++
		m.first = t
	}
}
