package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOutputRights: reports contain names and addresses, so only the user may read them, even if
// the file existed with other permissions.
func TestOutputRights(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report")
	for _, test := range []struct {
		before, mode, want os.FileMode
	}{{0, 0o600, 0o600}, {0o666, 0o600, 0o600}, {0o600, 0o664, 0o664}} {
		if test.before != 0 {
			if err := os.Chmod(path, test.before); err != nil {
				t.Fatal(err)
			}
		}
		writeOutput(t, fileOpener{mode: test.mode}, path)
		wantMode(t, path, test.want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestLinks: root follows no link of any owner, and links of other users remain links.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, []byte("before"), 0o644), os.Symlink("target", link)); err != nil {
		t.Fatal(err)
	}
	wantText := func(want string) {
		t.Helper()
		if text, err := os.ReadFile(target); err != nil || string(text) != want {
			t.Errorf("the target holds %q, %v", text, err)
		}
		if st, err := os.Lstat(link); err != nil || st.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link is none any more: %v, %v", st, err)
		}
	}
	if _, err := (fileOpener{mode: 0o600, isRoot: true}).open(link); err == nil || !strings.Contains(err.Error(), "which root does not follow") {
		t.Errorf("as root: %v", err)
	}
	wantText("before")
	writeOutput(t, fileOpener{mode: 0o600}, link)
	wantText("after")

	if err := errors.Join(os.Remove(link), os.Symlink(os.DevNull, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := (fileOpener{mode: 0o600}).open(link); err == nil || !strings.Contains(err.Error(), "is a symbolic link to "+os.DevNull) {
		t.Errorf("a link to a device: %v", err)
	}
	// Links of root inside the path are followed: /var/run is one.
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "sub"), 0o755), os.Symlink("sub", filepath.Join(dir, "way"))); err != nil {
		t.Fatal(err)
	}
	out, err := fileOpener{mode: 0o600, isRoot: true}.open(filepath.Join(dir, "way", "report"))
	if isRoot := os.Geteuid() == 0; (err == nil) != isRoot {
		t.Errorf("a link on the way, which belongs to root %v: %v", isRoot, err)
	}
	if err == nil {
		out.abandon()
	}
	if left, err := os.ReadDir(filepath.Join(dir, "sub")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestDescriptors: a write to a descriptor's name continues at its offset and keeps it open.
func TestDescriptors(t *testing.T) {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(text string) {
		if _, err := f.WriteString(text); err != nil {
			t.Error(err)
		}
	}
	write("one ")
	writeOutput(t, fileOpener{mode: 0o600, isRoot: true}, fmt.Sprintf("/dev/fd/%d", f.Fd()))
	write(" two")
	if text, err := os.ReadFile(f.Name()); err != nil || string(text) != "one after two" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestUnnamedOutput: the error names the temporary file exactly if it is still there.
func TestUnnamedOutput(t *testing.T) {
	for _, isDeleted := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "d")
		path := filepath.Join(dir, "report")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := (fileOpener{mode: 0o600}).open(path)
		if err != nil {
			t.Fatal(err)
		}
		temp := filepath.Join(dir, out.temp)
		prevent := os.RemoveAll
		if !isDeleted {
			prevent = func(string) error { return os.Mkdir(path, 0o700) }
		}
		if err := prevent(dir); err != nil {
			t.Fatal(err)
		}
		if err := out.commit(); err == nil || strings.Contains(err.Error(), "it is in "+temp) == isDeleted {
			t.Errorf("deleted %v: %v", isDeleted, err)
		}
	}
}

// TestFileNamesAreEscaped: a file name in a message controls no terminal and adds no line.
func TestFileNamesAreEscaped(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a\x1b[31m\n::error::##[error]b\\.pcap")
	data, err := os.ReadFile("testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap")
	if err == nil {
		err = os.WriteFile(name, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"analyze", "-v", name}, {"analyze", "--tls-keylog", name + "1", name}, {"analyze", name + "1"}} {
		var said bytes.Buffer
		run(t.Context(), args, streams{os.Stdin, io.Discard, &said})
		for line := range strings.Lines(said.String()) {
			if !strings.HasPrefix(line, "kafkavet: ") || strings.ContainsAny(line, "\x1b") || strings.Contains(line, "##") {
				t.Errorf("%q: %q", args, line)
			}
		}
		if !strings.Contains(said.String(), `a\x1b[31m; ::error::\x23#[error]b\.pcap`) {
			t.Errorf("%q: the name is missing: %s", args, said.String())
		}
	}
}

// TestEveryOutputIsWrittenThatCanBe makes one output after the other fail.
func TestEveryOutputIsWrittenThatCanBe(t *testing.T) {
	const capture = "testdata/captures/confluent-go-2.6.0_fetch-max-7.pcap"
	for _, test := range []struct {
		name   string
		args   []string
		stderr string
		// files are the files after the run; stdout is on standard output.
		files  []string
		stdout string
	}{
		{"evidence", []string{"--evidence", "/dev/full", "-o", "report.json"}, "write /dev/full: no space left on device\n", []string{"report.json"}, ""},
		{"one report", []string{"-o", "html:/dev/full", "-o", "report.md", "--evidence", "e.pcapng"}, "write /dev/full: no space left on device\n", []string{"e.pcapng", "report.md"}, ""},
		{"all reports", []string{"-o", "json:/dev/full", "--evidence", "e.pcapng"}, "write /dev/full: no space left on device\nkafkavet: the report goes to standard output\n", []string{"e.pcapng"}, `"schema"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, err := filepath.Abs(capture)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			var out, said bytes.Buffer
			code := run(t.Context(), append(append([]string{"analyze"}, test.args...), path), streams{strings.NewReader(""), &out, &said})
			if code != exitTrouble || said.String() != "kafkavet: "+test.stderr {
				t.Errorf("exit code %d: %s", code, said.String())
			}
			if (test.stdout == "") != (out.Len() == 0) || !strings.Contains(out.String(), test.stdout) {
				t.Errorf("standard output: %s", out.String())
			}
			var names []string
			left, err := os.ReadDir(".")
			for _, f := range left {
				names = append(names, f.Name())
			}
			if err != nil || !slices.Equal(names, test.files) {
				t.Errorf("files %v, want %v; %v", names, test.files, err)
			}
		})
	}
}

// TestOutputIsNotStandardInput: a capture redirected with < is also not overwritten.
func TestOutputIsNotStandardInput(t *testing.T) {
	data, err := os.ReadFile("testdata/captures/ipv6.pcap")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "k.pcap")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	for _, args := range [][]string{{"analyze", "-o", path, "-"}, {"analyze", "--evidence", path, "-"}, {"requests", "-o", path, "-"}} {
		var said bytes.Buffer
		if code := run(t.Context(), args, streams{stdin, io.Discard, &said}); code != exitTrouble || !strings.Contains(said.String(), "is an input file") {
			t.Errorf("%v: exit code %d, %s", args, code, said.String())
		}
	}
	if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, data) {
		t.Errorf("the capture was changed: %v", err)
	}
}

func writeOutput(t *testing.T, o fileOpener, path string) {
	t.Helper()
	out, err := o.open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(out.w, "after"); err != nil {
		t.Error(err)
	}
	if err := out.commit(); err != nil {
		t.Fatal(err)
	}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != want {
		t.Errorf("%s has mode %v, want %v", path, st.Mode(), want)
	}
}
