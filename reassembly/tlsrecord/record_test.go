package tlsrecord

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
)

// piece is what one packet carried in one direction.
type piece struct {
	toServer bool
	data     []byte
}

// transcript is a recorded TLS connection, its key log and its plaintext.
type transcript struct {
	pieces []piece
	keylog string
	// sent is the application data of the directions, toServer first.
	sent [2][]byte
}

func index(toServer bool) int {
	if toServer {
		return 0
	}
	return 1
}

// stream returns the bytes of one direction.
func (t *transcript) stream(toServer bool) (b []byte) {
	for _, p := range t.pieces {
		if p.toServer == toServer {
			b = append(b, p.data...)
		}
	}
	return b
}

// secrets returns a store with the transcript's key log.
func (t *transcript) secrets(tb testing.TB) *Secrets {
	tb.Helper()
	s := NewSecrets()
	if _, err := s.ReadKeyLog(strings.NewReader(t.keylog), "keys", func(err error) { tb.Error(err) }); err != nil {
		tb.Fatal(err)
	}
	return s
}

// collector is a Receiver that keeps everything.
type collector struct {
	data [2][]byte
	// gaps are the gaps reported, with the number of data bytes before each.
	gaps  []gapEvent
	at    [2][]capture.Position
	order []bool
}

type gapEvent struct {
	toServer bool
	where    int
	n        int64
	exact    bool
}

func (c *collector) Plaintext(toServer bool, p []byte, at capture.Position) {
	i := index(toServer)
	c.data[i] = append(c.data[i], p...)
	c.at[i] = append(c.at[i], at)
	c.order = append(c.order, toServer)
}

func (c *collector) PlaintextGap(toServer bool, n int64, exact bool, _ capture.Position) {
	c.gaps = append(c.gaps, gapEvent{toServer, len(c.data[index(toServer)]), n, exact})
}

// frame returns the position of packet n.
func frame(n int) capture.Position {
	return capture.Position{Frame: uint64(n), Time: int64(n) * int64(time.Millisecond)}
}

// play feeds pieces to a session and ends it.
func play(s *Session, pieces []piece) {
	for i, p := range pieces {
		s.Data(p.toServer, p.data, frame(i+1))
	}
	s.End(frame(len(pieces) + 1))
}

// mustYield checks that all of the transcript's application data was decrypted.
func mustYield(tb testing.TB, t *transcript, c *collector, info Info) {
	tb.Helper()
	for i, name := range []string{"client", "server"} {
		if !bytes.Equal(c.data[i], t.sent[i]) {
			tb.Errorf("the %s's plaintext has %d bytes, want %d; info %+v", name, len(c.data[i]), len(t.sent[i]), info)
		}
	}
	if len(c.gaps) > 0 {
		tb.Errorf("gaps %v in a transcript without loss", c.gaps)
	}
	if info.Reason != "" || info.Undecrypted != 0 || info.LostRecords != 0 {
		tb.Errorf("reason %q, undecrypted %d, lost %d, want none", info.Reason, info.Undecrypted, info.LostRecords)
	}
	if want := uint64(len(t.sent[0]) + len(t.sent[1])); info.Decrypted != want {
		tb.Errorf("decrypted %d, want %d", info.Decrypted, want)
	}
	if !info.Established {
		tb.Error("not established")
	}
}

// recorder is a net.Conn that records what is written through it.
type recorder struct {
	net.Conn
	toServer bool
	mu       *sync.Mutex
	pieces   *[]piece
}

func (r recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	*r.pieces = append(*r.pieces, piece{r.toServer, bytes.Clone(p)})
	r.mu.Unlock()
	return r.Conn.Write(p)
}

var certificates = sync.OnceValues(func() (ec, rs tls.Certificate) {
	make := func(key any, public any) tls.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker.example"},
			DNSNames: []string{"broker.example"}, NotAfter: time.Now().Add(time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
		if err != nil {
			panic(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return make(e, &e.PublicKey), make(r, &r.PublicKey)
})

// exchange returns messages of the given sizes; each is the answer to the previous one.
func exchange(sizes ...int) [][]byte {
	var out [][]byte
	for i, n := range sizes {
		p := make([]byte, n)
		for j := range p {
			p[j] = byte(i + j*7 + j>>8)
		}
		out = append(out, p)
	}
	return out
}

// converse records a TLS connection between crypto/tls and itself.
func converse(tb testing.TB, client, server *tls.Config, messages [][]byte) *transcript {
	tb.Helper()
	t := &transcript{}
	var mu sync.Mutex
	var keylog bytes.Buffer
	ec, rs := certificates()
	client, server = client.Clone(), server.Clone()
	client.InsecureSkipVerify, client.ServerName = true, "broker.example"
	server.Certificates, client.KeyLogWriter = []tls.Certificate{ec, rs}, &lockedWriter{w: &keylog, mu: &mu}
	a, b := loopback(tb)
	deadline := time.Now().Add(20 * time.Second)
	_ = a.SetDeadline(deadline)
	_ = b.SetDeadline(deadline)
	c := tls.Client(recorder{a, true, &mu, &t.pieces}, client)
	s := tls.Server(recorder{b, false, &mu, &t.pieces}, server)
	done := make(chan error, 1)
	go func() { done <- speak(s, messages, false) }()
	if err := speak(c, messages, true); err != nil {
		tb.Fatal("client: ", err)
	}
	if err := <-done; err != nil {
		tb.Fatal("server: ", err)
	}
	for i, m := range messages {
		t.sent[i%2] = append(t.sent[i%2], m...)
	}
	mu.Lock()
	defer mu.Unlock()
	t.keylog = keylog.String()
	return t
}

// loopback returns a TCP connection. A net.Pipe would block: both sides write at once during a
// handshake.
func loopback(tb testing.TB) (client, server net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

// lockedWriter is a writer for several goroutines.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// speak plays one side of a conversation.
func speak(c *tls.Conn, messages [][]byte, first bool) error {
	if err := c.Handshake(); err != nil {
		return err
	}
	for i, m := range messages {
		if (i%2 == 0) == first {
			if _, err := c.Write(m); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			continue
		}
		got := make([]byte, len(m))
		if _, err := io.ReadFull(c, got); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if !bytes.Equal(got, m) {
			return fmt.Errorf("message %d differs", i)
		}
	}
	return nil
}
