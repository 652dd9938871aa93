package decode

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
)

func TestWantOfRequests(t *testing.T) {
	h := newNetwork().open(t).h
	for _, tt := range []struct {
		name string
		msg  []byte
		size int64 // 0: that of msg
		want int
		ok   bool
	}{
		{"Heartbeat: the header", requestBytes(requestOf(12, 3), 1, "app"), 0, 13, true},
		{"Fetch: the time that it waits too", requestBytes(requestOf(1, 4), 1, "app"), 0, 13 + fetchHead, true},
		{"DeleteTopics: the names too", requestBytes(requestOf(20, 3), 1, "app"), 1 << 20, 13 + waitHead, true},
		{"Produce: the acks too", requestBytes(produce(7, 1), 1, "app"), 1 << 20, 13 + produceHead, true},
		{"ApiVersions: all of it", requestBytes(hello(3), 1, "app"), 0, 25, true},
		{"header v0", []byte("\x00\x07\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01"), 0, 8, true},
		{"long client id", requestBytes(requestOf(1, 4), 1, strings.Repeat("x", 30_000)), 0, longIDHead, true},
		{"eight bytes", requestBytes(requestOf(1, 4), 1, "app")[:8], 50, 50, true},
		{"any API and version", []byte("\x27\x10\x7f\xff\x00\x00\x00\x01\xff\xff"), 0, 10, true},
		{"negative API key", []byte("\xff\xff\x00\x00\x00\x00\x00\x01\xff\xff"), 0, 0, false},
		{"API key that is text", []byte("GET / HTTP/1.1\r\n"), 0, 0, false},
		{"negative version", []byte("\x00\x01\xff\xff\x00\x00\x00\x01\xff\xff"), 0, 0, false},
		{"client id that does not fit", []byte("\x00\x01\x00\x00\x00\x00\x00\x01\x00\x05abcd"), 0, 0, false},
		{"too short", []byte("\x00\x01\x00\x00"), 0, 0, false},
		{"no room for a client id", []byte("\x00\x01\x00\x00\x00\x00\x00\x01\x00"), 0, 0, false},
		{"longer than anything", requestBytes(requestOf(1, 4), 1, "app"), 1<<30 + 1, 0, false},
		{"negative size", requestBytes(requestOf(1, 4), 1, "app"), -5, 0, false},
	} {
		size := tt.size
		if size == 0 {
			size = int64(len(tt.msg))
		}
		if n, ok := h.Want(reassembly.ToBroker, size, tt.msg); n != tt.want || ok != tt.ok {
			t.Errorf("%s: wants %d, %v; want %d, %v", tt.name, n, ok, tt.want, tt.ok)
		}
	}
}

// TestWantNoticesAStreamOutOfStep: it refuses impossible messages and those that this connection
// would not send.
func TestWantNoticesAStreamOutOfStep(t *testing.T) {
	d := newNetwork().open(t)
	d.negotiate()
	for _, tt := range []struct {
		name string
		msg  string
		want bool
	}{
		{"any API and version of the same client", "\x27\x10\x7f\xff\x00\x00\x00\x01\x00\x03app", true},
		{"another client, known API", "\x00\x03\x00\x07\x00\x00\x00\x01\x00\x05other\x00\x00\x00\x00\x00", true},
		{"another client, a version to come", "\x00\x03\x00\x11\x00\x00\x00\x01\x00\x05other\x00\x00\x00\x00\x00", true},
		{"another client with control characters, body that fits", "\x00\x03\x00\x03\x00\x00\x00\x01\x00\x06o\x1b\x00\ner\x00\x00\x00\x00", true},
		{"control characters, body that does not fit", "\x00\x03\x00\x03\x00\x00\x00\x01\x00\x06o\x1b\x00\ner\x00\x00\x00\x07", false},
		{"another client, unknown API", "\x27\x10\x00\x00\x00\x00\x00\x01\x00\x05other", false},
		{"another client, a version far away", "\x00\x03\x01\x00\x00\x00\x00\x01\x00\x05other", false},
		{"header v0", "\x00\x07\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01", true},
		{"header v0 of something longer", "\x00\x07\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01\x00", false},
	} {
		if _, ok := d.h.Want(reassembly.ToBroker, int64(len(tt.msg)), []byte(tt.msg)); ok != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, ok, tt.want)
		}
	}
}

func TestWantOfResponses(t *testing.T) {
	d := newNetwork().open(t)
	ids := map[string]int32{
		"ApiVersions": d.request(hello(3)), "Fetch": d.request(requestOf(1, 4)),
		"handshake": d.request(handshakeOf(1, "PLAIN")), "authenticate": d.request(requestOf(36, 1)),
	}
	for _, tt := range []struct {
		name string
		id   int32
		size int64
		want int
		ok   bool
	}{
		{"ApiVersions", ids["ApiVersions"], 600, 600, true},
		{"ApiVersions without end", ids["ApiVersions"], 1 << 20, maxApiVersionsAnswer, true},
		{"small: whole, for error 35", ids["Fetch"], 100, 100, true},
		{"large: the correlation id", ids["Fetch"], 1 << 20, 4, true},
		{"SaslHandshake", ids["handshake"], 1 << 20, maxSaslAnswer, true},
		{"SaslAuthenticate v1: as far as the lifetime of the session", ids["authenticate"], 100, 100, true},
		{"SaslAuthenticate v1: not all of a long one", ids["authenticate"], 10_000, maxAuthenticateAnswer, true},
		{"a request that was not captured", 99, 100, 100, true},
		{"the same, large", 99, 1 << 20, 4, true},
		{"one of Java's for authentication", firstReserved, 100, 100, true},
		{"nowhere near", 0x41424344, 100, 0, false},
		{"negative", -5_000_000, 100, 0, false},
	} {
		head := responseBytes(responseOf(12, 0), tt.id)
		if n, ok := d.h.Want(reassembly.ToClient, tt.size, head[:min(8, len(head))]); n != tt.want || ok != tt.ok {
			t.Errorf("%s: wants %d, %v; want %d, %v", tt.name, n, ok, tt.want, tt.ok)
		}
	}
	if _, ok := d.h.Want(reassembly.ToClient, 3, []byte{0, 0, 0}); ok {
		t.Error("a response without room for a correlation id is wanted")
	}
}

func TestPlausibleRequests(t *testing.T) {
	fresh := newNetwork().open(t).h
	d := newNetwork().open(t)
	for range 5 {
		d.request(requestOf(3, 5))
	}
	null := kmsg.NewRequestFormatter().AppendRequest(nil, requestOf(3, 5), 6)[4:]
	notFitting := requestBytes(requestOf(3, 5), 6, "app")
	notFitting[len(notFitting)-2] = 9 // the number of topics
	for _, tt := range []struct {
		name          string
		msg           []byte
		midstream, in bool // plausible if nothing is known, and in a connection with five requests before
	}{
		{"the next one", requestBytes(requestOf(1, 4), 6, "app"), true, true},
		{"after a gap", requestBytes(requestOf(1, 4), 6000, "app"), true, true},
		{"after too large a gap", requestBytes(requestOf(1, 4), 60_000, "app"), true, false},
		{"a correlation id from before", requestBytes(requestOf(1, 4), 4, "app"), true, false},
		{"authentication again", requestBytes(requestOf(17, 1), firstReserved, "app"), true, true},
		{"another client id", requestBytes(requestOf(1, 4), 6, "other"), true, false},
		{"no client id", null, true, false},
		{"an empty client id", requestBytes(requestOf(1, 4), 6, ""), false, false},
		{"control characters in the client id", requestBytes(requestOf(1, 4), 6, "a\x00b"), false, false},
		{"negative correlation id", requestBytes(requestOf(1, 4), -6, "app"), true, false},
		{"negative correlation id, no client id", append(slices.Clone(null[:4:4]), append([]byte{0xff, 0xff, 0xff, 0xff}, null[8:]...)...), false, false},
		{"body that does not fit", notFitting, false, false},
		{"a version that is to come", append(requestBytes(requestOf(3, 5), 6, "app")[:2:2], "\x00\x0e\x00\x00\x00\x06\x00\x03app...."...), true, true},
		{"a version far away", append(requestBytes(requestOf(3, 5), 6, "app")[:2:2], "\x00\x5e\x00\x00\x00\x06\x00\x03app...."...), false, false},
		{"an API that is not known", []byte("\x00\x7b\x00\x00\x00\x00\x00\x06\x00\x03app"), false, false},
		{"too short", []byte("\x00\x03\x00\x00"), false, false},
	} {
		if got := fresh.Plausible(reassembly.ToBroker, int64(len(tt.msg)), tt.msg); got != tt.midstream {
			t.Errorf("%s, where nothing is known: %v, want %v", tt.name, got, tt.midstream)
		}
		if got := d.h.Plausible(reassembly.ToBroker, int64(len(tt.msg)), tt.msg); got != tt.in {
			t.Errorf("%s, in a connection: %v, want %v", tt.name, got, tt.in)
		}
	}
	large := requestBytes(requestOf(1, 4), 6, "app")
	if !d.h.Plausible(reassembly.ToBroker, 1<<20, large[:len(large)-2]) {
		t.Error("a request of which the beginning is there is not plausible")
	}
}

// TestPlausibleByTheBody: without a client id, only a body that fits to the last byte makes the
// first request plausible.
func TestPlausibleByTheBody(t *testing.T) {
	null := kmsg.NewRequestFormatter().AppendRequest(nil, requestOf(3, 5), 6)[4:]
	empty := requestBytes(requestOf(3, 5), 6, "")
	named := requestBytes(requestOf(3, 5), 6, "app")
	for _, tt := range []struct {
		name          string
		expect, msg   []byte
		partial, full bool // plausible with the first bytes of the body, and with all of it
	}{
		{"null client id", nil, null, false, true},
		{"null client id, expected", null, null, false, true},
		{"empty client id, expected", empty, empty, false, true},
		{"client id, expected", named, named, true, true},
		{"another client id is expected", named, empty, false, false},
	} {
		h := newNetwork().open(t).h
		if tt.expect != nil {
			h.Expect(int64(len(tt.expect)), tt.expect)
		}
		if got := h.Plausible(reassembly.ToBroker, int64(len(tt.msg)), tt.msg[:len(tt.msg)-2]); got != tt.partial {
			t.Errorf("%s, a part of it: %v, want %v", tt.name, got, tt.partial)
		}
		if got := h.Plausible(reassembly.ToBroker, int64(len(tt.msg)), tt.msg); got != tt.full {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.full)
		}
	}
}

func TestPlausibleWhereIDsDoNotCount(t *testing.T) {
	d := newNetwork().open(t)
	d.negotiate()
	for _, id := range []int32{77, 77, 500_000, 3} {
		d.message(reassembly.ToBroker, requestBytes(requestOf(3, 5), id, "app"))
	}
	msg := requestBytes(requestOf(3, 5), 1_000_000, "app")
	if !d.h.Plausible(reassembly.ToBroker, int64(len(msg)), msg) {
		t.Error("correlation ids are held against a client that does not count them")
	}
}

func TestPlausibleResponses(t *testing.T) {
	d := newNetwork().open(t)
	metadata := d.request(requestOf(3, 5))
	versions := d.request(hello(3))
	unknown := int32(3)
	d.message(reassembly.ToBroker, []byte("\x00\x7b\x00\x00\x00\x00\x00\x03\x00\x03app"))
	for _, tt := range []struct {
		name string
		msg  []byte
		want bool
	}{
		{"awaited", responseBytes(responseOf(3, 5), metadata), true},
		{"not awaited", responseBytes(responseOf(3, 5), 77), false},
		{"body that does not fit", append(responseBytes(responseOf(3, 5), metadata), 1), false},
		{"body of v0", responseBytes(responseOf(3, 0), metadata), true},
		{"ApiVersions", responseBytes(ranges(3, 0, usual...), versions), true},
		{"ApiVersions refused", responseBytes(ranges(0, 35), versions), true},
		{"of an unknown API", append(responseBytes(responseOf(3, 0), unknown), 1), true},
		{"too short", []byte{0, 0, 0}, false},
	} {
		if got := d.h.Plausible(reassembly.ToClient, int64(len(tt.msg)), tt.msg); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAnchorsStandInTheMessages(t *testing.T) {
	d := newNetwork().open(t)
	if a, offset := d.h.Anchor(reassembly.ToBroker); len(a) != 0 || offset != 12 {
		t.Errorf("anchors %v at %d where nothing is known", a, offset)
	}
	if a, offset := d.h.Anchor(reassembly.ToClient); len(a) != 0 || offset != 4 {
		t.Errorf("anchors %v at %d where nothing is awaited", a, offset)
	}
	var sent [][]byte
	for i, id := range []string{"app", "another-application", "", strings.Repeat("x", 300)} {
		sent = append(sent, kmsg.NewRequestFormatter(kmsg.FormatterClientID(id)).AppendRequest(nil, requestOf(3, 5), int32(i)))
	}
	sent = append(sent, kmsg.NewRequestFormatter().AppendRequest(nil, requestOf(3, 5), 9))
	for _, msg := range sent {
		d.message(reassembly.ToBroker, msg[4:])
	}
	anchors, offset := d.h.Anchor(reassembly.ToBroker)
	var got []string
	for i, a := range anchors {
		got = append(got, string(a))
		of := sent[min(i, 2)]
		if i == 3 {
			of = sent[4] // a cut client id is not an anchor
		}
		if !bytes.HasPrefix(of[offset:], a) {
			t.Errorf("anchor %q does not stand at %d of %q", a, offset, of)
		}
	}
	if diff := cmp.Diff([]string{"\x00\x03app", "\x00\x13another-application", "\x00\x00", "\xff\xff"}, got); diff != "" {
		t.Errorf("anchors of requests differ (-want +got):\n%s", diff)
	}
	anchors, offset = d.h.Anchor(reassembly.ToClient)
	got = nil
	for _, a := range anchors {
		got = append(got, string(a))
	}
	if diff := cmp.Diff([]string{"\x00\x00\x00\x00", "\x00\x00\x00\x01", "\x00\x00\x00\x02", "\x00\x00\x00\x03", "\x00\x00\x00\x09"}, got); diff != "" || offset != 4 {
		t.Errorf("anchors of responses at %d differ (-want +got):\n%s", offset, diff)
	}
}

func TestLongClientIDsStayPlausible(t *testing.T) {
	d := newNetwork().open(t)
	long := strings.Repeat("x", 20_000)
	d.message(reassembly.ToBroker, requestBytes(requestOf(3, 5), 1, long))
	msg := requestBytes(requestOf(3, 5), 2, long)
	if !d.h.Plausible(reassembly.ToBroker, int64(len(msg)), msg[:300]) {
		t.Error("a request with the long client id of the connection is not plausible")
	}
	other := requestBytes(requestOf(3, 5), 2, strings.Repeat("y", 20_000))
	if d.h.Plausible(reassembly.ToBroker, int64(len(other)), other[:300]) {
		t.Error("a request with another long client id is plausible")
	}
}

func TestEveryRequestIsPlausibleInItsConnection(t *testing.T) {
	for key := range MaxKnownKey + 1 {
		for version := range layoutOf(key).max + 1 {
			if key == keyControlledShutdown && version == 0 {
				continue // kmsg does not encode its body
			}
			for n := range 3 {
				d := newNetwork().open(t)
				d.request(requestOf(3, 5))
				msg := append([]byte{0, byte(key), 0, byte(version), 0, 0, 0, 2, 0, 3, 'a', 'p', 'p'}, filledRequest(t, key, version, n)...)
				if !d.h.Plausible(reassembly.ToBroker, int64(len(msg)), msg[:min(300, len(msg))]) {
					t.Fatalf("%s v%d is not plausible", APIName(key), version)
				}
				if !d.message(reassembly.ToBroker, msg) {
					t.Fatalf("%s v%d is not wanted", APIName(key), version)
				}
				resp := append([]byte{0, 0, 0, 2}, filledResponse(t, key, version, n, 0)...)
				if !d.h.Plausible(reassembly.ToClient, int64(len(resp)), resp[:min(300, len(resp))]) {
					if key == keyProduce && version < 3 { // may have had acks=0
						continue
					}
					t.Fatalf("response to %s v%d is not plausible", APIName(key), version)
				}
			}
		}
	}
}
