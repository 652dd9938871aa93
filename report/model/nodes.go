package model

import (
	"maps"
	"net"
	"slices"
)

// Uncaptured are the brokers in Metadata responses that were not captured.
type Uncaptured struct {
	// Nodes has each broker once, with the first of its addresses that was not captured and the
	// latest time of all.
	Nodes []Node
	// Unknown counts the brokers with host names that no TLS client asked for, less those in
	// Assumed.
	Unknown int
	// Assumed counts the brokers with such host names that can be Candidates: captured addresses
	// that no response names, at their ports. They answered a Metadata response of the cluster.
	Assumed    int
	Candidates []string
	// Unnamed counts the captured addresses that no response names.
	Unnamed int
	// Named counts the brokers of each cluster, All the brokers of all clusters.
	Named map[string]int
	All   int
}

// Uncaptured returns the brokers of which a named address was not captured. It considers those in
// responses since a time. An address counts as captured if a client used it, or used its port at
// another captured address of the broker.
func (r *Report) Uncaptured(since Time) Uncaptured {
	nodes := r.nodesSince(since)
	c := r.addresses(nodes)
	u := Uncaptured{Named: map[string]int{}, Unnamed: c.unnamed()}
	candidates := map[string]bool{}
	for _, node := range nodes {
		u.All++
		u.Named[node[0].Cluster]++
		switch missing, unknown := c.missing(node); {
		case missing != nil:
			u.Nodes = append(u.Nodes, *missing)
		case len(unknown) > 0 && c.assume(unknown, candidates):
			u.Assumed++
		case len(unknown) > 0:
			u.Unknown++
		}
	}
	u.Candidates = slices.Sorted(maps.Keys(candidates))
	return u
}

// nodesSince returns the addresses of each broker in responses since a time. Without a cluster id
// (Metadata v0 and v1), each address is a broker: equal node ids can be of different clusters. An
// address at which another cluster answered is not captured: private networks share addresses.
func (r *Report) nodesSince(since Time) (nodes [][]Node) {
	isInCluster, answered := map[string]bool{}, map[string]string{}
	for i := range r.Brokers {
		if b := &r.Brokers[i]; b.Cluster != nil {
			answered[b.Address] = max(answered[b.Address], *b.Cluster)
		}
	}
	for _, n := range r.Nodes {
		if n.Cluster != "" && n.Last >= since {
			n.Cluster = ""
			isInCluster[n.Key()] = true
		}
	}
	for _, n := range r.Nodes {
		if n.Last < since || n.Cluster == "" && isInCluster[n.Key()] {
			continue
		}
		if other := answered[n.Address]; other != "" && n.Cluster != "" && other != n.Cluster {
			n.Captured = new(false)
		}
		if i := len(nodes) - 1; i >= 0 && n.Cluster != "" && nodes[i][0].Cluster == n.Cluster && nodes[i][0].NodeID == n.NodeID {
			nodes[i] = append(nodes[i], n)
		} else {
			nodes = append(nodes, []Node{n})
		}
	}
	return nodes
}

// listener is a port of the brokers of a cluster.
type listener struct{ cluster, port string }

// addresses are the captured addresses of a report.
type addresses struct {
	// isCaptured has the addresses that clients used, named their hosts that responses name.
	isCaptured, named map[string]bool
	// others counts the captured nodes that have another address in the report: they are known by
	// the name that a TLS client asked for, or behind address translation.
	others map[listener]int
	// unnamedAt has the addresses of other hosts, by the cluster of their Metadata responses.
	unnamedAt map[listener][]string
}

func (r *Report) addresses(nodes [][]Node) *addresses {
	a := &addresses{isCaptured: map[string]bool{}, named: map[string]bool{}, others: map[listener]int{}, unnamedAt: map[listener][]string{}}
	for i := range r.Brokers {
		if b := &r.Brokers[i]; !b.BetweenBrokers {
			a.isCaptured[b.Address] = true
		}
	}
	for _, n := range slices.Concat(nodes...) {
		host, port := split(n.Address)
		switch {
		case !n.isCaptured():
		case a.isCaptured[n.Address]:
			a.named[host] = true
		default:
			a.others[listener{n.Cluster, port}]++
		}
	}
	for i := range r.Brokers {
		b := &r.Brokers[i]
		host, port := split(b.Address)
		if b.BetweenBrokers || b.Cluster == nil || a.named[host] {
			continue
		}
		if at := (listener{*b.Cluster, port}); !slices.Contains(a.unnamedAt[at], b.Address) {
			a.unnamedAt[at] = append(a.unnamedAt[at], b.Address)
		}
	}
	return a
}

func (n *Node) isCaptured() bool { return n.Captured != nil && *n.Captured }

// unnamed counts the hosts that no response names, less those of others.
func (a *addresses) unnamed() int {
	hosts := map[string]bool{}
	for address := range a.isCaptured {
		if host, _ := split(address); !a.named[host] {
			hosts[host] = true
		}
	}
	n := len(hosts)
	for _, others := range a.others {
		n -= others
	}
	return max(0, n)
}

// missing returns the first address of a broker that was not captured, with its latest time, and
// the listeners at which its address is unknown.
func (a *addresses) missing(node []Node) (first *Node, unknown []listener) {
	var hosts []string // its captured ones
	last := Time(0)
	for i := range node {
		last = max(last, node[i].Last)
		if host, _ := split(node[i].Address); node[i].isCaptured() && a.isCaptured[node[i].Address] {
			hosts = append(hosts, host)
		}
	}
	for i := range node {
		n := node[i]
		_, port := split(n.Address)
		switch {
		case n.isCaptured():
		case slices.ContainsFunc(hosts, func(host string) bool { return a.isCaptured[net.JoinHostPort(host, port)] }):
		case n.Captured == nil:
			if l := (listener{n.Cluster, port}); !slices.Contains(unknown, l) {
				unknown = append(unknown, l)
			}
		case first == nil:
			n.Last = last
			first = &n
		}
	}
	return first, unknown
}

// assume reports whether unnamed addresses remain for all listeners of a broker. It then removes
// one of each, and adds all of these listeners to candidates.
func (a *addresses) assume(unknown []listener, candidates map[string]bool) bool {
	for _, l := range unknown {
		if len(a.unnamedAt[l]) <= a.others[l] {
			return false
		}
	}
	for _, l := range unknown {
		for _, address := range a.unnamedAt[l] {
			candidates[address] = true
		}
		a.others[l]++
	}
	return true
}

// split returns the host and the port of an address.
func split(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, ""
	}
	return host, port
}
