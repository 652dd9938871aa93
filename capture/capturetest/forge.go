package capturetest

import "bytes"

// Forgery is a segment that an attacker puts into every connection of a capture, between segments
// of its end systems. Its receiver discards it (RFC 9293 3.10.7.4, RFC 5961), and the connection
// continues.
type Forgery uint8

// The kinds of forgeries.
const (
	// ForgedFarReset is a RST 1 GiB outside the window.
	ForgedFarReset Forgery = iota
	// ForgedReset is a RST at the next byte that did not reach its receiver: both sides continue.
	ForgedReset
	// ForgedFarFIN is a FIN 1 GiB outside the window.
	ForgedFarFIN
	// ForgedFIN is a FIN at the next byte with a wrong checksum.
	ForgedFIN
	// ForgedSYN is a SYN with another sequence number.
	ForgedSYN
	// ForgedFarByte is one byte 5 MiB ahead.
	ForgedFarByte
	// ForgedByteInWindow is one byte 3 MiB ahead, which the receiver keeps and never acknowledges.
	ForgedByteInWindow
	// ForgedAck is junk at the next byte that acknowledges bytes which were never sent.
	ForgedAck
	// ForgedChecksum is junk at the next byte with a wrong checksum.
	ForgedChecksum
	// ForgedTTL is junk at the next byte whose TTL expires before its receiver.
	ForgedTTL
	// ForgedAhead is junk a few bytes ahead, which the receiver keeps until the bytes in order
	// replace it.
	ForgedAhead
	// ForgedResetAck is a RST at the next byte that acknowledges bytes which were never sent.
	ForgedResetAck
	// ForgedNoAck is junk at the next byte without the flag ACK.
	ForgedNoAck
	// ForgedLongChecksum is 600 bytes of junk at the next byte with a wrong checksum.
	ForgedLongChecksum
	// ForgedZeroChecksum is junk at the next byte whose checksum is 0.
	ForgedZeroChecksum
	// ForgedNearAck is junk at the next byte that acknowledges 1,000 bytes which were never sent.
	ForgedNearAck
	// ForgedSYNBefore is a SYN one byte before the next segment.
	ForgedSYNBefore
	// ForgedHandshake is a handshake and a request with other numbers, of which no end system
	// knows.
	ForgedHandshake
)

// Forge puts a forged segment of each direction into every connection, in the middle of its
// traffic.
func Forge(packets []Packet, f Forgery) []Packet {
	segments := dissect(packets)
	data := map[way][]int{} // places of segments with payload
	for i, s := range segments {
		if s != nil && s.length > 0 {
			data[s.way()] = append(data[s.way()], i)
		}
	}
	behind := map[int]bool{}
	for w, places := range data {
		if other := data[way{w.stream, w.dir.Reverse()}]; len(places) >= 3 && len(other) >= 2 {
			behind[places[1]] = true
		}
	}
	var out []Packet
	for i, s := range segments {
		if s == nil {
			out = append(out, packets[i])
			continue
		}
		out = append(out, s.packet())
		if behind[i] && f == ForgedHandshake {
			out = append(out, s.handshake()...)
		} else if behind[i] {
			out = append(out, s.forged(f))
		}
	}
	return out
}

// forged returns the forgery that follows s.
func (s *segment) forged(f Forgery) Packet {
	const far = 1 << 30
	junk := []byte("\x00\x00\x00\x1e\x00\x01\x00\x0c\x00\x00\x00\x63\x00\x04evil\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00")
	c := s.with(s.end(), nil)
	switch f {
	case ForgedNoAck:
		c = s.with(s.end(), junk)
		c.tcp.Flags &^= ACK
		c.tcp.Ack = 0
	case ForgedLongChecksum:
		c = s.with(s.end(), bytes.Repeat(junk, 600/len(junk)+1))
	case ForgedNearAck:
		c = s.with(s.end(), junk)
		c.tcp.Ack += 1000
	case ForgedSYNBefore:
		c.tcp.Seq--
		c.tcp.Flags, c.tcp.Ack = SYN, 0
	case ForgedFarReset:
		c.tcp.Seq += far
		c.tcp.Flags = RST
	case ForgedReset:
		c.tcp.Flags = RST
	case ForgedFarFIN:
		c.tcp.Seq += far
		c.tcp.Flags |= FIN
	case ForgedFIN:
		c.tcp.Flags |= FIN
	case ForgedSYN:
		c.tcp.Seq += far
		c.tcp.Flags, c.tcp.Ack = SYN, 0
	case ForgedFarByte:
		c = s.with(s.end()+5<<20, junk[:1])
	case ForgedByteInWindow:
		c = s.with(s.end()+3<<20, junk[:1])
	case ForgedAhead:
		c = s.with(s.end()+5, junk)
	case ForgedResetAck:
		c.tcp.Flags = RST | ACK
		c.tcp.Ack += far
	case ForgedAck:
		c = s.with(s.end(), junk)
		c.tcp.Ack += far
	default:
		c = s.with(s.end(), junk)
	}
	p := c.packet()
	sum := p.Data[len(s.head)+c.ipLength(p)+16:]
	switch f {
	case ForgedFIN, ForgedChecksum, ForgedLongChecksum:
		sum[0] ^= 0xff
	case ForgedZeroChecksum:
		sum[0], sum[1] = 0, 0
	case ForgedTTL:
		c.setTTL(p, 1)
	}
	return p
}

// handshake returns the packets of ForgedHandshake, from the side that sent s.
func (s *segment) handshake() []Packet {
	const far = 1 << 30
	syn := s.with(s.end()+far, nil)
	syn.tcp.Flags, syn.tcp.Ack = SYN, 0
	answer := s.with(s.tcp.Ack+far, nil)
	answer.src, answer.dst = s.dst, s.src
	answer.tcp.Flags, answer.tcp.Ack = SYN|ACK, syn.tcp.Seq+1
	data := s.with(syn.tcp.Seq+1, []byte("GET / HTTP/1.1\r\n\r\n"))
	data.tcp.Ack = answer.tcp.Seq + 1
	return []Packet{syn.packet(), answer.packet(), data.packet()}
}

// ipLength returns the length of the IP header in p.
func (s *segment) ipLength(p Packet) int {
	if s.src.Addr().Is4() {
		return int(p.Data[len(s.head)]&15) * 4
	}
	return ipv6Length
}

// setTTL sets the TTL or hop limit of p. It corrects the header checksum of IPv4.
func (s *segment) setTTL(p Packet, ttl byte) {
	ip := p.Data[len(s.head):]
	if s.src.Addr().Is4() {
		ip[8] = ttl
		sumIPv4(ip)
		return
	}
	ip[7] = ttl
}

// firstForgeries is how many of forgeries come before the other kinds of variants, moreForgeries
// how many come before the last ones.
const firstForgeries, moreForgeries = 10, 12

// forgeries are captures with forged segments that their receivers discarded.
func forgeries() []Variant {
	var all []Variant
	for f, name := range []string{
		ForgedFarReset: "a RST far off", ForgedReset: "a RST that did not arrive", ForgedFarFIN: "a FIN far off",
		ForgedFIN: "a FIN with a wrong checksum", ForgedSYN: "a SYN in the middle", ForgedFarByte: "a byte 5 MiB ahead",
		ForgedByteInWindow: "a byte ahead in the window", ForgedAck: "junk with an impossible acknowledgement",
		ForgedChecksum: "junk with a wrong checksum", ForgedTTL: "junk with a TTL of 1",
		ForgedAhead: "junk a few bytes ahead", ForgedResetAck: "a RST with an impossible acknowledgement",
		ForgedNoAck: "junk without ACK", ForgedLongChecksum: "long junk with a wrong checksum", ForgedZeroChecksum: "junk with a checksum of 0",
		ForgedNearAck: "junk with a slightly impossible acknowledgement", ForgedSYNBefore: "a SYN one byte before", ForgedHandshake: "a handshake and a request",
	} {
		all = append(all, Variant{"forged: " + name, KeepsRequests | KeepsVerdicts | KeepsOutcomes | KeepsAddresses, plain(func(p []Packet) []Packet {
			return Forge(p, Forgery(f))
		})})
	}
	return all
}
