package report

import (
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestProduceWithoutAnswerThatIsClosed: the broker's close right after the last request is the
// answer to one that has none.
func TestProduceWithoutAnswerThatIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*decode.Connection)
		want   model.Severity
	}{
		"closed at once":       {func(*decode.Connection) {}, model.Error},
		"reset":                {func(c *decode.Connection) { c.End.Kind = reassembly.Reset }, model.Error},
		"closed later":         {func(c *decode.Connection) { c.End.At.Time += int64(2 * closedAtOnce) }, model.Warning},
		"closed by the client": {func(c *decode.Connection) { c.End.By = reassembly.ToBroker }, model.Warning},
		"cut":                  {func(c *decode.Connection) { c.End = reassembly.End{} }, model.Warning},
		"after more requests":  {func(c *decode.Connection) { c.LastRequest = within(6, 0) }, model.Warning},
	} {
		f := builderOf(Options{}, exchangeOf(5, 0, 0, 2, rangesOf(newRanges), outcomeOf(decode.NoneExpected)), connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.LastRequest, c.End.By = within(5, 0), reassembly.ToClient
			c.End.At = within(7, 0)
		}, c.change)).Report().Findings[0]
		if closes := f.Outcomes["closed"]+f.Outcomes["reset"] == 1; f.Code != "KV1004" || f.Severity != c.want || closes != (c.want == model.Error) {
			t.Errorf("%s: %s %s %v, want %s", name, f.Code, f.Severity, f.Outcomes, c.want)
		}
	}
}
