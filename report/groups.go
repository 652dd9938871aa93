package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/model"
)

// groups are the current findings. When a code has reached its limit, a new finding folds an
// eighth of them. These are the smallest ones of the older half. So a new finding is always added.
type groups struct {
	all map[findingKey]*group
	// perRule counts the groups of each rule.
	perRule []int
	// folded counts the folded findings.
	folded model.Folded
	// tick counts the calls of find. It is the clock for the age of groups.
	tick uint64
	// decide returns the current rule and severity of a group. drop says that it is no finding.
	decide func(*group) (rule *Rule, severity model.Severity, drop bool)
	// begun is called for new groups, dropped for folded ones. Both may be nil.
	begun   func(*group)
	dropped func([]*group)
}

func (t *groups) find(key findingKey) *group {
	g := t.all[key]
	if g == nil {
		g = t.begin(key)
		if t.begun != nil {
			t.begun(g)
		}
	}
	t.touch(g)
	return g
}

func (t *groups) touch(g *group) {
	t.tick++
	g.touched = t.tick
}

func (t *groups) begin(key findingKey) *group {
	if t.perRule[key.rule] >= maxGroupsPerCode {
		t.fold(key.rule)
	}
	key.detail, key.clientID, key.software = ownText(key.detail), ownText(key.clientID), ownSoftware(key.software)
	g := &group{key: key}
	t.all[key] = g
	t.perRule[key.rule]++
	return g
}

func (t *groups) fold(rule int) {
	own := make([]*group, 0, maxGroupsPerCode)
	for key, g := range t.all {
		if key.rule == rule {
			own = append(own, g)
		}
	}
	folded := oldAndSmall(own, func(g *group) (size, touched uint64) { return g.count, g.touched })
	for _, g := range folded {
		delete(t.all, g.key)
		t.perRule[rule]--
		t.count(g)
	}
	if t.dropped != nil {
		t.dropped(folded)
	}
}

// clone returns a copy of the table that shares its groups.
func (t *groups) clone() groups {
	c := *t
	c.all, c.perRule, c.folded.Findings = maps.Clone(t.all), slices.Clone(t.perRule), slices.Clone(t.folded.Findings)
	c.begun, c.dropped = nil, nil
	return c
}

func (t *groups) count(g *group) {
	if g.count == 0 {
		return // its request waits for its outcome
	}
	rule, severity, drop := t.decide(g)
	if drop {
		return
	}
	t.folded.AddFindings(model.FoldedFindings{Code: rule.Code, Title: rule.Title, Severity: severity, Findings: 1, Count: g.count})
}

// oldAndSmall returns an eighth of the entries of a full table: the smallest ones of the older
// half. of returns the size of an entry and the tick of its latest use. All ticks differ. A fold
// reads the table once for an eighth of new entries. That is 8 steps and the sorting for each new
// entry.
func oldAndSmall[T any](entries []T, of func(T) (size, touched uint64)) []T {
	slices.SortFunc(entries, func(a, b T) int {
		_, x := of(a)
		_, y := of(b)
		return cmp.Compare(x, y)
	})
	old := entries[:len(entries)/2]
	slices.SortStableFunc(old, func(a, b T) int {
		x, _ := of(a)
		y, _ := of(b)
		return cmp.Compare(x, y)
	})
	return old[:len(entries)/8]
}

// find returns the group of an occurrence, and adds it to the news. It creates the group if
// necessary.
func (f *findings) find(key findingKey) *group {
	g := f.groups.find(key)
	if f.isWatch {
		f.bulletin.note(g)
	}
	return g
}

func (f *findings) begun(g *group) { g.ids = []evidence.ID{f.newID()} }

func (f *findings) dropped(folded []*group) {
	for _, g := range folded {
		g.isFolded = true
		if f.evidence != nil {
			f.evidence.Drop(g.ids[0])
		}
	}
	f.bulletin.drop()
}
