package report

import (
	"cmp"
	"container/list"
	"maps"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
)

const (
	// maxOpenLanes bounds the open lanes: 512 with 128 events of 56 bytes each are 3.5 MiB.
	maxOpenLanes = 512
	// maxLaneSingle is how many events at the beginning of a lane are never merged.
	maxLaneSingle = 16
)

// timeline records connections for model.Timeline. At the limit, the lane that has been silent
// longest is closed.
type timeline struct {
	lanes map[uint32]*lane
	// open is the number of open lanes, flagged and plain of kept ones with and without findings.
	open, flagged, plain int
	// recent are the open lanes, the last active one first. Behind them are lanes for reuse, so
	// that short connections make no garbage.
	recent  list.List
	omitted uint64
}

// lane collects the data of a model.Lane.
type lane struct {
	place          *list.Element // in timeline.recent
	stream         uint32
	client, broker netip.AddrPort
	clientID       string
	software       decode.Software
	first, last    capture.Position
	end            reassembly.End
	events         []laneEvent
	// merged counts, by kind, how often pairs of events were merged.
	merged  [eventKinds]uint8
	worst   model.Severity
	flagged bool
	isKept  bool // no longer open
}

// laneEvent collects the data of a model.LaneEvent.
type laneEvent struct {
	at           capture.Position
	count        uint64
	until        int64
	key, version int16
	advertised   decode.Range
	verdict      decode.Verdict
	outcome      decode.Outcome
	// rule is the index in rules, noRule or undecided.
	rule  int8
	mixed bool
}

func newTimeline() timeline {
	return timeline{lanes: map[uint32]*lane{}}
}

func (t *timeline) exchange(x *decode.Exchange, rule int) {
	l := t.lane(x)
	if x.HasClientID && l.clientID == "" {
		l.clientID = ownText(x.ClientID)
	}
	if l.software == (decode.Software{}) && x.Software != l.software {
		l.software = ownSoftware(x.Software)
	}
	if x.Request.Before(l.first) {
		l.first = x.Request
	}
	if l.last.Before(x.Decided) {
		l.last = x.Decided
	}
	if rule == undecided {
		l.flagged = true
	}
	if rule >= 0 && rules[rule].Severity > model.Info {
		l.worst, l.flagged = max(l.worst, rules[rule].Severity), true
	}
	l.add(laneEvent{
		at: x.Request, count: 1, until: x.Request.Time, key: x.Key, version: x.Version,
		advertised: x.Advertised, verdict: x.Verdict, outcome: x.Outcome, rule: int8(rule),
	})
}

// add adds an event, or merges it with an earlier one.
func (l *lane) add(e laneEvent) {
	if len(l.events) >= maxLaneSingle && l.merge(e) {
		return
	}
	for len(l.events) >= model.MaxLaneEvents {
		l.condense()
	}
	l.events = append(l.events, e)
}

// condense merges pairs of events of the most frequent kind.
func (l *lane) condense() {
	var counts [eventKinds]int
	for i := maxLaneSingle; i < len(l.events); i++ {
		counts[l.events[i].kind()]++
	}
	most := slices.Index(counts[:], slices.Max(counts[:]))
	l.merged[most]++
	events := l.events[maxLaneSingle:]
	l.events = l.events[:maxLaneSingle]
	for _, e := range events {
		if e.kind() != most || !l.merge(e) {
			l.events = append(l.events, e)
		}
	}
}

// merge merges e with the last event of its kind. That event must not be one of the first
// maxLaneSingle, and the result must not have more requests than events of this kind currently
// may.
func (l *lane) merge(e laneEvent) bool {
	kind := e.kind()
	for i := len(l.events) - 1; i >= maxLaneSingle; i-- {
		into := &l.events[i]
		if into.kind() != kind {
			continue
		}
		if into.count+e.count > 1<<l.merged[kind] {
			return false
		}
		into.mixed = into.mixed || e.mixed || into.key != e.key || into.version != e.version ||
			into.verdict != e.verdict || into.outcome != e.outcome || into.rule != e.rule
		into.count += e.count
		into.until = max(into.until, e.until)
		return true
	}
	return false
}

// The kinds of events. Events of different kinds are never merged.
const (
	requestEvent = iota
	apiVersionsEvent
	warningEvent
	errorEvent
	eventKinds
)

func (e *laneEvent) kind() int {
	switch {
	case e.rule >= 0 && rules[e.rule].Severity == model.Error:
		return errorEvent
	case e.rule >= 0 && rules[e.rule].Severity == model.Warning:
		return warningEvent
	case e.key == apiVersionsKey:
		return apiVersionsEvent
	}
	return requestEvent
}

func (t *timeline) connection(c *decode.Connection) {
	l := t.lanes[c.Stream]
	if l == nil || l.isKept {
		return
	}
	l.first, l.last, l.end = c.First, c.Last, c.End
	t.retire(l)
}

// lane returns the lane of x. It creates it if necessary.
func (t *timeline) lane(x *decode.Exchange) *lane {
	l := t.lanes[x.Stream]
	switch {
	case l == nil:
		if t.open >= maxOpenLanes {
			t.retire(t.recent.Back().Value.(*lane))
		}
		l = t.begin(x)
	case l.isKept:
		return l
	}
	t.recent.MoveToFront(l.place)
	return l
}

func (t *timeline) begin(x *decode.Exchange) *lane {
	if t.recent.Len() == t.open {
		t.recent.PushBack(&lane{})
	}
	l := t.recent.Back().Value.(*lane)
	*l = lane{place: t.recent.Back(), events: l.events[:0]}
	l.stream, l.client, l.broker = x.Stream, x.Client, x.Broker
	l.first, l.last = x.Request, x.Decided
	t.lanes[x.Stream] = l
	t.open++
	return l
}

// retire closes l. It is kept if there are few enough of its kind.
func (t *timeline) retire(l *lane) {
	t.open--
	switch {
	case l.flagged && t.flagged < model.MaxFlaggedLanes:
		t.flagged++
	case !l.flagged && t.plain < model.MaxPlainLanes:
		t.plain++
	default:
		t.omitted++
		delete(t.lanes, l.stream)
		t.recent.MoveToBack(l.place)
		return
	}
	t.recent.Remove(l.place)
	l.events = slices.Clip(l.events)
	l.isKept = true
}

// snapshot returns the current Timeline, including open lanes. bySuspect are the rules of suspects.
func (t *timeline) snapshot(bySuspect map[suspectPlace]int) model.Timeline {
	lanes := slices.SortedFunc(maps.Values(t.lanes), func(a, b *lane) int {
		if a.flagged != b.flagged {
			return cmp.Compare(b2i(b.flagged), b2i(a.flagged))
		}
		return compareLanes(a, b)
	})
	shown := min(len(lanes), model.MaxFlaggedLanes+model.MaxPlainLanes)
	out := model.Timeline{Lanes: make([]model.Lane, 0, shown), Omitted: t.omitted + uint64(len(lanes)-shown)}
	lanes = lanes[:shown]
	slices.SortFunc(lanes, compareLanes)
	for _, l := range lanes {
		out.Lanes = append(out.Lanes, l.finish(bySuspect))
	}
	return out
}

func compareLanes(a, b *lane) int {
	return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.stream, b.stream))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (l *lane) finish(bySuspect map[suspectPlace]int) model.Lane {
	out := model.Lane{
		Capture: l.first.Capture, Stream: l.first.Stream,
		Client: address(l.client), Broker: address(l.broker), ClientID: l.clientID,
		SoftwareName: l.software.Name, SoftwareVersion: l.software.Version,
		First: model.Time(l.first.Time), Last: model.Time(l.last.Time),
		Events: make([]model.LaneEvent, 0, len(l.events)),
	}
	worst, flagged := l.worst, false
	switch l.end.Kind {
	case reassembly.Closed:
		out.End = "closed"
	case reassembly.Reset:
		out.End = "reset"
	}
	if out.End != "" {
		out.EndedByBroker = l.end.By == reassembly.ToClient
	}
	events := slices.Clone(l.events)
	slices.SortStableFunc(events, func(a, b laneEvent) int { return a.at.Compare(b.at) })
	for _, e := range events {
		if e.rule == undecided {
			e.rule = -1
			if rule, ok := bySuspect[suspectPlace{l.stream, e.at.Capture, e.at.Frame, e.key}]; ok {
				e.rule = int8(rule)
			}
		}
		if e.rule >= 0 && rules[e.rule].Severity > model.Info {
			worst, flagged = max(worst, rules[e.rule].Severity), true
		}
		out.Events = append(out.Events, e.finish())
	}
	out.Worst, out.Flagged = worst, flagged
	return out
}

type suspectPlace struct {
	stream, capture uint32
	frame           uint64
	key             int16
}

func (e laneEvent) finish() model.LaneEvent {
	out := model.LaneEvent{
		Frame: e.at.Frame, Time: model.Time(e.at.Time),
		Count: e.count, Until: model.Time(e.until), Mixed: e.mixed,
		APIKey: e.key, API: apiName(e.key), Version: e.version,
		Verdict: e.verdict.String(), Outcome: e.outcome.String(),
	}
	if e.verdict.HasRange() {
		out.Advertised = &model.Range{Min: e.advertised.Min, Max: e.advertised.Max}
	}
	if e.rule >= 0 {
		out.Code, out.Severity = rules[e.rule].Code, rules[e.rule].Severity
	}
	return out
}
