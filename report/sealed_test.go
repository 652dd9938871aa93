package report

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode/sealed"
)

// TestAuthenticationBesideARefusal: what shows that missing or refused SASL is not the cause of a
// request refused inside TLS, and that the text does not exclude it where nothing does.
func TestAuthenticationBesideARefusal(t *testing.T) {
	for _, c := range []struct {
		name    string
		refusal sealed.Refusal
		one     sealed.Case
		by      string // of an excluded cause; empty if it is open
	}{
		{"a request was served", sealed.Refusal{}, sealed.Case{Served: 1}, "the broker had answered requests of the connection"},
		{"it may be SaslHandshake, and another listener", sealed.Refusal{Open: true, ServedMost: 1}, sealed.Case{Served: 1, Authentication: sealed.MaybeSASL}, "the broker served other connections without SASL"},
		{"the same by the time of the close", sealed.Refusal{Delaying: true, ServedMost: 1}, sealed.Case{Served: 1, Authentication: sealed.MaybeSASL}, "a broker of this release closes later after a failed authentication"},
		{"the same at another broker", sealed.Refusal{ServedMost: 1, ByPort: true}, sealed.Case{Served: 1, Authentication: sealed.MaybeSASL}, "the client had authenticated, here or at another broker"},
		{"authenticated", sealed.Refusal{Authenticated: 1}, sealed.Case{Authentication: sealed.SASLDone}, "the client had authenticated"},
		{"ApiVersions only", sealed.Refusal{}, sealed.Case{Unnegotiated: true}, ""},
	} {
		c.refusal.Cases = []sealed.Case{c.one}
		got := authenticationOf(&c.refusal)
		why := sealedWhy(&subject{group: &group{inside: &conclusion{refusal: c.refusal}}})
		if c.refusal.Authenticated > 0 != strings.HasPrefix(why, "TLS and SASL worked, and the broker had answered no other request") {
			t.Errorf("%s: %s", c.name, why)
		}
		if got.Excluded != (c.by != "") || got.Excluded && got.By != c.by || strings.Contains(why, "missing SASL") == got.Excluded || strings.Contains(why, "Only the port") != c.refusal.ByPort {
			t.Errorf("%s: %+v, %s", c.name, got, why)
		}
	}
}
