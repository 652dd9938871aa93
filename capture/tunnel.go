package capture

import "encoding/binary"

// UDP destination ports of tunnels.
const (
	portVXLAN = 4789 // RFC 7348 8
	// portVXLANLinux is what the Linux kernel uses unless told otherwise, from
	// the time before the registration (drivers/net/vxlan): flannel and Cilium among them.
	portVXLANLinux = 8472
	portVXLANGPE   = 4790 // draft-ietf-nvo3-vxlan-gpe
	portGeneve     = 6081 // RFC 8926 3.3
	portL2TP       = 1701 // RFC 2661 8.1
	portGTP        = 2152 // 3GPP TS 29.281 4.4.2.3
	portGRE        = 4754 // RFC 8086 3.2
	portMPLS       = 6635 // RFC 7510 3
)

// udp is a UDP header: a tunnel behind it is known by the destination port, the
// source port being a hash of the connection inside.
func (d *Dissector) udp(c *dissection) step {
	const size = 8
	b := c.data
	if len(b) < size {
		return c.cut(LayerUDP, size)
	}
	next := d.ports.find(binary.BigEndian.Uint16(b[2:]))
	// An L2TP client behind address translation has another port, at which it is answered.
	if binary.BigEndian.Uint16(b) == portL2TP && next == stepOther {
		next = stepL2TP
	}
	if next == stepOther {
		return stepOther
	}
	if next == stepMPLS && !d.enter(c) { // it counts no tunnel of its own
		return c.fail(LayerMPLS, ProblemDepth)
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	c.skip(size)
	// Length 0 is left open, by a jumbogram (RFC 2675 4) or by segmentation offload.
	if length >= size {
		c.trim(length - size)
	}
	return next
}

// vxlan is a VXLAN header (RFC 7348 5), or one of the generic protocol
// extension, which says what follows instead of it being Ethernet.
func (d *Dissector) vxlan(c *dissection, gpe bool) step {
	const (
		size       = 8
		validID    = 0x08 // flag I: the network id is valid
		version    = 0x30 // of the extension
		nextFollow = 0x04 // flag P of the extension: the next protocol is given
	)
	b := c.data
	if len(b) < size {
		return c.cut(LayerVXLAN, size)
	}
	if b[0]&validID == 0 || gpe && b[0]&version != 0 {
		return stepOther // something else uses the port
	}
	next := stepEthernet
	if gpe && b[0]&nextFollow != 0 {
		if next = c.nextProtocol(LayerVXLAN, b[3]); next == stepUnparsed {
			return next
		}
	}
	if !d.enter(c) {
		return c.fail(LayerVXLAN, ProblemDepth)
	}
	c.extend(domainVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
	c.skip(size)
	return next
}

// geneve is a Geneve header (RFC 8926 3.4) with its options.
func (d *Dissector) geneve(c *dissection) step {
	const size = 8
	b := c.data
	if len(b) < size {
		return c.cut(LayerGeneve, size)
	}
	if b[0]>>6 != 0 {
		return stepOther // version 0 is all there is: something else uses the port
	}
	options := int(b[0]&0x3f) * 4
	if len(b) < size+options {
		return c.cut(LayerGeneve, size+options)
	}
	if !d.enter(c) {
		return c.fail(LayerGeneve, ProblemDepth)
	}
	c.extend(domainGeneve, binary.BigEndian.Uint32(b[4:])>>8)
	c.skip(size + options)
	return c.bridged(binary.BigEndian.Uint16(b[2:]))
}

// bridged is etherType in tunnels that can carry Ethernet as well.
func (c *dissection) bridged(t uint16) step {
	if t == etherTypeBridging {
		return stepEthernet
	}
	return c.etherType(t)
}

// inIP is IP directly in IP (RFC 2003, RFC 2473, RFC 4213) or MPLS in it (RFC 4023).
func (d *Dissector) inIP(c *dissection) step {
	if !d.enter(c) {
		return c.fail(LayerIP, ProblemDepth)
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
)

// gre is a GRE header of version 0, or of version 1, which belongs to PPTP. The key of
// version 1 is a length and a call id, which differs between the directions.
func (d *Dissector) gre(c *dissection) step {
	b := c.data
	if len(b) < 4 {
		return c.cut(LayerGRE, 4)
	}
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
		return c.cut(LayerGRE, size)
	}
	if !d.enter(c) {
		return c.fail(LayerGRE, ProblemDepth)
	}
	if flags&greKey != 0 && version == 0 {
		c.extend(domainGRE, greNetwork(protocol, binary.BigEndian.Uint32(b[key:])))
	}
	c.skip(size)
	if flags&greRouting != 0 && !c.greRoutes() {
		return c.cut(LayerGRE, 4)
	}
	switch protocol {
	case greERSPAN:
		if flags&greSequence == 0 {
			return stepEthernet // type I has no header of its own
		}
		return stepERSPAN
	case greERSPAN3:
		return stepERSPAN
	}
	return c.bridged(protocol)
}

// greNetwork is the part of a GRE key that names the network. NVGRE (RFC 7637
// 3.2) keeps the lowest 8 bits for a flow id, which differs between the
// directions of a connection. Its network ids begin at 0x1000, which tells it
// from other users of keyed Ethernet in GRE: these count their keys from 1.
func greNetwork(protocol uint16, key uint32) uint32 {
	if protocol == etherTypeBridging && key>>8 >= 0x1000 {
		return key >> 8
	}
	return key
}

// greRoutes leaves the source route entries of RFC 1701 behind. It returns
// false when the last one, which has length 0, was not found.
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

// erspan is an ERSPAN header of type II or III (draft-foschiano-erspan), which
// have the version numbers 1 and 2. The VLAN in it is the mirrored port's, and
// is not looked at: a trunk's frames bring their own tag, and the
// directions of one connection can have been mirrored on different ports.
func (c *dissection) erspan() step {
	const (
		size2       = 8
		size3       = 12
		subheader   = 8
		hasSub      = 0x01
		frameTypeIP = 2
	)
	b := c.data
	if len(b) < size2 {
		return c.cut(LayerERSPAN, size2)
	}
	switch b[0] >> 4 {
	case 1:
		c.skip(size2)
		return stepEthernet
	case 2:
	default:
		return c.fail(LayerERSPAN, ProblemVersion)
	}
	size := size3
	if len(b) >= size3 && b[11]&hasSub != 0 {
		size += subheader
	}
	if len(b) < size {
		return c.cut(LayerERSPAN, size)
	}
	c.skip(size)
	if b[10]>>2&0x1f == frameTypeIP {
		return stepIP
	}
	return stepEthernet
}

// mpls is an MPLS label stack (RFC 3032), and a guess at what is behind it,
// because nothing says so: IP by its version (RFC 4928 3), or the Ethernet of
// a pseudowire with or without a control word (RFC 4448 4.6). The first 4 bits
// of an Ethernet address can be anything, so IP must also look like IP, and
// Ethernet must carry a known type.
func (d *Dissector) mpls(c *dissection) step {
	const (
		label       = 4
		bottom      = 0x01
		controlWord = 4
	)
	for last := false; !last; c.headers++ {
		if len(c.data) < label {
			return c.cut(LayerMPLS, label)
		}
		if c.headers >= maxHeaders {
			d.counts.deepHeaders++
			return c.fail(LayerNesting, ProblemDepth)
		}
		last = c.data[2]&bottom != 0
		c.skip(label)
	}
	b := c.data
	if len(b) < 6 {
		return c.cut(LayerMPLS, 6)
	}
	version := b[0] >> 4
	if version == 4 && c.plausibleIPv4() {
		return stepIPv4
	}
	if version == 6 && c.plausibleIPv6() {
		return stepIPv6
	}
	if len(b) < controlWord+ethernetHeader && c.length >= controlWord+ethernetHeader {
		return c.fail(LayerMPLS, ProblemCut)
	}
	switch {
	case knownEthernet(b, 0):
	case version == 0 && knownEthernet(b, controlWord):
		c.skip(controlWord)
	case version == 4 || version == 6:
		return stepIP // and let it say what is wrong
	default:
		return stepOther
	}
	if !d.enter(c) {
		return c.fail(LayerMPLS, ProblemDepth)
	}
	return stepEthernet
}

// plausibleIPv4 reports whether the lengths of an IPv4 header agree with the packet.
func (c *dissection) plausibleIPv4() bool {
	size, total := int(c.data[0]&15)*4, int(binary.BigEndian.Uint16(c.data[2:]))
	return size >= ipv4Header && (total == 0 || total >= size && total <= c.length)
}

// plausibleIPv6 is the same for IPv6.
func (c *dissection) plausibleIPv6() bool {
	return ipv6Header+int(binary.BigEndian.Uint16(c.data[4:])) <= c.length
}

// knownEthernet reports whether an Ethernet header at that offset carries
// something that is understood here.
func knownEthernet(b []byte, at int) bool {
	return len(b) >= at+ethernetHeader && knownEtherType(binary.BigEndian.Uint16(b[at+12:])) > stepSegment
}
