package report

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestGuardsOfRules: each case fails if one condition of a rule is removed.
func TestGuardsOfRules(t *testing.T) {
	closed := outcomeOf(decode.ClosedByBroker)
	decrypted := func(c *decode.Connection) {
		tlsOf(func(i *tlsrecord.Info) { i.Decrypted, i.Undecrypted, i.Reason = 9, 0, "" })(c)
		c.Protocol = reassembly.Kafka
	}
	failed := func(info *tlsrecord.Info) { info.Established, info.Undecrypted, info.Reason = false, 0, "" }
	checkRules(t, []ruleCase{
		{"KV2004: a request of which only the beginning was seen is one", []any{connectionOf(0, 1, 9, leaves, func(c *decode.Connection) { c.Oddities.Incomplete = 1 })}, []string{}},
		{"KV2007 is not said of requests inside TLS", []any{exchangeOf(2, 0, 3, 1, noRange, closed), connectionOf(0, 1, 9, decrypted)},
			[]string{"KV2001 Metadata v1 sent without a known range, the broker closed the connection"}},
		{"KV2007 is said of requests in the clear where others are served inside TLS", []any{
			exchangeOf(2, 0, 3, 1, noRange, closed), connectionOf(0, 1, 9, func(c *decode.Connection) { c.Responses, c.End.By = 0, reassembly.ToClient }),
			exchangeOf(6, 1, 3, 1), exchangeOf(7, 1, 3, 1), connectionOf(1, 5, 9, decrypted),
		}, []string{"KV2007 Metadata v1 sent in the clear to a listener that speaks TLS, the broker closed the connection"}},
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

// TestTextsOfRules: each text contains only what is true for its case.
func TestTextsOfRules(t *testing.T) {
	mute := func(detail string, handshakes bool) string {
		s := &subject{group: &group{key: findingKey{detail: detail}}, handshakes: handshakes}
		return handshakeFailedRule.why(s) + " " + handshakeFailedRule.advice(s)
	}
	tried := func(list ...usageKey) string {
		g := &group{count: 1}
		g.outcomes[decode.ClosedByBroker] = 1
		g.tried.list = list
		return notKafkaRule.why(&subject{group: g})
	}
	dropped := func(malformed bool) string {
		s := &subject{group: &group{sample: &history.Suspect{Exchange: decode.Exchange{Malformed: malformed}}}}
		return droppedRule.why(s)
	}
	const proxy, nothing, lost = "A proxy that does not know the version of ApiVersions", "nothing runs behind the address", "MTU"
	for _, c := range []struct{ name, text, has, lacks string }{
		{"no byte", mute(noByte, false), nothing, lost},
		{"closed without a byte", mute(tlsClosed, false), nothing, lost},
		{"no byte, and others got through", mute(noByte, true), lost, nothing},
		{"closed inside the handshake", mute("closed by the broker", true), "whether the listener speaks TLS", nothing},
		{"a new ApiVersions", tried(usageKey{apiVersionsKey, 4}), proxy, "hangs"},
		{"an old ApiVersions, too", tried(usageKey{apiVersionsKey, 4}, usageKey{apiVersionsKey, 2}), "A broker before Kafka 0.10", proxy},
		{"another API, too", tried(usageKey{apiVersionsKey, 4}, usageKey{3, 12}), "A broker before Kafka 0.10", proxy},
		{"a malformed Produce", dropped(true), "do not have the layout", "proxy"},
		{"a Produce", dropped(false), "proxy", "do not have the layout"},
		{"one direction", encryptedAdvice("the broker's side is not in the capture"), "One direction", "--tls-keylog"},
	} {
		if !strings.Contains(c.text, c.has) || strings.Contains(c.text, c.lacks) {
			t.Errorf("%s: %q, want %q and not %q in it", c.name, c.text, c.has, c.lacks)
		}
	}
	for unsure, want := range []string{"is", "looks like"} {
		if got := (&subject{group: &group{unsure: uint64(unsure)}}).is(); got != want {
			t.Errorf("%d requests that something else can explain: %q, want %q", unsure, got, want)
		}
	}
}

// TestForeignToKafkaClients: an answer in another protocol counts only if the client sent Kafka.
func TestForeignToKafkaClients(t *testing.T) {
	request := capturetest.ApiVersionsRequest(0, 1, "app", "", "")
	negative := append([]byte{0xff, 0xff, 0xff, 0xff}, request[4:]...)
	for name, c := range map[string]struct {
		opening []byte
		want    bool
	}{"Kafka": {request, true}, "a size below 0": {negative, false}, "a size alone": {request[:4], false}, "HTTP": {[]byte("GET / HTTP/1.1\r\n\r\n"), false}} {
		conn := connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.Protocol, c.Oddities.Spoke = reassembly.Other, reassembly.SpokeText
		})
		conn.Oddities.Opening = c.opening
		if _, got := foreign(conn); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestNextNeedOfPartialRanges: incomplete ranges do not prove that an API is missing.
func TestNextNeedOfPartialRanges(t *testing.T) {
	for partial, want := range map[bool]bool{false: true, true: false} {
		if _, missing := nextNeed(&decode.Ranges{APIs: []decode.API{{Key: apiVersionsKey}}, Partial: partial}, apiVersionsKey, "", decode.Software{}); missing != want {
			t.Errorf("partial %v: missing %v, want %v", partial, missing, want)
		}
	}
}

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

// TestMergedGroupsKnowTheEarlierAnswer: the text says until when the version was answered.
func TestMergedGroupsKnowTheEarlierAnswer(t *testing.T) {
	var g group
	for _, second := range []int64{2, 3, 1} {
		g.merge(&group{earlier: capture.Position{Time: second * 1e9}})
	}
	if g.earlier.Time != 3e9 {
		t.Errorf("until %d, want the latest answer", g.earlier.Time)
	}
}

// TestIdleConnectionsInTheText: a load balancer is named if all connections had been quiet.
func TestIdleConnectionsInTheText(t *testing.T) {
	for idle, want := range []bool{false, false, true} {
		s := &subject{group: &group{count: 2, idle: uint64(idle)}}
		if got := strings.Contains(awayRule.message(s), "load balancer"); got != want {
			t.Errorf("%d of 2 connections were quiet: %q", idle, awayRule.message(s))
		}
	}
	for unsure, want := range []bool{false, true} {
		s := &subject{group: &group{count: 2, others: true, unsure: uint64(unsure)}}
		if got := strings.Contains(awayRule.message(s), "a version that it does not support"); got != want {
			t.Errorf("%d unsure: the version is named %v, want %v", unsure, got, want)
		}
	}
}

// idIs returns a change of the client id of a connection.
func idIs(id string) func(*decode.Connection) {
	return func(c *decode.Connection) { c.ClientIDs = []string{id} }
}

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
