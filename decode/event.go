package decode

import (
	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

// Connection is what is known of one TCP connection when it is over.
type Connection struct {
	*reassembly.Connection
	// The rest is only meaningful where Protocol is Kafka.

	// ClientIDs are the client ids used, in order of appearance, at most maxClientIDs of them.
	ClientIDs []string
	// Software is what the client announced.
	Software Software
	// Advertised is the last ApiVersions answer, nil without one.
	Advertised *Ranges
	// AfterAdvertised counts the requests that came after the first ApiVersions answer, further ApiVersions requests not counted.
	AfterAdvertised uint64
	// ClientIDsOmitted counts the uses of client ids beyond maxClientIDs.
	ClientIDsOmitted uint64
	// Unanswered counts the requests without an answer when the connection ended. Produce with acks=0
	// is not counted.
	Unanswered uint64
	// LastRequest and LastAnswer are the packets of the latest request and of the latest answer; the
	// zero value without one.
	LastRequest, LastAnswer capture.Position
}

// Event is one thing that a Shard found. Exactly one of the pointers is set.
type Event struct {
	// At is the packet at which it was found; with Stream and Order it gives
	// events one order, whatever the number of shards.
	At     capture.Position
	Stream uint32
	// Order counts the events of a stream.
	Order         uint32
	Exchange      *Exchange
	Advertisement *Advertisement
	Connection    *Connection
	// OutOfRange is a request that was just sent, and is not inside a range that
	// its connection was told. It is made by Shard.Watch only. Its Exchange follows
	// when it is settled, which may be long after.
	OutOfRange *Exchange
}

// Sink takes what the correlator found, in an order that depends on the input
// alone. All calls come from one goroutine.
type Sink interface {
	// Exchange takes a settled exchange. It is valid during the call only: its memory is used again.
	Exchange(*Exchange)
	// Advertisement takes an ApiVersions answer.
	Advertisement(*Advertisement)
	// Connection takes a connection that is over. Its exchanges came before, apart
	// from those that wait for a range to borrow.
	Connection(*Connection)
}

// Watcher is a Sink that also wants to know at once of requests outside their
// range: a broker may leave them without an answer for as long as the client waits.
type Watcher interface {
	Sink
	// OutOfRange takes a request outside its range, of which the outcome is not
	// known yet: x.Outcome and what follows from it mean nothing. Exchange follows.
	// Not every such request is sighted, but the first one of each API and version on a connection
	// is. x is valid during the call only.
	OutOfRange(x *Exchange)
}
