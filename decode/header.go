package decode

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	// fixedHeader is the length of the part that all request headers share: API key, API version
	// and correlation id.
	fixedHeader = 8
	// clientIDAt is the offset of the client id in request headers v1 and v2. Its 2-byte length
	// is before it.
	clientIDAt = 10
	// responseHeader is the length of response header v0: the correlation id.
	responseHeader = 4

	// maxMessage is the longest message accepted: 1 GiB, ten times what a broker accepts by
	// default (socket.request.max.bytes is 100 MiB). Text such as "GET ", read as a size, is
	// longer.
	maxMessage = 1 << 30
	// maxKey is the largest API key accepted. Kafka's own keys are below 100; those of Confluent
	// Server begin at 10,000.
	maxKey = 11_999

	// maxClientID bounds the bytes kept of a client id, a software name or a version. Kafka
	// allows 32,767 for a client id. Names that people and libraries choose are shorter than
	// 100.
	maxClientID = 256
	// cutMark ends a text that was cut.
	cutMark = "..."
)

// requestHeader is the header of a request, v0, v1 or v2 (KIP-482). v0 has only the fixed part;
// only ControlledShutdown v0 has it. v2 also has tagged fields after the client id.
type requestHeader struct {
	key, version  int16
	correlationID int32
	// idLength is the length of the client id; nullID or absentID without one.
	idLength int
	// clientID is the captured part of the client id.
	clientID []byte
}

const (
	nullID   = -1
	absentID = -2
)

// parseRequestHeader reads the header of a request of size bytes; head is its captured
// beginning. ok is false if head cannot be a request. The version may be negative, because a
// faulty client can send that.
func parseRequestHeader(size int64, head []byte) (h requestHeader, ok bool) {
	if size < fixedHeader || size > maxMessage || len(head) < fixedHeader {
		return h, false
	}
	h.key = int16(binary.BigEndian.Uint16(head))
	h.version = int16(binary.BigEndian.Uint16(head[2:]))
	h.correlationID = int32(binary.BigEndian.Uint32(head[4:]))
	h.idLength = absentID
	if h.key < 0 || h.key > maxKey {
		return h, false
	}
	if h.key == keyControlledShutdown && h.version == 0 {
		return h, true
	}
	if size < clientIDAt {
		return h, false
	}
	if len(head) < clientIDAt {
		return h, true
	}
	h.idLength = int(int16(binary.BigEndian.Uint16(head[fixedHeader:])))
	if h.idLength < nullID || int64(clientIDAt+h.idLength) > size {
		return h, false
	}
	id := head[clientIDAt:]
	h.clientID = id[:min(max(h.idLength, 0), len(id))]
	return h, true
}

// lacksID reports whether the captured bytes end before the length of the client id.
func (h *requestHeader) lacksID() bool {
	return h.idLength == absentID && (h.key != keyControlledShutdown || h.version != 0)
}

// bodyAt returns the offset of the body. In flexible versions, tagged fields of the header are
// first.
func (h *requestHeader) bodyAt() int {
	if h.idLength == absentID {
		return fixedHeader
	}
	return clientIDAt + max(h.idLength, 0)
}

// body returns the captured part of the body of a message that begins with head.
func (h *requestHeader) body(head []byte) []byte {
	return head[min(h.bodyAt(), len(head)):]
}

// fits compares the request with the layout of its API and version.
func (h *requestHeader) fits(size int64, head []byte) fit {
	l := layoutOf(h.key)
	if l == nil || h.lacksID() {
		return misfit
	}
	left, body := size-int64(h.bodyAt()), h.body(head)
	if h.key == keyApiVersions && h.version >= 0 && h.version < flexibleApiVersions && left == 4 && len(body) == 4 && allZero(body) {
		return fitsExactly // older librdkafka sends an empty array in an empty body (rd_kafka_ApiVersionRequest)
	}
	return l.walkRequest(h.version, left, body)
}

// printable reports whether id is not empty and has no control characters.
func printable(id []byte) bool {
	for _, c := range id {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return len(id) > 0
}

// shorten shortens a text to maxClientID bytes, between two characters.
func shorten(b []byte) (short []byte, wasCut bool) {
	if len(b) <= maxClientID {
		return b, false
	}
	n := maxClientID
	for n > maxClientID-utf8.UTFMax && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n], true
}
