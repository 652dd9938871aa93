package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/write"
)

// textOptions returns the width of text on w, 0 for any width, and whether it may have colors.
func textOptions(w io.Writer, color string) write.TextOptions {
	var opt write.TextOptions
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		opt.Width, _, _ = term.GetSize(int(f.Fd())) // 0 if unknown
		opt.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	switch color {
	case "always":
		opt.Color = true
	case "never":
		opt.Color = false
	}
	return opt
}

func newAnalyze(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "analyze [flags] FILE...",
		Short: `analyze captures; "-" is standard input`,
		Long: "Analyze captures (pcap, pcapng, also gzip, zstd or lz4) and report every request that the broker does not\n" +
			"advertise. Several files are one input, as a rotated capture. \"-\" is standard input.\n\n" + exitCodes,
		Example: "  kafkavet analyze broker.pcap\n" +
			"  kafkavet analyze --redact --bundle ticket.zip broker.pcap\n" +
			"  kafkavet analyze --redact --evidence proof.pcapng.gz -o report.md broker.pcap\n" +
			"  kafkavet analyze --target kafka-4.0 broker.pcap\n" +
			"  tcpdump -i any -w - tcp port 9092 | kafkavet analyze -",
	}
	opt := &options{output: outputOptions{formats: write.Formats()}}
	opt.add(cmd, &opt.output, &opt.report, &opt.evidence, &opt.redact, &opt.traffic)
	return cmd, func(ctx context.Context, args []string) (int, error) {
		opt.captures = args
		if err := opt.check(e.in); err != nil {
			return 0, err
		}
		j, err := newJob(e, opt, false, func(j *job) (result, error) { return newFindings(j, false) })
		if err != nil {
			return 0, err
		}
		return j.runFiles(ctx)
	}
}

// openFiles opens captures. A signal ends all of them, or only standard input if that is one.
func openFiles(ctx context.Context, paths []string, stdin io.Reader, keys *keyring) (*fileSource, error) {
	if len(paths) == 0 {
		return nil, errors.New(`no capture given; "-" is standard input`)
	}
	opt := capture.Options{Stdin: stdin, Secrets: keys.add}
	if slices.Contains(paths, "-") {
		opt.Stdin, ctx = untilInterrupted(ctx, stdin), context.WithoutCancel(ctx)
	}
	files, err := capture.Open(paths, opt)
	keys.files = files
	return &fileSource{Files: files, ctx: ctx}, err
}
