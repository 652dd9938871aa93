package capture

import "encoding/binary"

// UDP destination ports of tunnels.
const (
	portVXLAN = 4789 // RFC 7348 8
	// portVXLANLinux is the default of the Linux kernel, older than the registration
	// (drivers/net/vxlan). flannel and Cilium use it.
	portVXLANLinux = 8472
	portVXLANGPE   = 4790 // draft-ietf-nvo3-vxlan-gpe
	portGeneve     = 6081 // RFC 8926 3.3
	portTZSP       = 37008
	portL2TP       = 1701 // RFC 2661 8.1
	portGTP        = 2152 // 3GPP TS 29.281 4.4.2.3
	portGRE        = 4754 // RFC 8086 3.2
	portMPLS       = 6635 // RFC 7510 3
	portGUE        = 6080 // draft-ietf-intarea-gue 3
	portLISP       = 4341 // RFC 9300 5.3
	portTeredo     = 3544 // RFC 4380 2.7
	portCAPWAP     = 5247 // RFC 5415 3.2
)

// udp parses a UDP header. The destination port identifies a tunnel. The source port is a hash of
// the inner connection, or that of a server (encapsulation.answers).
func (c *dissection) udp() step {
	const size = 8
	b := c.data
	next := c.ports.find(binary.BigEndian.Uint16(b[2:]))
	if next == stepOther {
		next = sourceSteps.find(binary.BigEndian.Uint16(b))
	}
	if next == stepOther {
		return stepOther
	}
	if next == stepMPLS && !c.enter() { // mpls does not count this tunnel
		return c.failAt(LayerMPLS, ProblemDepth)
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	c.skip(size)
	// Length 0 means a jumbogram (RFC 2675 4) or segmentation offload.
	if length >= size {
		c.trim(length - size)
	}
	return next
}

// vxlan parses a VXLAN header (RFC 7348 5). The generic protocol extension names the next
// protocol; otherwise it is Ethernet.
func (c *dissection) vxlan(gpe bool) step {
	const (
		size       = 8
		validID    = 0x08 // flag I: the network id is valid
		version    = 0x30 // of the extension
		nextFollow = 0x04 // flag P of the extension: the next protocol is given
	)
	b := c.data
	if b[0]&validID == 0 || gpe && b[0]&version != 0 {
		return stepOther // another protocol on the port
	}
	next := stepEthernet
	if gpe && b[0]&nextFollow != 0 {
		if next = c.nextProtocol(b[3]); next == stepUnparsed {
			return next
		}
	}
	c.extend(domainVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
	return c.into(size, next)
}

// geneve parses a Geneve header (RFC 8926 3.4) with its options.
func (c *dissection) geneve() step {
	const size = 8
	b := c.data
	if b[0]>>6 != 0 {
		return stepOther // only version 0 exists: another protocol on the port
	}
	options := int(b[0]&0x3f) * 4
	if len(b) < size+options {
		return c.cut(size + options)
	}
	if !c.enter() {
		return c.fail(ProblemDepth)
	}
	c.extend(domainGeneve, binary.BigEndian.Uint32(b[4:])>>8)
	c.skip(size + options)
	return c.etherType(binary.BigEndian.Uint16(b[2:]))
}

// gue parses a header of Generic UDP Encapsulation (draft-ietf-intarea-gue 3). Version 1 has none:
// its first bits are those of an IP packet.
func (c *dissection) gue() step {
	const size, control, longer = 4, 0x20, 0x1f
	b := c.data
	switch version := b[0] >> 6; {
	case version == 1:
		return c.into(0, stepIP)
	case version != 0 || b[0]&control != 0:
		return stepOther
	}
	n := size + int(b[0]&longer)*4
	if len(b) < n {
		return c.cut(n)
	}
	c.protocol = b[1]
	c.skip(n)
	return protocolSteps.find(c.protocol)
}

// lisp parses a LISP data header (RFC 9300 5.3) with an instance, or the next protocol of its
// generic protocol extension (RFC 9305 3), in the places of VXLAN-GPE.
func (c *dissection) lisp() step {
	const size, hasInstance, nextFollow = 8, 0x08, 0x04
	b := c.data
	next := stepIP
	if b[0]&nextFollow != 0 {
		if next = c.nextProtocol(b[3]); next == stepUnparsed {
			return next
		}
	}
	if b[0]&hasInstance != 0 {
		c.extend(domainLISP, binary.BigEndian.Uint32(b[4:])>>8)
	}
	return c.into(size, next)
}

// teredo parses the optional headers of Teredo before an IPv6 packet (RFC 4380 5.1.1).
func (c *dissection) teredo() step {
	const indicator, origin, authentication = 2, 8, 13
	for ; ; c.headers++ {
		b, n := c.data, origin
		switch {
		case len(b) < indicator:
			return c.cut(indicator)
		case b[0]>>4 == 6:
			return c.into(0, stepIPv6)
		case b[0] != 0 || b[1] > 1 || c.headers >= maxHeaders:
			return stepOther
		case b[1] == 1 && len(b) < authentication:
			return c.cut(authentication)
		case b[1] == 1:
			n = authentication + int(b[2]) + int(b[3])
		}
		if len(b) < n {
			return c.cut(n)
		}
		c.hide(indicator, n)
		c.skip(n)
	}
}

// capwap parses a header of CAPWAP data (RFC 5415 4.3) before an Ethernet or 802.11 frame.
func (c *dissection) capwap() step {
	const (
		size, encrypted = 8, 1 // a preamble: DTLS follows
		binding80211    = 1
		native          = 0x01 // flag T: the frame is that of the binding
		fragment        = 0x80
		keepAlive       = 0x08
	)
	b := c.data
	n := int(b[1]>>3) * 4
	switch {
	case b[0] == encrypted:
		return c.fail(ProblemEncrypted)
	case b[0] != 0 || n < size || b[3]&keepAlive != 0:
		return stepOther
	case b[3]&fragment != 0:
		return c.fail(ProblemFragment)
	case len(b) < n:
		return c.cut(n)
	}
	c.hide(size, n)
	switch {
	case b[2]&native == 0:
		return c.into(n, stepEthernet)
	case b[2]>>1&0x1f == binding80211:
		return c.into(n, step80211)
	}
	return c.fail(ProblemUnsupported)
}

// into enters a tunnel behind n bytes.
func (c *dissection) into(n int, next step) step {
	if !c.enter() {
		return c.fail(ProblemDepth)
	}
	c.skip(n)
	return next
}

// inIP handles IP directly in IP (RFC 2003, RFC 2473, RFC 4213) and MPLS in IP (RFC 4023).
func (c *dissection) inIP() step {
	if !c.enter() {
		return c.fail(ProblemDepth)
	}
	switch c.protocol {
	case protocolIPv4:
		return stepIPv4
	case protocolIPv6:
		return stepIPv6
	}
	return stepMPLS
}

// Bits of the first two bytes of a GRE header (RFC 1701, RFC 2784, RFC 2890).
const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080 // of version 1 (RFC 2637 4.1)
	greVersion  = 0x0007
)

// Protocols in GRE that are no EtherTypes of anything else.
const (
	greERSPAN  = 0x88be // types I and II
	greERSPAN3 = 0x22eb
	greWCCP    = 0x883e // draft-mclaggan-wccp-v2rev1
)

// gre parses a GRE header of version 0, or of version 1 (PPTP). The key of version 1 is a length
// and a call id, which differs between the directions.
func (c *dissection) gre() step {
	b := c.data
	flags, protocol := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	version := flags & greVersion
	if version > 1 || flags == 0 && protocol == 0 { // a keepalive
		return stepOther
	}
	size := 4
	if flags&(greChecksum|greRouting) != 0 {
		size += 4
	}
	key := size
	if flags&greKey != 0 {
		size += 4
	}
	if flags&greSequence != 0 {
		size += 4
	}
	if version == 1 && flags&greAck != 0 {
		size += 4
	}
	if len(b) < size {
		return c.cut(size)
	}
	if !c.enter() {
		return c.fail(ProblemDepth)
	}
	if flags&greKey != 0 && version == 0 {
		c.extend(domainGRE, greNetwork(protocol, binary.BigEndian.Uint32(b[key:])))
	}
	c.skip(size)
	if flags&greRouting != 0 && !c.greRoutes() {
		return c.cut(4)
	}
	switch protocol {
	case greERSPAN:
		if flags&greSequence == 0 {
			return stepEthernet // type I has no header
		}
		return stepERSPAN
	case greERSPAN3:
		return stepERSPAN
	case greWCCP:
		if len(c.data) >= 4 && c.data[0]&0x3f == 0 { // version 2 has a redirect header: two flags first
			c.skip(4)
		}
		return stepIP
	}
	return c.etherType(protocol)
}

// greNetwork returns the part of a GRE key that identifies the network. NVGRE (RFC 7637 3.2)
// uses the lowest 8 bits for a flow id, which differs between the directions of a connection.
// Its network ids begin at 0x1000. Other users of keyed Ethernet in GRE count their keys from 1.
func greNetwork(protocol uint16, key uint32) uint32 {
	if protocol == etherTypeBridging && key>>8 >= 0x1000 {
		return key >> 8
	}
	return key
}

// greRoutes skips the source route entries of RFC 1701. It returns false without the last one,
// which has length 0.
func (c *dissection) greRoutes() bool {
	for len(c.data) >= 4 && c.headers < maxHeaders {
		c.headers++
		length := int(c.data[3])
		if 4+length > len(c.data) {
			return false
		}
		last := length == 0
		c.skip(4 + length)
		if last {
			return true
		}
	}
	return false
}

// erspan parses an ERSPAN header of type II or III (draft-foschiano-erspan), whose version
// numbers are 1 and 2. It ignores the VLAN of the mirrored port: a trunk's frames have their own
// tag, and different ports may mirror the directions of one connection.
func (c *dissection) erspan() step {
	const (
		size2       = 8
		size3       = 12
		subheader   = 8
		hasSub      = 0x01
		frameTypeIP = 2
	)
	b := c.data
	switch b[0] >> 4 {
	case 1:
		c.skip(size2)
		return stepEthernet
	case 2:
	default:
		return c.fail(ProblemVersion)
	}
	size := size3
	if len(b) >= size3 && b[11]&hasSub != 0 {
		size += subheader
	}
	if len(b) < size {
		return c.cut(size)
	}
	c.skip(size)
	if b[10]>>2&0x1f == frameTypeIP {
		return stepIP
	}
	return stepEthernet
}

// mpls parses an MPLS label stack (RFC 3032), and guesses the next header, which the labels do
// not name. It is IP by its version (RFC 4928 3), or the Ethernet of a pseudowire with or
// without a control word (RFC 4448 4.6). The first 4 bits of an Ethernet address are arbitrary.
// So IP must also have plausible lengths, and Ethernet a known type.
func (c *dissection) mpls() step {
	const (
		label       = 4
		bottom      = 0x01
		controlWord = 4
	)
	for last := false; !last; c.headers++ {
		if len(c.data) < label {
			return c.cut(label)
		}
		if c.headers >= maxHeaders {
			c.counts.deepHeaders++
			return c.failAt(LayerNesting, ProblemDepth)
		}
		last = c.data[2]&bottom != 0
		c.skip(label)
	}
	b := c.data
	if len(b) < 6 {
		return c.cut(6)
	}
	version := b[0] >> 4
	if version == 4 && c.plausibleIPv4() {
		return stepIPv4
	}
	if version == 6 && c.plausibleIPv6() {
		return stepIPv6
	}
	if len(b) < controlWord+ethernetHeader && c.length >= controlWord+ethernetHeader {
		return c.fail(ProblemCut)
	}
	switch {
	case knownEthernet(b, 0):
	case version == 0 && knownEthernet(b, controlWord):
		c.skip(controlWord)
	case version == 4 || version == 6:
		return stepIP // its parser reports the problem
	default:
		return stepOther
	}
	if !c.enter() {
		return c.fail(ProblemDepth)
	}
	return stepEthernet
}

// plausibleIPv4 reports whether the lengths of an IPv4 header agree with the packet.
func (c *dissection) plausibleIPv4() bool {
	size, total := int(c.data[0]&15)*4, int(binary.BigEndian.Uint16(c.data[2:]))
	return size >= ipv4Header && (total == 0 || total >= size && total <= c.length)
}

// plausibleIPv6 is plausibleIPv4 for IPv6.
func (c *dissection) plausibleIPv6() bool {
	return ipv6Header+int(binary.BigEndian.Uint16(c.data[4:])) <= c.length
}

// knownEthernet reports whether an Ethernet header at that offset has a supported type.
func knownEthernet(b []byte, at int) bool {
	return len(b) >= at+ethernetHeader && knownEtherType(binary.BigEndian.Uint16(b[at+12:])) > stepSegment
}
