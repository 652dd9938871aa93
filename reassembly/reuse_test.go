package reassembly

import (
	"context"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// counting is a Shard that counts the connections that are over, and their addresses in memory.
type counting struct {
	places map[*Connection]int
	closed *int
}

func (s *counting) Open(c *Connection) Handler { return &voice{log: new(log), c: c} }
func (s *counting) Take(_ struct{}) struct{}   { return struct{}{} }
func (s *counting) Closed(c *Connection)       { s.places[c]++; *s.closed++ }

// TestConnectionsThatAreOverAreUsedAgain: many short connections use only the memory of those in
// the batches in flight. None is lost or reported twice.
func TestConnectionsThatAreOverAreUsedAgain(t *testing.T) {
	const n, perBatch = 3000, 50
	r := capturetest.NewRecorder()
	for i := range n {
		c := r.Open(netip.AddrPortFrom(client.Addr(), uint16(1024+i)), broker)
		c.Exchange(request(3, 1, 7, 10), response(7, 50))
		c.Close(capturetest.ToBroker)
	}
	var places [shards]map[*Connection]int
	var closed [shards]int
	made := 0
	p := NewPool(Options{Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike},
		func() Shard[struct{}] {
			places[made] = map[*Connection]int{}
			s := &counting{places[made], &closed[made]}
			made++
			return s
		}, func([]struct{}) error { return nil })
	if _, err := p.Run(context.Background(), &memory{packets: r.Packets, batch: perBatch}); err != nil {
		t.Fatal(err)
	}
	over, used := 0, 0
	for i := range places {
		over += closed[i]
		used += len(places[i])
	}
	perConnection := len(r.Packets) / n
	if most := 3 * batchesInFlight * (perBatch/perConnection + 1); over != n || used > most {
		t.Errorf("%d connections were over, want %d; they took the memory of %d (%d bytes each), at most %d are needed",
			over, n, used, unsafe.Sizeof(conn{}), most)
	}
}
