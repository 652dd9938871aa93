package capturetest

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// copies are the variants with duplicate packets or another order.
func copies() []Variant {
	return []Variant{
		{"every packet twice", KeepsAll, plain(Duplicate)},
		{"retransmissions", KeepsAll, func(p []Packet, seed uint64) []Packet { return Retransmit(p, seed, 0.3) }},
		{"overlaps with the same content", KeepsAll, func(p []Packet, seed uint64) []Packet { return Overlap(p, seed, false) }},
		{"overlaps with other content", KeepsAll, func(p []Packet, seed uint64) []Packet { return Overlap(p, seed, true) }},
		{"keep-alives", KeepsAll, plain(KeepAlives)},
		{"out of order", KeepsAll, func(p []Packet, seed uint64) []Packet { return Reorder(p, seed, 4) }},
		{"split and out of order", KeepsAll, func(p []Packet, seed uint64) []Packet {
			return Reorder(Split(p, seed, 90), seed, 16)
		}},
		{"split, twice and out of order", KeepsAll, func(p []Packet, seed uint64) []Packet {
			return Reorder(Duplicate(Split(p, seed, 200)), seed, 12)
		}},
		{"sequence numbers wrap", KeepsAll, WrapSequence},
		{"sequence numbers wrap, out of order", KeepsAll, func(p []Packet, seed uint64) []Packet {
			return Reorder(WrapSequence(Split(p, seed, 120), seed), seed, 8)
		}},
	}
}

// Duplicate returns every packet twice in a row, as mirror ports and "any" do.
func Duplicate(packets []Packet) []Packet {
	var out []Packet
	for _, p := range packets {
		out = append(out, p, p)
	}
	return out
}

// Retransmit sends each segment with payload again with probability p, after a few more packets.
func Retransmit(packets []Packet, seed uint64, p float64) []Packet {
	r := random(seed)
	type again struct {
		packet Packet
		after  int
	}
	var waiting []again
	var out []Packet
	segments := dissect(packets)
	for i, packet := range packets {
		out = append(out, packet)
		rest := waiting[:0]
		for _, w := range waiting {
			if w.after > i && i < len(packets)-1 {
				rest = append(rest, w)
				continue
			}
			w.packet.Time = packet.Time
			out = append(out, w.packet)
		}
		waiting = rest
		if s := segments[i]; s != nil && s.length > 0 && r.Float64() < p {
			waiting = append(waiting, again{packet, i + 1 + r.IntN(4)})
		}
	}
	return out
}

// Overlap sends old bytes again together with new ones. About half of the segments begin before
// the end of the previous one. Others are sent a second time, completely or in part. If other is
// true, retransmitted bytes differ from the first ones, which are the valid ones.
func Overlap(packets []Packet, seed uint64, other bool) []Packet {
	r := random(seed)
	previous := map[way]*segment{}
	return edit(packets, func(s *segment) []*segment {
		if s.length == 0 || s.tcp.Flags&(SYN|RST) != 0 || len(s.payload) < s.length {
			return []*segment{s}
		}
		p := previous[s.way()]
		previous[s.way()] = s
		out := s
		if p != nil && p.end() == s.tcp.Seq && r.IntN(2) == 0 {
			n := 1 + r.IntN(p.length)
			old := again(r, p.payload[p.length-n:], other)
			c := *s
			c.tcp.Seq -= uint32(n)
			c.payload = append(old, s.payload...)
			c.length = len(c.payload)
			out = &c
		}
		if r.IntN(3) > 0 {
			return []*segment{out}
		}
		from := r.IntN(s.length)
		return []*segment{out, s.with(s.tcp.Seq+uint32(from), again(r, s.payload[from:], other))}
	})
}

// again returns a copy of data, or other bytes instead.
func again(r *rand.Rand, data []byte, other bool) []byte {
	if other {
		return garbage(r, len(data))
	}
	return append([]byte(nil), data...)
}

// KeepAlives adds two keep-alives of the same sender after every segment with payload, one without
// payload and one with an old byte, and their acknowledgements.
func KeepAlives(packets []Packet) []Packet {
	return edit(packets, func(s *segment) []*segment {
		if s.length == 0 || s.tcp.Flags&(SYN|FIN|RST) != 0 {
			return []*segment{s}
		}
		answer := s.with(s.tcp.Ack, nil)
		answer.src, answer.dst = s.dst, s.src
		answer.tcp.Ack = s.end()
		return []*segment{s, s.with(s.end()-1, nil), answer, s.with(s.end()-1, []byte{0}), answer}
	})
}

// together bounds the time between packets that may change order on their way or that receive
// offload joins, in nanoseconds.
const together = int64(20 * time.Millisecond)

// Reorder shuffles the segments of each direction of a connection. No segment moves by more than
// window segments. None moves past a packet of the other direction, a SYN or RST, or a pause
// longer than together. So every byte still comes before its acknowledgement. In a connection
// joined midstream, the first segments of a direction stay, because the beginning of that
// direction is unknown.
func Reorder(packets []Packet, seed uint64, window int) []Packet {
	r := random(seed)
	out := append([]Packet(nil), packets...)
	segments := dissect(packets)
	runs := map[int][]int{} // stream to the places of its current run
	began := map[way]int{}  // segments since the direction became known
	shuffle := func(run []int) {
		for len(run) > 0 {
			n := min(window, len(run))
			for i, j := range r.Perm(n) {
				out[run[i]] = packets[run[j]]
				out[run[i]].Time = packets[run[i]].Time
			}
			run = run[n:]
		}
	}
	for i, s := range segments {
		if s == nil {
			continue
		}
		run := runs[s.stream]
		if len(run) > 0 && (segments[run[0]].dir != s.dir || s.Time-packets[run[len(run)-1]].Time > together) {
			shuffle(run)
			run = nil
		}
		switch {
		case s.tcp.Flags&(SYN|RST) != 0:
			shuffle(run)
			run = nil
			began[s.way()] += window
		case began[s.way()] < window:
			began[s.way()]++
		default:
			run = append(run, i)
		}
		runs[s.stream] = run
	}
	for stream := range len(packets) {
		shuffle(runs[stream])
	}
	return out
}

// WrapSequence changes the sequence numbers of each direction so that they pass 2^32 within its
// bytes.
func WrapSequence(packets []Packet, seed uint64) []Packet {
	r := random(seed)
	first, last := map[way]uint32{}, map[way]uint32{}
	for _, s := range dissect(packets) {
		if s == nil {
			continue
		}
		w := s.way()
		if _, ok := first[w]; !ok {
			first[w], last[w] = s.tcp.Seq, s.end()
		}
		if int32(s.end()-last[w]) > 0 {
			last[w] = s.end()
		}
	}
	shift := map[way]uint32{}
	return edit(packets, func(s *segment) []*segment {
		for _, w := range []way{s.way(), {s.stream, s.dir.Reverse()}} {
			if _, ok := shift[w]; !ok {
				span := max(1, last[w]-first[w])
				shift[w] = -(first[w] + 1 + r.Uint32N(span))
			}
		}
		other := shift[way{s.stream, s.dir.Reverse()}]
		s.tcp.Seq += shift[s.way()]
		if s.tcp.Flags&ACK != 0 {
			s.tcp.Ack += other
		}
		s.tcp.Options = shiftSACK(s.tcp.Options, other)
		return []*segment{s}
	})
}

// shiftSACK adds by to the edges in selective acknowledgement options (RFC 2018).
func shiftSACK(options []byte, by uint32) []byte {
	const end, noOperation, sack = 0, 1, 5
	out := append([]byte(nil), options...)
	for i := 0; i < len(out) && out[i] != end; {
		if out[i] == noOperation {
			i++
			continue
		}
		if i+1 >= len(out) || out[i+1] < 2 || i+int(out[i+1]) > len(out) {
			break
		}
		length := int(out[i+1])
		if out[i] == sack {
			for at := i + 2; at+4 <= i+length; at += 4 {
				binary.BigEndian.PutUint32(out[at:], binary.BigEndian.Uint32(out[at:])+by)
			}
		}
		i += length
	}
	return out
}
