package evidence

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// The plaintext parts of TLS (RFC 5246, RFC 8446).
const (
	recordHead = 5
	// maxRecord is the longest TLS record: 2^14 bytes and the expansion (RFC 5246 6.2.3).
	maxRecord = 1<<14 + 2048

	recordChange    = 20
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23

	helloClient = 1
	helloServer = 2

	extensionServerName = 0
)

// plainExtensions are the extensions of a ClientHello that show the capabilities of a client and
// not its identity (IANA, TLS ExtensionType Values): groups, point formats, signature algorithms,
// ALPN, encrypt-then-MAC, extended master secret, versions, PSK modes, key share, renegotiation.
var plainExtensions = map[uint16]bool{
	10: true, 11: true, 13: true, 16: true, 22: true, 23: true, 43: true, 45: true, 51: true, 0xff01: true,
}

func isRecord(b []byte) bool {
	return len(b) >= recordHead && b[0] >= recordChange && b[0] <= recordData && b[1] == 3 && b[2] <= 4 &&
		binary.BigEndian.Uint16(b[3:]) <= maxRecord
}

// speaksTLS reports whether the direction begins with a TLS record. If its beginning is missing,
// the first available bytes must begin with one.
func (d *sideBytes) speaksTLS() bool {
	if b := d.first(); b != nil {
		return isRecord(b)
	}
	return len(d.islands) > 0 && isRecord(d.islands[0].bytes)
}

// records scrubs a direction with TLS. Without pseudonyms nothing changes: the secret parts are
// encrypted. With pseudonyms only record headers, hellos and plaintext alerts remain.
func (s *scrubber) records(d *sideBytes) {
	if s.names == nil {
		return
	}
	var handshake [][]byte
	encrypted := !d.whole
	at := int64(-1)
	if d.whole {
		at = 0
	}
	for _, i := range d.islands {
		switch {
		case at >= i.end():
			clear(i.bytes)
			continue
		case at < i.at && isRecord(i.bytes):
			at, encrypted = i.at, true // the bytes before it are unknown
		case at < i.at:
			clear(i.bytes)
			at = -1
			continue
		}
		clear(i.bytes[:at-i.at])
		for at >= 0 && at < i.end() {
			b := i.bytes[at-i.at:]
			if !isRecord(b) {
				clear(b)
				at = -1
				break
			}
			length := int64(binary.BigEndian.Uint16(b[3:]))
			body := b[recordHead:min(int64(len(b)), recordHead+length)]
			switch {
			case b[0] == recordChange:
				encrypted = true
				clear(body[min(1, len(body)):])
			case b[0] == recordHandshake && !encrypted:
				handshake = append(handshake, body)
			case b[0] == recordAlert && !encrypted && length == 2:
			default:
				clear(body)
			}
			at += recordHead + length
		}
	}
	s.handshake(handshake)
}

// handshake scrubs the handshake messages in consecutive parts.
func (s *scrubber) handshake(parts [][]byte) {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	for rest := all; len(rest) > 0; {
		if len(rest) < 4 {
			clear(rest)
			break
		}
		length := int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
		body := rest[4:min(len(rest), 4+length)]
		switch {
		case rest[0] == helloClient && len(body) == length:
			s.clientHello(body)
		case rest[0] == helloServer && len(body) == length:
		default:
			clear(body)
		}
		rest = rest[4+len(body):]
	}
	for _, p := range parts {
		all = all[copy(p, all):]
	}
}

// clientHello replaces the server name, and overwrites extensions that can identify the client.
func (s *scrubber) clientHello(b []byte) {
	const fixed = 2 + 32 // version, random
	hello := cryptobyte.String(b)
	var session, suites, compression cryptobyte.String
	if !hello.Skip(fixed) || !hello.ReadUint8LengthPrefixed(&session) || !hello.ReadUint16LengthPrefixed(&suites) ||
		!hello.ReadUint8LengthPrefixed(&compression) || !hello.Skip(2) {
		clear(b[min(fixed, len(b)):])
		return
	}
	for !hello.Empty() {
		var kind uint16
		var body cryptobyte.String
		switch {
		case !hello.ReadUint16(&kind) || !hello.ReadUint16LengthPrefixed(&body):
			clear(hello) // truncated
			return
		case kind == extensionServerName:
			s.serverName(body)
		case !plainExtensions[kind]:
			clear(body)
		}
	}
}

// serverName replaces the name in a server name extension (RFC 6066 3).
func (s *scrubber) serverName(b []byte) {
	const head = 5 // length of the list, kind of name, length of the name
	if len(b) < head || b[2] != 0 || int(binary.BigEndian.Uint16(b[3:])) != len(b)-head {
		clear(b)
		return
	}
	s.names.Fill("host", b[head:])
}
