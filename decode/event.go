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
