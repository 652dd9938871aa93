package capture

import "cmp"

// LinkType is a link-layer header type as registered at https://www.tcpdump.org/linktypes.html.
// It has 32 bits: LINUX_SLL2 (276) does not fit into eight.
type LinkType uint32

// Position identifies a packet of the input.
type Position struct {
	// Frame is the number of the packet within its capture, counted from 1, as Wireshark's
	// frame.number.
	Frame uint64
	// Time is the packet's timestamp in nanoseconds since the Unix epoch (UTC), by the
	// clock of the first capture (Info.ClockOffset).
	Time int64
	// Capture is the index of the capture in Source.Captures.
	Capture uint32
	// Stream is the number of the packet's connection within its capture, counted from 0, as
	// Wireshark's tcp.stream. Package reassembly sets it.
	Stream uint32
}

// Before reports whether p comes before q in the input. Within a capture, frame numbers decide;
// captures are merged by time.
func (p Position) Before(q Position) bool {
	if p.Capture == q.Capture {
		return p.Frame < q.Frame
	}
	return p.Compare(q) < 0
}

// Compare orders positions as in the input: -1, 0 or +1.
func (p Position) Compare(q Position) int {
	if p.Capture == q.Capture {
		return cmp.Compare(p.Frame, q.Frame)
	}
	return cmp.Or(cmp.Compare(p.Time, q.Time), cmp.Compare(p.Capture, q.Capture))
}

// Later returns the later one of two positions.
func Later(p, q Position) Position {
	if p.Before(q) {
		return q
	}
	return p
}

// Packet is one record of a capture.
type Packet struct {
	Position
	// Data holds the captured bytes, beginning with the link-layer header. It is part of its
	// batch's memory and valid as long as that.
	Data []byte
	// Length is the packet's length on the wire in bytes; at least len(Data).
	Length uint32
	// Link is the type of the header at the beginning of Data.
	Link LinkType
	// Interface is the index of the capture's interface, 0 for formats without interfaces.
	Interface uint32
	// Process is the process of the capturing host that a comment on the packet names; nil for
	// none.
	Process *PacketProcess
}

// Segment is one TCP segment.
type Segment struct {
	Position
	// Payload holds the captured bytes of the TCP payload. It is shorter than Length if the
	// snapshot length cut it.
	Payload []byte
	// Domain distinguishes equal addresses in different networks. It is a hash of the VLAN ids,
	// VXLAN or Geneve network ids and GRE keys around the segment, 0 without any. MPLS labels
	// and ERSPAN sessions do not count, because they differ between the two directions of a
	// connection.
	Domain uint64
	// Src and Dst are the innermost addresses, IPv4 as IPv4-mapped IPv6 (RFC 4291 2.5.5.2).
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
	// Seq and Ack are the TCP sequence and acknowledgement numbers.
	Seq, Ack uint32
	// Length is the length of the TCP payload on the wire in bytes.
	Length uint32
	// Flags are the TCP flags.
	Flags TCPFlags
	// Depth counts the tunnels around the segment. VLAN tags, MPLS labels and PPPoE do not
	// count.
	Depth uint8
	// NumberOnly: Dissector.Segment returned false, but the packet has a TCP header with
	// addresses and ports. Its length is impossible, or an ICMP error quotes it. It is no
	// segment of its connection, but Wireshark gives that a stream number.
	NumberOnly bool
	// raw is the packet from the innermost IP header on; for a fragmented one from the TCP
	// header on. transport is the offset of the TCP header. raw is valid as long as Payload.
	raw       []byte
	transport int
	// Fragmented: the segment came in IP fragments. Payload is then memory of the Dissector,
	// valid until its next call. All other payload is valid as long as Packet.Data.
	Fragmented bool
}

// TCPFlags are the low eight flag bits of a TCP header (RFC 9293 3.1).
type TCPFlags uint8

// The TCP flags.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
)
