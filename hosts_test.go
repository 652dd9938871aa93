package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestRewrittenCapturesInTwoFiles divides the packets of every capture between two files, as two
// hosts with different clocks capture them. It compares the output with that for one file.
func TestRewrittenCapturesInTwoFiles(t *testing.T) {
	for name, keys := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			packets := capturetest.MustRead(name)
			plain := view(t, packets, keys)
			for i, p := range capturetest.Pairs() {
				if i%variantStep != 0 {
					continue
				}
				a, b := p.Captures(packets, uint64(i))
				if len(a) == 0 || len(b) == 0 {
					continue
				}
				got, text := viewFiles(t, keys, a, b)
				if d := plain.differs(got, capturetest.KeepsAll); d != "" {
					t.Errorf("%s: %s", p.Name, d)
				}
				said := strings.Contains(text, "clocks: those of ")
				if want := p.Skew != 0; said != want {
					t.Errorf("%s: clocks that differ are said: %v, want %v\n%s", p.Name, said, want, text)
				}
			}
		})
	}
}

// viewFiles is view for several files. It also returns the text of the report.
func viewFiles(t *testing.T, keys []string, captures ...[]capturetest.Packet) (s seen, text string) {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for i, c := range captures {
		files = append(files, filepath.Join(dir, fmt.Sprintf("%c.pcapng", 'a'+i)))
		if err := os.WriteFile(files[i], capturetest.Pcapng{}.Encode(c), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call := func(args ...string) string {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append(append(args, files...), keys...), streams{nil, &stdout, &stderr}); code == exitTrouble {
			t.Fatalf("%v: %s", args, stderr.String())
		}
		return stdout.String()
	}
	s.requests = strings.Split(strings.TrimSpace(call("requests")), "\n")[1:]
	var r model.Report
	if err := json.Unmarshal([]byte(call("analyze", "--format", "json")), &r); err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		s.findings = append(s.findings, fmt.Sprintf("%s %s %dx %s", f.Code, f.Severity, f.Count, clockTime.ReplaceAllString(f.Message, "TIME")))
	}
	return s, strings.Join(strings.Fields(call("analyze")), " ")
}
