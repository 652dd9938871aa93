package decode

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/reassembly"
)

// TestHandlersAreUsedAgain: a reused handler keeps nothing of its previous connection.
func TestHandlersAreUsedAgain(t *testing.T) {
	n := newNetwork()
	first := n.open(t)
	first.negotiate()
	first.request(requestOf(1, 12))
	first.h.Lost(reassembly.ToClient, n.next())
	first.end(reassembly.Closed, reassembly.ToClient)

	second := n.open(t)
	if second.h != first.h {
		t.Fatal("the handler of a connection that is over was not used again")
	}
	again := *second.h.(*handler)
	if len(again.ids) != 0 {
		t.Errorf("it has client ids: %v", again.ids)
	}
	again.ids, again.queue.ring = nil, nil // their memory is kept
	if fresh := *newHandler(n.shard, second.conn); !reflect.DeepEqual(fresh, again) {
		t.Errorf("it is %+v, a new one %+v", again, fresh)
	}
	second.request(requestOf(1, 12))
	if diff := cmp.Diff([]string{"Fetch v12 unknown none closed"}, lines(second.end(reassembly.Closed, reassembly.ToClient))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
