package tlsrecord

// Record content types (RFC 8446 5.1, RFC 6520 6 for heartbeat).
const (
	typeChangeCipher = 20
	typeAlert        = 21
	typeHandshake    = 22
	typeData         = 23
	typeHeartbeat    = 24
)

// Protocol versions on the wire.
const (
	versionSSL30 = 0x0300
	versionTLS10 = 0x0301
	versionTLS11 = 0x0302
	versionTLS12 = 0x0303
	versionTLS13 = 0x0304
)

const (
	// headerSize is the length of type, version and length.
	headerSize = 5
	// maxContent is the maximum content of a record (RFC 8446 5.1).
	maxContent = 1 << 14
	// maxBody is the maximum length after the header. TLS 1.2 allows this much for cipher and
	// compression (RFC 5246 6.2.3). TLS 1.3 allows 256 bytes.
	maxBody   = maxContent + 2048
	maxRecord = headerSize + maxBody
)

type header struct {
	kind byte
	size int // bytes after the header
}

// parseHeader parses a header from the first headerSize bytes of p. ok is false if no TLS record
// begins like this.
func parseHeader(p []byte) (h header, ok bool) {
	_ = p[headerSize-1]
	h = header{kind: p[0], size: int(p[3])<<8 | int(p[4])}
	ok = h.kind >= typeChangeCipher && h.kind <= typeHeartbeat && p[1] == 3 && p[2] <= 4 && h.size <= maxBody
	return h, ok
}

// beginsLikeHeader reports whether p, of any length, can be the beginning of a header.
func beginsLikeHeader(p []byte) bool {
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

// LooksLikeRecord reports whether a TLS record of any kind can begin with p. It needs 5 bytes. One
// of 10,000,000 random strings passes. No Kafka frame passes: its size would be at least 320 MiB.
func LooksLikeRecord(p []byte) bool {
	if len(p) < headerSize {
		return false
	}
	h, ok := parseHeader(p)
	return ok && h.size > 0 && h.kind <= typeData
}

// LooksLikeClientHello reports whether the first bytes of a connection begin a ClientHello. It
// needs 6 bytes.
func LooksLikeClientHello(p []byte) bool { return looksLikeHello(p, helloClient) }

// LooksLikeServerHello reports the same of a ServerHello.
func LooksLikeServerHello(p []byte) bool { return looksLikeHello(p, helloServer) }

// looksLikeHello checks as much of the record and message headers as p has. The smallest hello is
// a ServerHello without extensions: version, random, an empty session id, suite and compression
// method.
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

// LooksLikeAlert reports whether p begins with an unencrypted alert. A TLS server sends one if the
// client does not speak TLS. It needs 7 bytes.
func LooksLikeAlert(p []byte) bool {
	return len(p) >= headerSize+2 && LooksLikeRecord(p) && p[0] == typeAlert && p[3] == 0 && p[4] == 2 &&
		(p[5] == alertWarning || p[5] == alertFatal)
}
