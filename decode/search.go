package decode

import (
	"bytes"
	"encoding/binary"

	"github.com/kafkavet/kafkavet/reassembly"
)

const (
	// minVouchingID is how long a client id must be to vouch for a request whose body
	// is blank: 3 bytes, with their length and the correlation id, are 7 that must be right.
	minVouchingID = 3
	// maxAnswerScan is how much of a response is held so that UNSUPPORTED_VERSION
	// can be looked for, in bytes. A longer one carries data, and so no such error.
	maxAnswerScan = 4 << 10
	// longIDHead is what is held of a request with a client id that has to be
	// cut, in bytes: one more than is kept, so that it ends with a whole character.
	longIDHead = clientIDAt + maxClientID + 1
	// produceHead is what is held of a Produce request behind its client id, in
	// bytes: a transactional id of any usual length, and the acks.
	produceHead = 256
	// softwareHead is what is held of an ApiVersions request behind its client
	// id, in bytes: two texts of maxClientID with their lengths, and a few tags.
	softwareHead = 2*(maxClientID+2) + 16
	// nextRequestHead is what is held of a message that may be the first request
	// after raw SASL tokens, in bytes, where it has no client id to know it by: ApiVersions, Metadata and
	// the like are shorter.
	nextRequestHead = 512
	// maxAnchors bounds the byte strings that a lost place is searched by.
	maxAnchors = 16
	// idWindow is how far correlation ids may jump over a loss. Java counts
	// them over all its connections, so that a single one skips some.
	idWindow = 10_000
	// strayWindow is how far from the latest request's correlation id one can be
	// that belongs to a connection whose frames are in step.
	strayWindow = 1_000_000
	// firstReserved is the first of the eight correlation ids that Java's
	// client keeps for authentication, out of the count of the others
	// (SaslClientAuthenticator.MIN_RESERVED_CORRELATION_ID).
	firstReserved = 1<<31 - 8
)

// beforeCount is the correlation id with which older Java clients begin to authenticate: theirs
// count from there, those of the requests behind from 0 or 1 once more (captures of kafka-clients 0.10.2.2 and 2.1.0).
const beforeCount = -1

// isReserved reports whether Java's client uses a correlation id for authentication only.
func isReserved(id int32) bool { return id >= firstReserved || id == beforeCount }

// follows reports whether id can come after last on one connection: at most idWindow higher, also
// over the wrap, or equal for clients that do not count.
func follows(last, id int32) bool { return uint32(id-last) <= idWindow }

// Want returns how many bytes of a message the handler needs. ok is false where head cannot begin
// a message of this connection.
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
		return fixedHeader, true
	case !ok || !h.tokens && !h.expects(&hd, size, head):
		return 0, false
	case hd.lacksID():
		return longIDHead + headAfterID(hd.key), true
	case hd.idLength > maxClientID:
		return longIDHead, true
	case h.tokens && (hd.idLength <= 0 || h.nameless()):
		return nextRequestHead, true // see endsTokens
	}
	return int64(hd.bodyAt()) + headAfterID(hd.key), true
}

// expects tells whether a request can come on this connection. Any can that has
// the client id of an earlier one; with another client id, as behind a proxy, its API and version have to be
// known, and its client id one that someone chose or its body one that fits: a
// stream that is out of step is to be noticed. A negative version, which only a faulty client sends, needs a known
// API and the client id.
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

// headAfterID is how many bytes behind the client id are needed of a request.
func headAfterID(key int16) int64 {
	switch key {
	case keyApiVersions:
		return softwareHead
	case keyProduce:
		return produceHead
	case keySaslHandshake:
		return maxMechanism + 2
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
		if h.queue.at(i).version == 0 {
			return responseHeader + 2, true // the error code
		}
		return maxAuthenticateAnswer, true
	}
	if size <= maxAnswerScan {
		return size, true
	}
	return responseHeader, true
}

// wantUnmatched judges a response to no request that is outstanding: captured
// before its request, or its request was lost.
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

// Expect lists the client id of a request that will come: what came before it is searched by that.
func (h *handler) Expect(size int64, head []byte) {
	if hd, ok := parseRequestHeader(size, head); ok {
		h.client(&hd)
	}
}

// Plausible tells whether head can begin a message in this connection, where
// the place of one is searched for.
func (h *handler) Plausible(d reassembly.Direction, size int64, head []byte) bool {
	if d == reassembly.ToBroker {
		return h.plausibleRequest(size, head)
	}
	return h.plausibleResponse(size, head)
}

// plausibleRequest goes by the client id and the correlation ids of the
// connection. Where none has been seen, the client id has to be one that someone
// chose. In every case the body, as far as it is there, has to fit.
func (h *handler) plausibleRequest(size int64, head []byte) bool {
	hd, ok := parseRequestHeader(size, head)
	if !ok || hd.idLength == absentID {
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
	case how == misfit && h.requests > 0 && hd.idLength >= minVouchingID && allZero(hd.body(head)):
		// The client id tells enough: the body was blanked out, as in evidence.
	case how == misfit:
		return false
	case h.requests == 0:
		return hd.counts(how) && h.expected(&hd, how)
	}
	same := h.sameClient(&hd) || h.nameless() && printable(hd.clientID) // Java authenticates without a client id
	return same && h.plausibleID(hd.correlationID)
}

// expected tells whether a request can be the first one that is found. If Expect named a client id, it has that;
// otherwise one that someone chose, or a null one and a body that fits to the last byte.
func (h *handler) expected(hd *requestHeader, how fit) bool {
	if len(h.ids) == 0 && !h.nullID {
		return printable(hd.clientID) || hd.idLength == nullID && how == fitsExactly
	}
	return h.sameClient(hd) && (hd.idLength > 0 || how == fitsExactly)
}

// allZero reports whether every byte of b is zero.
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

// plausibleResponse wants a correlation id that is awaited, and a body that fits.
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

// Anchor returns what a message must hold: the length-prefixed client ids of the
// connection behind the fixed part of a request header, or the correlation ids
// that are awaited.
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

// mayHoldError reports whether an error code can stand in body. Ports are full of 35:
// 9092 is 00 00 23 84, and every Metadata answer holds that of the broker. After an
// error code such a byte would begin a length of over 126; those are passed over.
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

// refusal returns UNSUPPORTED_VERSION where a response is, or holds, that error, and
// UNSUPPORTED_FOR_MESSAGE_FORMAT where one of Produce, Fetch or ListOffsets holds that; otherwise 0.
// It is read at the request's version, or else as v0, to which brokers fall back for
// versions that they do not know.
func refusal(key, version int16, size int64, body []byte, port uint16) int16 {
	l := layoutOf(key)
	if l == nil || len(body) > maxAnswerScan {
		return errNone
	}
	aboutFormat := key == keyProduce || key == keyFetch || key == keyListOffsets
	if !mayHoldError(body, errUnsupportedVersion, port) && !(aboutFormat && mayHoldError(body, errUnsupportedForMessageFormat, port)) {
		return errNone
	}
	how, code := l.walkResponse(key, version, size, body)
	if how == misfit {
		if how, code = l.walkResponse(key, 0, size, body); how != fitsExactly {
			return errNone
		}
	}
	if code == errUnsupportedForMessageFormat && !aboutFormat {
		return errNone
	}
	return code
}

// acks reads the acks of a Produce request. body begins behind the client id.
func acks(version int16, body []byte) (acks int16, ok bool) {
	r := produceBody(version, body)
	acks = r.Int16()
	return acks, r.Ok()
}

// produceBody reads a Produce request up to its acks. body begins behind the client id.
func produceBody(version int16, body []byte) reader {
	r := newReader(body)
	switch {
	case version >= layouts[keyProduce].flexible:
		r.tags(nil)
		r.compactText()
	case version >= 3: // the transactional id came with KIP-98
		r.text()
	}
	return r
}
