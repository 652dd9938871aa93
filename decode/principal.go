package decode

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/kafkavet/kafkavet/reassembly"
)

// maxNameToken bounds the bytes read of a token with a user name. Names have some dozen bytes. The
// nonce of SCRAM and the password of PLAIN come after them.
const maxNameToken = 1024

// principalOf returns the principal of a request. On connections with SASL, the certificate does
// not identify the client to the broker. At an ApiVersions request it is unknown whether SASL
// follows.
func (h *handler) principalOf(key int16) string {
	if t := h.conn.TLS; t != nil && h.mechanism == "" && key != keyApiVersions {
		return t.Subject
	}
	return h.principal
}

// authenticate reads the user name from a SaslAuthenticate request.
func (h *handler) authenticate(hd *requestHeader, f *reassembly.Frame) {
	if !h.shard.opt.Principals {
		return
	}
	r := newFieldReader(hd.body(f.Head))
	isFlexible := hd.version >= layouts[keySaslAuthenticate].flexible
	if isFlexible {
		r.tags(nil)
	}
	size := int(min(max(r.count(isFlexible), 0), maxNameToken))
	h.token(r.Src[:min(size, len(r.Src))])
}

// token reads the user name from the client's first SASL token after a handshake, if
// ShardOptions.Principals is set. It keeps nothing else of a token.
func (h *handler) token(token []byte) {
	if !h.shard.opt.Principals || !h.nameDue {
		return
	}
	h.nameDue = false
	if name := userName(h.mechanism, token); printable(name) && utf8.Valid(name) {
		h.principal = h.shard.share(name)
	}
}

// userName returns the user name in a token of the client, nil for none. The separator after the
// name must be there: an incomplete token gives no name.
func userName(mechanism string, token []byte) []byte {
	switch {
	case mechanism == "PLAIN": // [authzid] NUL authcid NUL passwd (RFC 4616)
		_, rest, _ := bytes.Cut(token, []byte{0})
		if name, _, ok := bytes.Cut(rest, []byte{0}); ok {
			return name
		}
	case strings.HasPrefix(mechanism, "SCRAM-"): // gs2-cbind-flag "," ["a=" authzid] ",n=" saslname ",r=" nonce (RFC 5802)
		fields := bytes.SplitN(token, []byte{','}, 4)
		if len(fields) < 4 || len(fields[0]) == 0 || !bytes.ContainsRune([]byte("nyp"), rune(fields[0][0])) {
			return nil
		}
		if name, ok := bytes.CutPrefix(fields[2], []byte("n=")); ok {
			return bytes.ReplaceAll(bytes.ReplaceAll(name, []byte("=2C"), []byte{','}), []byte("=3D"), []byte{'='})
		}
	}
	return nil
}
