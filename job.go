package main

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/redact"
	"github.com/kafkavet/kafkavet/report/words"
)

// job is one run of analyze, requests, sniff or run. Packets go from a source through the
// pipeline to a result, which is written at the end.
type job struct {
	command

	// newJob makes the fields below from the options. They never change.

	// dissector belongs to the pipeline while that runs.
	dissector *capture.Dissector
	// names are the pseudonyms; nil for none.
	names *redact.Pseudonyms
	// supplied are the ranges of --advertised; nil for none.
	supplied *decode.Reference
	keys     *keyring
	result   result

	// files and pipeline are set when run has opened the input.
	files    *fileSource
	pipeline *pipeline
}

// result receives what the pipeline finds. Its methods belong to the goroutine of the job, its
// sink to the collecting one.
type result interface {
	decode.Sink
	// open opens the outputs before the first packet.
	open() error
	// tap returns the function that receives every packet of analyzed connections, on the reading
	// goroutine; nil for none.
	tap() func(stream uint32, p *capture.Packet, s *capture.Segment)
	// finish writes the outputs, prints errors, and returns the exit code.
	finish() int
	// discard removes unfinished outputs.
	discard()
}

// captureNamer is a result that needs the names of the captures, in their order, before the first
// packet.
type captureNamer interface{ nameCaptures(paths []string) }

// newJob makes a job from the options; newResult makes its result. Errors name the flag. isLive
// says that the packets come from an interface.
func newJob(e environment, opt *options, isLive bool, newResult func(*job) (result, error)) (j *job, err error) {
	j = &job{command: command{e, opt}}
	if j.names, err = opt.redact.pseudonyms(); err != nil {
		return nil, err
	}
	if j.names != nil && len(opt.captures) > 0 && !slices.ContainsFunc(opt.captures, hasNames) {
		j.names.Keep()
	}
	j.dissector = capture.NewDissector(opt.traffic.dissector)
	if j.supplied, err = reference("--advertised", opt.traffic.advertised); err != nil {
		return nil, err
	}
	if isLive {
		j.keys = newLiveKeyring(j.warn) // a key log may grow for weeks
	} else if j.keys, err = newKeyring(opt.traffic.keyLogs, j.warn); err != nil {
		return nil, err
	}
	j.result, err = newResult(j)
	return j, err
}

// hasNames reports whether a capture may contain real names. Only redacted evidence contains none.
// Standard input is unknown before it is read.
func hasNames(path string) bool { return path == "-" || !evidence.HasPseudonyms(capture.Comment(path)) }

// runFiles reads captures to their end, or until ctx is done.
func (j *job) runFiles(ctx context.Context) (int, error) {
	defer j.result.discard()
	if err := j.result.open(); err != nil {
		return 0, err
	}
	defer onSecondSignal(ctx, j.result.discard)()
	j.confine(sandbox{reads: j.opt.captures})
	var err error
	if j.files, err = openFiles(ctx, j.opt.captures, j.in, j.keys); err != nil {
		return 0, err
	}
	defer j.files.Close()
	if r, ok := j.result.(captureNamer); ok {
		r.nameCaptures(j.files.Paths())
	}
	j.pipeline = newPipeline(j, j.files, j.result, nil)
	began := time.Now()
	stop := showProgress(j.files, j.opt.traffic.quiet, j.err)
	err = j.pipeline.run()
	stop()
	if err != nil {
		return 0, err
	}
	if j.opt.traffic.verbose {
		if text := j.pipeline.summary(time.Since(began), runtime.GOMAXPROCS(0)); text != "" {
			j.complain("%s", text)
		}
	}
	return j.result.finish(), nil
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

// inputIsWhole prints problems of the input, and reports whether it was read completely.
func (j *job) inputIsWhole() bool {
	errs, warnings, failed := j.pipeline.inputErrors()
	for _, err := range errs {
		j.complain("%v", err)
	}
	for _, err := range warnings {
		j.warn(err)
	}
	if d := j.pipeline.debug; d != nil && !d.isSeen {
		j.complain("stream %d: no packet with payload passes the filters", d.stream)
	}
	if j.files != nil && j.files.isInterrupted {
		done, _ := j.files.Progress()
		j.complain("interrupted after %s of input; the output covers only these", words.Plural(uint64(done), "byte"))
		failed = true
	}
	return !failed
}

// fileSource reads captures until ctx is done.
type fileSource struct {
	*capture.Files
	ctx context.Context
	// isInterrupted: the input was not read to its end. It belongs to the reading goroutine.
	isInterrupted bool
}

// Next implements capture.Source.
func (s *fileSource) Next(b *capture.Batch) error {
	if s.ctx.Err() != nil {
		s.isInterrupted = true
		b.Packets = b.Packets[:0]
		return io.EOF
	}
	return s.Files.Next(b)
}
