package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Names and passwords of the scenes; no output may ever show one of the passwords.
const (
	user          = "orders"
	password      = "secret-password"
	wrongPassword = "secret-wrong-password"
)

// securityScenes are for the rules about TLS and SASL: KV2007, KV2008 and KV9004.
func securityScenes() []scene {
	return append(saslScenes(), []scene{
		{
			name:   "kv2007-fires-clear-to-tls",
			by:     "franz-go, a listener that answers as Java's TLS does",
			holds:  "ApiVersions in the clear to a TLS listener, which answers with the TLS alert internal error and closes; clients report it as a response of 352,518,912 bytes",
			yields: "KV2007 (the client speaks Kafka, the broker TLS)",
			play: func(s *stage) error {
				return s.meet(nil, func(conn net.Conn) { _, _ = conn.Write([]byte{0x15, 3, 3, 0, 2, 2, 80}) })
			},
		},
		{
			name:   "kv2007-near-closed-silently",
			by:     "franz-go, kfake over TLS",
			holds:  "ApiVersions in the clear to a TLS listener that closes without a byte, as Go's and OpenSSL's do: nothing shows that it speaks TLS",
			yields: "a request that is not explained; no KV2002 and no KV2007: a restart looks the same",
			play: func(s *stage) error {
				return s.withTLSBroker(nil, nil, func(b *fake, _ *x509.CertPool) error { return fails(b.client()) })
			},
		},
		{
			name:   "kv2007-near-tls-closed",
			blind:  "no Kafka in it",
			by:     "franz-go, a listener that takes the ClientHello for a request of 369,295,616 bytes, as brokers do",
			holds:  "a TLS ClientHello, upon which the listener closes without a byte",
			yields: "KV9004, closed by the broker; no KV2007, since nothing shows what the listener speaks",
			play: func(s *stage) error {
				return s.meet(&tls.Config{ServerName: "kafka.example", InsecureSkipVerify: true}, func(net.Conn) {})
			},
		},
		{
			name:   "kv2007-near-tls",
			blind:  "encrypted",
			by:     "franz-go, kfake over TLS 1.3, with key log",
			holds:  "a producer whose broker speaks TLS as it does",
			yields: "with the key log no finding; without KV9001, no KV2007",
			play: func(s *stage) error {
				return s.overTLS(&tls.Config{MinVersion: tls.VersionTLS13}, nil, nil, func(client *kgo.Client) error { return produce(client) })
			},
		},
		{
			name:   "kv9004-fires-alert-of-the-client",
			blind:  "encrypted",
			by:     "franz-go, kfake over TLS 1.2",
			holds:  "a client that does not know the broker's certificate authority: alert bad certificate",
			yields: "KV9004 with the alert",
			play: func(s *stage) error {
				return s.overTLS(nil, &tls.Config{MaxVersion: tls.VersionTLS12, ServerName: "kafka.example"}, nil, refusing)
			},
		},
		{
			name:   "kv9004-fires-alert-of-the-broker",
			blind:  "encrypted",
			by:     "franz-go, kfake over TLS 1.2",
			holds:  "a broker that asks for a client certificate and gets none: alert",
			yields: "KV9004 with the alert",
			play: func(s *stage) error {
				return s.overTLS(&tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, nil, nil, refusing)
			},
		},
		{
			name:   "kv9004-fires-encrypted-alert",
			blind:  "encrypted",
			by:     "franz-go, kfake over TLS 1.3, with key log",
			holds:  "a client that does not know the broker's certificate authority; TLS 1.3 encrypts its alert",
			yields: "KV9004; with the key log, with the alert",
			play: func(s *stage) error {
				return s.overTLS(nil, &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "kafka.example", KeyLogWriter: s.keyLogWriter()}, nil, refusing)
			},
		},
		{
			name:   "kv9004-fires-client-certificate",
			blind:  "encrypted",
			by:     "franz-go, kfake over TLS 1.3, with key log",
			holds:  "a broker that asks for a client certificate and gets none: its alert comes when the client is done with the handshake",
			yields: "with the key log KV9004 with the alert; without KV9001",
			play: func(s *stage) error {
				return s.overTLS(&tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}, nil, nil, refusing)
			},
		},
		{
			name:   "kv2004-fires-over-tls",
			blind:  "encrypted",
			by:     "frames over TLS 1.3 to kfake, with key log",
			holds:  "ApiVersions answered; the client says that it is done (close_notify), upon which the broker is the first to close the connection",
			yields: "with the key log KV2004",
			play:   leaveOverTLS,
		},
		{
			name:   "kv2020-fires-reset",
			blind:  "encrypted",
			by:     "frames over TLS 1.3 to kfake",
			holds:  "three connections of which the ranges and Metadata are answered, and which are reset upon the next request",
			yields: "KV2020",
			play:   endsInsideTLS(0),
		},
		{
			name:   "kv2020-near-idle",
			blind:  "encrypted",
			by:     "frames over TLS 1.3 to kfake",
			holds:  "the same, each idle for six minutes before that request, as behind a load balancer that forgets idle connections",
			yields: "no KV2020",
			play:   endsInsideTLS(6 * time.Minute),
		},
		{
			name:   "kv9004-fires-close",
			blind:  "encrypted",
			by:     "franz-go, kfake over TLS 1.2",
			holds:  "a client that closes without an alert after the broker's first flight",
			yields: "KV9004, closed by the client",
			play: func(s *stage) error {
				hangUp := func(conn net.Conn) net.Conn { return &quitter{Conn: conn} }
				return s.overTLS(nil, &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true}, hangUp, refusing)
			},
		},
	}...)
}

// saslScenes are those about authentication.
func saslScenes() []scene {
	secured := brokerOptions{more: []kfake.Opt{
		kfake.EnableSASL(), kfake.Superuser("PLAIN", user, password), kfake.Superuser("SCRAM-SHA-256", user, password),
	}}
	good := func(m sasl.Mechanism) func(*stage) error {
		return func(s *stage) error {
			return s.withBroker(secured, func(b *fake) error { return b.produce(kgo.SASL(m)) })
		}
	}
	return []scene{
		{
			name:   "kv2008-fires-mechanism",
			by:     "franz-go, kfake",
			holds:  "SaslHandshake v1 for OAUTHBEARER, answered with error 33 and the enabled PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
			yields: "KV2008 with the mechanism and the enabled ones",
			play: func(s *stage) error {
				return s.withBroker(secured, func(b *fake) error { return fails(b.client(kgo.SASL(bearer{}))) })
			},
		},
		{
			name:   "kv2008-fires-password",
			by:     "franz-go, kfake with a control function",
			holds:  "SASL PLAIN with a wrong password, SaslAuthenticate answered with error 58 and a message",
			yields: "KV2008",
			play: func(s *stage) error {
				return s.withBroker(secured, func(b *fake) error {
					b.ControlKey(capturetest.KeySaslAuthenticate, func(q kmsg.Request) (kmsg.Response, error, bool) {
						b.KeepControl()
						a := q.ResponseKind().(*kmsg.SASLAuthenticateResponse)
						a.ErrorCode, a.ErrorMessage = 58, kmsg.StringPtr("Authentication failed: Invalid username or password")
						return a, nil, true
					})
					return fails(b.client(kgo.SASL(plain.Auth{User: user, Pass: wrongPassword}.AsMechanism())))
				})
			},
		},
		{
			name:   "kv2008-near-plain",
			by:     "franz-go, kfake",
			holds:  "SASL PLAIN over SaslAuthenticate, and a producer",
			yields: "no finding, no token in any output",
			play:   good(plain.Auth{User: user, Pass: password}.AsMechanism()),
		},
		{
			name:   "kv2008-near-scram",
			by:     "franz-go, kfake",
			holds:  "SCRAM-SHA-256 over SaslAuthenticate, and a producer",
			yields: "no finding, no token in any output",
			play:   good(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()),
		},
		{
			name:   "kv2008-near-handshake-v0",
			blind:  "it takes the raw tokens for requests",
			holds:  "SaslHandshake v0, then PLAIN as a raw token, answered with an empty one; Metadata v7",
			yields: "three requests (ApiVersions, SaslHandshake, Metadata), no finding",
			play: talks(func(t *talk) {
				t.negotiate(2, kafka2_1())
				t.handshake(0)
				t.Exchange(capturetest.Frame(token(password)), capturetest.Frame(nil))
				t.ask(3, 7)
				t.leave()
			}),
		},
		{
			name:   "kv2008-near-handshake-v0-scram",
			blind:  "it takes the raw tokens for requests",
			holds:  "the same with SCRAM-SHA-256: two raw tokens each way, the first of which looks like no request and the second like one",
			yields: "three requests, no finding",
			play: talks(func(t *talk) {
				t.negotiate(2, kafka2_1())
				t.handshake(0)
				t.Exchange(capturetest.Frame([]byte("n,,n=orders,r=secret-nonce")), capturetest.Frame([]byte("r=secret-nonce-2,s=c2VjcmV0,i=4096")))
				lookalike := append([]byte{0, 3, 0, 1, 0, 0, 0, 9, 0, 4}, "secret-proof"...)
				t.Exchange(capturetest.Frame(lookalike), capturetest.Frame([]byte("v=secret-signature")))
				t.ask(3, 7)
				t.leave()
			}),
		},
		{
			name:   "kv2008-near-handshake-v0-refused",
			blind:  "it takes the raw token for a request",
			holds:  "SaslHandshake v0, then a raw token with a wrong password, upon which the broker closes",
			yields: "two requests; no finding about a version",
			play: talks(func(t *talk) {
				t.negotiate(2, kafka2_1())
				t.handshake(0)
				t.Send(capturetest.ToBroker, capturetest.Frame(token(wrongPassword)))
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "kv2008-near-reauthentication",
			holds:  "PLAIN over SaslAuthenticate v1, Metadata, and after an hour SaslHandshake and SaslAuthenticate again on the same connection",
			yields: "seven requests, no finding",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.negotiate(3, kafka2_8())
				for range 2 {
					t.handshake(1)
					t.n++
					t.Exchange(capturetest.SaslAuthenticate(1, t.n, t.id, token(password)), capturetest.SaslAuthenticateResponse(1, t.n, 0, "", nil))
					t.ask(3, 9)
					s.Wait(time.Hour)
				}
				t.leave()
			}),
		},
	}
}

// token is the only token of SASL PLAIN (RFC 4616).
func token(password string) []byte { return []byte("\x00" + user + "\x00" + password) }

// handshake asks for PLAIN and gets it.
func (t *talk) handshake(version int16) {
	t.n++
	t.Exchange(capturetest.SaslHandshake(version, t.n, t.id, "PLAIN"), capturetest.SaslHandshakeResponse(t.n, 0, "PLAIN", "SCRAM-SHA-256"))
}

// bearer is a mechanism that the fake broker does not have.
type bearer struct{}

// Name implements sasl.Mechanism.
func (bearer) Name() string { return "OAUTHBEARER" }

// Authenticate implements sasl.Mechanism.
func (bearer) Authenticate(context.Context, string) (sasl.Session, []byte, error) {
	return nil, nil, errors.New("the broker should not have agreed to OAUTHBEARER")
}

// refusing is a scene's part in which the connection cannot be made.
func refusing(client *kgo.Client) error { return fails(client, nil) }

// withTLSBroker runs a scene with a fake broker over TLS, and the authority of its certificate. The configuration
// may be nil.
func (s *stage) withTLSBroker(server *tls.Config, versions *kversion.Versions, play func(*fake, *x509.CertPool) error) error {
	own, pool, err := certificate()
	if err != nil {
		return err
	}
	if server == nil {
		server = &tls.Config{}
	}
	server.Certificates = []tls.Certificate{own}
	o := brokerOptions{versions: versions, more: []kfake.Opt{kfake.TLS(server)}}
	return s.withBroker(o, func(b *fake) error { return play(b, pool) })
}

// overTLS runs a client against a fake broker over TLS. Without a client
// configuration, the client trusts the broker and its secrets are logged;
// change, where it is not nil, stands between the two.
func (s *stage) overTLS(server, client *tls.Config, change func(net.Conn) net.Conn, play func(*kgo.Client) error) error {
	return s.withTLSBroker(server, nil, func(b *fake, pool *x509.CertPool) error {
		if client == nil {
			client = &tls.Config{RootCAs: pool, ServerName: "kafka.example"}
			if server != nil {
				client.MaxVersion = server.MaxVersion
			}
			if server != nil && server.MinVersion == tls.VersionTLS13 {
				client.KeyLogWriter = s.keyLogWriter()
			}
		}
		var more []kgo.Opt
		if change != nil {
			more = append(more, kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := s.dial(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				secure := tls.Client(change(conn), client)
				return secure, secure.HandshakeContext(ctx)
			}))
		}
		c, err := s.client(b.addr, client, more...)
		if err != nil {
			return err
		}
		defer c.Close()
		return play(c)
	})
}

// leaveOverTLS asks for the ranges and says in TLS that nothing more will come; the broker then closes the connection.
func leaveOverTLS(s *stage) error {
	return s.withTLSBroker(nil, nil, func(b *fake, pool *x509.CertPool) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		conn, err := s.dial(ctx, "tcp", b.addr)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		secure := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "kafka.example", MinVersion: tls.VersionTLS13, KeyLogWriter: s.keyLogWriter()})
		if _, err := secure.Write(capturetest.ApiVersionsRequest(3, 1, "orders-svc", "probe", "1.0")); err != nil {
			return err
		}
		if _, err := secure.Read(make([]byte, 16<<10)); err != nil {
			return err
		}
		if err := secure.CloseWrite(); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, conn)
		return err
	})
}

// quitter is a connection that closes instead of writing a second time.
type quitter struct {
	net.Conn
	wrote bool
}

func (q *quitter) Write(b []byte) (int, error) {
	if q.wrote {
		return 0, errors.Join(q.Close(), net.ErrClosed)
	}
	q.wrote = true
	return q.Conn.Write(b)
}

// meet lets a client meet a listener that reads what it sends, answers, and
// closes. With a configuration the client speaks TLS.
func (s *stage) meet(config *tls.Config, answer func(net.Conn)) error {
	addr, stop, err := serve(func(conn net.Conn) {
		// All of it is read, so that the end is a FIN and no RST.
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, _ = io.Copy(io.Discard, conn)
		answer(conn)
		_ = conn.Close()
	})
	if err != nil {
		return err
	}
	defer stop()
	return fails(s.client(addr, config))
}

// endsInsideTLS asks for the ranges and Metadata on each of three connections inside TLS and lets time pass. Upon
// the next request the connection is reset.
func endsInsideTLS(pause time.Duration) func(*stage) error {
	return func(s *stage) error {
		return s.withTLSBroker(nil, kversion.V2_8_0(), func(b *fake, pool *x509.CertPool) error {
			for range 3 {
				if err := s.endInsideTLS(b.addr, pool, pause); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func (s *stage) endInsideTLS(addr string, pool *x509.CertPool, pause time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := s.dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	t := conn.(*tap)
	defer func() { _ = t.Conn.Close() }()
	secure := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "kafka.example", MinVersion: tls.VersionTLS13})
	metadata, fetch := kmsg.NewPtrMetadataRequest(), kmsg.NewPtrFetchRequest()
	metadata.Version, fetch.Version = 9, 11
	for _, q := range [][]byte{
		capturetest.ApiVersionsRequest(3, 1, "orders-svc", "example-client", "1.4.2"), capturetest.Request(metadata, 2, "orders-svc"),
	} {
		if _, err := secure.Write(q); err != nil {
			return err
		}
		if _, err := secure.Read(make([]byte, 16<<10)); err != nil {
			return err
		}
	}
	s.Wait(pause)
	if _, err := secure.Write(capturetest.Request(fetch, 3, "orders-svc")); err != nil {
		return err
	}
	t.once.Do(func() { t.talk.Reset(capturetest.ToClient) })
	s.Wait(time.Second)
	return nil
}
