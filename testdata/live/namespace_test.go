//go:build root

package live

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// namespaces makes two network namespaces joined by a veth pair, kv0 in the
// first and kv1 in the second, and returns the beginnings of commands in them.
func namespaces(t *testing.T) (first, second []string) {
	t.Helper()
	var names [2]string
	for i := range names {
		names[i] = fmt.Sprintf("kv%d-%d", os.Getpid(), i)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", names[i]).Run() })
		run(t, "ip", "netns", "add", names[i])
	}
	run(t, "ip", "link", "add", "kv0", "netns", names[0], "type", "veth", "peer", "name", "kv1", "netns", names[1])
	for i, name := range names {
		run(t, "ip", "-n", name, "addr", "add", fmt.Sprintf("10.198.0.%d/24", i+1), "dev", fmt.Sprint("kv", i))
		run(t, "ip", "-n", name, "link", "set", fmt.Sprint("kv", i), "up")
		run(t, "ip", "-n", name, "link", "set", "lo", "up")
	}
	in := []string{"ip", "netns", "exec"}
	return append(in[:3:3], names[0]), append(in[:3:3], names[1])
}

// run runs a command that must succeed.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// TestFindingsInANamespaceAreThoseOfTcpdump watches the broker's end of a veth
// pair, and all interfaces, while clients come from the other end.
func TestFindingsInANamespaceAreThoseOfTcpdump(t *testing.T) {
	const addr, port = "10.198.0.1:19092", "19092"
	play := filepath.Join(t.TempDir(), "play")
	run(t, "go", "build", "-o", play, "./play")
	here, there := namespaces(t)
	in := func(space []string, ready string, args ...string) *process {
		t.Helper()
		return start(t, ready, space[0], append(space[1:len(space):len(space)], args...)...)
	}
	fake := in(here, "", play, "broker", "-addr", addr, "-release", "2.1")
	fake.told("broker at")

	type watched struct {
		live, dump *process
		file       string
	}
	all := map[string]watched{}
	for _, iface := range []string{"kv0", "any"} {
		w := watched{file: filepath.Join(t.TempDir(), iface+".pcap")}
		w.live = in(here, "watching "+iface, binary, "sniff", "-i", iface, "--port", port, "--format", "json", "--interval", "1s")
		w.dump = in(here, "listening on "+iface, "tcpdump", "-i", iface, "-s", "0", "-B", "32768", "--immediate-mode", "-U", "-Z", "root", "-w", w.file, "tcp port "+port)
		all[iface] = w
	}
	consumer := in(there, "", play, "consume", "-addr", addr, "-for", "2s")
	violator := in(there, "", play, "violate", "-addr", addr, "-every", "300ms", "-for", "1s")
	for _, p := range []*process{consumer, violator} {
		if code := p.wait(); code != 0 {
			t.Fatalf("exit code %d: %s", code, &p.err)
		}
	}
	time.Sleep(time.Second)
	for iface, w := range all {
		if code := w.live.end(); code != 1 {
			t.Errorf("%s: exit code %d: %s", iface, code, &w.live.err)
		}
		w.dump.end()
		got := w.live.final()
		same(t, got, analyze(t, w.file))
		if n := got.Summary.Requests; n < 10 {
			t.Errorf("%s: %d requests", iface, n)
		}
	}
}
