package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kafkavet/kafkavet/report/reporttest"
)

func TestMain(m *testing.M) {
	version = "(devel)" // golden files outlive releases
	// Thousands of short runs share one process: the collector would take most of the time.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(1 << 30)
	}
	testscript.Main(m, map[string]func(){
		"kafkavet": func() {
			os.Exit(runConfined(context.Background(), os.Args[1:]))
		},
	})
}

func run(ctx context.Context, args []string, s streams) int { return host(s).run(ctx, args) }

// TestScripts runs the commands as a user would: testdata/script.
func TestScripts(t *testing.T) {
	data, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("CAPTURES", filepath.Join(data, "captures"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "compress": compress, "firstbytes": firstBytes, "helps": helps, "extract": extract},
	})
}

// exits runs a command that must exit with a code: exits CODE COMMAND ARG...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// helps runs commands with --help; each must show an example that begins with it: helps COMMAND...
func helps(ts *testscript.TestScript, _ bool, args []string) {
	for _, command := range args {
		ts.Check(ts.Exec("kafkavet", command, "--help"))
		text := ts.ReadFile("stdout")
		if !strings.HasPrefix(text, "usage: kafkavet "+command) || !strings.Contains(text, "\nexamples:\n  kafkavet "+command) {
			ts.Fatalf("no usage or no example: %s", text)
		}
	}
}

// compress makes a compressed copy of a file: compress gzip|zstd|lz4 FROM TO
func compress(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	var out bytes.Buffer
	var w io.WriteCloser
	switch args[0] {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
		ts.Check(err)
	case "lz4":
		w = lz4.NewWriter(&out)
	default:
		ts.Fatalf("unknown compression %q", args[0])
	}
	_, err = w.Write(data)
	ts.Check(errors.Join(err, w.Close(), os.WriteFile(ts.MkAbs(args[2]), out.Bytes(), 0o600)))
}

// extract unpacks an archive of mode 0600 into the working directory: extract FILE
func extract(ts *testscript.TestScript, _ bool, args []string) {
	archive := ts.MkAbs(args[0])
	if st, err := os.Stat(archive); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		ts.Fatalf("%s: %v, rights %v", args[0], err, st.Mode())
	}
	z, err := zip.OpenReader(archive)
	ts.Check(err)
	for _, f := range z.File {
		r, err := f.Open()
		ts.Check(err)
		data, err := io.ReadAll(r)
		ts.Check(errors.Join(err, r.Close(), os.WriteFile(ts.MkAbs(f.Name), data, 0o600)))
	}
	ts.Check(z.Close())
}

// firstBytes copies the first bytes of a file: firstbytes N FROM TO
func firstBytes(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(errors.Join(err, os.WriteFile(ts.MkAbs(args[2]), data[:n], 0o600)))
}

// pages are the captures whose HTML report is also a golden file. Each has some 50 KB.
var pages = []string{"confluent-go-2.6.0_fetch-max-7", "confluent-go-2.6.0_broker-2.1_tls13", "kv2005-fires-rolling-upgrade", "kv4001-fires-certain", "hostile-text"}

// TestSecretsReachNoOutput searches every output for texts that the captures mark as secret:
// record values, SASL tokens, passwords.
func TestSecretsReachNoOutput(t *testing.T) {
	captures, err := filepath.Glob("testdata/captures/*.pcap*")
	if err != nil || len(captures) < 12 {
		t.Fatalf("%d captures, %v", len(captures), err)
	}
	marked := 0
	for _, capture := range captures {
		data, err := os.ReadFile(capture)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("secret")) {
			marked++
		}
		keys := strings.TrimSuffix(capture, filepath.Ext(capture)) + ".keys"
		for _, args := range [][]string{
			{"analyze"}, {"analyze", "--format", "json"}, {"analyze", "--format", "markdown"}, {"analyze", "--format", "html"},
			{"requests"}, {"requests", "--format", "json"}, {"analyze", "-v", "-o", os.DevNull}, {"analyze", "--principals", "--format", "json"},
		} {
			if exists(keys) {
				args = append(args, "--tls-keylog", keys)
			}
			var stdout, stderr bytes.Buffer
			run(t.Context(), append(args, capture), streams{strings.NewReader(""), &stdout, &stderr})
			for _, text := range []string{stdout.String(), stderr.String()} {
				if strings.Contains(strings.ToLower(strings.ReplaceAll(text, "extract-tls-secrets", "")), "secret") {
					t.Errorf("%v %s: %s", args, capture, text)
				}
			}
		}
	}
	if marked < 5 {
		t.Errorf("only %d captures hold something secret", marked)
	}
}

// captures iterates over the captures of testdata in order, each with the arguments for its key
// log (nil for none). Under the race detector only each captureStep-th is used.
func captures(t *testing.T) iter.Seq2[string, []string] {
	t.Helper()
	names, err := filepath.Glob("testdata/captures/*.pcap*")
	if err != nil || len(names) < 12 {
		t.Fatalf("%d captures, %v", len(names), err)
	}
	return func(yield func(string, []string) bool) {
		for i := 0; i < len(names); i += captureStep {
			var args []string
			if keys := strings.TrimSuffix(names[i], filepath.Ext(names[i])) + ".keys"; exists(keys) {
				args = []string{"--tls-keylog", keys}
			}
			if !yield(names[i], args) {
				return
			}
		}
	}
}

// TestGolden compares the outputs for every capture in testdata with the accepted ones.
func TestGolden(t *testing.T) {
	for capture, keys := range captures(t) {
		name := strings.TrimSuffix(filepath.Base(capture), filepath.Ext(capture))
		args := append([]string{capture}, keys...)
		for _, out := range []struct {
			command []string
			suffix  string
		}{
			{[]string{"analyze"}, ".txt"},
			{[]string{"analyze", "--format", "json"}, ".json"},
			{[]string{"analyze", "--format", "markdown"}, ".md"},
			{[]string{"analyze", "--format", "html"}, ".html"},
			{[]string{"requests"}, ".tsv"},
		} {
			if out.suffix == ".html" && !slices.Contains(pages, name) {
				continue
			}
			if strings.HasPrefix(name, "kv4001-") && out.command[0] == "analyze" {
				out.command = append(out.command, "--target", "kafka-4.0.0")
			}
			t.Run(name+out.suffix, func(t *testing.T) {
				var stdout, stderr bytes.Buffer
				run(t.Context(), append(out.command, args...), streams{strings.NewReader(""), &stdout, &stderr})
				reporttest.Golden(t, filepath.Join("testdata/golden", name+out.suffix), stdout.Bytes())
			})
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
