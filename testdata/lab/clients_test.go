package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The names end up in the names of files, and a client that is not in the table is one that nobody
// knows of.
func TestClientsAreInTheTable(t *testing.T) {
	table, seen := source("README.md"), map[string]bool{}
	for _, c := range clients() {
		if seen[c.Name] || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
			t.Errorf("%q is taken, or does not fit a file name", c.Name)
		}
		seen[c.Name] = true
		if !strings.Contains(c.Name, c.Version) {
			t.Errorf("%s does not tell its version, %s", c.Name, c.Version)
		}
		_, library, _ := strings.Cut(table, "| `"+c.Name+"` | ")
		library, _, _ = strings.Cut(library, " |")
		name, _, _ := strings.Cut(c.Library, " (")
		if library != name+" "+c.Version {
			t.Errorf("%s is %s %s, the table says %q", c.Name, name, c.Version, library)
		}
	}
	if n := strings.Count(table, "\n| `"); n != len(seen)+12 { // the variables have rows too
		t.Errorf("%d rows for %d clients", n, len(seen))
	}
}

// fake notes its installations.
type fake struct {
	kind
	text  string
	times *int
}

func (f fake) made() string { return f.text }
func (f fake) install(_ context.Context, _ Client, dir string) error {
	*f.times++
	return write(dir, map[string]string{"program": f.text})
}

func TestClientsAreInstalledOnceUntilTheyChange(t *testing.T) {
	cache, times := t.TempDir(), 0
	for i, text := range []string{"first", "first", "second"} {
		c := Client{Name: "fake-1", Library: "lib/fake (Go)", Version: "1", kind: fake{text: text, times: &times}}
		if err := c.Install(t.Context(), cache); err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 1, 2}[i]; times != want {
			t.Errorf("%d installations after %d calls, want %d", times, i+1, want)
		}
		if got, err := os.ReadFile(filepath.Join(cache, "clients", "lib-fake-Go-1", "program")); string(got) != text {
			t.Errorf("%q %v, want %q", got, err, text)
		}
	}
}

// What keeps the sources from the lab's own build must not keep them from theirs.
func TestGoProgramsAreForTheModuleThatTheyRequire(t *testing.T) {
	for _, c := range clients() {
		g, ok := c.kind.(goClient)
		if !ok {
			continue
		}
		text := g.program(g.source)
		if strings.Contains(text, "go:build") || !strings.Contains(text, `"`+g.module) {
			t.Errorf("%s: the program has a build constraint or does not import %s", c.Name, g.module)
		}
	}
}
