package history

import (
	"cmp"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
)

// Decide decides all suspects by what is known so far: the i-th Ruling is that of the i-th of Suspects.
func (b *Book) Decide() []Ruling {
	rulings := make([]Ruling, len(b.suspects))
	b.look()
	for i, k := range b.suspects {
		if v := b.viewOf(Endpoint{k.Exchange.Domain, k.Exchange.Broker}); v != nil {
			rulings[i] = v.judge(k)
			rulings[i].WithoutRange = !v.holds(&k.Exchange)
		}
	}
	return rulings
}

// look prepares the views of all addresses with suspects, unless nothing changed since they were made.
func (b *Book) look() {
	if b.views != nil && b.viewed == b.calls {
		return
	}
	b.views, b.viewed = map[Endpoint]*view{}, b.calls
	b.byAddress = map[Endpoint][]*stream{}
	for _, p := range b.streams.All() {
		s := *p
		b.byAddress[s.at] = append(b.byAddress[s.at], s)
	}
	for _, k := range b.suspects {
		b.begin(Endpoint{k.Exchange.Domain, k.Exchange.Broker}).add(k)
	}
	for _, v := range b.views {
		v.prepare()
	}
}

// begin finds or begins the view of an address.
func (b *Book) begin(at Endpoint) *view {
	v := b.views[at]
	if v == nil {
		v = &view{book: b, address: b.addresses[at], refusals: map[version][]*Suspect{}, streams: b.byAddress[at]}
		b.views[at] = v
	}
	return v
}

// viewOf is the view of an address that is known.
func (b *Book) viewOf(at Endpoint) *view {
	b.look()
	v := b.views[at]
	if v == nil {
		v = b.begin(at)
		v.prepare()
	}
	return v
}

// view is an address with its suspects, to be decided.
type view struct {
	book *Book
	*address
	// culprits are the first unserved requests of their connections, in the order of time.
	culprits []*Suspect
	// refusals are those of them by API and version.
	refusals map[version][]*Suspect
	// restarts are the moments at which a life ended and another one began.
	restarts []restart
	// exonerated are the moments of culprits whose version was answered in the same life, and that
	// nothing else explains.
	exonerated spans
	// isForeign: the address never answered what clients asked.
	isForeign bool
	// sessionsEnd: SASL sessions of which the broker did not state the end seem to have one.
	sessionsEnd bool
	// again are the results of refusedAgain.
	again map[againKey]bool
	// large are the results of onlyLarge, paused those of afterPauses, aged those of afterSessions.
	large, paused, aged map[version]bool
	// streams are the connections to the address, in no order.
	streams []*stream
}

// add takes a suspect in.
func (v *view) add(k *Suspect) {
	if k.Exchange.Outcome == decode.Error || !k.isCulprit() || !IsRefused(&k.Exchange) {
		return
	}
	v.culprits = append(v.culprits, k)
	key := version{k.Exchange.Key, k.Exchange.Version}
	v.refusals[key] = append(v.refusals[key], k)
}

// isCulprit reports whether no earlier request of the connection went unserved. A request that was
// passed over, while the connection went on, has no culprit but itself.
func (k *Suspect) isCulprit() bool {
	if k.Exchange.Outcome == decode.Unanswered {
		return true
	}
	offended := k.stream.offended
	return (k.stream.culprit == nil || k.stream.culprit == k) && (offended.Time == 0 || k.Exchange.Request.Before(offended))
}

// prepare finds what all suspects of the address share.
func (v *view) prepare() {
	slices.SortStableFunc(v.culprits, bySending)
	for _, list := range v.refusals {
		slices.SortStableFunc(list, bySending)
	}
	v.sessionsEnd = v.sessionsOver()
	v.restarts = v.findRestarts()
	for _, k := range v.culprits {
		if v.isExonerated(k) {
			v.exonerated.add(k.Exchange.Request, 0, maxSuspects)
		}
	}
	v.isForeign = v.neverAnswered()
}

// bySending orders suspects as they were sent.
func bySending(x, y *Suspect) int {
	return cmp.Or(
		cmp.Compare(x.Exchange.Request.Time, y.Exchange.Request.Time),
		cmp.Compare(x.Exchange.Request.Capture, y.Exchange.Request.Capture),
		cmp.Compare(x.Exchange.Request.Frame, y.Exchange.Request.Frame),
		cmp.Compare(x.Exchange.Stream, y.Exchange.Stream),
	)
}

// neverAnswered reports whether nothing that clients asked was ever answered, and the version is not known to
// be the reason: different requests were tried, or an old version of ApiVersions, which every broker answers
// (v0 to v2: since 0.10, 0.11 and 2.0), or the other side stays silent, or the port is none on which brokers
// usually listen. A proxy that closes on a version of ApiVersions that it does not know (Kroxylicious before
// pull request 1635) looks the same on the wire, so on the port of a broker the version stays suspect.
func (v *view) neverAnswered() bool {
	if len(v.alive)+len(v.adverts)+len(v.unserved) > 0 || v.tls || len(v.refusals) == 0 {
		return false
	}
	port := v.endpoint.Addr.Port()
	if len(v.refusals) > 1 || wellKnown[port] {
		return true
	}
	for key, list := range v.refusals {
		return key.key == keyApiVersions && (key.version < firstFlexible || !endedByBroker(&list[0].Exchange) || !decode.IsKafkaPort(port))
	}
	return false
}

// firstFlexible is the lowest version of ApiVersions that a broker before Kafka 2.4 does not know (KIP-511).
const firstFlexible = 3

// wellKnown are the ports of other services that Kafka clients are sent to by mistake: FTP, SSH, SMTP,
// HTTP and HTTPS (two each), ZooKeeper (three), MySQL, PostgreSQL, AMQP, Redis (IANA, Service Name and Transport
// Protocol Port Number Registry); Schema Registry, the REST proxy, Kafka Connect and JMX beside a broker (their
// documentation: listeners 8081 to 8083, JMX_PORT=9999).
var wellKnown = map[uint16]bool{
	21: true, 22: true, 25: true, 80: true, 8080: true, 443: true, 8443: true, 2181: true, 2888: true, 3888: true,
	3306: true, 5432: true, 5672: true, 6379: true, 8081: true, 8082: true, 8083: true, 9999: true,
}

// judge decides one suspect.
func (v *view) judge(k *Suspect) Ruling {
	x := &k.Exchange
	switch {
	case v.outside(k):
		return Ruling{Cause: Outside, Certain: true}
	case x.Outcome == decode.Error:
		return v.answeredWithError(k)
	case !IsRefused(x):
		return Ruling{}
	case !k.isCulprit():
		return Ruling{Cause: Behind}
	case v.foreign && len(v.alive) == 0:
		return Ruling{} // its connection says what is spoken there
	case v.isForeign:
		return Ruling{Cause: NotKafka}
	case IsProbe(x):
		return Ruling{Cause: Expected}
	case v.sessionOver(k):
		return Ruling{Cause: SessionOver, Certain: k.stream.lifetime > 0}
	case v.othersUseSASL(k):
		return Ruling{Cause: NoSASL, Certain: true}
	case v.tooLarge(k) && !v.gone(k):
		return Ruling{Cause: Cut, Certain: x.Partial}
	}
	return v.notServed(k)
}

// outside reports whether a request is outside of the borrowed range, and that range holds: the
// address advertised it in the same life, and answered nothing that it forbids.
func (v *view) outside(k *Suspect) bool {
	x := &k.Exchange
	return forbidden(x.Verdict) && v.holds(x)
}

// holds reports whether the borrowed table of x holds for it.
func (v *view) holds(x *decode.Exchange) bool {
	if x.Evidence != decode.Borrowed {
		return true
	}
	if v.isContradicted(x.Ranges) {
		return false
	}
	from, to := v.life(x.Request.Time)
	known := false
	for i := range v.adverts {
		a := &v.adverts[i]
		if !same(a.ranges, x.Ranges) {
			continue
		}
		known = true
		if a.from.Time < to && a.to.Time >= from {
			return true
		}
	}
	return !known // its advertisement was evicted
}

// answeredWithError decides a request that was answered with error 35.
func (v *view) answeredWithError(k *Suspect) Ruling {
	x := &k.Exchange
	// The capture ends before the client could go on.
	tooEarly := k.stream.ended.Time == 0 && v.book.now-x.Decided.Time < int64(Patience)
	switch {
	case x.Key == keyApiVersions && k.Instead.Time > 0:
		return Ruling{Cause: Downgraded, Certain: true}
	case x.Key == keyApiVersions:
		if tooEarly || k.stream.client.lowest < x.Version {
			return Ruling{}
		}
		return Ruling{Cause: Refused, Certain: true}
	case k.Instead.Time > 0:
		return Ruling{Cause: Fallback, Certain: true}
	case k.insteadUnseen, tooEarly && fallbacks[x.Key] != nil:
		return Ruling{Cause: Unexplained}
	}
	return Ruling{Cause: Unsupported, Certain: true}
}

// notServed decides a request that was closed, reset or ignored, the first of its connection, and has
// no cause of its own.
func (v *view) notServed(k *Suspect) Ruling {
	x := &k.Exchange
	if _, ok := v.answeredInLife(k); ok {
		r, _ := v.away(k, true)
		return r
	}
	if r, away := v.away(k, false); away {
		return r
	}
	r := Ruling{Certain: true}
	if earlier, ok := v.answeredBefore(k); ok {
		if !v.refusedAgain(k) {
			return Ruling{}
		}
		r.Earlier = earlier
	}
	switch {
	case v.afterPauses(k), v.afterSessions(k):
		return Ruling{}
	case x.Key == keySaslAuthenticate && endedByBroker(x) && v.inRange(x):
		r.Cause = Authentication
	case v.wantsSASL(k):
		r.Cause = NoSASL
	case v.open.Time == 0 && (k.stream.midstream || k.stream.missing > 0):
		return Ruling{} // the listener may want SASL, and whether the client began with it is unknown
	case v.inRange(x) && v.inAnswer(k) && (v.refusedAgain(k) && v.othersOpen(k) || v.isIgnored(k)):
		r.Cause = Dropped
	case !v.inRange(x) && v.inAnswer(k):
		r.Cause = Refused
	}
	return r
}

// othersOpen reports whether the address did not turn away whole connections: one on which the version
// was refused had been served before, or others were served between the refusals.
func (v *view) othersOpen(k *Suspect) bool {
	list := v.refusals[version{k.Exchange.Key, k.Exchange.Version}]
	return slices.ContainsFunc(list, func(o *Suspect) bool { return o.stream.answered.Time > 0 }) ||
		v.anyIn(v.opened, list[0].Exchange.Request.Time, list[len(list)-1].Exchange.Request.Time)
}

// isIgnored reports whether a client waited for an answer for longer than a broker takes, while the broker
// answered other requests, and no version of the API was ever answered.
func (v *view) isIgnored(k *Suspect) bool {
	x := &k.Exchange
	if x.Outcome != decode.Left || x.Took < Patience {
		return false
	}
	_, ok := v.alive.within(x.Request.Time, x.Decided.Time)
	return ok && !v.answersAPI(x.Key)
}

// answersAPI reports whether the address answered any version of an API.
func (v *view) answersAPI(key int16) bool {
	for answered := range v.answers {
		if answered.key == key {
			return true
		}
	}
	return false
}

// inRange reports whether a request is inside a range that holds for it.
func (v *view) inRange(x *decode.Exchange) bool {
	return x.Verdict == decode.OK && v.holds(x)
}

// inAnswer reports whether the broker's end, or silence, can be its answer to the request: it came at once,
// or comes again and again. What ends connections that are silent ends those that wait for other clients.
func (v *view) inAnswer(k *Suspect) bool {
	x := &k.Exchange
	switch {
	case endedByBroker(x) && int64(x.Took) > prompt && slices.Contains(rebalancing[:], x.Key):
		return false
	case endedByBroker(x) && int64(x.Took) > prompt, x.Outcome == decode.Left && x.Took < Patience:
		return v.refusedAgain(k)
	}
	return true
}

// againKey is a version in a life that begins at from.
type againKey struct {
	version
	from int64
}

// refusedAgain reports whether the version was refused on at least two connections that did not end
// together, in one life, while the address answered other requests in between or afterwards.
func (v *view) refusedAgain(k *Suspect) bool {
	from, to := v.life(k.Exchange.Request.Time)
	key := againKey{version{k.Exchange.Key, k.Exchange.Version}, from}
	return memo(&v.again, key, func() bool {
		var first int64
		n := moments{}
		for _, o := range v.refusals[key.version] {
			t := o.Exchange.Decided.Time
			if o.Exchange.Request.Time < from || o.Exchange.Request.Time >= to {
				continue
			}
			if n.count == 0 {
				first = t
			}
			n.add(t)
		}
		return n.count > 1 && v.anyIn(v.alive, first, to)
	})
}

// answeredInLife is an answer to the same version in the same life.
func (v *view) answeredInLife(k *Suspect) (capture.Position, bool) {
	list := v.answers[version{k.Exchange.Key, k.Exchange.Version}]
	if list == nil {
		return capture.Position{}, false
	}
	from, to := v.life(k.Exchange.Request.Time)
	at, ok := list.within(from-1, to-1)
	return at, ok && at.Time < to
}

// answeredBefore is the last answer to the same version in an earlier life.
func (v *view) answeredBefore(k *Suspect) (capture.Position, bool) {
	list := v.answers[version{k.Exchange.Key, k.Exchange.Version}]
	if list == nil {
		return capture.Position{}, false
	}
	from, _ := v.life(k.Exchange.Request.Time)
	return list.lastBefore(from)
}

// isExonerated reports whether a culprit's version was answered in its life, and nothing of its own
// explains that it was refused.
func (v *view) isExonerated(k *Suspect) bool {
	_, ok := v.answeredInLife(k)
	return ok && !v.hasOwnCause(k)
}

// bySent compares a suspect with the moment at which a request was sent.
func bySent(k *Suspect, t int64) int { return cmp.Compare(k.Exchange.Request.Time, t) }

// anyIn reports whether anything of a list happened between two moments.
func (v *view) anyIn(s spans, from, to int64) bool {
	at, ok := s.within(from, to-1)
	return ok && at.Time > from && at.Time < to
}

// aliveInLife reports whether the address answered anything in the life that a moment lies in.
func (v *view) aliveInLife(t int64) bool {
	from, to := v.life(t)
	at, ok := v.alive.within(from, to-1)
	return ok && at.Time < to
}
