package decode

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

// recorder is a Sink that records its calls.
type recorder struct {
	got       []string
	exchanges []Exchange
}

func (r *recorder) Exchange(e *Exchange) {
	r.got = append(r.got, fmt.Sprintf("%d: %s", e.Stream, line(e)))
	r.exchanges = append(r.exchanges, *e)
}

func (r *recorder) Advertisement(a *Advertisement) {
	r.got = append(r.got, fmt.Sprintf("%d: advertised %d APIs", a.Stream, len(a.Ranges.APIs)))
}

func (r *recorder) Connection(c *Connection) {
	r.got = append(r.got, fmt.Sprintf("%d: connection", c.Stream))
}

// part are the events of a shard, in order.
type part []Event

func (p *part) add(frame uint64, stream uint32, e Event) {
	e.At, e.Stream, e.Order = capture.Position{Frame: frame, Time: int64(frame)}, stream, uint32(len(*p))
	*p = append(*p, e)
}

var broker1, broker2 = netip.MustParseAddrPort("10.0.0.9:9092"), netip.MustParseAddrPort("10.0.0.10:9092")

// asked adds a Fetch v12 without ranges, sent in one frame and closed in a later one.
func (p *part) asked(request, decided uint64, stream uint32, broker netip.AddrPort) {
	p.add(decided, stream, Event{Exchange: &Exchange{
		Stream: stream, Request: capture.Position{Frame: request}, Broker: broker, Key: 1, Version: 12, Negotiated: -1,
		Outcome: ClosedByBroker,
	}})
}

// advertise adds an advertisement of Fetch 0 to latest.
func (p *part) advertise(frame uint64, stream uint32, broker netip.AddrPort, latest int16) {
	p.add(frame, stream, Event{Advertisement: &Advertisement{
		Stream: stream, At: capture.Position{Frame: frame}, Broker: broker, Ranges: &Ranges{APIs: apiList(1, 0, latest)},
	}})
}

// refuse adds a SYN that is answered with RST.
func (p *part) refuse(frame uint64, broker netip.AddrPort) {
	p.add(frame, 0, Event{Connection: &Connection{Connection: &reassembly.Connection{
		Broker: broker, Refused: true, First: capture.Position{Frame: frame},
	}}})
}

// TestEventsOfOnePacket: events of several shards at one packet are ordered by stream, then by
// Event.Order.
func TestEventsOfOnePacket(t *testing.T) {
	want := []string{"1: advertised 1 APIs", "2: advertised 1 APIs", "3: advertised 1 APIs", "4: connection", "4: advertised 1 APIs"}
	var first, second part
	first.advertise(5, 3, broker1, 7)
	first.advertise(5, 1, broker1, 7)
	second.advertise(5, 2, broker1, 7)
	second.advertise(5, 4, broker1, 7)
	second.add(5, 4, Event{Connection: &Connection{Connection: &reassembly.Connection{Stream: 4}}})
	second[1].Order, second[2].Order = 2, 1
	for _, parts := range [][][]Event{{first, second}, {second, first}} {
		var r recorder
		NewCorrelator(nil, &r).Add(parts)
		if diff := cmp.Diff(want, r.got); diff != "" {
			t.Errorf("events differ (-want +got):\n%s", diff)
		}
	}
}

func TestCorrelatorBorrows(t *testing.T) {
	for _, tt := range []struct {
		name     string
		supplied *Ranges
		fill     func(p *part)
		want     []string
	}{
		{"the latest before the request", nil, func(p *part) {
			p.advertise(1, 0, broker1, 13)
			p.advertise(3, 0, broker1, 7)
			p.asked(4, 6, 1, broker1)
			p.advertise(7, 2, broker1, 13)
			p.asked(2, 8, 3, broker1)
			p.asked(5, 9, 3, broker1)
		}, []string{
			"0: advertised 1 APIs", "0: advertised 1 APIs", "1: Fetch v12 above-max borrowed closed", "2: advertised 1 APIs",
			"3: Fetch v12 ok borrowed closed", "3: Fetch v12 above-max borrowed closed",
		}},
		{"the first after it", nil, func(p *part) {
			p.asked(1, 2, 0, broker1)
			p.add(3, 0, Event{Connection: &Connection{Connection: &reassembly.Connection{Stream: 0}}})
			p.advertise(4, 1, broker1, 7)
			p.advertise(5, 1, broker1, 13)
		}, []string{"0: connection", "1: advertised 1 APIs", "0: Fetch v12 above-max borrowed closed", "1: advertised 1 APIs"}},
		{"but not for what was answered outside it, before that, or on that connection", nil, func(p *part) {
			p.asked(1, 2, 0, broker1)
			p.asked(3, 4, 1, broker1)
			(*p)[1].Exchange.Outcome = Answered
			p.asked(5, 6, 2, broker1)
			p.advertise(7, 3, broker1, 7)
			p.asked(6, 8, 1, broker1)
			p.asked(6, 9, 4, broker1)
			(*p)[5].Exchange.Outcome = Answered
			p.asked(6, 9, 5, broker1)
		}, []string{
			"3: advertised 1 APIs", "0: Fetch v12 unknown none closed", "1: Fetch v12 unknown none answered", "2: Fetch v12 above-max borrowed closed",
			"1: Fetch v12 unknown none closed", "4: Fetch v12 unknown none answered", "5: Fetch v12 above-max borrowed closed",
		}},
		{"later on its own connection: that is observed", nil, func(p *part) {
			p.asked(1, 2, 0, broker1)
			(*p)[0].Exchange.Outcome = Unanswered
			p.advertise(4, 0, broker1, 7)
		}, []string{"0: advertised 1 APIs", "0: Fetch v12 above-max observed unanswered"}},
		{"later on its own connection, which answered in that range before", nil, func(p *part) {
			p.asked(1, 2, 0, broker1)
			(*p)[0].Exchange.Outcome = Answered
			p.advertise(4, 0, broker1, 12)
		}, []string{"0: advertised 1 APIs", "0: Fetch v12 ok observed answered"}},
		{"later on its own connection, which answered outside that range before: another table held", nil, func(p *part) {
			p.asked(1, 2, 0, broker1)
			(*p)[0].Exchange.Outcome = Answered
			p.advertise(4, 0, broker1, 7)
		}, []string{"0: advertised 1 APIs", "0: Fetch v12 unknown none answered"}},
		{"not from another broker", nil, func(p *part) {
			p.advertise(1, 0, broker2, 7)
			p.asked(2, 3, 1, broker1)
		}, []string{"0: advertised 1 APIs", "1: Fetch v12 unknown none closed"}},
		{"not from another network", nil, func(p *part) {
			p.advertise(1, 0, broker1, 7)
			(*p)[0].Advertisement.Domain = 5
			p.asked(2, 3, 1, broker1)
		}, []string{"0: advertised 1 APIs", "1: Fetch v12 unknown none closed"}},
		{"not from an answer whose end is missing", nil, func(p *part) {
			p.advertise(1, 0, broker1, 7)
			(*p)[0].Advertisement.Ranges.Partial = true
			p.asked(2, 3, 1, broker1)
		}, []string{"0: advertised 1 APIs", "1: Fetch v12 unknown none closed"}},
		{"not from before a time at which nothing listened", nil, func(p *part) {
			p.advertise(1, 0, broker1, 7)
			p.refuse(2, broker1)
			p.refuse(4, broker1)
			p.asked(5, 6, 1, broker1)
			p.advertise(7, 2, broker1, 13)
			p.asked(3, 8, 1, broker1)
		}, []string{
			"0: advertised 1 APIs", "0: connection", "0: connection", "2: advertised 1 APIs", "1: Fetch v12 ok borrowed closed", "1: Fetch v12 unknown none closed",
		}},
		{"nor from after it", nil, func(p *part) {
			p.asked(1, 2, 1, broker1)
			p.refuse(3, broker1)
			p.advertise(4, 0, broker1, 7)
		}, []string{"0: connection", "0: advertised 1 APIs", "1: Fetch v12 unknown none closed"}},
		{"an older connection was served meanwhile", nil, func(p *part) {
			p.advertise(1, 0, broker1, 7)
			p.refuse(2, broker1)
			(*p)[1].Connection.Stream = 2
			p.asked(3, 4, 1, broker1)
			(*p)[2].Exchange.Decided.Frame, (*p)[2].Exchange.Outcome = 4, Answered
			p.asked(5, 6, 3, broker1)
		}, []string{
			"0: advertised 1 APIs", "2: connection", "1: Fetch v12 above-max borrowed answered", "3: Fetch v12 above-max borrowed closed",
		}},
		{"the same table again", nil, func(p *part) {
			p.advertise(1, 0, broker1, 7)
			p.refuse(2, broker1)
			p.advertise(3, 0, broker1, 7)
			p.refuse(4, broker1)
			p.asked(5, 6, 1, broker1)
			p.advertise(7, 0, broker1, 13)
			p.asked(3, 8, 1, broker1)
		}, []string{
			"0: advertised 1 APIs", "0: connection", "0: advertised 1 APIs", "0: connection", "0: advertised 1 APIs", "1: Fetch v12 ok borrowed closed", "1: Fetch v12 above-max borrowed closed",
		}},
		{"where another address did not listen", nil, func(p *part) {
			p.advertise(1, 0, broker1, 7)
			p.refuse(2, broker2)
			p.asked(3, 4, 1, broker1)
		}, []string{"0: advertised 1 APIs", "0: connection", "1: Fetch v12 above-max borrowed closed"}},
		{"what the user supplied, where the broker said nothing", &Ranges{APIs: apiList(1, 0, 13)}, func(p *part) {
			p.advertise(1, 0, broker1, 7)
			p.asked(2, 3, 1, broker2)
		}, []string{"0: advertised 1 APIs", "1: Fetch v12 ok supplied closed"}},
		{"what can be borrowed comes before that", &Ranges{APIs: apiList(1, 0, 13)}, func(p *part) {
			p.advertise(1, 0, broker1, 7)
			p.asked(2, 3, 1, broker1)
		}, []string{"0: advertised 1 APIs", "1: Fetch v12 above-max borrowed closed"}},
		{"even if it comes later", &Ranges{APIs: apiList(1, 0, 13)}, func(p *part) {
			p.asked(1, 2, 1, broker1)
			p.advertise(4, 0, broker1, 7)
		}, []string{"0: advertised 1 APIs", "1: Fetch v12 above-max borrowed closed"}},
		{"what was observed comes before that", &Ranges{APIs: apiList(1, 0, 13)}, func(p *part) {
			p.asked(1, 2, 0, broker1)
			(*p)[0].Exchange.judge(&Ranges{APIs: apiList(1, 0, 7)}, Observed)
		}, []string{"0: Fetch v12 above-max observed closed"}},
		{"ApiVersions waits for nothing", nil, func(p *part) {
			p.asked(1, 2, 0, broker1)
			(*p)[0].Exchange.Key = keyApiVersions
			(*p)[0].Exchange.judge(nil, Observed)
			p.advertise(3, 0, broker1, 7)
		}, []string{"0: ApiVersions v12 exempt none closed", "0: advertised 1 APIs"}},
		{"two brokers, each its own", nil, func(p *part) {
			p.asked(1, 2, 0, broker1)
			p.asked(1, 2, 0, broker2)
			p.asked(1, 2, 0, broker1)
			p.advertise(4, 1, broker2, 13)
			p.advertise(5, 1, broker1, 7)
		}, []string{
			"1: advertised 1 APIs", "0: Fetch v12 ok borrowed closed",
			"1: advertised 1 APIs", "0: Fetch v12 above-max borrowed closed", "0: Fetch v12 above-max borrowed closed",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p part
			tt.fill(&p)
			var r recorder
			c := NewCorrelator(tt.supplied, &r)
			c.Add([][]Event{p})
			c.Finish()
			if diff := cmp.Diff(tt.want, r.got); diff != "" {
				t.Errorf("sink got (-want +got):\n%s", diff)
			}
			if c.waiting.Len() != 0 {
				t.Errorf("%d exchanges still wait", c.waiting.Len())
			}
		})
	}
}

// TestOrderIsThatOfTheInput: the sink gets the same calls for any number and order of the shards.
func TestOrderIsThatOfTheInput(t *testing.T) {
	const streams, batches = 20, 10
	run := func(seed uint64, shards int) []string {
		rnd := rand.New(rand.NewPCG(seed, 0))
		what := rand.New(rand.NewPCG(1, 0)) // the input is always the same
		var r recorder
		c := NewCorrelator(nil, &r)
		frame, order := uint64(0), make([]uint32, streams)
		for range batches {
			parts := make([][]Event, shards)
			for range 100 {
				frame += uint64(what.IntN(2))
				stream := uint32(what.IntN(streams))
				var p part
				if what.IntN(10) == 0 {
					p.advertise(frame+1, stream, broker1, int16(10+what.IntN(5)))
				} else {
					p.asked(frame+1, frame+1, stream, broker1)
				}
				p[0].Order = order[stream]
				order[stream]++
				i := int(stream) % shards
				parts[i] = append(parts[i], p[0])
			}
			rnd.Shuffle(shards, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
			for _, events := range parts {
				rnd.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			}
			c.Add(parts)
		}
		c.Finish()
		return r.got
	}
	want := run(1, 1)
	for seed := range uint64(5) {
		for _, shards := range []int{1, 2, 4, 7} {
			if diff := cmp.Diff(want, run(seed, shards)); diff != "" {
				t.Fatalf("%d shards, seed %d: order differs (-want +got):\n%s", shards, seed, diff)
			}
		}
	}
}

func TestWaitingIsBounded(t *testing.T) {
	var r recorder
	c := NewCorrelator(nil, &r)
	const over = 1000
	var p part
	for i := range uint64(maxWaiting + over) {
		broker := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 3)}), 9092)
		p.asked(i+1, i+1, uint32(i), broker)
	}
	c.Add([][]Event{p})
	if len(r.got) != over || c.waiting.Len() != maxWaiting || r.exchanges[0].Stream != 0 || r.exchanges[over-1].Stream != over-1 {
		t.Fatalf("%d passed on, %d wait, want the oldest %d and %d", len(r.got), c.waiting.Len(), over, maxWaiting)
	}
	var answer part
	answer.advertise(maxWaiting+over+1, 1<<30, netip.MustParseAddrPort("10.0.0.1:9092"), 7)
	c.Add([][]Event{answer})
	c.Finish()
	borrowed := 0
	for _, e := range r.exchanges {
		if e.Evidence == Borrowed {
			borrowed++
		}
	}
	if len(r.exchanges) != maxWaiting+over || borrowed < maxWaiting/3-1 || borrowed > maxWaiting/3+1 {
		t.Errorf("%d exchanges, %d borrowed", len(r.exchanges), borrowed)
	}
	if got := c.Limits().Hit()["waiting_exchanges"]; got != over {
		t.Errorf("%d hits counted, want %d", got, over)
	}
}

func TestBrokersAndTheirHistoryAreBounded(t *testing.T) {
	var r recorder
	c := NewCorrelator(nil, &r)
	var p part
	address := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 9092)
	}
	for i := range maxBrokers + 10 {
		p.advertise(uint64(i+1), uint32(i), address(i), 7)
	}
	for i := range maxHistory + 4 { // the first one is already known
		p.advertise(uint64(maxBrokers+100+i), 0, address(0), int16(7+i%2))
	}
	p.asked(2, maxBrokers+500, 1, address(0))
	p.asked(2, maxBrokers+501, 1, address(maxBrokers+5))
	c.Add([][]Event{p})
	c.Finish()
	want := map[string]uint64{"correlator_brokers": 11, "correlator_tables": 4}
	if diff := cmp.Diff(want, c.Limits().Hit()); diff != "" {
		t.Errorf("limits differ (-want +got):\n%s", diff)
	}
	if got := r.got[len(r.got)-1]; got != "1: Fetch v12 unknown none closed" {
		t.Errorf("exchange with a broker too many: %s", got)
	}
	if h := len(c.brokers); h != 0 {
		t.Errorf("%d brokers held after Finish", h)
	}
}

// TestHeldExchangesDoNotHoldOthers: the memory of an exchange is reused; a waiting one is a copy.
func TestHeldExchangesDoNotHoldOthers(t *testing.T) {
	var r recorder
	c := NewCorrelator(nil, &r)
	var p part
	p.asked(1, 2, 0, broker1)
	want := *p[0].Exchange
	c.Add([][]Event{p})
	*p[0].Exchange = Exchange{Stream: 99}
	c.Finish()
	if len(r.exchanges) != 1 || r.exchanges[0].Stream != want.Stream || r.exchanges[0].Version != want.Version {
		t.Error("the exchange that waited is the one that was handed in")
	}
}

// TestEventsOfTwoCaptures: packets with one number in two captures are ordered by time.
func TestEventsOfTwoCaptures(t *testing.T) {
	at := func(file uint32, time int64, stream uint32) Event {
		return Event{At: capture.Position{Frame: 5, Time: time, Capture: file}, Stream: stream, Connection: &Connection{
			Connection: &reassembly.Connection{Stream: stream},
		}}
	}
	r := &recorder{}
	NewCorrelator(nil, r).Add([][]Event{{at(0, 20, 1), at(1, 10, 2)}})
	if d := cmp.Diff([]string{"2: connection", "1: connection"}, r.got); d != "" {
		t.Error(d)
	}
}

// TestTablesOfAllBrokersAreBounded: many large tables take a bounded number of bytes, and each
// broker keeps its latest one.
func TestTablesOfAllBrokersAreBounded(t *testing.T) {
	const brokers, each = 8000, 4
	apis := make([]API, maxAPIs)
	for i := range apis {
		apis[i].Key = int16(i)
	}
	c := NewCorrelator(nil, new(recorder))
	address := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 9092)
	}
	for n := range each {
		for i := range brokers {
			apis[1].Max = int16(n)
			at := capture.Position{Frame: uint64(n*brokers + i + 1)}
			c.advertisement(&Advertisement{Broker: address(i), At: at, Ranges: &Ranges{APIs: slices.Clone(apis)}})
		}
	}
	if c.historyBytes > maxHistoryBytes+maxRangesBytes || c.historyBytes < maxHistoryBytes/2 || c.limits.BrokerTables == 0 {
		t.Errorf("the tables take %d bytes, at most %d are allowed; %d were evicted", c.historyBytes, maxHistoryBytes, c.limits.BrokerTables)
	}
	size := 0
	for i := range brokers {
		history := c.brokers[Endpoint{Addr: address(i)}].history
		for j := range history {
			size += history[j].ranges.size()
		}
		if latest := history[len(history)-1].ranges.APIs[1].Max; latest != each-1 {
			t.Fatalf("broker %d has table %d, want its latest, %d", i, latest, each-1)
		}
	}
	if size != c.historyBytes {
		t.Errorf("%d bytes are counted, the tables take %d", c.historyBytes, size)
	}
}
