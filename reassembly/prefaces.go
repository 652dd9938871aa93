package reassembly

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pires/go-proxyproto"
)

// PrefaceKind is a protocol that precedes the Kafka or TLS bytes of a connection.
type PrefaceKind uint8

// The known prefaces.
const (
	// NoPreface is no known preface.
	NoPreface PrefaceKind = iota
	// ProxyV1 and ProxyV2 are the versions of HAProxy's PROXY protocol
	// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
	ProxyV1
	ProxyV2
	// SOCKS4 includes SOCKS4a (https://www.openssh.com/txt/socks4.protocol, socks4a.protocol).
	SOCKS4
	// SOCKS5 is RFC 1928, with the authentication of RFC 1929.
	SOCKS5
	// Connect is the HTTP method (RFC 9110 9.3.6).
	Connect
	// UnknownPreface is anything else before Kafka.
	UnknownPreface
)

var prefaceNames = [...]string{"", "PROXY protocol v1", "PROXY protocol v2", "SOCKS4", "SOCKS5", "HTTP CONNECT", "unknown preface"}

// String returns the usual name.
func (k PrefaceKind) String() string { return prefaceNames[k] }

// Preface is what a proxy, or a client of one, sent first on a connection.
type Preface struct {
	Kind PrefaceKind
	// Source is the client's address according to a load balancer; the zero value for none.
	Source netip.AddrPort
	// Target is the host and port that the client requested or connected to; empty for none.
	// Escape it: it comes from the wire.
	Target string
	// Problem says why the bytes behind the preface were not read; empty if they were.
	Problem string
}

// leads reports whether the bytes behind the preface go to its target. The target of the PROXY
// protocol is the load balancer itself.
func (p *Preface) leads() bool { return p.Kind > ProxyV2 && p.Target != "" }

// parseState is the result of parsing a preface.
type parseState uint8

const (
	parsed   parseState = iota
	needMore            // all bytes match so far
	noMatch             // it is something else
	notRead             // the preface is known, but its request is not supported: Preface.Problem
)

const (
	// maxProxyV1 is the longest PROXY line, including CRLF (proxy-protocol.txt 2.1).
	maxProxyV1 = 107
	// proxyV2Fixed is the length of a PROXY header of version 2 before the addresses.
	proxyV2Fixed = 16
	// maxTarget is the longest host name of SOCKS5 (one length byte), a colon and a port.
	maxTarget = 255 + 6
)

var (
	proxyV1Signature = []byte("PROXY ")
	proxyV2Signature = []byte("\r\n\r\n\x00\r\nQUIT\n")
	connectMethod    = []byte("CONNECT ")
)

// mayBePreface reports whether a preface can begin with b. No Kafka request can: it would be over
// 64 MiB.
func mayBePreface(b byte) bool {
	return b == 'P' || b == 'C' || b == '\r' || b == 4 || b == 5
}

// parsePreface parses the preface at the beginning of b and returns its length.
func parsePreface(b []byte) (p Preface, n int, state parseState) {
	switch {
	case len(b) == 0:
		return p, 0, needMore
	case b[0] == 4:
		return parseSOCKS4(b)
	case b[0] == 5:
		return parseSOCKS5(b)
	}
	for _, s := range [...]struct {
		signature []byte
		parse     func([]byte) (Preface, int, parseState)
	}{{proxyV1Signature, parseProxyV1}, {proxyV2Signature, parseProxyV2}, {connectMethod, parseConnect}} {
		if m := min(len(b), len(s.signature)); bytes.Equal(b[:m], s.signature[:m]) {
			if m < len(s.signature) {
				return p, 0, needMore
			}
			return s.parse(b)
		}
	}
	return p, 0, noMatch
}

// prefaceKind returns the kind of the possibly incomplete preface at the beginning of b.
func prefaceKind(b []byte) PrefaceKind {
	switch {
	case b[0] == 4:
		return SOCKS4
	case b[0] == 5:
		return SOCKS5
	case b[0] == proxyV1Signature[0]:
		return ProxyV1
	case b[0] == connectMethod[0]:
		return Connect
	}
	return ProxyV2
}

func parseProxyV1(b []byte) (p Preface, n int, state parseState) {
	n = bytes.IndexByte(b[:min(len(b), maxProxyV1)], '\n') + 1
	if n == 0 {
		if len(b) < maxProxyV1 {
			return p, 0, needMore
		}
		return p, 0, noMatch
	}
	p.Kind = ProxyV1
	return readProxy(p, b[:n], n)
}

// parseProxyV2 parses the addresses of a binary header. It skips what follows them (TLVs): up to
// 64 KiB, which go-proxyproto would copy.
func parseProxyV2(b []byte) (p Preface, n int, state parseState) {
	if len(b) < proxyV2Fixed {
		return p, 0, needMore
	}
	const version, local, proxy = 2 << 4, 0, 1
	if b[12] != version|local && b[12] != version|proxy {
		return p, 0, noMatch
	}
	p.Kind = ProxyV2
	length := int(binary.BigEndian.Uint16(b[14:]))
	n = proxyV2Fixed + length
	if len(b) < n {
		return p, 0, needMore
	}
	if b[12] == version|local || b[13]>>4 == 0 { // a health check, or no address family (UNSPEC)
		return p, n, parsed
	}
	addresses := proxyV2Addresses(b)
	header := bytes.Clone(b[:proxyV2Fixed+addresses])
	binary.BigEndian.PutUint16(header[14:], uint16(addresses))
	return readProxy(p, header, n)
}

// proxyV2Addresses returns the length of the addresses in a header of version 2.
func proxyV2Addresses(b []byte) int {
	length := 0
	switch b[13] >> 4 {
	case 1: // AF_INET
		length = 12
	case 2: // AF_INET6
		length = 36
	case 3: // AF_UNIX
		length = 216
	}
	return min(length, int(binary.BigEndian.Uint16(b[14:])))
}

// readProxy parses a complete header with go-proxyproto.
func readProxy(p Preface, header []byte, n int) (Preface, int, parseState) {
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(header), len(header)))
	if err != nil {
		p.Problem = "its header cannot be read"
		return p, n, notRead
	}
	if source, target, ok := h.TCPAddrs(); ok && h.Command.IsProxy() {
		p.Source = unmapped(source.AddrPort())
		p.Target = unmapped(target.AddrPort()).String()
	}
	return p, n, parsed
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// parseSOCKS4 parses a connect request: version, command, port, address, user id. In SOCKS4a the
// address is 0.0.0.x, and a host name follows the user id.
func parseSOCKS4(b []byte) (p Preface, n int, state parseState) {
	const fixed, maxUser = 8, 255
	switch {
	case len(b) > 1 && b[1] != 1 && b[1] != 2:
		return p, 0, noMatch
	case len(b) < fixed:
		return p, 0, needMore
	}
	p.Kind = SOCKS4
	user := bytes.IndexByte(b[fixed:min(len(b), fixed+maxUser+1)], 0)
	if user < 0 {
		return p, 0, more(len(b) <= fixed+maxUser)
	}
	n = fixed + user + 1
	port := binary.BigEndian.Uint16(b[2:])
	host := netip.AddrFrom4([4]byte(b[4:8])).String()
	if b[4] == 0 && b[5] == 0 && b[6] == 0 && b[7] != 0 {
		name := bytes.IndexByte(b[n:min(len(b), n+256)], 0)
		if name < 0 {
			return p, 0, more(len(b) < n+256)
		}
		host = string(b[n : n+name])
		n += name + 1
	}
	p.Target = target(host, port)
	if b[1] != 1 {
		p.Problem = "it asks for a connection from outside (BIND)"
		return p, n, notRead
	}
	return p, n, parsed
}

func more(yes bool) parseState {
	if yes {
		return needMore
	}
	return noMatch
}

func target(host string, port uint16) string {
	host = host[:min(len(host), maxTarget)]
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// parseSOCKS5 parses all that the client sends: its authentication methods, user name and password
// if the proxy requested them, and the request.
func parseSOCKS5(b []byte) (p Preface, n int, state parseState) {
	if len(b) < 2 {
		return p, 0, needMore
	}
	n = 2 + int(b[1])
	if b[1] == 0 || !areMethods(b[2:min(n, len(b))]) {
		return p, 0, noMatch
	}
	p.Kind = SOCKS5
	if len(b) > n && b[n] == 1 { // RFC 1929
		for range 2 { // user name, password
			if len(b) < n+2 {
				return p, 0, needMore
			}
			n += 1 + int(b[n+1])
		}
		n++
	}
	const fixed = 4 // version, command, 0, address type
	r := b[min(n, len(b)):]
	switch {
	case len(r) > 0 && r[0] != 5:
		p.Problem = "the authentication is not supported"
		return p, n, notRead
	case len(r) < fixed+1:
		return p, 0, needMore
	case r[2] != 0:
		return p, 0, noMatch
	}
	at, length := fixed, 0
	switch r[3] {
	case 1:
		length = 4
	case 3:
		at, length = fixed+1, int(r[fixed])
	case 4:
		length = 16
	default:
		return p, 0, noMatch
	}
	if len(r) < at+length+2 {
		return p, 0, needMore
	}
	host := string(r[at : at+length])
	if r[3] != 3 {
		a, _ := netip.AddrFromSlice(r[at : at+length])
		host = a.Unmap().String()
	}
	n += at + length + 2
	p.Target = target(host, binary.BigEndian.Uint16(r[at+length:]))
	if r[1] != 1 {
		p.Problem = "it asks for something else than a connection"
		return p, n, notRead
	}
	return p, n, parsed
}

// areMethods reports whether b can be authentication methods: assigned by IANA, or private.
func areMethods(b []byte) bool {
	const lastAssigned, firstPrivate, none = 9, 0x80, 0xff
	for _, m := range b {
		if m > lastAssigned && m < firstPrivate || m == none {
			return false
		}
	}
	return true
}

// parseConnect parses the head of a CONNECT request. It keeps none of the fields: they contain
// passwords.
func parseConnect(b []byte) (p Preface, n int, state parseState) {
	n = headLength(b)
	if n == 0 {
		return p, 0, needMore
	}
	line, _, _ := bytes.Cut(b[len(connectMethod):n], []byte("\n"))
	authority, version, ok := strings.Cut(string(line[:min(len(line), maxTarget+len(" HTTP/1.1"))]), " ")
	if !ok || !strings.HasPrefix(version, "HTTP/1.") {
		return p, 0, noMatch
	}
	target := authority[strings.LastIndexByte(authority, '@')+1:] // before it: a user with a password
	return Preface{Kind: Connect, Target: target}, n, parsed
}

// headLength returns the length of the head of an HTTP message, including the empty line at its
// end. It returns 0 if the head is incomplete. A line may end without CR (RFC 9112 2.2).
func headLength(b []byte) int {
	for n := 0; ; {
		i := bytes.IndexByte(b[n:], '\n')
		if i < 0 {
			return 0
		}
		isEmpty := i == 0 || i == 1 && b[n] == '\r'
		if n += i + 1; isEmpty {
			return n
		}
	}
}

// parseReply parses the proxy's reply to a preface and returns its length.
func parseReply(kind PrefaceKind, b []byte) (n int, state parseState, problem string) {
	switch kind {
	case SOCKS4:
		return parseSOCKS4Reply(b)
	case SOCKS5:
		return parseSOCKS5Reply(b)
	case Connect:
		return parseConnectReply(b)
	}
	return 0, parsed, "" // the PROXY protocol has no reply
}

// refusal is Preface.Problem if the proxy refused.
const refusal = "the proxy refused it"

// answersPreface reports whether b begins the reply to a preface with a Problem.
func answersPreface(kind PrefaceKind, b []byte) parseState {
	switch {
	case kind <= ProxyV2:
		return notRead
	case len(b) == 0:
		return needMore
	case kind == SOCKS4 && b[0] == 0, kind == SOCKS5 && b[0] == 5:
		return notRead
	}
	return noMatch
}

func parseSOCKS4Reply(b []byte) (n int, state parseState, problem string) {
	const length, granted, least, most = 8, 90, 91, 93
	switch {
	case len(b) > 0 && b[0] != 0, len(b) > 1 && (b[1] < granted || b[1] > most):
		return 0, noMatch, ""
	case len(b) < length:
		return 0, needMore, ""
	case b[1] >= least:
		return length, notRead, refusal
	}
	return length, parsed, ""
}

func parseSOCKS5Reply(b []byte) (n int, state parseState, problem string) {
	const password, none = 2, 255
	switch {
	case len(b) > 0 && b[0] != 5:
		return 0, noMatch, ""
	case len(b) < 2:
		return 0, needMore, ""
	case b[1] == none:
		return 2, notRead, refusal
	}
	n = 2
	if b[1] == password {
		if len(b) < n+2 {
			return 0, needMore, ""
		}
		if b[n+1] != 0 {
			return n + 2, notRead, refusal
		}
		n += 2
	}
	const fixed = 4
	r := b[n:]
	if len(r) < fixed+1 {
		return 0, needMore, ""
	}
	length := map[byte]int{1: 4, 3: 1 + int(r[fixed]), 4: 16}[r[3]]
	switch {
	case r[0] != 5 || length == 0:
		return 0, noMatch, ""
	case len(r) < fixed+length+2:
		return 0, needMore, ""
	}
	n += fixed + length + 2
	if r[1] != 0 {
		return n, notRead, refusal
	}
	return n, parsed, ""
}

// parseConnectReply parses the head of a response, and of the interim ones before it (RFC 9110
// 15.2). A response other than 2xx may have a body, for example one that demands a password.
// Another CONNECT can follow it.
func parseConnectReply(b []byte) (n int, state parseState, problem string) {
	const status = "HTTP/1.x NNN"
	for {
		head := b[n:]
		m := min(len(head), len("HTTP/1."))
		if string(head[:m]) != "HTTP/1."[:m] {
			return 0, noMatch, ""
		}
		length := headLength(head)
		switch {
		case length == 0:
			return 0, needMore, ""
		case length < len(status):
			return 0, noMatch, ""
		}
		n += length
		switch head[len(status)-3] {
		case '1':
			continue
		case '2':
			return n, parsed, ""
		}
		if length, state = bodyLength(head[:length], b[n:]); state == needMore {
			return n, needMore, refusal
		}
		return n + length, notRead, refusal
	}
}

// bodyLength returns the length of the body in b that follows a head. The state is needMore if the
// body is incomplete, noMatch if its length is unknown.
func bodyLength(head, b []byte) (n int, state parseState) {
	for line := range bytes.Lines(head) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			if !bytes.EqualFold(value, []byte("chunked")) {
				return 0, noMatch
			}
			return chunkedLength(b)
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err := strconv.Atoi(string(value))
			if err != nil || length < 0 {
				return 0, noMatch
			}
			n = length
		}
	}
	if len(b) < n {
		return 0, needMore
	}
	return n, parsed
}

// chunkedLength is bodyLength for a body in chunks (RFC 9112 7.1). Trailers follow the last, empty
// chunk.
func chunkedLength(b []byte) (n int, state parseState) {
	for {
		line, _, ok := bytes.Cut(b[n:], []byte("\n"))
		if !ok {
			return 0, needMore
		}
		digits, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(";"))
		size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 31)
		if err != nil {
			return 0, noMatch
		}
		if size == 0 {
			trailers := headLength(b[n+len(line)+1:])
			if trailers == 0 {
				return 0, needMore
			}
			return n + len(line) + 1 + trailers, parsed
		}
		if n += len(line) + 1 + int(size); n >= len(b) {
			return 0, needMore
		}
		end := bytes.IndexByte(b[n:], '\n')
		if end < 0 {
			return 0, needMore
		}
		n += end + 1
	}
}
