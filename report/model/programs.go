package model

import (
	"slices"
)

// Join makes one row of a client that announced its software only on some of its connections, if
// different hosts captured the two kinds. A row without software belongs to the only row with
// software that has its client id and its principal. Clients among askers are judged as such.
// t.Apart gets the rows that changed.
func (t *Target) Join(rows []TargetClient, askers Askers) (joined []TargetClient) {
	before, isApart := slices.Clone(rows), map[string]bool{}
	for i := range rows {
		c := &rows[i]
		*c, isApart[c.Key()] = c.withAskers(askers)
	}
	type user struct{ clientIDs, principal string }
	of := func(c *TargetClient) user { return user{c.clientIDs(), c.Principal} }
	announced := map[user][]*TargetClient{}
	for i := range rows {
		if c := &rows[i]; c.SoftwareName != "" && c.Role == "" {
			announced[of(c)] = append(announced[of(c)], c)
		}
	}
	added := map[*TargetClient]*TargetClient{} // at most one each: rows without software differ in client id or principal
	for i := range rows {
		c := &rows[i]
		same := announced[of(c)]
		if c.SoftwareName == "" && c.Role == "" && of(c).clientIDs != "" && len(same) == 1 {
			added[same[0]] = c
			isApart[c.Key()], isApart[same[0].Key()] = true, true
			continue
		}
		joined = append(joined, *c)
	}
	for i := range joined {
		c := &joined[i]
		if same := announced[of(c)]; c.SoftwareName != "" && len(same) == 1 && added[same[0]] != nil {
			c.APIs, c.UnclearAPIs = slices.Clone(c.APIs), slices.Clone(c.UnclearAPIs)
			blames := c.IsBlamedBy(added[same[0]])
			c.Merge(added[same[0]])
			if blames {
				c.SoftwareName, c.SoftwareVersion = "", ""
			}
		}
	}
	for i := range before {
		if isApart[before[i].Key()] {
			t.Apart = append(t.Apart, before[i])
		}
	}
	return joined
}

// IsBlamedBy reports whether a row o without software has a worse verdict, from addresses that did
// not announce the software of c. The row of both then has no software.
func (c *TargetClient) IsBlamedBy(o *TargetClient) bool {
	from := o.BreakingAddresses
	if o.Verdict == VerdictLikely {
		from = o.Addresses
	}
	return CompareVerdicts(o.Verdict, c.Verdict) < 0 && slices.ContainsFunc(from, func(a string) bool { return !slices.Contains(c.AskingAddresses, a) })
}

// Rows returns the clients as they were before Join.
func (t *Target) Rows() []TargetClient {
	if len(t.Apart) == 0 {
		return t.Clients
	}
	isApart := map[string]bool{}
	for i := range t.Apart {
		isApart[t.Apart[i].Key()] = true
	}
	rows := slices.Clone(t.Apart)
	for i := range t.Clients {
		if c := &t.Clients[i]; !isApart[c.Key()] {
			rows = append(rows, *c)
		}
	}
	return rows
}

// Askers are the clients that requested the ranges in any report.
type Askers map[asker]bool

type asker struct{ clientIDs, address string }

// NewAskers returns the askers among the clients of a target.
func NewAskers(rows []TargetClient) Askers {
	a := Askers{}
	for i := range rows {
		for _, address := range rows[i].AskingAddresses {
			a[asker{JoinKey(rows[i].ClientIDs...), address}] = true
		}
	}
	return a
}

// Has reports whether a client requested the ranges from each of these addresses. It is false
// without an address, and for a list that may lack some.
func (a Askers) Has(clientIDs string, addresses []string) bool {
	return len(addresses) > 0 && len(addresses) < MaxMembers &&
		!slices.ContainsFunc(addresses, func(address string) bool { return !a[asker{clientIDs, address}] })
}

// withAskers returns the row of a client without the refusals that are certain only if it does not
// request the ranges, if another report shows that it does. They are then likely or unclear, as if
// one capture showed both. isChanged is false if there are none.
func (c TargetClient) withAskers(a Askers) (row TargetClient, isChanged bool) {
	isCertain := func(u TargetUse) bool { return u.Certain && u.Reason == ReasonNotAsked && u.Target != nil }
	if !slices.ContainsFunc(c.APIs, isCertain) || !a.Has(JoinKey(c.ClientIDs...), c.BreakingAddresses) {
		return c, false
	}
	apis := c.APIs
	c.APIs, c.UnclearAPIs = []TargetUse{}, slices.Clone(c.UnclearAPIs)
	for _, u := range apis {
		to := &c.APIs
		if isCertain(u) {
			c.Counts.Breaks -= u.Requests
			if u.Certain, u.Reason = false, ReasonOfferUnseen; u.Version < u.Target.Min {
				c.Counts.Likely += u.Requests
			} else {
				c.Counts.Unclear += u.Requests
				to, u.Reason = &c.UnclearAPIs, ReasonNegotiationUnseen
			}
		}
		*to = mergeSorted(*to, []TargetUse{u}, CompareTargetUses, mergeUses)
	}
	if !slices.ContainsFunc(c.APIs, func(u TargetUse) bool { return u.Certain }) {
		c.BreakingAddresses = nil
	}
	c.Verdict = c.verdict()
	return c, true
}
