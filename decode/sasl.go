package decode

import (
	"math"
	"time"

	"github.com/kafkavet/kafkavet/reassembly"
)

const (
	// mskIAM is the mechanism whose only response has a document (aws-msk-iam-auth, README).
	mskIAM = "AWS_MSK_IAM"
	// maxMechanism bounds the bytes read of a SASL mechanism's name. RFC 4422 3.1 allows 20.
	maxMechanism = 64
	// maxMechanisms bounds the enabled mechanisms read from a response. Kafka has five.
	maxMechanisms = 16
	// maxSaslAnswer bounds the bytes read of a SaslHandshake response: maxMechanisms names.
	maxSaslAnswer = 1024
	// maxAuthenticateAnswer bounds the bytes held of a SaslAuthenticate response, which has the
	// session lifetime at its end. The last token of SCRAM and GSSAPI has about 100 bytes. The
	// token is secret, and so is the error message, which can contain a user name.
	maxAuthenticateAnswer = 1024
)

// handshake handles a SaslHandshake request. After v0, both sides send raw tokens with a 4-byte
// size and no header, until the client is authenticated (KIP-43). After v1, tokens are inside
// SaslAuthenticate (KIP-152).
func (h *handler) handshake(hd *requestHeader, f *reassembly.Frame) {
	r := newFieldReader(hd.body(f.Head))
	mechanism := r.text()
	h.mechanism = ""
	if r.Ok() && len(mechanism) <= maxMechanism {
		h.mechanism = h.shard.share(mechanism)
	}
	h.nameDue = true
	h.tokens = hd.version == 0
	h.answerTokens = hd.version == 0
}

// isMechanism reports whether name can be a SASL mechanism: at most 20 upper-case letters,
// digits, hyphens and underscores (RFC 4422 3.1).
func isMechanism(name []byte) bool {
	const longest = 20
	for _, c := range name {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= longest
}

// endsTokens reports whether a message after a SaslHandshake v0 is a request and not a token. A
// request has a client id of the connection. With an empty or null client id, its body must be
// complete and fit to the last byte. The same holds for a new client id after an empty one, as
// in the handshake of Java's 0.10.2.
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

// nameless reports whether all requests of the connection so far had an empty client id.
func (h *handler) nameless() bool { return len(h.ids) == 1 && h.ids[0].length == 0 }

// readHandshake reads a SaslHandshake response, v0 or v1.
func readHandshake(body []byte, share func([]byte) string) (errorCode int16, enabled []string) {
	r := newFieldReader(body)
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

// readAuthenticate reads the error code of a SaslAuthenticate response, and whether it contains a
// token. From v1 on it also reads the session lifetime (KIP-368; 0 means no limit). It skips the
// secret fields between them by their lengths.
func readAuthenticate(version int16, body []byte) (errorCode int16, challenge bool, lifetime time.Duration) {
	r := newFieldReader(body)
	flexible := version >= layouts[keySaslAuthenticate].flexible
	if flexible {
		r.tags(nil)
	}
	errorCode = r.Int16()
	if version < 0 || version > layouts[keySaslAuthenticate].max {
		return errorCode, false, 0
	}
	if flexible {
		r.compactText() // error message
	} else {
		r.text()
	}
	token := r.count(flexible)
	challenge = r.Ok() && token > 0
	r.Span(int(max(token, 0)))
	if version < 1 {
		return errorCode, challenge, 0
	}
	ms := r.Int64()
	if !r.Ok() || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return errorCode, challenge, 0
	}
	return errorCode, challenge, time.Duration(ms) * time.Millisecond
}
