package write

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/report/model"
)

// position parses a position in percent.
func position(t testing.TB, percent string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestTimeAxisKeepsTheOrderWithinThePicture(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		moments := []axisMark{}
		for range 1 + random.IntN(2*maxStretched) {
			moments = append(moments, axisMark{instant(time.Duration(random.ExpFloat64() * float64(time.Hour) / float64(1+round*round*round))), random.IntN(3) == 0})
		}
		given := slices.Clone(moments)
		a := newTimeAxis(moments)
		for _, m := range given {
			for _, other := range given {
				x, y := a.x(m.Time), a.x(other.Time)
				if x < axisLeft-0.001 || x > axisRight+0.001 {
					t.Fatalf("round %d: place %v is outside of the picture", round, x)
				}
				if m.Time < other.Time && x > y || m.Time == other.Time && x != y || a.Stretched && m.Time < other.Time && x >= y {
					t.Fatalf("round %d: %v is at %v, and %v at %v", round, m.Time, x, other.Time, y)
				}
			}
		}
	}
}

func TestTimeAxisTellsMillisecondsApartBesideAnHour(t *testing.T) {
	a := newTimeAxis([]axisMark{{instant(0), false}, {instant(time.Millisecond), false}, {instant(time.Hour), false}})
	if !a.Stretched || a.x(instant(time.Millisecond))-a.x(instant(0)) < 10 {
		t.Errorf("a millisecond is drawn as %.1f %% of the width", a.x(instant(time.Millisecond))-a.x(instant(0)))
	}
}

func TestTimeAxisGivesConnectionsWithFindingsTheRoom(t *testing.T) {
	moments := []axisMark{{instant(0), false}, {instant(time.Second), false}}
	for i := range 1000 {
		moments = append(moments, axisMark{instant(2*time.Second + time.Duration(i)*time.Millisecond), true})
	}
	moments = append(moments, axisMark{instant(10 * time.Second), false})
	a := newTimeAxis(moments)
	if !a.Stretched || a.x(instant(time.Second)) < 10 {
		t.Errorf("stretched %v; the finding is at %.1f %%, pressed to the edge by a busy connection", a.Stretched, a.x(instant(time.Second)))
	}
}

func TestTimeAxisIsEvenWithManyMoments(t *testing.T) {
	var moments []axisMark
	for i := range maxStretched + 1 {
		moments = append(moments, axisMark{instant(time.Duration(i) * time.Second), false})
	}
	a := newTimeAxis(moments)
	middle := a.x(instant(maxStretched / 2 * time.Second))
	if a.Stretched || math.Abs(middle-(axisLeft+axisRight)/2.0) > 0.01 {
		t.Errorf("stretched %v, the middle is at %v", a.Stretched, middle)
	}
	var got []string
	for _, tick := range a.ticks() {
		got = append(got, tick.X+" "+tick.Text)
	}
	want := []string{"2.00 +0", "21.00 +40.000 s", "40.00 +0:01:20", "59.00 +0:02:00", "78.00 +0:02:40", "97.00 +0:03:20"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ticks (-want +got):\n%s", diff)
	}
}

func TestTimeAxisOfOneMoment(t *testing.T) {
	a := newTimeAxis([]axisMark{{instant(0), false}, {instant(0), true}})
	if x := a.x(instant(0)); x != axisLeft || len(a.ticks()) != 1 {
		t.Errorf("the only moment is at %v, with the ticks %v", x, a.ticks())
	}
}

// TestTicksAreToldApart: times within a second, a minute after the first, have different labels.
func TestTicksAreToldApart(t *testing.T) {
	var moments []axisMark
	for i := range 40 {
		moments = append(moments, axisMark{instant(time.Duration(i)*time.Millisecond + time.Duration(i/20)*time.Minute), false})
	}
	seen := map[string]bool{}
	for _, tick := range newTimeAxis(moments).ticks() {
		if seen[tick.Text] {
			t.Errorf("two ticks say %s", tick.Text)
		}
		seen[tick.Text] = true
	}
	if !seen["+0:01:00.039"] {
		t.Errorf("the last moment is not shown to the millisecond: %v", seen)
	}
	for d, want := range map[time.Duration]string{0: "0", 1500 * time.Microsecond: "1.5 ms", 90 * time.Second: "0:01:30", 2*time.Hour + time.Second: "2:00:01"} {
		if got := offset(d, false); got != want {
			t.Errorf("offset of %v: got %s, want %s", d, got, want)
		}
	}
}

func TestLaneDrawsEachRequestOnceAndKeepsKindsApart(t *testing.T) {
	r := hugeReport(100, 10)
	for i := range r.Timeline.Lanes {
		l := &r.Timeline.Lanes[i]
		var moments []axisMark
		want := map[string]uint64{}
		for j := range l.Events {
			moments = append(moments, axisMark{l.Events[j].Time, false})
			want[eventKind(&l.Events[j])]++
		}
		axis := newTimeAxis(moments)
		for _, kind := range markKinds {
			drawn, last := uint64(0), -100.0
			for _, c := range clusters(l, axis, kind) {
				if drawn += c.count; c.from-last < markDistance || c.to < c.from {
					t.Fatalf("lane %d: marks of kind %s at %v and %v", i, kind, last, c.from)
				}
				last = c.to
			}
			if drawn != want[kind] {
				t.Errorf("lane %d: %d requests of kind %s drawn of %d", i, drawn, kind, want[kind])
			}
		}
	}
}

func TestLaneLabelsTheErrorRatherThanTheWarning(t *testing.T) {
	l := brokenLane(1, 0, 1)
	l.Events = append(l.Events, event(99, 105*time.Millisecond, 3, "Metadata", 11, nil, "unknown", "closed", "KV2001"))
	var labels []string
	for _, m := range laneMarks(&l, newTimeAxis([]axisMark{{instant(0), false}, {instant(900 * time.Microsecond), false}, {instant(104 * time.Millisecond), false}, {instant(105 * time.Millisecond), false}, {instant(time.Hour), false}})) {
		if m.Label != "" {
			labels = append(labels, m.Label)
		}
	}
	if diff := cmp.Diff([]string{"Fetch v12"}, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// TestTheEndIsToldApartOnBusyLanes: after any number of requests, the request outside its range
// and the close after it do not overlap.
func TestTheEndIsToldApartOnBusyLanes(t *testing.T) {
	var lanes []*model.Lane
	for i := range 5 {
		l := brokenLane(uint32(i), 10*time.Second, 5000)
		for j := range model.MaxLaneEvents {
			l.Events = append([]model.LaneEvent{event(uint64(j), 10*time.Second-time.Duration(j)*71*time.Millisecond, 3, "Metadata", 9, &model.Range{Min: 0, Max: 9}, "ok", "answered", "")}, l.Events...)
		}
		l.First = l.Events[0].Time
		lanes = append(lanes, &l)
	}
	l := lanes[0]
	axis := newTimeAxis(laneMoments(lanes, true))
	broke := axis.x(l.Events[len(l.Events)-1].Time)
	if got := newPanel(&model.Report{}, lanes); !got.Stretched || axis.x(l.Last)-broke < markDistance {
		t.Errorf("stretched: %v; from request to close %v %% of the width", got.Stretched, axis.x(l.Last)-broke)
	}
}

func TestLanesWithFindingsAreShownFirst(t *testing.T) {
	var all []model.Lane
	for i := range 60 {
		l := cleanLane(uint32(i), time.Duration(i)*time.Second)
		if i%10 == 9 {
			l = brokenLane(uint32(i), time.Duration(i)*time.Second, 1)
		}
		if i%20 == 5 {
			l = brokenLane(uint32(i), time.Duration(i)*time.Second, 1)
			l.Worst = model.Warning
		}
		all = append(all, l)
	}
	shown, folded := pickLanes(all)
	if len(shown) != maxDrawnLanes || len(shown)+len(folded) != len(all) {
		t.Fatalf("%d lanes shown and %d folded of %d", len(shown), len(folded), len(all))
	}
	if !slices.IsSortedFunc(shown, func(a, b *model.Lane) int { return int(a.Stream) - int(b.Stream) }) {
		t.Error("the lanes are not in the order of time")
	}
	for _, l := range folded {
		if l.Flagged {
			t.Errorf("stream %d has a finding and is folded", l.Stream)
		}
	}
}

func TestSequenceTellsARunOnceAndCountsTheRest(t *testing.T) {
	busy := cleanLane(0, 0)
	busy.Events[len(busy.Events)-1].Count = 1000
	mergedEvent := event(99, time.Hour, 1, "Fetch", 16, nil, "ok", "answered", "")
	mergedEvent.Count, mergedEvent.Mixed = 7, true
	busy.Events = append(busy.Events, mergedEvent)
	if got, want := laneSequence(&busy), "ApiVersions v3, Metadata v12, Fetch v16 ×1,039, Fetch v16 and others ×7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var mixed model.Lane
	for i := range 50 {
		mixed.Events = append(mixed.Events, event(uint64(i), time.Duration(i), int16(i%2), []string{"Produce", "Fetch"}[i%2], 3, nil, "ok", "answered", ""))
	}
	if got := laneSequence(&mixed); !strings.HasSuffix(got, ", 34 more requests") || strings.Count(got, ",") != maxSequence {
		t.Errorf("got %s", got)
	}
}

func TestVersionChartPutsMarksWhereTheyBelong(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		advertised := model.Range{Min: int16(random.IntN(20)), Max: int16(random.IntN(20))}
		version := int16(random.IntN(60) - 10)
		if random.IntN(20) == 0 {
			version = []int16{math.MinInt16, math.MaxInt16, -1}[random.IntN(3)]
		}
		f := model.Finding{APIKey: ref(int16(1)), API: "Fetch", Version: &version, Advertised: &advertised, Count: 1}
		row := findingChart(&f, "x").Rows[0]
		mark := row.Marks[0]
		x := position(t, mark.X)
		inside := advertised.Min <= version && version <= advertised.Max
		if x < 0 || x > 100 || (mark.Kind == "inside") != inside || (mark.Label == "") != inside {
			t.Fatalf("v%d of %v: %+v", version, advertised, mark)
		}
		if row.Common == nil {
			if advertised.Min <= advertised.Max {
				t.Fatalf("%v has no bar", advertised)
			}
			continue
		}
		from := position(t, row.Common.X)
		to := from + position(t, row.Common.Width)
		if from < -0.01 || to > 100.01 || (from <= x && x <= to) != inside {
			t.Fatalf("v%d at %v, the bar of %v from %v to %v", version, x, advertised, from, to)
		}
	}
}

func TestOffersOfSeveralBrokers(t *testing.T) {
	r := &model.Report{
		Brokers: []model.Broker{
			{Address: "a", APIs: []model.API{{Key: 1, Range: model.Range{Min: 4, Max: 7}}, {Key: 2, Range: model.Range{Min: 0, Max: 5}}}},
			{Address: "b", APIs: []model.API{{Key: 1, Range: model.Range{Min: 6, Max: 12}}}},
			{Address: "c", APIs: []model.API{{Key: 1, Range: model.Range{Min: 8, Max: 12}}}},
			{Address: "unseen"}, {Address: "shown"},
			{Address: "twice", Network: "1", APIs: []model.API{{Key: 1, Range: model.Range{Min: 0, Max: 1}}}},
			{Address: "twice", Network: "2", APIs: []model.API{{Key: 1, Range: model.Range{Min: 0, Max: 2}}}},
		},
		Findings: []model.Finding{{Broker: "shown", APIKey: ref(int16(1)), Advertised: &model.Range{Min: 0, Max: 3}}, {Broker: "a", APIKey: ref(int16(1)), Advertised: &model.Range{Min: 0, Max: 99}}},
	}
	ranges := newBrokerRanges(r)
	for _, test := range []struct {
		brokers []string
		key     int16
		want    string
	}{
		{[]string{"a"}, 1, "v4 to v7"},
		{[]string{"a", "b"}, 1, "v6 to v7, v4 to v12 on some brokers"},
		{[]string{"a", "b", "c"}, 1, "differs, v4 to v12 on some brokers"},
		{[]string{"a", "b"}, 2, "differs, v0 to v5 on some brokers"},
		{[]string{"b", "a"}, 2, "differs, v0 to v5 on some brokers"},
		{[]string{"b", "c"}, 2, "not advertised"},
		{[]string{"a", "unseen"}, 1, "v4 to v7"},
		{[]string{"unseen", "elsewhere"}, 1, "range unknown"},
		{[]string{"shown"}, 1, "v0 to v3"},
		{[]string{"twice"}, 1, "v0 to v1, v0 to v2 on some brokers"},
		{nil, 1, "range unknown"},
	} {
		if got := ranges.of(test.brokers, test.key).text(); got != test.want {
			t.Errorf("%v, key %d: %s, want %s", test.brokers, test.key, got, test.want)
		}
	}
}
