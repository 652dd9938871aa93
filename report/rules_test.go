package report

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/model"
)

// ruleCase is an input of the rules and its findings.
type ruleCase struct {
	name  string
	calls []any
	// want are the codes and messages of the findings, in order.
	want []string
}

// checkRules compares the findings of each case with want.
func checkRules(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := []string{}
			for _, f := range builderOf(Options{}, c.calls...).Report().Findings {
				got = append(got, f.Code+" "+f.Message)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVersionRules(t *testing.T) {
	kafka4 := rangesOf(newRanges)
	closed := outcomeOf(decode.ClosedByBroker)
	checkRules(t, []ruleCase{
		{"above the max fires", []any{exchangeOf(1, 0, 1, 12, verdictOf(decode.AboveMax), closed)},
			[]string{"KV1001 Fetch v12 sent, the broker advertises v4 to v10"}},
		{"above the max fires on an answer, too", []any{exchangeOf(1, 0, 1, 12, verdictOf(decode.AboveMax))},
			[]string{"KV1001 Fetch v12 sent, the broker advertises v4 to v10"}},
		{"above the max with error 35 is one finding", []any{exchangeOf(1, 0, 1, 12, verdictOf(decode.AboveMax), outcomeOf(decode.Error))},
			[]string{"KV1001 Fetch v12 sent, the broker advertises v4 to v10"}},
		{"at the max does not fire", []any{exchangeOf(1, 0, 1, 10)}, []string{}},
		{"below the min fires", []any{exchangeOf(1, 0, 1, 3, verdictOf(decode.BelowMin), closed)},
			[]string{"KV1002 Fetch v3 sent, the broker advertises v4 to v10"}},
		{"at the min does not fire", []any{exchangeOf(1, 0, 1, 4)}, []string{}},
		{"an API that is not advertised fires", []any{exchangeOf(1, 0, 60, 0, verdictOf(decode.NotAdvertised), closed)},
			[]string{"KV1003 DescribeCluster v0 sent, the broker advertises no such API"}},
		{"an unknown API that is not advertised fires", []any{exchangeOf(1, 0, 999, 7, verdictOf(decode.NotAdvertised), closed)},
			[]string{"KV1003 Unknown(999) v7 sent, the broker advertises no such API"}},
		{"ApiVersions in any version does not fire", []any{exchangeOf(1, 0, apiVersionsKey, 99)}, []string{}},
		{"a phantom version that is closed fires", []any{exchangeOf(1, 0, 0, 2, kafka4, closed)},
			[]string{"KV1004 Produce v2 sent, advertised v0 to v12, but this release accepts only v3 or higher"}},
		{"a phantom version without an expected answer fires", []any{exchangeOf(1, 0, 0, 0, kafka4, outcomeOf(decode.NoneExpected))},
			[]string{"KV1004 Produce v0 sent, advertised v0 to v12, but this release accepts only v3 or higher"}},
		{"a phantom version that was answered does not fire", []any{exchangeOf(1, 0, 0, 2, kafka4)}, []string{}},
		{"the first version above the phantom ones does not fire", []any{exchangeOf(1, 0, 0, 3, kafka4, closed)}, []string{}},
		{"an old broker takes what Kafka 4 refuses", []any{exchangeOf(1, 0, 0, 2, closed)}, []string{}},
		{"error 35 inside the range fires", []any{exchangeOf(1, 0, 0, 7, outcomeOf(decode.Error))},
			[]string{"KV3001 Produce v7 answered UNSUPPORTED_VERSION, although the broker advertises v0 to v7"}},
		{"error 35 without a range fires", []any{exchangeOf(1, 0, 0, 7, outcomeOf(decode.Error), noRange)},
			[]string{"KV3001 Produce v7 answered UNSUPPORTED_VERSION, the advertised range is unknown"}},
		{"error 35 to a phantom version is said once", []any{exchangeOf(1, 0, 0, 2, kafka4, outcomeOf(decode.Error))},
			[]string{"KV3001 Produce v2 answered UNSUPPORTED_VERSION, although the broker advertises v0 to v12"}},
		{"another error does not fire", []any{exchangeOf(1, 0, 0, 7, func(x *decode.Exchange) { x.ErrorCode = 3 })}, []string{}},
	})
}

func TestNegotiationRules(t *testing.T) {
	closed, reset, left := outcomeOf(decode.ClosedByBroker), outcomeOf(decode.ResetByBroker), outcomeOf(decode.Left)
	took := func(d time.Duration) func(*decode.Exchange) { return func(x *decode.Exchange) { x.Took = d } }
	probe := func(x *decode.Exchange) {
		x.ClientID, x.Software = "kafka-python-1.4.7", decode.Software{}
	}
	retried := func(version int16) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.Outcome, x.ErrorCode, x.Negotiated = decode.Error, 35, version }
	}
	early := func(x *decode.Exchange) { x.BeforeNegotiation = true }
	// gaveUp ends the connection on which ApiVersions was refused. stillOpen is another
	// connection, open until a frame.
	gaveUp := connectionOf(0, 1, 9, func(c *decode.Connection) { c.Advertised = nil })
	stillOpen := func(frame uint64) *decode.Connection {
		return connectionOf(1, 1, frame, func(c *decode.Connection) { c.Advertised, c.End = nil, reassembly.End{} })
	}
	failing := func(code int16) func(*decode.Exchange) { return func(x *decode.Exchange) { x.ErrorCode = code } }
	checkRules(t, []ruleCase{
		{"closed without a range fires", []any{exchangeOf(1, 0, 3, 11, noRange, closed)},
			[]string{"KV2001 Metadata v11 sent without a known range, the broker closed the connection"}},
		{"reset without a range fires", []any{exchangeOf(1, 0, 3, 11, noRange, reset)},
			[]string{"KV2001 Metadata v11 sent without a known range, the broker reset the connection"}},
		{"ignored without a range fires", []any{exchangeOf(1, 0, 3, 11, noRange, outcomeOf(decode.Unanswered))},
			[]string{"KV2001 Metadata v11 sent without a known range, the broker did not answer"}},
		{"given up after long without a range fires", []any{exchangeOf(1, 0, 3, 11, noRange, left, took(10*time.Second))},
			[]string{"KV2001 Metadata v11 sent without a known range, the broker did not answer until the client gave up"}},
		{"a client that leaves soon does not fire", []any{exchangeOf(1, 0, 3, 11, noRange, left, took(time.Second))}, []string{}},
		{"a client that leaves while it waits for data does not fire", []any{exchangeOf(1, 0, 1, 11, noRange, left, took(5*time.Second))}, []string{}},
		{"a client that waits for data for longer than any broker lets it fires", []any{exchangeOf(1, 0, 1, 11, noRange, left, took(time.Minute))},
			[]string{"KV2001 Fetch v11 sent without a known range, the broker did not answer until the client gave up"}},
		{"a client that leaves while its group gathers does not fire", []any{exchangeOf(1, 0, 11, 5, noRange, left, took(time.Minute))}, []string{}},
		{"answered without a range does not fire", []any{exchangeOf(1, 0, 3, 11, noRange)}, []string{}},
		{"not captured does not fire", []any{exchangeOf(1, 0, 3, 11, noRange, outcomeOf(decode.Unseen)), exchangeOf(2, 0, 3, 11, noRange, outcomeOf(decode.CutOff))}, []string{}},
		{"closed outside a known range is KV1001 alone", []any{exchangeOf(1, 0, 3, 11, verdictOf(decode.AboveMax), borrowedRange, closed)},
			[]string{"KV1001 Metadata v11 sent, the broker advertises v0 to v7"}},
		{"kafka-python's probes do not fire where a later one is answered", []any{
			exchangeOf(1, 0, apiVersionsKey, 0, closed, probe), exchangeOf(2, 0, 3, 0, noRange, closed, probe),
			exchangeOf(3, 1, 16, 0, noRange, closed, probe), exchangeOf(4, 1, 3, 0, noRange, closed, probe),
			exchangeOf(5, 2, 3, 0, noRange, probe),
		}, []string{}},
		{"kafka-python's probes of which none is answered tell that it is no Kafka", []any{
			exchangeOf(1, 0, apiVersionsKey, 0, closed, probe), exchangeOf(2, 0, 3, 0, noRange, closed, probe),
			exchangeOf(3, 1, 16, 0, noRange, closed, probe), exchangeOf(4, 1, 3, 0, noRange, closed, probe),
		}, []string{"KV2012 nothing that this port was asked was answered: ApiVersions v0 and ListGroups v0"}},
		{"kafka-python's other requests fire", []any{exchangeOf(1, 0, 1, 0, noRange, closed, probe), exchangeOf(2, 0, 3, 1, noRange, closed, probe)},
			[]string{
				"KV2001 Fetch v0 sent without a known range, the broker closed the connection",
			}}, // Metadata shares the fate of the request before it

		{"ApiVersions closed twice fires", []any{exchangeOf(1, 0, apiVersionsKey, 4, reset), exchangeOf(3, 1, apiVersionsKey, 4, reset)},
			[]string{"KV2002 ApiVersions v4 sent, the broker reset the connection; it looks like a TLS listener"}},
		{"ApiVersions closed twice where others are answered looks like no TLS", []any{exchangeOf(1, 0, apiVersionsKey, 4, closed), exchangeOf(2, 2, 3, 1), exchangeOf(3, 1, apiVersionsKey, 4, closed)},
			[]string{"KV2002 ApiVersions v4 sent, the broker closed the connection"}},
		{"ApiVersions closed once may be a restart", []any{exchangeOf(1, 0, apiVersionsKey, 4, reset)}, []string{}},
		{"ApiVersions closed, and answered lower, is reported", []any{
			exchangeOf(1, 0, apiVersionsKey, 4, closed), exchangeOf(3, 1, apiVersionsKey, 0), exchangeOf(5, 1, 3, 1), exchangeOf(7, 1, 0, 7),
		}, []string{"KV2003 ApiVersions v4 sent, the broker closed the connection; v0 is answered"}},
		{"ApiVersions given up after long fires", []any{exchangeOf(1, 0, apiVersionsKey, 3, left, took(10*time.Second)), exchangeOf(20_000, 1, 3, 0)},
			[]string{"KV2002 ApiVersions v3 sent, the broker did not answer until the client gave up"}},
		{"silence on all that is asked tells that it may be no Kafka", []any{exchangeOf(1, 0, apiVersionsKey, 3, left, took(10*time.Second))},
			[]string{"KV2012 nothing that this port was asked was answered: ApiVersions v3"}},
		{"an ApiVersions that every broker answers tells that it is no Kafka", []any{exchangeOf(1, 0, apiVersionsKey, 0, closed)},
			[]string{"KV2012 nothing that this port was asked was answered: ApiVersions v0"}},
		{"silence behind a preface shows that the other side cannot read it", []any{exchangeOf(1, 0, apiVersionsKey, 4, closed), connectionOf(0, 0, 9, func(c *decode.Connection) {
			c.Responses, c.Advertised, c.Oddities = 0, nil, &reassembly.Oddities{Prefaces: []reassembly.Preface{{Kind: reassembly.ProxyV2}}}
		})}, []string{"KV2012 nothing was answered behind the preface (PROXY protocol v2): ApiVersions v4", "KV9005 PROXY protocol v2 at the beginning of 1 connection"}},
		{"ApiVersions answered does not fire", []any{exchangeOf(1, 0, apiVersionsKey, 4)}, []string{}},
		{"ApiVersions with the broker's side unseen does not fire", []any{exchangeOf(1, 0, apiVersionsKey, 4, outcomeOf(decode.Unseen))}, []string{}},

		{"ApiVersions retried lower is reported", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(0)), exchangeOf(2, 0, apiVersionsKey, 0)},
			[]string{"KV2003 ApiVersions v3 refused with error 35, then v0 answered"}},
		{"ApiVersions with error 35 and no retry fires, and is not KV2003", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), gaveUp},
			[]string{"KV2002 ApiVersions v3 refused with error 35, and this client sent none in a lower version"}},
		{"ApiVersions with error 35 at the end of the capture does not fire", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), stillOpen(1000)}, []string{}},
		{"ApiVersions with error 35 and nothing behind it for seconds fires", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), stillOpen(6000)},
			[]string{"KV2002 ApiVersions v3 refused with error 35, and this client sent none in a lower version"}},
		{"ApiVersions in a lower version on the next connection is reported", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), gaveUp, exchangeOf(20, 1, apiVersionsKey, 0)},
			[]string{"KV2003 ApiVersions v3 refused with error 35, then v0 answered"}},
		{"the same version answered on the next connection is none", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), gaveUp, exchangeOf(20, 1, apiVersionsKey, 3)},
			[]string{"KV2002 ApiVersions v3 refused with error 35, and this client sent none in a lower version"}},
		{"a lower version that is answered with an error is none", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), gaveUp, exchangeOf(20, 1, apiVersionsKey, 0, failing(42))},
			[]string{"KV2002 ApiVersions v0 answered with error 42 (INVALID_REQUEST)"}},
		{"another error fires", []any{exchangeOf(1, 0, apiVersionsKey, 3, failing(31))},
			[]string{"KV2002 ApiVersions v3 answered with error 31 (CLUSTER_AUTHORIZATION_FAILED)"}},
		{"an answer without APIs fires", []any{exchangeOf(1, 0, apiVersionsKey, 3, func(x *decode.Exchange) { x.ResponseSize = emptyAnswer })},
			[]string{"KV2002 ApiVersions v3 answered with an empty list of APIs"}},
		{"an answer with one API does not fire", []any{exchangeOf(1, 0, apiVersionsKey, 0, func(x *decode.Exchange) { x.ResponseSize = 16 })}, []string{}},
		{"another error, and the client is served, does not fire", []any{exchangeOf(1, 0, apiVersionsKey, 3, failing(31)), exchangeOf(20, 1, 0, 7)}, []string{}},
		{"another error on a connection that may have ranges does not fire", []any{exchangeOf(1, 0, apiVersionsKey, 3, failing(31), func(x *decode.Exchange) { x.Asked = decode.MaybeAsked })}, []string{}},
		{"an error that sends the client elsewhere does not fire", []any{exchangeOf(1, 0, apiVersionsKey, 3, failing(129))}, []string{}},
		{"an error without a name in the capture is not KV2011", []any{exchangeOf(1, 0, apiVersionsKey, 3, failing(42), func(x *decode.Exchange) { x.Software = decode.Software{} })},
			[]string{"KV2002 ApiVersions v3 answered with error 42 (INVALID_REQUEST)"}},
		{"an error for the client's name is KV2011 alone", []any{exchangeOf(1, 0, apiVersionsKey, 3, failing(42), func(x *decode.Exchange) { x.Software.Version = "(devel)" })},
			[]string{`KV2011 ApiVersions v3 answered INVALID_REQUEST: the version "(devel)" of the software "confluent-kafka-go" is not allowed`}},
		{"a lower version whose answer is not in the capture is none", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), gaveUp, exchangeOf(20, 1, apiVersionsKey, 0, outcomeOf(decode.Unseen))},
			[]string{}},
		{"the same version on the next connection is none", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), gaveUp, exchangeOf(20, 1, apiVersionsKey, 3, retried(-1))},
			[]string{"KV2002 ApiVersions v3 refused with error 35, and this client sent none in a lower version"}},
		{"a retry on another connection is one, too", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), exchangeOf(5, 1, 0, 7, func(x *decode.Exchange) { x.Software = decode.Software{} })}, []string{}},
		{"a retry of another client is none", []any{exchangeOf(1, 0, apiVersionsKey, 3, retried(-1)), exchangeOf(5, 1, 0, 7, func(x *decode.Exchange) { x.Client = mustAddrPort("127.0.0.2:41000") }), gaveUp},
			[]string{"KV2002 ApiVersions v3 refused with error 35, and this client sent none in a lower version"}},
		{"who goes on after error 35 is reported", []any{exchangeOf(2, 0, 3, 10, noRange, outcomeOf(decode.ClosedByBroker), func(x *decode.Exchange) { x.NegotiationRefused = true })},
			[]string{"KV2001 Metadata v10 sent without a known range, the broker closed the connection"}},

		{"a client that leaves after ApiVersions fires", []any{connectionOf(0, 1, 9, leaves)},
			[]string{"KV2004 the client closed after the ApiVersions response and asked for nothing"}},
		{"a client that leaves once more after it was served does not fire", []any{exchangeOf(2, 0, 0, 7), connectionOf(1, 5, 9, leaves)}, []string{}},
		{"a client that leaves when it has found its way fires", []any{exchangeOf(2, 0, 3, 7), exchangeOf(3, 0, 10, 1), connectionOf(1, 5, 9, leaves)},
			[]string{"KV2004 the client closed after the ApiVersions response and asked for nothing"}},
		{"a client that was served by a broker of that address in another network fires", []any{exchangeOf(2, 0, 0, 7, func(x *decode.Exchange) { x.Domain = 1 }), connectionOf(1, 5, 9, leaves)},
			[]string{"KV2004 the client closed after the ApiVersions response and asked for nothing"}},
		{"a client that leaves where Metadata is not advertised misses it", []any{exchangeOf(2, 0, apiVersionsKey, 0), connectionOf(0, 1, 9, leaves, func(c *decode.Connection) {
			c.Advertised = &decode.Ranges{APIs: oldRanges.APIs[:2]}
		})}, []string{"KV2014 the broker does not advertise Metadata, which the client needs next"}},
		{"a consumer of a group that leaves where FindCoordinator is not advertised misses it", []any{exchangeOf(2, 0, 3, 7), connectionOf(0, 1, 9, idIs("consumer-orders-1"))},
			[]string{"KV2014 the broker does not advertise FindCoordinator, which the client needs next"}},
		{"a consumer without a group does not miss FindCoordinator", []any{exchangeOf(2, 0, 3, 7), connectionOf(0, 1, 9, idIs("consumer-null-1"))}, []string{}},
		{"a consumer that fetches does not miss FindCoordinator", []any{exchangeOf(2, 0, 3, 7), exchangeOf(4, 0, 1, 7), connectionOf(0, 1, 9, idIs("consumer-orders-1"))}, []string{}},
		{"a consumer does not miss FindCoordinator where it is advertised", []any{exchangeOf(2, 0, 3, 7), connectionOf(0, 1, 9, idIs("consumer-orders-1"), func(c *decode.Connection) {
			c.Advertised = &decode.Ranges{APIs: append(slices.Clone(oldRanges.APIs[:4]), decode.API{Key: findCoordinatorKey})}
		})}, []string{}},
		{"the same, and a broker serves the client on another connection", []any{exchangeOf(2, 0, apiVersionsKey, 0), exchangeOf(3, 1, 0, 7, outcomeOf(decode.Answered)), connectionOf(0, 1, 9, leaves, func(c *decode.Connection) {
			c.Advertised = &decode.Ranges{APIs: oldRanges.APIs[:2]}
		})}, []string{}},
		{"a client that leaves a controller does not miss Metadata", []any{exchangeOf(2, 0, apiVersionsKey, 0), connectionOf(0, 1, 9, leaves, func(c *decode.Connection) {
			c.Advertised = &decode.Ranges{APIs: []decode.API{{Key: 52}}}
		})}, []string{"KV2004 the client closed after the ApiVersions response of a KRaft controller"}},
		{"a client that leaves a controller fires also if a broker found it its way and serves it", []any{
			exchangeOf(1, 1, metadataKey, 7, func(x *decode.Exchange) { x.Broker = mustAddrPort("127.0.0.2:19092") }), exchangeOf(2, 1, 1, 7, func(x *decode.Exchange) { x.Broker = mustAddrPort("127.0.0.2:19092") }),
			exchangeOf(3, 0, apiVersionsKey, 0), connectionOf(0, 2, 9, leaves, func(c *decode.Connection) {
				c.Advertised = &decode.Ranges{APIs: []decode.API{{Key: 52}}}
			}),
		}, []string{"KV2004 the client closed after the ApiVersions response of a KRaft controller"}},
		{"a client that leaves and is served later does not fire", []any{connectionOf(1, 5, 9, leaves), exchangeOf(12, 0, 0, 7)}, []string{}},
		{"a connection that was open for seconds does not fire", []any{connectionOf(1, 5, 2009, leaves, func(c *decode.Connection) { c.LastAnswer = within(9, 1) })}, []string{}},
		{"a client at another address that leaves fires", []any{exchangeOf(2, 0, 0, 7, func(x *decode.Exchange) { x.Client = mustAddrPort("127.0.0.2:41000") }), connectionOf(1, 5, 9, leaves)},
			[]string{"KV2004 the client closed after the ApiVersions response and asked for nothing"}},
		{"a client that had asked before the answer does not fire", []any{
			exchangeOf(2, 0, 3, 1, early), connectionOf(0, 1, 9, leaves),
		}, []string{"KV2006 Metadata v1 sent before the ApiVersions response arrived"}},
		{"nor one that had asked for more than its way", []any{
			exchangeOf(2, 0, 10, 1, early), connectionOf(0, 1, 9, leaves),
		}, []string{"KV2006 FindCoordinator v1 sent before the ApiVersions response arrived"}},
		{"a client that asks for something does not fire", []any{connectionOf(0, 1, 9)}, []string{}},
		{"a broker that closes after ApiVersions does not fire", []any{connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.AfterAdvertised, c.End.By = 0, reassembly.ToClient
		})}, []string{}},
		{"an end that was not seen does not fire", []any{connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.AfterAdvertised, c.End.Kind = 0, reassembly.Cut
		})}, []string{}},
		{"a request in the missing bytes may have been there", []any{connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.AfterAdvertised, c.Oddities.Missing, c.Oddities.Gaps = 0, 90, 1
		})}, []string{"KV9002 90 bytes missing in 1 place of 1 connection"}},

		{"different ranges from one address fire", []any{adOf(1, 0, oldRanges), adOf(2, 1, newRanges)},
			[]string{"KV2005 one address advertised 2 different sets of ranges: Produce (v0 to v7, v0 to v12), Fetch (v4 to v10, v4 to v17), ListOffsets (v0 to v4, v1 to v10) and 10 more APIs"}},
		{"equal ranges do not fire", []any{adOf(1, 0, oldRanges), adOf(2, 1, &decode.Ranges{APIs: slices.Clone(oldRanges.APIs)})}, []string{}},
		{"an answer whose end is missing differs in nothing that was seen", []any{
			adOf(1, 0, oldRanges), adOf(2, 1, &decode.Ranges{APIs: oldRanges.APIs[:2], Partial: true}), adOf(3, 2, oldRanges),
		}, []string{}},
		{"different ranges across a restart are reported", []any{
			exchangeOf(1, 0, 3, 7), adOf(2, 0, oldRanges), connectionOf(0, 1, 9, func(c *decode.Connection) { c.End.By = reassembly.ToClient }), adOf(2000, 1, newRanges),
		}, []string{"KV2005 one address advertised 2 different sets of ranges, changed across a restart: Produce (v0 to v7, v0 to v12), Fetch (v4 to v10, v4 to v17), ListOffsets (v0 to v4, v1 to v10) and 10 more APIs"}},
		{"different ranges from two addresses do not fire", []any{adOf(1, 0, oldRanges), func() *decode.Advertisement {
			a := adOf(2, 1, newRanges)
			a.Broker = mustAddrPort("127.0.0.1:19093")
			return a
		}()}, []string{}},
		{"different ranges from one address in two networks do not fire", []any{adOf(1, 0, oldRanges), func() *decode.Advertisement {
			a := adOf(2, 1, newRanges)
			a.Domain = 7
			return a
		}()}, []string{}},

		{"a request before the answer is reported", []any{exchangeOf(1, 0, 3, 1, early)},
			[]string{"KV2006 Metadata v1 sent before the ApiVersions response arrived"}},
		{"a request after the answer is not", []any{exchangeOf(1, 0, 3, 1)}, []string{}},
		{"a second ApiVersions before the answer is not", []any{exchangeOf(1, 0, apiVersionsKey, 0, early)}, []string{}},
	})
}

func TestSecurityRules(t *testing.T) {
	closed := outcomeOf(decode.ClosedByBroker)
	confused := func(kind reassembly.Confusion, answered uint64) func(*decode.Connection) {
		return func(c *decode.Connection) {
			c.Protocol, c.Confusion, c.Bytes[reassembly.ToClient] = reassembly.Undecided, kind, answered
		}
	}
	failed := func(info *tlsrecord.Info) { info.Established, info.Undecrypted, info.Reason = false, 0, "" }
	// mute returns n connections with a ClientHello and no answer, which a side ends in a frame.
	mute := func(n int, end uint64, by reassembly.Direction) (calls []any) {
		for i := range uint32(n) {
			calls = append(calls, connectionOf(i, 1, end, tlsOf(failed), confused(reassembly.TLSToClear, 0), func(c *decode.Connection) {
				c.LastData[reassembly.ToBroker], c.End.By = within(4, i), by
			}))
		}
		return calls
	}
	// records adds encrypted records of these sizes, negative ones from the broker.
	records := func(sizes ...int) func(*decode.Connection) {
		return func(c *decode.Connection) {
			c.Outline, c.TLS.Version, c.TLS.Established = tlsrecord.NewOutline(false), "TLS 1.3", false
			for i, n := range sizes {
				size := max(n, -n)
				c.Outline.Data(n > 0, append([]byte{23, 3, 3, byte(size >> 8), byte(size)}, make([]byte, size)...), at(uint64(i+3)))
			}
		}
	}
	sasl := func(code int16, mechanism string, enabled ...string) func(*decode.Exchange) {
		return func(x *decode.Exchange) {
			x.Verdict, x.ErrorCode, x.Mechanism, x.Enabled = decode.Unknown, code, mechanism, enabled
		}
	}
	alert := func(info *tlsrecord.Info) {
		failed(info)
		info.Alert, info.AlertFromServer = "handshake_failure", true
	}
	from := func(addr string) func(*decode.Connection) {
		return func(c *decode.Connection) { c.Client = mustAddrPort(addr) }
	}
	speaks := func(protocol string) func(*decode.Connection) {
		return func(c *decode.Connection) { c.Oddities.Spoke = protocol }
	}
	isClosed := func(c *decode.Connection) {
		c.Requests, c.Responses, c.Bytes[reassembly.ToClient], c.Advertised, c.End.By = 1, 0, 0, nil, reassembly.ToClient
	}
	checkRules(t, []ruleCase{
		{"clear to TLS fires", []any{connectionOf(0, 1, 9, confused(reassembly.ClearToTLS, 7))},
			[]string{"KV2007 the client speaks Kafka in the clear, the broker answered with TLS"}},
		{"clear to TLS takes the place of a refused request", []any{
			exchangeOf(2, 0, apiVersionsKey, 3, closed), exchangeOf(3, 0, 3, 1, noRange, closed), connectionOf(0, 1, 9, confused(reassembly.ClearToTLS, 7)),
		}, []string{"KV2007 the client speaks Kafka in the clear, the broker answered with TLS"}},
		{"a close where TLS is spoken elsewhere is confusion", []any{
			exchangeOf(2, 0, apiVersionsKey, 3, closed), connectionOf(0, 1, 4, func(c *decode.Connection) { c.Responses, c.Advertised = 0, nil }), connectionOf(1, 5, 9, tlsOf()),
		}, []string{
			"KV2007 ApiVersions v3 sent in the clear to a listener that speaks TLS, the broker closed the connection",
			"KV9001 TLS on 1 connection was not decrypted: no key was given for it",
		}},
		{"a close where both are spoken is no confusion", []any{
			exchangeOf(2, 0, apiVersionsKey, 3, closed), exchangeOf(4, 3, apiVersionsKey, 3, closed), connectionOf(1, 5, 9, tlsOf()), connectionOf(2, 6, 10),
		}, []string{
			"KV2002 ApiVersions v3 sent, the broker closed the connection",
			"KV9001 TLS on 1 connection was not decrypted: no key was given for it",
		}},
		{"TLS answered in the clear fires", []any{connectionOf(0, 1, 9, confused(reassembly.TLSToClear, 20))},
			[]string{"KV2007 the client speaks TLS, the broker answered in the clear"}},
		{"TLS closed where Kafka is spoken in the clear fires", []any{connectionOf(0, 1, 9, confused(reassembly.TLSToClear, 0)), connectionOf(1, 2, 10)},
			[]string{"KV2007 the client speaks TLS to a listener that speaks Kafka in the clear, and was closed"}},
		{"TLS closed where nothing else is known is a failed handshake", []any{connectionOf(0, 1, 9, confused(reassembly.TLSToClear, 0))},
			[]string{"KV9004 TLS handshake failed on 1 connection: closed by the broker without a byte"}},
		{"TLS closed at once three times looks like a listener in the clear", mute(3, 5, reassembly.ToClient),
			[]string{"KV2007 the client speaks TLS, and the other side closes without a byte: it looks like a listener in the clear"}},
		{"an address that closes on TLS and in the clear is neither", append(mute(3, 5, reassembly.ToClient),
			exchangeOf(22, 7, apiVersionsKey, 3, closed), connectionOf(7, 21, 23, isClosed), exchangeOf(32, 8, apiVersionsKey, 3, closed), connectionOf(8, 31, 33, isClosed)), []string{
			"KV2012 nothing that this port was asked was answered: ApiVersions v3",
			"KV9004 TLS handshake failed on 3 connections: closed by the broker without a byte",
		}},
		{"TLS closed seconds later does not", mute(3, 1005, reassembly.ToClient), []string{"KV9004 TLS handshake failed on 3 connections: no byte came from the other side"}},
		{"a client's certificate that the broker refuses", []any{connectionOf(0, 1, 9, tlsOf(), records(-900, 781, 281, 53, -19))},
			[]string{"KV9004 TLS handshake failed on 1 connection: closed by the broker on the client's certificate"}},
		{"a broker's certificate that the client refuses", []any{connectionOf(0, 1, 9, tlsOf(), records(-900, 19))},
			[]string{"KV9004 TLS handshake failed on 1 connection: closed by the client on the broker's certificate"}},
		{"a certificate that the broker accepts", []any{connectionOf(0, 1, 9, tlsOf(), records(-900, 781, 281, 53, -217, 65, -19))},
			[]string{"KV9001 TLS on 1 connection was not decrypted: no key was given for it"}},
		{"TLS closed before the ClientHello arrived, once, does not", append(mute(3, 5, reassembly.ToClient), connectionOf(9, 1, 5, tlsOf(failed), confused(reassembly.TLSToClear, 0), func(c *decode.Connection) {
			c.LastData[reassembly.ToBroker], c.End.By, c.End.HasAcked = at(4), reassembly.ToClient, true
		})), []string{"KV9004 TLS handshake failed on 4 connections: closed by the broker without a byte"}},
		{"TLS without an answer that the client closes does not either", mute(3, 5, reassembly.ToBroker), []string{"KV9004 TLS handshake failed on 3 connections: no byte came from the other side"}},
		{"the same, of which a short snapshot length left no client random", []any{connectionOf(0, 1, 5, tlsOf(failed, func(i *tlsrecord.Info) { i.HasClientRandom = false }), confused(reassembly.TLSToClear, 0), func(c *decode.Connection) {
			c.End.By = reassembly.ToBroker
		})}, []string{"KV9004 TLS handshake failed on 1 connection: no byte came from the other side"}},
		{"an alert of the client, and the broker's side is not in the capture", []any{connectionOf(0, 1, 9, tlsOf(failed, func(i *tlsrecord.Info) { i.Alert = "internal_error" }), func(c *decode.Connection) {
			c.Seen[reassembly.ToClient], c.Bytes[reassembly.ToClient], c.End.By = false, 0, reassembly.ToBroker
		})}, []string{"KV9004 TLS handshake failed on 1 connection: alert internal_error from the client"}},
		{"a client that leaves three times when a broker is back fires", append(mute(3, 1005, reassembly.ToClient),
			connectionOf(7, 4000, 5000, tlsOf()), connectionOf(8, 9000, 9009, leaves), connectionOf(9, 9100, 9109, leaves), connectionOf(10, 9300, 9309, leaves)), []string{
			"KV2004 the client closed after the ApiVersions response and asked for nothing",
			"KV9001 TLS on 1 connection was not decrypted: no key was given for it",
			"KV9004 TLS handshake failed on 3 connections: no byte came from the other side",
		}},
		{"a client that leaves when a broker is back does not fire", append(mute(3, 1005, reassembly.ToClient), connectionOf(7, 4000, 5000, tlsOf()), connectionOf(8, 9000, 9009, leaves)), []string{
			"KV9001 TLS on 1 connection was not decrypted: no key was given for it",
			"KV9004 TLS handshake failed on 3 connections: no byte came from the other side",
		}},
		{"Kafka in the clear on both sides is no confusion", []any{connectionOf(0, 1, 9)}, []string{}},

		{"a refused mechanism fires", []any{exchangeOf(1, 0, 17, 1, sasl(33, "SCRAM-SHA-256", "PLAIN", "GSSAPI"))},
			[]string{"KV2008 SaslHandshake v1 answered with UNSUPPORTED_SASL_MECHANISM: asked for SCRAM-SHA-256, enabled: PLAIN, GSSAPI"}},
		{"refused credentials fire", []any{exchangeOf(1, 0, 36, 2, sasl(58, ""))},
			[]string{"KV2008 SaslAuthenticate v2 answered with SASL_AUTHENTICATION_FAILED"}},
		{"an accepted mechanism does not fire", []any{exchangeOf(1, 0, 17, 1, sasl(0, "PLAIN", "PLAIN"))}, []string{}},
		{"an error of another API does not fire", []any{exchangeOf(1, 0, 3, 1, func(x *decode.Exchange) { x.ErrorCode = 58 })}, []string{}},

		{"TLS without keys is reported", []any{connectionOf(0, 1, 9, tlsOf())},
			[]string{"KV9001 TLS on 1 connection was not decrypted: no key was given for it"}},
		{"TLS on several connections is one finding", []any{connectionOf(0, 1, 9, tlsOf()), connectionOf(1, 2, 9, tlsOf(func(i *tlsrecord.Info) {
			i.ClientRandom[0], i.Reason = 0, "no key was given for client random 00a9c1d2e4b50617..."
		}))}, []string{"KV9001 TLS on 2 connections was not decrypted: no key was given for it"}},
		{"TLS that failed at different records is one finding", []any{
			connectionOf(0, 1, 9, tlsOf(func(i *tlsrecord.Info) { i.Reason = "record 3 could not be authenticated (wrong secrets?)" })),
			connectionOf(1, 2, 9, tlsOf(func(i *tlsrecord.Info) { i.Reason = "record 44 could not be authenticated (wrong secrets?)" })),
		}, []string{"KV9001 TLS on 2 connections was not decrypted: a record could not be authenticated (wrong secrets?)"}},
		{"TLS with something else than Kafka inside is not", []any{connectionOf(0, 1, 9, tlsOf(func(i *tlsrecord.Info) {
			i.Decrypted, i.Undecrypted, i.Reason = 99, 0, "what is inside is not Kafka"
		}))}, []string{}},
		{"TLS that was decrypted is not", []any{connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.TLS = &tlsrecord.Info{Established: true, Decrypted: 99}
		})}, []string{}},
		{"an alert in the handshake is reported", []any{connectionOf(0, 1, 9, tlsOf(alert))},
			[]string{"KV9004 TLS handshake failed on 1 connection: alert handshake_failure from the broker"}},
		{"a close in the handshake is reported", []any{connectionOf(0, 1, 9, tlsOf(failed))},
			[]string{"KV9004 TLS handshake failed on 1 connection: closed by the client"}},
		{"a close is one finding with the alert that the client sends elsewhere", []any{connectionOf(0, 1, 9, tlsOf(alert)), connectionOf(1, 11, 19, tlsOf(failed)), connectionOf(2, 21, 29, tlsOf(alert))},
			[]string{"KV9004 TLS handshake failed on 3 connections: alert handshake_failure from the broker on 2, a close on 1"}},
		{"a close of another client is a finding of its own", []any{connectionOf(0, 1, 9, tlsOf(alert)), connectionOf(1, 11, 19, tlsOf(failed), from("127.0.0.2:41000"))}, []string{
			"KV9004 TLS handshake failed on 1 connection: alert handshake_failure from the broker",
			"KV9004 TLS handshake failed on 1 connection: closed by the client",
		}},
		{"TLS answered in another protocol is no failed handshake", []any{connectionOf(0, 1, 9, tlsOf(failed), speaks(reassembly.SpokeHTTP))},
			[]string{"KV2012 the other side does not speak Kafka: HTTP, in answer to a TLS handshake"}},
		{"TLS answered with unknown bytes is a failed handshake", []any{connectionOf(0, 1, 9, tlsOf(failed), speaks(reassembly.SpokeUnknown))},
			[]string{"KV9004 TLS handshake failed on 1 connection: closed by the client"}},
		{"the same at the port of HTTPS is none of Kafka", []any{connectionOf(0, 1, 9, tlsOf(failed), speaks(reassembly.SpokeHTTP), func(c *decode.Connection) { c.Broker = mustAddrPort("127.0.0.1:443") })},
			[]string{"KV9004 TLS handshake failed on 1 connection: closed by the client"}},
		{"a handshake that the capture cuts is none that failed", []any{connectionOf(0, 1, 9, tlsOf(failed), func(c *decode.Connection) {
			c.End.Kind = reassembly.Cut
		})}, []string{}},
		{"an alert after the handshake is none that failed", []any{connectionOf(0, 1, 9, tlsOf(func(info *tlsrecord.Info) { info.Alert = "internal_error" }))},
			[]string{"KV9001 TLS on 1 connection was not decrypted: no key was given for it"}},
	})
}

func TestCaptureRules(t *testing.T) {
	checkRules(t, []ruleCase{
		{"missing bytes are reported for all connections of a broker", []any{
			connectionOf(0, 1, 9, func(c *decode.Connection) { c.Oddities.Missing, c.Oddities.Gaps = 1000, 1 }),
			connectionOf(1, 2, 9, func(c *decode.Connection) { c.Oddities.Missing, c.Oddities.Gaps = 448, 2 }),
		}, []string{"KV9002 1,448 bytes missing in 3 places of 2 connections"}},
		{"missing bytes of something else are not", []any{connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.Protocol, c.Oddities.Missing, c.Oddities.Gaps = reassembly.Other, 1000, 1
		})}, []string{}},
		{"a connection without its beginning is reported", []any{connectionOf(0, 1, 9, func(c *decode.Connection) { c.Midstream = true })},
			[]string{"KV9003 1 connection open before the capture began"}},
		{"something else without its beginning is not", []any{connectionOf(0, 1, 9, func(c *decode.Connection) {
			c.Protocol, c.Midstream = reassembly.HTTP, true
		})}, []string{}},
	})
}

func TestPacketsDroppedWhileCapturingAreAFinding(t *testing.T) {
	b := builderOf(Options{})
	b.SetInput(Input{Captures: []model.Capture{{Path: "a", Dropped: 5}, {Path: "b", Dropped: 7}}})
	r := b.Report()
	if len(r.Findings) != 1 || r.Findings[0].Message != "12 packets dropped by the capturing side" {
		t.Errorf("findings %+v, want one about 12 packets", r.Findings)
	}
	if r.Quality.DroppedPackets != 12 {
		t.Errorf("dropped packets %d, want 12", r.Quality.DroppedPackets)
	}
}

func TestRulesAreInOrderAndComplete(t *testing.T) {
	codes := []string{}
	for _, r := range rules {
		codes = append(codes, r.Code)
		if !regexp.MustCompile(`^KV[0-9]{4}$`).MatchString(r.Code) {
			t.Errorf("code %q: want KV and four digits", r.Code)
		}
		if !regexp.MustCompile(`^[a-z-]+$`).MatchString(r.Title) {
			t.Errorf("%s: title %q: want lower case words joined by hyphens", r.Code, r.Title)
		}
		for name, text := range map[string]string{
			"summary": r.Summary, "what": r.Documentation.What, "why": r.Documentation.Why,
			"wire": r.Documentation.Wire, "do": r.Documentation.Do,
		} {
			if strings.TrimSpace(text) == "" || strings.TrimSpace(text) != text {
				t.Errorf("%s: %s is empty or has blanks around it: %q", r.Code, name, text)
			}
		}
		if (r.severity != nil || r.target) && !strings.Contains(r.Summary, " where ") {
			t.Errorf("%s: the summary does not say when the severity is another one: %q", r.Code, r.Summary)
		}
		deciders := b2i(r.exchange != nil) + b2i(r.connection != nil) + b2i(r.change != nil) + b2i(r.target) + b2i(r.suspect != nil) + b2i(r.departure != nil) + b2i(r.sealed)
		if deciders == 0 || r.message == nil || r.why == nil || r.advice == nil {
			t.Errorf("%s: %d functions decide, want some; message, why and advice must be there", r.Code, deciders)
		}
	}
	if !slices.IsSorted(codes) || len(slices.Compact(slices.Clone(codes))) != len(codes) {
		t.Errorf("codes %v: want them sorted, each once", codes)
	}
}

func TestEveryRuleFiresInTheGoldenScenario(t *testing.T) {
	fired := map[string]bool{}
	for _, s := range scenarios() {
		for _, f := range reportOf(s).Findings {
			fired[f.Code] = true
			if f.Why == "" || f.Advice == "" || f.Title == "" {
				t.Errorf("%s: why %q, advice %q, title %q: none may be empty", f.Code, f.Why, f.Advice, f.Title)
			}
		}
	}
	for _, r := range rules {
		if !fired[r.Code] {
			t.Errorf("%s does not fire in any scenario", r.Code)
		}
	}
}

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
