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
	k := blanker{
		walker: walker{b: rest, left: left, version: h.version, flexible: h.version >= l.flexible, state: fitsExactly},
		keeps:  keptOfRequest(h.key), texts: b == BlankAll || !harmless[h.key],
	}
	if k.flexible {
		k.tags()
	}
	k.whole(l.request)
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
	k := blanker{
		walker: walker{b: body, left: size, version: version, flexible: version >= l.flexible, state: fitsExactly},
		keeps:  keptOfResponse(key), texts: b == BlankAll || !harmless[key],
	}
	if k.flexible {
		k.tags()
	}
	k.whole(l.response)
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

// blanker is a walker that overwrites the fields that it passes.
type blanker struct {
	walker
	// keeps has a bit for each field of the body that stays.
	keeps uint8
	// texts: also overwrite texts and numbers, not only bytes fields.
	texts bool
}

// whole overwrites a body. Where the walk ends, it overwrites all bytes after it.
func (k *blanker) whole(fields []field) {
	k.structure(fields, k.keeps)
	clear(k.b)
}

func (k *blanker) structure(fields []field, keeps uint8) {
	for i := range fields {
		f := &fields[i]
		if k.version < f.since || k.version > f.until {
			continue
		}
		if k.state != fitsExactly {
			return
		}
		keep := i < 8 && keeps>>i&1 != 0
		if f.array {
			k.array(f, keep)
		} else {
			k.field(f, keep)
		}
	}
	if k.flexible {
		k.tags()
	}
}

func (k *blanker) array(f *field, keep bool) {
	n := k.count(4)
	if f.kind == fixedField {
		k.over(n*int64(f.size), keep || !k.texts)
		return
	}
	for ; n > 0 && k.state == fitsExactly; n-- {
		k.field(f, keep)
	}
}

func (k *blanker) field(f *field, keep bool) {
	switch f.kind {
	case fixedField:
		k.over(int64(f.size), keep || !k.texts)
	case errorField:
		k.take(2)
	case textField:
		k.over(k.count(2), keep || !k.texts)
	case bytesField:
		k.over(k.count(4), false)
	case structField:
		k.structure(f.sub, 0)
	case nullableField:
		if b := k.take(1); b != nil && int8(b[0]) >= 0 {
			k.structure(f.sub, 0)
		}
	}
}

// over skips n bytes, and overwrites them unless keep is true.
func (k *blanker) over(n int64, keep bool) {
	if b := k.take(n); b != nil && !keep {
		clear(b)
	}
}

// tags skips tagged fields (KIP-482) and overwrites their contents.
func (k *blanker) tags() {
	for n := k.uvarint(); n > 0 && k.state == fitsExactly; n-- {
		k.uvarint()
		k.over(k.uvarint(), false)
	}
}
