package report

import (
	"encoding/hex"
	"fmt"
	"net/netip"
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
	kept := s.finish(hits{})
	if len(kept) != model.MaxConnections || len(s.kept) > 2*model.MaxConnections || len(s.counts) != 0 {
		t.Fatalf("%d connections, %d kept, %d open", len(kept), len(s.kept), len(s.counts))
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
	hit := hits{}
	if s.finish(hit); len(s.counts) > maxCounted || hit["shared_connections"] != maxCounted {
		t.Errorf("%d open connections are counted, limits %v", len(s.counts), hit)
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

// TestABrokerIsWatchedWhereClientsUseIt: in the hours with their requests, within the captures. Only
// the latest hours are kept.
func TestABrokerIsWatchedWhereClientsUseIt(t *testing.T) {
	const start = 500_000 * int64(time.Hour)
	at := func(minute int64) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.Request.Time = start + minute*int64(time.Minute) }
	}
	client := func(address string) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.Client = mustAddrPort(address) }
	}
	other := func(x *decode.Exchange) { x.Broker = mustAddrPort("10.0.0.2:9092") }
	named := func(x *decode.Exchange) {
		x.Cluster = &decode.Cluster{ID: "c", Nodes: []decode.Node{{ID: 1, Host: "h", Port: 1}}}
	}
	b := builderOf(Options{},
		exchangeOf(1, 0, 3, 7, at(130), named), exchangeOf(2, 0, 3, 7, at(10)), exchangeOf(3, 0, 3, 7, at(11)), exchangeOf(4, 1, apiVersionsKey, 3, at(70)),
		exchangeOf(5, 2, 3, 7, at(10), other, client("10.1.0.1:1")), exchangeOf(6, 3, 3, 7, at(10), other, client("10.1.0.2:1")))
	first, last := model.Time(start+5*int64(time.Minute)), model.Time(start+150*int64(time.Minute))
	b.SetInput(Input{Captures: []model.Capture{{First: &first, Last: &last}}})
	r := b.Report()
	minutes := func(spans []model.Span) string {
		var out []int64
		for _, s := range spans {
			out = append(out, (int64(s.First)-start)/int64(time.Minute), (int64(s.Last)-start)/int64(time.Minute))
		}
		return fmt.Sprint(out)
	}
	two, one := r.Brokers[0], r.Brokers[1]
	if got := minutes(one.Watched); got != "[5 60 120 150]" || one.SeveralClients || one.Cluster == nil || *one.Cluster != "c" {
		t.Errorf("watched %s, %+v", got, one)
	}
	seldom := builderOf(Options{}, exchangeOf(1, 0, 3, 7, at(130)), exchangeOf(2, 1, apiVersionsKey, 3, at(70), func(x *decode.Exchange) { x.Broker = mustAddrPort("127.0.0.1:9") }))
	seldom.SetInput(b.input)
	if r := seldom.Report(); minutes(r.Brokers[0].Watched) != "[120 150]" {
		t.Errorf("another listener of a watched host: %+v", r.Brokers[0])
	}
	if got := minutes(two.Watched); got != "[5 60]" || !two.SeveralClients || two.Cluster != nil {
		t.Errorf("watched %s, %+v", got, two)
	}
	b.opt.Hosts = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	if r := b.Report(); minutes(r.Brokers[0].Watched) != "[5 60]" || r.Brokers[1].Watched != nil {
		t.Errorf("other hosts are selected, but watched: %+v", r.Brokers)
	}
	for hour := range int64(maxHours + 3) {
		b.Exchange(exchangeOf(9, 0, 3, 7, at(60*hour)))
	}
	if r := b.brokers.records[decode.Endpoint{Addr: mustAddrPort("10.0.0.2:9092")}]; len(r.hours) != 1 {
		t.Errorf("%d hours of the other broker", len(r.hours))
	}
	b.opt.Hosts = nil
	r = b.Report()
	if own := b.brokers.last; len(own.hours) != maxHours || own.hours[0] != 500_003 || r.Quality.LimitsHit["broker_hours"] != 3 {
		t.Errorf("%d hours from %d, limits %v", len(own.hours), own.hours[0], r.Quality.LimitsHit)
	}
}
