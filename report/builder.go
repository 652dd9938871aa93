// Package report turns what the correlator found into findings, and findings
// into a report.
//
// A Builder is a decode.Sink: it takes exchanges, advertisements and
// connections, holds each against the rules, and counts. At any time it gives
// a model.Report, a finished value that the writers (report/write) need nothing
// beside.
//
// Around it are rooms, each importing only those before it: model, the values
// of a report; words, how numbers are worded; redact, pseudonyms; knownissues,
// the catalogue of known bugs; evidence, the packets that prove findings.
// report imports them all but write; write imports model, words and decode.
//
// Memory is bounded by the limits in limits.go, whatever the length of the
// input; each hit of a limit is counted in Quality.LimitsHit. A Builder belongs
// to one goroutine; a report belongs to whoever asked for it and shares nothing
// that changes. The same calls in the same order give the same report, byte for
// byte.
package report

import (
	"encoding/hex"
	"slices"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/model"
)

// Options say how a Builder works.
type Options struct {
	// Tool names the program in the report.
	Tool model.Tool
	// KnownIssues is the catalogue that findings are held against; nil for none.
	KnownIssues *knownissues.Catalogue
	// Watch has Builder.News tell of findings while they come in.
	Watch bool
	// Target is a release that every request is held against; nil for none.
	Target *decode.Reference
	// Supplied are the ranges that the correlator was given (decode.Options); nil for none.
	Supplied *decode.Reference
	// Evidence gathers packets that prove the findings; nil for none.
	Evidence *evidence.Collector
}

// Input is what the builder cannot see itself: what the source and the
// packages before it counted. All of it is totals so far.
type Input struct {
	// Captures are the inputs, in the order in which they were read.
	Captures []model.Capture
	// UnparsedPackets counts packets without a TCP segment in them that could
	// be read, by reason; the reasons are sorted by the builder.
	UnparsedPackets []model.Count
	// DisbelievedSegments is reassembly.Stats.Disbelieved.
	DisbelievedSegments uint64
	// LimitsHit counts by name how often a bound of the packages before was reached.
	LimitsHit map[string]uint64
}

// Builder gathers exchanges, advertisements and connections, and makes a
// Report of them. It belongs to one goroutine. Exchange allocates nothing in
// the steady state: no new client, broker, version or finding.
type Builder struct {
	opt   Options
	input Input

	// Each of these gathers a part of the report and knows none of the others.
	coverage coverage
	clients  clients
	brokers  brokers
	timeline timeline
	// sealed reads the connections inside TLS without a key.
	sealed *sealed.Book
	// target holds requests against Options.Target; nil without.
	target *targetCheck

	// history decides about requests that were not served, departures are connections that
	// came to nothing.
	history    *history.Book
	departures []departure
	// claims are the ids under which Options.Evidence keeps what is not decided yet.
	claims map[findingKey]evidence.ID
	// numbered counts the ids.
	numbered evidence.ID

	groups map[findingKey]*group
	// perRule counts the groups of each rule.
	perRule []int

	// omitted counts findings for which there was no room, departed connections.
	omitted, departed uint64
	bulletin          bulletin
	// early are connections with a request before the ApiVersions response.
	early map[uint32]struct{}
}

var _ decode.Sink = (*Builder)(nil)

// NewBuilder begins a report.
func NewBuilder(opt Options) *Builder {
	b := &Builder{
		opt:      opt,
		coverage: newCoverage(),
		clients:  newClients(),
		brokers:  newBrokers(),
		timeline: newTimeline(),
		claims:   map[findingKey]evidence.ID{},
		sealed:   sealed.NewBook(),
		groups:   map[findingKey]*group{},
		perRule:  make([]int, len(rules)),
		early:    map[uint32]struct{}{},
	}
	b.history = history.New(b.decidedEarly)
	if opt.Target != nil {
		b.target = newTargetCheck(opt.Target)
	}
	return b
}

// SetInput tells what the packages before counted; each call replaces what the
// last one told. It may be called at any time before Report.
func (b *Builder) SetInput(in Input) { b.input = in }

// Exchange takes a settled exchange. x is not kept.
func (b *Builder) Exchange(x *decode.Exchange) {
	b.coverage.exchange(x)
	b.brokers.exchange(x)
	b.clients.exchange(x)
	isSuspect := b.history.Exchange(x)
	if x.BeforeNegotiation && x.Key != apiVersionsKey {
		remember(b.early, x.Stream)
	}
	fired := -1
	if isSuspect {
		fired = undecided
		b.claim(x)
	}
	if b.opt.Watch {
		b.settled(x)
	}
	for i := range rules {
		if rules[i].exchange == nil || rules[i].onSight && x.Evidence == decode.Borrowed {
			continue
		}
		if detail, ok := rules[i].exchange(x); ok {
			b.addExchange(i, detail, x)
			if fired < 0 || rules[i].Severity > rules[fired].Severity {
				fired = i
			}
		}
	}
	if b.target != nil {
		if rule := b.onTarget(x); fired < 0 {
			fired = rule
		}
	}
	b.timeline.exchange(x, fired)
}

// onTarget holds x against the target, and returns the rule that it certainly breaks, -1 for none.
func (b *Builder) onTarget(x *decode.Exchange) int {
	f, why := b.target.exchange(x)
	if f < likely {
		return -1
	}
	key := b.exchangeKey(b.target.rule, string(why), x)
	key.broker = endpoint{} // it is said of the target, whichever broker the request went to
	if g := b.group(key); g != nil {
		g.addExchange(x)
		if b.opt.Evidence != nil {
			b.opt.Evidence.Exchange(g.ids[0], x)
		}
	}
	if f == certain {
		return b.target.rule
	}
	return -1
}

// Advertisement takes an ApiVersions answer. Its Ranges are kept.
func (b *Builder) Advertisement(a *decode.Advertisement) {
	b.history.Advertisement(a)
	if b.opt.Evidence != nil {
		b.opt.Evidence.Advertised(a)
	}
	before := b.brokers.advertisement(a)
	if before == nil {
		return
	}
	for i := range rules {
		if rules[i].change != nil && rules[i].change(before, a.Ranges) {
			if g := b.group(findingKey{rule: i, broker: endpoint{a.Domain, a.Broker}}); g != nil {
				g.count++
				text := difference(before, a.Ranges)
				g.keep(occurrence{at: a.At, stream: a.Stream, client: a.Client, detail: text})
				if b.opt.Evidence != nil {
					b.opt.Evidence.Change(g.ids[0], a, before, text)
				}
			}
		}
	}
}

// Connection takes a connection that is over. c is not kept.
func (b *Builder) Connection(c *decode.Connection) {
	b.coverage.connection(c)
	b.brokers.connection(c)
	if b.opt.Evidence != nil {
		b.opt.Evidence.Met(c)
	}
	b.history.Connection(c)
	past := past{b: b}
	_, past.early = b.early[c.Stream]
	delete(b.early, c.Stream)
	for i := range rules {
		if rules[i].connection == nil {
			continue
		}
		if detail, ok := rules[i].connection(c, past); ok {
			b.addConnection(i, detail, c)
		}
	}
	b.depart(c, past)
	if q := b.sealed.Connection(c); q != nil {
		b.closing(c, q)
	}
	b.timeline.connection(c)
}

// addExchange adds x to the findings of a rule.
func (b *Builder) addExchange(rule int, detail string, x *decode.Exchange) {
	if g := b.group(b.exchangeKey(rule, detail, x)); g != nil {
		if g.sample == nil && rules[rule].explains {
			g.sample = b.history.Sample(x)
		}
		g.addExchange(x)
		if b.opt.Evidence != nil {
			b.opt.Evidence.Exchange(g.ids[0], x)
		}
	}
}

// exchangeKey is what the findings of a rule about x have in common. Its texts are those of x.
func (b *Builder) exchangeKey(rule int, detail string, x *decode.Exchange) findingKey {
	key := findingKey{
		rule: rule, detail: detail, broker: endpoint{x.Domain, x.Broker},
		hasAPI: true, api: x.Key, version: x.Version,
		software:  cutSoftware(x.Software),
		hasClient: true, hasClientID: x.HasClientID, clientID: cut(x.ClientID),
	}
	if x.Verdict.HasRange() {
		key.hasRange, key.advertised = true, x.Advertised
	}
	return key
}

// addConnection adds c to the findings of a rule.
func (b *Builder) addConnection(rule int, detail string, c *decode.Connection) {
	key := findingKey{rule: rule, detail: cut(detail), broker: endpoint{c.Domain, c.Broker}}
	if rules[rule].Severity > model.Info && c.Protocol == reassembly.Kafka {
		key.hasClient, key.software = true, cutSoftware(c.Software)
		if len(c.ClientIDs) > 0 {
			key.hasClientID, key.clientID = true, cut(c.ClientIDs[0])
		}
	}
	g := b.group(key)
	if g == nil {
		return
	}
	g.count++
	if g.greeting == "" && rules[rule].Code == notKafkaRule.Code {
		g.greeting = greetingText(c.Greeting)
	}
	g.bytes += c.Missing
	g.gaps += c.Gaps
	if key.hasClient {
		g.addresses.add(c.Client.Addr())
	}
	o := occurrence{at: c.First, stream: c.Stream, client: c.Client}
	if c.TLS != nil {
		o.tls = tlsSession(c.TLS)
		if l := sealed.LibraryOf(c.TLS.Hello); l != sealed.UnknownLibrary {
			if g.libraries == nil {
				g.libraries = map[sealed.Library]bool{}
			}
			g.libraries[l] = true
		}
	}
	if rules[rule].Code == prefaceRule.Code {
		o.prefaces = prefacesOf(c)
	}
	g.keep(o)
	if b.opt.Evidence != nil {
		b.opt.Evidence.Connection(g.ids[0], c)
	}
}

// clientRandomShown is how many bytes of a client random are shown: enough to
// find it in a key log.
const clientRandomShown = 8

// tlsSession describes a TLS session.
func tlsSession(info *tlsrecord.Info) *model.TLSSession {
	t := &model.TLSSession{Version: info.Version, Suite: info.Suite, ServerName: ownText(info.ServerName)}
	if info.HasClientRandom {
		t.ClientRandom = hex.EncodeToString(info.ClientRandom[:clientRandomShown])
	}
	return t
}

// group finds or begins a group, nil where there is no room.
func (b *Builder) group(key findingKey) *group {
	g := b.groups[key]
	if g == nil {
		if b.perRule[key.rule] >= maxGroupsPerCode {
			b.omitted++
			return nil
		}
		key.detail, key.clientID, key.software = ownText(key.detail), ownText(key.clientID), ownSoftware(key.software)
		g = &group{key: key, ids: []evidence.ID{b.newID()}}
		b.groups[key] = g
		b.perRule[key.rule]++
	}
	if b.opt.Watch {
		b.bulletin.note(g)
	}
	return g
}

// facts is what is known of the broker's address of g.
func (b *Builder) facts(g *group) addressFacts {
	facts := addressFacts{}
	known := b.brokers.at(g.key.broker)
	if known != nil {
		facts = known.facts
	}
	facts.gotThrough = func(g *group) bool {
		return known != nil && slices.ContainsFunc(g.first, func(o occurrence) bool { return known.through.has(o.client.Addr()) })
	}
	facts.target = b.target
	at := history.Endpoint{Domain: g.key.broker.domain, Addr: g.key.broker.addr}
	facts.restarted = func() bool { return b.history.Restarted(at) }
	facts.refusal = func() (sealed.Refusal, bool) { return b.refusal(g) }
	facts.served = func() bool {
		var clientIDs []string
		if g.key.hasClientID {
			clientIDs = []string{g.key.clientID}
		}
		return b.clients.served(g.key.broker, g.key.software, clientIDs, g.addresses.list)
	}
	return facts
}
