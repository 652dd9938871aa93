package capture

import (
	"encoding/binary"
	"math/bits"
)

// Checksum is the result of verifying a checksum.
type Checksum uint8

// The outcomes of a checksum.
const (
	// ChecksumUnknown: the packet has no checksum, or not all covered bytes were captured.
	ChecksumUnknown Checksum = iota
	// ChecksumRight: the bytes are as they were sent.
	ChecksumRight
	// ChecksumLeft: the checksum is the sum of the pseudo header. With checksum offload, it is not
	// filled in yet in the packets of the capturing host. Receive offload (GRO) leaves it where it
	// joins segments.
	ChecksumLeft
	// ChecksumZero: the checksum is 0. With checksum offload, it is not filled in yet.
	ChecksumZero
	// ChecksumWrong: the receiver drops the packet.
	ChecksumWrong
)

// TTL returns the time to live, or hop limit, of the innermost IP header; 0 for a segment in
// fragments. It is valid as long as Payload.
func (s *Segment) TTL() uint8 {
	switch {
	case s.transport == 0:
		return 0
	case s.raw[0]>>4 == 4:
		return s.raw[8]
	}
	return s.raw[7]
}

// Timestamps returns the value and the echo of the timestamp option (RFC 7323 3.2). has says whether
// the segment has one, ok whether that was captured. It is valid as long as Payload.
func (s *Segment) Timestamps() (value, echo uint32, has, ok bool) {
	const usual = 1<<24 | 1<<16 | timestampOption<<8 | timestampLength // two NOPs before it
	b := s.raw[s.transport:]
	size := int(b[12]>>4) * 4
	if len(b) < size {
		return 0, 0, false, false
	}
	b = b[tcpHeader:size]
	if len(b) > timestampLength && binary.BigEndian.Uint32(b) == usual {
		return binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), true, true
	}
	for len(b) >= 2 && b[0] != endOption {
		switch n := int(b[1]); {
		case b[0] == nopOption:
			b = b[1:]
		case b[0] == timestampOption && n == timestampLength && len(b) >= n:
			return binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint32(b[6:]), true, true
		default:
			b = b[max(min(n, len(b)), 2):]
		}
	}
	return 0, 0, false, true
}

// TCP options (RFC 9293 3.2, RFC 7323 3.2).
const (
	endOption       = 0
	nopOption       = 1
	timestampOption = 8
	timestampLength = 10
)

// Covered is what the checksums of a segment cover. It is valid as long as Segment.Payload.
type Covered struct {
	raw               []byte // from the IP header on
	transport, length uint32
}

// Covered returns what the checksums cover. They cannot be verified later if s came in fragments.
func (s *Segment) Covered() Covered {
	if s.Fragmented {
		return Covered{}
	}
	return Covered{s.raw, uint32(s.transport), s.Length}
}

// Checksum is Segment.Checksum. It is ChecksumUnknown behind extension headers of IPv6, which may
// change the destination.
func (c Covered) Checksum() Checksum {
	s := Segment{raw: c.raw, transport: int(c.transport), Length: c.length}
	switch {
	case c.transport == 0:
		return ChecksumUnknown
	case c.raw[0]>>4 == 4:
		mapIPv4(&s.Src, c.raw[12:16])
		mapIPv4(&s.Dst, c.raw[16:20])
	case c.transport == ipv6Header:
		s.Src, s.Dst = [16]byte(c.raw[8:24]), [16]byte(c.raw[24:40])
	default:
		return ChecksumUnknown
	}
	return s.Checksum()
}

// Checksum verifies the TCP checksum (RFC 9293 3.1) and the checksum of the IPv4 header. It
// reads the complete payload, so call it only for suspicious segments. It is valid as long as
// Payload.
func (s *Segment) Checksum() Checksum {
	if h := s.raw[:s.transport]; len(h) > 0 && h[0]>>4 == 4 && OnesSum(0, h[:int(h[0]&15)*4]) != 0xffff && h[10]|h[11] != 0 {
		return ChecksumWrong
	}
	b := s.raw[s.transport:]
	if len(b) < tcpHeader {
		return ChecksumUnknown
	}
	n := int(b[12]>>4)*4 + int(s.Length)
	if len(b) < n {
		return ChecksumUnknown
	}
	pseudo := s.pseudoHeader(n)
	field := binary.BigEndian.Uint16(b[16:])
	switch {
	case OnesSum(uint64(pseudo), b[:n]) == 0xffff:
		return ChecksumRight
	case field == pseudo || n > 0xffff:
		return ChecksumLeft
	case field == 0:
		return ChecksumZero
	}
	return ChecksumWrong
}

// pseudoHeader returns the sum over addresses, protocol and length (RFC 9293 3.1, RFC 8200 8.1).
func (s *Segment) pseudoHeader(length int) uint16 {
	from := 0
	if s.Src[10] == 0xff && s.Src[11] == 0xff && binary.BigEndian.Uint64(s.Src[:]) == 0 && s.Src[8]|s.Src[9] == 0 {
		from = 12 // IPv4
	}
	sum := uint64(protocolTCP) + uint64(length&0xffff) + uint64(length>>16)
	for ; from < len(s.Src); from += 4 {
		sum += uint64(binary.BigEndian.Uint32(s.Src[from:])) + uint64(binary.BigEndian.Uint32(s.Dst[from:]))
	}
	return OnesSum(sum, nil)
}

// OnesSum adds b to the sum of an Internet checksum (RFC 1071) and folds it to 16 bits. The
// checksum is its complement.
func OnesSum(sum uint64, b []byte) uint16 {
	var carry uint64
	for ; len(b) >= 16; b = b[16:] {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[8:]), carry)
	}
	sum = sum>>32 + sum&0xffffffff + carry
	for ; len(b) >= 4; b = b[4:] {
		sum += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
