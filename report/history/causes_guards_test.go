package history

import (
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// refusedAt returns a request that the broker closed after took, on a connection that began at 1.
func refusedAt(sent int64, key int16, took time.Duration) *Suspect {
	return &Suspect{
		Exchange: decode.Exchange{
			Key: key, Version: 3, Outcome: closed, Took: took, Verdict: decode.OK, Evidence: decode.Observed, Ranges: playTable,
			Broker: playBroker, Request: moment(sent), Decided: moment(sent + int64(took)),
		},
		stream: &stream{first: moment(1), client: new(client)},
	}
}

// TestPromptEnds: what the broker does to a request, it does within prompt. Later, something else
// explains the end.
func TestPromptEnds(t *testing.T) {
	for took, want := range map[int64]bool{prompt: true, prompt + 1: false} {
		v := &view{address: &address{}, refusals: map[version][]*Suspect{}}
		session := refusedAt(90, keyFetch, time.Duration(took))
		session.stream.hasSASL, session.stream.worked, session.stream.authenticated, session.stream.began = true, moment(20), moment(10), 20
		_, isSession := v.sessionAgeOf(session)
		order := refusedAt(90, keyFetch, time.Duration(took))
		order.stream.stage, order.stream.hasSASL, order.stream.authenticated = keySaslHandshake, true, moment(10)
		unseen := refusedAt(90, keyFetch, time.Duration(took))
		unseen.stream.midstream, unseen.stream.worked = true, moment(20)
		var again []*Suspect
		for i := range int64(3) {
			again = append(again, refusedAt(1+i*int64(time.Minute), keyFetch, time.Duration(took)))
		}
		limited := &view{address: &address{hasLimit: true}}
		for name, got := range map[string]bool{
			"a session that is over": isSession, "out of order": order.isOutOfOrder(), "a session of before the capture": limited.mayBeOver(unseen), "again": isAgain(again),
			"in answer": v.inAnswer(refusedAt(90, keyMetadata, time.Duration(took))),
		} {
			if got != want {
				t.Errorf("%s after %v: %v", name, time.Duration(took), got)
			}
		}
	}
	for took, want := range map[int64]bool{together: false, together + 1: true} {
		if got := hasWaited(&refusedAt(90, keyFetch, time.Duration(took)).Exchange); got != want {
			t.Errorf("closed after %v: waited %v", time.Duration(took), got)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*address, *stream)
		want   bool
	}{
		{"a session of before the capture", func(*address, *stream) {}, true},
		{"no limit", func(a *address, _ *stream) { a.hasLimit = false }, false},
		{"from its beginning", func(_ *address, s *stream) { s.midstream = false }, false},
		{"with its authentication", func(_ *address, s *stream) { s.hasSASL = true }, false},
		{"never served", func(_ *address, s *stream) { s.worked.Time = 0 }, false},
	} {
		k := refusedAt(90, keyFetch, soon)
		k.stream.midstream, k.stream.worked = true, moment(20)
		a := &address{hasLimit: true}
		c.change(a, k.stream)
		if got := (&view{address: a}).mayBeOver(k); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestLoneAndIgnored: each row differs in one fact.
func TestLoneAndIgnored(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        func(*view, *Suspect)
		lone, ignored bool
	}{
		{"one ApiVersions", func(*view, *Suspect) {}, true, false},
		{"another API", func(_ *view, k *Suspect) { k.Exchange.Key = keyMetadata }, false, false},
		{"the client left", func(_ *view, k *Suspect) { k.Exchange.Outcome, k.Exchange.Took = decode.Left, Patience }, false, true},
		{"it left sooner", func(_ *view, k *Suspect) { k.Exchange.Outcome, k.Exchange.Took = decode.Left, Patience-1 }, false, false},
		{"bytes are missing", func(_ *view, k *Suspect) {
			k.Exchange.Outcome, k.Exchange.Took, k.stream.missing = decode.Left, Patience, 1
		}, false, false},
		{"nothing was answered meanwhile", func(v *view, k *Suspect) {
			k.Exchange.Outcome, k.Exchange.Took, v.alive = decode.Left, Patience, periods(5, 9)
		}, false, false},
		{"another version is answered", func(v *view, k *Suspect) {
			k.Exchange.Outcome, k.Exchange.Took, v.answers = decode.Left, Patience, map[version]*spans{{keyApiVersions, 0}: {}}
		}, false, false},
		{"TLS", func(v *view, _ *Suspect) { v.tls = moment(5) }, false, false},
		{"TLS before an answer in the clear", func(v *view, _ *Suspect) { v.tls, v.clear = moment(5), moment(5) }, true, false},
		{"two", func(v *view, k *Suspect) { v.refusals[k.version()] = append(v.refusals[k.version()], k) }, false, false},
		{"another version, too", func(v *view, k *Suspect) { v.refusals[version{keyApiVersions, 0}] = []*Suspect{k} }, false, false},
		{"another API, too", func(v *view, k *Suspect) { v.refusals[version{keyMetadata, 0}] = []*Suspect{k} }, true, false},
		{"no restart", func(v *view, k *Suspect) { v.alive = periods(k.Exchange.Decided.Time+1, k.Exchange.Decided.Time+1) }, false, false},
	} {
		k := refusedAt(90, keyApiVersions, soon)
		v := &view{book: New(nil), address: &address{alive: periods(100, 100)}, refusals: map[version][]*Suspect{}}
		v.refusals[k.version()] = []*Suspect{k}
		c.change(v, k)
		k.Exchange.Decided = moment(90 + int64(k.Exchange.Took))
		if lone, ignored := v.isLone(k), v.isIgnored(k); lone != c.lone || ignored != c.ignored {
			t.Errorf("%s: alone %v, ignored %v, want %v and %v", c.name, lone, ignored, c.lone, c.ignored)
		}
	}
}

// TestMixedBrokers: only a version outside a borrowed table of this life, refused again and again,
// shows several brokers.
func TestMixedBrokers(t *testing.T) {
	for _, c := range []struct {
		name    string
		times   int64
		verdict decode.Verdict
		by      decode.Evidence
		advert  int64
		want    bool
	}{
		{"again and again", againAndAgain, decode.AboveMax, decode.Borrowed, 5, true}, {"not often enough", againAndAgain - 1, decode.AboveMax, decode.Borrowed, 5, false},
		{"inside the table", againAndAgain, decode.OK, decode.Borrowed, 5, false}, {"a table of its connection", againAndAgain, decode.AboveMax, decode.Observed, 5, false},
		{"a table of an earlier life", againAndAgain, decode.AboveMax, decode.Borrowed, 1, false},
	} {
		v := &view{address: &address{adverts: []advert{{playTable, span{from: moment(c.advert), to: moment(c.advert)}}}}, refusals: map[version][]*Suspect{}, restarts: []restart{{moment(3), moment(3)}}}
		one := new(client)
		for i := range c.times {
			k := refusedAt(9+i*int64(time.Minute), keyFetch, soon)
			k.Exchange.Verdict, k.Exchange.Evidence, k.stream.client = c.verdict, c.by, one
			v.refusals[k.version()] = append(v.refusals[k.version()], k)
		}
		if got := v.isMixed(v.refusals[version{keyFetch, 3}][0]); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestRefusedToOneClient: a version that the address answers to others, and never to this client.
func TestRefusedToOneClient(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*view, *client)
		want   bool
	}{
		{"answered to others", func(*view, *client) {}, true}, {"to nobody", func(v *view, _ *client) { v.answers = nil }, false},
		{"the client has too many answers", func(_ *view, k *client) { k.isFull = true }, false},
		{"answered before", func(v *view, _ *client) { v.answers[version{keyFetch, 3}] = &spans{{from: moment(8), to: moment(8)}} }, false},
		{"answered to it", func(v *view, k *client) { k.answers = []answerTo{{v.address, version{keyFetch, 3}, 9, moment(9)}} }, false},
		{"answered to it in another version", func(v *view, k *client) { k.answers = []answerTo{{v.address, version{keyFetch, 4}, 9, moment(9)}} }, true},
		{"answered to it elsewhere", func(_ *view, k *client) { k.answers = []answerTo{{new(address), version{keyFetch, 3}, 9, moment(9)}} }, true},
		{"answered to it in an earlier life", func(v *view, k *client) { k.answers = []answerTo{{v.address, version{keyFetch, 3}, 1, moment(2)}} }, true},
		{"up to this life", func(v *view, k *client) { k.answers = []answerTo{{v.address, version{keyFetch, 3}, 1, moment(3)}} }, false},
		{"answered to it in a later life", func(v *view, k *client) {
			v.restarts = append(v.restarts, restart{moment(int64(time.Hour)), moment(int64(time.Hour))})
			k.answers = []answerTo{{v.address, version{keyFetch, 3}, int64(time.Hour), moment(int64(2 * time.Hour))}}
		}, true},
	} {
		v := &view{address: &address{answers: map[version]*spans{{keyFetch, 3}: {{from: moment(int64(time.Minute)), to: moment(int64(time.Minute))}}}}, refusals: map[version][]*Suspect{}, restarts: []restart{{moment(3), moment(3)}}}
		one := new(client)
		for i := range int64(againAndAgain) {
			k := refusedAt(9+i*int64(time.Minute), keyFetch, soon)
			k.stream.client = one
			v.refusals[k.version()] = append(v.refusals[k.version()], k)
		}
		c.change(v, one)
		if got := v.onlyTo(v.refusals[version{keyFetch, 3}][0]); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestSizeOfARefusedRequest: it counts above the largest answered one, if the broker ended the
// connection.
func TestSizeOfARefusedRequest(t *testing.T) {
	for _, c := range []struct {
		name    string
		size    int64
		partial bool
		outcome decode.Outcome
		others  int64 // the size of another refusal; 0 for none
		want    bool
	}{
		{"cut", largeRequest, true, closed, 0, true}, {"as large as an answered one", 100, true, closed, 0, false}, {"cut by the client", largeRequest, true, decode.Left, 0, false},
		{"whole", largeRequest, false, closed, 0, false}, {"whole, twice", largeRequest, false, closed, largeRequest, true}, {"another one is smaller", largeRequest, false, closed, largeRequest - 1, false},
		{"small and cut once", largeRequest - 1, true, closed, 0, false},
	} {
		v := &view{address: &address{largest: 100}, refusals: map[version][]*Suspect{}}
		for _, size := range []int64{c.size, c.others} {
			k := refusedAt(9, keyProduce, soon)
			k.Exchange.Size, k.Exchange.Partial, k.Exchange.Outcome = size, c.partial, c.outcome
			if size > 0 {
				v.refusals[k.version()] = append(v.refusals[k.version()], k)
			}
		}
		if got := v.tooLarge(v.refusals[version{keyProduce, 3}][0]); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for kind, want := range map[reassembly.EndKind]bool{reassembly.Closed: true, reassembly.Expired: false} {
		c := &decode.Connection{Connection: &reassembly.Connection{End: reassembly.End{Kind: kind, By: reassembly.ToClient}}}
		if got := byBroker(c); got != want {
			t.Errorf("ended by %d: %v", kind, got)
		}
	}
}
