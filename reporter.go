package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
	"github.com/kafkavet/kafkavet/report/write"
)

// reporter writes a report to all outputs, and turns it into an exit code.
type reporter struct {
	command
	// gate decides instead of the findings; nil without --gate.
	gate *gate
	// outs are open from openOutputs until writeReports or discardOutputs.
	outs []reportFile
}

type reportFile struct {
	*output
	format *write.Format
}

func (r *reporter) openOutputs() error {
	for _, o := range r.opt.output.outputs {
		out, err := r.fileOpener().open(o.path)
		if err != nil {
			return err
		}
		r.outs = append(r.outs, reportFile{out, o.format})
	}
	return nil
}

// discardOutputs removes unfinished outputs.
func (r *reporter) discardOutputs() {
	for _, out := range r.outs {
		out.abandon()
	}
}

// writeReports writes the report to all its outputs, standard output last, and prints errors. If
// every output fails, it writes the report to standard output, or where the command writes instead.
func (r *reporter) writeReports(rep *model.Report) (isWritten bool) {
	failed := 0
	// A write to a closed pipe ends the program.
	slices.SortStableFunc(r.outs, func(a, b reportFile) int { return model.TrueFirst(a.place.name != "", b.place.name != "") })
	for _, out := range r.outs {
		if err := r.writeReport(out, rep); err != nil {
			r.complain("%v", err)
			failed++
		}
	}
	if failed > 0 && failed == len(r.outs) && r.outs[failed-1].w != r.out {
		out := r.fileOpener().standardOutput()
		r.complain("the report goes to %s", out.name)
		if err := r.writeReport(reportFile{out, r.outs[0].format}, rep); err != nil {
			r.complain("%v", err)
		}
	}
	return failed == 0
}

func (r *reporter) writeReport(out reportFile, rep *model.Report) error {
	opt := textOptions(out.w, r.opt.report.color)
	if r.gate == nil {
		opt.Fails = r.opt.report.fails
	}
	opt.Rules, opt.Shortfall = report.Rules(), r.shortfall(rep)
	return out.finish(out.format.Write(out.w, rep, opt))
}

// shortfall says why the run fails although no finding does. It is empty if the run does not fail.
func (r *reporter) shortfall(rep *model.Report) string {
	if rep.Quality.Interrupted > 0 {
		return "interrupted before the end of the input; the rest was not read"
	}
	for i := range rep.Captures {
		if c := &rep.Captures[i]; c.Problem != "" && !c.Torn {
			return c.Problem
		}
	}
	if text := notChecked(rep, r.opt.report.required, !r.opt.traffic.filter.All()); text != "" || r.gate == nil {
		return text
	}
	return r.failing(rep)
}

// exitCode returns the exit code of a report. isWhole says that all input was read and all output
// was written. If it is false, the reason was already printed. exitCode prints every other reason
// in one line.
func (r *reporter) exitCode(rep *model.Report, isWhole bool) int {
	opt := &r.opt.report
	if !isWhole {
		return exitTrouble
	}
	text := r.failing(rep)
	if reasons := notChecked(rep, opt.required, !r.opt.traffic.filter.All()); reasons != "" {
		if text != "" {
			reasons += "; " + text
		}
		r.complain("%s", reasons)
		return exitTrouble
	}
	if text == "" && r.gate != nil {
		return r.gate.open(r.streams)
	}
	if text == "" {
		return r.foldedExitCode(rep)
	}
	r.complain("%s", text)
	return exitFindings
}

// failing describes the findings at or above --fail-on, or why the gate is closed, in one line. It
// is empty for none.
func (r *reporter) failing(rep *model.Report) string {
	if r.gate != nil {
		return r.gate.text()
	}
	opt := &r.opt.report
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

// foldedExitCode returns the exit code of folded findings. A baseline cannot accept them.
func (r *reporter) foldedExitCode(rep *model.Report) int {
	if rep.Folded == nil {
		return exitClean
	}
	for _, folded := range rep.Folded.Findings {
		if r.opt.report.reaches(folded.Severity) {
			r.complain("%s %s %s: %s that are not listed", folded.Severity, folded.Code, folded.Title, words.Plural(folded.Findings, "finding"))
			return exitFindings
		}
	}
	return exitClean
}

// notChecked says that fewer requests were checked than --require-checked demands, and why. It is
// empty if enough were checked.
func notChecked(rep *model.Report, required uint64, isFiltered bool) string {
	s := &rep.Summary
	if s.RequestsChecked >= required {
		return ""
	}
	var why []string
	for _, n := range rep.Quality.NotChecked {
		switch n.Reason {
		case model.NotCheckedNoRange:
			why = append(why, words.Plural(n.Requests, "request")+" without a known range (capture from the start of a connection, or give --advertised)")
		case model.NotCheckedEncrypted:
			why = append(why, encryptedText(n.Streams))
		case model.NotCheckedUndecided:
			why = append(why, words.Plural(n.Streams, "connection")+" with too little payload")
		}
	}
	if len(why) == 0 && s.Requests == s.RequestsExempt {
		why = append(why, cmp.Or(noKafka(s.Streams, s.KafkaStreams, isFiltered), "no request except ApiVersions was captured"))
	}
	text := fmt.Sprintf("%s checked, --require-checked asks for %s", words.Plural(s.RequestsChecked, "request"), words.Number(required))
	if len(why) > 0 {
		text += ": " + strings.Join(why, "; ")
	}
	return text
}

// noKafka says why there is no Kafka connection. It is empty if there is one.
func noKafka(streams, kafkaStreams uint64, isFiltered bool) string {
	switch {
	case streams == 0 && isFiltered:
		return "no TCP connection passes --port, --not-port, --host and --net"
	case streams == 0:
		return "no TCP connection was captured"
	case kafkaStreams == 0:
		return fmt.Sprintf("none of %s spoke Kafka", words.Plural(streams, "connection"))
	}
	return ""
}

func encryptedText(streams uint64) string {
	return words.Plural(streams, "encrypted connection") + " (give --tls-keylog)"
}

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
