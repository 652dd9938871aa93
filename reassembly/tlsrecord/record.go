package tlsrecord

// Record content types (RFC 8446 5.1, RFC 6520 6 for heartbeat).
const (
	typeChangeCipher = 20
	typeAlert        = 21
	typeHandshake    = 22
	typeData         = 23
	typeHeartbeat    = 24
)

// Protocol versions as they are on the wire.
const (
	versionSSL30 = 0x0300
	versionTLS10 = 0x0301
	versionTLS11 = 0x0302
	versionTLS12 = 0x0303
	versionTLS13 = 0x0304
)

const (
	// headerSize is type, version and length.
	headerSize = 5
	// maxContent is the most a record may carry (RFC 8446 5.1).
	maxContent = 1 << 14
	// maxBody is the most that may follow a header: what TLS 1.2 may add for
	// cipher and compression (RFC 5246 6.2.3). TLS 1.3 allows 256 bytes.
	maxBody = maxContent + 2048
	// maxRecord is a whole record.
	maxRecord = headerSize + maxBody
)

// header is the header of a record.
type header struct {
	kind    byte
	version uint16
	size    int // of what follows the header, in bytes
}

// parseHeader reads a header from the first headerSize bytes of p. ok is false where no
// TLS record begins like this.
func parseHeader(p []byte) (h header, ok bool) {
	_ = p[headerSize-1]
	h = header{kind: p[0], version: uint16(p[1])<<8 | uint16(p[2]), size: int(p[3])<<8 | int(p[4])}
	ok = h.kind >= typeChangeCipher && h.kind <= typeHeartbeat && p[1] == 3 && p[2] <= 4 && h.size <= maxBody
	return h, ok
}

// beginsLikeHeader reports whether p, of any length, can be the beginning of a header.
func beginsLikeHeader(p []byte) bool {
	if len(p) >= headerSize {
		_, ok := parseHeader(p)
		return ok
	}
	full := [headerSize]byte{typeData, 3, 3}
	copy(full[:], p)
	_, ok := parseHeader(full[:])
	return ok
}

func versionName(v uint16) string {
	switch v {
	case versionSSL30:
		return "SSL 3.0"
	case versionTLS10:
		return "TLS 1.0"
	case versionTLS11:
		return "TLS 1.1"
	case versionTLS12:
		return "TLS 1.2"
	case versionTLS13:
		return "TLS 1.3"
	}
	return ""
}

// LooksLikeRecord reports whether a TLS record of any kind can begin with p,
// of which it needs 5 bytes. By chance, 1 of 10,000,000 random strings
// passes. No Kafka message does: its size would be 320 MiB and more.
func LooksLikeRecord(p []byte) bool {
	if len(p) < headerSize {
		return false
	}
	h, ok := parseHeader(p)
	return ok && h.size > 0 && h.kind <= typeData
}

// LooksLikeClientHello reports whether a connection's first bytes, of which it
// needs 6, begin a ClientHello.
func LooksLikeClientHello(p []byte) bool { return looksLikeHello(p, helloClient) }

// LooksLikeServerHello reports whether the first bytes of a server's answer,
// of which it needs 6, begin a ServerHello.
func LooksLikeServerHello(p []byte) bool { return looksLikeHello(p, helloServer) }

// looksLikeHello checks the headers of record and handshake message as far as
// they are there. The smallest hello is a ServerHello without extensions:
// version, random, an empty session id, suite and compression method.
func looksLikeHello(p []byte, kind byte) bool {
	const smallest = 2 + 32 + 1 + 2 + 1
	switch {
	case len(p) <= headerSize || !LooksLikeRecord(p) || p[0] != typeHandshake || p[5] != kind:
		return false
	case len(p) < headerSize+5:
		return true
	}
	return int(p[6])<<16|int(p[7])<<8|int(p[8]) >= smallest && p[9] == 3
}

// LooksLikeAlert reports whether p, of which it needs 7 bytes, begins with an
// unencrypted alert, as a TLS server sends when it was spoken to in the clear.
func LooksLikeAlert(p []byte) bool {
	return len(p) >= headerSize+2 && LooksLikeRecord(p) && p[0] == typeAlert && p[3] == 0 && p[4] == 2 &&
		(p[5] == alertWarning || p[5] == alertFatal)
}
