package capture

import "encoding/binary"

// PPP protocol numbers, https://www.iana.org/assignments/ppp-numbers.
const (
	pppIPv4          = 0x0021
	pppMultilink     = 0x003d
	pppIPv6          = 0x0057
	pppMPLS          = 0x0281 // RFC 3032 4.1
	pppMPLSMulticast = 0x0283
	// pppControl is the first number of protocols that set up a link (RFC 1661 2).
	pppControl = 0x8000
)

// ppp parses a PPP frame (RFC 1661 2), with or without address and control (RFC 1662 3.1).
func (c *dissection) ppp() step {
	if b := c.data; len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		c.skip(2)
	}
	b := c.data
	if len(b) == 0 {
		return c.cut(2)
	}
	// The first byte of a protocol number is even and the last one odd. So a sender may omit a
	// leading 0 (RFC 1661 2 and 6.5).
	protocol, width := uint16(b[0]), 1
	if protocol&1 == 0 {
		width = 2
		if len(b) < width {
			return c.cut(width)
		}
		protocol = binary.BigEndian.Uint16(b)
	}
	c.skip(width)
	switch protocol {
	case pppIPv4:
		return stepIPv4
	case pppIPv6:
		return stepIPv6
	case pppMPLS, pppMPLSMulticast:
		return stepMPLS
	case pppMultilink:
		return c.multilink()
	}
	if protocol >= pppControl {
		return stepOther
	}
	return c.unsupported(LayerPPP, Protocol{ProtocolPPP, uint32(protocol)})
}

// multilink parses a PPP multilink header with a long sequence number (RFC 1990 3). Only a
// packet in one fragment is supported.
func (c *dissection) multilink() step {
	const size, whole = 4, 0xc0
	if len(c.data) < size {
		return c.cut(size)
	}
	if c.data[0]&whole != whole {
		return c.fail(ProblemFragment)
	}
	c.skip(size)
	return stepPPP
}

// directedPPP parses a PPP frame after a byte with the direction. In
// LINKTYPE_LINUX_PPP_WITHDIRECTION the byte replaces the address.
func (c *dissection) directedPPP() step {
	b := c.data
	c.skip(1)
	if b[1] == 3 {
		c.skip(1)
	}
	return stepPPP
}

// pppoe parses a PPPoE session header (RFC 2516 4).
func (c *dissection) pppoe() step {
	const size = 6
	b := c.data
	if b[0] != 0x11 {
		return c.fail(ProblemVersion)
	}
	if b[1] != 0 { // session data has code 0
		return stepOther
	}
	c.skip(size)
	c.trim(int(binary.BigEndian.Uint16(b[4:])))
	return stepPPP
}

// hdlc parses PPP in HDLC-like framing (RFC 1662), or Cisco HDLC (RFC 1547 4.3.1), which has
// another address.
func (c *dissection) hdlc() step {
	const size, unicast, broadcast = 4, 0x0f, 0x8f
	b := c.data
	if b[0] != unicast && b[0] != broadcast {
		return stepPPP
	}
	c.skip(size)
	return c.etherType(binary.BigEndian.Uint16(b[2:]))
}

// Network layer protocol ids in Frame Relay (RFC 2427 3 and 4.1, RFC 2590 3).
const (
	nlpidSNAP = 0x80
	nlpidIPv6 = 0x8e
	nlpidIPv4 = 0xcc
	nlpidPPP  = 0xcf
)

// frameRelay parses a Frame Relay header: an address of 2 to 4 bytes, then RFC 2427 or Cisco's
// encapsulation.
func (c *dissection) frameRelay() step {
	const longest, lastByte, unnumbered = 4, 0x01, 0x03
	n := 2
	for n < longest && n <= len(c.data) && c.data[n-1]&lastByte == 0 {
		n++
	}
	if len(c.data) < n+2 {
		return c.cut(n + 2)
	}
	c.skip(n)
	b := c.data
	if b[0] != unnumbered {
		c.skip(2)
		return c.etherType(binary.BigEndian.Uint16(b))
	}
	c.skip(1)
	if b[1] == 0 { // padding
		c.skip(1)
		if len(c.data) == 0 {
			return c.cut(1)
		}
	}
	id := c.data[0]
	c.skip(1)
	switch id {
	case nlpidIPv4:
		return stepIPv4
	case nlpidIPv6:
		return stepIPv6
	case nlpidPPP:
		return stepPPP
	case nlpidSNAP:
		return c.snap()
	}
	return stepOther // ISO protocols and link management
}

// snap parses a SNAP header without LLC: organization and type.
func (c *dissection) snap() step {
	const size, bridgedEthernet, bridgedWithFCS = 5, 0x0080c20007, 0x0080c20001
	b := c.data
	if len(b) < size {
		return c.cut(size)
	}
	c.skip(size)
	switch id := uint64(b[0])<<32 | uint64(binary.BigEndian.Uint32(b[1:])); {
	case id <= 0xffff:
		return c.etherType(uint16(id))
	case id == bridgedEthernet, id == bridgedWithFCS: // RFC 2427 4.2
		return stepEthernet
	}
	return stepOther
}
