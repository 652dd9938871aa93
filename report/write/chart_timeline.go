package write

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

type timelineView struct {
	// Panels are the visible picture and, if there are more connections, a folded one.
	Panels []timelinePanel
	Lanes  []laneView
	// Omitted counts the connections that are not shown.
	Omitted uint64
	// Requests counts the requests on the shown connections. Marks counts the marks for them.
	Requests, Marks uint64
	Several         bool
}

// timelinePanel is a group of connections with an axis of its own.
type timelinePanel struct {
	ID        string
	Ticks     []tick
	Stretched bool
	Begins    string
	Lanes     []laneView
	Folded    bool
}

type laneView struct {
	ID     string
	Stream uint32
	// Worst is the name of the highest severity; empty without findings.
	Worst string
	// Program is the client id or, without one, the software. Otherwise Software is the software.
	Program, Software phrase
	Client, Broker    string
	Capture           phrase
	FirstFrame        uint64
	// X1 and X2 are its beginning and end in percent of the width.
	X1, X2 string
	Marks  []laneMark
	// End is "closed-broker", "closed-client", "reset-broker", "reset-client" or "". EndText
	// describes it.
	End, EndText string
	// Sequence describes its requests as text.
	Sequence string
}

// laneMark is one request on a lane, or several that are close together.
type laneMark struct {
	// X1 and X2 are the same for one request.
	X1, X2 string
	// Kind is "request", "apiversions", "error" or "warning".
	Kind    string
	Several bool
	// Label is the text above it. Anchor is the alignment of the label.
	Label, Anchor string
	Title         string
}

const (
	// maxDrawnLanes is how many connections are visible at first: they fill two screens.
	maxDrawnLanes = 16
	// markDistance is the largest distance, in percent of the width, at which marks of one kind
	// become one mark. A mark is ten pixels wide, the picture some 900.
	markDistance = 1.2
	// laneLabelDistance is the smallest distance of labels on a lane, in percent of the width.
	laneLabelDistance = 16
	// maxSequence is how many requests of a connection the text describes.
	maxSequence = 16
)

func newTimelineView(r *model.Report) *timelineView {
	t := &r.Timeline
	if len(t.Lanes) == 0 {
		return nil
	}
	v := &timelineView{Omitted: t.Omitted, Several: len(r.Captures) > 1}
	shown, folded := pickLanes(t.Lanes)
	for i, lanes := range [][]*model.Lane{shown, folded} {
		if len(lanes) == 0 {
			continue
		}
		p := newPanel(r, lanes)
		p.ID, p.Folded = fmt.Sprintf("lanes-%d", i), i > 0
		v.Panels = append(v.Panels, p)
		v.Lanes = append(v.Lanes, p.Lanes...)
		for i, l := range lanes {
			v.Marks += uint64(len(p.Lanes[i].Marks))
			for j := range l.Events {
				v.Requests += l.Events[j].Count
			}
		}
	}
	return v
}

// pickLanes selects the visible connections: first those with errors, then those with warnings,
// then the others, each ordered by time.
func pickLanes(all []model.Lane) (shown, folded []*model.Lane) {
	order := make([]int, len(all))
	for i := range all {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(laneRank(&all[a]), laneRank(&all[b]))
	})
	first := order[:min(len(order), maxDrawnLanes)]
	slices.Sort(first)
	for i := range all {
		if _, found := slices.BinarySearch(first, i); found {
			shown = append(shown, &all[i])
		} else {
			folded = append(folded, &all[i])
		}
	}
	return shown, folded
}

// laneRank returns 0 for the lanes that are shown first.
func laneRank(l *model.Lane) int {
	if !l.Flagged {
		return int(model.Error) + 1
	}
	return int(model.Error - l.Worst)
}

func newPanel(r *model.Report, lanes []*model.Lane) timelinePanel {
	axis := newTimeAxis(laneMoments(lanes, false))
	if !axis.Stretched && slices.ContainsFunc(lanes, func(l *model.Lane) bool { return l.Flagged }) {
		axis = newTimeAxis(laneMoments(lanes, true))
	}
	p := timelinePanel{Ticks: axis.ticks(), Stretched: axis.Stretched, Begins: clockText(axis.times[0])}
	for _, l := range lanes {
		p.Lanes = append(p.Lanes, newLaneView(r, l, axis))
	}
	return p
}

// laneMoments returns the times to show. Lanes without findings are minor if others have findings.
// With onlyFindings, all requests outside findings are also minor. The important request and the
// close after it are then visible among thousands of requests.
func laneMoments(lanes []*model.Lane, onlyFindings bool) []axisMark {
	flagged := slices.ContainsFunc(lanes, func(l *model.Lane) bool { return l.Flagged })
	var out []axisMark
	for _, l := range lanes {
		minor := flagged && !l.Flagged
		out = append(out, axisMark{l.First, minor}, axisMark{l.Last, minor})
		for i := range l.Events {
			e := &l.Events[i]
			plain := minor || onlyFindings && e.Code == ""
			out = append(out, axisMark{e.Time, plain}, axisMark{e.Until, plain})
		}
	}
	return out
}

func newLaneView(r *model.Report, l *model.Lane, axis *timeAxis) laneView {
	v := laneView{
		ID: fmt.Sprintf("s%d-%d", l.Capture, l.Stream), Stream: l.Stream, Capture: captureName(r, l.Capture),
		Client: l.Client, Broker: l.Broker, X1: percent(axis.x(l.First)), X2: percent(axis.x(l.Last)), Sequence: laneSequence(l),
	}
	if l.Flagged {
		v.Worst = l.Worst.String()
	}
	switch {
	case l.SoftwareName != "" && l.ClientID != "":
		v.Program, v.Software = say(verbatim(l.ClientID)), softwarePhrase(l.SoftwareName, l.SoftwareVersion)
	case l.SoftwareName != "":
		v.Program = softwarePhrase(l.SoftwareName, l.SoftwareVersion)
	case l.ClientID != "":
		v.Program = say(verbatim(l.ClientID))
	}
	if len(l.Events) > 0 {
		v.FirstFrame = l.Events[0].Frame
	}
	v.Marks = laneMarks(l, axis)
	v.End, v.EndText = laneEnding(l)
	return v
}

// laneEnding describes how a lane ended, as a kind and as text.
func laneEnding(l *model.Lane) (kind, text string) {
	by, who := "client", "the client"
	if l.EndedByBroker {
		by, who = "broker", "the broker"
	}
	if l.End == "" {
		return "", "end not seen"
	}
	return l.End + "-" + by, fmt.Sprintf("%s by %s", l.End, who)
}

// The kinds of marks in drawing order: the last one is on top.
var markKinds = [...]string{"request", "apiversions", "warning", "error"}

// laneMarks returns the marks of a lane. Requests that are close together become one mark.
func laneMarks(l *model.Lane, axis *timeAxis) []laneMark {
	var out []laneMark
	var places []float64
	for _, kind := range markKinds {
		for _, c := range clusters(l, axis, kind) {
			mark := c.mark(kind)
			if kind == "error" || kind == "warning" {
				mark.Label = c.label()
			}
			out = append(out, mark)
			places = append(places, (c.from+c.to)/2)
		}
	}
	// The most severe are last, and get their labels first.
	var taken []float64
	for i := len(out) - 1; i >= 0; i-- {
		near := func(x float64) bool { return math.Abs(x-places[i]) < laneLabelDistance }
		if out[i].Label == "" || slices.ContainsFunc(taken, near) {
			out[i].Label = ""
			continue
		}
		out[i].Anchor = anchor(places[i], out[i].Label)
		taken = append(taken, places[i])
	}
	return out
}

type cluster struct {
	from, to float64
	first    *model.LaneEvent
	count    uint64
	// mixed: the requests differ in API or version.
	mixed bool
}

func clusters(l *model.Lane, axis *timeAxis, kind string) []cluster {
	var out []cluster
	for i := range l.Events {
		e := &l.Events[i]
		if eventKind(e) != kind {
			continue
		}
		from, to := axis.x(e.Time), axis.x(e.Until)
		if n := len(out); n > 0 && from-out[n-1].to < markDistance {
			c := &out[n-1]
			c.to, c.count = max(c.to, to), c.count+e.Count
			c.mixed = c.mixed || e.Mixed || c.first.APIKey != e.APIKey || c.first.Version != e.Version
			continue
		}
		out = append(out, cluster{from: from, to: to, first: e, count: e.Count, mixed: e.Mixed})
	}
	return out
}

func eventKind(e *model.LaneEvent) string {
	switch {
	case e.Code != "" && e.Severity == model.Error:
		return "error"
	case e.Code != "" && e.Severity == model.Warning:
		return "warning"
	case e.APIKey == decode.KeyAPIVersions:
		return "apiversions"
	}
	return "request"
}

func (c *cluster) mark(kind string) laneMark {
	m := laneMark{X1: percent(c.from), X2: percent(c.to), Kind: kind, Several: c.count > 1}
	if c.count == 1 {
		m.Title = eventText(c.first)
	} else {
		m.Title = fmt.Sprintf("%s from frame %d on", words.Plural(c.count, "request"), c.first.Frame)
		if !c.mixed {
			m.Title += ", all " + eventRequest(c.first)
		}
	}
	return m
}

func (c *cluster) label() string {
	text := eventRequest(c.first)
	if c.mixed {
		text += ", …"
	}
	return text + repeated(c.count)
}

// repeated returns " ×6"; empty for once.
func repeated(n uint64) string {
	if n == 1 {
		return ""
	}
	return " ×" + words.Number(n)
}

// eventRequest returns the API and version: "Fetch v12".
func eventRequest(e *model.LaneEvent) string { return fmt.Sprintf("%s v%d", e.API, e.Version) }

func eventText(e *model.LaneEvent) string {
	text := fmt.Sprintf("frame %d: %s", e.Frame, eventRequest(e))
	if e.Advertised != nil {
		text += ", advertised " + e.Advertised.Text()
	}
	if e.Outcome != "" {
		text += ", " + outcomeLabel(e.Outcome)
	}
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// laneSequence describes a lane as text: "ApiVersions v3, Metadata v9 ×2, Fetch v12 (above-max,
// closed by the broker)".
func laneSequence(l *model.Lane) string {
	var parts []string
	shown := 0
	for shown < len(l.Events) && len(parts) < maxSequence {
		text, n := eventBrief(&l.Events[shown]), uint64(0)
		for ; shown < len(l.Events) && eventBrief(&l.Events[shown]) == text; shown++ {
			n += l.Events[shown].Count
		}
		parts = append(parts, text+repeated(n))
	}
	left := uint64(0)
	for i := range l.Events[shown:] {
		left += l.Events[shown+i].Count
	}
	if left > 0 {
		parts = append(parts, words.Plural(left, "more request"))
	}
	return strings.Join(parts, ", ")
}

// eventBrief describes an event in a few words. It omits everything that is normal.
func eventBrief(e *model.LaneEvent) string {
	var remarks []string
	if e.Verdict != "ok" && e.Verdict != "exempt" && e.Verdict != "unknown" && e.Verdict != "" {
		remarks = append(remarks, e.Verdict)
	}
	if e.Outcome != "answered" && e.Outcome != "none-expected" && e.Outcome != "" {
		remarks = append(remarks, outcomeLabel(e.Outcome))
	}
	if e.Mixed {
		return eventRequest(e) + " and others"
	}
	return eventRequest(e) + parenthesis(strings.Join(remarks, ", "))
}
