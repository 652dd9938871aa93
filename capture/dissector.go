package capture

import (
	"encoding/binary"
	"math"
)

// DissectorOptions are additional ports of tunnels.
type DissectorOptions struct {
	// VXLANPorts and GenevePorts are UDP destination ports of VXLAN and Geneve, in addition to
	// the standard ones (4789 and 8472, 6081). A port in both lists is VXLAN's.
	VXLANPorts, GenevePorts []uint16
}

// Limits for one packet. A packet beyond them is counted in DissectorStats.Limits and as unparsed.
const (
	// maxTunnels bounds the tunnels around a segment. The deepest in practice are four: ERSPAN
	// mirror, underlay GRE, VXLAN, IP in IP of a load balancer. The limit is twice that.
	maxTunnels = 8
	// maxHeaders bounds the headers of one packet. VLAN tags, MPLS labels, extension headers and
	// GRE routes count one each. 8 tunnels have 6 (Ethernet, tag, IP, extension, UDP, VXLAN),
	// and the innermost part 16.
	maxHeaders = maxTunnels*6 + 16
	// maxDatagram is the longest IP packet accepted, in bytes. With segmentation offload, a
	// capture has packets of up to 8 * 65,535 bytes (GSO_MAX_SIZE in Linux'
	// include/linux/netdevice.h).
	maxDatagram = 8 * 65535
)

// IP protocol numbers, https://www.iana.org/assignments/protocol-numbers.
const (
	protocolHopByHop    = 0
	protocolICMP        = 1
	protocolIPv4        = 4
	protocolTCP         = 6
	protocolUDP         = 17
	protocolIPv6        = 41
	protocolRouting     = 43
	protocolFragment    = 44
	protocolGRE         = 47
	protocolESP         = 50
	protocolAH          = 51
	protocolICMPv6      = 58
	protocolDestination = 60
	protocolEtherIP     = 97
	protocolL2TP        = 115
	protocolMobility    = 135
	protocolMPLS        = 137
	protocolHIP         = 139
	protocolShim6       = 140
)

// Lengths of headers without options, in bytes.
const (
	ethernetHeader = 14
	ipv4Header     = 20
	ipv6Header     = 40
	tcpHeader      = 20
	// tcpNeeded is the captured part of a TCP header that is needed: up to the window. Wireshark
	// gives a stream number from there on (packet-tcp.c).
	tcpNeeded = 16
)

// Dissector parses packets down to the TCP segment: link layer, tags, tunnels, IP, fragments. It
// holds at most maxFragmentBytes of fragments of incomplete datagrams, and the latest packet. It is
// not safe for concurrent use.
//
// It does not verify checksums. With segmentation or checksum offload, the capturing host
// captures its own packets before they are filled in.
//
// A packet inside an ICMP error was not sent as such. It is no segment, but it gets a stream
// number, as in Wireshark (Segment.NumberOnly).
type Dissector struct {
	// ports map UDP ports to tunnels.
	ports     lookup[uint16]
	fragments defragmenter
	// rare is nil until a packet needs it.
	rare *rareHeaders
	// trace, if not nil, records the headers of a packet.
	trace  *trace
	counts dissectorCounts
	// state is that of the packet that is being parsed.
	state dissection
}

// NewDissector returns a Dissector.
func NewDissector(o DissectorOptions) *Dissector {
	d := &Dissector{fragments: newDefragmenter()}
	for _, p := range o.VXLANPorts {
		d.ports = append(d.ports, entry[uint16]{p, stepVXLAN})
	}
	for _, p := range o.GenevePorts {
		d.ports = append(d.ports, entry[uint16]{p, stepGeneve})
	}
	d.ports = append(d.ports, portSteps...)
	return d
}

// Segment fills all of s with the TCP segment that p carries, or that p completes as the last
// fragment. It returns false if there is none; Stats counts why, and only NumberOnly of s is
// then valid. Payload is part of p.Data unless s.Fragmented.
func (d *Dissector) Segment(p *Packet, s *Segment) bool {
	d.counts.packets++
	if p.Link == LinkTypeEthernet && plainSegment(p, s) {
		d.counts.segments++
		return true
	}
	return d.dissect(p, s)
}

// plainSegment is the fast path for most packets: untagged Ethernet, IPv4 without options or
// fragments, TCP. It returns false for all others, which dissect handles.
func plainSegment(p *Packet, s *Segment) bool {
	b := p.Data
	if len(b) < ethernetHeader+ipv4Header+tcpHeader ||
		binary.BigEndian.Uint16(b[12:]) != etherTypeIPv4 || b[14] != 4<<4|ipv4Header/4 ||
		binary.BigEndian.Uint16(b[20:])&fragmentBits4 != 0 || b[23] != protocolTCP {
		return false
	}
	const transport = ethernetHeader + ipv4Header
	end := ethernetHeader + int(binary.BigEndian.Uint16(b[16:]))
	offset := int(b[transport+12]>>4) * 4
	if offset < tcpHeader || end < transport+offset {
		return false
	}
	s.Position = p.Position
	s.Domain, s.Depth, s.Fragmented = 0, 0, false
	s.raw, s.transport = b[ethernetHeader:min(end, len(b))], ipv4Header
	mapIPv4(&s.Src, b[26:30])
	mapIPv4(&s.Dst, b[30:34])
	s.setHeader(b[transport:])
	s.Length = uint32(end - transport - offset)
	s.Payload = b[min(transport+offset, len(b)):min(end, len(b))]
	return true
}

// setHeader reads the first tcpNeeded bytes of a TCP header.
func (s *Segment) setHeader(b []byte) {
	_ = b[tcpNeeded-1]
	s.SrcPort = binary.BigEndian.Uint16(b[0:])
	s.DstPort = binary.BigEndian.Uint16(b[2:])
	s.Seq = binary.BigEndian.Uint32(b[4:])
	s.Ack = binary.BigEndian.Uint32(b[8:])
	s.Flags = TCPFlags(b[13])
}

// mapIPv4 writes the 4 bytes of an IPv4 address as IPv4-mapped IPv6 (RFC 4291 2.5.5.2).
func mapIPv4(to *[16]byte, address []byte) {
	binary.LittleEndian.PutUint64(to[0:], 0)
	binary.BigEndian.PutUint64(to[8:], 0xffff<<32|uint64(binary.BigEndian.Uint32(address)))
}

// dissection is the state of parsing one packet.
type dissection struct {
	*Dissector
	// data are the captured bytes not parsed yet. length is their number on the wire, never less
	// than len(data).
	data   []byte
	length int
	// protocol is the IP protocol number of the header at data.
	protocol uint8
	// v6: the innermost IP header so far is IPv6.
	v6 bool
	// fragmented: data is memory of the defragmenter.
	fragmented bool
	// packet begins with the innermost IP header; nil for a reassembled datagram.
	packet []byte
	// aligned: the payload of an 802.11 frame begins at a multiple of 4.
	aligned bool
	// depth counts tunnels, headers all headers.
	depth, headers uint8
	// layer is that of the header at data. With problem, it is the reason for stepUnparsed.
	layer   Layer
	problem Problem
	// unknown is the protocol without a parser, for ProblemUnsupported.
	unknown Protocol
	domain  uint64
	time    int64
	// segment is the result so far; its addresses are the innermost so far.
	segment *Segment
}

// dissect parses a packet header by header.
func (d *Dissector) dissect(p *Packet, s *Segment) bool {
	d.fragments.recycle()
	s.NumberOnly = false
	c := &d.state
	*c = dissection{Dissector: d, data: p.Data, length: max(int(min(p.Length, math.MaxInt32)), len(p.Data)), time: p.Time, segment: s}
	switch c.descend(c.link(p.Link)) {
	case stepSegment:
		s.Position = p.Position
		s.Domain, s.Depth, s.Fragmented = c.domain, c.depth, c.fragmented
		d.counts.segments++
		return true
	case stepUnparsed:
		s.Position, s.Domain, s.Depth = p.Position, c.domain, c.depth
		if c.problem != ProblemUnsupported || !d.counts.unsupported(c.unknown, p.Position) {
			d.counts.unparsed[c.layer][c.problem].add(p.Position)
		}
	case stepHeld:
		d.counts.fragments++
	default:
		s.Position, s.Domain, s.Depth = p.Position, c.domain, c.depth
		d.counts.other++
	}
	return false
}

// descend parses one header after the other and returns the last step.
func (c *dissection) descend(next step) step {
	for next > stepSegment {
		if c.headers >= maxHeaders {
			c.counts.deepHeaders++
			return c.failAt(LayerNesting, ProblemDepth)
		}
		c.headers++
		if c.trace != nil {
			c.trace.note(next, c)
		}
		h := &parsers[next]
		c.layer = h.layer
		if len(c.data) < h.least {
			return c.cut(h.least)
		}
		next = h.parse(c)
	}
	return next
}

// tcp parses a TCP header, which ends the dissection.
func (c *dissection) tcp() step {
	b, s := c.data, c.segment
	if len(b) < tcpNeeded {
		return c.cut(tcpHeader)
	}
	s.setHeader(b)
	offset := int(b[12]>>4) * 4
	if c.length < tcpHeader || offset < tcpHeader || offset > c.length {
		s.NumberOnly = true
		if c.length < tcpHeader {
			return c.fail(ProblemShort)
		}
		return c.fail(ProblemLength)
	}
	s.Length = uint32(c.length - offset)
	s.Payload = b[min(offset, len(b)):]
	s.raw, s.transport = b, 0
	if c.packet != nil {
		s.raw, s.transport = c.packet[:cap(c.packet)-cap(b)+len(b)], cap(c.packet)-cap(b)
	}
	return stepSegment
}

// skip moves past n bytes, which must have been captured.
func (c *dissection) skip(n int) {
	c.data = c.data[n:]
	c.length -= n
}

// limit sets the length on the wire of the next headers, as the previous header states it. It
// can be more than the outer frame has: a mirror (the ERSPAN T bit) or a writer can shorten the
// frame. The length in the IP header is what was sent.
func (c *dissection) limit(n int) {
	c.length = n
	c.data = c.data[:min(n, len(c.data))]
}

// trim is limit for lengths that only separate padding from content.
func (c *dissection) trim(n int) {
	if n < c.length {
		c.limit(n)
	}
}

// fail ends the dissection at the current header.
func (c *dissection) fail(p Problem) step {
	c.problem = p
	return stepUnparsed
}

// failAt ends the dissection at another layer.
func (c *dissection) failAt(l Layer, p Problem) step {
	c.layer = l
	return c.fail(p)
}

// unsupported ends the dissection at a protocol that no parser supports.
func (c *dissection) unsupported(l Layer, p Protocol) step {
	c.unknown = p
	return c.failAt(l, ProblemUnsupported)
}

// cut ends the dissection at a header of need bytes that was not captured completely, or not
// sent completely.
func (c *dissection) cut(need int) step {
	if c.length < need {
		return c.fail(ProblemShort)
	}
	return c.fail(ProblemCut)
}

// Kinds of network identifiers in a domain.
const (
	domainVLAN = 1 + iota
	domainVXLAN
	domainGeneve
	domainGRE
	domainPBB
	domainLISP
)

// extend mixes a network identifier into the domain. The order counts: VLAN 1 in VNI 2 is
// another network than VNI 2 in VLAN 1. The mixing is that of splitmix64
// (https://prng.di.unimi.it/splitmix64.c).
//
// Only identifiers that both directions of a connection share count. The receiving router
// chooses MPLS labels for its own direction. An ERSPAN session may mirror one direction only. A
// PPPoE session has one customer with one set of addresses.
func (c *dissection) extend(kind, id uint32) {
	h := c.domain + 0x9e3779b97f4a7c15 + uint64(kind)<<32 + uint64(id)
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	c.domain = max(h, 1) // 0 is the domain without any
}

// enter counts a tunnel. It returns false at the limit maxTunnels.
func (c *dissection) enter() bool {
	if c.depth >= maxTunnels {
		c.counts.deepTunnels++
		return false
	}
	c.depth++
	return true
}

// Stats returns the counts so far. The caller owns the slices in it.
func (d *Dissector) Stats() DissectorStats {
	return DissectorStats{
		Packets:   d.counts.packets,
		Segments:  d.counts.segments,
		Other:     d.counts.other,
		Unparsed:  d.counts.reasons(),
		Fragments: d.counts.fragments,
		Limits:    d.limits(),
	}
}
