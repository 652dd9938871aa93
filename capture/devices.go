package capture

import (
	"net/netip"
	"strings"
)

// Device describes a network interface that OpenLive can watch.
type Device struct {
	// Name is the value for LiveOptions.Interface.
	Name string
	// Description is the system's description; empty except on Windows and macOS.
	Description string
	// Up: the interface is switched on. Running: it also has a carrier.
	Up, Running bool
	// Addresses are its addresses with the length of their networks.
	Addresses []netip.Prefix
}

// State returns "up", "no carrier" or "down".
func (d Device) State() string {
	switch {
	case d.Up && d.Running:
		return "up"
	case d.Up:
		return "no carrier"
	}
	return "down"
}

// AddressList returns the addresses as text, "-" for none.
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
