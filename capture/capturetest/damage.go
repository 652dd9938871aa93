package capturetest

// damages are the variants in which something is missing.
func damages() []Variant {
	lossy := func(name string, p float64) Variant {
		return Variant{name, KeepsAddresses, func(packets []Packet, seed uint64) []Packet { return Lose(packets, seed, p) }}
	}
	cut := func(name string, n int) Variant {
		return Variant{name, KeepsAddresses, func(packets []Packet, _ uint64) []Packet { return Snap(packets, n) }}
	}
	return []Variant{
		lossy("0.1 % lost", 0.001),
		lossy("1 % lost", 0.01),
		lossy("2 % lost", 0.02),
		lossy("5 % lost", 0.05),
		lossy("30 % lost", 0.3),
		cut("96 bytes of each packet", 96),
		cut("128 bytes of each packet", 128),
		cut("256 bytes of each packet", 256),
		{"to the broker only", KeepsRequests | KeepsAddresses, func(p []Packet, _ uint64) []Packet { return OneWay(p, ToBroker) }},
		{"to the client only", KeepsAddresses, func(p []Packet, _ uint64) []Packet { return OneWay(p, ToClient) }},
		{"small segments, 5 % lost", KeepsAddresses, func(p []Packet, seed uint64) []Packet { return Lose(Split(p, seed, 100), seed, 0.05) }},
		{"lost and out of order", KeepsAddresses, func(p []Packet, seed uint64) []Packet {
			return Reorder(Lose(Split(p, seed, 200), seed, 0.03), seed, 6)
		}},
		{"fragments, 5 % lost", KeepsAddresses, func(p []Packet, seed uint64) []Packet {
			return Lose(Fragment(p, 64, Fragments{}), seed, 0.05)
		}},
		{"VXLAN, 128 bytes of each packet", KeepsAddresses, func(p []Packet, _ uint64) []Packet {
			return Snap(Encapsulate(p, VXLAN(4789, 5001)), 128)
		}},
		{"the first half", KeepsAddresses, func(p []Packet, _ uint64) []Packet { return p[:len(p)/2] }},
		{"the second half", KeepsAddresses, func(p []Packet, _ uint64) []Packet { return p[len(p)/2:] }},
	}
}

// Lose drops each packet with probability p.
func Lose(packets []Packet, seed uint64, p float64) []Packet {
	r := random(seed)
	var out []Packet
	for _, packet := range packets {
		if r.Float64() >= p {
			out = append(out, packet)
		}
	}
	return out
}

// Snap keeps at most n bytes of each packet, as tcpdump -s does.
func Snap(packets []Packet, n int) []Packet {
	var out []Packet
	for _, p := range packets {
		p.OrigLen = p.Length()
		p.Data = p.Data[:min(n, len(p.Data))]
		out = append(out, p)
	}
	return out
}

// OneWay keeps one direction of each connection. Without a SYN, ToBroker is the direction to the
// lower port.
func OneWay(packets []Packet, d Direction) []Packet {
	return edit(packets, func(s *segment) []*segment {
		if s.dir != d {
			return nil
		}
		return []*segment{s}
	})
}
