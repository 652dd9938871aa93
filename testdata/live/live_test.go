//go:build root

package live

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// patience bounds everything that is waited for.
const patience = 20 * time.Second

// binary is the kafkavet under test.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kafkavet-live")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "kafkavet")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	code := 1
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build kafkavet: %v\n%s", err, out)
	} else if err := os.Chmod(dir, 0o755); err == nil { // other users run it, too
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// lines gathers what a process writes, line by line, with the time.
type lines struct {
	mu   sync.Mutex
	text []string
	at   []time.Time
}

func (l *lines) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		l.mu.Lock()
		l.text, l.at = append(l.text, s.Text()), append(l.at, time.Now())
		l.mu.Unlock()
	}
}

// find returns the first line with a text in it.
func (l *lines) find(text string) (line string, at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.text {
		if strings.Contains(l.text[i], text) {
			return l.text[i], l.at[i], true
		}
	}
	return "", time.Time{}, false
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

// process is a command that runs while a test goes on.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err lines
	reading  sync.WaitGroup
	waited   bool
}

// start starts a command and waits for a text on its standard error, unless that is empty.
func start(t *testing.T, ready string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...)}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.reading.Go(func() { p.out.read(stdout) })
	p.reading.Go(func() { p.err.read(stderr) })
	t.Cleanup(func() {
		if !p.waited {
			_ = p.cmd.Process.Kill()
			p.reading.Wait()
			_ = p.cmd.Wait()
		}
	})
	p.until(func() bool { _, _, ok := p.err.find(ready); return ok || ready == "" }, name+" says "+ready)
	return p
}

// until waits for something.
func (p *process) until(done func() bool, what string) {
	p.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not within %v: %s\nstdout: %s\nstderr: %s", patience, what, &p.out, &p.err)
		}
	}
}

// told waits for a line on standard output with a text in it.
func (p *process) told(text string) (line string, at time.Time) {
	p.t.Helper()
	p.until(func() (ok bool) { line, at, ok = p.out.find(text); return ok }, text)
	return line, at
}

// end interrupts the process and returns its exit code.
func (p *process) end() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

// wait waits for the process to end, and kills it where it does not.
func (p *process) wait() int {
	p.t.Helper()
	p.waited = true
	late := time.AfterFunc(patience, func() {
		p.t.Errorf("not within %v: the end of %v\nstdout: %s\nstderr: %s", patience, p.cmd, &p.out, &p.err)
		_ = p.cmd.Process.Kill()
	})
	p.reading.Wait()
	err := p.cmd.Wait()
	late.Stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// sniff starts kafkavet sniff on the loopback interface.
func sniff(t *testing.T, port string, args ...string) *process {
	t.Helper()
	return start(t, "watching lo", binary, append([]string{"sniff", "-i", "lo", "--port", port, "--format", "json", "--interval", "1s"}, args...)...)
}

// tcpdump records what sniff sees, too.
func tcpdump(t *testing.T, port string) (p *process, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "tcpdump.pcap")
	return start(t, "listening on lo", "tcpdump", "-i", "lo", "-s", "0", "-B", "32768", "--immediate-mode", "-U", "-Z", "root", "-w", file, "tcp port "+port), file
}

// finding is what findings are compared by.
type finding struct {
	Code       string            `json:"code"`
	Message    string            `json:"message"`
	Evidence   string            `json:"evidence"`
	Broker     string            `json:"broker"`
	Count      uint64            `json:"count"`
	Outcomes   map[string]uint64 `json:"outcomes"`
	KnownIssue *struct {
		ID string `json:"id"`
	} `json:"known_issue"`
}

// report is what tests look at in a report.
type report struct {
	Findings []finding `json:"findings"`
	Summary  struct {
		Requests uint64 `json:"requests"`
		Streams  uint64 `json:"streams"`
	} `json:"summary"`
	Captures []struct {
		Packets uint64 `json:"packets"`
		Dropped uint64 `json:"dropped"`
	} `json:"captures"`
}

// final is the report that a run of sniff ended with.
func (p *process) final() (r report) {
	p.t.Helper()
	line, _, ok := p.out.find(`{"event":"report"`)
	var e struct {
		Report *report `json:"report"`
	}
	e.Report = &r
	if err := json.Unmarshal([]byte(line), &e); !ok || err != nil {
		p.t.Fatalf("no report: %v in %s", err, &p.out)
	}
	return r
}

// analyze analyses a file.
func analyze(t *testing.T, file string) (r report) {
	t.Helper()
	out, err := exec.Command(binary, "analyze", "--format", "json", "--fail-on", "never", file).Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("analyze %s: %v", file, err)
	}
	return r
}

// same holds the findings of a live run against those of a file.
func same(t *testing.T, live, file report) {
	t.Helper()
	a, _ := json.MarshalIndent(live.Findings, "", " ") // plain values
	b, _ := json.MarshalIndent(file.Findings, "", " ")
	if !bytes.Equal(a, b) {
		t.Errorf("findings differ. Live:\n%s\nFile:\n%s", a, b)
	}
	if live.Summary != file.Summary {
		t.Errorf("live %+v, file %+v", live.Summary, file.Summary)
	}
	if len(live.Captures) != 1 || live.Captures[0].Dropped > 0 || live.Captures[0].Packets != file.Captures[0].Packets {
		t.Errorf("captures: live %+v, file %+v", live.Captures, file.Captures)
	}
}

// broker runs a fake broker with the ranges of a release.
func broker(t *testing.T, versions *kversion.Versions) (addr, port string) {
	t.Helper()
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(0), kfake.SeedTopics(1, "orders")}
	if versions != nil {
		options = append(options, kfake.MaxVersions(versions))
	}
	c, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	addr = c.ListenAddrs()[0]
	_, port, err = net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return addr, port
}

// violate sends Fetch v12 after ApiVersions, and returns when.
func violate(t *testing.T, addr string) time.Time {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(capturetest.ApiVersionsRequest(0, 1, "orders-svc", "", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	h := capturetest.RequestHeader{Key: 1, Version: 12, CorrelationID: 2, ClientID: "orders-svc", HeaderVersion: 2}
	sent := time.Now()
	if _, err := conn.Write(h.Frame(make([]byte, 30))); err != nil {
		t.Fatal(err)
	}
	go func() { // as clients do when the broker closes
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}()
	return sent
}

// silentBroker answers ApiVersions and nothing else.
func silentBroker(t *testing.T) (addr, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 4096)
				if _, err := conn.Read(buf); err != nil {
					return
				}
				_, _ = conn.Write(capturetest.ApiVersionsResponse(0, 1, 0, capturetest.API{Key: 1, Min: 4, Max: 10}, capturetest.API{Key: 18, Min: 0, Max: 2}))
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), port
}

func TestFindingIsToldWithinASecond(t *testing.T) {
	for _, test := range []struct {
		name   string
		broker func(t *testing.T) (addr, port string)
	}{
		{"the broker closes", func(t *testing.T) (string, string) { return broker(t, kversion.V2_1_0()) }},
		{"the broker is silent", silentBroker},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr, port := test.broker(t)
			p := sniff(t, port)
			time.Sleep(300 * time.Millisecond) // the interface has been silent for a while
			sent := violate(t, addr)
			_, at := p.told(`{"event":"finding"`)
			took := at.Sub(sent)
			t.Logf("told after %v", took)
			if took > time.Second {
				t.Errorf("told after %v, want 1s at most", took)
			}
			if code := p.end(); code != 1 {
				t.Errorf("exit code %d: %s", code, &p.err)
			}
			if r := p.final(); len(r.Findings) != 1 || r.Findings[0].Code != "KV1001" || r.Findings[0].Count != 1 {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

func TestSavedCaptureHasTheSameFindings(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	saved := filepath.Join(t.TempDir(), "kept.pcapng")
	out := filepath.Join(t.TempDir(), "report.json")
	p := sniff(t, port, "-w", saved, "-o", out)
	violate(t, addr)
	p.told(`{"event":"finding"`)
	for range 2 {
		violate(t, addr)
	}
	p.told(`{"event":"count"`)
	if code := p.end(); code != 1 {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
	same(t, p.final(), analyze(t, saved))
	var r report
	data, err := os.ReadFile(out)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil || len(r.Findings) != 1 {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestRightsAreGivenUp(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	p := sniff(t, port, "--user", "nobody")
	violate(t, addr)
	p.told(`{"event":"finding"`)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
	if err != nil || len(threads) < 2 {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	for _, name := range threads {
		status, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		for _, want := range []string{"Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"} {
			if !bytes.Contains(status, []byte(want)) {
				t.Errorf("%s lacks %q:\n%s", name, want, status)
			}
		}
	}
	if code := p.end(); code != 1 {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
}

func TestUserThatCannotFinishIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--user", "nobody", "-o", filepath.Join(dir, "report.json")},
		{"--user", "nobody-of-that-name"},
	} {
		cmd := exec.Command(binary, append([]string{"sniff", "-i", "lo", "--duration", "1s"}, args...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !bytes.Contains(out, []byte("--user "+args[1]+": ")) || bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestUserNeedsRightsToChange(t *testing.T) {
	cmd := exec.Command("setpriv", "--bounding-set", "-all,+net_raw", binary, "sniff", "-i", "lo", "--user", "nobody", "--duration", "1s")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !bytes.Contains(out, []byte("CAP_SETUID and CAP_SETGID")) || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestMissingRightsAreNamed(t *testing.T) {
	cmd := exec.Command(binary, "sniff", "-i", "lo", "--duration", "1s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !bytes.Contains(out, []byte("setcap cap_net_raw")) || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSecondInterruptEndsAtOnce(t *testing.T) {
	// A pipe that nobody reads keeps the report from being written.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	addr, port := broker(t, kversion.V2_1_0())
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, w.Fd(), syscall.F_SETPIPE_SZ, 4096); errno != 0 {
		t.Fatal(errno)
	}
	violate(t, addr)
	out := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.Command(binary, "sniff", "-i", "lo", "--port", port, "--format", "json", "--interval", "1s", "-o", out)
	cmd.Stdout = w
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	time.Sleep(time.Second)
	for range 3 { // a finding of some 1.5 KB each at first, then the report: more than the pipe holds
		violate(t, addr)
	}
	time.Sleep(2 * time.Second)
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	for i := range 2 {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
			if i == 0 {
				t.Fatalf("ended with the first interrupt, although its output is stuck: %s", &stderr)
			}
		case <-time.After(2 * time.Second):
			if i == 1 {
				_ = cmd.Process.Kill()
				t.Fatal("still there after the second interrupt")
			}
		}
	}
	if code := cmd.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(out), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
