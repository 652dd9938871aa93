package sealed

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// TestSizesOfATable: the layouts of ApiVersions responses that a release sends, by its own versions.
func TestSizesOfATable(t *testing.T) {
	table := func(max int16, mode decode.Mode) *decode.Table {
		r := &decode.Ranges{}
		for k := range int16(20) {
			r.APIs = append(r.APIs, decode.API{Key: k, Range: decode.Range{Max: max}})
		}
		return &decode.Table{Release: "9.8.7", Mode: mode, Ranges: r}
	}
	const v0, v1, v3, v4 = headV0 + 20*perAPI, headV1 + 20*perAPI, headV3 + 20*perFlexibleAPI + 1, headV3 + 20*perFlexibleAPI + 1
	for _, c := range []struct {
		name string
		t    *decode.Table
		want [forms]int
	}{
		{"v0", table(0, decode.ZooKeeper), [forms]int{v0}}, {"v1", table(1, decode.ZooKeeper), [forms]int{v0, v1}}, {"v2", table(2, decode.ZooKeeper), [forms]int{v0, v1}},
		{"v3", table(3, decode.KRaft), [forms]int{v0, v1, v3}}, {"v4", table(4, decode.KRaft), [forms]int{v0, v1, v3, v4}},
		{"a controller", table(4, decode.Controller), [forms]int{}},
	} {
		all := sizesOf([]*decode.Table{c.t, c.t})
		for f, want := range c.want {
			if want == 0 && len(all[f]) > 0 || want > 0 && !slices.Equal(all[f][want], []sizedRelease{{20, "9.8", 0}}) {
				t.Errorf("%s: layout %d has sizes %v, want %d", c.name, f, all[f], want)
			}
		}
	}
	older, newer := table(0, decode.ZooKeeper), table(0, decode.ZooKeeper)
	newer.Release = "9.9.0"
	if got := sizesOf([]*decode.Table{older, newer})[formV0][v0]; !slices.Equal(got, []sizedRelease{{20, "9.8", 0}, {20, "9.9", 1}}) {
		t.Errorf("two releases of one size: %v", got)
	}
}

// TestNumbersOfAPIs: a size counts only if it is that of a whole and likely number of APIs.
func TestNumbersOfAPIs(t *testing.T) {
	for _, c := range []struct{ size, want int }{
		{100 + minAPIs*7, minAPIs}, {100 + minAPIs*7 + 1, 0}, {100 + minAPIs*7 - 7, 0}, {100 + maxAPIs*7, maxAPIs}, {100 + maxAPIs*7 + 7, 0}, {100 + 20*7, 20}, {30, 0},
	} {
		if got := apisBehind(100, 7, c.size); got != c.want {
			t.Errorf("%d bytes: %d, want %d", c.size, got, c.want)
		}
	}
	if countAPIs(headV0+20*perAPI) != 20 || countAPIs(headV1+20*perAPI) != 20 || countAPIs(headV0+20*perAPI+1) != 0 || flexibleAPIs(headV3+1+20*perFlexibleAPI) != 20 {
		t.Error("the layouts of versions 0, 1 and 3")
	}
}

// TestAnswersBySize: which layouts are looked up, and that padding makes a size less certain.
func TestAnswersBySize(t *testing.T) {
	for _, c := range []struct {
		name          string
		m             message
		flexible, old bool
		want          bool
	}{
		{"v0 of 2.1", message{size: -table21}, false, true, true}, {"v0 of 2.1, not asked for", message{size: -table21}, true, false, false},
		{"v3 of 2.6", message{size: -table26}, true, false, true}, {"v3 of 2.6, not asked for", message{size: -table26}, false, true, false},
		{"up to 15 bytes less", message{size: -table21 + 15, slack: 15}, false, true, true},
		{"another size", message{size: -table21 + 1}, true, true, false},
	} {
		a, fits := readAnswer(&c.m, c.flexible, c.old)
		if fits != c.want || fits != (len(a.Releases) > 0) || a.Size != c.m.size {
			t.Errorf("%s: %+v, fits %v", c.name, a, fits)
		}
	}
	for _, c := range []struct {
		m    message
		want bool
	}{
		{message{size: refused}, true}, {message{size: refusedBefore24}, true}, {message{size: refused + 1}, false}, {message{size: refusedBefore24 - 1}, false}, {message{size: refused - 1}, false},
		{message{size: refused + 5, slack: 5}, true}, {message{size: refused + 5, slack: 4}, false}, {message{size: refusedBefore24 + 2, slack: 2}, true}, {message{size: refusedBefore24 + 2, slack: 1}, false},
	} {
		if got := isRefusal(&c.m); got != c.want {
			t.Errorf("%+v is error 35: %v, want %v", c.m, got, c.want)
		}
	}
}

// TestApiVersionsBySize: which first exchanges are ApiVersions.
func TestApiVersionsBySize(t *testing.T) {
	const flexible = minRequest + flexibleRequest + minSoftware
	const unknown, unknownFlexible = headV0 + 100*perAPI, headV3 + 1 + 101*perFlexibleAPI
	for _, c := range []struct {
		name     string
		q, a     message
		want     Likeness
		clientID int
	}{
		{"v0 of 2.1", message{size: minRequest + 7}, message{size: -table21}, ByTable, 7},
		{"the smallest request", message{size: minRequest}, message{size: -table21}, ByTable, 0},
		{"a smaller one", message{size: minRequest - 1}, message{size: -table21}, NotKafka, -1},
		{"the largest request", message{size: maxApiVersions}, message{size: -table21}, ByTable, maxApiVersions - minRequest},
		{"a larger one", message{size: maxApiVersions + 1}, message{size: -table21}, NotKafka, -1},
		{"v3 of 2.6", message{size: flexible}, message{size: -table26}, ByTable, -1},
		{"v3 of 2.6, too small for software", message{size: flexible - 1}, message{size: -table26}, ByForm, -1},
		{"an unknown release", message{size: 40}, message{size: unknown}, ByForm, -1},
		{"an unknown release, v3", message{size: 40}, message{size: unknownFlexible}, ByForm, -1},
		{"an unknown release, with padding", message{size: 40}, message{size: unknown, slack: 1}, NotKafka, -1},
		{"a guessed request", message{size: 40, guessed: true}, message{size: -table21}, NotKafka, -1},
		{"a guessed answer", message{size: 40}, message{size: -table21, guessed: true}, NotKafka, -1},
	} {
		r := Reading{ClientID: -1, Software: -1}
		n := r.readApiVersions([]turn{{[]message{c.q}, []message{c.a}}})
		if r.Likeness != c.want || (n == 1) != (c.want != NotKafka) || r.ClientID != c.clientID || n == 1 && (r.Answer == nil || r.opening != c.q.size) {
			t.Errorf("%s: %d turns, %+v", c.name, n, r)
		}
	}
	for name, all := range map[string][]turn{"nothing": nil, "no request": {{answers: []message{{size: -table21}}}}, "no answer": {{requests: []message{{size: 40}}}}} {
		r := Reading{}
		if n := r.readApiVersions(all); n != 0 || r.Likeness != NotKafka {
			t.Errorf("%s: %d turns, %+v", name, n, r)
		}
	}
}

// TestRetriesBySize: what a retry after error 35 shows of the client and of the release.
func TestRetriesBySize(t *testing.T) {
	const first, unknown = 60, headV0 + 100*perAPI
	for _, c := range []struct {
		name               string
		first              int // answer to the first request
		second             message
		answer             message
		want               Likeness
		clientID, software int
		apis               int
	}{
		{"a retry", refused, message{size: 21}, message{size: -table21}, ByRetry, 7, 60 - 21 - flexibleRequest, 43},
		{"a release that is not known", refused, message{size: 21}, message{size: unknown}, ByRetry, 7, 60 - 21 - flexibleRequest, 100},
		{"the same, with padding", refused, message{size: 21}, message{size: unknown, slack: 1}, ByRetry, -1, -1, 0},
		{"an answer that is too small", refused, message{size: 21}, message{size: smallestRetried - 1}, NotKafka, -1, -1, 0},
		{"the smallest answer", refused, message{size: 21}, message{size: smallestRetried}, ByRetry, 7, 60 - 21 - flexibleRequest, minAPIs},
		{"a guessed answer", refused, message{size: 21}, message{size: -table21, guessed: true}, NotKafka, -1, -1, 0},
		{"the smallest request", refused, message{size: minRequest}, message{size: -table21}, ByRetry, 0, 60 - minRequest - flexibleRequest, 43},
		{"a table of v3", refused, message{size: 21}, message{size: -table26}, ByRetry, -1, -1, 50},
		{"the same size of a release before 2.4", refusedBefore24, message{size: 21}, message{size: -table26}, ByRetry, 7, 60 - 21 - flexibleRequest, 58},
	} {
		r := Reading{ClientID: -1, Software: -1}
		n := r.readApiVersions([]turn{{[]message{{size: first}}, []message{{size: c.first}}}, {[]message{c.second}, []message{c.answer}}})
		apis := 0
		if r.Answer != nil {
			apis = r.Answer.APIs
		}
		if r.Likeness != c.want || (n == 2) != (c.want == ByRetry) || r.ClientID != c.clientID || r.Software != c.software || apis != c.apis {
			t.Errorf("%s: %d turns, %+v, %d APIs", c.name, n, r, apis)
		}
	}
}

// TestHandshakesBySize: which exchanges can be a SaslHandshake.
func TestHandshakesBySize(t *testing.T) {
	one := func(q, a message) turn { return turn{[]message{q}, []message{a}} }
	const plain = handshakeRequest + 7 + 5 // client id of 7 bytes, PLAIN
	for _, c := range []struct {
		name      string
		t         turn
		clientID  int
		can, sure bool
	}{
		{"PLAIN", one(message{size: plain}, message{size: handshakeAnswer + 7}), 7, true, true},
		{"all mechanisms", one(message{size: plain}, message{size: handshakeAnswer + maxEnabled}), 7, true, true},
		{"more", one(message{size: plain}, message{size: handshakeAnswer + maxEnabled + 7}), 7, false, false},
		{"none", one(message{size: plain}, message{size: handshakeAnswer}), 7, false, false},
		{"no mechanisms have that length", one(message{size: plain}, message{size: handshakeAnswer + 9}), 7, false, false},
		{"padding", one(message{size: plain}, message{size: handshakeAnswer + 9, slack: 1}), 7, true, true},
		{"too little padding", one(message{size: plain}, message{size: handshakeAnswer + 12, slack: 3}), 7, false, false},
		{"another client id", one(message{size: plain}, message{size: handshakeAnswer + 7}), 50, false, false},
		{"an unknown client id", one(message{size: plain}, message{size: handshakeAnswer + 7}), -1, true, false},
		{"a request with padding", one(message{size: plain, slack: 15}, message{size: handshakeAnswer + 7}), 50, true, false},
		{"no client id", one(message{size: handshakeRequest + 5}, message{size: handshakeAnswer + 7}), 0, true, true},
		{"too small", one(message{size: handshakeRequest + 4}, message{size: handshakeAnswer + 7}), -1, false, false},
		{"a guessed request", one(message{size: 500, guessed: true}, message{size: handshakeAnswer + 9}), 7, true, false},
		{"a guessed answer", one(message{size: 500}, message{size: handshakeAnswer + 9, guessed: true}), 7, true, false},
		{"two requests", turn{[]message{{size: plain}, {size: plain}}, []message{{size: handshakeAnswer + 7}}}, 7, false, false},
		{"two answers", turn{[]message{{size: plain}}, []message{{size: handshakeAnswer + 7}, {size: 9}}}, 7, false, false},
	} {
		r := Reading{ClientID: c.clientID}
		if can, sure := r.isHandshake(&c.t); can != c.can || sure != c.sure {
			t.Errorf("%s: %v, sure %v, want %v, %v", c.name, can, sure, c.can, c.sure)
		}
	}
}

// TestTokensBehindAHandshake: when an authentication is over.
func TestTokensBehindAHandshake(t *testing.T) {
	first := turn{[]message{{size: handshakeRequest + 7 + 5}}, []message{{size: handshakeAnswer + 7}}}
	token := func(answers ...int) (out []turn) {
		for _, n := range answers {
			one := turn{requests: []message{{size: 45}}}
			if n > 0 {
				one.answers = []message{{size: n}}
			}
			out = append(out, one)
		}
		return out
	}
	for _, c := range []struct {
		name     string
		tokens   []turn
		clientID int
		want     Authentication
		turns    int
	}{
		{"PLAIN", token(16, 200), 7, SASLDone, 2}, {"the longest answer without a token", token(smallTokenAnswer, 200), 7, SASLDone, 2}, {"SCRAM", token(smallTokenAnswer+1, 200, 300), 7, SASLDone, 3},
		{"a challenge", token(100), 7, SASLOpen, 2}, {"no answer", token(0), 7, SASLOpen, 1}, {"nothing", nil, 7, SASLOpen, 1},
		{"not certain", token(200, 300), -1, MaybeSASL, 3}, {"an empty token makes it certain", token(sizePrefix), -1, SASLDone, 2}, {"a small token makes it certain", token(16), -1, SASLDone, 2}, {"a later one does not", token(200, 16), -1, MaybeSASL, 3},
	} {
		r := Reading{ClientID: c.clientID}
		if n := r.readSASL(append([]turn{first}, c.tokens...)); n != c.turns || r.Authentication != c.want {
			t.Errorf("%s: %d turns, authentication %d, want %d, %d", c.name, n, r.Authentication, c.turns, c.want)
		}
	}
	r := Reading{ClientID: -1, Answer: &Answer{}}
	if r.readSASL(append([]turn{first}, token(16)...)); r.Authentication != MaybeSASL {
		t.Errorf("behind ApiVersions: authentication %d", r.Authentication)
	}
}

// TestRecordsAreJoined: a size field of its own, and a full record, belong to the next record.
func TestRecordsAreJoined(t *testing.T) {
	data := func(toServer bool, n int) tlsrecord.Record {
		return tlsrecord.Record{Kind: tlsrecord.DataRecord, ToServer: toServer, Size: n}
	}
	guessed := data(true, 100)
	guessed.Guessed = true
	for _, c := range []struct {
		name     string
		slack    int
		records  []tlsrecord.Record
		sizes    []int
		prefixes int
		guessed  bool // the last one
	}{
		{"two messages", 0, []tlsrecord.Record{data(true, 100), data(true, 50)}, []int{100, 50}, 0, false},
		{"a size field", 0, []tlsrecord.Record{data(true, 4), data(true, 50)}, []int{54}, 0, false},
		{"a size field of the broker", 0, []tlsrecord.Record{data(false, 4), data(false, 50)}, []int{54}, 1, false},
		{"two size fields", 0, []tlsrecord.Record{data(false, 4), data(false, 4), data(false, 50)}, []int{8, 50}, 1, false},
		{"a size field of one side", 0, []tlsrecord.Record{data(true, 4), data(false, 50), data(true, 60)}, []int{4, 50, 60}, 0, false},
		{"a full record", 0, []tlsrecord.Record{data(true, fullRecord), data(true, 50)}, []int{fullRecord + 50}, 0, false},
		{"a full record, and a size field", 0, []tlsrecord.Record{data(false, fullRecord), data(false, 4), data(false, 50)}, []int{fullRecord + 4, 50}, 0, false},
		{"nearly a full record", 0, []tlsrecord.Record{data(true, fullRecord-1), data(true, 50)}, []int{fullRecord - 1, 50}, 0, false},
		{"an empty record", 0, []tlsrecord.Record{data(true, 0), data(true, 50)}, []int{50}, 0, false},
		{"a guessed size", 0, []tlsrecord.Record{data(true, 4), guessed}, []int{104}, 0, true},
		{"more behind a guessed size", 0, []tlsrecord.Record{data(true, 4), guessed, data(true, 60)}, []int{104, 60}, 0, false},
		{"an alert", 0, []tlsrecord.Record{data(true, 50), data(true, 2)}, []int{50}, 0, false},
		{"padding hides an alert", 15, []tlsrecord.Record{data(true, 50), data(true, 2)}, []int{50, 2}, 0, false},
		{"a size field with padding", 15, []tlsrecord.Record{data(true, 9), data(true, 50)}, []int{54}, 0, false},
	} {
		r := messageJoiner{over: [2]overhead{{slack: c.slack}, {slack: c.slack}}}
		for i := range c.records {
			r.record(&c.records[i])
		}
		var sizes []int
		for _, m := range r.messages {
			sizes = append(sizes, m.size)
		}
		if !slices.Equal(sizes, c.sizes) || r.prefixes != c.prefixes || r.messages[len(r.messages)-1].guessed != c.guessed {
			t.Errorf("%s: %v, %d size fields, guessed %v", c.name, sizes, r.prefixes, r.messages[len(r.messages)-1].guessed)
		}
	}
	r := messageJoiner{}
	for i, toServer := range []bool{true, false, true} {
		one := data(toServer, alertSize)
		one.At = capture.Position{Frame: uint64(i + 1)}
		if r.record(&one); r.alerted != (i > 0) || r.end.byServer || r.end.at.Frame != 1 {
			t.Errorf("alert %d: %+v, of the broker %v", i+1, r.end, r.alerted)
		}
	}
}

// TestLimitsOfABook: what does not fit is counted.
func TestLimitsOfABook(t *testing.T) {
	at := func(port int) decode.Endpoint {
		return decode.Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(port))}
	}
	b := NewBook(neverDown)
	for i := range maxAddresses + 3 {
		if a := b.address(at(i + 1)); (a == nil) != (i >= maxAddresses) {
			t.Fatalf("address %d: %v", i+1, a)
		}
	}
	if b.Dropped != 3 || b.address(at(1)) == nil {
		t.Errorf("%d addresses were dropped, want 3", b.Dropped)
	}
	b, c := NewBook(neverDown), &decode.Connection{Connection: &reassembly.Connection{}}
	a := b.address(at(1))
	for range maxLives + 2 {
		b.addLife(a, c, &Reading{})
	}
	for i := range maxSizes + 2 {
		if s := b.size(a, i); (s == nil) != (i >= maxSizes) {
			t.Fatalf("size %d: %v", i, s)
		}
	}
	if len(a.lives) != maxLives || b.Dropped != 4 || b.kept != maxLives+maxSizes || b.size(a, 0) == nil {
		t.Errorf("%d lives, %d dropped, %d kept", len(a.lives), b.Dropped, b.kept)
	}
	b.kept = maxKept
	if other := b.address(at(2)); b.size(other, 1) != nil || b.Dropped != 5 {
		t.Error("more than all addresses keep")
	} else if b.addLife(other, c, &Reading{}); len(other.lives) != 0 || b.Dropped != 6 {
		t.Error("more lives than all addresses keep")
	}
	for i := range maxClients + 2 {
		if k := a.client(netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)})); (k == nil) != (i >= maxClients) {
			t.Fatalf("client %d: %v", i, k)
		}
	}
	for i := range maxAnswers + 2 {
		a.answer(&Answer{Size: i})
		a.answer(&Answer{Size: i})
	}
	if len(a.answers) != maxAnswers || a.answers[0].n != 2 {
		t.Errorf("%d answers, the first %d times", len(a.answers), a.answers[0].n)
	}
	b.Dropped = 0
	c.TLS, c.Client = &tlsrecord.Info{Subject: "CN=a"}, at(9).Addr
	for i := range maxClients + 2 {
		c.Broker = at(i + 1).Addr
		b.client(c, &Reading{opening: 1})
		b.client(c, &Reading{opening: 1})
	}
	if len(b.clients) != 1 || len(b.clients[0].Brokers) != maxClients || len(b.clients[0].Subjects) != 1 {
		t.Errorf("%d clients, the first with %d brokers", len(b.clients), len(b.clients[0].Brokers))
	}
	for i := range maxClients + 1 {
		b.client(c, &Reading{opening: i + 1})
	}
	c.Client = at(8).Addr
	c.Client = netip.AddrPortFrom(netip.MustParseAddr("10.0.0.77"), 1)
	if b.client(c, &Reading{opening: 1}); len(b.clients) != maxClients || b.Dropped != 2 {
		t.Errorf("%d clients, %d dropped", len(b.clients), b.Dropped)
	}
}
