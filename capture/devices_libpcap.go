//go:build libpcap

package capture

import (
	"fmt"
	"net/netip"

	libpcap "github.com/google/gopacket/pcap"
)

// Flags of an interface in libpcap (PCAP_IF_ in pcap/pcap.h).
const (
	pcapUp      = 0x02
	pcapRunning = 0x04
)

// Devices lists the network interfaces of this host that libpcap can open.
func Devices() ([]Device, error) {
	found, err := libpcap.FindAllDevs()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var list []Device
	for _, f := range found {
		if f.Name == AnyInterface {
			continue
		}
		d := Device{Name: f.Name, Description: f.Description, Up: f.Flags&pcapUp != 0, Running: f.Flags&pcapRunning != 0}
		for _, a := range f.Addresses {
			if addr, ok := netip.AddrFromSlice(a.IP); ok {
				addr, bits := addr.Unmap(), addr.Unmap().BitLen()
				if a.Netmask != nil {
					bits, _ = a.Netmask.Size()
				}
				d.Addresses = append(d.Addresses, netip.PrefixFrom(addr, bits))
			}
		}
		list = append(list, d)
	}
	return list, nil
}
