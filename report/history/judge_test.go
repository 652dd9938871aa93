package history

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

func TestNothingAnsweredIsNoKafka(t *testing.T) {
	p := newPlay(t)
	p.send(p.connect(), keyApiVersions, 3, closed, soon)
	p.send(p.connect(), keyMetadata, 0, closed, soon, noRange)
	p.expect(NotKafka, NotKafka)
}

// TestPortsOfOtherServices: if nothing is ever answered, the port decides about a close on a
// single version. A proxy may be too old for ApiVersions v3, and a broker for Metadata v5.
func TestPortsOfOtherServices(t *testing.T) {
	for _, c := range []struct {
		port         uint16
		key, version int16
		want         Cause
	}{
		{2181, keyApiVersions, 3, NotKafka}, {8081, keyApiVersions, 3, NotKafka}, {9999, keyApiVersions, 3, NotKafka},
		{18080, keyApiVersions, 3, NotKafka}, {31092, keyApiVersions, 4, NotKafka}, {9099, keyApiVersions, 4, NotKafka},
		{9092, keyApiVersions, 3, Unexplained}, {19092, keyApiVersions, 4, Unexplained}, {9292, keyApiVersions, 4, Unexplained},
		{9092, keyApiVersions, 2, NotKafka},
		{2181, keyMetadata, 5, NotKafka}, {31092, keyMetadata, 5, Refused},
	} {
		p := newPlay(t)
		at := func(x *decode.Exchange) { x.Broker = netip.AddrPortFrom(playBroker.Addr(), c.port) }
		p.send(p.connect(), c.key, c.version, closed, soon, at, noRange)
		if got := p.book.Decide()[0].Cause; got != c.want {
			t.Errorf("port %d, API %d v%d: %v, want %v", c.port, c.key, c.version, got, c.want)
		}
	}
}

// TestLoneApiVersions: a single close on ApiVersions blames no version, unless a restart is
// excluded.
func TestLoneApiVersions(t *testing.T) {
	for _, c := range []struct {
		name  string
		times int
		pause time.Duration // before another client is answered; 0 for never
		want  Cause
	}{
		{"once", 1, 0, Unexplained}, {"twice", 2, 0, Refused},
		{"once, and another client is answered at once", 1, 10 * time.Millisecond, Refused},
		{"once, and another client is answered after a while", 1, 5 * time.Second, Unexplained},
		{"twice, and another client is answered after a while", 2, 5 * time.Second, Refused},
	} {
		p := newPlay(t)
		for range c.times {
			p.send(p.connect(), keyApiVersions, 4, closed, soon)
			p.now += c.pause
		}
		if c.pause > 0 {
			p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
		}
		if got := p.book.Decide()[0].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestWhatWasPassedOverHasItsOwnCause: it does not depend on the later end of the connection.
func TestWhatWasPassedOverHasItsOwnCause(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyMetadata, 12, decode.Unanswered, soon, noRange)
	p.send(s, keyMetadata, 1, answered, soon, noRange)
	p.send(s, keyProduce, 11, closed, soon, noRange)
	p.end(s, 1)
	p.expect(Refused, Unexplained)
}

// TestAnAddressThatSpeaksTLSIsNoOtherService: it closes on plaintext requests.
func TestAnAddressThatSpeaksTLSIsNoOtherService(t *testing.T) {
	for name, c := range map[string]struct {
		tls  *tlsrecord.Info
		want Cause
	}{"TLS": {&tlsrecord.Info{Established: true}, Refused}, "a handshake that failed": {&tlsrecord.Info{}, NotKafka}} {
		p := newPlay(t)
		at := p.at()
		p.book.Connection(&decode.Connection{Connection: &reassembly.Connection{
			Stream: p.connect(), Client: playClient, Broker: playBroker, First: at, Last: at, Protocol: reassembly.TLS, TLS: c.tls,
			Seen: [2]bool{true, true}, Bytes: [2]uint64{100, 100},
		}})
		p.send(p.connect(), keyMetadata, 12, closed, soon, noRange)
		p.send(p.connect(), keyFetch, 12, closed, soon, noRange)
		if got := p.book.Decide()[0].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestProbesAreExpectedToBeRefused only if the client goes on, and is answered soon.
func TestProbesAreExpectedToBeRefused(t *testing.T) {
	probe := func(x *decode.Exchange) { x.ClientID = "kafka-python-2.0.2" }
	const second = time.Second
	for name, c := range map[string]struct {
		times int
		pause time.Duration // before the next probe is answered; 0 for never
		by    string        // client id of the answered request
		want  Cause
	}{
		"answered":                {1, second, "kafka-python-2.0.2", Expected},
		"another client":          {1, second, "app", Unexplained},
		"the capture ends":        {1, 0, "", Unexplained},
		"never answered again":    {3, 0, "", Away},
		"answered much later":     {3, time.Minute, "kafka-python-2.0.2", Away},
		"no answer in the period": {1, time.Minute, "kafka-python-2.0.2", Unexplained},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			for _, key := range []int16{keyMetadata, 9} {
				p.send(p.connect(), key, 0, answered, soon, probe, noRange)
			}
			p.now += time.Minute
			for range c.times {
				s := p.connect()
				p.send(s, 9, 0, closed, soon, probe, noRange)
				p.send(s, keyMetadata, 0, closed, 0, probe, noRange)
				p.end(s, 2)
				p.now += second
			}
			if c.pause > 0 {
				p.now += c.pause
				p.send(p.connect(), keyMetadata, 0, answered, soon, noRange, func(x *decode.Exchange) { x.ClientID = c.by })
			}
			r := p.book.Decide()
			if r[0].Cause != c.want || (r[1].Cause == Expected) != (c.want == Expected) {
				t.Errorf("%v, then %v; want %v", r[0].Cause, r[1].Cause, c.want)
			}
		})
	}
}

// TestBegunAnswer: a connection that ends inside an answer blames no version, and the address
// answers Kafka.
func TestBegunAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		begun bool
		want  Cause
	}{{"bytes came", true, Unexplained}, {"none came", false, NotKafka}} {
		p := newPlay(t)
		for range 3 {
			s := p.connect()
			p.send(s, keyApiVersions, 0, closed, soon)
			p.endOf(s, func(x *decode.Connection) {
				x.Unanswered, x.Responses, x.LastAnswer = 1, 0, capture.Position{}
				if c.begun {
					x.LastData[reassembly.ToClient] = p.at()
				}
			})
			p.now += time.Second
		}
		for _, r := range p.book.Decide() {
			if r.Cause != c.want {
				t.Errorf("%s: %v, want %v", c.name, r.Cause, c.want)
			}
		}
	}
}

// TestNewConnectionsAreEnded: an older connection is served, and each new one is ended on its
// first request, in a version of which no answer was captured.
func TestNewConnectionsAreEnded(t *testing.T) {
	borrowed := func(x *decode.Exchange) { x.Evidence = decode.Borrowed }
	other := func(x *decode.Exchange) { x.ClientID = "other" }
	for name, c := range map[string]struct {
		key, version int16
		change       func(*decode.Exchange)
		before       func(p *play) // before each refusal
		want         Cause
		unsure       bool
	}{
		"ApiVersions":                  {keyApiVersions, 4, other, nil, Away, true},
		"ApiVersions, others connect":  {keyApiVersions, 4, other, func(p *play) { p.send(p.connect(), keyMetadata, 1, answered, soon, noRange) }, Refused, false},
		"ApiVersions, after a table":   {keyApiVersions, 4, other, func(p *play) { p.advertise(99, playTable) }, Refused, false},
		"a version of a table":         {keyMetadata, 2, borrowed, nil, Away, false},
		"a version of a table, others": {keyMetadata, 2, borrowed, func(p *play) { p.send(p.connect(), keyFetch, 4, answered, soon) }, Dropped, false},
		"a version of no table":        {keyMetadata, 2, noRange, nil, Refused, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			old := p.connect()
			asked := func(x *decode.Exchange) {
				if c.want == Unexplained {
					x.Asked = decode.MaybeAsked
				}
			}
			for range 3 {
				p.send(old, keyFetch, 3, answered, soon, other, noRange, asked)
				if c.before != nil {
					c.before(p)
				}
				p.now += time.Second
				s := p.connect()
				p.send(s, c.key, c.version, closed, soon, c.change)
				p.end(s, 1)
				p.now += time.Second
			}
			p.send(old, keyFetch, 3, answered, soon, other, noRange, asked)
			for _, r := range p.expect(c.want, c.want, c.want) {
				if r.Cause == Away && (r.Certain == c.unsure || !r.Others) {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// TestSomeConnectionsAreServed: every second connection is ended on its first request behind
// ApiVersions. Behind other requests, or together with a table that forbids the version, that has
// another reason.
func TestSomeConnectionsAreServed(t *testing.T) {
	for name, c := range map[string]struct {
		key    int16
		served bool // the refused connection
		change func(*decode.Exchange)
		want   Cause
	}{
		"Metadata":                {keyMetadata, false, func(*decode.Exchange) {}, Away},
		"Metadata, above the max": {keyMetadata, false, func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }, Unexplained},
		"Produce":                 {keyProduce, false, func(*decode.Exchange) {}, Unexplained},
		"Metadata, once more":     {keyMetadata, true, func(*decode.Exchange) {}, Unexplained},
		"Metadata, after a while": {keyMetadata, false, func(x *decode.Exchange) { x.Took = 3 * time.Second }, Unexplained},
		"ApiVersions":             {keyApiVersions, false, func(*decode.Exchange) {}, Away},
		"FindCoordinator":         {keyFindCoordinator, false, func(*decode.Exchange) {}, Away},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			for range 3 {
				for _, outcome := range []decode.Outcome{answered, closed} {
					s := p.connect()
					if c.key != keyApiVersions {
						p.send(s, keyApiVersions, 3, answered, soon)
					}
					if c.served {
						p.send(s, keyMetadata, 12, answered, soon)
					}
					p.send(s, c.key, 9, outcome, soon, c.change)
					if outcome == closed {
						p.end(s, 1)
					}
					p.now += time.Second
				}
			}
			r := p.expect(c.want, c.want, c.want)
			if c.want == Away && (r[0].From != r[2].From || r[0].Last != r[2].Last || !r[0].Others) {
				t.Errorf("three outages, want one: %+v", r)
			}
		})
	}
}

// TestALongPollIsNoRefusal: a Fetch outside a borrowed range that waited was accepted, unless it
// happens again.
func TestALongPollIsNoRefusal(t *testing.T) {
	above := func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }
	for name, c := range map[string]struct {
		key   int16
		took  time.Duration
		times int
		want  Cause
	}{
		"at once": {keyFetch, soon, 1, Outside}, "waited": {keyFetch, 300 * time.Millisecond, 1, Unexplained},
		"waited again": {keyFetch, 300 * time.Millisecond, 2, Outside}, "Metadata does not wait": {keyMetadata, 300 * time.Millisecond, 1, Outside},
	} {
		p := newPlay(t)
		p.advertise(99, playTable)
		for range c.times {
			s := p.connect()
			p.send(s, c.key, 13, closed, c.took, above)
			p.end(s, 1)
			p.now += time.Second
			p.send(p.connect(), keyApiVersions, 3, answered, soon)
		}
		if got := p.book.Decide()[0].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestRequestsBehindAPreface: a broker cannot read it. If it answers behind another one, or does not
// serve others either, the preface is no cause.
func TestRequestsBehindAPreface(t *testing.T) {
	behind := func(responses uint64) func(*decode.Connection) {
		return func(c *decode.Connection) {
			c.Responses = responses
			c.Oddities = &reassembly.Oddities{Prefaces: []reassembly.Preface{{Kind: reassembly.ProxyV2}}}
		}
	}
	for name, c := range map[string]struct {
		unwraps, refuses bool
		preface          func(*decode.Connection)
		want             Cause
	}{
		"refused": {false, false, behind(0), NotKafka}, "no preface": {false, false, func(*decode.Connection) {}, Refused},
		"answered behind another": {true, false, behind(0), Refused}, "away": {false, true, behind(0), Away},
	} {
		p := newPlay(t)
		if c.unwraps {
			s := p.connect()
			p.send(s, keyMetadata, 1, answered, soon, noRange)
			p.endOf(s, behind(1))
		}
		for range 2 {
			p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
			p.now += time.Second
			if c.refuses {
				p.refuse()
			}
			s := p.connect()
			p.send(s, keyApiVersions, 4, closed, soon)
			p.endOf(s, c.preface)
			p.now += time.Second
		}
		p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
		if got := p.book.Decide()[0].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestClearTextWhereOthersUseTLS: their answers excuse nothing, and a limit of connections is not the
// reason.
func TestClearTextWhereOthersUseTLS(t *testing.T) {
	for name, c := range map[string]struct {
		inTLS bool // the refused connections
		both  bool // the address also answers in the clear
		want  Cause
	}{"in the clear": {false, false, Refused}, "inside TLS": {true, false, Away}, "in the clear, and others, too": {false, true, Away}} {
		p := newPlay(t)
		use := func(is bool) func(*decode.Connection) {
			return func(c *decode.Connection) {
				if c.Responses = 0; is {
					c.TLS = &tlsrecord.Info{Established: true}
				}
			}
		}
		old := p.connect()
		for range 3 {
			p.send(old, keyApiVersions, 4, answered, soon)
			p.now += time.Second
			s := p.connect()
			p.send(s, keyApiVersions, 4, closed, soon)
			p.endOf(s, use(c.inTLS))
			p.now += time.Second
		}
		p.send(old, keyApiVersions, 4, answered, soon)
		p.endOf(old, use(true))
		if c.both {
			p.endOf(p.connect(), func(*decode.Connection) {})
		}
		if got := p.book.Decide()[1].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestTheCaptureBeginsInTheMiddle: nothing is known about what was answered before on the
// connections, and an older connection was open when the capture began.
func TestTheCaptureBeginsInTheMiddle(t *testing.T) {
	middle := func(c *decode.Connection) { c.Midstream, c.Responses = true, 0 }
	for midstream, want := range map[bool]Cause{true: Unexplained, false: NotKafka} {
		p := newPlay(t)
		for _, key := range []int16{keyMetadata, keyFindCoordinator} {
			s := p.connect()
			p.send(s, key, 12, closed, soon, noRange)
			p.endOf(s, func(c *decode.Connection) {
				if midstream {
					middle(c)
				}
			})
			p.now += time.Second
		}
		if got := p.book.Decide()[0].Cause; got != want {
			t.Errorf("midstream %v: %v, want %v", midstream, got, want)
		}
	}
	for midstream, want := range map[bool]Cause{true: Away, false: Refused} {
		p := newPlay(t)
		s, old := p.connect(), p.connect()
		p.send(s, keyApiVersions, 4, closed, soon)
		p.end(s, 1)
		p.now += time.Duration(restartTakes / 2)
		p.send(old, keyMetadata, 1, answered, soon, noRange, func(x *decode.Exchange) {
			if midstream {
				x.Asked = decode.MaybeAsked
			}
		})
		p.endOf(old, func(c *decode.Connection) { c.Midstream, c.End.By = midstream, reassembly.ToBroker })
		if got := p.book.Decide()[0].Cause; got != want {
			t.Errorf("an older connection %v: %v, want %v", midstream, got, want)
		}
	}
}

// TestASmallRequestIsCutAgain: once, a restart explains it.
func TestASmallRequestIsCutAgain(t *testing.T) {
	for _, c := range []struct {
		size  int64
		times int
		want  Cause
	}{{2000, 1, Unexplained}, {2000, 2, Cut}, {largeRequest, 1, Cut}} {
		p := newPlay(t)
		for range c.times {
			s := p.connect()
			p.send(s, keyMetadata, 1, answered, soon, noRange)
			p.send(s, keyProduce, 9, closed, soon, func(x *decode.Exchange) { x.Partial, x.Size = true, c.size })
			p.end(s, 1)
			p.now += time.Second
		}
		p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
		if got := p.book.Decide()[0].Cause; got != c.want {
			t.Errorf("%d bytes, %d times: %v, want %v", c.size, c.times, got, c.want)
		}
	}
}

// TestALaterRangeOnAConnectionFromBefore: the connection may have been to another broker, so one
// refusal is not enough.
func TestALaterRangeOnAConnectionFromBefore(t *testing.T) {
	table := &decode.Ranges{APIs: []decode.API{{Key: keyFetch, Range: decode.Range{Min: 4, Max: 17}}}}
	outside := func(x *decode.Exchange) {
		x.Verdict, x.Evidence, x.Ranges = decode.BelowMin, decode.Borrowed, table
	}
	for _, c := range []struct {
		midstream, isLater bool
		times              int
		want               Cause
	}{
		{true, true, 1, Unexplained},
		{true, true, 2, Outside},
		{true, false, 1, Outside},
		{false, true, 1, Outside},
	} {
		p := newPlay(t)
		if !c.isLater {
			p.advertise(p.connect(), table)
		}
		for range c.times {
			s := p.connect()
			p.send(s, keyFetch, 2, decode.ResetByBroker, soon, outside)
			p.endOf(s, func(x *decode.Connection) { x.Midstream = c.midstream })
			p.now += time.Second
			p.send(p.connect(), keyMetadata, 12, answered, soon)
		}
		p.advertise(p.connect(), table)
		p.expect(slices.Repeat([]Cause{c.want}, c.times)...)
	}
}

// TestOnePacketConvictsNobody: anyone can forge one request of a connection that does not exist.
func TestOnePacketConvictsNobody(t *testing.T) {
	table := &decode.Ranges{APIs: []decode.API{{Key: keyFetch, Range: decode.Range{Min: 4, Max: 17}}}}
	for _, c := range []struct {
		isLone bool
		want   Cause
	}{{true, Unexplained}, {false, Outside}} {
		p := newPlay(t)
		p.advertise(p.connect(), table)
		s := p.connect()
		p.send(s, keyFetch, 99, decode.Unseen, soon, func(x *decode.Exchange) {
			x.Verdict, x.Evidence, x.Ranges, x.IsLone = decode.AboveMax, decode.Borrowed, table, c.isLone
		})
		p.endOf(s, func(x *decode.Connection) { x.Midstream = true })
		p.expect(c.want)
	}
}

// TestLostBytesMayHideAFallback: the next request of the client may be among them.
func TestLostBytesMayHideAFallback(t *testing.T) {
	for _, c := range []struct {
		key     int16
		missing uint64
		next    bool
		want    Cause
	}{
		{69, 0, true, Unsupported},
		{69, 100, true, Unexplained},
		{keyFetch, 100, true, Unsupported},
		{keyFetch, 100, false, Unexplained},
	} {
		p := newPlay(t)
		s := p.connect()
		p.send(s, c.key, 0, decode.Error, soon)
		if c.next {
			p.send(s, keyMetadata, 12, answered, soon)
		}
		p.endOf(s, func(x *decode.Connection) { x.Oddities = &reassembly.Oddities{Missing: c.missing} })
		p.expect(c.want)
	}
}

// TestRefusalsThatAreAmbiguous: what the capture lacks can explain them.
func TestRefusalsThatAreAmbiguous(t *testing.T) {
	partial := &decode.Ranges{APIs: playTable.APIs, Partial: true}
	silent := func(p *play, missing uint64) {
		s := p.connect()
		p.send(s, 22, 4, decode.Left, 8*time.Second)
		p.endOf(s, func(c *decode.Connection) {
			c.End.By, c.Oddities = reassembly.ToBroker, &reassembly.Oddities{Missing: missing}
		})
	}
	besideOthers := func(missing uint64) func(*play) {
		return func(p *play) {
			other := p.connect()
			p.send(other, keyFetch, 12, answered, soon)
			silent(p, missing)
			p.now -= 4 * time.Second
			p.send(other, keyFetch, 12, answered, soon)
		}
	}
	for name, c := range map[string]struct {
		play func(p *play)
		want []Cause
	}{
		"ignored": {besideOthers(0), []Cause{Dropped}},
		"ignored, and a lost answer may have throttled the client": {besideOthers(100), []Cause{Unexplained}},
		"the table is incomplete": {func(p *play) {
			for range 2 {
				s := p.connect()
				p.send(s, keyMetadata, 12, answered, soon)
				p.send(s, keyProduce, 2, closed, soon, func(x *decode.Exchange) { x.Ranges = partial })
				p.end(s, 1)
				p.now += time.Second
			}
			p.send(p.connect(), keyMetadata, 12, answered, soon)
		}, []Cause{Unexplained, Unexplained}},
		"without SASL, and others are served whose beginning is unseen": {func(p *play) {
			other := p.connect()
			for range 2 {
				p.send(other, keyFetch, 12, answered, soon, func(x *decode.Exchange) { x.Asked = decode.MaybeAsked })
				s := p.connect()
				p.send(s, keyApiVersions, 3, answered, soon)
				p.send(s, keyMetadata, 12, closed, soon)
				p.end(s, 1)
				p.now += time.Second
			}
			p.send(other, keyFetch, 12, answered, soon, func(x *decode.Exchange) { x.Asked = decode.MaybeAsked })
			p.endOf(other, func(c *decode.Connection) { c.Midstream, c.End.By = true, reassembly.ToBroker })
		}, []Cause{NoSASL, NoSASL}},
		"the same, and the closed request has no range": {func(p *play) {
			other := p.connect()
			midstream := func(x *decode.Exchange) { noRange(x); x.Asked = decode.MaybeAsked }
			for range 2 {
				p.send(other, keyFetch, 12, answered, soon, midstream)
				s := p.connect()
				p.send(s, keyFetch, 0, closed, soon, noRange)
				p.end(s, 1)
				p.now += time.Second
			}
			p.send(other, keyFetch, 12, answered, soon, midstream)
			p.endOf(other, func(c *decode.Connection) { c.Midstream, c.End.By = true, reassembly.ToBroker })
		}, []Cause{Refused, Refused}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			p.advertise(p.connect(), playTable)
			c.play(p)
			p.expect(c.want...)
		})
	}
}

// TestSilenceTurnsNobodyAway: an address that serves an older connection and is silent on ApiVersions
// does not support it.
func TestSilenceTurnsNobodyAway(t *testing.T) {
	p := newPlay(t)
	old := p.connect()
	for range 3 {
		p.send(old, keyMetadata, 0, answered, soon, noRange)
		s := p.connect()
		sent := p.now
		p.send(s, keyApiVersions, 0, decode.Left, 10*time.Second)
		over := p.now
		p.now = sent + 5*time.Second
		p.send(old, keyFetch, 1, answered, soon, noRange)
		p.now = over
	}
	p.send(old, keyMetadata, 0, answered, soon, noRange)
	p.expect(Refused, Refused, Refused)
}

// TestABeginningThatIsUnseen: a client that sends no SASL is closed where others send it. On a
// connection of which the beginning is unseen, it may have sent it.
func TestABeginningThatIsUnseen(t *testing.T) {
	p := newPlay(t)
	for i := range 4 {
		good := p.connect()
		p.send(good, keySaslHandshake, 1, answered, soon)
		p.send(good, keySaslAuthenticate, 1, answered, soon)
		p.send(good, keyMetadata, 9, answered, soon)
		bad := p.connect()
		p.send(bad, keyMetadata, 9, closed, soon, func(x *decode.Exchange) { x.ClientID = "bad" })
		p.endOf(bad, func(c *decode.Connection) { c.Midstream = i == 0 })
		p.now += time.Second
	}
	p.expect(Unexplained, NoSASL, NoSASL, NoSASL)
}

// TestWhoAnswersFlexibleVersionsSupportsApiVersions: after a restart, ApiVersions is closed until
// another connection is served, of which the ApiVersions response is not captured.
func TestWhoAnswersFlexibleVersionsSupportsApiVersions(t *testing.T) {
	for _, c := range []struct {
		version int16
		want    Cause
	}{{12, Away}, {1, Refused}} {
		p := newPlay(t)
		first, second := p.connect(), p.connect()
		for _, s := range []uint32{first, second} {
			p.send(s, keyApiVersions, 3, answered, soon)
			p.send(s, keyMetadata, 12, answered, soon)
		}
		p.now += time.Second
		p.end(first, 0)
		p.end(second, 0)
		for range 4 {
			p.now += time.Second
			s := p.connect()
			p.send(s, keyApiVersions, 3, closed, soon)
			p.end(s, 1)
		}
		p.now += time.Second
		p.send(p.connect(), keyMetadata, c.version, answered, soon)
		p.expect(c.want, c.want, c.want, c.want)
	}
}

// TestTheFirstProbeAlone: the capture ends before kafka-python sends its next probe. Two that are
// closed show that nobody answers.
func TestTheFirstProbeAlone(t *testing.T) {
	for times, want := range [][]Cause{{Unexplained}, {NotKafka, NotKafka}} {
		p := newPlay(t)
		for i := range times + 1 {
			s := p.connect()
			p.send(s, [...]int16{keyApiVersions, 16}[i], 0, closed, soon, func(x *decode.Exchange) { x.ClientID = "kafka-python-1.4.6" })
			p.end(s, 1)
			p.now += 100 * time.Millisecond
		}
		p.expect(want...)
	}
}

// TestUndelivered: a request that the broker's host never acknowledged blames no version.
func TestUndelivered(t *testing.T) {
	for undelivered, want := range map[bool]Cause{false: Dropped, true: Unexplained} {
		p := newPlay(t)
		other := p.connect()
		for range 3 {
			s := p.connect()
			p.send(s, keyMetadata, 9, answered, soon)
			p.send(s, keyProduce, 9, decode.Left, 25*time.Second, func(x *decode.Exchange) { x.Undelivered = undelivered })
			p.now -= 10 * time.Second // meanwhile, others are answered
			p.send(other, keyMetadata, 9, answered, soon)
			p.now += 11 * time.Second
		}
		p.expect(want, want, want)
	}
}
