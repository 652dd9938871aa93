package capture

import (
	"encoding/binary"
	"slices"
)

// The supported link types, by their numbers in
// https://www.tcpdump.org/linktypes.html.
const (
	// LinkTypeNull is BSD loopback: an address family in the byte order of the capturing host.
	LinkTypeNull LinkType = 0
	// LinkTypeEthernet is Ethernet, II or 802.3.
	LinkTypeEthernet LinkType = 1
	// LinkTypeRawDLT12 and LinkTypeRawDLT14 are raw IP with the numbers that some BSDs wrote.
	LinkTypeRawDLT12 LinkType = 12
	LinkTypeRawDLT14 LinkType = 14
	// LinkTypeRaw is IPv4 or IPv6 without another header.
	LinkTypeRaw LinkType = 101
	// LinkTypeLoop is OpenBSD loopback: an address family in network byte order.
	LinkTypeLoop LinkType = 108
	// LinkTypeLinuxSLL is Linux' cooked header, of "any" and of devices without a header.
	LinkTypeLinuxSLL LinkType = 113
	// LinkTypeIPv4 and LinkTypeIPv6 are raw IP of one version.
	LinkTypeIPv4 LinkType = 228
	LinkTypeIPv6 LinkType = 229
	// LinkTypeLinuxSLL2 is the second version of LinkTypeLinuxSLL.
	LinkTypeLinuxSLL2 LinkType = 276
	// LinkTypeNFLOG is a packet of Linux' netfilter log.
	LinkTypeNFLOG LinkType = 239
	// LinkTypePFLOG is the log of the packet filter of the BSDs.
	LinkTypePFLOG LinkType = 117
	// LinkTypePKTAP is macOS' header with interface and process; macOS 10.9 wrote it as
	// LinkTypeUser2.
	LinkTypePKTAP LinkType = 258
	LinkTypeUser2 LinkType = 149
	// LinkTypePPP and LinkTypePPPSerial are PPP, and PPP or Cisco HDLC in HDLC-like framing.
	LinkTypePPP       LinkType = 9
	LinkTypePPPSerial LinkType = 50
	// LinkTypePPPWithDir and LinkTypeLinuxPPP are PPP after a byte with the direction.
	LinkTypePPPWithDir LinkType = 204
	LinkTypeLinuxPPP   LinkType = 166
	// LinkTypePPPEther is a PPPoE session without the Ethernet header.
	LinkTypePPPEther LinkType = 51
	// LinkTypeCiscoHDLC is Cisco HDLC, LinkTypeFrameRelay is Frame Relay (RFC 2427).
	LinkTypeCiscoHDLC  LinkType = 104
	LinkTypeFrameRelay LinkType = 107
	// LinkTypeMPLS begins with a label stack.
	LinkTypeMPLS LinkType = 219
	// LinkTypeIPoIB is IP over InfiniBand with a pseudo header.
	LinkTypeIPoIB LinkType = 242
	// LinkType80211 is 802.11, also after the radio headers radiotap, Prism, AVS and PPI.
	// LinkTypeATM is LLC as in AAL5 (RFC 2684); LinkTypeENC is OpenBSD's enc(4), the inside of IPsec.
	LinkTypeTokenRing    LinkType = 6
	LinkTypeFDDI         LinkType = 10
	LinkTypeATM          LinkType = 100
	LinkTypeENC          LinkType = 109
	LinkTypeFibreChannel LinkType = 122
	LinkTypeSunATM       LinkType = 123

	LinkType80211    LinkType = 105
	LinkTypeRadiotap LinkType = 127
	LinkTypePrism    LinkType = 119
	LinkTypeAVS      LinkType = 163
	LinkTypePPI      LinkType = 192
)

// EtherTypes, https://www.iana.org/assignments/ieee-802-numbers.
const (
	etherTypeIPv4     = 0x0800
	etherTypeBridging = 0x6558 // transparent Ethernet bridging, in GRE, Geneve and cooked headers
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
	etherTypeTRILL      = 0x22f3 // RFC 6325
	etherTypeHSR        = 0x892f // IEC 62439-3
	etherTypeFabricPath = 0x8903
	etherTypeVNTag      = 0x8926
	etherTypeETag       = 0x893f // IEEE 802.1BR 7
	etherTypeMetaData   = 0x8909 // Cisco TrustSec
	etherTypeNSH        = 0x894f // RFC 8300 7

	// maxLength8023 is the largest value that is a length and not a type (IEEE 802.3 3.2.6).
	maxLength8023 = 1500
)

// silentEtherTypes carry no TCP: address resolution, link control, and protocols of storage,
// time and industry without IP.
var silentEtherTypes = []uint16{
	0x0806, 0x8035, 0x80f3, 0x809b, 0x8137, 0x8138, 0x0842, 0x2000, 0x2001, 0x2003, 0x9000, 0x8808, 0x8809, 0x8863, 0x888e, 0x88cc, 0x88f7,
	0x8902, 0x88a2, 0x8906, 0x8914, 0x8892, 0x88a4, 0x88b8, 0x88ba, 0x8899, 0x887b, 0x88e1, 0x893a, 0x88d9, 0x88c7, 0x890d, 0x8915, 0x6002, 0x6003, 0x86dc,
}

// link returns the step of a link type, also inside PKTAP and PPI.
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

func (c *dissection) etherType(t uint16) step {
	switch next := knownEtherType(t); {
	case next != stepUnparsed:
		return next
	case t <= maxLength8023: // a Linux number in a cooked header
		return stepOther
	}
	return c.unsupported(LayerLink, Protocol{ProtocolEtherType, uint32(t)})
}

// knownEtherType is etherType with stepUnparsed for unknown ones.
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

// ethernet parses an Ethernet header: addresses, then type or length.
func (c *dissection) ethernet() step {
	t := binary.BigEndian.Uint16(c.data[12:])
	c.skip(ethernetHeader)
	return c.typeOrLength(t)
}

// typeOrLength returns the step after the type field of Ethernet or of a VLAN tag.
func (c *dissection) typeOrLength(t uint16) step {
	if t > maxLength8023 {
		return c.etherType(t)
	}
	c.trim(int(t))
	return stepLLC
}

// llc parses an 802.2 header with a SNAP header, which has an EtherType (RFC 1042). IP directly
// in LLC (SAP 6) is not supported: it is decades out of use.
func (c *dissection) llc() step {
	const size = 8
	b := c.data
	if len(b) >= 3 && (b[0] != 0xaa || b[1] != 0xaa || b[2] != 3) {
		return stepOther
	}
	if len(b) < size {
		return c.cut(size)
	}
	// The organization is 0 for EtherTypes, or 0xf8 for bridged ones (802.1H).
	if b[3] != 0 || b[4] != 0 || b[5] != 0 && b[5] != 0xf8 {
		return stepOther
	}
	c.skip(size)
	return c.etherType(binary.BigEndian.Uint16(b[6:]))
}

// vlan parses a VLAN tag after its type: priority, id and the next type.
func (c *dissection) vlan() step {
	// A tag with id 0 has only a priority (IEEE 802.1Q 9.6).
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
	// cookedEthernet and cookedLLC are the protocols of Ethernet and 802.3 frames, in the place of an
	// EtherType.
	cookedEthernet = 3
	cookedLLC      = 4
)

// cooked parses Linux' cooked header, LINKTYPE_LINUX_SLL.
func (c *dissection) cooked() step {
	const size = 16
	device, protocol := binary.BigEndian.Uint16(c.data[2:]), binary.BigEndian.Uint16(c.data[14:])
	c.skip(size)
	return c.cookedProtocol(device, protocol)
}

// cooked2 parses its second version, LINKTYPE_LINUX_SLL2.
func (c *dissection) cooked2() step {
	const size = 20
	device, protocol := binary.BigEndian.Uint16(c.data[8:]), binary.BigEndian.Uint16(c.data)
	c.skip(size)
	return c.cookedProtocol(device, protocol)
}

// cookedProtocol returns the step after a cooked header: for some devices their own header, for the
// others by the protocol number. A wireless device that is not in monitor mode has an EtherType.
func (c *dissection) cookedProtocol(device, protocol uint16) step {
	if device80211 <= device && device <= device80211Radio && protocol > maxLength8023 {
		return c.etherType(protocol)
	}
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
	switch protocol {
	case cookedEthernet:
		return stepEthernet
	case cookedLLC:
		return stepLLC
	}
	return c.etherType(protocol)
}

// loopback parses the BSD header, LINKTYPE_NULL and LINKTYPE_LOOP: an address family of 4 bytes.
// Its byte order is the one in which it is small.
func (c *dissection) loopback() step {
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
