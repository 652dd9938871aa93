//go:build root

package live

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
)

// processes are those that a report names, of clients and of the clients of findings.
type processes struct {
	Clients  []owned
	Findings []struct{ Client owned }
}

type owned struct {
	Processes []struct {
		PID     int
		Command string
		User    string
	}
}

// reportFile reads a report as JSON.
func reportFile(t *testing.T, name string) (r processes) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lookup is the process that looks up processes for p.
func (p *process) lookup() (pid string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	for _, name := range tasks {
		children, _ := os.ReadFile(name)
		pid += strings.TrimSpace(string(children))
	}
	return pid
}

// TestProcessesOfClients: a client on this host is named, whatever rights the capture keeps. The process that
// looks it up has two capabilities, and ends with the capture, however that ends.
func TestProcessesOfClients(t *testing.T) {
	for _, test := range []struct {
		name  string
		args  []string
		named bool
	}{
		{"root", nil, true},
		{"another user", []string{"--user", "nobody"}, true},
		{"no sandbox", []string{"--no-sandbox"}, true},
		{"no processes", []string{"--no-process"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join("/tmp", fmt.Sprint("kv-process-", os.Getpid())) // that the user can enter
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			addr, port := silentBroker(t)
			file := filepath.Join(dir, "report.json")
			p := sniff(t, port, append(test.args, "-o", file)...)
			lookup := p.lookup()
			if (lookup != "") != test.named {
				t.Fatalf("the process that looks up is %q", lookup)
			}
			if lookup != "" {
				status, err := os.ReadFile("/proc/" + lookup + "/status")
				for _, want := range []string{"Uid:\t65534\t65534\t65534\t65534", "CapPrm:\t0000000000080004"} {
					if err != nil || !strings.Contains(string(status), want) {
						t.Errorf("%v, not %q: %s", err, want, status)
					}
				}
			}
			violate(t, addr)
			p.told(`{"event":"finding"`)
			p.end()
			r := reportFile(t, file)
			if len(r.Clients) != 1 || len(r.Findings) != 1 {
				t.Fatalf("%+v", r)
			}
			for _, c := range []owned{r.Clients[0], r.Findings[0].Client} {
				switch {
				case !test.named && len(c.Processes) > 0:
					t.Errorf("named: %+v", c)
				case test.named && (len(c.Processes) != 1 || c.Processes[0].PID != os.Getpid() || c.Processes[0].Command == "" || c.Processes[0].User != "root"):
					t.Errorf("%+v, want the process %d", c, os.Getpid())
				}
			}
			gone(t, lookup)
		})
	}
}

// gone waits for the end of a process.
func gone(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(patience); pid != ""; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + pid); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %s is still there", pid)
		}
	}
}

func TestTheLookupEndsWithAKilledCapture(t *testing.T) {
	_, port := silentBroker(t)
	p := sniff(t, port)
	lookup := p.lookup()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait()
	if lookup == "" {
		t.Fatal("no process looks up")
	}
	gone(t, lookup)
}

// TestProcessesInOtherNamespaces: the client is in another network namespace than the capture.
func TestProcessesInOtherNamespaces(t *testing.T) {
	play := filepath.Join(t.TempDir(), "play")
	run(t, "go", "build", "-o", play, "./play")
	here, there := namespaces(t)
	fake := start(t, "", here[0], append(here[1:], play, "broker", "-addr", "10.198.0.1:19092", "-release", "2.1")...)
	fake.told("broker at")
	file := filepath.Join(t.TempDir(), "report.json")
	p := start(t, "watching any", here[0], append(here[1:], binary, "sniff", "-i", "any", "--port", "19092", "--format", "json", "-o", file)...)
	consumer := start(t, "", there[0], append(there[1:], play, "consume", "-addr", "10.198.0.1:19092", "-for", "2s")...)
	pid := consumer.cmd.Process.Pid
	consumer.wait()
	p.end()
	r := reportFile(t, file)
	if len(r.Clients) != 1 || len(r.Clients[0].Processes) != 1 || r.Clients[0].Processes[0].PID != pid || r.Clients[0].Processes[0].Command != "play" {
		t.Errorf("%+v, want the process %d", r.Clients, pid)
	}
}

// TestProcessesOfARun: the command of run is named.
func TestProcessesOfARun(t *testing.T) {
	_, port := broker(t, kversion.V2_1_0())
	file := filepath.Join(t.TempDir(), "report.json")
	out, err := exec.Command(binary, "run", "-o", file, "--", "bash", "-c", violation(t, port)).CombinedOutput()
	r := reportFile(t, file)
	if len(r.Findings) != 1 || len(r.Findings[0].Client.Processes) != 1 || r.Findings[0].Client.Processes[0].Command != "bash" {
		t.Errorf("%+v, %v: %s", r, err, out)
	}
}
