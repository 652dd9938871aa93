package report

import (
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestNothingIsRefusedByABrokerThatWasKilled: a broker inside TLS closes on a request three times.
// If it refuses the next connection each time, it was killed.
func TestNothingIsRefusedByABrokerThatWasKilled(t *testing.T) {
	says := func(refusesNext bool) bool {
		var calls []any
		for i := range uint32(3) {
			begin := 100 + 20_000*uint64(i)
			calls = append(calls, connectionOf(2*i, begin, begin+30, sealedOf(begin, 48, -14, 21, -272, 30, -157, 92)))
			if refusesNext {
				calls = append(calls, connectionOf(2*i+1, begin+2000, begin+2001, func(c *decode.Connection) {
					c.Broker, c.Protocol, c.Refused, c.Bytes = mustAddrPort("10.0.0.4:9093"), reassembly.Undecided, true, [2]uint64{}
					c.End.By, c.End.Kind = reassembly.ToClient, reassembly.Reset
				}))
			}
		}
		return slices.ContainsFunc(builderOf(Options{}, calls...).Report().Findings, func(f model.Finding) bool { return f.Code == "KV2020" })
	}
	if !says(false) {
		t.Error("no KV2020 where the broker stays up")
	}
	if says(true) {
		t.Error("KV2020 of a broker that was killed")
	}
}
