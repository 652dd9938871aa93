package main

import (
	"os"
	"path/filepath"
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
