package decode

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/reassembly"
)

// TestSizeOfAHandler counts every part of its memory.
func TestSizeOfAHandler(t *testing.T) {
	h := &handler{queue: queue{ring: make([]pending, 4)}, ids: make([]clientName, 0, 3), texts: 5, rangesSize: 7}
	const own = handlerBytes + 4*pendingBytes + 3*nameBytes + 5 + 7
	if got := h.Size(); got != own {
		t.Errorf("%d bytes, want %d", got, own)
	}
	h.aside = &aside{refused: make([]*Exchange, 1), held: make([]*Exchange, 2), early: make([]earlyAnswer, 0, 6)}
	if got, want := h.Size(), own+asideBytes+6*earlyBytes+3*exchangeBytes; got != want {
		t.Errorf("%d bytes with what is put aside, want %d", got, want)
	}
}

// TestHeadsOfRequests: the bounds of the header's fields.
func TestHeadsOfRequests(t *testing.T) {
	head := func(key, version uint16, id int32, rest ...byte) []byte {
		b := binary.BigEndian.AppendUint16(nil, key)
		b = binary.BigEndian.AppendUint16(b, version)
		return append(binary.BigEndian.AppendUint32(b, uint32(id)), rest...)
	}
	for _, c := range []struct {
		size int64
		head []byte
		want bool
	}{
		{8, head(7, 0, 1), true}, {7, head(7, 0, 1), false}, {maxMessage, head(3, 0, 1, 0, 0), true}, {maxMessage + 1, head(3, 0, 1, 0, 0), false}, {8, head(7, 0, 1)[:7], false},
		{20, head(maxKey, 0, 1, 0, 0), true}, {20, head(maxKey+1, 0, 1, 0, 0), false}, {20, head(0, 0, 1), true},
	} {
		if _, got := ReadRequestHead(c.size, c.head); got != c.want {
			t.Errorf("%d bytes, %x: %v, want %v", c.size, c.head, got, c.want)
		}
	}
	request := capturetest.ApiVersionsRequest(3, 7, "app", "a", "1")[4:]
	size := int64(len(request))
	got, ok := ReadRequestHead(size, request)
	if !ok || got.Key != keyApiVersions || got.Version != 3 || string(got.ClientID) != "app" {
		t.Errorf("%+v, %v", got, ok)
	}
	if !FitsRequest(size, request) || FitsRequest(size, request[:len(request)-1]) || FitsRequest(size+1, append(bytes.Clone(request), 1)) || FitsRequest(3, request[:3]) {
		t.Error("only a whole request fits")
	}
}

// TestOtherProtocolsThatBeginAlike: ZooKeeper's and PostgreSQL's first messages.
func TestOtherProtocolsThatBeginAlike(t *testing.T) {
	connect := func(version, password uint32, n int) []byte {
		b := binary.BigEndian.AppendUint32(nil, version)
		b = append(b, make([]byte, 20)...)
		return append(binary.BigEndian.AppendUint32(b, password), make([]byte, max(0, n-28))...)[:n]
	}
	for _, c := range []struct {
		size int64
		head []byte
		want bool
	}{
		{44, connect(0, 16, 44), true}, {45, connect(0, 16, 45), true}, {45, connect(0, 16, 28), true}, {43, connect(0, 16, 43), false}, {46, connect(0, 16, 46), false},
		{44, connect(0, 16, 27), false}, {44, connect(1, 16, 44), false}, {44, connect(0, 15, 44), false},
	} {
		if got := isZooKeeper(c.size, c.head); got != c.want {
			t.Errorf("ZooKeeper, %d bytes, %x: %v", c.size, c.head, got)
		}
	}
	for _, c := range []struct {
		key, version int16
		name         string
		want         bool
	}{{3, 0, "user", true}, {3, 0, "az_a", true}, {3, 1, "user", false}, {2, 0, "user", false}, {3, 0, "us`r", false}, {3, 0, "us{r", false}} {
		h := &requestHeader{key: c.key, version: c.version, correlationID: int32(binary.BigEndian.Uint32([]byte(c.name)))}
		if got := isPostgreSQL(h); got != c.want {
			t.Errorf("PostgreSQL, %+v: %v", c, got)
		}
	}
	for name, want := range map[string]bool{"PLAIN": true, "AZ09-_": true, "[": false, "@": false, "/": false, ":": false, "": false, strings.Repeat("A", 20): true, strings.Repeat("A", 21): false} {
		if got := isMechanism([]byte(name)); got != want {
			t.Errorf("mechanism %q: %v", name, got)
		}
	}
	for id, want := range map[string]bool{"a b": true, " ": true, "\x1f": false, "\x7f": false, "": false} {
		if got := printable([]byte(id)); got != want {
			t.Errorf("client id %q: %v", id, got)
		}
	}
	for n, want := range map[int]bool{maxClientID: false, maxClientID + 1: true} {
		if short, wasCut := shorten(bytes.Repeat([]byte{'a'}, n)); wasCut != want || len(short) != maxClientID {
			t.Errorf("a client id of %d bytes is cut to %d: %v", n, len(short), wasCut)
		}
	}
	for n, want := range map[int32]bool{0: true, idWindow: true, idWindow + 1: false, -1: false} {
		if got := follows(1<<31-5, 1<<31-5+n); got != want {
			t.Errorf("a correlation id that is %d higher: %v", n, got)
		}
	}
}

// TestBrokersOfMetadata: the number of brokers, and the host and port of each, are plausible.
func TestBrokersOfMetadata(t *testing.T) {
	answer := func(n int, host string, port uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(n))
		for range min(n, maxNodes) {
			b = binary.BigEndian.AppendUint32(b, 1)
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(host))), host...)
			b = binary.BigEndian.AppendUint32(b, port)
		}
		return b
	}
	for _, c := range []struct {
		body []byte
		want bool
	}{
		{answer(1, "a", 1), true}, {answer(1, "a", 65535), true}, {answer(1, "a", 0), false}, {answer(1, "a", 65536), false}, {answer(1, "", 1), false}, {answer(0, "a", 1), false},
		{answer(maxNodes, "a", 1), true}, {append(answer(maxNodes+1, "a", 1), answer(1, "a", 1)[4:]...), false}, {answer(2, "a", 1)[:16], false},
	} {
		if _, got := walkBrokers(0, c.body, nil); got != c.want {
			t.Errorf("%x: %v, want %v", c.body[:min(20, len(c.body))], got, c.want)
		}
	}
}

// TestModesOfReleases: KRaft came with 2.8, is usual since 3.3, and alone since 4.0.
func TestModesOfReleases(t *testing.T) {
	for _, c := range []struct {
		release string
		both    bool
		usual   Mode
	}{{"2.7", false, ZooKeeper}, {"2.8", true, ZooKeeper}, {"3.2", true, ZooKeeper}, {"3.3", true, KRaft}, {"3.9", true, KRaft}, {"4.0", false, KRaft}} {
		if both, usual := bothModes(c.release), usualMode(c.release); both != c.both || usual != c.usual {
			t.Errorf("%s: both modes %v, usual %s, want %+v", c.release, both, usual, c)
		}
	}
	names := VendorNames()
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			t.Errorf("%s is named twice", name)
		}
	}
	for name, want := range map[string]bool{"kafka-0": false, "kafka-1": true, "kafka-4": true, "msk-0.11.0": true, "msk-4.0": true} {
		if got := slices.Contains(names, name); got != want {
			t.Errorf("%s is named: %v", name, got)
		}
	}
}

// TestEqualAnswers: ApiVersions answers are equal by ranges, features and completeness.
func TestEqualAnswers(t *testing.T) {
	a := &Ranges{APIs: apiList(0, 0, 7)}
	for i, c := range []struct {
		x, y *Ranges
		want bool
	}{
		{a, a, true}, {nil, nil, true}, {a, nil, false}, {nil, a, false}, {a, &Ranges{APIs: apiList(0, 0, 7)}, true}, {a, &Ranges{APIs: apiList(0, 0, 8)}, false},
		{a, &Ranges{APIs: apiList(0, 0, 7), Partial: true}, false}, {a, &Ranges{APIs: apiList(0, 0, 7), Features: []Feature{{}}}, false},
	} {
		if got := c.x.equal(c.y); got != c.want {
			t.Errorf("pair %d: %v, want %v", i, got, c.want)
		}
	}
}

// TestCompleteMessages: an exchange needs both messages to their last byte.
func TestCompleteMessages(t *testing.T) {
	message := func(key, version uint16, id int32, client string, body ...byte) []byte {
		b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, key), version)
		b = binary.BigEndian.AppendUint32(b, uint32(id))
		return append(append(binary.BigEndian.AppendUint16(b, uint16(len(client))), client...), body...)
	}
	response := func(id int32, body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(id)), body...)
	}
	find, found := message(10, 0, 5, "app", 0, 1, 'g'), []byte{0, 0, 0, 0, 0, 1, 0, 1, 'h', 0, 0, 0x23, 0x84}
	for _, c := range []struct {
		name              string
		request, response []byte
		want              bool
	}{
		{"whole", find, response(5, found...), true}, {"another id", find, response(6, found...), false}, {"all zeros", find, response(5, make([]byte, 12)...), false},
		{"a longer response", find, response(5, append(found, 0)...), false}, {"a longer request", append(bytes.Clone(find), 0), response(5, found...), false},
		{"an id alone", find, response(5), false}, {"no id", find, response(5)[:3], false},
		{"an unknown API", message(999, 0, 5, "app"), response(5), true}, {"with a short client id", message(999, 0, 5, "ap"), response(5), false}, {"with id 0", message(999, 0, 0, "app"), response(0), false},
	} {
		if got := LooksLikeExchange(c.request, c.response); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	for n, want := range map[int64]bool{maxFirst: true, maxFirst + 1: false} {
		if got := LooksLikeRequest(n, message(999, 0, 5, "app")); (got != reassembly.No) != want {
			t.Errorf("a request of %d bytes: %v", n, got)
		}
	}
}
