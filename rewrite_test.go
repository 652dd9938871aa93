package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/report/model"
)

// exceptions are what single captures do not keep in a rewriting that keeps it for others.
var exceptions = map[string]capturetest.Keeps{
	// Client ids that are empty or contain control characters are accepted only if the beginning
	// of the connection or an answer was captured. Client ids with a zero byte need an answer.
	"empty-client-id-unanswered.pcap no handshakes": capturetest.KeepsAll &^ capturetest.KeepsAddresses,
	"hostile-text.pcap to the broker only":          capturetest.KeepsAll &^ capturetest.KeepsAddresses,
	// The address of the client is in the preface, which is missing.
	"kv9005-fires-proxy-v2.pcap VXLAN, 128 bytes of each packet": capturetest.KeepsAddresses,
	"kv9005-fires-proxy-v2.pcap the second half":                 capturetest.KeepsAddresses,
	"kv9005-fires-proxy-v2.pcap 30 % lost":                       capturetest.KeepsAddresses,
	// The target of the preface is then the broker, and all connections go to one.
	"kv4001-fires-certain.pcap SOCKS4": capturetest.KeepsVerdicts | capturetest.KeepsFindings,
	"kv4001-fires-certain.pcap SOCKS5": capturetest.KeepsVerdicts | capturetest.KeepsFindings,
	// Acknowledgements show that a request did not arrive. A keep-alive acknowledges it. In another
	// order the retransmission and the client's FIN change places, which is a known fault: KV2013
	// (info) is added.
	"kv2009-near-not-delivered.pcap keep-alives":                         capturetest.KeepsFindings,
	"kv2009-near-not-delivered.pcap out of order":                        capturetest.KeepsFindings,
	"kv2009-near-not-delivered.pcap split and out of order":              capturetest.KeepsFindings,
	"kv2009-near-not-delivered.pcap split, twice and out of order":       capturetest.KeepsFindings,
	"kv2009-near-not-delivered.pcap sequence numbers wrap, out of order": capturetest.KeepsFindings,
}

// notTried are rewritings of single captures that leave too little to compare.
var notTried = []string{
	// The bytes before the junk, which arrive singly, end where it begins. The receiver accepts
	// it.
	"foreign-near-broker.pcap forged: junk a few bytes ahead",
	"pipelined.pcap forged: junk a few bytes ahead",
	// The junk is where the capture lacks bytes: no other version of these bytes is known.
	"kv9002-fires-loss.pcap forged: junk a few bytes ahead",
	"kv9002-fires-gap-in-a-body.pcap forged: junk a few bytes ahead",
	// Behind an unknown preface, only a readable client id or an answer proves that bytes are a
	// request.
	"empty-client-id-unanswered.pcap unknown preface",
}

// TestRewrittenCaptures delivers every capture in all the ways that production has. It compares
// the output with that for the original.
func TestRewrittenCaptures(t *testing.T) {
	for name, keys := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			packets := capturetest.MustRead(name)
			plain := view(t, packets, keys)
			for i, v := range capturetest.Variants() {
				if i%variantStep != 0 || slices.Contains(notTried, filepath.Base(name)+" "+v.Name) {
					continue
				}
				got := view(t, v.Rewrite(packets, uint64(i)), keys)
				keeps := v.Keeps
				if keys != nil && (v.Name == "no handshakes" || v.Name == "to the broker only") {
					keeps &= capturetest.KeepsAddresses // without the broker's side of the handshake, TLS cannot be decrypted
				}
				keeps &^= exceptions[filepath.Base(name)+" "+v.Name]
				if d := plain.differs(got, keeps); d != "" {
					t.Errorf("%s: %s", v.Name, d)
				}
			}
		})
	}
}

// seen is the output for a capture, without the fields that every rewriting changes.
type seen struct {
	requests []string // sorted; rows selects the columns that Keeps names
	findings []string
}

// clockTime matches a time of day. A rewritten capture has other ones.
var clockTime = regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3} UTC`)

// view returns the output of analyze and requests for packets.
func view(t *testing.T, packets []capturetest.Packet, keys []string) seen {
	t.Helper()
	data := capturetest.Pcapng{}.Encode(packets)
	var s seen
	s.requests = strings.Split(strings.TrimSpace(standardOutput(t, data, append([]string{"requests", "-"}, keys...))), "\n")[1:]
	var r model.Report
	if err := json.Unmarshal([]byte(standardOutput(t, data, append([]string{"analyze", "--format", "json", "-"}, keys...))), &r); err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		s.findings = append(s.findings, fmt.Sprintf("%s %s %dx %s", f.Code, f.Severity, f.Count, clockTime.ReplaceAllString(f.Message, "TIME")))
	}
	return s
}

// standardOutput runs kafkavet on a capture on standard input.
func standardOutput(t *testing.T, data []byte, args []string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, streams{bytes.NewReader(data), &stdout, &stderr}); code == exitTrouble {
		t.Fatalf("%v: %s", args, stderr.String())
	}
	return stdout.String()
}

// The columns of requests.
const (
	clientColumn  = 3
	brokerColumn  = 4
	minColumn     = 10
	verdictColumn = 13
	outcomeColumn = 14
)

// rows returns the requests with the columns that a rewriting keeps.
func (s seen) rows(keeps capturetest.Keeps) []string {
	var rows []string
	for _, line := range s.requests {
		c := strings.Split(line, "\t")
		keep := c[5:minColumn]
		if keeps&capturetest.KeepsRequests == 0 {
			keep = keep[1:] // an incomplete client id is shown as far as it was captured
		}
		if keeps&capturetest.KeepsAddresses != 0 {
			keep = append(slices.Clone(c[clientColumn:brokerColumn+1]), keep...)
		}
		if keeps&capturetest.KeepsVerdicts != 0 {
			keep = append(slices.Clone(keep), c[minColumn:verdictColumn+1]...)
		}
		if keeps&capturetest.KeepsOutcomes != 0 {
			keep = append(slices.Clone(keep), c[outcomeColumn])
		}
		rows = append(rows, strings.Join(keep, " "))
	}
	slices.Sort(rows)
	return rows
}

// ignored returns the unanswered requests, without client and client id.
func (s seen) ignored() []string {
	var rows []string
	for _, line := range s.requests {
		if c := strings.Split(line, "\t"); c[outcomeColumn] == "unanswered" {
			rows = append(rows, strings.Join(c[6:minColumn], " "))
		}
	}
	return rows
}

// differs describes the kept parts of s that got lacks, and the invented parts of got.
func (s seen) differs(got seen, keeps capturetest.Keeps) string {
	if keeps&capturetest.KeepsRequests == 0 {
		left := s.rows(keeps)
		for _, row := range got.rows(keeps) {
			i := slices.Index(left, row)
			if i < 0 {
				return "invented: " + row
			}
			left = slices.Delete(left, i, i+1)
		}
		known := s.ignored()
		for _, row := range got.ignored() {
			if !slices.Contains(known, row) {
				return "said to be unanswered: " + row
			}
		}
		return ""
	}
	if d := cmp.Diff(s.rows(keeps), got.rows(keeps)); d != "" {
		return d
	}
	if keeps&capturetest.KeepsFindings != 0 {
		return cmp.Diff(s.findings, got.findings)
	}
	return ""
}
