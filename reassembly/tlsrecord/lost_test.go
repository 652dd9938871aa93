package tlsrecord

import (
	"testing"
)

// TestAlertsWithoutKeys: an alert in plaintext counts also if nothing is decrypted.
func TestAlertsWithoutKeys(t *testing.T) {
	alert := []byte{typeAlert, 3, 3, 0, 2, alertFatal, 40}
	for _, tc := range []struct {
		name    string
		p       []byte
		version uint16
		mode    mode
		phase   phase
		want    string
	}{
		{"watched", alert, versionTLS12, watching, phaseSealed, "handshake_failure"},
		{"an encrypted one", rec(typeAlert, 26), versionTLS12, watching, phaseSealed, ""},
		{"data of two bytes", append([]byte{typeData}, alert[1:]...), versionTLS12, watching, phaseSealed, ""},
		{"counted", alert, versionTLS12, counting, phaseSealed, ""},
		{"among records of TLS 1.3", alert, versionTLS13, reading, phaseTraffic, "handshake_failure"},
		{"a ChangeCipherSpec of TLS 1.3", rec(typeChangeCipher, 1), versionTLS13, reading, phaseTraffic, ""},
		{"a longer one of TLS 1.3", rec(typeAlert, 26), versionTLS13, reading, phaseTraffic, ""},
	} {
		for _, n := range []int{1, 100} {
			s := NewSession(nil, &collector{}, nil)
			s.hasClient, s.hasServer, s.version = true, true, tc.version
			d := s.server()
			d.mode, d.phase, d.keyed, d.records = tc.mode, tc.phase, true, 3
			for p := tc.p; len(p) > 0; {
				part := p[:min(n, len(p))]
				p = p[len(part):]
				s.Data(false, part, frame(1))
			}
			if info := s.Info(); info.Alert != tc.want || info.AlertFromServer != (tc.want != "") || tc.mode != counting && d.records != 4 {
				t.Errorf("%s, %d bytes at once: alert %q, %d records", tc.name, n, info.Alert, d.records)
			}
		}
	}
}

// TestHelloThatIsLost: a loss in plaintext loses the hello of its side, if that was not read.
func TestHelloThatIsLost(t *testing.T) {
	for _, hasClient := range []bool{false, true} {
		for _, hasServer := range []bool{false, true} {
			for i := range 2 {
				s := NewSession(nil, &collector{}, nil)
				s.hasClient, s.hasServer = hasClient, hasServer
				s.loseHandshake(&s.dirs[i])
				want := i == 0 && !hasClient || i == 1 && !hasServer
				if s.dirs[i].helloLost != want || s.dirs[i^1].helloLost || !s.dirs[i].hs.lost {
					t.Errorf("side %d, hellos %v and %v: lost %v, want %v", i, hasClient, hasServer, s.dirs[i].helloLost, want)
				}
			}
		}
	}
}

// TestHandshakeBytesBehindALoss: what is known of the messages behind a lost record.
func TestHandshakeBytesBehindALoss(t *testing.T) {
	for _, tc := range []struct {
		name  string
		phase phase
		kind  byte
		lost  bool
		reset bool
	}{
		{"application data of TLS 1.3", phaseTraffic, typeData, false, true}, {"the handshake of TLS 1.3", phaseHandshake, typeData, true, true},
		{"plaintext", phasePlain, typeHandshake, true, true}, {"a message of TLS 1.2", phaseSealed, typeHandshake, true, true}, {"application data of TLS 1.2", phaseSealed, typeData, false, false},
	} {
		d := &side{phase: tc.phase, hs: assembler{have: 3}}
		if d.loseMessages(tc.kind); d.hs.lost != tc.lost || (d.hs.have == 0) != tc.reset {
			t.Errorf("%s: %+v", tc.name, d.hs)
		}
	}
	for _, tc := range []struct {
		name      string
		hasServer bool
		version   uint16
		phase     phase
		want      bool
	}{
		{"the version is unknown", false, 0, phasePlain, true}, {"TLS 1.0", true, versionTLS10, phasePlain, true}, {"TLS 1.2", true, versionTLS12, phasePlain, false}, {"behind the handshake", true, versionTLS10, phaseSealed, false},
	} {
		s := NewSession(nil, &collector{}, nil)
		s.hasClient, s.hasServer, s.version = true, tc.hasServer, tc.version
		d := s.client()
		d.phase = tc.phase
		if s.loseTrack(d); (d.chain != nil) != tc.want || !d.searching || !d.gapped {
			t.Errorf("%s: the last blocks are kept %v, want %v", tc.name, d.chain != nil, tc.want)
		}
	}
}

// TestFailsInARow: after so many, the secrets are wrong, or the place is not found again.
func TestFailsInARow(t *testing.T) {
	const wrong, lost = "record 0 could not be authenticated (wrong secrets?)", "the place in the stream was not found again after bytes were missing"
	for _, tc := range []struct {
		name   string
		before int // fails
		change func(d *side)
		want   string
	}{
		{"the first", 0, nil, ""}, {"nearly enough", maxFirstFails - 2, nil, ""}, {"enough", maxFirstFails - 1, nil, wrong},
		{"enough, after one was decrypted", maxFirstFails - 1, func(d *side) { d.opened, d.bytes = 1, 100 }, ""},
		{"enough, and records are missing", maxFirstFails - 1, func(d *side) { d.gapped = true }, ""},
		{"nearly enough of others", maxFails - 2, func(d *side) { d.opened, d.bytes = 1, 100 }, ""},
		{"enough of others", maxFails - 1, func(d *side) { d.opened, d.bytes = 1, 100 }, lost},
		{"records of other keys", maxFirstFails - 1, func(d *side) { d.foreign = 1 }, ""},
	} {
		s := NewSession(NewSecrets(), &collector{}, nil)
		s.hasClient, s.hasServer, s.version, s.suite = true, true, versionTLS13, suiteByID(0x1301)
		d := s.client()
		s.enter(d, phaseTraffic)
		s.install(d, keys13(s.suite, make([]byte, 32)))
		d.fails = tc.before
		if tc.change != nil {
			tc.change(d)
		}
		foreign := d.foreign
		s.rescue(d, rec(typeData, 40), frame(1))
		if s.info.Reason != tc.want || s.info.Undecrypted != map[bool]uint64{true: 0, false: 40}[foreign > 0] || d.foreign != 0 {
			t.Errorf("%s: %q, want %q; %d bytes", tc.name, s.info.Reason, tc.want, s.info.Undecrypted)
		}
	}
}

// TestHellosThatAreIgnored: the first hello of each side counts, and only before encryption.
func TestHellosThatAreIgnored(t *testing.T) {
	client := func(b byte) []byte {
		return append(append([]byte{3, 3, b}, make([]byte, 31)...), 0, 0, 2, 0x13, 1, 1, 0)
	}
	server := func(b byte) []byte { return append(append([]byte{3, 3, b}, make([]byte, 31)...), 0, 0xc0, 0x2f, 0) }
	s := NewSession(nil, &collector{}, nil)
	s.dirs[0].phase = phaseHandshake
	s.takeClientHello(&s.dirs[0], client(1))
	s.takeServerHello(&s.dirs[0], server(1))
	if s.hasClient || s.hasServer {
		t.Error("hellos behind the handshake")
	}
	s.dirs[0].phase = phasePlain
	s.takeClientHello(&s.dirs[1], client(1)[:20])
	s.takeServerHello(&s.dirs[0], server(1)[:20])
	if s.hasClient || s.hasServer {
		t.Error("parts of hellos")
	}
	s.takeClientHello(&s.dirs[1], client(2))
	s.takeClientHello(&s.dirs[0], client(3))
	if s.info.ClientRandom[0] != 2 || s.client() != &s.dirs[1] {
		t.Errorf("client random %x", s.info.ClientRandom[0])
	}
	if s.takeServerHello(&s.dirs[1], server(4)); s.hasServer {
		t.Error("a ServerHello of the client")
	}
	s.takeServerHello(&s.dirs[0], server(5))
	s.takeServerHello(&s.dirs[0], server(6))
	if !s.hasServer || s.serverRandom[0] != 5 || s.info.Suite != "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" {
		t.Errorf("server random %x, suite %q", s.serverRandom[0], s.info.Suite)
	}
	s = NewSession(nil, &collector{}, nil) // the ClientHello is lost
	if s.takeServerHello(&s.dirs[0], server(7)); !s.hasServer || s.server() != &s.dirs[0] {
		t.Error("the sender of a ServerHello is the client")
	}
}

// TestCounterLeadsToThePlace: the explicit nonce of TLS 1.2 shows the number of a record at once.
func TestCounterLeadsToThePlace(t *testing.T) {
	c := tls12Config()
	sizes := make([]int, 800)
	for i := range sizes {
		sizes[i] = 20 + i%7*30
	}
	tr := converse(t, c, c, exchange(sizes...))
	got := &placed{tb: t, sent: tr.sent}
	s := NewSession(tr.secrets(t), got, nil)
	lossy(s, tr.pieces, func(i int) bool { return tr.pieces[i].toServer && i > 100 && i < 700 })
	if d := &s.dirs[0]; d.spent > trialCost+maxRecord || got.exact[0] != 1 || got.pos[0] != len(tr.sent[0]) {
		t.Errorf("%d bytes spent on trials, %d exact gaps, at %d of %d bytes", d.spent, got.exact[0], got.pos[0], len(tr.sent[0]))
	}
}
