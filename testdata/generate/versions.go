package main

import (
	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// versionScenes are for the rules about a request's version: KV1001 to KV1004 and KV3001.
func versionScenes() []scene {
	return []scene{
		{
			name:   "kv1001-fires-every-api-one-above",
			holds:  "Kafka 2.8 ranges; on one connection each, Metadata, FindCoordinator and ListOffsets one version above the max, closed",
			yields: "KV1001 three times, once for each API",
			play: plays(func(s *stage) {
				for _, api := range []int16{3, 10, 2} {
					t := s.connect(brokerA)
					apis := kafka2_8()
					t.negotiate(3, apis)
					for _, a := range apis {
						if a.Key == api {
							t.refused(api, a.Max+1)
						}
					}
				}
			}),
		},
		{
			name:   "kv1001-near-at-the-maximum",
			holds:  "Kafka 2.8 ranges; the same three APIs at their max, answered",
			yields: "no finding",
			play: talks(func(t *talk) {
				apis := kafka2_8()
				t.negotiate(3, apis)
				for _, a := range apis {
					if a.Key == 3 || a.Key == 10 || a.Key == 2 {
						t.ask(a.Key, a.Max)
					}
				}
				t.leave()
			}),
		},
		{
			name:   "kv1001-fires-borrowed",
			blind:  "it borrows no ranges",
			holds:  "one connection negotiates with a Kafka 2.1 broker; another sends Metadata v10 to it without having asked, closed; ends before the first",
			yields: "KV1001 for Metadata v10 with evidence borrowed",
			play: plays(func(s *stage) {
				mustHave(kafka2_1(), 3, 10, false)
				a, b := s.connect(brokerA), s.connect(brokerA)
				b.id = "legacy"
				b.refused(3, 10)
				a.negotiate(0, kafka2_1())
				a.ask(3, 7)
				a.leave()
			}),
		},
		{
			name:   "kv1001-fires-unknown-version",
			holds:  "Kafka 2.8 ranges; Fetch v99, a version that no library knows, closed",
			yields: "KV1001 for Fetch v99",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.refused(1, 99)
			}),
		},
		{
			name:   "kv1002-fires-listoffsets-v0",
			holds:  "Kafka 4.0 ranges, ListOffsets from 1; ListOffsets v0 on two connections, each closed",
			yields: "KV1002 for ListOffsets v0, twice",
			play: plays(func(s *stage) {
				for range 2 {
					t := s.connect(brokerA)
					t.negotiate(3, kafka4_0())
					t.ask(3, 1)
					t.refused(2, 0)
				}
			}),
		},
		{
			name:   "kv1002-near-listoffsets-v1",
			holds:  "the same with ListOffsets v1, answered",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka4_0())
				t.ask(3, 1)
				t.ask(2, 1)
				t.leave()
			}),
		},
		{
			name:   "kv1003-fires-telemetry",
			holds:  "Kafka 2.8 ranges; GetTelemetrySubscriptions v0, which is not among them, closed",
			yields: "KV1003 for GetTelemetrySubscriptions v0",
			play: plays(func(s *stage) {
				mustHave(kafka2_8(), 71, 0, false)
				t := s.connect(brokerA)
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
				t.refused(71, 0)
			}),
		},
		{
			name:   "kv1003-fires-header-v0",
			holds:  "Kafka 4.0 ranges; ControlledShutdown v0, whose request header has no client id, closed",
			yields: "KV1003 for ControlledShutdown v0, client id unknown",
			play: plays(func(s *stage) {
				mustHave(kafka4_0(), 7, 0, false)
				t := s.connect(brokerA)
				t.negotiate(3, kafka4_0())
				t.n++
				h := capturetest.RequestHeader{Key: 7, CorrelationID: t.n}
				t.Send(capturetest.ToBroker, h.Frame([]byte{0, 0, 0, 1}))
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "kv1003-near-unknown-key",
			holds:  "ranges with telemetry and with key 1042, which no library knows; both asked for and answered",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, append(kafka3_9(), capturetest.API{Key: 71}, capturetest.API{Key: 1042, Min: 1, Max: 2}))
				t.ask(71, 0)
				t.n++
				h := capturetest.RequestHeader{Key: 1042, Version: 2, CorrelationID: t.n, ClientID: t.id, HeaderVersion: 2}
				t.Exchange(h.Frame([]byte{1, 2, 3, 0}), capturetest.ResponseFrame(t.n, true, []byte{0, 0, 0}))
				t.leave()
			}),
		},
		{
			name:   "kv1004-fires-produce-v2",
			holds:  "Kafka 4.0 ranges, Produce 0-12; Produce v2, closed",
			yields: "KV1004 for Produce v2",
			play: plays(func(s *stage) {
				mustHave(kafka4_0(), 0, 2, true)
				t := s.connect(brokerA)
				t.negotiate(3, kafka4_0())
				t.ask(3, 4)
				q, _ := t.produce(2, 1, 0)
				t.Send(capturetest.ToBroker, q)
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "kv1004-near-produce-v3",
			holds:  "the same with Produce v3, answered",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka4_0())
				t.Exchange(t.produce(3, 1, 0))
				t.leave()
			}),
		},
		{
			name:   "kv1004-near-kafka-3.9",
			holds:  "Kafka 3.9 ranges, Produce 0-11; Produce v2, answered",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka3_9())
				t.Exchange(t.produce(2, 1, 0))
				t.leave()
			}),
		},
		{
			name:   "kv3001-fires-produce-v12",
			holds:  "Kafka 4.0 ranges; Produce v12 inside them, answered with error 35 for its partition",
			yields: "KV3001 for Produce v12, outcome error",
			play: talks(func(t *talk) {
				t.negotiate(4, kafka4_0())
				t.Exchange(t.produce(12, -1, capturetest.ErrorUnsupportedVersion))
				t.leave()
			}),
		},
		{
			name:   "kv3001-fires-top-level",
			holds:  "Kafka 3.9 ranges; DescribeCluster v1 inside them, answered with error 35 at the top",
			yields: "KV3001 for DescribeCluster v1, outcome error",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka3_9())
				t.Exchange(request(t, kmsg.NewPtrDescribeClusterRequest(), 1, func(_ *kmsg.DescribeClusterRequest, a *kmsg.DescribeClusterResponse) {
					a.ErrorCode = capturetest.ErrorUnsupportedVersion
				}))
				t.leave()
			}),
		},
		{
			name:   "kv3001-near-other-error",
			holds:  "Produce v12 answered with error 6 (not leader)",
			yields: "no finding",
			play: talks(func(t *talk) {
				t.negotiate(4, kafka4_0())
				t.Exchange(t.produce(12, -1, 6))
				t.leave()
			}),
		},
	}
}

// produce is the frame of a Produce request with one record batch, and that of its response with an error code. The
// bytes of the batch say "secret", so that a leak into a report can be searched for.
func (t *talk) produce(version, acks, code int16) (req, response []byte) {
	return request(t, kmsg.NewPtrProduceRequest(), version, func(q *kmsg.ProduceRequest, a *kmsg.ProduceResponse) {
		q.Acks, q.TimeoutMillis = acks, 30_000
		records := kmsg.NewProduceRequestTopicPartition()
		records.Records = []byte("secret-record-batch that stands for the real thing")
		q.Topics = []kmsg.ProduceRequestTopic{{Topic: "orders", Partitions: []kmsg.ProduceRequestTopicPartition{records}}}
		answer := kmsg.NewProduceResponseTopicPartition()
		answer.ErrorCode = code
		a.Topics = []kmsg.ProduceResponseTopic{{Topic: "orders", Partitions: []kmsg.ProduceResponseTopicPartition{answer}}}
	})
}
