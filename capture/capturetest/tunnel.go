package capturetest

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Tunnel puts the frame or IP packet of p into something else. A tunnel for IP does not change
// packets without IP.
type Tunnel func(p Packet) Packet

// Encapsulations returns the variants with other headers around the same segments.
func Encapsulations() []Variant { return append(commonEncapsulations(), rareEncapsulations()...) }

// commonEncapsulations are the variants with headers that many captures have.
func commonEncapsulations() []Variant {
	wrapped := func(name string, tunnels ...Tunnel) Variant {
		return Variant{name, KeepsAll, func(p []Packet, _ uint64) []Packet { return Encapsulate(p, tunnels...) }}
	}
	relinked := func(name string, link uint32) Variant {
		return Variant{name, KeepsAll, func(p []Packet, _ uint64) []Packet { return Relink(p, link) }}
	}
	return []Variant{
		wrapped("VLAN", VLAN(EtherVLAN, 42)),
		wrapped("QinQ", VLAN(EtherVLAN, 42), VLAN(EtherQinQ, 7)),
		wrapped("VLAN stack of three", VLAN(EtherVLAN, 42), VLAN(EtherVLANv1, 7), VLAN(EtherQinQ, 9)),
		wrapped("MPLS", MPLS(16), MPLS(17)),
		wrapped("PPPoE", PPPoE(11)),
		wrapped("PPPoE in a VLAN", PPPoE(11), VLAN(EtherVLAN, 42)),
		wrapped("GRE", GRE(GREOptions{})),
		wrapped("GRE with checksum, key and sequence", GRE(GREOptions{Checksum: true, Key: 77, Sequence: true})),
		wrapped("GRE with Ethernet inside", GRE(GREOptions{Ethernet: true, Key: 0x123456})),
		wrapped("ERSPAN I", ERSPAN(1)),
		wrapped("ERSPAN II", ERSPAN(2)),
		wrapped("ERSPAN III", ERSPAN(3)),
		wrapped("ERSPAN II of a VLAN", VLAN(EtherVLAN, 42), ERSPAN(2)),
		wrapped("VXLAN", VXLAN(4789, 5001)),
		wrapped("Geneve", Geneve(6081, 5001)),
		wrapped("IP in IP, 4 in 4", IPIn(4)),
		wrapped("IP in IP, 4 in 6", IPIn(6)),
		wrapped("VLAN, VXLAN, IP in IP", IPIn(4), VXLAN(4789, 9), VLAN(EtherVLAN, 42)),
		{"IP in IP, 6 in 4", KeepsAll &^ KeepsAddresses, func(p []Packet, _ uint64) []Packet { return Encapsulate(ToIPv6(p), IPIn(4)) }},
		{"IP in IP, 6 in 6", KeepsAll &^ KeepsAddresses, func(p []Packet, _ uint64) []Packet { return Encapsulate(ToIPv6(p), IPIn(6)) }},
		{"fragmented VXLAN", KeepsAll, func(p []Packet, _ uint64) []Packet {
			return Fragment(Encapsulate(p, VXLAN(4789, 5001)), 104, Fragments{})
		}},
		{"inside and outside a tunnel", KeepsAll, func(p []Packet, _ uint64) []Packet { return InsideAndOutside(p, VXLAN(4789, 5001)) }},
		{"with a VLAN tag and without", KeepsAll, func(p []Packet, _ uint64) []Packet { return InsideAndOutside(p, VLAN(EtherVLAN, 42)) }},
		relinked("NULL", LinkNull),
		relinked("LOOP", LinkLoop),
		relinked("SLL", LinkSLL),
		relinked("SLL2", LinkSLL2),
		relinked("RAW", LinkRaw),
		relinked("raw IPv4 or IPv6", LinkIPv4),
		{"raw IPv6", KeepsAll &^ KeepsAddresses, func(p []Packet, _ uint64) []Packet { return Relink(ToIPv6(p), LinkIPv6) }},
		{"NULL with IPv6", KeepsAll &^ KeepsAddresses, func(p []Packet, _ uint64) []Packet { return Relink(ToIPv6(p), LinkNull) }},
	}
}

// Encapsulate puts every packet into the tunnels, the innermost first. It converts other link
// types to Ethernet before.
func Encapsulate(packets []Packet, tunnels ...Tunnel) []Packet {
	out := Relink(packets, LinkEthernet)
	for i := range out {
		for _, t := range tunnels {
			out[i] = t(out[i])
		}
	}
	return out
}

// InsideAndOutside returns every packet twice: inside a tunnel, then unchanged. A capture on both
// sides of a tunnel's end looks like this.
func InsideAndOutside(packets []Packet, t Tunnel) []Packet {
	var out []Packet
	for _, p := range Relink(packets, LinkEthernet) {
		out = append(out, t(p), p)
	}
	return out
}

// Relink gives every IP packet the given link type, and omits others. Each packet gets the one of
// LinkIPv4 and LinkIPv6 that matches its version.
func Relink(packets []Packet, link uint32) []Packet {
	var out []Packet
	for _, p := range packets {
		if p.Link == link {
			out = append(out, p)
			continue
		}
		head, ip, wire, ok := network(p)
		if !ok {
			continue
		}
		link := link
		switch {
		case link == LinkIPv4 && etherTypeOf(ip) == EtherIPv6:
			link = LinkIPv6
		case link == LinkIPv6 && etherTypeOf(ip) == EtherIPv4:
			link = LinkIPv4
		}
		header := linkHeader(link, etherTypeOf(ip))
		cut := p.Length() - len(head) - len(p.Data[len(head):])
		p.Link, p.Data, p.OrigLen = link, slices.Concat(header, ip), 0
		if cut > 0 {
			p.OrigLen = len(header) + wire
		}
		out = append(out, p)
	}
	return out
}

// linkHeader returns the header of a link type before an IPv4 or IPv6 packet.
func linkHeader(link uint32, etherType uint16) []byte {
	// AF_INET is 2 everywhere; AF_INET6 is 30 on Darwin, other systems differ.
	family := uint32(2)
	if etherType == EtherIPv6 {
		family = 30
	}
	const loopbackDevice = 772 // ARPHRD_LOOPBACK
	switch link {
	case LinkEthernet:
		return Ethernet(etherType, nil)
	case LinkNull:
		return binary.LittleEndian.AppendUint32(nil, family) // the byte order of the capturing host
	case LinkLoop:
		return binary.BigEndian.AppendUint32(nil, family)
	case LinkSLL:
		h := []byte{0, 0, loopbackDevice >> 8, loopbackDevice & 0xff, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0}
		return binary.BigEndian.AppendUint16(h, etherType)
	case LinkSLL2:
		h := binary.BigEndian.AppendUint16(nil, etherType)
		return append(h, 0, 0, 0, 0, 0, 1, loopbackDevice>>8, loopbackDevice&0xff, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0)
	case LinkRaw, LinkIPv4, LinkIPv6:
		return nil
	}
	panic("link type without a header here")
}

// wrap returns a tunnel for frames. build gets the bytes as on the wire, with zeros for those not
// captured, and puts headers before them.
func wrap(build func(frame []byte) []byte) Tunnel {
	return func(p Packet) Packet {
		missing := p.Length() - len(p.Data)
		data := build(append(slices.Clone(p.Data), make([]byte, missing)...))
		p.Data, p.OrigLen = data[:len(data)-missing], len(data)
		return p
	}
}

// wrapIP is wrap for the IP packet inside an Ethernet frame; build returns an Ethernet frame.
func wrapIP(build func(ip []byte) []byte) Tunnel {
	return func(p Packet) Packet {
		_, ip, wire, ok := network(p)
		if !ok {
			return p
		}
		p.Data, p.OrigLen = ip, wire
		return wrap(build)(p)
	}
}

// linked gives the packets of a tunnel another link type.
func linked(link uint32, t Tunnel) Tunnel {
	return func(p Packet) Packet {
		p = t(p)
		p.Link = link
		return p
	}
}

// VLAN inserts an 802.1Q tag with the given type before the frame's type.
func VLAN(etherType, id uint16) Tunnel {
	return tag(byte(etherType>>8), byte(etherType), byte(id>>8), byte(id))
}

// MPLS puts a label before the packet (RFC 3032). The label of an IP packet is the bottom of the
// stack.
func MPLS(label uint32) Tunnel {
	return wrap(func(frame []byte) []byte {
		entry := label<<12 | 64
		if binary.BigEndian.Uint16(frame[12:]) != EtherMPLS {
			entry |= 1 << 8
		}
		return Ethernet(EtherMPLS, slices.Concat(binary.BigEndian.AppendUint32(nil, entry), frame[ethernetLength:]))
	})
}

// PPPoE puts the IP packet into a PPPoE session (RFC 2516).
func PPPoE(session uint16) Tunnel {
	return wrapIP(func(ip []byte) []byte {
		h := binary.BigEndian.AppendUint16([]byte{0x11, 0}, session)
		h = binary.BigEndian.AppendUint16(h, uint16(len(ip)+2))
		return Ethernet(EtherPPPoE, ppp(ip, h...))
	})
}

// The ends of the tunnels.
var (
	tunnelA, tunnelB = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	tunnelC, tunnelD = netip.MustParseAddr("2001:db8:ffff::1"), netip.MustParseAddr("2001:db8:ffff::2")
)

// between returns a frame with an IP packet between the ends of a tunnel. Its direction depends on
// the inner frame or packet.
func between(a, b netip.Addr, inner []byte, protocol uint8, payload []byte) []byte {
	if reversed(inner) {
		a, b = b, a
	}
	ip := IP(a, b, protocol, payload)
	return Ethernet(etherTypeOf(ip), ip)
}

// reversed distinguishes the two directions of a connection by the order of the addresses and
// ports.
func reversed(inner []byte) bool {
	p := Packet{Link: LinkRaw, Data: inner}
	if s := takeApart(p); s != nil {
		return s.src.Compare(s.dst) > 0
	}
	p.Link = LinkEthernet
	if s := takeApart(p); s != nil {
		return s.src.Compare(s.dst) > 0
	}
	return false
}

// GREOptions are the optional fields of a GRE header (RFC 2784, RFC 2890).
type GREOptions struct {
	// Ethernet carries the frame, not only the IP packet.
	Ethernet bool
	Checksum bool
	Key      uint32 // 0 omits it
	Sequence bool
}

// GRE puts the packet into GRE over IPv4.
func GRE(o GREOptions) Tunnel {
	const etherTransparent = 0x6558
	build := func(inner []byte, protocol uint16) []byte {
		return between(tunnelA, tunnelB, inner, ProtocolGRE, append(o.header(protocol, inner), inner...))
	}
	if o.Ethernet {
		return wrap(func(frame []byte) []byte { return build(frame, etherTransparent) })
	}
	return wrapIP(func(ip []byte) []byte { return build(ip, etherTypeOf(ip)) })
}

// header returns the GRE header before payload.
func (o GREOptions) header(protocol uint16, payload []byte) []byte {
	var flags uint16
	h := []byte{0, 0, byte(protocol >> 8), byte(protocol)}
	if o.Checksum {
		flags |= 1 << 15
		h = append(h, 0, 0, 0, 0)
	}
	if o.Key != 0 {
		flags |= 1 << 13
		h = binary.BigEndian.AppendUint32(h, o.Key)
	}
	if o.Sequence {
		flags |= 1 << 12
		h = binary.BigEndian.AppendUint32(h, 1)
	}
	binary.BigEndian.PutUint16(h, flags)
	if o.Checksum {
		binary.BigEndian.PutUint16(h[4:], ^fold(sum(sum(0, h), payload)))
	}
	return h
}

// ERSPAN mirrors the frame inside GRE: type 1 without its own header, type 2 with 8 bytes, type 3
// with 12 and an 8-byte platform header (draft-foschiano-erspan). All packets have the same
// direction, to the collector.
func ERSPAN(kind int) Tunnel {
	const etherERSPAN, etherERSPAN3, session = 0x88be, 0x22eb, 100
	return wrap(func(frame []byte) []byte {
		var h []byte
		switch kind {
		case 1:
			h = GREOptions{}.header(etherERSPAN, nil)
		case 2:
			h = GREOptions{Sequence: true}.header(etherERSPAN, nil)
			h = append(h, 1<<4, 0, session>>8, session&0xff, 0, 0, 0, 5)
		case 3:
			h = GREOptions{Sequence: true}.header(etherERSPAN3, nil)
			h = append(h, 2<<4, 0, session>>8, session&0xff)
			h = append(h, 0, 0, 0, 1, 0, 0, 0, 1) // timestamp; group tag, and a platform header follows
			h = append(h, 0, 0, 0, 0, 0, 0, 0, 0)
		}
		ip := IP(tunnelA, tunnelB, ProtocolGRE, append(h, frame...))
		return Ethernet(EtherIPv4, ip)
	})
}

// VXLAN puts the frame into VXLAN (RFC 7348).
func VXLAN(port uint16, network uint32) Tunnel {
	return wrap(func(frame []byte) []byte {
		h := []byte{1 << 3, 0, 0, 0}
		return overlay(port, frame, binary.BigEndian.AppendUint32(h, network<<8), frame)
	})
}

// Geneve puts the frame into Geneve with one option (RFC 8926).
func Geneve(port uint16, network uint32) Tunnel {
	const etherTransparent = 0x6558
	return wrap(func(frame []byte) []byte {
		h := []byte{2, 0, etherTransparent >> 8, etherTransparent & 0xff}
		h = binary.BigEndian.AppendUint32(h, network<<8)
		h = append(h, 0x01, 0x02, 0x03, 1, 0xde, 0xad, 0xbe, 0xef) // class, type, length in words, value
		return overlay(port, frame, h, frame)
	})
}

// overlay returns a frame with a UDP datagram between the ends of a tunnel. Its direction depends
// on the inner frame or packet.
func overlay(port uint16, inner, header, payload []byte) []byte {
	a, b := tunnelA, tunnelB
	if reversed(inner) {
		a, b = b, a
	}
	ip := UDP(netip.AddrPortFrom(a, 50_000), netip.AddrPortFrom(b, port), slices.Concat(header, payload))
	return Ethernet(EtherIPv4, ip)
}

// IPIn puts the IP packet directly into another, of version 4 or 6 (RFC 2003, RFC 2473).
func IPIn(version int) Tunnel {
	a, b := tunnelA, tunnelB
	if version == 6 {
		a, b = tunnelC, tunnelD
	}
	return wrapIP(func(ip []byte) []byte { return between(a, b, ip, protocolOf(ip), ip) })
}

// protocolOf returns the protocol number of an IP packet in another header.
func protocolOf(ip []byte) uint8 {
	if etherTypeOf(ip) == EtherIPv6 {
		return ProtocolIPv6
	}
	return ProtocolIPv4
}
