package capture

import (
	"encoding/binary"
	"math/bits"
)

// ChecksumState says what the checksum of a TCP segment shows.
type ChecksumState uint8

// The states of a checksum.
const (
	// ChecksumUnknown: the segment was not captured whole.
	ChecksumUnknown ChecksumState = iota
	// ChecksumGood: it is right.
	ChecksumGood
	// ChecksumUnfilled: it holds the sum of the pseudo-header alone. Checksum offload fills it in on the network
	// card, behind the capture; Linux also leaves it so in segments that it has merged on arrival (GRO).
	ChecksumUnfilled
	// ChecksumBad: it is wrong. A receiver discards such a segment (RFC 9293 3.1).
	ChecksumBad
)

// Checksum computes the checksum of the segment. Its cost grows with the payload, 64 bits at a time. The
// segment's packet must still be valid.
func (s *Segment) Checksum() ChecksumState {
	const field = 16 // of the checksum in the header
	if len(s.tcp) < tcpHeader || len(s.tcp)-len(s.Payload) != int(s.tcp[12]>>4)*4 || len(s.Payload) != int(s.Length) {
		return ChecksumUnknown
	}
	addresses := sum16(sum16(0, s.Src[:]), s.Dst[:])
	if s.isIPv4() {
		addresses = sum16(sum16(0, s.Src[12:]), s.Dst[12:])
	}
	pseudo := addresses + protocolTCP
	withLength := pseudo + uint64(len(s.tcp))
	if fold16(sum16(withLength, s.tcp)) == 0xffff {
		return ChecksumGood
	}
	if given := binary.BigEndian.Uint16(s.tcp[field:]); given == fold16(withLength) || given == fold16(pseudo) {
		return ChecksumUnfilled
	}
	return ChecksumBad
}

// isIPv4 reports whether the addresses are IPv4-mapped.
func (s *Segment) isIPv4() bool {
	return binary.LittleEndian.Uint64(s.Src[:]) == 0 && binary.BigEndian.Uint32(s.Src[8:]) == 0xffff
}

// sum16 adds data to an Internet checksum (RFC 1071), as big-endian words of 16 bits.
func sum16(sum uint64, data []byte) uint64 {
	for len(data) >= 8 {
		word := binary.BigEndian.Uint64(data)
		var carry uint64
		sum, carry = bits.Add64(sum, word, 0)
		sum += carry
		data = data[8:]
	}
	var last [8]byte
	copy(last[:], data)
	sum, carry := bits.Add64(sum, binary.BigEndian.Uint64(last[:]), 0)
	return sum + carry
}

// fold16 reduces a sum to 16 bits.
func fold16(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
