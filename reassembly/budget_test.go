package reassembly

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// many opens n connections of which both sides were captured, with a request and its response each.
func many(r *capturetest.Recorder, n int) []*capturetest.Conversation {
	all := make([]*capturetest.Conversation, n)
	for i := range all {
		all[i] = r.Open(netip.AddrPortFrom(client.Addr(), uint16(1024+i)), broker)
		all[i].Exchange(request(3, 1, 7, 10), response(7, 50))
	}
	return all
}

// runBounded runs packets with at most maxBytes for the connections of a shard. It fails if a
// shard ever takes more, or still counts something at the end.
func runBounded(t *testing.T, packets []capturetest.Packet, maxBytes int) *outcome {
	t.Helper()
	var workers []*worker
	o := runWith(t, packets, 100, func(w *worker) {
		w.maxBytes = maxBytes
		workers = append(workers, w)
	})
	for i, w := range workers {
		if most := maxBytes/connBytes + 1; cap(w.open) > 2*most {
			t.Errorf("shard %d had room for %d connections, at most %d fit", i, cap(w.open), most)
		}
		if w.used() != 0 || w.lone != 0 || len(w.open) != 0 {
			t.Errorf("shard %d still counts %d bytes, %d lone and %d connections at the end", i, w.used(), w.lone, len(w.open))
		}
	}
	return o
}

// TestConnectionsAreEvictedByBytes: above the limit, the connections that are idle longest end. The
// others and those that go on are read, and each is reported once.
func TestConnectionsAreEvictedByBytes(t *testing.T) {
	const n, fit = 4000, 100
	r := capturetest.NewRecorder()
	all := many(r, n)
	all[0].Exchange(request(3, 1, 8, 10), response(8, 50))
	all[n-1].Exchange(request(3, 1, 8, 10), response(8, 50))
	o := runBounded(t, r.Packets, fit*connBytes)
	if got := o.stats.Limits.Flows; got < n-shards*fit || got > n {
		t.Errorf("%d connections were evicted, of %d only %d fit", got, n, shards*fit)
	}
	if len(o.conns) != n+1 || o.stats.Streams != n+1 {
		t.Errorf("%d connections were reported and %d streams counted, want %d and the one that went on", len(o.conns), o.stats.Streams, n)
	}
	expired := 0
	for i := range o.conns {
		if o.conns[i].End.Kind == Expired {
			expired++
		}
	}
	if uint64(expired) != o.stats.Limits.Flows {
		t.Errorf("%d connections expired, %d were evicted", expired, o.stats.Limits.Flows)
	}
	later := 0
	for _, line := range o.lines {
		if strings.Contains(line, " id 8 ") {
			later++
		}
	}
	if later != 2 || len(o.lines) != 2*(n+2) {
		t.Errorf("%d lines, %d of the 2 later requests; want %d", len(o.lines), later, 2*(n+2))
	}
}

// TestAllFitBelowTheLimit: nothing is evicted that fits.
func TestAllFitBelowTheLimit(t *testing.T) {
	const n = 400
	r := capturetest.NewRecorder()
	many(r, n)
	if o := runBounded(t, r.Packets, (n/shards+1)*connBytes); o.stats.Limits.Flows != 0 || len(o.conns) != n {
		t.Errorf("%d of %d connections were evicted although all fit", o.stats.Limits.Flows, len(o.conns))
	}
}

// TestLoneConnectionsAreEvictedFirst: packets of one side, which anyone can send, evict no
// connection of which both sides were captured.
func TestLoneConnectionsAreEvictedFirst(t *testing.T) {
	const n, forged = 40, shards*maxShardLone + 1000
	r := capturetest.NewRecorder()
	all := many(r, n)
	var address [4]byte
	for i := range forged {
		binary.BigEndian.PutUint32(address[:], 0x0b000000+uint32(i))
		c := r.Join(netip.AddrPortFrom(netip.AddrFrom4(address), 4444), broker)
		c.Silent = true
		if i%3 == 1 { // behind a hole
			c.Miss(capturetest.ToBroker, 50)
		}
		c.Send(capturetest.ToBroker, request(3, 1, 7, 10)[:24-i%5])
	}
	r.Wait(2 * heldTime) // until no item of them is held
	for _, c := range all {
		c.Exchange(request(3, 1, 8, 10), response(8, 50))
	}
	o := runBounded(t, r.Packets, maxShardBytes)
	if got := o.stats.Limits.Flows; got != forged-shards*maxShardLone {
		t.Errorf("%d connections were evicted, want %d", got, forged-shards*maxShardLone)
	}
	if got := len(o.conns) - n; got != shards*maxShardLone {
		t.Errorf("%d connections of one packet were reported, want %d", got, shards*maxShardLone)
	}
	for i := range n {
		if c := &o.conns[i]; c.Requests != 2 || c.Responses != 2 {
			t.Errorf("connection %d has %d requests and %d responses, want 2", i, c.Requests, c.Responses)
		}
	}
}

// TestEvictedConnectionsLeaveTheWaitingList: connections that wait for a missing segment are
// evicted also if no time passes.
func TestEvictedConnectionsLeaveTheWaitingList(t *testing.T) {
	const n, fit = 2000, 50
	r := capturetest.NewRecorder()
	for _, c := range many(r, n) {
		c.Miss(capturetest.ToBroker, 10)
		c.Send(capturetest.ToBroker, request(3, 1, 8, 10))
	}
	for i := range r.Packets {
		r.Packets[i].Time = r.Packets[0].Time
	}
	var workers []*worker
	o := runWith(t, r.Packets, 100, func(w *worker) {
		w.maxBytes = fit * connBytes
		workers = append(workers, w)
	})
	for i, w := range workers {
		if cap(w.waiting) > 4*fit {
			t.Errorf("shard %d had room for %d waiting connections, at most %d are open", i, cap(w.waiting), fit)
		}
	}
	if o.stats.Limits.Flows < n-shards*fit {
		t.Errorf("%d connections were evicted, at least %d do not fit", o.stats.Limits.Flows, n-shards*fit)
	}
}

// TestConnectionBytes: connBytes is what a connection takes. Go allocates more for the next larger
// size.
func TestConnectionBytes(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > connBytes {
		t.Errorf("a connection takes %d bytes, want at most %d", size, connBytes)
	}
}
