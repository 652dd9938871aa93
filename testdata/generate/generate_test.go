package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFilesAreWhatTheScenesMake guards against scenes that were changed
// without making the captures anew, and against captures changed by hand.
func TestFilesAreWhatTheScenesMake(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range scenes() {
		if names[s.name] {
			t.Errorf("%s: two scenes of this name", s.name)
		}
		names[s.name] = true
		if !strings.Contains(string(readme), "| `"+s.name+"` | "+s.by+" | "+s.holds+" | "+s.yields+" |") {
			t.Errorf("%s: not as in testdata/README.md", s.name)
		}
		if s.by != "frames" {
			if _, err := os.Stat(filepath.Join("..", "captures", s.name+".pcap")); err != nil {
				t.Error(err)
			}
			continue
		}
		files, err := s.record()
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		for name, data := range files {
			file, err := os.ReadFile(filepath.Join("..", "captures", name))
			if err != nil || !bytes.Equal(file, data) {
				t.Errorf("%s: the file differs from what the scene makes (%v): run go run . -only %s", name, err, s.name)
			}
		}
	}
}

// TestEveryScenePlays guards against clients and fake brokers that no longer
// do what a scene needs.
func TestEveryScenePlays(t *testing.T) {
	for _, s := range scenes() {
		if s.by == "frames" {
			continue
		}
		files, err := s.record()
		if err != nil || len(files[s.name+".pcap"]) == 0 {
			t.Errorf("%s: %d files, %v", s.name, len(files), err)
		}
	}
}
