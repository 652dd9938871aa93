package report

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestGuardsOfDepartures: each case but the first of its kind differs in one fact.
func TestGuardsOfDepartures(t *testing.T) {
	misshapen := func(x *decode.Exchange) { x.Misshapen = true }
	closed := outcomeOf(decode.ClosedByBroker)
	decrypted := func(c *decode.Connection) {
		tlsOf(func(i *tlsrecord.Info) { i.Decrypted, i.Undecrypted, i.Reason = 9, 0, "" })(c)
		c.Protocol, c.TLS.Established = reassembly.Kafka, false
	}
	shut := connectionOf(8, 20, 25, tlsOf(func(i *tlsrecord.Info) {
		i.Established, i.Undecrypted, i.Reason, i.HasClientRandom = false, 0, "", true
	}), func(c *decode.Connection) {
		c.Confusion, c.End.By, c.Bytes[reassembly.ToClient] = reassembly.TLSToClear, reassembly.ToClient, 0
	})
	unread := func(changes ...func(*decode.Connection)) []any {
		return []any{exchangeOf(2, 0, apiVersionsKey, 3, misshapen), connectionOf(0, 1, 9, append([]func(*decode.Connection){leaves}, changes...)...)}
	}
	const otherLayoutText = "KV2002 the ApiVersions response does not have the layout of the version that the client asked for, and the client closed"
	// gssapi are two connections that the client left after SaslHandshake.
	gssapi := func(mechanism, software string, ranges *decode.Ranges) []any {
		is := func(x *decode.Exchange) { x.Software.Name = software }
		var calls []any
		for i := range uint32(2) {
			calls = append(calls, exchangeOf(2, i, apiVersionsKey, 3, is), exchangeOf(4, i, saslHandshakeKey, 1, is), connectionOf(i, 1, 9, func(c *decode.Connection) {
				c.Mechanism, c.Advertised, c.AfterAdvertised, c.Software.Name = mechanism, ranges, 1, software
			}))
		}
		return calls
	}
	joinGroup := func(least int16) *decode.Ranges {
		return &decode.Ranges{APIs: []decode.API{{Key: metadataKey, Range: decode.Range{Max: 9}}, {Key: joinGroupKey, Range: decode.Range{Min: least, Max: 9}}}}
	}
	badName := func(change func(*decode.Exchange)) []any {
		return []any{exchangeOf(1, 0, apiVersionsKey, 3, func(x *decode.Exchange) { x.ErrorCode, x.Software.Version, x.Asked = 42, "(devel)", decode.NotAsked }, change)}
	}
	foundLater := func(frame uint64) []any { return []any{exchangeOf(frame, 7, metadataKey, 7)} }
	consumer := func(keys ...int16) []any {
		r := new(decode.Ranges)
		for _, key := range keys {
			r.APIs = append(r.APIs, decode.API{Key: key, Range: decode.Range{Max: 9}})
		}
		return []any{exchangeOf(2, 0, metadataKey, 7, func(x *decode.Exchange) { x.ClientID = "consumer-g-1" }), connectionOf(0, 1, 9, idIs("consumer-g-1"), func(c *decode.Connection) {
			c.Advertised, c.AfterAdvertised, c.End = r, 1, reassembly.End{}
		})}
	}
	refused := func(n int) (calls []any) {
		for i := range n {
			calls = append(calls, connectionOf(uint32(i), uint64(i)*10+1, uint64(i)*10+2, func(c *decode.Connection) {
				c.Protocol, c.Refused, c.Bytes, c.Requests, c.Responses, c.Advertised = reassembly.Undecided, true, [2]uint64{}, 0, 0, nil
				c.End = reassembly.End{Kind: reassembly.Reset, By: reassembly.ToClient, At: c.Last}
			}))
		}
		return calls
	}
	preface := func(problem string) func(*decode.Connection) {
		return func(c *decode.Connection) {
			c.Protocol, c.Oddities.Prefaces = reassembly.Other, []reassembly.Preface{{Kind: reassembly.ProxyV2, Problem: problem}}
		}
	}
	for _, c := range []struct {
		name  string
		calls []any
		want  string // the beginning of the first finding; empty for none
		why   string // a part of its text
	}{
		{"another layout", unread(), otherLayoutText, ""},
		{"another layout, and a request followed", unread(func(c *decode.Connection) { c.AfterAdvertised = 1 }), "", ""},
		{"another layout, and the broker closed", unread(func(c *decode.Connection) { c.End.By = reassembly.ToClient }), "", ""},
		{"another layout, and bytes are missing", unread(func(c *decode.Connection) { c.Oddities.Missing = 1 }), "KV9002", ""},
		{"another layout, and the client is served", append(unread(), exchangeOf(20, 5, 0, 7)), "", ""},
		{"GSSAPI without JoinGroup v0", gssapi("GSSAPI", "librdkafka", joinGroup(2)), "KV2008", "librdkafka before 2.11.0 takes"},
		{"GSSAPI with JoinGroup v0", gssapi("GSSAPI", "librdkafka", joinGroup(0)), "KV2008", "The broker accepts the mechanism"},
		{"GSSAPI without JoinGroup", gssapi("GSSAPI", "librdkafka", &decode.Ranges{APIs: joinGroup(0).APIs[:1]}), "KV2008", "The broker accepts the mechanism"},
		{"GSSAPI of Java", gssapi("GSSAPI", javaClient, joinGroup(2)), "KV2008", "The broker accepts the mechanism"},
		{"another mechanism without JoinGroup v0", gssapi("PLAIN", "librdkafka", joinGroup(2)), "KV2008", "The broker accepts the mechanism"},
		{"a name that is not allowed", badName(func(*decode.Exchange) {}), "KV2011", "KIP-511"},
		{"another error", badName(func(x *decode.Exchange) { x.ErrorCode = 31 }), "KV2002", ""},
		{"no name", badName(func(x *decode.Exchange) { x.Software = decode.Software{} }), "KV2002", ""},
		{"an allowed name", badName(func(x *decode.Exchange) { x.Software.Version = "1" }), "KV2002", ""},
		{"left, and found its cluster later", append(foundLater(60_000), connectionOf(0, 1, 9, leaves)), "", ""},
		{"left, and found its cluster much later", append(foundLater(200_000), connectionOf(0, 1, 9, leaves)), "KV2004", ""},
		{"left, and was refused elsewhere", []any{exchangeOf(3, 1, 3, 7, outcomeOf(decode.ClosedByBroker)), connectionOf(0, 1, 9, leaves)}, "", ""},
		{"a consumer that needs its coordinator", consumer(metadataKey, initProducerIDKey), "KV2014 the broker does not advertise FindCoordinator", ""},
		{"a consumer that has it", consumer(metadataKey, findCoordinatorKey), "", ""},
		{"connections that nobody accepts", refused(3), "KV2013", ""},
		{"two of them", refused(2), "", ""},
		{"ApiVersions closed, and a lower one, too", []any{exchangeOf(1, 0, apiVersionsKey, 4, closed), exchangeOf(3, 1, apiVersionsKey, 4, closed), exchangeOf(5, 2, apiVersionsKey, 0, closed), exchangeOf(7, 3, 3, 1), exchangeOf(9, 3, 0, 7)}, "KV2002 ApiVersions v4", ""},
		{"ApiVersions closed twice, and not asked lower", []any{exchangeOf(1, 0, apiVersionsKey, 4, closed), exchangeOf(3, 1, apiVersionsKey, 4, closed), exchangeOf(7, 3, 3, 1), exchangeOf(9, 3, 0, 7)}, "KV2002 ApiVersions v4", ""},
		{"requests inside TLS at an address that closed on a ClientHello", []any{exchangeOf(2, 0, 3, 1, noRange, closed), connectionOf(0, 1, 9, decrypted), shut}, "KV2001", ""},
		{"requests in the clear there", []any{exchangeOf(2, 0, 3, 1, noRange, closed), connectionOf(0, 1, 9, func(c *decode.Connection) { c.Responses, c.End.By = 0, reassembly.ToClient }), shut}, "KV2012", ""},
		{"a preface with a problem", []any{connectionOf(0, 1, 9, preface("it is cut"))}, "KV9005", ""},
		{"a preface before another protocol", []any{connectionOf(0, 1, 9, preface(""))}, "", ""},
	} {
		got, why := "", ""
		for _, f := range builderOf(Options{}, c.calls...).Report().Findings {
			if got == "" {
				got, why = f.Code+" "+f.Message, f.Why
			}
		}
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, %q, want %q, %q", c.name, got, why, c.want, c.why)
		}
	}
	for count, want := range map[uint64]model.Severity{1: model.Warning, 2: model.Error} {
		if got := apiVersionsRefusedRule.severity(&group{key: findingKey{detail: otherLayout}, count: count}, nil); got != want {
			t.Errorf("another layout, %d times: %v, want %v", count, got, want)
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
