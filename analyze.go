package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/redact"
	"github.com/kafkavet/kafkavet/report/write"
)

// reportFlags are the flags that say what becomes of the report.
type reportFlags struct {
	format      string
	output      string
	failOn      string
	color       string
	knownIssues []string
	target      string
	redactFlags
	evidenceFlags
}

func (r *reportFlags) register(f *pflag.FlagSet) {
	f.StringVar(&r.format, "format", "text", "`text`, json, markdown or html")
	f.StringVarP(&r.output, "output", "o", "", "write the report to `file` instead of standard output")
	f.StringVar(&r.failOn, "fail-on", "error", "exit with 1 when there is a finding of this `severity` or above: error, warning, never")
	f.StringVar(&r.color, "color", "auto", "colours in text: auto, always, never; NO_COLOR is heeded")
	f.StringArrayVar(&r.knownIssues, "known-issues", nil, "match findings also against the known issues of this YAML `file`; may be repeated")
	f.StringVar(&r.target, "target", "", "tell what of the traffic this `release` would refuse (kafka-4.0, 4.0.1), or the brokers of a file:\n"+
		"a report in JSON or the output of kafka-broker-api-versions.sh; list prints the releases")
	r.evidenceFlags.register(f)
	r.redactFlags.register(f)
}

// check tells what is wrong with the flags, before any work is done.
func (r *reportFlags) check() error {
	for _, c := range []struct{ flag, value, allowed string }{
		{"--format", r.format, "text json markdown html"},
		{"--fail-on", r.failOn, "error warning never"},
		{"--color", r.color, "auto always never"},
	} {
		if err := oneOf(c.flag, c.value, c.allowed); err != nil {
			return err
		}
	}
	return nil
}

// files are the files that are written.
func (r *reportFlags) files() []written {
	return []written{{"--output", r.output}, {"--evidence", r.path}}
}

func oneOf(flag, value, allowed string) error {
	words := strings.Fields(allowed)
	for _, w := range words {
		if value == w {
			return nil
		}
	}
	return fmt.Errorf("%s %q: must be one of %s", flag, value, strings.Join(words, ", "))
}

// builder makes the report builder; ev is nil for no evidence. watch has it tell of findings while they come in.
func (r *reportFlags) builder(p *pipeline, ev *evidence.Collector, watch bool) (*report.Builder, error) {
	issues, err := knownissues.Load(report.IsCode, r.knownIssues...)
	if err != nil {
		return nil, err
	}
	target, err := reference("--target", r.target)
	if err != nil {
		return nil, err
	}
	return report.NewBuilder(report.Options{
		Tool:        model.Tool{Name: "kafkavet", Version: toolVersion()},
		KnownIssues: issues, Target: target, Supplied: p.supplied, Evidence: ev, Watch: watch,
	}), nil
}

// reference finds the ranges that a flag names, nil for none.
func reference(flag, name string) (*decode.Reference, error) {
	if name == "" {
		return nil, nil
	}
	r, err := decode.LoadReference(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return r, nil
}

// listReleases prints the known releases if one of the flags asks for them.
func listReleases(s streams, color string, flags ...string) (asked bool, err error) {
	if !slices.Contains(flags, "list") {
		return false, nil
	}
	if err := write.References(s.out, textOptions(s.out, color)); err != nil {
		return true, fmt.Errorf("write standard output: %w", err)
	}
	return true, nil
}

// write writes the report in the format asked for.
func (r *reportFlags) write(w io.Writer, rep *model.Report) error {
	switch r.format {
	case "json":
		return write.JSON(w, rep)
	case "markdown":
		return write.Markdown(w, rep)
	case "html":
		return write.HTML(w, rep, write.HTMLOptions{})
	}
	return write.Text(w, rep, textOptions(w, r.color))
}

// textOptions tells how wide text on w may be, 0 for any width, and whether it
// may be coloured.
func textOptions(w io.Writer, color string) write.TextOptions {
	var opt write.TextOptions
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		opt.Width, _, _ = term.GetSize(int(f.Fd())) // 0 where it cannot be told
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

// failed tells whether the report holds a finding that --fail-on asks for.
func (r *reportFlags) failed(rep *model.Report) bool {
	worst, any := rep.Worst()
	switch r.failOn {
	case "error":
		return any && worst >= model.Error
	case "warning":
		return any && worst >= model.Warning
	}
	return false
}

// analyze is the command of that name.
func analyze(ctx context.Context, args []string, s streams) int {
	var pf pipelineFlags
	var rf reportFlags
	f := flagSet("analyze", "[flags] FILE...", "Analyse captures (pcap, pcapng, also gzip, zstd or lz4) and report every request that the\n"+
		"broker never offered. Several files are one input, as a rotated capture. \"-\" is standard input.", s)
	rf.register(f)
	pf.register(f)
	if code, done := parse(f, args, s); done {
		return code
	}
	code, err := analyzeFiles(ctx, f.Args(), &pf, &rf, s)
	if err != nil {
		s.complain("%v", err)
		return exitTrouble
	}
	return code
}

func analyzeFiles(ctx context.Context, paths []string, pf *pipelineFlags, rf *reportFlags, s streams) (int, error) {
	read := slices.Concat(named(paths, s.in), pf.keyLogs, rf.knownIssues, []string{rf.target, pf.advertised})
	if err := cmp.Or(rf.check(), apart(rf.files(), read...)); err != nil {
		return 0, err
	}
	if asked, err := listReleases(s, rf.color, rf.target, pf.advertised); asked {
		return exitClean, err
	}
	names, err := rf.pseudonyms()
	if err != nil {
		return 0, err
	}
	p, err := newPipeline(pf, s)
	if err != nil {
		return 0, err
	}
	ev, err := rf.evidenceFlags.open(p, names)
	if err != nil {
		return 0, err
	}
	defer ev.abandon()
	builder, err := rf.builder(p, ev.gathered(), false)
	if err != nil {
		return 0, err
	}
	out, err := openOutput(rf.output, s.out)
	if err != nil {
		return 0, err
	}
	defer out.abandon()
	defer onSecondSignal(ctx, func() { out.abandon(); ev.abandon() })()
	src, until, err := openFiles(ctx, paths, p, s)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	stop := showProgress(src, pf, s)
	err = p.run(until, src, builder)
	stop()
	if err != nil {
		return 0, interrupted(err)
	}
	builder.SetInput(p.input(src))
	rep := builder.Report()
	if names != nil {
		redact.Report(rep, names)
	}
	if err := ev.write(builder, src, p); err != nil {
		return 0, err
	}
	if err := rf.write(out.w, rep); err != nil {
		return 0, fmt.Errorf("write %s: %w", out.name, err)
	}
	if err := out.commit(); err != nil {
		return 0, err
	}
	p.account(src, began)
	switch {
	case p.troubles(src):
		return exitTrouble, nil
	case rf.failed(rep):
		return exitFindings, nil
	}
	return exitClean, nil
}

// openFiles opens captures for a pipeline, and tells what ends its run: a signal,
// unless it is the end of standard input.
func openFiles(ctx context.Context, paths []string, p *pipeline, s streams) (*capture.Files, context.Context, error) {
	if len(paths) == 0 {
		return nil, nil, errors.New(`no capture given; "-" is standard input`)
	}
	opt := capture.Options{Stdin: s.in, Secrets: p.addSecrets}
	if slices.Contains(paths, "-") {
		opt.Stdin, ctx = untilInterrupted(ctx, s.in), context.WithoutCancel(ctx)
	}
	files, err := capture.Open(paths, opt)
	p.files = files
	return files, ctx, err
}

// interrupted puts the end by a signal into words.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}

// requests is the command of that name.
func requests(ctx context.Context, args []string, s streams) int {
	var pf pipelineFlags
	var rd redactFlags
	var format, output string
	f := flagSet("requests", "[flags] FILE...", "One line for every Kafka request: what was sent, what the broker had advertised, how it went on.", s)
	f.StringVar(&format, "format", "tsv", "`tsv`, or json: one object a line")
	f.StringVarP(&output, "output", "o", "", "write to `file` instead of standard output")
	rd.register(f)
	pf.register(f)
	if code, done := parse(f, args, s); done {
		return code
	}
	code, err := listRequests(ctx, f.Args(), &pf, &rd, format, output, s)
	if err != nil {
		s.complain("%v", err)
		return exitTrouble
	}
	return code
}

func listRequests(ctx context.Context, paths []string, pf *pipelineFlags, rd *redactFlags, format, output string, s streams) (int, error) {
	read := slices.Concat(named(paths, s.in), pf.keyLogs, []string{pf.advertised})
	if err := cmp.Or(oneOf("--format", format, "tsv json"), apart([]written{{"--output", output}}, read...)); err != nil {
		return 0, err
	}
	if asked, err := listReleases(s, "never", pf.advertised); asked {
		return exitClean, err
	}
	names, err := rd.pseudonyms()
	if err != nil {
		return 0, err
	}
	p, err := newPipeline(pf, s)
	if err != nil {
		return 0, err
	}
	out, err := openOutput(output, s.out)
	if err != nil {
		return 0, err
	}
	defer out.abandon()
	defer onSecondSignal(ctx, out.abandon)()
	src, until, err := openFiles(ctx, paths, p, s)
	if err != nil {
		return 0, err
	}
	w := write.NewRequestsTSV(out.w)
	if format == "json" {
		w = write.NewRequestsJSON(out.w)
	}
	var sink decode.Sink = w
	if names != nil {
		sink = redact.Requests(w, names)
	}
	began := time.Now()
	stop := showProgress(src, pf, s)
	err = p.run(until, src, sink)
	stop()
	if err != nil {
		return 0, interrupted(err)
	}
	if err := w.Close(); err != nil {
		return 0, fmt.Errorf("write %s: %w", out.name, err)
	}
	if err := out.commit(); err != nil {
		return 0, err
	}
	p.account(src, began)
	if n := w.Late(); n > 0 {
		p.warn(fmt.Errorf("%d requests were answered so late that their lines are out of order", n))
	}
	if p.troubles(src) {
		return exitTrouble, nil
	}
	return exitClean, nil
}

// explain is the command of that name.
func explain(_ context.Context, args []string, s streams) int {
	var color string
	f := flagSet("explain", "[CODE]", "What a finding means, why it matters, how it looks on the wire, and what to do. Without a code: the list.", s)
	f.StringVar(&color, "color", "auto", "colours: auto, always, never; NO_COLOR is heeded")
	if code, done := parse(f, args, s); done {
		return code
	}
	err := oneOf("--color", color, "auto always never")
	opt := textOptions(s.out, color)
	switch {
	case err != nil:
	case f.NArg() == 0:
		err = write.Rules(s.out, report.Rules(), opt)
	case f.NArg() == 1:
		err = write.Rule(s.out, report.Rules(), f.Arg(0), opt)
	default:
		err = errors.New("takes one finding code")
	}
	if err != nil {
		s.complain("explain: %v", err)
		return exitTrouble
	}
	return exitClean
}
