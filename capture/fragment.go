package capture

import "bytes"

// Limits of the reassembly of IP fragments.
const (
	// maxFragmentedDatagram is the longest datagram in fragments: the length field of IPv4 has
	// 16 bits.
	maxFragmentedDatagram = 65535
	// maxFragmentBytes bounds the memory for fragment bytes: 64 datagrams of full length, or
	// 1,024 of up to 4 KiB, the smallest buffer.
	maxFragmentBytes = 4 << 20
	// maxDatagrams bounds the incomplete datagrams, and the complete ones kept to recognize
	// copies: as many as maxFragmentBytes has buffers of the smallest size. 2 * 1,024 of 0.6 KiB
	// each are 1.2 MiB more.
	maxDatagrams = maxFragmentBytes / (4 << 10)
	// maxSpans bounds the separate byte ranges of one datagram. A full datagram in an MTU of
	// 576 has 65,535/552 = 119 fragments. In the worst order, every other one first, they make
	// 60 ranges.
	maxSpans = 64
	// fragmentTimeout is how long, in nanoseconds of packet time, a datagram may stay
	// incomplete. Linux waits 30 s for IPv4 (net.ipv4.ipfrag_time); RFC 791 and RFC 8200 allow
	// 60 s. A longer time would mix datagrams with the same 16-bit id.
	fragmentTimeout = 30e9
	// duplicateWindow is how long, in nanoseconds, fragments of a complete datagram count as
	// copies. "any" and mirror ports capture each packet twice within microseconds. A sender
	// reuses an id after 65,536 datagrams.
	duplicateWindow = 50e6
)

// bufferSizes are the sizes of buffers. A growing datagram moves to the next size, so none has
// more than 4 times what it needs.
var bufferSizes = [...]int{4 << 10, 16 << 10, 64 << 10}

// fragment is what an IP header states about a fragment.
type fragment struct {
	id       uint32
	offset   int // in bytes
	more     bool
	protocol uint8
}

// datagramKey identifies the fragments of one datagram (RFC 791 3.2, RFC 8200 4.5). It has the
// number of tunnels, so that copies captured inside and outside of a tunnel do not complete each
// other.
type datagramKey struct {
	src, dst [16]byte
	domain   uint64
	id       uint32
	protocol uint8 // 0 for IPv6, where the id alone counts
	v6       bool
	depth    uint8
}

type datagram struct {
	key datagramKey
	// buffer holds the captured bytes, each at its offset.
	buffer []byte
	// seen are the byte ranges that were on the wire, held those that were captured. held is
	// less if the snapshot length cut fragments.
	seen, held byteRanges
	// total is the length of the datagram, -1 before its last fragment.
	total int
	// protocol is the protocol in its first fragment.
	protocol uint8
	// complete: it was returned, and is only kept to recognize copies.
	complete bool
	// time is when it began, or was completed, in nanoseconds.
	time int64
	// older and newer are its neighbours in its datagramList.
	older, newer *datagram
}

// defragmenter reassembles fragments. If fragments overlap, it keeps the earlier bytes, also for
// IPv6. RFC 5722 requires that the receiver drop such a datagram. But the
// receiver may have received other fragments than the capture has, and here the datagram is only
// analyzed.
type defragmenter struct {
	// maxDatagrams and maxBytes are the constants, or smaller values in tests.
	maxDatagrams, maxBytes int

	datagrams map[datagramKey]*datagram
	// pending and finished are the incomplete and the complete datagrams, oldest first.
	pending, finished datagramList
	// spare are datagrams for reuse, linked by newer; free are buffers, by index of bufferSizes.
	spare *datagram
	free  [len(bufferSizes)][][]byte
	// lent are the buffers of the packet that is being parsed.
	lent  [][]byte
	bytes int

	datagramLimit, byteLimit, spanLimit uint64
}

func newDefragmenter() defragmenter {
	return defragmenter{maxDatagrams: maxDatagrams, maxBytes: maxFragmentBytes}
}

// fragment adds a fragment, and continues with the datagram that it completes.
func (c *dissection) fragment(f fragment) step {
	switch next := c.follow(f.protocol); next {
	case stepOther, stepUnparsed:
		return next
	case stepICMP: // ICMP in fragments is not reassembled
		return stepOther
	}
	key := datagramKey{src: c.segment.Src, dst: c.segment.Dst, domain: c.domain, id: f.id, v6: c.v6, depth: c.depth}
	if !c.v6 {
		key.protocol = f.protocol
	}
	m := &c.fragments
	m.expire(c.time)
	if c.length == 0 || f.more && c.length%8 != 0 || f.offset+c.length > maxFragmentedDatagram {
		return c.failAt(LayerFragment, ProblemLength)
	}
	g := m.find(key, c.time)
	if g == nil {
		g = m.begin(key, c.time)
	}
	if !m.add(g, f, c.data, c.length) {
		return stepHeld
	}
	c.data, c.length = m.finish(g, c.time)
	c.fragmented, c.packet = true, nil
	return c.follow(g.protocol)
}

// add adds a fragment of length bytes to g; data is its captured part. It reports whether g is
// complete.
func (m *defragmenter) add(g *datagram, f fragment, data []byte, length int) bool {
	lo, hi := f.offset, f.offset+length
	switch {
	case g.complete || g.same(lo, hi, data):
		return false
	case g.total >= 0 && hi > g.total, !f.more && hi < g.seen.end(), !f.more && g.total >= 0 && hi != g.total:
		// Two fragments contradict each other about the end: the first one counts.
		return false
	case !m.grow(g, lo+len(data)):
		return false
	}
	if !g.seen.add(lo, hi) {
		m.spanLimit++
		return false
	}
	if len(data) > 0 {
		g.fill(lo, data)
	}
	if lo == 0 && g.protocol == 0 {
		g.protocol = f.protocol
	}
	if !f.more {
		g.total = hi
	}
	return g.total >= 0 && g.seen.prefix() == g.total
}

// same reports whether the buffer already has the bytes of a fragment.
func (g *datagram) same(lo, hi int, data []byte) bool {
	if !g.seen.cover(lo, hi) {
		return false
	}
	// A fragment of which nothing was captured has nothing to compare, and the buffer can be
	// too short for it.
	return len(data) == 0 || g.held.cover(lo, lo+len(data)) && bytes.Equal(g.buffer[lo:lo+len(data)], data)
}

// fill copies data, which begins at offset lo, into the gaps of the buffer.
func (g *datagram) fill(lo int, data []byte) {
	hi := lo + len(data)
	for _, p := range g.held.list[:g.held.count] {
		if p.lo >= hi || lo >= hi {
			break
		}
		if p.hi <= lo {
			continue
		}
		if p.lo > lo {
			copy(g.buffer[lo:p.lo], data[lo-(hi-len(data)):])
		}
		lo = p.hi
	}
	if lo < hi {
		copy(g.buffer[lo:hi], data[len(data)-(hi-lo):])
	}
	// Beyond maxSpans this range counts as not captured.
	g.held.add(hi-len(data), hi)
}

// find returns the datagram of a key, nil if there is none or it is too old.
func (m *defragmenter) find(key datagramKey, now int64) *datagram {
	g := m.datagrams[key]
	if g == nil {
		return nil
	}
	window := int64(fragmentTimeout)
	if g.complete {
		window = duplicateWindow
	}
	if age := now - g.time; age <= window && age >= -window {
		return g
	}
	m.remove(g)
	return nil
}

func (m *defragmenter) begin(key datagramKey, now int64) *datagram {
	if m.pending.length >= m.maxDatagrams {
		m.datagramLimit++
		m.remove(m.pending.oldest)
	}
	g := m.spare
	if g == nil {
		g = new(datagram)
	} else {
		m.spare = g.newer
	}
	g.key, g.time, g.total, g.protocol, g.complete = key, now, -1, 0, false
	g.seen.count, g.held.count = 0, 0
	if m.datagrams == nil {
		m.datagrams = make(map[datagramKey]*datagram)
	}
	m.datagrams[key] = g
	m.pending.push(g)
	return g
}

// finish returns the bytes of g up to the first one that was not captured, and its length on the
// wire. The bytes are valid until recycle.
func (m *defragmenter) finish(g *datagram, now int64) ([]byte, int) {
	m.pending.remove(g)
	if m.finished.length >= m.maxDatagrams {
		m.remove(m.finished.oldest)
	}
	data := g.buffer[:g.held.prefix()]
	if g.buffer != nil {
		m.lent = append(m.lent, g.buffer)
		g.buffer = nil
	}
	g.complete, g.time = true, now
	m.finished.push(g)
	return data, g.total
}

// recycle takes back the buffers that finish returned.
func (m *defragmenter) recycle() {
	for _, b := range m.lent {
		m.release(b)
	}
	m.lent = m.lent[:0]
}

// expire evicts datagrams that are too old.
func (m *defragmenter) expire(now int64) {
	for g := m.pending.oldest; g != nil && now-g.time > fragmentTimeout; g = m.pending.oldest {
		m.remove(g)
	}
	for g := m.finished.oldest; g != nil && now-g.time > duplicateWindow; g = m.finished.oldest {
		m.remove(g)
	}
}

func (m *defragmenter) remove(g *datagram) {
	if g.complete {
		m.finished.remove(g)
	} else {
		m.pending.remove(g)
	}
	delete(m.datagrams, g.key)
	if g.buffer != nil {
		m.release(g.buffer)
		g.buffer = nil
	}
	g.newer, m.spare = m.spare, g
}

// grow makes the buffer of g at least size bytes long. It returns false if there is no memory
// for it.
func (m *defragmenter) grow(g *datagram, size int) bool {
	if size <= len(g.buffer) {
		return true
	}
	class := 0
	for bufferSizes[class] < size {
		class++
	}
	b := m.allocate(class, g)
	if b == nil {
		return false
	}
	if g.buffer != nil {
		copy(b, g.buffer)
		m.release(g.buffer)
	}
	g.buffer = b
	return true
}

// allocate returns a buffer. Beyond maxBytes, it first discards free buffers of other sizes, and
// then evicts the oldest datagrams except keep. It returns nil if there are none.
func (m *defragmenter) allocate(class int, keep *datagram) []byte {
	for {
		if n := len(m.free[class]); n > 0 {
			b := m.free[class][n-1]
			m.free[class] = m.free[class][:n-1]
			return b
		}
		if m.bytes+bufferSizes[class] <= m.maxBytes {
			m.bytes += bufferSizes[class]
			return make([]byte, bufferSizes[class])
		}
		if m.discard() {
			continue
		}
		oldest := m.pending.oldest
		if oldest == keep {
			oldest = keep.newer
		}
		m.byteLimit++
		if oldest == nil {
			return nil
		}
		m.remove(oldest)
	}
}

// discard frees a buffer that is not in use. It returns false if there is none.
func (m *defragmenter) discard() bool {
	for class := range m.free {
		if n := len(m.free[class]); n > 0 {
			m.free[class][n-1] = nil
			m.free[class] = m.free[class][:n-1]
			m.bytes -= bufferSizes[class]
			return true
		}
	}
	return false
}

// release returns a buffer to the free ones.
func (m *defragmenter) release(b []byte) {
	for class, size := range bufferSizes {
		if len(b) == size {
			m.free[class] = append(m.free[class], b)
		}
	}
}

// datagramList is a list of datagrams ordered by age.
type datagramList struct {
	oldest, newest *datagram
	length         int
}

func (l *datagramList) push(g *datagram) {
	g.older, g.newer = l.newest, nil
	if l.newest == nil {
		l.oldest = g
	} else {
		l.newest.newer = g
	}
	l.newest = g
	l.length++
}

func (l *datagramList) remove(g *datagram) {
	if g.older == nil {
		l.oldest = g.newer
	} else {
		g.older.newer = g.newer
	}
	if g.newer == nil {
		l.newest = g.older
	} else {
		g.newer.older = g.older
	}
	g.older, g.newer = nil, nil
	l.length--
}

// byteRanges are byte ranges of a datagram: disjoint, in order, not adjacent.
type byteRanges struct {
	count int
	list  [maxSpans]byteRange
}

// byteRange is a byte range: from lo up to, not including, hi.
type byteRange struct{ lo, hi int }

// add adds a range. It returns false at the limit maxSpans.
func (s *byteRanges) add(lo, hi int) bool {
	first := 0 // of the ranges that the new one overlaps or touches
	for first < s.count && s.list[first].hi < lo {
		first++
	}
	after := first // the first range after those
	for after < s.count && s.list[after].lo <= hi {
		after++
	}
	if first == after {
		if s.count == maxSpans {
			return false
		}
		copy(s.list[first+1:], s.list[first:s.count])
		s.list[first] = byteRange{lo, hi}
		s.count++
		return true
	}
	s.list[first] = byteRange{min(lo, s.list[first].lo), max(hi, s.list[after-1].hi)}
	copy(s.list[first+1:], s.list[after:s.count])
	s.count -= after - first - 1
	return true
}

func (s *byteRanges) cover(lo, hi int) bool {
	for _, p := range s.list[:s.count] {
		if p.lo <= lo && hi <= p.hi {
			return true
		}
	}
	return lo == hi
}

// prefix returns the length of the range at the beginning, 0 without one.
func (s *byteRanges) prefix() int {
	if s.count == 0 || s.list[0].lo != 0 {
		return 0
	}
	return s.list[0].hi
}

// end returns the end of the last range, 0 without one.
func (s *byteRanges) end() int {
	if s.count == 0 {
		return 0
	}
	return s.list[s.count-1].hi
}
