package tlsrecord

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"testing"
)

// allSuites returns the supported suites of crypto/tls, each with each version that it works with.
func allSuites() (out []*tls.Config) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if k := suiteByID(s.ID); k == nil || k.bulk == unsupported {
			continue
		}
		for _, v := range s.SupportedVersions {
			out = append(out, &tls.Config{MinVersion: v, MaxVersion: v, CipherSuites: []uint16{s.ID}})
		}
	}
	return out
}

func TestEverySuiteOfCryptoTLSIsDecrypted(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range allSuites() {
		name := fmt.Sprintf("%s %s", versionName(c.MinVersion), suiteName(c.CipherSuites[0]))
		if c.MinVersion == tls.VersionTLS13 {
			name = versionName(c.MinVersion) // crypto/tls chooses the suite itself
		}
		if tried[name] {
			continue
		}
		tried[name] = true
		t.Run(name, func(t *testing.T) {
			tr := converse(t, c, c, exchange(100, 40000, 1, 0, 17, 16384, 5, 300))
			var got collector
			s := NewSession(tr.secrets(t), &got, nil)
			play(s, tr.pieces)
			info := s.Info()
			mustYield(t, tr, &got, info)
			if info.Version != versionName(c.MinVersion) || info.ServerName != "broker.example" || !info.HasClientRandom {
				t.Errorf("info %+v", info)
			}
			if info.Version != "TLS 1.3" && info.Suite != suiteName(c.CipherSuites[0]) {
				t.Errorf("suite %s", info.Suite)
			}
		})
	}
	if len(tried) < 20 {
		t.Errorf("only %d suites tried", len(tried))
	}
}

// split cuts all pieces into pieces of at most n bytes.
func split(pieces []piece, n int) (out []piece) {
	for _, p := range pieces {
		for d := p.data; len(d) > 0; {
			m := min(n, len(d))
			out = append(out, piece{p.toServer, d[:m]})
			d = d[m:]
		}
	}
	return out
}

func tls13Config() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS13} }

func cbcConfig(version uint16) *tls.Config {
	return &tls.Config{MinVersion: version, MaxVersion: version, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}
}

func tls12Config() *tls.Config {
	return &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
}

func TestSegmentationDoesNotMatter(t *testing.T) {
	for name, c := range map[string]*tls.Config{"1.3": tls13Config(), "1.2": tls12Config(), "1.0": cbcConfig(tls.VersionTLS10)} {
		tr := converse(t, c, c, exchange(100, 3000, 40, 20000))
		for _, n := range []int{1, 2, 3, 5, 7, 100, 1448, 1 << 20} {
			var got collector
			s := NewSession(tr.secrets(t), &got, nil)
			play(s, split(tr.pieces, n))
			mustYield(t, tr, &got, s.Info())
			if t.Failed() {
				t.Fatalf("%s in pieces of %d", name, n)
			}
		}
	}
}

func TestSplitAtEveryPosition(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(30, 50))
	for _, toServer := range []bool{true, false} {
		all := tr.stream(toServer)
		for cut := 1; cut < len(all); cut++ {
			var got collector
			s := NewSession(tr.secrets(t), &got, nil)
			seen := 0
			for i, p := range tr.pieces {
				if p.toServer != toServer || cut <= seen || cut >= seen+len(p.data) {
					s.Data(p.toServer, p.data, frame(i+1))
				} else {
					s.Data(p.toServer, p.data[:cut-seen], frame(i+1))
					s.Data(p.toServer, p.data[cut-seen:], frame(i+1))
				}
				if p.toServer == toServer {
					seen += len(p.data)
				}
			}
			s.End(frame(1000))
			mustYield(t, tr, &got, s.Info())
			if t.Failed() {
				t.Fatalf("cut at %d, to server %v", cut, toServer)
			}
		}
	}
}

func TestOneDirectionBeforeTheOther(t *testing.T) {
	for name, c := range map[string]*tls.Config{"1.3": tls13Config(), "1.2": tls12Config(), "1.0": cbcConfig(tls.VersionTLS10)} {
		for _, clientFirst := range []bool{true, false} {
			tr := converse(t, c, c, exchange(100, 3000, 40, 20000))
			var got collector
			s := NewSession(tr.secrets(t), &got, nil)
			play(s, []piece{{clientFirst, tr.stream(clientFirst)}, {!clientFirst, tr.stream(!clientFirst)}})
			mustYield(t, tr, &got, s.Info())
			if t.Failed() {
				t.Fatalf("%s, client first %v", name, clientFirst)
			}
		}
	}
}

func TestReorderedDirectionsKeepTheOrderOfPositions(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 300, 40, 20))
	// The ServerHello is captured late: everything else waits for it.
	var late, rest []piece
	for _, p := range tr.pieces {
		if !p.toServer && late == nil {
			late = []piece{p}
			continue
		}
		rest = append(rest, p)
	}
	var fromClient []piece
	for _, p := range rest {
		if p.toServer {
			fromClient = append(fromClient, p)
		}
	}
	var got collector
	s := NewSession(tr.secrets(t), &got, nil)
	play(s, append(fromClient, append(late, onlyTo(false, rest)...)...))
	mustYield(t, tr, &got, s.Info())
}

func onlyTo(toServer bool, pieces []piece) (out []piece) {
	for _, p := range pieces {
		if p.toServer == toServer {
			out = append(out, p)
		}
	}
	return out
}

func TestRolesAreTakenFromTheHellos(t *testing.T) {
	for _, c := range []*tls.Config{tls13Config(), tls12Config()} {
		tr := converse(t, c, c, exchange(100, 300, 40, 20))
		var turned []piece
		for _, p := range tr.pieces {
			turned = append(turned, piece{!p.toServer, p.data})
		}
		tr.sent[0], tr.sent[1] = tr.sent[1], tr.sent[0]
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, turned)
		mustYield(t, tr, &got, s.Info())
	}
}

func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(versionName(version), func(t *testing.T) {
			client := &tls.Config{MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
			server := &tls.Config{MinVersion: version, MaxVersion: version}
			server.SetSessionTicketKeys([][32]byte{{1}})
			first := converse(t, client, server, exchange(10, 20))
			second := converse(t, client, server, exchange(10, 20, 30, 40))
			if len(second.stream(false)) >= len(first.stream(false)) {
				t.Fatal("the second connection was not resumed")
			}
			// crypto/tls does not log the master secret of a resumed session again.
			second.keylog = first.keylog + second.keylog
			for _, tr := range []*transcript{first, second} {
				var got collector
				s := NewSession(tr.secrets(t), &got, nil)
				play(s, tr.pieces)
				mustYield(t, tr, &got, s.Info())
			}
		})
	}
}

func TestHelloRetryRequest(t *testing.T) {
	client := &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP384}}
	server := &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}
	tr := converse(t, client, server, exchange(10, 20, 30, 40))
	if !bytes.Contains(tr.stream(false), helloRetryRandom[:]) {
		t.Fatal("no HelloRetryRequest")
	}
	for _, n := range []int{1, 100000} {
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		play(s, split(tr.pieces, n))
		mustYield(t, tr, &got, s.Info())
	}
}

func TestPositionIsThePacketInWhichTheRecordEnds(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 300))
	pieces := split(tr.pieces, 50)
	last := 0
	for i, p := range pieces {
		if p.toServer {
			last = i + 1
		}
	}
	var got collector
	s := NewSession(tr.secrets(t), &got, nil)
	play(s, pieces)
	if want := frame(last); len(got.at[0]) != 1 || got.at[0][0] != want {
		t.Errorf("the request is at %v, want %v", got.at[0], want)
	}
}

func TestDataIsNotKeptNorChanged(t *testing.T) {
	for _, c := range []*tls.Config{tls13Config(), tls12Config(), cbcConfig(tls.VersionTLS11)} {
		tr := converse(t, c, c, exchange(100, 3000, 40, 20000))
		var got collector
		s := NewSession(tr.secrets(t), &got, nil)
		buf := make([]byte, 1000)
		for i, p := range split(tr.pieces, len(buf)) {
			n := copy(buf, p.data)
			s.Data(p.toServer, buf[:n], frame(i+1))
			if !bytes.Equal(buf[:n], p.data) {
				t.Fatal("the caller's bytes were changed")
			}
			for j := range buf {
				buf[j] = byte(rand.Uint32())
			}
		}
		s.End(frame(1 << 20))
		mustYield(t, tr, &got, s.Info())
	}
}

// TestEvictedCiphersAreMadeAgain: a scratch keeps them for some directions only.
func TestEvictedCiphersAreMadeAgain(t *testing.T) {
	for name, c := range lossConfigs {
		tr := converse(t, c.c, c.c, exchange(100, 3000, 40, 200, 300))
		sc := NewScratch()
		var got collector
		s := NewSession(tr.secrets(t), &got, &Options{Scratch: sc})
		other := &side{keys: keys{suite: suiteByID(0x1303), version: versionTLS13}}
		for i, p := range tr.pieces {
			for range liveCiphers {
				if o, ok := newRecordCipher(&other.keys); !ok || o == nil {
					t.Fatal("no cipher")
				} else {
					sc.keep(&side{}, o)
				}
			}
			if s.dirs[0].cipher != nil || s.dirs[1].cipher != nil {
				t.Fatal("a cipher was not evicted")
			}
			s.Data(p.toServer, p.data, frame(i+1))
		}
		s.End(frame(1000))
		mustYield(t, tr, &got, s.Info())
		if t.Failed() {
			t.Fatal(name)
		}
	}
}
