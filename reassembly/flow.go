package reassembly

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxFlows bounds the TCP connections in the table, with payload or without: 262,144 flows of
	// 176 bytes are 44 MiB.
	maxFlows = 1 << 18
	// maxSilentFlows bounds the connections without payload, for example in a SYN flood: 65,536 of
	// 176 bytes are 11 MiB.
	maxSilentFlows = 1 << 16
	// flowChunk is how many flows are allocated together: 176 KiB.
	flowChunk = 1024
	// evictionScan is how many flows are compared to choose one to evict.
	evictionScan = 32
	// maxNetworks bounds the connections with the same addresses and ports in different networks:
	// VLANs, tunnels and their depths. Each segment is compared with all of them. A host, its node
	// and a router, each with and without a tunnel, are six.
	maxNetworks = 16
	// maxElsewhere bounds the captures, other than the latest, in which a connection keeps its
	// number: hosts at both ends and between them, each twice.
	maxElsewhere = 8
	// sameFlowWindow is how far sequence numbers of two copies of one connection may differ, in
	// bytes. The default maximum TCP receive buffer of Linux is 6 MiB.
	sameFlowWindow = 8 << 20
)

// flow is what the dispatching goroutine keeps of a TCP connection: what it needs to find its
// stream number and its conn. It belongs to that goroutine.
type flow struct {
	a, b         [16]byte // a sent the SYN, or without a SYN, the first packet
	aPort, bPort uint16
	depth        uint8
	seen         [2]bool  // by direction; 0 is from a
	synced       [2]bool  // base comes from a SYN
	closed       uint8    // bits 0 and 1: FIN of that direction; bit 2: RST
	dead         bool     // the slot is free
	unwanted     bool     // excluded by Options.Want
	isNumberOnly bool     // the capture has only headers of it, no segment (Segment.NumberOnly)
	proof        [2]int8  // by direction: above 0, the sender writes correct checksums (flow.prove)
	stamped      int8     // above 0, both sides use timestamps
	ttl          [2]uint8 // of the direction's first segment with a SYN, FIN, RST or payload
	isChallenged bool     // a SYN waits in flowTable.challenges
	isRival      bool     // another connection may have the same addresses (flowTable.rival)
	isReplaced   bool     // a later SYN began a connection, and this one has not gone on since
	acked        bool     // base of the unseen direction is one less than its first acknowledgement
	isTurned     bool     // of a copy: its directions are reversed
	isFarther    bool     // of a copy: captured nearer to b than the original, as far as the order of arrival shows
	isSuspect    bool     // another connection had the same initial sequence numbers before
	marks        uint8    // segments compared by flowTable.twin, at most marksPerFlow
	marked       uint8    // when the latest of them was compared: low bits of Pool.clock >> markInterval
	stream       uint32
	base         [2]uint32 // sequence number of the SYN, or one less than the first
	last         [2]uint32 // sequence number behind the last segment
	stamps       [2]uint32 // by direction: the latest timestamp (RFC 7323); 0 for none
	domain       uint64
	hash         uint32
	next         uint32 // next flow of the bucket, +1
	alias        uint32 // flow that this one is a copy of, +1
	copies       uint32 // the latest copy of this flow; of a copy, the one before it; +1
	capture      uint32
	first        uint64 // frame number
	firstTime    int64
	lastTime     int64 // of the Pool's clock, not of packets
	conn         *conn // nil before payload, endedConn when it is over
	held         *held // the first items of conn; nil if the shard gets them at once
	// number is the stream number within capture numbered. elsewhere, usually nil, holds those
	// within other captures.
	number, numbered uint32
	elsewhere        *[]captureNumber
}

// captureNumber is the number of a connection within a capture.
type captureNumber struct{ capture, number uint32 }

// flowTable finds the flow of a segment. It numbers new flows as Wireshark's tcp.stream does: in
// order of first appearance, and a reused port pair is a new one.
type flowTable struct {
	seed     maphash.Seed
	chunks   []*[flowChunk]flow
	free     []uint32
	used     uint32 // slots ever allocated
	buckets  []uint32
	live     int // flows in the table
	silent   int // of them without conn
	inactive int // of them over, or a copy of another
	streams  uint32
	numbers  []uint32 // streams by capture
	hand     uint32
	limits   *Limits
	// behind has the addresses that are translated (flowTable.translate).
	behind map[endpoint]endpoint
	// marks hold the first segments with payload of recent connections, by mark.place. tags are
	// small enough for the first cache: most segments differ in them, and marks is not read.
	marks *[maxMarks]marked
	tags  [maxMarks]uint32
	// challenges are SYNs on live connections. disbelieved counts discarded segments and SYNs that
	// nothing has confirmed so far.
	challenges  map[*flow]challenge
	disbelieved uint64
	// release is called for a flow that leaves the table, unless it is a copy of another or
	// unwanted.
	release func(*flow, EndKind)
	// relocate is called for a flow whose conn a shard has, with a twinItem.
	relocate func(*flow, item)
}

func newFlowTable(limits *Limits, release func(*flow, EndKind), relocate func(*flow, item)) *flowTable {
	return &flowTable{seed: maphash.MakeSeed(), buckets: make([]uint32, 1024), challenges: map[*flow]challenge{}, behind: map[endpoint]endpoint{}, marks: new([maxMarks]marked), limits: limits, release: release, relocate: relocate}
}

func (t *flowTable) at(i uint32) *flow { return &t.chunks[i/flowChunk][i%flowChunk] }

// hash is the same for both directions. The seed covers the whole key, so no sender can choose
// addresses and ports that all fall into one bucket.
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

// lookup returns the flow of a segment and its direction in it (0 is from a). If there is none, it
// makes one, and fresh is true. It returns nil for a segment that is discarded or kept back.
func (t *flowTable) lookup(s *capture.Segment) (f *flow, dir Direction, fresh bool) {
	h := t.hash(s)
	var other *flow // same addresses in another domain
	var otherDir Direction
	networks := 0
	for i := t.buckets[h&uint32(len(t.buckets)-1)]; i != 0; i = f.next {
		f = t.at(i - 1)
		if f.hash != h {
			continue
		}
		d, ok := f.rawDirection(s)
		if !ok {
			continue
		}
		if f.domain != s.Domain || f.depth != s.Depth {
			networks++
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
			if f.isTurned {
				d = d.Reverse()
			}
			if isSYN(s) && original.begunBefore(s.Seq, d) { // another connection uses the ports again
				t.drop(f, Replaced)
				break
			}
			if f.ttl[d] == 0 {
				if f.ttl[d] = s.TTL(); f.ttl[d] != 0 {
					t.place(f, original, s.Position)
				}
			}
			f = original
		}
		if f.isRival {
			if g := t.rival(s, f); g != f {
				f = g
				d, _ = f.rawDirection(s)
			}
		}
		if s.Flags&capture.SYN != 0 || f.isChallenged {
			g, e, isNew := t.begin(f, s, d)
			return g, e, isNew
		}
		if f.isReplaced && s.Length > 0 {
			f.isReplaced = false
			t.disbelieved++
		}
		return f, d, false
	}
	if networks >= maxNetworks {
		t.evictNetwork(s, other)
	}
	if other != nil {
		f = t.insert(s, h)
		d, _ := f.rawDirection(s)
		f.isTurned = d != otherDir
		f.ttl[otherDir] = s.TTL()
		t.addCopy(f, other, (otherDir == ToBroker) == other.seen[otherDir], s.Position)
		return other, otherDir, false
	}
	f = t.insert(s, h)
	f.stream = t.streams
	t.streams++
	f.numbered, f.number = s.Capture, t.nextNumber(s.Capture)
	d, _ := f.rawDirection(s)
	return f, d, true
}

// original returns the flow that f is a copy of. It returns nil if that slot was reused since.
func (t *flowTable) original(f *flow) *flow {
	if o := t.at(f.alias - 1); !o.dead && o.alias == 0 && o.stream == f.stream {
		return o
	}
	return nil
}

func (t *flowTable) nextNumber(capture uint32) uint32 {
	for int(capture) >= len(t.numbers) {
		t.numbers = append(t.numbers, 0)
	}
	t.numbers[capture]++
	return t.numbers[capture] - 1
}

// number returns the stream number of f within a capture that has a packet of it.
func (t *flowTable) number(f *flow, capture uint32) uint32 {
	if f.numbered != capture {
		t.renumber(f, capture)
	}
	return f.number
}

// renumber switches f to its number within another capture, and assigns one if there is none. It
// reports whether it assigned one.
func (t *flowTable) renumber(f *flow, capture uint32) bool {
	if f.elsewhere == nil {
		f.elsewhere = new([]captureNumber)
	}
	before := captureNumber{f.numbered, f.number}
	f.numbered = capture
	for i, e := range *f.elsewhere {
		if e.capture == capture {
			f.number = e.number
			(*f.elsewhere)[i] = before
			return false
		}
	}
	if len(*f.elsewhere) == maxElsewhere {
		*f.elsewhere = slices.Delete(*f.elsewhere, 0, 1)
	}
	*f.elsewhere = append(*f.elsewhere, before)
	f.number = t.nextNumber(capture)
	return true
}

// firstNumber returns the number of f within the capture of its first packet.
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

// rawDirection returns the raw direction of the segment in f, and whether it has f's addresses.
func (f *flow) rawDirection(s *capture.Segment) (Direction, bool) {
	if f.aPort == s.SrcPort && f.bPort == s.DstPort && f.a == s.Src && f.b == s.Dst {
		return ToBroker, true
	}
	return ToClient, f.aPort == s.DstPort && f.bPort == s.SrcPort && f.a == s.Dst && f.b == s.Src
}

// isAt reports whether s was captured where f was, not where a copy was.
func (f *flow) isAt(s *capture.Segment) bool {
	_, ok := f.rawDirection(s)
	return ok && f.domain == s.Domain && f.depth == s.Depth
}

// begunBefore reports whether f is older than the connection that a SYN of direction d begins. If
// nothing of that direction was captured, the other side may have acknowledged more than the SYN,
// which was captured late. It cannot have acknowledged less.
func (f *flow) begunBefore(seq uint32, d Direction) bool {
	switch {
	case f.seen[d]:
		return seq != f.base[d]
	case f.acked:
		return f.base[d]-seq >= maxHole
	}
	return false
}

// copyOf reports whether a segment from another domain belongs to f. There are two cases. It is a
// copy of f's traffic, captured inside and outside a tunnel, or with and without a tag (on the
// interfaces of a bridge). Or it is the other direction of a link with different tags for each
// direction (as mirror ports set them). Equal addresses on two VLANs are two connections.
func (f *flow) copyOf(s *capture.Segment, d Direction) bool {
	if (f.depth != s.Depth || (f.domain == 0) != (s.Domain == 0)) && f.seen[d] {
		if s.Flags&capture.SYN != 0 {
			return s.Seq == f.base[d]
		}
		isEnd := s.Flags&(capture.FIN|capture.RST) != 0
		return near(s.Seq, f.last[d]) && int32(s.Seq+s.Length-f.last[d]) <= 0 && (!isEnd || f.closed != 0)
	}
	if f.isCopied(s, d) {
		return true
	}
	r := d.Reverse()
	return !f.seen[d] && f.seen[r] && s.Flags&capture.ACK != 0 && near(s.Ack, f.last[r])
}

func near(a, b uint32) bool { return within(a, b, sameFlowWindow-1) }

// note records what later lookups need of the segment.
func (f *flow) note(s *capture.Segment, d Direction) {
	switch {
	case s.Flags&capture.SYN != 0:
		f.base[d], f.synced[d] = s.Seq, true
	case !f.seen[d] && !f.isAnswered(d):
		f.base[d] = s.Seq - 1
	}
	if r := d.Reverse(); !f.seen[r] && s.Flags&capture.ACK != 0 && (!f.acked || s.Flags&capture.SYN != 0) {
		f.base[r], f.acked = s.Ack-1, true
	}
	end := s.Seq + s.Length
	if s.Flags&capture.SYN != 0 {
		end++
	}
	isEnd := s.Flags&(capture.FIN|capture.RST) != 0
	if isEnd && (f.seen[d] && !within(s.Seq, f.last[d], maxHole) || f.refusesAnother(s, d)) {
		return // no receiver believes it
	}
	if f.closed == 0 && !isEnd || int32(end-f.last[d]) > 0 || !f.seen[d] {
		f.last[d] = end
	}
	f.seen[d] = true
	if s.Flags&capture.FIN != 0 {
		f.closed |= 1 << d
	}
	if s.Flags&capture.RST != 0 {
		f.closed |= 4
	}
}

// refusesAnother reports whether s is a RST in answer to a SYN, but does not acknowledge it.
func (f *flow) refusesAnother(s *capture.Segment, d Direction) bool {
	r := d.Reverse()
	return s.Flags&capture.RST != 0 && !f.seen[d] && f.synced[r] && f.last[r] == f.base[r]+1 && (s.Flags&capture.ACK == 0 || s.Ack != f.last[r])
}

// isAnswered reports whether base[d] is that of a SYN that was not captured while its answer was.
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

// appear sets the addresses and the first packet of f from its first segment.
func (f *flow) appear(s *capture.Segment) {
	f.a, f.b, f.aPort, f.bPort = s.Src, s.Dst, s.SrcPort, s.DstPort
	f.first, f.firstTime, f.capture, f.isNumberOnly = s.Frame, s.Time, s.Capture, false
	if s.Flags&(capture.SYN|capture.ACK) == capture.SYN|capture.ACK { // the SYN was not captured
		f.a, f.b, f.aPort, f.bPort = f.b, f.a, f.bPort, f.aPort
	}
}

// numberOnly assigns a stream number to the connection of a header that is no segment
// (Segment.NumberOnly). It ignores the flags and sequence numbers of that header.
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
	if f.isReplaced {
		how = Replaced
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

// evict drops one of the next evictionScan flows that satisfy may. It prefers flows that are over,
// then the one that was silent for longest.
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

// evictNetwork drops one of the flows with the addresses of s, but not keep, if there are too many.
// It prefers copies, then flows without payload, then the one that was silent for longest.
func (t *flowTable) evictNetwork(s *capture.Segment, keep *flow) {
	rank := func(f *flow) int64 {
		switch {
		case f.alias != 0:
			return math.MinInt64
		case f.conn == nil:
			return math.MinInt64 + 1
		}
		return f.lastTime
	}
	var victim *flow
	n := 0
	h := t.hash(s)
	for i := t.buckets[h&uint32(len(t.buckets)-1)]; i != 0; i = t.at(i - 1).next {
		f := t.at(i - 1)
		if _, ok := f.rawDirection(s); !ok {
			continue
		}
		if n++; f != keep && (victim == nil || rank(f) < rank(victim)) {
			victim = f
		}
	}
	if n >= maxNetworks {
		t.limits.Networks++
		t.drop(victim, Expired)
	}
}

// expire drops the flows that were silent since the given times: idle for open flows, over for
// ended ones.
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
		if f.over() || f.isReplaced {
			limit = over
		}
		if f.lastTime < limit {
			t.drop(f, Expired)
		}
	}
}

// all calls fn for every flow that is not a copy of another, ordered by stream number.
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

func addrPort(addr [16]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(addr).Unmap(), port)
}
