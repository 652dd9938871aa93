package capture

import (
	"fmt"
	"slices"
	"strconv"
)

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
	// of appearance, as far as they are among the first maxUnsupported protocols.
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
	// Protocol is what no parser supports, if the problem is that and the protocol is
	// among the first maxUnsupported ones.
	Protocol Protocol
	// Packets counts them, First is the first one.
	Packets uint64
	First   Position
}

// String is the reason in words: "TCP header: cut off by the snapshot length".
func (u Unparsed) String() string {
	if u.Protocol.Kind != 0 {
		return u.Protocol.String() + ": not supported"
	}
	return u.Layer.String() + ": " + u.Problem.String()
}

// Protocol is a number in a header that says what follows.
type Protocol struct {
	Kind   ProtocolKind
	Number uint32
}

// ProtocolKind says what a Protocol's number is; 0 is none.
type ProtocolKind uint8

// The kinds of protocol numbers.
const (
	ProtocolLink ProtocolKind = 1 + iota
	ProtocolEtherType
	ProtocolPPP
	ProtocolNSH
)

// protocolNames are the names of protocols that could carry TCP and are not supported.
var protocolNames = map[Protocol]string{
	{ProtocolEtherType, 0x22f3}: "TRILL", {ProtocolEtherType, 0x8903}: "FabricPath", {ProtocolEtherType, 0x88b5}: "experimental",
	{ProtocolEtherType, 0x876b}: "TCP/IP compression", {ProtocolEtherType, 0x8847}: "MPLS", {ProtocolEtherType, 0x9003}: "vendor's CPU tag",
	{ProtocolPPP, 0x002d}: "Van Jacobson compressed TCP/IP", {ProtocolPPP, 0x002f}: "Van Jacobson uncompressed TCP/IP",
	{ProtocolPPP, 0x0031}: "bridging", {ProtocolPPP, 0x0053}: "encrypted", {ProtocolPPP, 0x00fb}: "compressed", {ProtocolPPP, 0x00fd}: "compressed",
}

// String is the protocol with its number: "EtherType 0x22f3 (TRILL)".
func (p Protocol) String() string {
	var text string
	switch p.Kind {
	case ProtocolLink:
		return "link type " + LinkType(p.Number).String() + " (" + strconv.Itoa(int(p.Number)) + ")"
	case ProtocolEtherType:
		text = fmt.Sprintf("EtherType %#04x", p.Number)
	case ProtocolPPP:
		text = fmt.Sprintf("PPP protocol %#04x", p.Number)
	case ProtocolNSH:
		text = fmt.Sprintf("next protocol %d of NSH or VXLAN-GPE", p.Number)
	default:
		return "protocol " + strconv.Itoa(int(p.Number))
	}
	if name := protocolNames[p]; name != "" {
		text += " (" + name + ")"
	}
	return text
}

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
	LayerTag
	LayerMACsec
	LayerNSH
	LayerMPLS
	LayerPPPoE
	LayerPPP
	LayerHDLC
	LayerFrameRelay
	LayerRadio
	Layer80211
	LayerIP
	LayerExtension
	LayerFragment
	LayerUDP
	LayerGRE
	LayerERSPAN
	LayerVXLAN
	LayerGeneve
	LayerEtherIP
	LayerL2TP
	LayerGTP
	LayerESP
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
		LayerTag: "tag of a bridge", LayerMACsec: "MACsec", LayerNSH: "NSH header", LayerPPP: "PPP header",
		LayerHDLC: "HDLC header", LayerFrameRelay: "Frame Relay header", LayerRadio: "radio header", Layer80211: "802.11 frame",
		LayerEtherIP: "EtherIP header", LayerL2TP: "L2TP header", LayerGTP: "GTP-U header", LayerESP: "ESP",
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
	// ProblemUnsupported: no parser knows what it is or what follows.
	ProblemUnsupported
	// ProblemMalformed: the decoder refused it.
	ProblemMalformed
	// ProblemEncrypted: what follows is encrypted.
	ProblemEncrypted
	// ProblemFragment: it holds a fragment, and such fragments are not reassembled.
	ProblemFragment
	problemCount
)

// String is the problem in words.
func (p Problem) String() string {
	names := [...]string{
		ProblemCut: "cut off by the snapshot length", ProblemShort: "longer than the packet",
		ProblemLength: "impossible length", ProblemVersion: "unexpected version",
		ProblemDepth: "nested too deeply", ProblemUnsupported: "type not supported", ProblemMalformed: "malformed",
		ProblemEncrypted: "encrypted", ProblemFragment: "fragmented",
	}
	if int(p) < len(names) {
		return names[p]
	}
	return "problem " + strconv.Itoa(int(p))
}

// maxUnsupported is how many unsupported protocols are counted each. Captures have a
// handful; a crafted file can name 65,536 link types and as many EtherTypes.
const maxUnsupported = 32

// dissectorCounts is what a Dissector counts.
type dissectorCounts struct {
	packets, segments, other uint64
	deepTunnels, deepHeaders uint64
	// subframes counts aggregates of 802.11 of which only the first frame was read.
	subframes uint64
	// protocols are the first maxUnsupported protocols without a parser, protocolsLeft
	// counts the packets of others.
	protocols     []Unparsed
	protocolsLeft uint64
	unparsed      [layerCount][problemCount]reasonCount
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

// unsupported counts a packet of a protocol that no parser supports. It returns false
// if the packet is to be counted without a name.
func (n *dissectorCounts) unsupported(p Protocol, at Position) bool {
	if p.Kind == 0 {
		return false
	}
	for i := range n.protocols {
		if n.protocols[i].Protocol == p {
			n.protocols[i].Packets++
			return true
		}
	}
	if len(n.protocols) == maxUnsupported {
		n.protocolsLeft++
		return false
	}
	n.protocols = append(n.protocols, Unparsed{Problem: ProblemUnsupported, Protocol: p, Packets: 1, First: at})
	return true
}

// linkTypes are the link types among the unsupported protocols.
func (n *dissectorCounts) linkTypes() []UnsupportedLinkType {
	var all []UnsupportedLinkType
	for _, u := range n.protocols {
		if u.Protocol.Kind == ProtocolLink {
			all = append(all, UnsupportedLinkType{LinkType(u.Protocol.Number), u.Packets, u.First})
		}
	}
	return all
}

// reasons are the reasons that occurred.
func (n *dissectorCounts) reasons() []Unparsed {
	all := slices.Clone(n.protocols)
	for l := range n.unparsed {
		for p := range n.unparsed[l] {
			if r := &n.unparsed[l][p]; r.packets > 0 {
				all = append(all, Unparsed{Layer: Layer(l), Problem: Problem(p), Packets: r.packets, First: r.first})
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
		{"unsupported_protocols", maxUnsupported, d.counts.protocolsLeft},
		{"802.11_subframes", 1, d.counts.subframes},
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
