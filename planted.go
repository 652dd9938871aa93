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

// This file is a parser that a packet has taken over: it tries on the first packets what an intruder would
// try next, and prints what came of it. It is built with the tag planted, for a test of the sandbox.

func init() {
	for i, command := range commands {
		commands[i] = func(e environment) (c *cobra.Command, a action) {
			try := sync.OnceFunc(func() { intrude(e.err) })
			switch c, _ := command(e); c.Name() {
			case "run": // whose command reads the standard input
			case "merge": // which reads reports, and writes only then
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

// intrude tries everything, from several threads.
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
