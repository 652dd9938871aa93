package main

import (
	"fmt"
	"strings"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/redact"
	"github.com/kafkavet/kafkavet/report/write"
)

// findings is the result of analyze and sniff: the report, and the evidence for it.
type findings struct {
	// Builder belongs to the collecting goroutine while the pipeline runs.
	*report.Builder
	j *job
	// evidence takes the packets that prove findings; nil for none.
	evidence *evidence.Collector
	// out and proof are open from open to finish or discard; proof is nil without --evidence.
	out, proof *output
}

// newFindings makes the result of analyze and sniff. isWatched has the builder report findings while they come in.
func newFindings(j *job, isWatched bool) (*findings, error) {
	f := &findings{j: j}
	tool := model.Tool{Name: "kafkavet", Version: toolVersion()}
	if j.opt.evidence.path != "" {
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
	f.Builder = report.NewBuilder(report.Options{
		Tool: tool, KnownIssues: issues, Target: target, Supplied: j.supplied, Evidence: f.evidence, Watch: isWatched,
	})
	return f, nil
}

// open implements result.
func (f *findings) open() (err error) {
	if f.evidence != nil {
		if f.proof, err = openOutput(f.j.opt.evidence.path, nil); err != nil {
			return err
		}
	}
	if f.out, err = openOutput(f.j.opt.output.path, f.j.out); err != nil {
		f.discard()
	}
	return err
}

// tap implements result.
func (f *findings) tap() func(uint32, *capture.Packet, *capture.Segment) {
	if f.evidence == nil {
		return nil
	}
	return f.evidence.Tap
}

// discard implements result.
func (f *findings) discard() {
	for _, o := range []*output{f.out, f.proof} {
		if o != nil {
			o.abandon()
		}
	}
}

// report is the report so far, redacted if that is asked for.
func (f *findings) report(in report.Input) *model.Report {
	f.SetInput(in)
	rep := f.Report()
	if f.j.names != nil {
		redact.Report(rep, f.j.names)
	}
	return rep
}

// finish implements result.
func (f *findings) finish() int {
	rep := f.report(f.j.pipeline.input())
	isWritten := true
	for _, err := range []error{f.writeEvidence(), f.writeReport(rep)} {
		if err != nil {
			f.j.complain("%v", err)
			isWritten = false
		}
	}
	return f.verdict(rep, f.j.inputIsWhole() && isWritten)
}

// writeReport writes the report and makes its file appear.
func (f *findings) writeReport(rep *model.Report) error {
	if err := f.j.opt.output.write(f.out.w, rep, f.j.opt.report.color); err != nil {
		return fmt.Errorf("write %s: %w", f.out.name, reason(err))
	}
	return f.out.commit()
}

// writeEvidence writes the evidence, makes its file appear, and warns of what is not proven.
func (f *findings) writeEvidence() error {
	if f.evidence == nil {
		return nil
	}
	sum, err := f.WriteEvidence(f.proof.w, f.j.pipeline.opt.src.Captures())
	if err != nil {
		return fmt.Errorf("write %s: %w", f.proof.name, reason(err))
	}
	if err := f.proof.commit(); err != nil {
		return err
	}
	if sum.Omitted > 0 || sum.Unproven > 0 {
		f.j.warn(fmt.Errorf("%s: %s without packets, %s without packets that were still kept",
			f.proof.name, counted(uint64(sum.Unproven), "finding"), counted(sum.Omitted, "occurrence")))
	}
	if sum.Encrypted > 0 {
		f.j.warn(fmt.Errorf("%s: TLS on %d of %s: %s",
			f.proof.name, sum.Encrypted, counted(uint64(sum.Connections), "connection"), sum.OfEncrypted(f.j.names != nil)))
	}
	if f.j.opt.traffic.verbose {
		f.j.complain("wrote %s: %s of %s for %s", f.proof.name, counted(uint64(sum.Packets), "packet"),
			counted(uint64(sum.Connections), "connection"), counted(uint64(sum.Findings), "finding"))
	}
	return nil
}

// verdict is the exit code of a report. isWhole says that all could be read and written; otherwise the reason
// why not was printed. For findings it is printed here.
func (f *findings) verdict(rep *model.Report, isWhole bool) int {
	if !isWhole {
		return exitTrouble
	}
	if worst, any := rep.Worst(); !any || !f.j.opt.report.reaches(worst) {
		return exitClean
	}
	f.j.complain("%s", failure(rep, &f.j.opt.report))
	return exitFindings
}

// failure names, in one line, the gravest finding that makes a run fail, and counts the others.
func failure(rep *model.Report, opt *reportOptions) string {
	n := uint64(0)
	var worst *model.Finding
	for i := range rep.Findings {
		if f := &rep.Findings[i]; opt.reaches(f.Severity) {
			if n++; worst == nil || f.Severity > worst.Severity {
				worst = f
			}
		}
	}
	text := fmt.Sprintf("%s %s %s: %s", worst.Severity, worst.Code, worst.Title, worst.Message)
	var where []string
	if c := worst.Client; c != nil {
		name := []string{c.SoftwareName, c.SoftwareVersion}
		if c.ClientID != nil {
			name = append(name, *c.ClientID)
		}
		where = append(where, "client "+write.Escape(strings.Join(name, " ")))
	}
	if worst.Broker != "" {
		where = append(where, "broker "+worst.Broker)
	}
	if worst.Count > 1 {
		where = append(where, counted(worst.Count, "time"))
	}
	if len(where) > 0 {
		text += " (" + strings.Join(where, ", ") + ")"
	}
	if n > 1 {
		text += "; and " + counted(n-1, "more finding")
	}
	return strings.Join(strings.Fields(text), " ") // in one line
}
