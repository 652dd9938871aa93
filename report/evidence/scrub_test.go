package evidence

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/redact"
)

// exhibitOf returns an exhibit of packets of one connection.
func exhibitOf(packets []capturetest.Packet, kafka bool) *exhibit {
	d := capture.NewDissector(capture.DissectorOptions{})
	x := &exhibit{kafka: kafka}
	for i, p := range packets {
		pkt := capture.Packet{Position: capture.Position{Frame: uint64(i) + 1}, Data: bytes.Clone(p.Data), Length: uint32(p.Length()), Link: capture.LinkType(p.Link)}
		var s capture.Segment
		if !d.Segment(&pkt, &s) {
			continue
		}
		l := newSeen(&pkt, &s)
		l.index, l.back = uint32(i), s.SrcPort != scrubClient.Port()
		x.packets = append(x.packets, l)
	}
	return x
}

// payload returns the joined payload of one direction.
func (x *exhibit) payload(toBroker bool) []byte {
	var b []byte
	client := x.clientIsBack()
	for i := range x.packets {
		if (x.packets[i].back == client) == toBroker {
			b = append(b, x.packets[i].text()...)
		}
	}
	return b
}

var (
	scrubClient = netip.MustParseAddrPort("192.0.2.1:40000")
	scrubBroker = netip.MustParseAddrPort("192.0.2.2:9092")
)

// conversationOf returns a connection with these messages, request and response in turn.
func conversationOf(handshake bool, messages ...[]byte) []capturetest.Packet {
	r := capturetest.NewRecorder()
	c := r.Join(scrubClient, scrubBroker)
	if handshake {
		c = r.Open(scrubClient, scrubBroker)
	}
	for i, m := range messages {
		c.Send(capturetest.Direction(i%2), m)
	}
	return r.Packets
}

func TestScrubKeepsNoSASLToken(t *testing.T) {
	metadata := capturetest.RequestHeader{Key: 3, Version: 1, CorrelationID: 3, ClientID: "app", HeaderVersion: 1}.Frame([]byte{0, 0, 0, 0})
	cases := []struct {
		name      string
		handshake bool
		messages  [][]byte
		// requests are the API keys that must remain readable.
		requests []int16
	}{
		{"raw tokens after SaslHandshake v0", true, [][]byte{
			capturetest.SaslHandshake(0, 1, "app", "PLAIN"), capturetest.SaslHandshakeResponse(1, 0, "PLAIN"),
			capturetest.Frame([]byte("\x00secretuser\x00secretword")), capturetest.Frame([]byte("secretanswer")),
			metadata, capturetest.ResponseFrame(3, false, make([]byte, 8)),
		}, []int16{17, 3}},
		{"raw tokens after a SaslHandshake v0 without a client id", true, [][]byte{
			capturetest.SaslHandshake(0, -1, "", "PLAIN"), capturetest.SaslHandshakeResponse(-1, 0, "PLAIN"),
			capturetest.Frame([]byte("\x00secretuser\x00secretword")), capturetest.Frame(nil),
			capturetest.Frame([]byte("\x00\x01\x00\x03\x00\x00\x00\x09\x00\x0asecretword\x00\x00\x00\x00")), capturetest.Frame(nil),
			metadata, capturetest.ResponseFrame(3, false, make([]byte, 8)),
		}, []int16{17, 3}},
		{"SaslAuthenticate", true, [][]byte{
			capturetest.SaslHandshake(1, 1, "app", "PLAIN"), capturetest.SaslHandshakeResponse(1, 0, "PLAIN"),
			capturetest.SaslAuthenticate(1, 2, "app", []byte("\x00secretuser\x00secretword")),
			capturetest.SaslAuthenticateResponse(1, 2, 58, "no such user: secretuser", []byte("secrettoken")), metadata,
		}, []int16{17, 36, 3}},
		{"tokens of a connection without a beginning", false, [][]byte{
			capturetest.Frame([]byte("\x00secretuser\x00secretword")), capturetest.Frame([]byte("secretanswer")), metadata,
		}, []int16{3}},
		{"a token that begins like the answer to a request", true, [][]byte{
			capturetest.SaslHandshake(0, 1, "app", "PLAIN"), capturetest.SaslHandshakeResponse(1, 0, "PLAIN"),
			capturetest.Frame([]byte("\x00\x03\x00\x01\x00\x00\x00\x09\x00\x03secretword")), capturetest.ResponseFrame(9, false, []byte("secretanswer")),
		}, []int16{17}},
		{"HTTP on the broker's port", true, [][]byte{[]byte("GET /secret HTTP/1.1\r\nAuthorization: secret\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\n\r\nsecret")}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, s := range []scrubber{{level: decode.BlankSecrets}, {level: decode.BlankAll, names: redact.NewPseudonyms("")}} {
				x := exhibitOf(conversationOf(c.handshake, c.messages...), true)
				s.connection(x)
				sent := x.payload(true)
				if bytes.Contains(append(slices.Clone(sent), x.payload(false)...), []byte("secret")) {
					t.Errorf("a secret is left: %q, %q", sent, x.payload(false))
				}
				for _, key := range c.requests {
					if !bytes.Contains(sent, []byte{0, byte(key), 0}) {
						t.Errorf("the request with key %d is gone: %q", key, sent)
					}
				}
			}
		})
	}
}

// TestScrubOverwritesWhatIsBehindAHole: after a gap, the data may be anything.
func TestScrubOverwritesWhatIsBehindAHole(t *testing.T) {
	r := capturetest.NewRecorder()
	c := r.Open(scrubClient, scrubBroker)
	c.Send(capturetest.ToBroker, capturetest.SaslHandshake(0, 1, "app", "PLAIN"))
	c.Miss(capturetest.ToBroker, 10)
	c.Send(capturetest.ToBroker, []byte("secretword"))
	x := exhibitOf(r.Packets, true)
	(&scrubber{level: decode.BlankSecrets}).connection(x)
	if got := x.payload(true); bytes.Contains(got, []byte("secret")) || !bytes.Contains(got, []byte("PLAIN")) {
		t.Errorf("%q is left", got)
	}
}

// TestScrubOfClientHello: the server name is replaced, the capabilities of the client remain.
func TestScrubOfClientHello(t *testing.T) {
	here, there := net.Pipe()
	go func() {
		_ = tls.Client(here, &tls.Config{ServerName: "kafka-1.prod.secret", NextProtos: []string{"kafka"}}).Handshake() // nobody answers
	}()
	record := make([]byte, 4096)
	n, err := there.Read(record)
	if err != nil {
		t.Fatal(err)
	}
	_ = here.Close()
	hello := record[:n]
	certificate := append([]byte{22, 3, 3, 0, 20, 11, 0, 0, 16}, "cn=kafka.secret."...)
	x := exhibitOf(conversationOf(true, hello, certificate, append([]byte{23, 3, 3, 0, 6}, "secret"...)), false)
	(&scrubber{level: decode.BlankAll, names: redact.NewPseudonyms("")}).connection(x)
	sent := x.payload(true)
	if bytes.Contains(sent, []byte("secret")) || bytes.Contains(x.payload(false), []byte("secret")) {
		t.Errorf("%q and %q are left", sent, x.payload(false))
	}
	if !bytes.Equal(sent[:5+4+2+32], hello[:5+4+2+32]) || !bytes.Contains(sent, []byte("host-")) || !bytes.Contains(sent, []byte("kafka")) {
		t.Errorf("head, name or ALPN is gone: %q", sent)
	}
	if got := x.payload(false); !bytes.Equal(got, append([]byte{22, 3, 3, 0, 20, 11, 0, 0, 16}, make([]byte, 16)...)) {
		t.Errorf("of the certificate message is left: %q", got)
	}
}

// TestDisguiseKeepsChecksumsRight: in every encapsulation, they match the overwritten bytes.
func TestDisguiseKeepsChecksumsRight(t *testing.T) {
	names := redact.NewPseudonyms("key")
	request := capturetest.ApiVersionsRequest(3, 1, "app", "lib", "1")
	for _, v := range capturetest.Variants() {
		for i, p := range v.Rewrite(conversationOf(true, request), 1) {
			x := exhibitOf([]capturetest.Packet{p}, true)
			if len(x.packets) == 0 {
				continue
			}
			s := &x.packets[0]
			was := bytes.Clone(s.data)
			d := disguiser{dissector: capture.NewDissector(capture.DissectorOptions{}), names: names}
			d.packet(s)
			if len(s.data) != len(was) {
				t.Fatalf("%s: packet %d has %d bytes, had %d", v.Name, i, len(s.data), len(was))
			}
			got := bytes.Clone(s.data)
			for j := len(d.headers) - 1; j >= 0; j-- { // a second time changes nothing
				d.checksum(s.data, j)
			}
			if !bytes.Equal(got, s.data) {
				t.Errorf("%s: packet %d: a checksum covers something that was overwritten later", v.Name, i)
			}
			for _, h := range d.headers {
				if b := got[h.At:]; h.Kind == capture.HeaderIPv4 && capture.OnesSum(0, b[:int(b[0]&15)*4]) != 0xffff {
					t.Errorf("%s: packet %d: the IPv4 header's checksum is wrong", v.Name, i)
				}
			}
		}
	}
}

// FuzzScrub makes connections of arbitrary segments. Lengths must not change, nothing may panic,
// and bytes outside known requests and answers must be overwritten.
func FuzzScrub(f *testing.F) {
	f.Add([]byte{0, 2, 0, 4, 's', 'e', 'c', 'r', 1, 0x12, 0, 0}, true)
	f.Add(append([]byte{0, 0x10, 0, 60}, capturetest.SaslHandshake(0, 1, "app", "PLAIN")...), false)
	f.Add(append([]byte{0, 0x18, 0, 40}, capturetest.ApiVersionsRequest(3, 1, "app", "lib", "1")...), true)
	f.Add(append([]byte{0, 0x18, 0, 90, 22, 3, 1, 0, 80, 1, 0, 0, 76, 3, 3}, make([]byte, 80)...), true)
	f.Fuzz(func(t *testing.T, script []byte, kafka bool) {
		if len(script) > 16<<10 {
			return
		}
		packets := segmentsOf(script)
		for _, s := range []scrubber{{level: decode.BlankSecrets}, {level: decode.BlankAll, names: redact.NewPseudonyms("k")}} {
			x := exhibitOf(packets, kafka)
			s.connection(x)
			d := disguiser{dissector: capture.NewDissector(capture.DissectorOptions{}), names: s.names}
			for i := range x.packets {
				n := len(x.packets[i].data)
				d.packet(&x.packets[i])
				if len(x.packets[i].data) != n {
					t.Fatalf("packet %d has %d bytes, had %d", i, len(x.packets[i].data), n)
				}
			}
		}
	})
}

// segmentsOf makes packets from a script: direction, flags, increase of sequence number, payload.
func segmentsOf(script []byte) []capturetest.Packet {
	var packets []capturetest.Packet
	var next [2]uint32
	for len(script) >= 4 {
		dir, flags, jump, n := script[0]&1, script[1], int32(int8(script[2])), min(int(script[3]), len(script)-4)
		payload := script[4 : 4+n]
		script = script[4+n:]
		src, dst := scrubClient, scrubBroker
		if dir == 1 {
			src, dst = dst, src
		}
		next[dir] += uint32(jump)
		ip := capturetest.TCP(src, dst, capturetest.TCPHeader{Seq: next[dir], Flags: flags}, payload)
		packets = append(packets, capturetest.Packet{Data: capturetest.Ethernet(capturetest.EtherIPv4, ip), Link: 1})
		next[dir] += uint32(len(payload))
	}
	return packets
}
