package report

import (
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// report returns the findings in order and the folded ones, and adds the exceeded limits to hit.
// dropped is how many packets the capturing system lost.
func (f *findings) report(decided *history.Decisions, dropped uint64, hit hits) ([]model.Finding, []model.FoldedFindings) {
	hit.add(hits{"departures": f.departed, "sealed": f.sealed.Dropped})
	hit.add(f.history.Limits().Hit())
	if f.evidence != nil {
		hit.add(hits{"evidence_occurrences": f.evidence.Omitted() + f.unclaimed})
	}
	groups, current := f.ruledGroups(decided, dropped)
	guess := f.releaseGuesser()
	out := make([]model.Finding, 0, len(groups))
	for _, g := range groups {
		finding := f.finish(g.group, g.rule, g.severity)
		finding.Release = guess(g.group)
		finding.KnownIssue = f.knownIssue(&finding, g.group)
		out = append(out, finding)
	}
	return out, current.folded.Findings
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

// releaseGuesser returns a function that returns the most likely release of a group's broker. It
// uses the ranges of the group's requests, otherwise the latest advertised ranges. The result is
// empty if there is no broker, or if the finding is about differing ranges.
func (f *findings) releaseGuesser() func(*group) string {
	known := map[*decode.Ranges]string{}
	return func(g *group) string {
		if rules[g.key.rule].change != nil || !g.key.broker.Addr.IsValid() {
			return ""
		}
		if g.inside != nil && g.inside.answer != nil && len(g.inside.answer.Releases) > 0 {
			return inferredRelease(g.inside.answer)
		}
		if g.earlier.Time > 0 {
			return model.ReleaseUnknown // the ranges are those of the life before
		}
		if g.ranges == nil {
			release, ok := f.known.release(g.key.broker)
			if !ok {
				return model.ReleaseUnknown
			}
			text, _ := splitRelease(release.Text)
			return text
		}
		if g.evidence[decode.Observed]+g.evidence[decode.Borrowed] == 0 {
			return model.ReleaseUnknown // supplied ranges say nothing about this broker
		}
		text, ok := known[g.ranges]
		if !ok {
			text, _ = splitRelease(decode.GuessRelease(g.ranges).Text)
			known[g.ranges] = text
		}
		return text
	}
}

// knownIssue returns the known issue that matches best; nil for none.
func (f *findings) knownIssue(of *model.Finding, g *group) *model.KnownIssue {
	if g.inside != nil {
		return f.fittingIssue(g.inside)
	}
	known, _, ok := f.issues.Match(of, f.history.Answered(g.key.broker), f.known.serverName(g.key.broker))
	if !ok {
		return nil
	}
	return &known
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
