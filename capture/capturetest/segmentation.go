package capturetest

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// segmentations are the variants with the same bytes in other segments, IP packets and fragments.
func segmentations() []Variant {
	return []Variant{
		{"split at random", KeepsAll, func(p []Packet, seed uint64) []Packet { return Split(p, seed, 64) }},
		{"split at every byte", KeepsAll, plain(SplitBytes)},
		{"merged", KeepsAll, func(p []Packet, _ uint64) []Packet { return Coalesce(p, 60_000) }},
		{"fragments", KeepsAll, func(p []Packet, _ uint64) []Packet { return Fragment(p, 64, Fragments{}) }},
		{"fragments with DF", KeepsAll, func(p []Packet, _ uint64) []Packet { return Fragment(p, 256, Fragments{DontFragment: true}) }},
		{"fragments, last one first", KeepsAll, func(p []Packet, _ uint64) []Packet { return Fragment(p, 128, Fragments{Reversed: true}) }},
		{"IPv6", KeepsAll &^ KeepsAddresses, plain(ToIPv6)},
		{"IPv6 fragments", KeepsAll &^ KeepsAddresses, func(p []Packet, _ uint64) []Packet { return Fragment(ToIPv6(p), 128, Fragments{}) }},
		{"IPv6 fragments, last one first", KeepsAll &^ KeepsAddresses, func(p []Packet, _ uint64) []Packet {
			return Fragment(ToIPv6(p), 64, Fragments{Reversed: true})
		}},
		{"IPv4 length 0", KeepsAll, plain(ZeroLength)},
		{"Ethernet padding", KeepsAll, func(p []Packet, seed uint64) []Packet { return Pad(p, seed) }},
	}
}

// Split cuts every segment at random places into parts of at most limit bytes.
func Split(packets []Packet, seed uint64, limit int) []Packet {
	r := random(seed)
	return edit(packets, func(s *segment) []*segment {
		if s.length < 2 {
			return []*segment{s}
		}
		var parts []*segment
		for from := 0; from < s.length; {
			to := min(s.length, from+1+r.IntN(limit))
			parts = append(parts, s.part(from, to))
			from = to
		}
		return parts
	})
}

// SplitBytes cuts every segment into parts of one byte.
func SplitBytes(packets []Packet) []Packet { return Split(packets, 0, 1) }

// Coalesce joins consecutive segments of a direction up to limit bytes, as receive offload does.
// Payload or a FIN from the other side, or a pause longer than together, ends a joined segment. It
// has the place of its last part.
func Coalesce(packets []Packet, limit int) []Packet {
	segments := dissect(packets)
	held := map[int]int{} // stream to the place of the segment that may grow
	gone := make([]bool, len(packets))
	for i, s := range segments {
		if s == nil || s.length == 0 && s.tcp.Flags&(SYN|FIN|RST) == 0 {
			continue
		}
		if at, ok := held[s.stream]; ok {
			h := segments[at]
			if h.dir == s.dir && h.end() == s.tcp.Seq && h.length+s.length <= limit && s.tcp.Flags&(SYN|RST) == 0 && s.Time-h.Time <= together {
				s.tcp.Seq = h.tcp.Seq
				s.payload = slices.Concat(h.payload, s.payload)
				s.length += h.length
				gone[at] = true
			}
		}
		delete(held, s.stream)
		if s.tcp.Flags&(SYN|FIN|RST) == 0 && len(s.payload) == s.length {
			held[s.stream] = i
		}
	}
	var out []Packet
	for i, s := range segments {
		switch {
		case gone[i]:
		case s == nil:
			out = append(out, packets[i])
		default:
			out = append(out, s.packet())
		}
	}
	return out
}

// Fragments configures Fragment.
type Fragments struct {
	// Reversed sends the last fragment first.
	Reversed bool
	// DontFragment sets DF in the IPv4 fragments, as some senders do.
	DontFragment bool
}

// Fragment cuts each completely captured IP packet into fragments with at most size bytes of its
// payload, a multiple of 8 (RFC 791, RFC 8200 4.5).
func Fragment(packets []Packet, size int, how Fragments) []Packet {
	var out []Packet
	for i, p := range packets {
		head, ip, wire, ok := network(p)
		if !ok || len(ip) < wire {
			out = append(out, p)
			continue
		}
		var fragments []Packet
		for _, fragment := range cut(ip, size, uint16(i+1), how) {
			f := p
			f.Data, f.OrigLen = slices.Concat(head, fragment), 0
			fragments = append(fragments, f)
		}
		if how.Reversed {
			slices.Reverse(fragments)
		}
		out = append(out, fragments...)
	}
	return out
}

// cut returns the fragments of an IP packet, or only the packet if it is short enough.
func cut(ip []byte, size int, id uint16, how Fragments) [][]byte {
	header := ipv4Length
	if ip[0]>>4 == 6 {
		header = ipv6Length
	}
	payload := ip[header:]
	if len(payload) <= size || ip[0]>>4 == 4 && ip[0]&15 != ipv4Length/4 {
		return [][]byte{ip}
	}
	var fragments [][]byte
	for offset := 0; offset < len(payload); offset += size {
		end := min(offset+size, len(payload))
		f := ipv4Fragment{id: id, dontFragment: how.DontFragment, more: end < len(payload), offset: offset}
		if ip[0]>>4 == 4 {
			src, dst := netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
			fragments = append(fragments, ipv4(src, dst, ip[9], f, payload[offset:end]))
			continue
		}
		fragments = append(fragments, ipv6FragmentOf(ip, f, payload[offset:end]))
	}
	return fragments
}

// ipv6FragmentOf returns a fragment of an IPv6 packet without extension headers.
func ipv6FragmentOf(ip []byte, f ipv4Fragment, payload []byte) []byte {
	extension := []byte{ip[6], 0}
	place := uint16(f.offset)
	if f.more {
		place |= 1
	}
	extension = binary.BigEndian.AppendUint16(extension, place)
	extension = binary.BigEndian.AppendUint32(extension, 0x10000+uint32(f.id))
	src, dst := netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
	return IP(src, dst, ProtocolFragment, append(extension, payload...))
}

// ZeroLength sets the length in the header of each IPv4 packet with TCP payload to 0. A sender
// with segmentation offload captures its packets like this.
func ZeroLength(packets []Packet) []Packet {
	out := slices.Clone(packets)
	for i, s := range dissect(packets) {
		if s == nil || s.length == 0 || !s.src.Addr().Is4() || len(s.head)+ipv4Length+tcpLength+len(s.tcp.Options)+s.length != s.Length() {
			continue
		}
		data := slices.Clone(out[i].Data)
		header := data[len(s.head):]
		header[2], header[3] = 0, 0
		sumIPv4(header)
		out[i].Data = data
	}
	return out
}

// Pad appends random bytes to each completely captured Ethernet frame: up to the 60 bytes of the
// shortest frame, or 4 to a longer one, like a frame check sequence.
func Pad(packets []Packet, seed uint64) []Packet {
	r := random(seed)
	out := slices.Clone(packets)
	const shortest, checkSequence = 60, 4
	for i, p := range packets {
		if p.Link != LinkEthernet || len(p.Data) < p.Length() {
			continue
		}
		n := max(checkSequence, shortest-len(p.Data))
		out[i].Data = append(slices.Clone(p.Data), garbage(r, n)...)
		out[i].OrigLen = 0
	}
	return out
}

// ToIPv6 puts each TCP segment into IPv6. It maps an IPv4 address to one in 2001:db8::/96.
func ToIPv6(packets []Packet) []Packet {
	translate := func(a netip.AddrPort) netip.AddrPort {
		if !a.Addr().Is4() {
			return a
		}
		b := netip.MustParseAddr("2001:db8::").As16()
		copy(b[12:], a.Addr().AsSlice())
		return netip.AddrPortFrom(netip.AddrFrom16(b), a.Port())
	}
	return edit(packets, func(s *segment) []*segment {
		if !s.src.Addr().Is4() {
			return []*segment{s}
		}
		s.src, s.dst = translate(s.src), translate(s.dst)
		if s.Link == LinkIPv4 {
			s.Link = LinkIPv6
		}
		s.head = linkHeader(s.Link, EtherIPv6)
		return []*segment{s}
	})
}
