package history

import (
	"net/netip"
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
