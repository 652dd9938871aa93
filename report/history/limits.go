package history

import (
	"maps"
	"time"
)

// The limits of a Book for any length of the input: 3.2 MiB of suspects, 4.8 MiB of connections, 8
// MiB of addresses, 7 MiB of answered versions and 8.5 MiB of clients; some 32 MiB. Real inputs
// stay below 1 MiB.
const (
	// maxAddresses bounds the broker addresses: 8,192 of 504 bytes are 4 MiB, and their
	// lists take as much. Further ones count as Addresses. The history decides nothing about them.
	maxAddresses = 8192
	// maxAnswers bounds the answered versions of all addresses: 16,384 of maxAnswerSpans spans of
	// 56 bytes are 7 MiB. A cluster of 10 brokers has some 400. At a limit of spans, the two with
	// the shortest pause between them become one.
	maxAnswers     = 16_384
	maxAnswerSpans = 8
	// maxAlive bounds the periods in which an address answered: 64 of 56 bytes are 3.5 KiB.
	maxAlive = 64
	// maxUnserved bounds the periods in which an address refused connections. They are joined like
	// those of answers.
	maxUnserved = 16
	// maxMissed bounds the unserved connections of an address, maxAllMissed those of all: 8,192 of
	// 64 bytes are 512 KiB. Further ones are only counted.
	maxMissed    = 128
	maxAllMissed = 8192
	// maxAdverts bounds the recorded changes of an address's table: the latest ones are kept.
	maxAdverts = 32
	// maxContradicted bounds the contradicted tables of an address: the latest ones are kept.
	maxContradicted = 16
	// maxEnds bounds the recorded ends at an address: the latest 128 of 48 bytes are 6 KiB.
	maxEnds = 128
	// maxStreams bounds the recorded connections: 16,384 of 304 bytes are 4.8 MiB. When it is
	// reached, all connections without a suspect are evicted.
	maxStreams = 16_384
	// maxPast is how many connections are kept that are over and not needed.
	maxPast = 4096
	// maxClients bounds the clients: 4,096 of some 250 bytes are 1 MiB, and their answers 7.5 MiB.
	// When it is reached, all are evicted.
	maxClients = 4096
	// maxClientAnswers bounds the versions that were answered to a client: 40 of 48 bytes. A client
	// of three brokers has some 25.
	maxClientAnswers = 40
	// maxClientSpans bounds the periods in which a client was served.
	maxClientSpans = 8
	// maxOpen bounds the refusals of a client that may be the beginning of a fallback: the latest
	// ones are kept.
	maxOpen = 8
	// maxSuspects bounds the suspects that wait for the end of the input: 8,192 of 408 bytes are
	// 3.2 MiB. When it is reached, the older half is decided by the input so far.
	maxSuspects = 8192
)

// Periods, in nanoseconds of packet time.
const (
	// aliveJoin is how long an address may be silent within one period of answers.
	aliveJoin = int64(250 * time.Millisecond)
	// answerJoin is the same for one version.
	answerJoin = int64(time.Second)
	// unservedJoin is the same for connections that were not served.
	unservedJoin = int64(5 * time.Second)
	// together is the longest time between two ends with one cause. A broker that shuts down, or
	// is killed, ends all its connections within milliseconds.
	together = int64(100 * time.Millisecond)
	// idlePause is how long a connection must be silent so that an idle limit may have ended it.
	// The default of brokers is 10 minutes (connections.max.idle.ms); test set-ups use seconds.
	idlePause = int64(4 * time.Second)
	// dropsIdle is the shortest usual time after which load balancers and NAT drop a quiet connection:
	// HAProxy's timeout client 1 min, Azure 4 min, AWS 350 s.
	dropsIdle = int64(time.Minute)
	// prompt is the longest time from a request to the end that it caused. The longest known is
	// the delay of a refused authentication: connection.failed.authentication.delay.ms (100 ms),
	// and up to 300 ms until the broker checks (KIP-306).
	prompt = int64(2 * time.Second)
	// refusedDelay is the shortest delay of a refused authentication (KIP-306).
	refusedDelay = int64(90 * time.Millisecond)
	// reconnects is how soon clients connect again to a broker that was away. The longest default
	// of reconnect.backoff.max.ms is librdkafka's, 10 s.
	reconnects = int64(10 * time.Second)
	// recovers is how long a client may take to work again, or to give up, after a broker is back.
	// Its first requests wait for a metadata refresh and for each other.
	recovers = int64(time.Minute)
	// restartTakes is the shortest time in which a broker restarts.
	restartTakes = int64(500 * time.Millisecond)
	// fallbackWindow is how soon a client continues in another way after error 35.
	fallbackWindow = int64(time.Minute)
)

// Patience is how long a client must have waited before its leaving counts as the broker's
// silence. It is half of librdkafka's api.version.request.timeout.ms (10 s), and far above the
// time of any broker for an answer that does not wait for data.
const Patience = 5 * time.Second

// Limits counts how often each limit was exceeded.
type Limits struct{ Addresses, Answers, Tables, Streams, Clients, Suspects uint64 }

// Hit returns the counts above zero by name, as in the report's quality.limits_hit.
func (l Limits) Hit() map[string]uint64 {
	hit := map[string]uint64{
		"history_addresses": l.Addresses, "history_versions": l.Answers, "history_tables": l.Tables,
		"history_connections": l.Streams, "history_clients": l.Clients, "history_suspects": l.Suspects,
	}
	maps.DeleteFunc(hit, func(_ string, n uint64) bool { return n == 0 })
	return hit
}
