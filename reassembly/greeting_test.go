package reassembly

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

var (
	emptySettings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	twoSettings   = "\x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x04\x00\x01\x00\x00"
	oddSettings   = "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x64"
	mysql         = "\x0c\x00\x00\x00\x0a8.0.36\x00\x01\x02\x03\x04"
)

func TestForeignGreetings(t *testing.T) {
	for _, tt := range []struct{ name, p, want string }{
		{"status line", "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n", SpokeHTTP},
		{"HTTP/2, no settings", emptySettings, SpokeHTTP2},
		{"HTTP/2, two settings", twoSettings, SpokeHTTP2},
		{"a setting with identifier 0", oddSettings, ""},
		{"settings that are not all there", twoSettings[:15], ""},
		{"SSH", "SSH-2.0-OpenSSH_9.6\r\n", SpokeSSH},
		{"SMTP", "220 mail.example ESMTP Postfix\r\n", SpokeSMTP},
		{"FTP", "220 (vsFTPd 3.0.5)\r\n", SpokeFTP},
		{"220 of neither", "220 hello\r\n", SpokeText},
		{"Redis", "-ERR unknown command\r\n", SpokeRedis},
		{"MySQL", mysql, SpokeMySQL},
		{"PostgreSQL", "E\x00\x00\x00\x20SFATAL\x00", SpokePostgreSQL},
		{"ZooKeeper", "\x00\x00\x00\x24\x00\x00\x00\x00\x00\x00\x75\x30\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x10" + string(make([]byte, 16)), SpokeZooKeeper},
		{"AMQP", "AMQP\x00\x00\x09\x01", SpokeAMQP},
		{"MQTT", "\x20\x02\x00\x05", SpokeMQTT},
		{"TLS alert", "\x15\x03\x03\x00\x02\x02\x50", SpokeTLS},
		{"a line", "go away\n", SpokeText},
		{"bytes", "\xde\xad\xbe\xef\x01", SpokeUnknown},
		{"too few", "HTT", ""},
		{"a response", string(response(1, 20)), ""},
		{"the size of a response", string(response(1, 20)[:4]), ""},
		{"the largest size of a response", "\x10\x00\x00\x00", ""},
		{"a larger size", "\x10\x00\x00\x01", SpokeUnknown},
		{"the head of a TLS record", "\x15\x03\x03\x00\x02", SpokeTLS},
		{"less of it", "\x15\x03\x03\x00", SpokeUnknown},
		{"PostgreSQL, with a text", "E\x00\x00\x00\x05SFATA", SpokePostgreSQL},
		{"not PostgreSQL", "X\xff\x00\x00\x20SFATAL\x00", SpokeUnknown},
		{"PostgreSQL, too short", "E\x00\xff\x00\x20SFAT", SpokeUnknown},
		{"text with DEL", "hello\x7f\n", SpokeUnknown},
		{"text with a tab", "a\tb~\n", SpokeText},
		{"HTTP/2, the largest identifier", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x64", SpokeHTTP2},
		{"HTTP/2, a larger identifier", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x11\x00\x00\x00\x64", ""},
		{"HTTP/2, half a setting", "\x00\x00\x07\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00", ""},
		{"HTTP/2, as many settings as there are", "\x00\x00\x60\x04\x00\x00\x00\x00\x00" + strings.Repeat("\x00\x03\x00\x00\x00\x64", 16), SpokeHTTP2},
		{"HTTP/2, more settings", "\x00\x00\x66\x04\x00\x00\x00\x00\x00" + strings.Repeat("\x00\x03\x00\x00\x00\x64", 17), ""},
		{"HTTP/2, a setting and more", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\xff\xff", SpokeHTTP2},
		{"MySQL, an error", "\x17\x00\x00\x00\xff\x10\x04Too many connections", SpokeMySQL},
		{"MySQL, an error without text", "\x17\x00\x00\x00\xff\x10\x04\x01", SpokeUnknown},
		{"MySQL, another sequence number", "\x0c\x00\x00\x01\x0a8.0.36\x00", ""},
		{"MySQL, too short", mysql[:7], ""},
		{"MySQL, short", mysql[:8], SpokeMySQL},
		{"MySQL, another protocol", "\x0c\x00\x00\x00\x098.0.36\x00", ""},
		{"MySQL, version 3", "\x0c\x00\x00\x00\x0a3.23\x00", SpokeMySQL},
		{"MySQL, version 9", "\x0c\x00\x00\x00\x0a9.1.0\x00", SpokeMySQL},
		{"MySQL, version 2", "\x0c\x00\x00\x00\x0a2.23\x00", ""},
		{"MySQL, no version", "\x0c\x00\x00\x00\x0a:.23\x00", ""},
		{"MySQL, the longest", "\x00\x04\x00\x00\x0a8.0.36\x00", SpokeMySQL},
		{"MySQL, longer", "\x01\x04\x00\x00\x0a8.0.36\x00", ""},
	} {
		if got := foreignGreeting([]byte(tt.p)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestKafkaToSomethingElse: requests to a port that speaks another protocol are listed, and the
// protocol is named.
func TestKafkaToSomethingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		play            func(c *capturetest.Conversation)
		spoke, greeting string
		requests        uint64
		protocol        Protocol
	}{
		"HTTP answers": {func(c *capturetest.Conversation) {
			c.Exchange(request(3, 1, 1, 20), []byte("HTTP/1.1 400 Bad Request\r\nX: y\r\n"))
			c.Send(capturetest.ToBroker, request(3, 1, 2, 20))
		}, SpokeHTTP, "HTTP/1.1 400 Bad Request", 2, Kafka},
		"HTTP answers a request that is but likely": {func(c *capturetest.Conversation) {
			c.Exchange(request(3, 16, 1, 20), []byte("HTTP/1.1 400 Bad Request\r\n"))
		}, SpokeHTTP, "HTTP/1.1 400 Bad Request", 1, Kafka},
		"HTTP answers, byte by byte": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, request(3, 1, 1, 20))
			c.MSS = 1
			c.Send(capturetest.ToClient, []byte("HTTP/1.1 400 Bad Request\r\nX: y\r\n"))
		}, SpokeHTTP, "HTTP/1.1 400 Bad Request", 1, Kafka},
		"a broker answers byte by byte": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, request(3, 1, 1, 20))
			c.MSS = 1
			c.Send(capturetest.ToClient, response(1, 20))
		}, "", "", 1, Kafka},
		"HTTP/2 answers": {func(c *capturetest.Conversation) {
			c.Exchange(request(3, 1, 0, 20), []byte(emptySettings))
		}, SpokeHTTP2, emptySettings, 1, Kafka},
		"SMTP greets first": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToClient, []byte("220 mail ESMTP\r\n"))
			c.Exchange(request(3, 1, 1, 20), []byte("500 what\r\n"))
		}, SpokeSMTP, "220 mail ESMTP", 1, Kafka},
		"an echo": {func(c *capturetest.Conversation) {
			c.Exchange(request(18, 3, 1, 20), request(18, 3, 1, 20))
		}, SpokeUnknown, string(request(18, 3, 1, 20)), 1, Kafka},
		"an echo, byte by byte": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToBroker, request(18, 3, 1, 20))
			c.MSS = 1
			c.Send(capturetest.ToClient, request(18, 3, 1, 20))
		}, SpokeUnknown, string(request(18, 3, 1, 20)), 1, Kafka},
		"a broker answers": {func(c *capturetest.Conversation) {
			c.Exchange(request(3, 1, 1, 20), response(1, 20))
		}, "", "", 1, Kafka},
		"text behind an answer": {func(c *capturetest.Conversation) {
			c.Exchange(request(3, 1, 1, 20), response(1, 20))
			c.Send(capturetest.ToClient, []byte("HTTP/1.1 200 OK\r\n"))
		}, "", "", 1, Kafka},
		"SSH on both sides": {func(c *capturetest.Conversation) {
			c.Send(capturetest.ToClient, []byte("SSH-2.0-OpenSSH_9.6\r\n"))
			c.Send(capturetest.ToBroker, []byte("SSH-2.0-OpenSSH_9.6\r\n"))
		}, SpokeSSH, "SSH-2.0-OpenSSH_9.6", 0, Other},
	} {
		r := capturetest.NewRecorder()
		c := r.Open(client, broker)
		tc.play(c)
		c.Close(capturetest.ToClient)
		got := run(t, r.Packets, 100).conns[0]
		if got.Odd().Spoke != tc.spoke || string(got.Odd().Greeting) != tc.greeting || got.Requests != tc.requests || got.Protocol != tc.protocol {
			t.Errorf("%s: %q, greeting %q, %d requests, protocol %d", name, got.Odd().Spoke, got.Odd().Greeting, got.Requests, got.Protocol)
		}
	}
}

// TestConnectionsWithoutPayload: they are reported, however they end.
func TestConnectionsWithoutPayload(t *testing.T) {
	for name, tc := range map[string]struct {
		play    func(c *capturetest.Conversation)
		end     EndKind
		refused bool
	}{
		"refused":          {func(c *capturetest.Conversation) { c.Syn(capturetest.ToBroker); c.Reset(capturetest.ToClient) }, Reset, true},
		"no answer at all": {func(c *capturetest.Conversation) { c.Syn(capturetest.ToBroker) }, Cut, false},
		"opened": {func(c *capturetest.Conversation) {
			c.Syn(capturetest.ToBroker)
			c.Syn(capturetest.ToClient)
			c.Ack(capturetest.ToBroker)
		}, Cut, false},
		"opened and reset": {func(c *capturetest.Conversation) {
			c.Syn(capturetest.ToBroker)
			c.Syn(capturetest.ToClient)
			c.Reset(capturetest.ToClient)
		}, Reset, false},
		"opened and closed": {func(c *capturetest.Conversation) {
			c.Syn(capturetest.ToBroker)
			c.Syn(capturetest.ToClient)
			c.Close(capturetest.ToBroker)
		}, Closed, false},
	} {
		r := capturetest.NewRecorder()
		tc.play(r.Between(client, broker))
		got := run(t, r.Packets, 100).conns
		if len(got) != 1 || got[0].End.Kind != tc.end || got[0].Refused != tc.refused || got[0].Client != client || got[0].Protocol != Undecided {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestBlankSettings: the SETTINGS frame of an HTTP/2 server stays.
func TestBlankSettings(t *testing.T) {
	const settings = "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"
	b := []byte(settings + "secret")
	if !BlankSettings(b) || string(b) != settings+"\x00\x00\x00\x00\x00\x00" || foreignGreeting(b) != SpokeHTTP2 {
		t.Errorf("%q", b)
	}
	if text := []byte("HTTP/1.1 200 OK\r\n"); BlankSettings(text) || string(text) != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("%q", text)
	}
}

// TestBlankGreeting: an overwritten greeting shows the same protocol and nothing else.
func TestBlankGreeting(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 400 secret\r\nServer: secret\r\n": SpokeHTTP, "SSH-2.0-secret\r\n": SpokeSSH, "<html>secret": SpokeText, "-ERR secret\r\n": SpokeRedis,
		"\x00\x00\x00\x05secret": "", "\x0a\x00\x00\x00\x0a8.0.36": "", "\x15\x03\x03\x00\x02secret": "", "": "",
	} {
		b := []byte(text)
		blank := BlankGreeting(b)
		switch {
		case blank != (want != ""):
			t.Errorf("%q: %v", text, blank)
		case blank && (foreignGreeting(b) != want || bytes.Contains(b, []byte("secret"))):
			t.Errorf("%q: %q, %s", text, b, foreignGreeting(b))
		case !blank && string(b) != text:
			t.Errorf("%q was changed to %q", text, b)
		}
	}
}

// TestGreetingsThatNeedMore: bytes are held until they are enough to decide.
func TestGreetingsThatNeedMore(t *testing.T) {
	for _, tc := range []struct {
		name, p string
		want    bool
	}{
		{"a byte", "H", true},
		{"a complete response", string(response(1, 0)), true},
		{"a complete response with a body", string(response(1, 1)), false},
		{"a part of a response", string(response(1, 20))[:8], true},
		{"a larger part", string(response(1, 20))[:9], false},
		{"a response and the next", string(response(1, 1)) + "\x00", false},
		{"settings of HTTP/2", emptySettings, false},
		{"a part of two settings", twoSettings[:20], true},
		{"two settings", twoSettings, false},
		{"text", "HTTP/1.1 4", false},
	} {
		if got := needsMore([]byte(tc.p)); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestOpeningIsKept: the first bytes of a client are kept only if they can be a request. Others may
// contain secrets.
func TestOpeningIsKept(t *testing.T) {
	b := request(3, 1, 1, 100)
	for _, tc := range []struct {
		name string
		p    []byte
		want int
	}{{"a request", b, maxGreeting}, {"its header", b[:18], 18}, {"less", b[:11], 0}, {"a password", []byte("user secret password"), 0}, {"no request", request(91, 1, 1, 10), 0}} {
		c := halfway(t)
		if c.keepOpening(tc.p); len(c.info.Odd().Opening) != tc.want {
			t.Errorf("%s: %q", tc.name, c.info.Odd().Opening)
		}
	}
}

// TestGreetingIsCollected: up to its limit, and the whole of it names the protocol.
func TestGreetingIsCollected(t *testing.T) {
	for _, tc := range []struct {
		name            string
		parts           []string
		spoke, greeting string
	}{
		{"a line", []string{"220 ", "mail.example ", "ESMTP\r\nmore"}, SpokeSMTP, "220 mail.example ESMTP"},
		{"a long line", []string{"hello ", strings.Repeat("x", 50), strings.Repeat("y", 50)}, SpokeText, "hello " + strings.Repeat("x", 50) + strings.Repeat("y", 8)},
		{"bytes", []string{"\xde\xad\xbe\xef", "\r\n"}, SpokeUnknown, "\xde\xad\xbe\xef\r\n"},
		{"bytes, then a line end", []string{"\xde\xad\xbe\xef", "\n", "abc"}, SpokeUnknown, "\xde\xad\xbe\xef\nabc"},
	} {
		c := halfway(t)
		for _, p := range tc.parts {
			if !c.noteGreeting([]byte(p)) {
				t.Errorf("%s: %q is no greeting", tc.name, p)
			}
		}
		if c.endGreeting(); c.info.Odd().Spoke != tc.spoke || string(c.info.Odd().Greeting) != tc.greeting {
			t.Errorf("%s: %q, %q", tc.name, c.info.Odd().Spoke, c.info.Odd().Greeting)
		}
	}
	for sent, want := range map[uint64]Confusion{0: NoConfusion, 10: ClearToTLS} {
		c := halfway(t)
		c.info.Bytes[ToBroker] = sent
		if !c.noteGreeting([]byte("\x15\x03\x03\x00\x02\x02\x50")) || !c.noteGreeting([]byte("x")) || c.info.Confusion != want || c.info.Odd().Greeting != nil {
			t.Errorf("an alert behind %d bytes: confusion %d, %q", sent, c.info.Confusion, c.info.Odd().Greeting)
		}
	}
}
