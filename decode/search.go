package decode

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/kafkavet/kafkavet/reassembly"
)

const (
	// minProvingID is the shortest client id that proves a request with a blank body. 3 bytes,
	// their length and a correlation id near the last one are about 7 bytes that must be right.
	minProvingID = 3
	// maxAnswerScan bounds the bytes of a response that are searched for UNSUPPORTED_VERSION. A
	// longer response carries data, and so has no such error.
	maxAnswerScan = 4 << 10
	// longIDHead is how many bytes of a request with a long client id are needed: one more than
	// is kept, so that the cut is between characters.
	longIDHead = clientIDAt + maxClientID + 1
	// produceHead is how many bytes after the client id of a Produce request are needed: a
	// transactional id of usual length, and the acks.
	produceHead = 256
	// softwareHead is how many bytes after the client id of an ApiVersions request are needed:
	// two texts of maxClientID with their lengths, and a few tags.
	softwareHead = 2*(maxClientID+2) + 16
	// nextRequestHead is how many bytes are needed of a message that may be the first request
	// after raw SASL tokens, if no client id identifies it. ApiVersions, Metadata and similar
	// requests are shorter.
	nextRequestHead = 512
	// maxAnchors bounds the byte strings used to search for the next frame.
	maxAnchors = 16
	// idWindow is how far correlation ids may jump over a loss. Java counts them over all its
	// connections, so one connection skips some.
	idWindow = 10_000
	// strayWindow is how far a correlation id can be from the last request's on a connection
	// whose frames are in step.
	strayWindow = 1_000_000
	// firstReserved is the first of the eight correlation ids that Java's client reserves for
	// authentication (SaslClientAuthenticator.MIN_RESERVED_CORRELATION_ID). It does not count
	// them with the others.
	firstReserved = 1<<31 - 8
)

// beforeCount is the correlation id with which older Java clients begin to authenticate.
// Authentication counts up from it. The requests after it count again from 0 or 1 (captures of
// kafka-clients 0.10.2.2 and 2.1.0).
const beforeCount = -1

// isReserved reports whether Java's client uses a correlation id for authentication only.
func isReserved(id int32) bool { return id >= firstReserved || id == beforeCount }

// follows reports whether id can come after last on one connection: at most idWindow higher,
// with wraparound. For clients that do not count it can be equal.
func follows(last, id int32) bool { return uint32(id-last) <= idWindow }

// Want returns how many bytes of a message the handler needs. ok is false if head cannot begin a
// message of this connection.
func (h *handler) Want(d reassembly.Direction, size int64, head []byte) (n int, ok bool) {
	if size < 0 || size > maxMessage {
		return 0, false
	}
	var want int64
	if d == reassembly.ToBroker {
		want, ok = h.wantRequest(size, head)
	} else {
		want, ok = h.wantResponse(size, head)
	}
	return int(min(want, size)), ok
}

func (h *handler) wantRequest(size int64, head []byte) (n int64, ok bool) {
	hd, ok := parseRequestHeader(size, head)
	switch {
	case !ok && h.tokens:
		return max(fixedHeader, h.nameHead()), true
	case !ok || !h.tokens && !h.expects(&hd, size, head):
		return 0, false
	case hd.lacksID():
		return longIDHead + h.headAfterID(hd.key), true
	case hd.idLength > maxClientID:
		return longIDHead, true
	case h.tokens && (hd.idLength <= 0 || h.nameless()):
		return max(nextRequestHead, h.nameHead()), true // see endsTokens
	}
	n = int64(hd.bodyAt()) + h.headAfterID(hd.key)
	if h.tokens {
		n = max(n, h.nameHead())
	}
	return n, true
}

// nameHead returns how many bytes of a token are needed for its user name.
func (h *handler) nameHead() int64 {
	if h.shard.opt.Principals {
		return maxNameToken
	}
	return 0
}

// expects reports whether a request can come on this connection. Any request with an earlier
// client id can. With another client id, as from a proxy, the API and version must be known.
// Also its client id must be printable or its body must fit. Otherwise a stream out of step
// would not be noticed. A negative version, which only faulty clients send, needs a known API
// and an earlier client id.
func (h *handler) expects(hd *requestHeader, size int64, head []byte) bool {
	l := layoutOf(hd.key)
	switch {
	case hd.lacksID():
		return true
	case hd.version < 0:
		return l != nil && printable(hd.clientID) && (len(h.ids) == 0 || h.sameClient(hd))
	case len(h.ids) == 0 && !h.nullID, h.sameClient(hd):
		return true
	}
	return l != nil && l.isNear(hd.version) && (printable(hd.clientID) || hd.fits(size, head) != misfit)
}

// headAfterID returns how many bytes of a request after the client id are needed.
func (h *handler) headAfterID(key int16) int64 {
	switch key {
	case keyApiVersions:
		return softwareHead
	case keyProduce:
		return produceHead
	case keyFetch:
		return fetchHead
	case keySaslHandshake:
		return maxMechanism + 2
	case keySaslAuthenticate:
		return h.nameHead()
	}
	if l := layoutOf(key); l != nil && l.mayWait {
		return waitHead
	}
	return 0
}

func (h *handler) wantResponse(size int64, head []byte) (n int64, ok bool) {
	if len(head) < responseHeader {
		return size, h.answerTokens
	}
	id := int32(binary.BigEndian.Uint32(head))
	i := h.queue.find(id)
	if i < 0 {
		return h.wantUnmatched(size, id)
	}
	switch h.queue.at(i).key {
	case keyApiVersions:
		return maxApiVersionsAnswer, true
	case keySaslHandshake:
		return maxSaslAnswer, true
	case keySaslAuthenticate:
		return maxAuthenticateAnswer, true
	case keyMetadata:
		return min(size, maxMetadataHead), true
	}
	if size <= maxAnswerScan {
		return size, true
	}
	return responseHeader, true
}

// wantUnmatched handles a response without an outstanding request. Either the capture has it
// before its request, or it lacks the request.
func (h *handler) wantUnmatched(size int64, id int32) (n int64, ok bool) {
	if h.answerTokens {
		return responseHeader, true
	}
	if h.hasLastID && !h.strayIDs && !isReserved(id) && uint32(id-h.lastID+strayWindow) > 2*strayWindow {
		return 0, false
	}
	if size <= maxAnswerScan {
		return size, true
	}
	return responseHeader, true
}

// Expect adds the client id of a later request. The search for earlier requests uses it.
func (h *handler) Expect(size int64, head []byte) {
	if hd, ok := parseRequestHeader(size, head); ok {
		h.client(&hd)
	}
}

// Plausible reports whether head can begin a message of this connection, in a search for the
// next frame.
func (h *handler) Plausible(d reassembly.Direction, size int64, head []byte) bool {
	if d == reassembly.ToBroker {
		return h.plausibleRequest(size, head)
	}
	return h.plausibleResponse(size, head)
}

// plausibleRequest compares the client id and the correlation id with those of the connection.
// Without an earlier request, the client id must be printable. The captured part of the body
// must always fit.
func (h *handler) plausibleRequest(size int64, head []byte) bool {
	hd, ok := parseRequestHeader(size, head)
	if !ok || hd.lacksID() {
		return false
	}
	l := layoutOf(hd.key)
	if l == nil || hd.version < 0 || hd.version > l.max+1 {
		return false
	}
	how := fitsSoFar
	if hd.version <= l.max {
		how = hd.fits(size, head)
	}
	switch {
	case how == misfit && h.requests > 0 && hd.idLength >= minProvingID && allZero(hd.body(head)):
		// The client id is enough: redacted evidence has blank bodies.
	case how == misfit:
		return false
	case h.requests == 0:
		return hd.counts(how) && h.expected(&hd, how)
	}
	same := h.sameClient(&hd) || h.nameless() && printable(hd.clientID) // Java authenticates with an empty client id
	return same && h.plausibleID(hd.correlationID)
}

// expected reports whether a request can be the first one found. It must have the client id that
// Expect added. Without that, its client id must be printable, or null or absent with a body that
// fits to the last byte.
func (h *handler) expected(hd *requestHeader, how fit) bool {
	if len(h.ids) == 0 && !h.nullID {
		return printable(hd.clientID) || hd.idLength < 0 && how == fitsExactly
	}
	return h.sameClient(hd) && (hd.idLength > 0 || how == fitsExactly)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// plausibleID reports whether id can follow the ids of the connection.
func (h *handler) plausibleID(id int32) bool {
	return !h.hasLastID || h.strayIDs || isReserved(id) || follows(h.lastID, id)
}

// plausibleResponse needs the correlation id of an outstanding request, and a body that fits.
func (h *handler) plausibleResponse(size int64, head []byte) bool {
	if size < responseHeader || size > maxMessage || len(head) < responseHeader {
		return false
	}
	i := h.queue.find(int32(binary.BigEndian.Uint32(head)))
	if i < 0 {
		return false
	}
	p := h.queue.at(i)
	l := layoutOf(p.key)
	if l == nil || p.version > l.max {
		return true
	}
	body := head[responseHeader:]
	for _, version := range [...]int16{p.version, 0} {
		if how, _ := l.walkResponse(p.key, version, size-responseHeader, body); how != misfit {
			return true
		}
	}
	return false
}

// Anchor returns byte strings of which a message must contain one, and their offset. They are
// the client ids of the connection with their lengths, or the correlation ids of outstanding
// requests.
func (h *handler) Anchor(d reassembly.Direction) (anchors [][]byte, offset int) {
	const sizeField = 4
	s := h.shard
	s.anchors, s.anchor = s.anchors[:0], s.anchor[:0]
	if d == reassembly.ToClient {
		for i := range min(h.queue.n, maxAnchors) {
			s.anchor = binary.BigEndian.AppendUint32(s.anchor, uint32(h.queue.at(i).correlationID))
		}
		for i := range len(s.anchor) / 4 {
			s.anchors = append(s.anchors, s.anchor[4*i:4*i+4])
		}
		return s.anchors, sizeField
	}
	return h.clientAnchors(), sizeField + fixedHeader
}

// mayHoldError reports whether body can contain an error code. The bytes of a port often look
// like error 35: 9092 is 00 00 23 84, and every Metadata response has the broker's port. If 84
// began a length after error 35, that length would be over 126. So those bytes count as the
// port.
func mayHoldError(body []byte, code byte, port uint16) bool {
	for {
		i := bytes.Index(body, []byte{0, code})
		if i < 0 {
			return false
		}
		isPort := i > 0 && body[i-1] == 0 && i+2 < len(body) && body[i+2] >= 0x80 && binary.BigEndian.Uint16(body[i+1:]) == port
		if !isPort {
			return true
		}
		body = body[i+2:]
	}
}

// recordErrors are the errors about records that refusal finds.
var recordErrors = [...]int16{errUnsupportedForMessageFormat, errUnsupportedCompression}

// refusal returns UNSUPPORTED_VERSION if a response is or contains that error. In responses of
// Produce, Fetch and ListOffsets it also finds recordErrors. Otherwise it returns 0. It reads the
// response at the request's version, else as v0, which brokers use for unknown versions.
func refusal(key, version int16, size int64, body []byte, port uint16) int16 {
	l := layoutOf(key)
	if l == nil || len(body) > maxAnswerScan {
		return errNone
	}
	aboutRecords := key == keyProduce || key == keyFetch || key == keyListOffsets
	if !mayHoldError(body, errUnsupportedVersion, port) && !(aboutRecords && slices.ContainsFunc(recordErrors[:], func(code int16) bool { return mayHoldError(body, byte(code), port) })) {
		return errNone
	}
	how, code := l.walkResponse(key, version, size, body)
	if how == misfit {
		if how, code = l.walkResponse(key, 0, size, body); how != fitsExactly {
			return errNone
		}
	}
	if code != errUnsupportedVersion && !aboutRecords {
		return errNone
	}
	return code
}

// acks reads the acks of a Produce request. body begins after the client id.
func acks(version int16, body []byte) (acks int16, ok bool) {
	r := produceBody(version, body)
	acks = r.Int16()
	return acks, r.Ok()
}

// produceBody reads a Produce request up to its acks. body begins after the client id.
func produceBody(version int16, body []byte) fieldReader {
	r, n := transactionalID(version, body)
	r.Span(int(n))
	return r
}

// transactionalID reads a Produce request up to its transactional id of n bytes. body begins after
// the client id.
func transactionalID(version int16, body []byte) (r fieldReader, n int64) {
	r = newFieldReader(body)
	switch {
	case version >= layouts[keyProduce].flexible:
		r.tags(nil)
		n = int64(r.Uvarint()) - 1
	case version >= 3: // the transactional id came with KIP-98
		n = int64(r.Int16())
	}
	return r, max(n, 0)
}

// hidesAcks reports whether the acks of a Produce request, which could not be read, may be behind
// the bytes that were kept of its frame: after a long client id, or a long transactional id.
func hidesAcks(version int16, body []byte, f *reassembly.Frame) bool {
	rest := f.Size - int64(len(f.Head))
	r, n := transactionalID(version, body)
	kept := int64(len(r.Src))
	isLong := n+acksSize <= kept+rest && printable(r.Src[:min(n, kept)])
	return rest > 0 && (len(body) < produceHead || r.Ok() && isLong)
}

// acksAll are the acks of a Produce request that waits for the replicas.
const acksAll = -1

// fetchHead and waitHead are the numbers of bytes after the client id that wait needs: two
// numbers and the tags of the header, or some names of topics.
const (
	fetchHead = 16
	waitHead  = 512
)

// wait returns Exchange.WaitMillis.
func (h *requestHeader) wait(f *reassembly.Frame) int32 {
	l := layoutOf(h.key)
	if l == nil || !l.mayWait {
		return 0
	}
	return l.timeout(h.version, f.Size-int64(h.bodyAt()), h.body(f.Head))
}

// acksSize is the number of bytes of the acks.
const acksSize = 2
