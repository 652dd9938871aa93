//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestInterruptGivesTheReportSoFar interrupts the reading of a file.
func TestInterruptGivesTheReportSoFar(t *testing.T) {
	data, err := os.ReadFile("testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap")
	if err != nil {
		t.Fatal(err)
	}
	const half = 20_000 // bytes; the first Fetch v12 is before it
	for _, test := range []struct {
		command, format string
		want            []string
	}{
		{"analyze", "text", []string{"error KV1001 above-max: confluent-kafka-go 2.6.0 sends Fetch v12", "interrupted: 1 run before the end of its input"}},
		{"analyze", "json", []string{`"interrupted": 1`}},
		{"analyze", "markdown", []string{"- **Interrupted:** 1 run before the end of its input"}},
		{"analyze", "html", []string{"1 run before the end of its input"}},
		{"analyze", "sarif", []string{`"executionSuccessful": false`, "interrupted before the end of the input"}},
		{"analyze", "junit", []string{`<failure message="interrupted before the end of the input`}},
		{"analyze", "github", []string{"::error title=kafkavet::interrupted before the end of the input"}},
		{"requests", "tsv", []string{"above-max"}},
	} {
		t.Run(test.command+" "+test.format, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "capture")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan struct{})
			go func() {
				f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				_, _ = f.Write(data[:half])
				time.Sleep(100 * time.Millisecond) // it has been read by then
				stop()
				_, _ = f.Write(data[half:])
				<-ended
			}()
			var out, said bytes.Buffer
			code := run(ctx, []string{test.command, "--format", test.format, fifo}, streams{strings.NewReader(""), &out, &said})
			close(ended)
			if code != exitTrouble || !strings.HasPrefix(said.String(), "kafkavet: interrupted after ") || strings.Count(said.String(), "\n") != 1 {
				t.Errorf("exit code %d: %s", code, said.String())
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing: %s", want, out.String())
				}
			}
			if test.format == "json" {
				wantMergedInterruption(t, out.Bytes())
			}
		})
	}
}

// wantMergedInterruption merges a report of an interrupted run.
func wantMergedInterruption(t *testing.T, report []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "interrupted.json")
	if err := os.WriteFile(path, report, 0o600); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"text":  "interrupted: 1 run before the end of its input",
		"junit": `<failure message="interrupted before the end of the input`,
	} {
		var out bytes.Buffer
		run(t.Context(), []string{"merge", "--format", format, path}, streams{strings.NewReader(""), &out, io.Discard})
		if !strings.Contains(out.String(), want) {
			t.Errorf("merge --format %s: %q is missing: %s", format, want, out.String())
		}
	}
}

// TestMergeReadsPipes reads a named pipe and standard input, and stops at a signal while the pipe
// has no writer.
func TestMergeReadsPipes(t *testing.T) {
	report := analyzed(t, capturetest.MustRead("testdata/captures/kv4001-near-negotiates.pcap"))
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "report")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	merge := func(ctx context.Context, stdin io.Reader, paths ...string) (code int, out, said string) {
		var stdout, stderr bytes.Buffer
		code = run(ctx, append([]string{"merge", "--format", "json"}, paths...), streams{stdin, &stdout, &stderr})
		return code, stdout.String(), stderr.String()
	}
	_, want, _ := merge(t.Context(), nil, report)
	if code, out, said := merge(t.Context(), bytes.NewReader(text), "-", "-", report); code != exitClean || out != want {
		t.Errorf("standard input: exit code %d: %s%s", code, said, out)
	}
	go func() {
		if err := os.WriteFile(fifo, text, 0o600); err != nil {
			t.Error(err)
		}
	}()
	if code, out, said := merge(t.Context(), nil, fifo); code != exitClean || out != want {
		t.Errorf("a pipe: exit code %d: %s%s", code, said, out)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if code, out, said := merge(ctx, nil, fifo, report); code != exitTrouble || out != "" || !strings.HasPrefix(said, "kafkavet: interrupted before ") {
		t.Errorf("a pipe without a writer: exit code %d: %s%s", code, said, out)
	}
	if f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // the reader above ends
		f.Close()
	}
}
