package report

import (
	"encoding/hex"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/model"
)

// findings collects the results of the rules in groups of equal findings. It also collects
// everything that can only be decided at the end: requests that were not served, departures, and
// requests inside TLS.
type findings struct {
	facts
	issues    *knownissues.Catalogue
	evidence  *evidence.Collector // nil for none
	isWatch   bool
	target    *decode.Reference
	processAt ProcessAt

	groups   groups
	bulletin bulletin
	// departures are the connections on which clients did not start their work.
	departures []departure
	// departed counts departures beyond the limit. They were decided at once.
	departed uint64
	// claims are the ids under which evidence keeps packets without a decision so far. numbered
	// counts the ids.
	// unclaimed counts what had no id at the limit.
	claims    map[findingKey]evidence.ID
	numbered  evidence.ID
	unclaimed uint64
	// onExchange and onConnection are the indexes of the rules about exchanges and connections.
	// sealedRule and targetRule are those of the rules about requests inside TLS and on the target.
	onExchange, onConnection []int
	sealedRule, targetRule   int
	// early are connections with a request before the ApiVersions response.
	early map[uint32]struct{}
	// silent are the latest requests without a response that are in a finding, by connection. The
	// end of the connection may be the broker's answer.
	silent map[uint32]silentRequest
	// evicted counts connections that remember evicted.
	evicted uint64
}

// silentRequest is a Produce request with acks=0, and the key of its finding.
type silentRequest struct {
	key findingKey
	at  capture.Position
}

// The rule of a request in the timeline if it is not an index: noRule for none, undecided for a
// suspect without a decision.
const (
	noRule    = -1
	undecided = -2
)

func (f *findings) init(opt *Options, k known) {
	*f = findings{
		facts: facts{known: k}, issues: opt.KnownIssues, evidence: opt.Evidence, isWatch: opt.Watch, target: opt.Target, processAt: opt.ProcessAt,
		claims: map[findingKey]evidence.ID{}, early: map[uint32]struct{}{}, silent: map[uint32]silentRequest{},
		bulletin: bulletin{late: map[findingKey]lateNews{}},
	}
	for i := range rules {
		if rules[i].sealed {
			f.sealedRule = i
		}
		if rules[i].target {
			f.targetRule = i
		}
		if rules[i].exchange != nil {
			f.onExchange = append(f.onExchange, i)
		}
		if rules[i].connection != nil {
			f.onConnection = append(f.onConnection, i)
		}
	}
	f.history = history.New(f.decidedEarly)
	f.sealed = sealed.NewBook(func(at decode.Endpoint, moment int64) bool { return f.history.WentDown(at, moment) })
	if opt.Supplied != nil {
		f.sealed.Supply(opt.Supplied.Table.Ranges)
	}
	f.groups = groups{all: map[findingKey]*group{}, perRule: make([]int, len(rules)), decide: f.ruled, begun: f.begun, dropped: f.dropped}
}

// exchange adds a finished exchange, and returns the rule that it breaks, noRule or undecided.
func (f *findings) exchange(x *decode.Exchange) int {
	isSuspect := f.history.Exchange(x)
	if x.BeforeNegotiation && x.Key != apiVersionsKey {
		f.evicted += remember(f.early, x.Stream, struct{}{})
	}
	fired := noRule
	if isSuspect {
		fired = undecided
		f.claim(x)
	}
	f.claimAfter(x)
	if f.isWatch {
		f.dropPending(x)
	}
	for _, i := range f.onExchange {
		if rules[i].onSight && x.Evidence == decode.Borrowed {
			continue
		}
		if detail, ok := rules[i].exchange(x); ok {
			f.addExchange(i, detail, x)
			if x.Outcome == decode.NoneExpected {
				f.evicted += remember(f.silent, x.Stream, silentRequest{exchangeKey(i, detail, x), x.Request})
			}
			if fired < 0 || rules[i].Severity > rules[fired].Severity {
				fired = i
			}
		}
	}
	return fired
}

// onTarget adds the result of x on the target. It returns the rule that x certainly breaks there;
// noRule for none.
func (f *findings) onTarget(x *decode.Exchange, on fate, why reason) int {
	if on < likely {
		return noRule
	}
	key := exchangeKey(f.targetRule, string(why), x)
	key.broker = decode.Endpoint{} // the finding is about the target, for any broker of the request
	g := f.find(key)
	g.addExchange(x)
	if f.evidence != nil {
		f.evidence.Exchange(g.ids[0], x)
	}
	if on == certain {
		return f.targetRule
	}
	return noRule
}

// advertisement adds an ApiVersions answer. before is the previous answer of that address; nil for
// none.
func (f *findings) advertisement(a *decode.Advertisement, before *decode.Ranges) {
	f.history.Advertisement(a)
	if f.evidence != nil {
		f.evidence.Advertised(a)
	}
	if before == nil {
		return
	}
	for i := range rules {
		if rules[i].change == nil || !rules[i].change(before, a.Ranges) {
			continue
		}
		g := f.find(findingKey{rule: i, broker: a.Endpoint()})
		g.count++
		text := difference(before, a.Ranges)
		g.keep(occurrence{at: a.At, stream: a.Stream, client: a.Client, detail: text})
		if f.evidence != nil {
			f.evidence.Change(g.ids[0], a, before, text)
		}
	}
}

func (f *findings) connection(c *decode.Connection) {
	if f.evidence != nil {
		f.evidence.NoteAddress(c)
	}
	if isUnserved := f.history.Connection(c); isUnserved && f.evidence != nil {
		if id, ok := f.claimID(unservedKey(c.Endpoint())); ok {
			f.evidence.Connection(id, c)
		}
	}
	past := past{}
	_, past.early = f.early[c.Stream]
	delete(f.early, c.Stream)
	f.closedSilently(c)
	for _, i := range f.onConnection {
		if detail, ok := rules[i].connection(c, past); ok {
			f.addConnection(i, detail, c)
		}
	}
	f.depart(c, past)
	if q := f.sealed.Connection(c); q != nil {
		f.closing(c, q)
	}
}

// closedSilently adds the end of c as the outcome of its last request, if that has no response and
// the broker closed at once. So brokers answer an acks=0 request that they cannot read.
func (f *findings) closedSilently(c *decode.Connection) {
	s, ok := f.silent[c.Stream]
	delete(f.silent, c.Stream)
	took := time.Duration(c.End.At.Time - s.at.Time)
	if !ok || !ended(c) || c.End.By == reassembly.ToBroker || c.LastRequest != s.at || took < 0 || took > closedAtOnce {
		return
	}
	outcome := decode.ClosedByBroker
	if c.End.Kind == reassembly.Reset {
		outcome = decode.ResetByBroker
	}
	if g := f.groups.all[s.key]; g != nil {
		g.closeSilent(s.at, outcome, took)
	}
}

func (f *findings) addExchange(rule int, detail string, x *decode.Exchange) {
	g := f.find(exchangeKey(rule, detail, x))
	if g.sample == nil && rules[rule].explains {
		g.sample = f.history.Sample(x)
	}
	g.addExchange(x)
	if f.evidence != nil {
		f.evidence.Exchange(g.ids[0], x)
	}
}

// exchangeKey returns the key of a rule's findings about x. It shares the texts of x.
func exchangeKey(rule int, detail string, x *decode.Exchange) findingKey {
	key := findingKey{
		rule: rule, detail: detail, broker: x.Endpoint(),
		hasAPI: true, api: x.Key, version: x.Version,
		software:  truncateSoftware(x.Software),
		hasClient: true, hasClientID: x.HasClientID, clientID: truncate(x.ClientID),
	}
	if x.Verdict.HasRange() {
		key.hasRange, key.advertised = true, x.Advertised
	}
	return key
}

func (f *findings) addConnection(rule int, detail string, c *decode.Connection) {
	key := findingKey{rule: rule, detail: truncate(detail), broker: c.Endpoint()}
	if rules[rule].Severity > model.Info && c.Protocol == reassembly.Kafka {
		key.hasClient, key.software = true, truncateSoftware(c.Software)
		if len(c.ClientIDs) > 0 {
			key.hasClientID, key.clientID = true, truncate(c.ClientIDs[0])
		}
	}
	g := f.find(key)
	g.count++
	g.bytes += c.Odd().Missing
	g.gaps += c.Odd().Gaps
	if key.hasClient {
		g.addresses.add(c.Client.Addr())
	}
	o := occurrence{at: c.First, stream: c.Stream, client: c.Client}
	if c.TLS != nil {
		o.tls = tlsSession(c.TLS)
		if l := sealed.LibraryOf(c.TLS.Hello); l != sealed.UnknownLibrary {
			g.libraries.add(l)
		}
	}
	if rules[rule].describe != nil {
		rules[rule].describe(g, &o, c)
	}
	g.keep(o)
	if rules[rule].explains {
		g.end(endOf(c))
	}
	if f.evidence != nil {
		f.evidence.Connection(g.ids[0], c)
	}
}

// endOf describes the end of a connection. A TLS handshake without an alert does not say why it
// ended. Unknown bytes in a TLS handshake are no answer.
func endOf(c *decode.Connection) history.Ended {
	e := history.Ended{First: c.First, Answered: c.LastData[reassembly.ToClient], End: c.Last}
	if c.Protocol == reassembly.TLS && c.Odd().Spoke == reassembly.SpokeUnknown {
		e.Answered = capture.Position{}
	}
	if ended(c) {
		e.End, e.ByBroker = c.End.At, c.End.By == reassembly.ToClient
	}
	e.Abrupt = e.ByBroker && handshakeFailed(c) && c.TLS.Alert == ""
	return e
}

// clientRandomShown is how many bytes of a client random are shown: enough to find it in a key
// log.
const clientRandomShown = 8

func tlsSession(info *tlsrecord.Info) *model.TLSSession {
	t := &model.TLSSession{Version: info.Version, Suite: info.Suite, ServerName: ownText(info.ServerName)}
	if info.HasClientRandom {
		t.ClientRandom = hex.EncodeToString(info.ClientRandom[:clientRandomShown])
	}
	return t
}
