package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/netip"
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
// recognised: their client id is empty or one that nobody chooses, and they have no answer.
var unrecognised = map[string]bool{"empty-client-id-unanswered.pcap": true, "hostile-text.pcap": true}

// TestCutAnywhere starts every capture at several packets, with and without the loss of one later
// packet. If all packets of a request are present, it must be listed with its outcome in the
// complete capture. No request may be blamed that the complete capture does not blame.
func TestCutAnywhere(t *testing.T) {
	for name, keys := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			i := numberOf(name)
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

// numberOf returns a number for a capture, by its name alone: it has cuts of its own, whatever other
// captures there are.
func numberOf(name string) int { return int(crc32.ChecksumIEEE([]byte(filepath.Base(name))) >> 16) }

// TestCutPipelined starts busy connections at every packet, and loses one of the next packets. What
// waits for the lost bytes is more than an undecided connection holds.
func TestCutPipelined(t *testing.T) {
	for _, inFlight := range []int{1, 5} {
		t.Run(fmt.Sprint(inFlight, " in flight"), func(t *testing.T) {
			t.Parallel()
			packets := pipelined(inFlight)
			c := newCutCapture(t, packets, nil, false)
			for _, w := range c.whole.rows {
				if w.outcome != "answered" {
					t.Fatalf("request %s: %s", w.id, w.outcome)
				}
			}
			for cut := 1; cut < len(packets)-1; cut++ {
				c.check(t, cut, -1)
				c.check(t, cut, min(len(packets)-1, cut+1+cut*7%9))
			}
		})
	}
}

// TestCutCopies starts every capture at some packets, once as it is and once captured in two places:
// on both sides of a router or of a translation. The output is the same.
func TestCutCopies(t *testing.T) {
	const late, cuts = 30_000, 3
	places := []func([]capturetest.Packet) []capturetest.Packet{
		func(p []capturetest.Packet) []capturetest.Packet { return capturetest.Routed(p, 10, 20, late) },
		capturetest.Translated,
	}
	for name, keys := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			i := numberOf(name)
			packets := capturetest.Randomize(capturetest.MustRead(name), uint64(i))
			for n := range cuts {
				from := (n*len(packets) + i) / cuts % len(packets)
				want, got := view(t, packets[from:], keys), view(t, places[(i+n)%2](packets[from:]), keys)
				for _, r := range [][]string{want.requests, got.requests} { // other connections may advertise the range earlier
					for k := range r {
						r[k] = strings.Replace(r[k], "borrowed", "observed", 1)
					}
				}
				if d := want.differs(got, capturetest.KeepsAll); d != "" {
					t.Errorf("from packet %d on: %s", from+1, d)
				}
			}
		})
	}
}

// pipelined returns a connection with inFlight requests at a time. Requests and responses take
// several segments.
func pipelined(inFlight int) []capturetest.Packet {
	const requests, names = 40, 300
	r := capturetest.NewRecorder()
	c := r.Open(netip.MustParseAddrPort("192.0.2.10:40000"), netip.MustParseAddrPort("192.0.2.20:9092"))
	c.Silent = true
	c.Exchange(capturetest.ApiVersionsRequest(0, 0, "orders-svc", "", ""), capturetest.ApiVersionsResponse(0, 0, 0, capturetest.API{Key: 3, Max: 5}))
	body := func(id, element int, more string) []byte {
		n := id * 37 % names
		return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(n)), bytes.Repeat(append(make([]byte, element), more...), n))
	}
	answered := 1
	for id := 1; id <= requests; id++ {
		c.Send(capturetest.ToBroker, capturetest.RequestHeader{Key: 3, Version: 1, CorrelationID: int32(id), ClientID: "orders-svc", HeaderVersion: 1}.Frame(body(id, 0, "\x00\x10topic-0123456789")))
		for ; answered <= id && (id-answered >= inFlight-1 || id == requests); answered++ {
			c.Send(capturetest.ToClient, capturetest.ResponseFrame(int32(answered), false, slices.Concat(body(answered*5, 4, "\x00\x06broker\x00\x00\x23\x84\xff\xff"), make([]byte, 8))))
		}
	}
	c.Close(capturetest.ToClient)
	return r.Packets
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
	// needsAnswer: its client id is empty or its API is unknown, so only its response shows that it
	// is a request.
	needsAnswer bool
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
	const frameColumn, idColumn, correlationColumn, keyColumn, apiColumn, versionColumn = 0, 5, 6, 7, 8, 9
	data := capturetest.Pcapng{}.Encode(packets)
	var v cutView
	for _, line := range strings.Split(strings.TrimSpace(standardOutput(t, data, append([]string{"requests", "-"}, c.keys...))), "\n")[1:] {
		f := strings.Split(line, "\t")
		what := strings.Join([]string{f[correlationColumn], f[keyColumn], f[versionColumn]}, " ")
		if c.isProxied {
			f[clientColumn] = "" // its address was in the bytes before the cut
		}
		v.rows = append(v.rows, cutRow{f[frameColumn] + " " + what, f[clientColumn] + " " + f[brokerColumn] + " " + what, f[outcomeColumn], f[idColumn] == `""` || strings.HasPrefix(f[apiColumn], "Unknown")})
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
			b.requests = append(b.requests, fmt.Sprint(o.Time)) // a request inside TLS has no other name
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
		if at < 0 {
			if !c.partly && !(w.needsAnswer && same && lost > s.Last) {
				t.Errorf("%s: request %s is not listed", name, w.id)
			}
			continue
		}
		o := left[at].outcome
		excused := same && lost > s.Last && o != "unanswered" || // the answer, or the end, is missing
			w.outcome == "late" || o == "unseen" && w.outcome == "cut" // the end came before the cut, or is unknown
		if o != w.outcome && !excused {
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
