package main

import (
	"net/netip"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// ranged18 is what brokers since Kafka 2.4 say when they do not know the
// version of an ApiVersions request: their range for that API alone.
var ranged18 = capturetest.API{Key: capturetest.KeyApiVersions, Min: 0, Max: 2}

// negotiationScenes are for the rules about ApiVersions: KV2001 to KV2006.
func negotiationScenes() []scene {
	return []scene{
		{
			name:   "kv2001-near-answered",
			by:     "franz-go as of Kafka 0.9, kfake 2.1",
			holds:  "a client that never asks for ApiVersions; everything is answered",
			yields: "no finding",
			play: func(s *stage) error {
				return s.withBroker(brokerOptions{versions: kversion.V2_1_0()}, func(b *fake) error {
					return b.ask(kgo.MaxVersions(kversion.V0_9_0()))
				})
			},
		},
		{
			name:   "kv2001-fires-reset-and-ignored",
			holds:  "without ApiVersions, Metadata v12 is reset on one connection, and on another passed over, the Metadata v1 after it being answered",
			yields: "KV2001 twice, outcomes reset and unanswered",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.send(3, 12)
				t.Reset(capturetest.ToClient)
				u := s.connect(brokerA)
				u.send(3, 12)
				s.Wait(5 * time.Second)
				u.ask(3, 1)
				u.leave()
			}),
		},
		{
			name:   "kv2002-fires-reset",
			holds:  "ApiVersions v4 on three connections, each reset by the broker",
			yields: "KV2002, three times, outcome reset",
			play: plays(func(s *stage) {
				for range 3 {
					t := s.connect(brokerA)
					t.hello(4)
					t.Reset(capturetest.ToClient)
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "kv2002-fires-closed",
			holds:  "ApiVersions v3 closed by the broker; then Metadata v0 on a new connection, answered",
			yields: "KV2002, outcome closed",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.hello(3)
				t.Close(capturetest.ToClient)
				u := s.connect(brokerA)
				u.ask(3, 0)
				u.leave()
			}),
		},
		{
			name:   "kv2002-fires-silent",
			holds:  "ApiVersions v0 that a Kafka 0.9 broker never answers; the client leaves after 10 s; then Metadata v0 on a new connection, answered",
			yields: "KV2002, outcome left",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.hello(0)
				s.Wait(10 * time.Second)
				t.leave()
				u := s.connect(brokerA)
				u.ask(3, 0)
				u.leave()
			}),
		},
		{
			name:   "kv2002-near-cut",
			holds:  "the capture ends directly after the ApiVersions request",
			yields: "no KV2002: what followed was not captured",
			play: plays(func(s *stage) {
				s.connect(brokerA).hello(3)
			}),
		},
		{
			name:   "kv2003-fires-empty-array",
			holds:  "ApiVersions v3 answered as before Kafka 2.4, error 35 and no ranges; v0 then answered; Metadata v7 inside the range",
			yields: "KV2003, nothing else",
			play: plays(func(s *stage) {
				t := s.refusedHello(brokerA, 3)
				t.negotiate(0, kafka2_1())
				t.ask(3, 7)
				t.leave()
			}),
		},
		{
			name:   "kv2003-fires-retry-at-max",
			holds:  "ApiVersions v4 answered with error 35 and 0-2 for ApiVersions alone; v2 then answered; Metadata v8 inside the range",
			yields: "KV2003, nothing else",
			play: plays(func(s *stage) {
				t := s.refusedHello(brokerA, 4, ranged18)
				t.negotiate(2, kafka2_3())
				t.ask(3, 8)
				t.leave()
			}),
		},
		{
			name:   "kv2003-fires-next-connection",
			holds:  "ApiVersions v3 answered with error 35, upon which the client leaves; v0 is answered on its next connection, and Metadata v7",
			yields: "KV2003, nothing else",
			play: plays(func(s *stage) {
				t := s.refusedHello(brokerA, 3, ranged18)
				t.leave()
				s.Wait(100 * time.Millisecond)
				t = s.connect(brokerA)
				t.negotiate(0, kafka2_3())
				t.ask(3, 7)
				t.leave()
			}),
		},
		{
			name:   "kv2003-near-no-retry",
			holds:  "ApiVersions v3 answered with error 35, upon which the client leaves",
			yields: "no KV2003: nothing was retried; KV2002 for that",
			play: plays(func(s *stage) {
				t := s.refusedHello(brokerA, 3, ranged18)
				t.leave()
			}),
		},
		{
			name:   "kv2004-fires-leaves",
			holds:  "ApiVersions answered on three connections; the client closes each without another request",
			yields: "KV2004, three times",
			play: plays(func(s *stage) {
				for range 3 {
					t := s.connect(brokerA)
					t.negotiate(3, kafka2_8())
					t.leave()
					s.Wait(time.Second)
				}
			}),
		},
		{
			name:   "kv2004-near-broker-closes",
			holds:  "ApiVersions answered; after ten idle minutes the broker closes",
			yields: "no finding",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.negotiate(3, kafka2_8())
				s.Wait(10 * time.Minute)
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "kv2004-near-one-request",
			holds:  "ApiVersions and Metadata answered, then the client leaves",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
				t.leave()
			}),
		},
		{
			name:   "kv2005-fires-rolling-upgrade",
			holds:  "one broker address advertises Kafka 2.1 ranges, and a minute later those of 2.8; the client of each stays inside",
			yields: "KV2005, nothing else",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.negotiate(2, kafka2_1())
				t.ask(3, 7)
				t.leave()
				s.Wait(time.Minute)
				u := s.connect(brokerA)
				u.negotiate(3, kafka2_8())
				u.ask(3, 9)
				u.leave()
			}),
		},
		{
			name:   "kv2005-near-two-brokers",
			holds:  "two broker addresses with different ranges; on one a later answer is error 129 with an empty array",
			yields: "no KV2005",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.negotiate(2, kafka2_1())
				t.ask(3, 7)
				u := s.connect(brokerB)
				u.negotiate(3, kafka2_8())
				u.ask(3, 9)
				v := s.connect(brokerB)
				v.hello(3)
				v.Send(capturetest.ToClient, capturetest.ApiVersionsResponse(3, v.n, 129))
				v.ask(3, 9)
				for _, c := range []*talk{t, u, v} {
					c.leave()
				}
			}),
		},
		{
			name:   "kv2006-fires-pipelined",
			holds:  "Metadata v1 is sent right behind ApiVersions, before its answer; both are answered",
			yields: "KV2006 for Metadata v1, nothing else",
			play: talks(func(t *talk) {
				t.hello(0)
				metadata, answer := t.frames(3, 1)
				t.Send(capturetest.ToBroker, metadata)
				t.Send(capturetest.ToClient, capturetest.ApiVersionsResponse(0, t.n-1, 0, kafka2_1()...))
				t.Send(capturetest.ToClient, answer)
				t.leave()
			}),
		},
		{
			name:   "kv2006-near-afterwards",
			holds:  "Metadata v1 is sent after the answer to ApiVersions; then ApiVersions again, with Metadata behind it at once: the ranges are known by then",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(0, kafka2_1())
				t.ask(3, 1)
				t.hello(0)
				metadata, answer := t.frames(3, 1)
				t.Send(capturetest.ToBroker, metadata)
				t.Send(capturetest.ToClient, capturetest.ApiVersionsResponse(0, t.n-1, 0, kafka2_1()...))
				t.Send(capturetest.ToClient, answer)
				t.leave()
			}),
		},
	}
}

// hello sends an ApiVersions request and waits for nothing.
func (t *talk) hello(version int16) {
	t.n++
	t.Send(capturetest.ToBroker, capturetest.ApiVersionsRequest(version, t.n, t.id, "example-client", "1.4.2"))
}

// refusedHello opens a connection and sends an ApiVersions request, which the broker refuses with error 35.
func (s *stage) refusedHello(broker netip.AddrPort, version int16, apis ...capturetest.API) *talk {
	t := s.connect(broker)
	t.hello(version)
	t.Send(capturetest.ToClient, capturetest.UnsupportedApiVersions(t.n, apis...))
	return t
}
