package main

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// diagnosisScenes are for causes that were reported wrongly before.
func diagnosisScenes() []scene {
	const again = 3 // times that a client tries
	tries := func(try func(t *talk)) func(*stage) error {
		return plays(func(s *stage) {
			for range again {
				try(s.connect(brokerA))
				s.Wait(time.Second)
			}
		})
	}
	return []scene{
		{
			name: "kv1002-fires-replica-fetcher", blind: "it borrows no ranges",
			holds:  "a broker that fetches with Fetch v3 from one of Kafka 4.0 and is closed, three times; a client of Kafka 4.0 beside it",
			yields: "KV1002 with advice about inter.broker.protocol.version",
			play: plays(func(s *stage) {
				served := s.connect(brokerA)
				served.negotiate(4, kafka4_0())
				for range again {
					served.ask(1, 17)
					t := s.connect(brokerA)
					t.id = "broker-2-fetcher-0"
					t.refused(1, 3)
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "borrowed-near-address-moved",
			holds:  "a client that never asks for ApiVersions is served (Fetch v2) on a connection that was open before; the address moves to a broker of Kafka 4.0, which resets it; another client negotiates there",
			yields: "no finding; the requests before the move have no range",
			play: plays(func(s *stage) {
				s.clients++
				old := &talk{Conversation: s.Join(netip.AddrPortFrom(clientA, 40_000+s.clients), brokerA), id: "legacy-loader"}
				for range again {
					old.ask(3, 1)
					old.ask(1, 2)
				}
				old.Silent = true
				old.send(1, 2)
				old.Reset(capturetest.ToClient)
				s.Wait(10 * time.Second)
				t := s.connect(brokerA)
				t.negotiate(4, kafka4_0())
				t.ask(3, 12)
				t.leave()
			}),
		},
		{
			name: "kv2002-fires-other-layout", blind: "it reads the response as v3",
			holds:  "ApiVersions v3 answered in the layout of v0, without an error; the client leaves, three times",
			yields: "KV2002; no KV2004",
			play: tries(func(t *talk) {
				t.hello(3)
				t.Send(capturetest.ToClient, capturetest.ApiVersionsResponse(0, t.n, 0, kafka2_1()...))
				t.leave()
			}),
		},
		{
			name: "kv2002-near-bytes-behind", blind: "it reads the bytes behind the response as malformed",
			holds:  "ApiVersions v3 answered with five bytes behind the response; the client goes on with Metadata v9",
			yields: "no finding",
			play: tries(func(t *talk) {
				t.hello(3)
				b := append(capturetest.ApiVersionsResponse(3, t.n, 0, kafka2_8()...), make([]byte, 5)...)
				binary.BigEndian.PutUint32(b, uint32(len(b)-4))
				t.Send(capturetest.ToClient, b)
				t.ask(3, 9)
				t.leave()
			}),
		},
		{
			name:   "kv2004-fires-once",
			holds:  "one connection: ApiVersions, its answer, and the client leaves",
			yields: "KV2004 as a note: it may be a health check",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka3_9())
				t.leave()
			}),
		},
		{
			name:   "kv2008-fires-handshake-closed",
			holds:  "SaslHandshake v1 inside the range, upon which the broker closes, three times",
			yields: "KV2008 with the mechanism; no KV2009",
			play: tries(func(t *talk) {
				t.negotiate(3, kafka3_9())
				t.n++
				t.Send(capturetest.ToBroker, capturetest.SaslHandshake(1, t.n, t.id, "SCRAM-SHA-512"))
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "kv2008-fires-gssapi-without-joingroup-0",
			holds:  "a broker that advertises JoinGroup from v2 on, as Kafka 4.0.0; SaslHandshake for GSSAPI answered, and the client leaves, three times",
			yields: "KV2008 that names librdkafka before 2.11.0",
			play: tries(func(t *talk) {
				apis := kafka4_0()
				for i := range apis {
					if apis[i].Key == 11 {
						apis[i].Min = 2
					}
				}
				t.negotiate(3, apis)
				t.n++
				t.Exchange(capturetest.SaslHandshake(1, t.n, t.id, "GSSAPI"), capturetest.SaslHandshakeResponse(t.n, 0, "GSSAPI"))
				t.leave()
			}),
		},
		{
			name:   "kv2009-near-throttled",
			holds:  "Produce v9 answered with a throttle time of 30 s; the client sends InitProducerId at once and leaves after 8 s, three times, while another client is served",
			yields: "no finding: the broker does not read before the throttle is over",
			play: plays(func(s *stage) {
				served := s.connect(brokerA)
				served.negotiate(3, kafka3_9())
				for range again {
					t := s.connect(brokerA)
					t.negotiate(3, kafka3_9())
					t.Exchange(request(t, kmsg.NewPtrProduceRequest(), 9, func(q *kmsg.ProduceRequest, a *kmsg.ProduceResponse) {
						q.Acks, a.ThrottleMillis = 1, 30_000
					}))
					t.send(22, 4)
					for range 4 {
						s.Wait(2 * time.Second)
						served.ask(1, 16)
					}
					t.leave()
				}
			}),
		},
		{
			name:   "kv2018-fires-compression",
			holds:  "Fetch v4 answered with error 76 for a partition, three times",
			yields: "KV2018 that names zstd",
			play: talks(func(t *talk) {
				t.negotiate(0, kafka2_3())
				for range again {
					t.Exchange(request(t, kmsg.NewPtrFetchRequest(), 4, func(_ *kmsg.FetchRequest, a *kmsg.FetchResponse) {
						a.Topics = []kmsg.FetchResponseTopic{{Topic: "orders", Partitions: []kmsg.FetchResponseTopicPartition{{ErrorCode: 76, HighWatermark: -1}}}}
					}))
				}
				t.leave()
			}),
		},
		{
			name:   "kv3002-fires-telemetry",
			holds:  "GetTelemetrySubscriptions answered with error 35, then InitProducerId",
			yields: "KV3002; no KV3001",
			play: talks(func(t *talk) {
				t.negotiate(4, kafka4_0())
				t.Exchange(request(t, kmsg.NewPtrGetTelemetrySubscriptionsRequest(), 0, func(_ *kmsg.GetTelemetrySubscriptionsRequest, a *kmsg.GetTelemetrySubscriptionsResponse) {
					a.ErrorCode = 35
				}))
				t.ask(22, 5)
				t.leave()
			}),
		},
		{
			name: "kv2009-near-not-delivered", blind: "it lists complete requests only",
			holds:  "a Produce v9 of three segments, of which the first is sent again and again, and none is acknowledged; the client closes after 24 s, twice, while another client is served",
			yields: "no finding about a version: the requests are counted as not delivered",
			play: plays(func(s *stage) {
				served := s.connect(brokerA)
				served.negotiate(3, kafka3_9())
				for range 2 {
					t := s.connect(brokerA)
					t.negotiate(3, kafka3_9())
					t.ask(22, 4)
					t.Silent = true
					b := largeProduce(t, 9, 4064)
					t.Send(capturetest.ToBroker, b)
					for range 3 {
						s.Wait(8 * time.Second)
						t.Seq[capturetest.ToBroker] -= uint32(len(b))
						t.Segment(capturetest.ToBroker, 0, b[:capturetest.DefaultMSS])
						t.Seq[capturetest.ToBroker] += uint32(len(b) - capturetest.DefaultMSS)
					}
					served.ask(1, 16)
					t.Fin(capturetest.ToBroker)
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "kv2001-fires-each-on-its-own",
			holds:  "a client that does not negotiate: ListOffsets v0, Fetch v0 and Produce v0 are closed, each on a connection of its own, three times, while Metadata v0 is answered on an older one",
			yields: "KV2001 for each of the three; no KV2013",
			play: plays(func(s *stage) {
				served := s.connect(brokerA)
				for range again {
					served.ask(3, 0)
					for _, key := range []int16{2, 1, 0} {
						t := s.connect(brokerA)
						q, _ := t.frames(key, 0)
						if key == 0 {
							q, _ = t.produce(0, 1, 0)
						}
						t.Send(capturetest.ToBroker, q)
						t.Close(capturetest.ToClient)
						s.Wait(time.Second)
					}
				}
				served.ask(3, 0)
			}),
		},
		{
			name:   "kv2004-fires-at-controller",
			holds:  "a broker that answers Metadata and Fetch, and a client that also connects to a controller's listener, three times, and leaves after ApiVersions",
			yields: "KV2004, which names the controller, although the client is served",
			play: plays(func(s *stage) {
				served := s.connect(brokerA)
				served.negotiate(3, kafka3_9())
				served.ask(3, 12)
				for range again {
					served.ask(1, 16)
					t := s.connect(netip.AddrPortFrom(brokerB.Addr(), 9093))
					t.negotiate(3, []capturetest.API{{Key: 1, Max: 17}, {Key: 17, Max: 1}, {Key: 18, Max: 4}, {Key: 52, Max: 1}, {Key: 62, Max: 4}})
					t.leave()
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "kv2012-fires-tls-too",
			holds:  "an address that closes on ApiVersions v3 and on a ClientHello, three times each",
			yields: "KV2012 and KV9004; no KV2002, no KV2007",
			play: plays(func(s *stage) {
				for range again {
					t := s.connect(brokerA)
					t.hello(3)
					t.Close(capturetest.ToClient)
					t = s.connect(brokerA)
					t.Send(capturetest.ToBroker, clientHello())
					t.Close(capturetest.ToClient)
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "kv2004-fires-after-upgrade",
			holds:  "a client that Kafka 3.9 serves (Fetch v3); after an upgrade to Kafka 4.0 it leaves after ApiVersions, four times, while another client is served",
			yields: "KV2004 as a warning: that it was served before the upgrade excuses nothing",
			play: plays(func(s *stage) {
				served, old := s.connect(brokerA), s.connect(brokerA)
				old.id = "legacy-loader"
				served.negotiate(3, kafka3_9())
				served.ask(1, 16)
				old.negotiate(0, kafka3_9())
				old.ask(3, 2)
				old.ask(1, 3)
				served.Close(capturetest.ToClient)
				old.Close(capturetest.ToClient)
				s.down()
				served = s.connect(brokerA)
				served.negotiate(4, kafka4_0())
				for range again + 1 {
					t := s.connect(brokerA)
					t.id = "legacy-loader"
					t.negotiate(0, kafka4_0())
					t.leave()
					served.ask(1, 17)
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "kv2008-near-token-above-max",
			holds:  "SaslHandshake v1 answered, then SaslAuthenticate v2, of which Kafka 1.1 advertises v0: closed, three times",
			yields: "KV1001; no KV2008: the version explains the close",
			play: plays(func(s *stage) {
				for range again {
					t := s.connect(brokerA)
					t.negotiate(0, ranges(kversion.V1_1_0(), nil))
					t.handshake(1)
					t.n++
					t.Send(capturetest.ToBroker, capturetest.SaslAuthenticate(2, t.n, t.id, token(wrongPassword)))
					t.Close(capturetest.ToClient)
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "kv2008-fires-before-the-last-token",
			holds:  "SCRAM: the first token is answered with a challenge, then Metadata v9 is closed instead of the next token, three times",
			yields: "KV2008 for Metadata; no KV2009",
			play: plays(func(s *stage) {
				for range again {
					t := s.connect(brokerA)
					t.negotiate(3, kafka2_8())
					t.n++
					t.Exchange(capturetest.SaslHandshake(1, t.n, t.id, "SCRAM-SHA-256"), capturetest.SaslHandshakeResponse(t.n, 0, "SCRAM-SHA-256"))
					t.n++
					t.Exchange(capturetest.SaslAuthenticate(1, t.n, t.id, token("")), capturetest.SaslAuthenticateResponse(1, t.n, 0, "", token("")))
					t.refused(3, 9)
					s.Wait(time.Second)
				}
			}),
		},
	}
}
