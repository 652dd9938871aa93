package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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
	if s.isLive {
		emptyBoundingSet()
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
	hasFilter, failed := s.filterCalls()
	add("seccomp", hasFilter, failed)
	return strings.Join(parts, ", "), err
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
	if s.hasChild {
		config.Scoped = 0
	}
	return config.BestEffort().Restrict(rules...)
}

// capabilities keeps only two capabilities. With CAP_DAC_OVERRIDE, root writes outputs into the
// directories of other users and reads their key logs. CAP_KILL is for the command that runs.
func (s sandbox) capabilities() error {
	keep := uint32(1) << unix.CAP_DAC_OVERRIDE
	if s.hasChild {
		keep |= 1 << unix.CAP_KILL
	}
	return dropCapabilities(keep)
}

// dropCapabilities gives up all capabilities except keep.
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
// not have are removed.
var calls = strings.Fields(`
	read readv pread64 preadv write writev pwrite64 pwritev lseek close dup dup3 fcntl
	open openat openat2 stat fstat lstat newfstatat statx statfs fstatfs readlink readlinkat getdents64 getcwd access faccessat faccessat2
	ftruncate fsync fdatasync fchmod fchmodat unlink unlinkat rename renameat renameat2 sendfile splice copy_file_range
	munmap mremap madvise mincore brk membarrier
	futex sched_yield sched_getaffinity nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time restart_syscall
	timer_create timer_settime timer_delete setitimer
	rt_sigaction rt_sigprocmask rt_sigreturn sigreturn sigaltstack tgkill getpid gettid getppid getuid geteuid getgid getegid getrandom uname sysinfo getrlimit
	exit exit_group set_robust_list rseq set_tid_address
	epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2 pipe2 poll ppoll select pselect6
	accept accept4 getsockname getpeername getsockopt setsockopt recvfrom recvmsg shutdown bind
	mmap2 fstat64 stat64 fstatat64 lstat64 fcntl64 ftruncate64 _llseek sendfile64 clock_gettime64 futex_time64 ppoll_time64
	clock_nanosleep_time64 ugetrlimit`)

// childCalls are the additional system calls if a command runs: signals to it, and waiting for it.
var childCalls = []string{"kill", "pidfd_open", "pidfd_send_signal", "wait4", "waitid", "sendto"}

// partCalls are the system calls that are refused for some arguments: executable memory,
// namespaces, and ioctl except for questions about terminals and interfaces.
var partCalls = []seccomp.NameWithConditions{
	{Name: "mmap", Conditions: seccomp.ArgumentConditions{{Argument: 2, Operation: seccomp.BitsSet, Value: unix.PROT_EXEC}}},
	{Name: "mprotect", Conditions: seccomp.ArgumentConditions{{Argument: 2, Operation: seccomp.BitsSet, Value: unix.PROT_EXEC}}},
	{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_NEWNS |
		unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET}}},
	{Name: "ioctl", Conditions: unless(1, unix.TCGETS, unix.TIOCGWINSZ, unix.SIOCGIFINDEX, unix.SIOCGIFHWADDR, unix.SIOCGIFFLAGS)},
}

// socketCall is an additional one if a command runs: the names of interfaces need it.
var socketCall = seccomp.NameWithConditions{Name: "socket", Conditions: unless(0, unix.AF_NETLINK)}

// unless is true if an argument has none of the values.
func unless(argument uint32, values ...uint64) (all seccomp.ArgumentConditions) {
	for _, v := range values {
		all = append(all, seccomp.Condition{Argument: argument, Operation: seccomp.NotEqual, Value: v})
	}
	return all
}

// filterCalls makes the kernel refuse, with EPERM, all system calls that are not in the lists.
// isThere is false if the kernel or the library has no filters for this machine.
func (s sandbox) filterCalls() (isThere bool, err error) {
	machine, err := arch.GetInfo("")
	if err != nil || !seccomp.Supported() {
		return false, nil
	}
	runtime.LockOSThread() // the filter needs no_new_privs in the thread that loads it
	defer runtime.UnlockOSThread()
	for _, policy := range s.policies(machine.SyscallNames) {
		if err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy}); err != nil {
			return true, err
		}
	}
	return true, nil
}

// policies returns the filters for a machine with the system calls known. A call passes if both
// filters allow it. The programs of the library have two errors. In long groups they jump to wrong
// places. After a condition that is false, they compare the argument with the number of the next
// call. So groups are short, and the filter with conditions only refuses: memory rights and thread
// flags never equal the number of a call that follows.
func (s sandbox) policies(known map[string]int) []seccomp.Policy {
	names, parts := calls, partCalls
	if s.hasChild {
		names, parts = slices.Concat(names, childCalls), append(parts[:len(parts):len(parts)], socketCall)
	}
	for _, c := range parts {
		names = append(names[:len(names):len(names)], c.Name)
	}
	partly := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{
		{Action: seccomp.ActionErrno | seccomp.Action(unix.EPERM), NamesWithCondtions: parts},
	}}
	// With ENOSYS a C library uses clone instead, whose flags the filter can check.
	whole := seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{
		{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
	}}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := known[name]; return !ok })
	const longest = 100
	for group := range slices.Chunk(names, longest) {
		whole.Syscalls = append(whole.Syscalls, seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: group})
	}
	return []seccomp.Policy{partly, whole} // the last one also refuses further filters
}
