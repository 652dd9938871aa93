package sealed

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// TestLibraryOf: one trait of rustls is not enough, as others share it.
func TestLibraryOf(t *testing.T) {
	for _, c := range []struct {
		name       string
		extensions []uint16
		suites     []uint16
		want       Library
	}{
		{"Java", []uint16{extStatusRequestV2, extEncryptThenMAC}, nil, Java},
		{"OpenSSL", []uint16{extEncryptThenMAC, extSignedTimestamp}, nil, OpenSSL},
		{"Go", []uint16{extSignedTimestamp, extStatusRequest}, nil, Go},
		{"rustls", []uint16{extStatusRequest, extExtendedMaster}, []uint16{suiteRenegotiation}, Rustls},
		{"without status_request", []uint16{extExtendedMaster}, []uint16{suiteRenegotiation}, UnknownLibrary},
		{"without extended_master_secret", []uint16{extStatusRequest}, []uint16{suiteRenegotiation}, UnknownLibrary},
		{"without the suite", []uint16{extStatusRequest, extExtendedMaster}, nil, UnknownLibrary},
	} {
		if got := LibraryOf(&tlsrecord.Hello{Extensions: c.extensions, Suites: c.suites}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := LibraryOf(nil); got != UnknownLibrary {
		t.Errorf("no ClientHello: %v", got)
	}
}

// TestTicketsNeedTheirExtension: a server sends session tickets only to clients with
// psk_key_exchange_modes.
func TestTicketsNeedTheirExtension(t *testing.T) {
	for _, c := range []struct {
		extensions []uint16
		want       int // answers that are left
	}{{[]uint16{extPSKModes}, 0}, {nil, 1}} {
		all := []turn{{requests: []message{{size: 92}}, answers: []message{{size: 181}}}}
		if got := trimTickets(all, true, &tlsrecord.Hello{Extensions: c.extensions}); len(got[0].answers) != c.want {
			t.Errorf("extensions %v: %d answers, want %d", c.extensions, len(got[0].answers), c.want)
		}
	}
}

// TestMissingIsNoAlert: bytes that the capture lacks can have the size of an alert.
func TestMissingIsNoAlert(t *testing.T) {
	for kind, want := range map[tlsrecord.RecordKind]bool{tlsrecord.DataRecord: true, tlsrecord.MissingRecord: false} {
		if _, ok := readMidstream([]tlsrecord.Record{{Kind: kind, Size: alertSize + overhead13}}); ok != want {
			t.Errorf("record kind %d: %v, want %v", kind, ok, want)
		}
	}
}

// TestSince22: Kafka 2.2 is the first release with its number of APIs.
func TestSince22(t *testing.T) {
	for _, c := range []struct {
		answer *Answer
		want   bool
	}{
		{&Answer{APIs: apisOf22, Releases: []string{"2.2"}}, true}, {&Answer{APIs: apisOf22 - 1, Releases: []string{"2.1"}}, false},
		{&Answer{APIs: apisOf22}, false}, {nil, false},
	} {
		if got := c.answer.since22(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.answer, got, c.want)
		}
	}
}

// TestRetryIsNoLonger: an ApiVersions request in a lower version is not longer than the first one.
func TestRetryIsNoLonger(t *testing.T) {
	for size, want := range map[int]Likeness{versions0: ByRetry, versions3: ByRetry, versions3 + 1: NotKafka, minRequest - 1: NotKafka} {
		r := Reading{}
		r.readApiVersions([]turn{
			{requests: []message{{size: versions3}}, answers: []message{{size: -refusal}}},
			{requests: []message{{size: size}}, answers: []message{{size: -table21}}},
		})
		if r.Likeness != want {
			t.Errorf("a second request of %d bytes: %d, want %d", size, r.Likeness, want)
		}
	}
}

// TestLossHidesNegotiation: if packets are lost, the few answers before a refusal can be those to
// ApiVersions and SASL.
func TestLossHidesNegotiation(t *testing.T) {
	for _, c := range []struct {
		one  Case
		open bool
		want bool
	}{
		{Case{Served: beforeRefusal, displaced: true}, false, false}, {Case{Served: beforeRefusal, displaced: true}, true, true},
		{Case{Served: beforeRefusal}, false, true}, {Case{Served: beforeRefusal + 1, displaced: true}, false, true},
		{Case{Served: beforeRefusal, displaced: true, hasAnswer: true}, false, true},
	} {
		if got := NewBook(neverDown).counts(&address{open: c.open}, &c.one, false, false); got != c.want {
			t.Errorf("%+v, open %v: %v, want %v", c.one, c.open, got, c.want)
		}
	}
}

// TestRefusedCertificate: in TLS 1.3, the sizes of records show whose certificate the other side
// did not accept.
func TestRefusedCertificate(t *testing.T) {
	const (
		certificate, none    = 781, emptyCertificate + overhead13
		finished             = 4 + 32 + overhead13
		alert13, alertOfJava = alertSize + overhead13, alertSize + overhead13 + padding13
		ticket, request      = 217, 65
	)
	psk := &tlsrecord.Hello{Extensions: []uint16{extPSKModes}}
	for _, c := range []struct {
		name    string
		hello   *tlsrecord.Hello
		version string
		records []int // negative from the broker
		want    Certificate
	}{
		{"the client sends an alert instead of Finished", psk, "", []int{alert13}, OfBroker},
		{"Java does", psk, "", []int{alertOfJava}, OfBroker},
		{"the client closes after Finished", psk, "", []int{finished, alert13}, NotRefused},
		{"the broker sends an alert before the request", nil, "", []int{certificate, 281, finished, -alert13, request}, OfClient},
		{"behind the request", psk, "", []int{certificate, 281, finished, request, -alert13}, NotRefused},
		{"behind the request, and Java would have sent a ticket", psk, "", []int{certificate, 281, finished, request, -alertOfJava}, OfClient},
		{"not to this client", nil, "", []int{certificate, 281, finished, request, -alertOfJava}, NotRefused},
		{"it did", psk, "", []int{certificate, 281, finished, -ticket, request, -alertOfJava}, NotRefused},
		{"no certificate was requested", psk, "", []int{finished, request, -alertOfJava}, NotRefused},
		{"the client has none", nil, "", []int{none, finished, request, -alert13}, NoCertificate},
		{"a Java client has one", &tlsrecord.Hello{Extensions: []uint16{extStatusRequestV2, extPSKModes}}, "", []int{1097, request, -alertOfJava}, OfClient},
		{"a Java client has none", &tlsrecord.Hello{Extensions: []uint16{extStatusRequestV2}}, "", []int{none + 36 + padding13, request, -alertOfJava}, NoCertificate},
		{"the same with SHA-384", &tlsrecord.Hello{Extensions: []uint16{extStatusRequestV2}}, "", []int{none + 52 + padding13, request, -alertOfJava}, NoCertificate},
		{"TLS 1.2", psk, "TLS 1.2", []int{alert13}, NotRefused},
	} {
		o := tlsrecord.NewOutline(false)
		w := writer{wrapping{}, o}
		for i, n := range append([]int{-27, -82, -certificate, -281, -finished}, c.records...) {
			w.record(23, n > 0, max(n, -n), capture.Position{Frame: uint64(i), Time: int64(i)})
		}
		x := &decode.Connection{Connection: &reassembly.Connection{Outline: o, TLS: &tlsrecord.Info{Version: "TLS 1.3", Hello: c.hello}}}
		if c.version != "" {
			x.TLS.Version = c.version
		}
		if got := RefusedCertificate(x); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		if x.Midstream = true; RefusedCertificate(x) != NotRefused {
			t.Errorf("%s, midstream", c.name)
		}
	}
	if RefusedCertificate(&decode.Connection{Connection: &reassembly.Connection{}}) != NotRefused {
		t.Error("without TLS")
	}
}

// TestSuppliedRelease: a broker without an ApiVersions response is of the release that the user
// names.
func TestSuppliedRelease(t *testing.T) {
	for name, want := range map[string]int{"2.0.1": 0, "2.1.1": 1, "4.0.0-kraft": 1} {
		b := NewBook(neverDown)
		table, err := decode.FindTable("kafka-" + name)
		if err != nil {
			t.Fatal(err)
		}
		b.Supply(table.Ranges)
		for i, p := range times(3, closed(0, handshakePlain, -21, tokens)) {
			b.Connection(p.connection(uint32(i)))
		}
		if got := len(b.Refusals()); got != want {
			t.Errorf("%s: %d refusals, want %d", name, got, want)
		}
	}
}

// TestMissingRequestsHaveNoNumber: if bytes in front of the last requests are missing, the
// responses can be those of any of them.
func TestMissingRequestsHaveNoNumber(t *testing.T) {
	for _, gap := range []int64{0, 79} {
		o := tlsrecord.NewOutline(false)
		w, frame := writer{wrappings[0], o}, uint64(0)
		at := func() capture.Position {
			frame++
			return capture.Position{Frame: frame, Time: int64(frame) * int64(time.Millisecond)}
		}
		w.handshake(at())
		for _, n := range []int{versions0, table21, metadata, metadataSays} {
			w.record(23, n > 0, w.w.content(n > 0, max(n, -n)), at())
		}
		if gap > 0 {
			o.Gap(true, gap, at())
		} else {
			w.record(23, true, w.w.content(true, join), at())
		}
		w.record(23, true, w.w.content(true, fetch), at())
		w.record(23, false, w.w.content(false, 60), at())
		c := &reassembly.Connection{Seen: [2]bool{true, true}, Outline: o, TLS: &tlsrecord.Info{}, End: reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, At: at()}}
		if got := Read(&decode.Connection{Connection: c}).Refused; (got != nil) != (gap == 0) {
			t.Errorf("%d bytes missing: %+v", gap, got)
		}
	}
}

// TestOverrunIsOfTheBroker: a client that closes may reset what it does not read. Nothing is
// missing.
func TestOverrunIsOfTheBroker(t *testing.T) {
	for by, want := range map[reassembly.Direction]bool{reassembly.ToClient: true, reassembly.ToBroker: false} {
		p := play{say: negotiated(metadata, metadataSays, fetch), end: reassembly.Closed, by: by, overrun: true}
		if got := Read(p.connection(0)); got.missing != want {
			t.Errorf("closed towards %v: missing %v", by, got.missing)
		}
	}
}

// TestFitsBetter: an alert proves more than size fields, and these more than the size of a known
// response.
func TestFitsBetter(t *testing.T) {
	for _, c := range []struct {
		r, best Reading
		want    bool
	}{
		{Reading{alerted: true}, Reading{prefixes: 9, Likeness: ByRetry}, true}, {Reading{prefixes: 9, Likeness: ByRetry}, Reading{alerted: true}, false},
		{Reading{prefixes: 2}, Reading{prefixes: 1, Likeness: ByRetry}, true}, {Reading{prefixes: 1, Likeness: ByRetry}, Reading{prefixes: 2}, false},
		{Reading{Likeness: ByTable}, Reading{Likeness: ByForm}, true}, {Reading{Likeness: ByForm}, Reading{}, false}, {Reading{Likeness: ByTable}, Reading{Likeness: ByTable}, false},
	} {
		if got := c.r.fitsBetter(&c.best); got != c.want {
			t.Errorf("%+v after %+v: %v", c.r, c.best, got)
		}
	}
}

// TestTagsOfAnswers: a tag of 127 bytes and more has one more byte of size. Features with min 0 may
// be finalized.
func TestTagsOfAnswers(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 4, 126: 129, 127: 131} {
		if got := tag(n); got != want {
			t.Errorf("a tag of %d bytes: %d, want %d", n, got, want)
		}
	}
	always, once := decode.Feature{Name: "a.b", Range: decode.Range{Min: 1}}, decode.Feature{Name: "cd"}
	for _, c := range []struct {
		features []decode.Feature
		v3       bool
		want     []int
	}{
		{nil, false, []int{1, 1 + finalizedEpoch}}, {[]decode.Feature{always}, true, []int{1 + tag(9) + finalizedEpoch + tag(9)}},
		{[]decode.Feature{always, once}, true, []int{1 + tag(9) + finalizedEpoch + tag(9), 1 + tag(9) + finalizedEpoch + tag(17)}},
		{[]decode.Feature{always, once}, false, []int{1 + tag(17) + finalizedEpoch + tag(9), 1 + tag(17) + finalizedEpoch + tag(17)}},
	} {
		got := tagSizes(c.features, c.v3)
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%v, v3 %v: %v, want %v", c.features, c.v3, got, c.want)
		}
	}
}

// TestTurnsWithoutAll: a message without a record is missing, one of a guessed size is a guess.
func TestTurnsWithoutAll(t *testing.T) {
	whole, missing, guess := message{records: 1}, message{}, message{records: 1, guessed: true}
	for _, c := range []struct {
		turn          turn
		torn, guessed bool
	}{
		{turn{[]message{whole}, []message{whole}}, false, false}, {turn{[]message{whole, missing}, nil}, true, false}, {turn{nil, []message{missing}}, true, false},
		{turn{[]message{guess}, []message{whole}}, false, true}, {turn{[]message{whole}, []message{whole, guess}}, false, true},
	} {
		if torn, guessed := c.turn.isTorn(), c.turn.hasGuess(); torn != c.torn || guessed != c.guessed {
			t.Errorf("%+v: torn %v, guessed %v", c.turn, torn, guessed)
		}
	}
	for size, want := range map[int][2]bool{3: {}, 4: {true, true}, 5: {false, true}, 11: {false, true}, 12: {}} {
		if got := [2]bool{(overhead{}).isPrefix(size), (overhead{slack: 15}).isPrefix(size)}; got != want {
			t.Errorf("%d bytes are a size field: %v, want %v", size, got, want)
		}
	}
}

// TestCloseLimit: a broker that answers late closes late, up to maxPromptly.
func TestCloseLimit(t *testing.T) {
	at := func(ms int64) []message {
		m := message{first: capture.Position{Time: ms * 1e6}}
		m.at = m.first
		return []message{m}
	}
	for _, c := range []struct {
		took []int64 // in ms; -1 for no answer
		want time.Duration
	}{
		{nil, promptly}, {[]int64{-1}, promptly}, {[]int64{10}, promptly}, {[]int64{100}, 400 * time.Millisecond}, {[]int64{300, 100, 200}, 400 * time.Millisecond},
		{[]int64{-1, 100}, 400 * time.Millisecond}, {[]int64{1999}, maxPromptly}, {[]int64{2500}, promptly},
	} {
		var all []turn
		for _, ms := range c.took {
			one := turn{requests: at(1000)}
			if ms >= 0 {
				one.answers = at(1000 + ms)
			}
			all = append(all, one)
		}
		if got := closeLimit(append(all, turn{answers: at(1000)})); got != c.want {
			t.Errorf("answered after %v ms: %v, want %v", c.took, got, c.want)
		}
	}
}

// TestRefusalsAddUp: what a refusal says of its cases.
func TestRefusalsAddUp(t *testing.T) {
	r := Refusal{ServedLeast: -1}
	for _, c := range []Case{
		{Served: 3, Authentication: SASLDone, Request: Request{Slack: 1, Delay: 5}}, {Served: 2, Authentication: SASLOpen, Request: Request{Slack: 4, Delay: 2}}, {Served: 7, Authentication: MaybeSASL}, {Served: 4},
	} {
		r.add(&c)
	}
	if r.ServedLeast != 2 || r.ServedMost != 7 || r.Authenticated != 2 || r.Slack != 4 || r.Longest != 5 || len(r.Cases) != 4 {
		t.Errorf("%+v", r)
	}
	const ms = int64(time.Millisecond)
	closed := func(begin, at int64) Case {
		return Case{begin: begin * ms, Request: Request{Closed: capture.Position{Time: at * ms}}}
	}
	for _, c := range []struct {
		cases []Case
		want  int
	}{
		{nil, 0}, {[]Case{closed(1, 1000)}, 1}, {[]Case{closed(1, 1000), closed(1, 1250)}, 1}, {[]Case{closed(1, 1251), closed(1, 1000)}, 2}, {[]Case{closed(1, 1000), closed(1001, 1100)}, 2}, {[]Case{closed(1, 1000), closed(1000, 1100)}, 1},
	} {
		if got := moments(c.cases); got != c.want {
			t.Errorf("%+v: %d moments, want %d", c.cases, got, c.want)
		}
	}
}

// TestLivesAroundARefusal: other connections show that the broker was stopped, that it ran, or that
// a limit explains the refusal.
func TestLivesAroundARefusal(t *testing.T) {
	const ms = int64(time.Millisecond)
	c := &Case{Stream: 1, begin: 9000 * ms, Request: Request{Size: 50, Closed: capture.Position{Time: 10_000 * ms}}}
	for _, x := range []struct {
		name                               string
		life                               life // in ms
		stopped, running, lasting, crowded bool
	}{
		{"itself", life{stream: 1, begin: 1, end: 10_000, byBroker: true, served: true}, false, false, false, false},
		{"ended with it", life{stream: 2, begin: 1, end: 10_250, byBroker: true}, true, false, false, true},
		{"ended before it", life{stream: 2, begin: 1, end: 9750, byBroker: true}, true, false, false, true},
		{"ended later", life{stream: 2, begin: 1, end: 10_251, byBroker: true}, false, false, false, true},
		{"ended by the client", life{stream: 2, begin: 1, end: 10_000}, false, false, false, false},
		{"ended on another refused request", life{stream: 2, begin: 1, end: 10_000, byBroker: true, size: 60}, false, false, false, true},
		{"ended on a request that is answered", life{stream: 2, begin: 1, end: 10_000, byBroker: true, size: 70}, true, false, false, true},
		{"ended on a request of that size", life{stream: 2, begin: 1, end: 10_000, byBroker: true, size: 50}, false, false, false, false},
		{"lasted", life{stream: 2, begin: 9999, end: 12_001, served: true}, false, true, true, false},
		{"lasted not long enough", life{stream: 2, begin: 9999, end: 12_000, served: true}, false, false, false, false},
		{"lasted, and was not served", life{stream: 2, begin: 9999, end: 12_001}, false, false, false, false},
		{"began soon", life{stream: 2, begin: 10_001, end: 10_002, served: true}, false, true, false, false},
		{"began with the close", life{stream: 2, begin: 10_000, end: 12_001, served: true}, false, true, false, false},
		{"began late", life{stream: 2, begin: 12_001, end: 14_002, served: true}, false, false, false, false},
	} {
		l := x.life
		l.begin, l.end = l.begin*ms, l.end*ms
		a := &address{lives: []life{l}, sizes: map[int]*sizeCount{50: {refused: 1}, 60: {refused: 1}, 70: {answered: 1}}}
		if stopped, running, lasting, crowded := a.stopped(c), a.isRunningAfter(c, false), a.isRunningAfter(c, true), a.isCrowded(c); stopped != x.stopped || running != x.running || lasting != x.lasting || crowded != x.crowded {
			t.Errorf("%s: stopped %v, running %v, lasting %v, crowded %v", x.name, stopped, running, lasting, crowded)
		}
	}
}

// TestInferredBrokers: an address is a broker by the most frequent response.
func TestInferredBrokers(t *testing.T) {
	at := decode.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:9092")}
	for _, c := range []struct {
		likeness Likeness
		answers  []*counted
		want     int // the size of the response; 0 for none
	}{
		{ByTable, []*counted{{Answer{Size: 7, APIs: 1}, 1}, {Answer{Size: 8, APIs: 1}, 2}}, 8}, {ByTable, []*counted{{Answer{Size: 7, APIs: 1}, 1}, {Answer{Size: 8}, 2}}, 7}, {ByTable, nil, 0},
		{ByPort, []*counted{{Answer{Size: 7}, 9}}, 0}, {ByForm, []*counted{{Answer{Size: 7}, 1}}, 0}, {ByForm, []*counted{{Answer{Size: 7}, 2}}, 7},
	} {
		b := NewBook(neverDown)
		a := b.address(at)
		a.likeness, a.answers = c.likeness, c.answers
		got, ok := b.Broker(at)
		if ok != (c.want > 0) || got.Answer.Size != c.want || len(b.Brokers()) > 0 != ok {
			t.Errorf("%+v: %+v, %d brokers", c, got, len(b.Brokers()))
		}
		if _, ok := b.Broker(decode.Endpoint{}); ok {
			t.Error("an unknown address is a broker")
		}
		for size, want := range map[int]bool{50: false, 51: false} {
			if _, ok := b.Refusal(at, size); ok != want {
				t.Errorf("requests of %d bytes are refused", size)
			}
		}
		if _, ok := b.Refusal(decode.Endpoint{}, 50); ok {
			t.Error("an unknown address refuses")
		}
	}
}

// TestFinishedOfTLS12: the size of the record with Finished shows the cipher suite of a direction.
// Without one, it is that of the other.
func TestFinishedOfTLS12(t *testing.T) {
	const gcm, chacha = finished12 + 8 + 16, finished12 + 16
	record := func(kind tlsrecord.RecordKind, toServer bool, size int) tlsrecord.Record {
		return tlsrecord.Record{Kind: kind, ToServer: toServer, Size: size}
	}
	client, server := record(tlsrecord.HandshakeRecord, true, gcm), record(tlsrecord.HandshakeRecord, false, chacha)
	data, guess := record(tlsrecord.DataRecord, true, gcm), record(tlsrecord.DataRecord, true, gcm)
	guess.Guessed = true
	other := guess
	other.Size++
	for _, c := range []struct {
		name       string
		records    []tlsrecord.Record
		over       [2]int
		fromClient bool
		first      int
		want       bool
	}{
		{"both", []tlsrecord.Record{client, server, data}, [2]int{24, 16}, true, 2, true}, {"the broker's first", []tlsrecord.Record{server, client, data}, [2]int{24, 16}, true, 2, true},
		{"the client's", []tlsrecord.Record{client, data}, [2]int{24, 24}, true, 1, true}, {"the broker's", []tlsrecord.Record{server, data}, [2]int{16, 16}, false, 1, true},
		{"none", []tlsrecord.Record{data, client}, [2]int{}, false, 0, false}, {"twice", []tlsrecord.Record{client, client, server}, [2]int{24, 16}, true, 3, true},
		{"an unknown size", []tlsrecord.Record{record(tlsrecord.HandshakeRecord, true, gcm+1)}, [2]int{}, false, 0, false},
		{"a guessed header", []tlsrecord.Record{guess, data}, [2]int{24, 24}, true, 1, true}, {"a guessed header of another size", []tlsrecord.Record{other, client}, [2]int{}, false, 0, false},
		{"missing bytes of that size", []tlsrecord.Record{record(tlsrecord.MissingRecord, true, gcm+changeCipherRecord+recordHeader), data}, [2]int{24, 24}, true, 1, true},
		{"missing bytes of another size", []tlsrecord.Record{record(tlsrecord.MissingRecord, true, gcm), client}, [2]int{24, 24}, true, 2, true},
	} {
		h, ok := readHandshake12(c.records)
		if ok != c.want || ok && ([2]int{h.over[0].least, h.over[1].least} != c.over || h.fromClient != c.fromClient || h.first != c.first) {
			t.Errorf("%s: %+v, %v", c.name, h, ok)
		}
	}
}

// TestNoRetry: a request without an answer follows error 35 at once, and nothing else does.
func TestNoRetry(t *testing.T) {
	refusedTurn := func(size int) turn {
		return turn{[]message{{size: size, records: 1}}, []message{{size: refused, records: 1}}}
	}
	open := func(n int) turn { return turn{requests: slices.Repeat([]message{{size: 60, records: 1}}, n)} }
	const least = minRequest + flexibleRequest + minSoftware
	for _, c := range []struct {
		name string
		all  []turn
		want bool
	}{
		{"one request", []turn{refusedTurn(least), open(1)}, true}, {"too small for software", []turn{refusedTurn(least - 1), open(1)}, false}, {"two requests", []turn{refusedTurn(least), open(2)}, false},
		{"none", []turn{refusedTurn(least)}, false}, {"refused twice", []turn{refusedTurn(least), refusedTurn(least), open(1)}, false}, {"another answer", []turn{refusedTurn(least), open(1), open(1)}, false},
		{"the broker speaks", []turn{refusedTurn(least), {answers: []message{{size: 60, records: 1}}}}, false},
	} {
		r := Reading{ClientID: -1, Software: -1}
		n := r.readApiVersions(c.all)
		if r.Unnegotiated != c.want || (n == 1) != c.want || c.want && (r.Likeness != ByForm || r.opening != least || r.Answer.Size != refused) {
			t.Errorf("%s: %d turns, %+v", c.name, n, r)
		}
	}
}

// TestTokensWithoutAll: the size of a token that ends an authentication.
func TestTokensWithoutAll(t *testing.T) {
	for _, c := range []struct {
		m            message
		empty, small bool
	}{
		{message{size: 4}, true, false}, {message{size: 4, slack: 1}, false, false}, {message{size: 4, guessed: true}, false, false}, {message{size: 5}, false, false},
		{message{size: 16}, false, true}, {message{size: 24}, false, true}, {message{size: 22}, false, true}, {message{size: 23}, false, false}, {message{size: 23, slack: 1}, false, true},
		{message{size: 15, slack: 9}, false, false}, {message{size: 16, guessed: true}, false, false}, {message{size: 30, slack: 6}, false, true}, {message{size: 30, slack: 5}, false, false},
	} {
		if empty, small := c.m.isEmptyToken(), c.m.isSmallToken(); empty != c.empty || small != c.small {
			t.Errorf("%+v: empty %v, small %v", c.m, empty, small)
		}
	}
}

// TestSessionTickets: the broker's messages before the first request, and more answers than
// requests, are session tickets.
func TestSessionTickets(t *testing.T) {
	ask, say := []message{{size: 92}}, []message{{size: 181}}
	psk := &tlsrecord.Hello{Extensions: []uint16{extPSKModes}}
	for _, c := range []struct {
		name  string
		all   []turn
		tls13 bool
		turns int
		says  int // answers to the first request
	}{
		{"an answer that is none of Kafka", []turn{{ask, say}}, true, 1, 0}, {"the same in TLS 1.2", []turn{{ask, say}}, false, 1, 1}, {"another request follows", []turn{{ask, say}, {requests: ask}}, true, 2, 1},
		{"a ticket came before", []turn{{answers: say}, {ask, say}}, true, 1, 1}, {"a ticket with the answer", []turn{{ask, append(say, say...)}}, true, 1, 1},
		{"the same in TLS 1.2, again", []turn{{ask, append(say, say...)}}, false, 1, 2}, {"tickets alone", []turn{{answers: say}}, true, 0, 0}, {"nothing", nil, true, 0, 0},
		{"the size of an ApiVersions answer", []turn{{ask, []message{{size: refused}}}}, true, 1, 1},
	} {
		got := trimTickets(c.all, c.tls13, psk)
		if len(got) != c.turns || len(got) > 0 && len(got[0].answers) != c.says {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
