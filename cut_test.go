package main

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/report/model"
)

// cutsPerCapture is the number of cuts per capture, spread evenly over its packets.
const cutsPerCapture = 8

// unrecognised are captures with requests that need the beginning of their connection to be
// recognised: they have no client id and no answer, or an unknown API or version, or a client id
// that nobody chooses.
var unrecognised = map[string]bool{
	"empty-client-id-unanswered.pcap": true, "hostile-text.pcap": true, "kv1003-fires-header-v0.pcap": true,
	"kv1003-near-unknown-key.pcap": true, "kv1001-fires-unknown-version.pcap": true, "negative-version.pcap": true,
}

// knownFaults are cuts after which a request is wrongly not listed, or has a wrong outcome.
var knownFaults = []string{
	// The first answers behind the cut arrive in the wrong order.
	"kv9002-near-twice-and-out-of-order.pcap: from packet 35 on",
	// The request is the only one of its connection, its answer is lost, and its body is longer
	// than its layout says.
	"lab_confluent-go-2.6.0_kafka-2.8.2-zookeeper.pcap: from packet 87 on without 89",
	"lab_confluent-go-2.6.0_kafka-2.8.2-zookeeper.pcap: from packet 88 on without 89",
}

// TestCutAnywhere starts every capture at several packets, with and without the loss of one later
// packet. If all packets of a request are present, it must be listed with its outcome in the
// complete capture. No request may be blamed that the complete capture does not blame.
func TestCutAnywhere(t *testing.T) {
	i := 0
	for name, keys := range captures(t) {
		i++
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			c := newCutCapture(t, capturetest.MustRead(name), keys, strings.Contains(name, "proxy-v2"))
			c.partly = unrecognised[filepath.Base(name)]
			n := len(c.packets)
			step := max(1, n/cutsPerCapture)
			for cut := 1 + i%step; cut < n; cut += step {
				c.check(t, cut, -1)
				c.check(t, cut, min(n-1, cut+1+(cut*7+i)%9))
			}
		})
	}
}

// cutCapture is a capture and the output for all of it.
type cutCapture struct {
	packets []capturetest.Packet
	keys    []string
	streams []int // by packet
	spans   map[string]capturetest.Span
	whole   cutView
	partly  bool // see unrecognised
	// isProxied: a PROXY header names the client.
	isProxied bool
}

// cutView is the output of requests and analyze.
type cutView struct {
	rows   []cutRow
	blamed []blame // findings of severity warning or error
}

// blame is the subject of a finding, and the requests that it lists.
type blame struct {
	what     string
	requests []string
}

// same reports whether two findings can be about one problem. The code depends on the rest.
func (b *blame) same(o *blame) bool {
	return b.what == o.what || slices.ContainsFunc(b.requests, func(r string) bool { return slices.Contains(o.requests, r) })
}

// cutRow is a line of requests. place is its packet and, because a packet can end several
// requests, the fields that identify the request. id has the addresses in place of the packet.
type cutRow struct {
	place, id, outcome string
	isAnonymous        bool // its client id is empty
}

func newCutCapture(t *testing.T, packets []capturetest.Packet, keys []string, isProxied bool) *cutCapture {
	c := &cutCapture{packets: packets, keys: keys, isProxied: isProxied, streams: capturetest.Streams(packets), spans: map[string]capturetest.Span{}}
	for _, s := range capturetest.Spans(packets) {
		c.spans[fmt.Sprintf("%d %d %d %d", s.Last+1, s.CorrelationID, s.Key, s.Version)] = s
	}
	c.whole = c.view(t, packets)
	return c
}

func (c *cutCapture) view(t *testing.T, packets []capturetest.Packet) cutView {
	const frameColumn, correlationColumn, keyColumn, versionColumn = 0, 6, 7, 9
	data := capturetest.Pcapng{}.Encode(packets)
	var v cutView
	for _, line := range strings.Split(strings.TrimSpace(standardOutput(t, data, append([]string{"requests", "-"}, c.keys...))), "\n")[1:] {
		f := strings.Split(line, "\t")
		what := strings.Join([]string{f[correlationColumn], f[keyColumn], f[versionColumn]}, " ")
		if c.isProxied {
			f[clientColumn] = "" // its address was in the bytes before the cut
		}
		v.rows = append(v.rows, cutRow{f[frameColumn] + " " + what, f[clientColumn] + " " + f[brokerColumn] + " " + what, f[outcomeColumn], f[5] == `""`})
	}
	var r model.Report
	if err := json.Unmarshal([]byte(standardOutput(t, data, append([]string{"analyze", "--format", "json", "-"}, c.keys...))), &r); err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if f.Severity == model.Info {
			continue
		}
		what := f.Code
		if f.APIKey != nil && f.Version != nil {
			what = strconv.Itoa(int(*f.APIKey)) + " v" + strconv.Itoa(int(*f.Version))
		}
		b := blame{what: what + " at " + f.Broker}
		for _, o := range f.Occurrences {
			if o.CorrelationID != nil {
				b.requests = append(b.requests, fmt.Sprint(o.Client, " ", *o.CorrelationID))
			}
		}
		v.blamed = append(v.blamed, b)
	}
	return v
}

// check compares the output for the packets from cut on, without the packet lost, with the output
// for the complete capture.
func (c *cutCapture) check(t *testing.T, cut, lost int) {
	name := fmt.Sprintf("from packet %d on", cut+1)
	part := slices.Clone(c.packets[cut:])
	if lost >= 0 {
		name += fmt.Sprintf(" without %d", lost+1)
		part = slices.Delete(part, lost-cut, lost-cut+1)
	}
	got := c.view(t, part)
	left := slices.Clone(got.rows)
	for _, w := range c.whole.rows {
		s, ok := c.spans[w.place]
		same := lost >= 0 && c.streams[lost] == s.Stream
		if !ok || s.First < cut || same && s.First <= lost && lost <= s.Last {
			continue
		}
		at := slices.IndexFunc(left, func(r cutRow) bool { return r.id == w.id })
		isKnown := slices.Contains(knownFaults, path.Base(t.Name())+": "+name)
		if at < 0 {
			isUnknown := w.isAnonymous && same && lost > s.Last // only its answer shows that it is a request
			if !c.partly && !isUnknown && !isKnown {
				t.Errorf("%s: request %s is not listed", name, w.id)
			}
			continue
		}
		o := left[at].outcome
		excused := same && lost > s.Last && o != "unanswered" || // the answer, or the end, is missing
			w.outcome == "late" || o == "unseen" && w.outcome == "cut" // the end came before the cut, or is unknown
		if o != w.outcome && !excused && !isKnown {
			t.Errorf("%s: request %s: outcome %s, want %s", name, w.id, o, w.outcome)
		}
		left = slices.Delete(left, at, at+1)
	}
	for _, r := range left {
		if !slices.ContainsFunc(c.whole.rows, func(w cutRow) bool { return w.id == r.id }) {
			t.Errorf("%s: invented: %s", name, r.id)
		}
	}
	for _, b := range got.blamed {
		if !slices.ContainsFunc(c.whole.blamed, func(w blame) bool { return w.same(&b) }) && !c.partly {
			t.Errorf("%s: blamed: %v", name, b)
		}
	}
}
