package capturetest

import "bytes"

// forgery is what an attacker puts into every connection of a capture, between segments of its end
// systems. Its receiver discards it (RFC 9293 3.10.7.4, RFC 5961), and the connection continues.
type forgery struct {
	name string
	// packets returns the packets that follow s.
	packets func(s *segment) []Packet
}

// far is a distance in bytes outside every window.
const far = 1 << 30

// junk looks like a Kafka request.
var junk = []byte("\x00\x00\x00\x1e\x00\x01\x00\x0c\x00\x00\x00\x63\x00\x04evil\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00")

// allForgeries are all forgeries. "A byte ahead in the window" and "junk a few bytes ahead" are
// kept by the receiver, which never acknowledges the first, and gets the bytes of the second in
// order. The TTL of 1 expires before the receiver. No end system knows of the handshake.
var allForgeries = []forgery{
	{"a RST far off", forged(nil, func(c *segment) { c.tcp.Seq, c.tcp.Flags = c.tcp.Seq+far, RST })},
	{"a RST that did not arrive", forged(nil, func(c *segment) { c.tcp.Flags = RST })},
	{"a FIN far off", forged(nil, func(c *segment) { c.tcp.Seq, c.tcp.Flags = c.tcp.Seq+far, c.tcp.Flags|FIN })},
	{"a FIN with a wrong checksum", tampered(forged(nil, func(c *segment) { c.tcp.Flags |= FIN }), wrongChecksum)},
	{"a SYN in the middle", forged(nil, func(c *segment) { c.tcp.Seq, c.tcp.Flags, c.tcp.Ack = c.tcp.Seq+far, SYN, 0 })},
	{"a byte 5 MiB ahead", forged(junk[:1], func(c *segment) { c.tcp.Seq += 5 << 20 })},
	{"a byte ahead in the window", forged(junk[:1], func(c *segment) { c.tcp.Seq += 3 << 20 })},
	{"junk with an impossible acknowledgement", forged(junk, func(c *segment) { c.tcp.Ack += far })},
	{"junk with a wrong checksum", tampered(forged(junk, nil), wrongChecksum)},
	{"junk with a TTL of 1", tampered(forged(junk, nil), func(s *segment, p Packet) { s.setTTL(p, 1) })},
	{"junk a few bytes ahead", forged(junk, func(c *segment) { c.tcp.Seq += 5 })},
	{"a RST with an impossible acknowledgement", forged(nil, func(c *segment) { c.tcp.Flags, c.tcp.Ack = RST|ACK, c.tcp.Ack+far })},
	{"junk without ACK", forged(junk, func(c *segment) { c.tcp.Flags, c.tcp.Ack = c.tcp.Flags&^ACK, 0 })},
	{"long junk with a wrong checksum", tampered(forged(bytes.Repeat(junk, 600/len(junk)+1), nil), wrongChecksum)},
	{"junk with a checksum of 0", tampered(forged(junk, nil), func(s *segment, p Packet) { clear(s.checksum(p)) })},
	{"junk with a slightly impossible acknowledgement", forged(junk, func(c *segment) { c.tcp.Ack += 1000 })},
	{"a SYN one byte before", forged(nil, func(c *segment) { c.tcp.Seq, c.tcp.Flags, c.tcp.Ack = c.tcp.Seq-1, SYN, 0 })},
	{"a handshake and a request", (*segment).handshake},
}

// forged returns packets of one segment: payload at the next byte that did not reach its receiver,
// changed by change, which may be nil.
func forged(payload []byte, change func(c *segment)) func(s *segment) []Packet {
	return func(s *segment) []Packet {
		c := s.with(s.end(), payload)
		if change != nil {
			change(c)
		}
		return []Packet{c.packet()}
	}
}

// tampered changes encoded packets.
func tampered(packets func(s *segment) []Packet, change func(s *segment, p Packet)) func(s *segment) []Packet {
	return func(s *segment) []Packet {
		out := packets(s)
		for _, p := range out {
			change(s, p)
		}
		return out
	}
}

func wrongChecksum(s *segment, p Packet) { s.checksum(p)[0] ^= 0xff }

// checksum returns the TCP checksum in p.
func (s *segment) checksum(p Packet) []byte {
	ipLength := ipv6Length
	if s.src.Addr().Is4() {
		ipLength = int(p.Data[len(s.head)]&15) * 4
	}
	return p.Data[len(s.head)+ipLength+16:][:2]
}

// handshake returns a handshake and a request with other numbers, from the side that sent s.
func (s *segment) handshake() []Packet {
	syn := s.with(s.end()+far, nil)
	syn.tcp.Flags, syn.tcp.Ack = SYN, 0
	answer := s.with(s.tcp.Ack+far, nil)
	answer.src, answer.dst = s.dst, s.src
	answer.tcp.Flags, answer.tcp.Ack = SYN|ACK, syn.tcp.Seq+1
	data := s.with(syn.tcp.Seq+1, []byte("GET / HTTP/1.1\r\n\r\n"))
	data.tcp.Ack = answer.tcp.Seq + 1
	return []Packet{syn.packet(), answer.packet(), data.packet()}
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

// into puts the forgery of each direction into every connection, in the middle of its traffic.
func (f *forgery) into(packets []Packet) []Packet {
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
		if behind[i] {
			out = append(out, f.packets(s)...)
		}
	}
	return out
}

// firstForgeries is how many of forgeries come before the other kinds of variants, moreForgeries
// how many come before the last ones.
const firstForgeries, moreForgeries = 10, 12

// forgeries are captures with forged segments that their receivers discarded.
func forgeries() []Variant {
	var all []Variant
	for _, f := range allForgeries {
		all = append(all, Variant{"forged: " + f.name, KeepsRequests | KeepsVerdicts | KeepsOutcomes | KeepsAddresses, plain(f.into)})
	}
	return all
}
