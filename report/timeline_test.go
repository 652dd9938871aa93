package report

import (
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
)

func TestTimelineShowsHowAConnectionWent(t *testing.T) {
	r := builderOf(Options{}, fetchBug()...).Report()
	if len(r.Timeline.Lanes) != 6 || r.Timeline.Omitted != 0 {
		t.Fatalf("%d lanes, %d omitted, want 6 and 0", len(r.Timeline.Lanes), r.Timeline.Omitted)
	}
	l := r.Timeline.Lanes[0]
	if l.Stream != 0 || l.Client != "127.0.0.1:41000" || l.ClientID != "orders-svc" || l.SoftwareName != "confluent-kafka-go" ||
		l.End != "closed" || !l.EndedByBroker || l.EndFrame != 9+9 || !l.Flagged || l.Worst != Error {
		t.Errorf("lane %+v", l)
	}
	last := l.Events[len(l.Events)-1]
	if len(l.Events) != 4 || last.Frame != 16 || last.Code != "KV1001" || last.Verdict != "above-max" || last.Outcome != "closed" ||
		*last.Advertised != (Range{4, 10}) || last.API != "Fetch" || last.Version != 12 {
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
	if len(b.timeline.open) > maxOpenLanes || len(b.timeline.kept) > maxFlaggedLanes+maxPlainLanes {
		t.Errorf("%d lanes open, %d kept", len(b.timeline.open), len(b.timeline.kept))
	}
	line := b.Report().Timeline
	flagged := 0
	for _, l := range line.Lanes {
		flagged += b2i(l.Flagged)
	}
	if flagged != 3 || uint64(len(line.Lanes))+line.Omitted != n {
		t.Errorf("%d lanes of which %d flagged, %d omitted, want 3 flagged and %d in all", len(line.Lanes), flagged, line.Omitted, n)
	}
	if !slices.IsSortedFunc(line.Lanes, func(a, b Lane) int { return int(a.First - b.First) }) {
		t.Error("lanes are not ordered by their first packet")
	}
}

func TestALaneKeepsRoomForFindings(t *testing.T) {
	b := NewBuilder(Options{})
	for i := range maxLaneEvents + 50 {
		b.Exchange(exchangeOf(uint64(i)+1, 0, 3, 7))
	}
	for i := range maxLaneFlagged + 5 {
		b.Exchange(exchangeOf(uint64(i)+1000, 0, 1, 12, verdictOf(decode.AboveMax)))
	}
	l := b.Report().Timeline.Lanes[0]
	if len(l.Events) != maxLaneEvents+maxLaneFlagged || l.Omitted != 55 || l.Events[maxLaneEvents].Code != "KV1001" {
		t.Errorf("%d events, %d omitted, the first beyond the limit %+v", len(l.Events), l.Omitted, l.Events[maxLaneEvents])
	}
}

func TestALateExchangeJoinsItsLane(t *testing.T) {
	b := builderOf(Options{},
		exchangeOf(4, 0, apiVersionsKey, 0), connectionOf(0, 1, 20),
		exchangeOf(6, 0, 3, 11, verdictOf(decode.AboveMax), borrowedRange),
	)
	line := b.Report().Timeline
	if len(line.Lanes) != 1 || len(line.Lanes[0].Events) != 2 || !line.Lanes[0].Flagged {
		t.Errorf("%+v, want one flagged lane with two events", line)
	}
}
