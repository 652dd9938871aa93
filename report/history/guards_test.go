package history

import (
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
)

// moment is a position at a time in nanoseconds.
func moment(t int64) capture.Position { return capture.Position{Frame: uint64(t), Time: t} }

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

// TestAnswersOfALife: answers that began before a life and ended after it are not of that life.
func TestAnswersOfALife(t *testing.T) {
	key := version{keyFetch, 12}
	for _, c := range []struct {
		from, to int64
		want     bool
	}{{10, 50, false}, {10, 30, false}, {10, 25, true}, {22, 50, true}, {20, 20, true}, {30, 30, false}, {10, 19, false}} {
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

// TestCulprits: the first unserved request of a connection is its culprit, unless another one is
// known to be refused. A request that was not refused is none.
func TestCulprits(t *testing.T) {
	for _, c := range []struct {
		name     string
		outcome  decode.Outcome
		offended bool
		want     int
	}{
		{"closed", closed, false, 1}, {"with another one that is known to be refused", closed, true, 0}, {"the capture ends", decode.CutOff, false, 0},
	} {
		v := &view{refusals: map[version][]*Suspect{}}
		v.add(&Suspect{Exchange: decode.Exchange{Outcome: c.outcome, Request: moment(10)}, stream: &stream{offended: c.offended}})
		if len(v.culprits) != c.want {
			t.Errorf("%s: %d culprits, want %d", c.name, len(v.culprits), c.want)
		}
	}
}

// TestPatienceOfClients: leaving counts after some seconds; for a probe of kafka-python after one.
func TestPatienceOfClients(t *testing.T) {
	for _, c := range []struct {
		id   string
		took time.Duration
		want bool
	}{{"app", 2 * time.Second, false}, {"app", leastPatience, true}, {"kafka-python-2.0.2", 2 * time.Second, true}, {"kafka-python-2.0.2", probePatience / 2, false}} {
		x := &decode.Exchange{Outcome: decode.Left, Took: c.took, Key: keyMetadata, ClientID: c.id}
		if got := IsRefused(x); got != c.want {
			t.Errorf("%s after %v: %v, want %v", c.id, c.took, got, c.want)
		}
	}
}

// TestPatienceOfRequests: a client that leaves before the time that its request allows is not
// refused. After longPoll, the report counts the request.
func TestPatienceOfRequests(t *testing.T) {
	for _, c := range []struct {
		key              int16
		took             time.Duration
		wait             int32
		refused, counted bool
	}{
		{keyProduce, 10 * time.Second, 0, true, true}, {keyProduce, 10 * time.Second, 30_000, false, true}, {keyProduce, 30 * time.Second, 30_000, true, true},
		{keyFetch, 30 * time.Second, 60_000, false, true}, {keyFetch, 30 * time.Second, 500, true, true}, {keyFetch, time.Second, 60_000, false, false},
		{keyJoinGroup, 30 * time.Second, 0, false, true}, {keySyncGroup, time.Second, 0, false, false},
	} {
		x := &decode.Exchange{Outcome: decode.Left, Took: c.took, Key: c.key, WaitMillis: c.wait}
		if refused, counted := IsRefused(x), IsUnserved(x); refused != c.refused || counted != c.counted {
			t.Errorf("%+v: refused %v, counted %v", c, refused, counted)
		}
	}
}

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

// TestFallbackThatIsPassedOnFirst: the refusal of a connection that was joined in the middle may come later than
// what the client did next.
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

// TestIdleLimitExplains: it is excluded if the connection was busy, or ended in answer to the request.
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

// TestSilenceOfAKnownVersion: if the address answers the same version, it hung. If it answers
// another version of ApiVersions, that is likely. For other APIs, nobody is blamed.
func TestSilenceOfAKnownVersion(t *testing.T) {
	for _, c := range []struct {
		name              string
		key, known, asked int16
		want              Cause
		certain           bool
	}{
		{"the same version", keyApiVersions, 3, 3, Away, true},
		{"ApiVersions in another version", keyApiVersions, 2, 3, Away, false},
		{"another version", keyFindCoordinator, 2, 3, Unexplained, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlay(t)
			p.send(p.connect(), c.key, c.known, answered, soon)
			p.send(p.connect(), c.key, c.asked, decode.Left, 10*time.Second)
			p.send(p.connect(), c.key, c.known, answered, soon)
			if r := p.expect(c.want)[0]; r.Certain != c.certain {
				t.Errorf("certain: %v, want %v", r.Certain, c.certain)
			}
		})
	}
}
