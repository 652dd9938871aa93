package model

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// The merging of rows, both within one report and for reports of many hosts.

const (
	// MaxMembers bounds the client ids and addresses of a merged row to the first ones.
	MaxMembers = 64
	// maxProcesses bounds its processes: 16 of some 150 bytes. A service has others on each host.
	maxProcesses = 16
	// maxSpans bounds the times of a watched broker: 512 of some 90 bytes. Beyond it, the nearest
	// ones are joined if no gap is longer than maxHiddenGap: 1 % of a week in 512 gaps is 12 s each,
	// so none is hidden from --gate 7d. Otherwise the earliest ones are dropped.
	maxSpans     = 512
	maxHiddenGap = 12e9
	// maxSpanGap joins the times of rotated files, in nanoseconds.
	maxSpanGap = 1e9
)

// TrueFirst orders true before false.
func TrueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// addCounts adds the counters of a struct and of its nested structs. It uses reflection, so that
// no counter can be left out by mistake.
func addCounts[T any](into, from *T) {
	addFields(reflect.ValueOf(into).Elem(), reflect.ValueOf(from).Elem())
}

func addFields(into, from reflect.Value) {
	for i := range into.NumField() {
		switch to, n := into.Field(i), from.Field(i); to.Kind() {
		case reflect.Uint64:
			to.SetUint(to.Uint() + n.Uint())
		case reflect.Int:
			to.SetInt(to.Int() + n.Int())
		case reflect.Struct:
			addFields(to, n)
		}
	}
}

// mergeSorted merges the rows of from into a list sorted by compare.
func mergeSorted[T any](into, from []T, compare func(a, b T) int, merge func(into, from *T)) []T {
	for i := range from {
		at, found := slices.BinarySearchFunc(into, from[i], compare)
		if found {
			merge(&into[at], &from[i])
		} else {
			into = slices.Insert(into, at, from[i])
		}
	}
	return into
}

// Union returns the sorted union of two sorted lists of names, at most the first 64. It is never
// nil.
func Union(a, b []string) []string {
	if out := UnionOrNil(a, b); out != nil {
		return out
	}
	return []string{}
}

// UnionOrNil is Union, but nil for two lists that are nil.
func UnionOrNil(a, b []string) []string { return union(a, b, MaxMembers, strings.Compare) }

// SortLists sorts the lists of names as the merging of rows needs them. In a report, addresses are
// ordered by their numbers.
func (r *Report) SortLists() {
	sort := func(lists ...[]string) {
		for _, l := range lists {
			slices.Sort(l)
		}
	}
	for i := range r.Brokers {
		sort(r.Brokers[i].Behind)
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		sort(c.ClientIDs, c.Addresses, c.BrokerAddresses, c.Principals)
		slices.SortFunc(c.Processes, CompareProcesses)
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		sort(f.Behind)
		if c := f.Client; c != nil {
			sort(c.Addresses, c.Principals)
			slices.SortFunc(c.Processes, CompareProcesses)
		}
	}
	if t := r.Target; t != nil {
		for _, rows := range [][]TargetClient{t.Clients, t.Apart} {
			for i := range rows {
				c := &rows[i]
				sort(c.ClientIDs, c.Addresses, c.BreakingAddresses, c.AskingAddresses)
				slices.SortFunc(c.Processes, CompareProcesses)
			}
		}
	}
}

// union returns the first values of the sorted union of two lists. a is sorted, and mostly has all
// values of b: it is then the result.
func union[T comparable](a, b []T, most int, compare func(a, b T) int) []T {
	isIn := func(v T) bool {
		i, found := slices.BinarySearchFunc(a, v, compare)
		return found || i >= most
	}
	if len(a) <= most && !slices.ContainsFunc(b, func(v T) bool { return !isIn(v) }) {
		return a
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, compare)
	all = slices.Compact(all)
	return all[:min(len(all), most)]
}

// Merge adds the counts of o.
func (s *Summary) Merge(o *Summary) { addCounts(s, o) }

// Merge adds the counts of o.
func (q *Quality) Merge(o *Quality) {
	addCounts(q, o)
	byName := func(a, b Count) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(q.UnparsedReasons, byName)
	q.UnparsedReasons = mergeSorted(q.UnparsedReasons, o.UnparsedReasons, byName, addCounts)
	slices.SortFunc(q.UnparsedReasons, CompareCounts)
	q.OtherProtocols = mergeSorted(q.OtherProtocols, o.OtherProtocols, CompareOtherProtocols, addCounts)
	q.NotChecked = mergeSorted(q.NotChecked, o.NotChecked, func(a, b NotChecked) int {
		return cmp.Or(slices.Index(NotCheckedReasons, a.Reason)-slices.Index(NotCheckedReasons, b.Reason), cmp.Compare(a.Reason, b.Reason))
	}, addCounts)
	q.UnexplainedCauses = Union(q.UnexplainedCauses, o.UnexplainedCauses)
	for name, n := range o.LimitsHit {
		q.LimitsHit[name] += n
	}
}

// CompareCounts orders by count, the largest first.
func CompareCounts(a, b Count) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
}

// CompareOtherProtocols orders by address and protocol.
func CompareOtherProtocols(a, b OtherProtocol) int {
	return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Protocol, b.Protocol))
}

// Key identifies b.
func (b *Broker) Key() string { return JoinKey(b.Address, b.Network) }

// Merge adds the data of another report about the broker. Ranges and release come from the report
// with more APIs.
func (b *Broker) Merge(o *Broker) {
	both := *b
	if compareAdvertised(b, o) < 0 {
		both = *o
	}
	both.Streams, both.Requests, both.Tables = b.Streams+o.Streams, b.Requests+o.Requests, max(b.Tables, o.Tables)
	both.Watched, both.TLS, both.Inferred = joinSpans(b.Watched, o.Watched), b.TLS || o.TLS, b.Inferred && o.Inferred
	both.Undecided, both.SeveralClients = b.Undecided+o.Undecided, b.SeveralClients || o.SeveralClients
	both.BetweenBrokers = b.BetweenBrokers && o.BetweenBrokers
	both.Behind = UnionOrNil(b.Behind, o.Behind)
	if both.NodeID = b.NodeID; b.NodeID == nil || o.NodeID != nil && *o.NodeID > *b.NodeID {
		both.NodeID = o.NodeID
	}
	if both.Cluster = b.Cluster; b.Cluster == nil || o.Cluster != nil && *o.Cluster > *b.Cluster {
		both.Cluster = o.Cluster
	}
	*b = both
}

// compareAdvertised orders the ranges and releases that reports have for a broker.
func compareAdvertised(a, b *Broker) int {
	return cmp.Or(
		cmp.Compare(len(a.APIs), len(b.APIs)),
		slices.CompareFunc(a.APIs, b.APIs, func(x, y API) int {
			return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.Max, y.Max), cmp.Compare(x.Min, y.Min))
		}),
		cmp.Compare(a.Release, b.Release), cmp.Compare(a.ReleaseReason, b.ReleaseReason),
		slices.Compare(a.ReleaseNames, b.ReleaseNames), slices.Compare(a.ReleaseRunnersUp, b.ReleaseRunnersUp),
	)
}

// joinSpans returns the sorted union of two lists of times, without overlaps; nil for none.
func joinSpans(a, b []Span) []Span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y Span) int { return cmp.Or(cmp.Compare(x.First, y.First), cmp.Compare(x.Last, y.Last)) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && s.First <= out[n-1].Last+maxSpanGap {
			out[n-1].Last = max(out[n-1].Last, s.Last)
		} else {
			out = append(out, s)
		}
	}
	for len(out) > maxSpans {
		nearest := 1
		for i := 2; i < len(out); i++ {
			if out[i].First-out[i-1].Last < out[nearest].First-out[nearest-1].Last {
				nearest = i
			}
		}
		if out[nearest].First-out[nearest-1].Last > maxHiddenGap {
			return out[len(out)-maxSpans:]
		}
		out[nearest-1].Last = out[nearest].Last
		out = slices.Delete(out, nearest, nearest+1)
	}
	return out
}

// Key identifies n.
func (n *Node) Key() string {
	return JoinKey(n.Cluster, fmt.Sprintf("%010d", int64(n.NodeID)-math.MinInt32), n.Address)
}

// Merge adds the data of another report about the node.
func (n *Node) Merge(o *Node) {
	n.First, n.Last = min(n.First, o.First), max(n.Last, o.Last)
	if n.Captured == nil || o.Captured != nil && *o.Captured {
		n.Captured = o.Captured
	}
}

// Key identifies c.
func (c *Connection) Key() string { return c.ID }

// Merge keeps the larger counts, because both hosts counted the same requests.
func (c *Connection) Merge(o *Connection) {
	c.Hosts += o.Hosts
	c.Requests, c.Responses = max(c.Requests, o.Requests), max(c.Responses, o.Responses)
	c.Checked, c.Exempt = max(c.Checked, o.Checked), max(c.Exempt, o.Exempt)
}

// Key identifies c by its software or, without one, by its client ids. An inferred client also has
// its inference and addresses.
func (c *Client) Key() string {
	rest := ""
	switch {
	case c.Inferred != "":
		rest = JoinKey("inferred", c.Inferred, JoinKey(c.Addresses...))
	case c.SoftwareName == "":
		rest = JoinKey(c.ClientIDs...)
	}
	return JoinKey(c.SoftwareName, c.SoftwareVersion, rest)
}

// Merge adds the data of another row about the same client.
func (c *Client) Merge(o *Client) {
	c.ClientIDs, c.Addresses = Union(c.ClientIDs, o.ClientIDs), Union(c.Addresses, o.Addresses)
	c.BrokerAddresses, c.Principals = Union(c.BrokerAddresses, o.BrokerAddresses), UnionOrNil(c.Principals, o.Principals)
	c.Processes = UnionProcesses(c.Processes, o.Processes)
	c.Requests += o.Requests
	c.APIs = mergeSorted(c.APIs, o.APIs, func(a, b Usage) int { return cmp.Compare(a.Key, b.Key) }, func(into, from *Usage) {
		into.Versions = mergeSorted(into.Versions, from.Versions, func(a, b VersionUsage) int { return cmp.Compare(a.Version, b.Version) }, addCounts)
	})
}

// Merge adds the counts of o.
func (s *TargetSummary) Merge(o *TargetSummary) { addCounts(s, o) }

// Key identifies c.
func (c *TargetClient) Key() string {
	return JoinKey(c.SoftwareName, c.SoftwareVersion, c.clientIDs(), c.Principal, c.Role)
}

// clientIDs joins the client ids; those of brokers among themselves do not identify a row.
func (c *TargetClient) clientIDs() string {
	if c.Role != "" {
		return ""
	}
	return JoinKey(c.ClientIDs...)
}

// Merge adds the data of another row about the same client.
func (c *TargetClient) Merge(o *TargetClient) {
	all := max(int64(len(c.Addresses))+c.AddressesOmitted, int64(len(o.Addresses))+o.AddressesOmitted)
	c.ClientIDs, c.Addresses = Union(c.ClientIDs, o.ClientIDs), Union(c.Addresses, o.Addresses)
	c.AddressesOmitted = max(0, all-int64(len(c.Addresses)))
	c.BreakingAddresses = UnionOrNil(c.BreakingAddresses, o.BreakingAddresses)
	c.AskingAddresses = UnionOrNil(c.AskingAddresses, o.AskingAddresses)
	c.Processes = UnionProcesses(c.Processes, o.Processes)
	c.FirstSeen, c.LastSeen = min(c.FirstSeen, o.FirstSeen), max(c.LastSeen, o.LastSeen)
	addCounts(c, o)
	c.APIs = mergeSorted(c.APIs, o.APIs, CompareTargetUses, mergeUses)
	c.UnclearAPIs = mergeSorted(c.UnclearAPIs, o.UnclearAPIs, CompareTargetUses, mergeUses)
	c.Verdict = c.verdict()
}

func mergeUses(into, from *TargetUse) {
	into.Requests, into.LastSeen = into.Requests+from.Requests, max(into.LastSeen, from.LastSeen)
}

func (c *TargetClient) verdict() string {
	if c.Role != "" {
		return VerdictBrokers
	}
	return c.Counts.Verdict()
}

// AddFindings adds folded findings.
func (f *Folded) AddFindings(list ...FoldedFindings) {
	f.Findings = mergeSorted(f.Findings, list, func(a, b FoldedFindings) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Code, b.Code))
	}, addCounts)
}

// Merge adds the counts of o, which may be nil.
func (f *Folded) Merge(o *Folded) {
	if o != nil {
		f.AddFindings(o.Findings...)
		addCounts(f, o)
	}
}

// OrNil returns f, or nil if nothing was folded.
func (f Folded) OrNil() *Folded {
	if len(f.Findings) == 0 && f.Clients.Count+f.Brokers.Count == 0 {
		return nil
	}
	if f.Findings == nil {
		f.Findings = []FoldedFindings{}
	}
	return &f
}
