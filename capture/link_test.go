package capture

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func linkCases() []builtCase {
	const sll, sll2, eth = LinkTypeLinuxSLL, LinkTypeLinuxSLL2, LinkTypeEthernet
	ip4, ip6 := built4(), built6()
	snap := snapOf(etherTypeIPv4, ip4)
	long := uint16(len(snap))
	return []builtCase{
		{name: "ethernet ipv4", link: eth, data: ethernetOf(etherTypeIPv4, ip4)},
		{name: "ethernet ipv6", link: eth, data: ethernetOf(etherTypeIPv6, ip6), v6: true},
		{name: "ethernet padding is no payload", link: eth, data: append(ethernetOf(etherTypeIPv4, ip4), "padding!"...)},
		{name: "ethernet ipv6 padding is no payload", link: eth, data: append(ethernetOf(etherTypeIPv6, ip6), "padding!"...), v6: true},
		{name: "vlan", link: eth, data: ethernetOf(etherTypeVLAN, tagOf(100, etherTypeIPv4, ip4)), domain: true},
		{name: "vlan with priority", link: eth, data: ethernetOf(etherTypeVLAN, tagOf(7<<13|1<<12|100, etherTypeIPv6, ip6)), v6: true, domain: true},
		{name: "priority tag", link: eth, data: ethernetOf(etherTypeVLAN, tagOf(5<<13, etherTypeIPv4, ip4))},
		{name: "vlan 802.1ad stack", link: eth, data: ethernetOf(etherTypeQinQ, tagOf(200, etherTypeVLAN, tagOf(100, etherTypeIPv4, ip4))), domain: true},
		{name: "vlan 0x9100 stack", link: eth, data: ethernetOf(etherTypeQinQ1, tagOf(200, etherTypeVLAN, tagOf(100, etherTypeIPv4, ip4))), domain: true},
		{name: "vlan 0x9200 stack", link: eth, data: ethernetOf(etherTypeQinQ2, tagOf(200, etherTypeQinQ3, tagOf(100, etherTypeIPv4, ip4))), domain: true},
		{name: "vlan of three tags", link: eth, data: ethernetOf(etherTypeVLAN, tagOf(1, etherTypeVLAN, tagOf(2, etherTypeVLAN, tagOf(3, etherTypeIPv4, ip4)))), domain: true},
		{name: "802.3 snap", link: eth, data: ethernetOf(long, snap)},
		{name: "802.3 snap with padding", link: eth, data: append(ethernetOf(long, snap), 0, 0, 0)},
		{name: "802.3 snap of a bridge", link: eth, data: ethernetOf(long, append([]byte{0xaa, 0xaa, 3, 0, 0, 0xf8}, snap[6:]...))},
		{name: "vlan with 802.3 snap", link: eth, data: ethernetOf(etherTypeVLAN, tagOf(100, long, snap)), domain: true},
		{name: "mpls", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(ip4, 1000))},
		{name: "mpls stack ipv6", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(ip6, 1000, 2000, 3000)), v6: true},
		{name: "mpls multicast type", link: eth, data: ethernetOf(etherTypeMPLSDown, labelsOf(ip4, 1000))},
		{name: "mpls pseudowire with control word", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(append(make([]byte, 4), ethernetOf(etherTypeIPv4, ip4)...), 1000, 16)), depth: 1},
		{name: "mpls pseudowire without control word", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(ethernetOf(etherTypeIPv4, ip4), 1000, 16)), depth: 1},
		{name: "mpls pseudowire to an address that looks like ipv4", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(append([]byte{0x45, 0, 0xff}, ethernetOf(etherTypeIPv4, ip4)[3:]...), 1000)), depth: 1},
		{name: "mpls pseudowire to an address that begins with 0", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(append([]byte{0}, ethernetOf(etherTypeVLAN, tagOf(5, etherTypeIPv4, ip4))[1:]...), 1000)), depth: 1, domain: true},
		{name: "pppoe ipv4", link: eth, data: ethernetOf(etherTypePPPoE, pppoeOf(append([]byte{0, 0x21}, ip4...)))},
		{name: "pppoe ipv6", link: eth, data: ethernetOf(etherTypePPPoE, pppoeOf(append([]byte{0, 0x57}, ip6...))), v6: true},
		{name: "pppoe with a short protocol number", link: eth, data: ethernetOf(etherTypePPPoE, pppoeOf(append([]byte{0x21}, ip4...)))},
		{name: "pppoe mpls", link: eth, data: ethernetOf(etherTypePPPoE, pppoeOf(append([]byte{2, 0x81}, labelsOf(ip4, 17)...)))},
		{name: "vlan pppoe with padding", link: eth, data: append(ethernetOf(etherTypeVLAN, tagOf(9, etherTypePPPoE, pppoeOf(append([]byte{0, 0x21}, ip4...)))), 1, 2, 3), domain: true},
		{name: "sll", link: sll, data: cookedOf(1, etherTypeIPv4, ip4)},
		{name: "sll ipv6", link: sll, data: cookedOf(772, etherTypeIPv6, ip6), v6: true},
		{name: "sll vlan", link: sll, data: cookedOf(1, etherTypeVLAN, tagOf(100, etherTypeIPv4, ip4)), domain: true},
		{name: "sll llc", link: sll, data: cookedOf(1, cookedLLC, snap)},
		{name: "sll ethernet", link: sll, data: cookedOf(1, cookedEthernet, ethernetOf(etherTypeIPv4, ip4))},
		{name: "sll gre with ethernet", link: sll, data: cookedOf(778, etherTypeBridging, ethernetOf(etherTypeVLAN, tagOf(100, etherTypeIPv4, ip4))), domain: true},
		{name: "sll 802.11 not in monitor mode", link: sll, data: cookedOf(device80211, etherTypeIPv4, ip4)},
		{name: "sll2 radiotap not in monitor mode", link: sll2, data: cooked2Of(device80211Radio, etherTypeIPv6, ip6), v6: true},
		{name: "sll2", link: sll2, data: cooked2Of(1, etherTypeIPv4, ip4)},
		{name: "sll2 ipv6", link: sll2, data: cooked2Of(772, etherTypeIPv6, ip6), v6: true},
		{name: "sll2 vlan", link: sll2, data: cooked2Of(1, etherTypeVLAN, tagOf(100, etherTypeIPv4, ip4)), domain: true},
		{name: "sll2 vlan stack", link: sll2, data: cooked2Of(1, etherTypeQinQ, tagOf(8, etherTypeVLAN, tagOf(9, etherTypeIPv6, ip6))), v6: true, domain: true},
		{name: "null little-endian", link: LinkTypeNull, data: append([]byte{2, 0, 0, 0}, ip4...)},
		{name: "null big-endian", link: LinkTypeNull, data: append([]byte{0, 0, 0, 2}, ip4...)},
		{name: "null ipv6 macos", link: LinkTypeNull, data: append([]byte{30, 0, 0, 0}, ip6...), v6: true},
		{name: "null ipv6 freebsd", link: LinkTypeNull, data: append([]byte{28, 0, 0, 0}, ip6...), v6: true},
		{name: "null ipv6 openbsd", link: LinkTypeNull, data: append([]byte{0, 0, 0, 24}, ip6...), v6: true},
		{name: "null ipv6 windows", link: LinkTypeNull, data: append([]byte{23, 0, 0, 0}, ip6...), v6: true},
		{name: "null ipv6 linux", link: LinkTypeNull, data: append([]byte{10, 0, 0, 0}, ip6...), v6: true},
		{name: "loop", link: LinkTypeLoop, data: append([]byte{0, 0, 0, 2}, ip4...)},
		{name: "loop ipv6", link: LinkTypeLoop, data: append([]byte{0, 0, 0, 24}, ip6...), v6: true},
		{name: "raw ipv4", link: LinkTypeRaw, data: ip4},
		{name: "raw ipv6", link: LinkTypeRaw, data: ip6, v6: true},
		{name: "raw 12", link: LinkTypeRawDLT12, data: ip4},
		{name: "raw 14", link: LinkTypeRawDLT14, data: ip6, v6: true},
		{name: "ipv4", link: LinkTypeIPv4, data: ip4},
		{name: "ipv6", link: LinkTypeIPv6, data: ip6, v6: true},
	}
}

// linkRefused are packets whose link layer contains no segment that can be found.
func linkRefused() []refusedCase {
	const eth = LinkTypeEthernet
	ip4 := built4()
	return []refusedCase{
		{name: "empty", link: eth, reason: "link-layer header: longer than the packet"},
		{name: "ethernet header not captured", link: eth, data: ethernetOf(etherTypeIPv4, nil)[:13], length: 60, reason: "link-layer header: cut off by the snapshot length"},
		{name: "arp", link: eth, data: ethernetOf(0x0806, make([]byte, 28))},
		{name: "type between length and type", link: eth, data: ethernetOf(1501, ip4), reason: "EtherType 0x05dd: not supported"},
		{name: "a type without a name", link: eth, data: ethernetOf(0x88b5, ip4), reason: "EtherType 0x88b5 (experimental): not supported"},
		{name: "spanning tree", link: eth, data: ethernetOf(38, append([]byte{0x42, 0x42, 3}, make([]byte, 43)...))},
		{name: "cisco snap", link: eth, data: ethernetOf(40, append([]byte{0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0}, make([]byte, 32)...))},
		{name: "802.3 length ends before the snap type", link: eth, data: ethernetOf(7, snapOf(etherTypeIPv4, ip4)), reason: "link-layer header: longer than the packet"},
		{name: "vlan tag cut", link: eth, data: ethernetOf(etherTypeVLAN, tagOf(1, etherTypeIPv4, nil))[:17], length: 80, reason: "VLAN tag: cut off by the snapshot length"},
		{name: "mpls without bottom", link: eth, data: ethernetOf(etherTypeMPLS, make([]byte, 40)), reason: "MPLS label stack: longer than the packet"},
		{name: "mpls with nothing behind it", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf([]byte{0x45}, 1)), reason: "MPLS label stack: longer than the packet"},
		{name: "mpls associated channel", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(append([]byte{0x10, 0, 0, 7}, ip4...), 1))},
		{name: "mpls guess needs more bytes", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(make([]byte, 10), 1)), length: 90, reason: "MPLS label stack: cut off by the snapshot length"},
		{name: "mpls ipv4 with wrong lengths", link: eth, data: ethernetOf(etherTypeMPLS, labelsOf(append([]byte{0x41}, ip4[1:]...), 1)), reason: "IP header: impossible length"},
		{name: "pppoe discovery", link: eth, data: ethernetOf(0x8863, make([]byte, 40))},
		{name: "pppoe version 2", link: eth, data: ethernetOf(etherTypePPPoE, append([]byte{0x21}, pppoeOf(append([]byte{0, 0x21}, ip4...))[1:]...)), reason: "PPPoE header: unexpected version"},
		{name: "pppoe code", link: eth, data: ethernetOf(etherTypePPPoE, []byte{0x11, 0xa7, 0, 1, 0, 2, 0, 0x21})},
		{name: "pppoe link control", link: eth, data: ethernetOf(etherTypePPPoE, pppoeOf([]byte{0xc0, 0x21, 9, 1, 0, 8}))},
		{name: "pppoe of length 1 with a long protocol number", link: eth, data: ethernetOf(etherTypePPPoE, append(pppoeOf([]byte{0}), 0x21, 0x45)), reason: "PPP header: longer than the packet"},
		{name: "sll cut", link: LinkTypeLinuxSLL, data: cookedOf(1, etherTypeIPv4, ip4)[:15], length: 70, reason: "link-layer header: cut off by the snapshot length"},
		{name: "sll netlink", link: LinkTypeLinuxSLL, data: cookedOf(824, etherTypeIPv4, ip4)},
		{name: "sll2 cut", link: LinkTypeLinuxSLL2, data: cooked2Of(1, etherTypeIPv4, ip4)[:19], length: 70, reason: "link-layer header: cut off by the snapshot length"},
		{name: "sll2 netlink", link: LinkTypeLinuxSLL2, data: cooked2Of(824, etherTypeIPv4, ip4)},
		{name: "null of another family", link: LinkTypeNull, data: append([]byte{16, 0, 0, 0}, ip4...)},
		{name: "null cut", link: LinkTypeNull, data: []byte{2, 0, 0}, length: 44, reason: "link-layer header: cut off by the snapshot length"},
		{name: "raw of no version", link: LinkTypeRaw, data: []byte{0x50}, reason: "IP header: unexpected version"},
		{name: "raw empty", link: LinkTypeRaw, reason: "IP header: longer than the packet"},
		{name: "ipv4 that is ipv6", link: LinkTypeIPv4, data: built6(), reason: "IP header: unexpected version"},
		{name: "ipv6 that is ipv4", link: LinkTypeIPv6, data: built4(), reason: "IP header: unexpected version"},
		{name: "802.15.4", link: 195, data: ip4, reason: "link type IEEE802_15_4 (195): not supported"},
		{name: "a link type that fits 16 bits only in part", link: 0x10001, data: ethernetOf(etherTypeIPv4, ip4), reason: "link type LINKTYPE_65537 (65537): not supported"},
	}
}

func TestLinkTypeNames(t *testing.T) {
	got := map[LinkType]string{}
	for _, l := range []LinkType{0, 1, 12, 14, 101, 108, 113, 127, 228, 229, 276, 20, 1 << 31} {
		got[l] = l.String()
	}
	want := map[LinkType]string{
		0: "NULL", 1: "EN10MB", 12: "RAW", 14: "RAW", 101: "RAW", 108: "LOOP", 113: "LINUX_SLL", 127: "IEEE802_11_RADIO",
		228: "IPV4", 229: "IPV6", 276: "LINUX_SLL2", 20: "LINKTYPE_20", 1 << 31: "LINKTYPE_2147483648",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("link type names (-want +got):\n%s", diff)
	}
}
