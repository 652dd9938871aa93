package tlsrecord

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
)

// TestBeginningsOfRecords: which bytes can begin a record, or a hello or an alert in one.
func TestBeginningsOfRecords(t *testing.T) {
	hello := func(kind byte, size int) []byte {
		return []byte{typeHandshake, 3, 1, 0, 100, kind, byte(size >> 16), byte(size >> 8), byte(size), 3, 3}
	}
	for _, tc := range []struct {
		name                  string
		p                     []byte
		header, record, hello bool
		alert                 bool
	}{
		{"ChangeCipherSpec", []byte{20, 3, 3, 0, 1}, true, true, false, false},
		{"below all types", []byte{19, 3, 3, 0, 1}, false, false, false, false},
		{"heartbeat", []byte{24, 3, 3, 0, 1}, true, false, false, false},
		{"above all types", []byte{25, 3, 3, 0, 1}, false, false, false, false},
		{"TLS 1.3", []byte{23, 3, 4, 0, 1}, true, true, false, false},
		{"version 3.5", []byte{23, 3, 5, 0, 1}, false, false, false, false},
		{"version 2.3", []byte{23, 2, 3, 0, 1}, false, false, false, false},
		{"the longest", []byte{23, 3, 3, maxBody >> 8, maxBody & 0xff}, true, true, false, false},
		{"longer", []byte{23, 3, 3, maxBody >> 8, maxBody&0xff + 1}, false, false, false, false},
		{"empty", []byte{23, 3, 3, 0, 0}, true, false, false, false},
		{"a hello", hello(helloClient, 60), true, true, true, false},
		{"the smallest hello", hello(helloClient, 38), true, true, true, false},
		{"a smaller one", hello(helloClient, 37), true, true, false, false},
		{"a large hello", hello(helloClient, 1<<16), true, true, true, false},
		{"a hello of another version", append(hello(helloClient, 60)[:9], 2), true, true, false, false},
		{"nine bytes of it", hello(helloClient, 0)[:9], true, true, true, false},
		{"ten bytes of it", hello(helloClient, 0)[:10], true, true, false, false},
		{"another message", hello(finished, 60), true, true, false, false},
		{"five bytes", hello(helloClient, 60)[:5], true, true, false, false},
		{"a hello in another record", append([]byte{23, 3, 3, 0, 100}, hello(helloClient, 60)[5:]...), true, true, false, false},
		{"a fatal alert", []byte{21, 3, 3, 0, 2, 2, 40}, true, true, false, true},
		{"a warning", []byte{21, 3, 3, 0, 2, 1, 0}, true, true, false, true},
		{"another level", []byte{21, 3, 3, 0, 2, 3, 0}, true, true, false, false},
		{"six bytes of an alert", []byte{21, 3, 3, 0, 2, 2}, true, true, false, false},
		{"an alert of another size", []byte{21, 3, 3, 0, 3, 2, 40}, true, true, false, false},
		{"an alert of 258 bytes", []byte{21, 3, 3, 1, 2, 2, 40}, true, true, false, false},
		{"two bytes that are no alert", []byte{23, 3, 3, 0, 2, 2, 40}, true, true, false, false},
		{"an alert of another version", []byte{21, 2, 3, 0, 2, 2, 40}, false, false, false, false},
	} {
		_, header := parseHeader(tc.p)
		if got := []bool{header, LooksLikeRecord(tc.p), LooksLikeClientHello(tc.p), LooksLikeAlert(tc.p)}; !slices.Equal(got, []bool{tc.header, tc.record, tc.hello, tc.alert}) {
			t.Errorf("%s: header, record, hello and alert are %v", tc.name, got)
		}
		if got := beginsLikeHeader(tc.p); got != tc.header {
			t.Errorf("%s: begins like a header %v, want %v", tc.name, got, tc.header)
		}
	}
	for p, want := range map[string]bool{"\x17": true, "\x17\x03": true, "\x17\x04": false, "\x17\x03\x03\x40": true, "\x17\x03\x03\x50": false, "\x19": false} {
		if got := beginsLikeHeader([]byte(p)); got != want {
			t.Errorf("%q begins like a header: %v, want %v", p, got, want)
		}
	}
}

// TestCutHellos: of an incomplete hello, what is there counts.
func TestCutHellos(t *testing.T) {
	list := func(n int) (b []byte) {
		b = binary.BigEndian.AppendUint16(nil, uint16(2*n))
		for i := range n {
			b = binary.BigEndian.AppendUint16(b, uint16(0x1301+i))
		}
		return b
	}
	random := slices.Repeat([]byte{7}, 32)
	extensions := func(n int) (b []byte) {
		b = binary.BigEndian.AppendUint16(nil, uint16(4*n))
		for i := range n {
			b = binary.BigEndian.AppendUint32(b, uint32(100+i)<<16)
		}
		return b
	}
	client := concat([]byte{3, 3}, random, []byte{0}, list(3), []byte{1, 0}, extensions(2))
	for _, tc := range []struct {
		name          string
		b             []byte
		ok            bool
		suites, kinds int
	}{
		{"all", client, true, 3, 2},
		{"a part of the last extension", client[:len(client)-1], true, 3, 1},
		{"no extensions", client[:45], true, 3, 0},
		{"a part of the last suite", client[:42], true, 2, 0},
		{"the random", client[:34], true, 0, 0},
		{"a part of the random", client[:33], false, 0, 0},
		{"another version", concat([]byte{2, 3}, client[2:]), false, 0, 0},
		{"the most that is kept", concat([]byte{3, 3}, random, []byte{0}, list(maxHelloList), []byte{1, 0}, extensions(maxHelloList)), true, maxHelloList, maxHelloList},
		{"more", concat([]byte{3, 3}, random, []byte{0}, list(maxHelloList+1), []byte{1, 0}, extensions(maxHelloList+1)), true, maxHelloList, maxHelloList},
	} {
		h, ok := parseClientHello(tc.b)
		if ok != tc.ok || ok && (len(h.traits.Suites) != tc.suites || len(h.traits.Extensions) != tc.kinds) {
			t.Errorf("%s: %v, %+v", tc.name, ok, h.traits)
		}
	}
	if h, _ := parseClientHello(client); !h.traits.Has(101) || h.traits.Has(102) || (*Hello)(nil).Has(101) {
		t.Errorf("extensions %v", h.traits.Extensions)
	}
	server := concat([]byte{3, 3}, random, []byte{2, 8, 9}, []byte{0xc0, 0x2f, 0}, []byte{0, 4, 0, extEncryptThenMAC, 0, 0})
	for _, tc := range []struct {
		name    string
		b       []byte
		ok, etm bool
	}{
		{"all", server, true, true},
		{"no extension", server[:40], true, false},
		{"a part of the suite", server[:38], false, false},
		{"the suite", server[:39], true, false},
		{"a part of the random", server[:33], false, false},
		{"another version", concat([]byte{2, 3}, server[2:]), false, false},
	} {
		if h, ok := parseServerHello(tc.b); ok != tc.ok || h.etm != tc.etm || ok && (h.suite != 0xc02f || h.session[1] != 9) {
			t.Errorf("%s: %v, %+v", tc.name, ok, h)
		}
	}
	for name, want := range map[string]string{"\x00\x06\x00\x00\x03abc": "abc", "\x00\x06\x00\x00\x03ab": "", "\x00\x06\x01\x00\x03abc": "", "\x00\x03\x00\x00\x00": ""} {
		if got := parseServerName(helloReader(name)); string(got) != want || want == "" && got != nil {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestAlertsThatCount: a fatal one is kept, of TLS 1.3 any; close_notify says who closes first.
func TestAlertsThatCount(t *testing.T) {
	for _, tc := range []struct {
		name        string
		version     uint16
		level, kind byte
		alert       string
		closing     bool
	}{
		{"fatal", versionTLS12, alertFatal, 40, "handshake_failure", false},
		{"a warning", versionTLS12, alertWarning, 40, "", false},
		{"a warning of TLS 1.3", versionTLS13, alertWarning, 40, "handshake_failure", false},
		{"close_notify", versionTLS13, alertWarning, alertCloseNotify, "", true},
		{"close_notify as fatal", versionTLS12, alertFatal, alertCloseNotify, "", true},
		{"user_canceled", versionTLS13, alertWarning, alertUserCanceled, "", false},
		{"unknown", versionTLS12, alertFatal, 99, "alert 99", false},
	} {
		for i := range 2 {
			s := NewSession(nil, &collector{}, nil)
			s.version = tc.version
			s.alert(&s.dirs[i], []byte{tc.level, tc.kind}, frame(7))
			want := Info{Alert: tc.alert, AlertFromServer: tc.alert != "" && i == 1, Closing: tc.closing}
			if tc.closing {
				want.ClosingToServer, want.ClosingAt = i == 0, frame(7)
			}
			if s.info != want {
				t.Errorf("%s of side %d: %+v, want %+v", tc.name, i, s.info, want)
			}
			s.alert(&s.dirs[i], []byte{alertFatal, 10}, frame(8))
			if tc.alert != "" && s.info.Alert != tc.alert {
				t.Errorf("%s: a later alert counts", tc.name)
			}
			s.alert(&s.dirs[i^1], []byte{alertFatal, alertCloseNotify}, frame(6))
			if !s.info.Closing || s.info.ClosingAt != frame(6) {
				t.Errorf("%s: an earlier close_notify does not count: %+v", tc.name, s.info)
			}
			s.alert(&s.dirs[i], []byte{alertFatal, alertCloseNotify}, frame(9))
			if s.info.ClosingAt != frame(6) {
				t.Errorf("%s: a later close_notify counts: %+v", tc.name, s.info)
			}
		}
	}
}

// TestHandshakeThatIsWatched: without keys, the records show when the handshake has ended.
func TestHandshakeThatIsWatched(t *testing.T) {
	type record struct {
		side, kind byte
		size       int
	}
	const client, server = 0, 1
	for _, tc := range []struct {
		name    string
		version uint16
		records []record
		want    bool
	}{
		{"data of an unknown version", 0, []record{{server, typeData, 5}}, true},
		{"no data of an unknown version", 0, []record{{server, typeHandshake, 5}}, false},
		{"data, then none", 0, []record{{server, typeData, 5}, {server, typeAlert, 26}}, true},
		{"one Finished", versionTLS12, []record{{client, typeHandshake, 40}}, false},
		{"two of one side", versionTLS12, []record{{client, typeHandshake, 40}, {client, typeHandshake, 40}}, false},
		{"both Finished", versionTLS12, []record{{client, typeHandshake, 40}, {server, typeHandshake, 40}}, true},
		{"both Finished, and then an alert", versionTLS12, []record{{client, typeHandshake, 40}, {client, typeAlert, 26}, {server, typeHandshake, 40}, {server, typeAlert, 26}}, true},
		{"alerts", versionTLS12, []record{{client, typeAlert, 26}, {server, typeAlert, 26}}, false},
		{"data", versionTLS12, []record{{client, typeData, 40}}, true},
		{"data, then an alert", versionTLS12, []record{{client, typeData, 40}, {client, typeAlert, 26}}, true},
		{"TLS 1.3, the client's Finished", versionTLS13, []record{{client, typeData, 53}}, false},
		{"TLS 1.3, and data of the server", versionTLS13, []record{{client, typeData, 53}, {server, typeData, 53}}, true},
		{"TLS 1.3, data of the server", versionTLS13, []record{{server, typeData, 53}}, false},
		{"TLS 1.3, and an alert of the server", versionTLS13, []record{{client, typeData, 53}, {server, typeData, alertSize13}}, false},
		{"TLS 1.3, less than an alert", versionTLS13, []record{{client, typeData, 53}, {server, typeData, alertSize13 - 1}}, false},
		{"TLS 1.3, no data", versionTLS13, []record{{client, typeData, 53}, {server, typeHandshake, 53}}, false},
	} {
		s := NewSession(nil, &collector{}, nil)
		s.hasClient, s.hasServer, s.version = tc.version > 0, tc.version > 0, tc.version
		for i := range s.dirs {
			s.dirs[i].phase, s.dirs[i].mode = phaseSealed, watching
		}
		data := 0
		for _, r := range tc.records {
			s.watch(&s.dirs[r.side], header{r.kind, r.size})
			if r.kind == typeData {
				data += r.size
			}
		}
		if s.info.Established != tc.want || s.info.Undecrypted != uint64(data) {
			t.Errorf("%s: established %v, want %v; %d bytes", tc.name, s.info.Established, tc.want, s.info.Undecrypted)
		}
	}
	s := NewSession(nil, &collector{}, nil)
	d := s.client()
	d.mode = watching
	for i := range maxWatched + 1 {
		if d.mode != watching {
			t.Errorf("only %d records are watched", i)
		}
		s.watch(d, header{typeHandshake, 40})
	}
	if d.mode != counting {
		t.Error("too many records are watched")
	}
}

// TestReasonsOfASession: Info says why nothing was decrypted, and Done when nothing can change.
func TestReasonsOfASession(t *testing.T) {
	const handshake, incomplete = "the handshake is not in the capture", "no record is complete in the capture"
	for _, tc := range []struct {
		name   string
		change func(s *Session)
		want   string
	}{
		{"all is well", func(*Session) {}, ""},
		{"a reason", func(s *Session) { s.info.Reason = "x"; s.dirs[0].searching = true }, "x"},
		{"searching, no ClientHello", func(s *Session) { s.hasClient, s.dirs[1].searching = false, true }, handshake},
		{"searching, no ServerHello", func(s *Session) { s.hasServer, s.dirs[0].searching = false, true }, handshake},
		{"searching", func(s *Session) { s.dirs[1].searching = true }, incomplete},
		{"records were lost", func(s *Session) { s.info.LostRecords = 1 }, incomplete},
		{"records were lost, and others decrypted", func(s *Session) { s.info.LostRecords, s.info.Decrypted = 1, 1 }, ""},
		{"searching, after some were decrypted", func(s *Session) { s.hasClient, s.dirs[1].searching, s.info.Decrypted = false, true, 1 }, ""},
		{"waiting for a hello", func(s *Session) { s.hasServer, s.dirs[0].blocked, s.dirs[0].wait = false, true, new(waiting) }, handshake},
		{"waiting for secrets", func(s *Session) { s.dirs[1].blocked, s.dirs[1].wait = true, new(waiting) }, "no key was given for client random 0000000000000000..."},
	} {
		s := NewSession(NewSecrets(), &collector{}, nil)
		s.hasClient, s.hasServer = true, true
		tc.change(s)
		if got := s.Info().Reason; got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	for _, tc := range []struct {
		name   string
		change func(s *Session, d *side)
		want   bool
	}{
		{"counting", func(*Session, *side) {}, true},
		{"reading", func(_ *Session, d *side) { d.mode = reading }, false},
		{"watching", func(_ *Session, d *side) { d.mode = watching }, false},
		{"watching after the handshake", func(s *Session, d *side) { d.mode, s.info.Established = watching, true }, true},
		{"reading after the handshake", func(s *Session, d *side) { d.mode, s.info.Established = reading, true }, false},
		{"blocked", func(_ *Session, d *side) { d.blocked = true }, false},
	} {
		for i := range 2 {
			s := NewSession(nil, &collector{}, nil)
			s.dirs[0].mode, s.dirs[1].mode = counting, counting
			if tc.change(s, &s.dirs[i]); s.Done() != tc.want {
				t.Errorf("%s of side %d: done %v, want %v", tc.name, i, s.Done(), tc.want)
			}
		}
	}
	for _, tc := range []struct {
		version   uint16
		alert     string
		server    bool
		delivered uint64
		want      bool
	}{
		{versionTLS13, "certificate_required", true, 0, false}, {versionTLS13, "certificate_required", true, 1, true}, {versionTLS13, "certificate_required", false, 0, true},
		{versionTLS13, "", true, 0, true}, {versionTLS12, "certificate_required", true, 0, true},
	} {
		s := NewSession(nil, &collector{}, nil)
		s.version, s.info.Established, s.info.Alert, s.info.AlertFromServer, s.server().delivered = tc.version, true, tc.alert, tc.server, tc.delivered
		if got := s.Info().Established; got != tc.want {
			t.Errorf("%+v: established %v", tc, got)
		}
	}
}

// TestSizeOfASession counts what it holds.
func TestSizeOfASession(t *testing.T) {
	s := NewSession(nil, &collector{}, nil)
	s.info.Hello = new(Hello)
	s.dirs[0].buf, s.dirs[0].hs.held = make([]byte, 0, 100), make([]byte, 0, 20)
	s.dirs[1].wait = &waiting{data: make([]byte, 0, 3000), marks: make([]packetBytes, 0, 2)}
	if n := s.Size(); n != sessionBytes+helloBytes+100+20+3000+2*markBytes {
		t.Errorf("%d bytes", n)
	}
}

// TestSequenceNumbersToTry: how many records can have been lost.
func TestSequenceNumbersToTry(t *testing.T) {
	o, ok := newRecordCipher(&keys{suite: suiteByID(0x1301), version: versionTLS13}) // 17 bytes more than its content
	if !ok {
		t.Fatal("no opener")
	}
	for _, tc := range []struct {
		name string
		d    side
		want window
	}{
		{"nothing was lost", side{seq: 7}, window{7, 7, 7}},
		{"records that failed", side{seq: 7, known: 2}, window{9, 9, 9}},
		{"records of 100 bytes", side{seq: 7, gapped: true, missing: 1000, opened: 10, bytes: 1000}, window{8, 17, 7 + 1000/22}},
		{"at least those that failed", side{seq: 7, known: 20, gapped: true, missing: 1000, opened: 10, bytes: 1000}, window{27, 27, 7 + 1000/22}},
		{"no more than fit", side{seq: 7, gapped: true, missing: 1000, opened: 10, bytes: 100}, window{8, 7 + 1000/22, 7 + 1000/22}},
		{"one of the largest", side{seq: 7, gapped: true, missing: maxRecord, opened: 1, bytes: 1 << 20}, window{8, 8, 7 + maxRecord/22}},
		{"two of the largest", side{seq: 7, gapped: true, missing: maxRecord + 1, opened: 1, bytes: 1 << 20}, window{9, 9, 7 + (maxRecord+1)/22}},
		{"before the first one", side{gapped: true, known: 3, missing: 1000}, window{0, 0, 1000 / 22}},
		{"those that failed are more than fit", side{gapped: true, known: 3, missing: 10}, window{0, 0, 3}},
	} {
		if got := tc.d.window(o); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// TestOverheadOfSuites: by how much a record is longer than its content, and how small it can be.
func TestOverheadOfSuites(t *testing.T) {
	for _, tc := range []struct {
		suite, version           uint16
		etm                      bool
		overhead, smallest       int
		exact, hasCounter, first bool
	}{
		{0x1301, versionTLS13, false, 17, 17, true, false, false},
		{0xc02f, versionTLS12, false, 24, 24, true, true, false},
		{0xcca8, versionTLS12, false, 16, 16, true, false, false},
		{0xc013, versionTLS12, false, 44, 48, false, false, false},
		{0xc013, versionTLS12, true, 44, 52, false, false, false},
		{0xc013, versionTLS10, false, 28, 32, false, false, true},
		{0xc028, versionTLS12, false, 72, 80, false, false, false},
	} {
		o, ok := newRecordCipher(&keys{suite: suiteByID(tc.suite), version: tc.version, etm: tc.etm})
		if !ok {
			t.Fatal("no opener")
		}
		n, exact := o.overhead()
		count, has := o.counter(append(make([]byte, headerSize), 0, 0, 0, 0, 0, 0, 0, 9))
		if n != tc.overhead || exact != tc.exact || o.smallest() != tc.smallest || has != tc.hasCounter || has && count != 9 {
			t.Errorf("%s of version %x: %d bytes, exact %v, smallest %d, counter %v", suiteName(tc.suite), tc.version, n, exact, o.smallest(), has)
		}
		if _, has := o.counter(make([]byte, headerSize+7)); has {
			t.Errorf("%s: a record of 7 bytes has a counter", suiteName(tc.suite))
		}
	}
}

// TestMissingRecordsComeFirst: missing bytes precede the packet of the other direction that
// acknowledges them, also if they were guessed.
func TestMissingRecordsComeFirst(t *testing.T) {
	for _, isMissing := range []bool{true, false} {
		o := NewOutline(false)
		o.Data(true, rec(typeChangeCipher, 1), frame(1))
		o.Data(false, rec(typeData, 30), frame(3))
		size := headerSize + 100
		if isMissing {
			size = 50_000
		}
		o.Gap(true, int64(size), frame(3))
		o.Data(true, rec(typeData, 40), frame(4))
		o.Data(false, rec(typeData, 31), frame(4))
		o.Data(false, rec(typeData, 32), frame(4))
		var sizes []int
		records, _ := o.Records()
		for _, r := range records {
			sizes = append(sizes, r.Size)
		}
		if isMissing && !slices.Equal(sizes, []int{50_000, 30, 40, 31, 32}) || !isMissing && !slices.Equal(sizes, []int{100, 30, 40, 31, 32}) {
			t.Errorf("records of %d bytes", sizes)
		}
	}
}

// TestGuessedRecords: a gap that can be one record is one.
func TestGuessedRecords(t *testing.T) {
	for n, want := range map[int64]bool{headerSize + minSealed: true, headerSize + minSealed - 1: false, headerSize + maxBody: true, headerSize + maxBody + 1: false} {
		o := NewOutline(false)
		o.Data(true, rec(typeChangeCipher, 1), frame(1))
		o.Gap(true, n, frame(2))
		if rows := linesOf(o); len(rows) != 1 || rows[0].Guessed != want || (rows[0].Kind == MissingRecord) == want {
			t.Errorf("%d missing bytes: %+v, want guessed %v", n, rows, want)
		}
	}
	o := NewOutline(false)
	o.Data(true, rec(typeChangeCipher, 1), frame(1))
	o.Gap(true, 1<<40, capture.Position{Time: frame(2).Time, Frame: math.MaxUint32 + 7, Capture: math.MaxUint16 + 7})
	records, _ := o.Records()
	if r := records[0]; r.Size != math.MaxUint16 || r.At.Frame != math.MaxUint32 || r.At.Capture != math.MaxUint16 {
		t.Errorf("%+v", r)
	}
}

// TestBuffersOfARecord grow with what arrives, and are used again.
func TestBuffersOfARecord(t *testing.T) {
	sc := NewScratch()
	b := []byte(nil)
	for _, step := range []struct{ add, want int }{{1, 1 << 10}, {1023, 1 << 10}, {1, 4 << 10}, {3071, 4 << 10}, {1, maxRecord}, {maxRecord - 4097, maxRecord}} {
		before := len(b)
		if b = sc.grow(b, make([]byte, step.add)); len(b) != before+step.add || cap(b) != step.want {
			t.Errorf("%d more bytes: %d in a buffer of %d, want %d", step.add, len(b), cap(b), step.want)
		}
	}
	if n := []int{len(sc.free[0]), len(sc.free[1]), len(sc.free[2])}; !slices.Equal(n, []int{1, 1, 0}) {
		t.Errorf("%d buffers are spare", n)
	}
	spare := sc.free[0][0]
	if b = sc.grow(nil, []byte{1}); &b[0] != &spare[:1][0] || len(sc.free[0]) != 0 {
		t.Error("the spare buffer is not used")
	}
	for range 2 * maxFree {
		sc.release(make([]byte, 0, 4<<10))
	}
	sc.release(make([]byte, 0, 5000))
	if len(sc.free[1]) != maxFree || len(sc.free[2]) != 0 {
		t.Errorf("%d and %d buffers are spare", len(sc.free[1]), len(sc.free[2]))
	}
}

// TestWaitIsOver: records wait for their secrets for as long as the options say.
func TestWaitIsOver(t *testing.T) {
	for over, want := range map[time.Duration]bool{time.Second: false, time.Second + 1: true} {
		s := NewSession(NewSecrets(), &collector{}, &Options{Wait: time.Second})
		s.hasClient, s.hasServer = true, true
		d := s.client()
		s.block(d, frame(7), rec(typeData, 20), nil)
		at := frame(7)
		at.Time += int64(over)
		if s.advance(at); s.expired != want {
			t.Errorf("after %v: expired %v, want %v", over, s.expired, want)
		}
	}
}

// TestLabelsOfAKeyLog: letters, digits and underscores.
func TestLabelsOfAKeyLog(t *testing.T) {
	for word, want := range map[string]bool{"AZ": true, "09": true, "A_0": true, "": false, "a": false, "@": false, "[": false, "/": false, ":": false, "A-B": false} {
		if got := isLabel([]byte(word)); got != want {
			t.Errorf("%q: %v, want %v", word, got, want)
		}
	}
}

// TestKeyLogOfPremasterSecrets: a warning if there is nothing else.
func TestKeyLogOfPremasterSecrets(t *testing.T) {
	random, master := strings.Repeat("ab", 32), strings.Repeat("cd", 48)
	premaster := "RSA 0123456789abcdef " + master + "\n"
	for _, tc := range []struct {
		name, text string
		want       int
	}{
		{"only those", premaster, 1},
		{"a master secret, too", premaster + "CLIENT_RANDOM " + random + " " + master + "\n", 0},
		{"a master secret before", "CLIENT_RANDOM " + random + " " + master + "\n" + premaster, 0},
		{"a session's master secret", premaster + "RSA Session-ID:abcd Master-Key:" + master + "\n", 0},
		{"secrets of TLS 1.3", premaster + "SERVER_TRAFFIC_SECRET_0 " + random + " " + strings.Repeat("ef", 32) + "\n", 1},
		{"none", "CLIENT_RANDOM " + random + " " + master + "\n", 0},
	} {
		var warnings []string
		if _, err := NewSecrets().ReadKeyLog(strings.NewReader(tc.text), "keys", func(err error) { warnings = append(warnings, err.Error()) }); err != nil || len(warnings) != tc.want {
			t.Errorf("%s: %v, %q", tc.name, err, warnings)
		}
	}
}
