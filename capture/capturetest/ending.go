package capturetest

import (
	"maps"
	"net/netip"
	"slices"
)

// endings are the variants in which connections begin or end in another way.
func endings() []Variant {
	return []Variant{
		{"RST in one direction after the FIN", KeepsAll, plain(ResetAfterFIN)},
		{"data after FIN", KeepsAll, DataAfterFIN},
		{"ports reused", KeepsAll &^ KeepsAddresses, func(p []Packet, _ uint64) []Packet { return ReusePorts(p, true) }},
		{"ports reused, ends unseen", KeepsRequests | KeepsVerdicts, func(p []Packet, _ uint64) []Packet { return ReusePorts(p, false) }},
		{"no handshakes", KeepsRequests | KeepsVerdicts | KeepsOutcomes | KeepsAddresses, plain(StripHandshakes)},
	}
}

// ResetAfterFIN adds a RST at the end of each connection that has a FIN, from the side that did
// not send the first FIN.
func ResetAfterFIN(packets []Packet) []Packet {
	segments := dissect(packets)
	fin := map[int]*segment{}
	last := map[way]*segment{}
	at := map[int]int{}
	for i, s := range segments {
		if s == nil {
			continue
		}
		if s.tcp.Flags&FIN != 0 && fin[s.stream] == nil {
			fin[s.stream] = s
		}
		last[s.way()] = s
		at[s.stream] = i
	}
	var out []Packet
	for i, s := range segments {
		out = append(out, packets[i])
		if s == nil || at[s.stream] != i || fin[s.stream] == nil {
			continue
		}
		l := last[way{s.stream, fin[s.stream].dir.Reverse()}]
		if l == nil {
			continue
		}
		rst := l.with(l.end(), nil)
		rst.Time, rst.tcp.Flags = s.Time, RST|ACK
		out = append(out, rst.packet())
	}
	return out
}

// DataAfterFIN adds a segment with random bytes of the same sender after each FIN. Its receiver
// must ignore them (RFC 9293 3.10.7.4).
func DataAfterFIN(packets []Packet, seed uint64) []Packet {
	r := random(seed)
	return edit(packets, func(s *segment) []*segment {
		if s.tcp.Flags&FIN == 0 {
			return []*segment{s}
		}
		return []*segment{s, s.with(s.end(), garbage(r, 24))}
	})
}

// ReusePorts gives connections between the same two hosts the same client port, if one ends before
// the other begins. If ends is false, it omits the FIN and RST packets of a connection whose port
// is reused, and everything after them.
func ReusePorts(packets []Packet, ends bool) []Packet {
	segments := dissect(packets)
	type span struct {
		first, last int
		client      netip.AddrPort
		broker      netip.AddrPort
		fresh       bool // begins with a SYN
	}
	spans := map[int]*span{}
	for i, s := range segments {
		if s == nil {
			continue
		}
		if spans[s.stream] == nil {
			client, broker := s.src, s.dst
			if s.dir == ToClient {
				client, broker = broker, client
			}
			spans[s.stream] = &span{first: i, client: client, broker: broker, fresh: s.tcp.Flags&(SYN|ACK) == SYN}
		}
		spans[s.stream].last = i
	}
	type hosts struct{ client, broker netip.AddrPort } // the client's port is 0
	free := map[hosts][]int{}                          // streams whose port no later one has, by their end
	port := map[int]uint16{}
	reused := map[int]bool{}
	for _, stream := range slices.Sorted(maps.Keys(spans)) {
		sp := spans[stream]
		key := hosts{netip.AddrPortFrom(sp.client.Addr(), 0), sp.broker}
		port[stream] = sp.client.Port()
		for i, earlier := range free[key] {
			if sp.fresh && spans[earlier].last < sp.first {
				port[stream] = port[earlier]
				reused[earlier] = true
				free[key] = slices.Delete(free[key], i, i+1)
				break
			}
		}
		free[key] = append(free[key], stream)
	}
	ended := map[int]bool{}
	return edit(packets, func(s *segment) []*segment {
		ended[s.stream] = ended[s.stream] || s.tcp.Flags&(FIN|RST) != 0
		if !ends && reused[s.stream] && ended[s.stream] && s.length == 0 {
			return nil
		}
		client := netip.AddrPortFrom(spans[s.stream].client.Addr(), port[s.stream])
		if !ends && reused[s.stream] {
			s.tcp.Flags &^= FIN
		}
		if s.dir == ToBroker {
			s.src = client
		} else {
			s.dst = client
		}
		return []*segment{s}
	})
}

// StripHandshakes omits every SYN and the pure acknowledgement that completes a handshake.
func StripHandshakes(packets []Packet) []Packet {
	shaking := map[int]bool{}
	return edit(packets, func(s *segment) []*segment {
		switch {
		case s.tcp.Flags&SYN != 0:
			shaking[s.stream] = true
			return nil
		case s.length > 0 || s.tcp.Flags&(FIN|RST) != 0:
			shaking[s.stream] = false
		case shaking[s.stream] && s.dir == ToBroker:
			return nil
		}
		return []*segment{s}
	})
}
