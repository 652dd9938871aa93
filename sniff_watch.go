package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/redact"
)

const (
	// ageInterval is how often requests stop waiting for a borrowed range. They wait at most twice
	// as long, so a finding is printed within a second.
	ageInterval = 400 * time.Millisecond
	// pendingInterval is how long a request outside its range waits for its outcome, at most twice
	// as long. It is then printed without an outcome.
	pendingInterval = 300 * time.Millisecond
	// statusInterval is how often the status line is drawn.
	statusInterval = 500 * time.Millisecond
)

// every limits how often something is done.
type every struct{ interval, last time.Duration }

func (e *every) due(now time.Duration) bool {
	if now-e.last < e.interval {
		return false
	}
	e.last = now
	return true
}

// watch is the result of a live capture. Its methods belong to the job's goroutine before and
// after the pipeline runs, and to the collecting goroutine while it runs.
type watch struct {
	*results
	status *statusLine
	news   *newsWriter

	// src and live are set when run has opened the interface.
	src  *liveSource
	live *live
	// packets is standard output for -w; nil if the command of run owns it.
	packets io.Writer
	// save belongs to the reading goroutine while the pipeline runs; nil without -w.
	save *saver
	// asker asks for the processes of clients; nil for none.
	asker *processLookup
	// comments adds findings to the saved packets; nil without --comments.
	comments *commenter
	// served may be called by any goroutine; nil without --listen.
	served *httpServer
	// metrics counts requests; nil without --listen.
	metrics *requestMetrics

	age, pending, repeat, draw every
	// reports is how often the current report is written; its interval is 0 for never.
	reports every
	counted model.SeverityCounts
	// lost is the error of standard output. The report may still go to a file.
	lost error

	// start starts the command of run when all outputs are open, before the first packet, and
	// returns its process id; nil for sniff.
	start func() (child int, err error)
	stop  chan struct{}
	tasks sync.WaitGroup
}

func newWatch(j *job, status *statusLine, news *newsWriter, packets io.Writer, start func() (int, error)) (*watch, error) {
	f, err := newResults(j, true)
	w := &watch{
		results: f, status: status, news: news, packets: packets, start: start,
		age: every{interval: ageInterval}, pending: every{interval: pendingInterval},
		repeat: every{interval: j.opt.live.interval}, draw: every{interval: statusInterval},
		reports: every{interval: j.opt.live.reportEvery},
		stop:    make(chan struct{}),
	}
	return w, err
}

// run captures until the end and returns the exit code.
func (w *watch) run(ctx context.Context) (int, error) {
	defer w.close()
	if err := w.openSource(ctx); err != nil {
		return 0, err
	}
	defer w.src.Close()
	defer w.discard()
	if err := w.open(); err != nil {
		if user := w.opt.live.user; user != "" {
			err = fmt.Errorf("--user %s: %w", user, err)
		}
		return 0, err
	}
	defer onSecondSignal(ctx, func() { w.status.hide(); w.discard() })()
	w.j.pipeline = newPipeline(w.j, w.src, w.sink(), w.live)
	for _, name := range w.opt.traffic.keyLogs {
		w.tasks.Go(func() { w.j.keys.follow(name, w.stop) })
	}
	if w.served != nil {
		w.served.start(w)
		w.note("serving the current report at http://%s/", w.served.address())
	}
	child, err := 0, error(nil)
	if w.start == nil {
		w.note("watching %s; Ctrl-C ends and reports", w.opt.live.iface)
	} else if child, err = w.start(); err != nil {
		return 0, err
	}
	w.confine(child)
	if err := w.j.pipeline.run(); err != nil && (w.lost == nil || !errors.Is(err, w.lost)) {
		return 0, err
	}
	return w.finish(), nil
}

// confine gives up the rights that the capture no longer needs. child is the process id of the
// command of run.
func (w *watch) confine(child int) {
	s := sandbox{waits: w.opt.traffic.keyLogs, child: child, isLive: true}
	if w.opt.live.listen != "" { // the metrics of the process are read from /proc
		s.reads = []string{"/proc/stat", "/proc/self/stat", "/proc/self/limits", "/proc/self/fd"}
	}
	if w.opt.save.rotates() {
		s.creates = []string{w.opt.save.path}
	}
	if w.reports.interval > 0 {
		for _, o := range w.opt.output.outputs {
			s.creates = append(s.creates, o.path)
		}
	}
	w.j.confine(s)
}

// openSource opens all that needs rights, and gives up the rights that --user does not have.
func (w *watch) openSource(ctx context.Context) error {
	opt, err := w.opt.live.capture(w.opt.traffic.filter, w.warn)
	if err != nil {
		return err
	}
	device, err := w.j.environment.open(opt)
	if err != nil {
		return err
	}
	w.src = &liveSource{
		Source: device, ctx: ctx, now: w.j.now, dissector: w.j.dissector,
		until: w.opt.live.duration, most: w.opt.live.count,
	}
	if w.opt.live.iface == "" {
		w.src.pick = newLocalPackets().pick
	}
	w.live = &live{now: w.j.now, each: w.each}
	if w.opt.live.listen != "" {
		if w.served, err = listen(w.opt.live.listen, w.j.now); err != nil {
			return err
		}
		w.metrics = newRequestMetrics()
	}
	w.ask()
	if w.opt.live.user != "" {
		if w.j.environment.confine != nil && !w.opt.traffic.noSandbox && !w.opt.live.isRun {
			emptyBoundingSet() // the other user cannot
		}
		return becomeUser(w.opt.live.user)
	}
	return nil
}

// ask starts the lookup of processes before the capture gives up the rights for it.
func (w *watch) ask() {
	if w.processes == nil || w.j.environment.lookUp == nil {
		return
	}
	note := func(text string) {
		if w.opt.traffic.verbose {
			w.complain("processes: %s", text)
		}
	}
	to, from, err := w.j.environment.lookUp(w.j.environment.confine != nil && !w.opt.traffic.noSandbox)
	if err != nil {
		note(err.Error())
		return
	}
	w.asker = newAsker(w.processes, to, from, note)
}

// tap implements result.
func (w *watch) tap() func(uint32, *capture.Packet, *capture.Segment) {
	if w.asker == nil {
		return w.results.tap()
	}
	return func(stream uint32, p *capture.Packet, s *capture.Segment) {
		w.asker.packet(stream, s)
		if w.evidence != nil {
			w.evidence.Tap(stream, p, s)
		}
	}
}

// open implements result.
func (w *watch) open() (err error) {
	if err := w.results.open(); err != nil {
		return err
	}
	if path := w.opt.save.path; path != "" {
		if w.j.names != nil {
			w.warn(fmt.Errorf("--write %s: keeps the packets as they were captured; --redact replaces no names in it", path))
		}
		o := w.fileOpener()
		o.stdout = w.packets
		if w.save, err = openSaver(w.opt.save, o, w.src.Captures()[0], w.j.now, w.complain); err != nil {
			return err
		}
		if !w.opt.save.rotates() && w.save.file.place.name != "" {
			w.saved = path
		}
		w.src.save = w.save.write
		if w.opt.save.comments {
			w.comments = newCommenter(w.save, w.j.now)
			w.src.save = w.saveWithComments
		}
	}
	return nil
}

// saveWithComments saves packets with comments. If a pipe accepts no more, its reader has ended,
// for example a crashed Wireshark. Nobody else would then end the capture. It belongs to the
// reading goroutine.
func (w *watch) saveWithComments(packets []capture.Packet) {
	w.comments.write(packets)
	w.src.over = w.src.over || w.save.hasLost && w.save.file.place.name == ""
}

// finish implements result. It writes the last news and the report.
func (w *watch) finish() int {
	if w.asker != nil {
		w.asker.wait()
	}
	failed := w.save != nil && w.save.hasLost
	if failed {
		w.saved = "" // its frames have other numbers
	}
	fail := func(err error) {
		if err != nil {
			w.complain("%v", err)
			failed = true
		}
	}
	rep := w.report(w.j.pipeline.input())
	isProven, isKept := w.writeEvidence(rep), w.writeBaseline(rep)
	w.status.hide()
	if w.lost == nil {
		w.lost = w.last(rep)
	}
	switch {
	case w.save == nil:
	case w.comments != nil:
		w.End()
		w.comments.add(w.News(true, true))
		fail(w.comments.close())
		failed = failed || w.save.hasLost
	default:
		fail(w.save.close())
	}
	// With events, the last one is the report. A failed standard output is not written again.
	w.outs = slices.DeleteFunc(w.outs, func(out reportFile) bool {
		return out.file == nil && (w.lost != nil || w.news.json)
	})
	isWritten := len(w.outs) == 0 || w.writeReports(rep)
	fail(w.lost)
	return w.exitCode(rep, w.j.inputIsWhole() && isProven && isKept && isWritten && !failed)
}

func (w *watch) note(format string, args ...any) {
	if !w.opt.traffic.quiet {
		w.complain(format, args...)
	}
}

func (w *watch) sink() decode.Sink {
	if w.metrics != nil {
		return &countedSink{w.Builder, w.metrics}
	}
	return w.Builder
}

func (w *watch) close() {
	close(w.stop)
	if w.served != nil {
		w.served.close()
	}
	w.tasks.Wait()
}

func (w *watch) each(p *pipeline) error {
	now := w.j.now()
	if w.age.due(now) {
		p.correlator.Age()
	}
	repeats := w.repeat.due(now)
	if w.lost == nil {
		w.lost = w.print(w.pending.due(now), repeats)
	}
	if w.lost != nil {
		return w.lost
	}
	if w.reports.interval > 0 && w.reports.due(now) {
		w.writeReportSoFar()
	}
	if w.draw.due(now) {
		w.status.show(w.counts())
	}
	if w.served != nil {
		w.served.beat(now)
		if w.served.wanted(now) {
			w.served.publish(w.snapshot(now))
		}
	}
	return nil
}

// writeReportSoFar writes the current report. It prints errors; the next call tries again.
func (w *watch) writeReportSoFar() {
	rep := w.report(w.inputSoFar())
	for _, file := range w.outs {
		if file.temp == "" { // no file
			continue
		}
		out, err := w.fileOpener().another(file.output)
		if err == nil {
			err = w.writeReport(reportFile{out, file.format}, rep)
		}
		if err != nil {
			w.complain("%v; --report-every tries again in %v", err, w.reports.interval)
			if out != nil {
				out.abandon()
			}
		}
	}
}

// print prints new findings. With repeats it also prints repeated findings and the counts.
func (w *watch) print(isPendingDue, repeats bool) error {
	news := slices.DeleteFunc(w.News(isPendingDue, repeats), func(n model.News) bool { return w.accepted.accepts(&n.Finding) })
	if len(news) > 0 {
		w.count(news)
		if w.comments != nil {
			w.comments.add(news)
		}
		if w.j.names != nil {
			redactNews(news, w.j.names)
		}
		if err := w.news.write(news); err != nil {
			return err
		}
	}
	if repeats {
		return w.news.status(w.counts())
	}
	return nil
}

// last prints new findings at the end, and the report as an event.
func (w *watch) last(rep *model.Report) error {
	if w.news.json {
		w.End()
		if err := w.print(true, true); err != nil {
			return err
		}
	}
	return w.news.final(rep)
}

func (w *watch) count(news []model.News) {
	for i := range news {
		if news[i].First {
			w.counted.Add(news[i].Finding.Severity)
		}
	}
}

func redactNews(news []model.News, names *redact.Pseudonyms) {
	for i := range news {
		r := model.Report{Findings: []model.Finding{news[i].Finding}}
		redact.Report(&r, names)
		news[i].Finding = r.Findings[0]
	}
}

type liveCounts struct {
	Packets      uint64               `json:"packets"`
	Bytes        uint64               `json:"bytes"`
	Dropped      uint64               `json:"dropped"`
	Connections  uint64               `json:"connections"`
	Open         uint64               `json:"open_connections"`
	Requests     uint64               `json:"requests"`
	Responses    uint64               `json:"responses"`
	MissingBytes uint64               `json:"missing_bytes"`
	Gaps         uint64               `json:"gaps"`
	Findings     model.SeverityCounts `json:"findings"`
}

func (w *watch) counts() liveCounts {
	captured, stats, sums := w.src.Source.Captures()[0], w.j.pipeline.stats, w.Counts()
	return liveCounts{
		Packets: captured.Packets, Bytes: captured.Bytes, Dropped: captured.Dropped,
		Connections: stats.Streams, Open: stats.Open, MissingBytes: stats.MissingBytes, Gaps: stats.Gaps,
		Requests: sums.Requests, Responses: sums.Responses, Findings: w.counted,
	}
}

// inputSoFar returns the current counts of all packages while packets are being read. It belongs
// to the collecting goroutine.
func (w *watch) inputSoFar() report.Input {
	return w.j.pipeline.inputOf(w.src.Captures(), *w.src.stats.Load(), w.live.limits())
}

func (w *watch) snapshot(now time.Duration) *snapshot {
	return &snapshot{report: w.report(w.inputSoFar()), counts: w.counts(), at: now}
}
