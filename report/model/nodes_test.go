package model

import (
	"fmt"
	"strings"
	"testing"
)

// TestUncaptured: a broker with several listeners is one broker. It counts as captured if all of
// them were.
func TestUncaptured(t *testing.T) {
	yes, no := true, false
	node := func(id int32, port int, captured *bool) Node {
		return Node{Cluster: "c", NodeID: id, Address: fmt.Sprintf("10.0.0.%d:%d", id, port), Captured: captured, Last: Time(port)}
	}
	inside := func(id int32, captured *bool) Node { return node(id, 9092, captured) }
	outside := func(id int32, captured *bool) Node { return node(id, 9094, captured) }
	old := func(id int32, address string, captured *bool) Node {
		return Node{NodeID: id, Address: address, Captured: captured}
	}
	for _, tt := range []struct {
		name    string
		brokers []string
		nodes   []Node
		want    []int32
		unknown int
	}{
		{"nothing is named", []string{"10.0.0.1:9092"}, nil, nil, 0},
		{"one of two", []string{"10.0.0.1:9092"}, []Node{inside(1, &yes), inside(2, &no)}, []int32{2}, 0},
		{"on one of two listeners", []string{"10.0.0.1:9092", "10.0.0.2:9094"}, []Node{inside(1, &yes), outside(1, &no), inside(2, &no), outside(2, &yes)}, []int32{1, 2}, 0},
		{"on a listener with translated addresses", []string{"10.0.0.1:9092", "10.0.0.1:9094"}, []Node{inside(1, &yes), {Cluster: "c", NodeID: 1, Address: "34.0.0.1:9094", Captured: &no}}, nil, 0},
		{"on no listener", []string{"10.0.0.1:9092", "10.0.0.1:9094"}, []Node{inside(1, &yes), outside(1, &yes), inside(2, &no), outside(2, &no)}, []int32{2}, 0},
		{"behind translation", []string{"10.0.0.1:9092", "172.16.0.2:31092"}, []Node{inside(1, &yes), inside(2, &no)}, []int32{2}, 0},
		{"another port of one that was captured", []string{"10.0.0.1:9092", "10.0.0.1:9096"}, []Node{inside(1, &yes), inside(2, &no)}, []int32{2}, 0},
		{"by its name", []string{"10.0.0.9:9092"}, []Node{inside(1, &yes), inside(2, &no)}, []int32{2}, 0},
		{"once without its cluster", []string{"10.0.0.1:9092"}, []Node{{NodeID: 2, Address: "10.0.0.2:9092", Captured: &no}, inside(1, &yes), inside(2, &no)}, []int32{2}, 0},
		{"a name", []string{"10.0.0.1:9092"}, []Node{inside(1, &yes), inside(2, nil)}, nil, 1},
		{"names, and one host with two listeners", []string{"10.0.0.1:9092", "10.0.0.1:9093"}, []Node{inside(1, nil), inside(2, nil)}, nil, 1},
		{"names, and one host with the ports of all", []string{"10.0.0.1:9092", "10.0.0.1:9094"}, []Node{inside(1, nil), outside(2, nil)}, nil, 0},
		{"names with two listeners each", []string{"10.0.0.1:9092", "10.0.0.1:9094"}, []Node{inside(1, nil), outside(1, nil), inside(2, nil), outside(2, nil)}, nil, 1},
		{"a name, and an address with another port", []string{"10.0.0.1:9092", "10.0.0.9:9099"}, []Node{inside(1, &yes), inside(2, nil)}, nil, 1},
		{"a name that can be the other address", []string{"10.0.0.1:9092", "10.0.0.9:9092"}, []Node{inside(1, &yes), inside(2, nil)}, nil, 0},
		{"a name, and an address that answered for another cluster", []string{"10.0.0.1:9092", "10.5.0.9:9092"}, []Node{inside(1, &yes), inside(2, nil)}, nil, 1},
		{"an address of another cluster", []string{"10.0.0.1:9092", "10.5.0.2:9092"}, []Node{
			inside(1, &yes), {Cluster: "c", NodeID: 2, Address: "10.5.0.2:9092", Captured: &yes, Last: 9092},
		}, []int32{2}, 0},
		{"a name at two of its listeners, one captured", []string{"10.0.0.1:9092"}, []Node{inside(1, nil), outside(1, nil)}, nil, 1},
		{"a name at another listener of a captured address", []string{"10.0.0.1:9092", "10.0.0.1:9094"}, []Node{inside(1, &yes), outside(1, nil)}, nil, 0},
		{"equal node ids without cluster ids", []string{"10.0.0.1:9092", "10.9.0.2:9092"}, []Node{
			old(1, "10.0.0.1:9092", &yes), old(2, "10.0.0.2:9092", &no), old(2, "10.9.0.2:9092", &yes),
		}, []int32{2}, 0},
	} {
		r := &Report{Nodes: tt.nodes}
		for _, address := range tt.brokers {
			cluster := "c"
			if strings.HasPrefix(address, "10.5.") {
				cluster = "other"
			}
			r.Brokers = append(r.Brokers, Broker{Address: address, Cluster: &cluster})
		}
		r.Brokers = append(r.Brokers, Broker{Address: "10.0.0.2:9092", BetweenBrokers: true})
		got := r.Uncaptured(0)
		var ids []int32
		for _, n := range got.Nodes {
			ids = append(ids, n.NodeID)
			if last := r.Nodes[len(r.Nodes)-1].Last; n.Last != last && n.Cluster != "" {
				t.Errorf("%s: last named %d, want %d", tt.name, n.Last, last)
			}
		}
		if later := r.Uncaptured(1 << 20); later.All > 0 || later.Unknown > 0 {
			t.Errorf("%s: %+v after the last response", tt.name, later)
		}
		if fmt.Sprint(ids) != fmt.Sprint(tt.want) || got.Unknown != tt.unknown {
			t.Errorf("%s: %v and %d unknown, want %v and %d", tt.name, ids, got.Unknown, tt.want, tt.unknown)
		}
	}
}

// TestListenersOfAHostAreWatchedTogether: unless the captures are of selected ports.
func TestListenersOfAHostAreWatchedTogether(t *testing.T) {
	r := &Report{Parts: []Part{{}}, Brokers: []Broker{
		{Address: "10.0.0.1:9092", Watched: []Span{{0, hour}}}, {Address: "10.0.0.1:9094", Watched: []Span{{hour, 2 * hour}}},
		{Address: "10.0.0.1:9092", Network: "n", Watched: []Span{{5 * hour, 6 * hour}}}, {Address: "10.0.0.2:9092"},
	}}
	if got, want := fmt.Sprint(r.Watched()), fmt.Sprint([][]Span{{{0, 2 * hour}}, {{0, 2 * hour}}, {{5 * hour, 6 * hour}}, nil}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	r.Parts[0].SelectsPorts = true
	if got, want := fmt.Sprint(r.Watched()[1]), fmt.Sprint([]Span{{hour, 2 * hour}}); got != want {
		t.Errorf("with selected ports %s, want %s", got, want)
	}
}

// TestAnAddressStandsForOneBroker: not also for one that is known by the name that a TLS client
// asked for.
func TestAnAddressStandsForOneBroker(t *testing.T) {
	yes, cluster := true, "c"
	r := &Report{
		Nodes: []Node{{Cluster: "c", NodeID: 1, Address: "kafka-1:9092", Captured: &yes}, {Cluster: "c", NodeID: 2, Address: "kafka-2:9092"}},
		Brokers: []Broker{
			{Address: "10.0.0.9:9092", Cluster: &cluster}, {Address: "10.0.0.9:9092", Network: "n", Cluster: &cluster}, {Address: "10.0.0.8:9093"}, {Address: "/run/kafka"},
		},
	}
	if u := r.Uncaptured(0); u.All != 2 || u.Named["c"] != 2 || u.Unknown != 1 || u.Assumed != 0 || u.Unnamed != 2 || len(u.Candidates) != 0 {
		t.Errorf("one address for two names: %+v", u)
	}
	r.Brokers[2] = Broker{Address: "10.0.0.8:9092", Cluster: &cluster}
	if u := r.Uncaptured(0); u.Unknown != 0 || u.Assumed != 1 || fmt.Sprint(u.Candidates) != "[10.0.0.8:9092 10.0.0.9:9092]" {
		t.Errorf("two addresses: %+v", u)
	}
}
