package main

import "slices"

// combinations are the pairings on the nodes that fit a pattern, as scenarios in which nothing
// happens.
func combinations(pattern string) (all []scenario) {
	for _, n := range nodes(pattern) {
		for _, l := range []listener{plaintext, ssl, saslPlain, scram256, scram512, saslSSL, scramSSL} {
			s := scenario{name: n.String() + l.suffix, class: plain, nodes: []string{n.String()}, listener: l, byLog: true}
			for _, p := range pairings {
				switch {
				case !slices.Contains(p.brokers, n.String()) || !slices.Contains(p.listeners, l):
				case p.clients == nil:
					s.clients = append(s.clients, "*")
				default:
					s.clients = append(s.clients, p.clients...)
				}
			}
			if len(s.clients) > 0 {
				all = append(all, s)
			}
		}
	}
	return all
}
