package report

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/model"
)

// Report makes the report of what came so far. It can be called at any time
// and as often as needed; the report shares nothing that later calls change.
// Connections are counted when they are over.
func (b *Builder) Report() *model.Report {
	releases, hit := b.brokers.releases(), map[string]uint64{}
	r := &model.Report{
		Schema: model.SchemaName, Tool: b.opt.Tool,
		Captures: b.captures(),
		Summary:  b.coverage.summary,
		Brokers:  append(b.brokers.finish(releases, hit), b.inferredBrokers()...),
		Clients:  append(b.clients.finish(hit), b.inferredClients()...),
		Timeline: b.timeline.snapshot(b.verdicts()),
	}
	if b.target != nil {
		r.Target = b.target.finish(hit)
	}
	if s := b.opt.Supplied; s != nil {
		r.Supplied = &model.Supplied{Name: s.Name, Release: s.Release(), File: s.File, Source: s.Table.Source, Notes: append([]string{}, s.Notes...)}
	}
	addHits(hit, map[string]uint64{model.LimitFindings: b.omitted, "departures": b.departed})
	addHits(hit, b.history.Limits().Hit())
	if e := b.opt.Evidence; e != nil {
		addHits(hit, map[string]uint64{"evidence_occurrences": e.Omitted()})
	}
	addHits(hit, map[string]uint64{"sealed": b.sealed.Dropped})
	addHits(hit, b.input.LimitsHit)
	r.Quality = b.coverage.finish(r.Captures, b.input.UnparsedPackets)
	r.Quality.DisbelievedSegments = b.input.DisbelievedSegments
	r.Quality.ExpectedRefusals = b.expectedRefusals()
	r.Quality.OtherProtocols, r.Quality.LimitsHit = b.brokers.otherProtocols(), hit
	r.Findings = b.findings(r.Quality.DroppedPackets, releases)
	for i := range r.Findings {
		switch r.Findings[i].Severity {
		case model.Error:
			r.Summary.Findings.Error++
		case model.Warning:
			r.Summary.Findings.Warning++
		default:
			r.Summary.Findings.Info++
		}
	}
	return r
}

// captures are the inputs, with lists that are never nil.
func (b *Builder) captures() []model.Capture {
	out := make([]model.Capture, 0, len(b.input.Captures))
	for _, c := range b.input.Captures {
		c.LinkTypes = append([]uint32{}, c.LinkTypes...)
		out = append(out, c)
	}
	return out
}

// settled is a group with the rule that it has by now.
type settled struct {
	*group
	rule     *Rule
	severity model.Severity
}

// severityOf is the severity of a finding by what is known of it.
func (b *Builder) severityOf(g *group, rule *Rule) model.Severity {
	if rule.severity == nil {
		return rule.Severity
	}
	return rule.severity(g, b.facts(g))
}

// ruleOf is the rule that the input as a whole makes of g by now; drop tells that g is told by another finding, or by none.
func (b *Builder) ruleOf(g *group) (rule *Rule, drop bool) {
	rule = &rules[g.key.rule]
	if rule.becomes == nil {
		return rule, false
	}
	instead, drop := rule.becomes(g, b.facts(g))
	if instead != nil {
		rule = instead
	}
	return rule, drop
}

// settle gives each group the rule that the input as a whole makes it, and orders them.
func (b *Builder) settle(dropped uint64) []settled {
	current := b.current(all)
	groups := make([]settled, 0, len(current)+1)
	for _, g := range current {
		if g.count == 0 {
			continue // its request waits for its outcome
		}
		if rule, drop := b.ruleOf(g); !drop {
			groups = append(groups, settled{b.concluded(g), rule, b.severityOf(g, rule)})
		}
	}
	if dropped > 0 {
		key := findingKey{rule: ruleIndex(bytesMissingRule.Code), detail: droppedDetail}
		groups = append(groups, settled{&group{key: key, count: 1, dropped: dropped}, &bytesMissingRule, bytesMissingRule.Severity})
	}
	slices.SortFunc(groups, func(x, y settled) int {
		return cmp.Or(
			cmp.Compare(y.severity, x.severity),
			strings.Compare(x.rule.Code, y.rule.Code),
			compareGroups(x.group, y.group),
		)
	})
	return groups
}

// findings are the findings in their order. dropped is how many packets the
// capturing side lost.
func (b *Builder) findings(dropped uint64, releases map[endpoint]decode.Release) []model.Finding {
	groups := b.settle(dropped)
	guess := releaseGuesser(releases)
	out := make([]model.Finding, 0, len(groups))
	for _, g := range groups {
		f := b.finish(g.group, g.rule, g.severity)
		f.Release = guess(g.group)
		f.KnownIssue = b.knownIssue(&f, g.group)
		out = append(out, f)
	}
	return out
}

// releaseGuesser returns a function that guesses the release of a group's
// broker: by the ranges that its requests were held against, or else by what
// the broker advertised last. It is empty where there is no broker, and where the finding
// is that those ranges differ.
func releaseGuesser(releases map[endpoint]decode.Release) func(*group) string {
	known := map[*decode.Ranges]string{}
	return func(g *group) string {
		if rules[g.key.rule].change != nil || !g.key.broker.addr.IsValid() {
			return ""
		}
		if g.inside != nil && g.inside.answer != nil && len(g.inside.answer.Releases) > 0 {
			return inferredRelease(g.inside.answer)
		}
		if g.ranges == nil {
			release, ok := releases[g.key.broker]
			if !ok {
				return model.ReleaseUnknown
			}
			text, _ := splitRelease(release.Text)
			return text
		}
		if g.evidence[decode.Observed]+g.evidence[decode.Borrowed] == 0 {
			return model.ReleaseUnknown // what the user supplied says nothing of this broker
		}
		text, ok := known[g.ranges]
		if !ok {
			text, _ = splitRelease(decode.GuessRelease(g.ranges).Text)
			known[g.ranges] = text
		}
		return text
	}
}

// knownIssue is the known issue that fits f best, nil without one.
func (b *Builder) knownIssue(f *model.Finding, g *group) *model.KnownIssue {
	if g.inside != nil {
		return b.fittingIssue(g.inside)
	}
	m := knownissues.Mismatch{Code: f.Code, IsAhead: f.IsOnTarget(), Outcomes: f.Outcomes, ServerName: b.brokers.serverName(g.key.broker)}
	if c := f.Client; c != nil {
		m.SoftwareName, m.SoftwareVersion = c.SoftwareName, c.SoftwareVersion
		if c.ClientID != nil {
			m.ClientID = *c.ClientID
		}
	}
	if f.APIKey != nil {
		m.HasAPI, m.APIKey, m.Version = true, *f.APIKey, *f.Version
	}
	switch {
	case m.IsAhead:
		if f.Target != nil {
			m.HasRange, m.Min, m.Max = true, f.Target.Min, f.Target.Max
		}
	case f.Advertised != nil:
		m.HasRange, m.Min, m.Max = true, f.Advertised.Min, f.Advertised.Max
	}
	known, _, ok := b.opt.KnownIssues.Match(m)
	if !ok {
		return nil
	}
	return &known
}

// WriteEvidence writes the packets that prove the findings of the report so far;
// see evidence.Collector.Write. It needs Options.Evidence.
func (b *Builder) WriteEvidence(w io.Writer, captures []capture.Info) (evidence.Summary, error) {
	groups := b.settle(0)
	claims := make([]evidence.Claim, 0, len(groups))
	for _, g := range groups {
		claims = append(claims, evidence.Claim{
			IDs: g.ids, Shared: g.shared, Occurrences: g.places, Code: g.rule.Code, Domain: g.key.broker.domain, Broker: g.key.broker.addr,
			WithTLS: g.rule.Code != rules[g.key.rule].Code, WithClear: g.key.detail == tlsClosed || len(g.shared) > 0,
		})
	}
	return b.opt.Evidence.Write(w, claims, captures)
}
