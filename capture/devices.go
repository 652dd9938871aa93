package capture

import (
	"net/netip"
	"strings"
)

// Device describes a network interface that OpenLive can watch.
type Device struct {
	// Name is what LiveOptions.Interface takes.
	Name string
	// Description is what the system says of it besides; empty except on Windows and macOS.
	Description string
	// Up says that it is switched on, Running that it has a carrier, too.
	Up, Running bool
	// Loopback says that it connects the host with itself.
	Loopback bool
	// Addresses are its addresses with the length of their networks.
	Addresses []netip.Prefix
}

// State is "up", "no carrier" or "down".
func (d Device) State() string {
	switch {
	case d.Up && d.Running:
		return "up"
	case d.Up:
		return "no carrier"
	}
	return "down"
}

// AddressList puts the addresses into words, "-" for none.
func (d Device) AddressList() string {
	if len(d.Addresses) == 0 {
		return "-"
	}
	var list []string
	for _, a := range d.Addresses {
		list = append(list, a.String())
	}
	return strings.Join(list, " ")
}
