package capture

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

func TestParseNetTakesAddressesAndNetworks(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3":             "10.1.2.3/32",
		"10.1.2.3/8":           "10.0.0.0/8",
		"2001:db8::1":          "2001:db8::1/128",
		"2001:db8::1/32":       "2001:db8::/32",
		"::ffff:10.1.2.3":      "10.1.2.3/32",
		"::ffff:10.1.2.3/104":  "10.0.0.0/8",
		"0.0.0.0/0":            "0.0.0.0/0",
		"":                     "",
		"broker.example":       "",
		"10.1.2.3/33":          "",
		"10.1.2":               "",
		"fe80::1%eth0":         "",
		"10.0.0.0-10.0.0.255":  "",
		"10.0.0.0/255.0.0.0":   "",
		"10.1.2.3,10.1.2.4":    "",
		" 10.1.2.3":            "",
		"2001:db8::/32::/32":   "",
		"1.2.3.4/00000000000":  "",
		"::ffff:10.1.2.3/1000": "",
	} {
		got, err := ParseNet(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("ParseNet(%q) is %v, want an error", text, got)
		case want == "" && !strings.Contains(err.Error(), "not an IP address"):
			t.Errorf("ParseNet(%q): %v", text, err)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("ParseNet(%q) is %v, %v, want %s", text, got, err, want)
		}
	}
}

func TestFilterMatchesBothDirections(t *testing.T) {
	segment := func(src, dst string) *Segment {
		from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
		return &Segment{Src: from.Addr().As16(), Dst: to.Addr().As16(), SrcPort: from.Port(), DstPort: to.Port()}
	}
	net := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	for _, c := range []struct {
		name     string
		filter   Filter
		src, dst string
		want     bool
	}{
		{"nothing asked", Filter{}, "10.0.0.1:1", "10.0.0.2:2", true},
		{"tunnel ports are no wish", Filter{TunnelPorts: []uint16{9}}, "10.0.0.1:1", "10.0.0.2:2", true},
		{"port", Filter{Ports: []uint16{9092, 9093}}, "10.0.0.1:1", "10.0.0.2:9093", true},
		{"other port", Filter{Ports: []uint16{9092}}, "10.0.0.1:1", "10.0.0.2:9093", false},
		{"not port", Filter{NotPorts: []uint16{22}}, "10.0.0.1:1", "10.0.0.2:22", false},
		{"not another port", Filter{NotPorts: []uint16{22}}, "10.0.0.1:1", "10.0.0.2:23", true},
		{"port and not port", Filter{Ports: []uint16{9092}, NotPorts: []uint16{22}}, "10.0.0.1:22", "10.0.0.2:9092", false},
		{"net", Filter{Nets: net("10.0.0.0/31")}, "10.0.0.1:1", "10.9.0.2:2", true},
		{"outside", Filter{Nets: net("10.0.0.0/31")}, "10.0.0.2:1", "10.0.0.3:2", false},
		{"net with host bits", Filter{Nets: net("10.0.0.1/31")}, "10.0.0.0:1", "10.0.0.3:2", true},
		{"IPv4-mapped net", Filter{Nets: net("::ffff:10.0.0.0/127")}, "10.0.0.1:1", "10.0.0.3:2", true},
		{"IPv4 is not in ::/0", Filter{Nets: net("::/0")}, "10.0.0.1:1", "10.0.0.3:2", false},
		{"IPv6", Filter{Nets: net("2001:db8::/32")}, "[2001:db8::1]:1", "[2001:db9::1]:2", true},
		{"net and port", Filter{Nets: net("10.0.0.0/8"), Ports: []uint16{9092}}, "10.0.0.1:1", "10.0.0.3:2", false},
	} {
		if got := c.filter.Match(segment(c.src, c.dst)); got != c.want {
			t.Errorf("%s: Match is %v, want %v", c.name, got, c.want)
		}
		if got := c.filter.Match(segment(c.dst, c.src)); got != c.want {
			t.Errorf("%s, backwards: Match is %v, want %v", c.name, got, c.want)
		}
	}
	if f := (Filter{TunnelPorts: []uint16{1}}); !f.All() {
		t.Error("a filter without a wish does not accept all")
	}
	if f := (Filter{NotPorts: []uint16{1}}); f.All() {
		t.Error("--not-port accepts all")
	}
}

// TestLargeFiltersJumpFar compiles and runs filters whose jumps exceed 8 bits.
func TestLargeFiltersJumpFar(t *testing.T) {
	ethernet, _ := frameOf(LinkTypeEthernet)
	var f Filter
	for i := range 150 {
		f.Nets = append(f.Nets, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), 0}), 24))
		f.Nets = append(f.Nets, netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(i)}), 24))
	}
	for i := range 400 {
		f.Ports = append(f.Ports, uint16(10000+i))
		f.NotPorts = append(f.NotPorts, uint16(20000+i))
	}
	f.Ports = append(f.Ports, f.Ports...) // duplicates do not count
	raw, err := f.compile(ethernet, 4096, false)
	if err != nil {
		t.Fatal(err)
	}
	vm := machine(t, disassemble(t, raw))
	packet := func(last, port, other int) []byte {
		b := make([]byte, 80)
		b[12], b[13] = 0x08, 0x00
		b[14], b[23] = 0x45, 6
		copy(b[26:], []byte{10, 1, byte(last), 9, 172, 16, 0, 1})
		b[34], b[35], b[36], b[37] = byte(port>>8), byte(port), byte(other>>8), byte(other)
		return b
	}
	for _, c := range []struct {
		net, port, other int
		want             bool
	}{
		{0, 10000, 1, true}, {149, 10399, 1, true}, {149, 1, 10399, true},
		{150, 10000, 1, false}, {0, 10400, 1, false}, {0, 10000, 20399, false}, {149, 20000, 10399, false},
	} {
		if got := accepts(t, vm, packet(c.net, c.port, c.other)); got != c.want {
			t.Errorf("10.1.%d.9, ports %d and %d: %v, want %v", c.net, c.port, c.other, got, c.want)
		}
	}
}

func TestFilterTooLargeForTheKernelIsRefused(t *testing.T) {
	var f Filter
	for i := range 5000 {
		f.Nets = append(f.Nets, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i / 256), byte(i), 0}), 24))
	}
	_, err := f.compile(cookedFrame, 4096, true)
	if err == nil || !strings.Contains(err.Error(), "limit is 4096") {
		t.Errorf("error is %v", err)
	}
}

// TestFilterKnowsAllLinkTypes runs a filter on each supported link type.
func TestFilterKnowsAllLinkTypes(t *testing.T) {
	ip := make([]byte, 60)
	ip[0], ip[9] = 0x45, 6
	ip[20], ip[21] = 9092>>8, 9092&0xff
	f := Filter{Ports: []uint16{9092}}
	for link, header := range map[LinkType][]byte{
		LinkTypeEthernet:  append(make([]byte, 12), 8, 0),
		LinkTypeLinuxSLL:  append(make([]byte, 14), 8, 0),
		LinkTypeLinuxSLL2: append([]byte{8, 0}, make([]byte, 18)...),
		LinkTypeNull:      {2, 0, 0, 0},
		LinkTypeLoop:      {0, 0, 0, 2},
		LinkTypeRaw:       {}, LinkTypeRawDLT12: {}, LinkTypeRawDLT14: {}, LinkTypeIPv4: {},
	} {
		at, ok := frameOf(link)
		if !ok {
			t.Errorf("%s: not known", link)
			continue
		}
		raw, err := f.compile(at, 96, false)
		if err != nil {
			t.Fatal(err)
		}
		vm := machine(t, disassemble(t, raw))
		packet := append(header, ip...)
		if !accepts(t, vm, packet) {
			t.Errorf("%s: rejected", link)
		}
		packet[len(packet)-40]++
		if accepts(t, vm, packet) {
			t.Errorf("%s: another port is accepted", link)
		}
	}
	for _, e := range encapsulations {
		for _, link := range e.links {
			if _, ok := frameOf(link); !ok {
				t.Errorf("%s, %s: no filter for what the dissector reads", e.name, link)
			}
		}
	}
	if _, ok := frameOf(195); ok {
		t.Error("a link type that is not supported has a layout")
	}
}

// TestLeavingLoopbackIsLeftOut runs the beginning of a filter with the values that the kernel
// loads.
func TestLeavingLoopbackIsLeftOut(t *testing.T) {
	raw, err := (&Filter{}).compile(cookedFrame, 96, true)
	if err != nil {
		t.Fatal(err)
	}
	ip := make([]byte, 60)
	ip[0], ip[9] = 0x45, 6
	for _, c := range []struct {
		direction, device uint32
		want              bool
	}{{packetOutgoing, deviceLoopback, false}, {0, deviceLoopback, true}, {packetOutgoing, 1, true}, {0, 1, true}} {
		program := disassemble(t, raw)
		for i, ins := range program {
			if e, ok := ins.(bpf.LoadExtension); ok {
				known := map[bpf.Extension]uint32{bpf.ExtType: c.direction, bpf.ExtLinkLayerType: c.device, bpf.ExtProto: etherTypeIPv4}
				program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: known[e.Num]}
			}
		}
		if got := accepts(t, machine(t, program), ip); got != c.want {
			t.Errorf("packet type %d on device type %d: %v, want %v", c.direction, c.device, got, c.want)
		}
	}
}
