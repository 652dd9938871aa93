package history

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// restart ends the life of the broker: nothing listens for some seconds.
func (p *play) restart() {
	p.now += time.Second
	p.refuse()
	p.now += 5 * time.Second
}

// TestTheNextBrokerRefusesAllThatIsAsked: the only client is closed on its first request, again and
// again, since the broker was restarted. Only an answer shows that a broker is there, and not a
// proxy without a backend.
func TestTheNextBrokerRefusesAllThatIsAsked(t *testing.T) {
	other := func(p *play) { p.send(p.connect(), keyMetadata, 1, answered, soon, noRange) }
	for name, c := range map[string]struct {
		restart func(p *play)
		version func(i int) int16
		outcome decode.Outcome
		took    time.Duration
		times   int
		after   func(p *play)
		want    Cause
		certain bool
	}{
		"others are answered":     {(*play).restart, nil, closed, soon, 2, other, Refused, true},
		"nothing is answered":     {(*play).restart, nil, closed, soon, 3, nil, Away, false},
		"the version is answered": {(*play).restart, nil, closed, soon, 3, func(p *play) { p.send(p.connect(), keyMetadata, 12, answered, soon, noRange) }, Away, true},
		"twice":                   {(*play).restart, nil, closed, soon, 2, nil, Away, true},
		"reset":                   {(*play).restart, nil, decode.ResetByBroker, soon, 3, nil, Away, true},
		"slowly":                  {(*play).restart, nil, closed, 3 * time.Second, 3, nil, Away, true},
		"other versions":          {(*play).restart, func(i int) int16 { return 12 - int16(i) }, closed, soon, 3, nil, Away, true},
		"always listened":         {func(p *play) { p.now += 6 * time.Second }, nil, closed, soon, 3, nil, Away, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			s, u := p.connect(), p.connect()
			for version := int16(10); version <= 12; version++ {
				p.send(s, keyMetadata, version, answered, soon, noRange)
			}
			p.send(u, keyProduce, 9, answered, soon, noRange)
			p.now += time.Second
			p.end(s, 0)
			p.end(u, 0)
			c.restart(p)
			for i := range c.times {
				version := int16(12)
				if c.version != nil {
					version = c.version(i)
				}
				v := p.connect()
				p.send(v, keyMetadata, version, c.outcome, c.took, noRange)
				p.end(v, 1)
				p.now += time.Second
			}
			if c.after != nil {
				c.after(p)
			}
			for _, r := range p.book.Decide().Rulings {
				if r.Cause != c.want || r.Certain != c.certain || (r.Earlier.Time > 0) != (c.want == Refused) {
					t.Errorf("%v, certain %v, answered earlier %v; want %v", r.Cause, r.Certain, r.Earlier.Time > 0, c.want)
				}
			}
		})
	}
}

// TestTheFirstRefusalAfterARestart belongs to those that follow, also if the address has answered
// nothing yet. The restart itself excuses only what waited for it.
func TestTheFirstRefusalAfterARestart(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyMetadata, 12, answered, soon, noRange)
	p.send(s, keyMetadata, 12, closed, soon, noRange)
	p.end(s, 1)
	p.restart()
	for range 2 {
		v := p.connect()
		p.send(v, keyMetadata, 12, closed, soon, noRange)
		p.end(v, 1)
		p.now += time.Second
		p.send(p.connect(), keyApiVersions, 0, answered, soon)
	}
	p.expect(Away, Refused, Refused)
}

// TestEndsTogetherAfterARestart: what was answered before the restart does not excuse connections
// that end together after it.
func TestEndsTogetherAfterARestart(t *testing.T) {
	p := newPlay(t)
	p.send(p.connect(), keyMetadata, 12, answered, soon, noRange)
	p.restart()
	for range 3 {
		for range 2 {
			v := p.connect()
			p.send(v, keyMetadata, 12, closed, soon, noRange)
			p.end(v, 1)
		}
		p.now += time.Second
		p.send(p.connect(), keyApiVersions, 0, answered, soon)
	}
	p.expect(Refused, Refused, Refused, Refused, Refused, Refused)
}

// TestAnAnswerContradictsATableOfItsLife: it says nothing about the tables of another broker.
func TestAnAnswerContradictsATableOfItsLife(t *testing.T) {
	borrowed := func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }
	for _, restarts := range []bool{true, false} {
		p := newPlay(t)
		p.send(p.connect(), keyMetadata, 13, answered, soon, borrowed)
		if p.now += 6 * time.Second; restarts {
			p.restart()
		}
		p.advertise(9, playTable)
		for range 2 {
			v := p.connect()
			p.send(v, keyFetch, 13, closed, soon, borrowed)
			p.end(v, 1)
			p.now += time.Second
			p.send(p.connect(), keyMetadata, 12, answered, soon)
		}
		want := Refused
		if restarts {
			want = Outside
		}
		p.expect(want, want)
	}
}

// TestARefusedConnectionIsNoRestart where an older connection is answered across it.
func TestARefusedConnectionIsNoRestart(t *testing.T) {
	borrowed := func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }
	for _, reconnects := range []bool{false, true} {
		p := newPlay(t)
		other := p.connect()
		p.advertise(other, playTable)
		p.send(other, keyMetadata, 12, answered, soon)
		p.restart()
		if reconnects {
			other = p.connect()
		}
		for range 2 {
			p.send(other, keyMetadata, 12, answered, soon)
			s := p.connect()
			p.send(s, keyFetch, 13, closed, soon, borrowed)
			p.end(s, 1)
			p.now += time.Second
		}
		p.send(other, keyMetadata, 12, answered, soon)
		want := Outside
		if reconnects {
			want = Refused
		}
		p.expect(want, want)
	}
}

// TestTLSInTheNextLife: an address that answered clear text uses TLS since then. One that uses both
// does not refuse clear text.
func TestTLSInTheNextLife(t *testing.T) {
	for name, c := range map[string]struct {
		clear, tls, clearAgain, sameConnection bool
		want                                   bool
	}{
		"then TLS": {clear: true, tls: true, want: true}, "only TLS": {tls: true, want: true}, "no TLS": {clear: true},
		"both": {clear: true, tls: true, clearAgain: true}, "it was served in clear text": {clear: true, tls: true, sameConnection: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			inClear := func() {
				s := p.connect()
				p.send(s, keyMetadata, 12, answered, soon)
				p.end(s, 0)
				p.now += time.Second
			}
			s := p.connect()
			if c.sameConnection {
				p.send(s, keyMetadata, 12, answered, soon)
			}
			if c.clear {
				inClear()
			}
			if c.tls {
				p.endOf(p.connect(), func(c *decode.Connection) {
					c.Protocol, c.TLS, c.End = reassembly.TLS, &tlsrecord.Info{Established: true}, reassembly.End{}
				})
			}
			p.now += time.Second
			if c.clearAgain {
				inClear()
			}
			p.send(s, keyApiVersions, 4, closed, soon)
			p.endOf(s, func(c *decode.Connection) { c.Responses, c.LastAnswer.Time = 0, 0 })
			if got := p.book.WantsTLS(p.book.suspects[0]); got != c.want {
				t.Errorf("wants TLS: %v, want %v", got, c.want)
			}
		})
	}
}

// TestAnotherProtocolInTheNextLife: its answer is no refusal of a version. The findings about the
// connections name it.
func TestAnotherProtocolInTheNextLife(t *testing.T) {
	for spoke, want := range map[string]Cause{reassembly.SpokeHTTP: Foreign, "": Away} {
		p := newPlay(t)
		p.send(p.connect(), keyApiVersions, 4, answered, soon)
		p.restart()
		for range 3 {
			s := p.connect()
			p.send(s, keyApiVersions, 4, closed, soon)
			p.endOf(s, func(c *decode.Connection) { c.Oddities = &reassembly.Oddities{Spoke: spoke} })
			p.now += time.Second
		}
		p.expect(want, want, want)
	}
}

// TestSASLInAnotherLife: a broker may be restarted with another listener. What clients did with or
// without SASL before says nothing about it.
func TestSASLInAnotherLife(t *testing.T) {
	work := map[bool]func(p *play){
		true: func(p *play) {
			s := p.connect()
			p.send(s, keySaslHandshake, 1, answered, soon)
			p.send(s, keySaslAuthenticate, 1, answered, soon)
			p.send(s, keyFetch, 12, answered, soon)
		},
		false: func(p *play) { p.send(p.connect(), keyFetch, 12, answered, soon) },
	}
	for _, withSASL := range []bool{true, false} {
		p := newPlay(t)
		work[!withSASL](p)
		p.restart()
		for range 2 {
			s := p.connect()
			p.send(s, keyMetadata, 12, closed, soon)
			p.end(s, 1)
			p.now += time.Second
			work[withSASL](p)
			p.now += time.Second
		}
		want := Dropped
		if withSASL {
			want = NoSASL
		}
		p.expect(want, want)
		for _, e := range p.book.Explanations(p.book.suspects[0], 0) {
			if e.At.Time > 0 && e.At.Time < p.book.suspects[0].stream.first.Time {
				t.Errorf("%s is excluded by %q, from before the restart", e.Name, e.By)
			}
		}
	}
}

// TestTheOwnConnectionExcludesNoRestart: only another connection shows that the broker's process
// went on.
func TestTheOwnConnectionExcludesNoRestart(t *testing.T) {
	for _, others := range []bool{true, false} {
		p := newPlay(t)
		s, u := p.connect(), p.connect()
		p.send(s, keyMetadata, 12, answered, soon)
		if others {
			p.send(u, keyMetadata, 12, answered, soon)
		}
		p.send(s, keyFetch, 13, decode.Left, 30*time.Second, noRange)
		p.endOf(s, func(c *decode.Connection) { c.End.By = reassembly.ToBroker })
		if e := p.book.Explanations(p.book.suspects[0], 0)[0]; e.Excluded != others {
			t.Errorf("others %v: %s is excluded %v (%s)", others, e.Name, e.Excluded, e.By)
		}
	}
}

// TestTheSizeOfAnEarlierLife: the limit may be lower since the restart.
func TestTheSizeOfAnEarlierLife(t *testing.T) {
	size := func(n int64) func(*decode.Exchange) { return func(x *decode.Exchange) { x.Size = n } }
	for _, restarts := range []bool{true, false} {
		p := newPlay(t)
		p.send(p.connect(), keyProduce, 9, answered, soon, size(1<<20))
		if restarts {
			p.restart()
		}
		s := p.connect()
		p.send(s, keyProduce, 9, closed, soon, size(1<<19))
		if e := p.book.Explanations(p.book.suspects[0], 0)[3]; e.Excluded == restarts {
			t.Errorf("restarts %v: %s is excluded %v (%s)", restarts, e.Name, e.Excluded, e.By)
		}
	}
}

// TestATightLoopOnANewVersion: a client retries within milliseconds. Where another connection is
// served meanwhile, the broker did not end.
func TestATightLoopOnANewVersion(t *testing.T) {
	for name, c := range map[string]struct {
		lives, retries bool
		want           Cause
	}{
		"another connection is served": {true, true, Refused},
		"nothing is served":            {false, true, Unexplained},
		"all were open before":         {true, false, Unexplained},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			p.send(p.connect(), 8, 1, answered, soon, noRange)
			p.restart()
			other, first := p.connect(), p.connect()
			p.send(other, keyFindCoordinator, 4, answered, soon, noRange)
			streams := []uint32{first, p.connect(), p.connect()}
			for _, s := range streams {
				if !c.retries {
					p.send(s, keyMetadata, 12, answered, soon, noRange)
				}
			}
			for _, s := range streams {
				p.send(s, 8, 1, closed, soon, noRange)
				p.end(s, 1)
				p.now += soon
				if c.lives {
					p.send(other, keyFindCoordinator, 4, answered, soon, noRange)
				}
			}
			p.now += time.Second
			p.send(p.connect(), keyMetadata, 12, answered, soon, noRange)
			p.expect(c.want, c.want, c.want)
		})
	}
}

// TestAuthenticationIsExcludedByItsEnd: an answered SaslHandshake does not show that the client
// authenticated. An answered token does, once the client goes on.
func TestAuthenticationIsExcludedByItsEnd(t *testing.T) {
	type request struct {
		key     int16
		outcome decode.Outcome
	}
	for name, c := range map[string]struct {
		requests []request
		want     bool
	}{
		"handshake":                      {[]request{{keySaslHandshake, answered}, {keyMetadata, closed}}, false},
		"token":                          {[]request{{keySaslHandshake, answered}, {keySaslAuthenticate, answered}, {keyMetadata, closed}}, true},
		"second token":                   {[]request{{keySaslHandshake, answered}, {keySaslAuthenticate, answered}, {keySaslAuthenticate, closed}}, false},
		"handshake again":                {[]request{{keySaslHandshake, answered}, {keySaslAuthenticate, answered}, {keySaslHandshake, closed}}, false},
		"the answers were not captured":  {[]request{{keySaslHandshake, decode.Unseen}, {keySaslAuthenticate, decode.Unseen}, {keyMetadata, closed}}, false},
		"no handshake":                   {[]request{{keyMetadata, closed}}, false},
		"it was served, with raw tokens": {[]request{{keySaslHandshake, answered}, {keyFetch, answered}, {keyMetadata, closed}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			s := p.connect()
			for _, r := range c.requests {
				p.send(s, r.key, 1, r.outcome, soon)
			}
			e := p.book.Explanations(p.book.suspects[0], 0)[2]
			if e.Excluded != c.want || c.want == (e.At.Time == 0) {
				t.Errorf("excluded %v at frame %d (%s), want %v", e.Excluded, e.At.Frame, e.By, c.want)
			}
		})
	}
}

// TestTurnedAwayIsNoOtherRelease: the address refuses a version that it had answered again and
// again, and meanwhile ends connections without reading a request.
func TestTurnedAwayIsNoOtherRelease(t *testing.T) {
	for drops, want := range map[bool]Cause{true: Away, false: Refused} {
		p := newPlay(t)
		p.send(p.connect(), keyMetadata, 5, answered, soon, noRange)
		p.now += time.Second
		other := p.connect()
		for range 4 {
			p.send(other, keyProduce, 3, answered, soon, noRange)
			p.now += time.Second
			s := p.connect()
			p.send(s, keyMetadata, 5, closed, soon, noRange)
			p.end(s, 1)
			if drops {
				p.drop()
			}
			p.now += time.Second
		}
		p.send(other, keyProduce, 3, answered, soon, noRange)
		if got := p.book.Decide().Rulings[0].Cause; got != want {
			t.Errorf("drops %v: %v, want %v", drops, got, want)
		}
	}
}

// TestManyRestarts: more restarts than the lists of periods hold. A long capture of a broker that
// starts again and again blames no version.
func TestManyRestarts(t *testing.T) {
	const times = 3 * maxUnserved
	p := newPlay(t)
	for i := range times {
		s := p.connect()
		p.send(s, keyApiVersions, 3, answered, soon)
		for range 3 {
			p.send(s, keyFetch, 12, answered, soon)
			p.now += 2 * time.Second
		}
		if i%2 == 0 {
			p.send(s, keyFetch, 12, closed, soon)
		} else {
			p.send(s, keyMetadata, 12, closed, soon) // it is answered nowhere
		}
		p.end(s, 1)
		p.restart()
		p.now += time.Duration(i) * time.Second
	}
	p.send(p.connect(), keyApiVersions, 3, answered, soon)
	for i, r := range p.book.Decide().Rulings {
		if r.Cause != Away && r.Cause != Unexplained {
			t.Fatalf("restart %d: %v", i, r.Cause)
		}
	}
}

// TestTableSince: the table of a time begins with its first answer, unless an earlier one returned.
func TestTableSince(t *testing.T) {
	p := newPlay(t)
	other := &decode.Ranges{APIs: playTable.APIs[:2]}
	third := &decode.Ranges{APIs: playTable.APIs[:1]}
	begin := int64(p.now)
	for i, r := range []*decode.Ranges{playTable, other, third} {
		p.now = time.Duration(begin) + time.Duration(i)*time.Second
		p.advertise(1, r)
	}
	here, second := decode.Endpoint{Addr: playBroker}, int64(time.Second)
	for _, c := range []struct{ at, want int64 }{{begin, math.MinInt64}, {begin + second - 1, math.MinInt64}, {begin + second, begin + second}, {begin + 9*second, begin + 2*second}} {
		if got := p.book.TableSince(here, c.at); got != c.want {
			t.Errorf("at %d: since %d, want %d", c.at-begin, got-begin, c.want-begin)
		}
	}
	p.advertise(1, playTable)
	for _, at := range []decode.Endpoint{here, {Addr: playClient}} {
		if got := p.book.TableSince(at, math.MaxInt64); got != math.MinInt64 {
			t.Errorf("%v: since %d", at, got)
		}
	}
}

// TestEqualTables: tables that different workers made are equal by their ranges.
func TestEqualTables(t *testing.T) {
	again, other := &decode.Ranges{APIs: slices.Clone(playTable.APIs)}, &decode.Ranges{APIs: playTable.APIs[:1]}
	for _, c := range []struct {
		x, y *decode.Ranges
		want bool
	}{{playTable, playTable, true}, {playTable, again, true}, {playTable, other, false}, {nil, nil, true}, {nil, new(decode.Ranges), false}, {new(decode.Ranges), nil, false}} {
		if got := same(c.x, c.y); got != c.want {
			t.Errorf("%v and %v: %v, want %v", c.x, c.y, got, c.want)
		}
	}
}

// TestSignsOfOneRestart: no answer came between them, later than together after the first.
func TestSignsOfOneRestart(t *testing.T) {
	const ms = int64(time.Millisecond)
	for _, c := range []struct {
		alive, signs, want spans
	}{
		{nil, periods(100, 100, 1000, 1000), periods(100, 1000)}, {periods(500, 500), periods(100, 100, 1000, 1000), periods(100, 100, 1000, 1000)},
		{periods(150, 150), periods(100, 100, 1000, 1000), periods(100, 1000)}, {periods(1, 2000), periods(100, 1000, 500, 500), periods(100, 1000)},
		{periods(1, 2000), periods(100, 500, 500, 600), periods(100, 600)}, {periods(1, 700), periods(100, 500, 800, 900), periods(100, 500, 800, 900)},
		{periods(1, 2000), periods(100, 500, 599, 700), periods(100, 700)}, {periods(1, 2000), periods(100, 500, 601, 700), periods(100, 500, 601, 700)},
	} {
		v := &view{address: &address{}}
		for _, s := range c.alive {
			v.alive = append(v.alive, periods(s.from.Time*ms, s.to.Time*ms)...)
		}
		var signs []restart
		for _, s := range c.signs {
			signs = append(signs, restart{moment(s.from.Time * ms), moment(s.to.Time * ms)})
		}
		var got spans
		for _, r := range v.join(signs) {
			got = append(got, periods(r.from.Time/ms, r.to.Time/ms)...)
		}
		if got.text() != c.want.text() {
			t.Errorf("signs %s, alive %s: %s, want %s", c.signs.text(), c.alive.text(), got.text(), c.want.text())
		}
	}
}

// TestRestartAround: it counts together before and after a request, and later if nothing was
// answered since.
func TestRestartAround(t *testing.T) {
	const ms = int64(time.Millisecond)
	for _, c := range []struct {
		sent, over, alive int64 // in ms
		want              bool
	}{
		{19_000, 19_900, 1, true}, {19_000, 19_899, 1, false}, {21_100, 21_200, 21_050, true}, {21_101, 21_200, 21_100, true}, {21_200, 21_300, 21_150, false},
		{30_000, 30_001, 1, true}, {30_000, 30_001, 30_001, true}, {30_000, 30_001, 25_000, false},
	} {
		v := &view{address: &address{alive: periods(c.alive*ms, c.alive*ms)}, restarts: []restart{{moment(20_000 * ms), moment(21_000 * ms)}}}
		if _, got := v.restartAround(c.sent*ms, c.over*ms); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestLivedOn: a connection shows that the broker's process did not end if it began before and was
// served afterwards.
func TestLivedOn(t *testing.T) {
	for _, c := range []struct {
		name            string
		first, answered int64
		want            bool
	}{
		{"before and after", 10, 30, true}, {"it began afterwards", 11, 30, false}, {"it was served before", 10, 20, false}, {"no request was captured", 0, 30, false},
	} {
		v := &view{streams: []*stream{{first: moment(c.first), answered: moment(c.answered)}}}
		if got := v.livedOn(10, 20); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestAnswersOfALife: answers from before a life until after it may be of that life too, because a
// full list joins periods.
func TestAnswersOfALife(t *testing.T) {
	key := version{keyFetch, 12}
	for _, c := range []struct {
		from, to int64
		want     bool
	}{{10, 50, true}, {10, 30, true}, {10, 25, true}, {22, 50, true}, {20, 20, true}, {30, 30, false}, {10, 19, false}} {
		v := &view{
			address:  &address{answers: map[version]*spans{key: {{from: moment(c.from), to: moment(c.to)}}}, alive: spans{{from: moment(c.from), to: moment(c.to)}}},
			restarts: []restart{{moment(20), moment(20)}, {moment(30), moment(30)}},
		}
		k := &Suspect{Exchange: decode.Exchange{Key: key.key, Version: key.version, Request: moment(24)}}
		if got := v.answeredInLife(k); got != c.want {
			t.Errorf("answered from %d to %d: %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

// TestPauseBefore: a new table began in the longest pause without an answer, the first one of
// several.
func TestPauseBefore(t *testing.T) {
	for _, c := range []struct {
		alive spans
		want  int64
	}{
		{nil, 49}, {periods(12, 14, 40, 42), 15}, {periods(5, 9, 20, 30, 40, 50), 11}, {periods(12, 14, 30, 60), 15}, {periods(12, 14, 30, 32, 60, 70), 33},
		{periods(11, 60), 11}, {periods(8, 20, 25, 60), 21},
	} {
		if got := (&view{address: &address{alive: c.alive}}).pauseBefore(10, 50); got != c.want {
			t.Errorf("%s: %d, want %d", c.alive.text(), got, c.want)
		}
	}
}
