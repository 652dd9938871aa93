package decode

// Blanking is how much of a Kafka message is overwritten with zeros before others see it.
type Blanking uint8

const (
	// BlankSecrets overwrites records and all other bytes fields (SASL tokens, HMACs, user
	// data). In APIs that are not harmless, it also overwrites every value.
	BlankSecrets Blanking = iota
	// BlankAll overwrites every value except error codes, the lengths needed to find them, the
	// acks of Produce, what ApiVersions and SaslHandshake negotiate, and the lifetime of a SASL
	// session.
	BlankAll
)

// harmless are the APIs whose texts and numbers are not secret: names of topics and groups,
// addresses, offsets. APIs that carry configuration, credentials, user data or telemetry are not
// harmless. Rare APIs count as not harmless.
var harmless = map[int16]bool{
	keyProduce: true, 1: true, 2: true, 3: true, 10: true, 12: true, 13: true, 16: true,
	keySaslHandshake: true, keyApiVersions: true, 22: true, 23: true, 24: true, 25: true, 26: true, 60: true, 68: true,
}

// RequestHead is the beginning that all requests share.
type RequestHead struct {
	Key, Version  int16
	CorrelationID int32
	// ClientID is a slice of the parsed bytes; nil without a client id.
	ClientID []byte
}

// ReadRequestHead parses the head of a request of size bytes; body is the captured part. ok is
// false if it cannot be a request.
func ReadRequestHead(size int64, body []byte) (head RequestHead, ok bool) {
	h, ok := parseRequestHeader(size, body)
	return RequestHead{h.key, h.version, h.correlationID, h.clientID}, ok
}

// FitsRequest reports whether a message is complete and fits a request of a known API to the
// last byte.
func FitsRequest(size int64, body []byte) bool {
	h, ok := parseRequestHeader(size, body)
	return ok && h.fits(size, body) == fitsExactly
}

// Request blanks a request of size bytes; body is the captured part after the size field. It
// keeps the header: the caller replaces the client id. It overwrites the complete body if that
// is not a request.
func (b Blanking) Request(size int64, body []byte) {
	h, ok := parseRequestHeader(size, body)
	if !ok {
		clear(body)
		return
	}
	l := layoutOf(h.key)
	rest := h.body(body)
	left := size - int64(h.bodyAt())
	if l == nil || h.lacksID() || l.walkRequest(h.version, left, rest) == misfit {
		clear(rest)
		return
	}
	b.overwrite(l, l.request, h.key, walker{b: rest, left: left, version: h.version}, keptOfRequest(h.key))
}

// Response blanks the response to a request of that key and version. body is the captured part
// after the correlation id, size its complete length.
func (b Blanking) Response(key, version int16, size int64, body []byte) {
	if key == keyApiVersions {
		return // it holds only feature names and the ranges that the report needs
	}
	l := layoutOf(key)
	if l == nil {
		clear(body)
		return
	}
	if how, _ := l.walkResponse(key, version, size, body); how == misfit {
		version = 0 // brokers refuse unknown versions in v0
		if how, _ := l.walkResponse(key, version, size, body); how != fitsExactly {
			clear(body)
			return
		}
	}
	b.overwrite(l, l.response, key, walker{b: body, left: size, version: version}, keptOfResponse(key))
}

// overwrite blanks a body that w is at the beginning of, and all bytes where its walk ends.
func (b Blanking) overwrite(l *layout, fields []field, key int16, w walker, keeps uint8) {
	w.flexible, w.state = w.version >= l.flexible, fitsExactly
	w.blanks, w.texts = true, b == BlankAll || !harmless[key]
	if w.flexible {
		w.tags()
	}
	w.structure(fields, keeps)
	clear(w.b)
}

// keptOfRequest returns the fields of a request's body that are never overwritten: bit i is
// field i.
func keptOfRequest(key int16) uint8 {
	switch key {
	case keyProduce:
		return 1 << 1 // acks: whether a response is due
	case keyApiVersions:
		return 1<<0 | 1<<1 // software name and version
	case keySaslHandshake:
		return 1 << 0 // the mechanism
	}
	return 0
}

// keptOfResponse is keptOfRequest for responses.
func keptOfResponse(key int16) uint8 {
	switch key {
	case keySaslHandshake:
		return 1 << 1 // the enabled mechanisms
	case keySaslAuthenticate:
		return 1 << 3 // the lifetime of the session, in milliseconds (KIP-368)
	}
	return 0
}
