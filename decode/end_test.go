package decode

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// TestLateRequests: a request that arrived after the broker had ended the connection was not
// refused.
func TestLateRequests(t *testing.T) {
	// Each step is a request, which takes 100 bytes of the stream, or the broker's FIN.
	const ended = -2
	request := func(offset int64) int64 { return offset }
	closed := func(acked int64) reassembly.End {
		return reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, Acked: acked, HasAcked: true}
	}
	for _, tt := range []struct {
		name  string
		end   reassembly.End
		steps []int64
		lost  bool
		want  []Outcome
	}{
		{"acknowledged", closed(200), []int64{request(0), request(100), ended}, false, []Outcome{ClosedByBroker, ClosedByBroker}},
		{"the second crossed the FIN", closed(100), []int64{request(0), request(100), ended}, false, []Outcome{ClosedByBroker, Late}},
		{"the FIN was captured too early", closed(200), []int64{request(0), ended, request(100)}, false, []Outcome{ClosedByBroker, ClosedByBroker}},
		{"part of it was acknowledged", closed(101), []int64{request(0), request(100), ended}, false, []Outcome{ClosedByBroker, ClosedByBroker}},
		{"sent after the FIN", closed(0), []int64{ended, request(0)}, false, []Outcome{Late}},
		{"reset before", reassembly.End{Kind: reassembly.Reset, By: reassembly.ToClient, HasAcked: true}, []int64{request(0), ended}, false, []Outcome{Late}},
		{"what was acknowledged is unknown, sent before", reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient}, []int64{request(100), ended}, false, []Outcome{ClosedByBroker}},
		{"what was acknowledged is unknown, sent after", reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient}, []int64{ended, request(0)}, false, []Outcome{Late}},
		{"the offset is unknown, sent before", closed(100), []int64{request(-1), ended}, false, []Outcome{ClosedByBroker}},
		{"the offset is unknown, sent after", closed(100), []int64{ended, request(-1)}, false, []Outcome{Late}},
		{"the client ended it", reassembly.End{Kind: reassembly.Closed, By: reassembly.ToBroker, HasAcked: true}, []int64{request(0), ended}, false, []Outcome{Left}},
		{"the capture ended", reassembly.End{By: reassembly.ToClient, HasAcked: true}, []int64{request(0), ended}, false, []Outcome{CutOff}},
		{"an answer may be missing in the capture", closed(100), []int64{request(0), request(100), ended}, true, []Outcome{Unseen, Late}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newNetwork().open(t)
			for _, offset := range tt.steps {
				at := d.net.next()
				d.conn.Now = at
				if offset == ended {
					tt.end.At = at
					continue
				}
				d.id++
				msg := requestBytes(requestOf(3, 7), d.id, "app")
				d.h.Message(&reassembly.Frame{Size: int64(len(msg)), Head: msg, First: at, Last: at, Offset: offset})
			}
			if tt.lost {
				d.h.Lost(reassembly.ToClient, d.net.next())
			}
			d.conn.End, d.conn.Now = tt.end, d.net.next()
			d.h.End()
			var got []Outcome
			for _, e := range exchanges(d.net.shard.Take(nil)) {
				got = append(got, e.Outcome)
				if e.Outcome == Late && e.Decided != tt.end.At {
					t.Errorf("decided in %d, the broker ended the connection in %d", e.Decided.Frame, tt.end.At.Frame)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("outcomes %v, want %v", got, tt.want)
			}
		})
	}
}

// TestUndelivered: a request counts as not delivered if the client left and the broker had not
// acknowledged all of it.
func TestUndelivered(t *testing.T) {
	msg := requestBytes(requestOf(3, 7), 1, "app")
	const offset = 100
	end := offset + uint64(len(msg)) + sizeField
	for _, tt := range []struct {
		name    string
		offset  int64
		sent    uint64
		unacked uint32
		by      reassembly.Direction
		want    bool
	}{
		{"all acknowledged", offset, end, 0, reassembly.ToBroker, false},
		{"all but a byte", offset, end, 1, reassembly.ToBroker, true},
		{"nothing of it", offset, end + 10, uint32(end) - offset + 10, reassembly.ToBroker, true},
		{"all of it, and not what follows", offset, end + 10, 10, reassembly.ToBroker, false},
		{"the broker ended it", offset, end, 1, reassembly.ToClient, false},
		{"inside TLS", -1, end, 1, reassembly.ToBroker, false},
	} {
		d := newNetwork().open(t)
		at := d.net.next()
		d.h.Message(&reassembly.Frame{Size: int64(len(msg)), Head: msg, First: at, Last: at, Offset: tt.offset})
		d.conn.End = reassembly.End{Kind: reassembly.Closed, By: tt.by, At: d.net.next(), Unacked: tt.unacked}
		d.conn.Bytes[reassembly.ToBroker], d.conn.Now = tt.sent, d.conn.End.At
		d.h.End()
		if got := exchanges(d.net.shard.Take(nil)); len(got) != 1 || got[0].Undelivered != tt.want {
			t.Errorf("%s: %+v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestRequestsBehindARefusedCertificate: the broker did not read requests of TLS 1.3 that the
// client sent before it learned that the handshake failed.
func TestRequestsBehindARefusedCertificate(t *testing.T) {
	for _, tt := range []struct {
		name string
		tls  *tlsrecord.Info
		want Outcome
	}{
		{"refused", &tlsrecord.Info{Alert: "bad_certificate", AlertFromServer: true}, Late},
		{"an alert later", &tlsrecord.Info{Alert: "internal_error", AlertFromServer: true, Established: true}, ClosedByBroker},
		{"an alert of the client", &tlsrecord.Info{Alert: "bad_certificate"}, ClosedByBroker},
		{"no alert", &tlsrecord.Info{}, ClosedByBroker},
		{"no TLS", nil, ClosedByBroker},
	} {
		d := newNetwork().open(t)
		msg := requestBytes(requestOf(3, 7), 1, "app")
		at := d.net.next()
		d.h.Message(&reassembly.Frame{Size: int64(len(msg)), Head: msg, First: at, Last: at})
		d.conn.End = reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, At: d.net.next(), Acked: int64(len(msg)), HasAcked: true}
		d.conn.TLS, d.conn.Now = tt.tls, d.conn.End.At
		d.h.End()
		if got := exchanges(d.net.shard.Take(nil)); len(got) != 1 || got[0].Outcome != tt.want {
			t.Errorf("%s: %+v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestRefusalAfterRequest: only a refusal before a request shows its client that it gets no
// ranges.
func TestRefusalAfterRequest(t *testing.T) {
	d := newNetwork().open(t)
	id := d.request(hello(3))
	d.request(requestOf(3, 7))
	d.respond(id, ranges(0, 35))
	d.request(requestOf(3, 7))
	list := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))
	if len(list) != 3 || list[1].NegotiationRefused || !list[2].NegotiationRefused {
		t.Errorf("%d exchanges, refused: %t before the refusal, %t after it", len(list), list[1].NegotiationRefused, list[2].NegotiationRefused)
	}
}

// TestRefusalBeforeALostAnswer: the client asked again, so the refusal is not the latest response.
func TestRefusalBeforeALostAnswer(t *testing.T) {
	d := newNetwork().open(t)
	d.respond(d.request(hello(3)), ranges(0, 35))
	d.request(hello(0))
	d.h.Lost(reassembly.ToClient, d.net.next())
	d.respond(d.request(requestOf(3, 7)), responseOf(3, 7))
	list := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))
	if len(list) != 3 || list[1].Outcome != Unseen || list[2].NegotiationRefused {
		t.Errorf("%+v", list)
	}
}

// TestRefusalOfAnotherRequest: error 35 in a response to another request is not a refusal of
// ApiVersions.
func TestRefusalOfAnotherRequest(t *testing.T) {
	d := newNetwork().open(t)
	refused := responseOf(1, 12).(*kmsg.FetchResponse)
	refused.ErrorCode = errUnsupportedVersion
	d.respond(d.request(requestOf(1, 12)), refused)
	d.request(requestOf(3, 7))
	list := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))
	if len(list) != 2 || list[0].Outcome != Error || list[1].NegotiationRefused {
		t.Errorf("%+v", list)
	}
}

// TestOlderLoss: a loss that is detected late, but lies before an earlier one, does not replace
// it.
func TestOlderLoss(t *testing.T) {
	d := newNetwork().open(t)
	older := d.net.next()
	d.request(requestOf(3, 7))
	d.h.Lost(reassembly.ToClient, d.net.next())
	d.h.Lost(reassembly.ToClient, older)
	if e := exchanges(d.end(reassembly.Closed, reassembly.ToClient))[0]; e.Outcome != Unseen {
		t.Errorf("outcome %v, want %v", e.Outcome, Unseen)
	}
}

// TestPartialRequest: the last request of a connection is judged if its header was captured,
// whether or not a response to it was due.
func TestPartialRequest(t *testing.T) {
	d := newNetwork().open(t)
	d.negotiate()
	none := requestOf(0, 7).(*kmsg.ProduceRequest)
	none.Acks = 0
	d.request(none)
	msg := requestBytes(requestOf(0, 12), 3, "app")
	at := d.net.next()
	d.h.Message(&reassembly.Frame{Size: 5_000_000, Head: msg[:8], First: at, Last: at, Lacking: 4_999_900})
	events := d.end(reassembly.Closed, reassembly.ToClient)
	e := exchanges(events)[2]
	if e.Verdict != AboveMax || e.Outcome != ClosedByBroker || !e.Partial || e.Size != 5_000_000 || e.Received != 100 {
		t.Errorf("%+v", e)
	}
	if c := events[len(events)-1].Connection; c.Unanswered != 1 || c.LastRequest != at || c.LastAnswer.Frame != 3 {
		t.Errorf("%d unanswered, last request in %d, last answer in %d", c.Unanswered, c.LastRequest.Frame, c.LastAnswer.Frame)
	}
}

// TestRetryAtTheEnd: a refused ApiVersions request was negotiated if the capture lacks the
// response to its retry.
func TestRetryAtTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name                string
		retry, lost, unseen bool
		want                int16
	}{
		{"the retry has no response", true, false, false, -1},
		{"the response is missing in the capture", true, true, false, 0},
		{"the broker's direction is missing in the capture", true, false, true, 0},
		{"no retry, and a loss", false, true, false, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newNetwork().open(t)
			d.respond(d.request(hello(3)), ranges(0, errUnsupportedVersion))
			if tt.retry {
				d.request(hello(0))
			} else {
				d.h.(*handler).queue.push().key = keyFetch
			}
			if tt.lost {
				d.h.Lost(reassembly.ToClient, d.net.next())
			}
			d.conn.Seen[reassembly.ToClient] = !tt.unseen
			if e := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))[0]; e.Negotiated != tt.want {
				t.Errorf("negotiated v%d, want v%d", e.Negotiated, tt.want)
			}
		})
	}
}

// TestRefusedAgain: a retry in the same version does not make the first refusal a negotiation.
func TestRefusedAgain(t *testing.T) {
	d := newNetwork().open(t)
	for _, version := range []int16{3, 3} {
		d.respond(d.request(hello(version)), ranges(0, errUnsupportedVersion))
	}
	d.respond(d.request(hello(0)), ranges(0, 0, usual...))
	var got []int16
	for _, e := range exchanges(d.end(reassembly.Closed, reassembly.ToBroker)) {
		got = append(got, e.Negotiated)
	}
	if want := []int16{-1, 0, -1}; !slices.Equal(got, want) {
		t.Errorf("negotiated %v, want %v", got, want)
	}
}

// TestNewRangesDoNotJudgeEarlierRequests: a request keeps the ranges that were advertised before
// it.
func TestNewRangesDoNotJudgeEarlierRequests(t *testing.T) {
	d := newNetwork().open(t)
	d.negotiate()
	d.request(requestOf(1, 12))
	d.respond(d.request(hello(2)), ranges(2, 0, 1, 4, 13))
	if e := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))[1]; e.Key != 1 || e.Verdict != AboveMax {
		t.Errorf("%s v%d: %v", APIName(e.Key), e.Version, e.Verdict)
	}
}

// TestRequestsWithoutApiVersionsAreNotHeld: no response can give them ranges.
func TestRequestsWithoutApiVersionsAreNotHeld(t *testing.T) {
	d := newNetwork().open(t)
	for range 2 * maxHeld {
		d.request(requestOf(3, 7))
	}
	d.respond(d.request(requestOf(3, 7)), responseOf(3, 7))
	if got := d.net.shard.Limits().HeldExchanges; got > 0 {
		t.Errorf("the limit of held exchanges was exceeded %d times", got)
	}
}

// TestPipelinedApiVersionsAreNotHeld: an ApiVersions request needs no range, so it is emitted
// before its ranges.
func TestPipelinedApiVersionsAreNotHeld(t *testing.T) {
	d := newNetwork().open(t)
	id := d.request(hello(2))
	d.request(hello(2))
	d.respond(id, ranges(2, 0, usual...))
	if e := d.net.shard.Take(nil)[0].Exchange; e == nil || e.Evidence != None {
		t.Errorf("the first event is %+v", e)
	}
}

// TestContested: a request is contested if it has contested bytes. All are if responses have some.
func TestContested(t *testing.T) {
	for _, tt := range []struct {
		name string
		what [2]reassembly.Span
		want []bool
	}{
		{"nothing", [2]reassembly.Span{}, []bool{false, false}},
		{"requests", [2]reassembly.Span{reassembly.ToBroker: {From: 0, To: 1}}, []bool{true, true}},
		{"behind the requests", [2]reassembly.Span{reassembly.ToBroker: {From: 1 << 20, To: 1<<20 + 1}}, []bool{false, false}},
		{"a response", [2]reassembly.Span{reassembly.ToClient: {From: 0, To: 1}}, []bool{true, true}},
	} {
		d := newNetwork().open(t)
		d.conn.Oddities = &reassembly.Oddities{Contested: tt.what}
		d.request(requestOf(3, 1))
		d.request(requestOf(3, 1))
		var got []bool
		for _, e := range exchanges(d.end(reassembly.Closed, reassembly.ToClient)) {
			got = append(got, e.Contested)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestResponseCapturedBeforeItsRequest(t *testing.T) {
	d := newNetwork().open(t)
	d.negotiate()
	d.id++
	d.respond(d.id, responseOf(3, 5))
	d.message(reassembly.ToBroker, requestBytes(requestOf(3, 5), d.id, "app"))
	// An ApiVersions response, whose ranges are kept.
	d.id++
	d.respond(d.id, ranges(3, 0, 3, 0, 12))
	d.message(reassembly.ToBroker, requestBytes(hello(3), d.id, "app"))
	d.respond(d.request(requestOf(3, 12)), responseOf(3, 12))
	// Too long before.
	d.id++
	d.respond(d.id, responseOf(3, 5))
	d.net.frame += uint64(earlyWindow / stepTime)
	d.message(reassembly.ToBroker, requestBytes(requestOf(3, 5), d.id, "app"))
	want := []string{
		"ApiVersions v2 exempt none answered", "Metadata v5 ok observed answered", "ApiVersions v3 exempt observed answered",
		"Metadata v12 ok observed answered", "Metadata v5 ok observed cut",
	}
	if diff := cmp.Diff(want, lines(d.end(reassembly.Cut, 0))); diff != "" {
		t.Errorf("exchanges differ (-want +got):\n%s", diff)
	}
}
