package capture

import "encoding/binary"

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
	// maxLength8023 is the largest value that is a length and no type (IEEE 802.3 3.2.6).
	maxLength8023 = 1500
)

// link is the first header of a packet.
func (d *Dissector) link(c *dissection, l LinkType) step {
	switch l {
	case LinkTypeEthernet:
		return stepEthernet
	case LinkTypeLinuxSLL:
		return c.cooked()
	case LinkTypeLinuxSLL2:
		return c.cooked2()
	case LinkTypeNull, LinkTypeLoop:
		return c.loopback()
	case LinkTypeRaw, LinkTypeRawDLT12, LinkTypeRawDLT14:
		return stepIP
	case LinkTypeIPv4:
		return stepIPv4
	case LinkTypeIPv6:
		return stepIPv6
	}
	return c.fail(LayerLink, ProblemUnsupported)
}

// etherType says what an EtherType stands for.
func etherType(t uint16) step {
	switch t {
	case etherTypeIPv4:
		return stepIPv4
	case etherTypeIPv6:
		return stepIPv6
	case etherTypeVLAN, etherTypeQinQ, etherTypeQinQ1, etherTypeQinQ2, etherTypeQinQ3:
		return stepVLAN
	case etherTypeMPLS, etherTypeMPLSDown:
		return stepMPLS
	case etherTypePPPoE:
		return stepPPPoE
	}
	return stepOther
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
		return etherType(t)
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
	return etherType(binary.BigEndian.Uint16(b[6:]))
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
// Linux' include/uapi/linux/if_arp.h).
const (
	deviceFrameRelay = 770
	device80211      = 801 // to 803, with the headers of capturing before it
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
	device, protocol := binary.BigEndian.Uint16(c.data[2:]), binary.BigEndian.Uint16(c.data[14:])
	c.skip(size)
	return cookedProtocol(device, protocol)
}

// cooked2 is the second version of it, LINKTYPE_LINUX_SLL2.
func (c *dissection) cooked2() step {
	const size = 20
	if len(c.data) < size {
		return c.cut(LayerLink, size)
	}
	device, protocol := binary.BigEndian.Uint16(c.data[8:]), binary.BigEndian.Uint16(c.data)
	c.skip(size)
	return cookedProtocol(device, protocol)
}

// cookedProtocol says what follows a cooked header.
func cookedProtocol(device, protocol uint16) step {
	switch {
	case device == deviceFrameRelay, device == deviceNetlink, device >= device80211 && device <= device80211Radio:
		return stepOther
	case protocol == cookedLLC:
		return stepLLC
	}
	return etherType(protocol)
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

// pppoe is a PPPoE session header and the PPP protocol number behind it (RFC 2516 4).
func (c *dissection) pppoe() step {
	const size = 6
	b := c.data
	if len(b) < size+2 {
		return c.cut(LayerPPPoE, size+2)
	}
	if b[0] != 0x11 {
		return c.fail(LayerPPPoE, ProblemVersion)
	}
	if b[1] != 0 { // session data has code 0
		return stepOther
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	c.skip(size)
	c.trim(length)
	// The first byte of a protocol number is even and the last odd, so that a
	// leading 0 can be left out (RFC 1661 2 and 6.5).
	protocol, width := uint16(b[size]), 1
	if protocol&1 == 0 {
		protocol, width = binary.BigEndian.Uint16(b[size:]), 2
	}
	if len(c.data) < width {
		return c.cut(LayerPPPoE, width)
	}
	c.skip(width)
	switch protocol {
	case 0x0021:
		return stepIPv4
	case 0x0057:
		return stepIPv6
	case 0x0281, 0x0283: // RFC 3032 4.1
		return stepMPLS
	}
	return stepOther
}
