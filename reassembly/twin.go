package reassembly

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

// One connection can be captured in several places: on two VLANs that a router connects, before
// and after address translation, on a node and in a pod. Its addresses, tags and TTL differ there;
// the sequence numbers do not. Those of a segment with payload, and what it acknowledges, count on
// from 64 random bits (RFC 6528): where they, the length and the first bytes are equal, so is the
// connection.
const (
	// twinWindow is how much time may lie between two copies of a segment, in nanoseconds. Copies
	// come microseconds apart on one host, and the clocks of two hosts are corrected.
	twinWindow = 3e9
	// maxMarks bounds the segments that those of other addresses are compared with: 4,096 of 48
	// bytes are 192 KiB. A segment evicts the one that had its place.
	maxMarks = 4096
	// marksPerFlow is how many segments with payload of a connection are compared: the first, and
	// the next one in case the capture lacks that. midstreamMarks is the same where the handshake
	// was not captured: when the capture begins, one place has some segments that the other has
	// not.
	marksPerFlow   = 2
	midstreamMarks = 4
	// markBytes is how many bytes of a segment are compared: few enough for captures that cut
	// their packets.
	markBytes = 32
	// minRandom is the least sequence number that is taken for one that counts on from a random
	// one: those of made-up captures are small and equal everywhere. One random number in 4,096 is
	// below it.
	minRandom = 1 << 20
)

// mark is what is equal in all copies of a segment.
type mark struct{ seq, ack, length, sum uint32 }

// place is the place of a segment in flowTable.marks. The same packets give the same places in
// every run.
func (k *mark) place() uint32 { return (k.seq ^ k.ack*0x9e3779b1) >> 16 % maxMarks }

// marked is a segment, the flow that had it first, and when.
type marked struct {
	mark
	flow   *flow
	stream uint32 // of flow at that time; flow may belong to another connection since
	dir    Direction
	time   int64
}

// needsMark reports whether the next segment with payload of f is compared.
func (f *flow) needsMark() bool {
	return f.marks < marksPerFlow || f.marks < midstreamMarks && !f.synced[ToBroker] && !f.synced[ToClient]
}

// twin returns the flow with other addresses that s was seen on before, and the direction there;
// nil without one. f has s in direction d.
func (t *flowTable) twin(f *flow, s *capture.Segment, d Direction) (*flow, Direction) {
	f.marks++
	if s.Seq < minRandom || s.Ack < minRandom || s.Flags&capture.ACK == 0 {
		return nil, d
	}
	k := mark{s.Seq, s.Ack, s.Length, fingerprint(s.Payload[:min(len(s.Payload), markBytes)])}
	known := &t.marks[k.place()]
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

// join makes f a copy of first: a segment of direction d of f is one of direction e of first.
func (t *flowTable) join(f, first *flow, d, e Direction) {
	if f.numbered != first.numbered && first.elsewhere == nil {
		first.elsewhere = &[]captureNumber{{f.numbered, f.number}}
	}
	f.alias, f.stream, f.isTurned = t.index(first)+1, first.stream, d != e
	t.inactive++
}

// maxBehind bounds the further addresses of one connection: a service, its node and its pod are
// three.
const maxBehind = 4

// sides are the addresses of the two sides of a connection, by the direction of what is sent to
// them.
type sides [2]netip.AddrPort

// sidesOf are those of f, which is a copy, by the directions of the original, as noteBehind reads
// them.
func sidesOf(f *flow) []byte {
	b := make([]byte, 0, 2*(16+2))
	if f.isTurned {
		b = binary.BigEndian.AppendUint16(append(b, f.a[:]...), f.aPort)
	}
	b = binary.BigEndian.AppendUint16(append(b, f.b[:]...), f.bPort)
	if !f.isTurned {
		b = binary.BigEndian.AppendUint16(append(b, f.a[:]...), f.aPort)
	}
	return b
}

// noteBehind adds the addresses that the connection has behind address translation, as sidesOf
// writes them.
func (c *conn) noteBehind(b []byte) {
	if c.over || len(c.info.Odd().behind) == maxBehind {
		return
	}
	var s sides
	for d := range s {
		side := b[d*(16+2):]
		s[d] = addrPort([16]byte(side), binary.BigEndian.Uint16(side[16:]))
	}
	c.odd().behind = append(c.odd().behind, s)
}

// listBehind names the addresses of the broker's side, when it is known which that is.
func (c *conn) listBehind() {
	o := c.info.Odd()
	for _, s := range o.behind {
		if at := s[c.swapped]; at != c.info.Broker && !slices.Contains(o.Behind, at) {
			o.Behind = append(o.Behind, at)
		}
	}
}

// isCopied reports whether a segment on another VLAN is a copy of one of f: it has the initial
// sequence number of its direction, or is the same as the latest segment. Equal addresses on two
// VLANs alone are two connections.
func (f *flow) isCopied(s *capture.Segment, d Direction) bool {
	if !f.seen[d] {
		return false
	}
	if s.Flags&capture.SYN != 0 {
		return f.synced[d] && s.Seq == f.base[d]
	}
	return s.Length > 0 && s.Seq+s.Length == f.last[d]
}
