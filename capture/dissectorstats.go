package capture

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// DissectorStats counts the packets that a Dissector has parsed. Each packet counts once:
// Packets is Segments + Other + Fragments + all Unparsed.
type DissectorStats struct {
	// Packets counts all packets.
	Packets uint64
	// Segments counts the packets that carried, or completed, a TCP segment.
	Segments uint64
	// Other counts the packets without TCP: ARP, UDP, ICMP and others.
	Other uint64
	// Unparsed are the reasons for packets that could not be parsed, without reasons that did not
	// occur: first the protocols without a parser in order of appearance, then by layer and problem.
	Unparsed []Unparsed
	// Fragments counts the packets with a fragment of a datagram that may contain TCP, and that it
	// does not complete.
	Fragments uint64
	// Limits counts how often each limit was exceeded, by its name in reports. Other limits are
	// not in it.
	Limits map[string]uint64
}

// Unparsed is a reason why packets could not be parsed.
type Unparsed struct {
	Layer   Layer
	Problem Problem
	// Protocol is the protocol without a parser for ProblemUnsupported, if it is among the first
	// maxUnsupported ones.
	Protocol Protocol
	// Packets counts the packets; First is the first one.
	Packets uint64
	First   Position
}

// String returns the reason as text: "TCP header: cut off by the snapshot length".
func (u Unparsed) String() string {
	if u.Protocol.Kind != 0 {
		return u.Protocol.String() + ": not supported"
	}
	return u.Layer.String() + ": " + u.Problem.String()
}

// Protocol is a number in a header that identifies the next header.
type Protocol struct {
	Kind   ProtocolKind
	Number uint32
}

// ProtocolKind is the kind of a Protocol's number; 0 is none.
type ProtocolKind uint8

// The kinds of protocol numbers.
const (
	ProtocolLink ProtocolKind = 1 + iota
	ProtocolEtherType
	ProtocolPPP
	ProtocolNSH
)

// protocolNames are the names of unsupported protocols that can carry TCP.
var protocolNames = map[Protocol]string{
	{ProtocolEtherType, 0x8903}: "FabricPath", {ProtocolEtherType, 0x88b5}: "experimental",
	{ProtocolEtherType, 0x876b}: "TCP/IP compression", {ProtocolEtherType, 0x8847}: "MPLS", {ProtocolEtherType, 0x9003}: "vendor's CPU tag",
	{ProtocolPPP, 0x002d}: "Van Jacobson compressed TCP/IP", {ProtocolPPP, 0x002f}: "Van Jacobson uncompressed TCP/IP",
	{ProtocolPPP, 0x0031}: "bridging", {ProtocolPPP, 0x0053}: "encrypted", {ProtocolPPP, 0x00fb}: "compressed", {ProtocolPPP, 0x00fd}: "compressed",
}

// String returns the protocol with its number: "EtherType 0x88b5 (experimental)".
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

// Layer is the header at which the parsing of a packet ended.
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
	LayerTZSP
	LayerGUE
	LayerLISP
	LayerTeredo
	LayerCAPWAP
	LayerESP
	LayerNesting
	LayerTCP
	layerCount
)

// String returns the layer as text.
func (l Layer) String() string {
	names := [...]string{
		LayerLink: "link-layer header", LayerVLAN: "VLAN tag", LayerMPLS: "MPLS label stack",
		LayerPPPoE: "PPPoE header", LayerIP: "IP header", LayerExtension: "IPv6 extension header",
		LayerFragment: "IP fragment", LayerUDP: "UDP header", LayerGRE: "GRE header",
		LayerERSPAN: "ERSPAN header", LayerVXLAN: "VXLAN header", LayerGeneve: "Geneve header",
		LayerTag: "tag of a bridge", LayerMACsec: "MACsec", LayerNSH: "NSH header", LayerPPP: "PPP header",
		LayerHDLC: "HDLC header", LayerFrameRelay: "Frame Relay header", LayerRadio: "radio header", Layer80211: "802.11 frame",
		LayerEtherIP: "EtherIP header", LayerL2TP: "L2TP header", LayerGTP: "GTP-U header", LayerTZSP: "TZSP header",
		LayerGUE: "GUE header", LayerLISP: "LISP header", LayerTeredo: "Teredo header", LayerCAPWAP: "CAPWAP header",
		LayerESP: "ESP", LayerNesting: "headers of one packet", LayerTCP: "TCP header",
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
	// ProblemCut: the snapshot length cut the header.
	ProblemCut Problem = iota
	// ProblemShort: the packet ends inside the header.
	ProblemShort
	// ProblemLength: a length in the header is impossible.
	ProblemLength
	// ProblemVersion: the version of the header is unexpected.
	ProblemVersion
	// ProblemDepth: the nesting is too deep.
	ProblemDepth
	// ProblemUnsupported: the header, or the next one, has no parser.
	ProblemUnsupported
	// ProblemMalformed: the decoder refused it.
	ProblemMalformed
	// ProblemEncrypted: the next bytes are encrypted.
	ProblemEncrypted
	// ProblemFragment: the header has a fragment of a kind that is not reassembled.
	ProblemFragment
	problemCount
)

// String returns the problem as text.
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

// maxUnsupported bounds the unsupported protocols with counts of their own. A capture has fewer
// than ten. A crafted file can have 65,536 link types and as many EtherTypes.
const maxUnsupported = 32

type dissectorCounts struct {
	packets, segments, other, fragments uint64
	deepTunnels, deepHeaders            uint64
	// subframes counts 802.11 aggregates of which only the first frame was read.
	subframes uint64
	// protocols are the first maxUnsupported protocols without a parser. protocolsLeft counts
	// the packets of all others.
	protocols     []Unparsed
	protocolsLeft uint64
	unparsed      [layerCount][problemCount]reasonCount
}

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

// unsupported counts a packet of a protocol without a parser. It returns false if the protocol
// gets no count of its own.
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

func (d *Dissector) limits() map[string]uint64 {
	hits := map[string]uint64{
		"tunnel_depth":          d.counts.deepTunnels,
		"packet_headers":        d.counts.deepHeaders,
		"unsupported_protocols": d.counts.protocolsLeft,
		"802.11_subframes":      d.counts.subframes,
		"fragmented_datagrams":  d.fragments.datagramLimit,
		"fragment_bytes":        d.fragments.byteLimit,
		"fragment_pieces":       d.fragments.spanLimit,
	}
	maps.DeleteFunc(hits, func(_ string, n uint64) bool { return n == 0 })
	return hits
}
