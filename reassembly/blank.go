package reassembly

import "bytes"

// BlankPreface overwrites confidential bytes of the preface at the beginning of a client's data:
// passwords, user names, header fields and texts; if addresses is true, also addresses. It returns
// the length and kind of the preface. kind is NoPreface if b does not begin with a complete one.
// The preface can still be parsed afterwards.
func BlankPreface(b []byte, addresses bool) (n int, kind PrefaceKind) {
	p, n, state := parsePreface(b)
	if state != parsed {
		return 0, NoPreface
	}
	blankers := [...]func([]byte, bool){ProxyV1: blankProxyV1, ProxyV2: blankProxyV2, SOCKS4: blankSOCKS4, SOCKS5: blankSOCKS5, Connect: blankConnect}
	blankers[p.Kind](b[:n], addresses)
	return n, p.Kind
}

// BlankReply is BlankPreface for the proxy's reply to a preface.
func BlankReply(kind PrefaceKind, b []byte, addresses bool) (n int) {
	n, state, _ := parseReply(kind, b)
	if state != parsed && state != notRead {
		return 0
	}
	switch {
	case kind == Connect:
		blankHead(b[:n], len("HTTP/1.x NNN"))
	case kind == SOCKS4 && addresses:
		clear(b[2:n])
	case kind == SOCKS5 && addresses && n > 10:
		clear(b[n-6 : n])
	}
	return n
}

// BlankSettings overwrites the first data of an HTTP/2 server, except its SETTINGS frame. It reports
// whether b is such data.
func BlankSettings(b []byte) bool {
	if !isHTTP2(b) {
		return false
	}
	n, _ := settingsLength(b) // numbers, no text
	clear(b[http2Header+n:])
	return true
}

// BlankGreeting overwrites the first data of a server that answers with a line of text, except the
// beginning that names the protocol. It reports whether b is such data.
func BlankGreeting(b []byte) bool {
	line := firstLine(b)
	if !isText(line) || foreignGreeting(b) == "" {
		return false
	}
	keep := 0
	for _, g := range textGreetings {
		if bytes.HasPrefix(line, []byte(g.begin)) {
			keep = len(g.begin)
		}
	}
	fill(line[keep:])
	clear(b[len(line):])
	return true
}

func blankProxyV1(b []byte, addresses bool) {
	if addresses {
		fill(b[:len(b)-2])
		copy(b[:len(b)-2], "PROXY UNKNOWN ") // text after UNKNOWN is not parsed; the shortest line with addresses is 35 bytes long
	}
}

func blankProxyV2(b []byte, addresses bool) {
	clear(b[proxyV2Fixed+proxyV2Addresses(b):])
	if addresses {
		clear(b[proxyV2Fixed:])
		b[12], b[13] = 0x20, 0 // LOCAL, no addresses
	}
}

func blankSOCKS4(b []byte, addresses bool) {
	const fixed = 8
	user := bytes.IndexByte(b[fixed:], 0)
	fill(b[fixed : fixed+user])
	if addresses {
		if b[4] != 0 {
			copy(b[4:fixed], []byte{192, 0, 2, 1}) // a documentation network (RFC 5737)
		}
		if name := b[fixed+user+1:]; len(name) > 0 {
			fill(name[:len(name)-1])
		}
	}
}

func blankSOCKS5(b []byte, addresses bool) {
	n := 2 + int(b[1])
	if b[n] == 1 {
		user := b[n+2 : n+2+int(b[n+1])]
		password := b[n+3+len(user) : n+3+len(user)+int(b[n+2+len(user)])]
		fill(user)
		fill(password)
		n += 3 + len(user) + len(password)
	}
	if !addresses {
		return
	}
	if b[n+3] == 3 {
		fill(b[n+5 : len(b)-2])
	} else {
		clear(b[n+4 : len(b)-2])
	}
}

func blankConnect(b []byte, addresses bool) {
	target, _, _ := bytes.Cut(b[len(connectMethod):], []byte(" "))
	blankHead(b, len(connectMethod)+len(target)+len(" HTTP/1.x"))
	secret := bytes.LastIndexByte(target, '@') // of a user with a password
	if addresses {
		secret = bytes.LastIndexByte(target, ':')
		if secret < 0 {
			secret = len(target)
		}
	}
	fill(target[:max(secret, 0)])
}

// blankHead overwrites the fields of a head, and of the interim heads before it. It keeps line
// ends and the beginnings of first lines: their texts are free.
func blankHead(b []byte, beginning int) {
	isFirst := true
	for line := range bytes.Lines(b) {
		text := bytes.TrimRight(line, "\r\n")
		kept := 0
		if isFirst {
			kept = min(beginning, len(text))
		}
		fill(text[kept:])
		isFirst = len(text) == 0
	}
}

func fill(b []byte) {
	for i := range b {
		b[i] = 'x'
	}
}
