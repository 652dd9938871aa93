package decode

import (
	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

// Connection is the result of one TCP connection after it ended.
type Connection struct {
	*reassembly.Connection
	// The fields below are set only if Protocol is Kafka.

	// ClientIDs are the client ids used, in order of appearance, at most maxClientIDs of them.
	ClientIDs []string
	// Software is the client's name and version from its ApiVersions request.
	Software Software
	// Advertised is the last ApiVersions response, nil without one.
	Advertised *Ranges
	// AfterAdvertised counts the requests after the first ApiVersions response, without further
	// ApiVersions requests.
	AfterAdvertised uint64
	// Mechanism is the SASL mechanism of its last SaslHandshake, empty without one.
	Mechanism string
	// Unanswered counts the requests without a response when the connection ended, without
	// Produce requests with acks=0.
	Unanswered uint64
	// LastRequest and LastAnswer are the packets of the last request and of the last response;
	// zero without one.
	LastRequest, LastAnswer capture.Position
}

// Event is one result of a Shard. Exactly one of the pointers is set.
type Event struct {
	// At is the packet that caused the event. At, Stream and Order give events one order, for
	// any number of shards.
	At     capture.Position
	Stream uint32
	// Order counts the events of a stream.
	Order         uint32
	Exchange      *Exchange
	Advertisement *Advertisement
	Connection    *Connection
	// OutOfRange is a request that was just sent, and that no range of its connection is known
	// to contain. Only a Shard with Watch makes it. Its Exchange follows when the outcome is
	// decided, which can be much later.
	OutOfRange *Exchange
}

// Sink receives the results of the Correlator, in an order that depends only on the input. One
// goroutine makes all calls.
type Sink interface {
	// Exchange receives an exchange whose outcome is decided. It is valid only during the call,
	// because its memory is reused.
	Exchange(*Exchange)
	// Advertisement receives an ApiVersions response. It is valid only during the call.
	Advertisement(*Advertisement)
	// Connection receives a connection that ended. Its exchanges came before it, except those
	// that wait for a range to borrow. It is valid only during the call.
	Connection(*Connection)
}

// Watcher is a Sink that also receives requests outside their range at once. A broker may leave
// such a request without a response for as long as the client waits.
type Watcher interface {
	Sink
	// OutOfRange receives a request outside its range before its outcome is decided: x.Outcome
	// and the fields that depend on it are meaningless. Exchange follows. The first such request
	// of each API and version on a connection is always reported, a repetition not always. x is
	// valid only during the call.
	OutOfRange(x *Exchange)
}
