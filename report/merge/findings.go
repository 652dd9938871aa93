package merge

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
)

// findingKey is what equal findings of several reports have in common.
type findingKey struct {
	model    string // code, API, version, software and client id
	broker   string
	reason   string
	offered  model.Range
	hasRange bool
	// message is the message without its numbers: details set findings of one code apart.
	message string
}

// numbers are numbers in a message, which change from report to report.
var numbers = regexp.MustCompile(`[0-9][0-9,.]*`)

func keyOfFinding(f *model.Finding) findingKey {
	key := findingKey{model: f.Key().String(), broker: f.Broker, reason: f.Reason, message: numbers.ReplaceAllString(f.Message, "0")}
	if f.Advertised != nil {
		key.hasRange, key.offered = true, *f.Advertised
	}
	return key
}

func (a *aggregate) addFinding(f *model.Finding, renumber []uint32) {
	f.Occurrences = slices.Clone(f.Occurrences)
	for i := range f.Occurrences {
		f.Occurrences[i].Capture = renumbered(renumber, f.Occurrences[i].Capture)
	}
	f.RuledOut, f.NotRuledOut = moved(f.RuledOut, renumber), moved(f.NotRuledOut, renumber)
	key := keyOfFinding(f)
	own := a.findings[key]
	if own == nil {
		a.findings[key] = f
		if a.perCode[f.Code]++; a.perCode[f.Code] > 4*maxFindings {
			a.foldFindings(f.Code)
		}
		return
	}
	counts := counted{own.Count + f.Count, sums(own.Outcomes, f.Outcomes), sums(own.EvidenceCounts, f.EvidenceCounts), largest(own.MedianSeconds, f.MedianSeconds)}
	occurrences := slices.Concat(own.Occurrences, f.Occurrences)
	slices.SortFunc(occurrences, a.captures.compareOccurrences)
	occurrences = occurrences[:min(len(occurrences), maxOccurrences)]
	client, behind, accepted := clients(own.Client, f.Client), own.Behind, own.Accepted && f.Accepted
	if len(f.Behind) > 0 {
		behind = union(behind, f.Behind)
	}
	evidence := own.Evidence
	if slices.Index(evidences, f.Evidence) > slices.Index(evidences, evidence) {
		evidence = f.Evidence
	}
	// Texts belong together: those of the graver finding, or else of the larger numbers.
	if cmp.Or(compareTexts(own, f), a.captures.compareExplanations(own, f)) < 0 {
		*own = *f
	}
	own.Count, own.Outcomes, own.EvidenceCounts, own.MedianSeconds = counts.count, counts.outcomes, counts.evidence, counts.medians
	own.Occurrences, own.Client, own.Behind, own.Accepted, own.Evidence = occurrences, client, behind, accepted, evidence
}

// evidences are the kinds of evidence, the best last.
var evidences = []string{"", model.EvidenceInferred, "none", "supplied", "borrowed", "observed"}

// counted are the counts of two findings together.
type counted struct {
	count              uint64
	outcomes, evidence map[string]uint64
	medians            map[string]float64
}

func sums(a, b map[string]uint64) map[string]uint64 {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]uint64{}
	}
	for k, n := range b {
		out[k] += n
	}
	return out
}

// largest has the larger number of each key: the median of medians cannot be told.
func largest(a, b map[string]float64) map[string]float64 {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]float64{}
	}
	for k, n := range b {
		out[k] = max(out[k], n)
	}
	return out
}

// clients is the client of two equal findings.
func clients(a, b *model.FindingClient) *model.FindingClient {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	both := *a
	both.Addresses, both.AddressesOmitted = union(a.Addresses, b.Addresses), a.AddressesOmitted+b.AddressesOmitted
	return &both
}

// compareTexts orders what two reports say of one finding.
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

// compareExplanations orders findings by the packets that exclude other causes.
func (c *captures) compareExplanations(a, b *model.Finding) int {
	compare := func(x, y model.Explanation) int {
		if x.Capture == nil || y.Capture == nil || x.Frame == nil || y.Frame == nil {
			return 0 // the same for both: a cause is excluded in one way
		}
		p, q := c.place(*x.Capture), c.place(*y.Capture)
		return cmp.Or(cmp.Compare(p.part, q.part), cmp.Compare(p.n, q.n), cmp.Compare(*x.Frame, *y.Frame))
	}
	return cmp.Or(slices.CompareFunc(a.RuledOut, b.RuledOut, compare), slices.CompareFunc(a.NotRuledOut, b.NotRuledOut, compare))
}

// causes are explanations without their packets, whose captures are numbered otherwise in each report.
func causes(all []model.Explanation) (out []string) {
	for _, e := range all {
		out = append(out, e.Cause+": "+e.Evidence)
	}
	return out
}

// moved are explanations with the captures numbered anew.
func moved(all []model.Explanation, renumber []uint32) []model.Explanation {
	out := slices.Clone(all)
	for i := range out {
		if c := out[i].Capture; c != nil {
			n := renumbered(renumber, *c)
			out[i].Capture = &n
		}
	}
	return out
}

// place is the place of a capture; the zero value for an index that no capture has.
func (c *captures) place(i uint32) place {
	if int(i) < len(c.places) {
		return c.places[i]
	}
	return place{}
}

// compareOccurrences orders occurrences by time, then by place.
func (c *captures) compareOccurrences(a, b model.Occurrence) int {
	x, y := c.place(a.Capture), c.place(b.Capture)
	order := cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(x.part, y.part), cmp.Compare(x.n, y.n), cmp.Compare(a.Frame, b.Frame), cmp.Compare(a.Stream, b.Stream))
	if order == 0 {
		order = cmp.Compare(encodedOccurrence(a), encodedOccurrence(b))
	}
	return order
}

func encodedOccurrence(o model.Occurrence) string {
	o.Capture = 0
	return encoded(o)
}

// foldFindings folds the smallest findings of a code, until there are as many as there may be.
func (a *aggregate) foldFindings(code string) {
	own := map[findingKey]*model.Finding{}
	for key, f := range a.findings {
		if f.Code == code {
			own[key] = f
		}
	}
	for _, key := range smallest(own, maxFindings, compareSizes, compareFindingKeys) {
		f := own[key]
		a.folded.addFindings(model.FoldedFindings{Code: f.Code, Title: f.Title, Severity: f.Severity, Findings: 1, Count: f.Count})
		delete(a.findings, key)
		a.perCode[code]--
	}
}

// compareSizes orders the graver, then the more frequent findings first.
func compareSizes(a, b *model.Finding) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Count, a.Count))
}

func compareFindingKeys(a, b findingKey) int {
	return cmp.Or(
		cmp.Compare(a.model, b.model), cmp.Compare(a.broker, b.broker), cmp.Compare(a.reason, b.reason),
		cmp.Compare(a.offered.Min, b.offered.Min), cmp.Compare(a.offered.Max, b.offered.Max), cmp.Compare(a.message, b.message),
	)
}

func (a *aggregate) finishFindings(renumber []uint32) []model.Finding {
	for code := range a.perCode {
		a.foldFindings(code)
	}
	out := make([]model.Finding, 0, len(a.findings))
	for _, key := range slices.SortedFunc(maps.Keys(a.findings), compareFindingKeys) {
		f := a.findings[key]
		f.OccurrencesOmitted = f.Count - min(f.Count, uint64(len(f.Occurrences)))
		for i := range f.Occurrences {
			f.Occurrences[i].Capture = renumbered(renumber, f.Occurrences[i].Capture)
		}
		f.RuledOut, f.NotRuledOut = moved(f.RuledOut, renumber), moved(f.NotRuledOut, renumber)
		out = append(out, *f)
	}
	slices.SortStableFunc(out, func(a, b model.Finding) int {
		if a.Accepted != b.Accepted {
			if b.Accepted {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(b.Count, a.Count))
	})
	return out
}
