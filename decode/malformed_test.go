package decode

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
)

// TestMalformedApiVersions: v3 with the strings of v2. Older librdkafka writes an empty array behind v0.
func TestMalformedApiVersions(t *testing.T) {
	for name, c := range map[string]struct {
		version int16
		body    string
		want    bool
	}{
		"strings of an older layout":       {3, "\x00\x00\x09my-client\x00\x031.0\x00", true},
		"compact strings":                  {3, "\x00\x0amy-client\x041.0\x00", false},
		"librdkafka's array behind v0":     {0, "\x00\x00\x00\x00", false},
		"a version that is not known here": {99, "\x00\x00\x09my-client", false},
	} {
		d := newNetwork().open(t)
		d.id++
		r := requestOf(keyApiVersions, min(c.version, 2))
		d.message(reassembly.ToBroker, append(withVersion(requestBytes(r, d.id, "app")[:13], c.version), c.body...))
		list := exchanges(d.end(reassembly.Closed, reassembly.ToClient))
		if len(list) != 1 || list[0].Malformed != c.want {
			t.Errorf("%s: %+v, want malformed %v", name, list, c.want)
		}
	}
}

// withVersion changes the version of a request.
func withVersion(request []byte, version int16) []byte {
	request = slices.Clip(request)
	binary.BigEndian.PutUint16(request[2:], uint16(version))
	return request
}

// TestProduceThatNoBrokerCanRead: its acks are unreadable, so it has the outcome of its connection.
func TestProduceThatNoBrokerCanRead(t *testing.T) {
	const oldLayout = "\x00\xff\xff\x00\x01\x00\x00\x75\x30" // the transactional id of v3 to v8 is null
	for name, c := range map[string]struct {
		body string
		want Outcome
	}{
		"an id that is longer than the request": {"\x00\xff\x7f" + strings.Repeat("z", 3*produceHead), ClosedByBroker},
		"garbage":                               {strings.Repeat("\xff", 40), ClosedByBroker}, "long garbage": {strings.Repeat("\xff", 2*produceHead), ClosedByBroker}, "nothing": {"", ClosedByBroker},
		"an old layout": {oldLayout + strings.Repeat("z", 20_000), ClosedByBroker}, "a long transactional id": {"\x00\xff\x04" + strings.Repeat("z", 3*produceHead), NoneExpected},
	} {
		d := newNetwork().open(t)
		d.negotiate()
		d.request(produce(9, 0)) // where the acks are not kept, those of the latest request count
		d.id++
		d.message(reassembly.ToBroker, append(requestBytes(produce(9, 1), d.id, "app")[:13:13], c.body...))
		list := exchanges(d.end(reassembly.Closed, reassembly.ToClient))
		if x := list[len(list)-1]; x.Outcome != c.want || x.Malformed != (c.want == ClosedByBroker) {
			t.Errorf("%s: %v, malformed %v", name, x.Outcome, x.Malformed)
		}
	}
	d := newNetwork().open(t)
	d.message(reassembly.ToBroker, requestBytes(produce(9, 1), 1, strings.Repeat("x", 30_000)))
	if list := exchanges(d.end(reassembly.Closed, reassembly.ToClient)); len(list) != 1 || list[0].Outcome != Unseen || list[0].Malformed {
		t.Errorf("behind a long client id: %+v", list[0])
	}
}

// TestHowLongARequestWaits: it allows the broker a time, if it waits for something.
func TestHowLongARequestWaits(t *testing.T) {
	fetch := func(version int16) kmsg.Request {
		r := kmsg.NewPtrFetchRequest()
		r.Version, r.MaxWaitMillis = version, 60_000
		return r
	}
	send := func(acks int16, version int16) kmsg.Request {
		r := kmsg.NewPtrProduceRequest()
		r.Version, r.Acks, r.TimeoutMillis = version, acks, 30_000
		return r
	}
	remove := func(version int16, topics int) kmsg.Request {
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.Version, r.TimeoutMillis = version, 20_000
		for range topics {
			name, topic := "orders", kmsg.NewDeleteTopicsRequestTopic()
			topic.Topic = &name
			r.TopicNames, r.Topics = append(r.TopicNames, name), append(r.Topics, topic)
		}
		return r
	}
	for name, c := range map[string]struct {
		request kmsg.Request
		want    int32
	}{
		"Fetch": {fetch(4), 60_000}, "Fetch, flexible": {fetch(12), 60_000}, "Fetch without the replica": {fetch(17), 60_000}, "Fetch of the future": {fetch(99), 0},
		"acks=all": {send(-1, 2), 30_000}, "acks=all, flexible": {send(-1, 9), 30_000}, "acks=1": {send(1, 9), 0},
		"DeleteTopics": {remove(3, 2), 20_000}, "DeleteTopics, flexible": {remove(6, 2), 20_000}, "too many topics": {remove(6, 200), 0},
		"no timeout": {requestOf(3, 12), 0},
	} {
		d := newNetwork().open(t)
		d.negotiate()
		d.request(c.request)
		list := exchanges(d.end(reassembly.Closed, reassembly.ToBroker))
		if got := list[len(list)-1].WaitMillis; got != c.want {
			t.Errorf("%s: %d ms, want %d", name, got, c.want)
		}
	}
}
