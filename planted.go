//go:build planted

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

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
			e.open = func(o capture.LiveOptions) (liveCapture, error) {
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
	liveCapture
	try func()
}

func (c plantedCapture) Next(b *capture.Batch) error {
	c.try()
	return c.liveCapture.Next(b)
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
		"run a program": func() error { return exec.Command("/bin/true").Run() },
		"signal":        func() error { return syscall.Kill(os.Getppid(), 0) },
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
