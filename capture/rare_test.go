package capture

import (
	"encoding/binary"
	"slices"
	"testing"
)

// little16 and little32 append little-endian numbers.
func little16(b []byte, v ...uint16) []byte {
	for _, v := range v {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func little32(b []byte, v ...uint32) []byte {
	for _, v := range v {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// pppOf returns a PPP frame with address and control.
func pppOf(protocol uint16, payload []byte) []byte {
	return append(be16([]byte{0xff, 3}, protocol), payload...)
}

// nshOf returns an NSH header with n words of context.
func nshOf(next byte, n int, payload []byte) []byte {
	b := []byte{0x0f, byte(0xc0 | 2 + n), 1, next, 0, 0, 42, 255}
	return append(append(b, make([]byte, 4*n)...), payload...)
}

// nflogOf returns an NFLOG entry with a packet header, a prefix and the packet.
func nflogOf(append16 func([]byte, ...uint16) []byte, family byte, payload []byte) []byte {
	b := be16([]byte{family, 0}, 5)
	b = append(append16(b, 8, 1), 8, 0, 0, 0)
	b = append(append16(b, 11, 10), "prefix\x00\x00"...)
	return append(append16(b, uint16(4+len(payload)), 9), payload...)
}

func pktapOf(link uint32, payload []byte) []byte {
	b := little32(nil, 108, 1, link)
	b = append(b, "en0"...)
	b = append(b, make([]byte, 108-len(b))...)
	return append(b, payload...)
}

// dot11Of returns an 802.11 data frame to the access point.
func dot11Of(control0, control1 byte, qos []byte, payload []byte) []byte {
	b := append([]byte{control0, control1, 0, 0}, make([]byte, 18)...)
	b = append(b, 0x10, 0) // sequence number 1, fragment 0
	return append(append(b, qos...), payload...)
}

// radiotapOf returns a radiotap header with a timestamp and flags.
func radiotapOf(flags byte, payload []byte) []byte {
	b := little32(little16([]byte{0, 0}, 18), 3)
	b = append(b, 1, 2, 3, 4, 5, 6, 7, 8, flags, 12)
	return append(b, payload...)
}

// prismOf returns a Prism header of 10 values.
func prismOf(payload []byte) []byte {
	b := little32(nil, 0x44, 144)
	b = append(b, "wlan0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for i := range uint32(10) {
		b = little32(little16(little32(b, 0x10044+i<<12), 0, 4), i)
	}
	return append(b, payload...)
}

// l2tpOf returns an L2TP data message with all optional fields.
func l2tpOf(flags byte, payload []byte) []byte {
	b := be16([]byte{flags, 2}, 0, 7, 9)
	if flags&0x40 == 0 {
		b = be16([]byte{flags, 2}, 7, 9)
	}
	if flags&0x08 != 0 {
		b = be16(b, 1, 1)
	}
	if flags&0x02 != 0 {
		b = append(be16(b, 3), 0, 0, 0)
	}
	b = append(b, payload...)
	if flags&0x40 != 0 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	return b
}

// gtpOf returns a GTP-U header, with two extension headers if flags say so.
func gtpOf(flags byte, payload []byte) []byte {
	var options []byte
	if flags&7 != 0 {
		options = []byte{0, 1, 0, 0}
	}
	if flags&4 != 0 {
		options[3] = 0x85
		options = append(options, 1, 0x10, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0)
	}
	b := be32(be16([]byte{0x30 | flags, 0xff}, uint16(len(options)+len(payload))), 77)
	return append(append(b, options...), payload...)
}

func rareCases() []builtCase {
	const eth, raw = LinkTypeEthernet, LinkTypeRaw
	ip4, ip6 := built4(), built6()
	eth4 := ethernetOf(etherTypeIPv4, ip4)
	inUDP := func(port uint16, payload []byte) []byte { return outer4(protocolUDP, udpOf(port, payload)) }
	llc4, llc6 := snapOf(etherTypeIPv4, ip4), snapOf(etherTypeIPv6, ip6)
	dot11 := dot11Of(0x08, 1, nil, llc4)
	subframe := append(be16(make([]byte, 12), uint16(len(llc4))), llc4...)
	pptp := func(flags uint16, payload []byte) []byte {
		b := be32(be16(nil, 0x3001|flags, etherTypePPP, uint16(len(payload)), 99), 5)
		if flags&greAck != 0 {
			b = be32(b, 4)
		}
		return outer4(protocolGRE, append(b, payload...))
	}
	l2tp3 := func(cookie int, payload []byte) []byte {
		return outer4(protocolL2TP, append(append(be32(nil, 7), make([]byte, cookie)...), payload...))
	}
	return []builtCase{
		{name: "vn-tag", link: eth, data: ethernetOf(etherTypeVNTag, append(be16([]byte{0x80, 1, 0, 2}, etherTypeIPv4), ip4...))},
		{name: "vn-tag and vlan", link: eth, data: ethernetOf(etherTypeVNTag, append(be16([]byte{0, 1, 0, 2}, etherTypeVLAN), tagOf(7, etherTypeIPv6, ip6)...)), v6: true, domain: true},
		{name: "802.1br", link: eth, data: ethernetOf(etherTypeETag, append(be16([]byte{0x10, 0, 0x10, 1, 0, 0}, etherTypeIPv4), ip4...))},
		{name: "cisco metadata and vlan", link: eth, data: ethernetOf(etherTypeMetaData, append(be16([]byte{1, 1, 0, 1, 0, 42}, etherTypeVLAN), tagOf(7, etherTypeIPv6, ip6)...)), v6: true, domain: true},
		{name: "fabricpath", link: eth, data: ethernetOf(etherTypeFabricPath, append([]byte{0, 0x5f}, eth4...))},
		{name: "pbb", link: eth, data: ethernetOf(etherTypeQinQ, tagOf(5, etherTypePBB, append([]byte{0, 0, 0, 9}, eth4...))), domain: true},
		{name: "macsec integrity", link: eth, data: ethernetOf(etherTypeMACsec, append(append(be16([]byte{0x00, 0, 0, 0, 0, 1}, etherTypeIPv4), ip4...), make([]byte, 16)...))},
		{name: "macsec with channel", link: eth, data: ethernetOf(etherTypeMACsec, append(append(be16([]byte{0x20, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0, 1}, etherTypeIPv6), ip6...), make([]byte, 16)...)), v6: true},
		{name: "nsh ethernet", link: eth, data: ethernetOf(etherTypeNSH, nshOf(3, 4, eth4))},
		{name: "nsh ipv4 in nsh", link: eth, data: ethernetOf(etherTypeNSH, nshOf(4, 0, nshOf(1, 0, ip4)))},
		{name: "nsh ipv6", link: eth, data: ethernetOf(etherTypeNSH, nshOf(2, 1, ip6)), v6: true},
		{name: "nsh mpls", link: eth, data: ethernetOf(etherTypeNSH, nshOf(5, 1, labelsOf(ip4, 16)))},
		{name: "nsh in vxlan gpe", link: raw, data: inUDP(portVXLANGPE, vxlanOf(12, 4, 42, nshOf(3, 4, eth4))), depth: 1, domain: true},
		{name: "nflog", link: LinkTypeNFLOG, data: nflogOf(little16, 2, ip4)},
		{name: "nflog of a big-endian host", link: LinkTypeNFLOG, data: nflogOf(be16, 10, ip6), v6: true},
		{name: "pktap", link: LinkTypePKTAP, data: pktapOf(1, eth4)},
		{name: "pktap under its old number", link: LinkTypeUser2, data: pktapOf(0, append([]byte{30, 0, 0, 0}, ip6...)), v6: true},
		{name: "pktap raw", link: LinkTypePKTAP, data: pktapOf(12, ip4)},
		{name: "pflog", link: LinkTypePFLOG, data: append(append([]byte{61, 2, 0, 0}, make([]byte, 60)...), ip4...), library: true},
		{name: "ppp", link: LinkTypePPP, data: pppOf(0x21, ip4)},
		{name: "ppp without address", link: LinkTypePPP, data: append([]byte{0, 0x57}, ip6...), v6: true},
		{name: "ppp with a short protocol number", link: LinkTypePPP, data: append([]byte{0x21}, ip4...)},
		{name: "ppp multilink", link: LinkTypePPP, data: pppOf(0x3d, append([]byte{0xc0, 0, 0, 1, 0x21}, ip4...))},
		{name: "ppp with direction", link: LinkTypePPPWithDir, data: append([]byte{1}, pppOf(0x21, ip4)...)},
		{name: "ppp of pppd", link: LinkTypeLinuxPPP, data: append([]byte{0, 3, 0, 0x21}, ip4...)},
		{name: "ppp over hdlc", link: LinkTypePPPSerial, data: pppOf(0x57, ip6), v6: true},
		{name: "cisco hdlc over serial", link: LinkTypePPPSerial, data: append([]byte{0x0f, 0, 8, 0}, ip4...)},
		{name: "cisco hdlc", link: LinkTypeCiscoHDLC, data: append([]byte{0x8f, 0, 0x86, 0xdd}, ip6...), v6: true},
		{name: "cisco hdlc mpls", link: LinkTypeCiscoHDLC, data: append([]byte{0x0f, 0, 0x88, 0x47}, labelsOf(ip4, 16)...)},
		{name: "pppoe without ethernet", link: LinkTypePPPEther, data: pppoeOf(append([]byte{0, 0x21}, ip4...))},
		{name: "frame relay", link: LinkTypeFrameRelay, data: append([]byte{0x18, 0x41, 3, nlpidIPv4}, ip4...)},
		{name: "frame relay of 4 bytes, padded", link: LinkTypeFrameRelay, data: append([]byte{0x18, 0x40, 0x40, 0x41, 3, 0, nlpidIPv6}, ip6...), v6: true},
		{name: "frame relay snap", link: LinkTypeFrameRelay, data: append([]byte{0x18, 0x41, 3, 0, nlpidSNAP, 0, 0, 0, 8, 0}, ip4...)},
		{name: "frame relay bridged", link: LinkTypeFrameRelay, data: append([]byte{0x18, 0x41, 3, 0, nlpidSNAP, 0, 0x80, 0xc2, 0, 7}, eth4...)},
		{name: "frame relay cisco", link: LinkTypeFrameRelay, data: append([]byte{0x18, 0x41, 8, 0}, ip4...)},
		{name: "frame relay ppp", link: LinkTypeFrameRelay, data: append([]byte{0x18, 0x41, 3, nlpidPPP, 0, 0x21}, ip4...)},
		{name: "frame relay in gre", link: raw, data: outer4(protocolGRE, greOf(0, etherTypeFrameRelay, 0, append([]byte{0x18, 0x41, 3, nlpidIPv4}, ip4...))), depth: 1},
		{name: "mpls without ethernet", link: LinkTypeMPLS, data: labelsOf(ip6, 16), v6: true},
		{name: "ipoib", link: LinkTypeIPoIB, data: append(be16(make([]byte, 40), etherTypeIPv4, 0), ip4...)},
		{name: "802.11", link: LinkType80211, data: dot11, library: true},
		{name: "802.11 qos", link: LinkType80211, data: dot11Of(0x88, 2, []byte{3, 0}, llc6), v6: true, library: true},
		{name: "802.11 between access points", link: LinkType80211, data: dot11Of(0x88, 3, []byte{1, 2, 3, 4, 5, 6, 0, 0}, llc4), library: true},
		{name: "802.11 with ht control", link: LinkType80211, data: dot11Of(0x88, 0x81, []byte{0, 0, 0, 0, 0, 0}, llc4), library: true},
		{name: "802.11 aggregate", link: LinkType80211, data: dot11Of(0x88, 1, []byte{0x80, 0}, subframe), library: true},
		{name: "radiotap", link: LinkTypeRadiotap, data: radiotapOf(0, dot11), library: true},
		{name: "radiotap with check sequence", link: LinkTypeRadiotap, data: append(radiotapOf(0x10, dot11), 1, 2, 3, 4), library: true},
		{name: "radiotap with padding", link: LinkTypeRadiotap, data: radiotapOf(0x20, dot11Of(0x88, 2, []byte{0, 0, 0xee, 0xee}, llc4)), library: true},
		{name: "prism", link: LinkTypePrism, data: prismOf(dot11), library: true},
		{name: "avs", link: LinkTypeAVS, data: append(append(be32(nil, 0x80211001, 64), make([]byte, 56)...), dot11...), library: true},
		{name: "avs under the number of prism", link: LinkTypePrism, data: append(append(be32(nil, 0x80211002, 64), make([]byte, 56)...), dot11...), library: true},
		{name: "ppi", link: LinkTypePPI, data: append(little32(little16([]byte{0, 0}, 12), 105), append([]byte{2, 0, 0, 0}, dot11...)...), library: true},
		{name: "sll2 radiotap", link: LinkTypeLinuxSLL2, data: cooked2Of(803, 0x19, radiotapOf(0, dot11)), library: true},
		{name: "sll frame relay", link: LinkTypeLinuxSLL, data: cookedOf(770, 0, append([]byte{0x18, 0x41, 3, nlpidIPv4}, ip4...))},
		{name: "etherip", link: raw, data: outer4(protocolEtherIP, append([]byte{0x30, 0}, eth4...)), depth: 1},
		{name: "pptp", link: raw, data: pptp(0, pppOf(0x21, ip4)), depth: 1},
		{name: "pptp with acknowledgement", link: raw, data: pptp(greAck, append([]byte{0x21}, ip4...)), depth: 1},
		{name: "gre 1 of ip", link: raw, data: outer4(protocolGRE, append([]byte{0, 1, 8, 0}, ip4...)), depth: 1},
		{name: "gre in udp", link: raw, data: inUDP(portGRE, greOf(0, etherTypeIPv4, 0, ip4)), depth: 1},
		{name: "mpls in udp", link: raw, data: inUDP(portMPLS, labelsOf(ip6, 16)), v6: true, depth: 1},
		{name: "l2tp", link: raw, data: inUDP(portL2TP, l2tpOf(0, pppOf(0x21, ip4))), depth: 1},
		{name: "l2tp with all fields", link: raw, data: inUDP(portL2TP, l2tpOf(0x4a, pppOf(0x57, ip6))), v6: true, depth: 1},
		{name: "l2tp to a port behind translation", link: raw, data: outer4(protocolUDP, with16(udpOf(33333, l2tpOf(0x40, pppOf(0x21, ip4))), 0, portL2TP)), depth: 1},
		{name: "l2tpv3", link: raw, data: l2tp3(0, eth4), depth: 1},
		{name: "l2tpv3 with cookie", link: raw, data: l2tp3(4, eth4), depth: 1},
		{name: "l2tpv3 with cookie and sublayer", link: raw, data: l2tp3(12, ethernetOf(etherTypeVLAN, tagOf(3, etherTypeIPv4, ip4))), depth: 1, domain: true},
		{name: "l2tpv3 of ppp", link: raw, data: l2tp3(8, pppOf(0x21, ip4)), depth: 1},
		{name: "l2tpv3 of hdlc", link: raw, data: l2tp3(0, append([]byte{0x0f, 0, 8, 0}, ip4...)), depth: 1},
		{name: "l2tpv3 in udp", link: raw, data: inUDP(portL2TP, append(be32([]byte{0, 3, 0, 0}, 7), eth4...)), depth: 1},
		{name: "tzsp", link: raw, data: inUDP(portTZSP, append([]byte{1, 0, 0, 1, 0, 0x3c, 2, 7, 7, 1}, eth4...)), depth: 1},
		{name: "tzsp of 802.11", link: raw, data: inUDP(portTZSP, append([]byte{1, 1, 0, 0x12, 1}, dot11...)), depth: 1, library: true},
		{name: "gtp-u to another port", link: raw, data: outer4(protocolUDP, with16(udpOf(33333, gtpOf(0, ip4)), 0, portGTP)), depth: 1},
		{name: "gue", link: raw, data: inUDP(portGUE, append([]byte{0, 4, 0, 0}, ip4...)), depth: 1},
		{name: "gue with fields", link: raw, data: inUDP(portGUE, append([]byte{2, 41, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, ip6...)), v6: true, depth: 1},
		{name: "gue of version 1", link: raw, data: inUDP(portGUE, ip6), v6: true, depth: 1},
		{name: "gue of gre", link: raw, data: inUDP(portGUE, append([]byte{0, 47, 0, 0}, greOf(0, etherTypeIPv4, 0, ip4)...)), depth: 1},
		{name: "lisp", link: raw, data: inUDP(portLISP, append(be32(nil, 0x80000001, 1), ip4...)), depth: 1},
		{name: "lisp with instance", link: raw, data: inUDP(portLISP, append(be32(nil, 0x08000000, 7<<8), ip6...)), v6: true, domain: true, depth: 1},
		{name: "lisp with next protocol", link: raw, data: inUDP(portLISP, append(be32(nil, 0x04000003, 0), eth4...)), depth: 1},
		{name: "teredo", link: raw, data: inUDP(portTeredo, ip6), v6: true, depth: 1},
		{name: "teredo from a server", link: raw, data: outer4(protocolUDP, with16(udpOf(33333, append([]byte{0, 1, 1, 2, 7, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xcb, 0x55, 1, 2, 3, 4}, ip6...)), 0, portTeredo)), v6: true, depth: 1},
		{name: "capwap", link: raw, data: inUDP(portCAPWAP, append([]byte{0, 0x10, 2, 0, 0, 0, 0, 0}, eth4...)), depth: 1},
		{name: "capwap of 802.11 with radio address", link: raw, data: inUDP(portCAPWAP, append([]byte{0, 0x20, 3, 0x10, 0, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6, 0}, dot11...)), depth: 1, library: true},
		{name: "gtp-u", link: raw, data: inUDP(portGTP, gtpOf(0, ip4)), depth: 1},
		{name: "gtp-u with sequence number", link: raw, data: inUDP(portGTP, gtpOf(2, ip6)), v6: true, depth: 1},
		{name: "gtp-u with extensions", link: raw, data: inUDP(portGTP, gtpOf(4, ip4)), depth: 1},
	}
}

func rareRefused() []refusedCase {
	const eth, raw = LinkTypeEthernet, LinkTypeRaw
	ip4 := built4()
	eth4 := ethernetOf(etherTypeIPv4, ip4)
	inUDP := func(port uint16, payload []byte) []byte { return outer4(protocolUDP, udpOf(port, payload)) }
	llc := snapOf(etherTypeIPv4, ip4)
	subframes := append(be16(make([]byte, 12), 40), make([]byte, 40)...)
	deep := func(b []byte) []byte { return nestedIn(maxTunnels, b) }
	const depth = "tunnel_depth"
	return []refusedCase{
		{name: "macsec encrypted", link: eth, data: ethernetOf(etherTypeMACsec, append([]byte{0x2c, 0, 0, 0, 0, 1}, make([]byte, 60)...)), reason: "MACsec: encrypted"},
		{name: "macsec of another version", link: eth, data: ethernetOf(etherTypeMACsec, append([]byte{0x80, 0, 0, 0, 0, 1}, make([]byte, 60)...)), reason: "MACsec: unexpected version"},
		{name: "nsh of another version", link: eth, data: ethernetOf(etherTypeNSH, append([]byte{0x40}, nshOf(3, 0, eth4)[1:]...)), reason: "NSH header: unexpected version"},
		{name: "nsh without length", link: eth, data: ethernetOf(etherTypeNSH, append([]byte{0, 1}, nshOf(3, 0, eth4)[2:]...)), reason: "NSH header: impossible length"},
		{name: "nsh of something else", link: eth, data: ethernetOf(etherTypeNSH, nshOf(254, 0, eth4)), reason: "next protocol 254 of NSH or VXLAN-GPE: not supported"},
		{name: "nsh without end", link: eth, data: ethernetOf(etherTypeNSH, slices.Repeat(nshOf(4, 0, nil), maxHeaders+1)), reason: "headers of one packet: nested too deeply", limit: "packet_headers"},
		{name: "nflog without packet", link: LinkTypeNFLOG, data: nflogOf(little16, 2, nil)[:24]},
		{name: "nflog attribute of length 0", link: LinkTypeNFLOG, data: []byte{2, 0, 0, 0, 0, 0, 1, 0}, reason: "link-layer header: impossible length"},
		{name: "nflog of another version", link: LinkTypeNFLOG, data: append([]byte{2, 1}, nflogOf(little16, 2, ip4)[2:]...), reason: "link-layer header: unexpected version"},
		{name: "pktap without packet", link: LinkTypePKTAP, data: append(little32(nil, 108, 0), pktapOf(1, eth4)[8:]...)},
		{name: "pktap of impossible length", link: LinkTypeUser2, data: append(little32(nil, 12), pktapOf(1, eth4)[4:]...), reason: "link-layer header: impossible length"},
		{name: "pktap of another link type", link: LinkTypePKTAP, data: pktapOf(189, eth4), reason: "link type USB_LINUX (189): not supported"},
		{name: "pktap in pktap without end", link: LinkTypePKTAP, data: slices.Repeat(pktapOf(258, nil), maxHeaders+1), reason: "headers of one packet: nested too deeply", limit: "packet_headers"},
		{name: "pflog malformed", link: LinkTypePFLOG, data: append(append([]byte{60, 2, 0, 0}, make([]byte, 60)...), ip4...), reason: "link-layer header: malformed"},
		{name: "tzsp keepalive", link: raw, data: inUDP(portTZSP, []byte{1, 4, 0, 1, 1})},
		{name: "tzsp without end", link: raw, data: inUDP(portTZSP, append([]byte{1, 0, 0, 1}, make([]byte, maxHeaders+1)...)), reason: "TZSP header: impossible length"},
		{name: "tzsp of something else", link: raw, data: inUDP(portTZSP, append([]byte{1, 0, 0, 9, 1}, eth4...)), reason: "TZSP header: type not supported"},
		{name: "tzsp nested too deeply", link: raw, data: deep(inUDP(portTZSP, append([]byte{1, 0, 0, 1, 1}, eth4...))), reason: "TZSP header: nested too deeply", limit: depth},
		{name: "cisco metadata cut", link: eth, data: ethernetOf(etherTypeMetaData, []byte{1, 9, 0, 1, 0, 42, 8, 0}), reason: "tag of a bridge: longer than the packet"},
		{name: "ppp control", link: LinkTypePPP, data: pppOf(0xc021, []byte{1, 1, 0, 4})},
		{name: "ppp compressed", link: LinkTypePPP, data: pppOf(0x2d, make([]byte, 40)), reason: "PPP protocol 0x002d (Van Jacobson compressed TCP/IP): not supported"},
		{name: "ppp fragment of multilink", link: LinkTypePPP, data: pppOf(0x3d, append([]byte{0x80, 0, 0, 1, 0x21}, ip4...)), reason: "PPP header: fragmented"},
		{name: "frame relay management", link: LinkTypeFrameRelay, data: []byte{0, 1, 3, 9, 0, 0x75, 1, 1, 0}},
		{name: "cisco keepalive", link: LinkTypeCiscoHDLC, data: append([]byte{0x8f, 0, 0x80, 0x35}, make([]byte, 18)...)},
		{name: "802.11 beacon", link: LinkType80211, data: append([]byte{0x80}, make([]byte, 60)...)},
		{name: "802.11 without data", link: LinkType80211, data: dot11Of(0x48, 1, nil, nil)},
		{name: "802.11 encrypted", link: LinkType80211, data: dot11Of(0x88, 0x41, []byte{0, 0}, make([]byte, 60)), reason: "802.11 frame: encrypted"},
		{name: "802.11 fragment", link: LinkType80211, data: dot11Of(0x08, 5, nil, llc), reason: "802.11 frame: fragmented"},
		{name: "802.11 aggregate of two", link: LinkType80211, data: dot11Of(0x88, 1, []byte{0x80, 0}, append(append(subframes, 0, 0), subframes...)), limit: "802.11_subframes"},
		{name: "radiotap longer than what is decoded", link: LinkTypeRadiotap, data: append(little16([]byte{0, 0}, 600), make([]byte, 700)...), reason: "radio header: malformed"},
		{name: "radiotap bitmaps without end", link: LinkTypeRadiotap, data: append(little16([]byte{0, 0}, 400), slices.Repeat([]byte{0xff}, 600)...), reason: "radio header: malformed"},
		{name: "prism of another kind", link: LinkTypePrism, data: append(little32(nil, 0x45, 144), make([]byte, 200)...), reason: "radio header: malformed"},
		{name: "avs of impossible length", link: LinkTypeAVS, data: append(be32(nil, 0x80211001, 4), make([]byte, 200)...), reason: "radio header: impossible length"},
		{name: "ppi of another version", link: LinkTypePPI, data: append([]byte{1, 0, 8, 0, 105, 0, 0, 0}, make([]byte, 60)...), reason: "radio header: unexpected version"},
		{name: "ppi of another link type", link: LinkTypePPI, data: append([]byte{0, 0, 8, 0, 195, 0, 0, 0}, make([]byte, 60)...), reason: "link type IEEE802_15_4 (195): not supported"},
		{name: "etherip of another version", link: raw, data: outer4(protocolEtherIP, append([]byte{0x20, 0}, eth4...)), reason: "EtherIP header: unexpected version"},
		{name: "etherip nested too deeply", link: raw, data: deep(outer4(protocolEtherIP, append([]byte{0x30, 0}, eth4...))), reason: "EtherIP header: nested too deeply", limit: depth},
		{name: "l2tp control", link: raw, data: inUDP(portL2TP, append([]byte{0xc8, 2}, make([]byte, 20)...))},
		{name: "l2f", link: raw, data: inUDP(portL2TP, append([]byte{0, 1}, make([]byte, 20)...))},
		{name: "l2tp offset beyond the packet", link: raw, data: inUDP(portL2TP, with16(l2tpOf(0x02, ip4), 6, 9999)), reason: "L2TP header: longer than the packet"},
		{name: "l2tp nested too deeply", link: raw, data: deep(inUDP(portL2TP, l2tpOf(0, pppOf(0x21, ip4)))), reason: "L2TP header: nested too deeply", limit: depth},
		{name: "l2tpv3 control", link: raw, data: outer4(protocolL2TP, make([]byte, 40))},
		{name: "l2tpv3 of something else", link: raw, data: outer4(protocolL2TP, append(be32(nil, 7), slices.Repeat([]byte{0x77}, 80)...)), reason: "L2TP header: type not supported"},
		{name: "l2tpv3 nested too deeply", link: raw, data: deep(outer4(protocolL2TP, append(be32(nil, 7), eth4...))), reason: "L2TP header: nested too deeply", limit: depth},
		{name: "gtp echo", link: raw, data: inUDP(portGTP, []byte{0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0})},
		{name: "gtp prime", link: raw, data: inUDP(portGTP, append([]byte{0x0e, 0xff}, make([]byte, 30)...))},
		{name: "gtp extension of length 0", link: raw, data: inUDP(portGTP, append(be32(be16([]byte{0x34, 0xff}, 12), 1), 0, 0, 0, 0x85, 0, 0, 0, 0)), reason: "GTP-U header: impossible length"},
		{name: "gtp extension beyond the packet", link: raw, data: inUDP(portGTP, append(be32(be16([]byte{0x34, 0xff}, 12), 1), 0, 0, 0, 0x85, 4, 0, 0, 0)), reason: "GTP-U header: longer than the packet"},
		{name: "gtp nested too deeply", link: raw, data: deep(inUDP(portGTP, gtpOf(0, ip4))), reason: "GTP-U header: nested too deeply", limit: depth},
		{name: "gue control", link: raw, data: inUDP(portGUE, append([]byte{0x20, 4, 0, 0}, ip4...))},
		{name: "gue of another version", link: raw, data: inUDP(portGUE, append([]byte{0x80, 4, 0, 0}, ip4...))},
		{name: "gue fields beyond the packet", link: raw, data: inUDP(portGUE, []byte{31, 4, 0, 0}), reason: "GUE header: longer than the packet"},
		{name: "gue nested too deeply", link: raw, data: deep(inUDP(portGUE, ip4)), reason: "GUE header: nested too deeply", limit: depth},
		{name: "lisp of something else", link: raw, data: inUDP(portLISP, append(be32(nil, 0x040000fe, 0), ip4...)), reason: "next protocol 254 of NSH or VXLAN-GPE: not supported"},
		{name: "lisp header beyond the packet", link: raw, data: inUDP(portLISP, []byte{0x80, 0}), reason: "LISP header: longer than the packet"},
		{name: "lisp nested too deeply", link: raw, data: deep(inUDP(portLISP, append(be32(nil, 0, 0), ip4...))), reason: "LISP header: nested too deeply", limit: depth},
		{name: "teredo of something else", link: raw, data: inUDP(portTeredo, ip4)},
		{name: "teredo indicator that is none", link: raw, data: inUDP(portTeredo, []byte{0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})},
		{name: "teredo authentication beyond the packet", link: raw, data: inUDP(portTeredo, []byte{0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0}), reason: "Teredo header: longer than the packet"},
		{name: "teredo indicators without end", link: raw, data: inUDP(portTeredo, make([]byte, 8*(maxHeaders+1)))},
		{name: "teredo nested too deeply", link: raw, data: deep(inUDP(portTeredo, built6())), reason: "Teredo header: nested too deeply", limit: depth},
		{name: "capwap encrypted", link: raw, data: inUDP(portCAPWAP, append([]byte{1, 0, 0, 0}, make([]byte, 60)...)), reason: "CAPWAP header: encrypted"},
		{name: "capwap fragment", link: raw, data: inUDP(portCAPWAP, append([]byte{0, 0x10, 2, 0x80, 0, 1, 0, 0}, eth4...)), reason: "CAPWAP header: fragmented"},
		{name: "capwap keepalive", link: raw, data: inUDP(portCAPWAP, append([]byte{0, 0x10, 2, 8, 0, 0, 0, 0}, eth4...))},
		{name: "capwap of another version", link: raw, data: inUDP(portCAPWAP, append([]byte{0x10, 0x10, 2, 0, 0, 0, 0, 0}, eth4...))},
		{name: "capwap without length", link: raw, data: inUDP(portCAPWAP, append([]byte{0, 0, 2, 0, 0, 0, 0, 0}, eth4...))},
		{name: "capwap of another binding", link: raw, data: inUDP(portCAPWAP, append([]byte{0, 0x10, 7, 0, 0, 0, 0, 0}, eth4...)), reason: "CAPWAP header: type not supported"},
		{name: "capwap header beyond the packet", link: raw, data: inUDP(portCAPWAP, []byte{0, 0x50, 2, 0, 0, 0, 0, 0}), reason: "CAPWAP header: longer than the packet"},
		{name: "capwap nested too deeply", link: raw, data: deep(inUDP(portCAPWAP, append([]byte{0, 0x10, 2, 0, 0, 0, 0, 0}, eth4...))), reason: "CAPWAP header: nested too deeply", limit: depth},
		{name: "mpls in udp nested too deeply", link: raw, data: deep(inUDP(portMPLS, labelsOf(ip4, 16))), reason: "MPLS label stack: nested too deeply", limit: depth},
	}
}

// TestEveryStepHasAParser guards against a step without a parser. TestSnapshotLength guards against
// a parser that reads more than it needs.
func TestEveryStepHasAParser(t *testing.T) {
	for first := stepSegment + 1; int(first) < len(parsers); first++ {
		if parsers[first].parse == nil {
			t.Errorf("step %d, counted from stepSegment at %d, has no row in parsers", first, stepSegment)
			continue
		}
		for _, n := range []int{0, parsers[first].least, 200} {
			c := dissection{Dissector: NewDissector(DissectorOptions{}), data: make([]byte, n), length: n, segment: new(Segment)}
			c.descend(first)
		}
	}
}
