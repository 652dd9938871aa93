package main

import (
	"encoding/binary"
	"net/netip"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// foreignScenes are Kafka clients at ports that speak something else, and at ports where nothing listens.
func foreignScenes() []scene {
	// asks is a client that asks for ApiVersions, gets the answer, and leaves.
	asks := func(answer string) func(*stage) error {
		return talks(func(t *talk) {
			t.hello(3)
			t.Send(capturetest.ToClient, []byte(answer))
			t.leave()
		})
	}
	return []scene{
		{
			name:   "foreign-http",
			holds:  "ApiVersions to a port that answers `HTTP/1.1 400 Bad Request`; the client leaves",
			yields: "the request is listed with outcome left",
			play:   asks("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
		},
		{
			name:   "foreign-http2",
			holds:  "ApiVersions to a port that answers with an empty HTTP/2 SETTINGS frame, which reads as a response to correlation id 0",
			yields: "the request is listed with outcome left",
			play:   asks("\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
		},
		{
			name:   "foreign-smtp",
			holds:  "a server that greets first, as SMTP does; then ApiVersions, upon which it closes the connection",
			yields: "the request is listed with outcome closed",
			play: talks(func(t *talk) {
				t.Send(capturetest.ToClient, []byte("220 mail.example ESMTP\r\n"))
				t.hello(3)
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name: "foreign-text-to-tls", blind: "no Kafka in it",
			holds:  "a TLS ClientHello to a port that answers `HTTP/1.1 400 Bad Request`",
			yields: "KV2012 with the first line; no KV2007 and no KV9004: the other side is no broker",
			play: talks(func(t *talk) {
				t.Send(capturetest.ToBroker, clientHello())
				t.Send(capturetest.ToClient, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "foreign-near-broker",
			holds:  "a broker whose answers come byte by byte, to correlation id 0 among others",
			yields: "two requests, answered; no finding",
			play: talks(func(t *talk) {
				t.MSS, t.n = 1, -1
				t.negotiate(3, []capturetest.API{{Key: 3, Min: 0, Max: 9}, {Key: 18, Min: 0, Max: 3}})
				t.MSS = capturetest.DefaultMSS
				t.ask(3, 9)
				t.leave()
			}),
		},
		{
			name:   "refused-connections",
			holds:  "a client that is served; the broker goes away, and two connections are refused (RST in answer to the SYN); then it is served again",
			yields: "four streams, four requests, no finding",
			play: plays(func(s *stage) {
				served := func() {
					t := s.connect(brokerA)
					t.negotiate(3, kafka2_8())
					t.ask(3, 9)
					t.leave()
				}
				served()
				for range 2 {
					s.clients++
					c := s.Between(netip.AddrPortFrom(clientA, 40_000+s.clients), brokerA)
					c.Syn(capturetest.ToBroker)
					c.Reset(capturetest.ToClient)
				}
				served()
			}),
		},
	}
}

// oddScenes are requests and answers that a faulty client or broker sends.
func oddScenes() []scene {
	return []scene{
		{
			name:   "apiversions-v0-empty-array",
			holds:  "joined midstream: ApiVersions v0 with an empty array behind its header, as older librdkafka writes it, answered with Metadata up to v2; Metadata v5, closed",
			yields: "KV1001 for Metadata v5, KV9003",
			play: plays(func(s *stage) {
				s.clients++
				t := &talk{Conversation: s.Join(netip.AddrPortFrom(clientA, 40_000+s.clients), brokerA), id: "orders-svc", n: 1}
				t.Exchange(
					capturetest.RequestHeader{Key: 18, CorrelationID: 1, ClientID: t.id, HeaderVersion: 1}.Frame([]byte{0, 0, 0, 0}),
					capturetest.ApiVersionsResponse(0, 1, 0, capturetest.API{Key: 3, Min: 0, Max: 2}, capturetest.API{Key: 18, Min: 0, Max: 0}))
				t.refused(3, 5)
			}),
		},
		{
			name:   "empty-client-id-unanswered",
			holds:  "a Metadata v1 with an empty client id, to which nothing is answered; the client leaves",
			yields: "one request with outcome left",
			play: talks(func(t *talk) {
				t.id = ""
				t.send(3, 1)
				t.leave()
			}),
		},
		{
			name: "malformed-range", blind: "it takes the range as it is",
			holds:  "an ApiVersions answer whose range of Fetch is 9 to 3, and that of ListOffsets -2 to -1; Fetch v7, ListOffsets v1, Metadata v9, all answered",
			yields: "no finding; the verdicts of Fetch and ListOffsets are unknown",
			play: talks(func(t *talk) {
				t.negotiate(3, []capturetest.API{{Key: 1, Min: 9, Max: 3}, {Key: 2, Min: -2, Max: -1}, {Key: 3, Min: 0, Max: 9}, {Key: 18, Min: 0, Max: 3}})
				t.ask(1, 7)
				t.ask(2, 1)
				t.ask(3, 9)
				t.leave()
			}),
		},
		{
			name: "negative-version", blind: "it does not know such a version",
			holds:  "Metadata v-1, upon which the broker closes the connection",
			yields: "KV1002 for Metadata v-1",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.n++
				t.Send(capturetest.ToBroker, capturetest.RequestHeader{Key: 3, Version: -1, CorrelationID: t.n, ClientID: t.id, HeaderVersion: 1}.Frame([]byte{0, 0, 0, 0}))
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "wrong-refusal",
			holds:  "ApiVersions v4 answered with error 35 in a v4 body, where a v0 body is due; the client leaves",
			yields: "two requests: the first with outcome error, the second, of another connection, is refused in a v0 body",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.hello(4)
				t.Send(capturetest.ToClient, capturetest.ApiVersionsResponse(4, t.n, 35))
				t.leave()
				t = s.refusedHello(brokerB, 4)
				t.leave()
			}),
		},
		{
			name:   "message-format",
			holds:  "a Produce v3 inside the range, answered with error 43 (the topic keeps an old message format); another answered with error 6",
			yields: "three requests, answered; no finding of a version",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				for _, code := range []int16{43, 6} {
					q, a := request(t, kmsg.NewPtrProduceRequest(), 3, func(q *kmsg.ProduceRequest, a *kmsg.ProduceResponse) {
						q.Acks, q.TimeoutMillis = -1, 30_000
						q.Topics = []kmsg.ProduceRequestTopic{{Topic: "orders", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: make([]byte, 61)}}}}
						a.Topics = []kmsg.ProduceResponseTopic{{Topic: "orders", Partitions: []kmsg.ProduceResponseTopicPartition{{ErrorCode: code, BaseOffset: -1, LogAppendTime: -1}}}}
					})
					t.Exchange(q, a)
				}
				t.leave()
			}),
		},
	}
}

// clientHello is a record with a small ClientHello.
func clientHello() []byte {
	hello := []byte("\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x03")
	hello = append(hello, make([]byte, 32)...)
	hello = append(hello, 0, 0, 2, 0x13, 0x01, 1, 0, 0, 2, 0, 0)
	binary.BigEndian.PutUint16(hello[3:], uint16(len(hello)-5))
	hello[8] = byte(len(hello) - 9)
	return hello
}
