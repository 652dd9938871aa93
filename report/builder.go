// Package report turns the results of the correlator into findings, and findings into a report.
//
// A Builder is a decode.Sink: it receives exchanges, advertisements and connections, applies the
// rules, and counts. At any time it returns a model.Report, which is all that the writers
// (report/write) need.
//
// The limits in limits.go bound the memory for any length of the input. Quality.LimitsHit counts
// how often each limit was exceeded. A Builder belongs to one goroutine. A report belongs to its
// caller and shares no changing data. Equal calls in equal order give equal reports, byte for
// byte.
package report

import (
	"io"
	"net/netip"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/model"
)

// Options configure a Builder.
type Options struct {
	// Tool names the program in the report.
	Tool model.Tool
	// KnownIssues is the catalogue that findings are compared with; nil for none.
	KnownIssues *knownissues.Catalogue
	// Watch makes Builder.News report findings as they happen.
	Watch bool
	// Target is a release that every request is compared with; nil for none.
	Target *decode.Reference
	// Supplied are the ranges given to the correlator (decode.NewCorrelator); nil for none.
	Supplied *decode.Reference
	// IsFinal says that the report is not merged with others, so it need not list connections.
	IsFinal bool
	// ProcessAt finds the processes of clients; nil for none.
	ProcessAt ProcessAt
	// Principals: the exchanges have the names of users (decode.ShardOptions).
	Principals bool
	// Hosts are the networks whose connections were selected; empty for all. Of another host, not
	// all connections are known.
	Hosts []netip.Prefix
	// Evidence collects the packets that prove the findings; nil for none.
	Evidence *evidence.Collector
}

// Input has the counts of the source and of the earlier packages. All of them are totals so far.
type Input struct {
	// Interrupted is 1 if a signal ended the run before it had read all captures, otherwise 0.
	Interrupted uint64
	// Captures are the inputs, in the order in which they were read.
	Captures []model.Capture
	// UnparsedPackets counts packets without a readable TCP segment, by reason, in any order.
	UnparsedPackets []model.Count
	// DisbelievedSegments is reassembly.Stats.Disbelieved.
	DisbelievedSegments uint64
	// LimitsHit counts how often each limit of the earlier packages was exceeded, by name.
	LimitsHit map[string]uint64
}

// Builder makes a report of exchanges, advertisements and connections. It only passes each to the
// accumulators. It belongs to one goroutine. Exchange allocates nothing in the steady state:
// without a new client, broker, version or finding.
type Builder struct {
	opt   Options
	input Input

	// Each of these collects one part of the report and uses none of the others. The texts of
	// findings need facts about addresses and clients, by known.
	coverage coverage
	clients  clients
	brokers  brokers
	timeline timeline
	findings findings
	shared   sharedConnections
	clusters clusters
	// target compares requests with Options.Target; nil for none.
	target *targetCheck
}

var _ decode.Sink = (*Builder)(nil)

// NewBuilder returns a Builder for an empty report.
func NewBuilder(opt Options) *Builder {
	b := &Builder{
		opt:      opt,
		coverage: newCoverage(),
		clients:  newClients(opt.ProcessAt),
		brokers:  newBrokers(),
		timeline: newTimeline(),
		shared:   newSharedConnections(),
		clusters: newClusters(),
	}
	if opt.Target != nil {
		b.target = newTargetCheck(opt.Target, opt.ProcessAt)
		b.target.namesUsers = opt.Principals
	}
	b.findings.init(&opt, known{&b.brokers, &b.clients, b.target})
	return b
}

// SetInput replaces the counts of the earlier packages. It may be called any time before Report.
func (b *Builder) SetInput(in Input) { b.input = in }

// Exchange adds a finished exchange. It keeps no reference to x.
func (b *Builder) Exchange(x *decode.Exchange) {
	b.coverage.exchange(x)
	b.brokers.exchange(x)
	b.clients.exchange(x)
	if !b.opt.IsFinal {
		b.shared.exchange(x)
	}
	b.clusters.exchange(x)
	rule := b.findings.exchange(x)
	if b.target != nil {
		fate, why := b.target.exchange(x)
		if broken := b.findings.onTarget(x, fate, why); rule == noRule {
			rule = broken
		}
	}
	b.timeline.exchange(x, rule)
}

// Advertisement adds an ApiVersions answer. It keeps its Ranges.
func (b *Builder) Advertisement(a *decode.Advertisement) {
	b.findings.advertisement(a, b.brokers.advertisement(a))
}

// Connection adds a connection that is over. It keeps no reference to c.
func (b *Builder) Connection(c *decode.Connection) {
	b.coverage.connection(c)
	b.brokers.connection(c)
	b.clients.connection(c)
	if !b.opt.IsFinal {
		b.shared.connection(c)
	}
	if b.target != nil {
		b.target.connection(c)
	}
	b.findings.connection(c)
	b.timeline.connection(c)
}

var _ decode.Watcher = (*Builder)(nil)

// OutOfRange adds a request outside its range that was just sent. News reports its finding if the
// outcome does not arrive soon. Exchange does everything else. It keeps no reference to x.
func (b *Builder) OutOfRange(x *decode.Exchange) { b.findings.outOfRange(x) }

// News returns the findings that are new since the last call, in order of discovery. withPending
// adds those whose request has waited for its outcome since the last such call. withRepeats adds
// those that happened again. It needs Options.Watch. It is cheap if nothing happened.
func (b *Builder) News(withPending, withRepeats bool) []model.News {
	return b.findings.news(withPending, withRepeats)
}

// End says that the input has ended: News no longer waits for outcomes.
func (b *Builder) End() { b.findings.bulletin.isOver = true }

// Counts returns the current counts, without those of findings.
func (b *Builder) Counts() model.Summary { return b.coverage.summary }

// WriteEvidence writes the packets that prove the findings of the current report; see
// evidence.Collector.Write. It needs Options.Evidence.
func (b *Builder) WriteEvidence(w io.Writer, captures []capture.Info) (evidence.Summary, error) {
	return b.opt.Evidence.Write(w, b.findings.claimed(), captures)
}

// Report returns the current report. It can be called at any time, any number of times. The report
// shares no data that later calls change. A connection counts when it is over.
func (b *Builder) Report() *model.Report {
	hit, decided := hits{}, b.findings.history.Decide()
	r := &model.Report{
		Schema: model.SchemaName, Tool: b.opt.Tool,
		Captures: b.captures(),
		Summary:  b.coverage.summary,
		Clients:  append(b.clients.finish(hit), b.findings.inferredClients()...),
		Timeline: b.timeline.snapshot(b.findings.rulesBySuspect(&decided)),
	}
	r.Brokers = append(b.brokers.finish(hit, r.Captures, b.opt.Hosts), b.findings.inferredBrokers()...)
	r.Nodes, r.Connections = b.clusters.finish(hit, b.brokers.isCaptured), b.shared.finish(hit)
	if b.target != nil {
		r.Target = b.target.finish(hit)
	}
	if s := b.opt.Supplied; s != nil {
		r.Supplied = &model.Supplied{Name: s.Name, Release: s.Release(), File: s.File, Source: s.Table.Source, Notes: append([]string{}, s.Notes...)}
	}
	hit.add(b.input.LimitsHit)
	hit.add(hits{"remembered_connections": b.coverage.evicted + b.findings.evicted})
	r.Quality = b.coverage.finish(r.Captures, b.input.UnparsedPackets)
	r.Quality.Interrupted = b.input.Interrupted
	r.Quality.DisbelievedSegments = b.input.DisbelievedSegments
	b.findings.refusals(&decided, &r.Quality)
	r.Quality.OtherProtocols, r.Quality.LimitsHit = b.brokers.otherProtocols(), hit
	var folded []model.FoldedFindings
	r.Findings, folded = b.findings.report(&decided, r.Quality.DroppedPackets, hit)
	r.Folded = model.Folded{Findings: folded, Clients: b.clients.folded, Brokers: b.brokers.folded}.OrNil()
	r.Summary.Findings = model.CountSeverities(r.Findings)
	return r
}

func (b *Builder) captures() []model.Capture {
	out := make([]model.Capture, 0, len(b.input.Captures))
	for _, c := range b.input.Captures {
		c.LinkTypes = append([]uint32{}, c.LinkTypes...)
		out = append(out, c)
	}
	return out
}
