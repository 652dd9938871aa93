package merge

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
)

// numbers matches numbers in a message. They differ between reports.
var numbers = regexp.MustCompile(`[0-9][0-9,.]*`)

// keyOfFinding joins the properties that equal findings of several reports share. The message,
// without numbers, distinguishes details of findings with one code.
func keyOfFinding(f *model.Finding) string {
	advertised := ""
	if a := f.Advertised; a != nil {
		advertised = fmt.Sprintf("%05d %05d", int(a.Min)-math.MinInt16, int(a.Max)-math.MinInt16)
	}
	return model.JoinKey(f.Key().String(), f.Broker, f.Reason, advertised, numbers.ReplaceAllString(f.Message, "0"))
}

// addFinding adds a finding of a report. indexes maps the report's captures to the result's.
func (a *aggregate) addFinding(f *model.Finding, indexes []uint32) {
	for i := range f.Occurrences {
		f.Occurrences[i].Capture = renumbered(indexes, f.Occurrences[i].Capture)
	}
	for _, list := range [][]model.Explanation{f.RuledOut, f.NotRuledOut} {
		for i := range list {
			if c := list[i].Capture; c != nil {
				*c = renumbered(indexes, *c)
			}
		}
	}
	of := a.findings[f.Code]
	if of == nil {
		of = model.NewTable(keyOfFinding, mergeFindings)
		a.findings[f.Code] = of
	}
	if of.Add(f); of.Len() > 4*maxFindings {
		a.foldFindings(f.Code)
	}
}

func mergeFindings(into, f *model.Finding) {
	both := *into
	// Texts must come from one finding: the more severe one, or the one with larger numbers.
	if cmp.Or(compareTexts(into, f), compareExplanations(into, f)) < 0 {
		both = *f
	}
	both.Count = into.Count + f.Count
	both.Outcomes = combine(into.Outcomes, f.Outcomes, func(a, b uint64) uint64 { return a + b })
	both.EvidenceCounts = combine(into.EvidenceCounts, f.EvidenceCounts, func(a, b uint64) uint64 { return a + b })
	// The median of both is unknown. The larger one is kept.
	both.MedianSeconds = combine(into.MedianSeconds, f.MedianSeconds, func(a, b float64) float64 { return max(a, b) })
	both.Occurrences = slices.Concat(into.Occurrences, f.Occurrences)
	slices.SortFunc(both.Occurrences, compareOccurrences)
	both.Occurrences = both.Occurrences[:min(len(both.Occurrences), maxOccurrences)]
	both.Client, both.Accepted = mergeClients(into.Client, f.Client), into.Accepted && f.Accepted
	both.Behind = model.UnionOrNil(into.Behind, f.Behind)
	if both.Evidence = into.Evidence; slices.Index(evidences, f.Evidence) > slices.Index(evidences, into.Evidence) {
		both.Evidence = f.Evidence
	}
	*into = both
}

// evidences are the kinds of evidence, the best last.
var evidences = []string{"", model.EvidenceInferred, "none", "supplied", "borrowed", "observed"}

// combine returns the values of both maps. If both have a key, with combines the values.
func combine[N uint64 | float64](a, b map[string]N, with func(a, b N) N) map[string]N {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]N{}
	}
	for k, n := range b {
		out[k] = with(out[k], n)
	}
	return out
}

func mergeClients(a, b *model.FindingClient) *model.FindingClient {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	both := *a
	both.Addresses, both.AddressesOmitted = model.Union(a.Addresses, b.Addresses), a.AddressesOmitted+b.AddressesOmitted
	both.Principals = model.UnionOrNil(a.Principals, b.Principals)
	both.Processes = model.UnionProcesses(a.Processes, b.Processes)
	return &both
}

// compareTexts orders the texts of two reports about one finding.
func compareTexts(a, b *model.Finding) int {
	order := cmp.Or(
		cmp.Compare(a.Severity, b.Severity), cmp.Compare(len(a.Message), len(b.Message)), cmp.Compare(a.Message, b.Message),
		cmp.Compare(a.Why, b.Why), cmp.Compare(a.Advice, b.Advice), cmp.Compare(a.Release, b.Release),
	)
	if order != 0 {
		return order
	}
	type rest struct {
		Target                *model.Range
		Inferred              *model.Inferred
		Greeting              string
		KnownIssue            *model.KnownIssue
		RuledOut, NotRuledOut []string
		Commands              []model.Command
	}
	of := func(f *model.Finding) string {
		return encoded(rest{f.Target, f.Inferred, f.Greeting, f.KnownIssue, causes(f.RuledOut), causes(f.NotRuledOut), f.Commands})
	}
	return strings.Compare(of(a), of(b))
}

// causes returns explanations without their packets.
func causes(all []model.Explanation) (out []string) {
	for _, e := range all {
		out = append(out, e.Cause+": "+e.Evidence)
	}
	return out
}

// compareExplanations orders findings by the packets that exclude other causes.
func compareExplanations(a, b *model.Finding) int {
	compare := func(x, y model.Explanation) int {
		if x.Capture == nil || y.Capture == nil || x.Frame == nil || y.Frame == nil {
			return 0 // both are equal: a cause is excluded in only one way
		}
		return cmp.Or(cmp.Compare(*x.Capture, *y.Capture), cmp.Compare(*x.Frame, *y.Frame))
	}
	return cmp.Or(slices.CompareFunc(a.RuledOut, b.RuledOut, compare), slices.CompareFunc(a.NotRuledOut, b.NotRuledOut, compare))
}

// compareOccurrences orders occurrences by time, then by position.
func compareOccurrences(a, b model.Occurrence) int {
	order := cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Capture, b.Capture), cmp.Compare(a.Frame, b.Frame), cmp.Compare(a.Stream, b.Stream))
	if order == 0 {
		order = cmp.Compare(encoded(a), encoded(b))
	}
	return order
}

// foldFindings folds findings with a code. It keeps the most severe, then the most frequent ones.
func (a *aggregate) foldFindings(code string) {
	a.findings[code].Trim(maxFindings, func(x, y *model.Finding) int {
		return cmp.Or(cmp.Compare(y.Severity, x.Severity), cmp.Compare(y.Count, x.Count))
	}, func(f *model.Finding) {
		a.folded.AddFindings(model.FoldedFindings{Code: f.Code, Title: f.Title, Severity: f.Severity, Findings: 1, Count: f.Count})
	})
}

// whyAsked replaces Finding.Why of a client that another report shows to request the ranges.
const whyAsked = "The client did not ask for the ranges in this capture, and another report shows that it does. " +
	"Whether it also supports a version that the target accepts does not show."

// finishFindings returns the findings. A refusal that is certain only if the client does not
// request the ranges is a warning if it is among askers.
func (a *aggregate) finishFindings(askers model.Askers) []model.Finding {
	out := []model.Finding{}
	for _, code := range slices.Sorted(maps.Keys(a.findings)) {
		a.foldFindings(code)
		out = append(out, a.findings[code].Sorted()...)
	}
	for i := range out {
		f := &out[i]
		f.OccurrencesOmitted = f.Count - min(f.Count, uint64(len(f.Occurrences)))
		if c := f.Client; f.Reason == model.ReasonNotAsked && f.Target != nil && c != nil && c.ClientID != nil && c.AddressesOmitted == 0 && askers.Has(*c.ClientID, c.Addresses) {
			f.Severity, f.Why = model.Warning, whyAsked
		}
	}
	slices.SortStableFunc(out, func(a, b model.Finding) int {
		return cmp.Or(model.TrueFirst(b.Accepted, a.Accepted), cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(b.Count, a.Count))
	})
	return out
}
