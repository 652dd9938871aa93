package history

import (
	"cmp"
	"net/netip"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// outages returns the outages by the input so far.
func (p *play) outages() []Outage {
	return p.book.Decide().Outages
}

// TestAnAddressAtWhichNothingListens: refused connections alone are an outage, if there are several.
func TestAnAddressAtWhichNothingListens(t *testing.T) {
	serve := func(p *play) { p.send(p.connect(), keyMetadata, 12, answered, soon) }
	for name, c := range map[string]struct {
		before, after func(p *play)
		times         int
		port          uint16
		want          uint64 // connections; 0 for no outage
		never, isBack bool
	}{
		"again and again":          {nil, nil, 3, 9092, 3, true, false},
		"twice":                    {nil, nil, 2, 9092, 0, false, false},
		"no port of Kafka":         {nil, nil, 3, 443, 0, false, false},
		"since it was served":      {serve, nil, 3, 9092, 3, false, false},
		"until it is served again": {nil, serve, 3, 9092, 3, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t)
			if c.before != nil {
				c.before(p)
			}
			from := p.frame + 1
			for range c.times {
				p.refuseAt(netip.AddrPortFrom(playBroker.Addr(), c.port))
				p.now += 20 * time.Second
			}
			if c.after != nil {
				c.after(p)
			}
			all := p.outages()
			if c.want == 0 {
				if len(all) > 0 {
					t.Fatalf("%+v", all)
				}
				return
			}
			if len(all) != 1 {
				t.Fatalf("%d outages: %+v", len(all), all)
			}
			if o := all[0]; o.Unserved != c.want || o.Never != c.never || (o.To.Time > 0) != c.isBack || o.From.Frame != from ||
				o.Last.Time-o.From.Time != int64(time.Duration(c.times-1)*20*time.Second) || len(o.Missed) != c.times || o.Missed[0].At != o.From || o.Missed[0].Client != playClient || o.Others {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestAnOutageCountsAllConnections: those with a request that was not served, and those without.
// What overlaps is one outage.
func TestAnOutageCountsAllConnections(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyFetch, 12, answered, soon)
	p.send(p.connect(), keyMetadata, 12, answered, soon)
	for range 3 {
		p.refuse()
		p.now += 20 * time.Second
		u := p.connect()
		p.send(u, keyMetadata, 12, closed, soon)
		p.end(u, 1)
	}
	p.send(p.connect(), keyMetadata, 12, answered, soon)
	r := p.expect(Away, Away, Away)
	all := p.book.Decide().Outages
	if len(all) != 1 || all[0].Unserved != 3 || all[0].To.Time == 0 {
		t.Fatalf("%+v", all)
	}
	for i := range r {
		if r[i].From != all[0].From || r[i].Last != all[0].Last || r[i].To != all[0].To || r[i].Others {
			t.Errorf("ruling %d: %+v, outage %+v", i, r[i], all[0])
		}
	}
	if p.outages(); len(p.book.Decide().Outages) != 1 {
		t.Error("a second decision has other outages")
	}
}

// TestOutagesWithServiceInBetween are two.
func TestOutagesWithServiceInBetween(t *testing.T) {
	p := newPlay(t)
	for range 2 {
		p.send(p.connect(), keyMetadata, 12, answered, soon)
		for range 3 {
			p.refuse()
			p.now += 10 * time.Second
		}
	}
	if all := p.outages(); len(all) != 2 || all[0].Unserved != 3 || all[1].Unserved != 3 || all[0].To.Time == 0 || all[1].To.Time > 0 {
		t.Errorf("%+v", all)
	}
}

// TestNewConnectionsAreTurnedAway while older ones are served: that is one outage, up to the next
// connection that is served. A connection that was turned away with its request counts once.
func TestNewConnectionsAreTurnedAway(t *testing.T) {
	p := newPlay(t)
	old := p.connect()
	for range 4 {
		p.send(old, keyFetch, 12, answered, soon)
		p.now += time.Second
		p.drop()
		s := p.connect()
		first := p.at()
		p.send(s, keyMetadata, 12, closed, soon)
		p.endOf(s, func(c *decode.Connection) {
			c.First, c.Responses, c.Unanswered = first, 0, 1
			c.End = reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, At: c.Last, HasAcked: true}
		})
		p.now += 9 * time.Second
	}
	p.send(p.connect(), keyMetadata, 12, answered, soon)
	p.expect(Away, Away, Away, Away)
	if all := p.book.Decide().Outages; len(all) != 1 || all[0].Unserved != 4 || len(all[0].Missed) != 4 || !all[0].Others || all[0].Never || all[0].To.Frame != p.frame {
		t.Errorf("%+v, want one up to frame %d", all, p.frame)
	}
}

// TestARequestThatCrossesTheEnd: the broker closes each new connection before its request arrives,
// so no request counts.
func TestARequestThatCrossesTheEnd(t *testing.T) {
	p := newPlay(t)
	for range 3 {
		s := p.connect()
		first := p.at()
		p.send(s, keyApiVersions, 4, decode.Late, soon)
		if !p.endOf(s, func(c *decode.Connection) {
			c.First, c.Responses, c.Unanswered = first, 0, 1
			c.End = reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, At: c.Last, HasAcked: true}
		}) {
			t.Error("the connection counts as served")
		}
		p.now += time.Second
	}
	if all := p.outages(); len(all) != 1 || all[0].Unserved != 3 || len(all[0].Missed) != 3 {
		t.Errorf("%+v, want one of three connections", all)
	}
}

// TestSilenceIsAnOutage: nothing answers the SYNs. A SYN at the end of the capture may be answered
// after it, and a client that sends more was answered in the direction that the capture lacks.
func TestSilenceIsAnOutage(t *testing.T) {
	for name, c := range map[string]struct {
		captured, sends time.Duration
		want            int
	}{"silence": {Patience, 0, 1}, "the capture ends": {Patience - 1, 0, 0}, "one direction": {Patience, time.Second, 0}} {
		p := newPlay(t)
		for range againAndAgain {
			p.endOf(p.connect(), func(o *decode.Connection) {
				*o.Connection = reassembly.Connection{
					Stream: o.Stream, Client: playClient, Broker: playBroker, First: o.First, Last: o.First, Now: o.First, Seen: [2]bool{true, false},
				}
				o.Last.Time += int64(c.sends)
				o.Now.Time += int64(c.captured)
			})
		}
		if got := p.outages(); len(got) != c.want {
			t.Errorf("%s: %+v, want %d", name, got, c.want)
		}
	}
}

// TestAHostWithoutPower: its connections end only when it is back. The outage began with the
// request that waited, but not with a long poll that a restart ended.
func TestAHostWithoutPower(t *testing.T) {
	for took, fromRequest := range map[time.Duration]bool{time.Minute: true, time.Second: false} {
		p := newPlay(t)
		s, u := p.connect(), p.connect()
		p.send(u, keyMetadata, 12, answered, soon)
		p.send(s, keyFetch, 12, answered, soon)
		p.send(s, keyFetch, 12, decode.ResetByBroker, took)
		p.end(s, 1)
		p.end(u, 0)
		p.restart()
		p.send(p.connect(), keyFetch, 12, answered, soon)
		r, x := p.expect(Away)[0], &p.book.suspects[0].Exchange
		if (r.From == x.Request) != fromRequest {
			t.Errorf("a request that waited %v: from %v after it", took, time.Duration(r.From.Time-x.Request.Time))
		}
	}
}

// TestAnIdleConnectionMayHaveBeenDropped by a load balancer, if it had been quiet for a minute.
func TestAnIdleConnectionMayHaveBeenDropped(t *testing.T) {
	for quiet, want := range map[time.Duration]bool{5 * time.Minute: true, time.Second: false} {
		p := newPlay(t)
		s := p.connect()
		p.send(s, keyMetadata, 12, answered, soon)
		p.now += quiet
		p.send(s, keyMetadata, 12, decode.Left, time.Minute)
		p.send(p.connect(), keyMetadata, 12, answered, soon)
		if r := p.expect(Away)[0]; r.Idle != want {
			t.Errorf("quiet for %v: %v, want %v", quiet, r.Idle, want)
		}
	}
}

// TestAnOutageEndsWithARefusal: an address that refuses a version is there, whenever it answers
// again.
func TestAnOutageEndsWithARefusal(t *testing.T) {
	above := func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }
	for _, c := range []struct {
		change func(*decode.Exchange)
		want   Cause
	}{{noRange, Refused}, {above, Outside}} {
		p := newPlay(t)
		p.send(p.connect(), keyFetch, 11, answered, soon, noRange)
		for range 3 {
			p.now += time.Second
			p.refuse()
		}
		var first int64
		for range 3 {
			p.now += time.Second
			s := p.connect()
			first = cmp.Or(first, int64(p.now))
			p.send(s, keyFetch, 11, closed, soon, c.change)
			p.end(s, 1)
		}
		p.now += time.Second
		p.advertise(p.connect(), playTable)
		p.send(p.connect(), keyMetadata, 1, answered, soon, noRange)
		p.expect(c.want, c.want, c.want)
		if all := p.book.Decide().Outages; len(all) != 1 || all[0].To.Time != first {
			t.Errorf("%v: %+v, want it to end at %d", c.want, all, first)
		}
	}
}

// TestOthersAreServedMeanwhile: only an answer after the first end counts.
func TestOthersAreServedMeanwhile(t *testing.T) {
	for after, want := range map[bool]bool{false: false, true: true} {
		p := newPlay(t)
		s, other := p.connect(), p.connect()
		x := &decode.Exchange{
			Stream: s, Client: playClient, Broker: playBroker, ClientID: "app", Key: keySaslAuthenticate, Version: 2, Outcome: decode.ResetByBroker,
			Took: time.Second, Negotiated: -1, Request: p.at(),
		}
		p.now += time.Second / 2
		p.send(other, keyMetadata, 12, answered, soon)
		p.now += time.Second / 2
		x.Decided = p.at()
		p.book.Exchange(x)
		p.end(s, 1)
		for range 3 {
			p.now += time.Second
			p.refuse()
			if after {
				p.send(other, keyMetadata, 12, answered, soon)
			}
		}
		if all := p.outages(); len(all) == 0 || all[0].Others != want {
			t.Errorf("answered after the end %v: %+v", after, all)
		}
	}
}

// TestCrashLoop: a broker that is restarted again and again serves others only between its crashes.
func TestCrashLoop(t *testing.T) {
	p := newPlay(t)
	for range 3 {
		streams := []uint32{p.connect(), p.connect(), p.connect()}
		for _, s := range streams {
			p.send(s, keyMetadata, 12, answered, soon)
		}
		p.now += time.Second
		p.send(streams[0], keyFetch, 16, decode.ResetByBroker, soon)
		for _, s := range streams {
			p.end(s, 0)
		}
		for range 4 {
			p.now += time.Second
			p.refuse()
		}
		p.now += 2 * time.Second
	}
	for _, o := range p.outages() {
		if o.Others {
			t.Errorf("%+v: the address was restarted", o)
		}
	}
}
