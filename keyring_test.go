package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// TestEmptyLiveKeyLog: the end reports a key log that stays empty.
func TestEmptyLiveKeyLog(t *testing.T) {
	for text, want := range map[string]int{"": 1, "# a comment\n": 0} {
		name := filepath.Join(t.TempDir(), "keys.log")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var warnings []string
		stop := make(chan struct{})
		close(stop)
		newLiveKeyring(func(err error) { warnings = append(warnings, err.Error()) }).follow(name, stop)
		if len(warnings) != want || want > 0 && !strings.Contains(warnings[0], "has no secrets (0 lines)") {
			t.Errorf("%q: warnings %q", text, warnings)
		}
	}
}

// TestSecretsNameTheirPlace: warnings about decryption secrets name the capture and the packet.
func TestSecretsNameTheirPlace(t *testing.T) {
	var warnings []string
	k, err := newKeyring(nil, func(err error) { warnings = append(warnings, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	k.add(capture.Secret{Path: "a.pcapng", After: 7, Kind: 0x57474b4c})
	k.add(capture.Secret{Path: "b.pcapng", After: 8, Kind: tlsKeyLog, Text: []byte("CLIENT_RANDOM 00 11\n")})
	want := []string{
		"a.pcapng: decryption secrets after packet 7: their type 0x57474b4c is unknown; they are ignored",
		"b.pcapng: decryption secrets after packet 8:1: ",
	}
	for i, w := range want {
		if len(warnings) != len(want) || !strings.HasPrefix(warnings[i], w) {
			t.Fatalf("warnings %q, want %q", warnings, want)
		}
	}
}
