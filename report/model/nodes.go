package model

import (
	"maps"
	"net"
	"slices"
	"strings"
)

// Uncaptured are the brokers in Metadata responses that were not captured.
type Uncaptured struct {
	// Nodes has each broker once, with the first of its addresses and the latest time of all.
	Nodes []Node
	// Unknown counts the brokers with host names that no TLS client asked for, less those in
	// Assumed.
	Unknown int
	// Assumed counts the brokers with such host names for which an address was captured that no
	// response names, at one of their ports.
	Assumed int
	// Unnamed counts the captured addresses that no response names.
	Unnamed int
	// Named counts the brokers of each cluster, All the brokers of all clusters.
	Named map[string]int
	All   int
}

// Uncaptured returns the brokers of which no address was captured, on any listener. It considers
// those in responses since a time. An address counts as captured if a client used it.
func (r *Report) Uncaptured(since Time) Uncaptured {
	listed, hosts := map[string]bool{}, map[string]bool{}
	for i := range r.Brokers {
		if !r.Brokers[i].BetweenBrokers {
			listed[r.Brokers[i].Address] = true
		}
	}
	u := Uncaptured{Named: map[string]int{}}
	nodes := slices.DeleteFunc(slices.Clone(r.Nodes), func(n Node) bool { return n.Last < since })
	isInCluster := map[NodeKey]bool{}
	for i := range nodes {
		if n := nodes[i]; n.Cluster != "" {
			n.Cluster = ""
			isInCluster[n.Key()] = true
		}
	}
	// Metadata v0 and v1 have no cluster id.
	nodes = slices.DeleteFunc(nodes, func(n Node) bool { return n.Cluster == "" && isInCluster[n.Key()] })
	var names []Node // of the brokers that are unknown
	others := 0      // captured nodes whose address in Brokers is another one
	for i := 0; i < len(nodes); {
		node, start, isCaptured, isUnknown := nodes[i], i, false, false
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
			names = append(names, nodes[start:i]...)
		default:
			u.Nodes = append(u.Nodes, node)
		}
	}
	unnamed := portsOf(listed, hosts)
	u.Unnamed = max(0, len(unnamed)-others)
	for _, ports := range unnamed {
		u.Assumed += brokersAt(ports, names)
	}
	u.Assumed = min(u.Unknown, max(0, u.Assumed-others))
	u.Unknown -= u.Assumed
	return u
}

// portsOf returns the ports of addresses by host, without the hosts of captured nodes: their other
// ports are further listeners.
func portsOf(addresses, captured map[string]bool) map[string][]string {
	ports := map[string][]string{}
	for address := range addresses {
		if host := hostOf(address); !captured[host] {
			ports[host] = append(ports[host], strings.TrimPrefix(address, net.JoinHostPort(host, "")))
		}
	}
	return ports
}

// brokersAt returns how many of the nodes the ports of one host can be. They are one broker with
// several listeners, unless different nodes have these ports, as behind a load balancer.
func brokersAt(ports []string, nodes []Node) (n int) {
	type id struct {
		cluster string
		node    int32
	}
	seen := map[id]bool{}
	slices.Sort(ports)
	for _, port := range ports {
		isOther, has := true, map[id]bool{}
		for i := range nodes {
			if _, p, err := net.SplitHostPort(nodes[i].Address); err == nil && p == port {
				at := id{nodes[i].Cluster, nodes[i].NodeID}
				isOther, has[at] = isOther && !seen[at], true
			}
		}
		if isOther && len(has) > 0 {
			n++
			maps.Copy(seen, has)
		}
	}
	return n
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
