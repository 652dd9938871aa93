package capturetest

import (
	"encoding/binary"
	"slices"
)

// private is the content of header fields that identify hosts, processes or users. Redacted
// captures must not contain it.
const private = "orders"

// rareEncapsulations are the variants with headers that few captures have. Their names begin with
// those of the table of encapsulations in package capture.
func rareEncapsulations() []Variant {
	wrapped := func(name string, tunnels ...Tunnel) Variant {
		return Variant{name, KeepsAll, func(p []Packet, _ uint64) []Packet { return Encapsulate(p, tunnels...) }}
	}
	return []Variant{
		wrapped("Ethernet"),
		wrapped("VN-Tag", VNTag()),
		wrapped("802.1BR", tag(0x89, 0x3f, 0x10, 0, 0x10, 1, 0, 0)),
		wrapped("Cisco MetaData", tag(0x89, 0x09, 1, 1, 0, 1, 0, 42)),
		wrapped("FabricPath", FabricPath()),
		wrapped("PBB", PBB(4711)),
		wrapped("MACsec", MACsec(false)),
		wrapped("MACsec with channel", MACsec(true)),
		wrapped("NSH", NSH()),
		wrapped("NSH in VXLAN-GPE", NSH(), VXLANGPE(5001)),
		wrapped("VXLAN-GPE", VXLANGPE(5001)),
		wrapped("EtherIP", EtherIP()),
		wrapped("GRE version 1 (PPTP)", PPTP()),
		wrapped("GRE version 1 of plain IP", IPBehind(ProtocolGRE, 0, 1, 8, 0)),
		wrapped("GRE in UDP", IPBehindUDP(4754, 0, 0, 8, 0)),
		wrapped("MPLS in UDP", MPLSInUDP(16)),
		wrapped("L2TP", L2TP(false)),
		wrapped("L2TP with sequence", L2TP(true)),
		wrapped("L2TPv3", L2TPv3(0)),
		wrapped("L2TPv3 with cookie", L2TPv3(8)),
		wrapped("GTP-U", GTP(false)),
		wrapped("GTP-U with extension", GTP(true)),
		wrapped("TZSP", TZSP()),
		wrapped("GUE", GUE()),
		wrapped("LISP", LISP()),
		wrapped("Teredo", Teredo()),
		wrapped("CAPWAP", CAPWAP()),
		wrapped("FDDI", LLC(LinkFDDI, append([]byte{0x50}, private+private...))),
		wrapped("Token Ring", LLC(LinkTokenRing, append([]byte{0x10, 0x40}, private+private...))),
		wrapped("ATM", LLC(LinkATM, nil)),
		wrapped("SunATM", LLC(LinkSunATM, []byte{2, 0, 0, 100})),
		wrapped("IP over Fibre Channel", LLC(LinkFibreChannel, append([]byte{0x10, 0, 0, 0}, private+private...))),
		wrapped("ENC", LinkIP(LinkENC, []byte{0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0}, []byte{0, 0, 0, 24, 0, 0, 0, 9, 0, 0, 0, 0})),
		wrapped("HSR", tag(0x89, 0x2f, 0x10, 0x40, 0, 7)),
		wrapped("TRILL", outerFrame(0x22f3, 0x00, 0x7f, 0, 1, 0, 2, 1, 2, 3, 4)),
		wrapped("GRE of WCCP", WCCP()),
		wrapped("802.11", Dot11(false)),
		wrapped("802.11 QoS", Dot11(true)),
		wrapped("radiotap", Dot11(true), Radiotap()),
		wrapped("Prism", Dot11(false), Prism()),
		wrapped("AVS", Dot11(false), AVS()),
		wrapped("PPI", Dot11(false), PPI()),
		wrapped("NFLOG", NFLOG()),
		wrapped("PKTAP", PKTAP(LinkPKTAP)),
		wrapped("PKTAP under its old number", PKTAP(LinkUser2)),
		wrapped("PFLOG", LinkIP(LinkPFLOG, pflogHeader(2), pflogHeader(24))),
		wrapped("PPP", PPP(LinkPPP, 0xff, 3)),
		wrapped("PPP without address", PPP(LinkPPP)),
		wrapped("PPP over HDLC", PPP(LinkPPPSerial, 0xff, 3)),
		wrapped("PPP with direction", PPP(LinkPPPWithDir, 1, 0xff, 3)),
		wrapped("Cisco HDLC", LinkIP(LinkCiscoHDLC, []byte{0x0f, 0, 8, 0}, []byte{0x0f, 0, 0x86, 0xdd})),
		wrapped("Frame Relay", LinkIP(LinkFrameRelay, []byte{0x18, 0x41, 3, 0xcc}, []byte{0x18, 0x41, 3, 0x8e})),
		wrapped("IPoIB", IPoIB()),
		wrapped("MPLS without Ethernet", LinkIP(LinkMPLS, []byte{0, 1, 1, 64}, []byte{0, 1, 1, 64})),
	}
}

// VNTag inserts a VN-Tag before the type (IEEE 802.1BR).
func VNTag() Tunnel { return tag(0x89, 0x26, 0, 1, 0, 2) }

// Lengths of trailers, in bytes.
const (
	macSecCheck = 16
	frameCheck  = 4
)

// MACsec inserts a SecTAG before the type and appends a check value, without encryption. channel
// adds the identifier of the channel (IEEE 802.1AE).
func MACsec(channel bool) Tunnel {
	header := []byte{0x88, 0xe5, 0, 0, 0, 0, 0, 1}
	if channel {
		header[2] |= 0x20
		header = append(header, private+"\x00\x01"...)
	}
	return trailed(tag(header...), macSecCheck)
}

// trailed is a tunnel that also appends n zero bytes, unless the snapshot length cuts them off.
func trailed(t Tunnel, n int) Tunnel {
	return func(p Packet) Packet {
		if p = t(p); p.Length() > len(p.Data) {
			p.OrigLen += n
			return p
		}
		p.Data, p.OrigLen = append(p.Data, make([]byte, n)...), 0
		return p
	}
}

// tag inserts bytes between the addresses and the type of an Ethernet frame.
func tag(header ...byte) Tunnel {
	return wrap(func(frame []byte) []byte { return slices.Concat(frame[:12], header, frame[12:]) })
}

// FabricPath puts the frame into Cisco's FabricPath. Captures of it include the frame's check
// sequence.
func FabricPath() Tunnel { return trailed(outerFrame(0x8903, 0, 0x60), frameCheck) }

// PBB puts the frame into a provider backbone (IEEE 802.1ah).
func PBB(service uint32) Tunnel {
	return outerFrame(0x88e7, binary.BigEndian.AppendUint32(nil, service)...)
}

// NSH puts a Network Service Header of fixed length before the frame (RFC 8300).
func NSH() Tunnel {
	return outerFrame(0x894f, append([]byte{0x0f, 0xc6, 1, 3, 0, 0, 42, 255}, make([]byte, 16)...)...)
}

// outerFrame puts the frame behind a header in another frame.
func outerFrame(etherType uint16, header ...byte) Tunnel {
	return wrap(func(frame []byte) []byte { return Ethernet(etherType, slices.Concat(header, frame)) })
}

// VXLANGPE puts the frame into VXLAN with its generic protocol extension. If its type is NSH, it
// puts the NSH header in directly.
func VXLANGPE(network uint32) Tunnel {
	return wrap(func(frame []byte) []byte {
		const flags, ethernet, nsh, nshLength = 0x0c, 3, 4, 24
		h := binary.BigEndian.AppendUint32([]byte{flags, 0, 0, ethernet}, network<<8)
		if binary.BigEndian.Uint16(frame[12:]) == 0x894f {
			h[3], frame = nsh, frame[ethernetLength:]
			return overlay(4790, frame[nshLength:], h, frame)
		}
		return overlay(4790, frame, h, frame)
	})
}

// TZSP puts the frame behind a TZSP header with padding, the address of a sensor and an end.
func TZSP() Tunnel {
	header := append([]byte{1, 0, 0, 1, 0, 0x3c, byte(len(private))}, private+"\x01"...)
	return wrap(func(frame []byte) []byte { return overlay(37008, frame, header, frame) })
}

// EtherIP puts the frame into IP (RFC 3378).
func EtherIP() Tunnel {
	return wrap(func(frame []byte) []byte {
		return between(tunnelA, tunnelB, frame, 97, append([]byte{0x30, 0}, frame...))
	})
}

// IPBehind puts the IP packet behind a header in an IP packet of another protocol. The header is
// for IPv4; its last two bytes are the EtherType.
func IPBehind(protocol uint8, header ...byte) Tunnel {
	return wrapIP(func(ip []byte) []byte {
		return between(tunnelA, tunnelB, ip, protocol, append(typed(header, ip), ip...))
	})
}

// IPBehindUDP is IPBehind in UDP.
func IPBehindUDP(port uint16, header ...byte) Tunnel {
	return wrapIP(func(ip []byte) []byte { return overlay(port, ip, typed(header, ip), ip) })
}

// typed returns a header that ends with the EtherType of an IP packet.
func typed(header, ip []byte) []byte {
	return binary.BigEndian.AppendUint16(slices.Clone(header[:len(header)-2]), etherTypeOf(ip))
}

// MPLSInUDP puts the IP packet behind a label in UDP (RFC 7510).
func MPLSInUDP(label uint32) Tunnel {
	return wrapIP(func(ip []byte) []byte {
		return overlay(6635, ip, binary.BigEndian.AppendUint32(nil, label<<12|1<<8|64), ip)
	})
}

// WCCP puts the IP packet into GRE as a router does that redirects it to a cache
// (draft-mclaggan-wccp-v2rev1).
func WCCP() Tunnel {
	return wrapIP(func(ip []byte) []byte {
		return between(tunnelA, tunnelB, ip, ProtocolGRE, append([]byte{0, 0, 0x88, 0x3e, 0x80, 51, 0, 1}, ip...))
	})
}

// PPTP puts the IP packet into PPP in GRE of version 1 (RFC 2637).
func PPTP() Tunnel {
	return wrapIP(func(ip []byte) []byte {
		frame := ppp(ip, 0xff, 3)
		h := []byte{0x30, 0x81, 0x88, 0x0b}
		h = binary.BigEndian.AppendUint16(h, uint16(len(frame)))
		h = append(h, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1) // call, sequence and acknowledgement numbers
		return between(tunnelA, tunnelB, ip, ProtocolGRE, append(h, frame...))
	})
}

// ppp returns a PPP frame with an IP packet. before are the bytes before the protocol number.
func ppp(ip []byte, before ...byte) []byte {
	protocol := byte(0x21)
	if etherTypeOf(ip) == EtherIPv6 {
		protocol = 0x57
	}
	return slices.Concat(before, []byte{0, protocol}, ip)
}

// L2TP puts the IP packet into PPP in L2TP (RFC 2661). sequence adds length, sequence numbers and
// offset.
func L2TP(sequence bool) Tunnel {
	return wrapIP(func(ip []byte) []byte {
		h := []byte{0, 2, 0, 7, 0, 9}
		if sequence {
			h = []byte{0x4a, 2, 0, 0, 0, 7, 0, 9, 0, 1, 0, 1, 0, 2, 0, 0}
		}
		frame := ppp(ip, 0xff, 3)
		if sequence {
			binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(frame)))
		}
		return overlay(1701, ip, h, frame)
	})
}

// L2TPv3 puts the frame into L2TPv3 over IP (RFC 3931) with a cookie of that many bytes.
func L2TPv3(cookie int) Tunnel {
	return wrap(func(frame []byte) []byte {
		return between(tunnelA, tunnelB, frame, 115, slices.Concat([]byte{0, 0, 0, 7}, make([]byte, cookie), frame))
	})
}

// GTP puts the IP packet into GTP-U (3GPP TS 29.281). extension adds a PDU session container as
// extension header.
func GTP(extension bool) Tunnel {
	return wrapIP(func(ip []byte) []byte {
		h, options := []byte{0x30, 0xff, 0, 0, 0, 0, 0, 7}, []byte(nil)
		if extension {
			h[0], options = 0x34, []byte{0, 0, 0, 0x85, 1, 0x10, 9, 0}
		}
		binary.BigEndian.PutUint16(h[2:], uint16(len(options)+len(ip)))
		return overlay(2152, ip, slices.Concat(h, options), ip)
	})
}

// GUE puts the IP packet behind a header with 4 bytes of fields (draft-ietf-intarea-gue).
func GUE() Tunnel {
	return wrapIP(func(ip []byte) []byte { return overlay(6080, ip, []byte{1, protocolOf(ip), 0, 0, 0, 0, 0, 0}, ip) })
}

// LISP puts the IP packet behind a header with an instance (RFC 9300).
func LISP() Tunnel {
	return wrapIP(func(ip []byte) []byte { return overlay(4341, ip, []byte{0x88, 0, 0, 1, 0, 0, 7, 1}, ip) })
}

// Teredo puts the IP packet, in IPv6, behind an authentication and an origin (RFC 4380 5.1.1).
func Teredo() Tunnel {
	return wrapIP(func(ip []byte) []byte {
		header := append([]byte{0, 1, 0, 0}, make([]byte, 9)...)
		header = append(header, 0, 0, 0xff, 0xff, 1, 2, 3, 4)
		if etherTypeOf(ip) == EtherIPv4 {
			outer := make([]byte, 40)
			outer[0], outer[6], outer[7], outer[8], outer[24] = 6<<4, 4, 64, 0x20, 0x20
			binary.BigEndian.PutUint16(outer[4:], uint16(len(ip)))
			ip = append(outer, ip...)
		}
		return overlay(3544, ip, header, ip)
	})
}

// CAPWAP puts the frame behind a header with the address of a radio (RFC 5415 4.3).
func CAPWAP() Tunnel {
	header := append([]byte{0, 4 << 3, 1 << 1, 0x10, 0, 0, 0, 0, 6}, private[:6]+"\x00"...)
	return wrap(func(frame []byte) []byte { return overlay(5247, frame, header, frame) })
}

// LinkIP gives the IP packet another link type, with a header for IPv4 or IPv6.
func LinkIP(link uint32, header4, header6 []byte) Tunnel {
	return linked(link, wrapIP(func(ip []byte) []byte {
		if etherTypeOf(ip) == EtherIPv6 {
			return slices.Concat(header6, ip)
		}
		return slices.Concat(header4, ip)
	}))
}

// LLC gives the IP packet another link type, with a header before LLC and SNAP.
func LLC(link uint32, header []byte) Tunnel {
	snap := append(slices.Clone(header), 0xaa, 0xaa, 3, 0, 0, 0)
	return LinkIP(link, append(slices.Clone(snap), 8, 0), append(snap, 0x86, 0xdd))
}

// PPP gives the IP packet a link type of PPP. before are the bytes before the protocol number.
func PPP(link uint32, before ...byte) Tunnel {
	return LinkIP(link, append(slices.Clone(before), 0, 0x21), append(slices.Clone(before), 0, 0x57))
}

// IPoIB gives the IP packet the pseudo header of IP over InfiniBand.
func IPoIB() Tunnel {
	addresses := make([]byte, 40)
	copy(addresses[20:], private)
	return LinkIP(LinkIPoIB, append(slices.Clone(addresses), 8, 0, 0, 0), append(addresses, 0x86, 0xdd, 0, 0))
}

// pflogHeader returns the header of LINKTYPE_PFLOG for an address family of OpenBSD.
func pflogHeader(family byte) []byte {
	h := make([]byte, 64)
	h[0], h[1] = 61, family
	copy(h[20:], private) // the rule set
	return h
}

// headed puts a header before the frame and gives it another link type.
func headed(link uint32, header []byte) Tunnel {
	return linked(link, wrap(func(frame []byte) []byte { return slices.Concat(header, frame) }))
}

// Dot11 converts the Ethernet frame to an unencrypted 802.11 frame to an access point.
func Dot11(qos bool) Tunnel {
	return linked(Link80211, wrap(func(frame []byte) []byte {
		h := append([]byte{0x08, 1, 0, 0}, private...)
		h = slices.Concat(h, frame[6:12], frame[:6], []byte{0x10, 0})
		if qos {
			h[0] = 0x88
			h = append(h, 0, 0)
		}
		return slices.Concat(h, []byte{0xaa, 0xaa, 3, 0, 0, 0}, frame[12:])
	}))
}

// Radiotap puts a radiotap header with timestamp, flags and rate before an 802.11 frame.
func Radiotap() Tunnel {
	return headed(LinkRadiotap, []byte{0, 0, 18, 0, 7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 12})
}

// Prism puts a Prism header before an 802.11 frame.
func Prism() Tunnel {
	h := []byte{0x44, 0, 0, 0, 144, 0, 0, 0}
	h = append(h, "wlan0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for i := range byte(10) {
		h = append(h, 0x44, i<<4, 1, 0, 0, 0, 4, 0, i, 0, 0, 0)
	}
	return headed(LinkPrism, h)
}

// AVS puts an AVS header before an 802.11 frame.
func AVS() Tunnel {
	return headed(LinkAVS, append([]byte{0x80, 0x21, 0x10, 1, 0, 0, 0, 64}, make([]byte, 56)...))
}

// PPI puts a PPI header without fields before an 802.11 frame.
func PPI() Tunnel { return headed(LinkPPI, []byte{0, 0, 8, 0, Link80211, 0, 0, 0}) }

// PKTAP puts macOS' header before the frame.
func PKTAP(link uint32) Tunnel {
	h := []byte{108, 0, 0, 0, 1, 0, 0, 0, LinkEthernet, 0, 0, 0}
	h = append(h, make([]byte, 108-len(h))...)
	copy(h[12:], "en0")
	copy(h[56:], private) // the process
	return headed(link, h)
}

// NFLOG makes the IP packet an entry of the netfilter log.
func NFLOG() Tunnel {
	return linked(LinkNFLOG, wrapIP(func(ip []byte) []byte {
		family := byte(2)
		if etherTypeOf(ip) == EtherIPv6 {
			family = 10
		}
		h := []byte{family, 0, 0, 5, 8, 0, 1, 0, byte(etherTypeOf(ip) >> 8), byte(etherTypeOf(ip)), 1, 0}
		h = append(h, "\x0b\x00\x0a\x00"+private+"\x00\x00"...) // the prefix of the log
		h = binary.LittleEndian.AppendUint16(h, uint16(4+len(ip)))
		return slices.Concat(h, []byte{9, 0}, ip)
	}))
}
