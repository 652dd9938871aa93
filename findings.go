package main

import (
	"cmp"
	"errors"
	"fmt"
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
	"github.com/kafkavet/kafkavet/report/words"
	"github.com/kafkavet/kafkavet/report/write"
)

// results are what analyze and sniff have found: the report and its evidence.
type results struct {
	// Builder belongs to the collecting goroutine while the pipeline runs.
	*report.Builder
	j *job
	// evidence collects the packets that prove findings; nil without --evidence.
	evidence *evidence.Collector
	// processes are the processes of clients; nil with --no-process.
	processes *processes
	// saved is the file with the packets of a live capture; empty for none or several.
	saved string
	// isFinal: nobody merges the report.
	isFinal bool
	// gate decides instead of the findings; nil without --gate.
	gate     *gate
	accepted *baseline
	// outs, proof, bundle and baseline are open from open to finish or discard. Without their flag
	// (--evidence, --bundle, --write-baseline), the last three are nil.
	outs                    []reportFile
	proof, bundle, baseline *output
}

// newFindings returns the result of analyze and sniff. isWatched: findings are reported at once.
func newFindings(j *job, isWatched bool) (*results, error) {
	f := &results{j: j, isFinal: !isWatched && j.opt.evidence.bundle == "" && !j.opt.output.has("json")}
	var err error
	if f.accepted, err = readBaseline(j.opt.report.baseline); err != nil {
		return nil, err
	}
	tool := model.Tool{Name: "kafkavet", Version: toolVersion()}
	if j.opt.evidence.isWanted() {
		f.evidence = evidence.New(evidence.Options{
			Occurrences: int(j.opt.evidence.occurrences), Dissector: j.dissecting, Pseudonyms: j.names, Tool: tool,
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
		IsFinal: f.isFinal, NamesUsers: j.opt.report.principals, Hosts: j.filter.Nets,
	})
	return f, nil
}

// open implements result.
func (f *results) open() (err error) {
	for _, file := range []struct {
		path string
		to   **output
	}{
		{f.j.opt.evidence.path, &f.proof}, {f.j.opt.evidence.bundle, &f.bundle}, {f.j.opt.report.writeBaseline, &f.baseline},
	} {
		if file.path == "" {
			continue
		}
		if *file.to, err = f.j.fileOpener().open(file.path); err != nil {
			return err
		}
	}
	for _, o := range f.j.opt.output.outputs {
		out, err := f.j.fileOpener().open(o.path)
		if err != nil {
			return err
		}
		f.outs = append(f.outs, reportFile{out, o.format})
	}
	return nil
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
	for _, out := range f.outs {
		out.abandon()
	}
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
		o, hasProgram := &f.j.opt.traffic, f.j.opt.live.program != ""
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
		f.j.warn(errors.New(text))
	}
	return f.verdict(rep, f.j.inputIsWhole() && isProven && isKept && isWritten)
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

type reportFile struct {
	*output
	format *write.Format
}

// writeReports writes the report to all its outputs, standard output last, and prints errors. If
// every output fails, it writes the report to standard output, or where the command writes instead.
func (f *results) writeReports(rep *model.Report) (isWritten bool) {
	failed := 0
	// A write to a closed pipe ends the program.
	slices.SortStableFunc(f.outs, func(a, b reportFile) int { return model.TrueFirst(a.place.name != "", b.place.name != "") })
	for _, out := range f.outs {
		if err := f.writeReport(out, rep); err != nil {
			f.j.complain("%v", err)
			failed++
		}
	}
	if failed > 0 && failed == len(f.outs) && f.outs[failed-1].w != f.j.out {
		out := f.j.fileOpener().standardOutput()
		f.j.complain("the report goes to %s", out.name)
		if err := f.writeReport(reportFile{out, f.outs[0].format}, rep); err != nil {
			f.j.complain("%v", err)
		}
	}
	return failed == 0
}

func (f *results) writeReport(out reportFile, rep *model.Report) error {
	opt := textOptions(out.w, f.j.opt.report.color)
	if f.gate == nil {
		opt.Fails = f.j.opt.report.fails
	}
	opt.Rules, opt.Shortfall = report.Rules(), f.shortfall(rep)
	return out.finish(out.format.Write(out.w, rep, opt))
}

// shortfall says why the run fails although no finding does. It is empty if the run does not fail.
func (f *results) shortfall(rep *model.Report) string {
	if rep.Quality.Interrupted > 0 {
		return "interrupted before the end of the input; the rest was not read"
	}
	for i := range rep.Captures {
		if c := &rep.Captures[i]; c.Problem != "" && !c.Torn {
			return c.Problem
		}
	}
	if text := notChecked(rep, f.j.opt.report.required, !f.j.filter.All()); text != "" || f.gate == nil {
		return text
	}
	return f.failing(rep)
}

func (f *results) writeBaseline(rep *model.Report) (isWritten bool) {
	return f.writeTo(f.baseline, func(w io.Writer) error { return writeBaseline(w, rep) })
}

// verdict returns the exit code of a report. isWhole says that all input was read and all output
// was written. If it is false, the reason was already printed. verdict prints every other reason
// in one line.
func (f *results) verdict(rep *model.Report, isWhole bool) int {
	opt := &f.j.opt.report
	if !isWhole {
		return exitTrouble
	}
	text := f.failing(rep)
	if reasons := notChecked(rep, opt.required, !f.j.filter.All()); reasons != "" {
		if text != "" {
			reasons += "; " + text
		}
		f.j.complain("%s", reasons)
		return exitTrouble
	}
	if text == "" && f.gate != nil {
		return f.gate.open(f.j.streams)
	}
	if text == "" {
		return f.foldedVerdict(rep)
	}
	f.j.complain("%s", text)
	return exitFindings
}

// failing describes the findings at or above --fail-on, or why the gate is closed, in one line. It
// is empty for none.
func (f *results) failing(rep *model.Report) string {
	if f.gate != nil {
		return f.gate.text()
	}
	opt := &f.j.opt.report
	var failing []*model.Finding
	for i := range rep.Findings {
		if opt.fails(&rep.Findings[i]) {
			failing = append(failing, &rep.Findings[i])
		}
	}
	if len(failing) == 0 {
		return ""
	}
	worst := slices.MaxFunc(failing, func(a, b *model.Finding) int { return cmp.Compare(a.Severity, b.Severity) })
	text := fmt.Sprintf("%s %s %s: %s", worst.Severity, worst.Code, worst.Title, write.Sentence(worst))
	if n := len(failing) - 1; n > 0 {
		text += "; and " + words.Plural(uint64(n), "more finding")
	}
	return strings.Join(strings.Fields(text), " ") // in one line
}

// foldedVerdict returns the exit code of folded findings. A baseline cannot accept them.
func (f *results) foldedVerdict(rep *model.Report) int {
	if rep.Folded == nil {
		return exitClean
	}
	for _, folded := range rep.Folded.Findings {
		if f.j.opt.report.reaches(folded.Severity) {
			f.j.complain("%s %s %s: %s that are not listed", folded.Severity, folded.Code, folded.Title, words.Plural(folded.Findings, "finding"))
			return exitFindings
		}
	}
	return exitClean
}
