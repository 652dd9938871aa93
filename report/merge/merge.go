// Package merge makes one report of the reports of many hosts and days.
//
// Every report has parts: one for each run that made it (model.Part). The result depends on the
// set of parts alone, whatever the order and the grouping: a part counts once, however often it
// is named, and of two states of one part the later one counts. As long as its parts are small
// (maxEmbedded), a merged report carries them, so that any overlap of merged reports can be taken
// apart. Larger ones are blocks: a block that lies inside another counts once, and two blocks that
// overlap only in part are an error.
//
// Memory is bounded by the rows of the result (limits below) and by one report for each
// processor. A result is exact while no limit is reached; beyond, what is smaller is counted as folded.
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
	// maxEmbedded bounds the parts that a merged report carries, in bytes of JSON: what a mail or a
	// ticket still takes.
	maxEmbedded = 8 << 20
	// maxFindings bounds the findings of one code, as in the report of one host: 1,000 of some 5 KB.
	maxFindings = 1000
	// maxClients and maxTargetClients bound the rows of clients: 16,384 of some 4 KB, 65,536 of some 1 KB.
	maxClients       = 1 << 14
	maxTargetClients = 1 << 16
	// maxMembers bounds the client ids and addresses of a row: the first ones in their order stay.
	maxMembers = 64
	// maxOccurrences bounds those of a finding: the first ones stay.
	maxOccurrences = 10
	// maxSpans bounds the times in which a broker was watched: beyond, the nearest ones are joined.
	maxSpans = 64
	// maxConnections bounds the connections that are recognised on several hosts, 262,144 of some 120
	// bytes: those with the smallest ids stay, as in each report.
	maxConnections = 1 << 18
)

// embeddedLimit is maxEmbedded; tests lower it.
var embeddedLimit = maxEmbedded

// Identify gives a report its part, so that it counts once wherever it is merged. It is
// called when nothing in the report changes any more.
func Identify(r *model.Report) {
	digest := sha256.Sum256([]byte(encoded(contents(r))))
	p := model.Part{Digest: hex.EncodeToString(digest[:16])}
	h := sha256.New()
	for i := range r.Captures {
		c := &r.Captures[i]
		p.Packets += c.Packets
		if c.First == nil || c.Last == nil {
			continue
		}
		if p.First == nil || *c.First < *p.First {
			p.First = c.First
		}
		if p.Last == nil || *c.Last > *p.Last {
			p.Last = c.Last
		}
		// An interface is watched on: later reports of the run are states of one part.
		if c.Format == model.FormatLive {
			fmt.Fprint(h, "live", c.LinkTypes, *c.First, ";")
		} else {
			fmt.Fprint(h, "file", c.LinkTypes, *c.First, *c.Last, c.Packets, c.Bytes, ";")
		}
	}
	if p.First == nil {
		h.Write(digest[:]) // nothing was captured: the report itself is the identity
	}
	p.ID = hex.EncodeToString(h.Sum(nil)[:16])
	if r.Target != nil {
		p.Target = cmp.Or(r.Target.Release, r.Target.Name)
	}
	r.Parts = []model.Part{p}
}

// contents is what two reports of one input differ in: what was counted, and the names in them.
func contents(r *model.Report) any {
	c := struct {
		Captures []model.Capture
		Summary  model.Summary
		Quality  model.Quality
		Brokers  []string
		Clients  [][]string
		Target   *model.TargetSummary
	}{Captures: r.Captures, Summary: r.Summary, Quality: r.Quality}
	for i := range r.Brokers {
		c.Brokers = append(c.Brokers, r.Brokers[i].Address)
	}
	for i := range r.Clients {
		c.Clients = append(c.Clients, r.Clients[i].ClientIDs)
	}
	if r.Target != nil {
		c.Target = &r.Target.Summary
	}
	return c
}

// later reports whether a is a later state of a part than b. Of equally late ones the digest decides.
func later(a, b *model.Part) bool {
	return cmp.Or(cmp.Compare(a.Packets, b.Packets), cmp.Compare(a.Digest, b.Digest)) > 0
}

// aggregate is the sum of reports with different parts.
type aggregate struct {
	parts []model.Part
	// embedded is the size of the parts' reports; those are dropped when there are too many.
	embedded int
	captures captures
	summary  model.Summary
	quality  qualities
	brokers  map[brokerKey]*model.Broker
	clients  map[clientKey]*client
	findings map[findingKey]*model.Finding
	perCode  map[string]int
	target   *targetRows
	// targetName is the target, from the report in targetPath.
	targetName, targetPath string
	supplied               *model.Supplied
	folded                 foldedRows
	connections            connections
	nodes                  map[nodeKey]*model.Node
	tool                   model.Tool
}

func newAggregate() *aggregate {
	return &aggregate{
		captures: captures{index: map[place]uint32{}}, quality: newQualities(), brokers: map[brokerKey]*model.Broker{}, clients: map[clientKey]*client{},
		findings: map[findingKey]*model.Finding{}, perCode: map[string]int{}, connections: connections{byID: map[string]*model.Connection{}},
		nodes: map[nodeKey]*model.Node{}, folded: foldedRows{findings: map[foldKey]model.FoldedFindings{}},
	}
}

// add adds a report with parts of its own. r is used up. path names its file.
func (a *aggregate) add(r *model.Report, path string) error {
	a.addParts(r)
	if a.tool.Name == "" || a.tool.Version < r.Tool.Version {
		a.tool = r.Tool
	}
	renumber := a.captures.add(r)
	addSummary(&a.summary, &r.Summary)
	a.quality.add(&r.Quality)
	for i := range r.Brokers {
		a.addBroker(&r.Brokers[i])
	}
	for i := range r.Nodes {
		a.addNode(&r.Nodes[i])
	}
	for i := range r.Clients {
		a.addClient(&r.Clients[i])
	}
	for i := range r.Findings {
		a.addFinding(&r.Findings[i], renumber)
	}
	if r.Target != nil {
		if err := a.addTarget(r.Target, path); err != nil {
			return err
		}
	}
	if s := r.Supplied; s != nil && (a.supplied == nil || s.Name > a.supplied.Name) {
		a.supplied = s
	}
	a.folded.add(r.Folded)
	a.addConnections(r)
	return nil
}

// addParts takes the parts of a report, with their reports as long as these are small.
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
		a.parts = append(a.parts, p)
	} else {
		a.embedded = embeddedLimit + 1 // a block
		a.parts = append(a.parts, r.Parts...)
	}
	if a.embedded > embeddedLimit {
		for i := range a.parts {
			a.parts[i].Report = nil
		}
	}
}

// finish makes the report.
func (a *aggregate) finish() *model.Report {
	slices.SortFunc(a.parts, func(x, y model.Part) int { return cmp.Or(comparePart(&x, &y)) })
	r := &model.Report{
		Schema: model.SchemaName, Tool: a.tool, Parts: a.parts, Summary: a.summary, Brokers: a.finishBrokers(), Clients: a.finishClients(), Nodes: a.finishNodes(),
		Supplied: a.supplied, Quality: a.quality.finish(), Connections: a.connections.finish(),
	}
	var renumber []uint32
	r.Captures, renumber = a.captures.finish(a.parts)
	r.Findings = a.finishFindings(renumber)
	if a.target != nil {
		r.Target = a.target.finish()
	}
	r.Folded = a.folded.finish()
	r.Summary.Findings = model.CountSeverities(r.Findings)
	return r
}

// comparePart orders parts by their time, those without one first.
func comparePart(a, b *model.Part) int {
	first := func(p *model.Part) model.Time {
		if p.First == nil {
			return 0
		}
		return *p.First
	}
	return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a.ID, b.ID))
}

// place is a capture among those of a part.
type place struct {
	part string
	n    int
}

// captures gathers the inputs. Reports name them by their index, which is another one in the result.
type captures struct {
	list   []model.Capture
	places []place
	index  map[place]uint32
}

// add takes the captures of a report, and returns their indexes so far.
func (c *captures) add(r *model.Report) []uint32 {
	numbers, indexes := map[string]int{}, make([]uint32, 0, len(r.Captures))
	for i := range r.Captures {
		one := r.Captures[i]
		if one.Part == "" {
			one.Part = r.Parts[0].ID
		}
		at := place{one.Part, numbers[one.Part]}
		numbers[one.Part]++
		c.index[at] = uint32(len(c.list))
		indexes = append(indexes, c.index[at])
		c.list, c.places = append(c.list, one), append(c.places, at)
	}
	for i := range indexes {
		if clock := c.list[indexes[i]].Clock; clock != nil {
			moved := *clock
			moved.Capture = renumbered(indexes, clock.Capture)
			c.list[indexes[i]].Clock = &moved
		}
	}
	return indexes
}

// renumbered is an index in another numbering; one that is out of range stays.
func renumbered(indexes []uint32, i uint32) uint32 {
	if int(i) < len(indexes) {
		return indexes[i]
	}
	return i
}

// finish returns the captures in the order of the parts, and for each index so far the one in that order.
func (c *captures) finish(parts []model.Part) (out []model.Capture, renumber []uint32) {
	rank := map[string]int{}
	for i := range parts {
		rank[parts[i].ID] = i
	}
	order := make([]int, len(c.list))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(rank[c.places[i].part], rank[c.places[j].part]), cmp.Compare(c.places[i].n, c.places[j].n))
	})
	renumber, out = make([]uint32, len(c.list)), make([]model.Capture, 0, len(c.list))
	for to, from := range order {
		renumber[from] = uint32(to)
		out = append(out, c.list[from])
	}
	for i := range out {
		if clock := out[i].Clock; clock != nil {
			clock.Capture = renumbered(renumber, clock.Capture)
		}
	}
	return out, renumber
}
