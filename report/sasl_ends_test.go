package report

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// TestAuthenticationsThatEnd: connections that repeatedly end during the authentication without an
// error code are KV2008, if nothing else explains it.
func TestAuthenticationsThatEnd(t *testing.T) {
	byBroker := func(c *decode.Connection) { c.End.By = reassembly.ToClient }
	challenge := func(x *decode.Exchange) { x.Challenge = true }
	// try returns a connection on which the keys are answered, each with its changes.
	try := func(i int, end func(*decode.Connection), keys ...func(frame uint64, stream uint32) *decode.Exchange) []any {
		stream, frame := uint32(i), uint64(1+2000*i)
		var calls []any
		for _, key := range keys {
			calls = append(calls, key(frame, stream))
			frame += 2
		}
		return append(calls, connectionOf(stream, uint64(1+2000*i), frame, end, func(c *decode.Connection) { c.LastAnswer = within(frame-1, stream) }))
	}
	on := func(key int16, changes ...func(*decode.Exchange)) func(uint64, uint32) *decode.Exchange {
		return func(frame uint64, stream uint32) *decode.Exchange {
			return exchangeOf(frame, stream, key, 1, changes...)
		}
	}
	byClient := func(*decode.Connection) {}
	refused := func(c *decode.Connection) { byBroker(c); c.Unanswered = 1 }
	waiting := func(c *decode.Connection) { c.Unanswered = 1 }
	early := func(c *decode.Connection) { c.End.At = within(2, c.Stream) }
	late := func(c *decode.Connection) { byBroker(c); c.End.At.Time += spareAge }
	joined := func(c *decode.Connection) { byBroker(c); c.Midstream = true }
	incomplete := func(c *decode.Connection) { byBroker(c); c.Oddities.Incomplete = 1 }
	torn := func(c *decode.Connection) { byBroker(c); c.Oddities.Missing = 10 }
	// unasked returns the calls without ApiVersions: exchanges wait for ranges until the end.
	unasked := func(calls []any) (late []any) {
		var exchanges []any
		for _, call := range calls {
			switch call := call.(type) {
			case *decode.Connection:
				call.Advertised, call.AfterAdvertised, call.Mechanism = nil, 0, "PLAIN"
				late = append(late, call)
			case *decode.Exchange:
				noRange(call)
				exchanges = append(exchanges, call)
			}
		}
		return append(late, exchanges...)
	}
	shake, answer := on(saslHandshakeKey), on(saslAuthenticateKey)
	raw := []string{"KV2008 the broker closed the connection during the authentication, after an answered SaslHandshake"}
	left := []string{"KV2008 the client closed after an answered SaslHandshake and sent no credentials"}
	challenged := []string{"KV2008 the client closed after the broker answered its first token with another one"}
	silent := on(saslAuthenticateKey, outcomeOf(decode.Left), func(x *decode.Exchange) { x.Took = 30 * time.Second })
	ignored := []string{"KV2008 SaslAuthenticate v1 sent, and the broker did not answer until the client gave up"}
	for _, c := range []struct {
		name  string
		calls []any
		want  []string
	}{
		{"the broker closes on raw tokens", slices.Concat(try(0, byBroker, shake), try(1, byBroker, shake)), raw},
		{"once", try(0, byBroker, shake), nil},
		{"long after the handshake", slices.Concat(try(0, late, shake), try(1, late, shake)), nil},
		{"bytes are missing", slices.Concat(try(0, torn, shake), try(1, torn, shake)), nil},
		{"the connections were open before the capture", slices.Concat(try(0, joined, shake), try(1, joined, shake)), nil},
		{"a request is not complete", slices.Concat(try(0, incomplete, shake), try(1, incomplete, shake)), nil},
		{"the client is served on another connection", slices.Concat(try(0, byBroker, shake), try(1, byBroker, shake), try(2, byClient, shake, on(3), on(0))), nil},
		{"the client leaves", slices.Concat(try(0, byClient, shake), try(1, byClient, shake)), left},
		{"the client leaves once", try(0, byClient, shake), nil},
		{"a token is answered with another one", slices.Concat(try(0, byClient, shake, on(saslAuthenticateKey, challenge)), try(1, byClient, shake, on(saslAuthenticateKey, challenge))), challenged},
		{"the same, and the broker closes", slices.Concat(try(0, byBroker, shake, on(saslAuthenticateKey, challenge)), try(1, byBroker, shake, on(saslAuthenticateKey, challenge))), nil},
		{"once a token is answered so", try(0, byClient, shake, on(saslAuthenticateKey, challenge)), nil},
		{"the client asks for no ranges, and the broker closes on raw tokens", unasked(slices.Concat(try(0, byBroker, shake), try(1, byBroker, shake))), raw},
		{"the client asks for no ranges, and leaves", unasked(slices.Concat(try(0, byClient, shake), try(1, byClient, shake))), left},
		{"the client asks for no ranges, and is served", unasked(slices.Concat(try(0, byClient, shake, on(3), on(0)), try(1, byClient, shake, on(3), on(0)))), nil},
		{"the broker closes on a SaslAuthenticate, which says it", slices.Concat(try(0, byBroker, shake, on(saslAuthenticateKey, outcomeOf(decode.ClosedByBroker))), try(1, byBroker, shake, on(saslAuthenticateKey, outcomeOf(decode.ClosedByBroker))), try(2, byClient, shake)),
			[]string{"KV2008 SaslAuthenticate v1 sent, and the broker closed the connection during the authentication"}},
		{"another request follows the handshake", try(0, byBroker, shake, on(3, outcomeOf(decode.ClosedByBroker))),
			[]string{"KV2008 Metadata v1 sent before the authentication was complete, and the broker closed the connection"}},
		{"another version of the token is refused", slices.Concat(try(0, refused, shake), try(1, refused, shake)), nil},
		{"the client leaves without an answer to the token", slices.Concat(try(0, waiting, shake), try(1, waiting, shake)), nil},
		{"the client leaves before the answer", slices.Concat(try(0, early, shake), try(1, early, shake)), nil},
		{"no handshake comes before the tokens", slices.Concat(try(0, byBroker, on(3), on(saslAuthenticateKey, outcomeOf(decode.ClosedByBroker))), try(1, byBroker, on(3), on(saslAuthenticateKey, outcomeOf(decode.ClosedByBroker)))),
			[]string{"KV2008 SaslAuthenticate v1 sent without SaslHandshake, and the broker closed the connection"}},
		{"a token is never answered", slices.Concat(try(0, waiting, shake, silent), try(1, waiting, shake, silent)), ignored},
		{"a token is never answered, and no handshake came before", slices.Concat(try(0, waiting, on(3), silent), try(1, waiting, on(3), silent)), ignored},
		{"another request follows the token", try(0, byBroker, shake, answer, on(3, outcomeOf(decode.ClosedByBroker))), nil},
		{"the token is accepted", slices.Concat(try(0, byClient, shake, answer), try(1, byClient, shake, answer)), nil},
	} {
		var got []string
		for _, f := range builderOf(Options{}, c.calls...).Report().Findings {
			if f.Code < "KV9" {
				got = append(got, fmt.Sprintf("%s %s", f.Code, f.Message))
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestWhoWorksIsNoDeparture: without ApiVersions, only connections are kept that may have ended
// during the authentication.
func TestWhoWorksIsNoDeparture(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*decode.Connection)
		want   int
	}{
		"may have ended during the authentication": {func(*decode.Connection) {}, 1},
		"no SASL":             {func(c *decode.Connection) { c.Mechanism = "" }, 0},
		"more answers":        {func(c *decode.Connection) { c.Responses = authenticationAnswers + 1 }, 0},
		"its end is not seen": {func(c *decode.Connection) { c.End.Kind = reassembly.Cut }, 0},
	} {
		b := builderOf(Options{}, connectionOf(1, 1, 9, func(c *decode.Connection) { c.Advertised, c.AfterAdvertised, c.Mechanism = nil, 0, "PLAIN" }, c.change))
		if got := len(b.findings.departures); got != c.want {
			t.Errorf("%s: %d departures, want %d", name, got, c.want)
		}
	}
}
