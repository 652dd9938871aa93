package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/write"
)

func newRun(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND",
		Short: "watch loopback while a command runs, then report",
		Long: "Watch loopback, and the bridges of containers, while a command runs; then report on standard error, or with\n" +
			"--output to files. The command owns standard output and the terminal, and gets all signals.\n\n" +
			"Exit codes: the command's if it is not 0. Otherwise 0 no finding at or above --fail-on, 1 at least one, 2 the\n" +
			"work could not be done, or fewer requests were checked than --require-checked asks for.",
		Example: "  kafkavet run -- go test ./...\n" +
			"  kafkavet run --require-checked 1 -o report.html -o junit:kafka.xml -- mvn verify\n" +
			"  sudo -E kafkavet run --user \"$USER\" --target kafka-4.0 -- ./integration-tests",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	opt := &options{output: outputOptions{formats: write.Formats()}}
	opt.live.isRun = true
	opt.add(cmd, &opt.live, &opt.save, &opt.output, &opt.report, &opt.evidence, &opt.redact, &opt.traffic)
	cmd.Flags().SetInterspersed(false) // later arguments belong to the command
	return cmd, func(ctx context.Context, args []string) (int, error) {
		if len(args) == 0 {
			return 0, errors.New("run: no command given; it follows --")
		}
		if err := opt.resolve(e.in); err != nil {
			return 0, err
		}
		if opt.save.path == "-" {
			return 0, errors.New("run: --write -: standard output belongs to the command; name a file")
		}
		child := &child{args: args, streams: e.streams}
		e := e
		if opt.output.onStdout() == nil || len(opt.output.texts) == 0 {
			e.out = e.err // standard output belongs to the command
		}
		status := newStatusLine(e.err, true)
		silent := &newsWriter{w: io.Discard, name: "nowhere", line: status} // the report comes at the end
		var w *watch
		if _, err := newJob(e, opt, true, func(j *job) (_ result, err error) {
			w, err = newWatch(j, status, silent, nil, child.start)
			return w, err
		}); err != nil {
			return 0, err
		}
		ended, end := context.WithCancel(context.WithoutCancel(ctx)) // the command handles signals
		defer end()
		child.ended = end
		code, err := w.run(ended)
		if err != nil {
			child.kill()
			return 0, err
		}
		if child.wait(); child.code != 0 {
			e.complain("the command exited with %d", child.code)
			return child.code, nil
		}
		return code, nil
	}
}

type child struct {
	args []string
	streams
	// ended is called when the command has ended.
	ended func()

	cmd     *exec.Cmd
	signals chan os.Signal
	done    sync.WaitGroup
	// code is its exit code, valid after wait.
	code int
}

// start starts the command, passes signals to it, and returns its process id.
func (c *child) start() (id int, err error) {
	c.cmd = exec.Command(c.args[0], c.args[1:]...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = c.in, c.out, c.err
	c.signals = make(chan os.Signal, 8)
	signal.Notify(c.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	if err := c.cmd.Start(); err != nil {
		signal.Stop(c.signals)
		c.cmd = nil
		return 0, fmt.Errorf("run: %w", err)
	}
	c.done.Go(func() {
		_ = c.cmd.Wait() // ProcessState has the result
		c.code = exitCode(c.cmd.ProcessState)
		signal.Stop(c.signals)
		close(c.signals)
		c.ended()
	})
	atTerminal := c.isAtTerminal()
	c.done.Go(func() {
		for s := range c.signals {
			// The terminal also sends an interrupt to the command itself.
			if !atTerminal || s != os.Interrupt && s != syscall.SIGQUIT {
				_ = c.cmd.Process.Signal(s) // it may have ended
			}
		}
	})
	return c.cmd.Process.Pid, nil
}

func (c *child) isAtTerminal() bool {
	return slices.ContainsFunc([]any{c.in, c.out, c.err}, func(stream any) bool {
		f, ok := stream.(*os.File)
		return ok && term.IsTerminal(int(f.Fd()))
	})
}

func (c *child) kill() {
	if c.cmd != nil {
		_ = c.cmd.Process.Kill() // it may have ended
		c.wait()
	}
}

func (c *child) wait() { c.done.Wait() }

// exitCode returns the exit code as a shell does: 128 plus a signal that ended the command.
func exitCode(state *os.ProcessState) int {
	if s, ok := state.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		const signaled = 128
		return signaled + int(s.Signal())
	}
	return state.ExitCode()
}

// localInterface returns the interface for run: on Linux all (see localPackets), else loopback.
func localInterface() (string, error) {
	if runtime.GOOS == "linux" {
		return capture.AnyInterface, nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return "", fmt.Errorf("run: %w", err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name, nil
		}
	}
	return "", errors.New("run: there is no loopback interface; name one with -i")
}

// localPackets selects the packets of loopback and of bridges, which connect containers. It
// belongs to the reading goroutine.
type localPackets struct {
	// isLocal caches lookUp by interface index, with at most maxLocal entries.
	isLocal map[uint32]bool
	// lookUp reports whether an interface is loopback or a bridge.
	lookUp func(index uint32) bool
}

// maxLocal bounds the cached interfaces: 1,000 containers have about 2,000, each of 8 bytes. Further
// ones are looked up for each packet.
const maxLocal = 4096

func newLocalPackets() *localPackets { return &localPackets{map[uint32]bool{}, isLocalInterface} }

func isLocalInterface(index uint32) bool {
	i, err := net.InterfaceByIndex(int(index))
	if err != nil {
		return false // it was removed
	}
	if i.Flags&net.FlagLoopback != 0 {
		return true
	}
	_, err = os.Stat(filepath.Join("/sys/class/net", i.Name, "bridge"))
	return err == nil
}

// pick reports whether a packet is local. Packets without an interface count as local.
func (l *localPackets) pick(p *capture.Packet) bool {
	const sll2, indexAt, header = 276, 4, 20 // https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html
	if p.Link != sll2 || len(p.Data) < header {
		return true
	}
	index := binary.BigEndian.Uint32(p.Data[indexAt:])
	is, known := l.isLocal[index]
	if !known {
		is = l.lookUp(index)
		if len(l.isLocal) < maxLocal {
			l.isLocal[index] = is
		}
	}
	return is
}
