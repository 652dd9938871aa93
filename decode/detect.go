package decode

import (
	"bytes"
	"encoding/binary"

	"github.com/kafkavet/kafkavet/reassembly"
)

// versionSlack is how far above the latest version known here a version may be and
// still be taken for real: most APIs gain less than one version in a release of Kafka.
const versionSlack = 16

// maxFirst is the longest request believed in where nothing is known of a
// connection: 256 MiB, more than twice what a broker accepts by default. TLS records and
// text would all be longer.
const maxFirst = 1 << 28

// leastAnswer is the shortest response that tells that a message was its request, without the correlation id, in bytes:
// longer than an error code and the time of throttling, which are zeros as a rule.
const leastAnswer = 10

// LooksLikeRequest tells how much a message of size bytes, beginning with head
// (300 bytes, or all of a shorter message), looks like a Kafka request on a connection of which nothing is known yet. It
// is for reassembly.Options.
//
// What makes it Strong is a known API and version, a client id that someone chose, and a body that fits
// its layout as far as it is there; with a null client id, or a negative correlation id, the body has to be there
// and fit to the last byte. A known API and such a client id alone make it Likely. With an empty client id, a body
// that fits to the last byte makes it Fits.
// The body is looked at because responses that begin with an array of names look like requests otherwise:
// its length stands where the correlation id of a request is, the first name where the client id is.
func LooksLikeRequest(size int64, head []byte) reassembly.Likelihood {
	h, ok := parseRequestHeader(size, head)
	if !ok || size > maxFirst || isZooKeeper(size, head) || isPostgreSQL(&h) {
		return reassembly.No
	}
	l := layoutOf(h.key)
	named := h.idLength > 0 && printable(h.clientID)
	if l == nil || !l.isNear(h.version) {
		return judgeUnknown(l, named)
	}
	how := h.fits(size, head)
	if h.key == keyApiVersions && h.version > l.max {
		how = fitsSoFar // a client newer than the table
	}
	switch {
	case named && how != misfit && h.counts(how) && !h.producesNothing(head):
		return reassembly.Strong
	case named:
		return reassembly.Likely
	case h.idLength > 0 && hasNUL(h.clientID) && (h.key != keyApiVersions || how != fitsExactly), h.idLength <= 0 && how == misfit:
		return reassembly.No
	case h.idLength == nullID && how == fitsExactly && h.counts(how), h.idLength == 0 && h.authenticates(how, head):
		return reassembly.Strong // otherwise an empty client id would not do: responses can be as full of zeros
	case h.idLength == 0 && how == fitsExactly && h.counts(how) && !h.producesNothing(head):
		return reassembly.Fits
	}
	return reassembly.Weak
}

// authenticates tells whether a request of which the body is how names a SASL mechanism, and nothing else.
func (h *requestHeader) authenticates(how fit, head []byte) bool {
	if h.key != keySaslHandshake || how != fitsExactly || !h.counts(how) {
		return false
	}
	r := newReader(h.body(head))
	return isMechanism(r.text())
}

// producesNothing tells whether a request is a Produce in which no topic is in sight. No client sends one without a
// topic, but responses that begin with an array of topics read like it, if their correlation id is one of its
// versions: that of OffsetCommit v2 to its last byte, that of Produce v8 as far as the first topic's name.
func (h *requestHeader) producesNothing(head []byte) bool {
	if h.key != keyProduce {
		return false
	}
	r := produceBody(h.version, h.body(head))
	r.Int16() // acks
	r.Int32() // timeout
	topics := int64(0)
	if h.version >= layouts[keyProduce].flexible {
		topics = int64(r.Uvarint()) - 1
	} else {
		topics = int64(r.Int32())
	}
	return !r.Ok() || topics <= 0
}

// counts tells whether the correlation id is one that a client can have counted up to. Java's wraps to the
// lowest negative one; -1 stands for null where responses have a length, and begins the authentication of older Java clients.
func (h *requestHeader) counts(how fit) bool {
	return h.correlationID >= 0 || (h.correlationID != beforeCount || h.beginsSASL()) && how == fitsExactly
}

// beginsSASL tells whether a request is one with which an older Java client begins to authenticate.
func (h *requestHeader) beginsSASL() bool {
	return h.correlationID == beforeCount && (h.key == keySaslHandshake || h.key == keyApiVersions)
}

// isNear reports whether a version is one of the API, or one that a later release may bring.
func (l *layout) isNear(version int16) bool { return version >= 0 && version <= l.max+versionSlack }

// judgeUnknown judges a request of an unknown API (l is nil) or an unknown version.
func judgeUnknown(l *layout, named bool) reassembly.Likelihood {
	switch {
	case !named:
		return reassembly.No
	case l == nil:
		return reassembly.Weak
	}
	return reassembly.Likely
}

// hasNUL tells whether id holds a zero byte, as binary data do and names do not.
func hasNUL(id []byte) bool { return bytes.IndexByte(id, 0) >= 0 }

// isZooKeeper recognises ZooKeeper's ConnectRequest: protocol version 0, the last
// transaction id, a timeout, a session id and a password of 16 bytes; then, since
// 3.4, a flag (zookeeper.jute). A Kafka request that begins with 0 is Produce v0, whose body cannot
// have that length and this inside.
func isZooKeeper(size int64, head []byte) bool {
	const passwordAt, passwordLength = 24, 16
	if size != passwordAt+4+passwordLength && size != passwordAt+4+passwordLength+1 || len(head) < passwordAt+4 {
		return false
	}
	return binary.BigEndian.Uint32(head) == 0 && binary.BigEndian.Uint32(head[passwordAt:]) == passwordLength
}

// isPostgreSQL recognises PostgreSQL's StartupMessage, protocol 3.0: a parameter
// name in ASCII stands where the correlation id is.
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

// LooksLikeExchange tells whether a message that could be a request is one, because the one that came back next is its response:
// both have the same correlation id, fit the layout of the API and version to the last byte, and the response
// says something. Both come without their sizes. It is for reassembly.Options.
func LooksLikeExchange(request, response []byte) bool {
	size := int64(len(request))
	h, ok := parseRequestHeader(size, request)
	if !ok || len(response) < responseHeader+leastAnswer || h.producesNothing(request) || h.fits(size, request) != fitsExactly {
		return false
	}
	body := response[responseHeader:]
	if int32(binary.BigEndian.Uint32(response)) != h.correlationID || allZero(body) {
		return false
	}
	how, _ := layoutOf(h.key).walkResponse(h.key, h.version, int64(len(body)), body)
	return how == fitsExactly
}
