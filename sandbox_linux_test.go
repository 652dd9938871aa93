package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestFilter runs the program for the kernel on every system call of this machine.
func TestFilter(t *testing.T) {
	machine, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	const child, socket, disguise = 77, 7, 1 << 32
	own := uint64(os.Getpid())
	for _, s := range []sandbox{{mode: 0o640}, {mode: 0o640, child: child}} {
		hasChild := s.child != 0
		var filters []*bpf.VM
		for _, policy := range s.policies(machine.SyscallNames, []int{socket}) {
			program, err := policy.Assemble()
			if err != nil {
				t.Fatal(err)
			}
			vm, err := bpf.NewVM(program)
			if err != nil {
				t.Fatal(err)
			}
			filters = append(filters, vm)
		}
		decide := func(name string, args ...uint64) seccomp.Action {
			// struct seccomp_data: number, machine, instruction pointer, arguments; the lower half
			// of an argument is first.
			data := make([]byte, 64)
			binary.BigEndian.PutUint32(data, uint32(machine.SyscallNames[name]))
			binary.BigEndian.PutUint32(data[4:], uint32(machine.ID))
			for i, a := range args {
				binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
				binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
			}
			strictest := seccomp.ActionAllow // the highest number
			for _, vm := range filters {
				action, err := vm.Run(data)
				if err != nil {
					t.Fatal(err)
				}
				strictest = min(strictest, seccomp.Action(uint32(action)))
			}
			return strictest
		}
		denied := seccomp.ActionErrno | seccomp.Action(unix.EPERM)
		for name := range machine.SyscallNames {
			want := denied
			switch {
			case slices.Contains(calls, name), hasChild && slices.Contains(childCalls, name):
				want = seccomp.ActionAllow
			case slices.Contains([]string{"mmap", "mprotect", "open", "openat"}, name):
				want = seccomp.ActionAllow // without flags
			case name == "clone3", name == "openat2":
				want = seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)
			}
			if got := decide(name); got != want {
				t.Errorf("with a child %v: %s: %08x, want %08x", hasChild, name, uint32(got), uint32(want))
			}
		}
		for _, c := range []struct {
			name string
			args []uint64
			is   bool
		}{
			{"mmap", []uint64{0, 0, unix.PROT_READ | unix.PROT_WRITE}, true},
			{"mmap", []uint64{0, 0, unix.PROT_READ | unix.PROT_EXEC}, false},
			{"mprotect", []uint64{0, 0, unix.PROT_EXEC}, false},
			{"clone", []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, true},
			{"clone", []uint64{unix.CLONE_THREAD | unix.CLONE_NEWUSER}, false},
			{"clone", []uint64{uint64(unix.SIGCHLD)}, false}, // fork
			{"tgkill", []uint64{own, 1}, true},
			{"tgkill", []uint64{1, 1}, false},
			{"tgkill", []uint64{disguise | own, own}, false},
			{"kill", []uint64{child, 9}, hasChild},
			{"kill", []uint64{own, 9}, false},
			{"kill", []uint64{^uint64(child - 1), 9}, false}, // a process group
			{"openat", []uint64{0, 0, unix.O_CREAT | unix.O_EXCL | unix.O_RDWR, 0o777}, true},
			{"openat", []uint64{0, 0, unix.O_CREAT | unix.O_EXCL | unix.O_RDWR, 0o4755}, false},
			{"openat", []uint64{0, 0, unix.O_TRUNC, 0}, false},
			{"open", []uint64{0, unix.O_CREAT, 0o2755}, false},
			{"open", []uint64{0, unix.O_TRUNC, 0}, false},
			{"fchmod", []uint64{9, 0o640}, true},
			{"fchmod", []uint64{9, 0o644}, false},
			{"fchmod", []uint64{9, 0o4640}, false},
			{"fchmod", []uint64{9, 0x10000 | 0o4640}, false},
			{"fcntl", []uint64{9, unix.F_GETFL}, true},
			{"fcntl", []uint64{9, unix.F_SETFD}, true},
			{"fcntl", []uint64{socket, unix.F_DUPFD_CLOEXEC}, false},
			{"fcntl", []uint64{9, unix.F_SETOWN}, false},
			{"write", []uint64{1}, true},
			{"write", []uint64{socket}, false},
			{"write", []uint64{disguise | socket}, false},
			{"writev", []uint64{socket}, false},
			{"pwrite64", []uint64{socket}, false},
			{"sendto", []uint64{socket}, false},
			{"sendto", []uint64{9}, hasChild},
			{"ioctl", []uint64{1, unix.TIOCGWINSZ}, true},
			{"ioctl", []uint64{1, unix.TIOCSTI}, false},
			{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, hasChild},
			{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, false},
			{"socket", []uint64{unix.AF_INET}, false},
			{"socket", []uint64{unix.AF_PACKET}, false},
		} {
			if got := decide(c.name, c.args...); (got == seccomp.ActionAllow) != c.is {
				t.Errorf("with a child %v: %s%v: %08x", hasChild, c.name, c.args, uint32(got))
			}
		}
	}
}

// TestDirectories: a right to a directory follows links, and covers a future directory.
func TestDirectories(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, err := range []error{os.MkdirAll("real/keys", 0o700), os.WriteFile("real/keys/k.log", nil, 0o600), os.Symlink("real/keys/k.log", "link.log")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		files     []string
		isAwaited bool
		want      []string
	}{
		{[]string{"", "-"}, false, nil},
		{[]string{"a", "b", "real/c"}, false, []string{dir, filepath.Join(dir, "real")}},
		{[]string{"link.log"}, false, []string{filepath.Join(dir, "real/keys")}},
		{[]string{"real/later/k.log"}, false, nil},
		{[]string{"real/later/much/k.log"}, true, []string{filepath.Join(dir, "real")}},
	} {
		if got := directories(test.files, test.isAwaited); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.files, got, test.want)
		}
	}
}
