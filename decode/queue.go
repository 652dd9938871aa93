package decode

import (
	"math/rand/v2"

	"github.com/kafkavet/kafkavet/capture"
)

// maxOutstanding bounds the requests of one connection without a response. Clients have from 5
// (Java) to a few hundred in flight. 1,024 of 88 bytes are 88 KiB.
const maxOutstanding = 1024

const (
	// maxShardOutstanding bounds the requests without a response of all connections of a shard:
	// 16,384 of 88 bytes are 1.4 MiB, and 5.5 MiB for 4 shards. Each connection may always have
	// freeOutstanding of them.
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

// pending is a request without a response so far.
type pending struct {
	at            capture.Position
	clientID      string
	ranges        *Ranges // advertised on the connection; nil for none
	offset        int64   // reassembly.Frame.Offset
	size, lacking uint32  // reassembly.Frame.Size, which is at most maxMessage, and Lacking
	correlationID int32
	key, version  int16
	// span is an upper bound for the packets of the request before at.
	span        uint32
	wait        int32 // Exchange.WaitMillis
	hasClientID bool
	// early: sent before the response to an ApiVersions request, on a connection without ranges.
	early bool
	asked Asking
	owes  owed
}

// owed says whether the broker owes a response to a request. The zero value: it does.
type owed uint8

const (
	_ owed = iota
	// mayOwe: the capture does not show it.
	mayOwe
	// unreadable: no broker can read the request.
	unreadable
)

// queue holds the pending requests of a connection, oldest first, in a ring.
type queue struct {
	ring []pending // its length is 0 or a power of two
	head int
	n    int
	// missed is a correlation id that find did not find, if hasMissed. find is called more than
	// once for one response.
	missed    int32
	hasMissed bool
	// counters count the correlation ids of a long ring, nil for a short one.
	counters *[]uint16
}

func (q *queue) counter(id int32) *uint16 {
	counters := *q.counters
	return &counters[uint32(id)*filterSeed>>8&uint32(len(counters)-1)]
}

// identify sets the correlation id of a request.
func (q *queue) identify(p *pending, id int32) {
	p.correlationID = id
	if q.counters != nil {
		*q.counter(id)++
	}
}

func (q *queue) uncount(p *pending) {
	if q.counters != nil {
		*q.counter(p.correlationID)--
	}
}

// at returns the i-th oldest request.
func (q *queue) at(i int) *pending { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// push adds a request. The caller fills it.
func (q *queue) push() *pending {
	if q.n == len(q.ring) {
		q.resize(max(1, 2*q.n))
	}
	q.n++
	q.hasMissed = false
	p := q.at(q.n - 1)
	*p = pending{}
	return p
}

func (q *queue) popLast() pending {
	p := *q.at(q.n - 1)
	q.uncount(&p)
	*q.at(q.n - 1) = pending{}
	q.n--
	return p
}

// keptRing is the longest ring that an empty queue keeps.
const keptRing = 16

func (q *queue) pop() pending {
	p := *q.at(0)
	q.uncount(&p)
	*q.at(0) = pending{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	if q.n == 0 && len(q.ring) > keptRing {
		q.ring, q.head, q.counters = nil, 0, nil
	}
	return p
}

func (q *queue) resize(length int) {
	ring := make([]pending, length)
	for i := range q.n {
		ring[i] = *q.at(i)
	}
	q.ring, q.head = ring, 0
	if length >= longRing {
		counters := make([]uint16, filterFactor*length)
		q.counters = &counters
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
