package decode

import (
	"math/rand/v2"
	"testing"

	"github.com/kafkavet/kafkavet/reassembly"
)

// The counters of a long ring only make find faster.
func TestQueueFindsWhatALinearSearchFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q queue
	for range 20_000 {
		switch {
		case q.n > 0 && r.IntN(3) == 0:
			q.pop()
		case q.n > 0 && r.IntN(9) == 0:
			q.popLast()
		case q.n < maxOutstanding:
			q.identify(q.push(), r.Int32N(300))
		}
		id, want := r.Int32N(300), -1
		for i := q.n - 1; i >= 0; i-- {
			if q.at(i).correlationID == id {
				want = i
			}
		}
		if got := q.find(id); got != want {
			t.Fatalf("%d requests: find(%d) is %d, want %d", q.n, id, got, want)
		}
		if (q.counters != nil) != (len(q.ring) >= longRing) {
			t.Fatalf("a ring of %d, counters: %v", len(q.ring), q.counters != nil)
		}
	}
}

func TestACrowdedShardGivesUpOldRequests(t *testing.T) {
	for _, tt := range []struct {
		outstanding, own int
		want             bool
	}{
		{maxShardOutstanding, freeOutstanding, true},
		{maxShardOutstanding - 1, freeOutstanding, false},
		{maxShardOutstanding, freeOutstanding - 1, false},
		{0, maxOutstanding, true},
		{0, maxOutstanding - 1, false},
	} {
		h := testHandler(tt.own)
		h.shard.outstanding = tt.outstanding
		if got := h.isCrowded(); got != tt.want {
			t.Errorf("%d outstanding in the shard, %d of the connection: crowded %v, want %v", tt.outstanding, tt.own, got, tt.want)
		}
	}
}

func TestOutstandingRequestsAreCounted(t *testing.T) {
	h := testHandler(5)
	h.countOutstanding()
	h.queue.pop()
	h.countOutstanding()
	h.countOutstanding()
	if h.shard.outstanding != 4 {
		t.Errorf("%d outstanding, want 4", h.shard.outstanding)
	}
}

// TestADroppedConnectionLeavesNothing: nothing of it is reported, counted, or left in its handler.
func TestADroppedConnectionLeavesNothing(t *testing.T) {
	n := newNetwork()
	d := n.open(t)
	d.request(requestOf(3, 7))
	d.h.Drop()
	if n.shard.outstanding != 0 || len(n.shard.ended) != 0 {
		t.Errorf("%d outstanding, %d ended", n.shard.outstanding, len(n.shard.ended))
	}
	next := n.open(t)
	next.respond(next.request(requestOf(3, 8)), responseOf(3, 8))
	if got := exchanges(next.end(reassembly.Closed, reassembly.ToBroker)); next.h != d.h || len(got) != 1 || got[0].Version != 8 {
		t.Errorf("%d exchanges of the next connection", len(got))
	}
}

// testHandler returns a handler with n waiting requests, on a connection whose two sides were
// captured.
func testHandler(n int) *handler {
	h := newHandler(NewShard(ShardOptions{}), &reassembly.Connection{Seen: [2]bool{true, true}})
	for i := range n {
		h.queue.identify(h.queue.push(), int32(i))
	}
	return h
}
