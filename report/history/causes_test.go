package history

import (
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
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
			if p.book.addresses[Endpoint{0, playBroker}].open.to.Time > 0 {
				t.Error("the address is taken for one without SASL")
			}
			p.now = then + 11*time.Second
			p.send(s, keyFetch, 17, closed, soon, noRange)
			p.end(s, 1)
			p.now += time.Second
		}
		p.send(p.connect(), keySaslHandshake, 1, answered, soon)
		if r := p.book.Decide(); (r[0].Cause == SessionOver) != isLate {
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
	p.expect(Cut)
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
			for _, r := range p.book.Decide() {
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
		"all large":           {100, []int64{largeRequest, largeRequest + 1}, Cut},
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

// TestJoinGroupWaits: what closes silent connections closes those that wait for other members of the group.
func TestJoinGroupWaits(t *testing.T) {
	for _, c := range []struct {
		key  int16
		took time.Duration
		want Cause
	}{
		{keyJoinGroup, 10 * time.Second, Unexplained}, {keySyncGroup, 10 * time.Second, Unexplained},
		{keyJoinGroup, soon, Dropped}, {keyProduce, 10 * time.Second, Dropped},
	} {
		p := newPlay(t)
		var want []Cause
		for range 3 {
			s := p.connect()
			p.send(s, keyMetadata, 12, answered, soon)
			p.send(s, c.key, 9, closed, c.took)
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
