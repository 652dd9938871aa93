package tlsrecord

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// randomExchange returns messages of random content, mostly small, in both directions.
func randomExchange(r *rand.Rand, n int) (out [][]byte) {
	for range n {
		size := 20 + r.IntN(600)
		if r.IntN(10) == 0 {
			size = r.IntN(40000)
		}
		p := make([]byte, size)
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		out = append(out, p)
	}
	return out
}

// lossy feeds pieces without those that drop selects.
func lossy(s *Session, pieces []piece, drop func(i int) bool) (lost int) {
	for i, p := range pieces {
		if drop(i) {
			s.Gap(p.toServer, int64(len(p.data)), frame(i+1))
			lost++
			continue
		}
		s.Data(p.toServer, p.data, frame(i+1))
	}
	s.End(frame(len(pieces) + 1))
	return lost
}

// placed is a collector that checks the place of each piece in the plaintext.
type placed struct {
	tb    testing.TB
	sent  [2][]byte
	pos   [2]int
	loose [2]bool // pos is a lower bound
	got   [2]int
	exact [2]int // gaps
	rough [2]int
}

func (c *placed) Plaintext(toServer bool, p []byte, at capture.Position) {
	i := index(toServer)
	rest := c.sent[i][c.pos[i]:]
	if c.loose[i] {
		j := bytes.Index(rest, p)
		if j < 0 {
			c.tb.Fatalf("direction %d: plaintext of %d bytes that was not sent behind %d", i, len(p), c.pos[i])
		}
		// A short match may be too early: stay loose.
		c.loose[i] = len(p) < 8
		c.pos[i] += j
	} else if !bytes.HasPrefix(rest, p) {
		c.tb.Fatalf("direction %d: plaintext of %d bytes does not belong behind %d", i, len(p), c.pos[i])
	}
	c.pos[i] += len(p)
	c.got[i] += len(p)
}

func (c *placed) PlaintextGap(toServer bool, n int64, exact bool, at capture.Position) {
	i := index(toServer)
	if !exact {
		c.rough[i]++
		c.loose[i] = true
		return
	}
	c.exact[i]++
	c.pos[i] += int(n)
	if c.pos[i] > len(c.sent[i]) {
		c.tb.Fatalf("direction %d: an exact gap of %d bytes leads behind the end", i, n)
	}
}

// wholeRecords counts the content bytes of the protected records whose bytes all arrived, from
// piece first on.
func wholeRecords(pieces []piece, toServer bool, first int, drop func(i int) bool, overhead int) (whole int) {
	var stream []byte
	var ok []bool
	for i, p := range pieces {
		if p.toServer == toServer {
			stream = append(stream, p.data...)
			for range p.data {
				ok = append(ok, i >= first && !drop(i))
			}
		}
	}
	for len(stream) >= headerSize {
		h, _ := parseHeader(stream)
		n := headerSize + h.size
		if n > len(stream) {
			break
		}
		if h.kind == typeData && !slices.Contains(ok[:n], false) {
			whole += h.size - overhead
		}
		stream, ok = stream[n:], ok[n:]
	}
	return whole
}

var lossConfigs = map[string]struct {
	c        *tls.Config
	overhead int
	recall   float64 // of the content of whole records
}{
	"1.3":        {tls13Config(), 17, 1},
	"1.2 gcm":    {tls12Config(), 24, 1},
	"1.2 chacha": {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}}, 16, 1},
	"1.2 cbc":    {cbcConfig(tls.VersionTLS12), 44, 0.98}, // the overhead is an average
	"1.0 cbc":    {cbcConfig(tls.VersionTLS10), 28, 0.8},  // a record also needs the end of the previous one
}

// TestLossAfterTheHandshake: undamaged records are found again, in their place.
func TestLossAfterTheHandshake(t *testing.T) {
	for name, c := range lossConfigs {
		r := rand.New(rand.NewPCG(1, 2))
		tr := converse(t, c.c, c.c, randomExchange(r, 200))
		for _, size := range []int{1448, 200, 37} {
			for _, rate := range []float64{0.001, 0.02, 0.1} {
				t.Run(fmt.Sprintf("%s in pieces of %d, loss %g", name, size, rate), func(t *testing.T) {
					pieces := split(tr.pieces, size)
					first := firstData(pieces)
					dropped := map[int]bool{}
					for i := first; i < len(pieces); i++ {
						dropped[i] = r.Float64() < rate
					}
					drop := func(i int) bool { return dropped[i] }
					got := &placed{tb: t, sent: tr.sent}
					s := NewSession(tr.secrets(t), got, nil)
					lossy(s, pieces, drop)
					for i := range 2 {
						whole := wholeRecords(pieces, i == 0, first, drop, c.overhead)
						if float64(got.got[i]) < c.recall*float64(whole) {
							t.Errorf("direction %d: %d bytes, want %g of the %d in whole records", i, got.got[i], c.recall, whole)
						}
						// With AEAD suites, the other bytes of damaged records are decrypted, too.
						sent := len(tr.sent[i])
						if c.recall == 1 && size == 1448 && rate <= 0.02 && float64(got.got[i]) < 0.88*float64(sent) {
							t.Errorf("direction %d: %d of %d bytes", i, got.got[i], sent)
						}
						if c.recall == 1 && got.rough[i] > got.exact[i]/4+2 {
							t.Errorf("direction %d: %d exact gaps, %d others", i, got.exact[i], got.rough[i])
						}
					}
				})
			}
		}
	}
}

// firstData returns the first piece after the handshake.
func firstData(pieces []piece) int {
	seen := 0
	for i, p := range pieces {
		seen += len(p.data)
		if seen > 6000 {
			return i
		}
	}
	return len(pieces)
}

// TestLossOfOnePacket: for any packet, decryption either continues after it, or a reason is given.
func TestLossOfOnePacket(t *testing.T) {
	for name, c := range lossConfigs {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			tr := converse(t, c.c, c.c, randomExchange(r, 20))
			pieces := split(tr.pieces, 300)
			for i := range pieces {
				got := &placed{tb: t, sent: tr.sent}
				s := NewSession(tr.secrets(t), got, nil)
				lossy(s, pieces, func(j int) bool { return i == j })
				info := s.Info()
				end := [2]bool{got.pos[0] == len(tr.sent[0]), got.pos[1] == len(tr.sent[1])}
				lastOf := lastPiece(pieces, pieces[i].toServer)
				if info.Reason == "" && !(end[0] && end[1]) && lastOf-i > 60 {
					t.Errorf("packet %d lost: the ends were reached %v, and no reason was given", i, end)
				}
				if info.Reason != "" && i > firstData(pieces) {
					t.Errorf("packet %d lost: %s", i, info.Reason)
				}
			}
		})
	}
}

func lastPiece(pieces []piece, toServer bool) int {
	for i := len(pieces) - 1; i >= 0; i-- {
		if pieces[i].toServer == toServer {
			return i
		}
	}
	return -1
}

// TestHelloLost: other messages replace it, except for the server's random of TLS 1.2.
func TestHelloLost(t *testing.T) {
	for version, c := range lossConfigs {
		tr := converse(t, c.c, c.c, exchange(100, 300, 40, 20, 50, 60))
		other := converse(t, c.c, c.c, exchange(1, 1))
		hellos := map[string]int{}
		for i, p := range tr.pieces {
			if LooksLikeClientHello(p.data) {
				hellos["ClientHello"] = i
			}
			if looksLikeHello(p.data, helloServer) {
				hellos["ServerHello"] = i
			}
		}
		for name, reason := range map[string]string{"ClientHello": "", "ServerHello": "the ServerHello is not in the capture"} {
			if version == "1.3" {
				reason = ""
			}
			var got collector
			secrets := other.secrets(t)
			readKeys(t, secrets, tr)
			s := NewSession(secrets, &got, nil)
			lossy(s, tr.pieces, func(i int) bool { return i == hellos[name] })
			info := s.Info()
			if info.Reason != reason {
				t.Errorf("%s, %s lost: reason %q, want %q", version, name, info.Reason, reason)
			} else if reason == "" && (!bytes.Equal(got.data[0], tr.sent[0]) || !bytes.Equal(got.data[1], tr.sent[1])) {
				t.Errorf("%s, %s lost: %d and %d bytes, want %d and %d", version, name, len(got.data[0]), len(got.data[1]), len(tr.sent[0]), len(tr.sent[1]))
			}
			if reason == "" && !strings.Contains(tr.keylog, encodeHex(info.ClientRandom[:])) {
				t.Errorf("%s, %s lost: client random %x", version, name, info.ClientRandom)
			}
			s = NewSession(other.secrets(t), &got, nil)
			lossy(s, tr.pieces, func(i int) bool { return i == hellos[name] })
			if info := s.Info(); info.Reason == "" || info.Decrypted > 0 {
				t.Errorf("%s, %s lost, no secrets: info %+v", version, name, info)
			}
		}
	}
}

// TestLossInOpenSSLTranscripts loses any packet, with key updates and padding. All plaintext
// passed on was sent.
func TestLossInOpenSSLTranscripts(t *testing.T) {
	for _, r := range recipes {
		if r.fails || r.reason != "" {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			tr := readTranscript(t, r.name)
			pieces := split(tr.pieces, 400)
			silent := 0
			for i := range pieces {
				var got collector
				s := NewSession(tr.secrets(t), &got, nil)
				lossy(s, pieces, func(j int) bool { return i == j })
				for k := range 2 {
					checkSent(t, tr.sent[k], &got, k == 0)
				}
				info := s.Info()
				short := len(got.data[0]) < len(tr.sent[0]) || len(got.data[1]) < len(tr.sent[1])
				if short && len(got.gaps) == 0 && info.Reason == "" {
					silent++
					t.Logf("packet %d of %d lost: %d of %d and %d of %d bytes, no gap, no reason; %+v", i, len(pieces), len(got.data[0]), len(tr.sent[0]), len(got.data[1]), len(tr.sent[1]), info)
				}
			}
			if silent > 0 {
				t.Errorf("%d of %d losses were passed over in silence", silent, len(pieces))
			}
		})
	}
}

// TestHostileSearchIsBounded: with the keys available, bytes look like records everywhere.
func TestHostileSearchIsBounded(t *testing.T) {
	for _, r := range recipes {
		if r.fails || r.reason != "" {
			continue
		}
		tr := readTranscript(t, r.name)
		secrets := tr.secrets(t)
		for _, unit := range []string{"\x17\x03\x03\x00\x20", "\x17\x03\x03\x00\x20\x17\x03\x01\x00\x80", "\x17\x03\x03\x3f\xff"} {
			noise := bytes.Repeat([]byte(unit), capturetest.BoundedUnit/len(unit))
			capturetest.Bounded(t, len(noise), func() {
				s := NewSession(secrets, &counter{}, nil)
				for i, p := range tr.pieces {
					s.Data(p.toServer, p.data, frame(i+1))
				}
				for _, toServer := range []bool{true, false} {
					s.Gap(toServer, 1<<20, frame(100))
					s.Data(toServer, noise, frame(101))
				}
				s.End(frame(102))
				if n := s.Info().Decrypted; n > uint64(len(tr.sent[0])+len(tr.sent[1])) {
					t.Errorf("%s: %d bytes decrypted", r.name, n)
				}
			})
		}
	}
}

// TestLostEndOfARecord: the record's position is the last packet with a part of it. The next
// packet of the direction may come much later.
func TestLostEndOfARecord(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 100, 400, 100, 100))
	pieces := split(tr.pieces, 200)
	lost, n := 0, 0
	for i, p := range pieces {
		if p.toServer && len(p.data) == 200 {
			lost = i + 1 // the end of the largest record follows
		}
	}
	var got collector
	s := NewSession(tr.secrets(t), &got, nil)
	lossy(s, pieces, func(i int) bool { return i == lost })
	for i, at := range got.at[0] {
		if at == frame(lost) {
			n = i
		}
	}
	if n == 0 || len(got.gaps) == 0 {
		t.Errorf("packet %d lost: plaintext at %v, gaps %v", lost+1, got.at[0], got.gaps)
	}
}
