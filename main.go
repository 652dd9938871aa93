// Command kafkavet tells which Kafka requests used a protocol version that the
// broker never offered. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes, as grep's.
const (
	exitClean    = 0 // nothing at or above --fail-on
	exitFindings = 1 // something was
	exitTrouble  = 2 // the work could not be done
)

// version is set by the linker for releases (-X main.version=...).
var version = ""

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// complain writes one line to standard error.
func (s streams) complain(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, "kafkavet: "+format+"\n", args...) // there is nowhere to report its failure
}

// command is one of kafkavet's commands.
type command struct {
	name, args, summary string
	run                 func(ctx context.Context, args []string, s streams) int
}

func commands() []command {
	return []command{
		{"analyze", "[flags] FILE...", `analyse captures; "-" is standard input`, analyze},
		{"sniff", "[flags] -i IFACE", "watch an interface", sniff},
		{"requests", "[flags] FILE...", "one line for every Kafka request", requests},
		{"interfaces", "", "the interfaces that sniff can watch", interfaces},
		{"explain", "[CODE]", "what a finding means, and what to do", explain},
		{"version", "", "the version of kafkavet", printVersion},
	}
}

// gcPercent lets the heap grow to three times what is in use before it is
// swept: of the little that is held, most is short-lived. GOGC overrules it.
const gcPercent = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run does what the arguments say and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	if len(args) == 0 {
		usage(s.err)
		return exitTrouble
	}
	switch args[0] {
	case "help", "-h", "--help":
		if len(args) == 1 {
			usage(s.out)
			return exitClean
		}
		args = []string{args[1], "--help"}
	case "--version":
		return printVersion(ctx, nil, s)
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], s)
		}
	}
	s.complain("unknown command %q%s; see kafkavet help", args[0], meant(args[0]))
	return exitTrouble
}

// meant names the command that begins like name.
func meant(name string) string {
	const telling = 3 // letters: no two commands share so many
	for _, c := range commands() {
		if len(name) >= telling && c.name[:telling] == name[:telling] {
			return fmt.Sprintf(": did you mean %s?", c.name)
		}
	}
	return ""
}

func usage(w io.Writer) {
	var b strings.Builder
	b.WriteString("kafkavet finds Kafka requests in versions that the broker never offered, in captured packets.\n\nusage:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  kafkavet %-28s %s\n", c.name+" "+c.args, c.summary)
	}
	b.WriteString("\nkafkavet COMMAND --help lists the flags of a command.\n" +
		"Exit codes: 0 nothing found at or above --fail-on, 1 something was, 2 the work could not be done.\n")
	_, _ = io.WriteString(w, b.String())
}

// flagSet is the flags of a command, with its help.
func flagSet(name, args, about string, s streams) *pflag.FlagSet {
	f := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(s.out)
	f.Usage = func() {
		// pflag spells out what goes without saying, in the middle of its columns.
		plain := strings.NewReplacer("[=true|false]", "             ", " (default [])", "")
		flags := plain.Replace(f.FlagUsagesWrapped(textOptions(s.out, "never").Width))
		_, _ = fmt.Fprintf(s.out, "usage: kafkavet %s %s\n\n%s\n\n%s", name, args, about, flags)
	}
	return f
}

// parse reads args into f. done says that there is nothing more to do, and code with what.
func parse(f *pflag.FlagSet, args []string, s streams) (code int, done bool) {
	var bad *pflag.InvalidValueError
	switch err := f.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return exitClean, true
	case errors.As(err, &bad):
		s.complain("--%s %q: %v; see kafkavet %s --help", bad.GetFlag().Name, bad.GetValue(), plainly(bad.Unwrap()), f.Name())
		return exitTrouble, true
	case err != nil:
		s.complain("%s: %v; see kafkavet %s --help", f.Name(), err, f.Name())
		return exitTrouble, true
	}
	return 0, false
}

// plainly puts into words what is wrong with the value of a flag.
func plainly(err error) error {
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return errors.New("not a whole number")
	case errors.Is(err, strconv.ErrRange):
		return errors.New("too large a number")
	}
	return err
}

func printVersion(_ context.Context, args []string, s streams) int {
	if len(args) > 0 {
		s.complain("version: takes no arguments")
		return exitTrouble
	}
	if _, err := fmt.Fprintln(s.out, "kafkavet", toolVersion()); err != nil {
		s.complain("write: %v", err)
		return exitTrouble
	}
	return exitClean
}

// toolVersion is the version set by the linker, or else what the build knows of itself.
func toolVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
