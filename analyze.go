package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/report/write"
)

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
		if err := opt.resolve(e.in); err != nil {
			return 0, err
		}
		j, err := newJob(e, opt, false, func(j *job) (result, error) { return newResults(j, false) })
		if err != nil {
			return 0, err
		}
		return j.runFiles(ctx)
	}
}
