package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/redact"
)

const (
	// ageInterval is how often requests are given up that wait for a range to
	// borrow: they wait at most twice as long, so that what is found in them is told
	// within a second.
	ageInterval = 400 * time.Millisecond
	// sightInterval is how long a request outside its range waits for its
	// outcome before it is told of without: at most twice as long.
	sightInterval = 300 * time.Millisecond
	// statusInterval is how often the status line is drawn anew.
	statusInterval = 500 * time.Millisecond
	// keyLogInterval is how often key logs are looked at. Records wait 10 s for their secrets.
	keyLogInterval = 100 * time.Millisecond
)

// every is something that is done again and again.
type every struct{ interval, last time.Duration }

// due tells whether it is time again.
func (e *every) due(now time.Duration) bool {
	if now-e.last < e.interval {
		return false
	}
	e.last = now
	return true
}

// watch is a live capture while it runs. Its methods belong to the collecting
// goroutine of the pipeline, but for those that say something else.
type watch struct {
	r       *sniffing
	p       *pipeline
	src     *liveSource
	builder *report.Builder
	// names are the pseudonyms, nil for none.
	names  *redact.Pseudonyms
	status *statusLine
	teller *teller
	save   *saver
	served *served
	// metrics counts requests; nil where nobody can ask for them.
	metrics *requestMetrics

	age, sight, repeat, draw, check every
	findings                        model.SeverityCounts
	// failed is why something beside the analysis came to an end.
	failed error
	// untold is why nothing can be told any more while it happens; the report
	// may still go to a file.
	untold error

	stop  chan struct{}
	tasks sync.WaitGroup
}

func newWatch(r *sniffing, p *pipeline, src *liveSource, b *report.Builder, names *redact.Pseudonyms, status *statusLine) *watch {
	return &watch{
		r: r, p: p, src: src, builder: b, names: names, status: status, teller: newTeller(r, status),
		age: every{interval: ageInterval}, sight: every{interval: sightInterval},
		repeat: every{interval: r.flags.interval}, draw: every{interval: statusInterval}, check: every{interval: time.Second},
		stop: make(chan struct{}),
	}
}

// begin opens what needs rights, gives them up if that is asked for, and
// starts what goes on beside the analysis. No packet was looked at before.
func (w *watch) begin(keyLogs []string, out *output, ev *evidenceOutput) (err error) {
	if w.r.flags.listen != "" {
		if w.served, err = listen(w.r.flags.listen, w); err != nil {
			return err
		}
		w.metrics = newRequestMetrics()
	}
	if w.r.flags.save.path != "" {
		if w.save, err = openSaver(w.r.flags.save, w.src.Captures()[0], w.r.now); err != nil {
			return err
		}
		w.src.save = w.save.write
	}
	if w.r.flags.user != "" {
		if err := becomeUser(w.r.flags.user, w.belongings(out, ev)); err != nil {
			return err
		}
	}
	for _, name := range keyLogs {
		w.tasks.Go(func() { w.follow(name) })
	}
	if w.served != nil {
		w.served.start(w)
		w.note("serving the report so far at http://%s/", w.served.address())
	}
	return nil
}

// belongings are what the user that --user names goes on with.
func (w *watch) belongings(out *output, ev *evidenceOutput) (b belongings) {
	outs := []*output{out}
	if ev != nil {
		outs = append(outs, ev.out)
	}
	for _, o := range outs {
		if o.temp != nil {
			b.files = append(b.files, o.temp)
			b.dirs = append(b.dirs, filepath.Dir(o.path))
		}
	}
	if w.save != nil {
		b.files = append(b.files, w.save.file)
		if w.save.flags.rotates() {
			b.dirs = append(b.dirs, filepath.Dir(w.save.flags.path))
		}
	}
	return b
}

// belongings are files that go to another user, and directories in which that
// user will make and rename files.
type belongings struct {
	files []*os.File
	dirs  []string
}

// note tells on standard error what the user may want to know.
func (w *watch) note(format string, args ...any) {
	if !w.r.pf.quiet {
		w.p.s.complain(format, args...)
	}
}

// watch reads packets until it is enough.
func (w *watch) watch(ctx context.Context) error {
	w.p.live = &live{src: w.src, now: w.r.now, each: w.each}
	w.note("watching %s; Ctrl-C ends and reports", w.r.flags.iface)
	// The source ends when ctx does, and what came until then is still looked at.
	err := w.p.run(context.WithoutCancel(ctx), w.src, w.sink())
	if w.save != nil {
		if w.failed = cmp.Or(w.src.failed, w.save.close()); w.failed != nil {
			w.p.s.complain("%v", w.failed)
		}
	}
	if w.untold != nil && errors.Is(err, w.untold) {
		return nil
	}
	return err
}

// sink is where the pipeline hands what it found.
func (w *watch) sink() decode.Sink {
	if w.metrics != nil {
		return &countedSink{w.builder, w.metrics}
	}
	return w.builder
}

// close ends what goes on beside the analysis.
func (w *watch) close() {
	close(w.stop)
	if w.served != nil {
		w.served.close()
	}
	w.tasks.Wait()
}

// each is called after every batch.
func (w *watch) each(p *pipeline) error {
	now := w.r.now()
	if w.age.due(now) {
		p.correlator.Age()
	}
	repeats := w.repeat.due(now)
	if w.untold == nil {
		w.untold = w.tell(w.sight.due(now), repeats)
	}
	if w.untold != nil {
		return w.untold
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

// tell tells of findings, with repeats also of those that happened again and of the sums.
func (w *watch) tell(sighted, repeats bool) error {
	news := w.builder.News(sighted, repeats)
	if len(news) > 0 {
		w.count(news)
		if w.names != nil {
			redactNews(news, w.names)
		}
		if err := w.teller.tell(news); err != nil {
			return err
		}
	}
	if repeats {
		return w.teller.status(w.counts())
	}
	return nil
}

// last tells what is new at the end, and the report where that is an event.
func (w *watch) last(rep *model.Report) error {
	if w.teller.json {
		if err := w.tell(true, true); err != nil {
			return err
		}
	}
	return w.teller.final(rep)
}

// count counts the findings that are told of.
func (w *watch) count(news []model.News) {
	for i := range news {
		if !news[i].First {
			continue
		}
		switch news[i].Finding.Severity {
		case model.Error:
			w.findings.Error++
		case model.Warning:
			w.findings.Warning++
		default:
			w.findings.Info++
		}
	}
}

// redactNews replaces names and addresses.
func redactNews(news []model.News, names *redact.Pseudonyms) {
	for i := range news {
		r := model.Report{Findings: []model.Finding{news[i].Finding}}
		redact.Report(&r, names)
		news[i].Finding = r.Findings[0]
	}
}

// liveCounts are the sums so far, as JSON in an event of its own.
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

// counts are the sums so far.
func (w *watch) counts() liveCounts {
	captured, stats, sums := w.src.Stats(), w.p.stats, w.builder.Counts()
	return liveCounts{
		Packets: captured.Packets, Bytes: captured.Bytes, Dropped: captured.Dropped,
		Connections: stats.Streams, Open: stats.Open, MissingBytes: stats.MissingBytes, Gaps: stats.Gaps,
		Requests: sums.Requests, Responses: sums.Responses, Findings: w.findings,
	}
}

// snapshot is the report so far.
func (w *watch) snapshot(now time.Duration) *snapshot {
	w.builder.SetInput(w.p.inputOf(w.src.Captures(), *w.src.stats.Load(), w.p.live.limits()))
	rep := w.builder.Report()
	if w.names != nil {
		redact.Report(rep, w.names)
	}
	return &snapshot{report: rep, counts: w.counts(), at: now}
}

// follow reads a key log as it grows, until the end. It has a goroutine of its own.
func (w *watch) follow(name string) {
	k := tlsrecord.FollowKeyLog(name, w.p.secrets, w.p.warn)
	defer k.Close()
	told := ""
	tick := time.NewTicker(keyLogInterval)
	defer tick.Stop()
	for {
		_, err := k.Poll()
		switch text := fmt.Sprint(err); {
		case err == nil:
			told = ""
		case text != told:
			told = text
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w; waiting for it", err)
			}
			w.p.warn(err)
		}
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
	}
}
