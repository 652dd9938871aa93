package decode

import (
	"math/rand/v2"

	"github.com/kafkavet/kafkavet/capture"
)

// maxOutstanding bounds the requests of one connection that wait for an answer:
// clients have 5 (Java) to some hundred in flight. 1,024 of 80 bytes are 80 KiB.
const maxOutstanding = 1024

const (
	// maxShardOutstanding bounds the requests of all connections of a shard that wait for an answer: 16,384 of 120 bytes
	// are 2 MiB, of which 4 shards make 8 MiB. A connection may have freeOutstanding of them in any case.
	maxShardOutstanding = 16_384
	freeOutstanding     = 8
)

// A queue with longRing places or more counts its correlation ids, in filterFactor counters per
// place. One counter then shows for most ids that they are not in the queue.
const (
	longRing     = 64
	filterFactor = 4
)

// filterSeed makes the counter of a correlation id unpredictable. It is odd.
var filterSeed = rand.Uint32() | 1

// pending is a request without an answer so far.
type pending struct {
	at            capture.Position
	clientID      string
	ranges        *Ranges // that the broker had advertised on the connection before it
	offset        int64   // reassembly.Frame.Offset
	size, lacking uint32  // reassembly.Frame.Size, which is at most maxMessage, and Lacking
	correlationID int32
	key, version  int16
	// span is how many packets before at the request began.
	span        uint32
	hasClientID bool
	// early: sent while an ApiVersions request had no answer, on a connection without ranges.
	early bool
	asked Asking
	// lost: the capture does not show whether the broker owes a response.
	lost bool
}

// queue holds the pending requests of a connection, oldest first, in a ring.
type queue struct {
	ring []pending // its length is 0 or a power of two
	head int
	n    int
	// missed is a correlation id that find did not find, if hasMissed: a response's id is looked for more than once.
	missed    int32
	hasMissed bool
	// counters count the correlation ids of a long ring, nil for a short one.
	counters []uint16
}

// counter is the counter of a correlation id.
func (q *queue) counter(id int32) *uint16 {
	return &q.counters[uint32(id)*filterSeed>>8&uint32(len(q.counters)-1)]
}

// identify gives a request its correlation id.
func (q *queue) identify(p *pending, id int32) {
	p.correlationID = id
	if q.counters != nil {
		*q.counter(id)++
	}
}

// forget takes a request out of the counters.
func (q *queue) forget(p *pending) {
	if q.counters != nil {
		*q.counter(p.correlationID)--
	}
}

// at is the i-th oldest.
func (q *queue) at(i int) *pending { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// push adds a request, which is returned to be filled in.
func (q *queue) push() *pending {
	if q.n == len(q.ring) {
		q.resize(max(2, 2*q.n))
	}
	q.n++
	q.hasMissed = false
	p := q.at(q.n - 1)
	*p = pending{}
	return p
}

// popLast removes the newest.
func (q *queue) popLast() pending {
	p := *q.at(q.n - 1)
	q.forget(&p)
	*q.at(q.n - 1) = pending{}
	q.n--
	return p
}

// keptRing is the ring that an empty queue keeps.
const keptRing = 16

// pop removes the oldest.
func (q *queue) pop() pending {
	p := *q.at(0)
	q.forget(&p)
	*q.at(0) = pending{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	if q.n == 0 && len(q.ring) > keptRing {
		q.ring, q.head, q.counters = nil, 0, nil
	}
	return p
}

// resize moves the queue to a ring of the given length.
func (q *queue) resize(length int) {
	ring := make([]pending, length)
	for i := range q.n {
		ring[i] = *q.at(i)
	}
	q.ring, q.head = ring, 0
	if length >= longRing {
		q.counters = make([]uint16, filterFactor*length)
		for i := range q.n {
			*q.counter(ring[i].correlationID)++
		}
	}
}

// find returns the place of the oldest request with a correlation id, -1 without one.
func (q *queue) find(correlationID int32) int {
	if q.hasMissed && q.missed == correlationID {
		return -1
	}
	if q.counters != nil && *q.counter(correlationID) == 0 {
		return -1
	}
	for i := range q.n {
		if q.at(i).correlationID == correlationID {
			return i
		}
	}
	q.missed, q.hasMissed = correlationID, true
	return -1
}
