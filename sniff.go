package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/report/write"
)

func newSniff(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "sniff [flags] -i IFACE",
		Short: "watch an interface",
		Long: "Watch an interface: print each finding when it first happens, then how often it happens, and the report at the\n" +
			"end (Ctrl-C, --duration, --count).\n\n" + exitCodes,
		Example: "  kafkavet sniff -i any --port 9092\n" +
			"  kafkavet sniff -i eth0 --duration 10m -o report.html\n" +
			"  kafkavet sniff -i eth0 --user nobody --listen :9999 -w k.pcapng --rotate-size 100 --rotate-keep 10",
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	opt := &options{output: outputOptions{formats: write.Formats(), isLive: true}}
	opt.add(cmd, &opt.live, &opt.save, &opt.output, &opt.report, &opt.evidence, &opt.redact, &opt.traffic)
	return cmd, func(ctx context.Context, args []string) (int, error) {
		// If the reader of standard output closes it, the program must not end with incomplete
		// files. The write fails instead.
		signal.Ignore(syscall.SIGPIPE)
		// A closed terminal or remote session ends the capture with its report. Under nohup the
		// hangup is ignored.
		if !signal.Ignored(syscall.SIGHUP) {
			var stop context.CancelFunc
			ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
			defer stop()
		}
		if len(args) > 0 {
			return 0, fmt.Errorf("argument %q: sniff takes no arguments; use -i for the interface", args[0])
		}
		if err := opt.resolve(e.in); err != nil {
			return 0, err
		}
		status := newStatusLine(e.err, opt.traffic.quiet)
		defer status.hide()
		e := e
		e.err = status
		packets := e.out
		if opt.save.path == "-" {
			e.out = status
		}
		var w *watch
		_, err := newJob(e, opt, true, func(j *job) (_ result, err error) {
			w, err = newWatch(j, status, newNewsWriter(j, status), packets, nil)
			return w, err
		})
		if err != nil {
			return 0, err
		}
		return w.run(ctx)
	}
}
