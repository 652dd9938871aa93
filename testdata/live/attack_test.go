//go:build root

package live

import (
	"fmt"
	"io"
	"net"
	"net/http"
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

// fullDisk is a directory on a disk of 512 KiB.
func fullDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("kafkavet", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	return dir
}

// TestPowerIsGivenUp: no thread of a capture has rights that it does not need.
func TestPowerIsGivenUp(t *testing.T) {
	_, port := broker(t, kversion.V2_1_0())
	for _, user := range []string{"", "nobody"} {
		args := []string{"--user", user}
		effective := "0000000000000000"
		if user == "" {
			args, effective = nil, "0000000000000002" // CAP_DAC_OVERRIDE
		}
		p := sniff(t, port, args...)
		for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000", "CapEff:\t" + effective, "CapPrm:\t" + effective, "CapAmb:\t0000000000000000"} {
			p.until(func() bool { return allThreads(p.cmd.Process.Pid, want) }, "all threads have "+want)
		}
		p.end()
	}
}

// allThreads reports whether the status of all threads of a process has a line in it.
func allThreads(pid int, line string) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, name := range threads {
		status, err := os.ReadFile(name)
		if err == nil && !strings.Contains(string(status), line) {
			return false
		}
	}
	return len(threads) > 1
}

// TestOutputsOnAFullDisk: what cannot be written stops nothing else.
func TestOutputsOnAFullDisk(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	full, good := fullDisk(t), filepath.Join(t.TempDir(), "report.json")
	p := sniff(t, port, "--evidence", filepath.Join(full, "e.pcapng"), "-o", filepath.Join(full, "r.html"), "-o", good)
	violate(t, addr)
	p.told(`{"event":"finding"`)
	_ = os.WriteFile(filepath.Join(full, "filler"), make([]byte, 1<<20), 0o600) // until it is full
	if code := p.end(); code != 2 {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
	if r := wholeReport(t, good); len(r.Findings) == 0 {
		t.Errorf("%s has no finding", good)
	}
	for _, name := range []string{"e.pcapng", "r.html"} {
		if _, _, ok := p.err.find("write " + filepath.Join(full, name) + ": no space left on device"); !ok {
			t.Errorf("%s: not said: %s", name, &p.err)
		}
	}
}

// TestOutputsWithoutTheirDirectory: a directory that is deleted meanwhile stops nothing else.
func TestOutputsWithoutTheirDirectory(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	gone, good := filepath.Join(t.TempDir(), "gone"), filepath.Join(t.TempDir(), "report.json")
	run(t, "mkdir", gone)
	p := sniff(t, port, "-w", filepath.Join(gone, "k.pcapng"), "--evidence", filepath.Join(gone, "e.pcapng"), "-o", good)
	violate(t, addr)
	p.told(`{"event":"finding"`)
	run(t, "rm", "-r", gone)
	if code := p.end(); code != 2 {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
	if r := wholeReport(t, good); len(r.Findings) == 0 {
		t.Errorf("%s has no finding", good)
	}
	for _, text := range []string{"e.pcapng: no such file", "k.pcapng: it was deleted meanwhile"} {
		if _, _, ok := p.err.find(text); !ok {
			t.Errorf("%q is not said: %s", text, &p.err)
		}
	}
}

// TestSavingGoesOnWhenThereIsRoom: -w continues when a full disk has room again.
func TestSavingGoesOnWhenThereIsRoom(t *testing.T) {
	addr, port := broker(t, kversion.V2_1_0())
	full := fullDisk(t)
	filler, file := filepath.Join(full, "filler"), filepath.Join(full, "k.pcapng")
	p := sniff(t, port, "-w", file)
	_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600)
	p.until(func() bool { // the last page of the file has some room
		violate(t, addr)
		_, _, ok := p.err.find("which is tried again")
		return ok
	}, "the disk is full")
	before, err := capturetest.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "rm", filler)
	p.until(func() bool {
		violate(t, addr)
		time.Sleep(500 * time.Millisecond)
		_, _, ok := p.err.find("is written again")
		return ok
	}, "the file is written again")
	violate(t, addr)
	if code := p.end(); code != 2 { // packets are missing
		t.Errorf("exit code %d: %s", code, &p.err)
	}
	if after, err := capturetest.ReadFile(file); err != nil || len(after) <= len(before) {
		t.Errorf("%d packets, %d before, %v", len(after), len(before), err)
	}
}

// TestIdleConnectionsKeepNobodyOut asks while more connections are held open than there is room
// for.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	_, port := broker(t, kversion.V2_1_0())
	p := sniff(t, port, "--listen", "127.0.0.1:0")
	line, _, ok := p.err.find("http://")
	if !ok {
		t.Fatal(&p.err)
	}
	base := strings.TrimSuffix(line[strings.Index(line, "http://"):], "/")
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	client := http.Client{Timeout: 3 * time.Second}
	for _, path := range []string{"/healthz", "/metrics", "/report.json"} {
		answer, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, %v", path, answer.StatusCode, err)
		}
	}
	p.end()
}

// TestFloodHidesNothing replays attacks into a namespace that is watched: memory stays bounded, and
// a client that breaks the rules meanwhile is reported.
func TestFloodHidesNothing(t *testing.T) {
	const memory = 256 << 10 // KiB
	corpus := filepath.Join(t.TempDir(), "corpus")
	build := exec.Command("go", "build", "-o", corpus, "./testdata/bench")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, attack := range []struct{ kind, size string }{{"mute", "300"}, {"onebyte", "65536"}, {"prefix", "100000"}, {"synflood", "100000"}} {
		t.Run(attack.kind, func(t *testing.T) {
			here, there := namespaces(t)
			file := filepath.Join(t.TempDir(), "attack.pcap")
			run(t, corpus, "-write", attack.kind, "-size", attack.size, "-o", file)
			play := filepath.Join(t.TempDir(), "play")
			run(t, "go", "build", "-o", play, "./play")
			in := func(space []string, ready string, args ...string) *process {
				return start(t, ready, space[0], append(space[1:len(space):len(space)], args...)...)
			}
			const addr = "10.198.0.1:19092"
			in(here, "", play, "broker", "-addr", addr, "-release", "2.1").told("broker at")
			p := in(here, "watching kv0", binary, "sniff", "-i", "kv0", "--format", "json", "--interval", "1s")
			flood := in(there, "", play, "replay", "-iface", "kv1", "-file", file)
			violator := in(there, "", play, "violate", "-addr", addr, "-every", "300ms", "-for", "1s")
			flood.wait()
			violator.wait()
			p.told(`{"event":"finding"`)
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			_, peak, _ := strings.Cut(string(status), "VmHWM:")
			var used int
			if _, err := fmt.Sscan(peak, &used); err != nil || used > memory {
				t.Errorf("%d KiB resident, at most %d KiB are allowed; %v", used, memory, err)
			}
			p.end()
		})
	}
}
