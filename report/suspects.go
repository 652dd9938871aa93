package report

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// Suspects are requests that were not served. Suspects and departures cannot be decided before the
// end of the input. They are kept until a report, or the news, needs groups.

func (f *findings) newID() evidence.ID {
	f.numbered++
	return f.numbered
}

// maxClaims bounds the ids of suspects and departures: 4,096 of some 150 bytes. Further ones count as
// "evidence_occurrences": evidence keeps no packets of them.
const maxClaims = 4096

// claimKey returns the key of the id that equal suspects share.
func (f *findings) claimKey(x *decode.Exchange) findingKey {
	return findingKey{
		rule: undecided, broker: x.Endpoint(), hasAPI: true, api: x.Key, version: x.Version,
		hasClient: true, hasClientID: x.HasClientID, clientID: truncate(x.ClientID),
	}
}

func (f *findings) claim(x *decode.Exchange) {
	if f.evidence == nil {
		return
	}
	if id, ok := f.claimID(f.claimKey(x)); ok {
		f.evidence.Exchange(id, x)
	}
}

// claimAfter keeps x with the refused requests after which it shows what the client did.
func (f *findings) claimAfter(x *decode.Exchange) {
	if f.evidence == nil {
		return
	}
	for _, k := range f.history.After(x) {
		if id, ok := f.claims[f.claimKey(&k.Exchange)]; ok {
			f.evidence.After(id, &k.Exchange, x)
		}
	}
}

// claimID returns the id for a key. It creates it if necessary; ok is false at the limit.
func (f *findings) claimID(key findingKey) (id evidence.ID, ok bool) {
	if id, ok = f.claims[key]; ok {
		return id, true
	}
	if len(f.claims) >= maxClaims {
		f.unclaimed++
		return 0, false
	}
	key.clientID = ownText(key.clientID)
	f.claims[key] = f.newID()
	return f.claims[key], true
}

// decidedEarly adds a suspect that was decided before the end of the input, because of a limit.
func (f *findings) decidedEarly(k *history.Suspect, r history.Ruling) {
	if rule, key := ruleOfSuspect(k, &r); rule >= 0 {
		g := f.find(key)
		g.addSuspect(k, &r)
		f.addClaim(g, k)
	}
}

// ruleOfSuspect returns the rule that a decided suspect breaks, -1 for none, and its group's key.
func ruleOfSuspect(k *history.Suspect, r *history.Ruling) (int, findingKey) {
	for i := range rules {
		if rules[i].suspect == nil {
			continue
		}
		if detail, ok := rules[i].suspect(k, r); ok {
			return i, suspectKey(i, detail, k, r)
		}
	}
	return -1, findingKey{}
}

// suspectKey returns the key of a rule's findings about a suspect.
func suspectKey(rule int, detail string, k *history.Suspect, r *history.Ruling) findingKey {
	key := exchangeKey(rule, detail, &k.Exchange)
	if r.WithoutRange {
		key.hasRange, key.advertised = false, decode.Range{}
	}
	switch rules[rule].groups {
	case byClient:
		key.hasAPI, key.api, key.version, key.hasRange, key.advertised = false, 0, 0, false, decode.Range{}
	case byBroker:
		key = findingKey{rule: rule, detail: detail, broker: key.broker}
	}
	return key
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

// addClaim adds to a group the id that its suspects share.
func (f *findings) addClaim(g *group, k *history.Suspect) {
	if f.evidence == nil {
		return
	}
	if id, ok := f.claims[f.claimKey(&k.Exchange)]; ok {
		g.share(id, k.Exchange.Request, k.Exchange.Stream)
	}
}

// share adds an occurrence whose packets were kept under an id that other findings may share.
func (g *group) share(id evidence.ID, at capture.Position, stream uint32) {
	if !slices.Contains(g.shared, id) {
		g.shared = append(g.shared, id)
	}
	g.places = append(g.places, evidence.Place{At: at, Stream: stream})
}

// current returns all groups by the input so far: those that were certain at once, and those of
// the suspects and departures whose number isDue accepts.
func (f *findings) current(decided *history.Decisions, isDue func(number uint64) bool) *collection {
	c := &collection{groups: f.groups.clone(), own: map[*group]bool{}}
	for i, k := range f.history.Suspects() {
		if !isDue(k.Number) {
			continue
		}
		if rule, key := ruleOfSuspect(k, &decided.Rulings[i]); rule >= 0 {
			g := c.find(key)
			g.addSuspect(k, &decided.Rulings[i])
			f.addClaim(g, k)
		}
	}
	f.addOutages(c, decided.Outages)
	for i := range f.departures {
		if d := &f.departures[i]; isDue(d.number) {
			f.addDeparture(c.find, d)
		}
	}
	c.identify(f.known.announced())
	c.joinAlerts()
	return c
}

// addOutages adds the connections without a request that addresses did not serve.
func (f *findings) addOutages(c *collection, outages []history.Outage) {
	rule := ruleIndex(awayRule.Code)
	for _, o := range outages {
		if o.Unserved == 0 {
			continue
		}
		g := c.find(findingKey{rule: rule, detail: placeOf(o.From), broker: o.At})
		g.from, g.last, g.to = o.From, o.Last, o.To
		g.count += o.Unserved
		g.refused, g.others, g.never = o.Unserved, o.Others, o.Never
		id, hasEvidence := f.claims[unservedKey(o.At)]
		for _, m := range o.Missed {
			g.keep(occurrence{at: m.At, stream: m.Stream, client: m.Client})
			if hasEvidence {
				g.share(id, m.At, m.Stream)
			}
		}
	}
}

// unservedKey returns the key of the id that the connections without a request share that an
// address did not serve.
func unservedKey(at decode.Endpoint) findingKey {
	return findingKey{rule: undecided, detail: "unserved", broker: at}
}

// placeOf returns a packet as the detail of a key.
func placeOf(at capture.Position) string { return fmt.Sprintf("%d/%d", at.Capture, at.Frame) }

// collection is a copy of the groups to which suspects and departures are added.
type collection struct {
	groups
	// own are the groups that belong to the collection and can be changed.
	own map[*group]bool
}

// find returns a group that can be changed. It creates it if necessary.
func (c *collection) find(key findingKey) *group {
	g := c.all[key]
	if g == nil {
		g = c.begin(key)
	} else if !c.own[g] {
		g = g.clone()
		c.all[key] = g
	}
	c.own[g] = true
	c.touch(g)
	return g
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

type identity struct {
	clientID string
	addr     netip.Addr
}

// identify merges findings of a client that announced its software on only some of its
// connections. Equal client ids at one address are one client.
func (c *collection) identify(announced map[identity]decode.Software) {
	for key, g := range maps.Clone(c.all) {
		software, ok := announcedBy(announced, key.clientID, g.addresses.list)
		if !ok || !key.hasClientID || key.software.Name != "" || g.count == 0 {
			continue
		}
		key.software = software
		c.find(key).merge(g)
		delete(c.all, g.key)
		c.perRule[key.rule]--
	}
}

// joinAlerts merges the TLS handshakes that ended in a close into those of the same clients that
// ended in an alert: the alert names the cause of both.
func (c *collection) joinAlerts() {
	var closes, alerts []*group
	for _, g := range c.all {
		switch {
		case rules[g.key.rule].Code != handshakeFailedRule.Code:
		case strings.HasPrefix(g.key.detail, alertPrefix):
			alerts = append(alerts, g)
		case g.key.detail == closedBy(reassembly.ToClient), g.key.detail == closedBy(reassembly.ToBroker):
			closes = append(closes, g)
		}
	}
	slices.SortFunc(closes, compareGroups)
	slices.SortFunc(alerts, compareGroups)
	for _, g := range closes {
		i := slices.IndexFunc(alerts, func(a *group) bool { return a.key.broker == g.key.broker && a.hasClientsOf(g) })
		if i < 0 {
			continue
		}
		into := c.find(alerts[i].key)
		into.merge(g)
		into.closed += g.count
		delete(c.all, g.key)
		c.perRule[g.key.rule]--
	}
}

func (g *group) hasClientsOf(o *group) bool {
	return !slices.ContainsFunc(o.first, func(x occurrence) bool {
		return !slices.ContainsFunc(g.first, func(y occurrence) bool { return x.client.Addr() == y.client.Addr() })
	})
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

// verdicts returns the rules of all suspects by position.
func (f *findings) verdicts(decided *history.Decisions) map[suspectPlace]int {
	out := map[suspectPlace]int{}
	for i, k := range f.history.Suspects() {
		x := &k.Exchange
		if rule, _ := ruleOfSuspect(k, &decided.Rulings[i]); rule >= 0 {
			out[suspectPlace{x.Stream, x.Request.Capture, x.Request.Frame, x.Key}] = rule
		}
	}
	return out
}

func (f *findings) finish(g *group, rule *Rule, severity model.Severity) model.Finding {
	ruledOut, open := []model.Explanation{}, []model.Explanation{}
	if rule.explains && severity >= model.Warning {
		ruledOut, open = explanations(f.explain(g, rule), rule.omits)
	}
	at := f.about(g)
	out := g.finish(rule, severity, &subject{
		group: g, tables: f.known.tables(g.key.broker), target: f.target,
		clear: at.clear, answers: f.history.Answered(g.key.broker), restarted: f.history.Restarted(g.key.broker), handshakes: at.tls, shut: at.shut, isOpen: len(open) > 0, served: func() bool { return f.served(g) },
		mayLackSASL: (g.sample == nil || !g.sample.UsesSASL()) && slices.ContainsFunc(open, func(e model.Explanation) bool { return e.Cause == history.Authentication.String() }),
		unexplained: func() int {
			return f.sealed.Unexplained(g.key.broker)
		},
	})
	out.RuledOut, out.NotRuledOut = ruledOut, open
	out.Behind = f.known.behind(g.key.broker)
	if out.Client != nil {
		out.Client.Processes = f.processes(g)
	}
	return out
}

// processes returns the processes of the clients of the first occurrences.
func (f *findings) processes(g *group) []model.Process {
	if f.processAt == nil {
		return nil
	}
	for i := range g.first {
		if p, ok := f.processAt(g.first[i].stream, g.first[i].client); ok {
			g.processes.add(p)
		}
	}
	return model.UnionProcesses(nil, g.processes.list)
}

// explain returns the other possible causes of a finding: of its first request, of a change of
// ranges, of requests inside TLS, or of the end of its first connection.
func (f *findings) explain(g *group, rule *Rule) []history.Explanation {
	switch {
	case g.sample != nil:
		missing := g.bytes
		for i := range g.first {
			missing = max(missing, f.history.Missing(g.first[i].stream))
		}
		return f.history.Explanations(g.sample, missing)
	case len(g.first) == 0:
		return nil
	case rule.change != nil:
		return f.history.ChangeExplanations(g.key.broker, g.first[0].at)
	case g.inside != nil:
		return g.inside.explanations()
	}
	return f.history.ConnectionExplanations(g.key.broker, &g.ended, g.bytes)
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

// explanations divides the other causes of a finding into excluded ones and open ones.
func explanations(all []history.Explanation, omits []string) (ruledOut, open []model.Explanation) {
	ruledOut, open = []model.Explanation{}, []model.Explanation{}
	for _, e := range all {
		if slices.Contains(omits, e.Name) {
			continue
		}
		out := model.Explanation{Cause: e.Name, Evidence: e.By}
		if e.At.Frame > 0 {
			out.Capture, out.Frame = &e.At.Capture, &e.At.Frame
		}
		if e.Excluded {
			ruledOut = append(ruledOut, out)
		} else {
			open = append(open, out)
		}
	}
	return ruledOut, open
}

// refusals counts the requests that were not served and are in no finding: the probes whose
// refusal their client expects, and those without an explanation, with the causes that are possible
// for the first maxExplained of them.
func (f *findings) refusals(decided *history.Decisions, q *model.Quality) {
	causes := map[string]bool{}
	for i, k := range f.history.Suspects() {
		switch cause := decided.Rulings[i].Cause; {
		case cause == history.Expected:
			q.ExpectedRefusals++
		case cause == history.Unexplained && k.Exchange.Undelivered:
			q.UndeliveredRequests++
		case cause == history.Unexplained && history.IsUnserved(&k.Exchange):
			if q.UnexplainedRequests++; q.UnexplainedRequests <= maxExplained {
				f.possible(k, causes)
			}
		}
	}
	q.UnexplainedCauses = slices.Sorted(maps.Keys(causes))
}

// maxExplained bounds the requests whose possible causes the footer has.
const maxExplained = 256

// possible adds the causes of a refused request that nothing excludes.
func (f *findings) possible(k *history.Suspect, causes map[string]bool) {
	for _, e := range f.history.Explanations(k, 0) {
		if !e.Excluded {
			causes[e.Name] = true
		}
	}
	x := &k.Exchange
	if x.Verdict != decode.OK && !f.history.AnsweredInLife(k) {
		causes["version"] = true
	}
	if !f.history.Answered(x.Endpoint()) {
		causes["TLS"] = true
	}
}
