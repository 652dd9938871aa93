package history

import (
	"maps"
	"time"
)

// What a Book holds, whatever the length of the input: 2.8 MiB of suspects, 4 MiB of connections,
// 6.5 MiB of addresses, 7 MiB of answered versions and 1 MiB of clients; some 22 MiB. Real inputs
// stay below one.
const (
	// maxAddresses bounds the broker addresses: 8,192 of some 400 bytes are 3.2 MiB, and as much for
	// their lists. Further ones are counted as Addresses: nothing is decided there by history.
	maxAddresses = 8192
	// maxAnswers bounds the versions that addresses answered, over all: 16,384 of maxAnswerSpans spans
	// of 48 bytes are 6.3 MiB. A cluster of 10 brokers has some 400.
	maxAnswers     = 16_384
	maxAnswerSpans = 8
	// maxAlive bounds the periods in which an address answered: 64 of 48 bytes are 3 KiB.
	maxAlive = 64
	// maxUnserved bounds the periods in which an address refused connections.
	maxUnserved = 16
	// maxAdverts bounds the changes of an address's table that are remembered, the latest ones.
	maxAdverts = 32
	// maxContradicted bounds the tables of an address that did not hold.
	maxContradicted = 16
	// maxEnds bounds the connections of an address whose end is remembered, the latest ones: 128 of
	// 40 bytes are 5 KiB.
	maxEnds = 128
	// maxStreams bounds the connections of which something is remembered: 16,384 of some 250 bytes are
	// 4 MiB. When it is reached the ones without a suspect are evicted together.
	maxStreams = 16_384
	// maxPast is how many connections that are over, and that nothing needs, are remembered.
	maxPast = 4096
	// maxClients bounds the clients: 4,096 of some 250 bytes are 1 MiB. When it is reached they
	// are evicted together.
	maxClients = 4096
	// maxClientSpans bounds the periods in which a client was served.
	maxClientSpans = 8
	// maxOpen bounds the refusals of a client that may turn out as the beginning of a fallback.
	maxOpen = 8
	// maxSuspects bounds the suspects that wait for the end of the input: 8,192 of some 350 bytes
	// are 2.8 MiB. When it is reached, the older half is decided by what is known so far.
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
	// together is how close two ends lie that have one cause: a broker that shuts down, or
	// is killed, ends all its connections within milliseconds.
	together = int64(100 * time.Millisecond)
	// idlePause is how long nothing was sent on a connection that an idle limit may have ended.
	// Brokers default to 10 minutes (connections.max.idle.ms); test set-ups use seconds.
	idlePause = int64(4 * time.Second)
	// prompt is how soon an end follows the request that caused it. The longest known is
	// the delay of a refused authentication: connection.failed.authentication.delay.ms, 100 ms, and
	// up to 300 ms until the broker looks (KIP-306).
	prompt = int64(2 * time.Second)
	// refusedDelay is the least delay that shows a refused authentication (KIP-306).
	refusedDelay = int64(90 * time.Millisecond)
	// reconnects is how soon clients connect again to a broker that went away: the longest reconnect.backoff.max.ms
	// by default is that of librdkafka, 10 s.
	reconnects = int64(10 * time.Second)
	// recovers is how long a client may take to work again, or to give up, when a broker is back: its first requests
	// wait for a metadata refresh and for each other.
	recovers = int64(time.Minute)
	// restartTakes is the shortest time in which a broker restarts.
	restartTakes = int64(500 * time.Millisecond)
	// fallbackWindow is how soon a client goes on another way after error 35.
	fallbackWindow = int64(time.Minute)
)

// Patience is how long a client must have waited before its leaving counts as the broker's silence:
// half of librdkafka's api.version.request.timeout.ms (10 s), and far above any broker's time for an
// answer that does not wait for data.
const Patience = 5 * time.Second

// Limits counts how often a bound was reached.
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
