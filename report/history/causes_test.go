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

// work sends requests for some time, and then none for two seconds.
func (p *play) work(s uint32, length time.Duration) {
	for ; length >= 0; length -= 2 * time.Second {
		p.send(s, keyProduce, 7, answered, soon)
		p.now += 2 * time.Second
	}
}

// TestNothingIsSaidAfterPauses: what is refused only after a pause of seconds, on connections that were served,
// may have met a load balancer that forgot them.
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

// TestAPauseBeforeTheCapture: of a connection that began before the capture it is not known how long it was idle.
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

// TestNoSizeAndNoSessionAfterPauses: nor are requests too large that were cut after a pause, or sessions over.
func TestNoSizeAndNoSessionAfterPauses(t *testing.T) {
	p := newPlay(t)
	for range 2 {
		s := p.connect()
		p.send(s, keySaslHandshake, 0, answered, soon)
		p.send(s, keyMetadata, 7, answered, soon)
		p.now += 6 * time.Second
		p.send(s, keyProduce, 7, closed, soon, func(x *decode.Exchange) { x.Partial, x.Size = true, 1<<20 })
		p.end(s, 1)
	}
	p.send(p.connect(), keySaslHandshake, 0, answered, soon)
	p.expect(Unexplained, Unexplained)
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

// TestASessionWhoseEndIsKnown: the broker closes on the first request at or after the end, not before.
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

// TestNoSessionIsOver: a refusal once, on a renewed session, long after the request or while the broker stays
// away says nothing of a session.
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

// TestOnlyLargeRequestsAreRefused: several of one version, all larger than any that was answered.
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
