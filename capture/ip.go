package capture

import "encoding/binary"

// The fragment fields. "Don't fragment" is ignored, because senders also set it on fragments.
const (
	moreFragments4  = 0x2000
	fragmentOffset4 = 0x1fff // in units of 8 bytes
	fragmentBits4   = moreFragments4 | fragmentOffset4
	moreFragments6  = 0x0001
	fragmentOffset6 = 0xfff8 // in bytes
)

// IPv6 extension headers.
const (
	// extensionMinimum is the length of the shortest one, in bytes.
	extensionMinimum = 8
	// pad1Option and jumboOption are hop-by-hop options (RFC 8200 4.2, RFC 2675 2).
	pad1Option  = 0
	jumboOption = 0xc2
	// Types of routing headers: RFC 2460 4.4 (deprecated by RFC 5095), RFC 6275 6.4, RFC 8754 2.
	routingSource  = 0
	routingMobile  = 2
	routingSegment = 4
)

// ip decides the version of an IP packet by its first 4 bits.
func (c *dissection) ip() step {
	switch c.data[0] >> 4 {
	case 4:
		return stepIPv4
	case 6:
		return stepIPv6
	}
	return c.fail(ProblemVersion)
}

// ipv4 parses an IPv4 header (RFC 791).
func (c *dissection) ipv4() step {
	b := c.data
	if b[0]>>4 != 4 {
		return c.fail(ProblemVersion)
	}
	size := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		// With segmentation offload, the network card fills it in later.
		total = c.length
	}
	if size < ipv4Header || total < size || total > maxDatagram {
		return c.fail(ProblemLength)
	}
	c.limit(total)
	c.packet = b
	if len(b) < size {
		return c.cut(size)
	}
	c.v6 = false
	mapIPv4(&c.segment.Src, b[12:16])
	mapIPv4(&c.segment.Dst, b[16:20])
	c.skip(size)
	field := binary.BigEndian.Uint16(b[6:])
	if field&fragmentBits4 == 0 {
		return c.follow(b[9])
	}
	return c.fragment(fragment{
		id:       uint32(binary.BigEndian.Uint16(b[4:])),
		offset:   int(field&fragmentOffset4) * 8,
		more:     field&moreFragments4 != 0,
		protocol: b[9],
	})
}

// ipv6 parses an IPv6 header (RFC 8200).
func (c *dissection) ipv6() step {
	b := c.data
	if b[0]>>4 != 6 {
		return c.fail(ProblemVersion)
	}
	c.v6, c.packet = true, b
	c.segment.Src, c.segment.Dst = [16]byte(b[8:24]), [16]byte(b[24:40])
	length := int(binary.BigEndian.Uint16(b[4:]))
	c.skip(ipv6Header)
	if length == 0 {
		// A jumbogram, or segmentation offload.
		length = c.length
		if n, ok := jumboLength(b[6], c.data); ok {
			length = n
		}
	}
	if length > maxDatagram {
		return c.fail(ProblemLength)
	}
	c.limit(length)
	return c.follow(b[6])
}

// jumboLength finds the jumbo payload option (RFC 2675 2) in the hop-by-hop options at b, if
// next is their number. Linux writes it into packets longer than 65,535 bytes for its own
// segmentation offload.
func jumboLength(next uint8, b []byte) (int, bool) {
	if next != protocolHopByHop || len(b) < extensionMinimum {
		return 0, false
	}
	b = b[2:min(int(b[1])*8+8, len(b))]
	for len(b) >= 2 {
		if b[0] == pad1Option {
			b = b[1:]
			continue
		}
		if b[0] == jumboOption && b[1] == 4 && len(b) >= 6 {
			// A length above maxDatagram is refused; the minimum fits an int of 32 bits.
			return int(min(binary.BigEndian.Uint32(b[2:]), maxDatagram+1)), true
		}
		b = b[min(2+int(b[1]), len(b)):]
	}
	return 0, false
}

// follow returns the step of an IP protocol number or an IPv6 next header. All numbers not
// listed contain no TCP that could be parsed.
func (c *dissection) follow(number uint8) step {
	c.protocol = number
	switch number {
	case protocolTCP:
		return stepTCP
	case protocolUDP:
		return stepUDP
	case protocolAH:
		return stepAH
	case protocolICMP:
		if !c.v6 {
			return stepICMP
		}
	case protocolICMPv6:
		if c.v6 {
			return stepICMP
		}
	case protocolESP:
		return c.failAt(LayerESP, ProblemEncrypted)
	}
	if next := protocolSteps.find(number); next != stepOther || !c.v6 {
		return next
	}
	switch number {
	case protocolHopByHop, protocolRouting, protocolDestination, protocolMobility, protocolHIP, protocolShim6:
		return stepExtension
	case protocolFragment:
		return stepFragment6
	}
	return stepOther
}

// extension parses an IPv6 extension header of the common form (RFC 6564 4).
func (c *dissection) extension() step {
	b := c.data
	size := int(b[1])*8 + 8
	if len(b) < size {
		return c.cut(size)
	}
	if c.protocol == protocolRouting {
		c.route(b[:size])
	}
	c.skip(size)
	return c.follow(b[0])
}

// route sets the destination to the last one of a routing header, if the packet is not there
// yet. The TCP checksum covers that address, and the other side responds from it (RFC 8200 8.1).
func (c *dissection) route(h []byte) {
	if segmentsLeft := h[3]; segmentsLeft == 0 || len(h) < 8+16 {
		return
	}
	switch h[2] {
	case routingSource, routingMobile:
		last := 8 + (len(h)-8)/16*16
		c.segment.Dst = [16]byte(h[last-16 : last])
	case routingSegment: // the list runs backwards
		c.segment.Dst = [16]byte(h[8:24])
	}
}

// authentication parses an AH header (RFC 4302), which does not encrypt.
func (c *dissection) authentication() step {
	const minimum = 12
	b := c.data
	size := int(b[1])*4 + 8
	if size < minimum {
		return c.fail(ProblemLength)
	}
	if len(b) < size {
		return c.cut(size)
	}
	c.skip(size)
	return c.follow(b[0])
}

// fragment6 parses an IPv6 fragment header (RFC 8200 4.5).
func (c *dissection) fragment6() step {
	b := c.data
	c.skip(8)
	field := binary.BigEndian.Uint16(b[2:])
	if field&(fragmentOffset6|moreFragments6) == 0 {
		// A datagram in one fragment does not wait for others (RFC 6946).
		return c.follow(b[0])
	}
	return c.fragment(fragment{
		id:       binary.BigEndian.Uint32(b[4:]),
		offset:   int(field & fragmentOffset6),
		more:     field&moreFragments6 != 0,
		protocol: b[0],
	})
}

// icmp finds the TCP header that an ICMP error quotes (RFC 792, RFC 4443 3). It never finds a
// segment.
func (c *dissection) icmp() step {
	const size = 8
	var errors uint32 = 1<<3 | 1<<4 | 1<<11 | 1<<12 // unreachable, source quench, time exceeded, parameter problem
	if c.v6 {
		errors = 1<<1 | 1<<2 | 1<<3 | 1<<4 // unreachable, too big, time exceeded, parameter problem
	}
	b, s := c.data, c.segment
	if len(b) < size || errors>>min(b[0], 31)&1 == 0 {
		return stepOther
	}
	for b = b[size:]; ; c.headers++ {
		var protocol uint8
		switch {
		case c.headers >= maxHeaders || len(b) < ipv4Header:
			return stepOther
		case b[0]>>4 == 4 && b[0]&15 >= ipv4Header/4 && len(b) >= int(b[0]&15)*4 && binary.BigEndian.Uint16(b[6:])&fragmentBits4 == 0:
			mapIPv4(&s.Src, b[12:16])
			mapIPv4(&s.Dst, b[16:20])
			protocol, b = b[9], b[int(b[0]&15)*4:]
		case b[0]>>4 == 6 && len(b) >= ipv6Header:
			s.Src, s.Dst = [16]byte(b[8:24]), [16]byte(b[24:40])
			protocol, b = b[6], b[ipv6Header:]
		default:
			return stepOther
		}
		switch protocol {
		case protocolIPv4, protocolIPv6:
		case protocolTCP:
			if len(b) >= tcpNeeded {
				s.setHeader(b)
				s.NumberOnly = true
			}
			return stepOther
		default:
			return stepOther
		}
	}
}
