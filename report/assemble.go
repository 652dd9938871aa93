package report

import (
	"github.com/kafkavet/kafkavet/report/model"
)

// Report returns the current report. It can be called at any time, any number of times. The report
// shares no data that later calls change. A connection counts when it is over.
func (b *Builder) Report() *model.Report {
	hit := hits{}
	r := &model.Report{
		Schema: model.SchemaName, Tool: b.opt.Tool,
		Captures: b.captures(),
		Summary:  b.coverage.summary,
		Clients:  append(b.clients.finish(hit), b.findings.inferredClients()...),
		Timeline: b.timeline.snapshot(b.findings.verdicts()),
	}
	r.Brokers = append(b.brokers.finish(hit, r.Captures, b.opt.Hosts), b.findings.inferredBrokers()...)
	r.Nodes, r.Connections = b.clusters.finish(hit, b.brokers.isCaptured), b.shared.finish()
	if b.target != nil {
		r.Target = b.target.finish(hit)
	}
	if s := b.opt.Supplied; s != nil {
		r.Supplied = &model.Supplied{Name: s.Name, Release: s.Release(), File: s.File, Source: s.Table.Source, Notes: append([]string{}, s.Notes...)}
	}
	hit.add(b.input.LimitsHit)
	r.Quality = b.coverage.finish(r.Captures, b.input.UnparsedPackets)
	r.Quality.Interrupted = b.input.Interrupted
	r.Quality.DisbelievedSegments = b.input.DisbelievedSegments
	b.findings.refusals(&r.Quality)
	r.Quality.OtherProtocols, r.Quality.LimitsHit = b.brokers.otherProtocols(), hit
	var folded []model.FoldedFindings
	r.Findings, folded = b.findings.report(r.Quality.DroppedPackets, hit)
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
