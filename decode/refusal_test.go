package decode

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
)

// TestWrongRefusal: clients understand error 35 in a v0 body only.
func TestWrongRefusal(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version int16
		body    []byte
		want    bool
	}{
		{"v0 body, empty", 3, ranges(0, 35).AppendTo(nil), false},
		{"v0 body with ApiVersions", 4, ranges(0, 35, 18, 0, 3).AppendTo(nil), false},
		{"v3 body, empty", 3, ranges(3, 35).AppendTo(nil), true},
		{"v4 body with ranges", 4, ranges(4, 35, usual...).AppendTo(nil), true},
		{"v1 body, v1 asked", 1, ranges(1, 35, 18, 0, 0).AppendTo(nil), true},
		{"v0 body, v0 asked", 0, ranges(0, 35).AppendTo(nil), false},
		{"no body that is known", 3, []byte{0, 35, 1, 2, 3}, false},
		{"another error in a v3 body", 3, ranges(3, 42).AppendTo(nil), false},
	} {
		d := newNetwork().open(t)
		id := d.request(hello(tt.version))
		d.message(reassembly.ToClient, append(binary.BigEndian.AppendUint32(nil, uint32(id)), tt.body...))
		e := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))[0]
		if e.WrongRefusal != tt.want || e.ErrorCode == 0 {
			t.Errorf("%s: wrong %t, error %d; want %t", tt.name, e.WrongRefusal, e.ErrorCode, tt.want)
		}
	}
}

// TestAnswersWithErrorsKeepRanges: errors 42 and 129 come with an empty array, which is not a
// table.
func TestAnswersWithErrorsKeepRanges(t *testing.T) {
	for _, code := range []int16{42, 129} {
		d := newNetwork().open(t)
		d.negotiate()
		d.respond(d.request(hello(3)), ranges(3, code))
		d.request(requestOf(3, 7))
		list := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))
		if list[1].ErrorCode != code || list[1].Outcome != Answered || list[2].Verdict != OK {
			t.Errorf("error %d: %s, then %s", code, line(list[1]), line(list[2]))
		}
	}
}

// TestRecordErrors: errors 43 and 76 are about records, in the responses that can contain them.
func TestRecordErrors(t *testing.T) {
	produced := func(code int16) *kmsg.ProduceResponse {
		r := responseOf(0, 7).(*kmsg.ProduceResponse)
		p := kmsg.NewProduceResponseTopicPartition()
		p.ErrorCode = code
		r.Topics = append(r.Topics, kmsg.ProduceResponseTopic{Topic: "t", Partitions: []kmsg.ProduceResponseTopicPartition{p}})
		return r
	}
	joined := responseOf(11, 2).(*kmsg.JoinGroupResponse)
	joined.ErrorCode = 43
	offsets := responseOf(2, 1).(*kmsg.ListOffsetsResponse)
	partition := kmsg.NewListOffsetsResponseTopicPartition()
	partition.ErrorCode = 43
	offsets.Topics = append(offsets.Topics, kmsg.ListOffsetsResponseTopic{Topic: "t", Partitions: []kmsg.ListOffsetsResponseTopicPartition{partition}})
	for _, tt := range []struct {
		name         string
		key, version int16
		response     kmsg.Response
		want         int16
		outcome      Outcome
	}{
		{"Produce", 0, 7, produced(43), 43, Answered},
		{"Produce, another error", 0, 7, produced(6), 0, Answered},
		{"Produce, unsupported version", 0, 7, produced(35), 35, Error},
		{"Produce, compression", 0, 7, produced(76), 76, Answered},
		{"ListOffsets", 2, 1, offsets, 43, Answered},
		{"JoinGroup cannot hold it", 11, 2, joined, 0, Answered},
	} {
		d := newNetwork().open(t)
		q := requestOf(tt.key, tt.version)
		if p, ok := q.(*kmsg.ProduceRequest); ok {
			p.Acks = 1
		}
		d.respond(d.request(q), tt.response)
		e := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))[0]
		if e.ErrorCode != tt.want || e.Outcome != tt.outcome {
			t.Errorf("%s: error %d, %v; want %d, %v", tt.name, e.ErrorCode, e.Outcome, tt.want, tt.outcome)
		}
	}
}

// TestSessionLifetime: SaslAuthenticate v1 and later has the session lifetime, after a token of
// any length.
func TestSessionLifetime(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version int16
		ms      int64
		token   int
		want    time.Duration
	}{
		{"v0 has none", 0, 0, 10, 0},
		{"v1", 1, 60_000, 0, time.Minute},
		{"v1 with a token", 1, 60_000, 100, time.Minute},
		{"v2", 2, 3_600_000, 100, time.Hour},
		{"no limit", 1, 0, 10, 0},
		{"negative", 1, -5, 10, 0},
		{"longer than can be counted", 1, 1 << 62, 10, 0},
		{"behind what is held", 1, 60_000, 2000, 0},
	} {
		d := newNetwork().open(t)
		q := kmsg.NewPtrSASLAuthenticateRequest()
		r := kmsg.NewPtrSASLAuthenticateResponse()
		q.Version, r.Version = tt.version, tt.version
		r.SessionLifetimeMillis, r.SASLAuthBytes = tt.ms, make([]byte, tt.token)
		d.respond(d.request(q), r)
		if e := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))[0]; e.SessionLifetime != tt.want || e.Outcome != Answered {
			t.Errorf("%s: %v, want %v", tt.name, e.SessionLifetime, tt.want)
		}
	}
}

// TestNegativeVersions: they are listed if the client id shows that they are requests.
func TestNegativeVersions(t *testing.T) {
	d := newNetwork().open(t)
	d.negotiate()
	d.first = 64
	for _, version := range []byte{0xff, 0x80} {
		d.id++
		msg := requestBytes(requestOf(3, 0), d.id, "app")
		msg[2], msg[3] = version, 0xff
		if !d.message(reassembly.ToBroker, msg) {
			t.Fatalf("version %#x is refused", version)
		}
		msg[10] = 'x'
		if d.message(reassembly.ToBroker, msg) {
			t.Errorf("version %#x with another client id is accepted", version)
		}
	}
	list := exchanges(d.end(reassembly.Closed, reassembly.ToClient))
	if len(list) != 3 || list[1].Version != -1 || list[1].Verdict != BelowMin || list[2].Outcome != ClosedByBroker {
		t.Errorf("%d exchanges: %s", len(list), line(list[1]))
	}
}

// TestRefusalInPart: a response that does not fit its version is read as v0 only if it is
// complete.
func TestRefusalInPart(t *testing.T) {
	cut := 0
	for key := range MaxKnownKey + 1 {
		l := layoutOf(key)
		body := filledResponse(t, key, 0, 1, errUnsupportedVersion)
		size := int64(len(body))
		for version := range l.max + 1 {
			for n := range body {
				how, code := l.walkResponse(key, 0, size, body[:n])
				asked, _ := l.walkResponse(key, version, size, body[:n])
				if asked != misfit || how != fitsSoFar || code != errUnsupportedVersion {
					continue
				}
				cut++
				if got := refusal(key, version, size, body[:n], 9092); got != errNone {
					t.Errorf("%s v%d, %d of %d bytes: error %d, want none", APIName(key), version, n, size, got)
				}
			}
		}
	}
	if cut == 0 {
		t.Error("no response was tried")
	}
}
