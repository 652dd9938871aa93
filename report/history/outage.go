package history

import (
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// hasOutageSigns reports whether there are signs of a restart, or unserved connections, around k.
func (v *view) hasOutageSigns(k *Suspect) bool {
	o := v.outageOf(k)
	return o.isRestart || v.unserved.during(o.before.Time, o.after.Time)
}

// outage is the period around a suspect in which the address answered nothing, or restarted.
type outage struct {
	// before and after are the answers around it, or times 0 and after the end of the input.
	before, after    capture.Position
	wasAlive, isBack bool
	isRestart        bool
	restart          restart
}

// outageOf returns the outage around a suspect.
func (v *view) outageOf(k *Suspect) (o outage) {
	sent, over := k.Exchange.Request.Time, k.Exchange.Decided.Time
	o.before, o.wasAlive = v.alive.lastBefore(sent + 1)
	o.after, o.isBack = v.alive.firstAfter(over)
	if !o.isBack {
		o.after.Time = v.book.now + 1
	}
	o.restart, o.isRestart = v.restartAround(sent, over)
	return o
}

// away decides whether the address was away for a suspect. isKnown: it answers the version.
func (v *view) away(k *Suspect, isKnown bool) (Ruling, bool) {
	x := &k.Exchange
	if x.Outcome == decode.Unanswered {
		return Ruling{}, false // the connection continued
	}
	sent, isSure := x.Request.Time, true
	o := v.outageOf(k)
	turned, sure := v.turnsAway(k)
	switch {
	case !isKnown && o.isRestart && v.refusedSince(k, &o) && !v.answersHigher(k):
		return Ruling{}, false
	case o.isRestart, v.unserved.during(o.before.Time, o.after.Time):
		isSure = !v.refusedAlone(k) || v.aliveInLife(sent)
	case turned, v.isTurnedAway(k), v.answersHigher(k):
		isSure = turned && sure || v.isTurnedAway(k) || v.answersHigher(k)
		o.before, _ = v.opened.lastBefore(sent + 1)
		o.after, o.isBack = v.opened.firstAfter(sent)
	case v.exonerated.anyIn(o.before.Time, o.after.Time) && (!isKnown || v.others(o.before.Time, o.after.Time, k)):
	case x.Outcome == decode.Left:
		_, alive := v.alive.within(sent, x.Decided.Time)
		switch {
		case alive, !isKnown && v.refusedAgain(k):
			return Ruling{}, false
		case !isKnown && o.isBack && x.Key == keyApiVersions && v.answersAPI(x.Key):
			isSure = false // it may have hung, or may ignore the version
		case !isKnown && !o.wasAlive:
			return Ruling{}, false
		case !isKnown && o.isBack:
			return Ruling{}, true // it may have hung, or may not support the version: nobody is blamed
		}
	case isKnown && x.Key == keyApiVersions && !v.servesSome(k):
	case isKnown || !o.wasAlive || v.refusedAgain(k) || x.Key != keyApiVersions && !v.inRange(x) && v.refusedAlone(k):
		return Ruling{}, false
	case !o.isBack && !v.openConnection(k), !v.aliveInLife(sent):
		if !v.others(o.before.Time, o.after.Time, k) {
			return Ruling{}, true // too little was captured to blame anybody
		}
		isSure = x.Key == keyApiVersions || v.inRange(x)
	default:
		return Ruling{}, false
	}
	r := Ruling{Cause: Away, From: v.outageFrom(&o, x.Request), Last: x.Decided, Idle: k.pause() >= dropsIdle, Certain: isSure}
	if last, ok := v.unserved.lastBefore(o.after.Time); ok && last.Time > r.Last.Time {
		r.Last = last
	}
	if o.isBack {
		r.To = o.after
	}
	return r, true
}

// refusedSince reports whether the process that began in a restart refuses the version of k. It
// answers other requests, and ends each connection on this one.
func (v *view) refusedSince(k *Suspect, o *outage) bool {
	return k.stream.first.Time > o.restart.to.Time && !v.unserved.during(o.restart.to.Time, o.after.Time) && v.refusedAgain(k)
}

// refusedAlone reports whether the broker refused only the version of k in its life, again and
// again. It read each request and closed the connection. A proxy without a backend does the same.
func (v *view) refusedAlone(k *Suspect) bool {
	from, _ := v.life(k.Exchange.Request.Time)
	n := moments{}
	for _, o := range v.inLife(v.culprits, from) {
		x := &o.Exchange
		if o.stream.first.Time <= from {
			continue // its connection began before
		}
		if x.Key != k.Exchange.Key || x.Version != k.Exchange.Version || x.Outcome != decode.ClosedByBroker || int64(x.Took) > prompt {
			return false
		}
		n.add(x.Decided.Time)
	}
	return n.count >= againAndAgain
}

// isTurnedAway reports whether the address turned away all new connections at the time of a
// suspect, while it served older ones. The suspect was the first request of its connection. Until
// the address served a new connection again, it also did not serve others, with a version that it
// answers or with another request.
func (v *view) isTurnedAway(k *Suspect) bool {
	if k.stream.answered.Time > 0 {
		return false
	}
	before, _ := v.opened.lastBefore(k.Exchange.Request.Time + 1)
	after, isBack := v.opened.firstAfter(k.Exchange.Request.Time)
	if !isBack {
		after.Time = v.book.now + 1
	}
	if v.unserved.during(before.Time, after.Time) {
		return true
	}
	served := memo(&v.served, before.Time, func() int64 { return v.servedUntil(before.Time) })
	key := period{k.version(), before.Time, after.Time, served > k.Exchange.Request.Time}
	others := memo(&v.turned, key, func() [2]*stream { return v.turnedAwayIn(key) })
	return others[0] != nil && others[0] != k.stream || others[1] != nil
}

// period is a period in which the first requests of new connections were refused. lived: an older
// connection was served meanwhile.
type period struct {
	version
	from, to int64
	lived    bool
}

// turnedAwayIn returns two connections that were turned away in a period. Their version is
// answered, or an older connection was served, and they began as clients do that negotiate. Clients
// that do not negotiate may use several versions that the broker does not support. So may those
// whose ApiVersions is above what the address advertises.
func (v *view) turnedAwayIn(p period) (found [2]*stream) {
	from, _ := slices.BinarySearchFunc(v.culprits, p.from+1, bySent)
	for _, o := range v.culprits[from:] {
		x := &o.Exchange
		switch {
		case x.Request.Time >= p.to:
			return found
		case o.stream.answered.Time > 0 || o.stream == found[0]:
		case !o.isExonerated && (!p.lived || !IsPreface(x.Key) || version{x.Key, x.Version} == p.version || v.isAboveMax(x)):
		case found[0] == nil:
			found[0] = o.stream
		default:
			found[1] = o.stream
			return found
		}
	}
	return found
}

// answersHigher reports whether an ApiVersions request was the first of its connection, and the
// address answered a higher version of it in the same life. A broker that supports the higher
// version also supports the lower one, so the connection was turned away. If no ApiVersions
// response was captured, a flexible version of another API (KIP-482) shows the same for v3: both
// came with Kafka 2.4, and clients choose it from the response to v3.
func (v *view) answersHigher(k *Suspect) bool {
	x := &k.Exchange
	if x.Key != keyApiVersions || k.stream.answered.Time > 0 || v.isBelowMin(x) {
		return false
	}
	from, to := v.life(x.Request.Time)
	var asked, flexible bool
	for answered, list := range v.answers {
		if !list.during(from-1, to) {
			continue
		}
		switch {
		case answered.key != keyApiVersions:
			flexible = flexible || decode.IsFlexible(answered.key, answered.version)
		case answered.version > x.Version:
			return true
		default:
			asked = true
		}
	}
	return flexible && !asked && x.Version <= firstFlexible
}

// isBelowMin reports whether an ApiVersions request is below the range of ApiVersions that the
// address advertised in the same life. Amazon MSK Serverless advertises v2 to v3.
func (v *view) isBelowMin(x *decode.Exchange) bool {
	return v.advertises(x, func(r decode.Range) bool { return x.Version < r.Min })
}

// isAboveMax reports whether it is above that range. Proxies close on such a request.
func (v *view) isAboveMax(x *decode.Exchange) bool {
	return v.advertises(x, func(r decode.Range) bool { return x.Version > r.Max })
}

// advertises reports whether x is an ApiVersions request, and the address advertised a range of
// ApiVersions like that in the same life.
func (v *view) advertises(x *decode.Exchange, like func(decode.Range) bool) bool {
	from, to := v.life(x.Request.Time)
	return x.Key == keyApiVersions && slices.ContainsFunc(v.adverts, func(a advert) bool {
		r, ok := a.ranges.Find(keyApiVersions)
		return ok && like(r) && isIn(from, to)(a)
	})
}

// servesSome reports whether the address refused a version again and again at the beginning of
// connections, although clients begin with it, and answers it on others. A proxy did not reach a
// broker for each of them.
func (v *view) servesSome(k *Suspect) bool {
	return IsPreface(k.Exchange.Key) && !k.Exchange.Verdict.IsOutside() && k.stream.worked.Time == 0 && isAgain(v.refusedLike(k))
}

// unserves returns the ruling about the refusals of a version of which the address serves others.
func (v *view) unserves(k *Suspect) Ruling {
	list := v.refusedLike(k)
	r := Ruling{Cause: Away, From: list[0].Exchange.Request, Last: list[len(list)-1].Exchange.Decided, Certain: true}
	r.To, _ = v.alive.firstAfter(r.Last.Time)
	return r
}

func (v *view) others(from, to int64, k *Suspect) bool {
	return slices.ContainsFunc(v.culprits, func(o *Suspect) bool {
		return o.stream != k.stream && o.Exchange.Request.Time > from && o.Exchange.Request.Time < to
	})
}

// openConnection reports whether another connection that was served before a suspect's request
// stayed open after it. The broker's process did not end then.
func (v *view) openConnection(k *Suspect) bool {
	t := k.Exchange.Request.Time
	return slices.ContainsFunc(v.streams, func(s *stream) bool {
		return s != k.stream && s.answered.Time > 0 && s.answered.Time <= t &&
			(s.ended.Time == 0 || s.ended.Time > t && s.endedBy == reassembly.ToBroker)
	})
}

// outageFrom returns the restart, or the first culprit after the last answer. A host without power
// ends its connections only when it is back: then a request waited long before.
func (v *view) outageFrom(o *outage, request capture.Position) capture.Position {
	if o.isRestart && o.restart.from.Time-request.Time < int64(Patience) {
		return o.restart.from
	}
	i, _ := slices.BinarySearchFunc(v.culprits, o.before.Time+1, bySent)
	if i < len(v.culprits) && v.culprits[i].Exchange.Request.Time < request.Time {
		return v.culprits[i].Exchange.Request
	}
	return request
}
