package main

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/merge"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/redact"
)

// results are what analyze and sniff have found: the report and its evidence.
type results struct {
	// Builder belongs to the collecting goroutine while the pipeline runs.
	*report.Builder
	reporter
	j *job
	// evidence collects the packets that prove findings; nil without --evidence.
	evidence *evidence.Collector
	// processes are the processes of clients; nil with --no-process.
	processes *processes
	// saved is the file with the packets of a live capture; empty for none or several.
	saved string
	// isFinal: nobody merges the report.
	isFinal  bool
	accepted *baseline
	// proof, bundle and baseline are open from open to finish or discard; nil without their flag
	// (--evidence, --bundle, --write-baseline).
	proof, bundle, baseline *output
}

// newResults returns the result of analyze and sniff. isWatched: findings are reported at once.
func newResults(j *job, isWatched bool) (*results, error) {
	f := &results{j: j, reporter: reporter{command: j.command}, isFinal: !isWatched && j.opt.evidence.bundle == "" && !j.opt.output.has("json")}
	var err error
	if f.accepted, err = readBaseline(j.opt.report.baseline); err != nil {
		return nil, err
	}
	tool := model.Tool{Name: "kafkavet", Version: toolVersion()}
	if j.opt.evidence.isWanted() {
		f.evidence = evidence.New(evidence.Options{
			Occurrences: int(j.opt.evidence.occurrences), Dissector: j.opt.traffic.dissector, Pseudonyms: j.names, Tool: tool,
		})
	}
	issues, err := knownissues.Load(report.IsCode, j.opt.report.knownIssues...)
	if err != nil {
		return nil, err
	}
	target, err := reference("--target", j.opt.report.target)
	if err != nil {
		return nil, err
	}
	var at report.ProcessAt
	if !j.opt.report.noProcess {
		f.processes = newProcesses()
		at = f.processes.at
	}
	f.Builder = report.NewBuilder(report.Options{
		Tool: tool, ProcessAt: at, KnownIssues: issues, Target: target, Supplied: j.supplied, Evidence: f.evidence, Watch: isWatched,
		IsFinal: f.isFinal, Principals: j.opt.report.principals, Hosts: j.opt.traffic.filter.Nets,
	})
	return f, nil
}

// open implements result.
func (f *results) open() (err error) {
	for _, file := range []struct {
		path string
		to   **output
	}{
		{f.opt.evidence.path, &f.proof}, {f.opt.evidence.bundle, &f.bundle}, {f.opt.report.writeBaseline, &f.baseline},
	} {
		if file.path == "" {
			continue
		}
		if *file.to, err = f.fileOpener().open(file.path); err != nil {
			return err
		}
	}
	return f.openOutputs()
}

// tap implements result.
func (f *results) tap() func(uint32, *capture.Packet, *capture.Segment) {
	switch {
	case f.processes == nil && f.evidence == nil:
		return nil
	case f.processes == nil:
		return f.evidence.Tap
	case f.evidence == nil:
		return f.processes.packet
	}
	return func(stream uint32, p *capture.Packet, s *capture.Segment) {
		f.processes.packet(stream, p, s)
		f.evidence.Tap(stream, p, s)
	}
}

// discard implements result.
func (f *results) discard() {
	for _, out := range []*output{f.proof, f.bundle, f.baseline} {
		if out != nil {
			out.abandon()
		}
	}
	f.discardOutputs()
}

// report returns the report so far, redacted with --redact.
func (f *results) report(in report.Input) *model.Report {
	f.SetInput(in)
	rep := f.Report()
	f.accepted.mark(rep)
	if f.saved != "" {
		rep.Captures[0].Saved = f.saved
	}
	if f.j.names != nil {
		redact.Report(rep, f.j.names)
	}
	if !f.isFinal {
		o, hasProgram := &f.opt.traffic, f.opt.live.program != ""
		merge.Identify(rep, merge.Run{
			Selection: o.selection(), Keys: strings.Join(o.keyLogs, "\n"), Redacted: f.j.names != nil,
			SelectsHosts: hasProgram || len(o.hosts)+len(o.nets) > 0, SelectsPorts: hasProgram || len(o.ports)+len(o.notPorts) > 0,
		})
	}
	return rep
}

// finish implements result.
func (f *results) finish() int {
	if f.j.pipeline.isUnread() {
		f.spareFiles()
	}
	in := f.j.pipeline.input()
	if f.j.files.isInterrupted {
		in.Interrupted = 1
	}
	rep := f.report(in)
	isProven, isKept, isWritten := f.writeEvidence(rep), f.writeBaseline(rep), f.writeReports(rep)
	if text := f.accepted.unusedText(); text != "" && rep.Folded == nil { // folded findings may match
		f.warn(errors.New(text))
	}
	return f.exitCode(rep, f.j.inputIsWhole() && isProven && isKept && isWritten)
}

// spareFiles discards the files to which a report of nothing would be written: a mistyped name of a
// capture must not replace a good report. Formats that show the failure are still written.
func (f *results) spareFiles() {
	for _, out := range []**output{&f.proof, &f.bundle, &f.baseline} {
		if *out != nil {
			(*out).abandon()
			*out = nil
		}
	}
	f.evidence = nil
	f.outs = slices.DeleteFunc(f.outs, func(out reportFile) bool {
		isSpared := out.temp != "" && !out.format.ShowsShortfall
		if isSpared {
			out.abandon()
		}
		return isSpared
	})
}

func (f *results) writeBaseline(rep *model.Report) (isWritten bool) {
	return f.writeTo(f.baseline, func(w io.Writer) error { return writeBaseline(w, rep) })
}
