package main

import (
	"net/netip"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// targetScenes are for KV4001, which holds requests against a release named by the
// user: here always Kafka 4.0.0.
func targetScenes() []scene {
	return []scene{
		{
			name: "kv4001-fires-certain",
			holds: "Kafka 3.9 ranges; OffsetCommit v1 twice by a client that negotiates and was offered v0 to v9; " +
				"ListOffsets v0 by one that never asks; a follower's Fetch v17; all answered",
			yields: "with --target 4.0.0, KV4001 as an error for OffsetCommit v1 (no newer version) and ListOffsets v0 (not negotiated), the follower not judged",
			play: plays(func(s *stage) {
				mustHave(kafka3_9(), 8, 9, true)
				t := s.connect(brokerA)
				t.negotiate(3, kafka3_9())
				t.ask(3, 12)
				t.ask(8, 1)
				t.ask(8, 1)
				legacy := s.connect(brokerB)
				legacy.id = "legacy-loader"
				legacy.ask(3, 1)
				legacy.ask(2, 0)
				follower := s.connect(brokerA)
				follower.id = "broker-2-fetcher-0"
				follower.ask(1, 17)
				t.leave()
				legacy.leave()
			}),
		},
		{
			name: "kv4001-fires-processes",
			holds: "Kafka 3.9 ranges; ListOffsets v0 by loader, whose packets have the comments that ptcpdump writes on the client's host, " +
				"and by importer, whose packets have them as on the broker's host; the arguments hold the word secret",
			yields: "with --target 4.0.0, KV4001 twice; loader is pid 4711 in the pod shop/loader-abc; the process of the broker is not one of importer",
			play: plays(func(s *stage) {
				mustHave(kafka3_9(), 2, 0, true)
				for _, client := range []struct {
					id, comment string
					onBroker    bool
				}{
					{"loader", "PID: 4711\nCmd: /usr/bin/loader\nArgs: --password secret\nPID: 1\nUserId: 1001\n" +
						"ContainerId: 0123456789abcdef\nPodName: loader-abc\nPodNamespace: shop\nPodAnnotations: {\"token\":\"secret\"}", false},
					{"importer", "PID: 815\nCmd: /usr/bin/java\nArgs: -Dpassword=secret", true},
				} {
					from := len(s.Packets)
					t := s.connect(brokerA)
					t.id = client.id
					t.negotiate(3, kafka3_9())
					t.ask(2, 0)
					t.leave()
					for i := range s.Packets[from:] {
						p := &s.Packets[from+i]
						isRequest := sentBy(p, clientA)
						p.Comment, p.Outbound, p.Inbound = client.comment, isRequest != client.onBroker, isRequest == client.onBroker
					}
				}
			}),
		},
		{
			name:   "kv4001-fires-likely",
			holds:  "Kafka 0.10.0 ranges; Fetch v2 and ListOffsets v0, the newest of them, by a client that negotiates; answered",
			yields: "with --target 4.0.0, KV4001 as a warning for Fetch v2 and ListOffsets v0 (offered less)",
			play: plays(func(s *stage) {
				mustHave(kafka0_10(), 1, 3, false)
				t := s.connect(brokerA)
				t.negotiate(0, kafka0_10())
				t.ask(3, 1)
				t.ask(2, 0)
				t.ask(1, 2)
				t.leave()
			}),
		},
		{
			name: "kv4001-near-negotiates",
			holds: "Kafka 4.1 ranges; Fetch v18, which Kafka 4.0 does not take, by a client that negotiates; then the same client against another broker's " +
				"Kafka 0.10.0 ranges with Fetch v2, after v10 to one with Kafka 2.1 ranges; answered",
			yields: "with --target 4.0.0, no finding: v18 and v2 would be sent in another version",
			play: plays(func(s *stage) {
				mustHave(kafka4_1(), 1, 18, true)
				mustHave(kafka4_0(), 1, 18, false)
				for i, c := range []struct {
					apis  []capturetest.API
					fetch int16
				}{{kafka4_1(), 18}, {kafka2_1(), 10}, {kafka0_10(), 2}} {
					t := s.connect(netip.AddrPortFrom(brokerA.Addr(), brokerA.Port()+uint16(i)))
					t.negotiate(3, c.apis)
					t.ask(1, c.fetch)
					t.leave()
				}
			}),
		},
	}
}

// sentBy reports whether an IPv4 packet in an Ethernet frame is from an address.
func sentBy(p *capturetest.Packet, a netip.Addr) bool {
	const source = 14 + 12
	return [4]byte(p.Data[source:source+4]) == a.As4()
}
