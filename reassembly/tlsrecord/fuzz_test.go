package tlsrecord

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

func FuzzKeyLog(f *testing.F) {
	f.Add([]byte(keyLine(1) + keyLine(2)))
	f.Add([]byte("CLIENT_RANDOM " + hexOf(1, 32) + " " + hexOf(2, 47) + "\r\n# x\nRSA 00 11\n\xef\xbb\xbf"))
	f.Add(bytes.Repeat([]byte("A"), 3000))
	f.Add(bytes.Repeat([]byte("\n"), 3000))
	f.Fuzz(func(t *testing.T, log []byte) {
		if len(log) > capturetest.BoundedUnit {
			return
		}
		capturetest.Bounded(t, len(log), func() {
			whole, pieces := NewSecrets(), NewSecrets()
			n := 0
			if _, err := whole.ReadKeyLog(bytes.NewReader(log), "k", func(err error) {
				n++
				if strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
					t.Errorf("warning %q", err)
				}
			}); err != nil {
				t.Error(err)
			}
			if n > maxWarnings+2 {
				t.Errorf("%d warnings", n)
			}
			l := lineReader{secrets: pieces, name: "k"}
			for p := log; len(p) > 0; {
				m := min(len(p), 7)
				l.write(p[:m])
				p = p[m:]
			}
			l.end()
			if whole.Len() != pieces.Len() {
				t.Errorf("%d secrets at once, %d in pieces", whole.Len(), pieces.Len())
			}
		})
	})
}

func FuzzHandshake(f *testing.F) {
	for _, name := range []string{"tls13-aes256", "tls12-fragments", "tls13-resumed"} {
		tr := readTranscript(f, name)
		for _, toServer := range []bool{true, false} {
			b := tr.stream(toServer)
			f.Add(b[headerSize:min(len(b), 3000)], uint16(100))
		}
	}
	f.Fuzz(func(t *testing.T, messages []byte, cut uint16) {
		if len(messages) > capturetest.BoundedUnit {
			return
		}
		capturetest.Bounded(t, len(messages), func() {
			n := min(int(cut), len(messages))
			for i := range 2 {
				s := NewSession(nil, &collector{}, &Options{Subjects: true})
				d := &s.dirs[i]
				s.handshake(d, messages[:n])
				s.handshake(d, messages[n:])
				s.loseHandshake(d)
				if len(d.hs.held) > maxMessage {
					t.Errorf("%d bytes of a message are held", len(d.hs.held))
				}
				_ = s.Info()
			}
		})
	})
}

// FuzzRecords feeds a transcript that a script has damaged, cut and mixed, with its secrets. All
// plaintext passed on was sent.
func FuzzRecords(f *testing.F) {
	names := []string{"tls13-aes256", "tls13-keyupdate", "tls12-fragments", "tls10-cbc", "tls12-cbc-sha384", "tls13-early", "tls12-renegotiation", "tls12-resumed-ticket"}
	var transcripts []*transcript
	for i, name := range names {
		transcripts = append(transcripts, readTranscript(f, name))
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{1, 0, 200, 0, 9, 2, 1, 0, 0, 50, 3, 0, 100, 0, 5, 4, 1, 10, 0, 99})
	}
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		if len(script) > 4096 {
			return
		}
		tr := transcripts[int(which)%len(transcripts)]
		secrets := tr.secrets(t)
		capturetest.Bounded(t, len(script), func() {
			var got collector
			s := NewSession(secrets, &got, nil)
			runScript(s, tr, script)
			s.End(capture.Position{Frame: 1 << 30})
			if damagedAndPatched(script) {
				return
			}
			for i := range 2 {
				checkSent(t, tr.sent[i], &got, i == 0)
			}
		})
	})
}

// damagedAndPatched reports whether a script may damage records that also have gaps. Their other
// bytes are decrypted but cannot be authenticated.
func damagedAndPatched(script []byte) bool {
	var silent, gaps bool
	for ; len(script) >= 5; script = script[5:] {
		gap := script[0]%5 == 0 || script[0]%5 == 4
		silent, gaps = silent || !gap, gaps || gap
	}
	return silent && gaps
}

// runScript feeds a transcript's pieces as directed by operations of five bytes: what to do, and
// with which piece, where and how much.
func runScript(s *Session, tr *transcript, script []byte) {
	next := 0
	for i, p := range tr.pieces {
		data := p.data
		for len(script) >= 5 && int(script[1]) == i%256 {
			op, at, n := script[0], int(binary.BigEndian.Uint16(script[2:])), int(script[4])
			script = script[5:]
			at = min(at, len(data))
			n = min(n, len(data)-at)
			s.Data(p.toServer, data[:at], frame(next))
			switch op % 5 {
			case 0: // lost
				s.Gap(p.toServer, int64(n), frame(next))
			case 1: // lost without a gap
			case 2: // repeated
				s.Data(p.toServer, data[at:at+n], frame(next))
				n = 0
			case 3: // damaged
				b := bytes.Clone(data[at : at+n])
				for j := range b {
					b[j] ^= op
				}
				s.Data(p.toServer, b, frame(next))
			case 4: // many are lost
				s.Gap(p.toServer, int64(n)<<16, frame(next))
				n = 0
			}
			data = data[at+n:]
			next++
		}
		s.Data(p.toServer, data, frame(next))
		next++
	}
}

// checkSent checks that the plaintext is a subsequence of what was sent.
func checkSent(t *testing.T, sent []byte, got *collector, toServer bool) {
	i := 0
	data := got.data[index(toServer)]
	for _, c := range sent {
		if i < len(data) && data[i] == c {
			i++
		}
	}
	if i < len(data) {
		t.Errorf("to server %v: plaintext was passed on that was not sent: %q", toServer, data[i:])
	}
}
