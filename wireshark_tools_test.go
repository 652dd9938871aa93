//go:build tools

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// unlikeTshark are variants that tshark does not read with default preferences.
var unlikeTshark = map[string]string{
	"L2TPv3":                "it needs the messages that began the session",
	"L2TPv3 with cookie":    "it needs the messages that began the session",
	"MPLS without Ethernet": "its release 4.0 does not know the link type",
}

// tsharkRequests returns the requests that the local tshark finds in packets: frame, stream, API
// key, version and correlation id.
func tsharkRequests(t *testing.T, data []byte) []string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-r", name, "-Y", "kafka.api_key", "-T", "fields"}
	for _, port := range []string{"9092", "9093", "9094", "19092"} {
		args = append(args, "-d", "tcp.port=="+port+",kafka")
	}
	for _, f := range []string{"frame.number", "tcp.stream", "kafka.api_key", "kafka.api_version", "kafka.correlation_id"} {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if f[3] == "" { // a response
			continue
		}
		versions, ids := strings.Split(f[3], ","), strings.Split(f[4], ",")
		for i, key := range strings.Split(f[2], ",")[:len(versions)] {
			rows = append(rows, strings.Join([]string{f[0], f[1], key, versions[i], ids[i]}, " "))
		}
	}
	slices.Sort(rows)
	return rows
}

// ownRequests returns the same from kafkavet.
func ownRequests(t *testing.T, data []byte) []string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	run(t.Context(), []string{"requests", "-"}, streams{bytes.NewReader(data), &stdout, &stderr})
	var rows []string
	for i, line := range strings.Split(strings.TrimSpace(stdout.String()), "\n") {
		if c := strings.Split(line, "\t"); i > 0 {
			rows = append(rows, strings.Join([]string{c[0], c[1], c[7], c[9], c[6]}, " "))
		}
	}
	if stderr.Len() > 0 {
		t.Log(stderr.String())
	}
	slices.Sort(rows)
	return rows
}

// TestEncapsulationsAreReadAsByTshark: tshark reads each encapsulation as kafkavet does.
func TestEncapsulationsAreReadAsByTshark(t *testing.T) {
	packets := capturetest.MustRead("testdata/captures/kcat-1.7.1_broker-4.4.pcap")
	for _, v := range capturetest.Encapsulations() {
		t.Run(v.Name, func(t *testing.T) {
			data := capturetest.Pcapng{}.Encode(v.Rewrite(packets, 1))
			want := tsharkRequests(t, data)
			if len(want) == 0 && unlikeTshark[v.Name] == "" {
				t.Error("tshark sees nothing")
			}
			if d := cmp.Diff(want, ownRequests(t, data)); d != "" && unlikeTshark[v.Name] == "" {
				t.Errorf("(-tshark +kafkavet):\n%s", d)
			}
		})
	}
}
