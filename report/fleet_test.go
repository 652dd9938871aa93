package report

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
)

// initialOf sets the initial sequence numbers of a connection.
func initialOf(a, b uint32) func(*decode.Connection) {
	return func(c *decode.Connection) { c.Initial, c.HasInitial = [2]uint32{a, b}, true }
}

// TestConnectionsOfOtherHosts: the id depends on the initial sequence numbers and not on the
// addresses.
func TestConnectionsOfOtherHosts(t *testing.T) {
	host := func(broker string, initial ...func(*decode.Connection)) []model.Connection {
		at := func(c *decode.Connection) { c.Broker = mustAddrPort(broker) }
		return builderOf(Options{},
			exchangeOf(1, 0, apiVersionsKey, 3), exchangeOf(2, 0, 3, 7), exchangeOf(3, 1, 3, 7), exchangeOf(4, 0, 1, 12, noRange, outcomeOf(decode.CutOff)),
			connectionOf(0, 1, 9, append(initial, at)...), connectionOf(1, 1, 9), connectionOf(2, 1, 9, tlsOf(), initialOf(5, 5)),
		).Report().Connections
	}
	a, b := host("10.0.0.1:9092", initialOf(7, 8)), host("192.168.0.1:19092", initialOf(7, 8))
	if len(a) != 1 || len(b) != 1 || a[0] != b[0] || a[0].Requests != 3 || a[0].Responses != 2 || a[0].Exempt != 1 || a[0].Checked != 1 || a[0].Hosts != 1 || len(a[0].ID) != 24 {
		t.Errorf("before translation %+v, behind it %+v", a, b)
	}
	if c := host("10.0.0.1:9092", initialOf(8, 7)); c[0].ID == a[0].ID {
		t.Error("the sides are not distinguished")
	}
	id := newConnectionID(connectionOf(0, 1, 9, initialOf(7, 8)))
	for _, change := range []func(*decode.Connection){
		func(c *decode.Connection) { c.First.Time += int64(time.Hour) },
		func(c *decode.Connection) { c.ClientIDs = []string{"other"} },
		func(c *decode.Connection) { c.ClientIDs = nil },
	} {
		if newConnectionID(connectionOf(0, 1, 9, initialOf(7, 8), change)) == id {
			t.Error("equal sequence numbers an hour later, or of another client, are one connection")
		}
	}
	if c := host("10.0.0.1:9092"); len(c) != 0 {
		t.Errorf("without sequence numbers: %+v", c)
	}
}

// TestHostsKeepTheSameConnections: beyond the limit, those with the smallest ids.
func TestHostsKeepTheSameConnections(t *testing.T) {
	s := newSharedConnections()
	for i := range uint32(3*model.MaxConnections + 7) {
		s.exchange(exchangeOf(1, i, 3, 7))
		s.connection(connectionOf(i, 1, 9, initialOf(i, i)))
	}
	kept := s.finish()
	if len(kept) != model.MaxConnections || len(s.kept) > 2*model.MaxConnections || s.counts.Len() != 0 {
		t.Fatalf("%d connections, %d kept, %d open", len(kept), len(s.kept), s.counts.Len())
	}
	smaller := 0
	for i := range uint32(3*model.MaxConnections + 7) {
		if id := newConnectionID(connectionOf(i, 1, 9, initialOf(i, i))); hex.EncodeToString(id[:]) <= kept[len(kept)-1].ID {
			smaller++
		}
	}
	if smaller != len(kept) {
		t.Errorf("%d ids are as small as those kept", smaller)
	}
	for i := range uint32(maxCounted + 9) {
		s.exchange(exchangeOf(1, i, 3, 7))
	}
	if s.counts.Len() > maxCounted {
		t.Errorf("%d open connections are counted", s.counts.Len())
	}
}

// TestNodes: brokers in Metadata responses, and whether they were captured.
func TestNodes(t *testing.T) {
	cluster := &decode.Cluster{ID: "c", Nodes: []decode.Node{
		{ID: 1, Host: "10.0.0.1", Port: 9092}, {ID: 2, Host: "10.0.0.2", Port: 9092}, {ID: 3, Host: "kafka-3.example", Port: 9092},
		{ID: 4, Host: "kafka-4.example", Port: 9093}, {ID: 5, Host: "10.0.0.1", Port: 9999},
	}}
	named := func(x *decode.Exchange) { x.Cluster, x.Broker = cluster, mustAddrPort("10.0.0.1:9092") }
	toSecond := func(x *decode.Exchange) { x.Broker = mustAddrPort("10.0.0.2:9092") }
	r := builderOf(Options{}, exchangeOf(9, 0, 3, 7, named), exchangeOf(2, 0, 3, 7, named),
		connectionOf(3, 1, 9, tlsOf(), func(c *decode.Connection) {
			c.Broker, c.TLS.ServerName = mustAddrPort("10.0.0.4:9093"), "kafka-4.example"
		}),
	).Report()
	var got []string
	for _, n := range r.Nodes {
		captured := "unknown"
		if n.Captured != nil {
			captured = fmt.Sprint(*n.Captured)
		}
		got = append(got, fmt.Sprintf("%s %d %s %s %s", n.Cluster, n.NodeID, n.Address, captured, n.Last.UTC().Sub(n.First.UTC())))
	}
	want := "[c 1 10.0.0.1:9092 true 7ms c 2 10.0.0.2:9092 false 7ms c 3 kafka-3.example:9092 unknown 7ms c 4 kafka-4.example:9093 true 7ms c 5 10.0.0.1:9999 false 7ms]"
	if fmt.Sprint(got) != want {
		t.Errorf("nodes\n%v, want\n%s", got, want)
	}
	between := builderOf(Options{}, exchangeOf(9, 0, 3, 7, named), exchangeOf(2, 1, 1, 4, idOf("broker-1-fetcher-0"), softwareOf("", ""), toSecond),
		exchangeOf(3, 2, apiVersionsKey, 3, toSecond)).Report()
	if n, b := between.Nodes[1], between.Brokers[1]; *n.Captured || !b.BetweenBrokers || b.Watched != nil {
		t.Errorf("only another broker's requests: captured %v, %+v", *n.Captured, b)
	}
	both := builderOf(Options{}, exchangeOf(9, 0, 3, 7, named), exchangeOf(2, 1, 1, 4, idOf("broker-1-fetcher-0"), softwareOf("", ""), toSecond),
		exchangeOf(3, 2, 3, 7, toSecond),
		connectionOf(4, 1, 9, func(c *decode.Connection) { c.Broker, c.Protocol = mustAddrPort("10.0.0.2:9092"), reassembly.Undecided })).Report()
	if n, b := both.Nodes[1], both.Brokers[1]; !*n.Captured || b.BetweenBrokers || b.Undecided != 1 {
		t.Errorf("also a client's requests: captured %v, %+v", *n.Captured, b)
	}
	c := newClusters()
	for range maxClusters + 3 {
		c.exchange(&decode.Exchange{Cluster: &decode.Cluster{Nodes: []decode.Node{{ID: 1, Host: "h", Port: 1}}}})
	}
	hit := map[string]uint64{}
	if c.finish(hit, func(string, uint16) *bool { return nil }); hit["clusters"] != 3 || len(c.seen) != maxClusters {
		t.Errorf("%d clusters, limits %v", len(c.seen), hit)
	}
}
