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

// TestTruth: what kafkavet says of every capture with a stated truth is right, and the README has the count.
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
	counts := regexp.MustCompile(`all right in (\d+) of (\d+)`).FindSubmatch(out)
	if counts == nil {
		t.Fatalf("no count of captures in:\n%s", out)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if row := fmt.Sprintf("| `testdata/captures` | %s | %s |", counts[2], counts[1]); !strings.Contains(string(readme), row) {
		t.Errorf("README.md has not the line %s", row)
	}
}
