package report

import (
	"maps"
	"slices"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// Suspects are requests that were not served. Suspects and departures cannot be decided before the
// end of the input. They are kept until a report, or the news, needs groups.

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

// rulesBySuspect returns the rules of all suspects by position.
func (f *findings) rulesBySuspect(decided *history.Decisions) map[suspectPlace]int {
	out := map[suspectPlace]int{}
	for i, k := range f.history.Suspects() {
		x := &k.Exchange
		if rule, _ := ruleOfSuspect(k, &decided.Rulings[i]); rule >= 0 {
			out[suspectPlace{x.Stream, x.Request.Capture, x.Request.Frame, x.Key}] = rule
		}
	}
	return out
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
