package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/report/merge"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

// mergeOptions are the flags that only merge has.
type mergeOptions struct {
	report *reportOptions
	// gate is 0 if the flag is not given.
	gate time.Duration
}

func (o *mergeOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	o.report.registerLimits(cmd)
	o.report.registerColor(cmd)
	f.Func("gate", "exit with 1 as long as a client that breaks on the target was seen in the last `DURATION` (7d, 36h) of the reports,\n"+
		"or a broker was not watched for 99 % of it, or nothing was judged; findings then do not count.\n"+
		"--fail-on warning: also clients that are likely to break", func(text string) (err error) {
		o.gate, err = parseDays(text)
		return err
	})
}

func (o *mergeOptions) resolve() error { return o.report.resolve() }

// parseDays also accepts a number of days, such as 7d.
func parseDays(text string) (time.Duration, error) {
	number, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.ParseUint(number, 10, 16)
	length := time.Duration(n) * 24 * time.Hour
	if !isDays {
		length, err = time.ParseDuration(text)
	}
	if err != nil || length <= 0 {
		return 0, errors.New("must be a number of days or hours above 0, such as 7d or 36h")
	}
	return length, nil
}

// mergeMemory is memoryLimit for merge. The rows of a fleet need more memory than one host, and
// with memoryLimit the collector would take half of the time. 1,000 reports of 5 MB take 450 MiB.
const mergeMemory = 432 << 20

func newMerge(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "merge [flags] REPORT...",
		Short: `make one report of the reports of many hosts and days; "-" is standard input`,
		Long: "Make one report of the reports (JSON) of many hosts and days. Order and grouping do not matter, and a report that is\n" +
			"named twice counts once: merged reports can be merged again.\n\n" + exitCodes,
		Example: "  kafkavet merge host-1.json host-2.json host-3.json\n" +
			"  kafkavet merge --format json -o fleet.json reports/*.json\n" +
			"  kafkavet merge --gate 7d reports/*.json",
	}
	opt := &options{output: outputOptions{formats: write.Formats()}}
	flags := &mergeOptions{report: &opt.report}
	opt.add(cmd, &opt.output, flags)
	opt.traffic.registerSandbox(cmd)
	return cmd, func(ctx context.Context, args []string) (int, error) {
		if len(args) == 0 {
			return 0, errors.New(`no report given; merge reads what --format json writes, "-" is standard input`)
		}
		opt.merged = args
		if err := opt.resolve(e.in); err != nil {
			return 0, err
		}
		r := &reporter{command: command{e, opt}}
		defer r.discardOutputs()
		if err := r.openOutputs(); err != nil {
			return 0, err
		}
		if os.Getenv("GOMEMLIMIT") == "" {
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(mergeMemory))
		}
		r.confine(sandbox{reads: args})
		rep, err := mergeFiles(ctx, args, e.in)
		if err != nil {
			return 0, err
		}
		if flags.gate > 0 {
			if r.gate, err = newGate(rep, flags.gate, opt.report.reaches(model.Warning)); err != nil {
				return 0, fmt.Errorf("--gate: %w", err)
			}
		}
		return r.exitCode(rep, r.writeReports(rep)), nil
	}
}

// mergeFiles merges reports until ctx is done. A pipe may never end.
func mergeFiles(ctx context.Context, paths []string, stdin io.Reader) (*model.Report, error) {
	type result struct {
		rep *model.Report
		err error
	}
	done := make(chan result, 1)
	go func() {
		rep, err := merge.Files(paths, stdin)
		done <- result{rep, err}
	}()
	select {
	case r := <-done:
		return r.rep, r.err
	case <-ctx.Done():
		return nil, errors.New("interrupted before all reports were read; nothing was written")
	}
}
