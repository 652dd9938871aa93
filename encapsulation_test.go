package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestEveryEncapsulationIsDocumentedAndTried guards against a row of the dissector's table that
// docs/inputs.md does not name, or that no variant of a capture has.
func TestEveryEncapsulationIsDocumentedAndTried(t *testing.T) {
	text, err := os.ReadFile("docs/inputs.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range capture.Encapsulations() {
		word := regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(name) + `($|[^\w-])`)
		if !word.Match(text) {
			t.Errorf("%s: docs/inputs.md does not name it", name)
		}
		tried := false
		for _, v := range capturetest.Encapsulations() {
			rest, ok := strings.CutPrefix(v.Name, name)
			tried = tried || ok && (rest == "" || rest[0] == ' ' || rest[0] == ',')
		}
		if !tried {
			t.Errorf("%s: no variant of package capturetest has it", name)
		}
	}
}

// TestWhatIsNotSupportedIsNamed guards against packets that are skipped without a report, and
// against exit code 2 if part of a capture was read.
func TestWhatIsNotSupportedIsNamed(t *testing.T) {
	packets := capturetest.MustRead("testdata/captures/kcat-1.7.1_broker-4.4.pcap")
	alien := packets[0]
	alien.Link, alien.Data = 195, []byte{1, 2, 3}
	trill := packets[0]
	trill.Data = capturetest.Ethernet(0x22f3, make([]byte, 60))
	for _, c := range []struct {
		name    string
		packets []capturetest.Packet
		code    int
		want    string
	}{
		{"a link type beside another", append([]capturetest.Packet{alien}, packets...), exitClean, "link type IEEE802_15_4 (195): not supported (1)"},
		{"only such a link type", []capturetest.Packet{alien, alien}, exitTrouble, "link type IEEE802_15_4 (195): not supported (2)"},
		{"an EtherType", []capturetest.Packet{trill}, exitClean, "EtherType 0x22f3 (TRILL): not supported (1)"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"analyze", "-"}, streams{bytes.NewReader(capturetest.Pcapng{}.Encode(c.packets)), &stdout, &stderr})
		if text := strings.Join(strings.Fields(stdout.String()), " "); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s: exit code %d, want %d with %q in\n%s%s", c.name, code, c.code, c.want, stdout.String(), stderr.String())
		}
	}
}
