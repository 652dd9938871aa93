package reassembly

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

// One connection can be captured in several places: on two VLANs that a router connects, before and after address
// translation, on a node and in a pod. Its addresses, tags and TTL differ there; the sequence numbers do not. The
// initial ones of both sides are 64 random bits (RFC 6528): where they and the first bytes of the client are equal, so
// is the connection.
const (
	// twinWindow is how much time may lie between two copies of a SYN, in nanoseconds. Copies come microseconds apart on
	// one host; the clocks of two hosts differ by more.
	twinWindow = 3e9
	// maxTwinSYNs bounds the SYNs that a later one is compared with: 4,096 of 16 bytes are 64 KiB. When it is reached, all
	// are forgotten.
	maxTwinSYNs = 4096
	// minRandom is the least initial sequence number that is taken for a random one: those of made-up captures are
	// small and equal everywhere. One random number in 4,096 is below it.
	minRandom = 1 << 20
)

// twins finds flows with different addresses that are one connection.
type twins struct {
	// bySYN are recent flows by the sequence number of their SYN.
	bySYN map[uint32]*flow
	// partners are pairs of flows with equal SYNs, until it is clear whether they are one connection.
	partners map[*flow]partner
}

// partner is the other flow of a pair, and how far the two were compared.
type partner struct {
	other  *flow
	agrees bool // the answers to the SYNs are equal too
}

func newTwins() twins {
	return twins{bySYN: map[uint32]*flow{}, partners: map[*flow]partner{}}
}

// noteSYN looks for the twin of a flow whose SYN was just seen.
func (t *flowTable) noteSYN(f *flow) {
	if f.base[ToBroker] < minRandom {
		return
	}
	w := &t.twins
	g := w.bySYN[f.base[ToBroker]]
	if g == nil || !g.hasSYN(f.base[ToBroker]) || f.firstTime-g.firstTime > twinWindow || g.firstTime-f.firstTime > twinWindow {
		if len(w.bySYN) >= maxTwinSYNs {
			clear(w.bySYN)
			for f := range w.partners {
				f.hasPartner = false
			}
			clear(w.partners)
		}
		w.bySYN[f.base[ToBroker]] = f
		return
	}
	if g != f && !g.hasPartner {
		w.partners[f], w.partners[g] = partner{other: g}, partner{other: f}
		f.hasPartner, g.hasPartner = true, true
	}
}

// hasSYN reports whether f began with a SYN of this sequence number.
func (f *flow) hasSYN(seq uint32) bool {
	return !f.dead && f.alias == 0 && f.synced[ToBroker] && f.base[ToBroker] == seq
}

// noteAnswer compares the answers of two flows with equal SYNs when the second answer is seen.
func (t *flowTable) noteAnswer(f *flow) {
	p := t.twins.partners[f]
	if !p.other.synced[ToClient] {
		return
	}
	if f.base[ToClient] != p.other.base[ToClient] || f.base[ToClient] < minRandom {
		t.part(f)
		return
	}
	q := t.twins.partners[p.other]
	p.agrees, q.agrees = true, true
	t.twins.partners[f], t.twins.partners[p.other] = p, q
}

// noteOpening keeps what the client of a flow sent first.
func (f *flow) noteOpening(s *capture.Segment) {
	f.hasOpening, f.opening = true, summary{s.Seq, s.Length, crc32.Checksum(s.Payload, castagnoli)}
}

// noteRequest compares the first bytes that the clients of two flows with equal initial sequence numbers sent. If they
// are equal, the flow whose bytes come second becomes a copy of the other. It returns the flow that the segment belongs to.
func (t *flowTable) noteRequest(f *flow) *flow {
	p := t.twins.partners[f]
	first := p.other
	if !p.agrees || !first.hasOpening {
		return f
	}
	t.part(f)
	if f.opening != first.opening || f.conn != nil || f.unwanted || first.unwanted {
		return f
	}
	if f.numbered != first.numbered && first.elsewhere == nil {
		first.elsewhere = &[]captureNumber{{f.numbered, f.number}}
	}
	f.alias, f.stream = t.index(first)+1, first.stream
	t.settled++
	t.twins.bySYN[first.base[ToBroker]] = first // there may be a third
	return first
}

// maxBehind bounds the further addresses of one connection: a service, its node and its pod are three.
const maxBehind = 4

// noteBehind adds an address of the server's side, as serverOf writes it, that was seen behind address translation.
func (c *conn) noteBehind(server []byte) {
	at := addrPort([16]byte(server), binary.BigEndian.Uint16(server[16:]))
	if i := &c.info; !c.over && len(i.Behind) < maxBehind && at != i.Broker && !slices.Contains(i.Behind, at) {
		i.Behind = append(i.Behind, at)
	}
}

// serverOf is the address and port of the side of f that was sent the SYN.
func serverOf(f *flow) []byte { return binary.BigEndian.AppendUint16(f.b[:len(f.b):len(f.b)], f.bPort) }

// part ends the comparison of f with its partner.
func (t *flowTable) part(f *flow) {
	if !f.hasPartner {
		return
	}
	g := t.twins.partners[f].other
	delete(t.twins.partners, f)
	delete(t.twins.partners, g)
	f.hasPartner, g.hasPartner = false, false
}

// isCopied reports whether a segment on another VLAN is a copy of one of f: it has the initial sequence number of
// its direction, or is the same as the latest segment. Equal addresses on two VLANs alone are two connections.
func (f *flow) isCopied(s *capture.Segment, d Direction) bool {
	if !f.seen[d] {
		return false
	}
	if s.Flags&capture.SYN != 0 {
		return f.synced[d] && s.Seq == f.base[d]
	}
	return s.Length > 0 && s.Seq+s.Length == f.last[d]
}
