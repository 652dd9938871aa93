package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/redact"
	"github.com/kafkavet/kafkavet/report/words"
	"github.com/kafkavet/kafkavet/report/write"
)

func newRequests(e environment) (*cobra.Command, action) {
	cmd := &cobra.Command{
		Use:   "requests [flags] FILE...",
		Short: "one line for every Kafka request",
		Long: "One line for every Kafka request: what was sent, what the broker advertised, and the outcome.\n" +
			"At a terminal it is a table, cut at the right border; elsewhere it is TSV.",
		Example: "  kafkavet requests broker.pcap\n" +
			"  kafkavet requests --verdict above-max,below-min --api Fetch broker.pcap\n" +
			"  kafkavet requests --client 'orders-*' --format table broker.pcap | less -S\n" +
			"  kafkavet requests --format json broker.pcap | jq 'select(.verdict == \"above-max\")'",
	}
	opt := &options{output: outputOptions{formats: write.RequestFormats(), isSingle: true}}
	opt.add(cmd, &opt.output, &opt.pick, &opt.redact, &opt.traffic)
	return cmd, func(ctx context.Context, args []string) (int, error) {
		opt.captures = args
		if textOptions(e.out, "never").Width > 0 && !cmd.Flags().Changed("format") && len(opt.output.texts) == 0 {
			opt.output.format = write.TableFormat
		}
		if err := opt.check(e.in); err != nil {
			return 0, err
		}
		j, err := newJob(e, opt, false, func(j *job) (result, error) { return &listing{j: j}, nil })
		if err != nil {
			return 0, err
		}
		return j.runFiles(ctx)
	}
}

// listing is the result of requests: lines written while the captures are read.
type listing struct {
	// Sink is w, wrapped by pseudonyms with --redact. It belongs to the collecting goroutine.
	decode.Sink
	j   *job
	out *output
	w   *write.RequestsWriter
	// picked counts the requests, and passes on those that pass the filters.
	picked *pickedRequests
}

// open implements result.
func (l *listing) open() (err error) {
	to := l.j.opt.output.outputs[0]
	if l.out, err = l.j.fileOpener().open(to.path); err != nil {
		return err
	}
	l.w = to.format.List(l.out.w, textOptions(l.out.w, "never"))
	l.Sink = l.w
	if l.j.names != nil {
		l.Sink = redact.Requests(l.w, l.j.names)
	}
	l.picked = &pickedRequests{Sink: l.Sink, pick: &l.j.opt.pick}
	l.Sink = l.picked
	return nil
}

// nameCaptures adds the name of the capture to each line if there are several captures.
func (l *listing) nameCaptures(paths []string) {
	if len(paths) < 2 {
		return
	}
	if l.j.names != nil {
		for i, path := range paths {
			paths[i] = redact.CaptureName(path, i)
		}
	}
	l.w.NameCaptures(paths)
}

// tap implements result.
func (l *listing) tap() func(uint32, *capture.Packet, *capture.Segment) { return nil }

// finish implements result.
func (l *listing) finish() int {
	if l.out.temp != "" && l.j.pipeline.isUnread() {
		l.j.inputIsWhole()
		return exitTrouble // and discard: a mistyped name of a capture must not replace a good list
	}
	if err := l.out.finish(l.w.Close()); err != nil {
		l.j.complain("%v", err)
		return exitTrouble
	}
	isForPeople := l.j.opt.output.outputs[0].format.Name == write.TableFormat
	switch p := l.picked; {
	case p.seen == 0 && (isForPeople || p.pick.flags() != "" || !l.j.filter.All()): // programs see that there is no line
		l.j.warn(errors.New(p.nothingSeen(!l.j.filter.All())))
	case p.seen > 0 && p.passed == 0:
		l.j.warn(fmt.Errorf("none of %s passes %s", words.Plural(p.seen, "request"), p.pick.flags()))
	}
	if n := l.w.Late(); n > 0 {
		l.j.warn(fmt.Errorf("%s answered so late that the lines are not in order", words.Were(n, "request")))
	}
	if !l.j.inputIsWhole() {
		return exitTrouble
	}
	return exitClean
}

// discard implements result.
func (l *listing) discard() {
	if l.out != nil {
		l.out.abandon()
	}
}
