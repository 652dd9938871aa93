package reassembly

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// prefaced returns two requests behind a preface.
func prefaced(p capturetest.Preface, mss int, open bool) []capturetest.Packet {
	r := capturetest.NewRecorder()
	c := r.Join(client, broker)
	if open {
		c = r.Open(client, broker)
	}
	c.Silent, c.MSS = true, mss
	for _, s := range p.Steps {
		c.Send(s.Dir, s.Data)
	}
	c.Exchange(request(3, 1, 1, 20), response(1, 50))
	c.Exchange(request(3, 1, 2, 20), response(2, 50))
	c.Close(capturetest.ToBroker)
	return r.Packets
}

// withoutPreface returns the lines of the same connection without a preface.
func withoutPreface(t *testing.T) []string {
	return sorted(withoutFrames(run(t, prefaced(capturetest.Preface{}, capturetest.DefaultMSS, true), 100).lines))
}

var (
	namedClient = netip.MustParseAddrPort("203.0.113.7:40000")
	namedBroker = netip.MustParseAddrPort("203.0.113.8:9092")
)

// TestPrefaces parses each preface, whole and byte by byte, at the beginning of a connection and
// of a capture.
func TestPrefaces(t *testing.T) {
	want := map[string]Preface{
		"PROXY v1":                            {Kind: ProxyV1, Source: namedClient, Target: namedBroker.String()},
		"PROXY v1 unknown":                    {Kind: ProxyV1},
		"PROXY v2":                            {Kind: ProxyV2, Source: namedClient, Target: namedBroker.String()},
		"PROXY v2 of a network load balancer": {Kind: ProxyV2, Source: netip.MustParseAddrPort("[::]:40000"), Target: "[::]:9092"},
		"SOCKS4":                              {Kind: SOCKS4, Target: namedBroker.String()},
		"SOCKS4a":                             {Kind: SOCKS4, Target: "kafka.example:9092"},
		"SOCKS5":                              {Kind: SOCKS5, Target: namedBroker.String()},
		"SOCKS5 with a password":              {Kind: SOCKS5, Target: "kafka.example:9092"},
		"HTTP CONNECT":                        {Kind: Connect, Target: "kafka.example:9092"},

		"PROXY v2 of no address family":         {Kind: ProxyV2},
		"PROXY v2 of a health check":            {Kind: ProxyV2},
		"HTTP CONNECT with an interim response": {Kind: Connect, Target: "kafka.example:9092"},
		"HTTP CONNECT with bare line feeds":     {Kind: Connect, Target: "kafka.example:9092"},
	}
	lines := withoutPreface(t)
	for _, p := range capturetest.Prefaces() {
		for _, mss := range []int{capturetest.DefaultMSS, 7, 1} {
			for _, open := range []bool{true, false} {
				name := fmt.Sprintf("%s, segments of %d bytes, open %v", p.Name, mss, open)
				got := run(t, prefaced(p, mss, open), 100)
				if d := cmp.Diff(lines, sorted(withoutFrames(got.lines))); d != "" {
					t.Errorf("%s (-want +got):\n%s", name, d)
				}
				c, w := got.conns[0], want[p.Name]
				if len(c.Odd().Prefaces) != 1 || c.Odd().Prefaces[0] != w {
					t.Errorf("%s: %+v, want %+v", name, c.Odd().Prefaces, w)
				}
				wantClient, wantBroker := client, broker
				if w.Source.IsValid() {
					wantClient = w.Source
				}
				if w.Kind > ProxyV2 && w.Target == namedBroker.String() {
					wantBroker = namedBroker
				}
				if c.Client != wantClient || c.Broker != wantBroker {
					t.Errorf("%s: client %v, broker %v, want %v, %v", name, c.Client, c.Broker, wantClient, wantBroker)
				}
				if hasName := w.Target == "kafka.example:9092"; hasName != (c.Domain != 0) {
					t.Errorf("%s: domain %d", name, c.Domain)
				}
				if strings.Contains(fmt.Sprintf("%+v %q %q", c.Odd().Prefaces, c.Odd().Opening, c.Odd().Greeting), "secret") {
					t.Errorf("%s: the password is kept: %+v", name, c)
				}
			}
		}
	}
}

// TestPrefacesWithLoss loses each packet of a preface in turn. The requests behind it are found.
func TestPrefacesWithLoss(t *testing.T) {
	lines := withoutPreface(t)
	for _, p := range capturetest.Prefaces() {
		packets := prefaced(p, 9, true)
		data := 0
		for _, s := range p.Steps {
			data += (len(s.Data) + 8) / 9
		}
		for i := 3; i < 3+data; i++ {
			got := run(t, slices.Delete(slices.Clone(packets), i, i+1), 100)
			if d := cmp.Diff(lines, sorted(withoutFrames(got.lines))); d != "" {
				t.Errorf("%s without packet %d (-want +got):\n%s", p.Name, i+1, d)
			}
		}
	}
}

// TestPrefaceBehindItsRequest: the first request was captured before the preface. The broker
// acknowledges both before it answers.
func TestPrefaceBehindItsRequest(t *testing.T) {
	for _, p := range capturetest.Prefaces() {
		if len(p.Steps) > 1 {
			continue
		}
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Silent = true
		c.Send(capturetest.ToBroker, p.Steps[0].Data)
		c.Send(capturetest.ToBroker, request(3, 1, 1, 20))
		c.Ack(capturetest.ToClient)
		r.Packets[3], r.Packets[4] = r.Packets[4], r.Packets[3]
		c.Send(capturetest.ToClient, response(1, 50))
		got := run(t, r.Packets, 100)
		if n := len(got.conns[0].Odd().Prefaces); n != 1 || count(got.lines, "response") != 1 {
			t.Errorf("%s: %d prefaces, %q", p.Name, n, got.lines)
		}
	}
}

// TestPrefaceBeforeAndAfterTranslation: the second place lacks the handshake, so the preface is read
// before the copy is found. The broker has the nearest address, unless the preface names it.
func TestPrefaceBeforeAndAfterTranslation(t *testing.T) {
	const handshake = 3
	for _, p := range capturetest.Prefaces() {
		plain := capturetest.Randomize(prefaced(p, capturetest.DefaultMSS, true), 1)
		want := run(t, plain, 100).conns[0]
		far := capturetest.Translated(plain[:handshake])
		far = slices.DeleteFunc(far, func(k capturetest.Packet) bool { return !bytes.Contains(k.Data, []byte{30092 >> 8, 30092 & 0xff}) })
		got := run(t, append(far, capturetest.Translated(plain)[2*handshake:]...), 1)
		if c := got.conns[0]; len(got.conns) != 1 || c.Broker != want.Broker || c.Client != want.Client || c.Domain != want.Domain {
			t.Errorf("%s: %d connections, client %v, broker %v in %x, want %v, %v in %x", p.Name, len(got.conns), c.Client, c.Broker, c.Domain, want.Client, want.Broker, want.Domain)
		}
	}
}

// TestPrefacesOneWay: the replies of the proxy and the broker are not captured.
func TestPrefacesOneWay(t *testing.T) {
	for _, p := range capturetest.Prefaces() {
		got := run(t, capturetest.OneWay(prefaced(p, capturetest.DefaultMSS, true), capturetest.ToBroker), 100)
		if n := count(got.lines, "request"); n != 2 || len(got.conns[0].Odd().Prefaces) != 1 {
			t.Errorf("%s: %d requests, %d prefaces", p.Name, n, len(got.conns[0].Odd().Prefaces))
		}
	}
}

// TestTwoPrefaces has a load balancer before a client of a proxy, and a proxy that first demands a
// password.
func TestTwoPrefaces(t *testing.T) {
	all := capturetest.Prefaces()
	both := capturetest.Preface{Steps: slices.Concat(all[0].Steps, all[7].Steps)}
	refused := capturetest.Preface{Steps: slices.Concat([]capturetest.PrefaceStep{
		{Dir: capturetest.ToBroker, Data: []byte("CONNECT kafka.example:9092 HTTP/1.1\r\n\r\n")},
		{Dir: capturetest.ToClient, Data: []byte("HTTP/1.1 407 Authenticate\r\nContent-Length: 5\r\n\r\nwhoru")},
	}, all[7].Steps)}
	chunked := capturetest.Preface{Steps: slices.Clone(refused.Steps)}
	chunked.Steps[1].Data = []byte("HTTP/1.1 407 Authenticate\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nwhoru\r\n1\r\n?\r\n0\r\nA: b\r\n\r\n")
	for name, p := range map[string]capturetest.Preface{"load balancer": both, "password": refused, "password, asked for in chunks": chunked} {
		got := run(t, prefaced(p, capturetest.DefaultMSS, true), 100)
		if d := cmp.Diff(withoutPreface(t), sorted(withoutFrames(got.lines))); d != "" || len(got.conns[0].Odd().Prefaces) != 2 {
			t.Errorf("%s: %+v\n%s", name, got.conns[0].Odd().Prefaces, d)
		}
	}
}

// TestPrefacesNotRead names each problem, and accepts nothing else as a preface.
func TestPrefacesNotRead(t *testing.T) {
	const bind, connect = "\x05\x02\x00\x01\x0a\x00\x00\x01\x23\x84", "\x05\x01\x00\x01\x0a\x00\x00\x01\x23\x84"
	for _, tc := range []struct {
		name, asked, said string
		want              string
	}{
		{"SOCKS5 with GSSAPI", "\x05\x01\x01\x07token", "\x05\x01", "the authentication is not supported"},
		{"SOCKS5 bind", "\x05\x01\x00" + bind, "\x05\x00", "it asks for something else than a connection"},
		{"SOCKS5, no method", "\x05\x01\x00" + connect, "\x05\xff", refusal},
		{"SOCKS5, wrong password", "\x05\x01\x02\x01\x01u\x01p" + connect, "\x05\x02\x01\x01", refusal},
		{"SOCKS5, refused", "\x05\x01\x00" + connect, "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", refusal},
		{"SOCKS4 bind", "\x04\x02\x23\x84\x0a\x00\x00\x01\x00", "\x00\x5a", "it asks for a connection from outside (BIND)"},
		{"SOCKS4 refused", "\x04\x01\x23\x84\x0a\x00\x00\x01\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", refusal},
		{"CONNECT refused", "CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n", refusal},
		{"PROXY v2 of another family", string(capturetest.ProxyV2(nil, 0x77, nil)), "", "its header cannot be read"},
		{"PROXY v1 of another family", "PROXY TCP9 a b 1 2\r\n", "", "its header cannot be read"},
		{"a line without an end", "PROXY " + strings.Repeat("x", 200), "", ""},
		{"POST", "POST / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", ""},
		{"no methods", "\x05\x00\x00\x01", "\x05\x00", ""},
		{"methods that are none", "\x05\x02\x41\x42\x05\x01", "\x05\x00", ""},
		{"no SOCKS4 command", "\x04\x09\x23\x84\x0a\x00\x00\x01\x00", "\x00\x5a\x00\x00\x00\x00\x00\x00", ""},
		{"no SOCKS4 answer", "\x04\x01\x23\x84\x0a\x00\x00\x01\x00", "hello", ""},
		{"no SOCKS5 answer", "\x05\x01\x00" + bind, "hello", ""},
		{"no HTTP", "CONNECT now please\r\n\r\n", "", ""},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		c.Send(capturetest.ToBroker, []byte(tc.asked))
		c.Send(capturetest.ToClient, []byte(tc.said))
		c.Close(capturetest.ToClient)
		got := run(t, r.Packets, 100).conns[0]
		problem := ""
		for _, p := range got.Odd().Prefaces {
			problem += p.Problem
		}
		if problem != tc.want || (len(got.Odd().Prefaces) > 0) != (tc.want != "") || got.Protocol == Kafka {
			t.Errorf("%s: protocol %d, %+v, want %q", tc.name, got.Protocol, got.Odd().Prefaces, tc.want)
		}
	}
}

// TestPartsOfPrefaces: how many bytes of a preface, or of its reply, are enough to decide.
func TestPartsOfPrefaces(t *testing.T) {
	user, name := strings.Repeat("u", 255), strings.Repeat("n", 255)
	const socks4, socks5 = "\x04\x01\x23\x84", "\x05\x01\x00\x05\x01\x00"
	for _, tc := range []struct {
		name, b string
		want    parseState
		n       int
	}{
		{"the longest PROXY line", "PROXY UNKNOWN " + strings.Repeat("x", maxProxyV1-16) + "\r\n", parsed, maxProxyV1},
		{"a PROXY line that may end", "PROXY " + strings.Repeat("x", maxProxyV1-7), needMore, 0},
		{"a PROXY line that is too long", "PROXY " + strings.Repeat("x", maxProxyV1-6), noMatch, 0},
		{"SOCKS4, 7 bytes", socks4 + "\x0a\x00\x00", needMore, 0},
		{"SOCKS4, the user begins", socks4 + "\x0a\x00\x00\x01", needMore, 0},
		{"SOCKS4, no user", socks4 + "\x0a\x00\x00\x01\x00", parsed, 9},
		{"SOCKS4, the longest user", socks4 + "\x0a\x00\x00\x01" + user + "\x00", parsed, 264},
		{"SOCKS4, a user that may end", socks4 + "\x0a\x00\x00\x01" + user, needMore, 0},
		{"SOCKS4, a longer user", socks4 + "\x0a\x00\x00\x01" + user + "u", noMatch, 0},
		{"SOCKS4a, no name", socks4 + "\x00\x00\x00\x01\x00\x00", parsed, 10},
		{"SOCKS4a, the longest name", socks4 + "\x00\x00\x00\x01\x00" + name + "\x00", parsed, 265},
		{"SOCKS4a, a name that may end", socks4 + "\x00\x00\x00\x01\x00" + name, needMore, 0},
		{"SOCKS4a, a longer name", socks4 + "\x00\x00\x00\x01\x00" + name + "n", noMatch, 0},
		{"SOCKS4, address 0.0.0.0", socks4 + "\x00\x00\x00\x00\x00", parsed, 9},
		{"SOCKS5, a byte", "\x05", needMore, 0},
		{"SOCKS5, no request", "\x05\x01\x00", needMore, 0},
		{"SOCKS5, 4 bytes of the request", socks5 + "\x01", needMore, 0},
		{"SOCKS5, the length of a name", socks5 + "\x03\x01", needMore, 0},
		{"SOCKS5, a name", socks5 + "\x03\x01a\x23\x84", parsed, 11},
		{"SOCKS5, another address type", socks5 + "\x02\x01a\x23\x84", noMatch, 0},
		{"SOCKS5, IPv6", socks5 + "\x04" + strings.Repeat("a", 18), parsed, 25},
		{"SOCKS5, a reserved byte", "\x05\x01\x00\x05\x01\x01\x01\x0a\x00\x00\x01\x23\x84", noMatch, 0},
		{"SOCKS5, the password begins", "\x05\x01\x02\x01\x01", needMore, 0},
		{"SOCKS5, a password", "\x05\x01\x02\x01\x01u\x01p\x05\x01\x00\x03\x01a\x23\x84", parsed, 16},
		{"SOCKS5, the last assigned method", "\x05\x01\x09", needMore, 0},
		{"SOCKS5, an unassigned method", "\x05\x01\x0a", noMatch, 0},
		{"SOCKS5, the last unassigned method", "\x05\x01\x7f", noMatch, 0},
		{"SOCKS5, the first private method", "\x05\x01\x80", needMore, 0},
		{"SOCKS5, the last private method", "\x05\x01\xfe", needMore, 0},
		{"SOCKS5, no method", "\x05\x01\xff", noMatch, 0},
		{"CONNECT, the longest target", "CONNECT " + strings.Repeat("x", maxTarget) + " HTTP/1.1\r\n\r\n", parsed, 282},
		{"CONNECT, no empty line", "CONNECT a:1 HTTP/1.1\r\nx\n\r", needMore, 0},
		{"CONNECT, a line of one byte", "CONNECT a:1 HTTP/1.1\r\nx\n\n", parsed, 25},
	} {
		if _, n, state := parsePreface([]byte(tc.b)); state != tc.want || state == parsed && n != tc.n {
			t.Errorf("%s: %d bytes, state %d, want %d, %d", tc.name, n, state, tc.n, tc.want)
		}
	}
	const connected, refused = "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 407 No\r\n"
	for _, tc := range []struct {
		name string
		kind PrefaceKind
		b    string
		want parseState
		n    int
	}{
		{"SOCKS4, granted", SOCKS4, "\x00\x5a123456", parsed, 8},
		{"SOCKS4, the last refusal", SOCKS4, "\x00\x5d123456", notRead, 8},
		{"SOCKS4, no reply", SOCKS4, "\x00\x5e123456", noMatch, 0},
		{"SOCKS4, below all replies", SOCKS4, "\x00\x59123456", noMatch, 0},
		{"SOCKS4, 7 bytes", SOCKS4, "\x00\x5a12345", needMore, 0},
		{"SOCKS5, 4 bytes of the reply", SOCKS5, "\x05\x00\x05\x00\x00\x01", needMore, 0},
		{"SOCKS5, IPv4", SOCKS5, "\x05\x00\x05\x00\x00\x01123456", parsed, 12},
		{"SOCKS5, a name", SOCKS5, "\x05\x00\x05\x00\x00\x03\x02ab12", parsed, 11},
		{"SOCKS5, another version", SOCKS5, "\x05\x00\x04\x00\x00\x01123456", noMatch, 0},
		{"SOCKS5, another address type", SOCKS5, "\x05\x00\x05\x00\x00\x02123456", noMatch, 0},
		{"SOCKS5, a password is asked for", SOCKS5, "\x05\x02\x01", needMore, 0},
		{"SOCKS5, a wrong password", SOCKS5, "\x05\x02\x01\x01", notRead, 4},
		{"CONNECT", Connect, connected, parsed, len(connected)},
		{"CONNECT, a head that is too short", Connect, "HTTP/1.1 20\n\n", parsed, 13},
		{"CONNECT, a shorter head", Connect, "HTTP/1.1 2\n\n", parsed, 12},
		{"CONNECT, no status", Connect, "HTTP/1.1 \n\n", noMatch, 0},
		{"CONNECT refused, no body", Connect, refused + "\r\n", notRead, 19},
		{"CONNECT refused, a body", Connect, refused + "Content-Length: 5\r\n\r\n12345", notRead, 43},
		{"CONNECT refused, a part of it", Connect, refused + "Content-Length: 5\r\n\r\n1234", needMore, 0},
		{"CONNECT refused, a length of 0", Connect, refused + "Content-Length: 0\r\n\r\n", notRead, 38},
		{"CONNECT refused, no length", Connect, refused + "Content-Length: -1\r\n\r\n", notRead, 39},
		{"CONNECT refused, chunks", Connect, refused + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", notRead, 59},
		{"CONNECT refused, a chunk is missing", Connect, refused + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", needMore, 0},
		{"CONNECT refused, the end of a chunk is missing", Connect, refused + "Transfer-Encoding: chunked\r\n\r\n2\r\nab", needMore, 0},
		{"CONNECT refused, its line end is missing", Connect, refused + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r", needMore, 0},
		{"CONNECT refused, the trailer is missing", Connect, refused + "Transfer-Encoding: chunked\r\n\r\n0\r\n", needMore, 0},
		{"CONNECT refused, no chunk", Connect, refused + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", notRead, 47},
		{"CONNECT refused, compressed", Connect, refused + "Transfer-Encoding: gzip\r\n\r\nxyz\r\n", notRead, 44},
	} {
		if n, state, _ := parseReply(tc.kind, []byte(tc.b)); state != tc.want || (state == parsed || state == notRead) && n != tc.n {
			t.Errorf("%s: %d bytes, state %d, want %d, %d", tc.name, n, state, tc.n, tc.want)
		}
	}
	for kind, b := range map[PrefaceKind]string{SOCKS4: "\x04\x01", SOCKS5: "\x05\x01", ProxyV1: "PROX", ProxyV2: "\r\n\r", Connect: "CONN"} {
		if got := prefaceKind([]byte(b)); got != kind {
			t.Errorf("%q: %v, want %v", b, got, kind)
		}
	}
	for _, tc := range []struct {
		kind PrefaceKind
		b    string
		want parseState
	}{
		{ProxyV2, "", notRead}, {SOCKS4, "", needMore}, {SOCKS4, "\x00", notRead}, {SOCKS4, "\x05", noMatch}, {SOCKS5, "\x05", notRead}, {SOCKS5, "\x00", noMatch}, {Connect, "\x00", noMatch},
	} {
		if got := answersPreface(tc.kind, []byte(tc.b)); got != tc.want {
			t.Errorf("%v answered with %q: %d, want %d", tc.kind, tc.b, got, tc.want)
		}
	}
}

// TestUnknownPreface has bytes before the first request that no known protocol explains, with and
// without an answer to them. Other protocols stay others, and nothing of them is held.
func TestUnknownPreface(t *testing.T) {
	hello, ok := capturetest.PrefaceStep{Dir: capturetest.ToBroker, Data: []byte("HELLO v1 secret\r\n")}, capturetest.PrefaceStep{Dir: capturetest.ToClient, Data: []byte("OK\r\n")}
	binary := capturetest.PrefaceStep{Dir: capturetest.ToBroker, Data: []byte("\x00\x00\x00\x01TUN0\xff\xff\xff\xff")}
	long := capturetest.PrefaceStep{Dir: capturetest.ToBroker, Data: bytes.Repeat([]byte("x"), maxUnknown)}
	longer := capturetest.PrefaceStep{Dir: capturetest.ToBroker, Data: bytes.Repeat([]byte("x"), maxUnknown+1)}
	banner := func(text string) capturetest.PrefaceStep {
		return capturetest.PrefaceStep{Dir: capturetest.ToClient, Data: []byte(text)}
	}
	lines := withoutPreface(t)
	for _, tc := range []struct {
		name  string
		steps []capturetest.PrefaceStep
		mss   int
		found bool
	}{
		{"text", []capturetest.PrefaceStep{hello}, capturetest.DefaultMSS, true},
		{"byte by byte", []capturetest.PrefaceStep{hello}, 1, true},
		{"answered", []capturetest.PrefaceStep{hello, ok}, capturetest.DefaultMSS, true},
		{"answered twice", []capturetest.PrefaceStep{hello, ok, hello, ok}, capturetest.DefaultMSS, true},
		{"binary", []capturetest.PrefaceStep{binary, binary}, capturetest.DefaultMSS, true},
		{"the longest", []capturetest.PrefaceStep{long}, capturetest.DefaultMSS, true},
		{"longer, at the beginning of a segment", []capturetest.PrefaceStep{longer, ok, longer}, capturetest.DefaultMSS, true},
		{"too long", slices.Repeat([]capturetest.PrefaceStep{longer, ok}, maxSkipped/2+1), capturetest.DefaultMSS, false},
		{"of the broker's side", []capturetest.PrefaceStep{banner("WELCOME proxy v1\r\n")}, capturetest.DefaultMSS, true},
		{"of the broker's side, byte by byte", []capturetest.PrefaceStep{banner("WELCOME proxy v1\r\n")}, 1, true},
		{"of the broker's side, like SSH", []capturetest.PrefaceStep{banner("SSH-2.0-x\r\n")}, capturetest.DefaultMSS, true},
		{"of the broker's side, binary", []capturetest.PrefaceStep{banner("\xde\xad\xbe\xef\xde\xad\xbe\xef")}, capturetest.DefaultMSS, true},
		{"of the broker's side, short", []capturetest.PrefaceStep{banner("\x01\x02\x03")}, capturetest.DefaultMSS, true},
		{"of both sides", []capturetest.PrefaceStep{banner("WELCOME\r\n"), hello, ok}, capturetest.DefaultMSS, true},
	} {
		got := run(t, prefaced(capturetest.Preface{Steps: tc.steps}, tc.mss, true), 100)
		c := got.conns[0]
		if !tc.found {
			if c.Protocol != Other || len(got.lines) != 0 || len(c.Odd().Prefaces) != 0 {
				t.Errorf("%s: protocol %v, %+v, %q", tc.name, c.Protocol, c.Odd().Prefaces, got.lines)
			}
			continue
		}
		if d := cmp.Diff(lines, sorted(withoutFrames(got.lines))); d != "" || !slices.Equal(c.Odd().Prefaces, []Preface{{Kind: UnknownPreface}}) {
			t.Errorf("%s: %+v (-want +got):\n%s", tc.name, c.Odd().Prefaces, d)
		}
	}
	for name, first := range map[string]string{
		"a short greeting": "hello",
		"text":             strings.Repeat("one line of text\n", 40),
	} {
		w := newWorker(&Options{LooksLikeRequest: looksLike}, new(log))
		c := newConn(w, &flow{synced: [2]bool{true, true}})
		for part := range slices.Chunk([]byte(first), 100) {
			c.bytes(ToBroker, part, c.info.Now)
		}
		c.finish(Closed, c.info.Now)
		if c.info.Protocol != Other && len(first) > sizeBytes+wantBytes || len(c.info.Odd().Prefaces) != 0 || w.pending != 0 {
			t.Errorf("%s: protocol %v, %+v, %d bytes held", name, c.info.Protocol, c.info.Odd().Prefaces, w.pending)
		}
	}
}

// TestUnknownPrefaceBeforeTLS: TLS follows bytes that no known protocol explains. If the server answers
// in between, the protocol is another one, as that of PostgreSQL.
func TestUnknownPrefaceBeforeTLS(t *testing.T) {
	hello := "\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + strings.Repeat("r", 58)
	const ssl = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	for _, tc := range []struct {
		name  string
		parts []string // the second one is of the server if there are three
		want  Protocol
	}{
		{"one byte", []string{"A" + hello}, TLS},
		{"a segment", []string{"TENANT a\n", "", hello}, TLS},
		{"long", []string{strings.Repeat("x", maxUnknown+1), "", hello}, TLS},
		{"the server answers the hello", []string{ssl + hello, "S", ""}, TLS},
		{"answered", []string{ssl, "S", hello}, Other},
		{"long and answered", []string{strings.Repeat("x", maxUnknown+1), "S", hello}, Other},
	} {
		w := newWorker(&Options{LooksLikeRequest: looksLike}, new(log))
		c := newConn(w, &flow{synced: [2]bool{true, true}})
		for i, part := range tc.parts {
			if part != "" {
				c.deliver(Direction(i%2), []byte(part), uint32(len(part)), c.info.Now)
			}
		}
		c.finish(Closed, c.info.Now)
		prefaces := c.info.Odd().Prefaces
		if hasPreface := slices.Equal(prefaces, []Preface{{Kind: UnknownPreface}}); c.info.Protocol != tc.want || hasPreface != (tc.want == TLS) || w.pending != 0 {
			t.Errorf("%s: protocol %v, %+v, %d bytes held", tc.name, c.info.Protocol, prefaces, w.pending)
		}
	}
}

// TestPrefaceHoldsLittle has a client that never ends its preface.
func TestPrefaceHoldsLittle(t *testing.T) {
	w := newWorker(&Options{LooksLikeRequest: looksLike}, new(log))
	c := newConn(w, &flow{synced: [2]bool{true, true}})
	c.bytes(ToBroker, []byte("CONNECT "), c.info.Now)
	for range 100 {
		c.bytes(ToBroker, bytes.Repeat([]byte{'x'}, 1000), c.info.Now)
		if w.pending > maxPending+2000+maxPendingChunks*chunkBytes {
			t.Fatalf("%d bytes are held", w.pending)
		}
	}
	c.finish(Cut, c.info.Now)
	if w.pending != 0 || w.limits.Undecided == 0 {
		t.Errorf("%d bytes are still held, the limit was counted %d times", w.pending, w.limits.Undecided)
	}
}

// TestBlankPrefaces overwrites secrets, and on request addresses. The preface can still be parsed.
func TestBlankPrefaces(t *testing.T) {
	for _, p := range capturetest.Prefaces() {
		var sides [2][]byte
		for _, s := range p.Steps {
			sides[s.Dir] = append(sides[s.Dir], s.Data...)
		}
		for _, addresses := range []bool{false, true} {
			asked, said := bytes.Clone(sides[ToBroker]), bytes.Clone(sides[ToClient])
			before, _, _ := parsePreface(asked)
			if n, kind := BlankPreface(asked, addresses); n != len(asked) || kind != before.Kind {
				t.Errorf("%s: %d of %d bytes, kind %v", p.Name, n, len(asked), kind)
			}
			if n := BlankReply(before.Kind, said, addresses); n != len(said) {
				t.Errorf("%s: %d of %d bytes of the answer", p.Name, n, len(said))
			}
			after, n, state := parsePreface(asked)
			if state != parsed || n != len(asked) || after.Kind != before.Kind || !addresses && after != before {
				t.Errorf("%s: %+v became %+v, state %d", p.Name, before, after, state)
			}
			both := slices.Concat(asked, said)
			for _, word := range []string{"secret", "Via: 1.1", "vpce"} {
				if bytes.Contains(both, []byte(word)) {
					t.Errorf("%s: %q is still there", p.Name, word)
				}
			}
			for _, word := range []string{"kafka.example", "\xcb\x00\x71", "203.0"} {
				if addresses && bytes.Contains(asked, []byte(word)) {
					t.Errorf("%s: an address is still there: %q", p.Name, asked)
				}
			}
		}
	}
}

// TestBlankConnect: free text in first lines, passwords and IPv6 addresses are overwritten.
func TestBlankConnect(t *testing.T) {
	for _, test := range []struct{ asked, plain, redacted, target string }{
		{"CONNECT kafka.example:9092 HTTP/1.1\r\n\r\n", "CONNECT kafka.example:9092 HTTP/1.1\r\n\r\n", "CONNECT xxxxxxxxxxxxx:9092 HTTP/1.1\r\n\r\n", "kafka.example:9092"},
		{"CONNECT [2001:db8::7]:9092 HTTP/1.1 me\n\n", "CONNECT [2001:db8::7]:9092 HTTP/1.1xxx\n\n", "CONNECT xxxxxxxxxxxxx:9092 HTTP/1.1xxx\n\n", "[2001:db8::7]:9092"},
		{"CONNECT me:p@s@a:1 HTTP/1.0\nA: b\n\n", "CONNECT xxxxxx@a:1 HTTP/1.0\nxxxx\n\n", "CONNECT xxxxxxxx:1 HTTP/1.0\nxxxx\n\n", "a:1"},
		{"CONNECT host HTTP/1.1\n\n", "CONNECT host HTTP/1.1\n\n", "CONNECT xxxx HTTP/1.1\n\n", "host"},
	} {
		for addresses, want := range map[bool]string{false: test.plain, true: test.redacted} {
			b := []byte(test.asked)
			p, _, _ := parsePreface(b)
			if n, kind := BlankPreface(b, addresses); n != len(b) || kind != Connect || string(b) != want || p.Target != test.target {
				t.Errorf("%q: target %q, %q, want %q", test.asked, p.Target, b, want)
			}
		}
	}
	b := []byte("HTTP/1.1 103 soon\r\nA: b\r\n\r\nHTTP/1.0 200 of me\r\n\r\n")
	const want = "HTTP/1.1 103xxxxx\r\nxxxx\r\n\r\nHTTP/1.0 200xxxxxx\r\n\r\n"
	if n := BlankReply(Connect, b, false); n != len(want) || string(b) != want {
		t.Errorf("%q, want %q", b, want)
	}
}

// FuzzPreface parses any bytes as a preface, and overwrites its confidential bytes.
func FuzzPreface(f *testing.F) {
	for _, p := range capturetest.Prefaces() {
		f.Add(p.Steps[0].Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxPending {
			return
		}
		capturetest.Bounded(t, len(data), func() {
			p, n, state := parsePreface(data)
			if n > len(data) || state == parsed && (n == 0 || p.Kind == NoPreface) {
				t.Errorf("%d of %d bytes, %+v", n, len(data), p)
			}
			for k := range Connect + 1 {
				if n, _, _ := parseReply(k, data); n > len(data) {
					t.Errorf("answer of %d of %d bytes", n, len(data))
				}
				BlankReply(k, bytes.Clone(data), true)
			}
			BlankPreface(bytes.Clone(data), true)
		})
	})
}
