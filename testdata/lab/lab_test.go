package main

import (
	"path/filepath"
	"slices"
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

// Two combinations must not write the same capture.
func TestCaptureNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range nodes("*") {
		for _, x := range combinations(n, "*") {
			name := captureName(n, x)
			if seen[name] {
				t.Errorf("%s twice", name)
			}
			seen[name] = true
		}
	}
	if len(seen) < 100 {
		t.Errorf("%d combinations", len(seen))
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

func TestAboutClient(t *testing.T) {
	log := "[2026-01-01 00:00:00,000] INFO all is well (kafka.server.KafkaServer)\n" +
		"[2026-01-01 00:00:00,001] ERROR Exception while processing request from 127.0.0.1:9092-127.0.0.1:45678-3 (kafka.network.Processor)\n" +
		"org.apache.kafka.common.errors.InvalidRequestException: Error getting request for apiKey: FETCH, apiVersion: 12, secret-1\n" +
		"[2026-01-01 00:00:00,002] ERROR Exception while processing request from 127.0.0.1:9092-127.0.0.1:45679-4 (kafka.network.Processor)\n"
	want := []string{
		"ERROR Exception while processing request from 127.0.0.1:9092-127.0.0.1:PORT (kafka.network.Processor)",
		"org.apache.kafka.common.errors.InvalidRequestException: Error getting request for apiKey: FETCH, apiVersion: 12, (secret)",
	}
	if got := aboutClient(log); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// What ran again takes the place of what ran before; the rest stays.
func TestManifestKeepsOtherEntries(t *testing.T) {
	o, n := options{out: t.TempDir()}, node{release{version: "1.1.1"}, zookeeper}
	for _, now := range [][]entry{
		{{Broker: n.String(), Client: "a", Outcome: failed}, {Broker: n.String(), Client: "b", Outcome: allWell}},
		{{Broker: n.String(), Client: "a", Outcome: allWell}},
	} {
		if err := writePart(o, n, now); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readPart(filepath.Join(o.out, "part-1.1.1-zookeeper.json"))
	if err != nil || len(got) != 2 || got[0].Outcome != allWell || got[1].Client != "b" {
		t.Errorf("%v %v", got, err)
	}
}

func TestJoinSecrets(t *testing.T) {
	secrets := "RSA Session-ID:AB01 Master-Key:FF\nCLIENT_RANDOM 99 88\nRSA Session-ID:CD Master-Key:EE\n"
	hellos := "0\t1\t77\t\n0\t2,11,12,14\t66\tab01\n1\t1\t55\tcd\n1\t2\t44\tother\n"
	if got, want := joinSecrets(hellos, secrets), "CLIENT_RANDOM 99 88\nCLIENT_RANDOM 77 ff\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is kept must be a combination of the table, or it cannot be made again.
func TestSelectionIsMadeByTheTable(t *testing.T) {
	made := map[string]bool{}
	for _, n := range nodes("*") {
		for _, x := range combinations(n, "*") {
			made[captureName(n, x)] = true
		}
	}
	for _, k := range selection {
		if !made[k.name] {
			t.Errorf("no combination makes %s", k.name)
		}
	}
}
