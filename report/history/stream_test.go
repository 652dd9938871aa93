package history

import (
	"net/netip"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
)

// TestInsteadComesAfterwards: a request sent before a refusal does not replace the refused one.
func TestInsteadComesAfterwards(t *testing.T) {
	for _, c := range []struct {
		sent int64
		want bool
	}{{19, false}, {20, true}, {21, true}, {20 + fallbackWindow, true}, {21 + fallbackWindow, false}} {
		refused := &Suspect{Exchange: decode.Exchange{Key: 68, Decided: moment(20)}}
		k := &client{open: []*Suspect{refused}}
		k.fallBack(&decode.Exchange{Key: keyJoinGroup, Request: moment(c.sent), Outcome: answered}, moment(c.sent+9))
		if got := refused.Instead.Time > 0; got != c.want {
			t.Errorf("sent at %d: %v, want %v", c.sent, got, c.want)
		}
	}
}

// TestFallbackThatIsPassedOnFirst: the refusal of a connection that was joined in the middle may
// come later than what the client did next.
func TestFallbackThatIsPassedOnFirst(t *testing.T) {
	for _, c := range []struct {
		answered int64
		want     bool
	}{{20, false}, {21, true}, {20 + fallbackWindow, true}, {21 + fallbackWindow, false}} {
		refused := &Suspect{Exchange: decode.Exchange{Key: 68, Decided: moment(20)}}
		k := new(client)
		k.answered(nil, version{key: keyJoinGroup, version: 9}, moment(c.answered))
		k.answered(nil, version{key: keyFetch, version: 4}, moment(25))
		k.continued(refused)
		if got := refused.Instead == moment(c.answered) && refused.InsteadVersion == 9; got != c.want {
			t.Errorf("answered at %d: %v, want %v", c.answered, got, c.want)
		}
	}
}

// TestWhatClientsGoOnWithout: no client needs telemetry, and a producer does not need idempotence.
func TestWhatClientsGoOnWithout(t *testing.T) {
	for _, c := range []struct {
		refused, then int16
		want          bool
	}{
		{71, keyProduce, true}, {71, keyMetadata, true}, {72, keyFetch, true}, {71, keyApiVersions, false},
		{22, keyProduce, true}, {22, keyMetadata, false}, {keyProduce, keyFetch, false},
	} {
		if got := isFallback(version{key: c.refused}, version{key: c.then}); got != c.want {
			t.Errorf("%d after %d: %v, want %v", c.then, c.refused, got, c.want)
		}
	}
}

// TestStageAfterWork: an answer to a request other than IsPreface ends the stages.
func TestStageAfterWork(t *testing.T) {
	p := newPlay(t)
	s := p.connect()
	for _, c := range []struct {
		key  int16
		want bool
	}{{keyApiVersions, false}, {keyMetadata, false}, {keyProduce, true}, {keyMetadata, true}} {
		p.send(s, c.key, 3, answered, soon)
		if key, worked := p.book.Stage(s); key != c.key || worked != c.want {
			t.Errorf("behind API %d: stage %d, worked %v", c.key, key, worked)
		}
	}
}

// TestWhatAClientAskedFor: a step is known from the answers of any broker. The client is the same
// only with its id, at its address.
func TestWhatAClientAskedFor(t *testing.T) {
	p := newPlay(t)
	s, begin := p.connect(), int64(p.now)
	for _, c := range []struct {
		key                           int16
		asked, found, served, stopped bool
	}{
		{keyApiVersions, false, false, false, false}, {keyMetadata, true, true, false, false}, {keyFetch, true, true, true, true}, {keyFindCoordinator, true, false, true, true},
	} {
		p.send(s, c.key, 3, answered, soon)
		p.now += time.Minute
		now := int64(p.now)
		for id, is := range map[string]bool{"app": true, "other": false} {
			asked, found := p.book.AskedMore(id, playClient.Addr(), 0), p.book.Found(id, playClient.Addr(), 0, begin, now)
			served, stopped := p.book.Served(id, playClient.Addr(), 0, begin, now), p.book.StoppedBy(id, playClient.Addr(), 0, now)
			if asked != (c.asked && is) || found != (c.found && is) || served != (c.served && is) || stopped != (c.stopped && is) {
				t.Errorf("%s behind API %d: asked %v, found %v, served %v, stopped %v, want %+v", id, c.key, asked, found, served, stopped, c)
			}
		}
	}
	if p.book.StoppedBy("app", playClient.Addr(), 0, begin) || p.book.Served("app", playClient.Addr(), 0, begin, begin) {
		t.Error("served before its first request")
	}
}

// TestSuspectedClients: a refused request counts for its own client at its own address, since its
// time.
func TestSuspectedClients(t *testing.T) {
	here := decode.Endpoint{Addr: playBroker}
	for _, c := range []struct {
		name    string
		outcome decode.Outcome
		id      string
		addr    string
		at      decode.Endpoint
		late    int64
		want    bool
	}{
		{"closed", closed, "app", "10.0.0.1", here, 0, true}, {"earlier", closed, "app", "10.0.0.1", here, 1, false}, {"error 35", decode.Error, "app", "10.0.0.1", here, 0, false},
		{"another client id", closed, "b", "10.0.0.1", here, 0, false}, {"another host", closed, "app", "10.0.0.9", here, 0, false},
		{"another broker", closed, "app", "10.0.0.1", decode.Endpoint{Addr: playClient}, 0, false}, {"another network", closed, "app", "10.0.0.1", decode.Endpoint{Addr: playBroker, Domain: 1}, 0, false},
	} {
		p := newPlay(t)
		since := int64(p.now)
		p.send(p.connect(), keyMetadata, 3, c.outcome, soon)
		if got := p.book.Suspected(c.id, netip.MustParseAddr(c.addr), c.at, since+c.late); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestVersionsInPlaceOfAnother: ApiVersions is retried lower, other APIs in any other version.
func TestVersionsInPlaceOfAnother(t *testing.T) {
	for _, c := range []struct {
		refused, then version
		want          bool
	}{
		{version{keyApiVersions, 3}, version{keyApiVersions, 2}, true}, {version{keyApiVersions, 3}, version{keyApiVersions, 3}, false}, {version{keyApiVersions, 3}, version{keyMetadata, 2}, false},
		{version{68, 1}, version{68, 0}, true}, {version{68, 1}, version{68, 1}, false}, {version{keyFetch, 3}, version{keyProduce, 2}, false},
	} {
		if got := isFallback(c.refused, c.then); got != c.want {
			t.Errorf("%v after %v: %v, want %v", c.then, c.refused, got, c.want)
		}
	}
	p := newPlay(t)
	s := p.connect()
	for _, c := range []struct {
		key     int16
		outcome decode.Outcome
		want    int
	}{{keyMetadata, answered, 0}, {68, decode.Error, 0}, {keyJoinGroup, answered, 1}, {keyJoinGroup, answered, 0}, {keyFetch, closed, 0}} {
		x := &decode.Exchange{Stream: s, Client: playClient, Broker: playBroker, Key: c.key, Version: 1, Outcome: c.outcome, Negotiated: -1, Request: p.at(), Decided: p.at()}
		x.Decided.Time += int64(p.frame)
		x.Request.Time = x.Decided.Time
		p.book.Exchange(x)
		if got := p.book.After(x); len(got) != c.want {
			t.Errorf("API %d: it follows %d refusals, want %d", c.key, len(got), c.want)
		}
	}
}

// TestOffendingRequests: the broker ended the connection on a version that is known to be refused.
func TestOffendingRequests(t *testing.T) {
	for _, c := range []struct {
		outcome decode.Outcome
		verdict decode.Verdict
		want    bool
	}{
		{closed, decode.AboveMax, true}, {decode.ResetByBroker, decode.BelowMin, true}, {decode.Left, decode.AboveMax, true}, {answered, decode.AboveMax, false},
		{closed, decode.OK, false}, {closed, decode.Exempt, false}, {closed, decode.Unknown, false},
	} {
		s := new(stream)
		s.offend(&decode.Exchange{Outcome: c.outcome, Verdict: c.verdict})
		if s.offended != c.want {
			t.Errorf("%v, %v: %v, want %v", c.outcome, c.verdict, s.offended, c.want)
		}
		s.offended = true
		if s.offend(&decode.Exchange{Outcome: closed, Verdict: decode.OK}); !s.offended {
			t.Error("a later request excuses an earlier one")
		}
	}
}
