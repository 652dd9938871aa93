package decode

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

// conversation is a request and its response, with as many bytes as Want requests.
type conversation struct {
	h              reassembly.Handler
	net            *network
	request, reply []byte
	at             capture.Position
	frame          reassembly.Frame
}

// converse prepares a connection after negotiation: requests of an API, and responses of the given
// size.
func converse(t testing.TB, key, version int16, client string, replySize int) *conversation {
	d := newNetwork().open(t)
	d.negotiate()
	c := &conversation{h: d.h, net: d.net, request: requestBytes(requestOf(key, version), 100, client), at: d.conn.Last}
	c.reply = make([]byte, replySize)
	c.turn()
	d.net.shard.Take(nil)
	return c
}

// turn sends the request and its response once more.
func (c *conversation) turn() {
	c.at.Frame++
	id := byte(c.at.Frame)
	c.request[7], c.reply[3] = id, id
	for dir, msg := range [...][]byte{reassembly.ToBroker: c.request, reassembly.ToClient: c.reply} {
		d := reassembly.Direction(dir)
		n, ok := c.h.Want(d, int64(len(msg)), msg[:min(16, len(msg))])
		if !ok {
			panic("message refused")
		}
		c.frame = reassembly.Frame{Direction: d, Size: int64(len(msg)), Head: msg[:n], First: c.at, Last: c.at}
		c.h.Message(&c.frame)
	}
}

// TestExchangesCostNoAllocations: in the steady state, when results are returned to the Shard.
func TestExchangesCostNoAllocations(t *testing.T) {
	for _, tt := range []struct {
		name         string
		key, version int16
		client       string
		reply        int
	}{
		{"Fetch", 1, 10, "app", 60_000},
		{"Metadata", 3, 7, "app", 500},
		{"SaslAuthenticate", 36, 1, "app", 50},
		{"another client id", 3, 7, "another", 500},
		{"client id cut", 3, 7, string(make([]byte, 5000)), 500},
	} {
		c := converse(t, tt.key, tt.version, tt.client, tt.reply)
		var old []Event
		if allocs := testing.AllocsPerRun(500, func() {
			c.turn()
			old = c.net.shard.Take(old)
		}); allocs > 0 {
			t.Errorf("%s: %v allocations for an exchange", tt.name, allocs)
		}
	}
}

func TestDecidingCostsNoAllocations(t *testing.T) {
	d := newNetwork().open(t)
	d.request(requestOf(3, 7))
	request := requestBytes(requestOf(1, 10), 2, "app")
	reply := responseBytes(responseOf(3, 7), 1)
	for name, f := range map[string]func(){
		"LooksLikeRequest":   func() { LooksLikeRequest(int64(len(request)), request) },
		"Plausible request":  func() { d.h.Plausible(reassembly.ToBroker, int64(len(request)), request) },
		"Plausible response": func() { d.h.Plausible(reassembly.ToClient, int64(len(reply)), reply) },
		"Anchor requests":    func() { d.h.Anchor(reassembly.ToBroker) },
		"Anchor responses":   func() { d.h.Anchor(reassembly.ToClient) },
		"ApiVersions answer": apiVersionsAgain(d.net.shard),
	} {
		if allocs := testing.AllocsPerRun(100, f); allocs > 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

// apiVersionsAgain parses and shares a known response.
func apiVersionsAgain(s *Shard) func() {
	body := ranges(3, 0, usual...).AppendTo(nil)
	share := s.share
	return func() {
		s.answer.parse(3, int64(len(body)), body, share)
		s.ranges(&s.answer)
	}
}

// TestIdleConnectionsAreSmall: the goal is 1 KiB for a connection with one client id.
func TestIdleConnectionsAreSmall(t *testing.T) {
	d := newNetwork().open(t)
	d.negotiate()
	d.request(requestOf(1, 10))
	h := d.h.(*handler)
	size := int(unsafe.Sizeof(*h)) + cap(h.queue.ring)*int(unsafe.Sizeof(pending{})) + cap(h.ids)*int(unsafe.Sizeof(clientName{}))
	if size > 1024 {
		t.Errorf("%d bytes, want at most 1024", size)
	}
	if p := unsafe.Sizeof(pending{}); p > 88 {
		t.Errorf("a pending request takes %d bytes, maxOutstanding counts 88", p)
	}
	if e := unsafe.Sizeof(Exchange{}); e > 328 {
		t.Errorf("an exchange takes %d bytes, the bounds count 328", e)
	}
	t.Logf("connection %d bytes, pending %d, exchange %d, event %d", size, unsafe.Sizeof(pending{}), unsafe.Sizeof(Exchange{}), unsafe.Sizeof(Event{}))
}

func BenchmarkExchange(b *testing.B) {
	for _, bm := range []struct {
		name         string
		key, version int16
		reply        int
	}{{"fetch", 1, 10, 60_000}, {"small", 3, 7, 400}} {
		b.Run(bm.name, func(b *testing.B) {
			c := converse(b, bm.key, bm.version, "app", bm.reply)
			b.ReportAllocs()
			var old []Event
			for i := range b.N {
				c.turn()
				if i%1000 == 0 {
					old = c.net.shard.Take(old)
				}
			}
		})
	}
}

func BenchmarkApiVersionsAnswer(b *testing.B) {
	var triples []int16
	for key := range MaxKnownKey + 1 {
		triples = append(triples, key, 0, layoutOf(key).max)
	}
	h := newNetwork().open(b).h.(*handler)
	body := ranges(3, 0, triples...).AppendTo(nil)
	for _, known := range []bool{true, false} {
		b.Run(fmt.Sprintf("known=%v", known), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				var a answer
				if h.readApiVersions(&a, 3, int64(len(body)), body); a.ranges == nil {
					b.Fatal("not an answer")
				}
				if !known {
					clear(h.shard.answers)
				}
			}
		})
	}
}

func BenchmarkLooksLikeRequest(b *testing.B) {
	msg := requestBytes(hello(3), 1, "rdkafka")
	b.ReportAllocs()
	for range b.N {
		if LooksLikeRequest(int64(len(msg)), msg) != reassembly.Strong {
			b.Fatal("not a request")
		}
	}
}

func BenchmarkCorrelator(b *testing.B) {
	const events, shards = 4000, 4
	parts := make([][]Event, shards)
	for i := range events {
		p := &parts[i%shards]
		e := &Exchange{Stream: uint32(i % 100), Key: 1, Evidence: Observed}
		*p = append(*p, Event{At: capture.Position{Frame: uint64(i / 2)}, Stream: e.Stream, Order: uint32(i), Exchange: e})
	}
	c := NewCorrelator(nil, discard{})
	b.ReportAllocs()
	for b.Loop() {
		c.Add(parts)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}

// discard is a Sink that keeps nothing.
type discard struct{}

func (discard) Exchange(*Exchange)           {}
func (discard) Advertisement(*Advertisement) {}
func (discard) Connection(*Connection)       {}
