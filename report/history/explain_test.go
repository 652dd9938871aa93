package history

import (
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
)

// TestConnectionExplanations: an answer excludes what could have ended the connection without one.
// A connection that the broker ended without a reason may have ended with the broker.
func TestConnectionExplanations(t *testing.T) {
	at := func(frame uint64, d time.Duration) capture.Position {
		return capture.Position{Frame: frame, Time: int64(time.Hour + d)}
	}
	const later = 10 * time.Second
	for _, c := range []struct {
		name     string
		ended    Ended
		answered time.Duration // when another request is answered; 0 for never
		open     string
	}{
		{"the other side answered", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2)}, 0, "proxy"},
		{"the client left after a pause", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, later)}, 0, "idle limit, proxy"},
		{"the broker ended it after a pause, and had said why", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, later), ByBroker: true}, 0, "proxy"},
		{"the broker ended it without a reason", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2), ByBroker: true, Abrupt: true}, 0, "restart, proxy"},
		{"the same, and it answers at once", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2), ByBroker: true, Abrupt: true}, 200 * time.Millisecond, "proxy"},
		{"the same, and it answers seconds later", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2), ByBroker: true, Abrupt: true}, 3 * time.Second, "restart, proxy"},
		{"the same between two of the connections", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2), Latest: at(9, later), ByBroker: true, Abrupt: true}, 3 * time.Second, "proxy"},
		{"no byte came", Ended{First: at(1, 0), End: at(5, 2)}, 0, "restart, proxy"},
	} {
		p := newPlay(t)
		if c.answered > 0 {
			p.now += c.answered
			p.send(p.connect(), keyMetadata, 1, answered, 0)
		}
		open := ""
		for _, e := range p.book.ConnectionExplanations(decode.Endpoint{Addr: playBroker}, &c.ended, 0) {
			switch {
			case !e.Excluded && open != "":
				open += ", " + e.Name
			case !e.Excluded:
				open = e.Name
			case e.At.Frame == 0:
				t.Errorf("%s: %s is excluded by no packet", c.name, e.Name)
			}
		}
		if open != c.open {
			t.Errorf("%s: open are %s, want %s", c.name, open, c.open)
		}
	}
}

// TestIdleBeforeTheCapture: the first request of a connection that was open before the capture may
// follow a long silence.
func TestIdleBeforeTheCapture(t *testing.T) {
	for _, midstream := range []bool{true, false} {
		p := newPlay(t)
		for range 2 {
			s := p.connect()
			p.send(s, keyFetch, 17, closed, soon, noRange)
			p.endOf(s, func(c *decode.Connection) { c.Midstream = midstream })
			p.now += time.Second
		}
		for _, e := range p.book.Explanations(p.book.Suspects()[0], 0) {
			if e.Name == "idle limit" && e.Excluded == midstream {
				t.Errorf("midstream %v: %+v", midstream, e)
			}
		}
	}
}

// TestWhatExcludesACause: each row differs in what the capture shows beside a refused request.
func TestWhatExcludesACause(t *testing.T) {
	const large = largeRequest
	sized := func(size int64) func(*decode.Exchange) { return func(x *decode.Exchange) { x.Size = size } }
	above := func(x *decode.Exchange) { x.Verdict = decode.AboveMax }
	borrowed := func(x *decode.Exchange) { x.Verdict, x.Evidence = decode.AboveMax, decode.Borrowed }
	for _, c := range []struct {
		name     string
		cause    string
		before   []int16 // the APIs that the same connection was answered before
		key      int16
		changes  []func(*decode.Exchange)
		excluded bool
		by       string
	}{
		{"another ApiVersions was answered", "authentication", nil, keyApiVersions, nil, true, "another ApiVersions request"},
		{"the same for Metadata", "authentication", nil, keyMetadata, nil, false, "no request of a client without SASL"},
		{"the connection began with SASL", "authentication", []int16{keySaslHandshake}, keyMetadata, nil, false, "does not show that the authentication ended"},
		{"the client had authenticated", "authentication", []int16{keySaslHandshake, keySaslAuthenticate}, keyMetadata, nil, true, "had authenticated"},
		{"a token after another one", "authentication", []int16{keySaslHandshake, keySaslAuthenticate}, keySaslAuthenticate, nil, false, "does not show that the authentication ended"},
		{"a handshake after a token", "authentication", []int16{keySaslHandshake, keySaslAuthenticate}, keySaslHandshake, nil, false, "does not show that the authentication ended"},
		{"the connection was served", "authentication", []int16{keyMetadata}, keyFetch, nil, true, "other requests of the connection"},
		{"the size of an answered request", "size", nil, keyFetch, []func(*decode.Exchange){sized(100)}, true, "as large"},
		{"a small request", "size", nil, keyFetch, []func(*decode.Exchange){sized(101)}, true, "the request has 101 bytes"},
		{"a request that is not large", "size", nil, keyFetch, []func(*decode.Exchange){sized(large - 1)}, true, "the request has 65,535 bytes"},
		{"a large request", "size", nil, keyFetch, []func(*decode.Exchange){sized(large)}, false, "more than any that was answered"},
		{"above the range of its connection", "proxy", []int16{keyApiVersions}, keyFetch, []func(*decode.Exchange){above}, true, "on the same connection"},
		{"above a range of another connection", "proxy", []int16{keyApiVersions}, keyFetch, []func(*decode.Exchange){borrowed}, false, behindUnknown},
		{"above the range, without an answer to ApiVersions", "proxy", nil, keyFetch, []func(*decode.Exchange){above}, false, behindUnknown},
		{"inside the range", "proxy", []int16{keyApiVersions}, keyFetch, nil, false, behindUnknown},
		{"inside the range of a served connection", "proxy", []int16{keyMetadata}, keyFetch, nil, false, behindUnknown},
		{"without a range on a served connection", "proxy", []int16{keyMetadata}, keyFetch, []func(*decode.Exchange){noRange}, true, "served before"},
		{"without a range", "proxy", []int16{keyApiVersions}, keyFetch, []func(*decode.Exchange){noRange}, false, behindUnknown},
	} {
		p := newPlay(t)
		p.send(p.connect(), keyApiVersions, 3, answered, soon)
		s := p.connect()
		for _, key := range c.before {
			p.send(s, key, 1, answered, soon)
		}
		p.send(s, c.key, 1, closed, soon, c.changes...)
		k := &Suspect{Exchange: decode.Exchange{}}
		if all := p.book.Suspects(); len(all) > 0 {
			k = all[0]
		} else { // it is outside the range of its connection, and decided at once
			x := &decode.Exchange{Stream: s, Client: playClient, Broker: playBroker, Key: c.key, Verdict: decode.AboveMax, Evidence: decode.Observed, Outcome: closed, Request: p.at()}
			k = p.book.Sample(x)
		}
		for _, e := range p.book.Explanations(k, 0) {
			if e.Name == c.cause && (e.Excluded != c.excluded || !strings.Contains(e.By, c.by)) {
				t.Errorf("%s: %+v, want excluded %v by %q", c.name, e, c.excluded, c.by)
			}
		}
	}
}

// TestTheSizeBeforeARestart: an answer of an earlier life excludes the size of no large request.
func TestTheSizeBeforeARestart(t *testing.T) {
	for size, want := range map[int64]string{largeRequest: "restarted since it answered one as large", largeRequest + 1: "more than any that was answered", 100: "the request has 100 bytes"} {
		v := &view{address: &address{largest: largeRequest, largestAt: moment(10)}, restarts: []restart{{moment(20), moment(20)}}}
		e := v.sizeExplains(&Suspect{Exchange: decode.Exchange{Size: size, Request: moment(30), Outcome: closed}})
		if e.Excluded != (size < largeRequest) || !strings.Contains(e.By, want) {
			t.Errorf("%d bytes: %+v, want %q", size, e, want)
		}
	}
}

// TestARestartTakesItsTime: an answer that comes sooner excludes one.
func TestARestartTakesItsTime(t *testing.T) {
	for later, want := range map[int64]bool{restartTakes: true, restartTakes + 1: false} {
		p := newPlay(t)
		p.send(p.connect(), keyFetch, 12, closed, soon)
		over := p.book.Suspects()[0].Exchange.Decided.Time
		p.book.address(decode.Endpoint{Addr: playBroker}).alive.add(moment(over+later), aliveJoin, maxAlive)
		p.book.calls++
		if e := p.book.Explanations(p.book.Suspects()[0], 0)[0]; e.Name != "restart" || e.Excluded != want || want && !strings.Contains(e.By, "500 ms") {
			t.Errorf("answered %d ns later: %+v, want excluded %v", later, e, want)
		}
		end := Ended{First: moment(over), End: moment(over)}
		if e := p.book.ConnectionExplanations(decode.Endpoint{Addr: playBroker}, &end, 0)[0]; e.Name != "restart" || e.Excluded != want || want && !strings.Contains(e.By, "500 ms") {
			t.Errorf("a connection, answered %d ns later: %+v, want excluded %v", later, e, want)
		}
	}
	for quiet, want := range map[int64]bool{idlePause - 1: true, idlePause: false} {
		if e := idleLimitExplainsEnd(&Ended{First: moment(9), End: moment(9 + quiet)}); e.Excluded != want {
			t.Errorf("quiet for %d ns: %+v", quiet, e)
		}
	}
}

// TestIdleLimitExplains: it is excluded if the connection was busy, or ended in answer to the
// request.
func TestIdleLimitExplains(t *testing.T) {
	const quiet = time.Duration(idlePause)
	for _, c := range []struct {
		name      string
		pause     time.Duration // before the request, since the answer to the first one
		took      time.Duration
		excluded  bool
		by        string
		answersAt time.Duration // the first answer comes this long after the request
		outcome   decode.Outcome
	}{
		{"busy", time.Second, 3 * time.Second, true, "after the answer before it", 0, closed},
		{"idle, and closed at once", quiet, soon, true, "after the request", 0, closed},
		{"idle, and reset at once, as a device does", quiet, soon, false, "had been quiet", 0, decode.ResetByBroker},
		{"idle, and closed later", quiet, 3 * time.Second, false, "had been quiet", 0, closed},
		{"the first answer came meanwhile", time.Second, 3 * time.Second, true, "after the first request", time.Second, closed},
		{"idle after the request", time.Second, quiet, false, "before its end", 0, closed},
	} {
		p := newPlay(t)
		s := p.connect()
		first := &decode.Exchange{Stream: s, Client: playClient, Broker: playBroker, ClientID: "app", Key: keyMetadata, Outcome: answered, Request: p.at()}
		p.now += c.pause
		if first.Decided = first.Request; c.answersAt > 0 {
			first.Decided = capture.Position{Frame: p.frame + 9, Time: int64(p.now + c.answersAt)}
		}
		p.book.Exchange(first)
		p.send(s, keyFetch, 12, c.outcome, c.took, noRange)
		e := p.book.view(decode.Endpoint{Addr: playBroker}).idleLimitExplains(p.book.suspects[0])
		if e.Excluded != c.excluded || !strings.Contains(e.By, c.by) {
			t.Errorf("%s: %+v, want excluded %v by %q", c.name, e, c.excluded, c.by)
		}
	}
}
