package history

import (
	"cmp"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// Decisions are what the input so far shows.
type Decisions struct {
	// Rulings has one for each of Book.Suspects, in their order.
	Rulings []Ruling
	// Outages are those of all Kafka addresses, by their beginnings.
	Outages []Outage
}

// Decide decides all suspects by the input so far.
func (b *Book) Decide() Decisions {
	rulings := make([]Ruling, len(b.suspects))
	b.refresh()
	for _, v := range b.views {
		v.outages, v.judging = nil, nil
	}
	for i, k := range b.suspects {
		if v := b.view(k.Exchange.Endpoint()); v != nil {
			rulings[i] = v.judge(k)
			rulings[i].WithoutRange = !v.holds(&k.Exchange)
			switch rulings[i].Cause {
			case Away:
				v.addOutage(&k.Exchange, &rulings[i])
			case Outside, Refused:
				v.judging = append(v.judging, k.Exchange.Request)
			}
		}
	}
	for _, v := range b.views {
		v.joinOutages()
	}
	return Decisions{rulings, b.outages()}
}

// refresh makes the views of all addresses with suspects, unless nothing changed since then.
func (b *Book) refresh() {
	if b.views != nil && b.viewed == b.calls {
		return
	}
	b.views, b.viewed = map[decode.Endpoint]*view{}, b.calls
	b.byAddress = map[decode.Endpoint][]*stream{}
	for _, s := range b.streams {
		b.byAddress[s.at] = append(b.byAddress[s.at], s)
	}
	for _, k := range b.suspects {
		b.begin(k.Exchange.Endpoint()).add(k)
	}
	for _, v := range b.views {
		v.prepare()
	}
}

// begin returns the view of an address. It creates it if necessary.
func (b *Book) begin(at decode.Endpoint) *view {
	v := b.views[at]
	if v == nil {
		v = &view{book: b, address: b.addresses[at], refusals: map[version][]*Suspect{}, streams: b.byAddress[at]}
		b.views[at] = v
	}
	return v
}

// view returns the view of an address; nil if it is unknown.
func (b *Book) view(at decode.Endpoint) *view {
	if b.addresses[at] == nil {
		return nil
	}
	b.refresh()
	v := b.views[at]
	if v == nil {
		v = b.begin(at)
		v.prepare()
	}
	return v
}

// view is an address with its suspects, for a decision.
type view struct {
	book *Book
	*address
	// culprits are the first unserved requests of their connections, ordered by time.
	culprits []*Suspect
	// refusals are the culprits by API and version.
	refusals map[version][]*Suspect
	// restarts are the times at which a life ended and another one began.
	restarts []restart
	// exonerated are the times of culprits whose version was answered in the same life, and that
	// have no other explanation.
	exonerated spans
	// isForeign: the address never answered a request of a client.
	isForeign bool
	// sessionsEnd: SASL sessions without a stated lifetime seem to expire.
	sessionsEnd bool
	// facts caches facts about versions, served caches servedUntil, turned caches turnedAwayIn, and
	// own caches isOwn.
	facts  map[fact]bool
	served map[int64]int64
	turned map[period][2]*stream
	own    map[tableAPI]bool
	// outages are the periods in which the address served nobody, or no new connection.
	outages []Outage
	// judging are the requests whose version it refused. It was there then.
	judging []capture.Position
	// streams are the connections to the address, in no order.
	streams []*stream
}

func (v *view) add(k *Suspect) {
	if k.Exchange.Outcome == decode.Error || !k.isCulprit() || !IsRefused(&k.Exchange) {
		return
	}
	v.culprits = append(v.culprits, k)
	key := k.version()
	v.refusals[key] = append(v.refusals[key], k)
}

// isCulprit reports whether no earlier request of the connection was unserved, and none is known to
// be refused. A request that was ignored while the connection continued is always a culprit.
func (k *Suspect) isCulprit() bool {
	if k.Exchange.Outcome == decode.Unanswered {
		return true
	}
	return (k.stream.culprit == nil || k.stream.culprit == k) && !k.stream.offended
}

// prepare computes the facts that all suspects of the address share.
func (v *view) prepare() {
	slices.SortStableFunc(v.culprits, bySending)
	for _, list := range v.refusals {
		slices.SortStableFunc(list, bySending)
	}
	v.sessionsEnd = v.sessionsOver()
	v.findRestarts()
	for _, k := range v.culprits {
		if k.isExonerated = v.isExonerated(k); k.isExonerated {
			v.exonerated.add(k.Exchange.Request, 0, maxSuspects)
		}
	}
	v.isForeign = v.neverAnswered()
}

func bySending(x, y *Suspect) int {
	return cmp.Or(
		cmp.Compare(x.Exchange.Request.Time, y.Exchange.Request.Time),
		cmp.Compare(x.Exchange.Request.Capture, y.Exchange.Request.Capture),
		cmp.Compare(x.Exchange.Request.Frame, y.Exchange.Request.Frame),
		cmp.Compare(x.Exchange.Stream, y.Exchange.Stream),
	)
}

// neverAnswered reports whether no request of a client was ever answered, on a connection that
// began in the capture, and the version is not the likely reason. Then different requests were
// sent, or the port is that of another service. Or the only request was ApiVersions, in a version
// that every broker answers (v0 to v2: since 0.10, 0.11 and 2.0), or the other side stayed silent,
// or brokers do not usually listen on the port. A proxy that closes on an unknown version of
// ApiVersions (Kroxylicious before pull request 1635) looks the same on the wire. So on the port of
// a broker the version stays suspect.
func (v *view) neverAnswered() bool {
	began := slices.ContainsFunc(v.culprits, func(k *Suspect) bool { return !k.stream.midstream })
	if len(v.alive)+len(v.adverts)+len(v.unserved) > 0 || v.tls.Time > 0 || !began {
		return false
	}
	port := v.endpoint.Addr.Port()
	if len(v.refusals) > 1 || IsOtherService(port) {
		return true
	}
	for key, list := range v.refusals {
		return key.key == keyApiVersions && (key.version < firstFlexible || !endedByBroker(&list[0].Exchange) || !decode.IsKafkaPort(port))
	}
	return false
}

// firstFlexible is the lowest ApiVersions version that brokers before 2.4 do not support
// (KIP-511).
const firstFlexible = 3

// wellKnown are the ports of other services to which Kafka clients are sent by mistake: FTP, SSH,
// SMTP, HTTP and HTTPS (two each), ZooKeeper (three), MySQL, PostgreSQL, AMQP, Redis (IANA,
// Service Name and Transport Protocol Port Number Registry); Schema Registry, the REST proxy,
// Kafka Connect and JMX beside a broker (their documentation: listeners 8081 to 8083,
// JMX_PORT=9999).
var wellKnown = map[uint16]bool{
	21: true, 22: true, 25: true, 80: true, 8080: true, 443: true, 8443: true, 2181: true, 2888: true, 3888: true,
	3306: true, 5432: true, 5672: true, 6379: true, 8081: true, 8082: true, 8083: true, 9999: true,
}

// wantsTLS reports whether the address ended a connection in clear text, and uses TLS with others.
// It never answered clear text, or only before it used TLS.
func (v *view) wantsTLS(k *Suspect) bool {
	return v.tls.Time > v.clear.Time && k.stream.first.Time > v.clear.Time && endedByBroker(&k.Exchange) && k.stream.inClear
}

// WantsTLS reports whether an address ended the connection of k because it uses TLS.
func (b *Book) WantsTLS(k *Suspect) bool {
	v := b.view(k.Exchange.Endpoint())
	return v != nil && v.wantsTLS(k)
}

// IsOtherService reports whether a port is that of another service than a broker.
func IsOtherService(port uint16) bool { return wellKnown[port] }

func (v *view) judge(k *Suspect) Ruling {
	x := &k.Exchange
	switch {
	case v.outside(k):
		return Ruling{Cause: Outside, Certain: true}
	case x.Outcome == decode.Error:
		return v.answeredWithError(k)
	case !IsRefused(x):
		return Ruling{}
	case v.isExpected(k):
		return Ruling{Cause: Expected}
	case !k.isCulprit():
		return Ruling{Cause: Behind}
	case k.stream.foreign, v.foreign && len(v.alive) == 0:
		return Ruling{Cause: Foreign}
	case len(v.culprits) == 1 && endedByBroker(x) && v.isEarlyProbe(k):
		return Ruling{}
	case v.isForeign, k.stream.preface != reassembly.NoPreface && !v.unwraps && !v.hasOutageSigns(k):
		return Ruling{Cause: NotKafka}
	case v.wantsTLS(k):
		return Ruling{Cause: Refused, Certain: true}
	case x.Undelivered:
		r, _ := v.away(k, true)
		return r
	case v.isEarlyProbe(k):
		return Ruling{}
	case k.isOutOfOrder():
		return Ruling{Cause: Authentication, Certain: true}
	case v.sessionOver(k) && !v.hasOutageSigns(k):
		return Ruling{Cause: SessionOver, Certain: k.stream.lifetime > 0}
	case v.mayBeOver(k) && !v.hasOutageSigns(k):
		return Ruling{}
	case v.othersUseSASL(k):
		return Ruling{Cause: NoSASL, Certain: true}
	case v.tooLarge(k) && !v.hasOutageSigns(k):
		return Ruling{Cause: TooLarge, Certain: x.Partial}
	}
	return v.notServed(k)
}

// outside reports whether a request is outside the borrowed range, and that range holds. The
// address must have advertised it in the same life, and answered nothing outside it. A request that
// waited must be refused again, and so must one on a connection from before the capture if the
// range came later: the connection may have been to another broker. It is as good if the same client
// is refused the version on a connection with a range of its own. One that is alone
// (Exchange.IsLone) must be refused again too.
func (v *view) outside(k *Suspect) bool {
	x := &k.Exchange
	isWeak := hasWaited(x) || x.IsLone || k.stream.midstream && !slices.ContainsFunc(v.adverts, func(a advert) bool {
		return a.from.Before(x.Request) && same(a.ranges, x.Ranges)
	})
	return x.Verdict.IsOutside() && v.holds(x) && (!isWeak || v.refusedAgain(k) || !x.IsLone && v.offendsAgain(k))
}

// offendsAgain reports whether the client of k was refused the version in the same life on another
// connection, outside the range that it had asked for there.
func (v *view) offendsAgain(k *Suspect) bool {
	from, to := v.life(k.Exchange.Request.Time)
	return slices.ContainsFunc(v.streams, func(s *stream) bool {
		return s.offended && s.offense == k.version() && s.client == k.stream.client && from < s.first.Time && s.first.Time <= to
	})
}

// holds reports whether the borrowed table of x holds for it.
func (v *view) holds(x *decode.Exchange) bool {
	if x.Evidence != decode.Borrowed {
		return true
	}
	from, to := v.life(x.Request.Time)
	known, inLife := find(v.contradicted, x.Ranges, from, to)
	if known && inLife {
		return false
	}
	known, inLife = find(v.adverts, x.Ranges, from, to)
	return inLife || !known // its advertisement was evicted
}

// find reports whether a list has a table, and has it in a life.
func find(list []advert, r *decode.Ranges, from, to int64) (known, inLife bool) {
	for i := range list {
		if same(list[i].ranges, r) {
			known = true
			if _, inLife = list[i].in(from, to); inLife {
				return known, inLife
			}
		}
	}
	return known, false
}

// isExpected reports whether the client expected that a probe is refused: the address answered
// others soon afterwards, and this client later.
func (v *view) isExpected(k *Suspect) bool {
	over := k.Exchange.Decided.Time
	_, alive := v.alive.within(over, over+reconnects)
	return alive && IsProbe(&k.Exchange) && slices.ContainsFunc(k.stream.client.answers, func(a answerTo) bool {
		return a.from == v.address && a.latest.Time > over
	})
}

// isEarlyProbe reports whether the capture ends before the client could go on to its next probe.
func (v *view) isEarlyProbe(k *Suspect) bool {
	return IsProbe(&k.Exchange) && v.book.now-k.Exchange.Decided.Time < reconnects && !isAgain(v.refusedTo(k))
}

// answeredWithError decides a request that was answered with error 35.
func (v *view) answeredWithError(k *Suspect) Ruling {
	x := &k.Exchange
	_, mayFallBack := fallbacks[x.Key]
	// The capture ends before the client could continue.
	tooEarly := k.stream.ended.Time == 0 && k.next.Time == 0 && v.book.now-x.Decided.Time < int64(Patience)
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
	case k.insteadUnseen, tooEarly && mayFallBack, k.stream.missing > 0 && (mayFallBack || k.next.Time == 0):
		return Ruling{Cause: Unexplained}
	}
	return Ruling{Cause: Unsupported, Certain: true}
}

// notServed decides a culprit that was closed, reset or ignored, and has no cause of its own.
func (v *view) notServed(k *Suspect) Ruling {
	x := &k.Exchange
	if is, _ := v.turnsAway(k); is {
		r, _ := v.away(k, true)
		return r
	}
	isToken := v.inRange(x) && v.failsAuthentication(k)
	if v.answeredInLife(k) {
		r, away := v.away(k, true)
		switch {
		case away:
		case isToken && v.refusedAgain(k): // another token was answered
			return Ruling{Cause: Authentication, Certain: true}
		case v.onlyTo(k) && v.withoutSASL(k):
			return Ruling{Cause: NoSASL}
		case k.stream.worked.Time == 0 && v.beginningUnseen(k):
			return Ruling{}
		case v.onlyTo(k) && (x.Malformed || v.inRange(x)):
			return Ruling{Cause: Dropped, Elsewhere: true}
		case v.onlyTo(k), v.isMixed(k):
			return Ruling{Cause: Refused, Elsewhere: true}
		case v.servesSome(k):
			return v.unserves(k)
		}
		return r
	}
	if r, away := v.away(k, false); away {
		return r
	}
	if k.stream.begun {
		return Ruling{} // the broker was about to answer
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
	case isToken:
		r.Cause = Authentication
	case v.wantsSASL(k):
		r.Cause = NoSASL
	case v.beginningUnseen(k):
		return Ruling{}
	case v.inRange(x) && v.withoutSASL(k) && v.refusedAgain(k) && v.servesUnseen():
		return Ruling{Cause: NoSASL} // those that it serves may have authenticated before the capture
	case v.inRange(x) && x.Ranges != nil && x.Ranges.Partial:
		return Ruling{} // the release, which may be known to refuse the version, cannot be determined
	case v.inRange(x) && v.inAnswer(k) && (v.refusedAgain(k) && v.othersOpen(k) || v.isIgnored(k)):
		r.Cause = Dropped
	case v.isLone(k): // a restart explains it as well
	case !v.inRange(x) && v.inAnswer(k):
		r.Cause = Refused
	}
	return r
}

// failsAuthentication reports whether the broker ended the connection on a token, or again on
// SaslHandshake, or did not answer a token until the client left: again, or while it answered
// others.
func (v *view) failsAuthentication(k *Suspect) bool {
	x := &k.Exchange
	switch x.Key {
	case keySaslHandshake:
		return endedByBroker(x) && v.refusedAgain(k)
	case keySaslAuthenticate:
		return endedByBroker(x) || x.Outcome == decode.Left && (v.refusedAgain(k) || v.isIgnored(k))
	}
	return false
}

// turnsAway reports whether the address refused the connection of k, not its version, and served no
// connection that began between the refusals of this version. Either it is ApiVersions, and the
// address advertises the version itself, or also refuses v0. Or the address served an older
// connection meanwhile, and advertises the version, or no table and no answer to ApiVersions was
// captured. isSure is false then: the version may be at fault.
func (v *view) turnsAway(k *Suspect) (is, isSure bool) {
	x := &k.Exchange
	if v.othersOpen(k) || v.isBelowMin(x) {
		return false, false
	}
	from, to := v.life(x.Request.Time)
	negotiates := x.Key == keyApiVersions
	if negotiates && slices.ContainsFunc(v.adverts, isIn(from, to)) {
		refusesAll := len(v.inLife(v.refusals[version{keyApiVersions, 0}], from)) > 0
		return slices.ContainsFunc(v.adverts, func(a advert) bool {
			r, ok := a.ranges.Find(keyApiVersions)
			return isIn(from, to)(a) && (refusesAll || ok && x.Version >= r.Min && x.Version <= r.Max)
		}), true
	}
	first := &v.refusedLike(k)[0].Exchange
	if negotiates && x.Outcome == decode.Left {
		return false, false // silence turns nobody away
	}
	servesOlder := memo(&v.served, first.Request.Time, func() int64 { return v.servedUntil(first.Request.Time) }) >= first.Decided.Time
	isBlameless := negotiates && v.asked(from, to).Time == 0 || !negotiates && v.inRange(x) && v.isOpenTo(k)
	return servesOlder && isBlameless, !negotiates
}

// beginningUnseen reports whether the listener may require SASL, and it is unknown whether the
// client began with it.
func (v *view) beginningUnseen(k *Suspect) bool {
	return !v.isOpenTo(k) && (k.stream.midstream || k.stream.missing > 0)
}

// servesUnseen reports whether the address served a connection whose beginning is not in the
// capture.
func (v *view) servesUnseen() bool {
	return slices.ContainsFunc(v.streams, func(s *stream) bool { return s.worked.Time > 0 && (s.midstream || s.missing > 0) && !s.isOpen })
}

// isIn returns a function that reports whether a table was advertised in a life.
func isIn(from, to int64) func(advert) bool {
	return func(a advert) bool {
		_, is := a.in(from, to)
		return is
	}
}

// isLone reports whether k is the only ApiVersions request that the broker closed or reset, and a
// restart is not excluded. An address that requires TLS refuses the plaintext, not the version.
func (v *view) isLone(k *Suspect) bool {
	x := &k.Exchange
	if x.Key != keyApiVersions || !endedByBroker(x) || v.tls.Time > v.clear.Time || v.restartExplains(k).Excluded {
		return false
	}
	times := 0
	for refused, list := range v.refusals {
		if refused.key == keyApiVersions {
			times += len(list)
		}
	}
	return times == 1
}

// othersOpen reports whether the address did not turn away complete connections. Either a
// connection on which the version was refused had been served before, or others were served
// between the refusals.
func (v *view) othersOpen(k *Suspect) bool {
	return memo(&v.facts, fact{name: "othersOpen", version: k.version()}, func() bool {
		list := v.refusals[k.version()]
		return slices.ContainsFunc(list, func(o *Suspect) bool { return o.stream.answered.Time > 0 }) ||
			v.opened.anyIn(list[0].Exchange.Request.Time, list[len(list)-1].Exchange.Request.Time)
	})
}

// isIgnored reports whether a client waited longer for an answer than a broker needs. Meanwhile
// the broker answered other requests, and it never answered any version of the API.
func (v *view) isIgnored(k *Suspect) bool {
	x := &k.Exchange
	if x.Outcome != decode.Left || x.Took < Patience || k.stream.missing > 0 {
		return false // a lost answer may have throttled the client
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

// inAnswer reports whether the broker's end, or its silence, can be its answer to the request: it
// came at once, or comes repeatedly. A device that ends silent connections also ends those whose
// request waits: for other clients, or for as long as it allows.
func (v *view) inAnswer(k *Suspect) bool {
	x := &k.Exchange
	switch {
	case endedByBroker(x) && int64(x.Took) > prompt && (mayWait(x) || slices.Contains(rebalancing[:], x.Key)):
		return false
	case endedByBroker(x) && int64(x.Took) > prompt, hasWaited(x), x.Outcome == decode.Left && x.Took < Patience:
		return v.refusedAgain(k)
	}
	return true
}

// hasWaited reports whether the broker ended the connection while a request waited for records or
// for other clients. A refusal comes at once.
func hasWaited(x *decode.Exchange) bool {
	return endedByBroker(x) && int64(x.Took) > together && (x.Key == keyFetch || slices.Contains(rebalancing[:], x.Key))
}
