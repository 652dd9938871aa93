package capture

import "strconv"

// DissectorStats says what became of the packets that a Dissector was given.
// Each is counted once: Packets is Segments + Other + Fragments.Held + all Unparsed.
type DissectorStats struct {
	// Packets counts the packets.
	Packets uint64
	// Segments counts the packets that carried, or completed, a TCP segment.
	Segments uint64
	// Other counts the packets without TCP: ARP, UDP, ICMP and whatever else.
	Other uint64
	// Unparsed says why packets could not be understood, ordered by layer and
	// problem. Reasons that did not occur are absent.
	Unparsed []Unparsed
	// UnsupportedLinkTypes are the link types that no parser knows, in order
	// of appearance, at most maxUnsupportedLinkTypes of them.
	UnsupportedLinkTypes []UnsupportedLinkType
	// Fragments counts IP fragments.
	Fragments FragmentStats
	// Limits are the limits that were hit, in a fixed order.
	Limits []LimitHit
}

// UnparsedPackets counts the packets that could not be understood.
func (s *DissectorStats) UnparsedPackets() uint64 {
	var n uint64
	for i := range s.Unparsed {
		n += s.Unparsed[i].Packets
	}
	return n
}

// Unparsed is a reason for which packets could not be understood.
type Unparsed struct {
	Layer   Layer
	Problem Problem
	// Packets counts them, First is the first one.
	Packets uint64
	First   Position
}

// String is the reason in words: "TCP header: cut off by the snapshot length".
func (u Unparsed) String() string { return u.Layer.String() + ": " + u.Problem.String() }

// UnsupportedLinkType is a link type that no parser knows.
type UnsupportedLinkType struct {
	Link LinkType
	// Packets counts the packets of that type, First is the first one.
	Packets uint64
	First   Position
}

// LimitHit is a limit that was reached.
type LimitHit struct {
	// Name is the limit's name in reports, in snake case.
	Name string
	// Limit is its value, Hits how often it was reached.
	Limit, Hits uint64
}

// FragmentStats counts IP fragments. Those of protocols that cannot lead to
// TCP (ICMP, OSPF) are not among them, they are Other.
type FragmentStats struct {
	// Seen counts fragments. Held counts the packets with one that completed
	// nothing; those of impossible length are Unparsed.
	Seen, Held uint64
	// Reassembled counts datagrams that were completed.
	Reassembled uint64
	// Duplicates counts fragments that came again with the same bytes, or when
	// their datagram was complete.
	Duplicates uint64
	// Overlapping counts fragments that covered again what an earlier one had
	// brought, with other bounds or other bytes. The earlier bytes were kept.
	Overlapping uint64
	// Dropped counts fragments that were thrown away: of impossible length, past the
	// end of their datagram, or because a limit was hit.
	Dropped uint64
	// Expired counts datagrams given up because the rest did not come in
	// time, Evicted those that made place for newer ones.
	Expired, Evicted uint64
	// Pending is the number of datagrams that still wait for their rest.
	Pending uint64
}

// Layer names the header at which a packet could not be understood further.
type Layer uint8

// The layers.
const (
	LayerLink Layer = iota
	LayerVLAN
	LayerMPLS
	LayerPPPoE
	LayerIP
	LayerExtension
	LayerFragment
	LayerUDP
	LayerGRE
	LayerERSPAN
	LayerVXLAN
	LayerGeneve
	LayerNesting
	LayerTCP
	layerCount
)

// String is the layer in words.
func (l Layer) String() string {
	names := [...]string{
		LayerLink: "link-layer header", LayerVLAN: "VLAN tag", LayerMPLS: "MPLS label stack",
		LayerPPPoE: "PPPoE header", LayerIP: "IP header", LayerExtension: "IPv6 extension header",
		LayerFragment: "IP fragment", LayerUDP: "UDP header", LayerGRE: "GRE header",
		LayerERSPAN: "ERSPAN header", LayerVXLAN: "VXLAN header", LayerGeneve: "Geneve header",
		LayerNesting: "headers of one packet", LayerTCP: "TCP header",
	}
	if int(l) < len(names) {
		return names[l]
	}
	return "layer " + strconv.Itoa(int(l))
}

// Problem is what is wrong with a header.
type Problem uint8

// The problems.
const (
	// ProblemCut: the snapshot length of the capture cut it off.
	ProblemCut Problem = iota
	// ProblemShort: the packet itself ends inside it.
	ProblemShort
	// ProblemLength: a length in it is impossible.
	ProblemLength
	// ProblemVersion: its version is none that belongs here.
	ProblemVersion
	// ProblemDepth: too much was nested.
	ProblemDepth
	// ProblemUnsupported: no parser knows it.
	ProblemUnsupported
	problemCount
)

// String is the problem in words.
func (p Problem) String() string {
	names := [...]string{
		ProblemCut: "cut off by the snapshot length", ProblemShort: "longer than the packet",
		ProblemLength: "impossible length", ProblemVersion: "unexpected version",
		ProblemDepth: "nested too deeply", ProblemUnsupported: "type not supported",
	}
	if int(p) < len(names) {
		return names[p]
	}
	return "problem " + strconv.Itoa(int(p))
}

// maxUnsupportedLinkTypes is how many unsupported link types are told apart. Captures have
// one or two; a pcapng file may name 65,536.
const maxUnsupportedLinkTypes = 16

// dissectorCounts is what a Dissector counts.
type dissectorCounts struct {
	packets, segments, other uint64
	deepTunnels, deepHeaders uint64
	linkTypes                []UnsupportedLinkType
	linkTypesLeft            uint64
	unparsed                 [layerCount][problemCount]reasonCount
}

// reasonCount counts packets for one reason.
type reasonCount struct {
	packets uint64
	first   Position
}

func (r *reasonCount) add(at Position) {
	if r.packets == 0 {
		r.first = at
	}
	r.packets++
}

// linkType counts a packet of a link type that no parser knows.
func (n *dissectorCounts) linkType(l LinkType, at Position) {
	for i := range n.linkTypes {
		if n.linkTypes[i].Link == l {
			n.linkTypes[i].Packets++
			return
		}
	}
	if len(n.linkTypes) == maxUnsupportedLinkTypes {
		n.linkTypesLeft++
		return
	}
	n.linkTypes = append(n.linkTypes, UnsupportedLinkType{Link: l, Packets: 1, First: at})
}

// reasons are the reasons that occurred.
func (n *dissectorCounts) reasons() []Unparsed {
	var all []Unparsed
	for l := range n.unparsed {
		for p := range n.unparsed[l] {
			if r := &n.unparsed[l][p]; r.packets > 0 {
				all = append(all, Unparsed{Layer(l), Problem(p), r.packets, r.first})
			}
		}
	}
	return all
}

// limits are the limits that were hit.
func (d *Dissector) limits() []LimitHit {
	var hit []LimitHit
	for _, l := range []LimitHit{
		{"tunnel_depth", maxTunnels, d.counts.deepTunnels},
		{"packet_headers", maxHeaders, d.counts.deepHeaders},
		{"unsupported_link_types", maxUnsupportedLinkTypes, d.counts.linkTypesLeft},
		{"fragmented_datagrams", uint64(d.fragments.maxDatagrams), d.fragments.datagramLimit},
		{"fragment_bytes", uint64(d.fragments.maxBytes), d.fragments.byteLimit},
		{"fragment_pieces", maxPieces, d.fragments.pieceLimit},
	} {
		if l.Hits > 0 {
			hit = append(hit, l)
		}
	}
	return hit
}
