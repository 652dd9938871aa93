package decode

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	// fixedHeader is the length of what all request headers begin with: API
	// key, API version and correlation id.
	fixedHeader = 8
	// clientIDAt is where the client id begins in request headers v1 and v2,
	// behind its 2-byte length.
	clientIDAt = 10
	// responseHeader is the length of response header v0: the correlation id.
	responseHeader = 4

	// maxMessage is the longest message believed in: 1 GiB, ten times what
	// a broker accepts by default (socket.request.max.bytes is 100 MiB). Text such as "GET " would be longer.
	maxMessage = 1 << 30
	// maxKey is the largest API key believed in. Kafka's own end below 100,
	// those of Confluent Server begin at 10,000.
	maxKey = 11_999

	// maxClientID bounds what is kept of a client id, a software name or
	// version, in bytes. Kafka allows 32,767 for a client id; names that people and libraries choose
	// are shorter than 100.
	maxClientID = 256
	// cutMark ends a text that was cut.
	cutMark = "..."
)

// requestHeader is the header of a request, v0, v1 or v2 (KIP-482). They differ
// behind the fixed part only: v0 (ControlledShutdown v0 alone) ends there, v2 has tagged fields behind
// the client id.
type requestHeader struct {
	key, version  int16
	correlationID int32
	// idLength is the length of the client id; nullID or absentID without one.
	idLength int
	// clientID is what is there of the client id.
	clientID []byte
}

const (
	nullID   = -1
	absentID = -2
)

// parseRequestHeader reads the header of a request of size bytes, of which head
// are there. ok is false when they cannot be one. The version may be negative: a faulty client can send that.
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
	rest := head[clientIDAt:]
	h.clientID = rest[:min(max(h.idLength, 0), len(rest))]
	return h, true
}

// lacksID tells whether the length of the client id is not among the bytes that are there.
func (h *requestHeader) lacksID() bool {
	return h.idLength == absentID && (h.key != keyControlledShutdown || h.version != 0)
}

// bodyAt is where the body begins, or, in flexible versions, the tagged fields of the header.
func (h *requestHeader) bodyAt() int {
	if h.idLength == absentID {
		return fixedHeader
	}
	return clientIDAt + max(h.idLength, 0)
}

// body is what is there of the body of a message that begins with head.
func (h *requestHeader) body(head []byte) []byte {
	return head[min(h.bodyAt(), len(head)):]
}

// fits holds the request against the layout of its API and version.
func (h *requestHeader) fits(size int64, head []byte) fit {
	l := layoutOf(h.key)
	if l == nil || h.lacksID() {
		return misfit
	}
	left, body := size-int64(h.bodyAt()), h.body(head)
	if h.key == keyApiVersions && h.version >= 0 && h.version < flexibleApiVersions && left == 4 && len(body) == 4 && allZero(body) {
		return fitsExactly // older librdkafka writes an empty array where nothing belongs (rd_kafka_ApiVersionRequest)
	}
	return l.walkRequest(h.version, left, body)
}

// printable tells whether id could be a client id that someone chose: not empty, and no control characters.
func printable(id []byte) bool {
	for _, c := range id {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return len(id) > 0
}

// cut shortens a text to maxClientID bytes, at a character's beginning.
func cut(b []byte) (short []byte, wasCut bool) {
	if len(b) <= maxClientID {
		return b, false
	}
	n := maxClientID
	for n > maxClientID-utf8.UTFMax && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n], true
}
