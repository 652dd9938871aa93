package reassembly

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// memory is a capture.Source of packets in memory. Each batch has a fixed number of packets.
type memory struct {
	packets []capturetest.Packet
	at      int
	batch   int
}

func (m *memory) Next(b *capture.Batch) error {
	b.Packets = b.Packets[:0]
	if m.at == len(m.packets) {
		return io.EOF
	}
	for len(b.Packets) < m.batch && m.at < len(m.packets) {
		p := &m.packets[m.at]
		m.at++
		b.Packets = append(b.Packets, capture.Packet{
			Position: capture.Position{Frame: uint64(m.at), Time: p.Time},
			Data:     p.Data, Length: uint32(p.Length()), Link: capture.LinkType(p.Link),
		})
	}
	return nil
}

func (m *memory) Captures() []capture.Info { return nil }
func (m *memory) Close() error             { return nil }

// log collects the calls of a pool as lines.
type log struct {
	lines   []string
	conns   []Connection
	offsets []int64 // of requests
}

func (l *log) Open(c *Connection) Handler { return &voice{log: l, c: c} }
func (l *log) Closed(c *Connection)       { l.conns = append(l.conns, *c) }
func (l *log) Take([]string) []string {
	lines := l.lines
	l.lines = nil
	return lines
}

// voice is a Handler that accepts requests of one client id, as a plain broker would.
type voice struct {
	log     *log
	c       *Connection
	awaited [][]byte
	last    int32
	id      []byte
}

func (v *voice) Want(d Direction, size int64, head []byte) (int, bool) {
	if d == ToBroker {
		return 64, size >= 8 && binary.BigEndian.Uint16(head) <= 90
	}
	return 4, size < maxMessage && (len(head) < 4 || binary.BigEndian.Uint32(head) != echoed)
}

// echoed are key and version of ApiVersions v3, in the place of a correlation id: an echo.
const echoed = 18<<16 | 3

func (v *voice) Expect(_ int64, head []byte) { v.id = clientIDOf(head) }

// clientIDOf returns the client id of a request with its length, nil for none.
func clientIDOf(head []byte) []byte {
	if len(head) < 10 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(head[8:])) + 2
	return bytes.Clone(head[8:min(len(head), 8+n)])
}

func (v *voice) Plausible(d Direction, size int64, head []byte) bool {
	if d == ToBroker {
		if l := looksLike(size, head); l != Strong && (l == No || !bytes.Equal(clientIDOf(head), v.id)) {
			return false
		}
		id := int32(binary.BigEndian.Uint32(head[4:]))
		return id > v.last && id-v.last < 1000
	}
	return slices.ContainsFunc(v.awaited, func(a []byte) bool { return bytes.Equal(a, head[:4]) })
}

func (v *voice) Anchor(d Direction) ([][]byte, int) {
	if d == ToBroker {
		return [][]byte{v.id}, 12
	}
	return v.awaited, 4
}

func (v *voice) Message(f *Frame) {
	if f.Direction == ToClient {
		if i := slices.IndexFunc(v.awaited, func(a []byte) bool { return len(f.Head) >= 4 && bytes.Equal(a, f.Head[:4]) }); i >= 0 {
			v.awaited = slices.Delete(v.awaited, i, i+1)
			v.say("response %d size %d", binary.BigEndian.Uint32(f.Head), f.Size)
		}
		return
	}
	v.last = int32(binary.BigEndian.Uint32(f.Head[4:]))
	v.awaited = append(v.awaited, bytes.Clone(f.Head[4:8]))
	if v.id == nil {
		v.id = clientIDOf(f.Head)
	}
	lacking := ""
	if f.Lacking > 0 {
		lacking = fmt.Sprintf(" lacking %d", f.Lacking)
	}
	v.say("request %d v%d id %d size %d frame %d%s", binary.BigEndian.Uint16(f.Head), binary.BigEndian.Uint16(f.Head[2:]), v.last, f.Size, f.Last.Frame, lacking)
	v.log.offsets = append(v.log.offsets, f.Offset)
}

func (v *voice) Lost(Direction, capture.Position) {}
func (v *voice) Size() int                        { return 0 }
func (v *voice) End()                             {}
func (v *voice) Drop()                            {}

func (v *voice) say(format string, args ...any) {
	v.log.lines = append(v.log.lines, fmt.Sprintf("%d: ", v.c.Stream)+fmt.Sprintf(format, args...))
}

// looksLike is a simple replacement for the function of package decode.
func looksLike(size int64, head []byte) Likelihood {
	if size < 10 || len(head) < 10 {
		return No
	}
	key, version, n := binary.BigEndian.Uint16(head), binary.BigEndian.Uint16(head[2:]), int64(int16(binary.BigEndian.Uint16(head[8:])))
	if key > 90 || version > 20 || n > size-10 || n > 100 || n < -1 {
		return No
	}
	if n <= 0 {
		return Weak
	}
	if len(head) < int(10+n) {
		return No
	}
	if key == 0 && !producing(version, head[10+n:]) {
		return No
	}
	for _, b := range head[10 : 10+n] {
		if b < 0x20 || b > 0x7e {
			return No
		}
	}
	if version > 15 {
		return Likely
	}
	return Strong
}

// producing distinguishes a Produce request from a response whose correlation id is below 65,536:
// its transactional id is null in the captures used here.
func producing(version uint16, body []byte) bool {
	return version >= 3 && len(body) >= 2 && (body[0] == 0xff && body[1] == 0xff || body[0] == 0xa5)
}

// outcome is all results of a capture.
type outcome struct {
	lines []string // sorted by stream, in order within each
	conns []Connection
	stats Stats
	// offsets are those of the requests, in order if there is one connection.
	offsets []int64
}

func (o *outcome) missing() (n uint64) {
	for i := range o.conns {
		n += o.conns[i].Odd().Missing
	}
	return n
}

// run sends packets through a pool, batch packets at a time.
func run(t testing.TB, packets []capturetest.Packet, batch int) *outcome {
	t.Helper()
	return runWith(t, packets, batch, func(*worker) {})
}

// runWith is run with changed workers.
func runWith(t testing.TB, packets []capturetest.Packet, batch int, change func(*worker)) *outcome {
	t.Helper()
	o := new(outcome)
	var logs []*log
	p := NewPool(Options{Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike, LooksLikeExchange: looksLikeExchange},
		func() Shard[[]string] {
			l := new(log)
			logs = append(logs, l)
			return l
		},
		func(parts [][]string) error {
			for _, part := range parts {
				o.lines = append(o.lines, part...)
			}
			return nil
		})
	for _, w := range p.workers {
		change(w)
	}
	var err error
	o.stats, err = p.Run(context.Background(), &memory{packets: packets, batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	mustHoldNothing(t, p, o.stats)
	for _, l := range logs {
		o.conns = append(o.conns, l.conns...)
		o.offsets = append(o.offsets, l.offsets...)
	}
	slices.SortFunc(o.conns, func(a, b Connection) int { return int(a.Stream) - int(b.Stream) })
	slices.SortStableFunc(o.lines, func(a, b string) int { return streamOf(a) - streamOf(b) })
	return o
}

// mustHoldNothing fails if a Pool still counts something after its source ended, or counted below 0.
func mustHoldNothing[R any](t testing.TB, p *Pool[R], s Stats) {
	t.Helper()
	for i, w := range p.workers {
		w.tick(&item{}) // the last one
		for name, n := range map[string]int{
			"bytes of connections": w.weights, "bytes of heads": w.held, "bytes of undecided connections": w.pending, "bytes that are postponed": w.postponed,
			"bytes in doubt": w.doubted, "pages": w.reorder.pages, "open connections": len(w.open), "connections of one side": w.lone,
			"waiting connections": len(w.waiting), "closing connections": len(w.closing),
		} {
			if n != 0 {
				t.Errorf("shard %d: %d %s at the end, want 0", i, n, name)
			}
		}
	}
	if p.heldBytes != 0 || len(p.table.challenges) != 0 || s.Open != 0 || p.table.silent != p.table.live || p.table.live != p.table.inactive {
		t.Errorf("at the end: %d bytes of first segments, %d challenges, %d open connections, %d of %d without payload, %d inactive", p.heldBytes, len(p.table.challenges), s.Open, p.table.silent, p.table.live, p.table.inactive)
	}
	if l := s.Limits; max(s.Streams, s.MissingBytes, s.Gaps, s.Disbelieved, l.Flows, l.SilentFlows, l.Networks, l.QueuedSegments, l.Undecided, l.HugeSegments, l.HeldBytes) > 1<<40 {
		t.Errorf("a count below 0: %+v", s)
	}
}

func streamOf(line string) (n int) {
	_, _ = fmt.Sscanf(line, "%d:", &n)
	return n
}

func newConn(w *worker, f *flow) *conn {
	c := new(conn)
	c.init(w, f)
	return c
}
