package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/report"
)

// TestTruth: findings for captures with a stated truth are right, and the README counts them.
func TestTruth(t *testing.T) {
	if captureStep > 1 {
		t.Skip("it runs the program once for each capture, and nothing in it at the same time")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "kafkavet") // TestMain runs the command if the program has this name
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

// TestEveryRuleHasCaptures: the accepted output of some capture has each finding, and the name of
// another capture says that it must not have it.
func TestEveryRuleHasCaptures(t *testing.T) {
	fires, isNear := map[string]bool{}, map[string]bool{}
	goldens, err := filepath.Glob("testdata/golden/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range goldens {
		var golden struct{ Findings []struct{ Code string } }
		readJSON(t, name, &golden)
		for _, f := range golden.Findings {
			fires[f.Code] = true
		}
	}
	var truths map[string]struct {
		No    []string
		Codes map[string]*int
	}
	readJSON(t, "testdata/captures/truth.json", &truths)
	captures, err := filepath.Glob("testdata/captures/kv????-fires-*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range captures {
		name := filepath.Base(path)
		code := strings.ToUpper(name[:len("kv0000")])
		if _, ok := truths[name].Codes[code]; !ok && code != "KV4001" { // it needs --target
			t.Errorf("%s: testdata/captures/truth.json does not say that %s is right", name, code)
		}
	}
	for _, truth := range truths {
		for _, code := range truth.No {
			isNear[code] = true
		}
	}
	for _, rule := range report.Rules() {
		if !fires[rule.Code] {
			t.Errorf("%s %s is in no file of testdata/golden", rule.Code, rule.Title)
		}
		if !isNear[rule.Code] {
			t.Errorf("%s %s: testdata/captures/truth.json names no near miss", rule.Code, rule.Title)
		}
	}
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
