package main

import (
	"encoding/binary"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// endingScenes are for what the end of a connection says of its last requests.
func endingScenes() []scene {
	return []scene{
		{
			name:   "late-fires-idle",
			holds:  "the broker closes a connection that was idle for ten minutes; a minute later the client, which took no notice, sends Metadata and gets a RST; then it connects again",
			yields: "the second Metadata has outcome late; no finding",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.ask(3, 7)
				s.Wait(10 * time.Minute)
				t.Fin(capturetest.ToClient)
				t.Ack(capturetest.ToBroker)
				s.Wait(time.Minute)
				t.Silent = true
				t.send(3, 7)
				t.Reset(capturetest.ToClient)
				t = s.connect(brokerA)
				t.ask(3, 7)
				t.leave()
			}),
		},
		{
			name:   "late-fires-crossing",
			holds:  "a Fetch that the capture shows before the broker's FIN, which does not acknowledge it: they crossed on the way",
			yields: "the Fetch has outcome late; no finding",
			play: plays(func(s *stage) {
				t := s.connect(brokerA)
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
				t.Silent = true
				t.Fin(capturetest.ToClient)
				t.send(1, 11)
				n := len(s.Packets)
				first, second := s.Packets[n-1], s.Packets[n-2]
				first.Time, second.Time = second.Time, first.Time
				s.Packets = append(s.Packets[:n-2], first, second)
				t.Reset(capturetest.ToClient)
			}),
		},
		{
			name:   "late-near-acknowledged",
			holds:  "the same, with a FIN that acknowledges the Fetch",
			yields: "the Fetch has outcome closed; no finding",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
				t.Silent = true
				t.send(1, 11)
				t.Fin(capturetest.ToClient)
			}),
		},
		{
			name:   "partial-fires-closed",
			blind:  "it lists complete requests only",
			holds:  "the first 1,460 bytes of a Produce v12 of 5,000,000, upon which the broker, whose maximum is 9, closes the connection",
			yields: "KV1001: Produce v12, outcome closed",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.Send(capturetest.ToBroker, largeProduce(t, 12, 5_000_000)[:capturetest.DefaultMSS])
				t.Close(capturetest.ToClient)
			}),
		},
		{
			name:   "partial-near-in-range",
			blind:  "it lists complete requests only",
			holds:  "the same with Produce v9: too large for the broker, which reads no more than its size (socket.request.max.bytes)",
			yields: "three requests, the last with outcome closed; nothing is said of its version",
			play: talks(func(t *talk) {
				t.negotiate(3, kafka2_8())
				t.ask(3, 9)
				t.Send(capturetest.ToBroker, largeProduce(t, 9, 200_000_000)[:capturetest.DefaultMSS])
				t.Close(capturetest.ToClient)
			}),
		},
	}
}

// largeProduce is the beginning of a Produce request of size bytes.
func largeProduce(t *talk, version int16, size uint32) []byte {
	b, _ := request(t, kmsg.NewPtrProduceRequest(), version, func(q *kmsg.ProduceRequest, _ *kmsg.ProduceResponse) {
		q.Acks, q.TimeoutMillis = -1, 30_000
		q.Topics = []kmsg.ProduceRequestTopic{{Topic: "uploads", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: make([]byte, 4000)}}}}
	})
	binary.BigEndian.PutUint32(b, size)
	return b
}
