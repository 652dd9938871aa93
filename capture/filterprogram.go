package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// The kernel program of a Filter accepts every packet in which a Dissector could find a segment
// that Filter.Match accepts. It is exact for TCP in IPv4 and IPv6, also behind up to two VLAN
// tags. It cannot check ports or addresses in the following packets, and accepts them:
//
//   - fragments of IPv4 after the first one, which have no ports; of TCP only those with matching
//     addresses
//   - IPv6 with extension headers, including fragment headers; not hop-by-hop options before
//     ICMPv6
//   - AH, Filter.TunnelPorts, and the protocols and UDP ports of the table of encapsulations,
//     because the inner packets have other ports and addresses
//   - more than two VLAN tags, the other EtherTypes of the table, SNAP
//   - every packet of a link type of the table whose IP header has no fixed offset

// frame is the layout of a packet for a BPF program.
type frame struct {
	// typeAt is the offset of the EtherType, or typeKernel, typeNone or typeVaries.
	typeAt int
	// ip is the offset of the IP header in a packet without tags.
	ip uint32
}

const (
	// typeKernel: the kernel gives the EtherType, and the packet begins with IP (packet(7):
	// SOCK_DGRAM).
	typeKernel = -1
	// typeNone: there is no EtherType; the version in the IP header decides.
	typeNone = -2
	// typeVaries: the IP header has no fixed offset.
	typeVaries = -3
)

// cookedFrame is a packet on a SOCK_DGRAM packet socket.
var cookedFrame = frame{typeAt: typeKernel}

// frameOf returns the layout of a link type, false for an unsupported one.
func frameOf(l LinkType) (frame, bool) {
	switch l {
	case LinkTypeEthernet:
		return frame{typeAt: 12, ip: ethernetHeader}, true
	case LinkTypeLinuxSLL:
		return frame{typeAt: 14, ip: 16}, true
	case LinkTypeLinuxSLL2:
		return frame{typeAt: 0, ip: 20}, true
	case LinkTypeNull, LinkTypeLoop:
		return frame{typeAt: typeNone, ip: 4}, true
	case LinkTypeRaw, LinkTypeRawDLT12, LinkTypeRawDLT14, LinkTypeIPv4, LinkTypeIPv6:
		return frame{typeAt: typeNone}, true
	}
	return frame{typeAt: typeVaries}, linkSteps.find(l) != stepOther
}

// tunnelProtocols are the IP protocols that carry packets, in IPv4 and IPv6.
var tunnelProtocols = append(protocolSteps.values(), protocolAH)

// tunnelTypes are the EtherTypes of the table without IP and tags.
var tunnelTypes = etherTypeSteps.values(etherTypeIPv4, etherTypeIPv6, etherTypeVLAN, etherTypeQinQ, etherTypeQinQ1, etherTypeQinQ2, etherTypeQinQ3)

// tunnelDevices have another header after the cooked one.
var tunnelDevices = []uint32{deviceFrameRelay, device80211, device80211Prism, device80211Radio}

// extensionHeaders are the IPv6 extension headers that the dissector parses, without hop-by-hop
// options.
var extensionHeaders = []uint32{
	protocolRouting, protocolFragment, protocolDestination, protocolMobility, protocolHIP, protocolShim6,
}

var tagTypes = []uint32{etherTypeVLAN, etherTypeQinQ, etherTypeQinQ1, etherTypeQinQ2, etherTypeQinQ3}

// maxTags is how many VLAN tags in the packet the program skips. The kernel removes the
// outermost tag before.
const maxTags = 2

// filterProgram is the state of compiling a Filter.
type filterProgram struct {
	program
	filter *Filter
	frame  frame
	// accept and reject end the program.
	accept, reject jumpLabel
	// ipv4 to tunnel are the parts of the program. X is the length of the tags, and from ports
	// and tunnel on also of the IP header.
	ipv4, ipv6, ports, tunnel jumpLabel
}

// compile returns the program; it returns snapLen for accepted packets. noEcho rejects packets
// that leave by a loopback interface, because each is also received. It needs a kernel with
// Linux' ancillary data.
func (f *Filter) compile(at frame, snapLen uint32, noEcho bool) ([]bpf.RawInstruction, error) {
	p := &filterProgram{filter: f, frame: at}
	p.accept, p.reject = p.label(), p.label()
	if at.typeAt == typeVaries {
		p.always(p.accept)
		p.end(snapLen)
		return p.assemble()
	}
	p.ipv4, p.ipv6, p.ports, p.tunnel = p.label(), p.label(), p.label(), p.label()
	if noEcho {
		p.echo()
	}
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 0})
	if at.typeAt == typeNone {
		p.version()
	} else {
		p.etherType()
	}
	p.place(p.ipv4)
	p.network4()
	p.place(p.ipv6)
	p.network6()
	if f.portless() {
		p.always(p.accept)
	} else {
		p.place(p.ports)
		p.transport()
	}
	p.place(p.tunnel)
	p.datagram()
	p.end(snapLen)
	return p.assemble()
}

// end places accept and reject.
func (p *filterProgram) end(snapLen uint32) {
	p.place(p.accept)
	p.add(bpf.RetConstant{Val: snapLen})
	p.place(p.reject)
	p.add(bpf.RetConstant{Val: 0})
}

// load loads size bytes at an offset after X.
func (p *filterProgram) load(offset uint32, size int) {
	p.add(bpf.LoadIndirect{Off: p.frame.ip + offset, Size: size})
}

// anyChunk is how many comparisons share one jump. A conditional jump skips at most 255
// instructions.
const anyChunk = 255

// any jumps to yes if A is one of values, and else continues.
func (p *filterProgram) any(values []uint32, yes jumpLabel) {
	for chunk := range slices.Chunk(values, anyChunk) {
		for i, v := range chunk {
			p.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(chunk) - i)})
		}
		p.add(bpf.Jump{Skip: 1})
		p.always(yes)
	}
}

// Packet types and device types of Linux (include/uapi/linux/if_packet.h, if_arp.h).
const (
	packetOutgoing = 4
	deviceLoopback = 772
)

// echo rejects packets that leave by loopback.
func (p *filterProgram) echo() {
	start := p.label()
	p.add(bpf.LoadExtension{Num: bpf.ExtType})
	p.equal(packetOutgoing, next, start)
	p.add(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	p.equal(deviceLoopback, p.reject, start)
	p.place(start)
}

// version decides between IPv4 and IPv6 by the first 4 bits.
func (p *filterProgram) version() {
	p.load(0, 1)
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	p.equal(4, p.ipv4, next)
	p.equal(6, p.ipv6, p.reject)
}

// etherType skips VLAN tags and decides by the EtherType.
func (p *filterProgram) etherType() {
	judge := p.label()
	if p.frame.typeAt == typeKernel {
		p.add(bpf.LoadExtension{Num: bpf.ExtProto})
		// The packet can begin inside the tag, depending on its source.
		p.any(tagTypes, p.accept)
	} else {
		p.add(bpf.LoadAbsolute{Off: uint32(p.frame.typeAt), Size: 2})
		for tags := uint32(1); tags <= maxTags; tags++ {
			tagged := p.label()
			p.any(tagTypes, tagged)
			p.always(judge)
			p.place(tagged)
			p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 4 * tags},
				bpf.LoadAbsolute{Off: p.frame.ip + 4*tags - 2, Size: 2})
		}
		p.any(tagTypes, p.accept)
	}
	p.place(judge)
	p.equal(etherTypeIPv4, p.ipv4, next)
	p.equal(etherTypeIPv6, p.ipv6, next)
	p.any(tunnelTypes, p.accept)
	if p.frame.typeAt == typeKernel {
		p.device(p.accept)
	}
	// After a length comes LLC, with 0xaaaa if SNAP follows.
	p.jump(bpf.JumpGreaterThan, maxLength8023, p.reject, next)
	p.load(0, 2)
	p.equal(0xaaaa, p.accept, p.reject)
}

// device jumps to yes if the device has another header after the cooked one. A keeps the
// EtherType.
func (p *filterProgram) device(yes jumpLabel) {
	p.add(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	p.any(tunnelDevices, yes)
	p.add(bpf.LoadExtension{Num: bpf.ExtProto})
}

func (p *filterProgram) network4() {
	hosts, host := p.label(), p.label()
	p.load(9, 1)
	p.equal(protocolTCP, hosts, next)
	p.any(tunnelProtocols, p.accept)
	p.equal(protocolUDP, next, p.reject)
	p.laterFragment()
	p.headerLength4()
	p.always(p.tunnel)

	p.place(hosts)
	if nets := p.filter.family(false); len(p.filter.Nets) > 0 {
		for _, offset := range []uint32{12, 16} {
			p.inNets4(offset, nets, host)
		}
		p.always(p.reject)
	}
	p.place(host)
	if p.filter.portless() {
		p.always(p.accept)
		return
	}
	p.laterFragment()
	p.headerLength4()
	p.always(p.ports)
}

// laterFragment accepts fragments after the first one.
func (p *filterProgram) laterFragment() {
	p.load(6, 2)
	p.jump(bpf.JumpBitsSet, fragmentOffset4, p.accept, next)
}

// headerLength4 adds the length of the IPv4 header to X.
func (p *filterProgram) headerLength4() {
	p.load(0, 1)
	p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 15}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
}

func (p *filterProgram) network6() {
	options, hosts, host := p.label(), p.label(), p.label()
	p.load(6, 1)
	p.equal(protocolTCP, hosts, next)
	p.any(tunnelProtocols, p.accept)
	p.any(extensionHeaders, p.accept)
	p.equal(protocolHopByHop, options, next)
	p.equal(protocolUDP, next, p.reject)
	p.headerLength6()
	p.always(p.tunnel)

	p.place(options)
	// In practice, most hop-by-hop options are of multicast listener reports, which are
	// frequent in every network (RFC 3810 5).
	p.load(ipv6Header, 1)
	p.equal(protocolICMPv6, p.reject, p.accept)

	p.place(hosts)
	if nets := p.filter.family(true); len(p.filter.Nets) > 0 {
		for _, offset := range []uint32{8, 24} {
			for _, n := range nets {
				p.inNet6(offset, n, host)
			}
		}
		p.always(p.reject)
	}
	p.place(host)
	if !p.filter.portless() {
		p.headerLength6()
	}
}

// headerLength6 adds the length of the IPv6 header to X.
func (p *filterProgram) headerLength6() {
	p.add(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: ipv6Header}, bpf.TAX{})
}

// transport compares the TCP ports.
func (p *filterProgram) transport() {
	for _, offset := range []uint32{0, 2} {
		p.load(offset, 2)
		p.any(widen(p.filter.NotPorts), p.reject)
	}
	if len(p.filter.Ports) > 0 {
		p.any(widen(p.filter.Ports), p.accept) // A is the destination port
		p.load(0, 2)
		p.any(widen(p.filter.Ports), p.accept)
		p.always(p.reject)
	} else {
		p.always(p.accept)
	}
}

// datagram compares the UDP ports.
func (p *filterProgram) datagram() {
	p.load(2, 2)
	p.any(portSteps.values(), p.accept)
	p.any(widen(p.filter.TunnelPorts), p.accept)
	p.load(0, 2)
	p.any(sourceSteps.values(), p.accept)
	p.always(p.reject)
}

// inNets4 jumps to yes if the address at the offset is in one of nets, and else continues. It
// compares networks of one size together.
func (p *filterProgram) inNets4(offset uint32, nets []netip.Prefix, yes jumpLabel) {
	for bits := 32; bits >= 0; bits-- {
		var same []uint32
		for _, n := range nets {
			if n.Bits() == bits {
				a := n.Addr().As4()
				same = append(same, binary.BigEndian.Uint32(a[:]))
			}
		}
		if len(same) > 0 {
			p.load(offset, 4)
			p.masked(bits)
			p.any(same, yes)
		}
	}
}

// inNet6 jumps to yes if the address at the offset is in n.
func (p *filterProgram) inNet6(offset uint32, n netip.Prefix, yes jumpLabel) {
	a, tests := n.Addr().As16(), []int{}
	for i := 0; i < 16 && n.Bits() > i*8; i += 4 {
		p.load(offset+uint32(i), 4)
		p.masked(n.Bits() - i*8)
		tests = append(tests, len(p.code))
		p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(a[i:])})
	}
	p.always(yes)
	for _, i := range tests {
		j := p.code[i].(bpf.JumpIf)
		j.SkipTrue = uint8(len(p.code) - i - 1)
		p.code[i] = j
	}
}

// masked keeps the first bits of A.
func (p *filterProgram) masked(bits int) {
	if bits < 32 {
		p.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(0) << (32 - bits)})
	}
}

func (f *Filter) portless() bool { return len(f.Ports)+len(f.NotPorts) == 0 }

// family returns the networks of IPv4 or IPv6 without duplicates.
func (f *Filter) family(v6 bool) []netip.Prefix {
	var nets []netip.Prefix
	for _, n := range f.Nets {
		if n = unmapPrefix(n); n.IsValid() && n.Addr().Is6() == v6 && !slices.Contains(nets, n) {
			nets = append(nets, n)
		}
	}
	return nets
}

// widen returns ports as BPF values without duplicates.
func widen(ports []uint16) []uint32 {
	var out []uint32
	for _, p := range ports {
		if !slices.Contains(out, uint32(p)) {
			out = append(out, uint32(p))
		}
	}
	return out
}
