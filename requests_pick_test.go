package main

import (
	"net/netip"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
)

func TestPickedRequests(t *testing.T) {
	x := &decode.Exchange{
		Client: netip.MustParseAddrPort("[::ffff:10.0.0.7]:41000"), ClientID: "orders-svc", HasClientID: true,
		Software: decode.Software{Name: "kgo"}, Key: 1, Verdict: decode.AboveMax, Outcome: decode.ClosedByBroker,
	}
	for _, c := range []struct {
		pick pickOptions
		want bool
	}{
		{pickOptions{}, true},
		{pickOptions{verdicts: []string{"ok", "above-max"}}, true},
		{pickOptions{verdicts: []string{"ok"}}, false},
		{pickOptions{outcomes: []string{"closed"}, verdicts: []string{"above-max"}}, true},
		{pickOptions{outcomes: []string{"reset"}, verdicts: []string{"above-max"}}, false},
		{pickOptions{apis: []string{"fetch"}}, true},
		{pickOptions{apis: []string{"1"}}, true},
		{pickOptions{apis: []string{"Produce", "99"}}, false},
		{pickOptions{clients: []string{"orders-svc"}}, true},
		{pickOptions{clients: []string{"orders"}}, false},
		{pickOptions{clients: []string{"orders*"}}, true},
		{pickOptions{clients: []string{"10.0.0.7"}}, true},
		{pickOptions{clients: []string{"10.0.0.7:41000"}}, true},
		{pickOptions{clients: []string{"kgo"}}, true},
		{pickOptions{clients: []string{"10.0.0.8", "10.0.0.7:41001"}}, false},
	} {
		if err := c.pick.resolve(); err != nil {
			t.Error(err)
		}
		if got := c.pick.passes(x); got != c.want {
			t.Errorf("%s: %t", c.pick.flags(), got)
		}
	}
	for _, wrong := range []pickOptions{{verdicts: []string{"above"}}, {outcomes: []string{"gone"}}, {apis: []string{"Fetsch"}}, {clients: []string{"[a"}}} {
		if wrong.resolve() == nil {
			t.Errorf("%s: accepted", wrong.flags())
		}
	}
}
