package history

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

func TestALimitOfConnectionsBlamesNoVersion(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyMetadata, 12, answered, soon)
	for range 3 {
		p.now += time.Second
		p.send(p.connect(), keyFetch, 11, decode.ResetByBroker, soon)
		p.send(p.connect(), 12, 3, decode.ResetByBroker, soon)
		p.send(s, keyMetadata, 12, answered, soon)
	}
	p.expect(Away, Away, Away, Away, Away, Away)
}

// TestTheLastSignOfAnOutage: after the last unserved request there was none until the answer.
func TestTheLastSignOfAnOutage(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyMetadata, 12, answered, soon)
	p.send(s, keyMetadata, 12, closed, soon)
	p.end(s, 1)
	p.now += 3 * time.Second
	p.refuse()
	p.now += time.Minute
	p.send(p.connect(), keyMetadata, 12, answered, soon)
	r := p.expect(Away)[0]
	if last := r.Last.Time - r.From.Time; last < int64(3*time.Second) || last > int64(4*time.Second) {
		t.Errorf("the last sign came %v after the first, want 3 s", time.Duration(last))
	}
}

// TestRestarted: a table changed across a restart, and others changed without one.
func TestRestarted(t *testing.T) {
	other := &decode.Ranges{APIs: []decode.API{{Key: keyMetadata, Range: decode.Range{Max: 9}}}}
	advertise := func(p *play, r *decode.Ranges) {
		p.now += time.Second
		p.advertise(p.stream, r)
	}
	for _, c := range []struct {
		name string
		play func(p *play)
		want bool
	}{
		{"a connection ends between", func(p *play) { p.now += soon; p.end(p.stream, 0) }, true},
		{"a connection is refused between", func(p *play) { p.now += time.Second; p.refuse() }, true},
		{"nothing happens between", func(*play) {}, false},
		{"a connection outlives the change", func(p *play) {
			p.send(p.stream, keyMetadata, 9, answered, 3*time.Second)
			p.end(p.connect(), 0)
			p.now -= 2 * time.Second
		}, false},
		{"the first table comes back", func(p *play) {
			p.end(p.stream, 0)
			advertise(p, other)
			p.end(p.stream, 0)
			advertise(p, playTable)
			p.end(p.stream, 0)
		}, false},
		{"the first table comes back after a pause", func(p *play) {
			for _, r := range []*decode.Ranges{other, playTable} {
				p.now += time.Minute
				p.refuse()
				p.connect()
				advertise(p, r)
			}
			p.now += time.Minute
			p.refuse()
			p.connect()
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlay(t)
			p.send(p.connect(), keyMetadata, 9, answered, soon)
			advertise(p, playTable)
			c.play(p)
			advertise(p, other)
			if got := p.book.Restarted(decode.Endpoint{Addr: playBroker}); got != c.want {
				t.Errorf("restarted: %v, want %v", got, c.want)
			}
			excluded := p.book.ChangeExplanations(decode.Endpoint{Addr: playBroker}, p.at())[0].Excluded
			if strings.Contains(c.name, "outlives") && !excluded || c.want && excluded {
				t.Errorf("a restart is excluded: %v", excluded)
			}
		})
	}
	if newPlay(t).book.Restarted(decode.Endpoint{Addr: playBroker}) {
		t.Error("an unknown address was restarted")
	}
}

// unseen is the version of an ApiVersions request that was not captured.
const unseen = -1

// TestWhoAnswersAHigherVersionReadsTheLower: an address closes on ApiVersions v3 and answers v4 in
// the same life, so it turned the connection away. With the versions swapped, on a connection that
// was served, or in another life, the version is at fault.
func TestWhoAnswersAHigherVersionReadsTheLower(t *testing.T) {
	for name, c := range map[string]struct {
		answers int16
		before  func(p *play, s uint32)
		want    Cause
	}{
		"higher": {4, nil, Away}, "lower": {2, nil, Refused}, "midstream, a flexible version": {unseen, nil, Away},
		"on a connection that was served": {4, func(p *play, s uint32) { p.send(s, keyMetadata, 12, answered, soon) }, Refused},
		"in another life": {4, func(p *play, _ uint32) {
			if len(p.book.suspects) == 0 {
				p.refuse()
				p.now += time.Second
			}
			p.send(p.connect(), keyMetadata, 8, answered, soon)
			p.now += time.Second
		}, Refused},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			other := p.connect()
			if c.answers == unseen {
				p.send(other, keyMetadata, 12, answered, soon)
			} else {
				p.send(other, keyApiVersions, c.answers, answered, soon)
			}
			p.now += time.Second
			for range 2 {
				s := p.connect()
				if c.before != nil {
					c.before(p, s)
				}
				if p.stream != s {
					other = p.stream // the connections of the earlier life have ended
				}
				p.send(s, keyApiVersions, 3, closed, soon)
				p.end(s, 1)
				p.now += time.Second
				p.send(other, keyMetadata, 8, answered, soon)
			}
			r := p.expect(c.want, c.want)
			if c.want == Away && r[0].From != r[1].From {
				t.Errorf("turned away from %v and from %v, want one period", r[0].From, r[1].From)
			}
		})
	}
}

// TestSeveralVersionsAreNotTurnedAway: a client that does not negotiate has several APIs in
// versions that the address closes on, each on a connection of its own, while an older connection
// is served. Requests with which clients that negotiate begin are turned away.
func TestSeveralVersionsAreNotTurnedAway(t *testing.T) {
	for name, c := range map[string]struct {
		keys []int16
		want Cause
	}{"work": {[]int16{2, keyFetch, keyProduce}, Refused}, "beginnings": {[]int16{keyApiVersions, keyMetadata, keySaslHandshake}, Away}} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			old := p.connect()
			p.send(old, keyMetadata, 1, answered, soon, noRange)
			want := []Cause{}
			for range 2 {
				for _, key := range c.keys {
					p.now += time.Second
					s := p.connect()
					p.send(s, key, 0, closed, soon, noRange)
					p.end(s, 1)
					want = append(want, c.want)
				}
				p.now += time.Second
				p.send(old, keyMetadata, 1, answered, soon, noRange)
			}
			p.expect(want...)
		})
	}
}

// TestWentDown: a refused connection soon after a time shows that nothing listened then.
func TestWentDown(t *testing.T) {
	p := newPlay(t)
	down := int64(p.now)
	p.now += 8 * time.Second
	p.refuse()
	at := decode.Endpoint{Addr: playBroker}
	for moment, want := range map[int64]bool{down: true, down - int64(3*time.Second): false, int64(p.now): false} {
		if got := p.book.WentDown(at, moment); got != want {
			t.Errorf("%v: %v", time.Duration(moment), got)
		}
	}
	if p.book.WentDown(decode.Endpoint{Addr: playClient}, down) {
		t.Error("an address of which nothing is known went down")
	}
}

// TestRestartedAt: connections that end together without a reason are a restart.
func TestRestartedAt(t *testing.T) {
	p := newPlay(t)
	at := decode.Endpoint{Addr: playBroker}
	if p.book.RestartedAt(at, int64(p.now)) {
		t.Error("an address of which nothing is known was restarted")
	}
	one, other := p.connect(), p.connect()
	p.send(one, keySaslHandshake, 0, answered, soon)
	p.send(other, keyMetadata, 1, answered, soon)
	p.now += time.Second
	end := int64(p.now)
	p.end(one, 0)
	p.end(other, 0)
	p.now += 5 * time.Second
	p.send(p.connect(), keyMetadata, 1, answered, soon)
	for moment, want := range map[int64]bool{end: true, int64(p.now): false} {
		if got := p.book.RestartedAt(at, moment); got != want {
			t.Errorf("%v after the end: %v", time.Duration(moment-end), got)
		}
	}
}

// TestAnswersAroundAnOutage: two unserved requests between two answers, in versions that the
// address answers, show that it was away. One request shows nothing.
func TestAnswersAroundAnOutage(t *testing.T) {
	for n, want := range map[int][]Cause{1: {Unexplained}, 2: {Away, Away}} {
		p := newPlay(t)
		p.send(p.connect(), keyFetch, 11, answered, soon)
		for range n {
			p.now += time.Second
			s := p.connect()
			p.send(s, keyApiVersions, 3, decode.CutOff, 0)
			p.send(s, keyFetch, 11, closed, soon)
		}
		p.now += time.Second
		p.send(p.connect(), keyFetch, 11, answered, soon)
		p.expect(want...)
	}
}

// TestTooLargeOrAway: a request that the broker did not receive completely is too large, unless
// the broker restarted or turned connections away then.
func TestTooLargeOrAway(t *testing.T) {
	for name, c := range map[string]struct {
		around func(p *play, s uint32)
		want   Cause
	}{
		"it stays": {func(p *play, s uint32) { p.end(s, 1) }, TooLarge},
		"it is restarted: connections end together": {func(p *play, s uint32) {
			idle := p.connect()
			p.send(idle, keyApiVersions, 3, answered, 0)
			p.end(s, 1)
			p.end(idle, 0)
		}, Away},
		"it refuses connections":                           {func(p *play, s uint32) { p.end(s, 1); p.now += time.Second; p.refuse() }, Away},
		"a proxy closes connections before a byte is sent": {func(p *play, s uint32) { p.end(s, 1); p.now += time.Second; p.drop() }, Away},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			s := p.connect()
			p.send(s, keyApiVersions, 3, answered, soon)
			p.now += time.Second
			p.send(s, keyProduce, 9, closed, soon, func(x *decode.Exchange) { x.Partial, x.Size = true, 900_000 })
			c.around(p, s)
			p.now += 5 * time.Second
			p.send(p.connect(), keyApiVersions, 3, answered, soon)
			p.expect(c.want)
		})
	}
}

// TestSilenceOnAVersionNeverSeen: the broker may have hung or may not support the version. If it
// answered before and afterwards, nobody is blamed. If it never answers again, it is away. If it
// never answered before, the version is at fault.
func TestSilenceOnAVersionNeverSeen(t *testing.T) {
	for _, c := range []struct {
		before, after bool
		want          Cause
	}{{true, true, Unexplained}, {true, false, Away}, {false, true, Refused}} {
		p := newPlay(t)
		if c.before {
			p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
			p.now += time.Second
		}
		p.send(p.connect(), keyProduce, 11, decode.Left, 10*time.Second, noRange)
		if c.after {
			p.now += time.Second
			p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
		}
		p.expect(c.want)
	}
}

// TestARefusalOnAServedConnectionTurnsNobodyAway: only connections that were never served count.
func TestARefusalOnAServedConnectionTurnsNobodyAway(t *testing.T) {
	p := newPlay(t)
	other := p.connect()
	p.send(other, keyMetadata, 1, answered, soon, noRange)
	p.now += time.Second
	served := p.connect()
	p.send(served, keyMetadata, 1, answered, soon, noRange)
	p.now += time.Second
	p.send(served, keyProduce, 11, closed, soon, noRange)
	p.end(served, 1)
	p.now += time.Second
	first := p.connect()
	p.send(first, keyFetch, 17, closed, soon, noRange)
	p.end(first, 1)
	p.now += time.Second
	p.send(other, keyMetadata, 1, answered, soon, noRange)
	p.expect(Refused, Refused)
}

// TestAConnectionWithoutAByteTurnsAway: while one connection is served, new ones are closed, one
// of them before a byte was sent.
func TestAConnectionWithoutAByteTurnsAway(t *testing.T) {
	for drops, want := range map[bool]Cause{true: Away, false: Refused} {
		p := newPlay(t)
		other := p.connect()
		serve := func() { p.now += time.Second; p.send(other, keyMetadata, 1, answered, soon, noRange) }
		serve()
		if drops {
			p.now += time.Second
			p.drop()
		}
		for range 2 {
			serve()
			p.send(p.connect(), keyFetch, 17, closed, soon, noRange)
			serve()
		}
		p.expect(want, want)
	}
}

// TestAConnectionThatEndsBeforeItsRequestArrivesTurnsAway: the early end acknowledges no byte.
func TestAConnectionThatEndsBeforeItsRequestArrivesTurnsAway(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*decode.Connection)
		want   Cause
	}{
		"none acknowledged": {func(*decode.Connection) {}, Away},
		"acknowledged":      {func(c *decode.Connection) { c.End.Acked = 1 }, Refused},
		"unknown":           {func(c *decode.Connection) { c.End.HasAcked = false }, Refused},
		"answered":          {func(c *decode.Connection) { c.Responses = 1 }, Refused},
		"midstream":         {func(c *decode.Connection) { c.Midstream = true }, Refused},
		"seconds later":     {func(c *decode.Connection) { c.First.Time -= prompt + 1 }, Refused},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			other := p.connect()
			serve := func() { p.now += time.Second; p.send(other, keyMetadata, 1, answered, soon, noRange) }
			serve()
			p.now += 4 * time.Second
			at := p.at()
			late := &decode.Connection{Connection: &reassembly.Connection{
				Stream: p.connect(), Client: playClient, Broker: playBroker, First: at, Last: at, Protocol: reassembly.Kafka,
				Seen: [2]bool{true, true}, Bytes: [2]uint64{100, 0}, Requests: 1,
				End: reassembly.End{Kind: reassembly.Reset, By: reassembly.ToClient, At: at, HasAcked: true},
			}}
			c.change(late)
			p.book.Connection(late)
			for range 2 {
				serve()
				p.send(p.connect(), keyFetch, 17, closed, soon, noRange)
				serve()
			}
			p.expect(c.want, c.want)
		})
	}
}

// TestConnectionsAreTurnedAwayAllTheTime: meanwhile others are served more often.
func TestConnectionsAreTurnedAwayAllTheTime(t *testing.T) {
	p := newPlay(t)
	for range 3 {
		p.drop()
		for range 2 {
			p.now += time.Second
			p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
			p.now += time.Second
			p.send(p.connect(), keyFetch, 17, closed, soon, noRange)
		}
	}
	p.drop()
	p.expect(slices.Repeat([]Cause{Away}, 6)...)
}

// TestWasAway: in the minute before a time, connections were ended before a byte was sent, or a
// TLS listener did not answer ClientHellos.
func TestWasAway(t *testing.T) {
	hello := func(stream uint32, change func(*reassembly.Connection)) *decode.Connection {
		at := capture.Position{Time: 1}
		c := &reassembly.Connection{
			Stream: stream, Client: playClient, Broker: playBroker, First: at, Last: at, Protocol: reassembly.TLS,
			Seen: [2]bool{true, true}, Bytes: [2]uint64{517, 0}, TLS: &tlsrecord.Info{HasClientRandom: true},
		}
		change(c)
		return &decode.Connection{Connection: c}
	}
	unanswered := func(*reassembly.Connection) {}
	established := func(c *reassembly.Connection) {
		c.Bytes[1], c.TLS.Established = 900, true
	}
	oneWay := func(c *reassembly.Connection) { c.Seen[reassembly.ToClient] = false }
	greeted := func(c *reassembly.Connection) { c.Bytes[reassembly.ToClient] = 7 }
	for name, c := range map[string]struct {
		hellos []func(*reassembly.Connection)
		drops  bool
		after  int64
		want   bool
	}{
		"a connection without a byte": {nil, true, int64(time.Second), true},
		"long ago":                    {nil, true, int64(2 * time.Minute), false},
		"no answer to TLS":            {[]func(*reassembly.Connection){unanswered, established}, false, int64(time.Second), true},
		"long before":                 {[]func(*reassembly.Connection){unanswered, established}, false, int64(2 * time.Minute), false},
		"TLS is not spoken there":     {[]func(*reassembly.Connection){unanswered}, false, int64(time.Second), false},
		"an answer":                   {[]func(*reassembly.Connection){greeted, established}, false, int64(time.Second), false},
		"one direction":               {[]func(*reassembly.Connection){oneWay, established}, false, int64(time.Second), false},
		"nothing":                     {nil, false, 0, false},
	} {
		p := newPlay(t)
		for _, change := range c.hellos {
			p.book.Connection(hello(p.connect(), change))
		}
		if c.drops {
			p.now = 1
			p.drop()
		}
		if got := p.book.WasAway(decode.Endpoint{Addr: playBroker}, c.after); got != c.want {
			t.Errorf("%s: away %v, want %v", name, got, c.want)
		}
	}
}

// TestTheLastRequestIsTheLastSign: this holds for an outage that began with a refused connection.
func TestTheLastRequestIsTheLastSign(t *testing.T) {
	p := newPlay(t)
	p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
	p.now += time.Second
	p.refuse()
	p.now += time.Second
	p.send(p.connect(), keyMetadata, 1, decode.Left, 10*time.Second, noRange)
	if r := p.expect(Away)[0]; r.Last != p.book.suspects[0].Exchange.Decided {
		t.Errorf("last sign %v, want that of the request, %v", r.Last, p.book.suspects[0].Exchange.Decided)
	}
}

// TestTablesThatAreCutShort: an ApiVersions answer without its end is no change if it agrees with
// the previous one. The complete one is kept.
func TestTablesThatAreCutShort(t *testing.T) {
	short := &decode.Ranges{APIs: playTable.APIs[:1], Partial: true}
	other := &decode.Ranges{APIs: slices.Clone(playTable.APIs)}
	other.APIs[2].Max++
	changed := &decode.Ranges{APIs: slices.Clone(playTable.APIs[:1]), Partial: true}
	changed.APIs[0].Max++
	for name, c := range map[string]struct {
		tables []*decode.Ranges
		want   []*decode.Ranges
	}{
		"the whole one first":   {[]*decode.Ranges{playTable, short}, []*decode.Ranges{playTable}},
		"the short one first":   {[]*decode.Ranges{short, playTable}, []*decode.Ranges{playTable}},
		"a change behind them":  {[]*decode.Ranges{short, playTable, short, other}, []*decode.Ranges{playTable, other}},
		"a change of the short": {[]*decode.Ranges{short, changed}, []*decode.Ranges{short, changed}},
	} {
		p := newPlay(t)
		for _, table := range c.tables {
			p.book.Advertisement(&decode.Advertisement{At: p.at(), Broker: playBroker, Ranges: table})
		}
		var got []*decode.Ranges
		for _, a := range p.book.addresses[decode.Endpoint{Addr: playBroker}].adverts {
			got = append(got, a.ranges)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %d tables, want %d", name, len(got), len(c.want))
		}
	}
}

// TestApiVersionsOfNewConnectionsAlone: an older connection is served, and each new one is closed
// on its ApiVersions request. The address supports that version by its own table, or it also closes
// on v0: it turns connections away.
func TestApiVersionsOfNewConnectionsAlone(t *testing.T) {
	table := &decode.Ranges{APIs: []decode.API{{Key: keyMetadata, Range: decode.Range{Max: 13}}, {Key: keyApiVersions, Range: decode.Range{Max: 4}}}}
	from2 := &decode.Ranges{APIs: []decode.API{{Key: keyApiVersions, Range: decode.Range{Min: 2, Max: 3}}}}
	for name, c := range map[string]struct {
		table    *decode.Ranges
		versions []int16
		isOpen   bool
		want     Cause
	}{
		"advertised":                     {table, []int16{4, 4, 4}, false, Away},
		"advertised, once":               {table, []int16{4}, false, Away},
		"not advertised":                 {table, []int16{5, 5, 5}, false, Refused},
		"not advertised, two versions":   {table, []int16{5, 6, 5, 6, 5, 6}, false, Refused},
		"not advertised, and v0 as well": {table, []int16{5, 0, 5}, false, Away},
		"advertised, and others connect": {table, []int16{4, 4, 4}, true, Refused},
		"no table with ApiVersions":      {playTable, []int16{4, 4, 4}, false, Refused},
		"below the advertised min":       {from2, []int16{0, 0, 0}, false, Refused},
		"the same, and others connect":   {from2, []int16{0, 0, 0}, true, Refused},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			old := p.connect()
			p.send(old, keyMetadata, 12, answered, soon)
			p.advertise(old, c.table)
			for _, version := range c.versions {
				p.now += time.Second
				s := p.connect()
				p.send(s, keyApiVersions, version, closed, soon)
				p.end(s, 1)
				p.now += time.Second
				p.send(old, keyMetadata, 12, answered, soon)
				if c.isOpen {
					p.send(p.connect(), keyMetadata, 12, answered, soon)
				}
			}
			p.expect(slices.Repeat([]Cause{c.want}, len(c.versions))...)
		})
	}
}

// TestLongPollsThatEndTogether: two Fetch requests wait for records when the broker ends both
// connections. That is a restart, and the ranges behind it do not hold for them.
func TestLongPollsThatEndTogether(t *testing.T) {
	for took, want := range map[time.Duration]int{300 * time.Millisecond: 1, soon: 0} {
		p := newPlay(t)
		for range 2 {
			s := p.connect()
			p.send(s, keyFetch, 17, closed, took, noRange)
			p.now -= took
			p.endOf(s, func(c *decode.Connection) {
				c.Unanswered, c.End.By, c.End.At.Time = 1, reassembly.ToClient, int64(p.now+took)
			})
		}
		p.now += 5 * time.Second
		p.send(p.connect(), keyMetadata, 12, answered, soon)
		p.book.Decide()
		if got := len(p.book.view(decode.Endpoint{Addr: playBroker}).restarts); got != want {
			t.Errorf("%v: %d restarts, want %d", took, got, want)
		}
	}
}

// TestOneVersionRefusedToTheEnd: the address answered once. Then it reads each request of one
// version, closes the connection, and answers nothing more.
func TestOneVersionRefusedToTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		key      int16
		versions []int16
		outcome  decode.Outcome
		took     time.Duration
		know     func(*decode.Exchange)
		want     Cause
	}{
		"one version":         {keyFetch, []int16{2, 2, 2}, closed, soon, noRange, Refused},
		"ApiVersions":         {keyApiVersions, []int16{3, 3, 3}, closed, soon, noRange, Away},
		"another one as well": {keyFetch, []int16{2, 2, 3}, closed, soon, noRange, Away},
		"inside a range":      {keyFetch, []int16{2, 2, 2}, closed, soon, func(*decode.Exchange) {}, Away},
		"reset":               {keyFetch, []int16{2, 2, 2}, decode.ResetByBroker, soon, noRange, Away},
		"late":                {keyProduce, []int16{2, 2, 2}, closed, 10 * time.Second, noRange, Away},
		"twice":               {keyFetch, []int16{2, 2}, closed, soon, noRange, Away},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			first := p.connect()
			p.send(first, keyMetadata, 0, answered, soon, noRange)
			p.endOf(first, func(o *decode.Connection) { o.End.By = reassembly.ToBroker })
			for _, version := range c.versions {
				p.now += time.Second
				s := p.connect()
				p.send(s, c.key, version, c.outcome, c.took, c.know)
				p.end(s, 1)
			}
			rulings := p.expect(slices.Repeat([]Cause{c.want}, len(c.versions))...)
			if isBlameless := c.key == keyApiVersions || name == "inside a range"; c.want == Away && rulings[0].Certain != isBlameless {
				t.Errorf("no version is at fault: %t, want %t", rulings[0].Certain, isBlameless)
			}
		})
	}
}

// TestOutageBegins: with a restart soon after the request, or the first culprit after the last
// answer.
func TestOutageBegins(t *testing.T) {
	const patience = int64(Patience)
	for _, c := range []struct {
		name             string
		restarted        bool
		restart, culprit int64
		want             int64
	}{
		{"a restart", true, 40, 25, 40}, {"just within patience", true, 30 + patience - 1, 25, 30 + patience - 1}, {"a restart much later", true, 30 + patience, 25, 25},
		{"an earlier culprit", false, 40, 25, 25}, {"one of before the last answer", false, 40, 20, 30}, {"one just behind it", false, 40, 21, 21}, {"a later one", false, 40, 35, 30},
	} {
		v := &view{culprits: []*Suspect{{Exchange: decode.Exchange{Request: moment(c.culprit)}}}}
		o := outage{before: moment(20), isRestart: c.restarted, restart: restart{from: moment(c.restart)}}
		if got := v.outageFrom(&o, moment(30)); got.Time != c.want {
			t.Errorf("%s: from %d, want %d", c.name, got.Time, c.want)
		}
	}
}
