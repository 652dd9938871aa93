package main

import (
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// prefaceScenes are for KV9005: a proxy between client and broker.
func prefaceScenes() []scene {
	const blind = "it does not look behind the preface"
	return []scene{
		{
			name:   "kv9005-fires-proxy-v2",
			blind:  blind,
			holds:  "a PROXY protocol header of version 2 with TLVs, as network load balancers send it, before ApiVersions v3 and a Fetch v12 above the max",
			yields: "KV9005; KV1001; the client is 203.0.113.7:40000, as the header says",
			play:   behind("PROXY v2"),
		},
		{
			name:   "kv9005-fires-socks5",
			blind:  blind,
			holds:  "SOCKS5 with user name and password before ApiVersions v3 and a Fetch v12 above the max",
			yields: "KV9005 with the host name of the broker, no password; KV1001",
			play:   behind("SOCKS5 with a password"),
		},
		{
			name:   "kv9005-fires-refused",
			holds:  "HTTP CONNECT that the proxy answers with 407, and nothing more",
			yields: "KV9005: the proxy refused it",
			play: talks(func(t *talk) {
				t.Send(capturetest.ToBroker, []byte("CONNECT kafka.example:9092 HTTP/1.1\r\n\r\n"))
				t.Send(capturetest.ToClient, []byte("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
				t.leave()
			}),
		},
		{
			name:   "kv9005-fires-unknown",
			blind:  blind,
			holds:  "a line of text that no known protocol explains, and its answer, before ApiVersions v3 and a Fetch v12 above the max",
			yields: "KV9005: an unknown preface, of which nothing is printed; KV1001",
			play: talks(func(t *talk) {
				t.Exchange([]byte("TUNNEL 7 secret\n"), []byte("READY\n"))
				t.negotiate(3, kafka2_1())
				t.refused(1, 12)
			}),
		},
		{
			name:   "kv9005-near-http",
			holds:  "HTTP CONNECT with HTTP behind it",
			yields: "no finding: what is behind the preface is neither Kafka nor TLS",
			play: talks(func(t *talk) {
				t.Exchange([]byte("CONNECT www.example:80 HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\n\r\n"))
				t.Exchange([]byte("GET / HTTP/1.1\r\nHost: www.example\r\n\r\n"), []byte("HTTP/1.1 204 No Content\r\n\r\n"))
				t.leave()
			}),
		},
	}
}

// behind is the play of a client that begins with the preface of that name, and goes on with a Fetch above the max.
func behind(name string) func(*stage) error {
	return talks(func(t *talk) {
		for _, p := range capturetest.Prefaces() {
			if p.Name == name {
				for _, step := range p.Steps {
					t.Send(step.Dir, step.Data)
				}
			}
		}
		t.negotiate(3, kafka2_1())
		t.refused(1, 12)
	})
}
