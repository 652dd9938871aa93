package capture

import (
	"fmt"
	"net/netip"
	"slices"
)

// Filter selects TCP connections. A segment must match every part that is not empty. One match
// within a part is enough. The zero value accepts all TCP.
type Filter struct {
	// Ports, unless empty: the source or destination port must be one of them.
	Ports []uint16
	// NotPorts: neither port may be one of them.
	NotPorts []uint16
	// Nets, unless empty: the source or destination address must be in one of them. See
	// ParseNet.
	Nets []netip.Prefix
	// TunnelPorts are additional UDP destination ports of tunnels (see DissectorOptions). Match
	// ignores them. The kernel filter accepts all packets to them, because a connection inside a
	// tunnel has ports and addresses of its own.
	TunnelPorts []uint16
}

// ParseNet parses an address (10.1.2.3) or a network (10.0.0.0/8) for Filter.Nets.
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

// unmapPrefix clears the host bits of p, and converts IPv4-mapped IPv6 to IPv4.
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

// Match reports whether f accepts s. Both directions of a connection get the same result.
func (f *Filter) Match(s *Segment) bool {
	if len(f.Ports) > 0 && !slices.Contains(f.Ports, s.SrcPort) && !slices.Contains(f.Ports, s.DstPort) {
		return false
	}
	if slices.Contains(f.NotPorts, s.SrcPort) || slices.Contains(f.NotPorts, s.DstPort) {
		return false
	}
	return len(f.Nets) == 0 || f.inNets(s.Src) || f.inNets(s.Dst)
}

func (f *Filter) inNets(address [16]byte) bool {
	a := netip.AddrFrom16(address).Unmap()
	return slices.ContainsFunc(f.Nets, func(p netip.Prefix) bool { return unmapPrefix(p).Contains(a) })
}
