package tlsrecord

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"
)

// ordered is a subject in the order of keytool, which is not that of pkix.Name.
var ordered = pkix.RDNSequence{
	{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "DE"}},
	{{Type: asn1.ObjectIdentifier{2, 5, 4, 8}, Value: "Land"}},
	{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Shop, Inc."}},
	{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "orders"}},
}

const orderedText = `CN=orders,O=Shop\, Inc.,ST=Land,C=DE`

// clientCertificate returns a certificate with a subject. All other names in it contain the word
// secret.
func clientCertificate(t *testing.T, subject pkix.RDNSequence) tls.Certificate {
	t.Helper()
	raw, err := asn1.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: raw, DNSNames: []string{"secret.example"}, NotAfter: time.Now().Add(time.Hour)}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "secret"}}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestSubject: TLS 1.2 shows the client's certificate in plaintext, TLS 1.3 with a key. The
// broker's is never read.
func TestSubject(t *testing.T) {
	own := clientCertificate(t, ordered)
	long := own
	for range 60 { // the message is longer than maxMessage
		long.Certificate = append(long.Certificate, own.Certificate[0])
	}
	for name, tt := range map[string]struct {
		asks          tls.ClientAuthType
		client        *tls.Config
		own           []tls.Certificate
		isOn, hasKeys bool
		want          string
	}{
		"1.2":           {tls.RequestClientCert, tls12Config(), []tls.Certificate{own}, true, false, orderedText},
		"1.2 keys":      {tls.RequestClientCert, tls12Config(), []tls.Certificate{own}, true, true, orderedText},
		"1.2 long":      {tls.RequestClientCert, tls12Config(), []tls.Certificate{long}, true, false, orderedText},
		"1.2 without":   {tls.RequestClientCert, tls12Config(), nil, true, true, ""},
		"1.2 not asked": {tls.NoClientCert, tls12Config(), nil, true, true, ""},
		"1.3 not asked": {tls.NoClientCert, tls13Config(), nil, true, true, ""},
		"1.2 off":       {tls.RequestClientCert, tls12Config(), []tls.Certificate{own}, false, true, ""},
		"1.3":           {tls.RequestClientCert, tls13Config(), []tls.Certificate{own}, true, true, orderedText},
		"1.3 long":      {tls.RequestClientCert, tls13Config(), []tls.Certificate{long}, true, true, orderedText},
		"1.3 without":   {tls.RequestClientCert, tls13Config(), nil, true, true, ""},
		"1.3 off":       {tls.RequestClientCert, tls13Config(), []tls.Certificate{own}, false, true, ""},
		"1.3 encrypted": {tls.RequestClientCert, tls13Config(), []tls.Certificate{own}, true, false, ""},
	} {
		server := tt.client.Clone()
		server.ClientAuth = tt.asks
		tt.client.Certificates = tt.own
		tr := converse(t, tt.client, server, exchange(100, 200))
		secrets := NewSecrets()
		if tt.hasKeys {
			secrets = tr.secrets(t)
		}
		for _, n := range []int{1 << 20, 1} {
			var got collector
			s := NewSession(secrets, &got, &Options{Subjects: tt.isOn})
			play(s, split(tr.pieces, n))
			if info := s.Info(); info.Subject != tt.want {
				t.Errorf("%s, in pieces of %d: %q, want %q", name, n, info.Subject, tt.want)
			}
			if tt.hasKeys {
				mustYield(t, tr, &got, s.Info())
			}
		}
	}
}

// certificateMessage returns a Certificate message of TLS 1.2.
func certificateMessage(der []byte) []byte {
	size := func(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }
	return concat(size(len(der)+3), size(len(der)), der)
}

func TestSubjectOfDamagedCertificates(t *testing.T) {
	message := certificateMessage(clientCertificate(t, ordered).Certificate[0])
	if got := subject(message, versionTLS12); got != orderedText {
		t.Fatalf("%q", got)
	}
	if got := subject(concat([]byte{3, 'a', 'b', 'c'}, message), versionTLS13); got != orderedText {
		t.Errorf("with a context: %q", got)
	}
	for n := range message {
		if got := subject(message[:n], versionTLS12); got != "" {
			t.Fatalf("cut to %d bytes: %q", n, got)
		}
		damaged := concat(message)
		for _, b := range []byte{0, 0x7f, 0x80, 0x84, 0xff} {
			damaged[n] = b
			if got := subject(damaged, versionTLS12); len(got) > maxSubject || strings.Contains(got, "secret") {
				t.Fatalf("byte %d is %#x: %q", n, b, got)
			}
		}
	}
	fits := pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: strings.Repeat("a", maxSubject-len("CN="))}}}
	if got := subject(certificateMessage(clientCertificate(t, fits).Certificate[0]), versionTLS12); len(got) != maxSubject {
		t.Errorf("%d bytes", len(got))
	}
	fits[0][0].Value = strings.Repeat("a", maxSubject)
	if got := subject(certificateMessage(clientCertificate(t, fits).Certificate[0]), versionTLS12); got != "" {
		t.Errorf("a subject of %d bytes is kept", len(got))
	}
}
