// Package report turns what the correlator found into findings, and findings
// into a report.
//
// A Builder is a decode.Sink: it takes exchanges, advertisements and
// connections, applies the rules, and counts. At any time it gives
// a model.Report, which is all that the writers (report/write) need.
//
// Memory is bounded by the limits in limits.go, whatever the length of the
// input; each hit of a limit is counted in Quality.LimitsHit. A Builder belongs
// to one goroutine; a report belongs to whoever asked for it and shares nothing
// that changes. The same calls in the same order give the same report, byte for
// byte.
package report

import (
	"io"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/model"
)

// Options say how a Builder works.
type Options struct {
	// Tool names the program in the report.
	Tool model.Tool
	// KnownIssues is the catalogue that findings are compared with; nil for none.
	KnownIssues *knownissues.Catalogue
	// Watch has Builder.News report findings as they come in.
	Watch bool
	// Target is a release that every request is compared with; nil for none.
	Target *decode.Reference
	// Supplied are the ranges that the correlator was given (decode.Options); nil for none.
	Supplied *decode.Reference
	// IsFinal: the report is merged with no other, so that it need not list connections.
	IsFinal bool
	// ProcessAt finds the processes of clients; nil for none.
	ProcessAt ProcessAt
	// Evidence gathers packets that prove the findings; nil for none.
	Evidence *evidence.Collector
}

// Input is what the builder cannot see itself: what the source and the
// packages before it counted. All of it is totals so far.
type Input struct {
	// Captures are the inputs, in the order in which they were read.
	Captures []model.Capture
	// UnparsedPackets counts packets without a TCP segment in them that could
	// be read, by reason; the reasons are sorted by the builder.
	UnparsedPackets []model.Count
	// DisbelievedSegments is reassembly.Stats.Disbelieved.
	DisbelievedSegments uint64
	// LimitsHit counts by name how often a bound of the packages before was reached.
	LimitsHit map[string]uint64
}

// Builder gathers exchanges, advertisements and connections, and makes a
// Report of them: it hands each to the accumulators, and knows nothing itself. It belongs to one
// goroutine. Exchange allocates nothing in the steady state: no new client, broker, version or finding.
type Builder struct {
	opt   Options
	input Input

	// Each of these gathers a part of the report and knows none of the others. What findings need
	// of an address when they are worded, they ask through the interface known.
	coverage coverage
	clients  clients
	brokers  brokers
	timeline timeline
	findings findings
	shared   sharedConnections
	clusters clusters
	// target compares requests with Options.Target; nil without.
	target *targetCheck
}

var _ decode.Sink = (*Builder)(nil)

// NewBuilder begins a report.
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
	}
	b.findings.init(&opt, surroundings{&b.brokers, &b.clients, b.target})
	return b
}

// surroundings are what the other accumulators know of addresses and clients.
type surroundings struct {
	*brokers
	*clients
	target *targetCheck
}

// onTarget is what the target makes of the requests of a group, all input considered.
func (s surroundings) onTarget(g *group) fate { return s.target.fateOf(g) }

// SetInput sets what the packages before counted, in place of the last call's. It may be called at any time before
// Report.
func (b *Builder) SetInput(in Input) { b.input = in }

// Exchange takes a finished exchange. x is not kept.
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

// Advertisement takes an ApiVersions answer. Its Ranges are kept.
func (b *Builder) Advertisement(a *decode.Advertisement) {
	b.findings.advertisement(a, b.brokers.advertisement(a))
}

// Connection takes a connection that is over. c is not kept.
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

// OutOfRange takes a request outside its range that was just sent. News reports its finding if the outcome does not
// come soon; everything else waits for Exchange. x is not kept.
func (b *Builder) OutOfRange(x *decode.Exchange) { b.findings.outOfRange(x) }

// News returns the findings that are new since the last call, in the order in which they became known. withPending adds
// those whose request has waited for its outcome since the last such call, withRepeats those that happened again.
// It needs Options.Watch. Called when nothing happened it costs nothing.
func (b *Builder) News(withPending, withRepeats bool) []model.News {
	return b.findings.news(withPending, withRepeats)
}

// End says that the input is over: News waits for nothing more.
func (b *Builder) End() { b.findings.bulletin.isOver = true }

// Counts are the sums so far, without those of findings.
func (b *Builder) Counts() model.Summary { return b.coverage.summary }

// WriteEvidence writes the packets that prove the findings of the report so far;
// see evidence.Collector.Write. It needs Options.Evidence.
func (b *Builder) WriteEvidence(w io.Writer, captures []capture.Info) (evidence.Summary, error) {
	return b.opt.Evidence.Write(w, b.findings.claimed(), captures)
}
