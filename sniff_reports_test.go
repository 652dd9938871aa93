package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/report/merge"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestReportEvery: complete reports appear while the interface is watched, with the mode of
// outputs. They are states of one part, and the last one has everything.
func TestReportEvery(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	f := &fakeInterface{step: 100 * time.Millisecond}
	kept := 0
	f.batch = func(now time.Duration) []capturetest.Packet {
		if now%(5*time.Second) == 0 {
			if data, err := os.ReadFile(path); err == nil {
				var r model.Report
				if err := json.Unmarshal(data, &r); err != nil {
					t.Errorf("after %v the report is not whole: %v", now, err)
				}
				kept++
				if err := os.WriteFile(filepath.Join(dir, now.String()), data, 0o600); err != nil {
					t.Error(err)
				}
			}
		}
		if now%time.Second == 0 {
			return refused(int(now / time.Second))
		}
		return nil
	}
	f.run(t.Context(), "--report-every", "2s", "-o", path, "--duration", "31s")
	if kept < 4 {
		t.Fatalf("%d reports before the end", kept)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != kept+1 {
		t.Errorf("%d files, want the report and %d copies: nothing else is left", len(files), kept)
	}
	last, err := merge.Files([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := merge.Files(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Parts) != 1 || all.Summary != last.Summary || last.Findings[0].Count < 29 {
		t.Errorf("all reports of the run: %d parts, %+v, want those of the last one: %+v", len(all.Parts), all.Summary, last.Summary)
	}
}

// TestReportEveryNeedsNoOtherDirectory: reports go to the directory that was opened at the start,
// even if it was renamed. The sandbox allows no other one.
func TestReportEveryNeedsNoOtherDirectory(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	if err := os.Mkdir(first, 0o700); err != nil {
		t.Fatal(err)
	}
	f := &fakeInterface{step: 100 * time.Millisecond}
	written := 0
	f.batch = func(now time.Duration) []capturetest.Packet {
		switch path := filepath.Join(second, "report.json"); {
		case now == time.Second:
			if err := os.Rename(first, second); err != nil {
				t.Error(err)
			}
		case now%(3*time.Second) == 0:
			if os.Remove(path) == nil {
				written++
			}
		}
		return nil
	}
	if got := f.run(t.Context(), "--report-every", "2s", "-o", filepath.Join(first, "report.json"), "--duration", "10s"); got.code != exitClean {
		t.Errorf("exit code %d, %s", got.code, got.stderr.String())
	}
	if written != 3 {
		t.Errorf("%d reports before the end, want 3", written)
	}
}

// TestReportEveryKeepsTheReportBefore: the name has the second of the start.
func TestReportEveryKeepsTheReportBefore(t *testing.T) {
	dir := t.TempDir()
	before := time.Now().Unix()
	f := played(nil, 1)
	if got := f.run(t.Context(), "--report-every", "2s", "-o", filepath.Join(dir, "host-%s.json"), "--duration", "3s"); got.code != exitClean {
		t.Fatalf("exit code %d, %s", got.code, got.stderr.String())
	}
	var started int64
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if n, err := fmt.Sscanf(files[0].Name(), "host-%d.json", &started); n != 1 || started < before || started > time.Now().Unix() {
		t.Errorf("%s: %v", files[0].Name(), err)
	}
}

// TestReportEveryNeedsAFile: it also needs an interval that does not overload the disk.
func TestReportEveryNeedsAFile(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--report-every 5m", "--report-every: has no effect without --output FILE"},
		{"--report-every 5m -o -", "--report-every: has no effect without --output FILE"},
		{"--report-every 5ms -o x.json", "--report-every 5ms: must be 1s or more"},
	} {
		f := played(nil, 1)
		if got := f.run(t.Context(), strings.Fields(tt.args)...); got.code != exitTrouble || !strings.Contains(got.stderr.String(), tt.want) {
			t.Errorf("%s: exit code %d, %s", tt.args, got.code, got.stderr.String())
		}
	}
}

// TestReportEveryGoesOnWithoutItsDirectory: a report that cannot be written is reported and does
// not end the capture.
func TestReportEveryGoesOnWithoutItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := &fakeInterface{step: 100 * time.Millisecond}
	f.batch = func(now time.Duration) []capturetest.Packet {
		if now == 3*time.Second {
			_ = os.RemoveAll(dir)
		}
		if now%time.Second == 0 {
			return refused(int(now / time.Second))
		}
		return nil
	}
	got := f.run(t.Context(), "--report-every", "2s", "-o", filepath.Join(dir, "report.json"), "--duration", "9s")
	if said := got.stderr.String(); !strings.Contains(said, "--report-every tries again in 2s") {
		t.Errorf("exit code %d, %s", got.code, said)
	}
}
