// Package merge makes one report from the reports of many hosts and days.
//
// Every report has parts: one for each run that made it (model.Part). The result depends only on
// the set of parts, for any order and grouping. A part counts once, even if several files have it.
// Of two states of one part the later one counts. While its parts are small (maxEmbedded), a
// merged report contains them, so reports that overlap in any way can be merged. Larger reports
// are blocks. A block that is contained in another counts once. Two blocks that overlap only in
// part are an error.
//
// The rows of the result (limits below) and one report for each processor bound the memory. A
// result is exact until a limit is reached. Beyond it, the smallest rows are counted as folded.
package merge

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/kafkavet/kafkavet/report/model"
)

const (
	// maxEmbedded bounds the parts in a merged report, in bytes of JSON: a mail or ticket accepts
	// it.
	maxEmbedded = 8 << 20
	// maxFindings bounds the findings of one code, as in a report of one host: 1,000 of some 5 KB.
	maxFindings = 1000
	// maxClients and maxTargetClients bound the rows of clients: 16,384 of some 4 KB, 65,536 of
	// some 1 KB.
	maxClients       = 1 << 14
	maxTargetClients = 1 << 16
	// maxOccurrences bounds the occurrences of a finding: the first ones are kept.
	maxOccurrences = 10
	// maxConnections bounds the connections that are recognised on several hosts, 262,144 of some
	// 120 bytes. Those with the smallest ids are kept, as in each report.
	maxConnections = 1 << 18
)

// embeddedLimit is maxEmbedded; tests lower it.
var embeddedLimit = maxEmbedded

// Run describes how a report was made.
type Run struct {
	// Selection is the text of the flags that select connections, Keys of those that name key
	// logs. Both are empty for none.
	Selection, Keys string
	// The fields are the same as in model.Part.
	Redacted, SelectsHosts, SelectsPorts bool
}

// Identify sets the part of a report, so that merging counts it once. No change may follow.
func Identify(r *model.Report, how Run) {
	r.Parts = nil
	text := encoded(r)
	digest := sha256.Sum256([]byte(text))
	p := model.Part{Digest: hex.EncodeToString(digest[:16]), Size: len(text), Requests: r.Summary.Requests, Redacted: how.Redacted}
	p.SelectsHosts, p.SelectsPorts = how.SelectsHosts, how.SelectsPorts
	h := sha256.New()
	fmt.Fprint(h, how.Selection)
	for i := range r.Captures {
		c := &r.Captures[i]
		p.Packets += c.Packets
		if c.First == nil || c.Last == nil {
			continue
		}
		// An interface can be captured further: later reports of the run are states of one part.
		if c.Format == model.FormatLive {
			fmt.Fprint(h, "live", c.LinkTypes, *c.First, c.Opening, ";")
		} else {
			fmt.Fprint(h, "file", c.LinkTypes, *c.First, *c.Last, c.Packets, c.Bytes, c.Opening, ";")
		}
	}
	if p.First, p.Last = model.InputSpan(r.Captures); p.First == nil {
		h.Write(digest[:]) // no packets: the report itself is the identity
	}
	p.ID = hex.EncodeToString(h.Sum(nil)[:16])
	if how.Keys != "" {
		fmt.Fprint(h, how.Keys)
		p.Keys = hex.EncodeToString(h.Sum(nil)[:16])
	}
	if r.Target != nil {
		p.Target = cmp.Or(r.Target.Release, r.Target.Name)
		if r.Target.Ranges != "" {
			p.Target += " (ranges " + r.Target.Ranges + ")"
		}
	}
	r.Parts = []model.Part{p}
}

// encoded returns a value as JSON. It orders values that are otherwise equal.
func encoded(v any) string {
	text, _ := json.Marshal(v, json.Deterministic(true)) // parts of a report are always valid JSON
	return string(text)
}

// aggregate is the sum of reports with different parts.
type aggregate struct {
	// sum is the result. Its tables are below.
	sum model.Report
	// embedded is the size of the parts' reports in bytes. Beyond embeddedLimit they are dropped.
	embedded int
	// indexes are the indexes of the captures in sum, by part.
	indexes     map[string][]uint32
	brokers     *model.Table[model.Broker]
	nodes       *model.Table[model.Node]
	clients     *model.Table[model.Client]
	connections *model.Table[model.Connection]
	// last is the largest id that connections can keep; empty while it keeps all.
	last     string
	findings map[string]*model.Table[model.Finding]
	folded   model.Folded
	// targets are the clients of sum.Target.
	targets       *model.Table[model.TargetClient]
	foldedTargets model.TargetSummary
}

// newAggregate returns an empty report with these ordered captures, each with the id of its part.
func newAggregate(captures []model.Capture) *aggregate {
	a := &aggregate{
		sum: model.Report{Schema: model.SchemaName, Captures: captures, Brokers: []model.Broker{}, Clients: []model.Client{}, Quality: model.Quality{
			UnparsedReasons: []model.Count{}, OtherProtocols: []model.OtherProtocol{}, NotChecked: []model.NotChecked{}, LimitsHit: map[string]uint64{},
		}},
		indexes:     map[string][]uint32{},
		brokers:     model.NewTable((*model.Broker).Key, (*model.Broker).Merge),
		nodes:       model.NewTable((*model.Node).Key, (*model.Node).Merge),
		clients:     model.NewTable((*model.Client).Key, (*model.Client).Merge),
		connections: model.NewTable((*model.Connection).Key, (*model.Connection).Merge),
		targets:     model.NewTable((*model.TargetClient).Key, (*model.TargetClient).Merge),
		findings:    map[string]*model.Table[model.Finding]{},
	}
	for i := range captures {
		part := captures[i].Part
		a.indexes[part] = append(a.indexes[part], uint32(i))
	}
	return a
}

// add adds a report with new parts. r must not be used afterwards.
func (a *aggregate) add(r *model.Report) {
	a.addParts(r)
	if a.sum.Tool.Name == "" || a.sum.Tool.Version < r.Tool.Version {
		a.sum.Tool = r.Tool
	}
	a.sum.Summary.Merge(&r.Summary)
	a.sum.Quality.Merge(&r.Quality)
	for i := range r.Brokers {
		a.brokers.Add(&r.Brokers[i])
	}
	for i := range r.Nodes {
		a.nodes.Add(&r.Nodes[i])
	}
	for i := range r.Clients {
		a.clients.Add(&r.Clients[i])
	}
	if a.clients.Len() > 2*maxClients {
		a.foldClients()
	}
	indexes := a.indexesOf(r)
	for i := range r.Findings {
		a.addFinding(&r.Findings[i], indexes)
	}
	if r.Target != nil {
		a.addTarget(r.Target)
	}
	if s := r.Supplied; s != nil && (a.sum.Supplied == nil || s.Name > a.sum.Supplied.Name) {
		a.sum.Supplied = s
	}
	a.folded.Merge(r.Folded)
	a.addConnections(r)
}

// addParts adds the parts of a report, with their reports while these are small.
func (a *aggregate) addParts(r *model.Report) {
	if len(r.Parts) == 1 {
		p := r.Parts[0]
		if a.embedded <= embeddedLimit {
			r.Parts = nil
			text, err := json.Marshal(r, json.Deterministic(true))
			if err == nil {
				p.Report = text
				a.embedded += len(text)
			}
			r.Parts = []model.Part{p}
		}
		a.sum.Parts = append(a.sum.Parts, p)
	} else {
		a.embedded = embeddedLimit + 1 // a block
		a.sum.Parts = append(a.sum.Parts, r.Parts...)
	}
	if a.embedded > embeddedLimit {
		for i := range a.sum.Parts {
			a.sum.Parts[i].Report = nil
		}
	}
}

// indexesOf returns the indexes of the captures of r in the result.
func (a *aggregate) indexesOf(r *model.Report) []uint32 {
	seen, out := map[string]int{}, make([]uint32, 0, len(r.Captures))
	for i := range r.Captures {
		part := cmp.Or(r.Captures[i].Part, r.Parts[0].ID)
		if n := seen[part]; n < len(a.indexes[part]) {
			out = append(out, a.indexes[part][n])
		}
		seen[part]++
	}
	return out
}

// renumbered returns the new index of i; i itself if it is out of range.
func renumbered(indexes []uint32, i uint32) uint32 {
	if int(i) < len(indexes) {
		return indexes[i]
	}
	return i
}

// foldClients folds the clients with the fewest requests beyond maxClients.
func (a *aggregate) foldClients() {
	a.clients.Trim(maxClients, func(x, y *model.Client) int { return cmp.Compare(y.Requests, x.Requests) }, func(c *model.Client) {
		a.folded.Clients.Add(c.Requests)
	})
}

// addConnections adds the connections of a report. If another report also counted one of them, it
// subtracts the smaller count.
func (a *aggregate) addConnections(r *model.Report) {
	for i := range r.Connections {
		c := &r.Connections[i]
		if a.last != "" && c.Key() > a.last {
			continue
		}
		if own := a.connections.Get(c.Key()); own != nil {
			s := &a.sum.Summary
			s.Streams--
			s.KafkaStreams--
			s.Requests -= min(s.Requests, own.Requests, c.Requests)
			s.Responses -= min(s.Responses, own.Responses, c.Responses)
			s.RequestsChecked -= min(s.RequestsChecked, own.Checked, c.Checked)
			s.RequestsExempt -= min(s.RequestsExempt, own.Exempt, c.Exempt)
		}
		a.connections.Add(c)
	}
	if a.connections.Len() > 2*maxConnections {
		a.foldConnections()
	}
}

// foldConnections drops the connections beyond maxConnections.
func (a *aggregate) foldConnections() {
	if a.connections.Len() > maxConnections {
		a.connections.Trim(maxConnections, nil, nil)
		a.last = a.connections.Last()
	}
}

// addTarget adds the clients of a target. All reports have the same target.
func (a *aggregate) addTarget(t *model.Target) {
	if a.sum.Target == nil {
		about := *t
		about.Clients, about.Apart, about.Folded = nil, nil, nil
		a.sum.Target = &about
	}
	own := a.sum.Target
	if encoded(t.Notes)+t.Source+t.File > encoded(own.Notes)+own.Source+own.File {
		own.Notes, own.Source, own.File, own.Name = t.Notes, t.Source, t.File, t.Name
	}
	if t.Folded != nil {
		a.foldedTargets.Merge(t.Folded)
	}
	rows := t.Rows()
	for i := range rows {
		a.targets.Add(&rows[i])
	}
	if a.targets.Len() > 2*maxTargetClients {
		a.foldTargets()
	}
}

// foldTargets folds clients of the target beyond maxTargetClients, fine ones first.
func (a *aggregate) foldTargets() {
	a.targets.Trim(maxTargetClients, func(x, y *model.TargetClient) int {
		return cmp.Or(model.CompareVerdicts(x.Verdict, y.Verdict), cmp.Compare(y.Requests, x.Requests))
	}, func(c *model.TargetClient) { a.foldedTargets.Count(c.Verdict) })
}

func (a *aggregate) finish() *model.Report {
	r := &a.sum
	slices.SortFunc(r.Parts, compareParts)
	a.foldClients()
	a.foldConnections()
	r.Brokers, r.Clients = append(r.Brokers, a.brokers.Sorted()...), append(r.Clients, a.clients.Sorted()...)
	r.Nodes, r.Connections = a.captured(a.nodes.Sorted()), a.connections.Sorted()
	var askers model.Askers
	if r.Target != nil {
		a.foldTargets()
		rows := a.targets.Sorted()
		askers = model.NewAskers(rows)
		r.Target.Finish(append([]model.TargetClient{}, r.Target.Join(rows, askers)...), a.foldedTargets)
	}
	r.Findings = a.finishFindings(askers)
	r.Folded = a.folded.OrNil()
	r.Summary.Findings = model.CountSeverities(r.Findings)
	return r
}

// captured marks the nodes whose clients any host captured, even without their Metadata response.
func (a *aggregate) captured(nodes []model.Node) []model.Node {
	for i := range nodes {
		if b := a.brokers.Get((&model.Broker{Address: nodes[i].Address}).Key()); b != nil && !b.BetweenBrokers {
			nodes[i].Captured = new(true)
		}
	}
	return nodes
}

// compareParts orders parts by time, those without packets first.
func compareParts(a, b model.Part) int {
	first := func(p *model.Part) model.Time {
		if p.First == nil {
			return 0
		}
		return *p.First
	}
	return cmp.Or(cmp.Compare(first(&a), first(&b)), cmp.Compare(a.ID, b.ID))
}
