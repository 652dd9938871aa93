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
				if r.reason != "" {
					if info.Reason != r.reason || !bytes.HasPrefix(tr.sent[0], got.data[0]) || !bytes.HasPrefix(tr.sent[1], got.data[1]) {
						t.Errorf("reason %q, want %q; decrypted %q", info.Reason, r.reason, got.data)
					}
				} else if !r.fails {
					mustYield(t, tr, &got, info)
				}
				if info.Version != r.version || info.Suite != r.suite || info.ServerName != "broker.example" {
					t.Errorf("version %q, suite %q, server %q", info.Version, info.Suite, info.ServerName)
				}
				if info.Alert != r.alert || info.AlertFromServer != r.alertFromServer {
					t.Errorf("alert %q from server %v", info.Alert, info.AlertFromServer)
				}
				if t.Failed() {
					t.Fatalf("in pieces of %d", n)
				}
			}
		})
	}
}
