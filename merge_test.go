package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/report/model"
)

// analyzed analyzes packets, writes the report as JSON, and returns its path.
func analyzed(t *testing.T, packets []capturetest.Packet, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	file, report := filepath.Join(dir, "a.pcap"), filepath.Join(dir, "report.json")
	if err := os.WriteFile(file, capturetest.Pcap{Nano: true}.Encode(packets), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	args := append([]string{"analyze", "--format", "json", "-o", report, file}, flags...)
	if code := run(t.Context(), args, streams{nil, &stderr, &stderr}); code == exitTrouble {
		t.Fatal(stderr.String())
	}
	return report
}

// mergedOf merges reports.
func mergedOf(t *testing.T, paths ...string) (r model.Report) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append([]string{"merge", "--format", "json"}, paths...), streams{nil, &stdout, &stderr}); code == exitTrouble {
		t.Fatal(stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMergeCountsBothSidesOfATranslation: their captures have the same times and sizes. Another
// analysis of one of them does not count.
func TestMergeCountsBothSidesOfATranslation(t *testing.T) {
	inside := capturetest.MustRead("testdata/captures/kv4001-near-negotiates.pcap")
	outside := slices.Clone(inside)
	for i := range outside {
		outside[i].Data = slices.Clone(outside[i].Data)
		outside[i].Data[3] ^= 0x55 // the address of the receiver in Ethernet
	}
	r := mergedOf(t, analyzed(t, inside), analyzed(t, outside), analyzed(t, inside, "--redact"), analyzed(t, outside, "--principals"))
	if len(r.Parts) != 2 || r.Parts[0].Redacted || r.Parts[1].Redacted {
		t.Errorf("parts %+v, want two without pseudonyms", r.Parts)
	}
	for _, c := range r.Connections {
		if c.Hosts != 2 {
			t.Errorf("connection %+v: not recognized on both sides", c)
		}
	}
}
