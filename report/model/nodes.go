package model

import (
	"net"
	"slices"
)

// Uncaptured are the brokers that Metadata responses name and that were not captured.
type Uncaptured struct {
	// Nodes has each of them once, with the first of its addresses and the last time of all.
	Nodes []Node
	// Unknown counts the brokers of which it is unknown, because they have host names that no TLS client asked for,
	// as far as no other address was captured that can be theirs.
	Unknown int
	// Named counts the brokers of each cluster, All those of all clusters.
	Named map[string]int
	All   int
}

// Uncaptured returns the brokers of which no address was captured, whatever the listener. Where as many addresses were
// captured that no response names, these are taken for translations, and no broker is returned.
func (r *Report) Uncaptured() Uncaptured {
	listed, hosts := map[string]bool{}, map[string]bool{}
	for i := range r.Brokers {
		listed[r.Brokers[i].Address] = true
	}
	u := Uncaptured{Named: map[string]int{}}
	nodes := slices.Clone(r.Nodes)
	isInCluster := map[NodeKey]bool{}
	for i := range nodes {
		if n := nodes[i]; n.Cluster != "" {
			n.Cluster = ""
			isInCluster[n.Key()] = true
		}
	}
	// Metadata v0 and v1 do not name the cluster.
	nodes = slices.DeleteFunc(nodes, func(n Node) bool { return n.Cluster == "" && isInCluster[n.Key()] })
	others := 0 // captured addresses of nodes that the brokers have by another name
	for i := 0; i < len(nodes); {
		node, isCaptured, isUnknown := nodes[i], false, false
		for ; i < len(nodes) && nodes[i].Cluster == node.Cluster && nodes[i].NodeID == node.NodeID; i++ {
			n := &nodes[i]
			node.Last = max(node.Last, n.Last)
			switch {
			case n.Captured == nil:
				isUnknown = true
			case !*n.Captured:
			case listed[n.Address]:
				isCaptured = true
				hosts[hostOf(n.Address)] = true
			default:
				isCaptured = true
				others++
			}
		}
		u.All++
		u.Named[node.Cluster]++
		switch {
		case isCaptured:
		case isUnknown:
			u.Unknown++
		default:
			u.Nodes = append(u.Nodes, node)
		}
	}
	strangers := -others
	for address := range listed {
		if !hosts[hostOf(address)] { // else it is another port of a broker that has been found
			strangers++
		}
	}
	if strangers >= len(u.Nodes)+u.Unknown {
		u.Nodes = nil
	}
	u.Unknown = max(0, u.Unknown-max(0, strangers))
	return u
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
