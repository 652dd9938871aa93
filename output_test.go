package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutputRights: a new file gets the rights that the system gives to new files, a
// file that was there keeps its own.
func TestOutputRights(t *testing.T) {
	dir := t.TempDir()
	usual, err := os.Create(filepath.Join(dir, "usual"))
	if err != nil {
		t.Fatal(err)
	}
	defer usual.Close()
	st, err := usual.Stat()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "report")
	writeOutput(t, path)
	wantMode(t, path, st.Mode())
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	writeOutput(t, path)
	wantMode(t, path, 0o600)
}

// TestOutputIsNotStandardInput: a capture given by < is not written over either.
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
		if code := run(t.Context(), args, streams{stdin, io.Discard, &said}); code != exitTrouble || !strings.Contains(said.String(), "is a file that is read") {
			t.Errorf("%v: exit code %d, %s", args, code, said.String())
		}
	}
	if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, data) {
		t.Errorf("the capture was changed: %v", err)
	}
}

// writeOutput lets a file appear.
func writeOutput(t *testing.T, path string) {
	t.Helper()
	out, err := openOutput(path, nil)
	if err != nil {
		t.Fatal(err)
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
	if st.Mode() != want {
		t.Errorf("%s has mode %v, want %v", path, st.Mode(), want)
	}
}
