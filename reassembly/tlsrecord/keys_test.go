package tlsrecord

import (
	"bytes"
	"crypto/tls"
	"strings"
	"testing"
)

// without returns a transcript whose key log lacks the lines with a word.
func (t *transcript) without(word string) *transcript {
	var lines []string
	for line := range strings.Lines(t.keylog) {
		if !strings.Contains(line, word) {
			lines = append(lines, line)
		}
	}
	c := *t
	c.keylog = strings.Join(lines, "")
	return &c
}

// TestHellosThatAreAwaited: a record waits for the hellos of its handshake as long as they can come.
func TestHellosThatAreAwaited(t *testing.T) {
	const client, server = 0, 1
	for _, tc := range []struct {
		name   string
		of     int // the side of the record
		change func(s *Session)
		want   action
	}{
		{"both are known", server, func(s *Session) { s.hasClient, s.hasServer = true, true }, actionDecrypt},
		{"no hello so far", server, func(*Session) {}, actionWait},
		{"the ClientHello is lost, and the server's records may show whose it was", client, func(s *Session) { s.client().helloLost = true }, actionWait},
		{"the client's side is over, and the server's records may show it", client, func(s *Session) { s.client().closed = true }, actionWait},
		{"they did not show it", client, func(s *Session) { s.client().helloLost, s.server().identified = true, true }, actionGiveUp},
		{"they are not read", client, func(s *Session) { s.client().helloLost, s.server().mode = true, watching }, actionGiveUp},
		{"both hellos are lost", client, func(s *Session) { s.client().helloLost, s.server().helloLost = true, true }, actionGiveUp},
		{"the server's side is over", client, func(s *Session) { s.client().helloLost, s.server().closed = true, true }, actionGiveUp},
		{"the ClientHello is lost, and nothing shows whose it was", server, func(s *Session) { s.client().helloLost, s.hasServer = true, true }, actionGiveUp},
		{"no ServerHello so far", client, func(s *Session) { s.hasClient = true }, actionWait},
		{"the server sends other records", server, func(s *Session) { s.hasClient = true }, actionGiveUp},
		{"the ServerHello is lost", client, func(s *Session) { s.hasClient, s.server().helloLost = true, true }, actionGiveUp},
		{"the server's side is over without a hello", client, func(s *Session) { s.hasClient, s.server().closed = true, true }, actionGiveUp},
	} {
		s := NewSession(NewSecrets(), &collector{}, nil)
		tc.change(s)
		if got := s.checkHellos(&s.dirs[tc.of], rec(typeData, 40)); got.action != tc.want || (got.reason != "") != (tc.want == actionGiveUp) {
			t.Errorf("%s: %+v, want %d", tc.name, got, tc.want)
		}
	}
}

// TestIdentifiedOnce: a session is identified by the first record of the server, if its suite is known.
func TestIdentifiedOnce(t *testing.T) {
	for name, change := range map[string]func(s *Session, d *side){
		"it was tried":             func(_ *Session, d *side) { d.identified = true },
		"records were lost":        func(_ *Session, d *side) { d.gapped = true },
		"a record was decrypted":   func(_ *Session, d *side) { d.opened = 1 },
		"an unknown suite":         func(s *Session, _ *side) { s.suite = nil },
		"an unsupported suite":     func(s *Session, _ *side) { s.suite = suiteByID(0x1304) },
		"a suite of TLS 1.2":       func(s *Session, _ *side) { s.suite = suiteByID(0xc02f) },
		"a suite of TLS 1.3 alone": func(s *Session, _ *side) { s.version = versionTLS12 },
		"":                         func(*Session, *side) {},
	} {
		s := NewSession(NewSecrets(), &collector{}, nil)
		s.suite, s.version = suiteByID(0x1301), versionTLS13
		d := s.server()
		change(s, d)
		before := s.progress
		if s.identify(d, rec(typeData, 40)) || (s.progress > before) != (name == "") {
			t.Errorf("%q: it was tried %v", name, s.progress > before)
		}
	}
}

// TestOnlyTrafficSecrets: some tools write no secrets of the handshake. Its records fail, and all
// application data is decrypted.
func TestOnlyTrafficSecrets(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 200, 300, 400)).without("HANDSHAKE")
	for _, n := range []int{1 << 20, 50} {
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, split(tr.pieces, n))
		mustYield(t, tr, &got, s.Info())
	}
}

// TestRecordsThatFail: so many damaged records in a row end the decryption.
func TestRecordsThatFail(t *testing.T) {
	c := tls13Config()
	sizes := make([]int, 200)
	for i := range sizes {
		sizes[i] = 50
	}
	for n, want := range map[int]bool{maxFails - 1: true, maxFails: false} {
		tr := converse(t, c, c, exchange(sizes...))
		broken, data := 0, 0
		for i := range tr.pieces {
			p := &tr.pieces[i]
			if p.toServer && p.data[0] == typeData && len(p.data) == headerSize+50+17 {
				if data++; data > 3 && broken < n {
					broken++
					p.data[headerSize] ^= 1
				}
			}
		}
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, tr.pieces)
		info := s.Info()
		if goesOn := info.Reason == ""; goesOn != want || broken != n || goesOn && len(got.data[0]) != len(tr.sent[0])-50*n {
			t.Errorf("%d damaged records: %d of %d bytes, reason %q", broken, len(got.data[0]), len(tr.sent[0]), info.Reason)
		}
		if want && info.Undecrypted != uint64(n*(50+17)) || want && info.LostRecords != uint64(n) {
			t.Errorf("%d damaged records: %d bytes undecrypted, %d lost", broken, info.Undecrypted, info.LostRecords)
		}
	}
}

// TestHelloThatNeverComes: a side that sends more than is held gives up the other side's hello. Its
// secrets are still found.
func TestHelloThatNeverComes(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(10, 2*maxWaiting))
	var got collector
	s := NewSession(tr.secrets(t), &got, nil)
	for i, p := range onlyTo(false, tr.pieces) {
		s.Data(false, p.data, frame(i+1))
	}
	if info := s.Info(); len(got.data[1]) == 0 || !info.HasClientRandom || !bytes.HasSuffix(tr.sent[1], got.data[1][len(got.data[1])-100:]) {
		t.Errorf("%d bytes, %+v", len(got.data[1]), info)
	}
	s = NewSession(NewSecrets(), &got, nil)
	for i, p := range onlyTo(false, tr.pieces) {
		s.Data(false, p.data, frame(i+1))
	}
	if info := s.Info(); s.Waiting() || info.Reason == "" || info.Undecrypted < 2*maxWaiting {
		t.Errorf("without secrets: waits %v, %+v", s.Waiting(), info)
	}
}

// TestGapsWithoutKeys: the headers of records are followed across missing bytes of a record, but not
// further.
func TestGapsWithoutKeys(t *testing.T) {
	for n, want := range map[int64]mode{10: watching, 100: watching, 101: counting} {
		s := NewSession(nil, &collector{}, nil)
		d := s.client()
		d.mode, d.skip, d.phase = watching, 100, phaseSealed
		s.hasClient, s.hasServer, s.version = true, true, versionTLS12
		s.Gap(true, n, frame(1))
		if d.mode != want || want == watching && d.skip != 100-int(n) || want == counting && d.skip != 0 {
			t.Errorf("%d of 100 bytes are missing: mode %d, %d bytes to skip", n, d.mode, d.skip)
		}
	}
}

// TestEstimatedGap: what is missing without the headers and tags that are known.
func TestEstimatedGap(t *testing.T) {
	o, _ := newRecordCipher(&keys{suite: suiteByID(0x1301), version: versionTLS13})
	for _, tc := range []struct {
		name    string
		d       side
		want    int64
		records uint64
		none    bool
	}{
		{"without keys", side{phase: phaseTraffic, missing: 1000, known: 2}, 990, 2, false},
		{"with keys", side{phase: phaseTraffic, missing: 1000, known: 2, cipher: o}, 956, 2, false},
		{"less than the headers", side{phase: phaseTraffic, missing: 30, known: 2, cipher: o}, 0, 2, false},
		{"nothing is missing", side{phase: phaseTraffic, known: 2}, 0, 0, true},
		{"in the handshake", side{phase: phasePlain, missing: 1000, known: 2}, 0, 0, true},
		{"nothing is read", side{phase: phaseTraffic, mode: counting, missing: 1000, known: 2}, 0, 0, true},
	} {
		for i := range uint8(2) {
			var got collector
			s := NewSession(nil, &got, nil)
			d := tc.d
			d.index = i
			s.reportUnresolved(&d, frame(1))
			if len(got.gaps) > 0 == tc.none || !tc.none && got.gaps[0] != (gapEvent{i == 0, 0, tc.want, false}) || s.info.LostRecords != tc.records {
				t.Errorf("%s: %+v, %d records", tc.name, got.gaps, s.info.LostRecords)
			}
		}
	}
}

// TestLongHandshakeMessages: only the first bytes of a message are held.
func TestLongHandshakeMessages(t *testing.T) {
	for _, size := range []int{maxMessage - 4, maxMessage, 5 * maxMessage} {
		var a assembler
		message := append([]byte{helloClient, byte(size >> 16), byte(size >> 8), byte(size)}, bytes.Repeat([]byte{7}, size)...)
		done := false
		var body []byte
		for p := message; len(p) > 0; {
			part := p[:min(len(p), 1000)]
			p = p[len(part):]
			var rest []byte
			if rest, _, body, done = a.next(part); len(rest) > 0 || len(a.held) > maxMessage || done != (len(p) == 0) {
				t.Fatalf("a message of %d bytes: %d are left, %d are held, done %v", size, len(rest), len(a.held), done)
			}
		}
		if len(body) != min(size, maxMessage) {
			t.Errorf("a message of %d bytes: %d were held", size, len(body))
		}
	}
	var a assembler
	if kind, _ := a.partial(); kind != 0 {
		t.Error("a message before the first byte")
	}
	a.next([]byte{helloClient, 0, 0})
	if kind, _ := a.partial(); kind != 0 {
		t.Error("a message without its header")
	}
	a.next([]byte{9, 1, 2})
	if kind, body := a.partial(); kind != helloClient || !bytes.Equal(body, []byte{1, 2}) {
		t.Errorf("message %d, %v", kind, body)
	}
	a.loseTrack()
	if kind, _ := a.partial(); kind != 0 {
		t.Error("a message behind a loss")
	}
}

// TestGuessedSuite: without the ServerHello, secrets of either size show a suite of TLS 1.3.
func TestGuessedSuite(t *testing.T) {
	for _, id := range []string{"tls13-chacha", "tls13-aes256"} {
		for _, lacks := range []string{"", "SERVER_TRAFFIC", "CLIENT_TRAFFIC"} {
			tr := readTranscript(t, id)
			var got collector
			keys := tr
			if lacks != "" {
				keys = tr.without(lacks)
			}
			s := NewSession(keys.secrets(t), &got, nil)
			lost := false
			for i, p := range tr.pieces {
				if !lost && LooksLikeServerHello(p.data) {
					h, _ := parseHeader(p.data)
					lost = true
					s.Gap(p.toServer, int64(headerSize+h.size), frame(i+1))
					p.data = p.data[headerSize+h.size:]
				}
				if len(p.data) > 0 {
					s.Data(p.toServer, p.data, frame(i+1))
				}
			}
			s.End(frame(1000))
			info := s.Info()
			if want := map[string]string{"tls13-chacha": "TLS_CHACHA20_POLY1305_SHA256", "tls13-aes256": "TLS_AES_256_GCM_SHA384"}[id]; lacks == "" && (info.Suite != want || !bytes.Equal(got.data[0], tr.sent[0])) {
				t.Errorf("%s: %d of %d bytes, suite %q, %q", id, len(got.data[0]), len(tr.sent[0]), info.Suite, info.Reason)
			}
			if lacks != "" && info.Decrypted == 0 {
				t.Errorf("%s without %s: nothing is decrypted, %q", id, lacks, info.Reason)
			}
		}
	}
}

// TestChainOfTLS10: the IV of a record is the last block of the one before it, also behind a long one.
func TestChainOfTLS10(t *testing.T) {
	c := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}
	tr := converse(t, c, c, exchange(1, 20000, 17, 3, 64, 5))
	for _, n := range []int{1, 15, 16, 17, 64, 65, 1000} {
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, split(tr.pieces, n))
		mustYield(t, tr, &got, s.Info())
	}
}
