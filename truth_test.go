package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTruth: what kafkavet says of every capture with a stated truth is right, and the README has the counts.
func TestTruth(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "kafkavet") // TestMain runs the command under this name
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", "./testdata/truth", "-v", "-kafkavet", program, "testdata/captures").CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	captures := regexp.MustCompile(`all right in (\d+) of (\d+)`).FindSubmatch(out)
	sealed := regexp.MustCompile(`key: (\d+) of (\d+) refused connections named, 0 named falsely`).FindSubmatch(out)
	if captures == nil || sealed == nil {
		t.Fatalf("no counts in:\n%s", out)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		fmt.Sprintf("| `testdata/captures` | %s | %s |", captures[2], captures[1]),
		fmt.Sprintf("as the key log shows | %s | %s, and no other:", sealed[2], sealed[1]),
	} {
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md has not: %s", row)
		}
	}
}
