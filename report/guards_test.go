package report

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

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
			[]string{"KV3001 SaslAuthenticate v2 answered UNSUPPORTED_VERSION, the advertised range is unknown"}},
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
	const proxy, nothing, lost = "A proxy that does not support the version of ApiVersions", "nothing runs behind the address", "MTU"
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
	for _, frame := range []uint64{2, 3, 1} {
		g.merge(&group{earlier: at(frame)})
	}
	if g.earlier != at(3) {
		t.Errorf("until %v, want the latest answer", g.earlier)
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

// TestTextsThatDependOnOneFact: a text changes with each fact that it names.
func TestTextsThatDependOnOneFact(t *testing.T) {
	text := func(rule *Rule, s *subject) string { return rule.why(s) + " " + rule.advice(s) }
	detailed := func(detail string) *group { return &group{key: findingKey{detail: detail}} }
	closings := func(api, version int16, closed, count uint64) *group {
		g := &group{key: findingKey{api: api, version: version, hasAPI: true}, count: count}
		g.outcomes[decode.ClosedByBroker] = closed
		return g
	}
	tried := func(version int16) *group {
		g := closings(apiVersionsKey, version, 1, 1)
		g.tried.list = []usageKey{{apiVersionsKey, version}}
		return g
	}
	answered := detailed("closed by the broker")
	answered.ended.Answered = at(5)
	zstd := func(api, version int16) *subject {
		return &subject{group: &group{key: findingKey{detail: compression, api: api, version: version}}}
	}
	illegal := func(api int16) *group {
		g := detailed(saslErrors[illegalSASLState])
		g.key.hasAPI, g.key.api = true, api
		return g
	}
	left := detailed("InitProducerId")
	left.left = 1
	const disagree, clientHello, plaintext, ssl = "disagree about TLS", "reads a ClientHello", "to PLAINTEXT", "to SSL or"
	for _, c := range []struct{ name, text, has, lacks string }{
		{"closed, and no answer in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsClosed)}), clientHello, disagree},
		{"closed where others are answered in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsClosed), clear: true}), disagree, clientHello},
		{"answered in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsToClear)}), disagree, clientHello},
		{"TLS to a listener in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsToClear)}), plaintext, ssl},
		{"TLS closed by a listener in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsClosed)}), plaintext, ssl},
		{"Kafka to a TLS listener", text(&tlsConfusionRule, &subject{group: detailed(clearToTLS)}), ssl, plaintext},
		{"a handshake with an answer", text(&handshakeFailedRule, &subject{group: answered}), "trust, names, dates", "speaks TLS"},
		{"a handshake without one", text(&handshakeFailedRule, &subject{group: detailed("closed by the broker")}), "speaks TLS", "trust, names, dates"},
		{"a handshake without one, too", text(&handshakeFailedRule, &subject{group: detailed("closed by the broker")}), "speaks TLS", "other's certificate"},
		{"a token in the wrong state", authenticationRule.advice(&subject{group: illegal(36)}), "credentials", "has no SASL"},
		{"a handshake in the wrong state", authenticationRule.advice(&subject{group: illegal(saslHandshakeKey)}), "has no SASL", "credentials"},
		{"no byte where others got through", handshakeFailedRule.advice(&subject{group: detailed(noByte), handshakes: true}), "MTU", "speaks TLS"},
		{"closed where others got through", handshakeFailedRule.advice(&subject{group: detailed(tlsClosed), handshakes: true}), "SNI", "MTU"},
		{"requests out of order", authenticationRule.advice(&subject{group: detailed(outOfOrder)}), "that sends SaslHandshake", "credentials"},
		{"no handshake", authenticationRule.advice(&subject{group: detailed(noHandshake)}), "that sends SaslHandshake", "credentials"},
		{"a refused mechanism", authenticationRule.advice(&subject{group: closings(saslHandshakeKey, 1, 0, 1)}), "sasl.mechanism", "credentials"},
		{"a refused token", authenticationRule.advice(&subject{group: closings(36, 1, 0, 1)}), "credentials", "sasl.mechanism"},
		{"no request", authenticationRule.advice(&subject{group: &group{key: findingKey{api: saslHandshakeKey}}}), "credentials", "sasl.mechanism"},
		{"zstd in Produce v6", text(&messageFormatRule, zstd(produceKey, 6)), "KIP-110", "(none, gzip)"},
		{"zstd in Produce v7", text(&messageFormatRule, zstd(produceKey, 7)), "(none, gzip)", "KIP-110"},
		{"zstd in Fetch v9", text(&messageFormatRule, zstd(1, 9)), "KIP-110", "(none, gzip)"},
		{"zstd in Fetch v10", text(&messageFormatRule, zstd(1, 10)), "(none, gzip)", "KIP-110"},
		{"ApiVersions v3", text(&notKafkaRule, &subject{group: tried(3)}), "A proxy that does not support", "MTU"},
		{"ApiVersions v2", text(&notKafkaRule, &subject{group: tried(2)}), "A broker before Kafka 0.10", "A proxy that does not support"},
		{"the client left", apiMissingRule.why(&subject{group: left}), "closed the connection", "was not seen"},
		{"the client may go on", apiMissingRule.why(&subject{group: detailed("InitProducerId")}), "was not seen", "closed the connection"},
		{"all closed", closingText(closings(1, 1, 2, 2)), "were closed", "ignored"},
		{"some closed", closingText(closings(1, 1, 1, 2)), "were closed or ignored", "MTU"},
		{"none closed", closingText(closings(1, 1, 0, 2)), "were ignored", "closed"},
	} {
		if !strings.Contains(c.text, c.has) || strings.Contains(c.text, c.lacks) {
			t.Errorf("%s: %q, want %q and not %q in it", c.name, c.text, c.has, c.lacks)
		}
	}
	for _, c := range []struct {
		never   bool
		refused uint64
		want    bool
	}{{true, 2, true}, {true, 1, false}, {false, 2, false}} {
		if got := (&subject{group: &group{never: c.never, refused: c.refused, count: 2}}).nothingListens(); got != c.want {
			t.Errorf("never answered %v, %d of 2 without a request: nothing listens %v, want %v", c.never, c.refused, got, c.want)
		}
	}
	for _, c := range []struct{ clear, answers, sasl, want bool }{{true, true, false, true}, {false, true, false, false}, {true, false, false, false}, {true, true, true, false}} {
		if got := (&subject{clear: c.clear, answers: c.answers, mayLackSASL: c.sasl}).isInTheClear(); got != c.want {
			t.Errorf("%+v: in the clear %v", c, got)
		}
	}
}

func closingText(g *group) string { return (&subject{group: g}).ends() }

// TestRegularConnections: pauses of 2 s or more, and of one length or multiples of it.
func TestRegularConnections(t *testing.T) {
	for _, c := range []struct {
		at   []int64 // in ms
		n    int
		want bool
	}{
		{[]int64{0}, 0, true}, {[]int64{0, 2000}, 1, true}, {[]int64{0, 1999}, 1, false}, {[]int64{0, 2000, 4100}, 2, true}, {[]int64{0, 2000, 4101}, 2, false},
		{[]int64{0, 2000, 5900}, 2, true}, {[]int64{0, 2000, 5899}, 2, false}, {[]int64{0, 10_000, 15_000}, 2, true},
	} {
		g := new(group)
		for _, ms := range c.at {
			g.first = append(g.first, occurrence{client: testClient, at: capture.Position{Time: ms * 1e6}})
		}
		n, isRegular := g.intervals()
		if text := clientLeftRule.why(&subject{group: g}); n != c.n || isRegular != c.want || strings.Contains(text, "regular intervals") != (n > 1 && isRegular) {
			t.Errorf("%v: %d pauses, regular %v: %s", c.at, n, isRegular, text)
		}
	}
}

// TestEnabledMechanisms: a message lists eight of them.
func TestEnabledMechanisms(t *testing.T) {
	for n, want := range map[int]string{0: "enabled: none", maxMechanisms: "M, M", maxMechanisms + 1: " and 1 more"} {
		x := &decode.Exchange{Key: saslHandshakeKey, ErrorCode: 33, Mechanism: "PLAIN", Enabled: slices.Repeat([]string{"M"}, n)}
		if got := saslRefusal(x); !strings.HasSuffix(got, want) {
			t.Errorf("%d mechanisms: %q, want %q at the end", n, got, want)
		}
	}
}

// TestMergedGroups: the numbers of both groups count. The first request and its range stay.
func TestMergedGroups(t *testing.T) {
	x, y := &group{bytes: 1, gaps: 2, unsure: 3, idle: 4, number: 5, ranges: oldRanges, reported: 1, from: at(4), last: at(5), to: at(6)}, &group{bytes: 10, gaps: 20, unsure: 30, idle: 40, number: 50, ranges: newRanges, reported: 6, from: at(3), last: at(4), to: at(7)}
	y.ended.First = at(3)
	none := new(group)
	none.merge(x)
	none.merge(y)
	none.merge(new(group))
	if g := none; g.bytes != 11 || g.gaps != 22 || g.unsure != 33 || g.idle != 44 || g.number != 5 || g.reported != 7 || g.ranges != oldRanges || g.ended.First != at(3) || g.from != at(3) || g.last != at(5) || g.to != at(7) {
		t.Errorf("%+v", g)
	}
	var g group
	for _, c := range []struct{ first, end, wantFirst, wantLatest uint64 }{{5, 9, 5, 9}, {7, 8, 5, 9}, {3, 12, 3, 12}, {4, 20, 3, 20}} {
		if g.end(history.Ended{First: at(c.first), End: at(c.end)}); g.ended.First != at(c.wantFirst) || g.ended.Latest != at(c.wantLatest) {
			t.Errorf("from %d to %d: %+v", c.first, c.end, g.ended)
		}
	}
}

// TestFactsOfAddresses: what one connection shows about its address.
func TestFactsOfAddresses(t *testing.T) {
	const toClient, toBroker = reassembly.ToClient, reassembly.ToBroker
	isTLS := tlsOf()
	by := func(side reassembly.Direction, bytes uint64) func(*decode.Connection) {
		return func(c *decode.Connection) { c.End.By, c.Bytes[toClient] = side, bytes }
	}
	failed := tlsOf(func(i *tlsrecord.Info) { i.Established, i.Undecrypted, i.Reason = false, 0, "" })
	for _, c := range []struct {
		name    string
		changes []func(*decode.Connection)
		want    addressFacts
		through int
	}{
		{"Kafka that was answered", nil, addressFacts{clear: true}, 1},
		{"Kafka without an answer", []func(*decode.Connection){func(c *decode.Connection) { c.Responses = 0 }}, addressFacts{}, 0},
		{"Kafka that was closed", []func(*decode.Connection){func(c *decode.Connection) { c.Responses = 0 }, by(toClient, 0)}, addressFacts{mute: true}, 0},
		{"Kafka that was closed behind bytes", []func(*decode.Connection){func(c *decode.Connection) { c.Responses = 0 }, by(toClient, 1)}, addressFacts{}, 0},
		{"Kafka that the client closed", []func(*decode.Connection){func(c *decode.Connection) { c.Responses = 0 }, by(toBroker, 0)}, addressFacts{}, 0},
		{"no request", []func(*decode.Connection){func(c *decode.Connection) { c.Responses, c.Requests = 0, 0 }, by(toClient, 0)}, addressFacts{}, 0},
		{"open", []func(*decode.Connection){func(c *decode.Connection) { c.Responses, c.End.Kind = 0, reassembly.Cut }, by(toClient, 0)}, addressFacts{}, 0},
		{"TLS", []func(*decode.Connection){isTLS}, addressFacts{tls: true}, 1},
		{"TLS without a byte of the other side", []func(*decode.Connection){failed, by(toClient, 0)}, addressFacts{failed: 1}, 0},
		{"TLS that was closed at once", []func(*decode.Connection){failed, by(toClient, 0), func(c *decode.Connection) { c.Confusion, c.TLS.HasClientRandom = reassembly.TLSToClear, true }}, addressFacts{shut: true}, 0},
		{"the same by the client", []func(*decode.Connection){failed, by(toBroker, 0), func(c *decode.Connection) { c.Confusion = reassembly.TLSToClear }}, addressFacts{failed: 1}, 0},
		{"TLS that was answered and failed", []func(*decode.Connection){failed}, addressFacts{tls: true, failed: 1}, 0},
		{"TLS without a ClientHello", []func(*decode.Connection){isTLS, func(c *decode.Connection) { c.TLS = nil }}, addressFacts{}, 0},
		{"TLS that was answered in the clear", []func(*decode.Connection){failed, func(c *decode.Connection) { c.Confusion = reassembly.TLSToClear }}, addressFacts{}, 0},
		{"TLS that was answered by HTTP", []func(*decode.Connection){failed, func(c *decode.Connection) { c.Oddities.Spoke = "HTTP" }}, addressFacts{}, 0},
		{"answered with TLS", []func(*decode.Connection){func(c *decode.Connection) { c.Confusion, c.Protocol = reassembly.ClearToTLS, reassembly.TLS }}, addressFacts{confused: true}, 0},
	} {
		var s addressRecord
		for range 2 {
			s.add(connectionOf(0, 1, 9, c.changes...))
		}
		s.facts.failed /= 2
		if s.facts != c.want || len(s.through) != c.through {
			t.Errorf("%s: %+v, %d clients got through, want %+v and %d", c.name, s.facts, len(s.through), c.want, c.through)
		}
	}
}

// TestWhatTLSHides: TLS counts as encrypted if something of it was not decrypted.
func TestWhatTLSHides(t *testing.T) {
	for _, c := range []struct {
		undecrypted, decrypted uint64
		reason                 string
		want                   bool
	}{{1, 9, "", true}, {1, 0, "no key", true}, {0, 0, "no key", true}, {0, 9, "no key", false}, {0, 0, "", false}} {
		x := connectionOf(0, 1, 9, tlsOf(func(i *tlsrecord.Info) { i.Undecrypted, i.Decrypted, i.Reason = c.undecrypted, c.decrypted, c.reason }))
		if got := isEncrypted(x); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for reason, want := range map[string]bool{"no key log": true, "the key log has no entry": true, "the key log lacks secrets": true, "it began after bytes were missing": false} {
		if got := encryptedRule.commands(&subject{group: &group{key: findingKey{detail: reason}}}); (len(got) > 0) != want {
			t.Errorf("%s: %d commands", reason, len(got))
		}
	}
}

// TestGroupsOfSuspects: the period is that of all requests, and one doubtful request makes doubt.
func TestGroupsOfSuspects(t *testing.T) {
	g := new(group)
	book := history.New(nil)
	k := func(frame uint64) *history.Suspect {
		x := exchangeOf(frame, 0, 1, 12)
		book.Exchange(x)
		return book.Sample(x)
	}
	g.addSuspect(k(1), &history.Ruling{From: at(1), Last: at(5), To: at(9), Earlier: at(3), Certain: true})
	g.addSuspect(k(2), &history.Ruling{From: at(2), Last: at(4), To: at(8), Earlier: at(2), Idle: true, Others: true, WithoutRange: true})
	g.addSuspect(k(3), &history.Ruling{From: at(3), Last: at(6), To: at(10), Earlier: at(4), Certain: true})
	if g.from != at(1) || g.last != at(6) || g.to != at(10) || g.earlier != at(4) || g.unsure != 1 || g.idle != 1 || !g.others || g.count != 3 || g.ranges != oldRanges {
		t.Errorf("%+v", g)
	}
	isAbove := outsideBy(decode.AboveMax)
	for _, c := range []struct {
		verdict decode.Verdict
		cause   history.Cause
		want    bool
	}{{decode.AboveMax, history.Outside, true}, {decode.AboveMax, history.Away, false}, {decode.BelowMin, history.Outside, false}} {
		if _, got := isAbove(&history.Suspect{Exchange: decode.Exchange{Verdict: c.verdict}}, &history.Ruling{Cause: c.cause}); got != c.want {
			t.Errorf("%v, %v: %v", c.verdict, c.cause, got)
		}
	}
}

// TestWhatABrokerCollects: its clients and brokers, its cluster, its whole table, and eight further
// addresses.
func TestWhatABrokerCollects(t *testing.T) {
	cluster := func(id string) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.Cluster = &decode.Cluster{ID: id} }
	}
	replica := func(x *decode.Exchange) { x.ClientID, x.Software = "broker-2-fetcher-0", decode.Software{} }
	b := newBrokers()
	for _, x := range []*decode.Exchange{exchangeOf(1, 0, 3, 7, cluster("b")), exchangeOf(2, 0, 3, 7, cluster("a")), exchangeOf(3, 0, 1, 10, replica), exchangeOf(4, 0, apiVersionsKey, 3), exchangeOf(5, 0, 1, 10)} {
		b.exchange(x)
	}
	r := b.broker(decode.Endpoint{Addr: testBroker})
	if *r.cluster != "b" || r.between != 1 || r.fromClients != 3 || r.requests != 5 {
		t.Errorf("cluster %q, %d requests of brokers, %d of clients, %d in all", *r.cluster, r.between, r.fromClients, r.requests)
	}
	part := &decode.Ranges{APIs: oldRanges.APIs[:2], Partial: true}
	for i, c := range []struct{ ad, want *decode.Ranges }{{part, part}, {&decode.Ranges{APIs: oldRanges.APIs[:1], Partial: true}, part}, {oldRanges, oldRanges}, {part, oldRanges}} {
		if b.advertisement(adOf(uint64(i), 0, c.ad)); len(r.tables) != 1 || r.tables[0] != c.want || r.latest != c.want {
			t.Errorf("table %d: %+v of %d", i, r.latest, len(r.tables))
		}
	}
	behind := func(last ...byte) func(*decode.Connection) {
		return func(c *decode.Connection) {
			for _, n := range last {
				c.Oddities.Behind = append(c.Oddities.Behind, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 9092))
			}
		}
	}
	for _, c := range []struct {
		last []byte
		want int
	}{{nil, 0}, {[]byte{2, 1, 2}, 2}, {[]byte{1, 3, 4, 5, 6, 7, 8}, 8}, {[]byte{9}, 8}} {
		b.connection(connectionOf(0, 1, 9, behind(c.last...)))
		if got := b.behind(decode.Endpoint{Addr: testBroker}); len(got) != c.want || c.want > 0 && got[0] != "10.0.0.1:9092" {
			t.Errorf("behind %v: %v, want %d", c.last, got, c.want)
		}
	}
	elsewhere := connectionOf(0, 1, 9, behind(1), func(c *decode.Connection) { c.Broker, c.Protocol = mustAddrPort("10.9.9.9:9092"), reassembly.Other })
	if b.connection(elsewhere); len(b.behind(elsewhere.Endpoint())) > 0 {
		t.Error("an address that is no broker has further addresses")
	}
}

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

// TestTextsAboutOneVersion: a target may accept one version of an API, and not advertise all that
// it accepts.
func TestTextsAboutOneVersion(t *testing.T) {
	one := kafka4()
	table := *one.Table
	table.Ranges = &decode.Ranges{APIs: []decode.API{{Key: 50, Range: decode.Range{Min: 2, Max: 2}}, {Key: 51, Range: decode.Range{Min: 2, Max: 1}}}}
	one.Table = &table
	for _, c := range []struct {
		api, version int16
		accepts, do  string
	}{
		{50, 1, "accepts v2", "Before the brokers are upgraded"}, {50, 2, "accepts v2", "Before the brokers are upgraded"}, {50, 3, "accepts v2", "Have "}, {51, 1, "accepts no version", "Find out"}, {52, 1, "does not support this API", "Find out"},
	} {
		s := &subject{group: &group{key: findingKey{api: c.api, version: c.version, detail: string(notAsked)}}, target: one}
		if accepts, do := s.accepts(), adviceOnTarget(s); !strings.HasPrefix(accepts, c.accepts) || !strings.HasPrefix(do, c.do) {
			t.Errorf("API %d v%d: %s; %s", c.api, c.version, accepts, do)
		}
	}
}
