package tlsrecord

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"fmt"
	"math"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// counter is a Receiver that only counts.
type counter struct{ n int }

func (c *counter) Plaintext(_ bool, p []byte, _ capture.Position) { c.n += len(p) }

func (c *counter) PlaintextGap(bool, int64, bool, capture.Position) {}

// bulkTranscript returns a connection with n bytes from the client, in pieces of TCP segments.
func bulkTranscript(tb testing.TB, c *tls.Config, n, segment int) (*transcript, []piece) {
	tb.Helper()
	tr := converse(tb, c, c, exchange(n, 1))
	return tr, split(tr.pieces, segment)
}

// BenchmarkDecrypt measures a bulk connection. Compare with BenchmarkAESGCM, the cipher alone, and
// with openssl speed -evp aes-128-gcm.
func BenchmarkDecrypt(b *testing.B) {
	for _, c := range []struct {
		name    string
		config  *tls.Config
		size    int
		segment int
	}{
		{"TLS13_AES128GCM/segments of 1448", tls13Config(), 4 << 20, 1448},
		{"TLS13_AES128GCM/segments of 64K", tls13Config(), 4 << 20, 65483},
		{"TLS12_AES128GCM/segments of 1448", tls12Config(), 4 << 20, 1448},
		{"TLS12_CHACHA20/segments of 1448", lossConfigs["1.2 chacha"].c, 4 << 20, 1448},
		{"TLS12_CBC_SHA/segments of 1448", lossConfigs["1.2 cbc"].c, 1 << 20, 1448},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr, pieces := bulkTranscript(b, c.config, c.size, c.segment)
			secrets, options := tr.secrets(b), &Options{Scratch: NewScratch()}
			b.SetBytes(int64(len(tr.stream(true))))
			b.ReportAllocs()
			for b.Loop() {
				var r counter
				s := NewSession(secrets, &r, options)
				for i, p := range pieces {
					s.Data(p.toServer, p.data, capture.Position{Frame: uint64(i)})
				}
				s.End(capture.Position{})
				if r.n != c.size+1 {
					b.Fatalf("%d bytes, want %d; %+v", r.n, c.size+1, s.Info())
				}
			}
		})
	}
}

// BenchmarkOutline measures the same bytes without a key: only record headers are read.
func BenchmarkOutline(b *testing.B) {
	for _, segment := range []int{1448, 65483} {
		b.Run(fmt.Sprintf("segments of %d", segment), func(b *testing.B) {
			tr, pieces := bulkTranscript(b, tls13Config(), 4<<20, segment)
			b.SetBytes(int64(len(tr.stream(true))))
			b.ReportAllocs()
			for b.Loop() {
				o := NewOutline(false)
				for i, p := range pieces {
					o.Data(p.toServer, p.data, capture.Position{Frame: uint64(i)})
				}
				if records, _ := o.Records(); len(records) < 2 {
					b.Fatalf("%d records", len(records))
				}
			}
		})
	}
}

// BenchmarkAESGCM decrypts records of 16 KiB. No record layer can be faster.
func BenchmarkAESGCM(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	nonce, head, out := make([]byte, 12), make([]byte, 5), make([]byte, 1<<15)
	sealed := gcm.Seal(nil, nonce, make([]byte, maxContent), head)
	b.SetBytes(maxContent)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gcm.Open(out[:0], nonce, sealed, head); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandshake measures a connection with little data.
func BenchmarkHandshake(b *testing.B) {
	for name, c := range lossConfigs {
		b.Run(name, func(b *testing.B) {
			tr := converse(b, c.c, c.c, exchange(100, 200))
			secrets, options := tr.secrets(b), &Options{Scratch: NewScratch()}
			b.ReportAllocs()
			for b.Loop() {
				s := NewSession(secrets, &counter{}, options)
				play(s, tr.pieces)
			}
		})
	}
}

// BenchmarkUndecryptable measures a connection without secrets.
func BenchmarkUndecryptable(b *testing.B) {
	tr, pieces := bulkTranscript(b, tls13Config(), 4<<20, 1448)
	options := &Options{Scratch: NewScratch()}
	b.SetBytes(int64(len(tr.stream(true))))
	b.ReportAllocs()
	for b.Loop() {
		s := NewSession(nil, &counter{}, options)
		play(s, pieces)
	}
}

// TestSteadyStateDoesNotAllocate: no record allocates, in one segment or in several.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for name, c := range lossConfigs {
		for _, segment := range []int{300, 1 << 20} {
			t.Run(fmt.Sprintf("%s in segments of %d", name, segment), func(t *testing.T) {
				tr := converse(t, c.c, c.c, exchange(100, 100, 400000, 100))
				pieces := onlyTo(true, split(tr.pieces, segment))
				s := NewSession(tr.secrets(t), &counter{}, &Options{Scratch: NewScratch()})
				for _, p := range onlyTo(false, tr.pieces)[:len(onlyTo(false, tr.pieces))-1] {
					s.Data(false, p.data, frame(1))
				}
				warm := len(pieces) / 2
				for _, p := range pieces[:warm] {
					s.Data(true, p.data, frame(2))
				}
				rest := pieces[warm:]
				chunk := len(rest) / 8
				if chunk == 0 {
					t.Fatalf("only %d pieces", len(pieces))
				}
				// Other goroutines may allocate: the least of four runs counts.
				allocs := math.Inf(1)
				for range 4 {
					allocs = min(allocs, testing.AllocsPerRun(1, func() { // runs it twice
						for _, p := range rest[:chunk] {
							s.Data(true, p.data, frame(3))
						}
						rest = rest[chunk:]
					}))
				}
				if allocs > 0 {
					t.Errorf("%g allocations", allocs)
				}
				if info := s.Info(); info.Decrypted < 100000 {
					t.Errorf("info %+v", info)
				}
			})
		}
	}
}
