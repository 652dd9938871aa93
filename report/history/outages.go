package history

import (
	"cmp"
	"math"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
)

// Outage is a period in which an address did not serve connections.
type Outage struct {
	At decode.Endpoint
	// From, Last and To are those of the Rulings about its requests. To may be a request whose version
	// the address refused.
	From, Last, To capture.Position
	// Unserved counts the connections that the address refused, or ended before a request arrived.
	// Missed are the first of them.
	Unserved uint64
	Missed   []Missed
	// Others: the address served others meanwhile, and was not restarted. Never: it never answered anything.
	Others, Never bool
	rulings       []*Ruling
	// since is when the first connection was not served, in nanoseconds: From, or the end that the
	// broker made.
	since int64
}

// Missed is a connection that was refused, or ended before a request arrived.
type Missed struct {
	At     capture.Position
	Stream uint32
	Client netip.AddrPort
}

// end returns the time at which o is over; the latest possible time if the address did not return.
func (o *Outage) end() int64 {
	if o.To.Time == 0 {
		return math.MaxInt64
	}
	return max(o.To.Time, o.Last.Time)
}

// outages returns the outages of all Kafka addresses after Decide has judged all suspects.
func (b *Book) outages() (all []Outage) {
	for at, a := range b.addresses {
		v := b.views[at]
		switch {
		case v == nil && len(a.unserved) == 0 || !a.isKafka():
			continue
		case v == nil:
			v = &view{book: b, address: a}
			v.joinOutages()
		}
		all = append(all, v.outages...)
	}
	slices.SortFunc(all, func(x, y Outage) int {
		return cmp.Or(x.From.Compare(y.From), x.At.Addr.Compare(y.At.Addr), cmp.Compare(x.At.Domain, y.At.Domain))
	})
	return all
}

func (v *view) addOutage(x *decode.Exchange, r *Ruling) {
	o := Outage{From: r.From, Last: r.Last, To: r.To, rulings: []*Ruling{r}, since: r.From.Time}
	if endedByBroker(x) {
		o.since = x.Decided.Time
	}
	v.outages = append(v.outages, o)
}

// joinOutages joins the outages that overlap, and those of connections without a request. Such
// connections alone count if there are several.
func (v *view) joinOutages() {
	for i := range v.unserved {
		s := &v.unserved[i]
		o := Outage{From: s.from, Last: s.to, Unserved: s.n, since: s.from.Time}
		o.To, _ = v.opened.firstAfter(s.to.Time)
		v.outages = append(v.outages, o)
	}
	slices.SortStableFunc(v.outages, func(x, y Outage) int { return cmp.Compare(x.From.Time, y.From.Time) })
	joined := v.outages[:0]
	for _, o := range v.outages {
		if n := len(joined); n > 0 && o.From.Time < joined[n-1].end() {
			joined[n-1].join(&o)
			continue
		}
		joined = append(joined, o)
	}
	v.outages = slices.DeleteFunc(joined, func(o Outage) bool { return len(o.rulings) == 0 && o.Unserved < againAndAgain })
	for i := range v.outages {
		o := &v.outages[i]
		o.At, o.Never = v.endpoint, len(v.alive)+len(v.adverts) == 0
		o.Others = v.alive.during(o.since, o.Last.Time) &&
			!slices.ContainsFunc(v.restarts, func(r restart) bool { return r.to.Time >= o.From.Time && r.from.Time <= o.Last.Time })
		for _, at := range v.judging {
			if at.Time > o.Last.Time && (o.To.Time == 0 || at.Time < o.To.Time) {
				o.To = at
			}
		}
		for _, m := range v.missed {
			if m.At.Time >= o.From.Time && m.At.Time <= o.Last.Time {
				o.Missed = append(o.Missed, m)
			}
		}
		for _, r := range o.rulings {
			r.From, r.Last, r.To, r.Others = o.From, o.Last, o.To, o.Others
		}
	}
}

// join adds an outage that began later.
func (o *Outage) join(later *Outage) {
	if later.Last.Time > o.Last.Time {
		o.Last = later.Last
	}
	if later.end() > o.end() {
		o.To = later.To
	}
	o.since = min(o.since, later.since)
	o.Unserved += later.Unserved
	o.rulings = append(o.rulings, later.rulings...)
}
