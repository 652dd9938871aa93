package tlsrecord

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func encode(p []byte) string { return base64.StdEncoding.EncodeToString(p) }

// readTranscript reads a file that transcript.format wrote.
func readTranscript(tb testing.TB, name string) *transcript {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".tls"))
	if err != nil {
		tb.Fatal(err)
	}
	t := &transcript{}
	sides := 0
	for i, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		word, rest, _ := strings.Cut(l, " ")
		switch word {
		case "#":
		case "key":
			t.keylog += rest + "\n"
		case "sent":
			s, err := strconv.Unquote(rest)
			if err != nil {
				tb.Fatalf("%s:%d: %v", name, i+1, err)
			}
			t.sent[sides] = []byte(s)
			sides++
		case ">", "<":
			p, err := base64.StdEncoding.DecodeString(rest)
			if err != nil {
				tb.Fatalf("%s:%d: %v", name, i+1, err)
			}
			t.pieces = append(t.pieces, piece{word == ">", p})
		default:
			tb.Fatalf("%s:%d: unknown word", name, i+1)
		}
	}
	return t
}

func TestOpenSSLTranscripts(t *testing.T) {
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			tr := readTranscript(t, r.name)
			for _, n := range []int{1 << 20, 1, 100} {
				var got collector
				s := NewSession(tr.secrets(t), &got, nil)
				play(s, split(tr.pieces, n))
				info := s.Info()
				if r.suite == "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA" {
					if want := "cipher suite " + r.suite + " is not supported"; info.Reason != want || info.Decrypted > 0 {
						t.Errorf("reason %q, want %q; decrypted %d", info.Reason, want, info.Decrypted)
					}
				} else if !r.fails {
					mustYield(t, tr, &got, info)
				}
				if info.Version != r.version || info.Suite != r.suite || info.ServerName != "broker.example" {
					t.Errorf("version %q, suite %q, server %q", info.Version, info.Suite, info.ServerName)
				}
				if info.Alert != r.alert || info.AlertFromServer != r.alertFromServer || info.Renegotiated != r.renegotiated {
					t.Errorf("alert %q from server %v, renegotiated %v", info.Alert, info.AlertFromServer, info.Renegotiated)
				}
				if t.Failed() {
					t.Fatalf("in pieces of %d", n)
				}
			}
		})
	}
}

// TestRejectedEarlyDataIsNotHandedOn: the server did not take it, and the client sends it again if it must.
func TestRejectedEarlyDataIsNotHandedOn(t *testing.T) {
	for _, name := range []string{"tls13-early-rejected", "tls13-early-retry"} {
		tr := readTranscript(t, name)
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, tr.pieces)
		if bytes.Contains(got.data[0], []byte("early")) {
			t.Errorf("%s: rejected early data was handed on", name)
		}
	}
}
