package reassembly

import (
	"encoding/binary"
	"net/netip"
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
	// maxMarks bounds the segments to compare with: 4,096 of 48 bytes are 192 KiB. A segment
	// evicts the one in its slot.
	maxMarks = 4096
	// marksPerFlow is how many segments with payload of a connection are compared: the first, and
	// the next one in case the capture lacks the first. midstreamMarks is the same without a
	// handshake: at its beginning, a capture has segments of one place that the other lacks.
	marksPerFlow   = 2
	midstreamMarks = 4
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
func (k *mark) place() uint32 { return (k.seq ^ k.ack*0x9e3779b1) >> 16 % maxMarks }

// marked is a segment, the first flow that had it, and when.
type marked struct {
	mark
	flow   *flow
	stream uint32 // of flow at that time; the slot of flow may be reused since
	dir    Direction
	time   int64
}

// needsMark reports whether to compare the next segment with payload of f.
func (f *flow) needsMark() bool {
	return f.marks < marksPerFlow || f.marks < midstreamMarks && !f.synced[ToBroker] && !f.synced[ToClient]
}

// twin returns the flow with other addresses that had s before, and the direction of s in it. It
// returns nil if there is none. d is the direction of s in f.
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

// join makes f a copy of first: direction d of f is direction e of first.
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

// sides are the addresses of the two sides of a connection, indexed by the direction to them.
type sides [2]netip.AddrPort

// sidesOf encodes the addresses of f, a copy, for noteBehind. It uses the directions of the
// original.
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

// noteBehind adds addresses behind address translation, encoded by sidesOf.
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

// listBehind lists the addresses of the broker's side once that side is known.
func (c *conn) listBehind() {
	o := c.info.Odd()
	for _, s := range o.behind {
		if at := s[c.swapped]; at != c.info.Broker && !slices.Contains(o.Behind, at) {
			o.Behind = append(o.Behind, at)
		}
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
