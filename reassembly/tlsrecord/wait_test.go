package tlsrecord

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSecretsThatComeLate: what waited is decrypted, requests before their responses.
func TestSecretsThatComeLate(t *testing.T) {
	for _, version := range []string{"1.3", "1.2 gcm", "1.0 cbc"} {
		for _, retry := range []bool{false, true} {
			c := lossConfigs[version].c
			tr := converse(t, c, c, exchange(100, 200, 300, 400, 500, 600))
			secrets := NewSecrets()
			var got collector
			s := NewSession(secrets, &got, &Options{Wait: time.Second})
			late := len(tr.pieces) - 3
			for i, p := range tr.pieces {
				if i == late {
					if !s.Waiting() || s.Done() {
						t.Error("the session does not wait")
					}
					if want := "no key was given for client random "; !strings.HasPrefix(s.Info().Reason, want) {
						t.Errorf("while waiting: reason %q, want %q", s.Info().Reason, want)
					}
					readKeys(t, secrets, tr)
					if retry {
						s.Retry(frame(i + 1))
						if s.Waiting() || len(got.data[0]) == 0 {
							t.Error("Retry did not go on")
						}
					}
				}
				s.Data(p.toServer, p.data, frame(i+1))
			}
			s.End(frame(100))
			mustYield(t, tr, &got, s.Info())
			if diff := cmp.Diff([]bool{true, false, true, false, true, false}, got.order[:6]); diff != "" && version != "1.0 cbc" {
				t.Errorf("%s: order (-want +got):\n%s", version, diff)
			}
			if n := secrets.waiting.Load(); n != 0 {
				t.Errorf("%d bytes still count as waiting", n)
			}
		}
	}
}

func readKeys(t *testing.T, s *Secrets, tr *transcript) {
	t.Helper()
	if _, err := s.ReadKeyLog(strings.NewReader(tr.keylog), "keys", nil); err != nil {
		t.Fatal(err)
	}
}

// TestSecretsThatComePiecemeal: one line of the key log at a time.
func TestSecretsThatComePiecemeal(t *testing.T) {
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 200, 300, 400))
	lines := strings.SplitAfter(tr.keylog, "\n")
	secrets := NewSecrets()
	var got collector
	s := NewSession(secrets, &got, &Options{Wait: time.Second})
	for i, p := range tr.pieces {
		s.Data(p.toServer, p.data, frame(i+1))
	}
	for i, l := range lines {
		if _, err := secrets.ReadKeyLog(strings.NewReader(l), "keys", nil); err != nil {
			t.Fatal(err)
		}
		s.Retry(frame(100 + i))
	}
	mustYield(t, tr, &got, s.Info())
}

func TestSecretsThatNeverCome(t *testing.T) {
	for _, wait := range []time.Duration{0, 50 * time.Millisecond} {
		c := tls13Config()
		tr := converse(t, c, c, exchange(100, 200, 300, 400))
		secrets := NewSecrets()
		var got collector
		s := NewSession(secrets, &got, &Options{Wait: wait})
		for i, p := range tr.pieces {
			s.Data(p.toServer, p.data, frame(i+1))
		}
		if s.Waiting() != (wait > 0) {
			t.Errorf("wait %v: waiting %v", wait, s.Waiting())
		}
		s.Retry(frame(1000))
		if s.Waiting() {
			t.Error("the session waits after its time is over")
		}
		info := s.Info()
		if !strings.HasPrefix(info.Reason, "no key was given for client random ") || info.Undecrypted < 1000 || !info.Established {
			t.Errorf("wait %v: info %+v", wait, info)
		}
		if !s.Done() {
			t.Errorf("wait %v: not done", wait)
		}
		before := s.Info().Undecrypted
		s.Data(true, make([]byte, 1000), frame(2000))
		if n := s.Info().Undecrypted - before; n != 1000 {
			t.Errorf("%d more bytes undecrypted, want 1000", n)
		}
		s.End(frame(3000))
		if n := secrets.waiting.Load(); n != 0 || len(got.data[0])+len(got.data[1]) > 0 {
			t.Errorf("%d bytes still count as waiting, %d were decrypted", n, len(got.data[0]))
		}
	}
}

// TestWaitingIsBounded: bytes above the limit are a gap, and the next record behind it is found.
func TestWaitingIsBounded(t *testing.T) {
	for _, version := range []string{"1.3", "1.2 gcm"} {
		c := lossConfigs[version].c
		tr := converse(t, c, c, randomExchange(rand.New(rand.NewPCG(5, 6)), 400))
		secrets := NewSecrets()
		got := &placed{tb: t, sent: tr.sent}
		s := NewSession(secrets, got, &Options{Wait: time.Hour})
		pieces := split(tr.pieces, 1448)
		for i, p := range pieces {
			if i == len(pieces)*3/4 {
				for j := range s.dirs {
					if n := len(s.dirs[j].wait.data); n > maxWaiting {
						t.Errorf("direction %d holds %d bytes, the bound is %d", j, n, maxWaiting)
					}
				}
				readKeys(t, secrets, tr)
			}
			s.Data(p.toServer, p.data, frame(i+1))
		}
		s.End(frame(1 << 20))
		info := s.Info()
		if info.Undecrypted == 0 || info.Reason != "" {
			t.Errorf("%s: info %+v", version, info)
		}
		for i := range 2 {
			if got.pos[i] != len(tr.sent[i]) {
				t.Errorf("%s: direction %d ends at %d of %d", version, i, got.pos[i], len(tr.sent[i]))
			}
			if want := maxWaiting*9/10 + len(tr.sent[i])/8; got.got[i] < want {
				t.Errorf("%s: direction %d: %d bytes, want %d", version, i, got.got[i], want)
			}
		}
	}
}

// TestWaitingOfAllSessionsIsBounded: the limit holds for the sum.
func TestWaitingOfAllSessionsIsBounded(t *testing.T) {
	secrets := NewSecrets()
	if n := secrets.reserve(maxWaitingTotal - 10); n != maxWaitingTotal-10 {
		t.Fatalf("reserved %d", n)
	}
	c := tls13Config()
	tr := converse(t, c, c, exchange(100, 200))
	s := NewSession(secrets, &collector{}, &Options{Wait: time.Hour})
	for i, p := range tr.pieces {
		s.Data(p.toServer, p.data, frame(i+1))
	}
	if n := secrets.waiting.Load(); n > maxWaitingTotal {
		t.Errorf("%d bytes wait, the bound is %d", n, maxWaitingTotal)
	}
	if info := s.Info(); info.Undecrypted == 0 {
		t.Errorf("info %+v", info)
	}
	s.End(frame(1000))
	if n := secrets.waiting.Load(); n != maxWaitingTotal-10 {
		t.Errorf("%d bytes wait, want %d", n, maxWaitingTotal-10)
	}
}
