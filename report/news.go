package report

import (
	"maps"
	"slices"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// bulletin is what a Builder remembers of the findings that are to be told. It
// holds nothing but groups, each at most once.
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

// drop forgets the groups that were folded.
func (n *bulletin) drop() {
	isFolded := func(g *group) bool { return g.isFolded }
	n.fresh = slices.DeleteFunc(n.fresh, isFolded)
	n.quiet = slices.DeleteFunc(n.quiet, isFolded)
	n.again = slices.DeleteFunc(n.again, isFolded)
}

// find finds or begins the group of something that happened, and notes it for the news.
func (f *findings) find(key findingKey) *group {
	g := f.groups.find(key)
	if f.isWatch {
		f.bulletin.note(g)
	}
	return g
}

// sight is a request that waits for its outcome.
type sight struct {
	occurrence
	ranges *decode.Ranges
	// aged: it waited already when News was called for such requests before.
	aged bool
}

// sighted is Builder.OutOfRange.
func (f *findings) sighted(x *decode.Exchange) {
	for i := range rules {
		if !rules[i].onSight {
			continue
		}
		if _, ok := rules[i].exchange(x); !ok {
			continue
		}
		g := f.find(exchangeKey(i, "", x))
		if g.count > 0 || g.sight != nil {
			continue
		}
		g.sight = &sight{ranges: x.Ranges, occurrence: occurrence{
			at: x.Request, stream: x.Stream, client: x.Client,
			hasRequest: true, correlationID: x.CorrelationID, evidence: x.Evidence,
		}}
	}
}

// settled forgets that x was sighted where it is judged with the suspects.
func (f *findings) settled(x *decode.Exchange) {
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
		if g := f.groups.all[exchangeKey(i, "", x)]; g != nil && g.count == 0 {
			g.sight = nil
		}
	}
}

// news is Builder.News.
func (f *findings) news(sighted, repeats bool) []model.News {
	n := &f.bulletin
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
		finding, ok := f.now(g)
		if !ok {
			n.quiet = append(n.quiet, g)
			continue
		}
		n.numbers++
		g.number, g.listed = n.numbers, false
		out = append(out, model.News{Number: g.number, First: true, More: g.count, Finding: finding})
		g.told, g.sight = max(g.count, 1), nil // a request that waits for its outcome will be counted once more
	}
	clear(n.fresh[len(kept):])
	n.fresh = kept
	if repeats {
		out = append(out, f.repeated()...)
	}
	if sighted || repeats {
		out = append(out, f.lateNews(repeats)...)
	}
	return out
}

// lateNews returns what is to be told of suspects and departures. They wait from one call to
// the next, so that what follows them can explain them.
func (f *findings) lateNews(repeats bool) (out []model.News) {
	n := &f.bulletin
	last := f.history.Numbered()
	switch {
	case n.isOver:
		n.grown = last
	case n.ripe == last || n.ripe == n.grown && !repeats:
		n.grown = last
		return nil
	}
	n.ripe, n.grown = n.grown, last
	current := f.current(func(number uint64) bool { return number <= n.ripe }).all
	maps.DeleteFunc(n.late, func(key findingKey, _ lateNews) bool { return current[key] == nil })
	var keys []findingKey
	for key, g := range current {
		if g.count > 0 && f.groups.all[key] != g {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(x, y findingKey) int { return compareGroups(current[x], current[y]) })
	for _, key := range keys {
		g := current[key]
		before, ok := n.late[key]
		if own := f.groups.all[key]; !ok && own != nil {
			before = lateNews{own.number, own.told}
		}
		if g.count <= before.told || before.number > 0 && !repeats {
			continue
		}
		finding, ok := f.now(g)
		if !ok {
			continue
		}
		news := model.News{Number: before.number, First: before.number == 0, More: g.count - before.told, Finding: finding}
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
func (f *findings) repeated() (out []model.News) {
	n := &f.bulletin
	for _, g := range n.again {
		g.listed = false
		if g.count <= g.told {
			continue
		}
		if finding, ok := f.now(g); ok {
			out = append(out, model.News{Number: g.number, More: g.count - g.told, Finding: finding})
			g.told = g.count
		}
	}
	clear(n.again)
	n.again = n.again[:0]
	return out
}

// now is the finding of a group as it stands; ok is false where another one tells it better.
func (f *findings) now(g *group) (out model.Finding, ok bool) {
	rule, drop := f.ruleOf(g)
	if drop {
		return model.Finding{}, false
	}
	waits := g.count == 0
	if waits {
		g = g.atSight()
	}
	g = f.concluded(g)
	out = f.finish(g, rule, f.severityOf(g, rule))
	out.Release = f.releaseGuesser()(g)
	if waits {
		clear(out.Outcomes)
		clear(out.MedianSeconds)
		out.Occurrences[0].Outcome = ""
	}
	out.KnownIssue = f.knownIssue(&out, g)
	return out, true
}

// atSight is g as it will be when the request that was sighted is settled.
func (g *group) atSight() *group {
	c := &group{key: g.key, count: 1, ranges: g.sight.ranges, first: []occurrence{g.sight.occurrence}}
	c.evidence[g.sight.evidence] = 1
	c.addresses.add(g.sight.client.Addr())
	return c
}
