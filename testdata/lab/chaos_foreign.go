package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// exchange is what one side of a conversation sends, and what the other answers.
type exchange struct{ ask, answer string }

// foreign are conversations in protocols that are not Kafka's, as their servers and clients
// hold them over TLS. Behind the last exchange the client sends farewell, if there is one,
// and the server closes without an answer: to whom sees only lengths, that looks like a refusal.
var foreign = map[string]struct {
	exchanges []exchange
	farewell  string
}{
	// PostgreSQL 15: StartupMessage, AuthenticationOk and parameters, three queries, Terminate.
	"postgresql": {[]exchange{
		{"\x00\x00\x00\x21\x00\x03\x00\x00user\x00lab\x00database\x00lab\x00\x00", "R\x00\x00\x00\x08\x00\x00\x00\x00S\x00\x00\x00\x16server_version\x0015\x00K\x00\x00\x00\x0c\x00\x00\x01\x00\x00\x00\x02\x00Z\x00\x00\x00\x05I"},
		{"Q\x00\x00\x00\x0dSELECT 1\x00", "T\x00\x00\x00\x21\x00\x01?column?\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x011C\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I"},
		{"Q\x00\x00\x00\x0dSELECT 2\x00", "T\x00\x00\x00\x21\x00\x01?column?\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x012C\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I"},
	}, "X\x00\x00\x00\x04"},
	// MySQL 8: login, a query, COM_QUIT.
	"mysql": {[]exchange{
		{"\x3a\x00\x00\x02\x85\xa6\xff\x01\x00\x00\x00\x01\xff" + strings.Repeat("\x00", 23) + "lab\x00\x14" + strings.Repeat("s", 20) + "\x00", "\x07\x00\x00\x03\x00\x00\x00\x02\x00\x00\x00"},
		{"\x09\x00\x00\x00\x03SELECT 1", "\x01\x00\x00\x01\x01\x17\x00\x00\x02\x03def\x00\x00\x00\x011\x00\x0c\x3f\x00\x01\x00\x00\x00\x08\x81\x00\x00\x00\x00\x02\x00\x00\x03\x011\x07\x00\x00\x04\xfe\x00\x00\x02\x00\x00\x00"},
	}, "\x01\x00\x00\x00\x01"},
	// MQTT 3.1.1: CONNECT, SUBSCRIBE, PUBLISH with QoS 1, PINGREQ, DISCONNECT.
	"mqtt": {[]exchange{
		{"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05lab-1", "\x20\x02\x00\x00"},
		{"\x82\x0e\x00\x01\x00\x09lab/topic\x01", "\x90\x03\x00\x01\x01"},
		{"\x32\x15\x00\x09lab/topic\x00\x02temperat", "\x40\x02\x00\x02"},
		{"\xc0\x00", "\xd0\x00"},
	}, "\xe0\x00"},
	// AMQP 0-9-1: header, Start and Start-Ok, Tune, Open, Close without Close-Ok.
	"amqp": {[]exchange{
		{"AMQP\x00\x00\x09\x01", "\x01\x00\x00\x00\x00\x01\x2e\x00\x0a\x00\x0a\x00\x09" + strings.Repeat("v", 296) + "\xce"},
		{"\x01\x00\x00\x00\x00\x00\x40\x00\x0a\x00\x0b" + strings.Repeat("o", 60) + "\xce", "\x01\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x1e\x07\xff\x00\x02\x00\x00\x00\x3c\xce"},
		{"\x01\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x1f\x07\xff\x00\x02\x00\x00\x00\x3c\xce\x01\x00\x00\x00\x00\x00\x08\x00\x0a\x00\x28\x01/\x00\x00\xce", "\x01\x00\x00\x00\x00\x00\x05\x00\x0a\x00\x29\x00\xce"},
	}, "\x01\x00\x00\x00\x00\x00\x12\x00\x0a\x00\x32\x00\xc8\x07goodbye\x00\x00\x00\x00\xce"},
	// LDAP: bind, search, unbind.
	"ldap": {[]exchange{
		{"\x30\x1f\x02\x01\x01\x60\x1a\x02\x01\x03\x04\x0acn=x,dc=la\x80\x09secret-pw", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"},
		{"\x30\x25\x02\x01\x02\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectclass\x30\x00", "\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00"},
	}, "\x30\x05\x02\x01\x03\x42\x00"},
	// HTTP/1.1 behind a server that ends each connection on its third request, as one that restarts its workers does.
	"https": {[]exchange{
		{"GET /api/v1/items HTTP/1.1\r\nHost: localhost\r\nUser-Agent: lab/1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"items\":[1,2,3]}"},
		{"GET /api/v1/items HTTP/1.1\r\nHost: localhost\r\nUser-Agent: lab/1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"items\":[1,2,3]}"},
	}, "GET /api/v1/items HTTP/1.1\r\nHost: localhost\r\nUser-Agent: lab/1\r\n\r\n"},
	// SMTP inside TLS, where the server has the first and the last word.
	"smtps": {[]exchange{
		{"", "220 mail.example.org ESMTP\r\n"}, {"EHLO lab\r\n", "250-mail.example.org\r\n250 PIPELINING\r\n"}, {"QUIT\r\n", "221 2.0.0 Bye\r\n"},
	}, ""},
}

// conversations is how often a foreign client comes.
const conversations = 6

// foreignClient is the lab itself, which speaks a foreign protocol.
type foreignClient struct{ protocol string }

func (foreignClient) install(context.Context, Client, string) error { return nil }
func (foreignClient) made() string                                  { return "" }
func (f foreignClient) command(ctx context.Context, _ Client, _ string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0] // and let starting it say what is wrong
	}
	return exec.CommandContext(ctx, self, "-speak", f.protocol)
}

// foreignScenarios are conversations over TLS that are none of Kafka's: without a key nothing may be
// said of them but that they are encrypted.
func foreignScenarios() []scenario {
	var all []scenario
	for name := range foreign {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c := Client{Name: name, Library: name, Version: "1", kind: foreignClient{name}}
			all = append(all, scenario{name: fmt.Sprintf("other%d", version-tls.VersionTLS10+10) + "-" + name, class: pairs, nodes: []string{last3}, listener: ssl, port: fakePort, own: []Client{c},
				proxy: foreignServer(name, version)})
		}
	}
	return all
}

// foreignServer holds the server's side of the conversations.
func foreignServer(name string, version uint16) func(context.Context, *stage) (func() error, error) {
	return func(_ context.Context, s *stage) (func() error, error) {
		c := s.clusters[0]
		pair, err := tls.LoadX509KeyPair(c.file("broker.pem"), c.file("broker.key"))
		if err != nil {
			return nil, err
		}
		l, err := tls.Listen("tcp", address(c.host, fakePort), &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, MaxVersion: version})
		if err != nil {
			return nil, err
		}
		go handleEach(l, func(client net.Conn) {
			_ = converseAsServer(client, name) // a client that is gone is gone
		})
		return l.Close, nil
	}
}

// converseAsServer is the server's part of one conversation. It closes on the farewell.
func converseAsServer(client net.Conn, name string) error {
	for _, x := range foreign[name].exchanges {
		if _, err := io.ReadFull(client, make([]byte, len(x.ask))); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
		if err := say(client, x.answer); err != nil {
			return err
		}
	}
	_, err := io.ReadFull(client, make([]byte, len(foreign[name].farewell)))
	return err
}

// speak is the client's part of all conversations; where and how, the environment says.
func speak(name string) error {
	ca, err := os.ReadFile(os.Getenv("KAFKA_CA"))
	if err != nil {
		return err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	config.RootCAs.AppendCertsFromPEM(ca)
	if keys := os.Getenv("SSLKEYLOGFILE"); keys != "" {
		f, err := os.OpenFile(keys, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		config.KeyLogWriter = f
	}
	for range conversations {
		c, err := tls.Dial("tcp", os.Getenv("KAFKA_BOOTSTRAP"), config)
		if err != nil {
			return err
		}
		err = converse(c, name)
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
	}
	fmt.Printf("ok speak: %d conversations\n", conversations)
	return nil
}

// converse is the client's part of one conversation; the server ends it.
func converse(c net.Conn, name string) error {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	for _, x := range foreign[name].exchanges {
		if err := say(c, x.ask); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, len(x.answer))); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := say(c, foreign[name].farewell); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	return err
}

// say writes a piece of a conversation, and nothing where there is none.
func say(w io.Writer, text string) error {
	if text == "" {
		return nil
	}
	_, err := io.WriteString(w, text)
	return err
}
