package history

import (
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

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
