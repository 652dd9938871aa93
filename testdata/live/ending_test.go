//go:build root

package live

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
)

// wholeReport reads the report of -o, and fails where something half written lies beside it.
func wholeReport(t *testing.T, path string) (r report) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	return r
}

// TestHangupEndsWithTheReport has the terminal go away, which is said more than once.
func TestHangupEndsWithTheReport(t *testing.T) {
	// Where SIGHUP is ignored, as under nohup, the processes of this one would ignore it, too.
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, syscall.SIGHUP)
	defer signal.Stop(handled)
	addr, port := broker(t, kversion.V2_1_0())
	out := filepath.Join(t.TempDir(), "report.json")
	p := sniff(t, port, "-o", out)
	violate(t, addr)
	p.told(`{"event":"finding"`)
	for range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
	if r := wholeReport(t, out); len(r.Findings) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestIgnoredHangupChangesNothing runs kafkavet as nohup does.
func TestIgnoredHangupChangesNothing(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	p := start(t, "watching lo", "sh", "-c", `trap "" HUP; exec "$0" "$@"`, binary, "sniff", "-i", "lo", "--port", port, "--format", "json")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	violate(t, addr)
	p.told(`{"event":"finding"`)
	if code := p.end(); code != 1 {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
}

// TestReaderThatWentAwayLeavesTheReport closes the pipe that findings are written to.
func TestReaderThatWentAwayLeavesTheReport(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.Command(binary, "sniff", "-i", "lo", "--port", port, "--format", "json", "--interval", "1s", "-o", out)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil { // of a status event
		t.Fatal(err)
	}
	_ = r.Close()
	violate(t, addr)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Fatal("goes on although nobody reads")
	}
	if code := cmd.ProcessState.ExitCode(); code != 2 || !bytes.Contains(stderr.Bytes(), []byte("write standard output: broken pipe")) {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	if r := wholeReport(t, out); r.Captures == nil {
		t.Errorf("%+v", r)
	}
}
