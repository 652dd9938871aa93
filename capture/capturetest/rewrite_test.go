package capturetest

import (
	"bytes"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// captures returns the captures for the variants: two made here, over IPv4 and IPv6, and two
// recorded ones, on Ethernet and SLL2.
func captures(t *testing.T) map[string][]Packet {
	t.Helper()
	all := map[string][]Packet{}
	for name, ends := range map[string][2]netip.AddrPort{"IPv4": {client4, broker4}, "IPv6": {client6, broker6}} {
		r := NewRecorder()
		for i := range uint16(3) {
			c := r.Open(netip.AddrPortFrom(ends[0].Addr(), ends[0].Port()+i), ends[1])
			for n := range 6 {
				c.Exchange(garbage(random(uint64(n)), 37*n*n+5), garbage(random(uint64(99+n)), 900*n+8))
			}
			c.Close(Direction(i % 2))
		}
		all[name] = r.Packets
	}
	for _, name := range []string{"confluent-go-2.6.0_fetch-max-7", "confluent-go-2.6.0_broker-2.1_any-sll2"} {
		packets, err := ReadFile(filepath.Join("..", "..", "testdata", "captures", name+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = packets
	}
	return all
}

// ends identifies one direction of a connection, and its number among those between its ports.
type ends struct {
	src, dst netip.AddrPort
	epoch    int
}

// streams reassembles the bytes of every direction. The first copy of a byte counts. It is a
// simple reassembler for captures without gaps.
func streams(packets []Packet) map[ends][]byte {
	type half struct {
		base uint32
		data []byte
		have []bool
		fin  int // bytes before the FIN, -1 if unknown
	}
	halves := map[ends]*half{}
	epochs := map[[2]netip.AddrPort]int{}
	syns := map[[2]netip.AddrPort]uint32{}
	for _, s := range dissect(packets) {
		if s == nil {
			continue
		}
		key := [2]netip.AddrPort{s.src, s.dst}
		if s.tcp.Flags&SYN != 0 {
			if old, ok := syns[key]; ok && old != s.tcp.Seq {
				epochs[key]++
			}
			syns[key] = s.tcp.Seq
		}
		e := ends{s.src, s.dst, epochs[key]}
		seq := s.tcp.Seq
		if s.tcp.Flags&SYN != 0 {
			seq++
		}
		h := halves[e]
		if h == nil {
			h = &half{base: seq, fin: -1}
			halves[e] = h
		}
		at := int(int32(seq - h.base))
		if s.tcp.Flags&FIN != 0 {
			h.fin = at + s.length
		}
		for i, b := range s.payload {
			place := at + i
			if place < 0 || h.fin >= 0 && place >= h.fin {
				continue
			}
			for len(h.data) <= place {
				h.data, h.have = append(h.data, 0), append(h.have, false)
			}
			if !h.have[place] {
				h.data[place], h.have[place] = b, true
			}
		}
	}
	out := map[ends][]byte{}
	for e, h := range halves {
		if len(h.data) > 0 {
			out[e] = h.data
		}
	}
	return out
}

// contents returns the bytes of all directions without their addresses.
func contents(m map[ends][]byte) []string {
	var out []string
	for _, data := range m {
		out = append(out, string(data))
	}
	slices.Sort(out)
	return out
}

func TestVariantsOfOrderSegmentsAndEndsKeepThePayload(t *testing.T) {
	for name, packets := range captures(t) {
		want := streams(packets)
		for _, v := range slices.Concat(copies(), segmentations(), endings()) {
			if v.Keeps&KeepsRequests == 0 {
				t.Errorf("%s does not claim to keep the requests", v.Name)
			}
			got := streams(reassembled(t, v.Rewrite(packets, 11)))
			if v.Keeps&KeepsAddresses != 0 {
				if !maps.EqualFunc(want, got, bytes.Equal) {
					t.Errorf("%s of %s: another payload", v.Name, name)
				}
			} else if !slices.Equal(contents(want), contents(got)) {
				t.Errorf("%s of %s: another payload", v.Name, name)
			}
		}
	}
}

// reassembled reassembles IP fragments in any order. The packet takes the place of its last
// fragment.
func reassembled(t *testing.T, packets []Packet) []Packet {
	t.Helper()
	type datagram struct {
		parts map[int][]byte
		total int
	}
	open := map[string]*datagram{}
	var out []Packet
	for _, p := range packets {
		head, ip, _, ok := network(p)
		if !ok {
			t.Fatalf("no IP in %x", p.Data)
		}
		header, offset, more, id := ipv4Length, 0, false, ""
		if ip[0]>>4 == 4 {
			offset, more, id = (int(ip[6])<<8|int(ip[7]))&0x1fff*8, ip[6]&0x20 != 0, string(ip[4:6])
		} else if header = ipv6Length; ip[6] == ProtocolFragment {
			offset, more, id = (int(ip[42])<<8|int(ip[43]))&^7, ip[43]&1 != 0, string(ip[44:48])
			header += 8
		}
		if !more && offset == 0 {
			out = append(out, p)
			continue
		}
		d := open[id]
		if d == nil {
			d = &datagram{parts: map[int][]byte{}, total: -1}
			open[id] = d
		}
		d.parts[offset] = ip[header:]
		if !more {
			d.total = offset + len(ip) - header
		}
		var whole []byte
		for _, at := range slices.Sorted(maps.Keys(d.parts)) {
			if at == len(whole) {
				whole = append(whole, d.parts[at]...)
			}
		}
		if len(whole) != d.total {
			continue
		}
		delete(open, id)
		fixed := slices.Clone(ip[:ipv4Length])
		if ip[0]>>4 == 6 {
			fixed = slices.Clone(ip[:ipv6Length])
			fixed[4], fixed[5], fixed[6] = byte(len(whole)>>8), byte(len(whole)), ip[40]
		} else {
			fixed[2], fixed[3], fixed[6], fixed[7] = byte((len(whole)+20)>>8), byte(len(whole)+20), 0, 0
		}
		p.Data, p.OrigLen = slices.Concat(head, fixed, whole), 0
		out = append(out, p)
	}
	if len(open) > 0 {
		t.Errorf("%d datagrams remain in pieces", len(open))
	}
	return out
}

func TestEncapsulationsKeepThePacketAtTheEnd(t *testing.T) {
	for name, packets := range captures(t) {
		for _, v := range Encapsulations() {
			input := packets
			if v.Keeps&KeepsAddresses == 0 {
				input = ToIPv6(packets)
			}
			got := v.Rewrite(packets, 1)
			if v.Name == "inside and outside a tunnel" {
				for i := 0; i < len(got); i += 2 {
					if !bytes.HasSuffix(got[i].Data, got[i+1].Data) {
						t.Errorf("%s of %s: packet %d is not inside", v.Name, name, i)
					}
				}
				continue
			}
			if v.Name == "with a VLAN tag and without" {
				tagged, untagged := halves(t, got)
				for i := range tagged {
					frame := tagged[i].Data
					if !bytes.Equal(frame[12:16], []byte{EtherVLAN >> 8, EtherVLAN & 0xff, 0, 42}) ||
						!bytes.Equal(slices.Concat(frame[:12], frame[16:]), untagged[i].Data) {
						t.Errorf("%s of %s: frame %d is not the same but for a tag", v.Name, name, i)
					}
				}
				keepsPackets(t, v.Name+" of "+name, input, tagged)
				got = untagged
			}
			if v.Name == "fragmented VXLAN" {
				got = reassembled(t, got)
			}
			for name, trailer := range map[string]int{"MACsec": macSecCheck, "FabricPath": frameCheck} {
				if strings.HasPrefix(v.Name, name) {
					for i := range got {
						got[i].Data = got[i].Data[:len(got[i].Data)-trailer]
					}
				}
			}
			keepsPackets(t, v.Name+" of "+name, input, got)
		}
	}
}

// halves returns the first, third and so on of packets, and the others.
func halves(t *testing.T, packets []Packet) (odd, even []Packet) {
	t.Helper()
	if len(packets)%2 != 0 {
		t.Fatalf("%d packets are not two of each", len(packets))
	}
	for i := 0; i < len(packets); i += 2 {
		odd, even = append(odd, packets[i]), append(even, packets[i+1])
	}
	return odd, even
}

// keepsPackets checks that each packet of got is whole, and ends with the IP packet of its
// counterpart in input.
func keepsPackets(t *testing.T, what string, input, got []Packet) {
	t.Helper()
	if len(got) != len(input) {
		t.Fatalf("%s: %d packets from %d", what, len(got), len(input))
	}
	for i, p := range input {
		_, ip, _, _ := network(p)
		if !bytes.HasSuffix(got[i].Data, ip) || got[i].Length() != len(got[i].Data) || got[i].Time != p.Time {
			t.Fatalf("%s: packet %d lost something", what, i)
		}
	}
}

func same(a, b Packet) bool {
	return a.Time == b.Time && a.Link == b.Link && a.OrigLen == b.OrigLen && a.Comment == b.Comment && bytes.Equal(a.Data, b.Data)
}

func TestVariantsAreDeterministicAndLeaveTheInputAlone(t *testing.T) {
	for name, packets := range captures(t) {
		before := slices.Clone(packets)
		for i := range before {
			before[i].Data = slices.Clone(packets[i].Data)
		}
		for _, v := range Variants() {
			a, b := v.Rewrite(packets, 5), v.Rewrite(packets, 5)
			if !slices.EqualFunc(a, b, same) {
				t.Errorf("%s of %s: two results for one seed", v.Name, name)
			}
			for i := 1; i < len(a); i++ {
				if a[i].Time < a[i-1].Time && packets[0].Link != LinkSLL2 {
					t.Errorf("%s of %s: packet %d is earlier than the one before it", v.Name, name, i)
					break
				}
			}
			if !slices.EqualFunc(packets, before, same) {
				t.Fatalf("%s changed its input", v.Name)
			}
		}
	}
}

func TestVariantsDoWhatTheySay(t *testing.T) {
	packets := captures(t)["IPv4"]
	count := func(packets []Packet, f func(*segment) bool) int {
		n := 0
		for _, s := range dissect(packets) {
			if s != nil && f(s) {
				n++
			}
		}
		return n
	}
	wraps := func(s *segment) bool { return s.end() < s.tcp.Seq }
	syn := func(s *segment) bool { return s.tcp.Flags&SYN != 0 }
	rst := func(s *segment) bool { return s.tcp.Flags&RST != 0 }
	data := func(s *segment) bool { return s.length > 0 }
	ports := map[uint16]bool{}
	for _, s := range dissect(ReusePorts(packets, true)) {
		ports[s.src.Port()] = true
	}
	moved := 0
	for i, p := range Reorder(Split(packets, 3, 50), 3, 8) {
		if !bytes.Equal(p.Data, Split(packets, 3, 50)[i].Data) {
			moved++
		}
	}
	for name, ok := range map[string]bool{
		"no handshake is left":            count(StripHandshakes(packets), syn) == 0 && count(packets, syn) == 6,
		"six directions wrap":             count(WrapSequence(packets, 1), wraps) == 6,
		"a RST for each connection":       count(ResetAfterFIN(packets), rst) == 3,
		"each byte has its segment":       count(SplitBytes(packets), data) == count(SplitBytes(packets), func(s *segment) bool { return s.length == 1 }),
		"merging leaves fewer segments":   count(Coalesce(packets, 60_000), data) < count(packets, data),
		"retransmissions are more":        count(Retransmit(packets, 1, 0.5), data) > count(packets, data),
		"all connections share one port":  len(ports) == 2,
		"ends unseen have no FIN but one": count(ReusePorts(packets, false), func(s *segment) bool { return s.tcp.Flags&FIN != 0 }) == 2,
		"reordering moves many segments":  moved > 50,
		"only one direction is left":      count(OneWay(packets, ToClient), func(s *segment) bool { return s.src.Port() != 9092 }) == 0,
		"loss loses about a third":        len(Lose(packets, 1, 0.33)) > len(packets)/2 && len(Lose(packets, 1, 0.33)) < len(packets)*5/6,
		"snapping keeps lengths":          Snap(packets, 60)[9].Length() == packets[9].Length() && len(Snap(packets, 60)[9].Data) == 60,
		"reordering keeps all of it":      maps.EqualFunc(streams(packets), streams(Reorder(packets, 1, 8)), bytes.Equal),
	} {
		if !ok {
			t.Error("not so: " + name)
		}
	}
}
