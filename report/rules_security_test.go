package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// TestEnabledMechanisms: a message lists eight of them.
func TestEnabledMechanisms(t *testing.T) {
	for n, want := range map[int]string{0: "enabled: none", maxMechanisms: "M, M", maxMechanisms + 1: " and 1 more"} {
		x := &decode.Exchange{Key: saslHandshakeKey, ErrorCode: 33, Mechanism: "PLAIN", Enabled: slices.Repeat([]string{"M"}, n)}
		if got := saslRefusal(x); !strings.HasSuffix(got, want) {
			t.Errorf("%d mechanisms: %q, want %q at the end", n, got, want)
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
