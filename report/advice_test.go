package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestAdviceCanBeFollowed: no security setting is named if the address answers in plaintext, and
// no setting that the client does not have.
func TestAdviceCanBeFollowed(t *testing.T) {
	closed := outcomeOf(decode.ClosedByBroker)
	refusal := func(x *decode.Exchange) { x.Outcome, x.ErrorCode, x.Negotiated = decode.Error, 35, 0 }
	java := func(x *decode.Exchange) { x.Software = decode.Software{Name: javaClient, Version: "3.8.1"} }
	inTheClear := connectionOf(1, 1, 9)
	above, below := verdictOf(decode.AboveMax), verdictOf(decode.BelowMin)
	silent := func(x *decode.Exchange) { x.Outcome, x.Took = decode.Left, 30*time.Second }
	// dropped returns two connections on which a request is not served, and others are.
	dropped := func(key, version int16, changes ...func(*decode.Exchange)) (calls []any) {
		for i := range uint32(2) {
			f := uint64(10 + 100_000*i)
			calls = append(calls, exchangeOf(f, i, 3, 7), exchangeOf(f+2, i, key, version, changes...), exchangeOf(f+50_000, 10+i, 3, 7))
		}
		return calls
	}
	refused := outcomeOf(decode.Error)
	fetcher := func(x *decode.Exchange) { x.ClientID, x.Software = "broker-3-fetcher-0", decode.Software{} }
	failed := func(i *tlsrecord.Info) { i.Established, i.Undecrypted, i.Reason = false, 0, "" }
	unknown := func(c *decode.Connection) { c.Oddities.Spoke = reassembly.SpokeUnknown }
	illegal := func(x *decode.Exchange) { x.ErrorCode, x.Mechanism = illegalSASLState, "PLAIN" }
	errorOf := func(code int16) func(*decode.Exchange) { return func(x *decode.Exchange) { x.ErrorCode = code } }
	refusedLogin := errorOf(58)
	atController := func(x *decode.Exchange) {
		x.Verdict, x.Ranges = decode.NotAdvertised, &decode.Ranges{APIs: []decode.API{{Key: apiVersionsKey}, {Key: 52}}}
	}
	for _, c := range []struct {
		name       string
		calls      []any
		code       string
		with, lack string
	}{
		{"nothing was answered", []any{exchangeOf(5, 0, 3, 12, noRange, closed)}, "KV2001", "security.protocol and the port", ""},
		{"nothing was answered, without a close", []any{exchangeOf(5, 0, 3, 12, noRange, silent)}, "KV2001", "security.protocol as well", "the port"},
		{"the client did not ask", []any{exchangeOf(5, 0, 3, 12, noRange, closed)}, "KV2001", "--advertised", "start of the connection"},
		{"the client may have asked", []any{exchangeOf(5, 0, 3, 12, noRange, closed, func(x *decode.Exchange) { x.Asked = decode.MaybeAsked })}, "KV2001", "start of the connection", "did not ask"},
		{"the client asked, and the answer is missing", []any{exchangeOf(5, 0, 3, 12, noRange, closed, asked)}, "KV2001", "tcpdump -s 0", "negotiate"},
		{"others are answered in the clear", []any{exchangeOf(1, 1, 3, 1, noRange), inTheClear, exchangeOf(5, 0, 3, 12, noRange, closed)}, "KV2001", "negotiate", "security.protocol"},
		{"the same with SASL", []any{exchangeOf(1, 1, saslHandshakeKey, 1, noRange), exchangeOf(2, 1, 3, 1, noRange), inTheClear, exchangeOf(4, 2, 0, 1, noRange), exchangeOf(5, 2, 3, 12, noRange, closed), exchangeOf(9, 3, 3, 12, noRange, closed)}, "KV2001", "negotiate", "security.protocol"},
		{"ApiVersions, nothing was answered", []any{exchangeOf(5, 0, apiVersionsKey, 4, closed), exchangeOf(9, 1, apiVersionsKey, 4, closed)}, "KV2002", "security.protocol", ""},
		{"ApiVersions v0, and a higher one was refused in the clear", []any{exchangeOf(1, 0, apiVersionsKey, 3, refusal), exchangeOf(5, 0, apiVersionsKey, 0, closed), exchangeOf(8, 1, apiVersionsKey, 3, refusal)}, "KV2002", "before 0.10", "security.protocol"},
		{"ApiVersions, others are answered", []any{exchangeOf(1, 1, apiVersionsKey, 3), inTheClear, exchangeOf(5, 0, apiVersionsKey, 4, closed, softwareOf("sarama", "1"))}, "KV2002", "Limit", "security.protocol"},
		{"SASL where the listener has none", []any{exchangeOf(5, 0, saslHandshakeKey, 1, illegal)}, "KV2008", "PLAINTEXT", ""},
		{"an API that is not advertised", []any{exchangeOf(5, 0, 71, 0, func(x *decode.Exchange) { x.Verdict = decode.NotAdvertised }, closed)}, "KV1003", "Switch off", "broker's listener"},
		{"at a controller", []any{exchangeOf(5, 0, 3, 9, atController, closed)}, "KV1003", "broker's listener", "Switch off"},
		{"a range of one version", []any{exchangeOf(5, 0, 1, 12, above, func(x *decode.Exchange) { x.Ranges = &decode.Ranges{APIs: []decode.API{{Key: 1}}} })}, "KV1001", "(Fetch v0 here)", "lower"},
		{"a range of more", []any{exchangeOf(5, 0, 1, 12, above)}, "KV1001", "(Fetch v10 or lower here)", ""},
		{"a negative version", []any{exchangeOf(5, 0, 3, -1, below)}, "KV1002", "not set", "KIP-896"},
		{"a version that Kafka 4.0 removed", []any{exchangeOf(5, 0, 1, 3, below)}, "KV1002", "Fetch v4 or higher", "not set"},
		{"a proxy before kafka-clients", dropped(3, 6, closed, java), "KV2009", "an older release of kafka-clients", "limit"},
		{"a proxy before other clients", dropped(3, 6, closed), "KV2009", "limit confluent-kafka-go 2.6.0 to a lower version of Metadata", "controller"},
		{"silence of a broker", dropped(2, 4, silent), "KV2009", "reaches its controller", ""},
		{"a handshake that ends after an answer", []any{connectionOf(0, 1, 9, tlsOf(failed)), connectionOf(1, 11, 19, tlsOf(failed))}, "KV9004", "Check the certificates", "listener speaks TLS"},
		{"a handshake that ends after unknown bytes", []any{connectionOf(0, 1, 9, tlsOf(failed), unknown), connectionOf(1, 11, 19, tlsOf(failed), unknown)}, "KV9004", "listener speaks TLS", ""},
		{"Produce that waits for replicas", dropped(0, 7, silent), "KV2009", "replicas are in sync", "Upgrade the proxy"},
		{"Produce that is closed", dropped(0, 7, closed), "KV2009", "Upgrade the proxy", "replicas"},
		{"telemetry that is closed", dropped(71, 0, closed), "KV2009", "enable.metrics.push=false", "limit confluent"},
		{"a broker above the max of another one", []any{exchangeOf(5, 0, 1, 12, above, closed, fetcher)}, "KV1001", "inter.broker.protocol.version", "security.protocol"},
		{"a client with the id of a broker", []any{exchangeOf(5, 0, 1, 12, above, closed, fetcher, java, softwareOf("sarama", "1"))}, "KV1001", "Run a release of", "inter.broker"},
		{"a broker without ranges", []any{exchangeOf(5, 0, 1, 12, noRange, closed, fetcher)}, "KV2001", "inter.broker.protocol.version", ""},
		{"records that are not converted", []any{exchangeOf(5, 0, 1, 3, refused)}, "KV3001", "Fetch v4 or higher", "feature"},
		{"records that need no conversion", []any{exchangeOf(5, 0, 1, 4, refused)}, "KV3001", "broker's log", "feature"},
		{"an offset that needs a higher version", []any{exchangeOf(5, 0, 2, 8, refused)}, "KV3001", "timestamps", "feature"},
		{"default numbers of a topic", []any{exchangeOf(5, 0, 19, 3, refused)}, "KV3001", "replication factor", "lower version"},
		{"a broker with features", []any{exchangeOf(5, 0, 3, 7, refused, rangesOf(&decode.Ranges{APIs: []decode.API{{Key: 3, Range: decode.Range{Max: 12}}, {Key: updateFeaturesKey}}}))}, "KV3001", "finalized features", ""},
		{"ApiVersions of librdkafka", []any{exchangeOf(5, 0, apiVersionsKey, 3, closed), exchangeOf(9, 1, apiVersionsKey, 3, closed)}, "KV2002", "api.version.request=false", "Limit"},
		{"credentials of a client that is served", []any{exchangeOf(5, 0, saslAuthenticateKey, 1, refusedLogin), exchangeOf(9, 1, 1, 7)}, "KV2008", "serves the same client", "Check the client's credentials"},
		{"credentials of a client that is not", []any{exchangeOf(5, 0, saslAuthenticateKey, 1, refusedLogin)}, "KV2008", "Check the client's credentials", "serves the same client"},
		{"a format that a service may not have", []any{exchangeOf(5, 0, produceKey, 7, errorOf(errForMessageFormat))}, "KV2018", "compression.type=none", ""},
		{"a format of what is there", []any{exchangeOf(5, 0, 1, 7, errorOf(errForMessageFormat))}, "KV2018", "message.format.version", "compression"},
		{"zstd in a version without it", []any{exchangeOf(5, 0, produceKey, 6, errorOf(errCompression))}, "KV2018", "Produce v7", "none, gzip"},
		{"zstd in a fetch without it", []any{exchangeOf(5, 0, 1, 9, errorOf(errCompression))}, "KV2018", "Produce v7", "none, gzip"},
		{"compression in a version that has all", []any{exchangeOf(5, 0, produceKey, 7, errorOf(errCompression))}, "KV2018", "none, gzip", "Produce v7"},
		{"ApiVersions of kafka-clients", []any{exchangeOf(5, 0, apiVersionsKey, 3, java, closed), exchangeOf(9, 1, apiVersionsKey, 3, java, closed)}, "KV2002", "older release of kafka-clients", "Limit"},
	} {
		r := builderOf(Options{}, c.calls...).Report()
		if len(r.Findings) == 0 || r.Findings[0].Code != c.code {
			t.Errorf("%s: %+v, want %s first", c.name, r.Findings, c.code)
			continue
		}
		f := &r.Findings[0]
		if !strings.Contains(f.Advice, c.with) || c.lack != "" && (strings.Contains(f.Advice, c.lack) || strings.Contains(f.Why, c.lack) && c.code != "KV1003") {
			t.Errorf("%s: why %q, advice %q", c.name, f.Why, f.Advice)
		}
	}
}

// TestRemovedVersions: without a range, it helps to know that Kafka 4.0 removed a version.
func TestRemovedVersions(t *testing.T) {
	for _, c := range []struct {
		key, version int16
		want         string
	}{{1, 3, "Kafka 4.0 removed"}, {1, 4, ""}, {joinGroupKey, 1, "Kafka 4.0.0 removed"}, {joinGroupKey, 2, ""}} {
		f := builderOf(Options{}, exchangeOf(5, 0, c.key, c.version, noRange, outcomeOf(decode.ClosedByBroker))).Report().Findings[0]
		if f.Code != "KV2001" || !strings.Contains(f.Why, c.want) || c.want == "" && strings.Contains(f.Why, "removed") {
			t.Errorf("key %d v%d: %s %q, want %q", c.key, c.version, f.Code, f.Why, c.want)
		}
	}
}

// TestSilenceMayBeAHang: the advice names a hanging broker only if clients got no answer, and not
// if each connection was closed.
func TestSilenceMayBeAHang(t *testing.T) {
	silent := func(x *decode.Exchange) { x.Outcome, x.Took = decode.Left, 10*time.Second }
	for _, c := range []struct {
		name string
		end  func(*decode.Exchange)
		want bool
	}{{"silence", silent, true}, {"a close", outcomeOf(decode.ClosedByBroker), false}} {
		r := builderOf(Options{}, exchangeOf(1, 0, apiVersionsKey, 0, c.end)).Report()
		if len(r.Findings) == 0 || r.Findings[0].Code != "KV2012" || strings.Contains(r.Findings[0].Why, "hangs") != c.want {
			t.Errorf("%s: %+v, want KV2012 and a hang named: %v", c.name, r.Findings, c.want)
		}
	}
}

// TestLowerApiVersions: who also asks in a lower version of ApiVersions may begin.
func TestLowerApiVersions(t *testing.T) {
	refused := exchangeOf(5, 0, apiVersionsKey, 4, outcomeOf(decode.ClosedByBroker))
	other := func(x *decode.Exchange) {
		x.ClientID, x.Software, x.Client = "other", decode.Software{}, netip.MustParseAddrPort("10.0.0.7:50000")
	}
	const served = "A broker or proxy that does not support a version should answer error 35"
	for _, c := range []struct {
		name  string
		calls []any
		why   string
	}{
		{"alone", []any{refused, exchangeOf(7, 1, 3, 1, other)}, "Without an answer the client cannot begin."},
		{"lower, and not served", []any{exchangeOf(1, 2, 3, 1, other), refused, exchangeOf(9, 1, apiVersionsKey, 3, outcomeOf(decode.ClosedByBroker))}, "The client also asked in v3."},
		{"lower, and served", []any{refused, exchangeOf(9, 1, apiVersionsKey, 3), exchangeOf(12, 1, 1, 4), connectionOf(1, 6, 20)}, served},
	} {
		f := builderOf(Options{}, c.calls...).Report().Findings[0]
		code, severity := "KV2002", model.Error
		if c.why == served {
			code, severity = "KV2003", model.Info
		}
		if f.Code != code || f.Severity != severity || !strings.Contains(f.Why, c.why) {
			t.Errorf("%s: %s %s %q, want %s %s with %q", c.name, f.Code, f.Severity, f.Why, code, severity, c.why)
		}
	}
}
