package capture

import (
	"fmt"
	"net/netip"
	"slices"
)

// Filter says which TCP connections are of interest. Its parts are joined by
// "and", the members of each part by "or". The zero value accepts all TCP.
type Filter struct {
	// Ports, unless empty: one of them must be the source or destination port.
	Ports []uint16
	// NotPorts: none of them may be the source or destination port.
	NotPorts []uint16
	// Nets, unless empty: the source or destination address must lie in one of
	// them. See ParseNet.
	Nets []netip.Prefix
	// TunnelPorts are UDP destination ports of tunnels in addition to those
	// that are always looked into (see DissectorOptions). Match does not
	// look at them: they tell the kernel what to let through, so that a connection
	// inside a tunnel is judged by its own ports and addresses.
	TunnelPorts []uint16
}

// ParseNet reads an address (10.1.2.3) or a network (10.0.0.0/8) for Filter.Nets.
func ParseNet(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if a, aerr := netip.ParseAddr(s); aerr == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: not an IP address (10.1.2.3) or network (10.0.0.0/8)", s)
	}
	return unmapPrefix(p), nil
}

// unmapPrefix is p with host bits cleared, and as IPv4 where it is IPv4-mapped IPv6.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// All reports whether f accepts every TCP segment.
func (f *Filter) All() bool {
	return len(f.Ports) == 0 && len(f.NotPorts) == 0 && len(f.Nets) == 0
}

// Match reports whether s is of interest. Both directions of a connection get
// the same answer.
func (f *Filter) Match(s *Segment) bool {
	if len(f.Ports) > 0 && !slices.Contains(f.Ports, s.SrcPort) && !slices.Contains(f.Ports, s.DstPort) {
		return false
	}
	if slices.Contains(f.NotPorts, s.SrcPort) || slices.Contains(f.NotPorts, s.DstPort) {
		return false
	}
	return len(f.Nets) == 0 || f.inNets(s.Src) || f.inNets(s.Dst)
}

// inNets reports whether an address of a Segment lies in one of the networks.
func (f *Filter) inNets(address [16]byte) bool {
	a := netip.AddrFrom16(address).Unmap()
	return slices.ContainsFunc(f.Nets, func(p netip.Prefix) bool { return unmapPrefix(p).Contains(a) })
}
