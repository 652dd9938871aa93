package report

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/decode/sealed"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// findingKey has the properties that equal findings share.
type findingKey struct {
	// rule is the index in rules.
	rule int
	// detail distinguishes findings of one rule; it is mostly empty.
	detail string
	broker decode.Endpoint
	// api and version are valid if hasAPI, advertised if hasRange.
	api, version     int16
	hasAPI, hasRange bool
	advertised       decode.Range
	software         decode.Software
	// clientID is valid if hasClientID. hasClient is false if the finding is about a broker, for
	// any client.
	clientID               string
	hasClientID, hasClient bool
}

const outcomeCount = decode.OutcomeCount

type group struct {
	key findingKey
	// ids identify it to Options.Evidence. shared are ids of packets kept before their finding was
	// decided. places are its occurrences among those.
	ids, shared []evidence.ID
	places      []evidence.Place
	// sample is one of its requests; nil for none.
	sample *history.Suspect
	// For requests that were not served: from and to are the period in which the broker was away,
	// and last is the last sign of it. unsure counts the requests that something else can explain,
	// idle those on connections that were quiet before.
	from, last, to capture.Position
	unsure, idle   uint64
	// refused counts the connections without a request that the address did not serve. others: it
	// served others meanwhile. never: it never answered anything.
	refused       uint64
	others, never bool
	// earlier is an answer to the version in an earlier life of the broker.
	earlier capture.Position
	// tried are the APIs and versions, in order of appearance.
	tried    members[usageKey]
	count    uint64
	outcomes [outcomeCount]uint64
	evidence [int(decode.Supplied) + 1]uint64
	// took has the times from request to outcome, by outcome; nil for none.
	took [outcomeCount]*histogram
	// first are the first occurrences by position.
	first []occurrence
	// patient counts the requests that the client left after it had waited long enough for an
	// answer.
	patient uint64
	// greeting is the first data of the other side if it is not Kafka.
	greeting string
	// ended describes the first connection of findings about connections.
	ended history.Ended
	// closed counts the TLS handshakes that ended without the alert of the finding.
	closed uint64
	// left counts the connections that the client ended.
	left      uint64
	addresses members[netip.Addr]
	// principals are the user names of clients.
	principals members[string]
	// processes are the processes of clients that were found when the finding was last reported.
	processes members[model.Process]
	// ranges are the ranges of the first request with known ranges.
	ranges *decode.Ranges
	// bytes and gaps count what connections lack (KV9002). dropped counts the packets lost while
	// capturing.
	bytes, gaps, dropped uint64

	// libraries are the TLS libraries of the clients (KV9001); empty if none was recognised.
	libraries members[sealed.Library]
	// inside is the conclusion of a finding of sealedRule; nil for others.
	inside *conclusion

	// pending is a request that waits for its outcome while count is 0.
	pending *pendingRequest
	// number is News.Number, reported the last reported count. listed: the bulletin contains it.
	number   int
	reported uint64
	listed   bool

	// touched is the tick of its latest occurrence. isFolded: it was folded.
	touched  uint64
	isFolded bool
}

// occurrence collects the data of a model.Occurrence.
type occurrence struct {
	at            capture.Position
	stream        uint32
	client        netip.AddrPort
	hasRequest    bool
	isInferred    bool // of a request inside TLS
	isContested   bool // model.Occurrence.Contested
	correlationID int32
	outcome       decode.Outcome
	evidence      decode.Evidence
	detail        string
	tls           *model.TLSSession
	prefaces      []model.Preface
}

func (g *group) addExchange(x *decode.Exchange) {
	g.count++
	g.outcomes[x.Outcome]++
	g.evidence[x.Evidence]++
	g.times(x.Outcome).add(x.Took)
	g.addresses.add(x.Client.Addr())
	if x.Principal != "" {
		g.principals.add(truncate(x.Principal))
	}
	if x.Outcome == decode.Left && history.IsRefused(x) {
		g.patient++
	}
	if g.ranges == nil {
		g.ranges = x.Ranges
	}
	g.keep(occurrence{
		at: x.Request, stream: x.Stream, client: x.Client,
		hasRequest: true, correlationID: x.CorrelationID, outcome: x.Outcome, evidence: x.Evidence, isContested: x.Contested,
	})
}

// times returns the times to an outcome.
func (g *group) times(o decode.Outcome) *histogram {
	if g.took[o] == nil {
		g.took[o] = &histogram{}
	}
	return g.took[o]
}

// closeSilent changes the outcome of a request without a response.
func (g *group) closeSilent(at capture.Position, outcome decode.Outcome, took time.Duration) {
	if g.outcomes[decode.NoneExpected] == 0 {
		return // the finding was folded
	}
	g.outcomes[decode.NoneExpected]--
	g.outcomes[outcome]++
	g.times(outcome).add(took)
	for i := range g.first {
		if g.first[i].at == at {
			g.first[i].outcome = outcome
		}
	}
}

func (g *group) addSuspect(k *history.Suspect, r *history.Ruling) {
	x := k.Exchange
	if r.WithoutRange {
		x.Verdict, x.Evidence, x.Ranges = decode.Unknown, decode.None, nil
	}
	if g.sample == nil {
		g.sample = k
	}
	if !r.Certain {
		g.unsure++
	}
	if r.Idle {
		g.idle++
	}
	g.away(r.From, r.Last, r.To)
	g.earlier = capture.Later(g.earlier, r.Earlier)
	g.others = g.others || r.Others
	g.bytes = max(g.bytes, k.Missing())
	g.tried.add(usageKey{x.Key, x.Version})
	g.addExchange(&x)
}

// away adds a period in which the broker was away.
func (g *group) away(from, last, to capture.Position) {
	if g.from.Time == 0 || from.Time > 0 && from.Before(g.from) {
		g.from = from
	}
	g.last, g.to = capture.Later(g.last, last), capture.Later(g.to, to)
}

// share adds an occurrence whose packets were kept under an id that other findings may share.
func (g *group) share(id evidence.ID, at capture.Position, stream uint32) {
	if !slices.Contains(g.shared, id) {
		g.shared = append(g.shared, id)
	}
	g.places = append(g.places, evidence.Place{At: at, Stream: stream})
}

// keep adds o if it is among the first occurrences.
func (g *group) keep(o occurrence) {
	i, _ := slices.BinarySearchFunc(g.first, o, func(a, b occurrence) int {
		// Of equal ones the earlier call is first, so o never sorts before an equal one.
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.stream, b.stream), -1)
	})
	if i == maxOccurrences {
		return
	}
	if len(g.first) == maxOccurrences {
		g.first = g.first[:maxOccurrences-1]
	}
	g.first = slices.Insert(g.first, i, o)
}

func (g *group) end(e history.Ended) {
	e.Latest = e.End
	if g.ended.Latest.Time > e.Latest.Time {
		e.Latest = g.ended.Latest
	}
	if g.ended.First.Time == 0 || e.First.Before(g.ended.First) {
		g.ended = e
	}
	g.ended.Latest = e.Latest
}

// clone returns a copy that shares no data that adding to it changes.
func (g *group) clone() *group {
	c := *g
	c.first, c.ids = slices.Clone(g.first), slices.Clone(g.ids)
	c.shared, c.places = slices.Clone(g.shared), slices.Clone(g.places)
	c.tried, c.addresses, c.principals = g.tried.clone(), g.addresses.clone(), g.principals.clone()
	c.processes, c.libraries = g.processes.clone(), g.libraries.clone()
	for o, h := range g.took {
		if h != nil {
			c.took[o] = h.clone()
		}
	}
	return &c
}

// merge adds the data of o, which is about the same client.
func (g *group) merge(o *group) {
	g.count, g.unsure, g.idle, g.refused = g.count+o.count, g.unsure+o.unsure, g.idle+o.idle, g.refused+o.refused
	g.bytes, g.gaps, g.dropped = g.bytes+o.bytes, g.gaps+o.gaps, g.dropped+o.dropped
	g.patient, g.closed, g.left = g.patient+o.patient, g.closed+o.closed, g.left+o.left
	g.reported += o.reported
	g.others, g.never = g.others || o.others, g.never || o.never
	g.away(o.from, o.last, o.to)
	g.earlier = capture.Later(g.earlier, o.earlier)
	for i, n := range o.outcomes {
		g.outcomes[i] += n
		if o.took[i] != nil {
			g.times(decode.Outcome(i)).merge(o.took[i])
		}
	}
	for i, n := range o.evidence {
		g.evidence[i] += n
	}
	for _, x := range o.first {
		g.keep(x)
	}
	g.tried.merge(&o.tried)
	g.addresses.merge(&o.addresses)
	g.principals.merge(&o.principals)
	g.processes.merge(&o.processes)
	g.libraries.merge(&o.libraries)
	g.ranges, g.sample, g.greeting = cmp.Or(g.ranges, o.ranges), cmp.Or(g.sample, o.sample), cmp.Or(g.greeting, o.greeting)
	g.number = cmp.Or(g.number, o.number)
	g.ids, g.shared, g.places = append(g.ids, o.ids...), append(g.shared, o.shared...), append(g.places, o.places...)
	if o.ended.First.Time > 0 {
		g.end(o.ended)
	}
}

// compareGroups orders groups of one severity and code: by count, the most frequent first, then by
// first occurrence, then by their keys.
func compareGroups(a, b *group) int {
	if c := cmp.Compare(b.count, a.count); c != 0 {
		return c
	}
	if len(a.first) > 0 && len(b.first) > 0 {
		if c := cmp.Or(a.first[0].at.Compare(b.first[0].at), cmp.Compare(a.first[0].stream, b.first[0].stream)); c != 0 {
			return c
		}
	}
	return compareKeys(&a.key, &b.key)
}

func compareKeys(a, b *findingKey) int {
	return cmp.Or(
		cmp.Compare(a.rule, b.rule),
		a.broker.Addr.Compare(b.broker.Addr),
		cmp.Compare(a.broker.Domain, b.broker.Domain),
		cmp.Compare(a.api, b.api),
		cmp.Compare(a.version, b.version),
		cmp.Compare(a.advertised.Min, b.advertised.Min),
		cmp.Compare(a.advertised.Max, b.advertised.Max),
		cmp.Compare(b2i(a.hasRange), b2i(b.hasRange)),
		strings.Compare(a.software.Name, b.software.Name),
		strings.Compare(a.software.Version, b.software.Version),
		cmp.Compare(b2i(a.hasClientID), b2i(b.hasClientID)),
		strings.Compare(a.clientID, b.clientID),
		strings.Compare(a.detail, b.detail),
	)
}
