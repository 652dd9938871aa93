package decode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
)

func handshakeOf(version int16, mechanism string) kmsg.Request {
	r := kmsg.NewPtrSASLHandshakeRequest()
	r.Version, r.Mechanism = version, mechanism
	return r
}

func enabled(version, code int16, mechanisms ...string) kmsg.Response {
	r := kmsg.NewPtrSASLHandshakeResponse()
	r.Version, r.ErrorCode, r.SupportedMechanisms = version, code, mechanisms
	return r
}

// authenticate returns a SaslAuthenticate request and its response.
func authenticate(version, code int16) (kmsg.Request, kmsg.Response) {
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.Version, req.SASLAuthBytes = version, []byte("\x00user\x00secret-password")
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.Version, resp.ErrorCode, resp.SASLAuthBytes = version, code, []byte("secret-proof")
	if code != 0 {
		resp.ErrorMessage = kmsg.StringPtr("secret-user is not allowed")
	}
	return req, resp
}

// saslLine returns line with the fields of SASL.
func saslLine(e *Exchange) string {
	s := line(e)
	if e.Mechanism != "" {
		s += " " + e.Mechanism
	}
	if len(e.Enabled) > 0 {
		s += fmt.Sprint(" ", e.Enabled)
	}
	return s
}

// dump returns all values in events, including strings.
func dump(events []Event) string {
	var b strings.Builder
	for _, e := range events {
		switch {
		case e.Exchange != nil:
			fmt.Fprintf(&b, "%+v\n", *e.Exchange)
		case e.Advertisement != nil:
			fmt.Fprintf(&b, "%+v %+v\n", *e.Advertisement, *e.Advertisement.Ranges)
		case e.Connection != nil:
			fmt.Fprintf(&b, "%+v %+v\n", *e.Connection, *e.Connection.Connection)
		}
	}
	return b.String()
}

func TestSASL(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(d *driver)
		want []string
	}{
		{"handshake v1, PLAIN", func(d *driver) {
			d.negotiate()
			d.respond(d.request(handshakeOf(1, "PLAIN")), enabled(1, 0, "PLAIN", "SCRAM-SHA-256"))
			req, resp := authenticate(1, 0)
			d.respond(d.request(req), resp)
			d.respond(d.request(requestOf(3, 5)), responseOf(3, 5))
		}, []string{
			"ApiVersions v2 exempt none answered", "SaslHandshake v1 ok observed answered PLAIN [PLAIN SCRAM-SHA-256]",
			"SaslAuthenticate v1 ok observed answered", "Metadata v5 ok observed answered",
		}},
		{"mechanism that is not enabled", func(d *driver) {
			d.respond(d.request(handshakeOf(1, "GSSAPI")), enabled(1, 33, "PLAIN"))
		}, []string{"SaslHandshake v1 unknown none answered code=33 GSSAPI [PLAIN]"}},
		{"refused, v0 and flexible", func(d *driver) {
			for _, version := range []int16{0, 2} {
				req, resp := authenticate(version, 58)
				d.respond(d.request(req), resp)
			}
		}, []string{"SaslAuthenticate v0 unknown none answered code=58", "SaslAuthenticate v2 unknown none answered code=58"}},
		{"authenticated again in mid-connection", func(d *driver) {
			d.negotiate()
			d.id = firstReserved - 1
			d.respond(d.request(handshakeOf(1, "OAUTHBEARER")), enabled(1, 0, "OAUTHBEARER"))
			req, resp := authenticate(1, 0)
			d.respond(d.request(req), resp)
			d.id = 1
			d.respond(d.request(requestOf(3, 5)), responseOf(3, 5))
			if d.h.(*handler).strayIDs {
				d.t.Error("Java's reserved correlation ids are taken for a break in the count")
			}
		}, []string{
			"ApiVersions v2 exempt none answered", "SaslHandshake v1 ok observed answered OAUTHBEARER [OAUTHBEARER]",
			"SaslAuthenticate v1 ok observed answered", "Metadata v5 ok observed answered",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newNetwork().open(t)
			tt.run(d)
			var got []string
			events := d.end(reassembly.Cut, 0)
			for _, e := range exchanges(events) {
				got = append(got, saslLine(e))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("exchanges differ (-want +got):\n%s", diff)
			}
			if said := dump(events) + fmt.Sprint(d.net.shard.texts); strings.Contains(said, "secret") {
				t.Errorf("a secret is kept: %s", said)
			}
		})
	}
}

// tokens are raw SASL tokens, some of which look like other messages.
var tokens = []string{
	"\x00user\x00secret-password",
	"",
	"s",
	"n,,n=secret,r=secret-nonce",
	"\x00\x12\x00\x00\x00\x00\x00\x09\x00\x06secret",                              // ApiVersions v0 of a client "secret"
	"\x00\x03\x00\x00\x00\x00\x00\x09\x00\x06secret\x00\x00\x00\x00",              // Metadata v0
	"\x00\x12\x00\x00\x00\x00\x00\x09\xff\xff",                                    // ApiVersions v0 without a client id
	"\x60\x82\x02\x01\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02 secret-ticket",  // GSSAPI
	"\x00\x00\x00\x01\x00\x00\x00\x23secret-proof" + strings.Repeat("secret", 99), // a response
	strings.Repeat("\x00", 20),                                                    // overwritten in evidence: Produce v0 without a topic
}

func TestRawTokensAreNoMessages(t *testing.T) {
	for i, first := range tokens {
		d := newNetwork().open(t)
		d.negotiate()
		d.respond(d.request(handshakeOf(0, "PLAIN")), enabled(0, 0, "PLAIN"))
		for _, token := range append(tokens[i:], first) {
			if !d.message(reassembly.ToBroker, []byte(token)) || !d.message(reassembly.ToClient, []byte(token)) {
				t.Fatalf("Want refuses the token %q", token)
			}
		}
		d.respond(d.request(requestOf(3, 5)), responseOf(3, 5))
		d.respond(d.request(requestOf(1, 12)), responseOf(1, 12))
		events := d.end(reassembly.Cut, 0)
		want := []string{
			"ApiVersions v2 exempt none answered", "SaslHandshake v0 ok observed answered",
			"Metadata v5 ok observed answered", "Fetch v12 above-max observed answered",
		}
		if diff := cmp.Diff(want, lines(events)); diff != "" {
			t.Errorf("tokens from %q: exchanges differ (-want +got):\n%s", first, diff)
		}
		if said := dump(events) + fmt.Sprint(d.net.shard.texts); strings.Contains(said, "secret") {
			t.Errorf("tokens from %q: a secret is kept: %s", first, said)
		}
	}
}

func TestRequestsAfterTokensWithoutAClientID(t *testing.T) {
	d := newNetwork().open(t)
	d.first = 12
	null := func(r kmsg.Request) []byte {
		d.id++
		return kmsg.NewRequestFormatter().AppendRequest(nil, r, d.id)[4:]
	}
	d.message(reassembly.ToBroker, null(handshakeOf(0, "PLAIN")))
	d.respond(d.id, enabled(0, 0, "PLAIN"))
	d.message(reassembly.ToBroker, []byte("\x00user\x00secret"))
	d.message(reassembly.ToClient, nil)
	d.message(reassembly.ToBroker, null(requestOf(3, 5)))
	d.respond(d.id, responseOf(3, 5))
	want := []string{"SaslHandshake v0 unknown none answered", "Metadata v5 unknown none answered"}
	if diff := cmp.Diff(want, lines(d.end(reassembly.Cut, 0))); diff != "" {
		t.Errorf("exchanges differ (-want +got):\n%s", diff)
	}
}

// Java's client of 0.10.2 begins with correlation id -1 and an empty client id, and counts from 0
// after the tokens.
func TestRequestsAfterTokensOfAnOlderJavaClient(t *testing.T) {
	for _, token := range tokens {
		if strings.HasPrefix(token, "\x00\x12") || strings.HasPrefix(token, "\x00\x03") {
			continue // nothing distinguishes it from a request
		}
		d := newNetwork().open(t)
		d.first = 12
		d.message(reassembly.ToBroker, requestBytes(handshakeOf(0, "PLAIN"), -1, ""))
		d.respond(-1, enabled(0, 0, "PLAIN"))
		d.message(reassembly.ToBroker, []byte(token))
		d.message(reassembly.ToClient, nil)
		d.id = -1
		d.respond(d.request(hello(0)), ranges(0, 0, usual...))
		d.respond(d.request(requestOf(3, 2)), responseOf(3, 2))
		events := d.end(reassembly.Cut, 0)
		want := []string{"SaslHandshake v0 unknown none answered", "ApiVersions v0 exempt none answered", "Metadata v2 ok observed answered"}
		if diff := cmp.Diff(want, lines(events)); diff != "" {
			t.Errorf("token %q: exchanges differ (-want +got):\n%s", token, diff)
		}
		if d.h.(*handler).strayIDs {
			t.Error("the id before the count is taken for a break in it")
		}
		if said := dump(events) + fmt.Sprint(d.net.shard.texts); strings.Contains(said, "secret") {
			t.Errorf("token %q: a secret is kept: %s", token, said)
		}
	}
}

// TestZerosAreNoRequest: evidence has zeros instead of what is no request.
func TestZerosAreNoRequest(t *testing.T) {
	for _, size := range []int{10, 20, 300} {
		d := newNetwork().open(t)
		d.message(reassembly.ToBroker, make([]byte, size))
		d.respond(d.request(requestOf(3, 5)), responseOf(3, 5))
		if diff := cmp.Diff([]string{"Metadata v5 unknown none answered"}, lines(d.end(reassembly.Cut, 0))); diff != "" {
			t.Errorf("%d zeros: exchanges differ (-want +got):\n%s", size, diff)
		}
	}
}

func TestHandshakeRepeatedAfterARefusal(t *testing.T) {
	d := newNetwork().open(t)
	d.respond(d.request(handshakeOf(0, "GSSAPI")), enabled(0, 33, "PLAIN"))
	d.respond(d.request(handshakeOf(0, "PLAIN")), enabled(0, 0, "PLAIN"))
	d.message(reassembly.ToBroker, []byte("\x00user\x00secret"))
	d.message(reassembly.ToClient, nil)
	d.respond(d.request(requestOf(3, 5)), responseOf(3, 5))
	want := []string{"SaslHandshake v0 unknown none answered code=33", "SaslHandshake v0 unknown none answered", "Metadata v5 unknown none answered"}
	if diff := cmp.Diff(want, lines(d.end(reassembly.Cut, 0))); diff != "" {
		t.Errorf("exchanges differ (-want +got):\n%s", diff)
	}
}

func TestMechanismsAreBounded(t *testing.T) {
	d := newNetwork().open(t)
	many := make([]string, maxMechanisms+5)
	for i := range many {
		many[i] = fmt.Sprint("M", i)
	}
	d.respond(d.request(handshakeOf(1, strings.Repeat("m", maxMechanism+1))), enabled(1, 33, many...))
	d.respond(d.request(handshakeOf(1, "PLAIN")), enabled(1, 33, "OK", strings.Repeat("x", maxMechanism+1), "NOT"))
	got := exchanges(d.end(reassembly.Cut, 0))
	if e := got[0]; e.Mechanism != "" || len(e.Enabled) != maxMechanisms || e.ErrorCode != 33 {
		t.Errorf("%d mechanisms enabled, %q asked, error %d", len(e.Enabled), e.Mechanism, e.ErrorCode)
	}
	if diff := cmp.Diff([]string{"OK"}, got[1].Enabled); diff != "" {
		t.Errorf("enabled mechanisms differ (-want +got):\n%s", diff)
	}
}

// TestNoChallengeOfMSK: the response of AWS_MSK_IAM ends the authentication.
func TestNoChallengeOfMSK(t *testing.T) {
	for mechanism, want := range map[string]bool{"AWS_MSK_IAM": false, "SCRAM-SHA-512": true} {
		d := newNetwork().open(t)
		d.respond(d.request(handshakeOf(1, mechanism)), enabled(1, 0, mechanism))
		req, resp := authenticate(1, 0)
		resp.(*kmsg.SASLAuthenticateResponse).SASLAuthBytes = []byte("{}")
		d.respond(d.request(req), resp)
		if x := exchanges(d.end(reassembly.Cut, 0))[1]; x.Challenge != want {
			t.Errorf("%s: challenge %v, want %v", mechanism, x.Challenge, want)
		}
	}
}

// TestChallenge: a token in the response to SaslAuthenticate is reported in each version, and not
// kept.
func TestChallenge(t *testing.T) {
	for version := int16(0); version <= 2; version++ {
		for _, token := range []string{"", "secret-challenge", strings.Repeat("secret", maxAuthenticateAnswer)} {
			d := newNetwork().open(t)
			req, resp := authenticate(version, 0)
			resp.(*kmsg.SASLAuthenticateResponse).SASLAuthBytes = []byte(token)
			d.respond(d.request(req), resp)
			events := d.end(reassembly.Cut, 0)
			if x := exchanges(events)[0]; x.Challenge != (token != "") {
				t.Errorf("v%d, token of %d bytes: %v", version, len(token), x.Challenge)
			}
			if said := dump(events); strings.Contains(said, "secret") {
				t.Errorf("v%d: a secret is kept: %s", version, said)
			}
		}
	}
}

// TestMechanismOfAConnection: an ended connection has the mechanism of its last SaslHandshake.
func TestMechanismOfAConnection(t *testing.T) {
	for _, mechanism := range []string{"", "GSSAPI"} {
		d := newNetwork().open(t)
		d.negotiate()
		if mechanism != "" {
			d.respond(d.request(handshakeOf(1, mechanism)), enabled(1, 0, mechanism))
		}
		events := d.end(reassembly.Cut, 0)
		if got := events[len(events)-1].Connection; got == nil || got.Mechanism != mechanism {
			t.Errorf("%+v, want mechanism %q", got, mechanism)
		}
	}
}
