package report

import (
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
)

// TestRefusalsInNoFinding: the footer counts them by what is known about them.
func TestRefusalsInNoFinding(t *testing.T) {
	closed := outcomeOf(decode.ClosedByBroker)
	probe := func(x *decode.Exchange) { x.ClientID, x.Software = "kafka-python-1.4.7", decode.Software{} }
	lost := func(x *decode.Exchange) {
		x.Outcome, x.Undelivered, x.Took, x.Decided = decode.Left, true, 10*time.Second, at(10_000)
	}
	for _, c := range []struct {
		name                               string
		calls                              []any
		expected, undelivered, unexplained uint64
	}{
		{"once in the range", []any{exchangeOf(1, 0, 1, 10, closed)}, 0, 0, 1},
		{"answered later", []any{exchangeOf(1, 0, 1, 10, closed), exchangeOf(5, 1, 3, 7)}, 0, 0, 1},
		{"a probe", []any{exchangeOf(1, 0, apiVersionsKey, 0, closed, probe), exchangeOf(5, 1, 3, 0, noRange, probe)}, 1, 0, 0},
		{"not delivered", []any{exchangeOf(1, 0, 1, 10, lost), exchangeOf(500, 1, 3, 7)}, 0, 1, 0},
		{"in a finding", []any{exchangeOf(1, 0, 1, 12, noRange, closed)}, 0, 0, 0},
	} {
		q := builderOf(Options{}, c.calls...).Report().Quality
		if q.ExpectedRefusals != c.expected || q.UndeliveredRequests != c.undelivered || q.UnexplainedRequests != c.unexplained {
			t.Errorf("%s: %d expected, %d not delivered, %d unexplained, want %+v", c.name, q.ExpectedRefusals, q.UndeliveredRequests, q.UnexplainedRequests, c)
		}
	}
}
