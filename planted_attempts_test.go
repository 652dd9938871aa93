//go:build planted

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"unsafe"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/kafkavet/kafkavet/capture"
)

// This file simulates a parser under the control of an attacker. On the first packets it tries
// what an attacker would try next, and prints the results. The build tag planted adds it, for a
// test of the sandbox.

func init() {
	for i, command := range commands {
		commands[i] = func(e environment) (c *cobra.Command, a action) {
			try := sync.OnceFunc(func() { intrude(e.err) })
			switch c, _ := command(e); c.Name() {
			case "run": // its command reads standard input
			case "merge": // it reads reports, and writes only after that
				e.out = plantedWriter{e.out, try}
			default:
				e.in = plantedReader{e.in, try}
			}
			open := e.open
			e.open = func(o capture.LiveOptions) (capture.Source, error) {
				l, err := open(o)
				return plantedCapture{l, try}, err
			}
			return command(e)
		}
	}
}

type plantedReader struct {
	io.Reader
	try func()
}

func (r plantedReader) Read(p []byte) (int, error) {
	r.try()
	return r.Reader.Read(p)
}

type plantedWriter struct {
	io.Writer
	try func()
}

func (w plantedWriter) Write(p []byte) (int, error) {
	w.try()
	return w.Writer.Write(p)
}

type plantedCapture struct {
	capture.Source
	try func()
}

func (c plantedCapture) Next(b *capture.Batch) error {
	c.try()
	return c.Source.Next(b)
}

// intrude makes all attempts at once, each on a goroutine of its own.
func intrude(to io.Writer) {
	var waiting sync.WaitGroup
	for name, attempt := range map[string]func() error{
		"read /etc/shadow": func() error { _, err := os.ReadFile("/etc/shadow"); return err },
		"write a file":     func() error { return os.WriteFile(os.Getenv("PLANTED_FILE"), nil, 0o600) },
		"connect": func() error {
			c, err := net.Dial("tcp", os.Getenv("PLANTED_ADDRESS"))
			if err == nil {
				err = c.Close()
			}
			return err
		},
		"send by UDP": func() error {
			c, err := net.Dial("udp", os.Getenv("PLANTED_ADDRESS"))
			if err == nil {
				err = c.Close()
			}
			return err
		},
		"run a program":              func() error { return exec.Command("/bin/true").Run() },
		"signal":                     func() error { return syscall.Kill(os.Getppid(), 0) },
		"signal a thread":            func() error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) },
		"signal by a file":           func() error { _, err := unix.FcntlInt(2, unix.F_SETOWN, os.Getppid()); return err },
		"make a program setuid":      func() error { return os.Chmod(os.Getenv("PLANTED_PROGRAM"), 0o755|os.ModeSetuid) },
		"make an open file setuid":   func() error { return unix.Fchmod(2, 0o4755) },
		"create a setuid file":       func() error { return openRaw("planted", unix.O_CREAT|unix.O_RDONLY, 0o4755) },
		"empty a file":               func() error { return openRaw(os.Getenv("PLANTED_PROGRAM"), unix.O_TRUNC|unix.O_RDONLY, 0) },
		"fork":                       fork,
		"send from a packet socket":  func() error { return sendPackets(func(fd uintptr) uintptr { return fd }) },
		"send by a disguised number": func() error { return sendPackets(func(fd uintptr) uintptr { return 1<<32 | fd }) },
		"send by a copy": func() error {
			return sendPackets(func(fd uintptr) uintptr {
				c, _ := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
				return uintptr(c)
			})
		},
		"executable memory": func() error {
			_, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE|syscall.MAP_ANON)
			return err
		},
		"namespace": func() error { return syscall.Unshare(syscall.CLONE_NEWUTS) },
	} {
		waiting.Go(func() {
			what := "succeeded"
			if err := attempt(); err != nil {
				what = "failed: " + err.Error()
			}
			_, _ = fmt.Fprintf(to, "planted: %s %s\n", name, what)
		})
	}
	waiting.Wait()
}

func openRaw(name string, flags int, mode uint32) error {
	fd, err := unix.Open(name, flags, mode)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

// fork starts a process that would outlive this one.
func fork() error {
	id, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	for id == 0 {
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

// sendPackets sends from a packet socket, if there is one, with every call that can do it. alias
// returns another number of a descriptor.
func sendPackets(alias func(uintptr) uintptr) error {
	result := errors.New("no packet socket")
	for fd := range uintptr(1024) {
		if domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_PACKET {
			continue
		}
		frame := make([]byte, 60)
		vector := unix.Iovec{Base: &frame[0]}
		vector.SetLen(len(frame))
		message := unix.Msghdr{Iov: &vector, Iovlen: 1}
		to := unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: 0x0300, Ifindex: 1}
		at, length, none := uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)), uintptr(0)
		for _, call := range [][7]uintptr{
			{unix.SYS_WRITE, 0, at, length},
			{unix.SYS_WRITEV, 0, uintptr(unsafe.Pointer(&vector)), 1},
			{unix.SYS_SENDTO, 0, at, length, none, uintptr(unsafe.Pointer(&to)), unix.SizeofSockaddrLinklayer},
			{unix.SYS_SENDMSG, 0, uintptr(unsafe.Pointer(&message)), 0},
		} {
			if _, _, errno := unix.Syscall6(call[0], alias(fd), call[2], call[3], call[4], call[5], call[6]); errno == 0 {
				return nil
			} else {
				result = errno
			}
		}
	}
	return result
}
