package main

import (
	"path"
	"slices"
)

// combination is a client on a listener of a node.
type combination struct {
	client   Client
	listener listener
	// reason tells why it cannot run, for the manifest.
	reason string
}

// combinations are the clients that are run against a node.
func combinations(n node, pattern string) []combination {
	var all []combination
	for _, c := range clients() {
		if ok, _ := path.Match(pattern, c.Name); !ok { // main has tried the pattern
			continue
		}
		for _, l := range listenersFor(n, c) {
			x := combination{client: c, listener: l, reason: c.Unusable}
			switch {
			case x.reason != "":
			case len(c.Security) > 0 && !slices.Contains(c.Security, l.security):
				x.reason = "the client cannot do " + l.security
			case (l == scram256 || l == scram512 || l == scramSSL) && n.noSCRAM() != "":
				x.reason = n.noSCRAM()
			}
			all = append(all, x)
		}
	}
	return all
}
