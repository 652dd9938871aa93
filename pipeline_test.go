package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestUnsupportedLinkTypes: a capture without any readable part is a failure, others are not.
func TestUnsupportedLinkTypes(t *testing.T) {
	const user0 = 147 // LINKTYPE_USER0: for private use
	unsupported := refused(1)
	for i := range unsupported {
		unsupported[i].Link = user0
	}
	for _, test := range []struct {
		name    string
		packets []capturetest.Packet
		code    int
		lines   []string
	}{
		{"only", unsupported, exitTrouble, []string{"packet 1: link type", "13 packets were not looked at"}},
		{"one packet", unsupported[:1], exitTrouble, []string{"1 packet was not looked at"}},
		{"beside others", append(refused(0), unsupported...), exitFindings, []string{"packet 14: link type", "13 packets were not looked at", "error KV1001"}},
		{"none", refused(0), exitFindings, []string{"error KV1001"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, said bytes.Buffer
			code := run(t.Context(), []string{"analyze", "-q", "-"}, streams{bytes.NewReader(capturetest.Pcapng{}.Encode(test.packets)), &out, &said})
			if code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, said.String())
			}
			rest := said.String()
			for _, text := range test.lines {
				_, after, found := strings.Cut(rest, text)
				if !found {
					t.Errorf("%q is missing: %s", text, said.String())
				}
				rest = after
			}
		})
	}
}
