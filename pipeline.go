package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// pipeline passes packets from a source through all packages to a sink.
type pipeline struct {
	j *job
	// src is the source of packets. Next belongs to the reading goroutine until run returns.
	src capture.Source
	// debug prints the decisions about one connection; nil for none.
	debug *debugger
	// live is the live capture; nil for files.
	live *live
	// pool owns the goroutines.
	pool *reassembly.Pool[[]decode.Event]
	// shards belong to one worker each until run returns.
	shards []*decode.Shard
	// correlator and stats belong to the collecting goroutine until run returns. stats are the
	// counts of its latest batch.
	correlator *decode.Correlator
	stats      reassembly.Stats
}

// newPipeline returns the pipeline of a job. live is nil for files.
func newPipeline(j *job, src capture.Source, sink decode.Sink, live *live) *pipeline {
	p := &pipeline{j: j, src: src, live: live}
	if stream := j.opt.traffic.debug; stream != nil {
		p.debug = &debugger{stream: *stream, s: j.streams}
		sink = debugSink{sink, p.debug}
	}
	var supplied *decode.Ranges
	if j.supplied != nil {
		supplied = j.supplied.Table.Ranges
	}
	p.correlator = decode.NewCorrelator(supplied, sink)
	pooling := reassembly.Options{
		Dissector: j.dissector, LooksLikeRequest: decode.LooksLikeRequest, LooksLikeExchange: decode.LooksLikeExchange,
		Secrets: j.keys.Secrets, Subjects: j.opt.report.principals, IdleTimeout: int64(j.opt.traffic.idle), Tap: j.result.tap(),
	}
	if p.debug != nil {
		pooling.Tracer = p.debug
	}
	if !j.opt.traffic.filter.All() {
		pooling.Want = j.opt.traffic.filter.Match
	}
	if live != nil {
		pooling.Live, pooling.Clock = true, live.clock
	}
	p.pool = reassembly.NewPool(pooling, p.newShard, p.collect)
	j.keys.drain = p.pool.Drain
	return p
}

func (p *pipeline) newShard() reassembly.Shard[[]decode.Event] {
	s := decode.NewShard(decode.ShardOptions{Watch: p.live != nil, Principals: p.j.opt.report.principals})
	p.shards = append(p.shards, s)
	if p.live != nil {
		return p.live.watch(s)
	}
	return s
}

func (p *pipeline) collect(parts [][]decode.Event) error {
	p.correlator.Add(parts)
	if p.live == nil {
		return nil
	}
	p.stats = p.pool.Stats()
	return p.live.each(p)
}

func (p *pipeline) run() error {
	var err error
	p.stats, err = p.pool.Run(context.Background(), p.src)
	p.correlator.Finish()
	return err
}

// input returns the counts of all packages after the pipeline ended.
func (p *pipeline) input() report.Input {
	var limits []decode.Limits
	for _, s := range p.shards {
		limits = append(limits, s.Limits())
	}
	return p.inputOf(p.src.Captures(), p.j.dissector.Stats(), limits)
}

// inputOf converts counts to the report's model. limits are those of the shards. It belongs to the
// collecting goroutine.
func (p *pipeline) inputOf(captures []capture.Info, dissected capture.DissectorStats, limits []decode.Limits) report.Input {
	in := report.Input{LimitsHit: map[string]uint64{}, DisbelievedSegments: p.stats.Disbelieved}
	for _, c := range captures {
		in.Captures = append(in.Captures, describe(&c))
		if c.Delayed {
			in.LimitsHit["merged_captures"]++
		}
	}
	for _, u := range dissected.Unparsed {
		in.UnparsedPackets = append(in.UnparsedPackets, model.Count{Name: u.String(), Count: u.Packets})
	}
	if n := p.j.keys.Evicted(); n > 0 {
		in.LimitsHit["tls_secrets"] = n
	}
	hits := []map[string]uint64{p.stats.Limits.Hit(), dissected.Limits}
	for _, l := range append(limits, p.correlator.Limits()) {
		hits = append(hits, l.Hit())
	}
	for _, hit := range hits {
		for name, n := range hit {
			in.LimitsHit[name] += n
		}
	}
	return in
}

func describe(c *capture.Info) model.Capture {
	d := model.Capture{
		Path: c.Path, Format: c.Format, Packets: c.Packets, Bytes: c.Bytes, Torn: c.Torn != nil,
		Truncated: c.Truncated, Dropped: c.Dropped, Opening: c.Opening, LinkTypes: []uint32{},
	}
	for _, l := range c.LinkTypes {
		d.LinkTypes = append(d.LinkTypes, uint32(l))
	}
	if c.Packets > 0 {
		d.First, d.Last = new(model.Time(c.First)), new(model.Time(c.Last))
	}
	if c.ClockOffset != 0 {
		d.Clock = &model.Clock{Capture: c.ClockOf, Offset: float64(c.ClockOffset) / 1e9}
	}
	switch {
	case c.Err != nil:
		d.Problem = c.Err.Error()
	case c.Torn != nil:
		d.Problem = c.Torn.Error()
	}
	return d
}

// isUnread reports whether no capture could be read, not even in part.
func (p *pipeline) isUnread() bool {
	return !slices.ContainsFunc(p.src.Captures(), func(c capture.Info) bool { return c.Err == nil || c.Packets > 0 })
}

// inputErrors returns errors of the captures, and warnings about incomplete ones. failed says that
// a capture could not be read, or has only unsupported link types.
func (p *pipeline) inputErrors() (errs, warnings []error, failed bool) {
	captures := p.src.Captures()
	for _, c := range captures {
		switch {
		case c.Err != nil:
			errs = append(errs, c.Err)
			failed = true
		case c.Torn != nil:
			warnings = append(warnings, c.Torn)
		}
	}
	unsupported := map[capture.LinkType]bool{}
	for _, u := range p.j.dissector.Stats().Unparsed {
		if u.Protocol.Kind != capture.ProtocolLink {
			continue
		}
		unsupported[capture.LinkType(u.Protocol.Number)] = true
		errs = append(errs, fmt.Errorf("read capture %s: packet %d: %s is not supported: %s not looked at",
			captures[u.First.Capture].Path, u.First.Frame, u.Protocol, words.Were(u.Packets, "packet")))
	}
	for _, c := range captures {
		failed = failed || len(c.LinkTypes) > 0 && !slices.ContainsFunc(c.LinkTypes, func(l capture.LinkType) bool { return !unsupported[l] })
	}
	return errs, warnings, failed
}

// summary returns the text of --verbose about the input. It is empty if nothing was read.
func (p *pipeline) summary(took time.Duration, processors int) string {
	var packets, size uint64
	var names []string
	for _, c := range p.src.Captures() {
		packets += c.Packets
		size += c.Bytes
		if c.Err == nil {
			names = append(names, fmt.Sprintf("%s (%s)", c.Path, c.Format))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("read %s: %s, %s in %.3f s (%.0f packets/s) on %s",
		strings.Join(names, ", "), words.Plural(packets, "packet"), words.Plural(size, "byte"), took.Seconds(), float64(packets)/took.Seconds(),
		words.Plural(uint64(processors), "processor"))
}
