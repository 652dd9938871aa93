package write

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// pageView is the data of the templates: the report as text and numbers, limited in size.
type pageView struct {
	// Policy is the Content-Security-Policy. Style and Script are complete elements. Unless the
	// page is live, Script is empty and Refresh (milliseconds) is 0.
	Policy        string
	Style, Script template.HTML
	Refresh       int64

	// Headline says what happened. State is "error", "warning", "good" or, if nothing could be
	// checked, "info". StateName is its text.
	Headline, State, StateName string
	// Course says how often it happened and the outcome. Also counts the findings after the first.
	Course, Also string
	Captures     []phrase
	// MoreCaptures and the other More fields count the unlisted entries.
	MoreCaptures uint64
	Evidence     phrase
	Facts        []namedValue
	Coverage     phrase

	Findings     []findingView
	FindingRows  []model.Finding
	MoreFindings []model.FoldedFindings

	// Target is the verdict of the release named with --target about the clients; nil for none.
	Target *targetView

	Timeline *timelineView
	// IsMerged: it is a merged report, which has no timeline.
	IsMerged bool

	Programs     []programView
	ProgramRows  []*model.Client
	MorePrograms uint64

	Brokers     []*model.Broker
	BrokerRows  []*model.Broker
	MoreBrokers uint64

	Notes          []note
	NothingMissing string
	Steps          []instruction
	Remark         phrase
	Tool           string
}

type namedValue struct{ Name, Value string }

func newPageView(r *model.Report) *pageView {
	ids := idMaker{}
	ranges := newBrokerRanges(r)
	v := &pageView{
		Headline: truncate(headline(r), maxTitle), Evidence: evidencePhrase(r),
		Facts: facts(r), Coverage: join(coverage(r), " "),
		Notes: documentNotes(r), NothingMissing: nothingMissing(r),
		Steps: reproduce(r), Remark: reproduceRemark(r),
		IsMerged: r.IsMerged(),
		Tool:     strings.TrimSpace(r.Tool.Name + " " + r.Tool.Version),
	}
	v.Course, v.Also = afterHeadline(r)
	v.State, v.StateName = state(r)
	for i := range r.Captures[:min(len(r.Captures), maxHTMLCaptures)] {
		v.Captures = append(v.Captures, capturePhrase(&r.Captures[i]))
	}
	v.MoreCaptures = uint64(len(r.Captures) - len(v.Captures))
	v.addFindings(r, ids)
	v.Target = newTargetView(r)
	v.Timeline = newTimelineView(r)
	v.addPrograms(r, ranges, ids)
	v.addBrokers(r)
	return v
}

func state(r *model.Report) (state, name string) {
	switch f := worst(r); {
	case f != nil:
		return f.Severity.String(), severityWords[f.Severity]
	case r.Summary.RequestsChecked == 0:
		return "info", "Nothing checked"
	}
	return "good", "Nothing found"
}

func facts(r *model.Report) []namedValue {
	s := &r.Summary
	out := []namedValue{
		{"Requests", words.Number(s.Requests)},
		{"Checked", words.Number(s.RequestsChecked)},
		{"Kafka connections", words.Number(s.KafkaStreams)},
	}
	if s.EncryptedStreams > 0 {
		out = append(out, namedValue{"Encrypted", words.Number(s.EncryptedStreams)})
	}
	out = append(out, namedValue{"Brokers", words.Number(uint64(len(r.Brokers)))}, namedValue{"Client programs", words.Number(uint64(len(r.Clients)))})
	if first, last := model.InputSpan(r.Captures); first != nil {
		out = append(out, namedValue{"Time covered", words.Humane(time.Duration(*last - *first))})
	}
	return out
}

// idMaker makes ids for elements. They are equal in every report, so a live page keeps its
// position.
type idMaker map[string]int

func (m idMaker) make(prefix string, properties ...any) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q", properties)
	id := fmt.Sprintf("%s-%016x", prefix, h.Sum64())
	m[id]++
	if n := m[id]; n > 1 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return id
}

type findingView struct {
	ID, Code, Title, Message string
	// Severity is the name of the severity, SeverityName its text.
	Severity, SeverityName string
	// Folded: a click shows it.
	Folded bool
	Rows   []statement
	// Chart shows the range and the sent version; nil for findings about connections.
	Chart      *versionChart
	KnownIssue *knownIssueView
	Advice     string
	Commands   []model.Command
	// Listed says how many occurrences are listed. Several: they are in several captures.
	// Detailed: some have a detail. Requests: they are requests.
	Listed string
	// Hint says which settings Wireshark needs.
	Hint                        string
	Occurrences                 []occurrenceView
	Several, Detailed, Requests bool
	// Frames is a display filter for the packets that All describes; empty for a single one.
	// EvidenceFrames is a display filter for the packets in the evidence that Proof describes.
	// Both are empty for none.
	Frames         string
	All            phrase
	EvidenceFrames string
	Proof          phrase
}

// knownIssueView is a known issue. Link is empty if it has none.
type knownIssueView struct {
	model.KnownIssue
	Link, Match string
}

type occurrenceView struct {
	model.Occurrence
	Filter  string
	Capture phrase
	Outcome phrase
	Detail  phrase
	Proof   string
}

// addFindings adds the first findings in full, the next ones as rows, and counts the others.
func (v *pageView) addFindings(r *model.Report, ids idMaker) {
	full, rows, rest := parts(r.Findings, maxHTMLFindings)
	for i, title := range titles(full) {
		v.Findings = append(v.Findings, newFindingView(r, &full[i], title, ids))
	}
	v.FindingRows, v.MoreFindings = rows, countCodes(rest)
}

// parts divides a list: most elements are shown in full, maxHTMLRows as rows, and the rest is
// counted.
func parts[T any](list []T, most int) (full, rows, rest []T) {
	full, rest = list[:min(len(list), most)], list[min(len(list), most):]
	return full, rest[:min(len(rest), maxHTMLRows)], rest[min(len(rest), maxHTMLRows):]
}

func newFindingView(r *model.Report, f *model.Finding, title string, ids idMaker) findingView {
	v := findingView{
		ID:   ids.make("f", f.Code, f.API, f.Version != nil, value(f.Version), f.Advertised != nil, value(f.Advertised), f.Broker, f.Client != nil, clientKeyOf(f.Client)),
		Code: f.Code, Title: f.Title + acceptedText(f), Message: truncate(title, maxTitle), Folded: isNote(r, f),
		Severity: f.Severity.String(), SeverityName: severityWords[f.Severity],
		Advice: remedy(f), Commands: f.Commands, Several: len(r.Captures) > 1, Requests: requestText(f) != "",
	}
	v.Rows = statements(r, f)
	v.Chart = findingChart(f, v.ID)
	if k := f.KnownIssue; k != nil {
		link, _ := webLink(k.URL)
		v.KnownIssue = &knownIssueView{*k, link, strings.TrimSpace(matchText(k))}
	}
	v.addOccurrences(r, f)
	return v
}

var severityWords = map[model.Severity]string{model.Error: "Error", model.Warning: "Warning", model.Info: "Note"}

// value returns *p, or the zero value for nil.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

func clientKeyOf(c *model.FindingClient) []string {
	if c == nil {
		return nil
	}
	return []string{c.SoftwareName, c.SoftwareVersion, value(c.ClientID)}
}

func (v *findingView) addOccurrences(r *model.Report, f *model.Finding) {
	if len(f.Occurrences) == 0 {
		return
	}
	v.Listed, v.Hint = words.UpperFirst(firstOf(r, uint64(len(f.Occurrences)), f.Count)), filterHint(r, f)
	if len(f.Occurrences) > 1 {
		v.Frames, v.All = framesFilter(f.Occurrences), allPackets(r, f)
	}
	v.Proof, v.EvidenceFrames = inEvidence(r, f)
	for i := range f.Occurrences {
		o := &f.Occurrences[i]
		detail := detailPhrase(o)
		v.Detailed = v.Detailed || len(detail) > 0
		v.Occurrences = append(v.Occurrences, occurrenceView{
			Occurrence: *o, Filter: occurrenceFilter(o),
			Capture: captureName(r, o.Capture), Outcome: outcomePhrase(o.Outcome), Detail: detail, Proof: evidencePlace(o),
		})
	}
}

type programView struct {
	ID   string
	Name phrase
	Rows []statement
	// Requests is the number of requests. Outside says that some were outside their range.
	Requests string
	Outside  bool
	Chart    *versionChart
	MoreAPIs uint64
}

// addPrograms adds the clients. Those with the most requests outside the ranges get charts.
func (v *pageView) addPrograms(r *model.Report, ranges *brokerRanges, ids idMaker) {
	full, rows, rest := parts(clientsByProblems(r), maxHTMLFull)
	for _, c := range full {
		v.Programs = append(v.Programs, newProgramView(c, ranges, ids))
	}
	v.ProgramRows, v.MorePrograms = rows, uint64(len(rest))
}

func newProgramView(c *model.Client, ranges *brokerRanges, ids idMaker) programView {
	sum := usage(c)
	v := programView{
		ID:   ids.make("c", c.SoftwareName, c.SoftwareVersion, c.SoftwareName == "" && len(c.ClientIDs) > 0, c.ClientIDs[:min(len(c.ClientIDs), 1)]),
		Name: programPhrase(c), Outside: sum.Outside > 0,
	}
	v.Requests = words.Plural(c.Requests, "request")
	if sum.Outside > 0 {
		v.Requests += ", " + words.Number(sum.Outside) + " outside the advertised range"
	}
	if sum.Unchecked > 0 {
		v.Requests += ", " + words.Number(sum.Unchecked) + " not checked"
	}
	for _, list := range []struct {
		name  string
		texts []string
	}{{"Client ids", c.ClientIDs}, {"Principals", c.Principals}, {"Processes", processTexts(c.Processes)}, {"From", c.Addresses}, {"To", c.BrokerAddresses}} {
		if len(list.texts) > 0 {
			v.Rows = append(v.Rows, statement{list.name, some(list.texts, 2*maxListed)})
		}
	}
	apis := c.APIs[:min(len(c.APIs), maxHTMLAPIs)]
	v.MoreAPIs = uint64(len(c.APIs) - len(apis))
	v.Chart = clientChart(apis, c.BrokerAddresses, ranges, v.ID)
	return v
}

// addBrokers adds the brokers. The busiest get all their ranges.
func (v *pageView) addBrokers(r *model.Report) {
	full := make([]int, 0, len(r.Brokers))
	for i := range r.Brokers {
		full = append(full, i)
	}
	slices.SortStableFunc(full, func(a, b int) int { return cmp.Compare(r.Brokers[b].Requests, r.Brokers[a].Requests) })
	full = full[:min(len(full), maxHTMLFull)]
	for i := range r.Brokers {
		switch {
		case slices.Contains(full, i):
			v.Brokers = append(v.Brokers, &r.Brokers[i])
		case len(v.BrokerRows) < maxHTMLRows:
			v.BrokerRows = append(v.BrokerRows, &r.Brokers[i])
		default:
			v.MoreBrokers++
		}
	}
}

type targetView struct {
	Headline string
	Rows     []model.TargetClient
	// More counts the clients that are not shown.
	More    uint64
	Remarks []phrase
}

// targetClasses are the severities whose style a verdict has.
var targetClasses = map[string]string{
	model.VerdictBreaks: "error", model.VerdictLikely: "warning", model.VerdictUnclear: "info", model.VerdictFine: "good", model.VerdictBrokers: "info",
}

func newTargetView(r *model.Report) *targetView {
	g := r.Target
	if g == nil {
		return nil
	}
	rows := min(len(g.Clients), maxHTMLRows)
	return &targetView{
		Headline: "On " + targetTitle(g) + ": " + targetHeadline(g), Rows: g.Clients[:rows],
		More: uint64(len(g.Clients) - rows), Remarks: targetRemarks(g, r),
	}
}
