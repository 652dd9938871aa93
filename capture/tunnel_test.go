package capture

import "testing"

// Ports that the tests pass to the Dissector.
const (
	otherVXLANPort  = 48879
	otherGenevePort = 6082
)

func tunnelCases() []builtCase {
	const raw = LinkTypeRaw
	ip4, ip6 := built4(), built6()
	eth4, eth6 := ethernetOf(etherTypeIPv4, ip4), ethernetOf(etherTypeIPv6, ip6)
	gre := func(flags, protocol uint16, payload []byte) []byte {
		return outer4(protocolGRE, greOf(flags, protocol, 99, payload))
	}
	vxlan := func(port uint16, payload []byte) []byte { return outer4(protocolUDP, udpOf(port, payload)) }
	return []builtCase{
		{name: "4 in 4", link: raw, data: outer4(protocolIPv4, ip4), depth: 1},
		{name: "6 in 4", link: raw, data: outer4(protocolIPv6, ip6), v6: true, depth: 1},
		{name: "4 in 6", link: raw, data: outer6(protocolIPv4, ip4), depth: 1},
		{name: "6 in 6", link: raw, data: outer6(protocolIPv6, ip6), v6: true, depth: 1},
		{name: "4 in 6 behind an option", link: raw, data: outer6(protocolDestination, extensionOf(protocolIPv4, 0, ip4)), depth: 1},
		{name: "mpls in ip", link: raw, data: outer4(protocolMPLS, labelsOf(ip4, 16)), depth: 1},
		{name: "gre ipv4", link: raw, data: gre(0, etherTypeIPv4, ip4), depth: 1},
		{name: "gre ipv6 in ipv6", link: raw, data: outer6(protocolGRE, greOf(0, etherTypeIPv6, 0, ip6)), v6: true, depth: 1},
		{name: "gre checksum", link: raw, data: gre(greChecksum, etherTypeIPv4, ip4), depth: 1},
		{name: "gre key", link: raw, data: gre(greKey, etherTypeIPv4, ip4), depth: 1, domain: true},
		{name: "gre sequence", link: raw, data: gre(greSequence, etherTypeIPv4, ip4), depth: 1},
		{name: "gre checksum, key and sequence", link: raw, data: gre(greChecksum|greKey|greSequence, etherTypeIPv6, ip6), v6: true, depth: 1, domain: true},
		{name: "gre with routes", link: raw, data: gre(greRouting, etherTypeIPv4, ip4), depth: 1},
		{name: "gre ethernet", link: raw, data: gre(0, etherTypeBridging, eth4), depth: 1},
		{name: "gre keyed ethernet with vlan", link: raw, data: gre(greKey, etherTypeBridging, ethernetOf(etherTypeVLAN, tagOf(7, etherTypeIPv6, ip6))), v6: true, depth: 1, domain: true},
		{name: "gre mpls", link: raw, data: gre(0, etherTypeMPLS, labelsOf(ip4, 100)), depth: 1},
		{name: "erspan I", link: raw, data: gre(0, greERSPAN, eth4), depth: 1},
		{name: "erspan II", link: raw, data: gre(greSequence, greERSPAN, erspan2Of(10, eth4)), depth: 1},
		{name: "erspan II with vlan inside", link: raw, data: gre(greSequence, greERSPAN, erspan2Of(0, ethernetOf(etherTypeVLAN, tagOf(10, etherTypeIPv4, ip4)))), depth: 1, domain: true},
		{name: "erspan III", link: raw, data: gre(greSequence, greERSPAN3, erspan3Of(0, false, eth4)), depth: 1},
		{name: "erspan III with subheader", link: raw, data: gre(greSequence, greERSPAN3, erspan3Of(0, true, eth6)), v6: true, depth: 1},
		{name: "erspan III of ip", link: raw, data: gre(greSequence, greERSPAN3, erspan3Of(2, false, ip4)), depth: 1},
		{name: "erspan III under the type of II", link: raw, data: gre(greSequence, greERSPAN, erspan3Of(0, false, eth4)), depth: 1},
		{name: "vxlan", link: raw, data: vxlan(portVXLAN, vxlanOf(8, 0, 42, eth4)), depth: 1, domain: true},
		{name: "vxlan over ipv6", link: raw, data: outer6(protocolUDP, udpOf(portVXLAN, vxlanOf(8, 0, 42, eth6))), v6: true, depth: 1, domain: true},
		{name: "vxlan of linux", link: raw, data: vxlan(portVXLANLinux, vxlanOf(8, 0, 42, eth4)), depth: 1, domain: true},
		{name: "vxlan with group policy", link: raw, data: vxlan(portVXLAN, vxlanOf(0x88, 1, 42, eth4)), depth: 1, domain: true},
		{name: "vxlan on another port", link: raw, data: vxlan(otherVXLANPort, vxlanOf(8, 0, 42, eth4)), depth: 1, domain: true},
		{name: "vxlan without udp length", link: raw, data: outer4(protocolUDP, with16(udpOf(portVXLAN, vxlanOf(8, 0, 42, eth4)), 4, 0)), depth: 1, domain: true},
		{name: "vxlan gpe ethernet", link: raw, data: vxlan(portVXLANGPE, vxlanOf(8, 0, 42, eth4)), depth: 1, domain: true},
		{name: "vxlan gpe next ipv4", link: raw, data: vxlan(portVXLANGPE, vxlanOf(12, 1, 42, ip4)), depth: 1, domain: true},
		{name: "vxlan gpe next ipv6", link: raw, data: vxlan(portVXLANGPE, vxlanOf(12, 2, 42, ip6)), v6: true, depth: 1, domain: true},
		{name: "vxlan gpe next ethernet", link: raw, data: vxlan(portVXLANGPE, vxlanOf(12, 3, 42, eth4)), depth: 1, domain: true},
		{name: "vxlan gpe next mpls", link: raw, data: vxlan(portVXLANGPE, vxlanOf(12, 5, 42, labelsOf(ip4, 16))), depth: 1, domain: true},
		{name: "geneve", link: raw, data: vxlan(portGeneve, geneveOf(etherTypeBridging, 42, 0, eth4)), depth: 1, domain: true},
		{name: "geneve with options", link: raw, data: vxlan(portGeneve, geneveOf(etherTypeBridging, 42, 3, eth6)), v6: true, depth: 1, domain: true},
		{name: "geneve with most options", link: raw, data: vxlan(portGeneve, geneveOf(etherTypeBridging, 42, 63, eth4)), depth: 1, domain: true},
		{name: "geneve of ipv4", link: raw, data: vxlan(portGeneve, geneveOf(etherTypeIPv4, 42, 0, ip4)), depth: 1, domain: true},
		{name: "geneve on another port", link: raw, data: vxlan(otherGenevePort, geneveOf(etherTypeBridging, 42, 0, eth4)), depth: 1, domain: true},
		{name: "vxlan in erspan on a vlan", link: LinkTypeEthernet, depth: 2, domain: true,
			data: ethernetOf(etherTypeVLAN, tagOf(3, etherTypeIPv4, gre(greSequence, greERSPAN, erspan2Of(1, ethernetOf(etherTypeIPv4, vxlan(portVXLAN, vxlanOf(8, 0, 42, eth4)))))))},
		{name: "geneve in vxlan in gre in ip in ip", link: LinkTypeEthernet, depth: 4, domain: true, v6: true,
			data: ethernetOf(etherTypeIPv4, outer4(protocolIPv4, gre(0, etherTypeIPv4, vxlan(portVXLAN, vxlanOf(8, 0, 1, ethernetOf(etherTypeIPv4, vxlan(portGeneve, geneveOf(etherTypeBridging, 2, 1, eth6))))))))},
		{name: "deepest nesting allowed", link: raw, data: nested(maxTunnels), depth: maxTunnels},
	}
}

// nested returns an IPv4 packet inside n others.
func nested(n int) []byte {
	b := built4()
	for range n {
		b = outer4(protocolIPv4, b)
	}
	return b
}

func tunnelRefused() []refusedCase {
	const raw = LinkTypeRaw
	ip4 := built4()
	eth4 := ethernetOf(etherTypeIPv4, ip4)
	inUDP := func(port uint16, payload []byte) []byte { return outer4(protocolUDP, udpOf(port, payload)) }
	inGRE := func(b []byte) []byte { return outer4(protocolGRE, b) }
	deep := func(wrap []byte) []byte {
		for range maxTunnels {
			wrap = outer4(protocolIPv4, wrap)
		}
		return wrap
	}
	const depth = "tunnel_depth"
	return []refusedCase{
		{name: "ip nested too deeply", link: raw, data: nested(maxTunnels + 1), reason: "IP header: nested too deeply", limit: depth},
		{name: "gre nested too deeply", link: raw, data: deep(inGRE(greOf(0, etherTypeIPv4, 0, ip4))), reason: "GRE header: nested too deeply", limit: depth},
		{name: "vxlan nested too deeply", link: raw, data: deep(inUDP(portVXLAN, vxlanOf(8, 0, 1, eth4))), reason: "VXLAN header: nested too deeply", limit: depth},
		{name: "geneve nested too deeply", link: raw, data: deep(inUDP(portGeneve, geneveOf(etherTypeBridging, 1, 0, eth4))), reason: "Geneve header: nested too deeply", limit: depth},
		{name: "pseudowire nested too deeply", link: raw, data: nestedIn(maxTunnels-1, outer4(protocolMPLS, labelsOf(eth4, 16))), reason: "MPLS label stack: nested too deeply", limit: depth},
		{name: "mpls labels without end", link: LinkTypeEthernet, data: ethernetOf(etherTypeMPLS, make([]byte, 4*maxHeaders)), reason: "headers of one packet: nested too deeply", limit: "packet_headers"},
		{name: "vxlan without a valid id", link: raw, data: inUDP(portVXLAN, vxlanOf(0, 0, 42, eth4))},
		{name: "vxlan in the source port only", link: raw, data: outer4(protocolUDP, with16(udpOf(9999, vxlanOf(8, 0, 42, eth4)), 0, portVXLAN))},
		{name: "vxlan header cut", link: raw, data: inUDP(portVXLAN, vxlanOf(8, 0, 42, eth4))[:35], reason: "VXLAN header: cut off by the snapshot length"},
		{name: "vxlan longer than its udp datagram", link: raw, data: outer4(protocolUDP, with16(udpOf(portVXLAN, vxlanOf(8, 0, 42, eth4)), 4, 12)), reason: "VXLAN header: longer than the packet"},
		{name: "vxlan gpe of another version", link: raw, data: inUDP(portVXLANGPE, vxlanOf(0x18, 0, 42, eth4))},
		{name: "vxlan gpe next gbp", link: raw, data: inUDP(portVXLANGPE, vxlanOf(12, 6, 42, eth4)), reason: "next protocol 6 of NSH or VXLAN-GPE: not supported"},
		{name: "geneve of another version", link: raw, data: inUDP(portGeneve, append([]byte{0x40}, geneveOf(etherTypeBridging, 1, 0, eth4)[1:]...))},
		{name: "geneve options beyond the packet", link: raw, data: inUDP(portGeneve, geneveOf(etherTypeBridging, 1, 63, nil)[:20]), reason: "Geneve header: longer than the packet"},
		{name: "geneve header cut", link: raw, data: inUDP(portGeneve, geneveOf(etherTypeBridging, 1, 0, eth4))[:34], reason: "Geneve header: cut off by the snapshot length"},
		{name: "geneve of something else", link: raw, data: inUDP(portGeneve, geneveOf(0x88b5, 1, 0, eth4)), reason: "EtherType 0x88b5 (experimental): not supported"},
		{name: "gre short", link: raw, data: inGRE([]byte{0x20, 0, 8, 0}), reason: "GRE header: longer than the packet"},
		{name: "gre of 3 bytes", link: raw, data: inGRE([]byte{0, 0, 8}), reason: "GRE header: longer than the packet"},
		{name: "gre of pptp, compressed", link: raw, data: inGRE(append([]byte{0x20, 0x01, 0x88, 0x0b, 0, 40, 0, 1, 0xfd}, ip4...)), reason: "PPP protocol 0x00fd (compressed): not supported"},
		{name: "gre of version 2", link: raw, data: inGRE(append([]byte{0, 2, 8, 0}, ip4...))},
		{name: "gre keepalive", link: raw, data: inGRE([]byte{0, 0, 0, 0})},
		{name: "gre routes without end", link: raw, data: inGRE(greOf(greRouting, etherTypeIPv4, 0, nil)[:16]), reason: "GRE header: longer than the packet"},
		{name: "erspan II short", link: raw, data: inGRE(greOf(greSequence, greERSPAN, 0, []byte{0x10, 1, 0, 0})), reason: "ERSPAN header: longer than the packet"},
		{name: "erspan III short", link: raw, data: inGRE(greOf(greSequence, greERSPAN3, 0, erspan3Of(0, true, nil)[:19])), reason: "ERSPAN header: longer than the packet"},
		{name: "erspan of version 7", link: raw, data: inGRE(greOf(greSequence, greERSPAN, 0, append([]byte{0x70}, erspan2Of(1, eth4)[1:]...))), reason: "ERSPAN header: unexpected version"},
	}
}

// nestedIn returns b inside n IPv4 packets.
func nestedIn(n int, b []byte) []byte {
	for range n {
		b = outer4(protocolIPv4, b)
	}
	return b
}

// TestDomainDistinguishesNetworks guards against merging two connections with equal addresses, and
// against splitting the directions of one.
func TestDomainDistinguishesNetworks(t *testing.T) {
	ip := built4()
	eth := ethernetOf(etherTypeIPv4, ip)
	tagged := func(control uint16) []byte { return ethernetOf(etherTypeVLAN, tagOf(control, etherTypeIPv4, ip)) }
	stacked := func(a, b uint16) []byte {
		return ethernetOf(etherTypeQinQ, tagOf(a, etherTypeVLAN, tagOf(b, etherTypeIPv4, ip)))
	}
	inUDP := func(port uint16, payload []byte) []byte {
		return ethernetOf(etherTypeIPv4, outer4(protocolUDP, udpOf(port, payload)))
	}
	inGRE := func(flags, protocol uint16, key uint32, payload []byte) []byte {
		return ethernetOf(etherTypeIPv4, outer4(protocolGRE, greOf(flags, protocol, key, payload)))
	}
	// Every group is one network, and no two groups are the same.
	groups := [][][]byte{
		{eth, tagged(0), tagged(3 << 13), ethernetOf(etherTypeMPLS, labelsOf(ip, 5)), ethernetOf(etherTypeMPLS, labelsOf(ip, 6)),
			ethernetOf(etherTypePPPoE, pppoeOf(append([]byte{0, 0x21}, ip...))), inGRE(0, etherTypeIPv4, 0, ip),
			inGRE(greSequence, greERSPAN, 0, erspan2Of(1, eth)), inGRE(greSequence, greERSPAN, 0, erspan2Of(2, eth))},
		{tagged(1), tagged(1<<13 | 1), ethernetOf(etherTypeQinQ1, tagOf(1, etherTypeIPv4, ip)), stacked(0, 1)},
		{tagged(2)},
		{stacked(1, 2)},
		{stacked(2, 1)},
		{stacked(1, 1)},
		{inUDP(portVXLAN, vxlanOf(8, 0, 1, eth)), inUDP(portVXLANLinux, vxlanOf(8, 0, 1, eth))},
		{inUDP(portVXLAN, vxlanOf(8, 0, 2, eth))},
		{inUDP(portVXLAN, vxlanOf(8, 0, 0, eth))},
		{inUDP(portVXLAN, vxlanOf(8, 0, 1, tagged(1)))},
		{ethernetOf(etherTypeVLAN, tagOf(1, etherTypeIPv4, inUDP(portVXLAN, vxlanOf(8, 0, 1, eth))[14:]))},
		{inUDP(portGeneve, geneveOf(etherTypeBridging, 1, 0, eth)), inUDP(portGeneve, geneveOf(etherTypeIPv4, 1, 4, ip))},
		{inUDP(portGeneve, geneveOf(etherTypeBridging, 2, 0, eth))},
		{inGRE(greKey, etherTypeIPv4, 1, ip), inGRE(greKey|greSequence, etherTypeIPv4, 1, ip), inGRE(greKey, etherTypeBridging, 1, eth)},
		{inGRE(greKey, etherTypeIPv4, 2, ip)},
		{inGRE(greKey, etherTypeIPv4, 0x100001, ip)},
		{inGRE(greKey, etherTypeIPv4, 0x100002, ip)},
		// NVGRE: the lowest 8 bits are the flow, not the network.
		{inGRE(greKey, etherTypeBridging, 0x500001, eth), inGRE(greKey, etherTypeBridging, 0x5000ff, eth)},
		{inGRE(greKey, etherTypeBridging, 0x500101, eth)},
	}
	d := NewDissector(DissectorOptions{})
	seen := map[uint64]int{}
	for i, group := range groups {
		for j, data := range group {
			p := Packet{Data: data, Length: uint32(len(data)), Link: LinkTypeEthernet}
			var s Segment
			if !d.Segment(&p, &s) {
				t.Fatalf("group %d packet %d: no segment", i, j)
			}
			if other, ok := seen[s.Domain]; ok && other != i {
				t.Errorf("group %d packet %d has the domain of group %d", i, j, other)
			} else if !ok && j > 0 {
				t.Errorf("group %d packet %d has a domain of its own", i, j)
			}
			seen[s.Domain] = i
			if (s.Domain == 0) != (i == 0) {
				t.Errorf("group %d packet %d: domain %d, and 0 is for group 0 only", i, j, s.Domain)
			}
		}
	}
}
