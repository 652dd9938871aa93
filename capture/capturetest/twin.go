package capturetest

import (
	"bytes"
	"net/netip"
)

// Translated returns every TCP packet of a connection that begins in the capture twice, as
// captured on both sides of an address translation. On the client's side, the server has another
// address and port, that of a service.
func Translated(packets []Packet) []Packet {
	begun := map[int]bool{}
	return edit(packets, func(s *segment) []*segment {
		begun[s.stream] = begun[s.stream] || s.tcp.Flags&(SYN|ACK) == SYN
		if !begun[s.stream] {
			return []*segment{s}
		}
		c := *s
		if s.dir == ToBroker {
			c.dst = translated(s.dst)
			return []*segment{&c, s} // the request comes from the client's side
		}
		c.src = translated(s.src)
		return []*segment{s, &c}
	})
}

// Randomize makes the initial sequence numbers random, as those of real connections.
func Randomize(packets []Packet, seed uint64) []Packet {
	r := random(seed)
	shift := map[way]uint32{}
	of := func(w way) uint32 {
		if shift[w] == 0 {
			shift[w] = 1<<28 + r.Uint32N(1<<30)
		}
		return shift[w]
	}
	return edit(packets, func(s *segment) []*segment {
		c := *s
		c.tcp.Seq += of(s.way())
		if s.tcp.Flags&ACK != 0 {
			c.tcp.Ack += of(way{s.stream, s.dir.Reverse()})
		}
		return []*segment{&c}
	})
}

// translated returns the address and port of the service of a server, which are others for each
// server.
func translated(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4() {
		ip := a.Addr().As4()
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, ip[2] ^ byte(a.Port()>>8), ip[3], byte(a.Port())}), 30092)
	}
	ip := a.Addr().As16()
	ip[7], ip[8] = ip[7]^byte(a.Port()), ^ip[8]
	return netip.AddrPortFrom(netip.AddrFrom16(ip), 30092)
}

// mirrored returns every packet once for each list of tunnels or tags, as mirror ports on both
// sides of a router do.
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

// Routed returns every packet twice, as mirror ports on both sides of a router do: in the VLAN of
// the client and in the VLAN of the broker. The router reduces the TTL by one. Each second copy is
// late by delay, in nanoseconds.
func Routed(packets []Packet, client, broker uint16, delay int64) []Packet {
	var out []Packet
	for i, s := range dissect(packets) {
		behind := packets[i]
		behind.Data, behind.Time = bytes.Clone(behind.Data), behind.Time+delay
		s.setTTL(behind, 63)
		near, far := packets[i], behind
		if s.dir == ToClient {
			near, far = far, near
		}
		out = append(out, Encapsulate([]Packet{near}, VLAN(EtherVLAN, client))...)
		out = append(out, Encapsulate([]Packet{far}, VLAN(EtherVLAN, broker))...)
	}
	return Merge(out)
}

// twins are captures of one connection in several places.
func twins() []Variant {
	return []Variant{
		{"before and after address translation", KeepsAll, func(p []Packet, seed uint64) []Packet {
			return Translated(Randomize(p, seed))
		}},
		{"on two VLANs", KeepsAll, plain(mirrored([]Tunnel{VLAN(EtherVLAN, 10)}, []Tunnel{VLAN(EtherVLAN, 20)}))},
		{"with two tags, one and none", KeepsAll, plain(mirrored(
			[]Tunnel{VLAN(EtherVLAN, 10), VLAN(EtherVLAN, 100)}, []Tunnel{VLAN(EtherVLAN, 10)}, nil))},
	}
}
