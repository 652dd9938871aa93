//go:build !libpcap

package capture

import (
	"fmt"
	"net"
	"net/netip"
)

// Devices lists the network interfaces of this host in the order of their index.
func Devices() ([]Device, error) {
	found, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var list []Device
	for _, f := range found {
		d := Device{Name: f.Name, Up: f.Flags&net.FlagUp != 0, Running: f.Flags&net.FlagRunning != 0}
		// A removed interface has no addresses.
		addresses, err := f.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok {
				addr, _ := netip.AddrFromSlice(n.IP)
				bits, _ := n.Mask.Size()
				d.Addresses = append(d.Addresses, netip.PrefixFrom(addr.Unmap(), bits))
			}
		}
		list = append(list, d)
	}
	return list, nil
}
