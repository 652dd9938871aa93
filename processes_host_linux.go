package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/kafkavet/kafkavet/report/model"
)

const (
	// scanInterval and scanShare limit how often /proc is read: at least 50 ms apart, and for at
	// most a tenth of a processor.
	scanInterval = 50 * time.Millisecond
	scanShare    = 10
	// homeAge is the age of the addresses of namespaces from which they are read again for an
	// unknown address: that of another host, or of a namespace that is new.
	homeAge = time.Second
	// maxRoutes bounds the bytes read for the addresses of a namespace, which its routes contain.
	maxRoutes = 1 << 20
	// maxHostName bounds the bytes read for the name of a pod and of its namespace.
	maxHostName = 256
	// shownContainer is how many digits of a container's id are shown, as docker ps does.
	shownContainer = 12
	// stateListen is TCP_LISTEN of include/net/tcp_states.h.
	stateListen = 10
)

// hostProcesses finds the processes of TCP sockets, in all network namespaces with visible
// processes. It belongs to one goroutine.
type hostProcesses struct {
	// proc is the mount point of the proc file system.
	proc string
	fs   procfs.FS
	// own is the network namespace of this process.
	own   string
	users map[string]string
	pause func(time.Duration)

	// homes are the namespaces by address. tables are the sockets by namespace. holders are the
	// processes that hold them, by inode.
	homes   map[netip.Addr][]home
	tables  map[string]*socketTable
	holders map[uint64]holder
	// The scans limit how often they are read.
	homeScan, tableScan, holderScan scan
}

// home is a network namespace with the directory in /proc of a process in it.
type home struct{ name, dir string }

// socketTable are the TCP sockets of a network namespace.
type socketTable struct {
	// inodes are the inodes of connections, 0 while no process has accepted one. locals are the
	// inodes by local end.
	inodes map[[2]netip.AddrPort]uint64
	locals map[netip.AddrPort][]uint64
	// listeners are the inodes by listening address. An unspecified address has the zero
	// netip.Addr and the port.
	listeners map[netip.AddrPort]uint64
}

// holder is a process with an open socket, and the number of its file descriptor.
type holder struct{ pid, file int }

// scan is the time of the latest read, and the processor time that it took. On a busy host the read
// itself takes longer.
type scan struct {
	last        time.Time
	began, took time.Duration
}

func (s *scan) begin(pause func(time.Duration)) {
	if wait := max(scanInterval, scanShare*s.took) - time.Since(s.last); wait > 0 && !s.last.IsZero() {
		pause(wait)
	}
	s.began = processorTime()
}

// isDue reports whether the latest read is older than age, and the next one need not wait.
func (s *scan) isDue(age time.Duration) bool { return time.Since(s.last) > max(age, scanShare*s.took) }

func (s *scan) over() { s.last, s.took = time.Now(), processorTime()-s.began }

func processorTime() time.Duration {
	var used unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used) // it fails for wrong arguments alone
	return time.Duration(used.Nano())
}

// newHostProcesses reads the names of users from passwd, a file in the format of /etc/passwd.
func newHostProcesses(proc, passwd string) (*hostProcesses, error) {
	fs, err := procfs.NewFS(proc)
	if err != nil {
		return nil, fmt.Errorf("look up processes: %w", err)
	}
	h := &hostProcesses{proc: proc, fs: fs, users: map[string]string{}, pause: time.Sleep, tables: map[string]*socketTable{}}
	h.own, _ = os.Readlink(filepath.Join(proc, "self/ns/net")) // empty matches no namespace
	text, _ := os.ReadFile(passwd)                             // without it, users are numbers
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(line, ":"); len(fields) > 2 {
			h.users[fields[2]] = fields[0]
		}
	}
	return h, nil
}

func (h *hostProcesses) find(q question) (found []processAnswer) {
	isUnknown := func(end netip.AddrPort) bool { return len(h.homesOf(end.Addr())) == 0 }
	if slices.ContainsFunc(q.Ends[:], isUnknown) && h.homeScan.isDue(homeAge) || !h.knows(q.Ends) && !h.readTables(q.Ends) {
		h.readHomes()
		h.readTables(q.Ends)
	}
	for i, end := range q.Ends {
		if p, ok := h.at(end, q.Ends[1-i]); ok {
			found = append(found, processAnswer{Stream: q.Stream, End: end, Process: p})
		}
	}
	return found
}

// knows reports whether the tables contain both ends of a connection, or the only end on this host.
func (h *hostProcesses) knows(ends [2]netip.AddrPort) (isHere bool) {
	for i, end := range ends {
		homes := h.homesOf(end.Addr())
		if len(homes) == 0 {
			continue
		}
		isHere = true
		if !slices.ContainsFunc(homes, func(at home) bool {
			t := h.tables[at.name]
			if t == nil {
				return false
			}
			_, has := t.inodes[[2]netip.AddrPort{end, ends[1-i]}]
			return has
		}) {
			return false
		}
	}
	return isHere
}

// at finds the process at the local end of a connection.
func (h *hostProcesses) at(local, remote netip.AddrPort) (model.Process, bool) {
	for name, t := range h.tables {
		if local.Addr().IsLoopback() && name != h.own {
			continue // each namespace has its own loopback
		}
		inode := t.socket(local, remote)
		if inode == 0 {
			continue
		}
		holder, ok := h.holder(inode)
		if !ok {
			return model.Process{}, false
		}
		return h.describe(holder.pid, name), true
	}
	return model.Process{}, false
}

// socket finds the socket at the local end of a connection. If the connection is not in the table,
// the only socket at that end counts, because address translation can have changed the other end.
// If no process has accepted the connection, the listening socket counts.
func (t *socketTable) socket(local, remote netip.AddrPort) uint64 {
	inode, isHere := t.inodes[[2]netip.AddrPort{local, remote}]
	if inode > 0 {
		return inode
	}
	if at := t.locals[local]; len(at) == 1 {
		return at[0]
	}
	if !isHere {
		return 0
	}
	if inode = t.listeners[local]; inode == 0 {
		inode = t.listeners[netip.AddrPortFrom(netip.Addr{}, local.Port())]
	}
	return inode
}

// readTables reads the sockets of the namespaces that have one of the ends, and reports whether
// there are any. For each table the kernel walks over the sockets of all namespaces, which takes
// milliseconds.
func (h *hostProcesses) readTables(ends [2]netip.AddrPort) (areThere bool) {
	for _, at := range slices.Concat(h.homesOf(ends[0].Addr()), h.homesOf(ends[1].Addr())) {
		h.tableScan.begin(h.pause)
		t, err := readTable(at.dir)
		h.tableScan.over()
		if name, _ := os.Readlink(filepath.Join(at.dir, "ns/net")); name != at.name || err != nil {
			return false // the process has ended; the namespace may have another one
		}
		h.tables[at.name] = t
		areThere = true
	}
	return areThere
}

// homesOf returns the namespaces that have an address. For a loopback address it is the namespace
// of this process.
func (h *hostProcesses) homesOf(a netip.Addr) (all []home) {
	switch {
	case !a.IsLoopback():
		return h.homes[a]
	case a.Is4():
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1}) // it stands for 127.0.0.0/8
	}
	for _, at := range h.homes[a] {
		if at.name == h.own {
			all = append(all, at)
		}
	}
	return all
}

func (h *hostProcesses) readHomes() {
	h.homeScan.begin(h.pause)
	defer h.homeScan.over()
	h.homes = map[netip.Addr][]home{}
	tables := map[string]*socketTable{}
	all, _ := h.fs.AllProcs() // the readable ones
	for _, p := range all {
		dir := filepath.Join(h.proc, strconv.Itoa(p.PID))
		name, err := os.Readlink(filepath.Join(dir, "ns/net"))
		if _, isKnown := tables[name]; err != nil || isKnown {
			continue
		}
		addresses := readAddresses(dir)
		if len(addresses) == 0 {
			continue // the process has ended: another one of the namespace follows
		}
		for a := range addresses {
			h.homes[a] = append(h.homes[a], home{name, dir})
		}
		tables[name] = h.tables[name]
	}
	maps.DeleteFunc(h.tables, func(name string, _ *socketTable) bool { return tables[name] == nil })
}

// readAddresses reads the addresses of the namespace of a process. IPv4 addresses are those of its
// local routes.
func readAddresses(dir string) map[netip.Addr]bool {
	all, leaf := map[netip.Addr]bool{}, ""
	for line := range strings.Lines(readUpTo(filepath.Join(dir, "net/fib_trie"), maxRoutes)) {
		line = strings.TrimSpace(line)
		if text, isLeaf := strings.CutPrefix(line, "|-- "); isLeaf {
			leaf = text
		} else if a, err := netip.ParseAddr(leaf); err == nil && line == "/32 host LOCAL" {
			all[a] = true
		}
	}
	for line := range strings.Lines(readUpTo(filepath.Join(dir, "net/if_inet6"), maxRoutes)) {
		digits, _, _ := strings.Cut(line, " ")
		if bytes, err := hex.DecodeString(digits); err == nil && len(bytes) == net.IPv6len {
			all[netip.AddrFrom16([net.IPv6len]byte(bytes))] = true
		}
	}
	return all
}

// readUpTo reads at most limit bytes of a file. Without the file it returns nothing.
func readUpTo(name string, limit int64) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, limit))
	return string(text)
}

// readTable reads the sockets of the namespace of a process. dir is its directory in /proc.
func readTable(dir string) (*socketTable, error) {
	fs, err := procfs.NewFS(dir)
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 netlink answers for its own network namespace alone
	four, err := fs.NetTCP()
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 as above
	six, _ := fs.NetTCP6() // there may be no IPv6
	t := &socketTable{inodes: map[[2]netip.AddrPort]uint64{}, locals: map[netip.AddrPort][]uint64{}, listeners: map[netip.AddrPort]uint64{}}
	for _, l := range append(four, six...) {
		local, remote := socketEnd(l.LocalAddr, l.LocalPort), socketEnd(l.RemAddr, l.RemPort)
		switch {
		case l.St == stateListen && l.LocalAddr.IsUnspecified():
			t.listeners[netip.AddrPortFrom(netip.Addr{}, local.Port())] = l.Inode
		case l.St == stateListen:
			t.listeners[local] = l.Inode
		default:
			t.inodes[[2]netip.AddrPort{local, remote}] = l.Inode
			if l.Inode > 0 {
				t.locals[local] = append(t.locals[local], l.Inode)
			}
		}
	}
	return t, nil
}

func socketEnd(ip net.IP, port uint64) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}

func (h *hostProcesses) holder(inode uint64) (holder, bool) {
	if at, ok := h.holders[inode]; ok {
		name, _ := os.Readlink(filepath.Join(h.proc, strconv.Itoa(at.pid), "fd", strconv.Itoa(at.file)))
		if name == socketName(inode) {
			return at, true
		}
	}
	h.readHolders()
	at, ok := h.holders[inode]
	return at, ok
}

func socketName(inode uint64) string { return fmt.Sprintf("socket:[%d]", inode) }

// readHolders reads which process holds which socket. If several do, the lowest process id counts:
// the others are mostly its children.
func (h *hostProcesses) readHolders() {
	h.holderScan.begin(h.pause)
	defer h.holderScan.over()
	h.holders = map[uint64]holder{}
	all, _ := h.fs.AllProcs() // the readable ones
	slices.SortFunc(all, func(a, b procfs.Proc) int { return a.PID - b.PID })
	for _, p := range all {
		files, _ := p.FileDescriptors() // reading those of other users needs rights
		for _, file := range files {
			name, _ := os.Readlink(filepath.Join(h.proc, strconv.Itoa(p.PID), "fd", strconv.Itoa(int(file))))
			digits, isSocket := strings.CutPrefix(name, "socket:[")
			if !isSocket {
				continue
			}
			inode, err := strconv.ParseUint(strings.TrimSuffix(digits, "]"), 10, 64)
			if _, known := h.holders[inode]; err == nil && !known {
				h.holders[inode] = holder{p.PID, int(file)}
			}
		}
	}
}

// containerID matches the name that runtimes give a container in cgroups.
var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// describe returns the known facts about a process in a network namespace. It reads neither
// arguments nor environment: they contain secrets.
func (h *hostProcesses) describe(pid int, namespace string) model.Process {
	out := model.Process{PID: pid}
	p, err := h.fs.Proc(pid)
	if err != nil {
		return out
	}
	out.Command, _ = p.Comm()
	if status, err := p.NewStatus(); err == nil {
		const effective = 1
		out.User = strconv.FormatUint(status.UIDs[effective], 10)
	}
	isPod := false
	cgroups, _ := p.Cgroups()
	for _, g := range cgroups {
		isPod = isPod || strings.Contains(g.Path, "kubepods")
		if all := containerID.FindAllString(g.Path, -1); len(all) > 0 {
			out.Container = all[len(all)-1][:shownContainer]
		}
	}
	if out.Container == "" {
		if name, ok := h.users[out.User]; ok { // a container has its own users
			out.User = name
		}
		return out
	}
	root := filepath.Join(h.proc, strconv.Itoa(pid), "root")
	const namespaceFile = "run/secrets/kubernetes.io/serviceaccount/namespace"
	out.Namespace = firstLine(root, namespaceFile, "var/"+namespaceFile) // mostly, /var/run is a link to /run
	if (isPod || out.Namespace != "") && namespace != h.own {            // in the network of the host, the file has the name of the host
		out.Pod = firstLine(root, "etc/hostname")
	}
	return out
}

// firstLine reads the first line of the first of these files of another root that there is. Links
// cannot lead out of that root. Otherwise the owner of a container could make this program read
// files of the host. The filter of the sandbox refuses unix.Openat2, which would also follow
// absolute links.
func firstLine(root string, names ...string) string {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return ""
	}
	defer dir.Close()
	for _, name := range names {
		f, err := dir.OpenFile(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != nil {
			continue
		}
		defer f.Close()
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			return ""
		}
		text, _ := io.ReadAll(io.LimitReader(f, maxHostName))
		line, _, _ := strings.Cut(string(text), "\n")
		return strings.TrimSpace(line)
	}
	return ""
}
