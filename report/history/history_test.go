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

// play calls a Book with the events at one address, in packet time.
type play struct {
	*testing.T
	book   *Book
	frame  uint64
	stream uint32
	now    time.Duration
}

var (
	playClient = netip.MustParseAddrPort("10.0.0.1:40000")
	playBroker = netip.MustParseAddrPort("10.0.0.2:9092")
	playTable  = &decode.Ranges{APIs: []decode.API{{Key: keyProduce, Range: decode.Range{Max: 9}}, {Key: keyFetch, Range: decode.Range{Max: 12}}, {Key: keyMetadata, Range: decode.Range{Max: 12}}}}
)

func newPlay(t *testing.T) *play {
	return &play{T: t, book: New(func(*Suspect, Ruling) {}), now: time.Hour}
}

// at returns the position at the current time.
func (p *play) at() capture.Position {
	p.frame++
	return capture.Position{Frame: p.frame, Time: int64(p.now)}
}

func (p *play) connect() uint32 {
	p.stream++
	return p.stream
}

// advertise adds an ApiVersions answer with these ranges.
func (p *play) advertise(stream uint32, r *decode.Ranges) {
	p.book.Advertisement(&decode.Advertisement{Stream: stream, At: p.at(), Broker: playBroker, Ranges: r})
}

// send adds a request with its outcome, after took.
func (p *play) send(stream uint32, key, version int16, outcome decode.Outcome, took time.Duration, changes ...func(*decode.Exchange)) {
	x := &decode.Exchange{
		Stream: stream, Client: playClient, Broker: playBroker, ClientID: "app", HasClientID: true, Key: key, Version: version,
		Outcome: outcome, Took: took, Negotiated: -1, Verdict: decode.OK, Evidence: decode.Observed, Ranges: playTable, Size: 100,
	}
	if key == keyApiVersions {
		x.Verdict, x.Evidence, x.Ranges = decode.Exempt, decode.None, nil
	}
	for _, change := range changes {
		change(x)
	}
	x.Request = p.at()
	p.now += took
	x.Decided = p.at()
	p.book.Exchange(x)
}

// end lets the broker end a connection with a number of open requests.
func (p *play) end(stream uint32, outstanding uint64) {
	p.endOf(stream, func(c *decode.Connection) { c.Unanswered = outstanding })
}

// endOf is end with a change of the connection. It returns the result of Book.Connection.
func (p *play) endOf(stream uint32, change func(*decode.Connection)) (isUnserved bool) {
	at := p.at()
	c := &decode.Connection{
		Connection: &reassembly.Connection{
			Stream: stream, Client: playClient, Broker: playBroker, First: at, Last: at, Protocol: reassembly.Kafka,
			Seen: [2]bool{true, true}, Bytes: [2]uint64{100, 100}, Responses: 1,
			End: reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, At: at},
		},
		LastRequest: at, LastAnswer: at,
	}
	change(c)
	return p.book.Connection(c)
}

// refuse adds a SYN that is answered with RST.
func (p *play) refuse() { p.refuseAt(playBroker) }

// refuseAt is refuse for another address.
func (p *play) refuseAt(broker netip.AddrPort) {
	at := p.at()
	p.book.Connection(&decode.Connection{Connection: &reassembly.Connection{
		Stream: p.connect(), Client: playClient, Broker: broker, First: at, Last: at, Seen: [2]bool{true, true}, Refused: true,
		End: reassembly.End{Kind: reassembly.Reset, By: reassembly.ToClient, At: at},
	}})
}

// drop adds a connection that the broker closes before a byte was sent.
func (p *play) drop() {
	at := p.at()
	p.book.Connection(&decode.Connection{Connection: &reassembly.Connection{
		Stream: p.connect(), Client: playClient, Broker: playBroker, First: at, Last: at, Seen: [2]bool{true, true},
		End: reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, At: at},
	}})
}

// expect compares the causes of all suspects, in order.
func (p *play) expect(want ...Cause) []Ruling {
	p.Helper()
	rulings := p.book.Decide().Rulings
	got := make([]Cause, len(rulings))
	for i := range rulings {
		got[i] = rulings[i].Cause
	}
	if len(got) != len(want) {
		p.Fatalf("causes %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			p.Fatalf("causes %v, want %v", got, want)
		}
	}
	return rulings
}

const (
	answered = decode.Answered
	closed   = decode.ClosedByBroker
	soon     = time.Millisecond
)

// noRange makes the range of a request unknown.
func noRange(x *decode.Exchange) {
	x.Verdict, x.Evidence, x.Ranges = decode.Unknown, decode.None, nil
}

func TestAVersionThatWasAnsweredIsNotAtFault(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyFetch, 12, answered, soon, noRange)
	p.send(s, keyFetch, 12, closed, soon, noRange)
	p.end(s, 1)
	p.expect(Unexplained)
}

func TestAVersionThatIsNeverAnsweredIsAtFault(t *testing.T) {
	p := newPlay(t)
	for range 2 {
		s := p.connect()
		p.send(s, keyMetadata, 10, closed, soon, noRange)
		p.end(s, 1)
		p.now += time.Second
	}
	p.expect(Refused, Refused)
}

func TestARestartExplainsWhatWaited(t *testing.T) {
	p := newPlay(t)
	s, u := p.connect(), p.connect()
	p.send(s, keyMetadata, 12, answered, soon)
	p.send(u, keyMetadata, 12, answered, soon)
	p.send(s, keyProduce, 9, closed, soon)
	p.end(s, 1)
	p.end(u, 0)
	p.now += time.Second
	p.refuse()
	p.now += 5 * time.Second
	p.send(p.connect(), keyMetadata, 12, answered, soon)
	r := p.expect(Away)
	if r[0].From.Time == 0 || r[0].To.Time <= r[0].From.Time {
		t.Errorf("away from %d to %d", r[0].From.Time, r[0].To.Time)
	}
}

// TestADowngradeRefusesWhatWasAnswered: answers of one life prove nothing about the next.
func TestADowngradeRefusesWhatWasAnswered(t *testing.T) {
	p := newPlay(t)
	s, u := p.connect(), p.connect()
	p.send(s, keyMetadata, 12, answered, soon, noRange)
	p.send(u, keyProduce, 9, answered, soon, noRange)
	p.now += time.Second
	p.end(s, 0)
	p.end(u, 0)
	p.now += time.Second
	p.refuse()
	for range 3 {
		p.now += 5 * time.Second
		p.send(p.connect(), keyApiVersions, 0, answered, soon)
		v := p.connect()
		p.send(v, keyMetadata, 12, closed, soon, noRange)
		p.end(v, 1)
	}
	p.now += time.Second
	p.send(p.connect(), keyApiVersions, 0, answered, soon)
	r := p.expect(Refused, Refused, Refused)
	if r[0].Earlier.Time == 0 {
		t.Error("the answer of the earlier life is not reported")
	}
}

func TestAHangExplainsSilence(t *testing.T) {
	p := newPlay(t)
	p.send(p.connect(), keyApiVersions, 3, answered, soon)
	p.now += time.Second
	for range 2 {
		p.send(p.connect(), keyApiVersions, 3, decode.Left, 10*time.Second)
	}
	p.expect(Away, Away)
}

func TestDroppedInRange(t *testing.T) {
	p := newPlay(t)
	for range 3 {
		s := p.connect()
		p.send(s, keyApiVersions, 3, answered, soon)
		p.send(s, keyMetadata, 12, closed, soon)
		p.end(s, 1)
		p.now += time.Second
	}
	p.expect(Dropped, Dropped, Dropped)
}

func TestOnceInRangeIsNoPattern(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyApiVersions, 3, answered, soon)
	p.send(s, keyMetadata, 12, closed, soon)
	p.end(s, 1)
	p.expect(Unexplained)
}

func TestASASLListenerTakesItsTime(t *testing.T) {
	p := newPlay(t)
	for range 2 {
		s := p.connect()
		p.send(s, keyApiVersions, 3, answered, soon)
		p.send(s, keyMetadata, 12, closed, 120*time.Millisecond)
		p.end(s, 1)
		p.now += time.Second
	}
	p.expect(NoSASL, NoSASL)
}

func TestOthersThatAuthenticateTellOfSASL(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keySaslHandshake, 1, answered, soon)
	p.send(s, keyMetadata, 12, answered, soon)
	u := p.connect()
	p.send(u, keyMetadata, 12, closed, soon, noRange)
	p.end(u, 1)
	p.expect(NoSASL)
}

func TestFallback(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, 68, 1, decode.Error, soon)
	p.send(p.connect(), keyJoinGroup, 9, answered, soon)
	p.send(s, keyProduce, 9, decode.Error, soon)
	p.expect(Fallback, Unsupported)
}

// TestFallbackUnseen: the capture lacks the answer to the other request, so nobody is blamed.
func TestFallbackUnseen(t *testing.T) {
	for _, outcome := range []decode.Outcome{decode.Unseen, decode.CutOff, closed} {
		p := newPlay(t)
		p.send(p.connect(), 68, 1, decode.Error, soon)
		p.send(p.connect(), keyJoinGroup, 9, outcome, soon)
		want := []Cause{Unexplained}
		if outcome == closed {
			want = []Cause{Unsupported, Unexplained}
		}
		p.now += Patience
		p.send(p.connect(), keyProduce, 9, answered, soon)
		p.expect(want...)
	}
}

// TestFallbackTooEarly: the client had no time to use another API, so nobody is blamed.
func TestFallbackTooEarly(t *testing.T) {
	for _, c := range []struct {
		name string
		key  int16
		then func(p *play, s uint32)
		want Cause
	}{
		{"at once", 69, func(*play, uint32) {}, Unexplained},
		{"no other API", keyProduce, func(*play, uint32) {}, Unsupported},
		{"the connection was closed", 69, func(p *play, s uint32) { p.end(s, 0) }, Unsupported},
		{"the connection was reset", 69, func(p *play, s uint32) { p.endOf(s, func(c *decode.Connection) { c.End.Kind = reassembly.Reset }) }, Unsupported},
		{"later", 69, func(p *play, _ uint32) { p.now += Patience; p.send(p.connect(), keyProduce, 9, answered, soon) }, Unsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlay(t)
			s := p.connect()
			p.send(s, c.key, 9, decode.Error, soon)
			c.then(p, s)
			p.expect(c.want)
		})
	}
}

// TestBorrowedRangesYield: a table does not hold for a broker that answers versions outside it.
func TestBorrowedRangesYield(t *testing.T) {
	borrowed := func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }
	for name, outcome := range map[string]decode.Outcome{"refused": closed, "answered": answered} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			p.advertise(9, playTable)
			p.send(p.connect(), keyMetadata, 13, outcome, soon, borrowed)
			p.send(p.connect(), keyFetch, 13, closed, soon, borrowed)
			want := []Cause{Outside, Outside}
			if outcome == answered {
				want = []Cause{Refused}
			}
			if r := p.expect(want...); r[0].WithoutRange != (outcome == answered) {
				t.Errorf("without a range: %v", r[0].WithoutRange)
			}
		})
	}
}

func TestWhoSharesTheFateIsNotBlamed(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyMetadata, 10, closed, soon, noRange)
	p.send(s, keyProduce, 3, closed, soon, noRange)
	p.end(s, 2)
	p.expect(Refused, Behind)
}

func TestSpans(t *testing.T) {
	var s spans
	for _, t := range []int64{10, 11, 50, 30, 90, 12} {
		s.add(capture.Position{Time: t}, 2, 3)
	}
	// 10-12, 30, 50 and 90 are one too many: 30 and 50 have the shortest pause.
	if len(s) != 3 || s[0].to.Time != 12 && s[0].to.Time != 30 {
		t.Fatalf("%v", s)
	}
	if at, ok := s.lastBefore(90); !ok || at.Time >= 90 {
		t.Errorf("before 90: %v %v", at, ok)
	}
	if at, ok := s.firstAfter(50); !ok || at.Time != 90 {
		t.Errorf("after 50: %v %v", at, ok)
	}
	if _, ok := s.within(60, 80); ok {
		t.Error("nothing lies between 60 and 80")
	}
}

func TestTheBookIsBounded(t *testing.T) {
	early := 0
	b := New(func(*Suspect, Ruling) { early++ })
	p := &play{T: t, book: b, now: time.Hour}
	for i := range maxSuspects + 10 {
		p.send(p.connect(), int16(i%90), int16(i%7), closed, soon, noRange)
	}
	if len(b.suspects) > maxSuspects || early == 0 || b.Limits().Suspects == 0 {
		t.Errorf("%d suspects, %d decided early, limits %v", len(b.suspects), early, b.Limits().Hit())
	}
	if len(b.streams) > maxStreams {
		t.Errorf("%d connections", len(b.streams))
	}
}

// TestATightLoopIsNoRestart: a client that retries every few milliseconds is refused repeatedly.
// The broker that ends its connections does not shut down.
func TestATightLoopIsNoRestart(t *testing.T) {
	p := newPlay(t)
	p.send(p.connect(), keyMetadata, 12, answered, soon)
	var want []Cause
	for range 30 {
		s := p.connect()
		p.send(s, keyApiVersions, 3, answered, soon)
		p.send(s, keyFetch, 12, closed, soon)
		p.end(s, 1)
		p.now += 8 * time.Millisecond
		want = append(want, Dropped)
	}
	p.expect(want...)
}

// TestEndsTogetherAreOneRefusal: if all connections end within milliseconds, they have one cause.
func TestEndsTogetherAreOneRefusal(t *testing.T) {
	p := newPlay(t)
	for range 3 {
		s := p.connect()
		p.send(s, keyApiVersions, 3, answered, soon)
		p.send(s, keyMetadata, 12, closed, soon)
		p.end(s, 1)
	}
	p.now += time.Second
	p.send(p.connect(), keyApiVersions, 3, answered, soon)
	p.expect(Unexplained, Unexplained, Unexplained)
}

// TestBelowTheMaxAProxyIsNoCause: a proxy that advertises too much refuses the highest versions.
func TestBelowTheMaxAProxyIsNoCause(t *testing.T) {
	for max, want := range map[int16]Cause{12: NoSASL, 4: Dropped} {
		p := newPlay(t)
		for range 3 {
			s := p.connect()
			p.send(s, keyApiVersions, 3, answered, soon)
			p.send(s, keyMetadata, 4, closed, soon, func(x *decode.Exchange) { x.Advertised.Max = max })
			p.end(s, 1)
			p.now += time.Second
		}
		p.expect(want, want, want)
	}
}

// TestProbesThatAreNotAnswered: kafka-python waits for two seconds.
func TestProbesThatAreNotAnswered(t *testing.T) {
	for waited, want := range map[time.Duration][]Cause{2 * time.Second: {NotKafka, Behind}, 500 * time.Millisecond: nil} {
		p := newPlay(t)
		probe := func(x *decode.Exchange) { x.ClientID = "kafka-python-2.0.2" }
		s := p.connect()
		p.send(s, keyApiVersions, 0, decode.Left, waited, probe)
		p.send(s, keyMetadata, 0, decode.Left, waited, probe, noRange)
		p.expect(want...)
	}
}

// TestOneSilenceIsNoRefusal: a broker that later answers a lower version may have hung.
func TestOneSilenceIsNoRefusal(t *testing.T) {
	p := newPlay(t)
	p.send(p.connect(), keyApiVersions, 3, decode.Left, 10*time.Second)
	p.send(p.connect(), keyApiVersions, 0, answered, soon)
	if r := p.expect(Away); r[0].Certain || r[0].Last.Time < r[0].From.Time+int64(10*time.Second) {
		t.Errorf("certain: %v, from %d until at least %d; want it open, and 10 s", r[0].Certain, r[0].From.Time, r[0].Last.Time)
	}
	p.send(p.connect(), keyApiVersions, 3, decode.Left, 10*time.Second)
	p.send(p.connect(), keyApiVersions, 0, answered, soon)
	p.expect(Refused, Refused)
}

// TestSilenceOnAllApiVersionsIsARefusal: Kafka 0.9 answers other requests.
func TestSilenceOnAllApiVersionsIsARefusal(t *testing.T) {
	p := newPlay(t)
	p.send(p.connect(), keyApiVersions, 0, decode.Left, 10*time.Second)
	p.send(p.connect(), keyMetadata, 0, answered, soon, noRange)
	p.expect(Refused)
}

// TestStageOfAnAuthentication: a token in the first answer to SaslAuthenticate requests another
// one. The next answer may be the last.
func TestStageOfAnAuthentication(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	challenge := func(x *decode.Exchange) { x.Challenge = true }
	for i, c := range []struct {
		key     int16
		changes []func(*decode.Exchange)
		want    int16
	}{
		{keySaslHandshake, nil, keySaslHandshake},
		{keySaslAuthenticate, []func(*decode.Exchange){challenge}, Challenged},
		{keySaslAuthenticate, []func(*decode.Exchange){challenge}, keySaslAuthenticate},
		{keySaslHandshake, nil, keySaslHandshake},
		{keySaslAuthenticate, nil, keySaslAuthenticate},
		{keySaslHandshake, nil, keySaslHandshake},
		{keySaslAuthenticate, []func(*decode.Exchange){challenge, func(x *decode.Exchange) { x.ErrorCode = 58 }}, noStage},
	} {
		p.send(s, c.key, 1, answered, soon, c.changes...)
		if got, worked := p.book.Stage(s); got != c.want || worked {
			t.Errorf("answer %d: stage %d, worked %v; want %d", i, got, worked, c.want)
		}
	}
}

// TestAddressesThatAnswer: what an address is known to answer.
func TestAddressesThatAnswer(t *testing.T) {
	p := newPlay(t)
	here, nowhere := decode.Endpoint{Addr: playBroker}, decode.Endpoint{Addr: playClient}
	for _, c := range []struct {
		key                     int16
		outcome                 decode.Outcome
		answered, works, fetchs bool
	}{{keyMetadata, closed, false, false, false}, {keyApiVersions, answered, true, false, false}, {keyFetch, answered, true, true, true}} {
		p.send(p.connect(), c.key, 3, c.outcome, soon)
		b := p.book
		if b.Answered(here) != c.answered || b.Works(here) != c.works || b.Answers(here, keyFetch, 3) != c.fetchs || b.Answers(here, keyFetch, 4) {
			t.Errorf("API %d: answered %v, works %v, answers Fetch %v, want %+v", c.key, b.Answered(here), b.Works(here), b.Answers(here, keyFetch, 3), c)
		}
		if b.Answered(nowhere) || b.Works(nowhere) || b.Answers(nowhere, keyFetch, 3) || b.AnsweredInLife(&Suspect{Exchange: decode.Exchange{Broker: playClient, Key: keyFetch, Version: 3}}) {
			t.Error("an unknown address answers")
		}
		k := &Suspect{Exchange: decode.Exchange{Broker: playBroker, Key: keyFetch, Version: 3, Request: p.at()}}
		if got := b.AnsweredInLife(k); got != c.fetchs {
			t.Errorf("API %d: answered in the life: %v", c.key, got)
		}
	}
}

// TestContradictedTables: only an answer outside a borrowed table contradicts it.
func TestContradictedTables(t *testing.T) {
	p := newPlay(t)
	other := &decode.Ranges{APIs: playTable.APIs[:1]}
	for _, c := range []struct {
		ranges   *decode.Ranges
		verdict  decode.Verdict
		evidence decode.Evidence
		want     int
	}{
		{playTable, decode.OK, decode.Borrowed, 0}, {playTable, decode.AboveMax, decode.Observed, 0}, {playTable, decode.AboveMax, decode.Borrowed, 1},
		{playTable, decode.AboveMax, decode.Borrowed, 1}, {other, decode.AboveMax, decode.Borrowed, 2},
	} {
		p.send(p.connect(), keyFetch, 13, answered, soon, func(x *decode.Exchange) { x.Ranges, x.Verdict, x.Evidence = c.ranges, c.verdict, c.evidence })
		if got := len(p.book.addresses[decode.Endpoint{Addr: playBroker}].contradicted); got != c.want {
			t.Errorf("%+v: %d tables, want %d", c, got, c.want)
		}
	}
}

// TestEndsOfTheBroker are a close and a reset. A connection that is cut has no end.
func TestEndsOfTheBroker(t *testing.T) {
	for end, want := range map[reassembly.End]bool{
		{Kind: reassembly.Closed, By: reassembly.ToClient}: true, {Kind: reassembly.Reset, By: reassembly.ToClient}: true,
		{Kind: reassembly.Cut, By: reassembly.ToClient}: false, {Kind: reassembly.Closed, By: reassembly.ToBroker}: false,
	} {
		if got := byBroker(&decode.Connection{Connection: &reassembly.Connection{End: end}}); got != want {
			t.Errorf("%+v: %v, want %v", end, got, want)
		}
	}
	for _, c := range []struct {
		change func(*decode.Connection)
		want   bool
	}{
		{func(*decode.Connection) {}, true}, {func(c *decode.Connection) { c.TLS = new(tlsrecord.Info) }, false}, {func(c *decode.Connection) { c.Midstream = true }, false},
		{func(c *decode.Connection) { c.TLS, c.Midstream = new(tlsrecord.Info), true }, false},
		{func(c *decode.Connection) { c.Oddities = &reassembly.Oddities{Missing: 1} }, false}, {func(c *decode.Connection) { c.Mechanism = "PLAIN" }, false},
	} {
		x := &decode.Connection{Connection: &reassembly.Connection{LastData: [2]capture.Position{moment(5), moment(5)}}, LastAnswer: moment(4)}
		if c.change(x); hasBegunAnswer(x) != c.want {
			t.Errorf("%+v: begun %v", x.Connection, !c.want)
		}
	}
}

// TestWhatConnectionsShow about their address.
func TestWhatConnectionsShow(t *testing.T) {
	spoke := func(what string) func(*decode.Connection) {
		return func(c *decode.Connection) {
			c.Protocol, c.Oddities = reassembly.Other, &reassembly.Oddities{Spoke: what}
		}
	}
	for _, c := range []struct {
		name                         string
		change                       func(*decode.Connection)
		known                        bool
		clear, tls, foreign, unwraps bool
	}{
		{"Kafka", func(*decode.Connection) {}, false, true, false, false, false},
		{"Kafka inside TLS", func(c *decode.Connection) { c.TLS = &tlsrecord.Info{Established: true} }, false, false, true, false, false},
		{"a failed handshake", func(c *decode.Connection) { c.Protocol, c.TLS = reassembly.TLS, new(tlsrecord.Info) }, false, false, false, false, false},
		{"Kafka without an answer", func(c *decode.Connection) { c.Responses = 0 }, false, false, false, false, false},
		{"answered with TLS", func(c *decode.Connection) { c.Protocol, c.Confusion = reassembly.Other, reassembly.ClearToTLS }, false, false, true, false, false},
		{"HTTP at a known address", spoke("HTTP"), true, false, false, true, false},
		{"HTTP at another address", spoke("HTTP"), false, false, false, false, false},
		{"a preface", func(c *decode.Connection) { c.Oddities = &reassembly.Oddities{Prefaces: make([]reassembly.Preface, 1)} }, false, true, false, false, true},
		{"a preface without an answer", func(c *decode.Connection) {
			c.Responses, c.Oddities = 0, &reassembly.Oddities{Prefaces: make([]reassembly.Preface, 1)}
		}, false, false, false, false, false},
	} {
		p := newPlay(t)
		at := decode.Endpoint{Addr: playBroker}
		if c.known {
			p.book.address(at)
		}
		for _, change := range []func(*decode.Connection){c.change, func(c *decode.Connection) { c.Responses = 0 }} {
			p.endOf(p.connect(), change)
		}
		a := p.book.address(at)
		if a.clear.Time > 0 != c.clear || a.tls.Time > 0 != c.tls || a.foreign != c.foreign || a.unwraps != c.unwraps {
			t.Errorf("%s: in clear text %v, TLS %v, foreign %v, unwraps %v, want %+v", c.name, a.clear, a.tls, a.foreign, a.unwraps, c)
		}
	}
}
