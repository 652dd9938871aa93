package tlsrecord

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// TestWithoutSecrets: Info has what the records show in plaintext, and the session is soon done.
func TestWithoutSecrets(t *testing.T) {
	for name, c := range lossConfigs {
		for _, secrets := range []*Secrets{nil, NewSecrets()} {
			tr := converse(t, c.c, c.c, exchange(100, 200, 300, 400))
			var got collector
			s := NewSession(secrets, &got, nil)
			done := -1
			for i, p := range tr.pieces {
				s.Data(p.toServer, p.data, frame(i+1))
				if s.Done() && done < 0 {
					done = i
				}
			}
			s.End(frame(100))
			info := s.Info()
			want := "no key was given for client random " + encodeHex(info.ClientRandom[:8]) + "..."
			if info.Reason != want || !info.Established || info.Decrypted != 0 || info.Undecrypted < 1000 ||
				info.Version == "" || info.Suite == "" || info.ServerName != "broker.example" || info.Alert != "" {
				t.Errorf("%s: info %+v", name, info)
			}
			if !bytes.Contains(tr.stream(true), info.ClientRandom[:]) {
				t.Errorf("%s: the client random is not the client's", name)
			}
			if done < 0 || done > len(tr.pieces)-2 {
				t.Errorf("%s: done after packet %d of %d", name, done, len(tr.pieces))
			}
		}
	}
}

func encodeHex(p []byte) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range p {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// TestFailedHandshakesAreNotEstablished: also without secrets.
func TestFailedHandshakesAreNotEstablished(t *testing.T) {
	for _, r := range recipes {
		if !r.fails {
			continue
		}
		tr := readTranscript(t, r.name)
		s := NewSession(nil, &collector{}, nil)
		play(s, tr.pieces)
		info := s.Info()
		if info.Established || strings.HasPrefix(r.version, "TLS 1.2") && info.Alert != r.alert {
			t.Errorf("%s: info %+v", r.name, info)
		}
	}
}

// TestAlertIsNoEndOfTheHandshake: a broker that refuses the client's certificate sends no more than an alert.
func TestAlertIsNoEndOfTheHandshake(t *testing.T) {
	for size, want := range map[int]bool{alertSize13: false, alertSize13 + PaddingJava: false, alertSize13 + 1: true, alertSize13 + PaddingJava + 1: true} {
		s := NewSession(nil, &collector{}, nil)
		s.hasClient, s.hasServer, s.version = true, true, versionTLS13
		s.watch(s.client(), header{kind: typeData, size: 53})
		if s.watch(s.server(), header{kind: typeData, size: size}); s.info.Established != want {
			t.Errorf("a record of %d bytes: established %v", size, s.info.Established)
		}
	}
}

// TestWrongSecrets: the key log has wrong secrets for the session.
func TestWrongSecrets(t *testing.T) {
	for name, c := range lossConfigs {
		tr := converse(t, c.c, c.c, exchange(100, 200, 300, 400, 500, 600, 700, 800))
		lines := strings.Split(strings.TrimSpace(tr.keylog), "\n")
		for i, l := range lines {
			f := strings.Fields(l)
			lines[i] = f[0] + " " + f[1] + " " + strings.Repeat("ab", len(f[2])/2)
		}
		tr.keylog = strings.Join(lines, "\n")
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, tr.pieces)
		if info := s.Info(); info.Reason != "record 0 could not be authenticated (wrong secrets?)" || len(got.data[0])+len(got.data[1]) > 0 {
			t.Errorf("%s: info %+v", name, info)
		}
	}
}

// TestMidstream: the connection was open before the capture began.
func TestMidstream(t *testing.T) {
	for name, c := range lossConfigs {
		tr := converse(t, c.c, c.c, exchange(100, 200, 300, 400, 500, 600, 700, 800))
		// Each direction begins with its first record of application data.
		var pieces []piece
		begun := [2]bool{}
		for i, p := range tr.pieces {
			if k := index(p.toServer); i > len(tr.pieces)/2 && LooksLikeRecord(p.data) && p.data[0] == typeData {
				begun[k] = true
			}
			if begun[index(p.toServer)] {
				pieces = append(pieces, p)
			}
		}
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		for i, p := range pieces {
			s.Data(p.toServer, p.data, frame(i+1))
		}
		if info := s.Info(); info.Reason != "the handshake is not in the capture" || !info.Established || info.Undecrypted == 0 {
			t.Errorf("%s: info %+v", name, info)
		}
		if !s.Done() {
			t.Errorf("%s: not done", name)
		}
	}
}

// TestOneDirectionOnly: TLS 1.3 needs one side only.
func TestOneDirectionOnly(t *testing.T) {
	c := tls13Config()
	for _, toServer := range []bool{true, false} {
		tr := converse(t, c, c, exchange(100, 200, 300, 400))
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, onlyTo(toServer, tr.pieces))
		info := s.Info()
		if i := index(toServer); !bytes.Equal(got.data[i], tr.sent[i]) || info.Reason != "" {
			t.Errorf("to server %v only: %d bytes, want %d; info %+v", toServer, len(got.data[i]), len(tr.sent[i]), info)
		}
	}
}

// TestSecretsOfOneSide: responses that cannot be decrypted are reported as missing, so that requests do not seem
// unanswered.
func TestSecretsOfOneSide(t *testing.T) {
	c := tls13Config()
	for _, side := range []string{"CLIENT", "SERVER"} {
		tr := converse(t, c, c, exchange(100, 200, 300, 400))
		var lines []string
		for line := range strings.Lines(tr.keylog) {
			if strings.HasPrefix(line, side) {
				lines = append(lines, line)
			}
		}
		tr.keylog = strings.Join(lines, "")
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, tr.pieces)
		i := index(side == "CLIENT")
		if info := s.Info(); !strings.HasPrefix(info.Reason, "the key log lacks secrets of client random ") || !bytes.Equal(got.data[i], tr.sent[i]) {
			t.Errorf("secrets of the %s: %d bytes, info %+v", side, len(got.data[i]), info)
		}
		if want := []gapEvent{{toServer: side == "SERVER"}}; !slices.Equal(got.gaps, want) {
			t.Errorf("secrets of the %s: gaps %+v, want %+v", side, got.gaps, want)
		}
	}
}

func TestServerThatSpeaksNoTLS(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 200))
	for _, answer := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x00\x00\x00\x08\x00\x00\x00\x01\x00\x23\x00\x00", "\x15"} {
		s := NewSession(tr.secrets(t), &collector{}, nil)
		s.Data(true, tr.pieces[0].data, frame(1))
		s.Data(false, []byte(answer), frame(2))
		s.Close(false, frame(3))
		s.Close(true, frame(4))
		s.End(frame(5))
		info := s.Info()
		if want := map[bool]string{true: "", false: "the bytes are not TLS"}[len(answer) == 1]; info.Reason != want || info.Established {
			t.Errorf("%q: info %+v", answer, info)
		}
	}
}

func TestLooksLike(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 200))
	client, server := tr.stream(true), tr.stream(false)
	kafka := []byte("\x00\x00\x00\x2e\x00\x12\x00\x03\x00\x00\x00\x01\x00\x07rdkafka")
	alert := []byte{21, 3, 1, 0, 2, 2, 40}
	for _, c := range []struct {
		name                          string
		p                             []byte
		record, client, server, alert bool
	}{
		{"nothing", nil, false, false, false, false},
		{"four bytes", client[:4], false, false, false, false},
		{"five bytes", client[:5], true, false, false, false},
		{"six bytes", client[:6], true, true, false, false},
		{"ClientHello", client, true, true, false, false},
		{"ServerHello", server, true, false, true, false},
		{"ServerHello, nine bytes", server[:9], true, false, true, false},
		{"application data", []byte{23, 3, 3, 0, 30, 1, 2}, true, false, false, false},
		{"alert", alert, true, false, false, true},
		{"alert, cut", alert[:6], true, false, false, false},
		{"encrypted alert", []byte{21, 3, 3, 0, 26, 2, 40}, true, false, false, false},
		{"Kafka", kafka, false, false, false, false},
		{"record too long", []byte{22, 3, 1, 0x50, 0, 1}, false, false, false, false},
		{"record of nothing", []byte{23, 3, 3, 0, 0}, false, false, false, false},
		{"version 2.0", []byte{22, 2, 0, 0, 100, 1}, false, false, false, false},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), false, false, false, false},
	} {
		got := []bool{LooksLikeRecord(c.p), LooksLikeClientHello(c.p), looksLikeHello(c.p, helloServer), LooksLikeAlert(c.p)}
		for i, want := range []bool{c.record, c.client, c.server, c.alert} {
			if got[i] != want {
				t.Errorf("%s: %s is %v", c.name, []string{"record", "ClientHello", "ServerHello", "alert"}[i], got[i])
			}
		}
	}
}

func TestSuitesAreOrderedAndNamed(t *testing.T) {
	for i := range suites {
		s := &suites[i]
		if i > 0 && suites[i-1].id >= s.id {
			t.Errorf("%04x is out of order", s.id)
		}
		if !strings.HasPrefix(s.name, "TLS_") || s.bulk != unsupported && (s.key != 16 && s.key != 32 || s.prf == 0) || (s.bulk == cbc) != (s.mac != 0) {
			t.Errorf("%04x %s: %+v", s.id, s.name, s)
		}
		if s.bulk != unsupported && strings.Contains(s.name, "_256_") != (s.key == 32) && s.bulk != chacha {
			t.Errorf("%s has a key of %d bytes", s.name, s.key)
		}
	}
	if got := suiteName(0xfefe); got != "0xFEFE" {
		t.Errorf("unknown suite: %s", got)
	}
}

// TestIdleSessionIsSmall: messages that are not needed are not held.
func TestIdleSessionIsSmall(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 200, 300, 400))
	s := NewSession(tr.secrets(t), &collector{}, &Options{Scratch: NewScratch()})
	for i, p := range split(tr.pieces, 100) {
		s.Data(p.toServer, p.data, frame(i+1))
	}
	for i := range s.dirs {
		if d := &s.dirs[i]; d.buf != nil || d.hs.held != nil || d.wait != nil {
			t.Errorf("direction %d holds memory: %+v", i, d.hs)
		}
	}
	if n := sizeOfSession; n > 1400 {
		t.Errorf("a session takes %d bytes", n)
	}
	t.Logf("a session takes %d bytes", sizeOfSession)
}

const sizeOfSession = unsafe.Sizeof(Session{})

// TestRefusedClientCertificate: the server's alert arrives after the client has ended the
// handshake.
func TestRefusedClientCertificate(t *testing.T) {
	tr := readTranscript(t, "tls13-certificate-required")
	var got collector
	s := NewSession(tr.secrets(t), &got, nil)
	play(s, tr.pieces)
	if info := s.Info(); info.Established || info.Alert != "certificate_required" {
		t.Errorf("established %v, alert %q", info.Established, info.Alert)
	}
}

// TestClosingIsTheFirstCloseNotify: the side that sends close_notify first is reported.
func TestClosingIsTheFirstCloseNotify(t *testing.T) {
	for _, name := range []string{"tls10-cbc", "tls12-fragments", "tls13-chacha"} {
		tr := readTranscript(t, name)
		for _, n := range []int{1, 1 << 20} {
			pieces := split(tr.pieces, n)
			s := NewSession(tr.secrets(t), &collector{}, nil)
			play(s, pieces)
			last := map[bool]int{}
			for i, p := range pieces {
				last[p.toServer] = i + 1
			}
			first := last[true] < last[false]
			if info := s.Info(); !info.Closing || info.ClosingToServer != first || info.ClosingAt != frame(last[first]) {
				t.Errorf("%s: closing %v, to server %v, at %v; want to server %v at %v",
					name, info.Closing, info.ClosingToServer, info.ClosingAt, first, frame(last[first]))
			}
		}
	}
}
