package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A capture of a scenario gets the prefix that all of the lab have, and one that is not there is no error.
func TestKeepCopiesWhatThereIs(t *testing.T) {
	before := selection
	defer func() { selection = before }()
	selection = []kept{{name: "health/term_x", blind: "it is no capture"}, {name: "lab_gone"}}
	out, testdata := t.TempDir(), t.TempDir()
	for _, dir := range []string{filepath.Join(out, "health"), filepath.Join(testdata, "captures")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []string{".pcap", ".keys"} {
		if err := os.WriteFile(filepath.Join(out, "health", "term_x"+end), []byte(end), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var said strings.Builder
	if err := keep(t.Context(), options{out: out}, testdata, &said); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(said.String(), "1 captures, 5 bytes") || !strings.HasSuffix(said.String(), "lacks 1 of the selection\n") {
		t.Errorf("it says %q", said.String())
	}
	for _, end := range []string{".pcap", ".keys"} {
		if got, err := os.ReadFile(filepath.Join(testdata, "captures", "lab_term_x"+end)); string(got) != end {
			t.Errorf("%q %v", got, err)
		}
	}
}
