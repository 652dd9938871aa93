package capture

import (
	"encoding/binary"
	"slices"
)

// The link types that are understood, by their numbers in
// https://www.tcpdump.org/linktypes.html.
const (
	// LinkTypeNull is BSD loopback: an address family in the byte order of the capturing host.
	LinkTypeNull LinkType = 0
	// LinkTypeEthernet is Ethernet, II or 802.3.
	LinkTypeEthernet LinkType = 1
	// LinkTypeRawDLT12 and LinkTypeRawDLT14 are raw IP as some BSDs wrote it,
	// with their own numbers instead of the registered one.
	LinkTypeRawDLT12 LinkType = 12
	LinkTypeRawDLT14 LinkType = 14
	// LinkTypeRaw is IPv4 or IPv6 without anything before it.
	LinkTypeRaw LinkType = 101
	// LinkTypeLoop is OpenBSD loopback: an address family in network byte order.
	LinkTypeLoop LinkType = 108
	// LinkTypeLinuxSLL is the cooked header of Linux, of "any" and of devices without a header.
	LinkTypeLinuxSLL LinkType = 113
	// LinkTypeIPv4 and LinkTypeIPv6 are raw IP of one version.
	LinkTypeIPv4 LinkType = 228
	LinkTypeIPv6 LinkType = 229
	// LinkTypeLinuxSLL2 is the second version of LinkTypeLinuxSLL.
	LinkTypeLinuxSLL2 LinkType = 276
	// LinkTypeNFLOG is what the netfilter log of Linux hands out.
	LinkTypeNFLOG LinkType = 239
	// LinkTypePFLOG is the log of the packet filter of the BSDs.
	LinkTypePFLOG LinkType = 117
	// LinkTypePKTAP is macOS' header with interface and process; LinkTypeUser2 is
	// the number that macOS 10.9 wrote for it.
	LinkTypePKTAP LinkType = 258
	LinkTypeUser2 LinkType = 149
	// LinkTypePPP and LinkTypePPPSerial are PPP, and PPP or Cisco HDLC in HDLC-like framing.
	LinkTypePPP       LinkType = 9
	LinkTypePPPSerial LinkType = 50
	// LinkTypePPPWithDir and LinkTypeLinuxPPP are PPP behind a byte that holds the direction.
	LinkTypePPPWithDir LinkType = 204
	LinkTypeLinuxPPP   LinkType = 166
	// LinkTypePPPEther is a PPPoE session without the Ethernet header.
	LinkTypePPPEther LinkType = 51
	// LinkTypeCiscoHDLC is Cisco HDLC, LinkTypeFrameRelay is Frame Relay (RFC 2427).
	LinkTypeCiscoHDLC  LinkType = 104
	LinkTypeFrameRelay LinkType = 107
	// LinkTypeMPLS begins with a label stack.
	LinkTypeMPLS LinkType = 219
	// LinkTypeIPoIB is IP over InfiniBand behind a pseudo header.
	LinkTypeIPoIB LinkType = 242
	// LinkType80211 is 802.11; behind the radio headers radiotap, Prism, AVS and PPI it is 802.11, too.
	LinkType80211    LinkType = 105
	LinkTypeRadiotap LinkType = 127
	LinkTypePrism    LinkType = 119
	LinkTypeAVS      LinkType = 163
	LinkTypePPI      LinkType = 192
)

// EtherTypes, https://www.iana.org/assignments/ieee-802-numbers.
const (
	etherTypeIPv4     = 0x0800
	etherTypeBridging = 0x6558 // transparent Ethernet bridging, in GRE and Geneve
	etherTypeVLAN     = 0x8100
	etherTypeIPv6     = 0x86dd
	etherTypeMPLS     = 0x8847
	etherTypeMPLSDown = 0x8848 // with a label assigned upstream (RFC 5332)
	etherTypePPPoE    = 0x8864 // session stage; discovery is 0x8863
	etherTypeQinQ     = 0x88a8
	etherTypeQinQ1    = 0x9100 // double tags before 802.1ad had a number for them
	etherTypeQinQ2    = 0x9200
	etherTypeQinQ3    = 0x9300

	etherTypeFrameRelay = 0x6559 // in GRE
	etherTypePPP        = 0x880b
	etherTypePBB        = 0x88e7 // IEEE 802.1ah
	etherTypeMACsec     = 0x88e5 // IEEE 802.1AE
	etherTypeFabricPath = 0x8903
	etherTypeVNTag      = 0x8926
	etherTypeNSH        = 0x894f // RFC 8300 7

	// maxLength8023 is the largest value that is a length and no type (IEEE 802.3 3.2.6).
	maxLength8023 = 1500
)

// silentEtherTypes carry no TCP: address resolution, link control, and the
// protocols of storage, time and industry that have no IP inside.
var silentEtherTypes = []uint16{
	0x0806, 0x8035, 0x80f3, 0x809b, 0x8137, 0x8138, 0x0842, 0x2000, 0x2001, 0x2003, 0x9000, 0x8808, 0x8809, 0x8863, 0x888e, 0x88cc, 0x88f7,
	0x8902, 0x88a2, 0x8906, 0x8914, 0x8892, 0x88a4, 0x88b8, 0x88ba, 0x8899, 0x887b, 0x88e1, 0x893a, 0x88d9, 0x88c7, 0x890d, 0x8915, 0x6002, 0x6003, 0x86dc,
}

// link is the first header of a packet, also of one inside PKTAP and PPI.
func (c *dissection) link(l LinkType) step {
	switch l {
	case LinkTypeEthernet:
		return stepEthernet
	case LinkTypeLinuxSLL2:
		return stepCooked2
	}
	if next := linkSteps.find(l); next != stepOther {
		return next
	}
	return c.unsupported(LayerLink, Protocol{ProtocolLink, uint32(l)})
}

// etherType says what an EtherType stands for.
func (c *dissection) etherType(t uint16) step {
	switch next := knownEtherType(t); {
	case next != stepUnparsed:
		return next
	case t <= maxLength8023: // a number of Linux' own, in a cooked header
		return stepOther
	}
	return c.unsupported(LayerLink, Protocol{ProtocolEtherType, uint32(t)})
}

// knownEtherType is etherType with stepUnparsed for those that are not known.
func knownEtherType(t uint16) step {
	switch t {
	case etherTypeIPv4:
		return stepIPv4
	case etherTypeIPv6:
		return stepIPv6
	case etherTypeVLAN:
		return stepVLAN
	}
	if next := etherTypeSteps.find(t); next != stepOther {
		return next
	}
	if slices.Contains(silentEtherTypes, t) {
		return stepOther
	}
	return stepUnparsed
}

// ethernet is an Ethernet header: addresses, then type or length.
func (c *dissection) ethernet() step {
	if len(c.data) < ethernetHeader {
		return c.cut(LayerLink, ethernetHeader)
	}
	t := binary.BigEndian.Uint16(c.data[12:])
	c.skip(ethernetHeader)
	return c.typeOrLength(t)
}

// typeOrLength is what follows the type field of Ethernet or of a VLAN tag.
func (c *dissection) typeOrLength(t uint16) step {
	if t > maxLength8023 {
		return c.etherType(t)
	}
	c.trim(int(t))
	return stepLLC
}

// llc is an 802.2 header, with a SNAP header behind it that holds an EtherType
// (RFC 1042). IP directly in LLC (SAP 6) has not been seen on a wire for decades.
func (c *dissection) llc() step {
	const size = 8
	b := c.data
	if len(b) >= 3 && (b[0] != 0xaa || b[1] != 0xaa || b[2] != 3) {
		return stepOther
	}
	if len(b) < size {
		return c.cut(LayerLink, size)
	}
	// The organisation is 0 for EtherTypes, or 0xf8 for those of bridged ones (802.1H).
	if b[3] != 0 || b[4] != 0 || b[5] != 0 && b[5] != 0xf8 {
		return stepOther
	}
	c.skip(size)
	return c.etherType(binary.BigEndian.Uint16(b[6:]))
}

// vlan is what follows the type of a VLAN tag: priority, id and the next type.
func (c *dissection) vlan() step {
	if len(c.data) < 4 {
		return c.cut(LayerVLAN, 4)
	}
	// Id 0 says that the tag is there for its priority only (IEEE 802.1Q 9.6).
	if id := binary.BigEndian.Uint16(c.data) & 0xfff; id != 0 {
		c.extend(domainVLAN, uint32(id))
	}
	t := binary.BigEndian.Uint16(c.data[2:])
	c.skip(4)
	return c.typeOrLength(t)
}

// Devices whose protocol field in a cooked header is no EtherType (ARPHRD_ in
// Linux' include/uapi/linux/if_arp.h; https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html).
const (
	deviceFrameRelay = 770
	device80211      = 801
	device80211Prism = 802
	device80211Radio = 803
	deviceNetlink    = 824
	// cookedLLC is the protocol of 802.3 frames, in the place of an EtherType.
	cookedLLC = 4
)

// cooked is the Linux cooked header, LINKTYPE_LINUX_SLL.
func (c *dissection) cooked() step {
	const size = 16
	if len(c.data) < size {
		return c.cut(LayerLink, size)
	}
	c.outgoing = binary.BigEndian.Uint16(c.data) == packetOutgoing
	device, protocol := binary.BigEndian.Uint16(c.data[2:]), binary.BigEndian.Uint16(c.data[14:])
	c.skip(size)
	return c.cookedProtocol(device, protocol)
}

// cooked2 is the second version of it, LINKTYPE_LINUX_SLL2.
func (c *dissection) cooked2() step {
	const size = 20
	if len(c.data) < size {
		return c.cut(LayerLink, size)
	}
	c.outgoing = c.data[10] == packetOutgoing
	device, protocol := binary.BigEndian.Uint16(c.data[8:]), binary.BigEndian.Uint16(c.data)
	c.skip(size)
	return c.cookedProtocol(device, protocol)
}

// cookedProtocol says what follows a cooked header: the device's own header for
// some devices, what the protocol number says for the others.
func (c *dissection) cookedProtocol(device, protocol uint16) step {
	switch device {
	case deviceFrameRelay:
		return stepFrameRelay
	case device80211:
		return step80211
	case device80211Prism:
		return stepPrism
	case device80211Radio:
		return stepRadiotap
	case deviceNetlink:
		return stepOther
	}
	if protocol == cookedLLC {
		return stepLLC
	}
	return c.etherType(protocol)
}

// loopback is the BSD header, LINKTYPE_NULL and LINKTYPE_LOOP: an address
// family of 4 bytes. Its byte order is the one in which it is small.
func (c *dissection) loopback() step {
	if len(c.data) < 4 {
		return c.cut(LayerLink, 4)
	}
	family := binary.LittleEndian.Uint32(c.data)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(c.data)
	}
	c.skip(4)
	switch family {
	case 2:
		return stepIPv4
	case 10, 23, 24, 28, 30: // Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS
		return stepIPv6
	}
	return stepOther
}
