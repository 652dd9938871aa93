package decode

import (
	"bytes"
	"encoding/binary"

	"github.com/kafkavet/kafkavet/reassembly"
)

// versionSlack is how far a version may be above the latest version known here. Most APIs gain
// less than one version in a release of Kafka.
const versionSlack = 16

// maxFirst is the longest request accepted on an unknown connection: 256 MiB, more than twice
// what a broker accepts by default. TLS records and text, read as a size, are longer.
const maxFirst = 1 << 28

// leastAnswer is the shortest response, in bytes without the correlation id, that can identify
// its request. It is longer than an error code and the throttle time, which are usually zeros.
const leastAnswer = 10

// LooksLikeRequest reports how likely a message of size bytes is a Kafka request on an unknown
// connection. head is its first 300 bytes, or all of a shorter message. It is for
// reassembly.Options.
//
// Strong needs a known API and version, a readable client id, and a body of which the captured
// part fits its layout. With a null client id or a negative correlation id, the body must be
// complete and fit to the last byte. Likely needs only a known API and a readable client id.
// Fits is an empty client id with a body that fits to the last byte, or a Produce that can also be
// a response.
//
// The body counts because a response that begins with an array of names can look like a request.
// The length of the array is then at the place of the correlation id, and the first name at the
// place of the client id.
func LooksLikeRequest(size int64, head []byte) reassembly.Likelihood {
	h, ok := parseRequestHeader(size, head)
	if !ok || size > maxFirst || isZooKeeper(size, head) || isPostgreSQL(&h) {
		return reassembly.No
	}
	l := layoutOf(h.key)
	named := printable(h.clientID)
	if l == nil || !l.isNear(h.version) {
		return judgeUnknown(l, &h, named)
	}
	how := h.fits(size, head)
	if h.key == keyApiVersions && h.version > l.max {
		how = fitsSoFar // a client newer than the table
	}
	switch {
	case named && how != misfit && h.counts(how) && !h.producesNothing(head):
		return reassembly.Strong
	case named && h.key == keyProduce && how != fitsSoFar:
		return reassembly.Fits // complete responses with a small correlation id and a name look like it
	case named:
		return reassembly.Likely
	case h.idLength > 0 && hasNUL(h.clientID) && (h.key != keyApiVersions || how != fitsExactly), h.idLength <= 0 && how == misfit:
		return reassembly.No
	case h.idLength == absentID && how == fitsExactly:
		return reassembly.Likely // ControlledShutdown v0
	case h.idLength == nullID && how == fitsExactly && h.counts(how), h.idLength == 0 && h.authenticates(how, head):
		return reassembly.Strong // any other empty client id proves less: responses can have as many zeros
	case h.idLength == 0 && how == fitsExactly && h.counts(how) && !h.producesNothing(head):
		return reassembly.Fits
	}
	return reassembly.Weak
}

// authenticates reports whether a request is a SaslHandshake whose body is exactly one SASL
// mechanism. how is the fit of its body.
func (h *requestHeader) authenticates(how fit, head []byte) bool {
	if h.key != keySaslHandshake || how != fitsExactly || !h.counts(how) {
		return false
	}
	r := newFieldReader(h.body(head))
	return isMechanism(r.text())
}

// producesNothing reports whether a request is a Produce without a topic. No client sends that.
// Responses that begin with an array of topics look like it if their correlation id is a version
// of Produce. Examples are OffsetCommit v2 (to its last byte) and Produce v8 (up to the first
// topic's name).
func (h *requestHeader) producesNothing(head []byte) bool {
	if h.key != keyProduce {
		return false
	}
	r := produceBody(h.version, h.body(head))
	r.Int16() // acks
	r.Int32() // timeout
	topics := r.count(h.version >= layouts[keyProduce].flexible)
	return !r.Ok() || topics <= 0
}

// counts reports whether a client's counter can reach the correlation id. Java's counter wraps
// to the lowest negative number. In responses, -1 is a null length; older Java clients also
// begin authentication with it.
func (h *requestHeader) counts(how fit) bool {
	return h.correlationID >= 0 || (h.correlationID != beforeCount || h.beginsSASL()) && how == fitsExactly
}

// beginsSASL reports whether an older Java client begins authentication with this request.
func (h *requestHeader) beginsSASL() bool {
	return h.correlationID == beforeCount && (h.key == keySaslHandshake || h.key == keyApiVersions)
}

// isNear reports whether the version is known, or a later release may add it.
func (l *layout) isNear(version int16) bool { return version >= 0 && version <= l.max+versionSlack }

// farVersion is far above the newest version of any API.
const farVersion = 127

// judgeUnknown is LooksLikeRequest for an unknown API (l is nil) or an unknown version.
func judgeUnknown(l *layout, h *requestHeader, named bool) reassembly.Likelihood {
	switch {
	case !named:
		return reassembly.No
	case l == nil:
		return reassembly.Weak
	case h.key == keyProduce || h.version > farVersion: // the correlation id of a response is at the place of both
		return reassembly.Fits
	}
	return reassembly.Likely
}

// hasNUL reports whether id has a zero byte. Binary data does; names do not.
func hasNUL(id []byte) bool { return bytes.IndexByte(id, 0) >= 0 }

// isZooKeeper recognizes ZooKeeper's ConnectRequest: protocol version 0, the last transaction
// id, a timeout, a session id and a password of 16 bytes; since 3.4 also a flag
// (zookeeper.jute). A Kafka request that begins with 0 is Produce v0, whose body cannot have
// that length and these values.
func isZooKeeper(size int64, head []byte) bool {
	const passwordAt, passwordLength = 24, 16
	if size != passwordAt+4+passwordLength && size != passwordAt+4+passwordLength+1 || len(head) < passwordAt+4 {
		return false
	}
	return binary.BigEndian.Uint32(head) == 0 && binary.BigEndian.Uint32(head[passwordAt:]) == passwordLength
}

// isPostgreSQL recognizes PostgreSQL's StartupMessage, protocol 3.0. The name of an ASCII
// parameter is at the place of the correlation id.
func isPostgreSQL(h *requestHeader) bool {
	if h.key != 3 || h.version != 0 {
		return false
	}
	for shift := 0; shift < 32; shift += 8 {
		if c := byte(h.correlationID >> shift); (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}

// LooksLikeExchange reports whether a message is a request and the next message in the other
// direction is its response. Both must have the same correlation id and fit the layout of the API
// and version to the last byte. The response must not be all zeros. A request of an unknown API
// needs a readable client id instead. Both are without their size fields. It is for
// reassembly.Options.
func LooksLikeExchange(request, response []byte) bool {
	size := int64(len(request))
	h, ok := parseRequestHeader(size, request)
	if !ok || len(response) < responseHeader || int32(binary.BigEndian.Uint32(response)) != h.correlationID {
		return false
	}
	l, body := layoutOf(h.key), response[responseHeader:]
	if l == nil {
		return printable(h.clientID) && h.idLength >= minProvingID && h.correlationID > 0
	}
	if len(body) < leastAnswer || allZero(body) || h.producesNothing(request) || h.fits(size, request) != fitsExactly {
		return false
	}
	how, _ := l.walkResponse(h.key, h.version, int64(len(body)), body)
	return how == fitsExactly
}

// IsKafkaPort reports whether brokers or proxies usually listen on a port. These are 9091 to 9098,
// the same with another digit for the hundreds (9192, 9292), and those of containers (19092,
// 29094).
func IsKafkaPort(port uint16) bool {
	n := port % 10000
	return n/1000 == 9 && n%100 >= 91 && n%100 <= 98
}
