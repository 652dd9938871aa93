package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/report/merge"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// mergeOptions are the flags that only merge has.
type mergeOptions struct {
	report *reportOptions
	gate   days
}

func (o *mergeOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	o.report.registerLimits(cmd)
	o.report.registerColor(cmd)
	f.Var(&o.gate, "gate", "exit with 1 as long as a client that breaks on the target was seen in the last `DURATION` (7d, 36h) of the reports,\n"+
		"or a broker was not watched in it; findings then do not count. --fail-on warning: also clients that are likely to break")
}

func (o *mergeOptions) check() error { return o.report.check() }

// days is a duration that accepts a number of days; 0 if the flag is not given.
type days time.Duration

// String implements pflag.Value.
func (d *days) String() string {
	if *d == 0 {
		return ""
	}
	return words.Humane(time.Duration(*d))
}

// Set implements pflag.Value.
func (d *days) Set(text string) error {
	number, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.ParseUint(number, 10, 16)
	length := time.Duration(n) * 24 * time.Hour
	if !isDays {
		length, err = time.ParseDuration(text)
	}
	if err != nil || length <= 0 {
		return errors.New("must be a number of days or hours above 0, such as 7d or 36h")
	}
	*d = days(length)
	return nil
}

// Type implements pflag.Value.
func (d *days) Type() string { return "duration" }

// mergeMemory is memoryLimit for merge. The rows of a fleet need more memory than one host, and
// with memoryLimit the collector would take half of the time. 1,000 reports of 5 MB take 400 MiB.
const mergeMemory = 384 << 20

func newMerge(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "merge [flags] REPORT...",
		Short: "make one report of the reports of many hosts and days",
		Long: "Make one report of the reports (JSON) of many hosts and days. Order and grouping do not matter, and a report that is\n" +
			"named twice counts once: merged reports can be merged again.\n\n" + exitCodes,
		Example: "  kafkavet merge host-1.json host-2.json host-3.json\n" +
			"  kafkavet merge --format json -o fleet.json reports/*.json\n" +
			"  kafkavet merge --gate 7d reports/*.json",
	}
	opt := &options{output: newReportOutput(false)}
	flags := &mergeOptions{report: &opt.report}
	opt.add(cmd, &opt.output, flags)
	opt.traffic.registerSandbox(cmd)
	return cmd, func(_ context.Context, args []string) (int, error) {
		if len(args) == 0 {
			return 0, errors.New("no report given; merge reads what --format json writes")
		}
		opt.merged = args
		if err := opt.check(e.in); err != nil {
			return 0, err
		}
		// The job has no packets: its result is read from reports.
		f := &findings{j: &job{environment: e, opt: opt}}
		defer f.discard()
		if err := f.open(); err != nil {
			return 0, err
		}
		if os.Getenv("GOMEMLIMIT") == "" {
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(mergeMemory))
		}
		f.j.confine(sandbox{reads: args})
		rep, err := merge.Files(args)
		if err != nil {
			return 0, err
		}
		isWritten := f.writeReports(rep)
		if flags.gate == 0 {
			return f.verdict(rep, isWritten), nil
		}
		if !isWritten {
			return exitTrouble, nil
		}
		return f.gate(rep, time.Duration(flags.gate))
	}
}

// gate returns the exit code of --gate. It prints in one line why the gate is closed.
func (f *findings) gate(rep *model.Report, within time.Duration) (int, error) {
	why, err := closedBy(rep, within, f.j.opt.report.reaches(model.Warning))
	if err != nil {
		return 0, fmt.Errorf("--gate: %w", err)
	}
	if why == "" {
		return exitClean, nil
	}
	f.j.complain("gate: %s", why)
	return exitFindings, nil
}

// closedBy says why the gate is closed. It is empty if the gate is open. The time counts back from
// the latest packet of all reports.
func closedBy(rep *model.Report, within time.Duration, withLikely bool) (string, error) {
	var first, last model.Time
	for i := range rep.Parts {
		p := &rep.Parts[i]
		if p.Target == "" {
			return "", fmt.Errorf("%s made without --target, so it cannot say who breaks", words.Were(withoutTarget(rep), "report"))
		}
		if p.First != nil && (first == 0 || *p.First < first) {
			first = *p.First
		}
		if p.Last != nil {
			last = max(last, *p.Last)
		}
	}
	if last == 0 {
		return "", errors.New("the reports have no packets")
	}
	since := last - model.Time(within)
	var breaking []string
	for i := range rep.Target.Clients {
		c := &rep.Target.Clients[i]
		if c.LastSeen >= since && (c.Verdict == model.VerdictBreaks || withLikely && c.Verdict == model.VerdictLikely) {
			breaking = append(breaking, clientName(c))
		}
	}
	folded := uint64(0)
	if s := rep.Target.Folded; s != nil {
		folded = uint64(s.Breaks)
	}
	switch unwatched := unwatched(rep, since); {
	case len(breaking) > 0:
		return fmt.Sprintf("%s on %s and %s seen in the last %s: %s", brokenClients(uint64(len(breaking))), rep.Target.Name, words.Agree(uint64(len(breaking)), "was", "were"),
			words.Humane(within), firstOf(breaking)), nil
	case folded > 0:
		return fmt.Sprintf("%s that %s on %s are not listed", words.Plural(folded, "client"), words.Agree(folded, "breaks", "break"), rep.Target.Name), nil
	case len(unwatched) > 0:
		return fmt.Sprintf("%s not watched in the last %s: %s", words.Were(uint64(len(unwatched)), "broker"), words.Humane(within), firstOf(unwatched)), nil
	case first > since:
		return fmt.Sprintf("the reports cover %s, less than %s", words.Humane(time.Duration(last-first)), words.Humane(within)), nil
	}
	return "", nil
}

func brokenClients(n uint64) string {
	return words.Plural(n, "client") + " " + words.Agree(n, "breaks", "break")
}

func withoutTarget(rep *model.Report) (n uint64) {
	for i := range rep.Parts {
		if rep.Parts[i].Target == "" {
			n++
		}
	}
	return n
}

// clientName returns one name for a client: a client id, an address or the software.
func clientName(c *model.TargetClient) string {
	switch {
	case len(c.ClientIDs) > 0 && c.ClientIDs[0] != "":
		return c.ClientIDs[0]
	case len(c.Addresses) > 0:
		return c.Addresses[0]
	}
	return strings.TrimSpace(c.SoftwareName + " " + c.SoftwareVersion)
}

// maxNamed is how many names of a list one line shows.
const maxNamed = 3

// firstOf quotes the first names of a list and counts the others.
func firstOf(names []string) string {
	var shown []string
	for _, name := range names[:min(len(names), maxNamed)] {
		shown = append(shown, strconv.Quote(name))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, words.Number(uint64(more))+" more")
	}
	return words.List(shown)
}

// unwatched returns the brokers of which no packet was captured since a time.
func unwatched(rep *model.Report, since model.Time) (out []string) {
	for i := range rep.Brokers {
		b := &rep.Brokers[i]
		if !slices.ContainsFunc(b.Watched, func(s model.Span) bool { return s.Last >= since }) {
			out = append(out, b.Address)
		}
	}
	for _, n := range rep.Uncaptured().Nodes {
		if n.Last >= since {
			out = append(out, n.Address)
		}
	}
	return out
}
