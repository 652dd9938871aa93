package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// recordedConn records the writes to a connection, in the order of both sides.
type recordedConn struct {
	net.Conn
	write func([]byte)
}

func (c recordedConn) Write(p []byte) (int, error) {
	c.write(p)
	return c.Conn.Write(p)
}

// certificateOf returns a certificate. Only issuer, DNS names and email contain the word
// verborgen.
func certificateOf(t *testing.T, subject pkix.Name) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: subject, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"verborgen.example"}, EmailAddresses: []string{"verborgen@shop.example"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "verborgen"}}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// overTLS writes a capture of a TLS connection with a client certificate, and its key log. The
// client sends the first message, the broker answers with the second, and so on.
func overTLS(t *testing.T, version uint16, own tls.Certificate, messages ...[]byte) (capture, keys string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := capturetest.NewRecorder()
	on := r.Open(netip.MustParseAddrPort("10.0.0.9:40000"), netip.MustParseAddrPort("10.0.0.1:9093"))
	var mu sync.Mutex
	tape := func(c net.Conn, d capturetest.Direction) net.Conn {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return recordedConn{c, func(p []byte) {
			mu.Lock()
			defer mu.Unlock()
			on.Send(d, p)
		}}
	}
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		broker := certificateOf(t, pkix.Name{CommonName: "verborgen"})
		done <- talk(tls.Server(tape(c, capturetest.ToClient), &tls.Config{
			Certificates: []tls.Certificate{broker}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: version,
		}), messages, 1)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var log bytes.Buffer
	err = talk(tls.Client(tape(c, capturetest.ToBroker), &tls.Config{
		Certificates: []tls.Certificate{own}, InsecureSkipVerify: true, KeyLogWriter: &log, MinVersion: version,
	}), messages, 0)
	if err != nil {
		t.Fatal("client: ", err)
	}
	if err := <-done; err != nil {
		t.Fatal("broker: ", err)
	}
	on.Close(capturetest.ToClient)
	dir := t.TempDir()
	capture, keys = filepath.Join(dir, "tls.pcap"), filepath.Join(dir, "tls.keys")
	for name, data := range map[string][]byte{capture: capturetest.Pcap{}.Encode(r.Packets), keys: log.Bytes()} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return capture, keys
}

// talk plays one side: it sends every second message from first on, and reads the others.
func talk(c *tls.Conn, messages [][]byte, first int) error {
	for i, m := range messages {
		var err error
		if i%2 == first {
			_, err = c.Write(m)
		} else {
			_, err = io.ReadFull(c, make([]byte, len(m)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestSecretsOfClientCertificates: --principals prints the subject of a certificate, in TLS 1.2
// without a key, and nothing else of it. Without --principals, and with --redact, no output has
// the subject.
func TestSecretsOfClientCertificates(t *testing.T) {
	subject := pkix.Name{CommonName: "orders", Organization: []string{"Shop\x1b[2J"}, Country: []string{"DE"}}
	own := certificateOf(t, subject)
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version = 8
	answer := kmsg.NewPtrMetadataResponse()
	answer.Version = 8
	kafka := [][]byte{
		capturetest.ApiVersionsRequest(3, 1, "orders-svc", "lib", "1.0"), capturetest.ApiVersionsResponse(3, 1, 0, capturetest.API{Key: 18, Max: 3}, capturetest.API{Key: 3, Max: 9}),
		capturetest.Request(metadata, 2, "orders-svc"), capturetest.Response(answer, 2),
	}
	sasl := slices.Concat(kafka[:2], [][]byte{
		capturetest.SaslHandshake(1, 2, "orders-svc", "PLAIN"), capturetest.SaslHandshakeResponse(2, 0, "PLAIN"),
		capturetest.SaslAuthenticate(1, 3, "orders-svc", []byte("\x00alice\x00verborgen")), capturetest.SaslAuthenticateResponse(1, 3, 0, "", nil),
	}, kafka[2:])
	var sizes [][]byte // of librdkafka and Kafka 2.1, of which only the lengths are visible
	for _, n := range []int{48, 14, 21, 272, 30, 157} {
		sizes = append(sizes, bytes.Repeat([]byte("s"), n))
	}
	const named = `CN=orders,O=Shop`
	for name, tt := range map[string]struct {
		version uint16
		say     [][]byte
		hasKeys bool
		want    string
	}{
		"TLS 1.2":                    {tls.VersionTLS12, sizes, false, named},
		"TLS 1.2 with key":           {tls.VersionTLS12, kafka, true, named},
		"TLS 1.3":                    {tls.VersionTLS13, kafka, false, ""},
		"TLS 1.3 with key":           {tls.VersionTLS13, kafka, true, named},
		"TLS 1.3 with key, and SASL": {tls.VersionTLS13, sasl, true, "alice"},
	} {
		capture, keys := overTLS(t, tt.version, own, tt.say...)
		for _, format := range []string{"text", "json", "markdown", "html", "csv"} {
			args := []string{"analyze", "--target", "kafka-4.0.0", "--format", format, capture}
			if tt.hasKeys {
				args = append(args, "--tls-keylog", keys)
			}
			for _, more := range [][]string{nil, {"--principals"}, {"--principals", "--redact"}} {
				out := invoke(t, strings.NewReader(""), append(args, more...)...)
				if bad := regexp.MustCompile(`verborgen|\x1b|shop.example`).FindString(out); bad != "" {
					t.Errorf("%s, %s %v: %q in\n%s", name, format, more, bad, out)
				}
				isNamed := strings.Contains(out, "orders,O=") || strings.Contains(out, "alice")
				if len(more) != 1 && isNamed {
					t.Errorf("%s, %s %v: a name in\n%s", name, format, more, out)
				}
				if format == "json" && len(more) == 1 && (isNamed != (tt.want != "") || !strings.Contains(out, tt.want) || tt.want == "alice" && strings.Contains(out, named)) {
					t.Errorf("%s: want %q in\n%s", name, tt.want, out)
				}
				if format == "json" && len(more) == 2 && tt.want != "" && !regexp.MustCompile(`"principals?": \[?\s*"principal-[0-9a-f]+"`).MatchString(out) {
					t.Errorf("%s: no replaced name in\n%s", name, out)
				}
			}
		}
	}
}
