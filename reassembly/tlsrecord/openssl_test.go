package tlsrecord

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "record testdata/*.tls anew with the openssl command (3.0)")

// recipe describes how to record a transcript with openssl s_server and s_client.
type recipe struct {
	name, about    string
	server, client []string // in addition to the common arguments
	noETM          bool
	// lines are what the client sends. The server answers each with the reversed line. A line of
	// one letter is a command of s_client: R renegotiates, K updates the keys of both sides.
	lines []string
	// first makes a connection before, whose session is resumed. early is early data of the second
	// one; its server answers nothing.
	first bool
	early string
	// version, suite, alert and alertFromServer are the expected Info.
	version, suite, alert string
	alertFromServer       bool
	fails                 bool   // the handshake fails
	reason                string // why it is not fully decrypted
}

func line(c string, n int) string { return strings.Repeat(c+"bcdefghij", n/10+1)[:n] }

var plainLines = []string{line("a", 30), line("x", 1), line("l", 1800), line("z", 17)}

var recipes = []recipe{
	{name: "tls12-cbc-sha384-etm", server: []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384:@SECLEVEL=0"}, version: "TLS 1.2", suite: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
	{name: "tls12-cbc-sha384", noETM: true, server: []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384:@SECLEVEL=0"}, version: "TLS 1.2", suite: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
	{name: "tls12-cbc-sha256-etm", server: []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"}, version: "TLS 1.2", suite: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
	{name: "tls12-cbc-sha-etm", server: []string{"-tls1_2", "-cipher", "AES256-SHA:@SECLEVEL=0"}, version: "TLS 1.2", suite: "TLS_RSA_WITH_AES_256_CBC_SHA"},
	{name: "tls11-cbc-etm", server: []string{"-tls1_1", "-cipher", "AES128-SHA:@SECLEVEL=0"}, version: "TLS 1.1", suite: "TLS_RSA_WITH_AES_128_CBC_SHA"},
	{name: "tls11-cbc", noETM: true, server: []string{"-tls1_1", "-cipher", "AES128-SHA:@SECLEVEL=0"}, version: "TLS 1.1", suite: "TLS_RSA_WITH_AES_128_CBC_SHA"},
	{name: "tls10-cbc-etm", server: []string{"-tls1", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"}, version: "TLS 1.0", suite: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
	{name: "tls10-cbc", noETM: true, server: []string{"-tls1", "-cipher", "ECDHE-RSA-AES256-SHA:@SECLEVEL=0"}, version: "TLS 1.0", suite: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"},
	{name: "tls12-ccm", reason: "cipher suite TLS_RSA_WITH_AES_128_CCM is not supported", server: []string{"-tls1_2", "-cipher", "AES128-CCM:@SECLEVEL=0"}, version: "TLS 1.2", suite: "TLS_RSA_WITH_AES_128_CCM"},
	{name: "tls12-chacha-dhe", server: []string{"-tls1_2", "-cipher", "DHE-RSA-CHACHA20-POLY1305:@SECLEVEL=0"}, version: "TLS 1.2", suite: "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
	{name: "tls12-unsupported-suite", about: "not decrypted", reason: "cipher suite TLS_RSA_WITH_CAMELLIA_128_CBC_SHA is not supported", server: []string{"-tls1_2", "-cipher", "CAMELLIA128-SHA:@SECLEVEL=0"}, version: "TLS 1.2", suite: "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"},
	{name: "tls13-chacha", server: []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, version: "TLS 1.3", suite: "TLS_CHACHA20_POLY1305_SHA256"},
	{name: "tls13-aes256", server: []string{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384"},
	{name: "tls13-padding", about: "all records are padded to 512 bytes", server: []string{"-tls1_3", "-record_padding", "512"}, client: []string{"-record_padding", "512"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384"},
	{name: "tls13-keyupdate", about: "both sides update their keys three times", server: []string{"-tls1_3"}, lines: []string{"abc", "K", "def", "K", "K", "ghi"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384"},
	{name: "tls13-fragments", about: "handshake messages split over records of 512 bytes", server: []string{"-tls1_3", "-max_send_frag", "512"}, client: []string{"-max_send_frag", "512"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384"},
	{name: "tls12-fragments", about: "handshake messages split over records of 512 bytes", server: []string{"-tls1_2", "-max_send_frag", "512", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, client: []string{"-max_send_frag", "512"}, version: "TLS 1.2", suite: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
	{name: "tls12-renegotiation", server: []string{"-tls1_2", "-client_renegotiation", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, lines: []string{"abc", "R", "def"}, version: "TLS 1.2", suite: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", reason: "renegotiation is not supported"},
	{name: "tls12-resumed-id", first: true, server: []string{"-tls1_2", "-no_ticket", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, version: "TLS 1.2", suite: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
	{name: "tls12-resumed-ticket", first: true, server: []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, version: "TLS 1.2", suite: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
	{name: "tls13-resumed", first: true, server: []string{"-tls1_3"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384"},
	{name: "tls13-early", reason: "early data (0-RTT) is not supported", first: true, early: "early data\n", server: []string{"-tls1_3", "-early_data"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384"},
	{name: "tls12-client-certificate", server: []string{"-tls1_2", "-Verify", "1", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, client: []string{"-cert", "rsa.pem", "-key", "rsa.pem"}, version: "TLS 1.2", suite: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
	{name: "tls13-client-certificate", server: []string{"-tls1_3", "-Verify", "1"}, client: []string{"-cert", "rsa.pem", "-key", "rsa.pem"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384"},
	{name: "tls13-certificate-required", fails: true, server: []string{"-tls1_3", "-Verify", "1"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384", alert: "certificate_required", alertFromServer: true},
	{name: "tls12-no-shared-suite", fails: true, server: []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, client: []string{"-cipher", "AES128-SHA256"}, alert: "handshake_failure", alertFromServer: true},
	{name: "tls12-unknown-ca", fails: true, server: []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, client: []string{"-verify_return_error", "-CAfile", "ec.pem"}, version: "TLS 1.2", suite: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", alert: "unknown_ca"},
	{name: "tls13-unknown-ca", fails: true, server: []string{"-tls1_3"}, client: []string{"-verify_return_error", "-CAfile", "rsa.pem"}, version: "TLS 1.3", suite: "TLS_AES_256_GCM_SHA384", alert: "unknown_ca"},
	{name: "protocol-version", fails: true, server: []string{"-tls1_3"}, client: []string{"-tls1_2"}, alert: "protocol_version", alertFromServer: true},
}

// TestRecordWithOpenSSL records the transcripts on request. Otherwise it checks that each recipe
// has one.
func TestRecordWithOpenSSL(t *testing.T) {
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			name := filepath.Join("testdata", r.name+".tls")
			if *update {
				tr := r.record(t)
				if err := os.WriteFile(name, tr.format(r), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Stat(name); err != nil {
				t.Errorf("no transcript (record it with -update): %v", err)
			}
		})
	}
}

// record makes the transcript of a recipe.
func (r *recipe) record(t *testing.T) *transcript {
	dir := t.TempDir()
	ec, rs := certificates()
	writePEM(t, filepath.Join(dir, "ec.pem"), ec)
	writePEM(t, filepath.Join(dir, "rsa.pem"), rs)
	conf := "openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n[all]\nMinProtocol = TLSv1\n"
	if r.noETM {
		conf += "Options = -EncryptThenMac\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "openssl.cnf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if r.lines == nil {
		r.lines = plainLines
	}
	if r.early != "" {
		if err := os.WriteFile(filepath.Join(dir, "early"), []byte(r.early), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, stop := r.serve(t, dir, r.server)
	if r.first {
		(&recipe{name: r.name, client: append(r.client, "-sess_out", "session"), lines: []string{"hello"}}).connect(t, dir, port)
		r.client = append(r.client, "-sess_in", "session")
		if r.early != "" {
			r.client = append(r.client, "-early_data", "early")
		}
	}
	defer stop()
	return r.connect(t, dir, port)
}

func writePEM(t *testing.T, name string, c tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	b = append(b, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func openssl(dir string, args ...string) *exec.Cmd {
	c := exec.Command("openssl", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "OPENSSL_CONF="+filepath.Join(dir, "openssl.cnf"))
	return c
}

// serve runs a server on a free port.
func (r *recipe) serve(t *testing.T, dir string, args []string) (port string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	all := []string{"s_server", "-accept", "127.0.0.1:" + port, "-cert", "rsa.pem", "-key", "rsa.pem", "-dcert", "ec.pem", "-dkey", "ec.pem"}
	if r.early == "" {
		all = append(all, "-rev")
	}
	c := openssl(dir, append(all, args...)...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return port, func() { _ = in.Close(); _ = c.Process.Kill(); _ = c.Wait() }
}

// connect records one connection of s_client through a relay.
func (r *recipe) connect(t *testing.T, dir, port string) *transcript {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	tr := &transcript{}
	relayed := make(chan error, 1)
	go func() { relayed <- relay(l, port, tr) }()
	keylog := filepath.Join(dir, "keylog")
	_ = os.Remove(keylog)
	c := openssl(dir, append([]string{"s_client", "-connect", l.Addr().String(), "-servername", "broker.example", "-keylogfile", keylog, "-cipher", "ALL:@SECLEVEL=0", "-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"}, r.client...)...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var out bytes.Buffer
	c.Stdout = &lockedWriter{w: &out, mu: &mu}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	printed := func(text string) {
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			mu.Lock()
			ok := bytes.Contains(out.Bytes(), []byte(text))
			mu.Unlock()
			if ok {
				return
			}
		}
	}
	printed("SSL handshake has read")
	time.Sleep(250 * time.Millisecond)
	tr.sent[0] = append(tr.sent[0], r.early...)
	for _, l := range r.lines {
		_, err := io.WriteString(in, l+"\n")
		if err != nil && !r.fails {
			t.Fatal(err)
		}
		time.Sleep(250 * time.Millisecond)
		if l != "R" && l != "K" && !r.fails {
			tr.sent[0] = append(tr.sent[0], l+"\n"...)
			if r.early == "" {
				printed(reverse(l))
				tr.sent[1] = append(tr.sent[1], reverse(l)+"\n"...)
			}
		}
	}
	_ = in.Close()
	_ = c.Wait()
	if err := <-relayed; err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(keylog)
	tr.keylog = string(b)
	return tr
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// relay copies one connection in both directions and records it.
func relay(l net.Listener, port string, tr *transcript) error {
	a, err := l.Accept()
	if err != nil {
		return err
	}
	var b net.Conn
	for range 100 { // until the server listens
		if b, err = net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(recorder{b, true, &mu, &tr.pieces}, bare{a}); _ = b.(*net.TCPConn).CloseWrite() })
	wg.Go(func() {
		_, _ = io.Copy(recorder{a, false, &mu, &tr.pieces}, bare{b})
		_ = a.(*net.TCPConn).CloseWrite()
	})
	wg.Wait()
	_, _ = a.Close(), b.Close()
	return nil
}

// bare hides other methods of a connection, so that io.Copy does not bypass the recorder.
type bare struct{ io.Reader }

// format writes a transcript as text.
func (t *transcript) format(r recipe) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Recorded from openssl s_server %s", strings.Join(r.server, " "))
	if r.about != "" {
		fmt.Fprintf(&b, " (%s)", r.about)
	}
	fmt.Fprintf(&b, "\n# by go test -run TestRecordWithOpenSSL -update. The keys protect nothing but the lines of the test.\n")
	for _, l := range strings.Split(strings.TrimSpace(t.keylog), "\n") {
		if l != "" && l[0] != '#' {
			fmt.Fprintf(&b, "key %s\n", l)
		}
	}
	for _, s := range t.sent {
		fmt.Fprintf(&b, "sent %q\n", s)
	}
	for _, p := range t.pieces {
		fmt.Fprintf(&b, "%c %s\n", map[bool]rune{true: '>', false: '<'}[p.toServer], encode(p.data))
	}
	return b.Bytes()
}
