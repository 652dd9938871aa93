package capturetest

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// segment is a packet with a whole TCP segment, parsed into parts that can be changed and encoded
// again.
type segment struct {
	Packet
	head     []byte // link-layer header
	src, dst netip.AddrPort
	tcp      TCPHeader
	payload  []byte // as captured
	length   int    // of the payload on the wire
	stream   int    // number of the connection in the capture
	dir      Direction
}

// dissect parses the packets with a TCP segment directly in an IP packet. The others are nil.
// ToBroker is the direction of the SYN, or without a SYN, the direction to the lower port.
func dissect(packets []Packet) []*segment {
	segments := make([]*segment, len(packets))
	open := map[[2]netip.AddrPort]*segment{} // the first segment of the latest connection
	streams := 0
	for i, p := range packets {
		s := takeApart(p)
		if s == nil {
			continue
		}
		segments[i] = s
		key := [2]netip.AddrPort{s.src, s.dst}
		if s.src.Compare(s.dst) > 0 {
			key = [2]netip.AddrPort{s.dst, s.src}
		}
		first := open[key]
		fresh := s.tcp.Flags&(SYN|ACK) == SYN && first != nil && first.tcp.Seq != s.tcp.Seq
		if first == nil || fresh {
			first = s
			s.stream = streams
			streams++
			open[key] = s
		}
		s.stream = first.stream
		if first.fromBroker() != (s.src != first.src) {
			s.dir = ToClient
		}
	}
	return segments
}

// fromBroker guesses whether the broker sent the first segment of a connection.
func (s *segment) fromBroker() bool {
	if s.tcp.Flags&SYN != 0 {
		return s.tcp.Flags&ACK != 0
	}
	return s.src.Port() < s.dst.Port()
}

// takeApart parses one packet. It returns nil for a packet without TCP directly in IP, for a
// fragment, and if the headers were not captured completely.
func takeApart(p Packet) *segment {
	head, ip, wire, ok := network(p)
	if !ok {
		return nil
	}
	var src, dst netip.Addr
	var ihl int
	switch {
	case ip[0]>>4 == 4:
		ihl = int(ip[0]&15) * 4
		fragmented := binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
		if ip[9] != ProtocolTCP || fragmented {
			return nil
		}
		src, dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
	default:
		ihl = ipv6Length
		if ip[6] != ProtocolTCP {
			return nil
		}
		src, dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
	}
	tcp := ip[ihl:]
	if len(tcp) < tcpLength || len(tcp) < int(tcp[12]>>4)*4 {
		return nil
	}
	offset := int(tcp[12]>>4) * 4
	return &segment{
		Packet: p,
		head:   head,
		src:    netip.AddrPortFrom(src, binary.BigEndian.Uint16(tcp)),
		dst:    netip.AddrPortFrom(dst, binary.BigEndian.Uint16(tcp[2:])),
		tcp: TCPHeader{
			Seq:     binary.BigEndian.Uint32(tcp[4:]),
			Ack:     binary.BigEndian.Uint32(tcp[8:]),
			Flags:   tcp[13],
			Options: tcp[tcpLength:offset],
		},
		payload: tcp[offset:],
		length:  wire - ihl - offset,
	}
}

// network finds the IP packet in p, without the padding of the link layer. wire is its length on
// the wire; ip is shorter if the snapshot length cut it. ok is false if there is none, or its
// fixed header was not captured completely.
func network(p Packet) (head, ip []byte, wire int, ok bool) {
	n := 0
	switch p.Link {
	case LinkEthernet:
		n = ethernetLength
		if len(p.Data) >= n && binary.BigEndian.Uint16(p.Data[12:]) != EtherIPv4 && binary.BigEndian.Uint16(p.Data[12:]) != EtherIPv6 {
			return nil, nil, 0, false
		}
	case LinkNull, LinkLoop:
		n = 4
	case LinkSLL:
		n = 16
	case LinkSLL2:
		n = 20
	}
	if len(p.Data) < n+ipv4Length {
		return nil, nil, 0, false
	}
	head, ip = p.Data[:n:n], p.Data[n:]
	switch ip[0] >> 4 {
	case 4:
		wire = int(binary.BigEndian.Uint16(ip[2:]))
		if wire == 0 { // segmentation offload
			wire = p.Length() - n
		}
	case 6:
		if len(ip) < ipv6Length {
			return nil, nil, 0, false
		}
		wire = ipv6Length + int(binary.BigEndian.Uint16(ip[4:]))
	default:
		return nil, nil, 0, false
	}
	return head, ip[:min(len(ip), wire)], wire, wire <= p.Length()-n
}

// packet encodes a segment, with correct lengths and checksums. Payload that was not captured
// counts as zeros in the checksum.
func (s *segment) packet() Packet {
	p := s.Packet
	whole := append(slices.Clone(s.payload), make([]byte, s.length-len(s.payload))...)
	data := slices.Concat(s.head, TCP(s.src, s.dst, s.tcp, whole))
	p.Data, p.OrigLen = data[:len(data)-(s.length-len(s.payload))], len(data)
	return p
}

// part returns a copy of s with only the bytes [from, to) of its payload. SYN stays with the first
// byte, FIN with the last.
func (s *segment) part(from, to int) *segment {
	c := *s
	c.tcp.Seq += uint32(from)
	if from > 0 {
		c.tcp.Flags &^= SYN
		if s.tcp.Flags&SYN != 0 {
			c.tcp.Seq++
		}
	}
	if to < s.length {
		c.tcp.Flags &^= FIN | PSH
	}
	c.payload = s.payload[min(from, len(s.payload)):min(to, len(s.payload))]
	c.length = to - from
	return &c
}

// with returns a copy of s with another payload at another sequence number.
func (s *segment) with(seq uint32, payload []byte) *segment {
	c := *s
	c.tcp.Seq, c.payload, c.length = seq, payload, len(payload)
	c.tcp.Flags &^= SYN | FIN | RST
	return &c
}

// end returns the sequence number after the segment.
func (s *segment) end() uint32 {
	end := s.tcp.Seq + uint32(s.length)
	if s.tcp.Flags&SYN != 0 {
		end++
	}
	if s.tcp.Flags&FIN != 0 {
		end++
	}
	return end
}

// way identifies one direction of one connection.
type way struct {
	stream int
	dir    Direction
}

// way returns the direction of the segment.
func (s *segment) way() way { return way{s.stream, s.dir} }

// edit calls f for every TCP segment in order and replaces it with the result. Other packets stay
// in their places.
func edit(packets []Packet, f func(s *segment) []*segment) []Packet {
	var out []Packet
	for i, s := range dissect(packets) {
		if s == nil {
			out = append(out, packets[i])
			continue
		}
		for _, e := range f(s) {
			out = append(out, e.packet())
		}
	}
	return out
}
