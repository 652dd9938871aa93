package capture

import "encoding/binary"

// tagEnd skips a tag after its type. The next type ends the tag; size includes that type. VN-Tag
// and E-TAG (IEEE 802.1BR) hold interface numbers, which differ between the directions.
func (c *dissection) tagEnd(size int) step {
	kind := binary.BigEndian.Uint16(c.data[size-2:])
	c.skip(size)
	return c.typeOrLength(kind)
}

// metaData parses a Cisco MetaData header after its type: version and length, options of 4 bytes,
// then the next type.
func (c *dissection) metaData() step {
	const head, unit, nextType = 2, 4, 2
	size := head + unit*int(c.data[1]) + nextType
	if len(c.data) < size {
		return c.cut(size)
	}
	return c.tagEnd(size)
}

// trill parses a TRILL header after its type (RFC 6325 3): version, length of the options, hops and
// nicknames, then the frame of the host.
func (c *dissection) trill() step {
	const head, unit = 6, 4
	size := head + unit*int(binary.BigEndian.Uint16(c.data)>>6&0x1f)
	if len(c.data) < size {
		return c.cut(size)
	}
	c.skip(size)
	return stepEthernet
}

// addressed skips a header of a fixed size, which holds addresses, keys or nothing of use.
func (c *dissection) addressed(size int, next step) step {
	c.hide(0, size)
	c.skip(size)
	return next
}

// fabricPath parses a FabricPath header after its type: tree and time to live, then the frame of
// the host.
func (c *dissection) fabricPath() step {
	const size = 2
	c.skip(size)
	return stepEthernet
}

// pbb parses a service tag after its type (IEEE 802.1ah): flags and service id, then the frame
// of the customer.
func (c *dissection) pbb() step {
	const size = 4
	b := c.data
	c.extend(domainPBB, binary.BigEndian.Uint32(b)&0xffffff)
	c.skip(size)
	return stepEthernet
}

// macSec parses a SecTAG after its type (IEEE 802.1AE 9.3). Without encryption, the frame's own
// type follows. The length in the IP header cuts off the check value.
func (c *dissection) macSec() step {
	const (
		size     = 6
		channel  = 8 // bytes of the channel identifier, where there is one
		hasOne   = 0x20
		version  = 0x80
		changed  = 0x0c // encrypted, or changed otherwise
		nextType = 2
	)
	b := c.data
	if b[0]&version != 0 {
		return c.fail(ProblemVersion)
	}
	if b[0]&changed != 0 {
		return c.fail(ProblemEncrypted)
	}
	n := size
	if b[0]&hasOne != 0 {
		n += channel
		c.hide(size, n)
	}
	if len(b) < n+nextType {
		return c.cut(n + nextType)
	}
	c.skip(n + nextType)
	return c.typeOrLength(binary.BigEndian.Uint16(b[n:]))
}

// nsh parses a Network Service Header (RFC 8300 2). Its path differs between the directions of a
// connection.
func (c *dissection) nsh() step {
	const least, version = 8, 0xc0
	b := c.data
	size := int(b[1]&0x3f) * 4
	switch {
	case b[0]&version != 0:
		return c.fail(ProblemVersion)
	case size < least:
		return c.fail(ProblemLength)
	case len(b) < size:
		return c.cut(size)
	}
	c.skip(size)
	return c.nextProtocol(b[3])
}

// nextProtocol returns the step of a next protocol number, which VXLAN-GPE and NSH share (RFC
// 8300 9.1.1, draft-ietf-nvo3-vxlan-gpe 3.2).
func (c *dissection) nextProtocol(number uint8) step {
	switch number {
	case 1:
		return stepIPv4
	case 2:
		return stepIPv6
	case 3:
		return stepEthernet
	case 4:
		return stepNSH
	case 5:
		return stepMPLS
	}
	return c.unsupported(c.layer, Protocol{ProtocolNSH, uint32(number)})
}

// nflog parses the header of LINKTYPE_NFLOG: family, version and resource, then attributes, one
// of which is the packet. Lengths and types have the byte order of the capturing host.
func (c *dissection) nflog() step {
	const size, head, payload, mask = 4, 4, 9, 0x7fff
	if c.data[1] != 0 {
		return c.fail(ProblemVersion)
	}
	var order binary.ByteOrder = binary.LittleEndian
	// The first attribute is at most the packet header, 8 bytes: a small number in the right
	// order.
	if len(c.data) >= size+2 && c.data[size] == 0 && c.data[size+1] != 0 {
		order = binary.BigEndian
	}
	c.skip(size)
	for ; len(c.data) >= head && c.headers < maxHeaders; c.headers++ {
		length, kind := int(order.Uint16(c.data)), order.Uint16(c.data[2:])&mask
		if length < head {
			return c.fail(ProblemLength)
		}
		if kind == payload {
			c.skip(head)
			c.trim(length - head)
			return stepIP
		}
		c.hide(head, length)
		c.skip(min((length+3)&^3, len(c.data)))
	}
	if c.length > 0 && len(c.data) < c.length {
		return c.fail(ProblemCut)
	}
	return stepOther // an entry without a packet
}

// pktap parses the header of LINKTYPE_PKTAP: its length, the record type and the link type. It
// skips interface and process.
func (c *dissection) pktap() step {
	const least, hasPacket, named = 108, 1, 12
	b := c.data
	if len(b) < named {
		return c.cut(least)
	}
	length, record, link := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	switch {
	case length < least || length > maxPacket:
		return c.fail(ProblemLength)
	case len(b) < int(length):
		return c.cut(int(length))
	case record != hasPacket:
		return stepOther
	}
	c.hide(named, int(length))
	c.skip(int(length))
	return c.link(LinkType(link))
}

// ipoib parses the pseudo header of LINKTYPE_IPOIB: InfiniBand addresses, then the header of RFC
// 4391 6.
func (c *dissection) ipoib() step {
	const addresses, size = 40, 44
	b := c.data
	c.hide(0, addresses)
	c.skip(size)
	return c.etherType(binary.BigEndian.Uint16(b[addresses:]))
}

// etherIP parses an EtherIP header (RFC 3378 3).
func (c *dissection) etherIP() step {
	const size, version = 2, 3
	b := c.data
	if b[0]>>4 != version {
		return c.fail(ProblemVersion)
	}
	return c.into(size, stepEthernet)
}

// l2tp parses an L2TP header in UDP (RFC 2661 3.1, RFC 3931 4.1.2). The receiver chooses tunnel
// and session ids, so they differ between the directions.
func (c *dissection) l2tp() step {
	const (
		control, hasLength, hasSequence, hasOffset = 0x80, 0x40, 0x08, 0x02
		version3                                   = 3
	)
	b := c.data
	if b[0]&control != 0 {
		return stepOther
	}
	switch b[1] & 15 {
	case version3:
		c.skip(4)
		return stepL2TPv3
	case 2:
	default:
		return stepOther // L2F or unknown
	}
	size, offset := 6, 0
	if b[0]&hasLength != 0 {
		size += 2
	}
	if b[0]&hasSequence != 0 {
		size += 4
	}
	if b[0]&hasOffset != 0 {
		offset = size
		size += 2
	}
	if len(b) < size {
		return c.cut(size)
	}
	if b[0]&hasLength != 0 {
		c.trim(int(binary.BigEndian.Uint16(b[2:])))
	}
	if offset > 0 {
		size += int(binary.BigEndian.Uint16(b[offset:]))
	}
	if len(c.data) < size {
		return c.cut(size)
	}
	return c.into(size, stepPPP)
}

// l2tp3 parses an L2TPv3 data message from its session id on (RFC 3931 4.1.1). The peers agreed
// on the format when the session began: a cookie of 0, 4 or 8 bytes, a sublayer of 0 or 4, then
// a frame. l2tp3 tries the possible offsets.
func (c *dissection) l2tp3() step {
	const session, longest = 4, 8 + 4
	b := c.data
	if binary.BigEndian.Uint32(b) == 0 {
		return stepOther // a control message
	}
	if !c.enter() {
		return c.fail(ProblemDepth)
	}
	c.skip(session)
	b = c.data
	for at := 0; at <= longest; at += 4 {
		if next := c.framed(at); next != stepUnparsed {
			c.skip(at)
			return next
		}
	}
	if len(b) < longest+ethernetHeader+ipv6Header && len(b) < c.length {
		return c.fail(ProblemCut)
	}
	return c.fail(ProblemUnsupported)
}

// framed guesses the kind of the frame at an offset: PPP, Cisco HDLC or Ethernet with IP of the
// right version. It returns stepUnparsed for anything else.
func (c *dissection) framed(at int) step {
	b := c.data[min(at, len(c.data)):]
	isIP := func(at int, t uint16) bool {
		return len(b) > at && (t == etherTypeIPv4 && b[at]>>4 == 4 || t == etherTypeIPv6 && b[at]>>4 == 6)
	}
	switch {
	case len(b) < 4:
		return stepUnparsed
	case b[0] == 0xff && b[1] == 3:
		return stepPPP
	case (b[0] == 0x0f || b[0] == 0x8f) && b[1] == 0 && isIP(4, binary.BigEndian.Uint16(b[2:])):
		return stepHDLC
	case len(b) < ethernetHeader:
		return stepUnparsed
	}
	switch t := binary.BigEndian.Uint16(b[12:]); t {
	case etherTypeIPv4, etherTypeIPv6:
		if isIP(ethernetHeader, t) {
			return stepEthernet
		}
	default:
		if t > maxLength8023 && knownEtherType(t) != stepUnparsed {
			return stepEthernet
		}
	}
	return stepUnparsed
}

// gtp parses a GTP-U header (3GPP TS 29.281 5). The receiver chooses the tunnel id, so it
// differs between the directions.
func (c *dissection) gtp() step {
	const (
		size, optional           = 8, 4
		version1, hasOption, pdu = 0x30, 0x07, 0xff
		hasExtension, whole      = 0x04, 0xf0
	)
	b := c.data
	if b[0]&whole != version1 || b[1] != pdu {
		return stepOther // signaling or unknown
	}
	c.skip(size)
	c.trim(int(binary.BigEndian.Uint16(b[2:])))
	if b[0]&hasOption != 0 {
		if len(c.data) < optional {
			return c.cut(optional)
		}
		next := c.data[3]
		c.skip(optional)
		if b[0]&hasExtension != 0 && !c.gtpExtensions(next) {
			return stepUnparsed
		}
	}
	if !c.enter() {
		return c.fail(ProblemDepth)
	}
	if len(c.data) > 0 && c.data[0] == 0xff {
		return stepPPP
	}
	return stepIP
}

// gtpExtensions skips extension headers (3GPP TS 29.281 5.2.1). If they are invalid or cut, it
// ends the dissection and returns false.
func (c *dissection) gtpExtensions(next uint8) bool {
	for ; next != 0; c.headers++ {
		if len(c.data) == 0 {
			c.cut(1)
			return false
		}
		n := int(c.data[0]) * 4
		switch {
		case n == 0 || c.headers >= maxHeaders:
			c.fail(ProblemLength)
			return false
		case n > len(c.data):
			c.cut(n)
			return false
		}
		next = c.data[n-1]
		c.skip(n)
	}
	return true
}

// tzsp parses a TaZmen Sniffer Protocol header, in which access points and routers mirror frames
// (Wireshark, packet-tzsp.c): version, kind and next protocol, then tagged fields.
func (c *dissection) tzsp() step {
	const (
		size, version   = 4, 1
		received, sent  = 0, 1 // the other kinds have no frame
		padding, end    = 0, 1 // tags without a length
		ethernet, dot11 = 0x01, 0x12
		prism, avs      = 0x77, 0x7f
	)
	b := c.data
	if b[0] != version || b[1] != received && b[1] != sent {
		return stepOther
	}
	c.skip(size)
	for ; ; c.headers++ {
		n := 1
		switch {
		case c.headers >= maxHeaders:
			return c.fail(ProblemLength)
		case len(c.data) > 1 && c.data[0] > end:
			n = 2 + int(c.data[1])
		}
		if len(c.data) < n {
			return c.cut(n)
		}
		isLast := c.data[0] == end
		c.hide(2, n)
		c.skip(n)
		if isLast {
			break
		}
	}
	if !c.enter() {
		return c.fail(ProblemDepth)
	}
	switch binary.BigEndian.Uint16(b[2:]) {
	case ethernet:
		return stepEthernet
	case dot11:
		return step80211
	case prism, avs:
		return stepPrism
	default:
		return c.fail(ProblemUnsupported)
	}
}
