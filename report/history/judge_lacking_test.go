package history

import (
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

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
		for _, r := range p.book.Decide().Rulings {
			if r.Cause != c.want {
				t.Errorf("%s: %v, want %v", c.name, r.Cause, c.want)
			}
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
		if got := p.book.Decide().Rulings[0].Cause; got != want {
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
		if got := p.book.Decide().Rulings[0].Cause; got != want {
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
	}{{2000, 1, Unexplained}, {2000, 2, TooLarge}, {largeRequest, 1, TooLarge}} {
		p := newPlay(t)
		for range c.times {
			s := p.connect()
			p.send(s, keyMetadata, 1, answered, soon, noRange)
			p.send(s, keyProduce, 9, closed, soon, func(x *decode.Exchange) { x.Partial, x.Size = true, c.size })
			p.end(s, 1)
			p.now += time.Second
		}
		p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
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
		own                int16 // version of a later request outside its own range
		want               Cause
	}{
		{true, true, 1, -1, Unexplained},
		{true, true, 1, 2, Outside},
		{true, true, 1, 3, Unexplained},
		{true, true, 2, -1, Outside},
		{true, false, 1, -1, Outside},
		{false, true, 1, -1, Outside},
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
		s := p.connect()
		p.advertise(s, table)
		if c.own >= 0 {
			p.send(s, keyFetch, c.own, closed, soon, func(x *decode.Exchange) { x.Verdict, x.Ranges = decode.BelowMin, table })
		}
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
