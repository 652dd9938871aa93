package report

import (
	"maps"
	"slices"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// bulletin has the groups that News reports next, each at most once.
type bulletin struct {
	// fresh are groups that were never reported. quiet are fresh groups that another finding
	// currently replaces (Rule.replacedBy).
	fresh, quiet []*group
	// again are reported groups that happened again.
	again []*group
	// numbers counts the reported groups.
	numbers int
	// late are the reported findings about suspects and departures, by key.
	late map[findingKey]lateNews
	// known is the number of the latest suspect at the last call of lateNews. waited is the number
	// at the call before it.
	waited, known uint64
	// isOver: the input has ended.
	isOver bool
}

// lateNews is the last report of a finding.
type lateNews struct {
	number   int
	reported uint64
}

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

func (n *bulletin) drop() {
	isFolded := func(g *group) bool { return g.isFolded }
	n.fresh = slices.DeleteFunc(n.fresh, isFolded)
	n.quiet = slices.DeleteFunc(n.quiet, isFolded)
	n.again = slices.DeleteFunc(n.again, isFolded)
}

type pendingRequest struct {
	occurrence
	ranges *decode.Ranges
	// hasWaited: it was already pending at an earlier call of News.
	hasWaited bool
}

// outOfRange implements Builder.OutOfRange.
func (f *findings) outOfRange(x *decode.Exchange) {
	if x.IsLone {
		return
	}
	f.pendingKeys(x, func(key findingKey) {
		g := f.find(key)
		if g.count > 0 || g.pending != nil {
			return
		}
		g.pending = &pendingRequest{ranges: x.Ranges, occurrence: occurrence{
			at: x.Request, stream: x.Stream, client: x.Client,
			hasRequest: true, correlationID: x.CorrelationID, evidence: x.Evidence,
		}}
	})
}

// dropPending removes x from the pending requests if it is decided with the suspects.
func (f *findings) dropPending(x *decode.Exchange) {
	if x.Evidence != decode.Borrowed {
		return
	}
	f.pendingKeys(x, func(key findingKey) {
		if g := f.groups.all[key]; g != nil && g.count == 0 {
			g.pending = nil
		}
	})
}

// pendingKeys calls do with the keys of x for the rules that it breaks with any outcome.
func (f *findings) pendingKeys(x *decode.Exchange, do func(findingKey)) {
	for i := range rules {
		if !rules[i].onSight {
			continue
		}
		if _, ok := rules[i].exchange(x); ok {
			do(exchangeKey(i, "", x))
		}
	}
}

// news implements Builder.News.
func (f *findings) news(withPending, withRepeats bool) []model.News {
	n := &f.bulletin
	var out []model.News
	if withRepeats {
		n.fresh = append(n.fresh, n.quiet...)
		n.quiet = nil
	}
	kept := n.fresh[:0]
	for _, g := range n.fresh {
		if g.count == 0 && g.pending == nil {
			g.listed = false // it is a suspect now
			continue
		}
		if g.count == 0 && !(withPending && g.pending.hasWaited) {
			g.pending.hasWaited = g.pending.hasWaited || withPending
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
		g.reported, g.pending = max(g.count, 1), nil // a pending request will be counted again when its outcome is known
	}
	clear(n.fresh[len(kept):])
	n.fresh = kept
	if withRepeats {
		out = append(out, f.repeated()...)
	}
	if withPending || withRepeats {
		out = append(out, f.lateNews(withRepeats)...)
	}
	return out
}

// lateNews reports suspects and departures. They wait until the next call, so that later events
// can explain them.
func (f *findings) lateNews(withRepeats bool) (out []model.News) {
	n := &f.bulletin
	last := f.history.Numbered()
	switch {
	case n.isOver:
		n.known = last
	case n.waited == last || n.waited == n.known && !withRepeats:
		n.known = last
		return nil
	}
	n.waited, n.known = n.known, last
	decided := f.history.Decide()
	current := f.current(&decided, func(number uint64) bool { return number <= n.waited }).all
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
		if !ok {
			before = lateNews{g.number, g.reported}
		}
		if g.count <= before.reported || before.number > 0 && !withRepeats {
			continue
		}
		finding, ok := f.now(g)
		if !ok {
			continue
		}
		news := model.News{Number: before.number, First: before.number == 0, More: g.count - before.reported, Finding: finding}
		if news.First {
			n.numbers++
			news.Number = n.numbers
		}
		n.late[key] = lateNews{news.Number, g.count}
		out = append(out, news)
	}
	return out
}

func (f *findings) repeated() (out []model.News) {
	n := &f.bulletin
	for _, g := range n.again {
		g.listed = false
		if g.count <= g.reported {
			continue
		}
		if finding, ok := f.now(g); ok {
			out = append(out, model.News{Number: g.number, More: g.count - g.reported, Finding: finding})
			g.reported = g.count
		}
	}
	clear(n.again)
	n.again = n.again[:0]
	return out
}

// now returns the current finding of a group. ok is false if another finding replaces it.
func (f *findings) now(g *group) (out model.Finding, ok bool) {
	waits := g.count == 0
	if waits {
		g = g.withOutcome()
	}
	rule, severity, drop := f.ruled(g)
	if drop {
		return model.Finding{}, false
	}
	g = f.concluded(g)
	out = f.finish(g, rule, severity)
	out.Release = f.releaseGuesser()(g)
	if waits {
		clear(out.Outcomes)
		clear(out.MedianSeconds)
		out.Occurrences[0].Outcome = ""
	}
	out.KnownIssue = f.knownIssue(&out, g)
	return out, true
}

// withOutcome returns g as it will be when its pending request is counted.
func (g *group) withOutcome() *group {
	c := &group{key: g.key, count: 1, ranges: g.pending.ranges, first: []occurrence{g.pending.occurrence}}
	c.evidence[g.pending.evidence] = 1
	c.addresses.add(g.pending.client.Addr())
	return c
}
