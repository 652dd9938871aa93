package history

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

func TestASessionThatWasOver(t *testing.T) {
	p := newPlay(t)
	for range 2 {
		s := p.connect()
		p.send(s, keySaslHandshake, 0, answered, soon)
		p.work(s, 4*time.Second)
		p.send(s, keyProduce, 7, closed, soon)
		p.end(s, 1)
	}
	p.send(p.connect(), keySaslHandshake, 0, answered, soon)
	p.expect(SessionOver, SessionOver)
}

// work sends requests for some time, and then nothing for two seconds.
func (p *play) work(s uint32, length time.Duration) {
	for ; length >= 0; length -= 2 * time.Second {
		p.send(s, keyProduce, 7, answered, soon)
		p.now += 2 * time.Second
	}
}

// TestNothingIsSaidAfterPauses: if all refusals follow a pause of seconds on connections that were
// served, a load balancer may have dropped the connections.
func TestNothingIsSaidAfterPauses(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		pauses []time.Duration
		want   Cause
	}{
		"pauses":                  {[]time.Duration{5 * second, 40 * second, 4 * second}, Unexplained},
		"at once, too":            {[]time.Duration{5 * second, 0, 40 * second}, Dropped},
		"after less than a pause": {[]time.Duration{5 * second, 3 * second, 40 * second}, Dropped},
		"always at once":          {[]time.Duration{0, 0}, Dropped},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			for _, pause := range c.pauses {
				s := p.connect()
				p.send(s, keyMetadata, 12, answered, 0)
				p.now += pause
				p.send(s, keyProduce, 9, closed, soon)
				p.end(s, 1)
				p.now += time.Second
			}
			p.send(p.connect(), keyMetadata, 12, answered, soon)
			p.expect(slices.Repeat([]Cause{c.want}, len(c.pauses))...)
		})
	}
}

// TestAuthenticationThatIsKnownLate: exchanges that wait for a range arrive after later ones. The
// connection must not count as one without SASL, or its session as a renewed one.
func TestAuthenticationThatIsKnownLate(t *testing.T) {
	for _, isLate := range []bool{true, false} {
		p := newPlay(t)
		for range 2 {
			s := p.connect()
			begun := p.now
			p.now += time.Second
			p.send(s, keyMetadata, 7, answered, soon)
			then := p.now
			if p.now = begun; !isLate {
				p.now = then + time.Second // authenticates again
				p.send(s, keySaslHandshake, 1, answered, soon)
			}
			p.send(s, keySaslHandshake, 1, answered, soon)
			p.send(s, keySaslAuthenticate, 1, answered, soon, func(x *decode.Exchange) { x.SessionLifetime = 10 * time.Second })
			if p.book.addresses[decode.Endpoint{Addr: playBroker}].open.to.Time > 0 {
				t.Error("the address is taken for one without SASL")
			}
			p.now = then + 11*time.Second
			p.send(s, keyFetch, 17, closed, soon, noRange)
			p.end(s, 1)
			p.now += time.Second
		}
		p.send(p.connect(), keySaslHandshake, 1, answered, soon)
		if r := p.book.Decide().Rulings; (r[0].Cause == SessionOver) != isLate {
			t.Errorf("late %v: %v", isLate, r[0].Cause)
		}
	}
}

// TestAfterSessions: if all refusals are on sessions older than any served one, no version is
// blamed. This holds also if the answers to the authentication are not in the capture.
func TestAfterSessions(t *testing.T) {
	const second = time.Second
	for name, c := range map[string]struct {
		ages    []time.Duration
		outcome decode.Outcome
		lasts   time.Duration
		want    Cause
	}{
		"old":               {[]time.Duration{6 * second, 6 * second}, answered, 0, Unexplained},
		"old, and unseen":   {[]time.Duration{6 * second, 6 * second}, decode.Unseen, 0, Unexplained},
		"soon":              {[]time.Duration{2 * second, 2 * second}, answered, 0, Refused},
		"once younger":      {[]time.Duration{12 * second, 6 * second}, answered, 0, Refused},
		"no authentication": {[]time.Duration{6 * second, 6 * second}, decode.CutOff, 0, Refused},
		"not over":          {[]time.Duration{6 * second, 6 * second}, answered, time.Hour, Refused},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			for _, age := range c.ages {
				s := p.connect()
				p.send(s, keySaslAuthenticate, 0, c.outcome, 0, func(x *decode.Exchange) { x.SessionLifetime = c.lasts })
				p.work(s, age-2*second)
				p.send(s, keyFetch, 17, closed, soon, noRange)
				p.end(s, 1)
				p.now += 5 * second
			}
			p.send(p.connect(), keyMetadata, 7, answered, soon)
			p.expect(slices.Repeat([]Cause{c.want}, len(c.ages))...)
		})
	}
}

// TestAPauseBeforeTheCapture: the idle time before the capture is unknown.
func TestAPauseBeforeTheCapture(t *testing.T) {
	for midstream, want := range map[bool]Cause{true: Unexplained, false: Refused} {
		p := newPlay(t)
		other := p.connect()
		for range 2 {
			p.send(other, keyMetadata, 12, answered, soon, noRange)
			s := p.connect()
			p.send(s, keyFetch, 17, closed, soon, noRange)
			p.endOf(s, func(c *decode.Connection) { c.Midstream = midstream })
			p.now += time.Second
		}
		p.send(other, keyMetadata, 12, answered, soon, noRange)
		p.expect(want, want)
	}
}

// TestNoSizeAndNoSessionAfterPauses: after a pause, a request that was cut off is not too large,
// and no session has expired.
func TestNoSizeAndNoSessionAfterPauses(t *testing.T) {
	p := newPlay(t)
	for range 2 {
		s := p.connect()
		p.send(s, keySaslHandshake, 0, answered, soon)
		p.send(s, keyMetadata, 7, answered, soon)
		p.now += 6 * time.Second
		p.send(s, keyProduce, 7, decode.ResetByBroker, soon, func(x *decode.Exchange) { x.Partial, x.Size = true, 1<<20 })
		p.end(s, 1)
	}
	p.send(p.connect(), keySaslHandshake, 0, answered, soon)
	p.expect(Unexplained, Unexplained)
}

// TestASessionThatWasOverAfterAPause: brokers close, and do not reset, when a session has expired.
func TestASessionThatWasOverAfterAPause(t *testing.T) {
	p := newPlay(t)
	for range 2 {
		s := p.connect()
		p.send(s, keySaslHandshake, 0, answered, soon)
		p.send(s, keyProduce, 7, answered, soon)
		p.now += 6 * time.Second
		p.send(s, keyProduce, 7, closed, soon)
		p.end(s, 1)
	}
	p.send(p.connect(), keySaslHandshake, 0, answered, soon)
	p.expect(SessionOver, SessionOver)
}

func TestTooLarge(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyApiVersions, 3, answered, soon)
	p.send(s, keyProduce, 9, closed, soon, func(x *decode.Exchange) { x.Partial, x.Size = true, 200<<20 })
	p.end(s, 1)
	p.send(p.connect(), keyApiVersions, 3, answered, soon)
	p.expect(TooLarge)
}

// TestASessionWhoseEndIsKnown: the broker closes on the first request at its end or later.
func TestASessionWhoseEndIsKnown(t *testing.T) {
	for waited, want := range map[time.Duration]Cause{10 * time.Second: SessionOver, 9 * time.Second: Unexplained} {
		p := newPlay(t)
		s := p.connect()
		p.send(s, keySaslAuthenticate, 1, answered, 0, func(x *decode.Exchange) { x.SessionLifetime = 10 * time.Second })
		p.send(s, keyProduce, 7, answered, 0)
		p.now += waited
		p.send(s, keyProduce, 7, closed, soon)
		p.end(s, 1)
		p.expect(want)
	}
}

// TestNoSessionIsOver: a single refusal, or one on a renewed session, long after the request, or
// while the broker stays away, says nothing about a session.
func TestNoSessionIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		times          int
		renews, isBack bool
		took           time.Duration
	}{
		"once":          {1, false, true, soon},
		"renewed":       {2, true, true, soon},
		"long after":    {2, false, true, 3 * time.Second},
		"never answers": {2, false, false, soon},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			for range c.times {
				s := p.connect()
				p.send(s, keySaslHandshake, 0, answered, soon)
				p.send(s, keyProduce, 7, answered, soon)
				if c.renews {
					p.send(s, keySaslHandshake, 0, answered, soon)
				}
				p.work(s, 4*time.Second)
				p.send(s, keyProduce, 7, closed, c.took)
				p.end(s, 1)
				if !c.isBack {
					p.now += time.Minute
				}
			}
			p.send(p.connect(), keySaslHandshake, 0, answered, soon)
			for _, r := range p.book.Decide().Rulings {
				if r.Cause == SessionOver {
					t.Error("the session is over")
				}
			}
		})
	}
}

// TestOnlyLargeRequestsAreRefused: several of one version, all larger than any answered one.
func TestOnlyLargeRequestsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		answered int64
		sizes    []int64
		want     Cause
	}{
		"all large":           {100, []int64{largeRequest, largeRequest + 1}, TooLarge},
		"one is small":        {100, []int64{largeRequest, 200}, Dropped},
		"both are small":      {100, []int64{largeRequest - 1, largeRequest - 1}, Dropped},
		"as large as answers": {largeRequest, []int64{largeRequest, largeRequest + 1}, Dropped},
		"once":                {100, []int64{largeRequest}, Unexplained},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			p.send(p.connect(), keyMetadata, 12, answered, soon, func(x *decode.Exchange) { x.Size = c.answered })
			for _, size := range c.sizes {
				s := p.connect()
				p.send(s, keyApiVersions, 3, answered, soon)
				p.send(s, keyProduce, 9, closed, soon, func(x *decode.Exchange) { x.Size = size })
				p.end(s, 1)
				p.now += time.Second
			}
			p.send(p.connect(), keyMetadata, 12, answered, soon)
			p.expect(slices.Repeat([]Cause{c.want}, len(c.sizes))...)
		})
	}
}

// TestJoinGroupWaits: what closes silent connections closes those that wait for other members of
// the group, or for as long as the request allows.
func TestJoinGroupWaits(t *testing.T) {
	for _, c := range []struct {
		key  int16
		took time.Duration
		wait int32
		want Cause
	}{
		{keyJoinGroup, 10 * time.Second, 0, Unexplained}, {keySyncGroup, 10 * time.Second, 0, Unexplained},
		{keyJoinGroup, soon, 0, Dropped}, {keyProduce, 10 * time.Second, 0, Dropped},
		{keyFetch, 50 * time.Second, 120_000, Unexplained}, {keyFetch, 50 * time.Second, 40_000, Dropped}, {keyFetch, soon, 120_000, Dropped},
	} {
		p := newPlay(t)
		var want []Cause
		for range 3 {
			s := p.connect()
			p.send(s, keyMetadata, 12, answered, soon)
			p.send(s, c.key, 9, closed, c.took, func(x *decode.Exchange) { x.WaitMillis = c.wait })
			p.end(s, 1)
			p.now += time.Second
			want = append(want, c.want)
		}
		p.send(p.connect(), keyMetadata, 12, answered, soon)
		p.expect(want...)
	}
}

// TestLaterTokenRefused: a broker that closes on a later token refuses the authentication, although
// it answered the first one.
func TestLaterTokenRefused(t *testing.T) {
	for times, want := range [][]Cause{{}, {Unexplained}, {Authentication, Authentication}} {
		p := newPlay(t)
		for range times {
			s := p.connect()
			p.send(s, keySaslHandshake, 1, answered, soon)
			p.send(s, keySaslAuthenticate, 1, answered, soon, func(x *decode.Exchange) { x.Challenge = true })
			p.send(s, keySaslAuthenticate, 1, closed, soon)
			p.end(s, 1)
			p.now += time.Second
		}
		p.send(p.connect(), keySaslHandshake, 1, answered, soon)
		p.expect(want...)
	}
}

// TestOutOfOrder: after SaslHandshake, a broker closes on any request except the tokens,
// also while others are refused.
func TestOutOfOrder(t *testing.T) {
	token := func(c *decode.Connection) {
		c.Mechanism, c.LastData[reassembly.ToClient].Frame = "PLAIN", c.LastAnswer.Frame+1
	}
	for name, c := range map[string]struct {
		handshake, key int16
		end            func(*decode.Connection)
		before, after  func(p *play, s uint32)
		want           Cause
	}{
		"Metadata":             {1, keyMetadata, nil, nil, nil, Authentication},
		"ApiVersions":          {1, keyApiVersions, nil, nil, nil, Authentication},
		"after v0":             {0, keyMetadata, nil, nil, nil, Authentication},
		"after v0 and a token": {0, keyMetadata, token, nil, nil, Dropped},
		"an alert after v1":    {1, keyMetadata, token, nil, nil, Authentication},
		"bytes are missing":    {1, keyMetadata, func(c *decode.Connection) { c.Oddities = &reassembly.Oddities{Missing: 9} }, nil, nil, Unexplained},
		"authenticated":        {1, keyMetadata, nil, func(p *play, s uint32) { p.send(s, keySaslAuthenticate, 1, answered, soon) }, nil, Dropped},
		"after a challenge": {1, keyMetadata, nil, func(p *play, s uint32) {
			p.send(s, keySaslAuthenticate, 1, answered, soon, func(x *decode.Exchange) { x.Challenge = true })
		}, nil, Authentication},
		"the broker refuses others": {1, keyMetadata, nil, nil, func(p *play, _ uint32) { p.refuse() }, Authentication},
	} {
		p := newPlay(t)
		var want []Cause
		for range 3 {
			s := p.connect()
			p.send(s, keyApiVersions, 3, answered, soon)
			p.send(s, keySaslHandshake, c.handshake, answered, soon)
			if c.before != nil {
				c.before(p, s)
			}
			p.send(s, c.key, 5, closed, soon)
			p.endOf(s, func(o *decode.Connection) {
				if c.end != nil {
					c.end(o)
				}
			})
			if c.after != nil {
				c.after(p, s)
			}
			p.now += time.Second
			want = append(want, c.want)
		}
		p.send(p.connect(), keyApiVersions, 3, answered, soon)
		t.Log(name)
		p.expect(want...)
	}
}

// TestASessionThatIsNotOver: the broker answered after the end of the session, or it restarted.
func TestASessionThatIsNotOver(t *testing.T) {
	for name, c := range map[string]struct {
		answeredAfter time.Duration // the latest answered request, from the authentication on
		restarts      bool
		want          Cause
	}{
		"answered before": {9 * time.Second, false, SessionOver},
		"answered after":  {10 * time.Second, false, Unexplained},
		"a restart":       {9 * time.Second, true, Away},
	} {
		p := newPlay(t)
		s := p.connect()
		p.send(s, keySaslHandshake, 1, answered, soon)
		p.send(s, keySaslAuthenticate, 1, answered, soon, func(x *decode.Exchange) { x.SessionLifetime = 10 * time.Second })
		p.now += c.answeredAfter
		p.send(s, keyProduce, 7, answered, soon)
		p.now += 2 * time.Second
		p.send(s, keyProduce, 7, closed, soon)
		p.end(s, 1)
		if c.restarts {
			p.refuse()
		}
		p.send(p.connect(), keySaslHandshake, 1, answered, soon)
		t.Log(name)
		p.expect(c.want)
	}
}

// TestAVersionThatOneClientIsRefused: others get answers to it all the time.
func TestAVersionThatOneClientIsRefused(t *testing.T) {
	forbids := func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }
	other := func(x *decode.Exchange) { x.ClientID = "other" }
	sasl := func(p *play, s uint32) {
		p.send(s, keySaslHandshake, 1, answered, soon)
		p.send(s, keySaslAuthenticate, 1, answered, soon)
	}
	for name, c := range map[string]struct {
		served  []func(*decode.Exchange) // changes of the answered request
		refused []func(*decode.Exchange)
		before  func(p *play, s uint32)
		pause   time.Duration
		outcome decode.Outcome
		times   int
		want    Cause
	}{
		"its range has it":      {nil, nil, nil, 0, closed, 3, Dropped},
		"reset":                 {nil, nil, nil, 0, decode.ResetByBroker, 3, Dropped},
		"twice":                 {nil, nil, nil, 0, closed, 2, Unexplained},
		"after pauses":          {nil, nil, nil, 5 * time.Second, closed, 3, Unexplained},
		"it left":               {nil, nil, nil, 0, decode.Left, 3, Unexplained},
		"no range":              {nil, []func(*decode.Exchange){noRange}, nil, 0, closed, 3, Refused},
		"the same client":       {[]func(*decode.Exchange){func(x *decode.Exchange) { x.ClientID = "app" }}, nil, nil, 0, closed, 3, Unexplained},
		"another broker":        {[]func(*decode.Exchange){func(x *decode.Exchange) { x.Broker = netip.MustParseAddrPort("10.0.0.3:9092") }}, nil, nil, 0, closed, 3, Dropped},
		"another version":       {[]func(*decode.Exchange){func(x *decode.Exchange) { x.Version = 3 }}, nil, nil, 0, closed, 3, Dropped},
		"a table forbids it":    {[]func(*decode.Exchange){forbids}, []func(*decode.Exchange){forbids}, nil, 0, closed, 3, Refused},
		"and forbids it twice":  {[]func(*decode.Exchange){forbids}, []func(*decode.Exchange){forbids}, nil, 0, closed, 2, Unexplained},
		"it could authenticate": {nil, nil, sasl, 0, closed, 3, Dropped},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			p.advertise(999, playTable)
			u := p.connect()
			for range c.times {
				p.send(u, keyFindCoordinator, 4, answered, soon, append([]func(*decode.Exchange){other}, c.served...)...)
				s := p.connect()
				p.send(s, keyMetadata, 12, answered, soon)
				if c.before != nil {
					c.before(p, s)
				}
				p.now += c.pause
				p.send(s, keyFindCoordinator, 4, c.outcome, soon, c.refused...)
				p.end(s, 1)
				p.now += 3 * time.Second
			}
			p.send(u, keyFindCoordinator, 4, answered, soon, append([]func(*decode.Exchange){other}, c.served...)...)
			for _, r := range p.book.Decide().Rulings {
				if r.Cause != c.want {
					t.Errorf("%v, want %v", r.Cause, c.want)
				}
			}
		})
	}
}

// TestAMalformedApiVersions: a broker closes on it each time, while it answers the version to
// another client. A proxy may end well-formed ones for another reason.
func TestAMalformedApiVersions(t *testing.T) {
	for malformed, want := range map[bool]Cause{true: Dropped, false: Away} {
		p := newPlay(t)
		for range 3 {
			s := p.connect()
			p.send(s, keyApiVersions, 3, closed, soon, func(x *decode.Exchange) { x.ClientID, x.Malformed = "mine", malformed })
			p.end(s, 1)
			p.now += time.Second
			p.send(p.connect(), keyApiVersions, 3, answered, soon)
		}
		p.expect(want, want, want)
	}
}

// TestSASLIsNotMissingWhereTheConnectionWasServed without it, also if others authenticate since a
// restart.
func TestSASLIsNotMissingWhereTheConnectionWasServed(t *testing.T) {
	for _, served := range []bool{true, false} {
		p := newPlay(t)
		s := p.connect()
		if served {
			p.send(s, keyMetadata, 12, answered, soon)
		}
		p.now += 6 * time.Second
		p.send(s, keyFetch, 12, closed, soon, noRange)
		p.end(s, 1)
		u := p.connect()
		p.send(u, keyFetch, 12, answered, soon)
		p.send(u, keySaslHandshake, 1, answered, soon) // its exchange waited for a range
		if got := p.book.Decide().Rulings[0].Cause; (got == NoSASL) == served {
			t.Errorf("served %v: %v", served, got)
		}
	}
}

// TestATableThatForbidsSomeConnections: brokers of several releases stand behind the address. The
// same client is served or not.
func TestATableThatForbidsSomeConnections(t *testing.T) {
	for _, advertised := range []bool{true, false} {
		p := newPlay(t)
		if advertised {
			p.advertise(999, playTable)
		}
		other := &decode.Ranges{APIs: []decode.API{{Key: keyMetadata, Range: decode.Range{Max: 13}}}}
		p.advertise(999, other)
		if advertised {
			p.advertise(999, playTable)
		}
		for range 3 {
			forbids := func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }
			p.send(p.connect(), keyMetadata, 13, answered, soon, forbids)
			s := p.connect()
			p.send(s, keyMetadata, 13, closed, soon, forbids)
			p.end(s, 1)
			p.now += time.Second
		}
		p.send(p.connect(), keyMetadata, 13, answered, soon)
		want := Unexplained
		if advertised {
			want = Refused
		}
		r := p.expect(want, want, want)
		if r[0].Elsewhere != advertised {
			t.Errorf("advertised %v: elsewhere %v", advertised, r[0].Elsewhere)
		}
	}
}

// TestAClientWithoutSASLBesideConnectionsOfBefore: clients that were connected before the capture
// may have authenticated.
func TestAClientWithoutSASLBesideConnectionsOfBefore(t *testing.T) {
	for asked, want := range map[decode.Asking]Cause{decode.MaybeAsked: NoSASL, decode.NotAsked: Dropped} {
		p := newPlay(t)
		u := p.connect()
		serve := func() {
			p.send(u, keyMetadata, 12, answered, soon, func(x *decode.Exchange) { x.ClientID, x.Asked = "other", asked })
		}
		for range 3 {
			serve()
			s := p.connect()
			p.send(s, keyApiVersions, 3, answered, soon)
			p.send(s, keyMetadata, 12, closed, soon)
			p.end(s, 1)
			p.now += time.Second
		}
		serve()
		p.expect(want, want, want)
	}
}

// TestOneLateAuthenticationErasesNoOthers: a connection whose authentication is known late does not
// show that other connections were not served without SASL.
func TestOneLateAuthenticationErasesNoOthers(t *testing.T) {
	for others := range 2 {
		p := newPlay(t)
		for range others {
			p.send(p.connect(), keyMetadata, 7, answered, soon)
		}
		s := p.connect()
		begun := p.now
		p.now += time.Second
		p.send(s, keyMetadata, 7, answered, soon)
		p.now = begun
		p.send(s, keySaslHandshake, 1, answered, soon)
		if isOpen := p.book.addresses[decode.Endpoint{Addr: playBroker}].open.to.Time > 0; isOpen != (others > 0) {
			t.Errorf("%d other connections: served without SASL %v", others, isOpen)
		}
	}
}

// TestSilenceOnTokens: a token that is never answered, again or while others are served, is no
// fault of its version. Once and alone, the broker may have been away.
func TestSilenceOnTokens(t *testing.T) {
	for name, c := range map[string]struct {
		times    int
		isServed bool // another connection, meanwhile
		want     Cause
	}{
		"once": {1, false, Away}, "twice": {2, false, Authentication},
		"once, others are served": {1, true, Authentication}, "twice, others are served": {2, true, Authentication},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			other := p.connect()
			if c.isServed {
				p.work(other, 2*time.Second)
			}
			for range c.times {
				s := p.connect()
				p.send(s, keySaslHandshake, 1, answered, soon)
				sent := p.now
				if c.isServed {
					p.work(other, 28*time.Second)
				}
				p.now = sent
				p.send(s, keySaslAuthenticate, 1, decode.Left, 30*time.Second)
				p.endOf(s, func(c *decode.Connection) { c.Unanswered, c.End.By = 1, reassembly.ToBroker })
				p.now += time.Second
			}
			if c.isServed {
				p.work(other, 2*time.Second)
			}
			p.expect(slices.Repeat([]Cause{c.want}, c.times)...)
		})
	}
}
