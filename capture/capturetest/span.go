package capturetest

import "encoding/binary"

// Span is a plaintext request, and the packets that contain it.
type Span struct {
	Stream        int // number of the connection in the capture
	Key, Version  int16
	CorrelationID int32
	// First and Last are the places of the packets with its first and its last byte.
	First, Last int
}

// Spans returns the plaintext requests of all connections that begin with a SYN. It stops at a
// client byte that is missing or out of order.
func Spans(packets []Packet) []Span {
	type side struct {
		next  uint32
		lost  bool
		bytes []byte
		from  []int // the packet of each of bytes
	}
	sides := map[int]*side{}
	var spans []Span
	for i, s := range dissect(packets) {
		if s == nil || s.dir != ToBroker {
			continue
		}
		if s.tcp.Flags&SYN != 0 {
			sides[s.stream] = &side{next: s.tcp.Seq + 1}
			continue
		}
		c := sides[s.stream]
		if c == nil || c.lost || s.length == 0 {
			continue
		}
		old := int32(c.next - s.tcp.Seq)
		switch {
		case old >= int32(s.length):
			continue
		case old < 0 || len(s.payload) < s.length:
			c.lost = true
			continue
		}
		for _, b := range s.payload[old:] {
			c.bytes, c.from = append(c.bytes, b), append(c.from, i)
		}
		c.next = s.tcp.Seq + uint32(s.length)
		for len(c.bytes) >= 4 {
			n := 4 + int(binary.BigEndian.Uint32(c.bytes))
			if n < 12 || n > len(c.bytes) {
				c.lost = n < 12
				break
			}
			m := c.bytes[4:]
			spans = append(spans, Span{
				Stream: s.stream, Key: int16(binary.BigEndian.Uint16(m)), Version: int16(binary.BigEndian.Uint16(m[2:])),
				CorrelationID: int32(binary.BigEndian.Uint32(m[4:])), First: c.from[0], Last: i,
			})
			c.bytes, c.from = c.bytes[n:], c.from[n:]
		}
	}
	return spans
}

// Streams returns the connection number of each packet, or -1 if it has no whole TCP segment.
func Streams(packets []Packet) []int {
	streams := make([]int, len(packets))
	for i, s := range dissect(packets) {
		streams[i] = -1
		if s != nil {
			streams[i] = s.stream
		}
	}
	return streams
}
