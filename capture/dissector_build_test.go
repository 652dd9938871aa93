package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// The innermost segment of every packet built here.
const (
	builtSeq     = 1000
	builtAck     = 2000
	builtFlags   = PSH | ACK
	builtSrcPort = 40000
	builtDstPort = 9092
	builtPayload = "size key version"
)

var (
	builtSrc4 = netip.MustParseAddr("10.0.0.1")
	builtDst4 = netip.MustParseAddr("10.0.0.2")
	builtSrc6 = netip.MustParseAddr("2001:db8::1")
	builtDst6 = netip.MustParseAddr("2001:db8::2")
	outerSrc4 = netip.MustParseAddr("192.0.2.1")
	outerDst4 = netip.MustParseAddr("192.0.2.2")
	outerSrc6 = netip.MustParseAddr("2001:db8:ffff::1")
	outerDst6 = netip.MustParseAddr("2001:db8:ffff::2")
)

// be16 and be32 append big-endian numbers.
func be16(b []byte, v ...uint16) []byte {
	for _, v := range v {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func be32(b []byte, v ...uint32) []byte {
	for _, v := range v {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// tcpOf returns a TCP header with options, and its payload. Checksums are 0, as with offload.
func tcpOf(options []byte, payload string) []byte {
	b := be16(nil, builtSrcPort, builtDstPort)
	b = be32(b, builtSeq, builtAck)
	b = append(b, byte(tcpHeader+len(options))/4<<4, byte(builtFlags))
	b = be16(b, 512, 0, 0)
	return append(append(b, options...), payload...)
}

// builtTCP returns the segment of most tests.
func builtTCP() []byte { return tcpOf(nil, builtPayload) }

func ipv4Of(src, dst netip.Addr, protocol uint8, payload []byte) []byte {
	return ipv4Fragment(src, dst, protocol, 0, 0, payload)
}

// ipv4Fragment returns an IPv4 packet with a fragment field.
func ipv4Fragment(src, dst netip.Addr, protocol uint8, id, field uint16, payload []byte) []byte {
	b := be16([]byte{0x45, 0}, uint16(ipv4Header+len(payload)), id, field)
	b = append(b, 64, protocol, 0, 0)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum&0xffff+sum>>16))
	return append(b, payload...)
}

func ipv6Of(src, dst netip.Addr, next uint8, payload []byte) []byte {
	b := be16([]byte{0x60, 0, 0, 0}, uint16(len(payload)))
	b = append(b, next, 64)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, payload...)
}

// built4 and built6 return the packets that most tests wrap.
func built4() []byte { return ipv4Of(builtSrc4, builtDst4, protocolTCP, builtTCP()) }
func built6() []byte { return ipv6Of(builtSrc6, builtDst6, protocolTCP, builtTCP()) }

// outer4 and outer6 return the IP packets of a tunnel.
func outer4(protocol uint8, payload []byte) []byte {
	return ipv4Of(outerSrc4, outerDst4, protocol, payload)
}

func outer6(protocol uint8, payload []byte) []byte {
	return ipv6Of(outerSrc6, outerDst6, protocol, payload)
}

// extensionOf returns an IPv6 extension header of n more 8-byte units, filled with padding.
func extensionOf(next uint8, n int, payload []byte) []byte {
	b := []byte{next, byte(n), 1, 4, 0, 0, 0, 0}
	for range n {
		b = append(b, 1, 6, 0, 0, 0, 0, 0, 0)
	}
	return append(b, payload...)
}

// fragment6Of returns an IPv6 fragment header.
func fragment6Of(next uint8, offset int, more bool, id uint32, payload []byte) []byte {
	field := uint16(offset)
	if more {
		field |= moreFragments6
	}
	return append(be32(be16([]byte{next, 0}, field), id), payload...)
}

// routingOf returns an IPv6 routing header with those addresses.
func routingOf(next, kind, left uint8, payload []byte, addresses ...netip.Addr) []byte {
	b := []byte{next, byte(2 * len(addresses)), kind, left, byte(max(len(addresses)-1, 0)), 0, 0, 0}
	if kind != routingSegment {
		b[4] = 0
	}
	for _, a := range addresses {
		b = append(b, a.AsSlice()...)
	}
	return append(b, payload...)
}

func ethernetOf(t uint16, payload []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	return append(be16(b, t), payload...)
}

// tagOf returns what follows the type of a VLAN tag.
func tagOf(control, t uint16, payload []byte) []byte {
	return append(be16(nil, control, t), payload...)
}

// snapOf returns what follows an 802.3 length: LLC, SNAP and payload.
func snapOf(t uint16, payload []byte) []byte {
	return append(be16([]byte{0xaa, 0xaa, 3, 0, 0, 0}, t), payload...)
}

func cookedOf(device, protocol uint16, payload []byte) []byte {
	b := be16(nil, 0, device, 6)
	b = append(b, 2, 0, 0, 0, 0, 1, 0, 0)
	return append(be16(b, protocol), payload...)
}

func cooked2Of(device, protocol uint16, payload []byte) []byte {
	b := be16(nil, protocol, 0)
	b = be16(be32(b, 3), device)
	b = append(b, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0)
	return append(b, payload...)
}

// labelsOf returns an MPLS label stack.
func labelsOf(payload []byte, labels ...uint32) []byte {
	var b []byte
	for i, l := range labels {
		entry := l<<12 | 64
		if i == len(labels)-1 {
			entry |= 1 << 8
		}
		b = be32(b, entry)
	}
	return append(b, payload...)
}

// pppoeOf returns a PPPoE session header. payload begins with the PPP protocol number.
func pppoeOf(payload []byte) []byte {
	return append(be16([]byte{0x11, 0}, 77, uint16(len(payload))), payload...)
}

func udpOf(port uint16, payload []byte) []byte {
	return append(be16(nil, 51234, port, uint16(8+len(payload)), 0), payload...)
}

func vxlanOf(flags, next byte, vni uint32, payload []byte) []byte {
	return append(be32([]byte{flags, 0, 0, next}, vni<<8), payload...)
}

// geneveOf returns a Geneve header with 4-byte units of options.
func geneveOf(t uint16, vni uint32, units int, payload []byte) []byte {
	b := be32(be16([]byte{byte(units), 0}, t), vni<<8)
	if units > 0 {
		b = append(be16(b, 0x0102), 0x80, byte(units-1))
		b = append(b, make([]byte, 4*(units-1))...)
	}
	return append(b, payload...)
}

// greOf returns a GRE header with the fields that its flags announce.
func greOf(flags, protocol uint16, key uint32, payload []byte) []byte {
	b := be16(nil, flags, protocol)
	if flags&(greChecksum|greRouting) != 0 {
		b = be32(b, 0)
	}
	if flags&greKey != 0 {
		b = be32(b, key)
	}
	if flags&greSequence != 0 {
		b = be32(b, 7)
	}
	if flags&greRouting != 0 {
		b = append(b, 0, 2, 0, 4, 192, 0, 2, 9, 0, 0, 0, 0)
	}
	return append(b, payload...)
}

// erspan2Of and erspan3Of return ERSPAN headers of types II and III.
func erspan2Of(vlan uint16, payload []byte) []byte {
	return append(be32(be16(nil, 1<<12|vlan, 5), 1), payload...)
}

func erspan3Of(frameType byte, subheader bool, payload []byte) []byte {
	b := be16(nil, 2<<12|10, 5)
	b = append(be32(b, 12345), 0, 0, frameType<<2, 0)
	if subheader {
		b[11] |= 1
		b = append(b, make([]byte, 8)...)
	}
	return append(b, payload...)
}

// builtCase is a packet around the built segment.
type builtCase struct {
	name string
	link LinkType
	data []byte
	// length is the length on the wire if it is not len(data).
	length int
	// v6: the segment is in IPv6.
	v6    bool
	depth uint8
	// domain: a network identifier is around it.
	domain bool
	// library: gopacket parses one of the headers.
	library bool
}

func (c *builtCase) packet() Packet {
	return Packet{
		Position: Position{Frame: 9, Time: 1e18, Capture: 1},
		Data:     c.data, Length: uint32(max(c.length, len(c.data))), Link: c.link,
	}
}

// builtCases are packets with the built segment in every supported encapsulation.
func builtCases() []builtCase {
	return slices.Concat(linkCases(), ipCases(), tunnelCases(), rareCases())
}
