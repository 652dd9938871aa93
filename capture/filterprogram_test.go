package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
)

// filterCase is a Filter and the equivalent programs of tcpdump (tcpdump -ddd). They are in
// capture/testdata/filter, each with the expression in its first line.
type filterCase struct {
	name   string
	filter Filter
}

func filterCases() []filterCase {
	nets := func(texts ...string) (nets []netip.Prefix) {
		for _, s := range texts {
			n, err := ParseNet(s)
			if err != nil {
				panic(err)
			}
			nets = append(nets, n)
		}
		return nets
	}
	return []filterCase{
		{"all", Filter{}},
		{"port", Filter{Ports: []uint16{9092}}},
		{"ports", Filter{Ports: []uint16{9092, 9093, 19092}}},
		{"not-port", Filter{NotPorts: []uint16{22, 443}}},
		{"port-not-port", Filter{Ports: []uint16{9092}, NotPorts: []uint16{22}}},
		{"host4", Filter{Nets: nets("10.1.2.3")}},
		{"host6", Filter{Nets: nets("2001:db8::1")}},
		{"nets", Filter{Nets: nets("10.0.0.0/8", "192.168.4.0/22", "2001:db8::/32", "fe80::/10", "2001:db8:1:2:3::/68")}},
		{"net-port", Filter{Nets: nets("10.1.2.3", "2001:db8::/33"), Ports: []uint16{9092, 443}}},
		{"everything", Filter{Nets: nets("10.1.2.0/24", "2001:db8::1"), Ports: []uint16{9092, 9093}, NotPorts: []uint16{22}, TunnelPorts: []uint16{14789}}},
	}
}

// portList returns ports in tcpdump's syntax.
func portList(ports []uint16) string {
	var list []string
	for _, p := range ports {
		list = append(list, fmt.Sprintf("port %d", p))
	}
	return strings.Join(list, " or ")
}

// expression returns f for tcpdump: TCP only, without packets that cannot be checked.
func (f *Filter) expression() string {
	e := "tcp"
	if len(f.Ports) > 0 {
		e += " and (" + portList(f.Ports) + ")"
	}
	if len(f.NotPorts) > 0 {
		e += " and not (" + portList(f.NotPorts) + ")"
	}
	return e + f.netExpression(nil)
}

// netExpression returns the part about networks, "" for none. what, if not nil, selects networks.
func (f *Filter) netExpression(what func(netip.Prefix) bool) string {
	var list []string
	for _, n := range f.Nets {
		if what == nil || what(n) {
			list = append(list, "net "+n.String())
		}
	}
	switch {
	case len(f.Nets) == 0:
		return ""
	case len(list) == 0:
		return " and len < 0"
	}
	return " and (" + strings.Join(list, " or ") + ")"
}

// unchecked are the numbers of the table of encapsulations whose packets the program accepts
// without a look inside.
var unchecked = struct {
	types, protocols, ports, sources []uint32
}{
	types:     []uint32{0x22f3, 0x6558, 0x6559, 0x880b, 0x8847, 0x8848, 0x8864, 0x88e5, 0x88e7, 0x8903, 0x8909, 0x8926, 0x892f, 0x893f, 0x894f},
	protocols: []uint32{4, 41, 47, 51, 97, 115, 137},
	ports:     []uint32{1701, 2152, 3544, 4341, 4754, 4789, 4790, 5247, 6080, 6081, 6635, 8472, 37008},
	sources:   []uint32{1701, 2152, 3544, 5247},
}

func TestUncheckedNumbersAreThoseOfTheTable(t *testing.T) {
	for _, kind := range []struct {
		name      string
		want, got []uint32
	}{
		{"types", tunnelTypes, unchecked.types},
		{"protocols", tunnelProtocols, unchecked.protocols},
		{"ports", portSteps.values(), unchecked.ports},
		{"sources", sourceSteps.values(), unchecked.sources},
	} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(kind.want)), kind.got); diff != "" {
			t.Errorf("unchecked.%s differs from the table of encapsulations (-table +unchecked):\n%s", kind.name, diff)
		}
	}
}

// wideExpression is expression with the unchecked packets that the program accepts, for packets
// without tags.
func (f *Filter) wideExpression() string {
	tunnels := func(first string) string {
		var list []string
		for _, p := range append(slices.Clone(unchecked.ports), widen(f.TunnelPorts)...) {
			list = append(list, fmt.Sprintf("udp dst port %d", p))
		}
		for _, p := range unchecked.sources {
			list = append(list, fmt.Sprintf("udp src port %d", p))
		}
		return fmt.Sprintf("(%s = 17 and (%s))", first, strings.Join(list, " or "))
	}
	is := func(first string, numbers []uint32, more ...uint32) string {
		var list []string
		for _, n := range append(slices.Clone(numbers), more...) {
			list = append(list, fmt.Sprintf("%s = %d", first, n))
		}
		return strings.Join(list, " or ")
	}
	segment := "tcp"
	if len(f.Ports) > 0 {
		segment += " and (" + portList(f.Ports) + ")"
	}
	if len(f.NotPorts) > 0 {
		segment += " and not (" + portList(f.NotPorts) + ")"
	}
	net4 := f.netExpression(func(n netip.Prefix) bool { return n.Addr().Is4() })
	net6 := f.netExpression(func(n netip.Prefix) bool { return n.Addr().Is6() })
	return strings.Join([]string{
		"(ip[9] = 6" + net4 + " and (" + segment + "))",
		"(ip[9] = 6" + net4 + " and ip[6:2] & 0x1fff != 0)",
		is("ip[9]", unchecked.protocols),
		"(ip[9] = 17 and ip[6:2] & 0x1fff != 0)",
		tunnels("ip[9]"),
		"(ip6[6] = 6" + net6 + " and (" + segment + "))",
		is("ip6[6]", unchecked.protocols, 43, 44, 60, 135, 139, 140),
		"(ip6[6] = 0 and ip6[40] != 58)",
		tunnels("ip6[6]"),
		is("ether[12:2]", unchecked.types),
		"(ether[12:2] <= 1500 and ether[14:2] = 0xaaaa)",
	}, " or ")
}

// fixture is a program of tcpdump that the tests need.
type fixture struct {
	file, link, expression string
}

// fixtures returns the files of a case: name.KIND.ddd.
func (c *filterCase) fixtures() map[string]fixture {
	e := c.filter.expression()
	made := map[string]fixture{
		"narrow": {link: "EN10MB", expression: e},
		"tagged": {link: "EN10MB", expression: "vlan and " + e},
		"wide":   {link: "EN10MB", expression: c.filter.wideExpression()},
		"cooked": {link: "LINUX_SLL2", expression: e},
	}
	for kind, f := range made {
		f.file = filepath.Join("testdata", "filter", c.name+"."+kind+".ddd")
		made[kind] = f
	}
	return made
}

// head returns the first line of the file.
func (f fixture) head() string { return "# tcpdump -ddd -y " + f.link + " '" + f.expression + "'\n" }

// judge holds the programs of a case that packets are compared with.
type judge struct {
	filterCase
	// own and sll2 are the filter's programs; narrow to sllByTcpdump are tcpdump's.
	own, sll2                          *bpf.VM
	narrow, tagged, wide, sllByTcpdump *bpf.VM
	// cooked and cookedByTcpdump are for packets without a header.
	cooked, cookedByTcpdump []bpf.Instruction
}

func machine(t testing.TB, program []bpf.Instruction) *bpf.VM {
	t.Helper()
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// readFixture reads a program and checks that its expression is current.
func readFixture(t testing.TB, f fixture) []bpf.RawInstruction {
	t.Helper()
	data, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte(f.head())) {
		t.Fatalf("%s was made for another expression; make it anew: go test -tags tools ./capture -run Tcpdump -update-filters", f.file)
	}
	program, err := ReadBPF(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", f.file, err)
	}
	return program
}

func disassemble(t testing.TB, raw []bpf.RawInstruction) []bpf.Instruction {
	t.Helper()
	program, all := bpf.Disassemble(raw)
	if !all {
		t.Fatalf("not all of %v could be disassembled", raw)
	}
	return program
}

func judges(t testing.TB) []*judge {
	t.Helper()
	var all []*judge
	for _, c := range filterCases() {
		j := &judge{filterCase: c}
		compile := func(at frame) []bpf.Instruction {
			raw, err := c.filter.compile(at, 4096, false)
			if err != nil {
				t.Fatal(err)
			}
			return disassemble(t, raw)
		}
		ethernet, _ := frameOf(LinkTypeEthernet)
		sll2, _ := frameOf(LinkTypeLinuxSLL2)
		j.own, j.sll2, j.cooked = machine(t, compile(ethernet)), machine(t, compile(sll2)), compile(cookedFrame)
		fixtures := c.fixtures()
		j.narrow = machine(t, disassemble(t, readFixture(t, fixtures["narrow"])))
		j.tagged = machine(t, disassemble(t, readFixture(t, fixtures["tagged"])))
		j.wide = machine(t, disassemble(t, readFixture(t, fixtures["wide"])))
		raw := readFixture(t, fixtures["cooked"])
		j.sllByTcpdump = machine(t, disassemble(t, raw))
		adapted, err := adaptBPF(raw, 4096, true)
		if err != nil {
			t.Fatal(err)
		}
		j.cookedByTcpdump = disassemble(t, adapted)
		all = append(all, j)
	}
	return all
}

func accepts(t testing.TB, vm *bpf.VM, packet []byte) bool {
	t.Helper()
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// acceptsCooked runs a program as the kernel does on a SOCK_DGRAM socket. There the EtherType is
// ancillary data, which package bpf's machine does not have.
func acceptsCooked(t testing.TB, program []bpf.Instruction, etherType uint16, payload []byte) bool {
	t.Helper()
	program = slices.Clone(program)
	for i, ins := range program {
		if e, ok := ins.(bpf.LoadExtension); ok {
			known := map[bpf.Extension]uint32{bpf.ExtProto: uint32(etherType), bpf.ExtLinkLayerType: 1}
			program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: known[e.Num]}
		}
	}
	return accepts(t, machine(t, program), payload)
}

// needed is the part of a packet that programs read: Ethernet, two tags, IPv4 with all options,
// ports. On shorter packets, programs end at any load.
const needed = 14 + 8 + 60 + 4

// check compares the programs of a case for one Ethernet frame.
func (j *judge) check(t testing.TB, d *Dissector, packet []byte) {
	t.Helper()
	if len(packet) < needed {
		packet = append(bytes.Clone(packet), make([]byte, needed-len(packet))...)
	}
	own := accepts(t, j.own, packet)
	if accepts(t, j.narrow, packet) && !own {
		t.Errorf("%s: tcpdump %q accepts what the filter rejects: %x", j.name, j.filter.expression(), packet)
	}
	if accepts(t, j.tagged, packet) && !own {
		t.Errorf("%s: tcpdump 'vlan and %s' accepts what the filter rejects: %x", j.name, j.filter.expression(), packet)
	}
	kind := binary.BigEndian.Uint16(packet[12:])
	if !slices.Contains(tagTypes, uint32(kind)) {
		if wide := accepts(t, j.wide, packet); wide != own {
			t.Errorf("%s: tcpdump says %v, the filter %v: %x", j.name, wide, own, packet)
		}
		j.checkTags(t, packet, own)
		j.checkCooked(t, kind, packet[14:], own)
	}
	j.checkMatch(t, d, packet, own)
}

// checkTags checks that tags in the packet make no difference.
func (j *judge) checkTags(t testing.TB, packet []byte, own bool) {
	t.Helper()
	for tags := 1; tags <= maxTags+1; tags++ {
		tagged := bytes.Clone(packet[:12])
		for i := range tags {
			tagged = binary.BigEndian.AppendUint16(tagged, uint16(tagTypes[(i+int(packet[0]))%len(tagTypes)]))
			tagged = binary.BigEndian.AppendUint16(tagged, uint16(i))
		}
		tagged = append(tagged, packet[12:]...)
		if got, want := accepts(t, j.own, tagged), own || tags > maxTags; got != want {
			t.Errorf("%s: with %d tags the filter says %v instead of %v: %x", j.name, tags, got, want, tagged)
		}
	}
}

// checkCooked checks that a missing Ethernet header makes no difference.
func (j *judge) checkCooked(t testing.TB, kind uint16, payload []byte, own bool) {
	t.Helper()
	if got := acceptsCooked(t, j.cooked, kind, payload); got != own {
		t.Errorf("%s: cooked, the filter says %v instead of %v: type %#04x, %x", j.name, got, own, kind, payload)
	}
	header := make([]byte, 20)
	binary.BigEndian.PutUint16(header, kind)
	whole := append(header, payload...)
	if got := accepts(t, j.sll2, whole); got != own {
		t.Errorf("%s: for SLL2 the filter says %v instead of %v: %x", j.name, got, own, whole)
	}
	want := accepts(t, j.sllByTcpdump, whole)
	if got := acceptsCooked(t, j.cookedByTcpdump, kind, payload); got != want {
		t.Errorf("%s: adapted to the kernel, tcpdump's program says %v instead of %v: %x", j.name, got, want, whole)
	}
}

// mappedPrefix is the beginning of IPv4-mapped addresses. They must not be on a wire (RFC 4942
// 2.2). Match handles them as IPv4, the program as IPv6.
var mappedPrefix = []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}

// checkMatch checks that no segment that Match accepts is lost.
func (j *judge) checkMatch(t testing.TB, d *Dissector, packet []byte, own bool) {
	t.Helper()
	var s Segment
	p := Packet{Data: packet, Length: uint32(len(packet)), Link: LinkTypeEthernet}
	if !own && d.Segment(&p, &s) && !s.Fragmented && j.filter.Match(&s) && !bytes.Contains(packet, mappedPrefix) {
		t.Errorf("%s: the filter rejects a segment that Match accepts: %x", j.name, packet)
	}
}

// randomPacket returns an Ethernet frame with random values in all fields that programs read,
// among them every number of the table of encapsulations.
func randomPacket(r *rand.Rand) []byte {
	pick := func(values ...int) int { return values[r.IntN(len(values))] }
	b := make([]byte, 12, 128)
	b[0] = byte(r.Int())
	for range pick(0, 0, 0, 0, 1, 2, 3) {
		b = binary.BigEndian.AppendUint16(b, uint16(tagTypes[r.IntN(len(tagTypes))]))
		b = binary.BigEndian.AppendUint16(b, uint16(r.Int()))
	}
	protocol := byte(pick(6, 6, 6, 6, 6, 17, 17, 1, 58, 4, 41, 47, 51, 97, 115, 137, 0, 43, 44, 60, 50, 132, 135, 139, 140))
	of := func(numbers []uint32) int { return int(numbers[r.IntN(len(numbers))]) }
	ports := func() []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(pick(9092, 9093, 19092, 22, 443, 50000, of(portSteps.values()), r.IntN(65536))))
		tunnel := of(portSteps.values())
		return binary.BigEndian.AppendUint16(b, uint16(pick(9092, 9093, 22, 443, 50001, 14789, tunnel, tunnel)))
	}
	rest := make([]byte, 40)
	rest[12] = 5 << 4
	switch version := pick(4, 4, 4, 6, 6, 0); version {
	case 4:
		options := pick(0, 0, 0, 1, 10)
		ip := make([]byte, 20+4*options)
		ip[0] = byte(4<<4 | 5 + options)
		ip[9] = protocol
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(rest)))
		binary.BigEndian.PutUint16(ip[6:], uint16(pick(0, 0, 0x4000, 0x2000, 0x2001, 5)))
		for _, at := range []int{12, 16} {
			a := netip.MustParseAddr([]string{"10.1.2.3", "10.9.9.9", "192.168.7.255", "192.168.8.0", "172.16.0.1"}[r.IntN(5)])
			copy(ip[at:], a.AsSlice())
		}
		copy(rest, ports())
		b = append(append(append(b, 0x08, 0x00), ip...), rest...)
	case 6:
		ip := make([]byte, 40)
		ip[0] = 6 << 4
		ip[6] = protocol
		binary.BigEndian.PutUint16(ip[4:], uint16(len(rest)))
		for _, at := range []int{8, 24} {
			a := netip.MustParseAddr([]string{"2001:db8::1", "2001:db8:8000::1", "2001:db8:1:2:3fff::", "2001:db9::1", "fe80::1", "fec0::1"}[r.IntN(6)])
			copy(ip[at:], a.AsSlice())
		}
		copy(rest, ports())
		rest[0] = byte(pick(int(rest[0]), int(rest[0]), 58))
		b = append(append(append(b, 0x86, 0xdd), ip...), rest...)
	default:
		b = binary.BigEndian.AppendUint16(b, uint16(pick(0x0806, 0x8863, 1500, 1501, 40, of(tunnelTypes))))
		b = append(b, byte(pick(0xaa, 0x42)), 0xaa, 3, 0, 0, 0, 8, 0)
	}
	for range pick(0, 0, 0, 1, 3) {
		b[r.IntN(len(b))] = byte(r.Int())
	}
	return b
}

func TestFilterLosesNothingAndAgreesWithTcpdump(t *testing.T) {
	all := judges(t)
	d := NewDissector(DissectorOptions{GenevePorts: []uint16{14789}})
	r := rand.New(rand.NewPCG(1, 2))
	accepted := map[string]int{}
	const packets = 6000
	for range packets {
		packet := randomPacket(r)
		for _, j := range all {
			j.check(t, d, packet)
			if accepts(t, j.own, packet) {
				accepted[j.name]++
			}
		}
		if t.Failed() {
			return
		}
	}
	for _, j := range all {
		if n := accepted[j.name]; n < packets/10 || n > packets*9/10 {
			t.Errorf("%s: %d of %d packets were accepted: the packets do not try it", j.name, n, packets)
		}
	}
}

func FuzzFilter(f *testing.F) {
	all := judges(f)
	d := NewDissector(DissectorOptions{GenevePorts: []uint16{14789}})
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		f.Add(randomPacket(r))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, j := range all {
			j.check(t, d, packet)
		}
	})
}
