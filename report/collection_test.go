package report

import (
	"net/netip"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
)

// TestSoftwareOfOneClient: requests get the software that their client announced elsewhere, unless
// another host announced other software under the same client id.
func TestSoftwareOfOneClient(t *testing.T) {
	at := func(addr, version string) func(*decode.Exchange) {
		return func(x *decode.Exchange) {
			x.Client, x.Software = netip.MustParseAddrPort(addr), decode.Software{Name: "app", Version: version}
			if version == "" {
				x.Software = decode.Software{}
			}
		}
	}
	closed := outcomeOf(decode.ClosedByBroker)
	for second, want := range map[string]string{"1": "1", "2": ""} {
		r := builderOf(Options{}, exchangeOf(1, 0, apiVersionsKey, 3, at("10.0.0.7:50000", "1")), exchangeOf(3, 1, apiVersionsKey, 3, at("10.0.0.8:50000", second)),
			exchangeOf(5, 2, 3, 12, noRange, closed, at("10.0.0.7:50001", "")), exchangeOf(2000, 3, 3, 12, noRange, closed, at("10.0.0.8:50001", ""))).Report()
		if len(r.Findings) != 1 || r.Findings[0].Client.SoftwareVersion != want {
			t.Errorf("the other host announces %s: %+v, want version %q", second, r.Findings, want)
		}
	}
}
