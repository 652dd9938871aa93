package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/write"
)

// Help lists the commands in the order of use.
func init() { cobra.EnableCommandSorting = false }

// exitCodes is a paragraph of help.
const exitCodes = "Exit codes: 0 no finding at or above --fail-on, 1 at least one, 2 the work could not be done."

// action runs a command and returns the exit code. An error is printed, and the exit code is 2.
type action func(ctx context.Context, args []string) (int, error)

var commands = []func(environment) (*cobra.Command, action){
	newAnalyze, newSniff, newRequests, newMerge, newRun, newExplain, newWireshark, newInterfaces, newCompletion, newVersion,
}

// newRoot returns the tree of commands for one run. code is the exit code of the command that
// ran.
func newRoot(e environment) (root *cobra.Command, code *int) {
	code = new(int)
	root = &cobra.Command{
		Use:   "kafkavet COMMAND",
		Short: "report Kafka requests in versions that the broker does not advertise",
		Long: "kafkavet reports Kafka requests in protocol versions that the broker does not advertise, from captured packets.\n\n" +
			exitCodes,
		Args:               cobra.ArbitraryArgs,
		DisableFlagParsing: true, // flags follow the command
		SilenceErrors:      true,
		SilenceUsage:       true,
		RunE:               func(cmd *cobra.Command, args []string) error { return runRoot(cmd, args, e, code) },
	}
	root.SetIn(e.in)
	root.SetOut(e.out)
	root.SetErr(e.err)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(e.out, cmd) })
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	add := func(cmd *cobra.Command, do action) {
		cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
			if asksForReleases(cmd.Flags()) {
				return writeError("standard output", write.References(e.out))
			}
			*code, err = do(cmd.Context(), args)
			return err
		}
		cmd.Flags().SortFlags = false
		cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Value = givenValue(f.Value) })
		cmd.DisableFlagsInUseLine = true
		root.AddCommand(cmd)
	}
	for _, c := range commands {
		add(c(e))
	}
	root.SetHelpCommand(newHelp(e))
	return root, code
}

func asksForReleases(flags *pflag.FlagSet) bool {
	return slices.ContainsFunc([]string{"target", "advertised"}, func(name string) bool {
		f := flags.Lookup(name)
		return f != nil && f.Value.String() == "list"
	})
}

// noArguments is the cobra.Command.Args of commands without arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: takes no arguments", cmd.Name())
	}
	return nil
}

func runRoot(cmd *cobra.Command, args []string, e environment, code *int) error {
	switch {
	case len(args) == 0:
		writeHelp(e.err, cmd)
		*code = exitTrouble
		return nil
	case args[0] == "-h" || args[0] == "--help":
		writeHelp(e.out, cmd)
		return nil
	case args[0] == "--version":
		return writeVersion(e.out)
	case isExtcap(args):
		var err error
		*code, err = extcap(cmd.Context(), e, args)
		return err
	case strings.HasPrefix(args[0], "-"):
		return fmt.Errorf("unknown flag %s; flags follow the command; see kafkavet help", args[0])
	}
	return unknownCommand(cmd, args[0])
}

func unknownCommand(root *cobra.Command, name string) error {
	root.SuggestionsMinimumDistance = 2
	similar := ""
	if near := root.SuggestionsFor(name); len(near) > 0 {
		similar = fmt.Sprintf(": did you mean %s?", strings.Join(near, " or "))
	} else if _, err := os.Stat(name); err == nil {
		similar = ": did you mean analyze " + name + "?"
	}
	return fmt.Errorf("unknown command %q%s; see kafkavet help", name, similar)
}

func newHelp(e environment) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "the flags of a command, with examples",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range cmd.Root().Commands() {
				if len(args) == 0 && c.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			if len(args) == 0 {
				writeHelp(e.out, root)
				return nil
			}
			found, _, err := root.Find(args)
			if err != nil || found == root {
				return unknownCommand(root, args[0])
			}
			writeHelp(e.out, found)
			return nil
		},
	}
}

func writeHelp(w io.Writer, cmd *cobra.Command) {
	var b strings.Builder
	if !cmd.HasParent() {
		fmt.Fprintf(&b, "%s\n\nusage:\n", cmd.Long)
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(&b, "  kafkavet %-29s %s\n", c.Use, c.Short)
			}
		}
		b.WriteString("\nkafkavet COMMAND --help lists the flags of a command.\n")
	} else {
		fmt.Fprintf(&b, "usage: %s\n\n%s\n", cmd.UseLine(), cmd.Long)
		if cmd.Example != "" {
			fmt.Fprintf(&b, "\nexamples:\n%s\n", cmd.Example)
		}
		cmd.InitDefaultHelpFlag()
		// Remove pflag's notes that carry no information.
		plain := strings.NewReplacer("[=true|false]", "             ", " (default [])", "", " (default 0s)", "")
		fmt.Fprintf(&b, "\nflags:\n%s", plain.Replace(cmd.Flags().FlagUsagesWrapped(textOptions(w, "never").Width)))
	}
	_, _ = io.WriteString(w, b.String()) // its error cannot be reported
}

// flagError adds the flag's name and the command that lists the flags.
func flagError(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	switch {
	case errors.Is(err, errRepeated): // without the values, which may be secrets
		errors.As(err, &bad)
		err = fmt.Errorf("--%s: %w", bad.GetFlag().Name, errRepeated)
	case errors.As(err, &bad):
		err = fmt.Errorf("--%s %q: %w", bad.GetFlag().Name, bad.GetValue(), numberError(bad.Unwrap()))
	default:
		err = fmt.Errorf("%s: %w", cmd.Name(), err)
	}
	return fmt.Errorf("%w; see kafkavet %s --help", err, cmd.Name())
}

func numberError(err error) error {
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return errors.New("not a whole number")
	case errors.Is(err, strconv.ErrRange):
		return errors.New("too large a number")
	}
	return err
}

// given is the value of a flag on the command line. It accepts no empty text.
type given struct {
	pflag.Value
	// isSet: a flag for one value has it.
	isSet bool
}

var (
	errEmpty    = errors.New("is empty; is a variable not set?")
	errRepeated = errors.New("is given more than once, but accepts one value")
)

// givenValue returns the value of a flag with the checks of given. Switches need none.
func givenValue(v pflag.Value) pflag.Value {
	if v.Type() == "bool" {
		return v
	}
	return &given{Value: v}
}

// Set implements pflag.Value.
func (g *given) Set(text string) error {
	_, isList := g.Value.(pflag.SliceValue)
	switch {
	case text == "":
		return errEmpty
	case g.isSet && !isList:
		return errRepeated
	}
	g.isSet = true
	return g.Value.Set(text)
}

func newExplain(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "explain [CODE]",
		Short: "what a finding means, and what to do",
		Long: "What a finding means, why it matters, how it looks on the wire, and what to do. Without a code: the list.\n" +
			"At a terminal, what does not fit is shown with $PAGER, or else less -R.",
		Example: "  kafkavet explain\n" +
			"  kafkavet explain KV1001\n" +
			"  kafkavet explain --markdown > findings.md",
		ValidArgsFunction: completeCodes,
	}
	markdown := cmd.Flags().Bool("markdown", false, "print all of it as one page of Markdown")
	color := cmd.Flags().String("color", "auto", "colors: `WHEN` is auto, always or never; NO_COLOR is respected")
	return cmd, func(_ context.Context, args []string) (code int, err error) {
		var text bytes.Buffer
		if err = oneOf("--color", *color, colors); err == nil {
			opt := textOptions(e.out, *color)
			switch {
			case *markdown && len(args) == 0:
				err = write.RulesMarkdown(&text, report.Rules())
			case *markdown:
				err = errors.New("--markdown prints all findings: it takes no code")
			case len(args) == 0:
				err = write.Rules(&text, report.Rules(), opt)
			case len(args) == 1:
				err = write.Rule(&text, report.Rules(), args[0], opt)
			default:
				err = errors.New("takes one finding code")
			}
			if err == nil {
				err = paged(e.out, text.Bytes())
			}
		}
		if err != nil {
			err = fmt.Errorf("explain: %w", err)
		}
		return exitClean, err
	}
}

// command is one run of a command: what it uses of the system, and its options, which never change.
type command struct {
	environment
	opt *options
}

// fileOpener returns a fileOpener with the current rights of the process.
func (c command) fileOpener() fileOpener {
	mode, _ := c.opt.output.fileMode() // resolve has checked it
	return fileOpener{mode: mode, isRoot: os.Geteuid() == 0, stdout: c.out, stderr: c.err}
}

// warn prints a warning, unless --quiet is given. Any goroutine may call it.
func (c command) warn(err error) {
	if !c.opt.traffic.quiet {
		c.complain("warning: %v", err)
	}
}

// confine gives up the rights that the command no longer needs, once, when everything is open.
func (c command) confine(s sandbox) {
	if c.environment.confine == nil || c.opt.traffic.noSandbox {
		return
	}
	for _, o := range c.opt.output.outputs {
		s.appears = append(s.appears, o.path)
	}
	s.mode, _ = c.opt.output.fileMode() // resolve has checked it
	s.appears = append(s.appears, c.opt.evidence.path, c.opt.evidence.bundle, c.opt.report.writeBaseline)
	applied, err := c.environment.confine(s)
	if err != nil {
		c.warn(err)
	}
	if c.opt.traffic.verbose {
		c.complain("sandbox: %s", applied)
	}
}
