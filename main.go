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
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/write"
)

// Exit codes, as grep's.
const (
	exitClean    = 0 // no finding at or above --fail-on
	exitFindings = 1 // at least one
	exitTrouble  = 2 // the work could not be done
)

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// complain writes one line to standard error. File names in it can have any bytes.
func (s streams) complain(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, "kafkavet: %s\n", write.Message(fmt.Sprintf(format, args...))) // its error cannot be reported
}

// environment is what a command uses of the system. Tests replace it.
type environment struct {
	streams
	open func(capture.LiveOptions) (capture.Source, error)
	// now is the time since the start; it never decreases. Any goroutine may call it.
	now func() time.Duration
	// confine gives up, for the process, every right that a sandbox does not name; nil for none.
	confine func(sandbox) (applied string, err error)
	// lookUp starts a process that looks up the processes of connections; nil for none.
	lookUp func(isConfined bool) (to io.WriteCloser, from io.Reader, err error)
}

func host(s streams) environment {
	start := time.Now()
	return environment{
		streams: s,
		open:    func(opt capture.LiveOptions) (capture.Source, error) { return capture.OpenLive(opt) },
		now:     func() time.Duration { return time.Since(start) },
	}
}

// gcPercent lets the heap grow to three times the live heap before a collection, because most
// memory is short-lived. GOGC overrides it.
const gcPercent = 200

// memoryLimit makes the garbage collector work more before the heap reaches 256 MiB, the limit
// for any input. GOMEMLIMIT overrides it.
const memoryLimit = 216 << 20

func main() {
	if len(os.Args) > 1 && os.Args[1] == lookupArgument {
		os.Exit(lookUp(os.Args[2:]))
	}
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

// runConfined is run for a process that has no other task.
func runConfined(ctx context.Context, args []string) int {
	e := host(streams{os.Stdin, os.Stdout, os.Stderr})
	e.confine, e.lookUp = confine, startLookup
	return e.run(ctx, args)
}

func (e environment) run(ctx context.Context, args []string) int {
	root, code := newRoot(e)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		addCompletions(root)
	}
	root.SetArgs(append([]string{}, args...)) // cobra reads os.Args if they are nil
	if err := root.ExecuteContext(ctx); err != nil {
		e.complain("%v", err)
		return exitTrouble
	}
	return *code
}
