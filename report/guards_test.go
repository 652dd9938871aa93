package report

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// TestGuardsOfRules: each case fails if one condition of a rule is removed.
func TestGuardsOfRules(t *testing.T) {
	closed := outcomeOf(decode.ClosedByBroker)
	failed := func(info *tlsrecord.Info) { info.Established, info.Undecrypted, info.Reason = false, 0, "" }
	checkRules(t, []ruleCase{
		{"KV2004: a request of which only the beginning was seen is one", []any{connectionOf(0, 1, 9, leaves, func(c *decode.Connection) { c.Oddities.Incomplete = 1 })}, []string{}},
		{"KV2007 is not said where requests are sent inside TLS", []any{
			exchangeOf(2, 0, 3, 1, noRange, closed), connectionOf(1, 5, 9, tlsOf(func(i *tlsrecord.Info) { i.Decrypted, i.Undecrypted, i.Reason = 9, 0, "" }), func(c *decode.Connection) {
				c.Protocol = reassembly.Kafka
			}),
		}, []string{"KV2001 Metadata v1 sent without a known range, the broker closed the connection"}},
		{"KV2008 is not said of UNSUPPORTED_VERSION", []any{exchangeOf(1, 0, 36, 2, noRange, outcomeOf(decode.Error), func(x *decode.Exchange) { x.ErrorCode = 35 })},
			[]string{"KV3001 SaslAuthenticate v2 answered UNSUPPORTED_VERSION, the advertised range is not known"}},
		{"KV9004 is not said of a connection whose handshake was not captured", []any{connectionOf(0, 1, 9, tlsOf(failed), func(c *decode.Connection) { c.Midstream = true })},
			[]string{"KV9003 1 connection open before the capture began"}},
		{"KV2004: a client is known by its software where its client ids differ", []any{
			exchangeOf(2, 0, 0, 7), connectionOf(1, 5, 9, leaves, func(c *decode.Connection) { c.ClientIDs = []string{"another"} }),
		}, []string{}},
		{"KV2004: other software with another client id is another client", []any{
			exchangeOf(2, 0, 0, 7), connectionOf(1, 5, 9, leaves, func(c *decode.Connection) { c.ClientIDs, c.Software.Version = []string{"another"}, "9" }),
		}, []string{"KV2004 the client closed after the ApiVersions response and asked for nothing"}},
	})
}

// TestTargetKnowsWhoAsked: a client that requests the ranges on one connection counts as
// negotiating on all. Only the requests of such a client show that it adapts.
func TestTargetKnowsWhoAsked(t *testing.T) {
	none := softwareOf("", "")
	second := func(x *decode.Exchange) { x.Broker = mustAddrPort("127.0.0.1:19093") }
	elsewhere := func(x *decode.Exchange) { x.Client = mustAddrPort("10.0.0.9:40000") }
	old := exchangeOf(5, 1, 8, 1, none, noRange)
	for _, tt := range []struct {
		name   string
		before *decode.Exchange
		x      *decode.Exchange
		want   string
	}{
		{"nothing seen before", nil, old, "not-negotiated"},
		{"ApiVersions on another connection", exchangeOf(1, 0, apiVersionsKey, 3, none), old, "offer-not-seen"},
		{"a request of a connection on which it asked", exchangeOf(1, 0, 3, 7, none, asked), old, "offer-not-seen"},
		{"a request of a connection on which it may have asked", exchangeOf(1, 0, 3, 7, none, maybeAsked), old, "not-negotiated"},
		{"one at another address that asked", exchangeOf(1, 0, 3, 7, none, asked, elsewhere), old, "not-negotiated"},
		{"another client id that asked", exchangeOf(1, 0, 3, 7, none, asked, idOf("other")), old, "not-negotiated"},
		{"a version that the target accepts, having asked", exchangeOf(1, 0, 8, 5, none, asked, offering(8, 0, 5), second), exchangeOf(5, 1, 8, 1, none, asked, offering(8, 0, 1)), ""},
		{"a version that the target accepts, perhaps not having asked", exchangeOf(1, 0, 8, 5, none, maybeAsked, borrowedRange, offering(8, 0, 5), second), exchangeOf(5, 1, 8, 1, none, asked, offering(8, 0, 1)), "offered-less"},
	} {
		var calls []any
		if tt.before != nil {
			calls = append(calls, tt.before)
		}
		got := ""
		for _, f := range builderOf(Options{Target: kafka4()}, append(calls, tt.x)...).Report().Findings {
			if f.IsOnTarget() {
				got = f.Reason
			}
		}
		if got != tt.want {
			t.Errorf("%s: reason %q, want %q", tt.name, got, tt.want)
		}
	}
}

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
