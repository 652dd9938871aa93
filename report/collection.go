package report

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// current returns all groups by the input so far: those that were certain at once, and those of
// the suspects and departures whose number isDue accepts.
func (f *findings) current(decided *history.Decisions, isDue func(number uint64) bool) *collection {
	c := &collection{groups: f.groups.clone(), own: map[*group]bool{}}
	for i, k := range f.history.Suspects() {
		if !isDue(k.Number) {
			continue
		}
		if rule, key := ruleOfSuspect(k, &decided.Rulings[i]); rule >= 0 {
			g := c.find(key)
			g.addSuspect(k, &decided.Rulings[i])
			f.addClaim(g, k)
		}
	}
	f.addOutages(c, decided.Outages)
	for i := range f.departures {
		if d := &f.departures[i]; isDue(d.number) {
			f.addDeparture(c.find, d)
		}
	}
	c.identify(f.known.announced())
	c.joinAlerts()
	return c
}

// addOutages adds the connections without a request that addresses did not serve.
func (f *findings) addOutages(c *collection, outages []history.Outage) {
	rule := ruleIndex(awayRule.Code)
	for _, o := range outages {
		if o.Unserved == 0 {
			continue
		}
		g := c.find(findingKey{rule: rule, detail: placeOf(o.From), broker: o.At})
		g.from, g.last, g.to = o.From, o.Last, o.To
		g.count += o.Unserved
		g.refused, g.others, g.never = o.Unserved, o.Others, o.Never
		id, hasEvidence := f.claims[unservedKey(o.At)]
		for _, m := range o.Missed {
			g.keep(occurrence{at: m.At, stream: m.Stream, client: m.Client})
			if hasEvidence {
				g.share(id, m.At, m.Stream)
			}
		}
	}
}

// placeOf returns a packet as the detail of a key.
func placeOf(at capture.Position) string { return fmt.Sprintf("%d/%d", at.Capture, at.Frame) }

// collection is a copy of the groups to which suspects and departures are added.
type collection struct {
	groups
	// own are the groups that belong to the collection and can be changed.
	own map[*group]bool
}

// find returns a group that can be changed. It creates it if necessary.
func (c *collection) find(key findingKey) *group {
	g := c.all[key]
	if g == nil {
		g = c.begin(key)
	} else if !c.own[g] {
		g = g.clone()
		c.all[key] = g
	}
	c.own[g] = true
	c.touch(g)
	return g
}

type identity struct {
	clientID string
	addr     netip.Addr
}

// identify merges findings of a client that announced its software on only some of its
// connections. Equal client ids at one address are one client.
func (c *collection) identify(announced map[identity]decode.Software) {
	for key, g := range maps.Clone(c.all) {
		software, ok := announcedBy(announced, key.clientID, g.addresses.list)
		if !ok || !key.hasClientID || key.software.Name != "" || g.count == 0 {
			continue
		}
		key.software = software
		c.find(key).merge(g)
		delete(c.all, g.key)
		c.perRule[key.rule]--
	}
}

// joinAlerts merges the TLS handshakes that ended in a close into those of the same clients that
// ended in an alert: the alert names the cause of both.
func (c *collection) joinAlerts() {
	var closes, alerts []*group
	for _, g := range c.all {
		switch {
		case rules[g.key.rule].Code != handshakeFailedRule.Code:
		case strings.HasPrefix(g.key.detail, alertPrefix):
			alerts = append(alerts, g)
		case g.key.detail == closedBy(reassembly.ToClient), g.key.detail == closedBy(reassembly.ToBroker):
			closes = append(closes, g)
		}
	}
	slices.SortFunc(closes, compareGroups)
	slices.SortFunc(alerts, compareGroups)
	for _, g := range closes {
		i := slices.IndexFunc(alerts, func(a *group) bool { return a.key.broker == g.key.broker && a.hasClientsOf(g) })
		if i < 0 {
			continue
		}
		into := c.find(alerts[i].key)
		into.merge(g)
		into.closed += g.count
		delete(c.all, g.key)
		c.perRule[g.key.rule]--
	}
}

func (g *group) hasClientsOf(o *group) bool {
	return !slices.ContainsFunc(o.first, func(x occurrence) bool {
		return !slices.ContainsFunc(g.first, func(y occurrence) bool { return x.client.Addr() == y.client.Addr() })
	})
}

type ruled struct {
	*group
	rule     *Rule
	severity model.Severity
}

// ruledGroups returns each group with the rule that the whole input supports, in order.
func (f *findings) ruledGroups(decided *history.Decisions, dropped uint64) ([]ruled, *collection) {
	current := f.current(decided, func(uint64) bool { return true })
	groups := make([]ruled, 0, len(current.all)+1)
	for _, g := range current.all {
		if g.count == 0 {
			continue // its request waits for its outcome
		}
		if rule, severity, drop := f.ruled(g); !drop {
			groups = append(groups, ruled{f.concluded(g), rule, severity})
		}
	}
	if dropped > 0 {
		key := findingKey{rule: ruleIndex(bytesMissingRule.Code), detail: droppedDetail}
		groups = append(groups, ruled{&group{key: key, count: 1, dropped: dropped}, &bytesMissingRule, bytesMissingRule.Severity})
	}
	slices.SortFunc(groups, func(x, y ruled) int {
		return cmp.Or(
			cmp.Compare(y.severity, x.severity),
			strings.Compare(x.rule.Code, y.rule.Code),
			compareGroups(x.group, y.group),
		)
	})
	return groups, current
}

// ruled returns the rule that the whole input supports for g, and its severity. drop: g is not
// reported.
func (f *findings) ruled(g *group) (rule *Rule, severity model.Severity, drop bool) {
	rule = &rules[g.key.rule]
	if rule.replacedBy != nil {
		instead, drop := rule.replacedBy(g, &f.facts)
		if drop {
			return nil, 0, true
		}
		rule = cmp.Or(instead, rule)
	}
	if rule.severity != nil {
		return rule, rule.severity(g, &f.facts), false
	}
	return rule, rule.Severity, false
}
