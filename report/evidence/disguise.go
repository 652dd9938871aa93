package evidence

import (
	"encoding/binary"
	"net/netip"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/report/redact"
)

// Offsets and lengths of the header fields to rewrite.
const (
	ipv4Fixed    = 20
	ipv6Fixed    = 40
	tcpFixed     = 20
	udpFixed     = 8
	tcpSum       = 16
	udpSum       = 6
	ipv4Sum      = 10
	greFixed     = 8
	greSum       = 4
	protocolTCP  = 6
	protocolUDP  = 17
	tcpNop       = 1
	tcpMultipath = 30 // RFC 8684: it can contain addresses
)

// disguiser rewrites the headers of packets: addresses, and the checksums over overwritten bytes.
type disguiser struct {
	dissector *capture.Dissector
	// names, if not nil, replaces addresses.
	names   *redact.Pseudonyms
	headers []capture.Header
}

func (d *disguiser) packet(s *seen) {
	p := capture.Packet{Position: s.at, Data: s.data, Length: s.length, Link: s.link}
	d.headers = d.dissector.Headers(&p, d.headers[:0])
	d.clearTrailer(s)
	if d.names != nil {
		s.changed = true
		for _, h := range d.headers {
			b := s.data[min(h.At, len(s.data)):]
			if h.Kind == capture.HeaderPrivate {
				clear(b[:min(h.Wire, len(b))])
				continue
			}
			d.addresses(b, h.Kind)
		}
	}
	if !s.changed {
		return
	}
	for i := len(d.headers) - 1; i >= 0; i-- {
		d.checksum(s.data, i)
	}
}

// clearTrailer overwrites the bytes after the payload. Of a fragment, it overwrites everything that
// is not known to be a header.
func (d *disguiser) clearTrailer(s *seen) {
	var end int
	switch n := len(d.headers); {
	case s.payload >= 0:
		end = int(s.payload) + len(s.text())
	case n > 0:
		h := d.headers[n-1]
		if h.Kind == capture.HeaderPrivate { // the header continues after it
			end = min(h.At+h.Wire, len(s.data))
			break
		}
		end = min(h.At+headerLength(s.data[min(h.At, len(s.data)):], h.Kind), len(s.data))
	}
	for i := range s.data[end:] {
		if s.data[end+i] != 0 {
			s.data[end+i], s.changed = 0, true
		}
	}
}

func headerLength(b []byte, kind capture.HeaderKind) int {
	switch kind {
	case capture.HeaderEthernet:
		return 14
	case capture.HeaderCooked:
		return 16
	case capture.HeaderCooked2:
		return 20
	case capture.HeaderIPv4:
		if len(b) > 0 {
			return int(b[0]&15) * 4
		}
	case capture.HeaderIPv6:
		return ipv6Fixed
	case capture.HeaderTCP:
		if len(b) >= tcpFixed {
			return int(b[12]>>4) * 4
		}
	case capture.HeaderExtension, capture.HeaderRouting:
		if len(b) > 1 {
			return int(b[1])*8 + 8
		}
	}
	return udpFixed // also of a fragment header
}

func (d *disguiser) addresses(b []byte, kind capture.HeaderKind) {
	n := min(headerLength(b, kind), len(b))
	switch {
	case kind == capture.HeaderEthernet && n >= 12:
		d.names.MAC(b)
		d.names.MAC(b[6:])
	case kind == capture.HeaderCooked && n >= 14:
		d.names.MAC(b[6:])
		clear(b[12:14]) // the field has 8 bytes, an Ethernet address 6
	case kind == capture.HeaderCooked2 && n >= 20:
		d.names.MAC(b[12:])
		clear(b[18:20])
	case kind == capture.HeaderIPv4 && n >= ipv4Fixed:
		d.address(b[12:16])
		d.address(b[16:20])
		for i := ipv4Fixed; i < n; i++ {
			b[i] = tcpNop // options can contain the route; 1 is also no operation here (RFC 791)
		}
	case kind == capture.HeaderIPv6 && n >= ipv6Fixed:
		d.address(b[8:24])
		d.address(b[24:40])
	case kind == capture.HeaderRouting && n >= 8:
		for at := 8; at+16 <= n; at += 16 {
			d.address(b[at : at+16])
		}
	case kind == capture.HeaderTCP && n >= tcpFixed:
		options(b[tcpFixed:n])
	}
}

func (d *disguiser) address(b []byte) {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return
	}
	pseudonym := d.names.Addr(a).AsSlice()
	if len(pseudonym) != len(b) { // the IPv4 range is full, or the address is IPv4-mapped
		clear(b)
	}
	copy(b[max(0, len(b)-len(pseudonym)):], pseudonym[max(0, len(pseudonym)-len(b)):])
}

// options overwrites the TCP options that can contain addresses.
func options(b []byte) {
	for len(b) >= 2 && b[0] != 0 {
		if b[0] == tcpNop {
			b = b[1:]
			continue
		}
		n := int(b[1])
		if n < 2 || n > len(b) {
			return
		}
		if b[0] == tcpMultipath {
			for i := range b[:n] {
				b[i] = tcpNop
			}
		}
		b = b[n:]
	}
}

// checksum recomputes the checksum of the i-th header; 0 if some of its bytes were not captured.
func (d *disguiser) checksum(data []byte, i int) {
	h := d.headers[i]
	b := data[min(h.At, len(data)):]
	switch h.Kind {
	case capture.HeaderIPv4:
		if n := headerLength(b, h.Kind); n >= ipv4Fixed && n <= len(b) {
			putSum(b[:n], ipv4Sum, 0)
		}
	case capture.HeaderGRE: // RFC 2784 2.5: the checksum is present if the first bit is set
		if wire := d.headers[i].Wire; len(b) >= greFixed && b[0]&0x80 != 0 && wire >= greFixed {
			b[greSum], b[greSum+1] = 0, 0
			if wire <= len(b) {
				putSum(b[:wire], greSum, 0)
			}
		}
	case capture.HeaderTCP:
		d.transport(data, b, i, protocolTCP, tcpFixed, tcpSum)
	case capture.HeaderUDP:
		if len(b) < udpFixed || b[udpSum] == 0 && b[udpSum+1] == 0 { // no checksum (RFC 768)
			return
		}
		d.transport(data, b, i, protocolUDP, udpFixed, udpSum)
		if b[udpSum] == 0 && b[udpSum+1] == 0 {
			b[udpSum], b[udpSum+1] = 0xff, 0xff
		}
	}
}

// transport computes the checksum of TCP or UDP, which includes the addresses.
func (d *disguiser) transport(data, b []byte, i int, protocol byte, fixed, at int) {
	if len(b) < fixed {
		return
	}
	wire := d.headers[i].Wire
	if wire > len(b) {
		b[at], b[at+1] = 0, 0
		return
	}
	sum := uint64(protocol) + uint64(wire)
	for j := i - 1; j >= 0; j-- {
		ip := data[d.headers[j].At:]
		switch d.headers[j].Kind {
		case capture.HeaderIPv4:
			sum += uint64(capture.OnesSum(0, ip[12:20]))
		case capture.HeaderIPv6:
			sum += uint64(capture.OnesSum(0, ip[8:24])) + uint64(capture.OnesSum(0, d.destination(data, j)))
		default:
			continue
		}
		break
	}
	putSum(b[:wire], at, sum)
}

// destination returns the final destination of the IPv6 packet whose header is the j-th. If the
// packet has segments left, that is the last address of its routing header (RFC 8200 8.1).
func (d *disguiser) destination(data []byte, j int) []byte {
	const segmentRouting = 4 // RFC 8754: its list is in reverse order
	if j+1 < len(d.headers) && d.headers[j+1].Kind == capture.HeaderRouting {
		r := data[d.headers[j+1].At:]
		n := min(headerLength(r, capture.HeaderRouting), len(r))
		if n >= 24 && r[3] > 0 {
			if r[2] == segmentRouting {
				return r[8:24]
			}
			last := 8 + (n-8)/16*16
			return r[last-16 : last]
		}
	}
	return data[d.headers[j].At:][24:40]
}

// putSum writes the Internet checksum of b at an offset in b (RFC 1071). sum is that of further
// words.
func putSum(b []byte, at int, sum uint64) {
	b[at], b[at+1] = 0, 0
	binary.BigEndian.PutUint16(b[at:], ^capture.OnesSum(sum, b))
}
