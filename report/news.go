package report

import (
	"slices"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// bulletin is what a Builder remembers of the findings that are to be told. It
// holds nothing but groups of the Builder, each at most once.
type bulletin struct {
	// fresh are groups that were never told of, quiet those of them that another
	// finding tells better so far (Rule.becomes).
	fresh, quiet []*group
	// again are groups that happened again.
	again []*group
	// numbers counts the groups told of.
	numbers int
	// late are the findings told of that suspects and departures belong to, by key.
	late map[findingKey]lateNews
	// ripe is the number of the latest suspect that was there already when News was called for sighted
	// ones before; grown is that of the latest at that call.
	ripe, grown uint64
	// isOver: the input ended.
	isOver bool
}

// lateNews is what was told of a finding.
type lateNews struct {
	number int
	told   uint64
}

// note takes g among what is to be told.
func (n *bulletin) note(g *group) {
	if g.listed {
		return
	}
	g.listed = true
	if g.number == 0 {
		n.fresh = append(n.fresh, g)
	} else {
		n.again = append(n.again, g)
	}
}

// sight is a request that waits for its outcome.
type sight struct {
	occurrence
	ranges *decode.Ranges
	// aged: it waited already when News was called for such requests before.
	aged bool
}

// Sighted takes a request outside its range that was just sent. News tells of
// its finding if the outcome does not come soon; everything else waits for Exchange. x is not kept.
func (b *Builder) Sighted(x *decode.Exchange) {
	for i := range rules {
		if !rules[i].onSight {
			continue
		}
		if _, ok := rules[i].exchange(x); !ok {
			continue
		}
		g := b.group(b.exchangeKey(i, "", x))
		if g == nil || g.count > 0 || g.sight != nil {
			continue
		}
		g.sight = &sight{ranges: x.Ranges, occurrence: occurrence{
			at: x.Request, stream: x.Stream, client: x.Client,
			hasRequest: true, correlationID: x.CorrelationID, evidence: x.Evidence,
		}}
	}
}

// settled forgets that x was sighted where it is judged with the suspects.
func (b *Builder) settled(x *decode.Exchange) {
	if x.Evidence != decode.Borrowed {
		return
	}
	for i := range rules {
		if !rules[i].onSight {
			continue
		}
		if _, ok := rules[i].exchange(x); !ok {
			continue
		}
		if g := b.groups[b.exchangeKey(i, "", x)]; g != nil && g.count == 0 {
			g.sight = nil
		}
	}
}

var _ decode.Watcher = (*Builder)(nil)

// News returns what is to be told since the last call, in the order in which
// it became known: findings that are new; with sighted also those whose request
// has been waiting for its outcome since the last call with sighted, and with repeats those
// that happened again. It needs Options.Watch. Called when nothing happened it costs nothing.
func (b *Builder) News(sighted, repeats bool) []model.News {
	n := &b.bulletin
	var out []model.News
	if repeats {
		n.fresh = append(n.fresh, n.quiet...)
		n.quiet = nil
	}
	kept := n.fresh[:0]
	for _, g := range n.fresh {
		if g.count == 0 && g.sight == nil {
			g.listed = false // it was settled, and is a suspect now
			continue
		}
		if g.count == 0 && !(sighted && g.sight.aged) {
			g.sight.aged = g.sight.aged || sighted
			kept = append(kept, g)
			continue
		}
		f, ok := b.now(g)
		if !ok {
			n.quiet = append(n.quiet, g)
			continue
		}
		n.numbers++
		g.number, g.listed = n.numbers, false
		out = append(out, model.News{Number: g.number, First: true, More: g.count, Finding: f})
		g.told, g.sight = max(g.count, 1), nil // a request that waits for its outcome will be counted once more
	}
	clear(n.fresh[len(kept):])
	n.fresh = kept
	if repeats {
		out = append(out, b.repeated()...)
	}
	if sighted || repeats {
		out = append(out, b.lateNews(repeats)...)
	}
	return out
}

// End says that the input is over: News waits for nothing more.
func (b *Builder) End() { b.bulletin.isOver = true }

// lateNews returns what is to be told of suspects and departures. They wait from one call to
// the next, so that what follows them can explain them.
func (b *Builder) lateNews(repeats bool) (out []model.News) {
	n := &b.bulletin
	last := b.history.Numbered()
	switch {
	case n.isOver:
		n.grown = last
	case n.ripe == last || n.ripe == n.grown && !repeats:
		n.grown = last
		return nil
	}
	n.ripe, n.grown = n.grown, last
	current := b.current(func(number uint64) bool { return number <= n.ripe })
	var keys []findingKey
	for key, g := range current {
		if g.count > 0 && b.groups[key] != g {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(x, y findingKey) int { return compareGroups(current[x], current[y]) })
	for _, key := range keys {
		g := current[key]
		before, ok := n.late[key]
		if own := b.groups[key]; !ok && own != nil {
			before = lateNews{own.number, own.told}
		}
		if g.count <= before.told || before.number > 0 && !repeats {
			continue
		}
		f, ok := b.now(g)
		if !ok {
			continue
		}
		news := model.News{Number: before.number, First: before.number == 0, More: g.count - before.told, Finding: f}
		if news.First {
			n.numbers++
			news.Number = n.numbers
		}
		if n.late == nil {
			n.late = map[findingKey]lateNews{}
		}
		n.late[key] = lateNews{news.Number, g.count}
		out = append(out, news)
	}
	return out
}

// repeated are the findings that happened again.
func (b *Builder) repeated() (out []model.News) {
	n := &b.bulletin
	for _, g := range n.again {
		g.listed = false
		if g.count <= g.told {
			continue
		}
		if f, ok := b.now(g); ok {
			out = append(out, model.News{Number: g.number, More: g.count - g.told, Finding: f})
			g.told = g.count
		}
	}
	clear(n.again)
	n.again = n.again[:0]
	return out
}

// now is the finding of a group as it stands; ok is false where another one tells it better.
func (b *Builder) now(g *group) (f model.Finding, ok bool) {
	at := g.key.broker
	rule, drop := b.ruleOf(g)
	if drop {
		return model.Finding{}, false
	}
	waits := g.count == 0
	if waits {
		g = g.atSight()
	}
	releases := map[endpoint]decode.Release{}
	if r := b.brokers.records[at]; r != nil {
		releases[at] = r.release()
	}
	g = b.concluded(g)
	f = b.finish(g, rule, b.severityOf(g, rule))
	f.Release = releaseGuesser(releases)(g)
	if waits {
		clear(f.Outcomes)
		clear(f.MedianSeconds)
		f.Occurrences[0].Outcome = ""
	}
	f.KnownIssue = b.knownIssue(&f, g)
	return f, true
}

// atSight is g as it will be when the request that was sighted is settled.
func (g *group) atSight() *group {
	c := &group{key: g.key, count: 1, ranges: g.sight.ranges, first: []occurrence{g.sight.occurrence}}
	c.evidence[g.sight.evidence] = 1
	c.addresses.add(g.sight.client.Addr())
	return c
}

// Counts are the sums so far, without those of findings.
func (b *Builder) Counts() model.Summary { return b.coverage.summary }
