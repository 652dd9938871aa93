package tlsrecord

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// hexOf returns n bytes of value b in hex.
func hexOf(b byte, n int) string { return strings.Repeat(fmt.Sprintf("%02x", b), n) }

func random32(b byte) (r [32]byte) {
	for i := range r {
		r[i] = b
	}
	return r
}

func TestReadKeyLog(t *testing.T) {
	r, m, s32 := hexOf(0xaa, 32), hexOf(0x11, 48), hexOf(0x22, 32)
	for _, c := range []struct {
		name, log string
		secrets   int
		warnings  []string
	}{
		{"empty", "", 0, nil},
		{"comments and blank lines", "# a comment\n\n  \n#\n", 0, nil},
		{"all labels", "CLIENT_RANDOM " + r + " " + m + "\nCLIENT_HANDSHAKE_TRAFFIC_SECRET " + r + " " + s32 + "\nSERVER_HANDSHAKE_TRAFFIC_SECRET " + r + " " + s32 +
			"\nCLIENT_TRAFFIC_SECRET_0 " + r + " " + s32 + "\nSERVER_TRAFFIC_SECRET_0 " + r + " " + m + "\n", 5, nil},
		{"carriage returns", "CLIENT_RANDOM " + r + " " + m + "\r\n", 1, nil},
		{"upper case digits", "CLIENT_RANDOM " + strings.ToUpper(r) + " " + m, 1, nil},
		{"no newline at the end", "CLIENT_RANDOM " + r + " " + m, 1, nil},
		{"byte order mark", "\xef\xbb\xbfCLIENT_RANDOM " + r + " " + m, 1, nil},
		{"the same line twice", strings.Repeat("CLIENT_RANDOM "+r+" "+m+"\n", 2), 1, nil},
		{"labels of no use", "EXPORTER_SECRET " + r + " " + s32 + "\nCLIENT_EARLY_TRAFFIC_SECRET " + r + " " + s32 + "\nECH_SECRET x y\nQUIC_CLIENT_TRAFFIC_SECRET_0 x y\n", 0, nil},
		{"master secret of 32 bytes", "\nCLIENT_RANDOM " + r + " " + s32, 0, []string{"k:2: the master secret is not 96 hex digits"}},
		{"short random", "CLIENT_RANDOM " + r[2:] + " " + m, 0, []string{"k:1: the client random is not 64 hex digits"}},
		{"no secret", "CLIENT_RANDOM " + r, 0, []string{"k:1: the master secret is not 96 hex digits"}},
		{"not hex", "CLIENT_TRAFFIC_SECRET_0 " + r + " " + strings.Repeat("zz", 32), 0, []string{"k:1: the secret is not 64 or 96 hex digits"}},
		{"odd secret", "CLIENT_TRAFFIC_SECRET_0 " + r + " " + s32 + "0", 0, []string{"k:1: the secret is not 64 or 96 hex digits"}},
		{"no key log", "hello world\nCLIENT_RANDOM " + r + " " + m, 1, []string{"k:1: not a key log line (LABEL RANDOM SECRET)"}},
		{"torn line, the next is used", "CLIENT_RANDOM " + r[:20] + "\nCLIENT_RANDOM " + r + " " + m, 1, []string{"k:1: the client random is not 64 hex digits"}},
		{"long line, the next is used", strings.Repeat("x", 70000) + "\nCLIENT_RANDOM " + r + " " + m, 1, []string{"k:1: line longer than 1024 bytes"}},
		{"RSA lines beside others", "RSA 0011223344556677 " + m + "\nCLIENT_RANDOM " + r + " " + m, 1, nil},
		{"RSA lines only", strings.Repeat("RSA 0011223344556677 "+m+"\n", 3), 0,
			[]string{"k: it holds RSA premaster secrets and no CLIENT_RANDOM lines: sessions of TLS 1.2 and older cannot be decrypted with it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, small := range []bool{false, true} {
				s := NewSecrets()
				var warnings []string
				var err error
				in := strings.NewReader(c.log)
				warn := func(err error) { warnings = append(warnings, err.Error()) }
				if small {
					_, err = s.ReadKeyLog(iotest.OneByteReader(in), "k", warn)
				} else {
					_, err = s.ReadKeyLog(in, "k", warn)
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.warnings, warnings); diff != "" {
					t.Errorf("warnings (-want +got):\n%s", diff)
				}
				if s.Len() != c.secrets {
					t.Errorf("%d secrets, want %d", s.Len(), c.secrets)
				}
			}
		})
	}
}

func TestKeyLogWarningsAreBounded(t *testing.T) {
	s, n, last := NewSecrets(), 0, ""
	if _, err := s.ReadKeyLog(strings.NewReader(strings.Repeat("?\n", 5000)), "k", func(err error) { n++; last = err.Error() }); err != nil {
		t.Fatal(err)
	}
	if want := "k:21: too many malformed lines: no further ones are reported"; n != maxWarnings+1 || last != want {
		t.Errorf("%d warnings, the last %q, want %d and %q", n, last, maxWarnings+1, want)
	}
}

func TestKeyLogReadErrorIsReported(t *testing.T) {
	_, err := NewSecrets().ReadKeyLog(iotest.ErrReader(fs.ErrPermission), "k", nil)
	if !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), "read key log k: ") {
		t.Errorf("error %v", err)
	}
}

// TestKeyMaterialIsNotFormatted: neither warnings nor formatted values contain any.
func TestKeyMaterialIsNotFormatted(t *testing.T) {
	log := "CLIENT_RANDOM " + hexOf(0xaa, 32) + " " + hexOf(0x11, 48) + "\n" +
		"CLIENT_RANDOM " + hexOf(0xbb, 32) + " " + hexOf(0x11, 47) + "\n" + hexOf(0x11, 48) + "\n"
	s := NewSecrets()
	var out strings.Builder
	if _, err := s.ReadKeyLog(strings.NewReader(log), "k", func(err error) { fmt.Fprintln(&out, err) }); err != nil {
		t.Fatal(err)
	}
	session := NewSession(s, nil, nil)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n"+verb+"\n", s, session)
	}
	for _, leak := range []string{"1111", "17, 17", "17 17", "0x11, 0x11"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q in %s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), "secrets(1)") {
		t.Errorf("no count in %s", out.String())
	}
}

func TestLaterSecretCounts(t *testing.T) {
	s, r := NewSecrets(), random32(1)
	var b [maxSecretSize]byte
	s.put(&r, labelMaster, []byte("first"))
	before := s.changes()
	s.put(&r, labelMaster, []byte("first"))
	if s.changes() != before {
		t.Error("the same secret again counts as a change")
	}
	s.put(&r, labelMaster, []byte("second"))
	if n := s.get(&r, labelMaster, &b); string(b[:n]) != "second" || s.Len() != 1 {
		t.Errorf("got %q, %d secrets", b[:n], s.Len())
	}
	if s.get(&r, labelClientTraffic, &b) != 0 {
		t.Error("a secret with a label that was not put")
	}
}

func TestOldSecretsAreEvicted(t *testing.T) {
	s := NewSecrets()
	s.max = 10
	var b [maxSecretSize]byte
	for i := range 100 {
		r := random32(byte(i))
		s.put(&r, labelMaster, []byte{1})
		s.put(&r, labelClientTraffic, []byte{2})
		if s.Len() > 2*s.max {
			t.Fatalf("%d secrets, the bound is %d", s.Len(), 2*s.max)
		}
	}
	newest, oldest := random32(99), random32(0)
	if s.get(&newest, labelMaster, &b) != 1 || s.get(&newest, labelClientTraffic, &b) != 1 || s.get(&oldest, labelMaster, &b) != 0 {
		t.Error("the newest secrets are not there, or the oldest are")
	}
	if s.Evicted() != uint64(200-s.Len()) {
		t.Errorf("%d forgotten of 200, %d there", s.Evicted(), s.Len())
	}
}

// follower returns a KeyLogFile and its store.
func follower(t *testing.T, name string) (*Secrets, *KeyLogFile) {
	t.Helper()
	s := NewSecrets()
	k := FollowKeyLog(name, s, func(err error) { t.Error(err) })
	t.Cleanup(func() { _ = k.Close() })
	return s, k
}

func appendFile(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// poll polls and checks the number of secrets.
func poll(t *testing.T, k *KeyLogFile, s *Secrets, want int) {
	t.Helper()
	if _, err := k.Poll(); err != nil {
		t.Fatal(err)
	}
	if s.Len() != want {
		t.Fatalf("%d secrets, want %d", s.Len(), want)
	}
}

func keyLine(i byte) string { return "CLIENT_RANDOM " + hexOf(i, 32) + " " + hexOf(i, 48) + "\n" }

func TestKeyLogIsFollowed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	s, k := follower(t, name)
	if _, err := k.Poll(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v for a file that is not there", err)
	}
	appendFile(t, name, keyLine(1)+keyLine(2)[:30])
	poll(t, k, s, 1)
	appendFile(t, name, keyLine(2)[30:60])
	poll(t, k, s, 1)
	appendFile(t, name, keyLine(2)[60:]+keyLine(3))
	poll(t, k, s, 3)
	poll(t, k, s, 3)
}

func TestReplacedKeyLogIsFollowed(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "keys")
	s, k := follower(t, name)
	appendFile(t, name, keyLine(1))
	poll(t, k, s, 1)
	// What was written to the old file after the last poll is not lost.
	appendFile(t, name, keyLine(2))
	if err := os.Rename(name, filepath.Join(dir, "keys.1")); err != nil {
		t.Fatal(err)
	}
	appendFile(t, name, keyLine(3))
	poll(t, k, s, 3)
	appendFile(t, name, keyLine(4))
	poll(t, k, s, 4)
	// Removed, and created again.
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Poll(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v for a file that is gone", err)
	}
	appendFile(t, name, keyLine(5))
	poll(t, k, s, 5)
}

func TestTruncatedKeyLogIsFollowed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	s, k := follower(t, name)
	appendFile(t, name, keyLine(1)+keyLine(2)+"CLIENT_RANDOM 00")
	poll(t, k, s, 2)
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	appendFile(t, name, keyLine(3))
	poll(t, k, s, 3)
}

// TestMoreSecretsAreAskedForOnce: when a secret is missing, or all are needed, and not before.
func TestMoreSecretsAreAskedForOnce(t *testing.T) {
	var here, late, none [32]byte
	here[0], late[0], none[0] = 1, 2, 3
	for name, want := range map[string]func(*Secrets) bool{
		"one":         func(s *Secrets) bool { return s.has(&late, labelMaster) },
		"all masters": func(s *Secrets) bool { return len(s.masters(10)) == 2 },
		"all randoms": func(s *Secrets) bool { return len(s.randoms(10)) == 2 },
	} {
		asked := 0
		s := NewFileSecrets(func(s *Secrets) { asked++; s.put(&late, labelMaster, make([]byte, 48)) })
		s.put(&here, labelMaster, make([]byte, 48))
		if !s.has(&here, labelMaster) || asked != 0 {
			t.Errorf("%s: asked for more %d times for a secret that is there", name, asked)
		}
		if !want(s) || s.has(&none, labelMaster) || asked != 1 {
			t.Errorf("%s: asked for more %d times, and %d secrets are there", name, asked, s.Len())
		}
	}
}

// TestFileSecretsHoldALargeKeyLog: the beginning of a key log is as likely to be needed as its
// end.
func TestFileSecretsHoldALargeKeyLog(t *testing.T) {
	s := NewFileSecrets(nil)
	var random [32]byte
	for i := range 4 * maxGeneration {
		binary.BigEndian.PutUint32(random[:], uint32(i))
		s.put(&random, labelMaster, random[:])
	}
	clear(random[:])
	if !s.has(&random, labelMaster) || s.Evicted() != 0 {
		t.Errorf("%d secrets were forgotten", s.Evicted())
	}
}

// TestSessionsNamedByTheirID: agents for Java write master secrets by session id, not by client
// random.
func TestSessionsNamedByTheirID(t *testing.T) {
	tr := readTranscript(t, "tls12-resumed-id")
	var lines []string
	random := regexp.MustCompile(`(?m)^CLIENT_RANDOM \S+ (\S+)$`)
	hello := tr.stream(false)[headerSize+4:]
	h, ok := parseServerHello(hello)
	if !ok || h.session == [32]byte{} {
		t.Fatalf("no session id in the ServerHello: %+v", h)
	}
	for _, m := range random.FindAllStringSubmatch(tr.keylog, -1) {
		lines = append(lines, fmt.Sprintf("RSA Session-ID:%X Master-Key:%s", h.session, m[1]))
	}
	for name, c := range map[string]struct {
		log  string
		want string
	}{
		"by its id":      {strings.Join(lines, "\n"), ""},
		"a short master": {lines[0][:len(lines[0])-2], "k:1: the master secret is not 96 hex digits"},
		"no id":          {"RSA Session-ID: Master-Key:" + hexOf(1, 48), "k:1: the session id is not 2 to 64 hex digits"},
		"a long id":      {"RSA Session-ID:" + hexOf(1, 33) + " Master-Key:" + hexOf(1, 48), "k:1: the session id is not 2 to 64 hex digits"},
		"no master":      {"RSA Session-ID:" + hexOf(1, 32) + " Premaster:" + hexOf(1, 48), "k:1: the master secret is not 96 hex digits"},
	} {
		t.Run(name, func(t *testing.T) {
			secrets, said := NewSecrets(), ""
			if _, err := secrets.ReadKeyLog(strings.NewReader(c.log), "k", func(err error) { said = err.Error() }); err != nil {
				t.Fatal(err)
			}
			var got collector
			s := NewSession(secrets, &got, nil)
			play(s, tr.pieces)
			if c.want == "" {
				mustYield(t, tr, &got, s.Info())
				if s.master != nil {
					t.Error("the secret was found by trial")
				}
			}
			if said != c.want {
				t.Errorf("%q, want %q", said, c.want)
			}
		})
	}
}

// TestMastersForResumption: the newest come first, and the limit holds over both generations.
func TestMastersForResumption(t *testing.T) {
	s := NewSecrets()
	s.max = 2
	for i, l := range []label{labelMaster, labelSession, labelClientTraffic, labelMaster} {
		random := random32(byte(i))
		s.put(&random, l, bytes.Repeat([]byte{byte(i)}, maxSecretSize))
	}
	for limit, want := range map[int][]byte{4: {3, 1, 0}, 3: {3, 1, 0}, 2: {3, 1}} {
		var got []byte
		for _, m := range s.masters(limit) {
			got = append(got, m[0])
		}
		if !bytes.Equal(got, want) {
			t.Errorf("limit %d: masters %v, want %v", limit, got, want)
		}
	}
	for limit, want := range map[int]int{4: 4, 3: 0} {
		if got := len(s.randoms(limit)); got != want {
			t.Errorf("limit %d: %d randoms, want %d", limit, got, want)
		}
	}
}
