package reassembly

import (
	"net/netip"

	"github.com/kafkavet/kafkavet/capture"
)

// One connection can be captured in several places: on two VLANs that a router connects, before and after address
// translation, on a node and in a pod. Its addresses, tags and TTL differ there; the sequence numbers do not. The
// initial ones of both sides are 64 random bits (RFC 6528): where they are equal, so is the connection.
const (
	// twinWindow is how much time may lie between two copies of a SYN, in nanoseconds. Copies come microseconds apart on
	// one host; the clocks of two hosts differ by more.
	twinWindow = 3e9
	// maxTwinSYNs bounds the SYNs that a later one is compared with: 4,096 of 16 bytes are 64 KiB. When it is reached, all
	// are forgotten.
	maxTwinSYNs = 4096
)

// twins finds flows with different addresses that are one connection.
type twins struct {
	// bySYN are recent flows by the sequence number of their SYN.
	bySYN map[uint32]*flow
	// partners are pairs of flows with equal SYNs, of which the answers have not been compared.
	partners map[*flow]*flow
	// behind are the further addresses of the server's side, in order of appearance, of flows that have twins.
	behind map[*flow][]netip.AddrPort
}

func newTwins() twins {
	return twins{bySYN: map[uint32]*flow{}, partners: map[*flow]*flow{}, behind: map[*flow][]netip.AddrPort{}}
}

// noteSYN looks for the twin of a flow whose SYN was just seen.
func (t *flowTable) noteSYN(f *flow) {
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
		w.partners[f], w.partners[g] = g, f
		f.hasPartner, g.hasPartner = true, true
	}
}

// hasSYN reports whether f began with a SYN of this sequence number.
func (f *flow) hasSYN(seq uint32) bool {
	return !f.dead && f.alias == 0 && f.synced[ToBroker] && f.base[ToBroker] == seq
}

// noteAnswer compares the answers of two flows with equal SYNs when the second answer is seen. If they are
// equal, the later flow becomes a copy of the earlier one. It returns the flow that the segment belongs to.
func (t *flowTable) noteAnswer(f *flow) *flow {
	g := t.twins.partners[f]
	if !g.synced[ToClient] {
		return f
	}
	t.part(f)
	first, second := g, f
	if f.stream < g.stream {
		first, second = f, g
	}
	if f.base[ToClient] != g.base[ToClient] || second.conn != nil || second.unwanted {
		return f
	}
	if second.numbered != first.numbered && first.elsewhere == nil {
		first.elsewhere = &[]captureNumber{{second.numbered, second.number}}
	}
	second.alias, second.stream = t.index(first)+1, first.stream
	t.settled++
	// The addresses are those of the copy: the server's that the client does not see.
	at := addrPort(second.b, second.bPort)
	if list := t.twins.behind[first]; len(list) < maxBehind && at != addrPort(first.b, first.bPort) {
		t.twins.behind[first] = append(list, at)
	}
	t.twins.bySYN[first.base[ToBroker]] = first // there may be a third
	return first
}

// maxBehind bounds the further addresses of one connection: a service, its node and its pod are three.
const maxBehind = 4

// part ends the comparison of f with its partner.
func (t *flowTable) part(f *flow) {
	if !f.hasPartner {
		return
	}
	g := t.twins.partners[f]
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
