package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
