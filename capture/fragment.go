package capture

import "bytes"

// Bounds of the reassembly of IP fragments.
const (
	// maxFragmentedDatagram is the longest datagram that fragments can make:
	// the length field of IPv4 has 16 bits.
	maxFragmentedDatagram = 65535
	// maxFragmentBytes bounds the memory for bytes of fragments: 64 datagrams
	// of full length, or 1,024 of up to 4 KiB, the smallest buffer.
	maxFragmentBytes = 4 << 20
	// maxDatagrams is how many datagrams may be incomplete at a time, and how
	// many complete ones are remembered: as many as maxFragmentBytes has
	// buffers of the smallest size. 2 * 1,024 of 0.6 KiB each are 1.2 MiB more.
	maxDatagrams = maxFragmentBytes / (4 << 10)
	// maxPieces is how many separate pieces of one datagram may lie there. A
	// full datagram in an MTU of 576 has 65,535/552 = 119 fragments, which in
	// the worst order, every other one first, are 60 pieces.
	maxPieces = 64
	// fragmentTimeout is how long, in nanoseconds of packet time, a datagram
	// waits for its rest. Linux waits 30 s for IPv4 (net.ipv4.ipfrag_time);
	// RFC 791 and RFC 8200 allow 60 s. Longer would mix datagrams that use the
	// same 16-bit id one after the other.
	fragmentTimeout = 30e9
	// duplicateWindow is how long, in nanoseconds, further fragments of a
	// complete datagram are taken for copies of it: "any" and mirror ports
	// show each packet twice within microseconds, while a sender needs 65,536
	// datagrams before it uses an id again.
	duplicateWindow = 50e6
)

// bufferSizes are the sizes that buffers come in. A datagram moves on to the
// next one as it grows, so that none holds more than 4 times what it needs.
var bufferSizes = [...]int{4 << 10, 16 << 10, 64 << 10}

// fragment is what an IP header says about the fragment behind it.
type fragment struct {
	id       uint32
	offset   int // in bytes
	more     bool
	protocol uint8
}

// datagramKey tells which fragments belong together (RFC 791 3.2, RFC 8200 4.5).
// The number of tunnels is in it so that the copies of a fragment that were
// captured inside and outside of a tunnel do not complete each other.
type datagramKey struct {
	src, dst [16]byte
	domain   uint64
	id       uint32
	protocol uint8 // 0 for IPv6, where the id alone counts
	v6       bool
	depth    uint8
}

// datagram is a datagram of which fragments were seen.
type datagram struct {
	key datagramKey
	// buffer holds the bytes of the pieces in held, each at its offset.
	buffer []byte
	// seen are the pieces that were on the wire, held those that were captured:
	// less, where the snapshot length cut fragments.
	seen, held pieces
	// total is the length of the datagram, -1 until the last fragment came.
	total int
	// protocol is what the datagram holds, from its first fragment.
	protocol uint8
	// complete says that it was handed out, and is remembered for its copies only.
	complete bool
	// time is when it was begun, or completed, in nanoseconds.
	time int64
	// older and newer are its neighbours in its datagramList.
	older, newer *datagram
}

// defragmenter puts fragments together. Where fragments overlap, the bytes
// that came first are kept and the overlap is counted, for IPv6 too: RFC 5722
// has the receiver drop the whole datagram, yet it may have seen other
// fragments than the capture, and what is built here is only looked at.
type defragmenter struct {
	// maxDatagrams and maxBytes are the constants; tests have them smaller.
	maxDatagrams, maxBytes int

	datagrams map[datagramKey]*datagram
	// pending and finished are the incomplete and the complete ones, oldest first.
	pending, finished datagramList
	// spare are datagrams to be used again, linked by newer; free are buffers,
	// by index of bufferSizes.
	spare *datagram
	free  [len(bufferSizes)][][]byte
	// lent are the buffers that the packet in work lies in.
	lent [][]byte
	// bytes is the size of all buffers, wherever they are.
	bytes int

	stats                                FragmentStats
	datagramLimit, byteLimit, pieceLimit uint64
}

func newDefragmenter() defragmenter {
	return defragmenter{maxDatagrams: maxDatagrams, maxBytes: maxFragmentBytes}
}

// fragment takes up a fragment, and goes on with the datagram that it completes.
func (d *Dissector) fragment(c *dissection, f fragment) step {
	switch next := c.follow(f.protocol); next {
	case stepOther, stepUnparsed:
		return next
	case stepICMP: // what a fragment quotes is not worth keeping it for
		return stepOther
	}
	key := datagramKey{src: c.segment.Src, dst: c.segment.Dst, domain: c.domain, id: f.id, v6: c.v6, depth: c.depth}
	if !c.v6 {
		key.protocol = f.protocol
	}
	m := &d.fragments
	m.stats.Seen++
	m.expire(c.time)
	if c.length == 0 || f.more && c.length%8 != 0 || f.offset+c.length > maxFragmentedDatagram {
		m.stats.Dropped++
		return c.fail(LayerFragment, ProblemLength)
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

// add takes a fragment of length bytes, of which data was captured, into g. It
// reports whether g is complete now.
func (m *defragmenter) add(g *datagram, f fragment, data []byte, length int) bool {
	lo, hi := f.offset, f.offset+length
	switch {
	case g.complete || g.same(lo, hi, data):
		m.stats.Duplicates++
		return false
	case g.total >= 0 && hi > g.total, !f.more && hi < g.seen.end(), !f.more && g.total >= 0 && hi != g.total:
		// Two fragments disagree about the end: the first one counts.
		m.stats.Dropped++
		return false
	case g.seen.overlap(lo, hi):
		m.stats.Overlapping++
	}
	if !m.grow(g, lo+len(data)) {
		m.stats.Dropped++
		return false
	}
	if !g.seen.add(lo, hi) {
		m.pieceLimit++
		m.stats.Dropped++
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

// same reports whether the bytes of a fragment are all there already.
func (g *datagram) same(lo, hi int, data []byte) bool {
	if !g.seen.cover(lo, hi) {
		return false
	}
	// Of a fragment that was cut down to nothing there is nothing to compare,
	// and no buffer may reach as far as it.
	return len(data) == 0 || g.held.cover(lo, lo+len(data)) && bytes.Equal(g.buffer[lo:lo+len(data)], data)
}

// fill copies data, which begins at offset lo, to where nothing is yet.
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
	// Where there are too many pieces this one counts as not captured.
	g.held.add(hi-len(data), hi)
}

// find returns the datagram with that key, nil when there is none or it is too old.
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
	m.giveUp(g)
	return nil
}

// begin starts a datagram.
func (m *defragmenter) begin(key datagramKey, now int64) *datagram {
	if m.pending.length >= m.maxDatagrams {
		m.datagramLimit++
		m.evict(m.pending.oldest)
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

// finish hands out what g holds, up to the first byte that was not captured,
// and its length on the wire. The bytes are valid until recycle.
func (m *defragmenter) finish(g *datagram, now int64) ([]byte, int) {
	m.stats.Reassembled++
	m.pending.remove(g)
	if m.finished.length >= m.maxDatagrams {
		m.forget(m.finished.oldest)
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

// recycle takes back the buffers that finish handed out.
func (m *defragmenter) recycle() {
	for _, b := range m.lent {
		m.release(b)
	}
	m.lent = m.lent[:0]
}

// expire gives up what has waited too long.
func (m *defragmenter) expire(now int64) {
	for g := m.pending.oldest; g != nil && now-g.time > fragmentTimeout; g = m.pending.oldest {
		m.giveUp(g)
	}
	for g := m.finished.oldest; g != nil && now-g.time > duplicateWindow; g = m.finished.oldest {
		m.giveUp(g)
	}
}

// giveUp forgets a datagram because of its age.
func (m *defragmenter) giveUp(g *datagram) {
	if !g.complete {
		m.stats.Expired++
	}
	m.forget(g)
}

// evict forgets an incomplete datagram to make room.
func (m *defragmenter) evict(g *datagram) {
	m.stats.Evicted++
	m.forget(g)
}

// forget removes a datagram.
func (m *defragmenter) forget(g *datagram) {
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

// grow makes room for size bytes in the buffer of g. It returns false when
// there is none to be had.
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

// allocate returns a buffer. Within maxBytes it may be a new one; beyond, free
// ones of other sizes and then the oldest datagrams give way, except keep. It
// returns nil when nothing is left to give way.
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
		m.evict(oldest)
	}
}

// discard leaves a free buffer to the garbage collector. It returns false when there is none.
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

// release puts a buffer back.
func (m *defragmenter) release(b []byte) {
	for class, size := range bufferSizes {
		if len(b) == size {
			m.free[class] = append(m.free[class], b)
		}
	}
}

// datagramList is a list of datagrams in order of age.
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

// pieces are the parts of a datagram that are there: disjoint, in order, not adjacent.
type pieces struct {
	count int
	list  [maxPieces]piece
}

// piece is a part of a datagram: the bytes from lo up to, not including, hi.
type piece struct{ lo, hi int }

// add adds a piece. It returns false when there are too many.
func (s *pieces) add(lo, hi int) bool {
	first := 0 // of the pieces that the new one overlaps or touches
	for first < s.count && s.list[first].hi < lo {
		first++
	}
	after := first // the first piece behind them
	for after < s.count && s.list[after].lo <= hi {
		after++
	}
	if first == after {
		if s.count == maxPieces {
			return false
		}
		copy(s.list[first+1:], s.list[first:s.count])
		s.list[first] = piece{lo, hi}
		s.count++
		return true
	}
	s.list[first] = piece{min(lo, s.list[first].lo), max(hi, s.list[after-1].hi)}
	copy(s.list[first+1:], s.list[after:s.count])
	s.count -= after - first - 1
	return true
}

// cover reports whether all bytes from lo to hi are there.
func (s *pieces) cover(lo, hi int) bool {
	for _, p := range s.list[:s.count] {
		if p.lo <= lo && hi <= p.hi {
			return true
		}
	}
	return lo == hi
}

// overlap reports whether any byte from lo to hi is there.
func (s *pieces) overlap(lo, hi int) bool {
	for _, p := range s.list[:s.count] {
		if p.lo < hi && lo < p.hi {
			return true
		}
	}
	return false
}

// prefix is the length of the piece at the beginning, 0 without one.
func (s *pieces) prefix() int {
	if s.count == 0 || s.list[0].lo != 0 {
		return 0
	}
	return s.list[0].hi
}

// end is the end of the last piece, 0 without any.
func (s *pieces) end() int {
	if s.count == 0 {
		return 0
	}
	return s.list[s.count-1].hi
}
