package capture

import (
	"cmp"
	"time"
)

// LinkType is a link-layer header type as registered at
// https://www.tcpdump.org/linktypes.html. It is 32 bits wide: LINUX_SLL2 (276)
// does not fit into eight.
type LinkType uint32

// Position says where in the input something was seen.
type Position struct {
	// Frame is the number of the packet within its capture, counted from 1
	// over all packets, as Wireshark's frame.number.
	Frame uint64
	// Time is the packet's timestamp in nanoseconds since the Unix epoch (UTC), by the
	// clock of the first capture (Info.ClockOffset).
	Time int64
	// Capture is the index of the capture in Source.Captures.
	Capture uint32
	// Stream is the number of the packet's connection within its capture, counted from 0,
	// as Wireshark's tcp.stream. Package reassembly sets it.
	Stream uint32
}

// Before reports whether p lies before q in the input. Within a capture the frames
// are in order; captures are merged by time.
func (p Position) Before(q Position) bool {
	if p.Capture == q.Capture {
		return p.Frame < q.Frame
	}
	return p.Compare(q) < 0
}

// Compare orders positions as they lie in the input: -1, 0 or +1.
func (p Position) Compare(q Position) int {
	if p.Capture == q.Capture {
		return cmp.Compare(p.Frame, q.Frame)
	}
	return cmp.Or(cmp.Compare(p.Time, q.Time), cmp.Compare(p.Capture, q.Capture))
}

// Timestamp is Time as a time.Time in UTC.
func (p Position) Timestamp() time.Time { return time.Unix(0, p.Time).UTC() }

// Packet is one record of a capture.
type Packet struct {
	Position
	// Data holds the captured bytes, beginning with the link-layer header. It
	// points into the batch it came with and is valid as long as that is.
	Data []byte
	// Length is the packet's length on the wire in bytes; at least len(Data).
	Length uint32
	// Link is the type of the header that Data begins with.
	Link LinkType
	// Interface is the index of the capture's interface, 0 where the format has none.
	Interface uint32
}

// Segment is one TCP segment, freed from everything around it.
type Segment struct {
	Position
	// Payload holds the captured bytes of the TCP payload. It is shorter than
	// Length where the capture's snapshot length cut it.
	Payload []byte
	// Domain tells identical addresses in different networks apart: a hash of
	// the VLAN ids, VXLAN or Geneve network ids and GRE keys around the
	// segment, 0 without any. MPLS labels and ERSPAN sessions are not in it:
	// they differ between the two directions of one connection.
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
	// Depth counts the tunnels around the segment. VLAN tags, MPLS labels and
	// PPPoE are none.
	Depth uint8
	// NumberOnly says, where Dissector.Segment returned false, that there is a TCP header
	// nevertheless, with addresses and ports: one of impossible length, or one that
	// an ICMP error quotes. It is no segment of its connection, but Wireshark gives that
	// a stream number.
	NumberOnly bool
	// Outgoing says that the capturing host sent it, by the cooked header. false says nothing.
	Outgoing bool
	// raw is the packet from the innermost IP header on, or from the TCP header, which is at
	// transport, of a fragmented one. It lies where Payload does.
	raw       []byte
	transport int
	// Fragmented says that the segment came in IP fragments. Payload then lies
	// in memory of the Dissector, and must be copied to be kept beyond its next
	// call, whereas other payload is valid as long as Packet.Data.
	Fragmented bool
}

// TCPFlags are the low eight flag bits of a TCP header (RFC 9293 3.1).
type TCPFlags uint8

// The TCP flags that matter here.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
)
