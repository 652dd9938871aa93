package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

// withOptions inserts IPv4 options between the header and the payload of a packet.
func withOptions(ip []byte, options ...byte) []byte {
	b := slices.Insert(slices.Clone(ip), ipv4Header, options...)
	b[0] += byte(len(options) / 4)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// with16 returns b with the 16-bit number at that offset replaced.
func with16(b []byte, at int, v uint16) []byte {
	b = slices.Clone(b)
	binary.BigEndian.PutUint16(b[at:], v)
	return b
}

// jumboOf returns a hop-by-hop header with a jumbo payload option behind a Pad1 and a PadN, in an
// IPv6 packet whose length field is 0.
func jumboOf(length uint32, payload []byte) []byte {
	h := append([]byte{protocolTCP, 1, pad1Option, 1, 1, 0, jumboOption, 4}, be32(nil, length)...)
	h = append(h, 1, 2, 0, 0)
	return with16(ipv6Of(builtSrc6, builtDst6, protocolHopByHop, append(h, payload...)), 4, 0)
}

func ipCases() []builtCase {
	const raw = LinkTypeRaw
	tcp := builtTCP()
	in6 := func(next uint8, payload []byte) []byte { return ipv6Of(builtSrc6, builtDst6, next, payload) }
	via := netip.MustParseAddr("2001:db8::77")
	viaIn6 := func(payload []byte) []byte { return ipv6Of(builtSrc6, via, protocolRouting, payload) }
	ah := append([]byte{protocolTCP, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, make([]byte, 12)...)
	return []builtCase{
		{name: "ipv4 options", link: raw, data: withOptions(built4(), 7, 7, 4, 0, 0, 0, 0, 0)},
		{name: "ipv4 most options", link: raw, data: withOptions(built4(), slices.Repeat([]byte{1}, 40)...)},
		{name: "ethernet ipv4 options", link: LinkTypeEthernet, data: ethernetOf(etherTypeIPv4, withOptions(built4(), 1, 1, 1, 0))},
		{name: "ipv4 don't fragment", link: raw, data: with16(built4(), 6, 0x4000)},
		{name: "ipv4 reserved flag", link: LinkTypeEthernet, data: ethernetOf(etherTypeIPv4, with16(built4(), 6, 0x8000))},
		{name: "ipv4 offload total length 0", link: LinkTypeEthernet, data: ethernetOf(etherTypeIPv4, with16(built4(), 2, 0))},
		{name: "ipv4 total length beyond a mirrored and shortened frame", link: LinkTypeEthernet, data: ethernetOf(etherTypeIPv4, built4())[:60]},
		{name: "ipv4 authentication header", link: raw, data: ipv4Of(builtSrc4, builtDst4, protocolAH, append(ah, tcp...))},
		{name: "ipv6 offload length 0", link: raw, data: with16(built6(), 4, 0), v6: true},
		{name: "ipv6 jumbo length", link: LinkTypeEthernet, data: append(ethernetOf(etherTypeIPv6, jumboOf(uint32(16+len(tcp)), tcp)), "padding"...), v6: true},
		{name: "ipv6 hop-by-hop", link: raw, data: in6(protocolHopByHop, extensionOf(protocolTCP, 0, tcp)), v6: true},
		{name: "ipv6 all extension headers", link: raw, v6: true, data: in6(protocolHopByHop, extensionOf(protocolDestination, 1,
			extensionOf(protocolRouting, 2, routingOf(protocolFragment, routingSegment, 0,
				fragment6Of(protocolAH, 0, false, 5, append(append([]byte{protocolDestination}, ah[1:]...), extensionOf(protocolTCP, 3, tcp)...)), builtDst6))))},
		{name: "ipv6 mobility, hip and shim6", link: raw, v6: true, data: in6(protocolMobility, extensionOf(protocolHIP, 0, extensionOf(protocolShim6, 0, extensionOf(protocolTCP, 0, tcp))))},
		{name: "ipv6 atomic fragment", link: raw, v6: true, data: in6(protocolFragment, fragment6Of(protocolTCP, 0, false, 5, tcp))},
		{name: "ipv6 source route under way", link: raw, v6: true, data: viaIn6(routingOf(protocolTCP, routingSource, 2, tcp, via, builtDst6))},
		{name: "ipv6 home address", link: raw, v6: true, data: viaIn6(routingOf(protocolTCP, routingMobile, 1, tcp, builtDst6))},
		{name: "ipv6 segment route under way", link: raw, v6: true, data: viaIn6(routingOf(protocolTCP, routingSegment, 1, tcp, builtDst6, via))},
		{name: "ipv6 segment route at its end", link: raw, v6: true, data: in6(protocolRouting, routingOf(protocolTCP, routingSegment, 0, tcp, via, builtDst6))},
		{name: "tcp options", link: LinkTypeEthernet, data: ethernetOf(etherTypeIPv4, ipv4Of(builtSrc4, builtDst4, protocolTCP, tcpOf(slices.Repeat([]byte{1}, 12), builtPayload)))},
		{name: "tcp most options", link: raw, data: ipv4Of(builtSrc4, builtDst4, protocolTCP, tcpOf(slices.Repeat([]byte{1}, 40), builtPayload))},
	}
}

func ipRefused() []refusedCase {
	const raw = LinkTypeRaw
	ip4, ip6 := built4(), built6()
	in6 := func(next uint8, payload []byte) []byte { return ipv6Of(builtSrc6, builtDst6, next, payload) }
	badOffset := func(offset byte) []byte {
		b := built4()
		b[ipv4Header+12] = offset << 4
		return b
	}
	deep := builtTCP()
	for range maxHeaders {
		deep = extensionOf(protocolDestination, 0, deep)
	}
	return []refusedCase{
		{name: "ipv4 header cut", link: raw, data: ip4[:19], length: 56, reason: "IP header: cut off by the snapshot length"},
		{name: "ipv4 header longer than the packet", link: raw, data: ip4[:19], reason: "IP header: longer than the packet"},
		{name: "ipv4 options cut", link: raw, data: withOptions(ip4, 1, 1, 1, 1)[:22], length: 60, reason: "IP header: cut off by the snapshot length"},
		{name: "ipv4 header length 4", link: raw, data: append([]byte{0x44}, ip4[1:]...), reason: "IP header: impossible length"},
		{name: "ipv4 header longer than the total length", link: raw, data: with16(append([]byte{0x4f}, ip4[1:]...), 2, 59), reason: "IP header: impossible length"},
		{name: "ipv4 total length 19", link: raw, data: with16(ip4, 2, 19), reason: "IP header: impossible length"},
		{name: "ipv4 offload of impossible size", link: raw, data: with16(ip4, 2, 0), length: maxDatagram + 1, reason: "IP header: impossible length"},
		{name: "ipv4 in an ipv6 ethernet type", link: LinkTypeEthernet, data: ethernetOf(etherTypeIPv6, ip4), reason: "IP header: unexpected version"},
		{name: "ipv4 hop-by-hop is none", link: raw, data: outer4(protocolHopByHop, extensionOf(protocolTCP, 0, builtTCP()))},
		{name: "ipv4 hop-by-hop in ipv6 is none", link: raw, data: outer6(protocolIPv4, outer4(protocolHopByHop, extensionOf(protocolTCP, 0, builtTCP())))},
		{name: "ipv6 header cut", link: raw, data: ip6[:39], length: 76, reason: "IP header: cut off by the snapshot length"},
		{name: "ipv6 jumbo of impossible size", link: raw, data: jumboOf(1<<31, builtTCP()), reason: "IP header: impossible length"},
		{name: "ipv6 extension header cut", link: raw, data: in6(protocolHopByHop, extensionOf(protocolTCP, 5, builtTCP()))[:60], length: 124, reason: "IPv6 extension header: cut off by the snapshot length"},
		{name: "ipv6 extension header longer than the packet", link: raw, data: in6(protocolHopByHop, []byte{protocolTCP, 255, 1, 4, 0, 0, 0, 0}), reason: "IPv6 extension header: longer than the packet"},
		{name: "ipv6 authentication header of length 8", link: raw, data: in6(protocolAH, append([]byte{protocolTCP, 0, 0, 0, 0, 0, 0, 1}, builtTCP()...)), reason: "IPv6 extension header: impossible length"},
		{name: "ipv6 fragment header cut", link: raw, data: in6(protocolFragment, fragment6Of(protocolTCP, 0, true, 1, nil))[:47], length: 200, reason: "IP fragment: cut off by the snapshot length"},
		{name: "ipv6 no next header", link: raw, data: in6(59, nil)},
		{name: "ipv6 extension headers without end", link: raw, data: in6(protocolDestination, deep), reason: "headers of one packet: nested too deeply", limit: "packet_headers"},
		{name: "esp", link: raw, data: outer4(50, builtTCP()), reason: "ESP: encrypted"},
		{name: "udp", link: raw, data: outer4(protocolUDP, udpOf(53, builtTCP()))},
		{name: "udp cut", link: raw, data: outer4(protocolUDP, udpOf(portVXLAN, nil))[:27], length: 78, reason: "UDP header: cut off by the snapshot length"},
		{name: "icmp error with a segment in it", link: raw, data: outer4(1, append([]byte{3, 4, 0, 0, 0, 0, 5, 0xdc}, ip4...))},
		{name: "icmpv6 error with a segment in it", link: raw, data: in6(58, append([]byte{2, 0, 0, 0, 0, 0, 5, 0}, ip6...))},
		{name: "tcp header cut before the flags", link: raw, data: ip4[:ipv4Header+13], reason: "TCP header: cut off by the snapshot length"},
		{name: "tcp header longer than the packet", link: raw, data: ipv4Of(builtSrc4, builtDst4, protocolTCP, builtTCP()[:19]), reason: "TCP header: longer than the packet"},
		{name: "tcp data offset 4", link: raw, data: badOffset(4), reason: "TCP header: impossible length"},
		{name: "ethernet tcp data offset 4", link: LinkTypeEthernet, data: ethernetOf(etherTypeIPv4, badOffset(4)), reason: "TCP header: impossible length"},
		{name: "ethernet tcp data offset beyond the packet", link: LinkTypeEthernet, data: ethernetOf(etherTypeIPv4, badOffset(15)), reason: "TCP header: impossible length"},
	}
}

// TestOffloadLength guards against wrong lengths if the IP header has no length or one above 16
// bits.
func TestOffloadLength(t *testing.T) {
	header := tcpOf(nil, "")
	for name, c := range map[string]struct {
		data   []byte
		length int // on the wire
		want   int // of the payload
	}{
		"ipv4 of 64 KiB and more": {with16(ipv4Of(builtSrc4, builtDst4, protocolTCP, header), 2, 0), 100_000, 100_000 - 40},
		"ipv6 of 64 KiB and more": {with16(ipv6Of(builtSrc6, builtDst6, protocolTCP, header), 4, 0), 100_000, 100_000 - 60},
		"ipv6 jumbo":              {jumboOf(80_000, header), 80_040, 80_000 - 16 - 20},
		"ipv6 hop-by-hop without the option": {
			with16(ipv6Of(builtSrc6, builtDst6, protocolHopByHop, extensionOf(protocolTCP, 0, header)), 4, 0), 90_000, 90_000 - 68,
		},
		"longest": {with16(ipv4Of(builtSrc4, builtDst4, protocolTCP, header), 2, 0), maxDatagram, maxDatagram - 40},
	} {
		p := Packet{Data: c.data, Length: uint32(c.length), Link: LinkTypeRaw}
		var s Segment
		if !NewDissector(DissectorOptions{}).Segment(&p, &s) {
			t.Errorf("%s: no segment", name)
		} else if int(s.Length) != c.want || len(s.Payload) != 0 {
			t.Errorf("%s: length %d with %d captured, want %d with 0", name, s.Length, len(s.Payload), c.want)
		}
	}
}
