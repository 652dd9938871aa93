package evidence

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// recordOne passes a packet of n bytes on a stream to a recorder.
func recordOne(r *recorder, stream uint32, frame uint64, n int) {
	data := make([]byte, n)
	binary.LittleEndian.PutUint64(data, frame)
	p := capture.Packet{Position: capture.Position{Frame: frame}, Data: data, Length: uint32(n)}
	s := capture.Segment{Position: p.Position, Payload: p.Data[8:], Length: uint32(n - 8)}
	r.take(stream, &p, &s)
}

// check compares the counters of a recorder with its contents.
func (r *recorder) check(t *testing.T) {
	t.Helper()
	kept := 0
	if r.active.Len() != len(r.records) {
		t.Fatal("the list of connections is not their map")
	}
	for _, c := range r.records {
		if len(c.head) > headPackets || len(c.tail) > tailPackets {
			t.Fatalf("stream %d has a head of %d packets and a tail of %d", c.stream, len(c.head), len(c.tail))
		}
		for _, packets := range [][]seen{c.head, c.tail, c.extra} {
			kept += bytesOf(packets) + len(packets)*keptOverhead
		}
	}
	if kept != r.kept {
		t.Fatalf("%d bytes are kept, %d by the books", kept, r.kept)
	}
	if r.kept > keptBytes || len(r.records) > maxRecords || len(r.ring) > windowPackets || len(r.memory) != windowBytes {
		t.Fatalf("kept %d, records %d, window %d", r.kept, len(r.records), len(r.ring))
	}
}

// TestRecorderStaysWithinItsBounds uses many and long connections, large and small packets.
func TestRecorderStaysWithinItsBounds(t *testing.T) {
	r := newRecorder()
	rng := rand.New(rand.NewPCG(3, 4))
	frame := uint64(0)
	for _, load := range []struct{ streams, packets, size int }{
		{maxRecords + 5000, 90_000, 70}, {10, 20_000, 1500}, {5000, 60_000, 600}, {3, 40, 1 << 20}, {1, 60_000, 60},
	} {
		for range load.packets {
			frame++
			recordOne(&r, uint32(rng.IntN(load.streams)), frame, load.size)
		}
		r.check(t)
	}
}

// TestRecorderKeepsHeadTailAndWindow: the first packets of a long connection, and the last packets
// of a silent one, are kept after they leave the window.
func TestRecorderKeepsHeadTailAndWindow(t *testing.T) {
	r := newRecorder()
	frame := uint64(0)
	for range 100 {
		frame++
		recordOne(&r, 7, frame, 100)
	}
	for range 3 * windowPackets {
		frame++
		recordOne(&r, 8, frame, 500)
	}
	r.check(t)
	frames := func(stream uint32) []uint64 {
		var out []uint64
		for _, s := range r.packets(r.records[stream]) {
			if binary.LittleEndian.Uint64(s.data) != s.at.Frame || !bytes.Equal(s.text(), s.data[8:]) {
				t.Fatalf("stream %d, frame %d: holds %d", stream, s.at.Frame, binary.LittleEndian.Uint64(s.data))
			}
			out = append(out, s.at.Frame)
		}
		return out
	}
	silent := frames(7)
	if len(silent) != headPackets+tailPackets || silent[0] != 1 || silent[headPackets-1] != headPackets || silent[len(silent)-1] != 100 {
		t.Errorf("of 100 packets of a silent connection are left: %v", silent)
	}
	long := frames(8)
	window := int(r.next - r.first)
	if len(long) != headPackets+window || long[0] != 101 || long[len(long)-1] != frame {
		t.Errorf("of a long connection %d packets are left, from %d to %d; the window has %d", len(long), long[0], long[len(long)-1], window)
	}
	if window < windowBytes/500-1 {
		t.Errorf("the window holds %d packets of 500 bytes", window)
	}
}

// TestRecorderForgetsTheConnectionSilentForLongest: its packets are the least likely to be needed.
func TestRecorderForgetsTheConnectionSilentForLongest(t *testing.T) {
	r := newRecorder()
	for stream := range uint32(maxRecords + 1) {
		recordOne(&r, stream, uint64(stream)+1, 60)
	}
	if r.records[0] != nil || r.records[1] == nil || len(r.records) != maxRecords {
		t.Errorf("%d connections, the first is %v", len(r.records), r.records[0])
	}
	r.check(t)
}

// TestRecorderAllocatesNothingInTheSteadyState: bulk traffic on known connections.
func TestRecorderAllocatesNothingInTheSteadyState(t *testing.T) {
	r := newRecorder()
	p := capture.Packet{Data: make([]byte, 1500), Length: 1500}
	s := capture.Segment{Payload: p.Data[54:], Length: 1446}
	for i := range 2 * windowPackets {
		r.take(uint32(i%4), &p, &s)
	}
	if n := testing.AllocsPerRun(20_000, func() { r.take(2, &p, &s) }); n > 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}

func BenchmarkRecorder(b *testing.B) {
	r := newRecorder()
	p := capture.Packet{Data: make([]byte, 1500), Length: 1500}
	s := capture.Segment{Payload: p.Data[54:], Length: 1446}
	b.ReportAllocs()
	b.SetBytes(1500)
	for i := range b.N {
		r.take(uint32(i%64), &p, &s)
	}
}
