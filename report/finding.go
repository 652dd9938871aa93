package report

import (
	"cmp"
	"fmt"
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

// request returns the API and version: "Fetch v12".
func (g *group) request() string {
	return fmt.Sprintf("%s v%d", apiName(g.key.api), g.key.version)
}

// softwareName returns the client's software, or "the client".
func (g *group) softwareName() string {
	if g.key.software.Name == "" {
		return "the client"
	}
	return truncate(strings.TrimSpace(g.key.software.Name + " " + g.key.software.Version))
}

// softwareLine returns the client's software without its version, as in "a release of".
func (g *group) softwareLine() string { return cmp.Or(truncate(g.key.software.Name), "the client") }

// lower says how the client is limited to a lower version of the API. kafka-clients have no setting
// for that.
func (g *group) lower() string {
	switch {
	case g.key.api == 71, g.key.api == 72: // telemetry, KIP-714
		return "set enable.metrics.push=false in the client"
	case g.key.software.Name == javaClient:
		return "use an older release of kafka-clients"
	}
	return fmt.Sprintf("limit %s to a lower version of %s", g.softwareName(), apiName(g.key.api))
}

// said says who advertised the range, as the beginning of a sentence.
func (g *group) said() string {
	switch {
	case g.evidence[decode.Observed] > 0:
		return "The broker advertised"
	case g.evidence[decode.Borrowed] > 0:
		return "On other connections, the broker advertises"
	}
	return "The ranges of --advertised give"
}

// worst returns the most frequent outcome that is bad for the client. ok is false for none.
func (g *group) worst() (worst decode.Outcome, ok bool) {
	for _, o := range [...]decode.Outcome{
		decode.ClosedByBroker, decode.ResetByBroker, decode.Unanswered, decode.Left, decode.Error,
	} {
		n := g.outcomes[o]
		if o == decode.Left {
			n = g.patient // leaving at once says nothing about the broker
		}
		if n > 0 && (!ok || n > g.outcomes[worst]) {
			worst, ok = o, true
		}
	}
	return worst, ok
}

// refusal says how the broker refused, as the end of a message.
func (g *group) refusal() string {
	switch worst, _ := g.worst(); worst {
	case decode.ResetByBroker:
		return "the broker reset the connection"
	case decode.Unanswered:
		return "the broker did not answer"
	case decode.Left:
		return "the broker did not answer until the client gave up"
	}
	return "the broker closed the connection"
}

// consequence says in a sentence about the broker what happens with a version that it does not
// support.
func (g *group) consequence() string {
	worst, ok := g.worst()
	switch {
	case !ok && g.outcomes[decode.Answered] == g.count:
		return "It answered all the same."
	case !ok:
		return "Brokers mostly close the connection on such a request."
	case worst == decode.Unanswered || worst == decode.Left:
		return "It does not answer such a request, and the client waits until its timeout."
	case worst == decode.Error:
		return "It answers UNSUPPORTED_VERSION."
	}
	if g.isBroker() {
		return "It closes the connection on such a request."
	}
	return "It closes the connection on such a request. Many clients then report a wrong security.protocol."
}

// isBroker reports whether the requests are those of a broker to another one.
func (g *group) isBroker() bool { return g.sample != nil && brokerRole(&g.sample.Exchange) != "" }

// interBroker is the advice about the versions that brokers use among themselves.
const interBroker = "The client is a broker, and chooses its versions by inter.broker.protocol.version (KRaft: metadata.version). Leave that at the release of the oldest broker until all are upgraded."

func rangeText(r decode.Range) string { return model.Range{Min: r.Min, Max: r.Max}.Text() }

func apiName(key int16) string { return decode.APIName(key) }

// address formats an address as IP:port, and never IPv4 as mapped IPv6.
func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}

// restsOnContested is added to findings whose requests the capture has in two versions.
const restsOnContested = " This rests on contested bytes: the capture has two versions of bytes of such a connection, and does not show which one was received. One may be forged."

// finish returns the exported form of g, with the texts of the rule about s.
func (g *group) finish(rule *Rule, severity model.Severity, s *subject) model.Finding {
	f := model.Finding{
		Code: rule.Code, Title: rule.Title, Severity: severity,
		Message: rule.message(s), Why: rule.why(s), Advice: rule.advice(s),
		Broker: address(g.key.broker.Addr),
		Count:  g.count, Outcomes: map[string]uint64{}, MedianSeconds: map[string]float64{},
		EvidenceCounts: map[string]uint64{},
		Occurrences:    make([]model.Occurrence, 0, len(g.first)), OccurrencesOmitted: g.count - min(g.count, uint64(len(g.first))),
		Client: g.client(), Greeting: g.greeting,
	}
	if rule.commands != nil {
		f.Commands = rule.commands(s)
	}
	if g.key.hasAPI {
		f.APIKey, f.API, f.Version = &g.key.api, apiName(g.key.api), &g.key.version
		g.finishCounts(&f)
	}
	if g.inside != nil {
		f.Evidence, f.EvidenceCounts[model.EvidenceInferred] = model.EvidenceInferred, g.count
		f.Inferred = g.inferred()
		g.countOutcomes(&f)
	}
	if g.key.hasRange {
		f.Advertised = &model.Range{Min: g.key.advertised.Min, Max: g.key.advertised.Max}
	}
	if rule.target {
		f.Reason = g.key.detail
		if t := rangeOn(s.target, g.key.api); t.listed {
			f.Target = &model.Range{Min: t.Min, Max: t.Max}
		}
	}
	for i := range g.first {
		f.Occurrences = append(f.Occurrences, g.first[i].finish())
	}
	if slices.ContainsFunc(g.first, func(o occurrence) bool { return o.isContested }) {
		f.Why += restsOnContested
	}
	return f
}

func (g *group) countOutcomes(f *model.Finding) {
	for o, n := range g.outcomes {
		if n > 0 {
			name := decode.Outcome(o).String()
			f.Outcomes[name] = n
			f.MedianSeconds[name] = g.took[o].median().Seconds()
		}
	}
}

func (g *group) finishCounts(f *model.Finding) {
	g.countOutcomes(f)
	for _, e := range [...]decode.Evidence{decode.None, decode.Supplied, decode.Borrowed, decode.Observed} {
		if n := g.evidence[e]; n > 0 {
			f.Evidence = e.String()
			f.EvidenceCounts[f.Evidence] = n
		}
	}
}

// client returns the client of the finding; nil if it is not about one client.
func (g *group) client() *model.FindingClient {
	if !g.key.hasClient {
		return nil
	}
	c := &model.FindingClient{
		SoftwareName: g.key.software.Name, SoftwareVersion: g.key.software.Version,
		Addresses: g.addresses.texts(netip.Addr.Compare, addrText), AddressesOmitted: g.addresses.omitted,
		Principals: principalNames(&g.principals),
	}
	if g.key.hasClientID {
		c.ClientID = &g.key.clientID
	}
	return c
}

func (o *occurrence) finish() model.Occurrence {
	out := model.Occurrence{
		Capture: o.at.Capture, Frame: o.at.Frame, Stream: o.at.Stream, Time: model.Time(o.at.Time),
		Client: address(o.client), Detail: o.detail, TLS: o.tls, Prefaces: o.prefaces,
	}
	if o.hasRequest {
		out.CorrelationID = &o.correlationID
		out.Outcome, out.Evidence = o.outcome.String(), o.evidence.String()
		out.Contested = o.isContested
	}
	if o.isInferred {
		out.Outcome, out.Evidence = o.outcome.String(), model.EvidenceInferred
	}
	return out
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
