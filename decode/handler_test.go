package decode

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

// line returns an exchange in short: API, version, verdict, evidence, outcome and marks.
func line(e *Exchange) string {
	s := fmt.Sprintf("%s v%d %v %v %v", APIName(e.Key), e.Version, e.Verdict, e.Evidence, e.Outcome)
	if e.ErrorCode != 0 {
		s += fmt.Sprintf(" code=%d", e.ErrorCode)
	}
	if e.BeforeNegotiation {
		s += " before"
	}
	if e.Negotiated >= 0 {
		s += fmt.Sprintf(" negotiated=%d", e.Negotiated)
	}
	return s
}

func lines(events []Event) (list []string) {
	for _, e := range exchanges(events) {
		list = append(list, line(e))
	}
	return list
}

// produce returns a Produce request with the given acks.
func produce(version, acks int16) kmsg.Request {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks = version, acks
	r.TransactionID = kmsg.StringPtr("tx")
	return r
}

func TestHandler(t *testing.T) {
	closed := func(d *driver) []Event { return d.end(reassembly.Closed, reassembly.ToClient) }
	cut := func(d *driver) []Event { return d.end(reassembly.Cut, reassembly.ToBroker) }
	for _, tt := range []struct {
		name string
		run  func(d *driver) []Event
		want []string
	}{
		{"closed on a version above the max", func(d *driver) []Event {
			d.negotiate()
			d.request(requestOf(1, 12))
			return closed(d)
		}, []string{"ApiVersions v2 exempt none answered", "Fetch v12 above-max observed closed"}},
		{"below the min and not advertised, reset", func(d *driver) []Event {
			d.negotiate()
			d.respond(d.request(requestOf(1, 3)), responseOf(1, 3))
			d.request(requestOf(10, 0))
			return d.end(reassembly.Reset, reassembly.ToClient)
		}, []string{"ApiVersions v2 exempt none answered", "Fetch v3 below-min observed answered", "FindCoordinator v0 not-advertised observed reset"}},
		{"client leaves", func(d *driver) []Event {
			d.negotiate()
			d.request(requestOf(3, 7))
			return d.end(reassembly.Closed, reassembly.ToBroker)
		}, []string{"ApiVersions v2 exempt none answered", "Metadata v7 ok observed left"}},
		{"capture ends", func(d *driver) []Event {
			d.negotiate()
			d.request(requestOf(3, 7))
			return cut(d)
		}, []string{"ApiVersions v2 exempt none answered", "Metadata v7 ok observed cut"}},
		{"no ranges at all", func(d *driver) []Event {
			d.request(requestOf(3, 11))
			return closed(d)
		}, []string{"Metadata v11 unknown none closed"}},
		{"skipped over", func(d *driver) []Event {
			d.negotiate()
			d.request(requestOf(3, 7))
			d.respond(d.request(requestOf(1, 10)), responseOf(1, 10))
			return cut(d)
		}, []string{"ApiVersions v2 exempt none answered", "Metadata v7 ok observed unanswered", "Fetch v10 ok observed answered"}},
		{"skipped over, but the answer may be lost", func(d *driver) []Event {
			d.negotiate()
			d.request(requestOf(3, 7))
			d.h.Lost(reassembly.ToClient, d.net.next())
			d.request(requestOf(3, 7)) // sent during the search for the next frame
			d.h.Lost(reassembly.ToClient, d.net.next())
			d.respond(d.request(requestOf(1, 10)), responseOf(1, 10))
			d.request(requestOf(3, 6)) // in step again
			d.respond(d.request(requestOf(1, 9)), responseOf(1, 9))
			return cut(d)
		}, []string{
			"ApiVersions v2 exempt none answered", "Metadata v7 ok observed unseen", "Metadata v7 ok observed unseen", "Fetch v10 ok observed answered",
			"Metadata v6 ok observed unanswered", "Fetch v9 ok observed answered",
		}},
		{"skipped over, but the answer may be lost as its end is", func(d *driver) []Event {
			d.negotiate()
			first, lost, last := d.net.next(), d.net.next(), d.net.next()
			d.id++
			msg := requestBytes(requestOf(3, 7), d.id, "app")
			d.conn.Now, d.conn.Last = last, last
			d.h.Message(&reassembly.Frame{Direction: reassembly.ToBroker, Size: int64(len(msg)), Head: msg, First: first, Last: last})
			d.h.Lost(reassembly.ToClient, lost)
			d.respond(d.request(requestOf(1, 10)), responseOf(1, 10))
			return cut(d)
		}, []string{"ApiVersions v2 exempt none answered", "Metadata v7 ok observed unseen", "Fetch v10 ok observed answered"}},
		{"out of step, in pieces", func(d *driver) []Event {
			d.negotiate()
			d.respond(d.request(requestOf(3, 7)), responseOf(3, 7))
			// A byte later, the header of Produce v13 is one of v3328, and the client id contains
			// what follows.
			msg := append([]byte("\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x20\x03app"), make([]byte, 800)...)
			d.message(reassembly.ToBroker, msg)
			return cut(d)
		}, []string{"ApiVersions v2 exempt none answered", "Metadata v7 ok observed answered"}},
		{"closed, but the answer may be lost", func(d *driver) []Event {
			d.negotiate()
			d.request(requestOf(3, 7))
			d.h.Lost(reassembly.ToClient, d.net.next())
			return closed(d)
		}, []string{"ApiVersions v2 exempt none answered", "Metadata v7 ok observed unseen"}},
		{"the acks of a Produce were not captured", func(d *driver) []Event {
			d.negotiate()
			long := produce(7, 1).(*kmsg.ProduceRequest)
			long.TransactionID = kmsg.StringPtr(strings.Repeat("x", longIDHead+produceHead))
			d.request(long)
			d.respond(d.request(requestOf(3, 7)), responseOf(3, 7))
			d.request(long)
			return closed(d)
		}, []string{"ApiVersions v2 exempt none answered", "Produce v7 ok observed unseen", "Metadata v7 ok observed answered", "Produce v7 ok observed unseen"}},
		{"broker's side not captured", func(d *driver) []Event {
			d.conn.Seen[reassembly.ToClient] = false
			d.request(requestOf(3, 7))
			return closed(d)
		}, []string{"Metadata v7 unknown none unseen"}},
		{"produce without acks", func(d *driver) []Event {
			d.negotiate()
			d.request(produce(7, 0))
			d.respond(d.request(produce(7, 1)), responseOf(0, 7))
			d.request(produce(2, 0))
			d.request(produce(9, 0))
			return cut(d)
		}, []string{
			"ApiVersions v2 exempt none answered", "Produce v7 ok observed none-expected", "Produce v7 ok observed answered",
			"Produce v2 ok observed none-expected", "Produce v9 above-max observed none-expected",
		}},
		{"error 35, retry, success", func(d *driver) []Event {
			d.respond(d.request(hello(3)), ranges(0, 35, 18, 0, 2))
			d.respond(d.request(hello(0)), ranges(0, 0, usual...))
			d.respond(d.request(requestOf(3, 8)), responseOf(3, 8))
			return closed(d)
		}, []string{"ApiVersions v3 exempt none error code=35 negotiated=0", "ApiVersions v0 exempt none answered", "Metadata v8 above-max observed answered"}},
		{"error 35 with an empty array, no retry", func(d *driver) []Event {
			d.respond(d.request(hello(4)), ranges(0, 35))
			return d.end(reassembly.Closed, reassembly.ToBroker)
		}, []string{"ApiVersions v4 exempt none error code=35"}},
		{"error 35, asked again but not lower, then lower", func(d *driver) []Event {
			d.respond(d.request(hello(3)), ranges(0, 35))
			d.respond(d.request(hello(3)), ranges(0, 35))
			d.respond(d.request(hello(0)), ranges(0, 0, usual...))
			return closed(d)
		}, []string{"ApiVersions v3 exempt none error code=35", "ApiVersions v3 exempt none error code=35 negotiated=0", "ApiVersions v0 exempt none answered"}},
		{"error 35, then another API", func(d *driver) []Event {
			d.respond(d.request(hello(4)), ranges(0, 35))
			d.respond(d.request(requestOf(3, 0)), responseOf(3, 0))
			return cut(d)
		}, []string{"ApiVersions v4 exempt none error code=35", "Metadata v0 unknown none answered"}},
		{"error 35, then a Produce without acks", func(d *driver) []Event {
			d.respond(d.request(hello(4)), ranges(0, 35))
			d.request(produce(7, 0))
			if n := len(d.h.(*handler).putAside().held); n > 0 {
				d.t.Errorf("%d exchanges wait for an answer that was not asked for", n)
			}
			return cut(d)
		}, []string{"ApiVersions v4 exempt none error code=35", "Produce v7 unknown none none-expected"}},
		{"errors never overwrite ranges", func(d *driver) []Event {
			d.negotiate()
			for _, code := range []int16{35, 42, 129} {
				d.respond(d.request(hello(3)), ranges(3, code, 18, 0, 3))
			}
			d.request(requestOf(1, 12))
			return closed(d)
		}, []string{
			"ApiVersions v2 exempt none answered", "ApiVersions v3 exempt observed answered code=42",
			"ApiVersions v3 exempt observed answered code=129", "ApiVersions v3 exempt observed error code=35", "Fetch v12 above-max observed closed",
		}},
		{"pipelined before the answer", func(d *driver) []Event {
			v := d.request(hello(2))
			m := d.request(requestOf(3, 8))
			d.request(produce(9, 0))
			d.respond(v, ranges(2, 0, usual...))
			d.respond(m, responseOf(3, 8))
			return cut(d)
		}, []string{
			"ApiVersions v2 exempt none answered", "Produce v9 above-max observed none-expected before",
			"Metadata v8 above-max observed answered before",
		}},
		{"pipelined before an answer that never comes", func(d *driver) []Event {
			d.request(hello(2))
			d.request(requestOf(3, 8))
			d.request(produce(9, 0))
			return closed(d)
		}, []string{
			"ApiVersions v2 exempt none closed", "Produce v9 unknown none none-expected before", "Metadata v8 unknown none closed before",
		}},
		{"pipelined, or not: the broker's side was not captured", func(d *driver) []Event {
			d.conn.Seen[reassembly.ToClient] = false
			d.request(hello(2))
			d.request(requestOf(3, 8))
			return closed(d)
		}, []string{"ApiVersions v2 exempt none unseen", "Metadata v8 unknown none unseen"}},
		{"pipelined, or not: the answer may be lost", func(d *driver) []Event {
			d.request(hello(2))
			m := d.request(requestOf(3, 8))
			d.h.Lost(reassembly.ToClient, d.net.next())
			d.respond(m, responseOf(3, 8))
			return closed(d)
		}, []string{"ApiVersions v2 exempt none unseen", "Metadata v8 unknown none answered"}},
		{"asked again: the latest answer before the request counts", func(d *driver) []Event {
			d.negotiate()
			d.respond(d.request(requestOf(1, 11)), responseOf(1, 11))
			v := d.request(hello(2))
			m := d.request(requestOf(1, 11)) // sent after the ApiVersions request: the old response judges it
			d.respond(v, ranges(2, 0, 1, 0, 11))
			d.respond(m, responseOf(1, 11))
			d.respond(d.request(requestOf(1, 11)), responseOf(1, 11))
			return cut(d)
		}, []string{
			"ApiVersions v2 exempt none answered", "Fetch v11 above-max observed answered", "ApiVersions v2 exempt observed answered",
			"Fetch v11 above-max observed answered", "Fetch v11 ok observed answered",
		}},
		{"unsupported answer inside the range", func(d *driver) []Event {
			d.negotiate()
			r := kmsg.NewPtrProduceResponse()
			r.Version = 7
			p := kmsg.NewProduceResponseTopicPartition()
			p.ErrorCode = 35
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.Partitions = strings.Repeat("t", 35), append(topic.Partitions, p)
			r.Topics = append(r.Topics, topic)
			d.respond(d.request(produce(7, -1)), r)
			r.Topics[0].Partitions[0].ErrorCode = 3 // 35 is only the length of the topic's name
			d.respond(d.request(produce(7, -1)), r)
			return cut(d)
		}, []string{"ApiVersions v2 exempt none answered", "Produce v7 ok observed error code=35", "Produce v7 ok observed answered"}},
		{"unsupported answer in the body of v0", func(d *driver) []Event {
			d.negotiate()
			r := kmsg.NewPtrFindCoordinatorResponse()
			r.ErrorCode = 35
			d.respond(d.request(requestOf(10, 6)), r)
			return cut(d)
		}, []string{"ApiVersions v2 exempt none answered", "FindCoordinator v6 not-advertised observed error code=35"}},
		{"APIs and versions that nobody knows", func(d *driver) []Event {
			d.negotiate()
			for _, head := range []string{"\x27\x10\x00\x00", "\x00\x01\x7f\xff", "\x00\x7b\x00\x63"} {
				d.id++
				d.message(reassembly.ToBroker, []byte(head+"\x00\x00\x00"+string(rune(d.id))+"\x00\x03app\x00whatever"))
				d.message(reassembly.ToClient, []byte("\x00\x00\x00"+string(rune(d.id))+"\x00\x23what"))
			}
			return cut(d)
		}, []string{
			"ApiVersions v2 exempt none answered", "Unknown(10000) v0 not-advertised observed answered",
			"Fetch v32767 above-max observed answered", "Unknown(123) v99 not-advertised observed answered",
		}},
		{"header v0, without a client id", func(d *driver) []Event {
			d.message(reassembly.ToBroker, []byte("\x00\x07\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01"))
			d.message(reassembly.ToClient, []byte("\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00"))
			return cut(d)
		}, []string{"ControlledShutdown v0 unknown none answered"}},
		{"one correlation id for all: the oldest is answered first", func(d *driver) []Event {
			d.negotiate()
			for _, v := range []int16{5, 6, 7} {
				d.id = 0
				d.request(requestOf(3, v))
			}
			d.respond(1, responseOf(3, 5))
			d.respond(1, responseOf(3, 6))
			return closed(d)
		}, []string{
			"ApiVersions v2 exempt none answered", "Metadata v5 ok observed answered", "Metadata v6 ok observed answered", "Metadata v7 ok observed closed",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lines(tt.run(newNetwork().open(t)))); diff != "" {
				t.Errorf("exchanges differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExchangeTellsWhatTheRequestSaid(t *testing.T) {
	d := newNetwork().open(t)
	d.respond(d.request(hello(3)), ranges(3, 0, 1, 4, 10, 18, 0, 3))
	d.request(requestOf(1, 12))
	events := d.end(reassembly.Closed, reassembly.ToClient)
	got := exchanges(events)[1]
	want := &Exchange{
		Stream: 0, Request: got.Request, Decided: d.conn.End.At, Took: stepTime, Client: d.conn.Client, Broker: d.conn.Broker,
		ClientID: "app", HasClientID: true, Software: Software{"lib", "1.2.3"}, CorrelationID: 2, Key: 1, Version: 12,
		Advertised: Range{4, 10}, Ranges: got.Ranges, Evidence: Observed, Verdict: AboveMax, Outcome: ClosedByBroker, Asked: Asked, Negotiated: -1,
		Size: 43, Received: 43,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("exchange differs (-want +got):\n%s", diff)
	}
	if got.Request.Frame != 4 || got.Decided.Frame != 5 {
		t.Errorf("request in frame %d, decided in %d, want 4 and 5", got.Request.Frame, got.Decided.Frame)
	}
	last := events[len(events)-1].Connection
	wantConn := Connection{
		Connection: d.conn, ClientIDs: []string{"app"}, Software: Software{"lib", "1.2.3"},
		Advertised: got.Ranges, AfterAdvertised: 1,
		Unanswered: 1, LastRequest: got.Request, LastAnswer: capture.Position{Frame: 3, Time: 3 * stepTime},
	}
	if diff := cmp.Diff(wantConn, *last, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("connection differs (-want +got):\n%s", diff)
	}
	var advertised *Advertisement
	for _, e := range events {
		if e.Advertisement != nil {
			advertised = e.Advertisement
		}
	}
	if advertised == nil || advertised.At.Frame != 3 || advertised.Ranges != got.Ranges || advertised.Version != 3 {
		t.Errorf("advertisement is %+v", advertised)
	}
}

// TestAsking: only requests before it on the same connection count.
func TestAsking(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(d *driver)
		want []Asking
	}{
		{"before and after", func(d *driver) { d.request(requestOf(3, 1)); d.negotiate(); d.request(requestOf(3, 7)) }, []Asking{NotAsked, NotAsked, Asked}},
		{"not answered yet", func(d *driver) { d.request(hello(3)); d.request(requestOf(3, 1)) }, []Asking{NotAsked, Asked}},
		{"open before the capture", func(d *driver) { d.conn.Midstream = true; d.request(requestOf(3, 1)) }, []Asking{MaybeAsked}},
		{"requests lost", func(d *driver) {
			d.request(requestOf(3, 1))
			d.h.Lost(reassembly.ToBroker, d.net.next())
			d.request(requestOf(3, 1))
		}, []Asking{NotAsked, MaybeAsked}},
		{"answers lost", func(d *driver) { d.h.Lost(reassembly.ToClient, d.net.next()); d.request(requestOf(3, 1)) }, []Asking{NotAsked}},
	} {
		d := newNetwork().open(t)
		tt.play(d)
		list := exchanges(d.end(reassembly.Closed, reassembly.ToClient))
		slices.SortFunc(list, func(a, b *Exchange) int { return int(a.CorrelationID - b.CorrelationID) })
		var got []Asking
		for _, e := range list {
			got = append(got, e.Asked)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestNegotiationRefused: the latest response before the request counts.
func TestNegotiationRefused(t *testing.T) {
	d := newNetwork().open(t)
	d.request(requestOf(3, 1))
	d.respond(d.request(hello(3)), ranges(0, 35, 18, 0, 2))
	d.request(requestOf(3, 2))
	d.respond(d.request(hello(0)), ranges(0, 0, usual...))
	d.request(requestOf(3, 7))
	got := map[string]bool{}
	for _, e := range exchanges(d.end(reassembly.Closed, reassembly.ToClient)) {
		got[fmt.Sprintf("%s v%d", APIName(e.Key), e.Version)] = e.NegotiationRefused
	}
	want := map[string]bool{"ApiVersions v3": false, "ApiVersions v0": true, "Metadata v1": false, "Metadata v2": true, "Metadata v7": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSoftwareIsKnownFromARefusedRequest(t *testing.T) {
	d := newNetwork().open(t)
	d.respond(d.request(hello(3)), ranges(0, 35))
	d.respond(d.request(hello(0)), ranges(0, 0, usual...))
	d.respond(d.request(requestOf(3, 1)), responseOf(3, 1))
	for _, e := range exchanges(d.end(reassembly.Cut, 0)) {
		if e.Software != (Software{"lib", "1.2.3"}) {
			t.Errorf("%s: software is %v", line(e), e.Software)
		}
	}
}

// TestOrderOfPacketsDecidesWhichAnswerCounts: the order of the packets counts, not that of the
// calls.
func TestOrderOfPacketsDecidesWhichAnswerCounts(t *testing.T) {
	d := newNetwork().open(t)
	d.respond(d.request(hello(2)), ranges(2, 0, 3, 0, 5))
	v := d.request(hello(2))
	before, answer, after := d.net.next(), d.net.next(), d.net.next()
	d.messageAt(reassembly.ToBroker, requestBytes(requestOf(3, 7), 10, "app"), after)
	d.messageAt(reassembly.ToClient, responseBytes(ranges(2, 0, 3, 0, 7), v), answer)
	d.messageAt(reassembly.ToBroker, requestBytes(requestOf(3, 6), 11, "app"), before)
	got := lines(d.end(reassembly.Cut, 0))[2:]
	want := []string{"Metadata v7 ok observed cut", "Metadata v6 above-max observed cut"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exchanges differ (-want +got):\n%s", diff)
	}
}

func TestTookIsNeverNegative(t *testing.T) {
	d := newNetwork().open(t)
	answer, request := d.net.next(), d.net.next()
	d.negotiate()
	d.messageAt(reassembly.ToBroker, requestBytes(requestOf(3, 7), 10, "app"), request)
	d.messageAt(reassembly.ToClient, responseBytes(responseOf(3, 7), 10), answer)
	if got := exchanges(d.end(reassembly.Cut, 0))[1].Took; got != 0 {
		t.Errorf("took %v, want 0", got)
	}
}

// TestOneRequestAlone: whether a request is all that the capture has of a connection.
func TestOneRequestAlone(t *testing.T) {
	for _, c := range []struct {
		requests uint64
		hasPeer  bool
		want     bool
	}{{1, false, true}, {2, false, false}, {1, true, false}} {
		d := newNetwork().open(t)
		d.conn.Seen[reassembly.ToClient] = c.hasPeer
		d.request(requestOf(3, 7))
		d.conn.Requests = c.requests
		if x := exchanges(d.end(reassembly.Cut, 0))[0]; x.IsLone != c.want {
			t.Errorf("%d requests, broker's side %v: lone %v", c.requests, c.hasPeer, x.IsLone)
		}
	}
}

func TestOneSidedConnectionHoldsFewRequests(t *testing.T) {
	d := newNetwork().open(t)
	d.conn.Seen[reassembly.ToClient] = false
	for range 1000 {
		d.request(requestOf(3, 7))
	}
	if held := d.h.(*handler).queue.n; held > unseenAfter {
		t.Errorf("%d requests outstanding, want at most %d", held, unseenAfter)
	}
	got := exchanges(d.end(reassembly.Cut, 0))
	if len(got) != 1000 || got[0].Outcome != Unseen || got[0].CorrelationID != 1 || got[999].CorrelationID != 1000 {
		t.Errorf("%d exchanges, the first %v", len(got), got[0])
	}
	if hit := d.net.shard.Limits().Hit(); len(hit) != 0 {
		t.Errorf("limits hit: %v", hit)
	}
}

func TestLimitsAreKeptAndCounted(t *testing.T) {
	d := newNetwork().open(t)
	d.request(hello(3))
	for range maxHeld + 3 {
		d.request(produce(7, 0))
	}
	for range maxOutstanding + 4 {
		d.request(requestOf(3, 7))
	}
	for i := range int32(maxEarly + 2) {
		d.respond(10_000+i, responseOf(3, 0))
	}
	long := requestBytes(requestOf(3, 7), 5000, "x"+strings.Repeat("é", 16_000))
	d.message(reassembly.ToBroker, long)
	events := d.end(reassembly.Cut, 0)
	want := Limits{OutstandingRequests: 6, HeldExchanges: 3, EarlyAnswers: 2, LongTexts: 1}
	if diff := cmp.Diff(want, d.net.shard.Limits()); diff != "" {
		t.Errorf("limits differ (-want +got):\n%s", diff)
	}
	got := exchanges(events)
	if total := 1 + maxHeld + 3 + maxOutstanding + 4 + 1; len(got) != total {
		t.Errorf("%d exchanges, want all %d", len(got), total)
	}
	if id := got[len(got)-1].ClientID; id != "x"+strings.Repeat("é", maxClientID/2-1)+cutMark {
		t.Errorf("long client id is %q", id)
	}
}

func TestRefusedApiVersionsAreBounded(t *testing.T) {
	d := newNetwork().open(t)
	for i := range int16(maxRefused + 2) {
		d.respond(d.request(hello(maxRefused+2-i)), ranges(0, 35))
	}
	d.respond(d.request(hello(0)), ranges(0, 0, usual...))
	var negotiated, given int
	for _, e := range exchanges(d.end(reassembly.Cut, 0)) {
		if e.Negotiated == 0 {
			negotiated++
		} else {
			given++
		}
	}
	if negotiated != 2 || given != maxRefused+1 || d.net.shard.Limits().HeldExchanges != 1 {
		t.Errorf("%d retried, %d not, limits %v", negotiated, given, d.net.shard.Limits().Hit())
	}
}

func TestLongSoftwareNamesAreCut(t *testing.T) {
	d := newNetwork().open(t)
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = 3, strings.Repeat("n", 250), strings.Repeat("v", 257)
	d.request(r)
	got := exchanges(d.end(reassembly.Cut, 0))[0].Software
	if want := (Software{strings.Repeat("n", 250), strings.Repeat("v", maxClientID) + cutMark}); got != want {
		t.Errorf("software is %q, want %q", got, want)
	}
}

func TestClientIDs(t *testing.T) {
	d := newNetwork().open(t)
	send := func(msg []byte, there int) string {
		d.id++
		msg[7] = byte(d.id)
		d.h.Message(&reassembly.Frame{Size: int64(len(msg)), Head: msg[:min(there, len(msg))], Last: d.net.next()})
		d.message(reassembly.ToClient, []byte{0, 0, 0, byte(d.id)})
		e := exchanges(d.net.shard.Take(nil))[0]
		return fmt.Sprintf("%q %v", e.ClientID, e.HasClientID)
	}
	for _, tt := range []struct {
		name, id string
		there    int
		want     string
	}{
		{"cut by the capture", "orders-service", 15, `"order..." true`},
		{"whole: fills in", "orders-service", 999, `"orders-service" true`},
		{"cut again: known", "orders-service", 13, `"orders-service" true`},
		{"only its length: known", "orders-service", 10, `"orders-service" true`},
		{"only its length: not known", "a", 10, `"" false`},
		{"not even its length", "a", 9, `"" false`},
		{"empty", "", 999, `"" true`},
		{"control characters are left to the writer", "a\x1b[2J\n", 999, `"a\x1b[2J\n" true`},
		{"one more", "b", 999, `"b" true`},
		{"more than are listed", "c", 999, `"c" true`},
	} {
		if got := send(requestBytes(requestOf(3, 7), 0, tt.id), tt.there); got != tt.want {
			t.Errorf("%s: client id is %s, want %s", tt.name, got, tt.want)
		}
	}
	null := kmsg.NewRequestFormatter().AppendRequest(nil, requestOf(3, 7), 0)[4:]
	if got := send(null, 999); got != `"" false` {
		t.Errorf("null: client id is %s", got)
	}
	events := d.end(reassembly.Cut, 0)
	c := events[len(events)-1].Connection
	if diff := cmp.Diff([]string{"orders-service", "", "a\x1b[2J\n", "b"}, c.ClientIDs); diff != "" {
		t.Errorf("client ids differ (-want +got):\n%s", diff)
	}
}

func TestConnectionWithoutKafkaIsPassedOn(t *testing.T) {
	s := NewShard(ShardOptions{})
	c := &reassembly.Connection{Stream: 7, Protocol: reassembly.TLS}
	s.Closed(c)
	got := s.Take(nil)
	if len(got) != 1 || got[0].Connection == nil || got[0].Connection.Connection != c || got[0].Stream != 7 {
		t.Errorf("events are %+v", got)
	}
	if len(s.Take(nil)) != 0 {
		t.Error("events are taken twice")
	}
}

func TestEndsByTheClientOrByNobody(t *testing.T) {
	for _, tt := range []struct {
		kind reassembly.EndKind
		by   reassembly.Direction
		want Outcome
		took time.Duration
	}{
		{reassembly.Closed, reassembly.ToClient, ClosedByBroker, stepTime},
		{reassembly.Closed, reassembly.ToBroker, Left, stepTime},
		{reassembly.Reset, reassembly.ToClient, ResetByBroker, stepTime},
		{reassembly.Reset, reassembly.ToBroker, Left, stepTime},
		{reassembly.Cut, reassembly.ToClient, CutOff, 0},
		{reassembly.Expired, reassembly.ToClient, CutOff, 0},
		{reassembly.Replaced, reassembly.ToClient, CutOff, 0},
	} {
		d := newNetwork().open(t)
		d.request(requestOf(3, 0))
		e := exchanges(d.end(tt.kind, tt.by))[0]
		if e.Outcome != tt.want || e.Took != tt.took {
			t.Errorf("end %d by %d: %v after %v, want %v after %v", tt.kind, tt.by, e.Outcome, e.Took, tt.want, tt.took)
		}
	}
}
