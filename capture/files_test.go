package capture

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// save writes files into a new directory and returns it.
func save(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// from returns a capture with n packets, the first one at the given second.
func from(second int64, n int) []byte {
	packets := sample(n)
	for i := range packets {
		packets[i].Time = second*1e9 + int64(i)*1000
	}
	return capturetest.Pcap{}.Encode(packets)
}

func TestFilesAreReadInTheOrderOfTheirFirstPackets(t *testing.T) {
	dir := save(t, map[string][]byte{
		"a": from(30, 2), "b": compress("zstd", from(10, 3)), "c": from(20, 1), "d": from(20, 4), "e": compress("gzip", from(5, 2)),
		"none": capturetest.Pcap{}.Encode(nil), "text": []byte("no capture"),
	})
	var paths []string
	for _, name := range []string{"text", "a", "none", "missing", "b", "c", "d", "e"} {
		paths = append(paths, filepath.Join(dir, name))
	}
	got := readPaths(t, Options{}, paths...)
	var order []string
	for _, i := range got.infos {
		order = append(order, filepath.Base(i.Path))
	}
	// c and d begin at the same time and keep their order, as do those without packets.
	want := []string{"e", "b", "c", "d", "a", "text", "none", "missing"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Fatalf("order differs (-want +got):\n%s", diff)
	}
	perCapture := map[uint32]int{}
	for i, p := range got.packets {
		if perCapture[p.Capture]++; p.Frame != uint64(perCapture[p.Capture]) {
			t.Errorf("packet %d of capture %d has frame number %d", perCapture[p.Capture], p.Capture, p.Frame)
		}
		if i > 0 && !got.packets[i-1].Position.Before(p.Position) {
			t.Errorf("%+v comes after %+v", p.Position, got.packets[i-1].Position)
		}
	}
	if diff := cmp.Diff(map[uint32]int{0: 2, 1: 3, 2: 1, 3: 4, 4: 2}, perCapture); diff != "" {
		t.Errorf("packets of each capture differ (-want +got):\n%s", diff)
	}
	for i, info := range got.infos {
		if bad := order[i] == "text" || order[i] == "missing"; bad != (info.Err != nil) || info.Torn != nil {
			t.Errorf("%s: err %v, torn %v", order[i], info.Err, info.Torn)
		}
	}
}

func TestStandardInputAmongFilesTakesItsPlace(t *testing.T) {
	dir := save(t, map[string][]byte{"late": from(30, 2), "early": from(10, 2)})
	secrets := 0
	middle := slices.Concat(blocks(func(b *capturetest.Blocks) {
		b.Secrets(capturetest.SecretsTLS, []byte("a b c\n"))
		b.Interface(1, 0)
		for i := range uint64(3) {
			b.Enhanced(0, 20_000_000+i, []byte("packet"), 6)
		}
	}))
	opt := Options{Stdin: bytes.NewReader(compress("lz4", middle)), Secrets: func(Secret) { secrets++ }}
	got := readPaths(t, opt, filepath.Join(dir, "late"), "-", filepath.Join(dir, "early"))
	got.sound(t)
	var seconds []int64
	for _, p := range got.packets {
		seconds = append(seconds, p.Time/1e9)
	}
	if diff := cmp.Diff([]int64{10, 10, 20, 20, 20, 30, 30}, seconds); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
	if i := got.infos[1]; i.Path != "-" || i.Packets != 3 || i.Format != "pcapng+lz4" || i.First != 20e9 {
		t.Errorf("info of standard input is %+v", i)
	}
	if got.packets[2].Capture != 1 || got.packets[6].Capture != 2 {
		t.Errorf("captures are numbered %d and %d, want 1 and 2", got.packets[2].Capture, got.packets[6].Capture)
	}
	if secrets != 1 {
		t.Errorf("secrets came %d times", secrets)
	}
}

func TestSecretsComeOnceAlthoughFilesArePeekedInto(t *testing.T) {
	data := capturetest.Pcapng{KeyLog: []byte("a b c\n")}.Encode(sample(2))
	dir := save(t, map[string][]byte{"one": data, "two": data})
	secrets := 0
	got := readPaths(t, Options{Secrets: func(Secret) { secrets++ }}, filepath.Join(dir, "one"), filepath.Join(dir, "two"))
	got.sound(t)
	if secrets != 2 {
		t.Errorf("secrets came %d times, want once for each file", secrets)
	}
}

func TestUselessInputAmongOthersIsKeptApart(t *testing.T) {
	torn := from(20, 3)
	dir := save(t, map[string][]byte{"good": from(10, 2), "torn": torn[:len(torn)-1], "text": []byte("no capture")})
	for _, stdin := range [][]byte{nil, []byte("no capture either"), from(15, 1)[:30], capturetest.Pcap{}.Encode(nil)} {
		got := readPaths(t, Options{Stdin: bytes.NewReader(stdin)}, "-", filepath.Join(dir, "text"), filepath.Join(dir, "torn"), filepath.Join(dir, "good"))
		if len(got.packets) != 4 {
			t.Errorf("standard input %q: %d packets, want 4", stdin, len(got.packets))
		}
		if got.infos[1].Torn == nil || got.infos[0].Torn != nil {
			t.Errorf("infos are %+v", got.infos)
		}
		in := got.infos[2]
		if whole := len(stdin) == 24; in.Path != "-" || whole != (in.Err == nil && in.Torn == nil) {
			t.Errorf("standard input %q: info is %+v", stdin, in)
		}
	}
}

func TestUnreadableFilesSayWhyInOneLine(t *testing.T) {
	dir := save(t, map[string][]byte{"empty": nil, "denied": from(1, 1)})
	if err := os.Chmod(filepath.Join(dir, "denied"), 0); err != nil {
		t.Fatal(err)
	}
	type why struct {
		cause string
		is    error
	}
	tests := map[string]why{
		"empty":   {"the file is empty", nil},
		"missing": {"", fs.ErrNotExist},
		".":       {"is a directory", errIsDirectory},
	}
	if f, err := os.Open(filepath.Join(dir, "denied")); err == nil {
		f.Close() // root may read everything
	} else {
		tests["denied"] = why{"", fs.ErrPermission}
	}
	for name, tt := range tests {
		path := filepath.Join(dir, name)
		err := readPaths(t, Options{}, path).info(t).Err
		if !strings.HasPrefix(message(err), "read capture "+path+": "+tt.cause) || strings.Count(message(err), path) != 1 || strings.Contains(message(err), "\n") {
			t.Errorf("%s: err is %q", name, message(err))
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v is not %v", name, err, tt.is)
		}
	}
}

func TestOpenRefusesWhatMakesNoSense(t *testing.T) {
	for want, tt := range map[string]struct {
		paths []string
		opt   Options
	}{
		"no capture to read": {nil, Options{}},
		"- is given twice as a capture: standard input can be read only once": {[]string{"-", "x", "-"}, Options{Stdin: bytes.NewReader(nil)}},
		"-: there is no standard input":                                       {[]string{"-"}, Options{}},
	} {
		if s, err := Open(tt.paths, tt.opt); message(err) != want || s != nil {
			t.Errorf("%v: %v, want %s", tt.paths, err, want)
		}
	}
}

func TestProgressReachesTheTotal(t *testing.T) {
	files := map[string][]byte{
		"a": from(10, 50_000), "b": compress("gzip", from(20, 50_000)), "c": from(30, 5),
		"bad": append(from(5, 10), bytes.Repeat([]byte{0xff}, 3<<20)...), "text": []byte("no capture"),
	}
	dir := save(t, files)
	var paths []string
	sum := int64(0)
	for name, data := range files {
		paths = append(paths, filepath.Join(dir, name))
		sum += int64(len(data))
	}
	s, err := Open(paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	last := int64(0)
	for s.Next(&b) == nil {
		done, total := s.Progress()
		if total != sum || done < last || done > total {
			t.Fatalf("%d of %d after %d of %d", done, total, last, sum)
		}
		last = done
	}
	if done, total := s.Progress(); done != sum || total != sum {
		t.Errorf("%d of %d at the end, want %d", done, total, sum)
	}
}

func TestProgressOfStandardInputHasNoTotal(t *testing.T) {
	data := from(10, 500)
	dir := save(t, map[string][]byte{"a": from(5, 50)})
	s, err := Open([]string{"-", filepath.Join(dir, "a")}, Options{Stdin: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	drain(t, s)
	if done, total := s.Progress(); done != int64(len(data)+len(from(5, 50))) || total != -1 {
		t.Errorf("%d of %d, want %d of -1", done, total, len(data)+len(from(5, 50)))
	}
}

func TestEachSecretFindsThoseBehindThePackets(t *testing.T) {
	packets := sample(2)
	behind := func(line string) []byte {
		b := capturetest.Blocks{Bytes: capturetest.Pcapng{}.Encode(packets)}
		b.Secrets(capturetest.SecretsTLS, []byte(line))
		return b.Bytes
	}
	dir := save(t, map[string][]byte{
		"plain": behind("a b c\n"), "packed": compress("gzip", behind("d e f\n")), "pcap": from(1, 2), "torn": behind("g h i\n")[:100],
	})
	var paths []string
	for _, name := range []string{"plain", "packed", "pcap", "torn", "missing"} {
		paths = append(paths, filepath.Join(dir, name))
	}
	s, err := Open(append(paths, "-"), Options{Stdin: bytes.NewReader(behind("j k l\n"))})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	s.EachSecret(func(s Secret) {
		if s.Kind != capturetest.SecretsTLS {
			t.Errorf("secrets of type %#x", s.Kind)
		}
		text.Write(s.Text)
	})
	if text.String() != "a b c\nd e f\n" {
		t.Errorf("the secrets are %q", &text)
	}
	if got := drain(t, s); len(got.packets) < 8 {
		t.Errorf("%d packets came afterwards, want 8 at least", len(got.packets))
	}
}
