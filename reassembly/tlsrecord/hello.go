package tlsrecord

import (
	"encoding/binary"
	"slices"
)

// Handshake message types (RFC 8446 4, RFC 5246 7.4).
const (
	helloClient = 1
	helloServer = 2
	certificate = 11
	finished    = 20
	keyUpdate   = 24
)

// Extension types, https://www.iana.org/assignments/tls-extensiontype-values.
const (
	extServerName        = 0
	extALPN              = 16
	extEncryptThenMAC    = 22
	extEarlyData         = 42
	extSupportedVersions = 43
)

// helloRetryRandom is the random of a ServerHello that is a HelloRetryRequest (RFC 8446 4.1.3:
// SHA-256 of "HelloRetryRequest").
var helloRetryRandom = [32]byte{
	0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
	0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
}

type clientHello struct {
	random     [32]byte
	serverName []byte // points into the message
	earlyData  bool
	traits     *Hello
}

// Hello describes the library that wrote a ClientHello, as JA3 does. Longer lists are cut to
// maxHelloList.
type Hello struct {
	Suites     []uint16
	Extensions []uint16
	// ALPN is the first application protocol that the client requests, empty for none. It comes
	// from the wire.
	ALPN string
}

// maxHelloList bounds the suites and the extensions of a Hello: clients send up to 60 suites.
const maxHelloList = 64

// Has reports whether an extension is in the list.
func (h *Hello) Has(extension uint16) bool {
	return h != nil && slices.Contains(h.Extensions, extension)
}

// serverHello is a ServerHello or HelloRetryRequest.
type serverHello struct {
	random  [32]byte
	session [32]byte // session id, padded with zeros; all zeros for none
	version uint16
	suite   uint16
	retry   bool
	etm     bool
}

// helloReader reads a message. Beyond the end it returns empty or zero values, because a gap may
// cut a message.
type helloReader []byte

func (r *helloReader) bytes(n int) []byte {
	if n > len(*r) {
		n = len(*r)
	}
	p := (*r)[:n]
	*r = (*r)[n:]
	return p
}

func (r *helloReader) uint8() int {
	p := r.bytes(1)
	if len(p) < 1 {
		return 0
	}
	return int(p[0])
}

func (r *helloReader) uint16() int {
	p := r.bytes(2)
	if len(p) < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint16(p))
}

// extensions calls each for all extensions. The last one may be cut.
func (r *helloReader) extensions(each func(kind int, value helloReader)) {
	all := helloReader(r.bytes(r.uint16()))
	for len(all) >= 4 {
		kind := all.uint16()
		each(kind, all.bytes(all.uint16()))
	}
}

// parseClientHello parses a possibly incomplete ClientHello (RFC 8446 4.1.2). ok is false if the
// random is incomplete.
func parseClientHello(body []byte) (h clientHello, ok bool) {
	r := helloReader(body)
	if r.uint16()>>8 != 3 || copy(h.random[:], r.bytes(32)) < 32 {
		return h, false
	}
	r.bytes(r.uint8()) // session id
	h.traits = &Hello{}
	for suites := helloReader(r.bytes(r.uint16())); len(suites) >= 2 && len(h.traits.Suites) < maxHelloList; {
		h.traits.Suites = append(h.traits.Suites, uint16(suites.uint16()))
	}
	r.bytes(r.uint8()) // compression methods
	r.extensions(func(kind int, value helloReader) {
		if len(h.traits.Extensions) < maxHelloList {
			h.traits.Extensions = append(h.traits.Extensions, uint16(kind))
		}
		switch kind {
		case extALPN:
			value.uint16()
			h.traits.ALPN = string(value.bytes(value.uint8()))
		case extServerName:
			h.serverName = parseServerName(value)
		case extEarlyData:
			h.earlyData = true
		}
	})
	return h, true
}

// parseServerName returns the first name of a server name list (RFC 6066 3), or nil if it is cut.
func parseServerName(r helloReader) []byte {
	r.uint16()
	if r.uint8() != 0 {
		return nil
	}
	n := r.uint16()
	if name := r.bytes(n); len(name) == n && n > 0 {
		return name
	}
	return nil
}

// parseServerHello parses a possibly incomplete ServerHello (RFC 8446 4.1.3). ok is false if the
// suite is missing.
func parseServerHello(body []byte) (h serverHello, ok bool) {
	r := helloReader(body)
	version := r.uint16()
	if version>>8 != 3 || copy(h.random[:], r.bytes(32)) < 32 {
		return h, false
	}
	copy(h.session[:], r.bytes(r.uint8()))
	if len(r) < 2 {
		return h, false
	}
	h.version, h.suite = uint16(version), uint16(r.uint16())
	h.retry = h.random == helloRetryRandom
	r.uint8() // compression method
	r.extensions(func(kind int, value helloReader) {
		switch kind {
		case extEncryptThenMAC:
			h.etm = true
		case extSupportedVersions:
			h.version = uint16(value.uint16())
		}
	})
	if h.suite>>8 == 0x13 {
		h.version = versionTLS13 // the extension may be cut off
	}
	return h, true
}
