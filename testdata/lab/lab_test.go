package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A name in the table that fits nothing would leave its pairing out silently.
func TestPairingsNameWhatThereIs(t *testing.T) {
	known := map[string]bool{}
	for _, n := range nodes("*") {
		known[n.String()] = n.clients
	}
	for _, c := range clients() {
		known[c.Name] = true
	}
	for _, p := range pairings {
		for _, name := range slices.Concat(p.brokers, p.clients) {
			if !known[name] {
				t.Errorf("%s: there is no %q with which clients are run", p.why, name)
			}
		}
	}
}

func TestAtLeast(t *testing.T) {
	for _, test := range []struct {
		version string
		numbers []int
		want    bool
	}{
		{"0.10.2.2", []int{0, 10, 2}, true},
		{"0.10.1.1", []int{0, 10, 2}, false},
		{"2.10.0", []int{2, 9}, true},
		{"3.9.2", []int{4, 0}, false},
		{"4.0.0", []int{4, 0}, true},
		{"1.1.1", []int{0, 11}, true},
	} {
		if got := (release{version: test.version}).atLeast(test.numbers...); got != test.want {
			t.Errorf("%s at least %v: %t", test.version, test.numbers, got)
		}
	}
}

// What ran again takes the place of what ran before; the rest stays.
func TestManifestKeepsOtherEntries(t *testing.T) {
	dir := t.TempDir()
	for _, now := range [][]entry{
		{{Capture: "a", Outcome: failed}, {Capture: "b", Outcome: allWell}},
		{{Capture: "a", Outcome: allWell}},
	} {
		if err := new(stage).writeManifest(dir, now); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readManifest(filepath.Join(dir, manifestFile))
	if err != nil || len(got) != 2 || got[0].Capture != "b" || got[1].Outcome != allWell {
		t.Errorf("%v %v", got, err)
	}
}

// What is kept must be a combination of the table, or it cannot be made again.
func TestSelectionIsMadeByTheTable(t *testing.T) {
	made := map[string]bool{}
	for _, s := range combinations("*") {
		for _, c := range s.fitting("*") {
			made[strings.TrimSuffix(s.captureName(c, nodes(s.nodes[0])[0]), ".pcap")] = true
		}
	}
	if len(made) < 100 {
		t.Errorf("%d combinations", len(made))
	}
	for _, k := range selection {
		if !made[k.name] {
			t.Errorf("no combination makes %s", k.name)
		}
	}
}
