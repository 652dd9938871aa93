package main

import (
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// recorded reads one of the recordings that the captures are made of.
func recorded(name string) ([]capturetest.Packet, error) {
	return capturetest.ReadFile(filepath.Join("..", "captures", name+".pcap"))
}

// rewritten is a scene out of a recording.
func rewritten(recording string, rewrite func([]capturetest.Packet) []capturetest.Packet) func(*stage) error {
	return func(s *stage) error {
		packets, err := recorded(recording)
		s.Packets = rewrite(packets)
		return err
	}
}

// qualityScenes are for the rules about what a capture lacks: KV9002 and KV9003.
func qualityScenes() []scene {
	const bug, clean = "confluent-go-2.6.0_fetch-max-7", "confluent-go-2.6.1_broker-2.1"
	return []scene{
		{
			name:   "kv9002-fires-loss",
			blind:  "it gives directions up at gaps",
			holds:  "`" + bug + "` with 5 % of its packets left out",
			yields: "KV9002; only requests that the whole capture has",
			play: rewritten(bug, func(p []capturetest.Packet) []capturetest.Packet {
				return capturetest.Lose(p, 3, 0.05)
			}),
		},
		{
			name:   "kv9002-fires-gap-in-a-body",
			blind:  "it gives the direction up at the gap",
			holds:  "a Produce request of 20,000 bytes of which the capture lacks 8,760 in the middle, answered; Metadata after it",
			yields: "three requests, KV9002, nothing else",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.MSS, t.Silent = 1460, true
				q, a := t.frames(0, 8)
				q = capturetest.Frame(append(q[4:], make([]byte, 20_000-len(q))...))
				t.Send(capturetest.ToBroker, q[:4*1460])
				t.Miss(capturetest.ToBroker, 6*1460)
				t.Send(capturetest.ToBroker, q[10*1460:])
				t.Send(capturetest.ToClient, a)
				t.ask(3, 9)
				t.leave()
			}),
		},
		{
			name:   "kv9002-near-twice-and-out-of-order",
			holds:  "`" + clean + "` with every packet twice and out of order: nothing is missing",
			yields: "KV2003 as in the recording, no KV9002",
			play: rewritten(clean, func(p []capturetest.Packet) []capturetest.Packet {
				return capturetest.Reorder(capturetest.Duplicate(p[:len(p)/2]), 5, 8)
			}),
		},
		{
			name:   "kv9003-fires-no-handshake",
			holds:  "two connections that were open before, one with requests and answers, one with nothing but a Fetch and its answer",
			yields: "KV9003; three requests, verdict unknown",
			play: plays(func(s *stage) {
				for _, n := range []int{2, 1} {
					s.clients++
					t := &talk{Conversation: s.Join(netip.AddrPortFrom(clientA, 40_000+s.clients), brokerA), id: "orders-svc", n: 4711}
					for range n {
						t.ask(1, 11)
					}
				}
			}),
		},
		{
			name:   "kv9003-near-cut-at-the-end",
			holds:  "a connection whose end is not in the capture",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
			}),
		},
	}
}

// otherScenes are things that brokers and clients do, by no rule's name.
func otherScenes() []scene {
	return append(clientScenes(), []scene{
		{
			name:   "pipelined",
			holds:  "five Metadata requests in one segment and their answers in another; before them one split byte by byte",
			yields: "seven requests, all answered, no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.MSS = 1
				t.ask(3, 9)
				t.MSS = capturetest.DefaultMSS
				var questions, answers []byte
				for range 5 {
					q, a := t.frames(3, 9)
					questions, answers = append(questions, q...), append(answers, a...)
				}
				t.Exchange(questions, answers)
				t.leave()
			}),
		},
		{
			name:   "rotated",
			files:  2,
			holds:  "two files of one capture (`rotated-1`, `rotated-2`), the second of which begins within a Produce request of 12,000 bytes",
			yields: "together five requests and no finding; the second alone KV9003",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
				u := s.connect(brokerA)
				u.negotiate(3, kafka2_8())
				q, a := t.frames(0, 8)
				t.Exchange(capturetest.Frame(append(q[4:], make([]byte, 12_000-len(q))...)), a)
				u.ask(3, 9)
				for _, c := range []*talk{t, u} {
					c.leave()
				}
			}),
		},
		{
			name:   "apiversions-repeated",
			holds:  "ApiVersions twice on one connection, the second answer with a lower Metadata max; Metadata at the first max after each: the latest answer counts",
			yields: "KV1001 for the second Metadata alone (and KV2005)",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
				t.negotiate(3, kafka2_1())
				t.refused(3, 9)
			}),
		},
		{
			name:   "apiversions-v5",
			holds:  "ApiVersions v5, answered; an answer with error 42 and no ranges on the same connection does not take them away",
			yields: "no finding; both Metadata verdicts are ok",
			play: talks(func(t *talk) {
				t.negotiate(5, kafka4_0())
				t.ask(3, 13)
				t.hello(5)
				t.Send(capturetest.ToClient, capturetest.ApiVersionsResponse(5, t.n, 42))
				t.ask(3, 13)
				t.leave()
			}),
		},
		{
			name:   "http-to-broker",
			holds:  "an HTTP request to a broker's port, closed; beside it a client that speaks Kafka",
			yields: "no finding; the HTTP stream is named in the quality section",
			play: plays(func(s *stage) {
				h := s.connect(brokerA)
				h.Send(capturetest.ToBroker, []byte("GET /metrics HTTP/1.1\r\nHost: 198.51.100.10:9092\r\nUser-Agent: Prometheus/2.51.0\r\nAccept: */*\r\n\r\n"))
				h.Close(capturetest.ToClient)
				t := s.connect(brokerA)
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
				t.leave()
			}),
		},
		{
			name:   "beside-others",
			holds:  "connections to ZooKeeper, PostgreSQL, Redis and a TLS port, between them one that speaks Kafka",
			yields: "two requests, five streams, KV9001 for the TLS one at most",
			play:   plays(besideOthers),
		},
		{
			name:   "hostile-text",
			holds:  "client ids and a software name with terminal escapes, newlines, tabs, HTML, Markdown and 4,000 letters; Metadata v12 above the max, closed",
			yields: "KV1001 once for each client id, escaped in every output",
			play: plays(func(s *stage) {
				for _, id := range []string{
					"\x1b[2J\x1b]0;title\x07red", "two\nlines\r\nand\ttab", "<script>alert(1)</script>&amp;", "| a | `b` | [c](http://example.com)",
					"\xff\xfe not UTF-8 \u202e\u0000", strings.Repeat("long", 1000), "", "ünïcode ✓",
				} {
					t := s.connect(brokerA)
					t.id = id
					t.n++
					t.Exchange(capturetest.ApiVersionsRequest(3, t.n, t.id, "lib\x1b[31m<b>", "1.0\n"), capturetest.ApiVersionsResponse(3, t.n, 0, kafka2_8()...))
					t.refused(3, 12)
				}
			}),
		},
	}...)
}

// besideOthers plays other protocols around one Kafka connection.
func besideOthers(s *stage) {
	open := func(port uint16, request, response []byte) {
		t := s.connect(netip.AddrPortFrom(brokerA.Addr(), port))
		t.Exchange(request, response)
		t.leave()
	}
	// ZooKeeper: a length-prefixed ConnectRequest and ConnectResponse, like Kafka's framing.
	open(2181,
		capturetest.Frame([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x75\x30\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10"+strings.Repeat("\x00", 16)+"\x00")),
		capturetest.Frame([]byte("\x00\x00\x00\x00\x00\x00\x75\x30\x01\x00\x06\x0b\x3e\x28\x00\x02\x00\x00\x00\x10"+strings.Repeat("\x07", 16)+"\x00")))
	// PostgreSQL: SSLRequest refused.
	open(5432, []byte("\x00\x00\x00\x08\x04\xd2\x16\x2f"), []byte("N"))
	t := s.connect(brokerA)
	t.negotiate(3, kafka2_8())
	open(6379, []byte("*1\r\n$4\r\nPING\r\n"), []byte("+PONG\r\n"))
	t.ask(3, 9)
	t.leave()
	// The beginning of a ClientHello, and a ServerHello's.
	open(443, []byte("\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03"+strings.Repeat("\x55", 32)+"\x00\x00\x02\x13\x01\x01\x00\x00\x00"),
		[]byte("\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03"+strings.Repeat("\x66", 32)+"\x00\x13\x01\x00"))
}
