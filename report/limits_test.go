package report

import (
	"strconv"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/evidence"
)

// TestRememberedConnectionsAreCounted: those evicted at the limit, and none that are over.
func TestRememberedConnectionsAreCounted(t *testing.T) {
	early := func(x *decode.Exchange) { x.BeforeNegotiation = true }
	silent := outcomeOf(decode.NoneExpected)
	for _, c := range []struct {
		name   string
		change func(*decode.Exchange)
		ends   bool
		want   uint64
	}{
		{"outside their range", verdictOf(decode.AboveMax), false, maxRemembered},
		{"outside their range, over", verdictOf(decode.AboveMax), true, 0},
		{"early", early, false, maxRemembered},
		{"early, over", early, true, 0},
		{"without a response", func(x *decode.Exchange) { silent(x); verdictOf(decode.AboveMax)(x) }, false, 2 * maxRemembered},
	} {
		b := NewBuilder(Options{})
		for i := range uint32(maxRemembered + 1) {
			b.Exchange(exchangeOf(1, i, 0, 12, c.change))
			b.Exchange(exchangeOf(2, i, 0, 12, c.change))
			if c.ends {
				b.Connection(connectionOf(i, 1, 9))
			}
		}
		if got := b.Report().Quality.LimitsHit["remembered_connections"]; got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestClaimsWithoutAnIdAreCounted: evidence keeps no packets of them.
func TestClaimsWithoutAnIdAreCounted(t *testing.T) {
	b := NewBuilder(Options{Evidence: new(evidence.Collector)})
	for i := range maxClaims + 3 {
		b.findings.claimID(findingKey{rule: undecided, clientID: strconv.Itoa(i)})
	}
	if got := b.Report().Quality.LimitsHit["evidence_occurrences"]; got != 3 {
		t.Errorf("%d, want 3", got)
	}
}
