package capturetest

import (
	"encoding/binary"
	"net/netip"
)

// Ethernet types (IEEE 802 numbers).
const (
	EtherIPv4   = 0x0800
	EtherIPv6   = 0x86dd
	EtherVLAN   = 0x8100
	EtherQinQ   = 0x88a8
	EtherVLANv1 = 0x9100 // outer tags before 802.1ad
	EtherMPLS   = 0x8847
	EtherPPPoE  = 0x8864
)

// IP protocol numbers.
const (
	ProtocolIPv4     = 4
	ProtocolTCP      = 6
	ProtocolUDP      = 17
	ProtocolIPv6     = 41
	ProtocolFragment = 44
	ProtocolGRE      = 47
)

// TCP flags (RFC 9293 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Header lengths in bytes, without options.
const (
	ethernetLength = 14
	ipv4Length     = 20
	ipv6Length     = 40
	tcpLength      = 20
	udpLength      = 8
)

// TCPHeader are the variable fields of a TCP header.
type TCPHeader struct {
	Seq, Ack uint32
	Flags    uint8
	// Options are padded with zeros to a multiple of 4 bytes.
	Options []byte
}

// TCP returns an IP packet with a TCP segment.
func TCP(src, dst netip.AddrPort, h TCPHeader, payload []byte) []byte {
	options := pad4(h.Options)
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, h.Seq)
	b = binary.BigEndian.AppendUint32(b, h.Ack)
	b = append(b, byte(tcpLength+len(options))/4<<4, h.Flags)
	b = append(b, 0xff, 0xff, 0, 0, 0, 0) // window, checksum, urgent pointer
	b = append(b, options...)
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[16:], transportChecksum(src.Addr(), dst.Addr(), ProtocolTCP, b))
	return IP(src.Addr(), dst.Addr(), ProtocolTCP, b)
}

// UDP returns an IP packet with a UDP datagram.
func UDP(src, dst netip.AddrPort, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(udpLength+len(payload)))
	b = append(b, 0, 0)
	b = append(b, payload...)
	sum := transportChecksum(src.Addr(), dst.Addr(), ProtocolUDP, b)
	if sum == 0 {
		sum = 0xffff // 0 means that there is no checksum (RFC 768)
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return IP(src.Addr(), dst.Addr(), ProtocolUDP, b)
}

// IP returns an IPv4 or IPv6 packet, depending on the addresses.
func IP(src, dst netip.Addr, protocol uint8, payload []byte) []byte {
	if src.Is4() {
		return ipv4(src, dst, protocol, ipv4Fragment{dontFragment: true}, payload)
	}
	b := make([]byte, 0, ipv6Length+len(payload))
	b = append(b, 6<<4, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, protocol, 64)
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	return append(b, payload...)
}

// ipv4Fragment are the fragment fields of an IPv4 header.
type ipv4Fragment struct {
	id           uint16
	dontFragment bool
	more         bool
	offset       int // in bytes
}

// ipv4 returns an IPv4 packet or a fragment of one. A packet too long for the length field gets
// length 0, as with segmentation offload.
func ipv4(src, dst netip.Addr, protocol uint8, f ipv4Fragment, payload []byte) []byte {
	length := ipv4Length + len(payload)
	if length > 0xffff {
		length = 0
	}
	fragment := uint16(f.offset / 8)
	if f.dontFragment {
		fragment |= 1 << 14
	}
	if f.more {
		fragment |= 1 << 13
	}
	b := make([]byte, 0, ipv4Length+len(payload))
	b = append(b, 4<<4|ipv4Length/4, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = binary.BigEndian.AppendUint16(b, f.id)
	b = binary.BigEndian.AppendUint16(b, fragment)
	b = append(b, 64, protocol, 0, 0)
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	sumIPv4(b)
	return append(b, payload...)
}

// sumIPv4 sets the checksum of an IPv4 header without options.
func sumIPv4(h []byte) {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], ^fold(sum(0, h[:ipv4Length])))
}

// Ethernet returns an Ethernet frame. The addresses are locally administered.
func Ethernet(etherType uint16, payload []byte) []byte {
	b := make([]byte, 0, ethernetLength+len(payload))
	b = append(b, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1)
	b = binary.BigEndian.AppendUint16(b, etherType)
	return append(b, payload...)
}

// etherTypeOf returns the EtherType of an IP packet.
func etherTypeOf(ip []byte) uint16 {
	if ip[0]>>4 == 6 {
		return EtherIPv6
	}
	return EtherIPv4
}

// transportChecksum returns the checksum of a TCP segment or UDP datagram whose checksum field is
// 0 (RFC 9293 3.1, RFC 8200 8.1).
func transportChecksum(src, dst netip.Addr, protocol uint8, segment []byte) uint16 {
	s := sum(0, src.AsSlice())
	s = sum(s, dst.AsSlice())
	s += uint64(protocol) + uint64(len(segment))
	return ^fold(sum(s, segment))
}

// sum adds data to an Internet checksum (RFC 1071).
func sum(s uint64, data []byte) uint64 {
	for ; len(data) >= 2; data = data[2:] {
		s += uint64(data[0])<<8 | uint64(data[1])
	}
	if len(data) == 1 {
		s += uint64(data[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
