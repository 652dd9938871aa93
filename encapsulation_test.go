package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestWhatIsNotSupportedIsNamed guards against packets that are skipped without a report, and
// against exit code 2 if part of a capture was read.
func TestWhatIsNotSupportedIsNamed(t *testing.T) {
	packets := capturetest.MustRead("testdata/captures/kcat-1.7.1_broker-4.4.pcap")
	alien := packets[0]
	alien.Link, alien.Data = 195, []byte{1, 2, 3}
	tagged := packets[0]
	tagged.Data = capturetest.Ethernet(0x9003, make([]byte, 60))
	for _, c := range []struct {
		name    string
		packets []capturetest.Packet
		code    int
		want    string
	}{
		{"a link type beside another", append([]capturetest.Packet{alien}, packets...), exitClean, "link type IEEE802_15_4 (195): not supported (1)"},
		{"only such a link type", []capturetest.Packet{alien, alien}, exitTrouble, "link type IEEE802_15_4 (195): not supported (2)"},
		{"an EtherType", []capturetest.Packet{tagged}, exitClean, "EtherType 0x9003 (vendor's CPU tag): not supported (1)"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"analyze", "-"}, streams{bytes.NewReader(capturetest.Pcapng{}.Encode(c.packets)), &stdout, &stderr})
		if text := strings.Join(strings.Fields(stdout.String()), " "); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s: exit code %d, want %d with %q in\n%s%s", c.name, code, c.code, c.want, stdout.String(), stderr.String())
		}
	}
}
