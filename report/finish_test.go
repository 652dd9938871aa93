package report

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
)

// TestContestedBytesAreSaid: only a finding whose request the capture has in two versions says so.
func TestContestedBytesAreSaid(t *testing.T) {
	above, closed := verdictOf(decode.AboveMax), outcomeOf(decode.ClosedByBroker)
	contested := func(x *decode.Exchange) { x.Contested = true }
	for _, f := range builderOf(Options{}, exchangeOf(1, 0, 1, 12, above, closed), exchangeOf(2, 0, 1, 12, above, closed, contested),
		exchangeOf(3, 0, 3, 12, above, closed)).Report().Findings {
		want := *f.APIKey == 1
		if got := strings.HasSuffix(f.Why, restsOnContested); got != want {
			t.Errorf("%s: said %v, want %v: %s", f.Message, got, want, f.Why)
		}
		for _, o := range f.Occurrences {
			if o.Contested != (o.Frame == 2) {
				t.Errorf("frame %d: contested %v", o.Frame, o.Contested)
			}
		}
	}
}
