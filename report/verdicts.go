package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

type ruled struct {
	*group
	rule     *Rule
	severity model.Severity
}

// ruled returns the rule that the whole input supports for g, and its severity. drop: g is not
// reported.
func (f *findings) ruled(g *group) (rule *Rule, severity model.Severity, drop bool) {
	rule = &rules[g.key.rule]
	if rule.replacedBy != nil {
		instead, drop := rule.replacedBy(g, &f.facts)
		if drop {
			return nil, 0, true
		}
		rule = cmp.Or(instead, rule)
	}
	if rule.severity != nil {
		return rule, rule.severity(g, &f.facts), false
	}
	return rule, rule.Severity, false
}

// ruledGroups returns each group with the rule that the whole input supports, in order.
func (f *findings) ruledGroups(decided *history.Decisions, dropped uint64) ([]ruled, *collection) {
	current := f.current(decided, func(uint64) bool { return true })
	groups := make([]ruled, 0, len(current.all)+1)
	for _, g := range current.all {
		if g.count == 0 {
			continue // its request waits for its outcome
		}
		if rule, severity, drop := f.ruled(g); !drop {
			groups = append(groups, ruled{f.concluded(g), rule, severity})
		}
	}
	if dropped > 0 {
		key := findingKey{rule: ruleIndex(bytesMissingRule.Code), detail: droppedDetail}
		groups = append(groups, ruled{&group{key: key, count: 1, dropped: dropped}, &bytesMissingRule, bytesMissingRule.Severity})
	}
	slices.SortFunc(groups, func(x, y ruled) int {
		return cmp.Or(
			cmp.Compare(y.severity, x.severity),
			strings.Compare(x.rule.Code, y.rule.Code),
			compareGroups(x.group, y.group),
		)
	})
	return groups, current
}

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

// claimed returns the current findings for which evidence needs proofs.
func (f *findings) claimed() []evidence.Claim {
	decided := f.history.Decide()
	groups, _ := f.ruledGroups(&decided, 0)
	claims := make([]evidence.Claim, 0, len(groups))
	for _, g := range groups {
		claims = append(claims, evidence.Claim{
			IDs: g.ids, Shared: g.shared, Occurrences: g.places, Code: g.rule.Code, Broker: g.key.broker,
			WithTLS: g.rule.Code != rules[g.key.rule].Code, WithClear: g.key.detail == tlsClosed || len(g.shared) > 0,
		})
	}
	return claims
}
