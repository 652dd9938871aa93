package reassembly

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// textGreetings are the first bytes of servers that answer a Kafka request with another protocol,
// or send first: a status line (RFC 9112), the identification of SSH (RFC 4253 4.2), the protocol
// header of AMQP, errors and replies of Redis.
var textGreetings = []struct{ begin, protocol string }{
	{"HTTP/", SpokeHTTP}, {"SSH-", SpokeSSH}, {"AMQP", SpokeAMQP},
	{"-ERR", SpokeRedis}, {"-NOAUTH", SpokeRedis}, {"-DENIED", SpokeRedis}, {"+PONG", SpokeRedis},
}

// needsMore reports whether p may begin a greeting that needs more bytes to be recognized.
func needsMore(p []byte) bool {
	if m := message(p); len(m) > minMessage && len(m) == len(p)-sizeBytes {
		return false // it is a complete response
	}
	n, ok := settingsLength(p)
	return len(p) < http2Header || ok && len(p) < http2Header+n
}

// foreignGreeting returns the protocol of a server whose first bytes are p. It returns "" if they
// may be a Kafka response.
func foreignGreeting(p []byte) string {
	if len(p) < sizeBytes {
		return ""
	}
	if size := int64(int32(binary.BigEndian.Uint32(p))); size >= minMessage && size <= maxMessage {
		return binaryGreeting(p)
	}
	for _, g := range textGreetings {
		if bytes.HasPrefix(p, []byte(g.begin)) {
			return g.protocol
		}
	}
	line := firstLine(p)
	switch {
	case bytes.HasPrefix(p, []byte("220")) && bytes.Contains(line, []byte("SMTP")):
		return SpokeSMTP // RFC 5321 4.2
	case bytes.HasPrefix(p, []byte("220")) && bytes.Contains(line, []byte("FTP")):
		return SpokeFTP // RFC 959 5.4
	case isText(line):
		return SpokeText
	case len(p) >= 5 && tlsrecord.LooksLikeRecord(p):
		return SpokeTLS
	case isMySQL(p):
		return SpokeMySQL
	case len(p) > 9 && p[0] == 'E' && p[5] == 'S':
		return SpokePostgreSQL // ErrorResponse: its length, then the field "severity"
	case bytes.HasPrefix(p, []byte{0x20, 0x02}):
		return SpokeMQTT // CONNACK: MQTT 3.1.1, 3.2
	}
	return SpokeUnknown
}

// binaryGreeting is foreignGreeting for bytes that can begin a Kafka response.
func binaryGreeting(p []byte) string {
	switch {
	case isHTTP2(p):
		return SpokeHTTP2
	case isMySQL(p):
		return SpokeMySQL
	case isZooKeeper(p):
		return SpokeZooKeeper
	}
	return ""
}

const http2Header = 9

// isHTTP2 recognizes the first SETTINGS frame of an HTTP/2 server (RFC 9113 3.4, 6.5): a length of
// 3 bytes, type 4, no flags, stream 0, then settings of 6 bytes with small identifiers. Without
// settings, it looks like a Kafka response of 4 bytes to correlation id 0. No response is empty.
func isHTTP2(p []byte) bool {
	const setting, maxIdentifier = 6, 16
	n, ok := settingsLength(p)
	if !ok || len(p) < http2Header+n {
		return false
	}
	for s := p[http2Header : http2Header+n]; len(s) > 0; s = s[setting:] {
		if id := binary.BigEndian.Uint16(s); id == 0 || id > maxIdentifier {
			return false
		}
	}
	return true
}

// settingsLength returns the length of the settings in a SETTINGS frame. ok is false if p does not
// begin with the header of one.
func settingsLength(p []byte) (n int, ok bool) {
	const setting, maxSettings = 6, 16
	if len(p) < http2Header || p[3] != 4 || p[4] != 0 || binary.BigEndian.Uint32(p[5:]) != 0 {
		return 0, false
	}
	n = int(p[0])<<16 | int(p[1])<<8 | int(p[2])
	return n, n%setting == 0 && n <= maxSettings*setting
}

// isMySQL recognizes the first packet of a MySQL server (MySQL internals, Protocol::Handshake and
// ERR_Packet): a length of 3 bytes, little-endian, sequence number 0, then protocol 10 and the
// version as text, or an error.
func isMySQL(p []byte) bool {
	const longest = 1 << 10 // maximum length of such a packet; p may be its beginning
	if len(p) < 8 || p[3] != 0 || int(p[0])|int(p[1])<<8|int(p[2])<<16 > longest {
		return false
	}
	return p[4] == 10 && p[5] >= '3' && p[5] <= '9' || p[4] == 0xff && isText(p[7:8])
}

// isZooKeeper recognizes ZooKeeper's ConnectResponse (zookeeper.jute). It has 36 bytes, or 37 with
// a flag. The protocol version is 0. The password, behind a timeout and a session, has 16 bytes.
func isZooKeeper(p []byte) bool {
	const passwordAt, passwordLength = 20, 16
	size := int(binary.BigEndian.Uint32(p))
	return (size == 36 || size == 37) && len(p) == sizeBytes+size &&
		binary.BigEndian.Uint32(p[4:]) == 0 && binary.BigEndian.Uint32(p[passwordAt:]) == passwordLength
}

// isText reports whether p is not empty and has only printable ASCII and tabs.
func isText(p []byte) bool {
	for _, c := range p {
		if (c < ' ' || c > '~') && c != '\t' {
			return false
		}
	}
	return len(p) > 0
}

// firstLine returns the first line of p, at most maxGreeting bytes.
func firstLine(p []byte) []byte {
	p = p[:min(len(p), maxGreeting)]
	if i := bytes.IndexAny(p, "\r\n"); i >= 0 {
		p = p[:i]
	}
	return p
}

// noteGreeting records the protocol of the broker's side if its first bytes p cannot be Kafka.
// Greeting collects the bytes until the connection is over.
func (c *conn) noteGreeting(p []byte) bool {
	switch o := c.info.Odd(); o.Spoke {
	case "":
	case SpokeTLS:
		return true
	default:
		o.Greeting = append(o.Greeting, p[:min(len(p), maxGreeting-len(o.Greeting))]...)
		return true
	}
	spoke := foreignGreeting(p)
	if spoke == "" && c.mayAnswer(p) {
		return false
	}
	spoke = cmp.Or(spoke, SpokeUnknown)
	c.odd().Spoke = spoke
	switch spoke {
	case SpokeTLS:
		if c.tls == nil && c.info.Bytes[ToBroker] > 0 { // otherwise the client's side was not captured
			c.info.Confusion = ClearToTLS
		}
	default:
		c.odd().Greeting = bytes.Clone(p[:min(len(p), maxGreeting)])
	}
	return true
}

// mayAnswer reports whether p may begin a response to a request of this connection. An echo begins
// with the request itself.
func (c *conn) mayAnswer(p []byte) bool {
	if c.dialogue.handler == nil || len(p) < sizeBytes+wantBytes {
		return true
	}
	size := int64(binary.BigEndian.Uint32(p))
	_, ok := c.dialogue.handler.Want(ToClient, size, clip(p[sizeBytes:], size))
	return ok
}

// endGreeting determines the protocol from the whole greeting, and cuts text to its first line.
func (c *conn) endGreeting() {
	i := c.info.Odd()
	if i.Greeting == nil {
		return
	}
	if name := foreignGreeting(i.Greeting); name != "" && name != SpokeTLS {
		i.Spoke = name
	}
	switch i.Spoke {
	case SpokeHTTP, SpokeSSH, SpokeAMQP, SpokeRedis, SpokeSMTP, SpokeFTP, SpokeText:
		i.Greeting = firstLine(i.Greeting)
	}
}

// keepOpening keeps the client's first bytes if they can be a request.
func (c *conn) keepOpening(first []byte) {
	if len(first) < sizeBytes+wantBytes {
		return
	}
	size := int64(int32(binary.BigEndian.Uint32(first)))
	if c.w.opt.LooksLikeRequest(size, clip(first[sizeBytes:], size)) != No {
		c.odd().Opening = bytes.Clone(first[:min(len(first), maxGreeting)])
	}
}
