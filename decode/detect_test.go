package decode

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/reassembly"
)

// looks calls LooksLikeRequest for a stream that begins with a 4-byte size.
func looks(stream []byte) reassembly.Likelihood {
	var size int64
	for _, b := range stream[:4] {
		size = size<<8 | int64(b)
	}
	head := stream[4:]
	return LooksLikeRequest(size, head[:min(int64(len(head)), size, 300)])
}

// unhex decodes hexadecimal with spaces, and text in quotes.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		out = append(out, b...)
	}
	return out
}

func TestOtherProtocolsAreNoRequests(t *testing.T) {
	zeros := strings.Repeat("00", 300)
	for _, tt := range []struct{ name, stream string }{
		{"TLS 1.0 to 1.3 ClientHello", "16 03 01 02 00 01 00 01 fc 03 03 'abcdefghijklmnopqrstuvwxyz0123456789'"},
		{"TLS ClientHello whose bytes spell a client id", "16 03 01 00 00 00 01 00 01 00 00 00 05 00 05 'abcde'"},
		{"TLS alert", "15 03 03 00 02 02 28 00 00 00 00 00 00"},
		{"HTTP/1 request", "'GET / HTTP/1.1' 0d0a 'Host: a' 0d0a 0d0a"},
		{"HTTP/1 response", "'HTTP/1.1 400 Bad Request' 0d0a"},
		{"HTTP/2 preface", "'PRI * HTTP/2.0' 0d0a 0d0a 'SM' 0d0a 0d0a"},
		{"SSH", "'SSH-2.0-OpenSSH_9.6' 0d0a"},
		{"AMQP", "'AMQP' 00 00 09 01 00000000"},
		{"Redis", "'*1' 0d0a '$4' 0d0a 'PING' 0d0a"},
		{"ZooKeeper connect, 45 bytes", "0000002d 00000000 0000000000000000 00007530 0000000000000000 00000010 00000000000000000000000000000000 00"},
		{"ZooKeeper connect, 44 bytes", "0000002c 00000000 0000000000000000 00007530 0000000000000000 00000010 00000000000000000000000000000000"},
		{"ZooKeeper reconnect with a session", "0000002d 00000000 0000000500000007 00007530 1000000000000001 00000010 0102030405060708090a0b0c0d0e0f10 00"},
		{"ZooKeeper reconnect, its transaction id is a printable client id", "0000002d 00000000 0000000100024142 00007530 1000000000000001 00000010 0102030405060708090a0b0c0d0e0f10 00"},
		{"ZooKeeper ping", "00000008 fffffffe 0000000b"},
		{"PostgreSQL startup", "00000029 00030000 'user' 00 'postgres' 00 'database' 00 'postgres' 00 00"},
		{"PostgreSQL startup, the user's first character is the length of a printable client id",
			"00000057 00030000 'user' 00 '0f8fad5b-d9cb-469f-a165-70867728950e@tenant.example.com' 00 'database' 00 'orders' 00 00"},
		{"PostgreSQL SSL request", "00000008 04d2162f 00000000"},
		{"MySQL greeting", "4a000000 0a ' 8.0.36' 00 0800000000000000"},
		{"MongoDB", "3a000000 01000000 00000000 d4070000 00000000 'admin.$cmd' 00"},
		{"Cassandra startup", "04000000 01 00000016 0001 000b 'CQL_VERSION' 0005 '3.0.0'"},
		{"Thrift, framed, strict", "00000011 80010001 00000004 'ping' 00000001 00"},
		{"Thrift, framed, old", "00000011 00000004 'ping' 01 00000000 00000000"},
		{"Thrift, framed, compact", "00000010 82210104 'ping' 0000000000000000"},
		{"SMB", "00000040 fe 'SMB' 4000 0000 0000 0000 0000 0100"},
		{"MQTT", "10160004 'MQTT' 04 02 003c 000a 'mosquitto1'"},
		{"Pulsar connect", "0000002a 00000026 0802 1222 0a 05 '2.1.0' 20 0a 2a 04 'none'"},
		{"RocketMQ", "000000d7 000000b8 '{\"code\":34,\"flag\":0,\"language\":\"JAVA\"}'"},
		{"Oracle TNS", "00f60000 0100 0000 013a012c 0c41 2000 ffff 7f08 0000 0100"},
		{"DNS over TCP", "001d1a2b 0100 0001 0000 0000 0000 07 'example' 03 'com' 00 0001 0001"},
		{"Hadoop IPC", "'hrpc' 09 00 00 00000000 0000"},
		{"zeros", zeros},
		{"zeros behind a size", "00000013" + zeros},
		{"zeros behind a larger size", "00000100" + zeros},
		{"ones", strings.Repeat("ff", 64)},
		{"random", "0000003b 6c1f 88a0 12345678 9abc def0 1122334455667788"},
		{"negative API key", "00000020 ff00 0000 00000001 0003 'app' 00000000000000000000"},
		{"negative version, null client id", "00000010 0003 ff00 00000001 ffff 000000000000"},
		{"client id longer than the message", "00000010 0003 0000 00000001 0007 'app' 00000000000000000000"},
		{"client id of -2", "00000010 0003 0000 00000001 fffe 'app' 00000000000000000000"},
		{"shorter than a header", "00000007 0003 0000 0000000100"},
		{"no room for a client id", "00000009 0003 0000 00000001 00 00"},
		{"null client id, body that does not fit", "00000012 0003 0000 00000001 ffff 0000000900000000"},
		{"unknown API, null client id", "0000000a 0fa0 0000 00000001 ffff"},
		{"client id of binary data", "00000012 0003 0000 00000001 0004 61006263 00000000"},
		{"more than a broker takes", "10000001 0003 0000 00000001 0003 'app' 00000000"},
	} {
		if got := looks(unhex(t, tt.stream)); got != reassembly.No {
			t.Errorf("%s: likelihood %d, want No", tt.name, got)
		}
	}
}

// TestResponsesAreNoRequests: in a connection joined midstream, either side may be checked first.
func TestResponsesAreNoRequests(t *testing.T) {
	for key := range MaxKnownKey + 1 {
		for version := range layoutOf(key).max + 1 {
			for _, id := range []int32{0, 1, 5, 9, 11, 13, 18, 300, 70_000, 1 << 20} {
				for n := range 3 {
					msg := append([]byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, filledResponse(t, key, version, n, 0)...)
					if got := LooksLikeRequest(int64(len(msg)), msg[:min(300, len(msg))]); got == reassembly.Strong {
						t.Errorf("response to %s v%d with id %d and %d elements is taken for a request", APIName(key), version, id, n)
					}
				}
			}
		}
	}
}

// sentOf is requestOf, except for Produce, which is never sent without a topic.
func sentOf(key, version int16) kmsg.Request {
	r := requestOf(key, version)
	if p, ok := r.(*kmsg.ProduceRequest); ok {
		p.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{}}}}
	}
	return r
}

func TestRequestsAreRecognised(t *testing.T) {
	null := kmsg.NewRequestFormatter()
	empty := kmsg.NewRequestFormatter(kmsg.FormatterClientID(""))
	named := kmsg.NewRequestFormatter(kmsg.FormatterClientID("app"))
	for key := range MaxKnownKey + 1 {
		for version := range layoutOf(key).max + 1 {
			if key == keyControlledShutdown && version == 0 {
				continue // has no client id: TestDoubtfulRequests
			}
			for _, f := range []*kmsg.RequestFormatter{null, named} {
				if got := looks(f.AppendRequest(nil, sentOf(key, version), 7)); got != reassembly.Strong {
					t.Errorf("%s v%d: likelihood %d, want Strong", APIName(key), version, got)
				}
			}
			want := reassembly.Fits
			if key == keyProduce {
				want = reassembly.Weak // no topic
			}
			if got := looks(empty.AppendRequest(nil, requestOf(key, version), 7)); got != want {
				t.Errorf("%s v%d with an empty client id: likelihood %d, want %d", APIName(key), version, got, want)
			}
		}
	}
}

func TestDoubtfulRequests(t *testing.T) {
	for _, tt := range []struct {
		name, stream string
		want         reassembly.Likelihood
	}{
		{"ApiVersions newer than known", "00000010 0012 0009 00000001 0003 'app' 000000", reassembly.Strong},
		{"version newer than known", "00000010 0003 000f 00000001 0003 'app' 000000", reassembly.Likely},
		{"response of Produce v0, with a topic where a client id would be", "00000026 00000005 00000001 0006 'orders' 00000001 00000000 0000 0000000000000000", reassembly.Fits},
		{"Produce v11 without a topic", "00000017 0000 000b 00000001 0003 'app' 00 00 0001 00000000 01 00", reassembly.Fits},
		{"response of OffsetCommit v2 with a correlation id of 11", "00000017 0000000b 00000001 0003 'log' 00000001 00000000 0000", reassembly.Fits},
		{"header v0", "0000000c 0007 0000 00000001 00000001", reassembly.Likely},
		{"negative version", "00000020 0003 ff00 00000001 0003 'app' 00000000000000000000", reassembly.Likely},
		{"ApiVersions v0 with an empty array behind it", "00000011 0012 0000 00000001 0003 'app' 00000000", reassembly.Strong},
		{"ApiVersions v2 with an empty array behind it", "00000011 0012 0002 00000001 0003 'app' 00000000", reassembly.Strong},
		{"ApiVersions v0 with an array that is not empty behind it", "00000011 0012 0000 00000001 0003 'app' 00000001", reassembly.Likely},
		{"ApiVersions v0 with two zeros behind it", "0000000f 0012 0000 00000001 0003 'app' 0000", reassembly.Likely},
		{"Metadata v4 with an empty array too much", "00000016 0003 0004 00000001 0003 'app' 00000000 01 00000000", reassembly.Likely},
		{"empty client id, a byte too much", "0000000f 0003 0000 00000001 0000 00000000 00", reassembly.No},
		{"empty client id, a byte less there than said", "0000000f 0003 0000 00000001 0000 00000001 00", reassembly.No},
		{"version far newer than known", "00000010 0003 0063 00000001 0003 'app' 000000", reassembly.Likely},
		{"ApiVersions far newer than known", "00000010 0012 0063 00000001 0003 'app' 000000", reassembly.Likely},
		{"Fetch far newer than any release's", "00000010 0001 0100 00000001 0003 'app' 000000", reassembly.Fits},
		{"response of a coordinator, read as Produce v433", "00000045 000001b1 00 00000000 02 24 'lab-group' 00000001", reassembly.Fits},
		{"API newer than known", "00000010 0063 0000 00000001 0003 'app' 000000", reassembly.Weak},
		{"API of Confluent Server", "00000010 2710 0000 00000001 0003 'app' 000000", reassembly.Weak},
		{"control characters in the client id, body that fits", "00000012 0003 0000 00000001 0004 611b5b32 00000000", reassembly.Weak},
		{"control characters in the client id, body that does not", "00000012 0003 0000 00000001 0004 611b5b32 00000009", reassembly.Weak},
		{"body that does not fit", "00000011 0003 0000 00000001 0003 'app' 00000009", reassembly.Likely},
		{"negative correlation id, body that fits", "00000011 0003 0000 80000001 0003 'app' 00000000", reassembly.Strong},
		{"negative correlation id, body that does not", "00000011 0003 0000 80000001 0003 'app' 00000009", reassembly.Likely},
		{"negative correlation id, null client id", "0000000e 0003 0000 80000001 ffff 00000000", reassembly.Strong},
		{"correlation id of -1", "00000011 0003 0000 ffffffff 0003 'app' 00000000", reassembly.Likely},
		{"SaslHandshake of an older Java client", "00000014 0011 0000 ffffffff 0003 'app' 0005 'PLAIN'", reassembly.Strong},
		{"ApiVersions of an older Java client", "0000000d 0012 0000 ffffffff 0003 'app'", reassembly.Strong},
		{"SaslHandshake of Java 0.10.2", "00000011 0011 0000 ffffffff 0000 0005 'PLAIN'", reassembly.Strong},
		{"SaslHandshake v1 with an empty client id", "00000019 0011 0001 00000003 0000 000d 'SCRAM-SHA-512'", reassembly.Strong},
		{"SaslHandshake with an empty client id, and something behind it", "00000012 0011 0000 ffffffff 0000 0005 'PLAIN' 00", reassembly.No},
		{"SaslHandshake with an empty client id and no mechanism that could be", "00000011 0011 0000 ffffffff 0000 0005 'plain'", reassembly.Fits},
		{"SaslHandshake with an empty client id and mechanism", "0000000c 0011 0000 ffffffff 0000 0000", reassembly.Fits},
		{"UTF-8 in the client id", "00000012 0003 0000 00000001 0004 'añb' 00000000", reassembly.Strong},
		{"Metadata v0 with a correlation id that is nearly text", "00000012 0003 0000 75736543 0004 'user' 00000000", reassembly.Strong},
		{"zeros that are a Produce without anything", "00000014" + strings.Repeat("00", 20), reassembly.Weak},
		{"1 MB Produce of which the number of topics is there", "00100000 0000 0007 00000001 0003 'app' ffff 0001 00007530 00000001", reassembly.Strong},
		{"1 MB Produce of which less is there", "00100000 0000 0007 00000001 0003 'app' ffff 0001 00007530 0000", reassembly.Likely},
		{"response of Produce v8 with a correlation id of 2, of which the topic's name is there", "00000050 00000002 00000001 0005 'lab-3' 00000001", reassembly.Likely},
		{"1 MB Fetch without a client id of which little is there", "00100000 0001 0004 00000001 ffff ffffffff 00000001", reassembly.Weak},
	} {
		if got := looks(unhex(t, tt.stream)); got != tt.want {
			t.Errorf("%s: likelihood %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestUnknownExchanges: a readable client id and the correlation id identify a request of an unknown
// API and its response.
func TestUnknownExchanges(t *testing.T) {
	for request, want := range map[string]bool{
		"0412 0002 00000003 000a 'orders-svc' 00010203": true,
		"0412 0002 00000004 000a 'orders-svc' 00010203": false, // another correlation id
		"0412 0002 00000003 0002 'or' 00010203":         false,
		"0412 0002 00000003 0003 'o' 0000 00010203":     false,
		"0003 0002 00000003 000a 'orders-svc' 00010203": false, // a known API must fit
	} {
		if got := LooksLikeExchange(unhex(t, request), unhex(t, "00000003 00000000")); got != want {
			t.Errorf("%s: %t, want %t", request, got, want)
		}
	}
}

// TestExchangesAreRecognised: a response identifies a request without a client id.
func TestExchangesAreRecognised(t *testing.T) {
	empty := kmsg.NewRequestFormatter(kmsg.FormatterClientID(""))
	for key := range MaxKnownKey + 1 {
		if key == keyControlledShutdown {
			continue // v0 has no client id, and the others prove as little
		}
		for version := range layoutOf(key).max + 1 {
			request := empty.AppendRequest(nil, sentOf(key, version), 7)[4:]
			response := append([]byte{0, 0, 0, 7}, filledResponse(t, key, version, 1, 0)...)
			if got := LooksLikeExchange(request, response); got != (len(response) >= responseHeader+leastAnswer) {
				t.Errorf("%s v%d with a response of %d bytes: %v", APIName(key), version, len(response), got)
			}
			for what, wrong := range map[string][]byte{
				"another correlation id": append([]byte{0, 0, 0, 8}, response[4:]...),
				"a byte more":            append(slices.Clone(response), 0),
				"a byte less":            response[:len(response)-1],
				"nothing":                nil,
				"zeros":                  append([]byte{0, 0, 0, 7}, make([]byte, len(response))...),
			} {
				if LooksLikeExchange(request, wrong) {
					t.Errorf("%s v%d: a response with %s is believed", APIName(key), version, what)
				}
			}
			if LooksLikeExchange(append(slices.Clone(request), 0), response) {
				t.Errorf("%s v%d: a request with a byte more is believed", APIName(key), version)
			}
		}
	}
}

// TestResponsesAndRequestsAreNoExchange: in a connection joined midstream, a response may be
// checked first, and the next request after it.
func TestResponsesAndRequestsAreNoExchange(t *testing.T) {
	empty := kmsg.NewRequestFormatter(kmsg.FormatterClientID(""))
	for _, id := range []int32{0, 1, 3, 5, 9, 11, 13, 17, 18, 1 << 16, 3 << 16, 18 << 16} {
		var requests [][]byte
		for key := range MaxKnownKey + 1 {
			for version := range layoutOf(key).max + 1 {
				requests = append(requests, empty.AppendRequest(nil, sentOf(key, version), id+1)[4:],
					append(empty.AppendRequest(nil, requestOf(key, version), id+1)[4:14:14], filledRequest(t, key, version, 1)...))
			}
		}
		for key := range MaxKnownKey + 1 {
			for version := range layoutOf(key).max + 1 {
				for n := range 3 {
					response := append([]byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, filledResponse(t, key, version, n, 0)...)
					for _, request := range requests {
						if LooksLikeExchange(response, request) {
							t.Fatalf("response to %s v%d with id %d and %d elements, and %x behind it", APIName(key), version, id, n, request)
						}
					}
				}
			}
		}
	}
}
