package report

import (
	"net/netip"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// TestFactsOfAddresses: what one connection shows about its address.
func TestFactsOfAddresses(t *testing.T) {
	const toClient, toBroker = reassembly.ToClient, reassembly.ToBroker
	isTLS := tlsOf()
	by := func(side reassembly.Direction, bytes uint64) func(*decode.Connection) {
		return func(c *decode.Connection) { c.End.By, c.Bytes[toClient] = side, bytes }
	}
	failed := tlsOf(func(i *tlsrecord.Info) { i.Established, i.Undecrypted, i.Reason = false, 0, "" })
	for _, c := range []struct {
		name    string
		changes []func(*decode.Connection)
		want    addressFacts
		through int
	}{
		{"Kafka that was answered", nil, addressFacts{clear: true}, 1},
		{"Kafka without an answer", []func(*decode.Connection){func(c *decode.Connection) { c.Responses = 0 }}, addressFacts{}, 0},
		{"Kafka that was closed", []func(*decode.Connection){func(c *decode.Connection) { c.Responses = 0 }, by(toClient, 0)}, addressFacts{mute: true}, 0},
		{"Kafka that was closed behind bytes", []func(*decode.Connection){func(c *decode.Connection) { c.Responses = 0 }, by(toClient, 1)}, addressFacts{}, 0},
		{"Kafka that the client closed", []func(*decode.Connection){func(c *decode.Connection) { c.Responses = 0 }, by(toBroker, 0)}, addressFacts{}, 0},
		{"no request", []func(*decode.Connection){func(c *decode.Connection) { c.Responses, c.Requests = 0, 0 }, by(toClient, 0)}, addressFacts{}, 0},
		{"open", []func(*decode.Connection){func(c *decode.Connection) { c.Responses, c.End.Kind = 0, reassembly.Cut }, by(toClient, 0)}, addressFacts{}, 0},
		{"TLS", []func(*decode.Connection){isTLS}, addressFacts{tls: true}, 1},
		{"TLS without a byte of the other side", []func(*decode.Connection){failed, by(toClient, 0)}, addressFacts{failed: 1}, 0},
		{"TLS that was closed at once", []func(*decode.Connection){failed, by(toClient, 0), func(c *decode.Connection) { c.Confusion, c.TLS.HasClientRandom = reassembly.TLSToClear, true }}, addressFacts{shut: true}, 0},
		{"the same by the client", []func(*decode.Connection){failed, by(toBroker, 0), func(c *decode.Connection) { c.Confusion = reassembly.TLSToClear }}, addressFacts{failed: 1}, 0},
		{"TLS that was answered and failed", []func(*decode.Connection){failed}, addressFacts{tls: true, failed: 1}, 0},
		{"TLS without a ClientHello", []func(*decode.Connection){isTLS, func(c *decode.Connection) { c.TLS = nil }}, addressFacts{}, 0},
		{"TLS that was answered in the clear", []func(*decode.Connection){failed, func(c *decode.Connection) { c.Confusion = reassembly.TLSToClear }}, addressFacts{}, 0},
		{"TLS that was answered by HTTP", []func(*decode.Connection){failed, func(c *decode.Connection) { c.Oddities.Spoke = "HTTP" }}, addressFacts{}, 0},
		{"answered with TLS", []func(*decode.Connection){func(c *decode.Connection) { c.Confusion, c.Protocol = reassembly.ClearToTLS, reassembly.TLS }}, addressFacts{confused: true}, 0},
	} {
		var s addressRecord
		for range 2 {
			s.add(connectionOf(0, 1, 9, c.changes...))
		}
		s.facts.failed /= 2
		if s.facts != c.want || len(s.through) != c.through {
			t.Errorf("%s: %+v, %d clients got through, want %+v and %d", c.name, s.facts, len(s.through), c.want, c.through)
		}
	}
}

// TestWhatABrokerCollects: its clients and brokers, its cluster, its whole table, and eight further
// addresses.
func TestWhatABrokerCollects(t *testing.T) {
	cluster := func(id string) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.Cluster = &decode.Cluster{ID: id} }
	}
	replica := func(x *decode.Exchange) { x.ClientID, x.Software = "broker-2-fetcher-0", decode.Software{} }
	b := newBrokers()
	for _, x := range []*decode.Exchange{exchangeOf(1, 0, 3, 7, cluster("b")), exchangeOf(2, 0, 3, 7, cluster("a")), exchangeOf(3, 0, 1, 10, replica), exchangeOf(4, 0, apiVersionsKey, 3), exchangeOf(5, 0, 1, 10)} {
		b.exchange(x)
	}
	r := b.broker(decode.Endpoint{Addr: testBroker})
	if *r.cluster != "b" || r.between != 1 || r.fromClients != 3 || r.requests != 5 {
		t.Errorf("cluster %q, %d requests of brokers, %d of clients, %d in all", *r.cluster, r.between, r.fromClients, r.requests)
	}
	part := &decode.Ranges{APIs: oldRanges.APIs[:2], Partial: true}
	for i, c := range []struct{ ad, want *decode.Ranges }{{part, part}, {&decode.Ranges{APIs: oldRanges.APIs[:1], Partial: true}, part}, {oldRanges, oldRanges}, {part, oldRanges}} {
		if b.advertisement(adOf(uint64(i), 0, c.ad)); len(r.tables) != 1 || r.tables[0] != c.want || r.latest != c.want {
			t.Errorf("table %d: %+v of %d", i, r.latest, len(r.tables))
		}
	}
	behind := func(last ...byte) func(*decode.Connection) {
		return func(c *decode.Connection) {
			for _, n := range last {
				c.Oddities.Behind = append(c.Oddities.Behind, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 9092))
			}
		}
	}
	for _, c := range []struct {
		last []byte
		want int
	}{{nil, 0}, {[]byte{2, 1, 2}, 2}, {[]byte{1, 3, 4, 5, 6, 7, 8}, 8}, {[]byte{9}, 8}} {
		b.connection(connectionOf(0, 1, 9, behind(c.last...)))
		if got := b.behind(decode.Endpoint{Addr: testBroker}); len(got) != c.want || c.want > 0 && got[0] != "10.0.0.1:9092" {
			t.Errorf("behind %v: %v, want %d", c.last, got, c.want)
		}
	}
	elsewhere := connectionOf(0, 1, 9, behind(1), func(c *decode.Connection) { c.Broker, c.Protocol = mustAddrPort("10.9.9.9:9092"), reassembly.Other })
	if b.connection(elsewhere); len(b.behind(elsewhere.Endpoint())) > 0 {
		t.Error("an address that is no broker has further addresses")
	}
}
