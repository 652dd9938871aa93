package main

import (
	"path"
	"strconv"
	"strings"
)

// mode is how the nodes of a cluster find their metadata.
type mode string

const (
	zookeeper mode = "zookeeper"
	kraft     mode = "kraft" // one node that is broker and controller
	// controller is no mode to start a broker in: it names the table of a KRaft controller's listener.
	controller mode = "controller"
)

// release is a release of Apache Kafka that the lab can start.
type release struct {
	version string
	// scala is the Scala release that its server was built for: a part of the artifact's name.
	scala string
	modes []mode
	// clients tells whether clients are run against it; of the others only the ranges are asked for.
	clients bool
}

// releases are the last patch release of each minor one, and further ones that
// reports of bugs name. They are the newest that could be had when the table was made.
var releases = []release{
	{"0.10.0.1", "2.11", []mode{zookeeper}, false},
	{"0.10.1.1", "2.11", []mode{zookeeper}, false},
	{"0.10.2.2", "2.11", []mode{zookeeper}, true},
	{"0.11.0.3", "2.11", []mode{zookeeper}, false},
	{"1.0.2", "2.11", []mode{zookeeper}, false},
	{"1.1.1", "2.11", []mode{zookeeper}, true},
	{"2.0.1", "2.12", []mode{zookeeper}, false},
	{"2.1.1", "2.12", []mode{zookeeper}, true},
	{"2.2.2", "2.12", []mode{zookeeper}, false},
	{"2.3.1", "2.12", []mode{zookeeper}, false},
	{"2.4.1", "2.12", []mode{zookeeper}, false},
	{"2.5.1", "2.12", []mode{zookeeper}, false},
	{"2.6.1", "2.12", []mode{zookeeper}, true},
	{"2.6.3", "2.12", []mode{zookeeper}, false},
	{"2.7.2", "2.13", []mode{zookeeper}, false},
	{"2.8.2", "2.13", []mode{zookeeper, kraft}, true},
	{"3.0.2", "2.13", []mode{zookeeper, kraft}, false},
	{"3.1.2", "2.13", []mode{zookeeper, kraft}, false},
	{"3.2.3", "2.13", []mode{zookeeper, kraft}, false},
	{"3.3.2", "2.13", []mode{zookeeper, kraft}, true},
	{"3.4.1", "2.13", []mode{zookeeper, kraft}, false},
	{"3.5.2", "2.13", []mode{zookeeper, kraft}, false},
	{"3.6.2", "2.13", []mode{zookeeper, kraft}, false},
	{"3.7.2", "2.13", []mode{zookeeper, kraft}, false},
	{"3.8.1", "2.13", []mode{zookeeper, kraft}, false},
	{"3.9.2", "2.13", []mode{zookeeper, kraft}, true},
	{"4.0.0", "2.13", []mode{kraft}, true},
	{"4.0.1", "2.13", []mode{kraft}, true},
	{"4.0.2", "2.13", []mode{kraft}, false},
	{"4.1.2", "2.13", []mode{kraft}, true},
	{"4.2.1", "2.13", []mode{kraft}, false},
	{"4.3.1", "2.13", []mode{kraft}, false},
	{"4.4.0", "2.13", []mode{kraft}, true},
}

// artifact is the server's Maven artifact.
func (r release) artifact() string {
	return "org.apache.kafka:kafka_" + r.scala + ":" + r.version
}

// atLeast tells whether the release is this one or a later one, as in atLeast(2, 7).
func (r release) atLeast(numbers ...int) bool {
	parts := strings.Split(r.version, ".")
	for i, want := range numbers {
		have := 0
		if i < len(parts) {
			have, _ = strconv.Atoi(parts[i]) // the table above holds numbers
		}
		if have != want {
			return have > want
		}
	}
	return true
}

// node is one release in one mode: what is started at a time.
type node struct {
	release
	mode mode
}

// String is the node's name in the manifest, such as 3.9.2-kraft.
func (n node) String() string { return n.version + "-" + string(n.mode) }

// nodes are all releases in all their modes that match a pattern of path.Match.
func nodes(pattern string) []node {
	var all []node
	for _, r := range releases {
		for _, m := range r.modes {
			n := node{r, m}
			for _, name := range []string{r.version, n.String()} {
				if ok, _ := path.Match(pattern, name); ok { // main has tried the pattern
					all = append(all, n)
					break
				}
			}
		}
	}
	return all
}
