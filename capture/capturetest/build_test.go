package capturetest

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	client4, broker4 = netip.MustParseAddrPort("192.0.2.7:40001"), netip.MustParseAddrPort("192.0.2.9:9092")
	client6, broker6 = netip.MustParseAddrPort("[2001:db8::7]:40001"), netip.MustParseAddrPort("[2001:db8::9]:9092")
)

func TestChecksumOfRFC1071Example(t *testing.T) {
	data, _ := hex.DecodeString("0001f203f4f5f6f7")
	if got := fold(sum(0, data)); got != 0xddf2 {
		t.Errorf("sum is %04x, RFC 1071 says ddf2", got)
	}
}

func TestTransportChecksumsVerify(t *testing.T) {
	for _, ends := range [][2]netip.AddrPort{{client4, broker4}, {client6, broker6}} {
		for n := range 4 {
			payload := bytes.Repeat([]byte{0xfe}, n)
			for protocol, ip := range map[uint8][]byte{
				ProtocolTCP: TCP(ends[0], ends[1], TCPHeader{Seq: 1, Flags: SYN, Options: []byte{1}}, payload),
				ProtocolUDP: UDP(ends[0], ends[1], payload),
			} {
				body := ip[len(ip)-n-map[uint8]int{ProtocolTCP: tcpLength + 4, ProtocolUDP: udpLength}[protocol]:]
				s := sum(sum(0, ends[0].Addr().AsSlice()), ends[1].Addr().AsSlice()) + uint64(protocol) + uint64(len(body))
				if got := fold(sum(s, body)); got != 0xffff {
					t.Errorf("%v protocol %d, %d bytes: checksum leaves %04x", ends[0], protocol, n, got)
				}
				if ip[0]>>4 == 4 && fold(sum(0, ip[:ipv4Length])) != 0xffff {
					t.Error("IPv4 header checksum is wrong")
				}
			}
		}
	}
}

func TestConversationDecodesAsTCP(t *testing.T) {
	r := NewRecorder()
	c := r.Open(client6, broker6)
	c.MSS = 10
	c.Send(ToBroker, []byte("twenty-five bytes to send"))
	c.Close(ToClient)
	var flags string
	var got []byte
	next := map[string]uint32{}
	for i, p := range r.Packets {
		packet := gopacket.NewPacket(p.Data, layers.LinkTypeEthernet, gopacket.Default)
		tcp, ok := packet.TransportLayer().(*layers.TCP)
		if !ok {
			t.Fatalf("packet %d: %v", i, packet)
		}
		src := packet.NetworkLayer().NetworkFlow().Src().String()
		if want, ok := next[src]; ok && want != tcp.Seq {
			t.Errorf("packet %d: sequence number %d, want %d", i, tcp.Seq, want)
		}
		next[src] = tcp.Seq + uint32(len(tcp.Payload))
		for name, set := range map[string]bool{"S": tcp.SYN, "F": tcp.FIN} {
			if set {
				flags += name
				next[src]++
			}
		}
		if want := next[packet.NetworkLayer().NetworkFlow().Dst().String()]; tcp.ACK && tcp.Ack != want {
			t.Errorf("packet %d acknowledges %d, want %d", i, tcp.Ack, want)
		}
		got = append(got, tcp.Payload...)
	}
	if string(got) != "twenty-five bytes to send" || flags != "SSFF" || len(r.Packets) != 3+3+1+4 {
		t.Errorf("payload %q, flags %s, %d packets", got, flags, len(r.Packets))
	}
}

func TestKafkaFramesAgreeWithKmsg(t *testing.T) {
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID("app"))
	for version := int16(0); version <= 5; version++ {
		want := kmsg.NewPtrApiVersionsRequest()
		want.Version, want.ClientSoftwareName, want.ClientSoftwareVersion = version, "lib", "1.2"
		if d := cmp.Diff(f.AppendRequest(nil, want, 9), ApiVersionsRequest(version, 9, "app", "lib", "1.2")); d != "" {
			t.Errorf("request v%d: %s", version, d)
		}
		if d := cmp.Diff(f.AppendRequest(nil, want, 9), Request(want, 9, "app")); d != "" {
			t.Errorf("request v%d by Request: %s", version, d)
		}
		response := want.ResponseKind().(*kmsg.ApiVersionsResponse)
		response.ErrorCode = 3
		response.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: 1, MinVersion: 4, MaxVersion: 11}, {ApiKey: 18, MaxVersion: 3}}
		if d := cmp.Diff(Response(response, 9), ApiVersionsResponse(version, 9, 3, API{1, 4, 11}, API{18, 0, 3})); d != "" {
			t.Errorf("response v%d: %s", version, d)
		}
	}
}

func TestSaslFramesAgreeWithKmsg(t *testing.T) {
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID("app"))
	for version := int16(0); version <= 1; version++ {
		handshake := &kmsg.SASLHandshakeRequest{Version: version, Mechanism: "PLAIN"}
		authenticate := &kmsg.SASLAuthenticateRequest{Version: version, SASLAuthBytes: []byte("token")}
		message := "no"
		shaken := &kmsg.SASLHandshakeResponse{Version: version, ErrorCode: 33, SupportedMechanisms: []string{"PLAIN", "GSSAPI"}}
		authenticated := &kmsg.SASLAuthenticateResponse{Version: version, ErrorCode: 58, ErrorMessage: &message, SASLAuthBytes: []byte{}}
		for name, pair := range map[string][2][]byte{
			"handshake":             {f.AppendRequest(nil, handshake, 3), SaslHandshake(version, 3, "app", "PLAIN")},
			"handshake response":    {Response(shaken, 3), SaslHandshakeResponse(3, 33, "PLAIN", "GSSAPI")},
			"authenticate":          {f.AppendRequest(nil, authenticate, 4), SaslAuthenticate(version, 4, "app", []byte("token"))},
			"authenticate response": {Response(authenticated, 4), SaslAuthenticateResponse(version, 4, 58, "no", nil)},
		} {
			if d := cmp.Diff(pair[0], pair[1]); d != "" {
				t.Errorf("%s v%d: %s", name, version, d)
			}
		}
	}
}

func TestRequestHeaderVersions(t *testing.T) {
	for _, c := range []struct {
		name string
		h    RequestHeader
		want string
	}{
		{"v0 has no client id", RequestHeader{Key: 7, CorrelationID: 5, ClientID: "app"}, "0000000a" + "00070000" + "00000005" + "beef"},
		{"v1", RequestHeader{Key: 3, Version: 1, CorrelationID: 5, ClientID: "app", HeaderVersion: 1}, "0000000f" + "00030001" + "00000005" + "0003617070" + "beef"},
		{"v2 has tags", RequestHeader{Key: 3, Version: 9, CorrelationID: 5, ClientID: "app", HeaderVersion: 2}, "00000010" + "00030009" + "00000005" + "0003617070" + "00" + "beef"},
	} {
		if got := hex.EncodeToString(c.h.Frame([]byte{0xbe, 0xef})); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
