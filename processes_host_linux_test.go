package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/report/model"
)

type fakeProc struct {
	t   *testing.T
	dir string
}

func newFakeProc(t *testing.T) *fakeProc {
	f := &fakeProc{t, t.TempDir()}
	f.link("net:[1]", "self/ns/net")
	f.write("root:x:0:0::/:/bin/sh\nkafka:x:1001:1001::/:/bin/sh\nbroken\n", "passwd")
	return f
}

func (f *fakeProc) write(text string, name ...string) {
	f.t.Helper()
	path := filepath.Join(append([]string{f.dir}, name...)...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeProc) link(to string, name ...string) {
	f.t.Helper()
	path := filepath.Join(append([]string{f.dir}, name...)...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	_ = os.Remove(path)
	if err := os.Symlink(to, path); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeProc) process(pid int, namespace, command, cgroup string, sockets ...int) string {
	dir := fmt.Sprint(pid)
	f.link("net:["+namespace+"]", dir, "ns/net")
	f.write(command+"\n", dir, "comm")
	f.write("Name:\t"+command+"\nUid:\t0\t1001\t0\t0\n", dir, "status")
	f.write("0::"+cgroup+"\n", dir, "cgroup")
	f.write("password=secret", dir, "environ")
	f.write("--password\x00secret", dir, "cmdline")
	f.link("/dev/null", dir, "fd/0")
	for i, inode := range sockets {
		f.link(fmt.Sprintf("socket:[%d]", inode), dir, "fd", fmt.Sprint(i+3))
	}
	return dir
}

// sockets writes the table of a namespace: "LOCAL REMOTE STATE INODE" each. The namespace has the
// local addresses.
func (f *fakeProc) sockets(pid int, lines ...string) {
	text := [2]string{"header\n", "header\n"}
	routes, six := "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n", ""
	for i, line := range lines {
		var local, remote string
		var state, inode int
		if _, err := fmt.Sscan(line, &local, &remote, &state, &inode); err != nil {
			f.t.Fatal(err)
		}
		a, b := netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
		family := 0
		if a.Addr().Is6() {
			family = 1
		}
		if own := a.Addr().Unmap(); own.Is4() {
			routes += fmt.Sprintf("     |-- %s\n        /32 host LOCAL\n", own)
		} else {
			six += fmt.Sprintf("%x 04 40 00 82     eth0\n", own.AsSlice())
		}
		text[family] += fmt.Sprintf("%d: %s %s %02X 0:0 0:0 0 0 0 %d 1 0 0\n", i, kernelEnd(a), kernelEnd(b), state, inode)
	}
	f.write(text[0], fmt.Sprint(pid), "net/tcp")
	f.write(text[1], fmt.Sprint(pid), "net/tcp6")
	f.write(routes, fmt.Sprint(pid), "net/fib_trie")
	f.write(six, fmt.Sprint(pid), "net/if_inet6")
}

// kernelEnd formats an address as in /proc/net/tcp: words in host byte order, here little-endian.
func kernelEnd(a netip.AddrPort) string {
	var out strings.Builder
	for b := a.Addr().AsSlice(); len(b) > 0; b = b[4:] {
		fmt.Fprintf(&out, "%08X", binary.LittleEndian.Uint32(b))
	}
	return fmt.Sprintf("%s:%04X", &out, a.Port())
}

func (f *fakeProc) open() *hostProcesses {
	f.t.Helper()
	h, err := newHostProcesses(f.dir, filepath.Join(f.dir, "passwd"))
	if err != nil {
		f.t.Fatal(err)
	}
	h.pause = func(time.Duration) {}
	return h
}

const (
	established = 1
	listening   = 10
	podGroup    = "/kubepods.slice/kubepods-pod1.slice/cri-containerd-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope"
	podID       = "0123456789ab"
)

func TestProcessesOfSockets(t *testing.T) {
	f := newFakeProc(t)
	f.process(10, "1", "loader", "/user.slice", 100, 101)
	f.process(11, "1", "child", "/user.slice", 100)
	f.sockets(10, "10.0.0.1:4000 10.0.0.9:9092 1 100", "127.0.0.1:4001 127.0.0.1:9092 1 101", "10.0.0.1:9092 10.0.0.7:5000 1 0", "0.0.0.0:9092 0.0.0.0:0 10 102",
		"10.0.0.1:4002 10.0.0.9:9092 6 0", "[fd00::1]:4000 [fd00::9]:9092 1 103", "[::ffff:10.0.0.1]:4003 [::ffff:10.0.0.9]:9092 1 104", "10.0.0.1:9093 10.0.0.7:5000 3 0",
		"10.0.0.1:9093 0.0.0.0:0 10 105")
	f.process(12, "1", "broker", "/system.slice/kafka.service", 102, 103, 104, 105)
	pod := f.process(20, "2", "java", podGroup, 200, 201)
	f.sockets(20, "10.1.0.58:4000 10.96.0.1:9092 1 200", "127.0.0.1:4001 127.0.0.1:9092 1 201")
	f.write("loader-abc\nmore", pod, "root/etc/hostname")
	f.link("/run", pod, "root/var/run")
	f.write("shop", pod, "root/run/secrets/kubernetes.io/serviceaccount/namespace")
	f.write("not a process", "meminfo")

	host := func(pid int, command string) *model.Process {
		return &model.Process{PID: pid, Command: command, User: "kafka"}
	}
	inPod := &model.Process{PID: 20, Command: "java", User: "1001", Container: podID, Pod: "loader-abc", Namespace: "shop"}
	tests := []struct {
		name     string
		from, to string
		want     [2]*model.Process
	}{
		{"client", "10.0.0.1:4000", "10.0.0.9:9092", [2]*model.Process{host(10, "loader")}},
		{"the other way round", "10.0.0.9:9092", "10.0.0.1:4000", [2]*model.Process{nil, host(10, "loader")}},
		{"loopback is that of this namespace", "127.0.0.1:4001", "127.0.0.1:9092", [2]*model.Process{host(10, "loader")}},
		{"IPv6", "[fd00::1]:4000", "[fd00::9]:9092", [2]*model.Process{host(12, "broker")}},
		{"IPv4 on a socket of IPv6", "10.0.0.1:4003", "10.0.0.9:9092", [2]*model.Process{host(12, "broker")}},
		{"not accepted yet", "10.0.0.7:5000", "10.0.0.1:9092", [2]*model.Process{nil, host(12, "broker")}},
		{"not accepted yet, of one address", "10.0.0.7:5000", "10.0.0.1:9093", [2]*model.Process{nil, host(12, "broker")}},
		{"closed", "10.0.0.1:4002", "10.0.0.9:9092", [2]*model.Process{}},
		{"pod", "10.1.0.58:4000", "10.96.0.1:9092", [2]*model.Process{inPod}},
		{"pod, translated", "10.1.0.58:4000", "10.5.5.5:9092", [2]*model.Process{inPod}},
		{"of other hosts", "10.3.0.1:4000", "10.3.0.2:9092", [2]*model.Process{}},
	}
	h := f.open()
	for _, tt := range tests {
		q := question{7, [2]netip.AddrPort{netip.MustParseAddrPort(tt.from), netip.MustParseAddrPort(tt.to)}}
		var want []processAnswer
		for i, p := range tt.want {
			if p != nil {
				want = append(want, processAnswer{Stream: 7, End: q.Ends[i], Process: *p})
			}
		}
		if diff := cmp.Diff(want, h.find(q), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestPodsInTheNetworkOfTheHost: their host name is the name of the node.
func TestPodsInTheNetworkOfTheHost(t *testing.T) {
	f := newFakeProc(t)
	pod := f.process(20, "1", "java", podGroup)
	f.write("node-1\n", pod, "root/etc/hostname")
	f.write("shop", pod, "root/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	want := model.Process{PID: 20, Command: "java", User: "1001", Container: podID, Namespace: "shop"}
	if diff := cmp.Diff(want, f.open().describe(20, "net:[1]")); diff != "" {
		t.Error(diff)
	}
	container := f.process(21, "2", "java", "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	f.write("name\n", container, "root/etc/hostname")
	if p := f.open().describe(21, "net:[2]"); p.Pod != "" || p.Container != podID {
		t.Errorf("a container of no pod: %+v", p)
	}
}

// TestFilesOfContainersCannotLeadOut: links, pipes and directories replace files.
func TestFilesOfContainersCannotLeadOut(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFakeProc(t)
	f.write("x", "root/etc/real")
	root := filepath.Join(f.dir, "root")
	for name, make := range map[string]func(path string) error{
		"absolute": func(path string) error { return os.Symlink(outside, path) },
		"relative": func(path string) error { return os.Symlink("../../../../../../../../.."+outside, path) },
		"pipe":     func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"folder":   func(path string) error { return os.Mkdir(path, 0o755) },
		"missing":  func(string) error { return nil },
	} {
		if err := make(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
		if got := firstLine(root, name); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	f.link("etc/real", "root/inside")
	if got := firstLine(root, "inside"); got != "x" {
		t.Errorf("a link inside leads to %q", got)
	}
	f.write(strings.Repeat("y", 5000), "root/long")
	if got := firstLine(root, "long"); len(got) != maxHostName {
		t.Errorf("%d bytes of a long name", len(got))
	}
}

// TestTheLookupReadsFilesOfContainers: also with its rights given up. It runs this test again as a
// process that gives them up.
func TestTheLookupReadsFilesOfContainers(t *testing.T) {
	if root := os.Getenv("KAFKAVET_TEST_ROOT"); root != "" {
		_ = confineLookup() // without root, capabilities cannot be given up
		fmt.Println(firstLine(root, "missing", "etc/hostname"))
		os.Exit(0)
	}
	f := newFakeProc(t)
	f.write("loader-abc\n", "root/etc/..data/name")
	f.link("..data/name", "root/etc/hostname")
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestTheLookupReadsFilesOfContainers$")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "KAFKAVET_TEST_ROOT="+filepath.Join(f.dir, "root"))
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "loader-abc\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestProcessesAreReadAgain: /proc is read again if a connection or its holder is unknown, but not
// for a known connection.
func TestProcessesAreReadAgain(t *testing.T) {
	f := newFakeProc(t)
	f.process(10, "1", "loader", "/", 100)
	f.sockets(10, "10.0.0.1:4000 10.0.0.9:9092 1 100")
	h := f.open()
	var waited []time.Duration
	h.pause = func(d time.Duration) { waited = append(waited, d) }
	ask := func(port uint16) []processAnswer {
		return h.find(question{0, [2]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port), netip.MustParseAddrPort("10.0.0.9:9092")}})
	}
	for range 3 {
		if got := ask(4000); len(got) != 1 || got[0].Process.PID != 10 {
			t.Fatalf("%+v", got)
		}
	}
	if len(waited) > 0 {
		t.Errorf("a known connection waits %v", waited)
	}
	f.process(11, "1", "importer", "/", 101)
	f.sockets(10, "10.0.0.1:4000 10.0.0.9:9092 1 100", "10.0.0.1:4001 10.0.0.9:9092 1 101")
	if got := ask(4001); len(got) != 1 || got[0].Process.PID != 11 {
		t.Errorf("%+v", got)
	}
	if len(waited) != 2 || waited[0] > scanInterval || waited[0] <= 0 {
		t.Errorf("waits of %v for tables and holders", waited)
	}
	f.link("socket:[7]", "10/fd/3") // the descriptor was closed, and another socket has its number
	if got := ask(4000); len(got) != 0 {
		t.Errorf("the socket of %+v is closed", got)
	}
	h.tableScan.took = time.Second
	ask(4002)
	if last := waited[len(waited)-1]; last < 9*time.Second {
		t.Errorf("a scan of a second is repeated after %v", last)
	}
}

// TestOnlyTheNamespaceOfAnAddressIsRead: the sockets of others are not read. If the process
// through which it was read has ended, another one of the namespace is used.
func TestOnlyTheNamespaceOfAnAddressIsRead(t *testing.T) {
	f := newFakeProc(t)
	f.process(10, "1", "loader", "/", 100, 101)
	f.process(20, "2", "importer", "/", 200, 201)
	f.sockets(10, "10.0.0.1:4000 10.0.0.9:9092 1 100")
	f.sockets(20, "10.0.0.2:4000 10.0.0.9:9092 1 200")
	h := f.open()
	ask := func(from string, want int) (hasRead bool) {
		t.Helper()
		before, pid := h.homeScan.last, 0
		for _, found := range h.find(question{0, [2]netip.AddrPort{netip.MustParseAddrPort(from), netip.MustParseAddrPort("10.0.0.9:9092")}}) {
			pid = found.Process.PID
		}
		if pid != want {
			t.Errorf("%s: process %d, want %d", from, pid, want)
		}
		return h.homeScan.last != before
	}
	if !ask("10.0.0.1:4000", 10) || len(h.tables) != 1 {
		t.Errorf("%d tables", len(h.tables))
	}
	f.sockets(10, "10.0.0.1:4001 10.0.0.9:9092 1 101")
	if ask("10.0.0.1:4001", 10) || ask("10.0.0.1:4002", 0) || ask("10.0.0.2:4000", 20) || len(h.tables) != 2 {
		t.Errorf("the addresses were read again, or %d tables", len(h.tables))
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "20")); err != nil {
		t.Fatal(err)
	}
	f.process(22, "2", "importer", "/", 201)
	f.sockets(22, "10.0.0.2:4001 10.0.0.9:9092 1 201")
	if !ask("10.0.0.2:4001", 22) {
		t.Error("the process is gone, and the addresses were not read again")
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "22")); err != nil {
		t.Fatal(err)
	}
	if !ask("10.0.0.2:4002", 0) || len(h.tables) != 1 {
		t.Errorf("the namespace is gone: %d tables", len(h.tables))
	}
}

// TestANewNamespaceIsRead: its address is unknown, also if the other end is known.
func TestANewNamespaceIsRead(t *testing.T) {
	f := newFakeProc(t)
	f.process(10, "1", "broker", "/", 100)
	f.sockets(10, "10.0.0.9:9092 10.0.0.1:4000 1 100")
	h := f.open()
	ask := func(from string) (pids []int) {
		for _, found := range h.find(question{0, [2]netip.AddrPort{netip.MustParseAddrPort(from), netip.MustParseAddrPort("10.0.0.9:9092")}}) {
			pids = append(pids, found.Process.PID)
		}
		return pids
	}
	if got := ask("10.0.0.1:4000"); !slices.Equal(got, []int{10}) {
		t.Errorf("the broker alone: %v", got)
	}
	f.process(10, "1", "broker", "/", 100, 101)
	f.sockets(10, "10.0.0.9:9092 10.0.0.1:4000 1 100", "10.0.0.9:9092 10.0.0.2:4000 1 101", "10.0.0.9:9092 10.0.0.2:4001 1 102")
	f.process(20, "2", "loader", "/", 200, 201)
	f.sockets(20, "10.0.0.2:4000 10.0.0.9:9092 1 200", "10.0.0.2:4001 10.0.0.9:9092 1 201")
	h.homeScan.last = h.homeScan.last.Add(-homeAge)
	if got := ask("10.0.0.2:4000"); !slices.Equal(got, []int{20, 10}) {
		t.Errorf("a new namespace: %v", got)
	}
	delete(h.tables, "net:[2]")
	if got := ask("10.0.0.2:4001"); !slices.Contains(got, 20) {
		t.Errorf("the table of one end was not read: %v", got)
	}
}

// TestWaitingTakesNoProcessorTime: a scan takes long on a busy host, but the next one need not
// wait for that.
func TestWaitingTakesNoProcessorTime(t *testing.T) {
	var s scan
	s.begin(nil)
	time.Sleep(100 * time.Millisecond)
	s.over()
	if s.took > 50*time.Millisecond {
		t.Errorf("a pause took %v", s.took)
	}
	s.begin(func(time.Duration) {})
	for n := 0; s.took < 20*time.Millisecond; n++ {
		if s.over(); n > 1e9 {
			t.Fatal("work takes no time")
		}
	}
}
