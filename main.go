// Command kafkavet reports Kafka requests in protocol versions that the broker
// does not advertise, from captured packets. See README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/kafkavet/kafkavet/capture"
)

// Exit codes, as grep's.
const (
	exitClean    = 0 // no finding at or above --fail-on
	exitFindings = 1 // at least one
	exitTrouble  = 2 // the work could not be done
)

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// complain writes one line to standard error.
func (s streams) complain(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, "kafkavet: "+format+"\n", args...) // there is nowhere to report its failure
}

// environment is what a command gets from outside, and what tests replace.
type environment struct {
	streams
	// open opens an interface.
	open func(capture.LiveOptions) (liveCapture, error)
	// now is the time since the start; it never goes back. Any goroutine may call it.
	now func() time.Duration
	// confine gives up what a sandbox does not name, for the whole process; nil for not at all.
	confine func(sandbox) (applied string, err error)
}

// host is the environment of this process.
func host(s streams) environment {
	start := time.Now()
	return environment{
		streams: s,
		open:    func(opt capture.LiveOptions) (liveCapture, error) { return capture.OpenLive(opt) },
		now:     func() time.Duration { return time.Since(start) },
	}
}

// gcPercent lets the heap grow to three times the live heap before a collection:
// little is held, and most of it is short-lived. GOGC overrules it.
const gcPercent = 200

// memoryLimit has the garbage collector work harder before the heap reaches 256 MiB, which no input may take:
// above it, memory counts for more than speed. GOMEMLIMIT overrules it.
const memoryLimit = 224 << 20

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := runConfined(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// runConfined is run for a process that has nothing else to do.
func runConfined(ctx context.Context, args []string) int {
	e := host(streams{os.Stdin, os.Stdout, os.Stderr})
	e.confine = confine
	return e.run(ctx, args)
}

// run does what the arguments say and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	return host(s).run(ctx, args)
}

// run does what the arguments say and returns the exit code.
func (e environment) run(ctx context.Context, args []string) int {
	root, code := newRoot(e)
	root.SetArgs(append([]string{}, args...)) // cobra reads os.Args where there are none
	if err := root.ExecuteContext(ctx); err != nil {
		e.complain("%v", err)
		return exitTrouble
	}
	return *code
}
