package evidence

import (
	"container/list"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

// The limits of a recorder for any length of the input: 8 MiB and 5 MiB for the window, 16 MiB for
// packets kept from it, 9 MiB for the connections, 16 MiB for exhibits: 54 MiB at most.
const (
	// windowBytes and windowPackets bound the newest packets. All of them are held, because a
	// finding appears some batches after its packets. 4 batches in progress and one being read,
	// each of 512 KiB or 2,048 packets, are 2.5 MiB or 10,240 packets.
	windowBytes   = 8 << 20
	windowPackets = 6 * 8192
	// headPackets and headBytes bound the first packets of each connection: TCP handshake, TLS
	// handshake with a certificate chain (5 KiB), ApiVersions (1 KiB), SASL, acknowledgements.
	headPackets = 32
	headBytes   = 16 << 10
	// tailPackets and tailBytes bound the last packets of a connection that is now silent. A
	// request without an answer becomes a finding only when the client gives up.
	tailPackets = 16
	tailBytes   = 16 << 10
	// keptBytes bounds all heads and tails. Beyond it, the longest silent connection is evicted.
	keptBytes = 16 << 20
	// maxRecords bounds the connections: 32,768 of 280 bytes, including the map, are 9 MiB.
	maxRecords = 1 << 15
	// keptOverhead is the memory of a kept packet in addition to its bytes: 88 bytes, half as much
	// for spare capacity of slices, and the rounding of its allocation.
	keptOverhead = 160
	// maxAdverts is how many ApiVersions answers of a connection are recorded: the last ones.
	maxAdverts = 4
)

// seen is a packet with the fields of its segment.
type seen struct {
	at capture.Position
	// data is the captured packet. payload is the offset of the TCP payload in it, -1 if the
	// segment came in IP fragments. wire is the length of the payload on the wire.
	data    []byte
	payload int32
	wire    uint32
	length  uint32
	link    capture.LinkType
	iface   uint32
	seq     uint32
	flags   capture.TCPFlags
	// stream is the stream number of the connection. index counts its packets from 0.
	stream, index uint32
	// back: the sender is not the sender of the connection's first packet.
	back bool
	// changed: data was overwritten.
	changed bool
}

func (s *seen) clone() seen {
	c := *s
	c.data = slices.Clone(s.data)
	return c
}

func (s *seen) cost() int { return len(s.data) + keptOverhead }

func costOf(packets []seen) int { return bytesOf(packets) + len(packets)*keptOverhead }

func (s *seen) text() []byte {
	if s.payload < 0 {
		return nil
	}
	from := int(s.payload)
	return s.data[from : from+int(min(int64(s.wire), int64(len(s.data)-from)))]
}

// keptPacket is a packet of the window. Its data is in the window's memory.
type keptPacket struct {
	seen
	record *record
	// start is how many bytes had been written to the window's memory before it.
	start int64
	// before is the number (see recorder.next) of the connection's previous packet, plus 1.
	before uint64
}

// record holds the kept packets of one connection.
type record struct {
	stream uint32
	// place is its element in recorder.active.
	place   *list.Element
	packets uint32
	// openerAddr and openerPort are the sender of the first packet.
	openerAddr [16]byte
	openerPort uint16
	inWindow   int
	// newest is the number of its newest packet in the window, plus 1.
	newest uint64
	// head are its first packets that left the window, tail the last ones. extra is the last
	// ApiVersions exchange after the head.
	head, tail, extra  []seen
	headSize, tailSize int
	adverts            []capture.Position
	exhibit            *exhibit
	dropped            bool
}

// recorder keeps the packets that may become evidence.
type recorder struct {
	memory []byte
	// written counts the bytes written to memory, including the unused bytes at its end.
	written int64
	ring    []keptPacket
	// The window has the packets with numbers from first up to but not including next.
	first, next uint64
	records     map[uint32]*record
	last        *record
	// active are the records (*record), ordered by their latest packet, the oldest first.
	active list.List
	kept   int
}

func newRecorder() recorder {
	return recorder{memory: make([]byte, windowBytes), ring: make([]keptPacket, windowPackets), records: map[uint32]*record{}}
}

func (r *recorder) take(stream uint32, p *capture.Packet, s *capture.Segment) (*record, *keptPacket) {
	c := r.record(stream)
	at, start := r.room(len(p.Data))
	data := r.memory[at : at+len(p.Data) : at+len(p.Data)]
	copy(data, p.Data)
	e := &r.ring[r.next%windowPackets]
	*e = keptPacket{record: c, before: c.newest, start: start, seen: newSeen(p, s)}
	if c.packets == 0 {
		c.openerAddr, c.openerPort = s.Src, s.SrcPort
	}
	e.data, e.stream, e.index = data, stream, c.packets
	e.back = s.SrcPort != c.openerPort || s.Src != c.openerAddr
	r.next++
	c.newest = r.next
	c.packets++
	c.inWindow++
	return c, e
}

// newSeen returns a packet whose data still belongs to p.
func newSeen(p *capture.Packet, s *capture.Segment) seen {
	l := seen{
		at: p.Position, data: p.Data, payload: -1, length: p.Length, link: p.Link, iface: p.Interface,
		seq: s.Seq, wire: s.Length, flags: s.Flags,
	}
	if !s.Fragmented {
		l.payload = int32(min(cap(p.Data)-cap(s.Payload), len(p.Data))) // Payload is a part of Data
	}
	return l
}

func (c *record) initiator() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(c.openerAddr).Unmap(), c.openerPort)
}

// room frees n contiguous bytes of the window's memory, and one entry of the ring. It returns
// their offset, and how many bytes were written before them.
func (r *recorder) room(n int) (at int, start int64) {
	at = int(r.written % windowBytes)
	if at+n > windowBytes {
		r.written += int64(windowBytes - at)
		at = 0
	}
	start = r.written
	r.written += int64(n)
	for r.first < r.next && (r.written-r.ring[r.first%windowPackets].start > windowBytes || r.next-r.first >= windowPackets) {
		r.popWindow()
	}
	return at, start
}

// popWindow removes the oldest packet from the window. It keeps the packet if it belongs to the
// head or the tail of its connection.
func (r *recorder) popWindow() {
	e := &r.ring[r.first%windowPackets]
	r.first++
	c := e.record
	c.inWindow--
	switch {
	case c.dropped:
	case e.index < headPackets && c.headSize+len(e.data) <= headBytes:
		c.head = append(c.head, e.clone())
		c.headSize += len(e.data)
		r.kept += e.cost()
	case c.inWindow < tailPackets:
		r.keepLast(c, e)
	}
	e.record = nil
	for r.kept > keptBytes && r.active.Len() > 0 {
		r.evictOldest()
	}
}

func (r *recorder) keepLast(c *record, e *keptPacket) {
	c.tail = append(c.tail, e.clone())
	c.tailSize += len(e.data)
	r.kept += e.cost()
	for len(c.tail) > tailPackets || c.tailSize > tailBytes && len(c.tail) > 1 {
		c.tailSize -= len(c.tail[0].data)
		r.kept -= c.tail[0].cost()
		c.tail = slices.Delete(c.tail, 0, 1)
	}
}

// keepAlso keeps packets after the head of a connection longer than the window does. They replace
// the packets of the last call.
func (r *recorder) keepAlso(c *record, packets []seen) {
	r.kept += costOf(packets) - costOf(c.extra)
	c.extra = c.extra[:0]
	for i := range packets {
		c.extra = append(c.extra, packets[i].clone())
	}
}

// record returns the record of a connection. It creates it if necessary.
func (r *recorder) record(stream uint32) *record {
	if r.last != nil && r.last.stream == stream && !r.last.dropped {
		return r.last
	}
	c := r.records[stream]
	if c == nil {
		if len(r.records) >= maxRecords {
			r.evictOldest()
		}
		c = &record{stream: stream}
		c.place = r.active.PushBack(c)
		r.records[stream] = c
	} else {
		r.active.MoveToBack(c.place)
	}
	r.last = c
	return c
}

// evictOldest evicts the connection that has been silent longest.
func (r *recorder) evictOldest() {
	c := r.active.Remove(r.active.Front()).(*record)
	delete(r.records, c.stream)
	r.kept -= costOf(c.head) + costOf(c.tail) + costOf(c.extra)
	c.head, c.tail, c.extra, c.dropped = nil, nil, nil, true
}

// packets returns the kept packets of a connection in order, valid until the next call of take.
func (r *recorder) packets(c *record) []seen {
	var recent []seen
	for n := c.newest; n > r.first; {
		e := &r.ring[(n-1)%windowPackets]
		recent = append(recent, e.seen)
		n = e.before
	}
	slices.Reverse(recent)
	all := slices.Concat(c.head, c.extra, c.tail, recent)
	slices.SortStableFunc(all, func(a, b seen) int { return int(a.index) - int(b.index) })
	return slices.CompactFunc(all, func(a, b seen) bool { return a.index == b.index })
}
