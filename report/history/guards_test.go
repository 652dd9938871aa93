package history

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

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

// TestAddressesThatAnswer: what an address is known to answer.
func TestAddressesThatAnswer(t *testing.T) {
	p := newPlay(t)
	here, nowhere := decode.Endpoint{Addr: playBroker}, decode.Endpoint{Addr: playClient}
	for _, c := range []struct {
		key                     int16
		outcome                 decode.Outcome
		answered, works, fetchs bool
	}{{keyMetadata, closed, false, false, false}, {keyApiVersions, answered, true, false, false}, {keyFetch, answered, true, true, true}} {
		p.send(p.connect(), c.key, 3, c.outcome, soon)
		b := p.book
		if b.Answered(here) != c.answered || b.Works(here) != c.works || b.Answers(here, keyFetch, 3) != c.fetchs || b.Answers(here, keyFetch, 4) {
			t.Errorf("API %d: answered %v, works %v, answers Fetch %v, want %+v", c.key, b.Answered(here), b.Works(here), b.Answers(here, keyFetch, 3), c)
		}
		if b.Answered(nowhere) || b.Works(nowhere) || b.Answers(nowhere, keyFetch, 3) || b.AnsweredInLife(&Suspect{Exchange: decode.Exchange{Broker: playClient, Key: keyFetch, Version: 3}}) {
			t.Error("an unknown address answers")
		}
		k := &Suspect{Exchange: decode.Exchange{Broker: playBroker, Key: keyFetch, Version: 3, Request: p.at()}}
		if got := b.AnsweredInLife(k); got != c.fetchs {
			t.Errorf("API %d: answered in the life: %v", c.key, got)
		}
	}
}

// TestWhatSuspectsKnow of their connection.
func TestWhatSuspectsKnow(t *testing.T) {
	for _, c := range []struct {
		stream                 stream
		sasl, lacks, isInClear bool
	}{
		{stream{}, false, true, false}, {stream{inClear: true}, false, true, true}, {stream{hasSASL: true}, true, false, false},
		{stream{midstream: true}, false, false, false}, {stream{missing: 1}, false, false, false},
	} {
		c.stream.authenticated = moment(5)
		k := &Suspect{Exchange: decode.Exchange{Request: moment(12)}, stream: &c.stream}
		if age, _ := k.SessionAge(); k.UsesSASL() != c.sasl || k.LacksHandshake() != c.lacks || k.InClear() != c.isInClear || age != 7 {
			t.Errorf("%+v: SASL %v, lacks the handshake %v, in clear text %v, age %v", c.stream, k.UsesSASL(), k.LacksHandshake(), k.InClear(), age)
		}
	}
	p := newPlay(t)
	s := p.connect()
	p.send(s, keyFetch, 3, answered, soon)
	p.endOf(s, func(c *decode.Connection) { c.Oddities = &reassembly.Oddities{Missing: 7} })
	if got, none := p.book.Missing(s), p.book.Missing(s+1); got != 7 || none != 0 {
		t.Errorf("%d and %d bytes are missing, want 7 and 0", got, none)
	}
}

// TestLowestAsked: the lowest ApiVersions version of a client, and no version of another API.
func TestLowestAsked(t *testing.T) {
	p := newPlay(t)
	for _, c := range []struct{ key, version, want int16 }{{keyMetadata, 0, -1}, {keyApiVersions, 3, 3}, {keyApiVersions, 1, 1}, {keyApiVersions, 2, 1}, {keyMetadata, 0, 1}, {keyApiVersions, 0, 0}, {keyApiVersions, 2, 0}} {
		x := &decode.Exchange{Stream: p.connect(), Client: playClient, Broker: playBroker, Key: c.key, Version: c.version, Outcome: answered, Request: p.at(), Decided: p.at()}
		p.book.Exchange(x)
		if got := p.book.Sample(x).LowestAsked(); got != c.want {
			t.Errorf("behind API %d v%d: %d, want %d", c.key, c.version, got, c.want)
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

// TestPhantomVersions: Kafka 4.0 advertises Produce v0 to v2 and refuses them.
func TestPhantomVersions(t *testing.T) {
	kafka4, err := decode.FindTable("kafka-4.0.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ranges  *decode.Ranges
		verdict decode.Verdict
		version int16
		want    bool
	}{
		{kafka4.Ranges, decode.OK, 2, true}, {kafka4.Ranges, decode.OK, 3, false}, {kafka4.Ranges, decode.AboveMax, 2, false}, {playTable, decode.OK, 2, false}, {nil, decode.OK, 2, false},
	} {
		x := &decode.Exchange{Key: keyProduce, Version: c.version, Verdict: c.verdict, Ranges: c.ranges, Outcome: closed}
		if _, got := PhantomMin(x); got != c.want || isSuspect(x) == c.want && c.verdict == decode.OK {
			t.Errorf("Produce v%d, %v: %v, want %v", c.version, c.verdict, got, c.want)
		}
		var s stream
		if s.offend(x); s.offended != (c.want || c.verdict.IsOutside()) {
			t.Errorf("Produce v%d, %v: offended %v", c.version, c.verdict, s.offended)
		}
	}
}

// TestErrorsThatNeedTheWholeInput: error 35 to ApiVersions is decided if the client retried on the
// same connection, or its retry was not captured.
func TestErrorsThatNeedTheWholeInput(t *testing.T) {
	for _, c := range []struct {
		x    decode.Exchange
		want bool
	}{
		{decode.Exchange{Key: keyFetch, Negotiated: -1}, true}, {decode.Exchange{Key: keyFetch, Negotiated: -1, WrongRefusal: true}, false},
		{decode.Exchange{Key: keyFetch, Negotiated: 0, RetryUnseen: true}, true},
		{decode.Exchange{Key: keyApiVersions, Negotiated: -1}, true}, {decode.Exchange{Key: keyApiVersions, Negotiated: 0}, false},
		{decode.Exchange{Key: keyApiVersions, Negotiated: -1, RetryUnseen: true}, false}, {decode.Exchange{Key: keyApiVersions, Negotiated: -1, WrongRefusal: true}, false},
	} {
		c.x.Outcome = decode.Error
		if got := isSuspect(&c.x); got != c.want {
			t.Errorf("%+v: %v, want %v", c.x, got, c.want)
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

// TestContradictedTables: only an answer outside a borrowed table contradicts it.
func TestContradictedTables(t *testing.T) {
	p := newPlay(t)
	other := &decode.Ranges{APIs: playTable.APIs[:1]}
	for _, c := range []struct {
		ranges   *decode.Ranges
		verdict  decode.Verdict
		evidence decode.Evidence
		want     int
	}{
		{playTable, decode.OK, decode.Borrowed, 0}, {playTable, decode.AboveMax, decode.Observed, 0}, {playTable, decode.AboveMax, decode.Borrowed, 1},
		{playTable, decode.AboveMax, decode.Borrowed, 1}, {other, decode.AboveMax, decode.Borrowed, 2},
	} {
		p.send(p.connect(), keyFetch, 13, answered, soon, func(x *decode.Exchange) { x.Ranges, x.Verdict, x.Evidence = c.ranges, c.verdict, c.evidence })
		if got := len(p.book.addresses[decode.Endpoint{Addr: playBroker}].contradicted); got != c.want {
			t.Errorf("%+v: %d tables, want %d", c, got, c.want)
		}
	}
}

// TestEndsOfTheBroker are a close and a reset. A connection that is cut has no end.
func TestEndsOfTheBroker(t *testing.T) {
	for end, want := range map[reassembly.End]bool{
		{Kind: reassembly.Closed, By: reassembly.ToClient}: true, {Kind: reassembly.Reset, By: reassembly.ToClient}: true,
		{Kind: reassembly.Cut, By: reassembly.ToClient}: false, {Kind: reassembly.Closed, By: reassembly.ToBroker}: false,
	} {
		if got := byBroker(&decode.Connection{Connection: &reassembly.Connection{End: end}}); got != want {
			t.Errorf("%+v: %v, want %v", end, got, want)
		}
	}
	for _, c := range []struct {
		change func(*decode.Connection)
		want   bool
	}{
		{func(*decode.Connection) {}, true}, {func(c *decode.Connection) { c.TLS = new(tlsrecord.Info) }, false}, {func(c *decode.Connection) { c.Midstream = true }, false},
		{func(c *decode.Connection) { c.TLS, c.Midstream = new(tlsrecord.Info), true }, false},
		{func(c *decode.Connection) { c.Oddities = &reassembly.Oddities{Missing: 1} }, false}, {func(c *decode.Connection) { c.Mechanism = "PLAIN" }, false},
	} {
		x := &decode.Connection{Connection: &reassembly.Connection{LastData: [2]capture.Position{moment(5), moment(5)}}, LastAnswer: moment(4)}
		if c.change(x); hasBegunAnswer(x) != c.want {
			t.Errorf("%+v: begun %v", x.Connection, !c.want)
		}
	}
}

// TestApiVersionsAnsweredWithError35: the version is refused if the client goes no lower, and had
// the time.
func TestApiVersionsAnsweredWithError35(t *testing.T) {
	for _, c := range []struct {
		name   string
		later  time.Duration // when the capture ends
		then   int16         // the version of its next ApiVersions request; -1 for none
		result decode.Outcome
		want   Cause
	}{
		{"no other request", Patience, -1, answered, Refused}, {"the capture ends", Patience - time.Second, -1, answered, Unexplained},
		{"the same version again", Patience, 3, closed, Refused}, {"a lower one that was not served", Patience, 2, closed, Unexplained}, {"a lower one", Patience, 2, answered, Downgraded},
	} {
		p := newPlay(t)
		p.send(p.connect(), keyApiVersions, 3, decode.Error, soon)
		if c.then >= 0 {
			p.send(p.connect(), keyApiVersions, c.then, c.result, soon)
		}
		p.now += c.later
		p.send(p.connect(), keyMetadata, 1, answered, soon, noRange, func(x *decode.Exchange) { x.ClientID = "other" })
		if got := p.book.Decide().Rulings[0].Cause; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestWhatConnectionsShow about their address.
func TestWhatConnectionsShow(t *testing.T) {
	spoke := func(what string) func(*decode.Connection) {
		return func(c *decode.Connection) {
			c.Protocol, c.Oddities = reassembly.Other, &reassembly.Oddities{Spoke: what}
		}
	}
	for _, c := range []struct {
		name                         string
		change                       func(*decode.Connection)
		known                        bool
		clear, tls, foreign, unwraps bool
	}{
		{"Kafka", func(*decode.Connection) {}, false, true, false, false, false},
		{"Kafka inside TLS", func(c *decode.Connection) { c.TLS = &tlsrecord.Info{Established: true} }, false, false, true, false, false},
		{"a failed handshake", func(c *decode.Connection) { c.Protocol, c.TLS = reassembly.TLS, new(tlsrecord.Info) }, false, false, false, false, false},
		{"Kafka without an answer", func(c *decode.Connection) { c.Responses = 0 }, false, false, false, false, false},
		{"answered with TLS", func(c *decode.Connection) { c.Protocol, c.Confusion = reassembly.Other, reassembly.ClearToTLS }, false, false, true, false, false},
		{"HTTP at a known address", spoke("HTTP"), true, false, false, true, false},
		{"HTTP at another address", spoke("HTTP"), false, false, false, false, false},
		{"a preface", func(c *decode.Connection) { c.Oddities = &reassembly.Oddities{Prefaces: make([]reassembly.Preface, 1)} }, false, true, false, false, true},
		{"a preface without an answer", func(c *decode.Connection) {
			c.Responses, c.Oddities = 0, &reassembly.Oddities{Prefaces: make([]reassembly.Preface, 1)}
		}, false, false, false, false, false},
	} {
		p := newPlay(t)
		at := decode.Endpoint{Addr: playBroker}
		if c.known {
			p.book.address(at)
		}
		for _, change := range []func(*decode.Connection){c.change, func(c *decode.Connection) { c.Responses = 0 }} {
			p.endOf(p.connect(), change)
		}
		a := p.book.address(at)
		if a.clear.Time > 0 != c.clear || a.tls.Time > 0 != c.tls || a.foreign != c.foreign || a.unwraps != c.unwraps {
			t.Errorf("%s: in clear text %v, TLS %v, foreign %v, unwraps %v, want %+v", c.name, a.clear, a.tls, a.foreign, a.unwraps, c)
		}
	}
}
