package decode

import (
	"math"
	"time"

	"github.com/kafkavet/kafkavet/reassembly"
)

const (
	// maxMechanism bounds what is read of a SASL mechanism's name, in bytes:
	// RFC 4422 3.1 allows 20.
	maxMechanism = 64
	// maxMechanisms bounds the enabled mechanisms taken from an answer; Kafka knows five.
	maxMechanisms = 16
	// maxSaslAnswer is how much of a SaslHandshake answer is looked at, in bytes: maxMechanisms names.
	maxSaslAnswer = 1024
	// maxAuthenticateAnswer is how much of a SaslAuthenticate answer is held, in bytes: the length of the
	// session is at its end. The last token of SCRAM and GSSAPI has some 100 bytes. The token is
	// secret, and so is the error message, which can name a user.
	maxAuthenticateAnswer = 1024
)

// handshake takes a SaslHandshake request. After v0 both sides send raw tokens,
// each behind a 4-byte size and without any header, until the client is
// authenticated (KIP-43); after v1 they are wrapped in SaslAuthenticate (KIP-152).
func (h *handler) handshake(hd *requestHeader, f *reassembly.Frame) {
	r := newReader(hd.body(f.Head))
	mechanism := r.text()
	h.mechanism = ""
	if r.Ok() && len(mechanism) <= maxMechanism {
		h.mechanism = h.shard.share(mechanism)
	}
	h.tokens = hd.version == 0
	h.answerTokens = hd.version == 0
}

// isMechanism tells whether name could be that of a SASL mechanism: upper-case letters, digits, hyphens and
// underscores, and no more than 20 (RFC 4422 3.1).
func isMechanism(name []byte) bool {
	const longest = 20
	for _, c := range name {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= longest
}

// endsTokens tells whether a message behind a SaslHandshake v0 is a request
// again, and no token: it has a client id of the connection. Where that is empty or null, the body has to be
// there and fit to the last byte; so has it where the client id is new because the one until now was empty, as
// Java's 0.10.2 shakes hands.
func (h *handler) endsTokens(hd *requestHeader, f *reassembly.Frame) bool {
	l := layoutOf(hd.key)
	switch {
	case l == nil:
		return false
	case h.sameClient(hd) && hd.idLength > 0:
		return true
	case h.sameClient(hd), h.nameless() && hd.version <= l.max && hd.correlationID >= 0 && printable(hd.clientID):
		return hd.fits(f.Size, f.Head) == fitsExactly
	}
	return false
}

// nameless tells whether the connection's requests had an empty client id until now.
func (h *handler) nameless() bool { return len(h.ids) == 1 && h.ids[0].length == 0 }

// readHandshake reads a SaslHandshake response, v0 or v1.
func readHandshake(body []byte, share func([]byte) string) (errorCode int16, enabled []string) {
	r := newReader(body)
	errorCode = r.Int16()
	for n := r.Int32(); n > 0 && len(enabled) < maxMechanisms; n-- {
		name := r.text()
		if !r.Ok() || len(name) > maxMechanism {
			break
		}
		enabled = append(enabled, share(name))
	}
	return errorCode, enabled
}

// readAuthenticate reads the error code of a SaslAuthenticate response and, from v1 on, how long the session
// lasts (KIP-368; 0 is no limit). What stands between them is secret and passed over by its length.
func readAuthenticate(version int16, body []byte) (errorCode int16, lifetime time.Duration) {
	r := newReader(body)
	flexible := version >= layouts[keySaslAuthenticate].flexible
	if flexible {
		r.tags(nil)
	}
	errorCode = r.Int16()
	if version < 1 || version > layouts[keySaslAuthenticate].max {
		return errorCode, 0
	}
	if flexible {
		r.compactText() // error message
		r.compactText() // token
	} else {
		r.text()
		r.Span(int(max(r.Int32(), 0)))
	}
	ms := r.Int64()
	if !r.Ok() || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return errorCode, 0
	}
	return errorCode, time.Duration(ms) * time.Millisecond
}
