package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

// lookupMemory is the heap limit of the garbage collector: 100,000 sockets are about 40 MiB.
const lookupMemory = 96 << 20

// nobody is the user that looks up processes if root started the program: it may write nothing.
// The number is the kernel's for users without a name (/proc/sys/kernel/overflowuid).
const nobody = 65534

// startLookup starts this program again as a process that looks up processes. It ends when the
// returned writer is closed.
func startLookup(isConfined bool) (to io.WriteCloser, from io.Reader, err error) {
	if os.Geteuid() == 0 {
		to, from, err = startLookupAs(isConfined, &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
			AmbientCaps: []uintptr{unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH},
		})
		if err == nil {
			return to, from, nil
		}
	}
	return startLookupAs(isConfined, &syscall.SysProcAttr{})
}

func startLookupAs(isConfined bool, as *syscall.SysProcAttr) (to io.WriteCloser, from io.Reader, err error) {
	cmd := exec.Command("/proc/self/exe", lookupArgument)
	if !isConfined {
		cmd.Args = append(cmd.Args, "--no-sandbox")
	}
	as.Setpgid = true // signals of the terminal are only for the capture
	cmd.SysProcAttr, cmd.Dir, cmd.Env = as, "/", []string{}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	return in, out, nil
}

// lookUp is the main function of the process that startLookup starts.
func lookUp(args []string) int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	debug.SetMemoryLimit(lookupMemory)
	h, err := newHostProcesses("/proc", "/etc/passwd")
	if err != nil {
		return exitTrouble
	}
	var lacks error
	if !hasCapabilities(lookupRights) {
		lacks = errors.New("without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, only those of this user are named")
	}
	if len(args) == 0 {
		lacks = errors.Join(lacks, confineLookup())
	}
	if lacks != nil {
		_ = json.NewEncoder(os.Stdout).Encode(processAnswer{Note: lacks.Error()}) // if this fails, the answers fail too
	}
	if answerQuestions(os.Stdin, os.Stdout, h.find) != nil {
		return exitTrouble
	}
	return exitClean
}

// lookupRights are the capabilities to see other users' open files, and the files of containers.
const lookupRights = 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH

// confineLookup gives up all rights except to read files and to see the open files of others. The
// system call filter forbids reading the memory of others. Landlock would also forbid seeing their
// files, so it is not used.
func confineLookup() error {
	emptyBoundingSet()
	var err error
	if failed := dropCapabilities(lookupRights); failed != nil {
		err = fmt.Errorf("capabilities: %w", failed)
	}
	if _, failed := (sandbox{}).filterCalls(nil); failed != nil {
		err = errors.Join(err, fmt.Errorf("seccomp: %w", failed))
	}
	return err
}

func hasCapabilities(set uint32) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&set == set
}
