//go:build !libpcap

package capture

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of the ring.
const (
	// maxRingBlock is the usual size of a block: it holds the largest packet there is (BIG
	// TCP, 512 KiB), and at 150 MB/s one block fills in 7 ms.
	maxRingBlock = 1 << 20
	// minRingBlock holds a packet of 64 KiB, as receive offload makes them.
	minRingBlock = 128 << 10
	// minRingBlocks keeps blocks for the kernel while batches under way hold some:
	// the pool of package reassembly has 4.
	minRingBlocks = 16
	// retireAfter is when the kernel hands over a block that is not full, in
	// milliseconds after it was begun. It looks once per such time, so that it can
	// be twice as late: 80 ms.
	retireAfter = 40
	// headroom is what is kept free before each packet, for the cooked header and a
	// tag, rounded up to keep IP headers aligned.
	headroom = 24
	// sockaddrAt is where the address of a packet stands behind its header, aligned as TPACKET_ALIGN does.
	sockaddrAt = (unix.SizeofTpacket3Hdr + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)
	// blockHeaderAt is where the header of a block begins, behind two fields of 4 bytes.
	blockHeaderAt = 8
	// tagLength is the length of a VLAN tag.
	tagLength = 4
	// cookedHeader is the length of the header of LINKTYPE_LINUX_SLL2.
	cookedHeader = 20
	// addressesLength is what stands before the EtherType of an Ethernet header.
	addressesLength = 12
)

// blockSize is the size of the blocks of a ring of that size.
func blockSize(ring int) int {
	size := maxRingBlock
	for size > minRingBlock && size*minRingBlocks > ring {
		size /= 2
	}
	return size
}

// ring is the memory that the kernel writes packets to (packet_mmap.rst,
// TPACKET_V3): blocks, which belong to the kernel or to the program, in turn.
// Packets are not copied out of it: a batch holds the block that its
// packets lie in. It is unmapped when neither the capture nor a batch refers to it
// any more.
type ring struct {
	memory []byte
	blocks []block
	// current is the block to be read next.
	current int
	// cooked says that packets come without link-layer header, and get one of their own.
	cooked  bool
	snapLen int
	link    LinkType
	// lent counts the blocks held by batches.
	lent atomic.Int32
	// unmap runs when the ring is garbage.
	unmap runtime.Cleanup
}

// block is a part of the ring.
type block struct {
	ring   *ring
	memory []byte
	header *unix.TpacketHdrV1
}

// newRing asks the kernel for a ring on a socket and maps it.
func newRing(fd, bytes, snapLen int, cooked bool) (*ring, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("ask for TPACKET_V3, which Linux has since 3.2: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, headroom); err != nil {
		return nil, fmt.Errorf("reserve headroom: %w", err)
	}
	size := blockSize(bytes)
	n := bytes / size
	req := unix.TpacketReq3{
		Block_size: uint32(size), Block_nr: uint32(n),
		// The kernel wants frames to fill the blocks, and then does not look at them.
		Frame_size: minRingBlock, Frame_nr: uint32(n * (size / minRingBlock)),
		Retire_blk_tov: retireAfter,
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, fmt.Errorf("ask for a ring of %d MiB: %w", bytes>>20, err)
	}
	memory, err := unix.Mmap(fd, 0, n*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map a ring of %d MiB: %w", bytes>>20, err)
	}
	r := &ring{memory: memory, cooked: cooked, snapLen: snapLen, link: LinkTypeEthernet}
	if cooked {
		r.link = LinkTypeLinuxSLL2
	}
	for i := range n {
		part := memory[i*size : (i+1)*size : (i+1)*size]
		r.blocks = append(r.blocks, block{
			ring: r, memory: part, header: (*unix.TpacketHdrV1)(unsafe.Pointer(&part[blockHeaderAt])),
		})
	}
	r.unmap = runtime.AddCleanup(r, func(m []byte) { _ = unix.Munmap(m) }, memory)
	return r, nil
}

// close unmaps the ring, now or as soon as no batch holds a block of it.
func (r *ring) close() {
	if r.lent.Load() == 0 {
		r.unmap.Stop()
		_ = unix.Munmap(r.memory) // fails for memory that is not mapped only
		r.memory, r.blocks = nil, nil
	}
}

// ready reports whether the kernel has handed over the next block.
func (r *ring) ready() bool {
	return atomic.LoadUint32(&r.blocks[r.current].header.Block_status)&unix.TP_STATUS_USER != 0
}

// take lends the next block to b and adds its packets.
func (r *ring) take(records *records, b *Batch) error {
	k := &r.blocks[r.current]
	r.current = (r.current + 1) % len(r.blocks)
	r.lent.Add(1)
	b.lease = k
	at := uint64(k.header.Offset_to_first_pkt)
	for range k.header.Num_pkts {
		if at+sockaddrAt+unix.SizeofSockaddrLinklayer > uint64(len(k.memory)) {
			return errRing
		}
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&k.memory[at]))
		from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&k.memory[at+sockaddrAt]))
		begin := at + uint64(h.Mac)
		end := begin + uint64(h.Snaplen)
		if uint64(h.Mac) < sockaddrAt+unix.SizeofSockaddrLinklayer+headroom || end > uint64(len(k.memory)) {
			return errRing
		}
		at += uint64(h.Next_offset)
		if from.Pkttype == unix.PACKET_OUTGOING && from.Hatype == unix.ARPHRD_LOOPBACK {
			continue // it comes in, too
		}
		length := h.Len
		if r.cooked {
			room := begin
			begin = cook(k.memory, begin, h, from)
			length += uint32(room - begin)
		} else if h.Status&unix.TP_STATUS_VLAN_VALID != 0 && h.Snaplen >= addressesLength {
			begin = tag(k.memory, begin, h)
			length += tagLength
		}
		data := k.memory[begin:min(end, begin+uint64(r.snapLen)):end]
		t := int64(h.Sec)*1e9 + int64(h.Nsec)
		records.add(b, data, length, t, r.link, 0)
		records.at(t)
	}
	return nil
}

// errRing cannot happen unless the kernel writes another format than it was asked for.
var errRing = fmt.Errorf("the kernel's packet ring is not in the format of TPACKET_V3")

// tagType is the EtherType of the tag that the kernel took off.
func tagType(h *unix.Tpacket3Hdr) uint16 {
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		return h.Hv1.Vlan_tpid
	}
	return etherTypeVLAN // before Linux 3.14
}

// tag puts back the VLAN tag before the EtherType and returns where the packet begins then.
func tag(m []byte, begin uint64, h *unix.Tpacket3Hdr) uint64 {
	begin -= tagLength
	copy(m[begin:begin+addressesLength], m[begin+tagLength:])
	binary.BigEndian.PutUint16(m[begin+addressesLength:], tagType(h))
	binary.BigEndian.PutUint16(m[begin+addressesLength+2:], uint16(h.Hv1.Vlan_tci))
	return begin
}

// cook puts a LINKTYPE_LINUX_SLL2 header before a packet and returns where
// that begins. A VLAN tag that the kernel took off becomes the protocol,
// followed by the rest of the tag and the EtherType, as in Ethernet.
func cook(m []byte, begin uint64, h *unix.Tpacket3Hdr, from *unix.RawSockaddrLinklayer) uint64 {
	protocol := networkOrder(from.Protocol) // now in the order of this machine
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		tci, payload := uint16(h.Hv1.Vlan_tci), m[begin:begin+uint64(h.Snaplen)]
		inside := tagInside(payload, protocol)
		if inside {
			protocol = etherTypeVLAN
		}
		if !inside || binary.BigEndian.Uint16(payload) != tci {
			begin -= tagLength
			binary.BigEndian.PutUint16(m[begin:], tci)
			binary.BigEndian.PutUint16(m[begin+2:], protocol)
		}
		protocol = tagType(h)
	} else if knownEtherType(protocol) == stepVLAN {
		// Before 6.11, an outgoing packet could begin at the IP header, its tag lost.
		if ip := beginsWith(m[begin : begin+uint64(h.Snaplen)]); ip != 0 {
			protocol = ip
		}
	}
	// The header overwrites neither h nor from: headroom is long enough for it and a tag.
	begin -= cookedHeader
	b := m[begin : begin+cookedHeader]
	binary.BigEndian.PutUint16(b[0:], protocol)
	b[2], b[3] = 0, 0
	binary.BigEndian.PutUint32(b[4:], uint32(from.Ifindex))
	binary.BigEndian.PutUint16(b[8:], from.Hatype)
	b[10], b[11] = from.Pkttype, from.Halen
	copy(b[12:], from.Addr[:])
	return begin
}

// tagInside reports whether a packet begins with the rest of a VLAN tag although the
// kernel says that it is of that protocol. Since 6.11, Linux gives the
// innermost protocol of packets that have a tag within (vlan_get_protocol_dgram in
// net/packet/af_packet.c), and they begin behind the first tag or at the IP
// header, depending on where they come from.
func tagInside(packet []byte, protocol uint16) bool {
	if len(packet) < ipv4Header || protocol != etherTypeIPv4 && protocol != etherTypeIPv6 {
		return false
	}
	behind := binary.BigEndian.Uint16(packet[2:])
	// What is taken for the type could be the length of an IPv4 packet.
	return (behind == protocol || knownEtherType(behind) == stepVLAN) && beginsWith(packet) != protocol
}

// beginsWith is the EtherType of an IP packet, 0 where it is none.
func beginsWith(packet []byte) uint16 {
	switch {
	case len(packet) < ipv4Header:
	case packet[0]>>4 == 4 && packet[0]&15 >= ipv4Header/4 && int(binary.BigEndian.Uint16(packet[2:])) <= len(packet):
		return etherTypeIPv4
	case packet[0]>>4 == 6 && ipv6Header+int(binary.BigEndian.Uint16(packet[4:])) <= len(packet):
		return etherTypeIPv6
	}
	return 0
}

// networkOrder turns v from the byte order of this machine into that of the network, or back.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// release gives the block back to the kernel.
func (k *block) release() {
	atomic.StoreUint32(&k.header.Block_status, unix.TP_STATUS_KERNEL)
	k.ring.lent.Add(-1)
}
