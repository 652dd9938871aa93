package reassembly

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxFlows bounds the TCP connections in the table, with payload or
	// without: 262,144 flows of 152 bytes are 38 MiB.
	maxFlows = 1 << 18
	// maxSilentFlows bounds those of them that never carried a byte of payload, as a
	// flood of SYNs makes them: 65,536 of 152 bytes are 9.5 MiB.
	maxSilentFlows = 1 << 16
	// flowChunk is how many flows are allocated together: 152 KiB.
	flowChunk = 1024
	// evictionScan is how many flows are looked at for the one to give up when
	// there are too many.
	evictionScan = 32
	// maxElsewhere bounds the captures other than the latest in which a connection keeps its
	// number: hosts at both ends and on the way, each twice.
	maxElsewhere = 8
	// sameFlowWindow is how far sequence numbers of two copies of one connection
	// may be apart: the default maximum TCP receive buffer of Linux is 6 MiB.
	sameFlowWindow = 8 << 20
)

// flow is what the dispatcher keeps of a TCP connection: enough to give it its
// stream number and its conn. It belongs to the dispatching goroutine.
type flow struct {
	a, b         [16]byte // a is the side that sent the SYN, or else the first packet
	aPort, bPort uint16
	depth        uint8
	seen         [2]bool  // by direction, 0 is from a
	synced       [2]bool  // base is that of a SYN
	closed       uint8    // bit 0, 1: FIN of that direction; bit 2: RST
	dead         bool     // slot is free
	unwanted     bool     // kept out by Options.Want
	isNumberOnly bool     // the capture has no segment of it, only headers (Segment.NumberOnly)
	hasChecksums [2]bool  // a segment of that direction had a good checksum
	ttl          [2]uint8 // of the first segment of that direction that opens, carries or ends something
	isChallenged bool     // a SYN waits in flowTable.challenges
	acked        bool     // the base of the direction that was not seen is one less than what was acknowledged first
	stream       uint32
	base         [2]uint32 // sequence number of the SYN, or one less than the first
	last         [2]uint32 // sequence number after the last segment
	domain       uint64
	hash         uint32
	next         uint32 // following flow of the bucket, +1
	alias        uint32 // flow that this one is a copy of, +1
	isTurned     bool   // the copy's directions are the other way round
	marks        uint8  // segments compared by flowTable.twin
	batch        uint32 // the lower half of the number of the batch in which conn was made
	capture      uint32
	first        uint64 // frame
	firstTime    int64
	lastTime     int64 // of the clock of the pool, not of packets
	conn         *conn // nil until there is payload, endedConn when it is over
	// number is the stream number within the capture numbered; elsewhere, nil for most,
	// holds those within other captures.
	number, numbered uint32
	elsewhere        *[]captureNumber
}

// captureNumber is the number of a connection within a capture.
type captureNumber struct{ capture, number uint32 }

// flowTable finds the flow of a segment and numbers new ones as Wireshark's
// tcp.stream does: in order of first appearance, a reused port pair being new.
type flowTable struct {
	seed     maphash.Seed
	chunks   []*[flowChunk]flow
	free     []uint32
	used     uint32 // slots handed out so far
	buckets  []uint32
	live     int // flows in the table
	silent   int // of them without conn
	inactive int // of them over, or a copy of another
	streams  uint32
	numbers  []uint32 // streams by capture
	hand     uint32
	limits   *Limits
	// marks are the latest first segments of connections, by mark.place.
	marks *[maxMarks]marked
	// challenges are SYNs on live connections, disbelieved counts those that nothing confirmed so
	// far.
	challenges  map[*flow]challenge
	disbelieved uint64
	// release is called for a flow that leaves the table, unless it is a copy of another or
	// unwanted.
	release func(*flow, EndKind)
}

func newFlowTable(limits *Limits, release func(*flow, EndKind)) *flowTable {
	return &flowTable{seed: maphash.MakeSeed(), buckets: make([]uint32, 1024), challenges: map[*flow]challenge{}, marks: new([maxMarks]marked), limits: limits, release: release}
}

func (t *flowTable) at(i uint32) *flow { return &t.chunks[i/flowChunk][i%flowChunk] }

// hash is the same for both directions. The seed goes over the whole key, so that no sender can
// craft addresses and ports that all fall into one bucket.
func (t *flowTable) hash(s *capture.Segment) uint32 {
	src0, src1 := binary.LittleEndian.Uint64(s.Src[8:]), binary.LittleEndian.Uint64(s.Src[:])
	dst0, dst1 := binary.LittleEndian.Uint64(s.Dst[8:]), binary.LittleEndian.Uint64(s.Dst[:])
	ports := uint32(s.SrcPort)<<16 | uint32(s.DstPort)
	if src0 > dst0 || src0 == dst0 && (src1 > dst1 || src1 == dst1 && s.SrcPort > s.DstPort) {
		src0, src1, dst0, dst1 = dst0, dst1, src0, src1
		ports = ports<<16 | ports>>16
	}
	var key [4*8 + 4]byte
	binary.LittleEndian.PutUint64(key[0:], src0)
	binary.LittleEndian.PutUint64(key[8:], src1)
	binary.LittleEndian.PutUint64(key[16:], dst0)
	binary.LittleEndian.PutUint64(key[24:], dst1)
	binary.LittleEndian.PutUint32(key[32:], ports)
	return uint32(maphash.Bytes(t.seed, key[:]))
}

// lookup returns the flow that the segment belongs to and its direction in it (0
// is from a), making the flow if need be. fresh reports that it was made now.
func (t *flowTable) lookup(s *capture.Segment) (f *flow, dir Direction, fresh bool) {
	h := t.hash(s)
	var other *flow // the same addresses in another domain
	var otherDir Direction
	for i := t.buckets[h&uint32(len(t.buckets)-1)]; i != 0; i = f.next {
		f = t.at(i - 1)
		if f.hash != h {
			continue
		}
		d, ok := f.direction(s)
		if !ok {
			continue
		}
		if f.domain != s.Domain || f.depth != s.Depth {
			if f.alias == 0 && other == nil && f.copyOf(s, d) {
				other, otherDir = f, d
			}
			continue
		}
		if f.alias != 0 {
			original := t.original(f)
			if original == nil {
				break
			}
			if e, ok := original.direction(s); ok {
				d = e
			} else if f.isTurned {
				d = d.Reverse()
			}
			f = original
		}
		if s.Flags&(capture.SYN|capture.ACK) == capture.SYN && f.begunBefore(s.Seq, d) {
			if f.discards(s, d) {
				t.disbelieved++
				return nil, d, false
			}
			if f.isLive() {
				t.challenge(f, s)
				return nil, d, false
			}
			t.drop(f, Replaced)
			break
		}
		if f.isChallenged {
			if g := t.replaced(f, s); g != nil {
				d, _ = g.direction(s)
				return g, d, true
			}
		}
		return f, d, false
	}
	if other != nil {
		f = t.insert(s, h)
		f.alias, f.stream = t.index(other)+1, other.stream
		t.inactive++
		return other, otherDir, false
	}
	f = t.insert(s, h)
	f.stream = t.streams
	t.streams++
	f.numbered, f.number = s.Capture, t.nextNumber(s.Capture)
	d, _ := f.direction(s)
	return f, d, true
}

// original is the flow that f is a copy of; nil where its place was given to another since.
func (t *flowTable) original(f *flow) *flow {
	if o := t.at(f.alias - 1); !o.dead && o.alias == 0 && o.stream == f.stream {
		return o
	}
	return nil
}

// nextNumber is the next free stream number of a capture.
func (t *flowTable) nextNumber(capture uint32) uint32 {
	for int(capture) >= len(t.numbers) {
		t.numbers = append(t.numbers, 0)
	}
	t.numbers[capture]++
	return t.numbers[capture] - 1
}

// number is the stream number of f within a capture in which it has a packet.
func (t *flowTable) number(f *flow, capture uint32) uint32 {
	if f.numbered != capture {
		t.renumber(f, capture)
	}
	return f.number
}

// renumber has f remember its number within another capture, or gives it one.
func (t *flowTable) renumber(f *flow, capture uint32) {
	if f.elsewhere == nil {
		f.elsewhere = new([]captureNumber)
	}
	before := captureNumber{f.numbered, f.number}
	f.numbered = capture
	for i, e := range *f.elsewhere {
		if e.capture == capture {
			f.number = e.number
			(*f.elsewhere)[i] = before
			return
		}
	}
	if len(*f.elsewhere) == maxElsewhere {
		*f.elsewhere = slices.Delete(*f.elsewhere, 0, 1)
	}
	*f.elsewhere = append(*f.elsewhere, before)
	f.number = t.nextNumber(capture)
}

// firstNumber is the number of f within the capture of its first packet.
func (f *flow) firstNumber() uint32 {
	if f.elsewhere != nil {
		for _, e := range *f.elsewhere {
			if e.capture == f.capture {
				return e.number
			}
		}
	}
	return f.number
}

// direction returns the direction of f in which the segment travels, and whether it has f's
// addresses at all.
func (f *flow) direction(s *capture.Segment) (Direction, bool) {
	if f.aPort == s.SrcPort && f.bPort == s.DstPort && f.a == s.Src && f.b == s.Dst {
		return ToBroker, true
	}
	return ToClient, f.aPort == s.DstPort && f.bPort == s.SrcPort && f.a == s.Dst && f.b == s.Src
}

// begunBefore reports whether f is an older connection than the one that a SYN of direction d
// begins. Where nothing of that direction was seen, the other side may have acknowledged more than
// the SYN, which came late, but not less.
func (f *flow) begunBefore(seq uint32, d Direction) bool {
	switch {
	case f.seen[d]:
		return seq != f.base[d]
	case f.acked:
		return f.base[d]-seq >= maxHole
	}
	return false
}

// copyOf reports whether a segment from another domain belongs to f all the same: it is a copy of
// f's traffic seen inside a tunnel and outside, or with a tag and without (as the interfaces of a
// bridge give it), or the other direction of a link whose two directions are tagged differently
// (as mirror ports do). Equal addresses on two VLANs are two connections.
func (f *flow) copyOf(s *capture.Segment, d Direction) bool {
	if (f.depth != s.Depth || (f.domain == 0) != (s.Domain == 0)) && f.seen[d] {
		if s.Flags&capture.SYN != 0 {
			return s.Seq == f.base[d]
		}
		return near(s.Seq, f.last[d])
	}
	if f.isCopied(s, d) {
		return true
	}
	r := d.Reverse()
	return !f.seen[d] && f.seen[r] && s.Flags&capture.ACK != 0 && near(s.Ack, f.last[r])
}

func near(a, b uint32) bool { return within(a, b, sameFlowWindow-1) }

// note records what later lookups need to know of the segment.
func (f *flow) note(s *capture.Segment, d Direction) {
	switch {
	case s.Flags&capture.SYN != 0:
		f.base[d], f.synced[d] = s.Seq, true
	case !f.seen[d] && !f.isAnswered(d):
		f.base[d] = s.Seq - 1
	}
	f.seen[d] = true
	if r := d.Reverse(); !f.seen[r] && s.Flags&capture.ACK != 0 && (!f.acked || s.Flags&capture.SYN != 0) {
		f.base[r], f.acked = s.Ack-1, true
	}
	f.last[d] = s.Seq + s.Length
	if s.Flags&capture.FIN != 0 {
		f.closed |= 1 << d
	}
	if s.Flags&capture.RST != 0 {
		f.closed |= 4
	}
}

// isAnswered reports whether base[d] is that of a SYN that was not captured: only its answer was.
func (f *flow) isAnswered(d Direction) bool {
	return d == ToBroker && !f.synced[ToBroker] && f.synced[ToClient] && f.acked
}

// note calls flow.note and counts flows that end.
func (t *flowTable) note(f *flow, s *capture.Segment, d Direction) {
	before := f.over()
	f.note(s, d)
	if f.over() && !before {
		t.inactive++
	}
}

// over reports whether the flow has ended: by a FIN of each side, or by a RST.
func (f *flow) over() bool { return f.closed&4 != 0 || f.closed&3 == 3 }

func (t *flowTable) insert(s *capture.Segment, h uint32) *flow {
	if t.silent >= maxSilentFlows {
		t.limits.SilentFlows++
		t.evict(func(f *flow) bool { return f.conn == nil })
	}
	if t.live >= maxFlows {
		t.limits.Flows++
		t.evict(func(*flow) bool { return true })
	}
	if t.live >= len(t.buckets) {
		t.grow()
	}
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		i = t.used
		t.used++
		if int(i/flowChunk) == len(t.chunks) {
			t.chunks = append(t.chunks, new([flowChunk]flow))
		}
	}
	f := t.at(i)
	b := &t.buckets[h&uint32(len(t.buckets)-1)]
	*f = flow{domain: s.Domain, depth: s.Depth, hash: h, next: *b}
	f.appear(s)
	*b = i + 1
	t.live++
	t.silent++
	return f
}

// appear sets the addresses and the first packet of f, by its first segment.
func (f *flow) appear(s *capture.Segment) {
	f.a, f.b, f.aPort, f.bPort = s.Src, s.Dst, s.SrcPort, s.DstPort
	f.first, f.firstTime, f.capture, f.isNumberOnly = s.Frame, s.Time, s.Capture, false
	if s.Flags&(capture.SYN|capture.ACK) == capture.SYN|capture.ACK { // the SYN itself was not seen
		f.a, f.b, f.aPort, f.bPort = f.b, f.a, f.bPort, f.aPort
	}
}

// numberOnly gives the connection of a header that is no segment a stream number
// (Segment.NumberOnly). It ignores the flags and numbers of that header.
func (t *flowTable) numberOnly(s *capture.Segment, clock int64) {
	s.Flags, s.Seq, s.Ack = 0, 0, 0
	f, _, fresh := t.lookup(s)
	if fresh {
		f.isNumberOnly = true
		f.lastTime = clock
	}
	t.number(f, s.Capture)
}

func (t *flowTable) grow() {
	t.buckets = make([]uint32, 2*len(t.buckets))
	for i := range t.used {
		if f := t.at(i); !f.dead {
			b := &t.buckets[f.hash&uint32(len(t.buckets)-1)]
			f.next, *b = *b, i+1
		}
	}
}

func (t *flowTable) index(f *flow) uint32 {
	for i := t.buckets[f.hash&uint32(len(t.buckets)-1)]; i != 0; i = t.at(i - 1).next {
		if t.at(i-1) == f {
			return i - 1
		}
	}
	panic("reassembly: flow is not in its bucket")
}

func (t *flowTable) drop(f *flow, how EndKind) {
	i := t.index(f)
	p := &t.buckets[f.hash&uint32(len(t.buckets)-1)]
	for *p != i+1 {
		p = &t.at(*p - 1).next
	}
	*p = f.next
	if f.conn == nil {
		t.silent--
	}
	if f.alias == 0 && !f.unwanted {
		t.release(f, how)
	}
	if f.over() || f.alias != 0 {
		t.inactive--
	}
	t.live--
	if f.isChallenged {
		delete(t.challenges, f)
	}
	*f = flow{dead: true}
	t.free = append(t.free, i)
}

// evict gives up the flow that was silent for longest among the next few that
// may go, those that are over first.
func (t *flowTable) evict(may func(*flow) bool) {
	var victim *flow
	for looked := 0; looked < evictionScan; {
		if t.hand >= t.used {
			t.hand = 0
		}
		f := t.at(t.hand)
		t.hand++
		if f.dead || !may(f) {
			continue
		}
		looked++
		if victim == nil || f.over() && !victim.over() || f.over() == victim.over() && f.lastTime < victim.lastTime {
			victim = f
		}
		if looked >= t.live {
			break
		}
	}
	t.drop(victim, Expired)
}

// expire drops the flows that were silent since before the given times: idle for those
// that are open, over for the others.
func (t *flowTable) expire(idle, over int64) {
	for i := range t.used {
		f := t.at(i)
		if f.dead {
			continue
		}
		if f.alias != 0 && t.original(f) != nil {
			continue
		}
		limit := idle
		if f.over() {
			limit = over
		}
		if f.lastTime < limit {
			t.drop(f, Expired)
		}
	}
}

// all calls fn for every flow that is no copy of another, in order of stream number.
func (t *flowTable) all(fn func(*flow)) {
	flows := make([]*flow, 0, t.live)
	for i := range t.used {
		if f := t.at(i); !f.dead && f.alias == 0 {
			flows = append(flows, f)
		}
	}
	slices.SortFunc(flows, func(a, b *flow) int { return cmp.Compare(a.stream, b.stream) })
	for _, f := range flows {
		fn(f)
	}
}

// addrPort makes a netip.AddrPort of a segment's address.
func addrPort(addr [16]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(addr).Unmap(), port)
}
