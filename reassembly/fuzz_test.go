package reassembly

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// FuzzFramer feeds frames of either direction in any pieces, with gaps.
func FuzzFramer(f *testing.F) {
	f.Add(request(3, 1, 1, 20), uint16(5), uint16(0))
	f.Add(append(request(0, 3, 1, 400), request(1, 4, 2, 20)...), uint16(100), uint16(3))
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 1, 0, 12, 0, 0, 0, 1}, uint16(1), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, piece, hole uint16) {
		if len(data) > capturetest.BoundedUnit {
			return
		}
		capturetest.Bounded(t, len(data), func() {
			w := newWorker(&Options{LooksLikeRequest: looksLike, LooksLikeExchange: looksLikeExchange}, new(log))
			c := &conn{w: w, reset: -1}
			c.dialogue.init(piece%2 == 1)
			at := capture.Position{Frame: 1}
			i := 0
			for part := range slices.Chunk(data, int(piece%2000)+1) {
				d := Direction(i % 3 / 2)
				c.bytes(d, part, at)
				if hole > 0 && i%int(hole) == int(hole)-1 {
					c.gap(d, int64(hole), at)
				}
				i++
				at.Frame++
			}
			c.finish(Cut, at)
			if w.held != 0 || w.pending != 0 {
				t.Errorf("%d bytes of heads and %d of the undecided were not given back", w.held, w.pending)
			}
		})
	})
}

// FuzzSegments feeds TCP segments with any sequence numbers and flags.
func FuzzSegments(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 16, 20, 0})
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 255, 255, 255, 255, 2, 0, 0, 0, 1, 16, 200, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > capturetest.BoundedUnit {
			return
		}
		payload := append(request(3, 1, 1, 300), request(1, 12, 2, 900)...)
		capturetest.Bounded(t, len(data), func() {
			w := newWorker(&Options{LooksLikeRequest: looksLike, LooksLikeExchange: looksLikeExchange}, new(log))
			c := newConn(w, &flow{})
			// Each 11 bytes are a segment: sequence and acknowledgement number, flags, length,
			// direction.
			for i := 0; i+11 <= len(data); i += 11 {
				b := data[i : i+11]
				n := int(b[9]) * 4
				it := item{
					conn: c, at: capture.Position{Frame: uint64(i + 1)}, seq: binary.BigEndian.Uint32(b), ack: binary.BigEndian.Uint32(b[4:]),
					flags: capture.TCPFlags(b[8]), dir: Direction(b[10] & 1), length: uint32(n), payload: payload[:n>>(b[10]>>1&1)],
				}
				if b[10]&4 != 0 {
					it.kind = tickItem
				}
				w.work([]item{it})
			}
			w.work([]item{{conn: c, kind: endItem}})
			if w.held != 0 || w.reorder.pages != 0 {
				t.Errorf("%d bytes of heads and %d pages were not given back", w.held, w.reorder.pages)
			}
		})
	})
}

// FuzzCapture feeds real packets with changed bytes through a whole Pool.
func FuzzCapture(f *testing.F) {
	names, err := filepath.Glob("../testdata/captures/*.pcap")
	if err != nil || len(names) == 0 {
		f.Fatalf("no captures: %v", err)
	}
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && len(data) < capturetest.BoundedUnit {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > capturetest.BoundedUnit {
			return
		}
		packets, _ := capturetest.Read(data) // an error keeps the packets before it
		p := NewPool(Options{Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike, LooksLikeExchange: looksLikeExchange},
			func() Shard[[]string] { return new(log) }, func([][]string) error { return nil })
		if _, err := p.Run(context.Background(), &memory{packets: packets, batch: 100}); err != nil {
			t.Error(err)
		}
	})
}
