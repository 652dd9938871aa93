//go:build root

package live

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kversion"
)

// violation is a shell command that sends Fetch v12 after ApiVersions.
func violation(t *testing.T, port string) string {
	t.Helper()
	dir := t.TempDir()
	h := capturetest.RequestHeader{Key: 1, Version: 12, CorrelationID: 2, ClientID: "orders-svc", HeaderVersion: 2}
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	for name, data := range map[string][]byte{first: capturetest.ApiVersionsRequest(0, 1, "orders-svc", "", ""), second: h.Frame(make([]byte, 30))} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "exec 3<>/dev/tcp/127.0.0.1/" + port + "; cat " + first + " >&3; sleep 0.3; cat " + second + " >&3; cat <&3 >/dev/null"
}

func TestRun(t *testing.T) {
	_, port := broker(t, kversion.V2_1_0())
	violate := violation(t, port)
	report := filepath.Join(t.TempDir(), "report.json")
	for _, test := range []struct {
		name   string
		args   []string
		shell  string
		code   int
		stdout string
		// stderr are texts on standard error, in this order.
		stderr []string
	}{
		{"findings", nil, violate + "; echo out; echo err >&2", 1, "out\n", []string{"err\n", "error KV1001 above-max", "1 error", "kafkavet: error KV1001"}},
		{"to a file", []string{"-q", "-o", report}, violate, 1, "", []string{"kafkavet: error KV1001"}},
		{"to standard output", []string{"--format", "json", "-o", "-"}, "echo out; " + violate, 1, "out\n{\n", []string{"kafkavet: error KV1001"}},
		{"nothing found", nil, "exit 0", 0, "", []string{"loopback and bridges: 0 packets", "nothing was checked"}},
		{"nothing checked", []string{"--require-checked", "1"}, "exit 0", 2, "", []string{"asks for 1: "}},
		{"the command fails", nil, violate + "; exit 7", 7, "", []string{"kafkavet: error KV1001"}},
		{"the command is killed", nil, "kill -TERM $$", 128 + 15, "", nil},
		{"as another user", []string{"--user", "nobody"}, "id -u", 0, "65534\n", nil},
		{"other ports", []string{"--port", "1"}, violate, 0, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command(binary, append(append([]string{"run"}, test.args...), "--", "bash", "-c", test.shell)...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != test.code || !strings.HasPrefix(stdout.String(), test.stdout) || test.stdout == "" && stdout.Len() > 0 {
				t.Errorf("exit code %d, want %d; %v; stdout: %s\nstderr: %s", code, test.code, err, &stdout, &stderr)
			}
			rest := stderr.String()
			for _, text := range test.stderr {
				_, after, found := strings.Cut(rest, text)
				if !found {
					t.Errorf("%q is not on standard error: %s", text, &stderr)
				}
				rest = after
			}
		})
	}
	if text, err := os.ReadFile(report); err != nil || !bytes.Contains(text, []byte(`"KV1001"`)) {
		t.Errorf("the report in the file: %.200s, %v", text, err)
	}
}

// TestRunPassesSignalsOn: the command gets the signal, and the report comes all the same.
func TestRunPassesSignalsOn(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			p := start(t, "ready", binary, "run", "--", "bash", "-c", "trap 'echo got it; exit 3' INT TERM HUP; echo ready >&2; while :; do sleep 0.05; done")
			if err := p.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			p.told("got it")
			done := make(chan int, 1)
			go func() { done <- p.wait() }()
			select {
			case code := <-done:
				if code != 3 || !strings.Contains(p.err.String(), "nothing was checked") {
					t.Errorf("exit code %d: %s", code, &p.err)
				}
			case <-time.After(patience):
				t.Fatalf("did not end: %s", &p.err)
			}
		})
	}
}

// TestRunNeedsACommand: what cannot run is said in one line, and nothing is left.
func TestRunNeedsACommand(t *testing.T) {
	for _, args := range [][]string{{"run"}, {"run", "--", "nosuchcommand"}, {"run", "-o", "nowhere/report", "--", "true"}, {"run", "-i", "nosuch0", "--", "true"}} {
		cmd := exec.Command(binary, args...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
}
