package history

import (
	"net/netip"
	"testing"
	"time"

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
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
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
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
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
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
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
			r := p.book.Decide().Rulings
			if r[0].Cause != c.want || (r[1].Cause == Expected) != (c.want == Expected) {
				t.Errorf("%v, then %v; want %v", r[0].Cause, r[1].Cause, c.want)
			}
		})
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
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
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
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
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
		if got := p.book.Decide().Rulings[1].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestOpenConnection: another connection was served before a request, and the broker did not end
// it.
func TestOpenConnection(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream stream
		want   bool
	}{
		{"still open", stream{answered: moment(20)}, true}, {"served later", stream{answered: moment(21)}, false}, {"never served", stream{}, false},
		{"ended by the client later", stream{answered: moment(9), ended: moment(21), endedBy: reassembly.ToBroker}, true},
		{"ended by the client before", stream{answered: moment(9), ended: moment(20), endedBy: reassembly.ToBroker}, false},
		{"ended by the broker later", stream{answered: moment(9), ended: moment(21), endedBy: reassembly.ToClient}, false},
	} {
		own := &stream{answered: moment(9)}
		v := &view{streams: []*stream{own, &c.stream}}
		if got := v.openConnection(&Suspect{Exchange: decode.Exchange{Request: moment(20)}, stream: own}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestServesUnseen: a connection that was served, and whose beginning is not in the capture.
// Clients without SASL are known.
func TestServesUnseen(t *testing.T) {
	for _, c := range []struct {
		stream stream
		want   bool
	}{
		{stream{worked: moment(9), midstream: true}, true}, {stream{worked: moment(9), missing: 1}, true}, {stream{worked: moment(9)}, false},
		{stream{midstream: true}, false}, {stream{missing: 1}, false}, {stream{worked: moment(9), midstream: true, isOpen: true}, false},
	} {
		if got := (&view{streams: []*stream{&c.stream}}).servesUnseen(); got != c.want {
			t.Errorf("%+v: %v", c.stream, got)
		}
	}
}

// TestCulprits: the first unserved request of a connection is its culprit, unless another one is
// known to be refused. A request that was not refused is none.
func TestCulprits(t *testing.T) {
	for _, c := range []struct {
		name     string
		outcome  decode.Outcome
		offended bool
		want     int
	}{
		{"closed", closed, false, 1}, {"with another one that is known to be refused", closed, true, 0}, {"the capture ends", decode.CutOff, false, 0},
	} {
		v := &view{refusals: map[version][]*Suspect{}}
		v.add(&Suspect{Exchange: decode.Exchange{Outcome: c.outcome, Request: moment(10)}, stream: &stream{offended: c.offended}})
		if len(v.culprits) != c.want {
			t.Errorf("%s: %d culprits, want %d", c.name, len(v.culprits), c.want)
		}
	}
}

// TestSilenceOfAKnownVersion: if the address answers the same version, it hung. If it answers
// another version of ApiVersions, that is likely. For other APIs, nobody is blamed.
func TestSilenceOfAKnownVersion(t *testing.T) {
	for _, c := range []struct {
		name              string
		key, known, asked int16
		want              Cause
		certain           bool
	}{
		{"the same version", keyApiVersions, 3, 3, Away, true},
		{"ApiVersions in another version", keyApiVersions, 2, 3, Away, false},
		{"another version", keyFindCoordinator, 2, 3, Unexplained, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlay(t)
			p.send(p.connect(), c.key, c.known, answered, soon)
			p.send(p.connect(), c.key, c.asked, decode.Left, 10*time.Second)
			p.send(p.connect(), c.key, c.known, answered, soon)
			if r := p.expect(c.want)[0]; r.Certain != c.certain {
				t.Errorf("certain: %v, want %v", r.Certain, c.certain)
			}
		})
	}
}

// TestApiVersionsAnsweredWithError35: the version is refused if the client goes no lower, and had
// the time.
func TestApiVersionsAnsweredWithError35(t *testing.T) {
	for _, c := range []struct {
		name   string
		later  time.Duration // when the capture ends
		then   int16         // the version of its next ApiVersions request; -1 for none
		result decode.Outcome
		want   Cause
	}{
		{"no other request", Patience, -1, answered, Refused}, {"the capture ends", Patience - time.Second, -1, answered, Unexplained},
		{"the same version again", Patience, 3, closed, Refused}, {"a lower one that was not served", Patience, 2, closed, Unexplained}, {"a lower one", Patience, 2, answered, Downgraded},
	} {
		p := newPlay(t)
		p.send(p.connect(), keyApiVersions, 3, decode.Error, soon)
		if c.then >= 0 {
			p.send(p.connect(), keyApiVersions, c.then, c.result, soon)
		}
		p.now += c.later
		p.send(p.connect(), keyMetadata, 1, answered, soon, noRange, func(x *decode.Exchange) { x.ClientID = "other" })
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
