package capturetest

import "net/netip"

// Translated gives every TCP packet twice: as the client's side of an address translation has it, and as the
// server's side does, with another address and port of the server.
func Translated(packets []Packet) []Packet {
	return edit(packets, func(s *segment) []*segment {
		c := *s
		if s.dir == ToBroker {
			c.dst = translated(s.dst)
		} else {
			c.src = translated(s.src)
			return []*segment{&c, s} // the answer comes from behind
		}
		return []*segment{s, &c}
	})
}

// translated is the server's own address and port.
func translated(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, 77}), 30092)
	}
	return netip.AddrPortFrom(netip.MustParseAddr("2001:db8:77::77"), 30092)
}

// mirrored gives every packet once for each of the tunnels or tags, as mirror ports on both sides of a router do.
func mirrored(places ...[]Tunnel) func([]Packet) []Packet {
	return func(packets []Packet) []Packet {
		var copies [][]Packet
		for _, tunnels := range places {
			if len(tunnels) == 0 {
				copies = append(copies, packets)
			} else {
				copies = append(copies, Encapsulate(packets, tunnels...))
			}
		}
		var out []Packet
		for i := range packets {
			for _, c := range copies {
				out = append(out, c[i])
			}
		}
		return out
	}
}

// twins are captures in which one connection is seen in several places.
func twins() []Variant {
	return []Variant{
		{"before and after address translation", KeepsAll, func(p []Packet, seed uint64) []Packet {
			return Translated(WrapSequence(p, seed)) // initial sequence numbers as random as real ones
		}},
		{"on two VLANs", KeepsAll, plain(mirrored([]Tunnel{VLAN(EtherVLAN, 10)}, []Tunnel{VLAN(EtherVLAN, 20)}))},
		{"with two tags, one and none", KeepsAll, plain(mirrored(
			[]Tunnel{VLAN(EtherVLAN, 10), VLAN(EtherVLAN, 100)}, []Tunnel{VLAN(EtherVLAN, 10)}, nil))},
	}
}
