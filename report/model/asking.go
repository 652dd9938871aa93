package model

import "slices"

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
