package reassembly

import (
	"bytes"
	"math"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

// One connection can be captured in several places: on two VLANs with a router between them,
// before and after address translation, on a node and in a pod. Its addresses, tags and TTL differ
// there; its sequence numbers do not. The sequence and acknowledgement numbers of a segment with
// payload start from 64 random bits (RFC 6528). If they, the length and the first bytes are equal,
// the connection is the same.
const (
	// twinWindow bounds the time between two copies of a segment, in nanoseconds. On one host,
	// copies are microseconds apart. The clocks of two hosts are corrected before.
	twinWindow = 3e9
	// maxMarks bounds the segments to compare with: 4,096 of 40 bytes are 160 KiB. A segment
	// evicts the one in its slot.
	maxMarks = 4096
	// marksPerFlow is how many segments with payload of a connection are compared at its beginning. A
	// copy can be joined at any time. So one later segment in sampled is compared, chosen by its
	// sequence number, and one in each markInterval. That is a shift of nanoseconds: 134 ms.
	marksPerFlow = 64
	sampled      = 4
	markInterval = 27
	// maxHeldItems and heldTime bound the first segments of a joined connection that are held, and
	// for how long, in nanoseconds: until a copy of it is compared. maxHeld bounds what all of them
	// take: 1 MiB. From half of it on, no others are held.
	maxHeldItems = 32
	heldTime     = twinWindow
	maxHeld      = 1 << 20
	itemBytes    = 112 // of an item without its payload
	// markBytes is how many bytes of a segment are compared. It is small for captures with a short
	// snapshot length.
	markBytes = 32
	// minRandom is the lowest sequence number that counts as random. Synthetic captures use small
	// and equal ones. One random number in 4,096 is below it.
	minRandom = 1 << 20
)

// mark is what all copies of a segment have in common.
type mark struct{ seq, ack, length, sum uint32 }

// place returns the segment's slot in flowTable.marks. It is the same in every run.
// Segments of one connection differ in the low bits of their numbers.
func (k *mark) place() uint32 { return (k.seq*0x85ebca6b ^ k.ack*0x9e3779b1) >> 16 % maxMarks }

// marked is a segment, the first flow that had it, and when.
type marked struct {
	mark
	flow   *flow
	stream uint32 // of flow at that time; the slot of flow may be reused since
	dir    Direction
	time   int64
}

// needsMark reports whether to compare a segment of f: some with payload, the SYN, its answer, and
// FINs. Without payload, the FINs of connections with equal sequence numbers do not differ.
func (f *flow) needsMark(s *capture.Segment, clock int64) bool {
	if s.Length == 0 {
		isMidstream := !f.synced[ToBroker] || !f.synced[ToClient]
		return s.Flags&capture.SYN != 0 || s.Flags&capture.FIN != 0 && (f.marks > 0 || isMidstream)
	}
	return f.marks < marksPerFlow || f.held != nil || s.Seq*0x9e3779b1 < math.MaxUint32/sampled || f.marked != uint8(clock>>markInterval)
}

// twin returns the flow with other addresses that had s before, and the direction of s in it. It
// returns nil if there is none. d is the direction of s in f.
func (t *flowTable) twin(f *flow, s *capture.Segment, d Direction, clock int64) (*flow, Direction) {
	if s.Length > 0 {
		f.marks, f.marked = min(f.marks+1, marksPerFlow), uint8(clock>>markInterval)
	}
	k := mark{s.Seq, s.Ack, s.Length, 0}
	if isSYN(s) { // 48 bits: translations mostly keep the client's port
		k.ack = ^uint32(s.SrcPort)
	}
	if k.seq < minRandom || k.ack < minRandom || s.Flags&(capture.SYN|capture.ACK) == 0 {
		return nil, d
	}
	if s.Length > 0 {
		k.sum = fingerprint(s.Payload[:min(len(s.Payload), markBytes)])
	}
	place := k.place()
	known := &t.marks[place]
	if tag := k.seq ^ k.ack ^ k.sum; t.tags[place] != tag {
		t.tags[place] = tag
		*known = marked{k, f, f.stream, d, s.Time}
		return nil, d
	}
	m := *known
	if m.mark == k && m.flow.alias != 0 {
		if m.flow.isTurned {
			m.dir = m.dir.Reverse()
		}
		if m.flow = t.original(m.flow); m.flow != nil {
			m.stream = m.flow.stream
		}
	}
	if m.mark != k || m.flow == nil || m.flow.dead || m.flow.stream != m.stream || s.Time-m.time > twinWindow || m.time-s.Time > twinWindow {
		*known = marked{k, f, f.stream, d, s.Time}
		return nil, d
	}
	if m.flow == f || m.flow.unwanted || f.unwanted {
		return nil, d
	}
	return m.flow, m.dir
}

func isSYN(s *capture.Segment) bool { return s.Flags&(capture.SYN|capture.ACK) == capture.SYN }

// join makes f a copy of first: direction d of f is direction e of first. isLater says that first
// had the segment before f.
func (t *flowTable) join(f, first *flow, d, e Direction, isLater bool, at capture.Position) {
	if f.numbered != first.numbered && first.elsewhere == nil {
		first.elsewhere = &[]captureNumber{{f.numbered, f.number}}
	}
	if f.isTurned = d != e; f.isTurned {
		f.ttl[0], f.ttl[1] = f.ttl[1], f.ttl[0]
	}
	if f.over() { // it is counted already
		t.inactive--
	}
	t.addCopy(f, first, isLater == (e == ToBroker), at)
}

// held are the first items of a joined connection, which may be a copy of another one. They can
// still go to that one.
type held struct {
	flow  *flow // nil when they were released
	items []item
	bytes int
	since int64 // of the Pool's clock
}

// mergeTwins looks for a flow with other addresses that had the same segment. If there is one, it
// merges the two connections. It returns the flow and the direction of the segment.
func (p *Pool[R]) mergeTwins(s *slot[R], f *flow, seg *capture.Segment, dir Direction) (*flow, Direction) {
	first, e := p.table.twin(f, seg, dir, p.clock)
	if first == nil {
		return f, dir
	}
	if seg.Flags&(capture.SYN|capture.ACK) == capture.SYN|capture.ACK {
		later := f
		if first.stream > f.stream {
			later = first
		}
		later.isSuspect = true
		return f, dir
	}
	copied, d, isLater := f, dir, true
	if first.stream > f.stream && first.isMovable() || !copied.isMovable() {
		first, copied, d, e, isLater = f, first, e, dir, false
	}
	if !copied.isMovable() || first.conn == endedConn && copied.conn != nil {
		return f, dir
	}
	p.table.join(copied, first, d, e, isLater, seg.Position)
	if copied.conn != nil {
		p.move(s, copied, first, d != e)
	}
	if first != f {
		p.table.note(first, seg, e)
	}
	return first, e
}

// isMovable reports whether no shard has items of f.
func (f *flow) isMovable() bool { return f.conn == nil || f.held != nil }

// move passes the items of a copied flow to the connection of the original, in the order of their
// packets.
func (p *Pool[R]) move(s *slot[R], copied, to *flow, isTurned bool) {
	if to.conn == nil {
		p.open(to)
	}
	for _, it := range p.unhold(copied) {
		if it.conn = to.conn; isTurned {
			it.dir = it.dir.Reverse()
		}
		p.pass(s, to, it)
	}
	copied.conn = nil
	p.table.silent++
	if h := to.held; h != nil {
		slices.SortStableFunc(h.items, func(a, b item) int { return a.at.Compare(b.at) })
	}
}

// hold begins to hold the items of f if its first payload, in direction d, may be a copy of bytes
// from another place: of a suspected copy, of a joined connection, or a response, which is first
// captured behind the translation.
func (p *Pool[R]) hold(f *flow, d Direction) {
	isFirst := d == ToBroker && !f.isSuspect && (f.synced[ToBroker] || f.synced[ToClient])
	if isFirst || p.heldBytes > maxHeld/2 {
		return
	}
	f.held = &held{flow: f, since: p.clock}
	p.held = append(p.held, f.held)
}

// pass passes an item of f to its shard, or holds it.
func (p *Pool[R]) pass(s *slot[R], f *flow, it item) {
	h := f.held
	if h == nil {
		i := f.stream % shards
		s.items[i] = append(s.items[i], it)
		return
	}
	if it.isWrong() { // its packet is not kept
		p.table.disbelieved++
		return
	}
	it.payload, it.covered, it.isProven = bytes.Clone(it.payload), capture.Covered{}, false
	h.items = append(h.items, it)
	h.bytes += itemBytes + len(it.payload)
	p.heldBytes += itemBytes + len(it.payload)
	if len(h.items) >= maxHeldItems || p.heldBytes > maxHeld {
		p.release(s, f)
	}
}

// unhold returns the items of f that are held, and holds none any more.
func (p *Pool[R]) unhold(f *flow) []item {
	h := f.held
	if h == nil {
		return nil
	}
	p.heldBytes -= h.bytes
	items := h.items
	f.held, h.flow, h.items = nil, nil, nil
	return items
}

// release passes on the items of f that are held.
func (p *Pool[R]) release(s *slot[R], f *flow) {
	i := f.stream % shards
	s.items[i] = append(s.items[i], p.unhold(f)...)
}

// releaseOld passes on what was held for long enough.
func (p *Pool[R]) releaseOld(s *slot[R]) {
	for len(p.held) > 0 && (p.held[0].flow == nil || p.clock-p.held[0].since >= heldTime) {
		if f := p.held[0].flow; f != nil {
			p.release(s, f)
		}
		p.held = p.held[1:]
	}
}

// isCopied reports whether a segment on another VLAN is a copy of one of f: it has the initial
// sequence number of its direction, or repeats the latest segment. Equal addresses on two VLANs
// alone are two connections.
func (f *flow) isCopied(s *capture.Segment, d Direction) bool {
	if !f.seen[d] {
		return false
	}
	if s.Flags&capture.SYN != 0 {
		return f.synced[d] && s.Seq == f.base[d]
	}
	return s.Length > 0 && s.Seq+s.Length == f.last[d]
}
