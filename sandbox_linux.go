package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// confine gives up all rights except those of a sandbox. applied lists the mechanisms of the
// kernel. err says which of them failed.
func confine(s sandbox) (applied string, err error) {
	var packets []int
	if s.isLive {
		emptyBoundingSet()
		packets, err = packetSockets()
	}
	var parts []string
	add := func(name string, isThere bool, failed error) {
		switch {
		case failed != nil:
			err = errors.Join(err, fmt.Errorf("sandbox: %s: %w", name, failed))
		case isThere:
			parts = append(parts, name)
		default:
			parts = append(parts, "no "+name+" in this kernel")
		}
	}
	abi, _ := landlocksys.LandlockGetABIVersion() // 0 without Landlock
	add(fmt.Sprintf("Landlock (version %d)", abi), abi > 0, s.restrictFiles())
	add("capabilities", true, s.capabilities())
	hasFilter, failed := s.filterCalls(packets)
	add("seccomp", hasFilter, failed)
	return strings.Join(parts, ", "), err
}

// packetSockets returns the descriptors of this process that can send packets.
func packetSockets() (found []int, err error) {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, fmt.Errorf("sandbox: find packet sockets: %w", err)
	}
	for _, f := range open {
		n, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		if domain, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && domain == unix.AF_PACKET {
			found = append(found, n)
		}
	}
	return found, nil
}

// emptyBoundingSet gives up the rights that the process could get by running another program. It
// needs CAP_SETPCAP. Without that, no_new_privs has the same effect.
func emptyBoundingSet() {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if landlocksys.AllThreadsPrctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) != nil {
			return
		}
	}
}

// The rights in directories. Outputs that are open need no right to write files by name.
const (
	mayRead   = landlocksys.AccessFSReadFile
	mayAppear = landlocksys.AccessFSMakeReg | landlocksys.AccessFSRemoveFile
	mayCreate = mayAppear | landlocksys.AccessFSReadDir | landlocksys.AccessFSReadFile | landlocksys.AccessFSWriteFile | landlocksys.AccessFSTruncate
)

// restrictFiles forbids, by Landlock, all files except those of the sandbox, TCP connections and,
// without a command, signals to other processes. It sets no_new_privs.
func (s sandbox) restrictFiles() error {
	var rules []landlock.Rule
	allow := func(access landlock.AccessFSSet, paths ...string) {
		if len(paths) > 0 {
			rules = append(rules, landlock.PathAccess(access, paths...).IgnoreIfMissing())
		}
	}
	for _, name := range s.reads {
		// A name without a file is an open pipe (/dev/fd/63), which needs no right, or is missing.
		target, err := filepath.EvalSymlinks(name)
		st, failed := os.Stat(target)
		switch {
		case err != nil || failed != nil:
		case st.IsDir():
			allow(landlocksys.AccessFSReadDir, target) // enough to report that it is a directory
		default:
			allow(mayRead, target)
		}
	}
	allow(mayRead, directories(s.waits, true)...)
	allow(mayAppear, directories(s.appears, false)...)
	allow(mayCreate, directories(s.creates, false)...)
	config := landlock.V7
	if s.child != 0 {
		config.Scoped = 0
	}
	return config.BestEffort().Restrict(rules...)
}

// capabilities keeps only two capabilities. With CAP_DAC_OVERRIDE, root writes outputs into the
// directories of other users and reads their key logs. CAP_KILL is for the command that runs.
func (s sandbox) capabilities() error {
	keep := uint32(1) << unix.CAP_DAC_OVERRIDE
	if s.child != 0 {
		keep |= 1 << unix.CAP_KILL
	}
	return dropCapabilities(keep)
}

func dropCapabilities(keep uint32) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	if data[0].Permitted&^keep|data[0].Inheritable|data[1].Permitted|data[1].Inheritable == 0 {
		return nil // most users have none
	}
	data[0].Permitted &= keep
	data[0].Effective = data[0].Permitted
	data[0].Inheritable = 0
	data[1] = unix.CapUserData{}
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&header)
	runtime.KeepAlive(&data)
	if errno != 0 {
		return errno
	}
	return nil
}

// calls are the system calls of the Go runtime and of the work after the start: reading, writing,
// renaming files, waiting, and answering on a listening socket. Calls that an architecture does
// not have are removed. Landlock does not govern permissions, owners and times of files, so no call
// changes them by name. No call duplicates a descriptor, because filters know the numbers.
var calls = strings.Fields(`
	read readv pread64 write writev pwrite64 lseek close
	stat fstat lstat newfstatat statx statfs fstatfs readlink readlinkat getdents64 getcwd access faccessat faccessat2
	ftruncate fsync fdatasync unlink unlinkat rename renameat renameat2
	munmap mremap madvise mincore brk membarrier
	futex sched_yield sched_getaffinity nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time restart_syscall
	timer_create timer_settime timer_delete setitimer
	rt_sigaction rt_sigprocmask rt_sigreturn sigreturn sigaltstack getpid gettid getppid getuid geteuid getgid getegid getrandom uname sysinfo getrlimit
	exit exit_group set_robust_list rseq set_tid_address
	epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2 pipe2 poll ppoll select pselect6
	accept accept4 getsockname getpeername getsockopt setsockopt recvfrom recvmsg shutdown bind
	mmap2 fstat64 stat64 fstatat64 lstat64 ftruncate64 _llseek clock_gettime64 futex_time64 ppoll_time64
	clock_nanosleep_time64 ugetrlimit`)

// childCalls are the additional system calls if a command runs: waiting for it, signals to it by a
// descriptor, and questions about interfaces.
var childCalls = []string{"pidfd_send_signal", "wait4", "waitid", "sendto"}

// refusal is a system call that is refused for some arguments.
type refusal struct {
	names []string
	// cases are alternatives. All conditions of one must be true.
	cases []seccomp.ArgumentConditions
}

// refusals returns the system calls that are refused for some arguments. packets are the
// descriptors of packet sockets.
func (s sandbox) refusals(packets []int) []refusal {
	const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	const special = unix.S_ISUID | unix.S_ISGID | unix.S_ISVTX
	refused := []refusal{
		// executable memory
		{[]string{"mmap"}, either(bits(2, unix.PROT_EXEC))},
		{[]string{"mprotect"}, either(bits(2, unix.PROT_EXEC))},
		// processes, which would outlive this one, and namespaces
		{[]string{"clone"}, either(seccomp.Condition{Argument: 0, Operation: seccomp.BitsNotSet, Value: unix.CLONE_THREAD}, bits(0, namespaces))},
		{[]string{"tgkill"}, unless(0, uint64(os.Getpid()))},
		// programs with the rights of root, and inputs that are emptied (Landlock before Linux 6.2)
		{[]string{"open"}, either(bits(1, unix.O_TRUNC), bits(2, special))},
		{[]string{"openat"}, either(bits(2, unix.O_TRUNC), bits(3, special))},
		{[]string{"fchmod"}, unless(1, uint64(s.mode))},
		// copies of descriptors, and signals about them to other processes
		{[]string{"fcntl", "fcntl64"}, unless(1, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL)},
		// all but questions about terminals and interfaces
		{[]string{"ioctl"}, unless(1, unix.TCGETS, unix.TIOCGWINSZ, unix.SIOCGIFINDEX, unix.SIOCGIFHWADDR, unix.SIOCGIFFLAGS)},
	}
	senders := []string{"write", "writev", "pwrite64"}
	if s.child != 0 {
		senders = append(senders, "sendto")
		refused = append(refused,
			refusal{[]string{"kill"}, unless(0, uint64(s.child))},
			refusal{[]string{"socket"}, slices.Concat(unless(0, unix.AF_NETLINK), unless(2, unix.NETLINK_ROUTE))})
	}
	if len(packets) > 0 {
		// The kernel reads only the lower half of a descriptor.
		cases := either(seccomp.Condition{Argument: 0, Operation: seccomp.GreaterThan, Value: math.MaxUint32})
		for _, fd := range packets {
			cases = append(cases, either(seccomp.Condition{Argument: 0, Operation: seccomp.Equal, Value: uint64(fd)})...)
		}
		refused = append(refused, refusal{senders, cases})
	}
	return refused
}

// either returns conditions of which one is enough.
func either(conditions ...seccomp.Condition) (cases []seccomp.ArgumentConditions) {
	for _, c := range conditions {
		cases = append(cases, seccomp.ArgumentConditions{c})
	}
	return cases
}

// bits is true if an argument has one of the bits.
func bits(argument uint32, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.BitsSet, Value: value}
}

// unless is true if an argument has none of the values.
func unless(argument uint32, values ...uint64) []seccomp.ArgumentConditions {
	var all seccomp.ArgumentConditions
	for _, v := range values {
		all = append(all, seccomp.Condition{Argument: argument, Operation: seccomp.NotEqual, Value: v})
	}
	return []seccomp.ArgumentConditions{all}
}

// filterCalls makes the kernel refuse, with EPERM, all system calls that are not in the lists, and
// sending from the descriptors packets. isThere is false if the kernel or the library has no
// filters for this machine.
func (s sandbox) filterCalls(packets []int) (isThere bool, err error) {
	machine, err := arch.GetInfo("")
	if err != nil || !seccomp.Supported() {
		return false, nil
	}
	runtime.LockOSThread() // the filter needs no_new_privs in the thread that loads it
	defer runtime.UnlockOSThread()
	for _, policy := range s.policies(machine.SyscallNames, packets) {
		if err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy}); err != nil {
			return true, err
		}
	}
	return true, nil
}

// policies returns the filters for a machine with the system calls known. A call passes if all
// filters allow it. The programs of the library have two errors. In long groups they jump to wrong
// places. After a condition that is false, they compare the argument with the number of the next
// call. So groups are short, and each call with conditions has a filter of its own.
func (s sandbox) policies(known map[string]int, packets []int) (policies []seccomp.Policy) {
	isUnknown := func(name string) bool { _, ok := known[name]; return !ok }
	names := slices.Clone(calls)
	if s.child != 0 {
		names = append(names, childCalls...)
	}
	for _, r := range s.refusals(packets) {
		for _, name := range slices.DeleteFunc(r.names, isUnknown) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			group := seccomp.SyscallGroup{Action: seccomp.ActionErrno | seccomp.Action(unix.EPERM)}
			for _, c := range r.cases {
				group.NamesWithCondtions = append(group.NamesWithCondtions, seccomp.NameWithConditions{Name: name, Conditions: c})
			}
			policies = append(policies, seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{group}})
		}
	}
	// With ENOSYS, callers use clone and openat instead, whose arguments the filter can check.
	whole := seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{
		{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3", "openat2"}},
	}}
	const longest = 100
	for group := range slices.Chunk(slices.DeleteFunc(names, isUnknown), longest) {
		whole.Syscalls = append(whole.Syscalls, seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: group})
	}
	return append(policies, whole) // it also refuses further filters
}
