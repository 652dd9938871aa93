package reassembly

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/reassembly"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// pageBytes is how much payload one page of gopacket's assembler holds.
	pageBytes = 1900
	// pageMemory is the memory of a page.
	pageMemory = 2 << 10
	// maxPages bounds what one direction queues behind a missing segment: 512 pages of 2 KiB are 1
	// MiB.
	maxPages = 512
	// maxShardPages bounds what all connections of a shard queue: 2,048 pages of 2 KiB are 4 MiB,
	// 16 MiB for the 4 shards.
	maxShardPages = 2048
	// maxOffset bounds the length of one disorder, in bytes. The assembler's arithmetic is off by
	// one where sequence numbers wrap.
	maxOffset = 1 << 30
)

// zeros replace bytes that were not captured.
var zeros [64 << 10]byte

// disorder is the state of a direction from its first early segment until no segment is missing.
// Meanwhile, gopacket's assembler gets the segments, on a connection that only it has.
type disorder struct {
	assembled
	base   uint32 // the sequence number that the assembler sees as assembled.next
	since  int32  // tick at which the wait for the first missing segment began
	pages  int
	queued []queuedPart // disjoint, ordered by sequence number
	// isLacked: after a later segment was sent, the receiver acknowledged the bytes before the
	// missing segment and nothing else.
	isLacked bool
	// hasRequest: a queued segment begins with a request, so its sender is the client. It is set
	// while sidesUnknown.
	hasRequest bool
	// disbelieved are the last bytes in the assembler that the receiver does not have.
	disbelieved uint32
	// acked and ackedLater are acknowledgements sampled every ackedWait/2 segments: the previous
	// sample and the latest one.
	acked, ackedLater uint32
}

// assembled is a connection of the assembler. Its sequence numbers begin at 1.
type assembled struct {
	id   uint64
	next uint32 // the sequence number that it expects at the beginning of a disorder
}

// isOverdue reports whether the bytes before the first queued part are overdue. The receiver must
// have acknowledged them long ago, and the wait must be as long. turn is conn.turns. Each gap has
// its own time: after many losses, waiting for them one after the other would take ever longer.
func (q *disorder) isOverdue(turn uint32) bool {
	first := &q.queued[0]
	return turn-first.turn > ackedWait && int32(q.acked-first.seq) >= 0
}

// queuedPart is a part of a segment in the assembler.
type queuedPart struct {
	seq, length uint32
	captured    uint32 // bytes that were captured; the snapshot length cut the others
	sum         uint32 // fingerprint of the captured bytes
	turn        uint32 // conn.turns when it arrived
	at          capture.Position
	// instead are bytes that arrived in order later. The receiver has them in place of the first
	// ones. They are valid during reorderer.add only.
	instead []byte
}

func (p *queuedPart) end() uint32 { return p.seq + p.length }
func (p *queuedPart) pages() int  { return int((p.length + pageBytes - 1) / pageBytes) }

// reorderer sorts early segments with gopacket's reassembly. Almost all segments are in order and
// never get here: the assembler would pass them through unchanged, at ten times the cost.
type reorderer struct {
	w     *worker
	asm   *reassembly.Assembler // made when first needed: its page cache is 2 MiB
	pages int
	ids   uint64
	// idle are connections of the assembler that have nothing queued, for later disorders. There
	// are no more than disorders were open at once, and each of these had a page.
	idle []assembled
	tcp  layers.TCP
	pad  []byte

	// For the assembler's callbacks.
	conn *conn
	dir  Direction
	fill uint32 // bytes still to be returned that only fill a gap and were already reported as lost
}

func newReorderer(w *worker) *reorderer { return &reorderer{w: w} }

// begin returns the state of a raw direction, whose next byte is missing.
func (r *reorderer) begin(c *conn, raw Direction) *disorder {
	base := c.half[raw].next
	q := &disorder{base: base, since: r.w.ticks, acked: base, ackedLater: base}
	if n := len(r.idle); n > 0 {
		q.assembled, r.idle = r.idle[n-1], r.idle[:n-1]
		return q
	}
	r.ids++
	q.assembled = assembled{r.ids, 1}
	r.assemble(c, raw, q, layers.TCP{SYN: true}, false)
	return q
}

// add queues a segment of a direction in disorder.
func (r *reorderer) add(c *conn, raw Direction, seq, length uint32, p []byte, at capture.Position) {
	h := &c.half[raw]
	if seq == h.next {
		c.overrule(h, seq, length, p, at)
	}
	for length > 0 {
		if old := int32(h.next - seq); old > 0 { // the previous part filled a gap, and queued bytes followed
			n := min(uint32(old), length)
			seq, length, p = seq+n, length-n, p[min(int(n), len(p)):]
			continue
		}
		if h.hole == nil { // the previous part filled the last gap
			h.next += length
			c.deliver(raw, p, length, at)
			return
		}
		q := h.hole
		i, _ := slices.BinarySearchFunc(q.queued, seq, func(e queuedPart, seq uint32) int {
			if int32(e.end()-seq) > 0 {
				return 1
			}
			return -1
		})
		n := length
		if i < len(q.queued) {
			if e := &q.queued[i]; int32(e.seq-seq) <= 0 { // already queued: the first copy wins
				n = min(n, e.end()-seq)
				if e.seq == seq && e.length == length && int(e.captured) == len(p) && e.sum != fingerprint(p) {
					c.contest(raw, seq, n)
				}
				seq, length, p = seq+n, length-n, p[min(int(n), len(p)):]
				continue
			}
			n = min(n, q.queued[i].seq-seq)
		}
		part := p[:min(int(n), len(p))]
		e := queuedPart{seq: seq, length: n, captured: uint32(len(part)), sum: fingerprint(part), turn: c.turns, at: at}
		q.queued = slices.Insert(q.queued, i, e)
		q.pages += e.pages()
		r.pages += e.pages()
		next := h.next
		r.feed(c, raw, seq, r.padded(part, n))
		if h.next != next {
			r.endIfFilled(c, raw)
		}
		seq, length, p = seq+n, length-n, p[len(part):]
	}
	for h.hole != nil && (h.hole.pages > maxPages || r.pages > maxShardPages || h.hole.offset(h.next) > maxOffset) {
		r.w.limits.QueuedSegments++
		r.skip(c, raw)
	}
}

// overrule replaces queued bytes by those of a segment in order: the receiver accepts all of the
// segment in order and discards its own copy. If the receiver had acknowledged these bytes, it had
// the missing bytes before, and nothing is replaced.
func (c *conn) overrule(h *half, seq, length uint32, p []byte, at capture.Position) {
	if h.ackSeen && int32(h.acked-seq) > 0 {
		return
	}
	for i := range h.hole.queued {
		e := &h.hole.queued[i]
		from := e.seq - seq
		if from >= length || int(from) >= len(p) {
			return
		}
		e.instead, e.at = p[from:min(uint32(len(p)), e.end()-seq)], at
	}
}

// replaced returns the bytes of a part that the receiver has; p are the first ones. If a segment
// in order replaced them and no part is queued behind, the part ends where that segment ends.
func (c *conn) replaced(raw Direction, e *queuedPart, p []byte) []byte {
	n := len(e.instead)
	if n == 0 || bytes.HasPrefix(p, e.instead) {
		return p
	}
	c.contest(raw, e.seq, uint32(n))
	if q := c.half[raw].hole; n < len(p) && len(q.queued) == 0 {
		q.disbelieved = uint32(len(p) - n)
		e.length, e.captured = uint32(n), uint32(n)
		return e.instead
	}
	e.captured = uint32(max(n, int(e.captured)))
	return append(bytes.Clone(e.instead), p[n:]...)
}

// padded returns p, extended to n bytes with zeros.
func (r *reorderer) padded(p []byte, n uint32) []byte {
	if len(p) == int(n) {
		return p
	}
	r.pad = append(r.pad[:0], p...)
	for len(r.pad) < int(n) {
		r.pad = append(r.pad, zeros[:min(int(n)-len(r.pad), len(zeros))]...)
	}
	return r.pad
}

// skip gives up the missing bytes of a raw direction.
func (r *reorderer) skip(c *conn, raw Direction) {
	h := &c.half[raw]
	first := h.hole.queued[0]
	n := first.seq - h.next
	if c.info.Midstream && c.info.Bytes[raw^c.swapped] == 0 {
		c.reportGap(raw, int64(n), first.at) // the bytes may precede the capture
	} else {
		c.lost(raw, int64(n), first.at)
	}
	seq := h.next
	h.next += n
	for r.fill = n; n > 0; {
		k := min(n, uint32(len(zeros)))
		r.feed(c, raw, seq, zeros[:k])
		seq, n = seq+k, n-k
	}
	r.endIfFilled(c, raw)
}

// maxUnproved bounds the missing bytes that count as lost although the receiver acknowledges
// nothing behind them. It is four times the default receive window.
const maxUnproved = 256 << 10

// overdue gives up the missing bytes of a raw direction. If the receiver acknowledges nothing behind
// them, and again only what is before them, or they are many, it lacks them too: the early segments
// are then given up instead. No receiver accepts bytes behind a FIN.
func (r *reorderer) overdue(c *conn, raw Direction) {
	h := &c.half[raw]
	q := h.hole
	first := q.queued[0].seq
	if !h.fin && (q.isLacked && h.acked == h.next || h.isUnproved(first-h.next)) || h.fin && int32(first-h.finSeq) >= 0 {
		r.w.disbelieved += uint64(len(q.queued))
		r.discard(c, raw)
		return
	}
	r.skip(c, raw)
}

// discard gives up the early segments of a raw direction.
func (r *reorderer) discard(c *conn, raw Direction) {
	h := &c.half[raw]
	for i := range h.hole.queued {
		r.pages -= h.hole.queued[i].pages()
	}
	r.close(c, raw, h.hole)
	h.hole = nil
}

// end gives up everything that is missing in a raw direction when the connection is over.
func (r *reorderer) end(c *conn, raw Direction) {
	for c.half[raw].hole != nil {
		r.overdue(c, raw)
	}
}

// drain gives up everything that is missing in a raw direction.
func (r *reorderer) drain(c *conn, raw Direction) {
	for c.half[raw].hole != nil {
		r.skip(c, raw)
	}
}

// endIfFilled ends the disorder if nothing is queued. Otherwise it starts the wait for the next
// missing segment.
func (r *reorderer) endIfFilled(c *conn, raw Direction) {
	h := &c.half[raw]
	q := h.hole
	q.since = r.w.ticks
	if len(q.queued) > 0 {
		return
	}
	if next := q.offset(h.next); next <= maxOffset/2 {
		r.idle = append(r.idle, assembled{q.id, next})
	} else {
		r.close(c, raw, q)
	}
	h.next -= q.disbelieved
	h.hole = nil
}

// close frees a connection of the assembler. A RST in order closes the half that has bytes, a SYN
// with RST the other half.
func (r *reorderer) close(c *conn, raw Direction, q *disorder) {
	r.assemble(c, raw, q, layers.TCP{RST: true, Seq: q.offset(c.half[raw].next)}, false)
	r.assemble(c, raw, q, layers.TCP{SYN: true, RST: true}, true)
}

func (q *disorder) offset(seq uint32) uint32 { return seq - q.base + q.next }

func (r *reorderer) feed(c *conn, raw Direction, seq uint32, p []byte) {
	q := c.half[raw].hole
	r.assemble(c, raw, q, layers.TCP{Seq: q.offset(seq), BaseLayer: layers.BaseLayer{Payload: p}}, false)
}

func (r *reorderer) assemble(c *conn, raw Direction, q *disorder, tcp layers.TCP, reverse bool) {
	if r.asm == nil {
		r.asm = reassembly.NewAssembler(reassembly.NewStreamPool(r))
	}
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], q.id)
	flow := gopacket.NewFlow(gopacket.EndpointInvalid, id[:], nil)
	if reverse {
		flow = flow.Reverse()
	}
	r.conn, r.dir = c, raw
	r.tcp = tcp
	r.asm.AssembleWithContext(flow, &r.tcp, noContext{})
	r.tcp.Payload = nil
}

// noContext is the context that the assembler requires. The positions are in queuedPart: the
// assembler does not report them reliably.
type noContext struct{}

// GetCaptureInfo implements reassembly.AssemblerContext.
func (noContext) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo{} }

// New implements reassembly.StreamFactory. The reorderer is the stream of every connection: it
// keeps the connection for which it called the assembler.
func (r *reorderer) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return r
}

// Accept implements reassembly.Stream.
func (r *reorderer) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	return true
}

// ReassembledSG implements reassembly.Stream: sg has bytes in order. The bytes fed have no gaps
// and no overlaps, so they are those of the first queued parts.
func (r *reorderer) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	n, _ := sg.Lengths()
	data := sg.Fetch(n)
	k := min(int(r.fill), len(data))
	data, r.fill = data[k:], r.fill-uint32(k)
	h := &r.conn.half[r.dir]
	for len(data) > 0 {
		e := h.hole.queued[0]
		h.hole.queued = h.hole.queued[1:]
		h.hole.pages -= e.pages()
		r.pages -= e.pages()
		length := e.length
		p := r.conn.replaced(r.dir, &e, data[:length])
		h.next += length
		data = data[length:]
		r.conn.deliver(r.dir, p[:e.captured], e.length, e.at)
	}
}

// ReassemblyComplete implements reassembly.Stream.
func (r *reorderer) ReassemblyComplete(reassembly.AssemblerContext) bool { return true }
