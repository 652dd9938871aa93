package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

func TestTimelineShowsHowAConnectionWent(t *testing.T) {
	r := builderOf(Options{}, fetchBug()...).Report()
	if len(r.Timeline.Lanes) != 6 || r.Timeline.Omitted != 0 {
		t.Fatalf("%d lanes, %d omitted, want 6 and 0", len(r.Timeline.Lanes), r.Timeline.Omitted)
	}
	l := r.Timeline.Lanes[0]
	if l.Stream != 0 || l.Client != "127.0.0.1:41000" || l.ClientID != "orders-svc" || l.SoftwareName != "confluent-kafka-go" ||
		l.End != "closed" || !l.EndedByBroker || !l.Flagged || l.Worst != model.Error {
		t.Errorf("lane %+v", l)
	}
	last := l.Events[len(l.Events)-1]
	if len(l.Events) != 4 || last.Frame != 16 || last.Code != "KV1001" || last.Verdict != "above-max" || last.Outcome != "closed" ||
		*last.Advertised != (model.Range{Min: 4, Max: 10}) || last.API != "Fetch" || last.Version != 12 {
		t.Errorf("last of %d events: %+v", len(l.Events), last)
	}
	if e := l.Events[0]; e.Code != "KV2003" || e.Advertised != nil {
		t.Errorf("first event %+v", e)
	}
}

func TestTimelineKeepsConnectionsWithFindings(t *testing.T) {
	b := NewBuilder(Options{})
	const n = 5 * maxOpenLanes
	for i := range uint32(n) {
		x := exchangeOf(uint64(i)+1, i, 3, 7)
		if i >= n-3 {
			x = exchangeOf(uint64(i)+1, i, 1, 12, verdictOf(decode.AboveMax))
		}
		b.Exchange(x)
		if i%2 == 0 { // every other one stays open
			b.Connection(connectionOf(i, uint64(i)+1, uint64(i)+2))
		}
	}
	if b.timeline.open > maxOpenLanes || len(b.timeline.lanes)-b.timeline.open > model.MaxFlaggedLanes+model.MaxPlainLanes {
		t.Errorf("%d lanes open, %d kept", b.timeline.open, len(b.timeline.lanes)-b.timeline.open)
	}
	line := b.Report().Timeline
	flagged := 0
	for _, l := range line.Lanes {
		flagged += b2i(l.Flagged)
	}
	if flagged != 3 || uint64(len(line.Lanes))+line.Omitted != n {
		t.Errorf("%d lanes of which %d flagged, %d omitted, want 3 flagged and %d in all", len(line.Lanes), flagged, line.Omitted, n)
	}
	if !slices.IsSortedFunc(line.Lanes, func(a, b model.Lane) int { return int(a.First - b.First) }) {
		t.Error("lanes are not ordered by their first packet")
	}
}

// TestABusyLaneIsMergedNotCut: all requests of a busy connection are counted, from the first to
// the last. Those with a finding are not merged with others.
func TestABusyLaneIsMergedNotCut(t *testing.T) {
	const n = 20_000
	b := NewBuilder(Options{})
	for i := range n {
		x := exchangeOf(uint64(i)+1, 0, 3, 7)
		switch {
		case i == 0:
			x = exchangeOf(1, 0, apiVersionsKey, 3)
		case i%1000 == 999:
			x = exchangeOf(uint64(i)+1, 0, 1, 12, verdictOf(decode.AboveMax))
		}
		b.Exchange(x)
	}
	l := b.Report().Timeline.Lanes[0]
	var plain, found uint64 // requests and events
	for i, e := range l.Events {
		switch {
		case e.Code != "":
			found++
		case i > 0 && i < maxLaneSingle && e.Count != 1:
			t.Errorf("event %d of the first ones stands for %d requests", i, e.Count)
		default:
			plain += e.Count
		}
		if e.Mixed || e.Until < e.Time {
			t.Errorf("event %+v", e)
		}
	}
	if plain != n-20 || found != 20 || len(l.Events) > model.MaxLaneEvents {
		t.Errorf("%d requests and %d of the finding in %d events, want %d and 20", plain, found, len(l.Events), n-20)
	}
	if last := l.Events[len(l.Events)-1]; last.Code != "KV1001" || last.Until != model.Time(at(n).Time) {
		t.Errorf("the last event is %+v", last)
	}
	var page strings.Builder
	if err := write.HTML(&page, b.Report()); err != nil {
		t.Fatal(err)
	}
	if text := page.String(); !strings.Contains(text, "ApiVersions v3, Metadata v7 ×") || !strings.Contains(text, "Fetch v12 (above-max") {
		t.Error("the page does not say in words how it went")
	}
}

func TestALateExchangeJoinsItsLane(t *testing.T) {
	b := builderOf(Options{},
		exchangeOf(4, 0, apiVersionsKey, 0), connectionOf(0, 1, 20),
		exchangeOf(6, 0, 3, 11, verdictOf(decode.AboveMax), borrowedRange, outcomeOf(decode.ClosedByBroker)),
	)
	line := b.Report().Timeline
	if len(line.Lanes) != 1 || len(line.Lanes[0].Events) != 2 || !line.Lanes[0].Flagged {
		t.Errorf("%+v, want one flagged lane with two events", line)
	}
}
