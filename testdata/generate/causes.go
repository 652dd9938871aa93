package main

import (
	"net/netip"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// causeScenes are for the causes of a disconnect that are no version, and for their near misses.
func causeScenes() []scene {
	const again = 3 // times that a client tries
	// tries makes a client try again and again, each time on a new connection.
	tries := func(broker netip.AddrPort, try func(s *stage, t *talk)) func(*stage) error {
		return plays(func(s *stage) {
			for range again {
				try(s, s.connect(broker))
				s.Wait(time.Second)
			}
		})
	}
	closes := func(port uint16) func(*stage) error {
		return tries(netip.AddrPortFrom(brokerA.Addr(), port), func(_ *stage, t *talk) {
			t.hello(4)
			t.Close(capturetest.ToClient)
		})
	}
	return []scene{
		{
			name: "kv1002-fires-after-upgrade", blind: "it borrows no ranges",
			holds:  "Kafka 3.9 serves a client that negotiates and one that does not (Fetch v2); it is restarted as Kafka 4.0; the first one is served again, the second one closed again and again",
			yields: "KV1002 for Fetch v2 by the range of another connection, KV2005 as a note; KV2013 for the three refused connections alone",
			play:   plays(upgradeUnderLegacyClient),
		},
		{
			name:   "kv2001-fires-after-downgrade",
			holds:  "a client that never asks for ApiVersions is served (Metadata v10); the broker is restarted, and closes each connection on Metadata v10, four times, while it answers Metadata v1 of another client",
			yields: "KV2001; KV2013 for the three refused connections alone",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.ask(3, 10)
				t.ask(1, 11)
				s.Wait(time.Second)
				t.Close(capturetest.ToClient)
				s.down()
				other := s.connect(brokerA)
				other.id = "billing"
				for range 4 {
					s.connect(brokerA).refused(3, 10)
					s.Wait(time.Second)
					other.ask(3, 1)
				}
			}),
		},
		{
			name:   "kv2001-near-idle",
			holds:  "a client that never asks for ApiVersions: Metadata answered, six idle minutes, then a Fetch, upon which a load balancer that forgot the connection sends a RST; the capture ends",
			yields: "no finding: an idle limit explains it",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.ask(3, 1)
				s.Wait(6 * time.Minute)
				t.Silent = true
				t.send(1, 4)
				t.Reset(capturetest.ToClient)
			}),
		},
		{
			name:   "kv2008-fires-oauthbearer",
			holds:  "OAUTHBEARER: the broker answers the token with another one and no error, which is a refusal (RFC 7628); the client leaves, three times",
			yields: "KV2008",
			play: tries(brokerA, func(_ *stage, t *talk) {
				t.negotiate(3, kafka2_8())
				t.n++
				t.Exchange(capturetest.SaslHandshake(1, t.n, t.id, "OAUTHBEARER"), capturetest.SaslHandshakeResponse(t.n, 0, "OAUTHBEARER"))
				t.n++
				t.Exchange(capturetest.SaslAuthenticate(1, t.n, t.id, []byte("n,,\x01auth=Bearer secret-token\x01\x01")),
					capturetest.SaslAuthenticateResponse(1, t.n, 0, "", []byte(`{"status":"invalid_token"}`)))
				t.leave()
			}),
		},
		{
			name: "kv2008-fires-raw-token", blind: "it takes the raw tokens for requests",
			holds:  "SaslHandshake v0, then a raw token with a wrong password, upon which the broker closes, three times",
			yields: "KV2008",
			play: tries(brokerA, func(_ *stage, t *talk) {
				t.negotiate(2, kafka2_1())
				t.handshake(0)
				t.Send(capturetest.ToBroker, capturetest.Frame(token(wrongPassword)))
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "kv2009-fires-one-client",
			holds:  "FindCoordinator v4 of one client, closed three times; the same of another client is answered each time",
			yields: "KV2009: the version is not at fault",
			play: plays(func(s *stage) {
				served := s.connect(brokerA)
				served.id = "reports"
				served.negotiate(3, kafka3_9())
				for range again {
					served.ask(10, 4)
					t := s.connect(brokerA)
					t.negotiate(3, kafka3_9())
					t.refused(10, 4)
					s.Wait(time.Second)
				}
				served.ask(10, 4)
			}),
		},
		{
			name:   "kv2009-fires-silent",
			holds:  "InitProducerId v4 inside the range, never answered; the client leaves after 30 s, three times; Metadata is answered",
			yields: "KV2009, outcome left",
			play: tries(brokerA, func(s *stage, t *talk) {
				t.negotiate(3, kafka3_9())
				t.ask(3, 12)
				t.send(22, 4)
				s.Wait(30 * time.Second)
				t.leave()
			}),
		},
		{
			name:   "kv2009-near-idle",
			holds:  "ListGroups v4 inside the range, reset three times, each time after 8 seconds of silence, as by a load balancer that forgets idle connections; another client is served all the time",
			yields: "no finding: an idle limit explains it",
			play: plays(func(s *stage) {
				busy := s.connect(brokerA)
				busy.id = "reports"
				busy.negotiate(3, kafka2_8())
				for range again {
					t := s.connect(brokerA)
					t.negotiate(3, kafka2_8())
					t.ask(3, 9)
					for range 4 {
						s.Wait(2 * time.Second)
						busy.ask(1, 11)
					}
					t.Silent = true
					t.send(16, 4)
					t.Reset(capturetest.ToClient)
				}
			}),
		},
		{
			name: "kv2012-fires-closes", blind: "it does not know the port",
			holds:  "ApiVersions v4 to port 18080, closed three times; nothing else is asked, nothing answered",
			yields: "KV2012, no KV2002: brokers seldom listen there",
			play:   closes(18080),
		},
		{
			name:   "kv2012-near-port-9092",
			holds:  "the same to port 9092",
			yields: "KV2002, which names both possibilities",
			play:   closes(9092),
		},
		{
			name:   "kv2013-fires-dead-port",
			holds:  "a client that one broker serves; six connections to port 9092 of another, each refused (RST in answer to the SYN)",
			yields: "KV2013 for the other one: nothing answered",
			play: plays(func(s *stage) {
				s.down()
				t := s.connect(brokerB)
				t.negotiate(3, kafka3_9())
				t.ask(3, 12)
				s.down()
				t.leave()
			}),
		},
		{
			name:   "kv2013-fires-turned-away",
			holds:  "a client that is served, with ApiVersions v4; another host's ApiVersions v3 is closed four times meanwhile (max.connections.per.ip)",
			yields: "KV2013 once, for four connections; no KV2002: who reads v4 reads v3",
			play: plays(func(s *stage) {
				served := s.connect(brokerA)
				served.negotiate(4, kafka4_0())
				served.ask(3, 12)
				for range 4 {
					s.Wait(time.Second)
					s.clients++
					t := &talk{Conversation: s.Open(netip.AddrPortFrom(clientA.Next(), 40_000+s.clients), brokerA), id: "reports"}
					t.hello(3)
					t.Close(capturetest.ToClient)
					served.ask(1, 17)
				}
			}),
		},
		{
			name:   "kv2015-fires-stated-lifetime",
			holds:  "SASL with a session of 60 s (SaslAuthenticate v1); Fetch after 61 s is closed, twice",
			yields: "KV2015",
			play: plays(func(s *stage) {
				for range 2 {
					t := s.connect(brokerA)
					t.session(time.Minute)
					t.ask(1, 11)
					s.Wait(61 * time.Second)
					t.refused(1, 11)
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "kv2015-near-renewed",
			holds:  "the same client authenticates again after 50 s",
			yields: "no finding",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.session(time.Minute)
				t.ask(1, 11)
				s.Wait(50 * time.Second)
				t.handshake(1)
				t.authenticated(time.Minute)
				s.Wait(50 * time.Second)
				t.ask(1, 11)
				t.leave()
			}),
		},
		{
			name: "kv2016-near-restart", blind: "it lists complete requests only",
			holds:  "the first 1,460 bytes of a Produce of 900,000, during which the broker ends this connection and another one; three connections are refused; then both are served",
			yields: "KV2013; no KV2016: the broker went away",
			play:   plays(restartInsideProduce),
		},
		{
			name:   "kv2017-near-v0-body",
			holds:  "ApiVersions v4 refused with error 35 in a v0 body, as KIP-511 demands; v2 is then answered",
			yields: "KV2003; no KV2017",
			play: plays(func(s *stage) {
				t := s.refusedHello(brokerA, 4, ranged18)
				t.negotiate(2, kafka2_3())
				t.ask(3, 8)
				t.leave()
			}),
		},
		{
			name:   "kv2018-near-other-error",
			holds:  "ListOffsets v5 answered with error 6 (not the leader) for a partition, then without error",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				for _, code := range []int16{6, 0} {
					t.Exchange(request(t, kmsg.NewPtrListOffsetsRequest(), 5, func(_ *kmsg.ListOffsetsRequest, a *kmsg.ListOffsetsResponse) {
						a.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: "orders", Partitions: []kmsg.ListOffsetsResponseTopicPartition{{ErrorCode: code, Offset: -1, Timestamp: -1}}}}
					}))
				}
				t.leave()
			}),
		},
		{
			name:   "kv3002-fires-describe-groups",
			holds:  "ConsumerGroupDescribe v0 inside the range, answered with error 35; then DescribeGroups v5, answered",
			yields: "KV3002; no KV3001",
			play: talks(func(t *talk) {
				t.negotiate(4, kafka4_0())
				t.describeRefused()
				t.ask(15, 5)
				t.leave()
			}),
		},
		{
			name:   "kv3002-near-no-other-way",
			holds:  "ConsumerGroupDescribe v0 inside the range, answered with error 35; the client asks for Metadata, which is no substitute, and leaves",
			yields: "KV3001; no KV3002",
			play: talks(func(t *talk) {
				t.negotiate(4, kafka4_0())
				t.describeRefused()
				t.ask(3, 12)
				t.leave()
			}),
		},
	}
}

// describeRefused asks for ConsumerGroupDescribe and gets error 35.
func (t *talk) describeRefused() {
	t.Exchange(request(t, kmsg.NewPtrConsumerGroupDescribeRequest(), 0, func(q *kmsg.ConsumerGroupDescribeRequest, a *kmsg.ConsumerGroupDescribeResponse) {
		q.Groups = []string{"billing"}
		a.Groups = []kmsg.ConsumerGroupDescribeResponseGroup{{Group: "billing", ErrorCode: 35}}
	}))
}

// session negotiates and authenticates for some time.
func (t *talk) session(lifetime time.Duration) {
	t.negotiate(3, kafka2_8())
	t.handshake(1)
	t.authenticated(lifetime)
}

// authenticated sends the token of PLAIN and gets a session of some time.
func (t *talk) authenticated(lifetime time.Duration) {
	t.Exchange(request(t, kmsg.NewPtrSASLAuthenticateRequest(), 1, func(q *kmsg.SASLAuthenticateRequest, a *kmsg.SASLAuthenticateResponse) {
		q.SASLAuthBytes = token(password)
		a.SessionLifetimeMillis = lifetime.Milliseconds()
	}))
}

// down is a broker that refuses connections for some seconds.
func (s *stage) down() {
	for range 3 {
		s.Wait(time.Second)
		s.clients++
		c := s.Between(netip.AddrPortFrom(clientA, 40_000+s.clients), brokerA)
		c.Syn(capturetest.ToBroker)
		c.Reset(capturetest.ToClient)
	}
	s.Wait(5 * time.Second)
}

func upgradeUnderLegacyClient(s *stage) {
	modern, legacy := s.connect(brokerA), s.connect(brokerA)
	legacy.id = "legacy-loader"
	modern.negotiate(3, kafka3_9())
	modern.ask(1, 16)
	legacy.ask(3, 1)
	legacy.ask(1, 2)
	s.Wait(time.Second)
	modern.Close(capturetest.ToClient)
	legacy.Close(capturetest.ToClient)
	s.down()
	modern = s.connect(brokerA)
	modern.negotiate(4, kafka4_0())
	for range 3 {
		legacy = s.connect(brokerA)
		legacy.id = "legacy-loader"
		legacy.ask(3, 1)
		legacy.refused(1, 2)
		s.Wait(time.Second)
		modern.ask(1, 17)
	}
}

func restartInsideProduce(s *stage) {
	producer, consumer := s.connect(brokerA), s.connect(brokerA)
	for _, t := range []*talk{producer, consumer} {
		t.negotiate(3, kafka2_8())
		t.ask(1, 11)
	}
	consumer.send(1, 11)
	producer.Send(capturetest.ToBroker, largeProduce(producer, 9, 900_000)[:capturetest.DefaultMSS])
	producer.Reset(capturetest.ToClient)
	consumer.Reset(capturetest.ToClient)
	s.down()
	for range 2 {
		t := s.connect(brokerA)
		t.negotiate(3, kafka2_8())
		t.ask(1, 11)
		t.leave()
	}
}
