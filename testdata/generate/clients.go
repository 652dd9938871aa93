package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// patience bounds a scene with a real client.
const patience = 15 * time.Second

// brokerOptions say what the fake broker is like.
type brokerOptions struct {
	versions *kversion.Versions
	ipv6     bool
	more     []kfake.Opt
}

// fake is a fake broker with one topic, and the stage that records what its clients send.
type fake struct {
	*kfake.Cluster
	stage *stage
	addr  string
}

// withBroker runs a scene with a fake broker.
func (s *stage) withBroker(o brokerOptions, play func(*fake) error) error {
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(0), kfake.ClusterID("generated"), kfake.SeedTopics(1, "orders")}
	if o.versions != nil {
		options = append(options, kfake.MaxVersions(o.versions))
	}
	if o.ipv6 {
		options = append(options, kfake.ListenFn(func(string, string) (net.Listener, error) {
			return net.Listen("tcp6", "[::1]:0")
		}))
	}
	cluster, err := kfake.NewCluster(append(options, o.more...)...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	return play(&fake{cluster, s, cluster.ListenAddrs()[0]})
}

// client makes a franz-go client whose connections are recorded.
func (f *fake) client(options ...kgo.Opt) (*kgo.Client, error) {
	return f.stage.client(f.addr, nil, options...)
}

// client makes a franz-go client of the broker at addr; with a TLS
// configuration its connections speak TLS.
func (s *stage) client(addr string, config *tls.Config, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr), kgo.ClientID("orders-svc"), kgo.DefaultProduceTopic("orders"),
		kgo.SoftwareNameAndVersion("kgo", "1.22.2"),
		kgo.RequestRetries(0), kgo.RecordRetries(1), kgo.RetryTimeout(2 * time.Second), kgo.DialTimeout(3 * time.Second),
		kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := s.dial(ctx, network, addr)
			if err != nil || config == nil {
				return conn, err
			}
			secure := tls.Client(conn, config)
			if err := secure.HandshakeContext(ctx); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return secure, nil
		}),
	}, options...)...)
}

// produce sends three records, which say "secret" so that a leak can be searched for.
func (f *fake) produce(options ...kgo.Opt) error {
	client, err := f.client(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	return produce(client)
}

// produce sends three records with a client.
func produce(client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := range 3 {
		record := kgo.StringRecord(fmt.Sprintf("secret-value-%d", i))
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
	}
	return nil
}

// fails pings a broker that must not be usable: it is an error when it is.
func fails(client *kgo.Client, err error) error {
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	if client.Ping(ctx) == nil {
		return errors.New("the client could talk to the broker, which it should not")
	}
	return nil
}

// tap is a client's connection whose bytes are recorded as the client writes
// and reads them, from addresses of the stage.
type tap struct {
	net.Conn
	stage *stage
	talk  *capturetest.Conversation
	once  sync.Once // the end is recorded once, by whoever comes first
}

// dial opens a recorded connection.
func (s *stage) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	broker := netip.MustParseAddrPort(conn.RemoteAddr().String())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients++
	// The ports are fixed, so that making a capture anew changes little of it.
	const brokerPort, clientPorts = 19092, 50_000
	broker = netip.AddrPortFrom(broker.Addr(), brokerPort)
	talk := s.Open(netip.AddrPortFrom(broker.Addr(), clientPorts+s.clients), broker)
	return &tap{Conn: conn, stage: s, talk: talk}, nil
}

// Write records what the client sends.
func (t *tap) Write(b []byte) (int, error) {
	t.stage.mu.Lock()
	defer t.stage.mu.Unlock()
	n, err := t.Conn.Write(b)
	t.talk.Send(capturetest.ToBroker, b[:n])
	return n, err
}

// Read records what the broker sends, and how it ends the connection.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.stage.mu.Lock()
	defer t.stage.mu.Unlock()
	if n > 0 {
		t.talk.Send(capturetest.ToClient, b[:n])
	}
	switch {
	case err == nil || errors.Is(err, net.ErrClosed):
	case errors.Is(err, syscall.ECONNRESET):
		t.once.Do(func() { t.talk.Reset(capturetest.ToClient) })
	default:
		t.once.Do(func() { t.talk.Close(capturetest.ToClient) })
	}
	return n, err
}

// Close records that the client ends the connection.
func (t *tap) Close() error {
	t.stage.mu.Lock()
	t.once.Do(func() { t.talk.Close(capturetest.ToBroker) })
	t.stage.mu.Unlock()
	return t.Conn.Close()
}

// certificate makes a self-signed certificate for the loopback addresses.
func certificate() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafka.example"},
		NotBefore: time.Unix(capturetest.Start/1e9, 0).AddDate(-1, 0, 0), NotAfter: time.Unix(capturetest.Start/1e9, 0).AddDate(20, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"kafka.example"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, nil
}

// keyLogWriter is for tls.Config.KeyLogWriter and keeps the secrets for the scene.
func (s *stage) keyLogWriter() *keyLogWriter { return &keyLogWriter{stage: s} }

// keyLogWriter collects a key log.
type keyLogWriter struct{ stage *stage }

func (w *keyLogWriter) Write(line []byte) (int, error) {
	// Not under the stage's lock: crypto/tls may write while a tap holds it.
	w.stage.keyLog = append(w.stage.keyLog, line...)
	return len(line), nil
}

// serve accepts connections on a loopback port, one after the other, until stop is called.
func serve(handle func(net.Conn)) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handle(conn)
		}
	}()
	stop = func() {
		if err := l.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
			panic(err)
		}
		<-done
	}
	return l.Addr().String(), stop, nil
}
