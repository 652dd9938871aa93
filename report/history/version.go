package history

import (
	"cmp"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

// fact is what the function with that name says of a version: in the life that begins at from, and
// for one client. The zero values are all lives and all clients.
type fact struct {
	name string
	version
	from   int64
	client *client
}

// refusedAgain reports whether the version was refused on at least two connections in one life, and
// the address answered other requests in between or afterwards. The connections did not end
// together, unless each was opened after the end of the previous one and a third one lived on.
func (v *view) refusedAgain(k *Suspect) bool {
	from, to := v.life(k.Exchange.Request.Time)
	return memo(&v.facts, fact{"refusedAgain", k.version(), from, nil}, func() bool {
		var first, over, served int64
		n := moments{}
		for _, o := range v.refusedLike(k) {
			t := o.Exchange.Decided.Time
			switch {
			case n.count == 0:
				first, served = t, v.servedUntil(o.Exchange.Request.Time)
			case o.stream.first.Time > over && t < served:
				n.count++
			}
			n.add(t)
			over = t
		}
		return n.count > 1 && v.alive.anyIn(first, to)
	})
}

// answeredInLife reports whether the same version was answered in the same life.
func (v *view) answeredInLife(k *Suspect) bool {
	list := v.answers[k.version()]
	from, to := v.life(k.Exchange.Request.Time)
	return list != nil && list.during(from-1, to)
}

// AnsweredInLife reports the same for the address of k.
func (b *Book) AnsweredInLife(k *Suspect) bool {
	v := b.view(k.Exchange.Endpoint())
	return v != nil && v.answeredInLife(k)
}

// answeredBefore returns the last answer to the same version in an earlier life.
func (v *view) answeredBefore(k *Suspect) (capture.Position, bool) {
	list := v.answers[k.version()]
	if list == nil {
		return capture.Position{}, false
	}
	from, _ := v.life(k.Exchange.Request.Time)
	return list.lastBefore(from)
}

// isExonerated reports whether a culprit's version was answered in its life, and nothing of its
// own explains the refusal.
func (v *view) isExonerated(k *Suspect) bool {
	return v.answeredInLife(k) && !v.hasOwnCause(k) && !v.onlyTo(k) && !v.isMixed(k)
}

// bySent compares the time of a suspect's request with t.
func bySent(k *Suspect, t int64) int { return cmp.Compare(k.Exchange.Request.Time, t) }

// inLife returns the part of a list ordered by bySending that was sent in the life at time t.
func (v *view) inLife(list []*Suspect, t int64) []*Suspect {
	from, to := v.life(t)
	first, _ := slices.BinarySearchFunc(list, from, bySent)
	end, _ := slices.BinarySearchFunc(list, to, bySent)
	return list[first:end]
}

// aliveInLife reports whether the address answered anything in the life at time t.
func (v *view) aliveInLife(t int64) bool { return v.alive.anyIn(v.life(t)) }
