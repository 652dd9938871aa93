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
	// maxRingBlock is the usual size of a block. The largest packet fits (BIG TCP, 512 KiB), and
	// at 150 MB/s one block fills in 7 ms.
	maxRingBlock = 1 << 20
	// minRingBlock is large enough for a packet of 64 KiB from receive offload.
	minRingBlock = 128 << 10
	// minRingBlocks leaves blocks for the kernel while batches hold some: the pool of package
	// reassembly has 4.
	minRingBlocks = 16
	// retireAfter is the age of a partly filled block, in milliseconds, at which the kernel
	// hands it over. It checks once per such time, so it can be twice as late: 80 ms.
	retireAfter = 40
	// headroom is kept free before each packet, for the cooked header and a tag, rounded up to
	// align IP headers.
	headroom = 24
	// sockaddrAt is the offset of a packet's address after its header, aligned as by
	// TPACKET_ALIGN.
	sockaddrAt = (unix.SizeofTpacket3Hdr + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)
	// blockHeaderAt is the offset of a block's header, after two fields of 4 bytes.
	blockHeaderAt = 8
	tagLength     = 4
	// cookedHeader is the length of the header of LINKTYPE_LINUX_SLL2.
	cookedHeader = 20
	// addressesLength is the length of the addresses in an Ethernet header.
	addressesLength = 12
)

func blockSize(ring int) int {
	size := maxRingBlock
	for size > minRingBlock && size*minRingBlocks > ring {
		size /= 2
	}
	return size
}

// ring is the memory into which the kernel writes packets (packet_mmap.rst, TPACKET_V3). Its
// blocks belong to the kernel or to the program in turn. Packets are not copied: a batch holds
// the block of its packets. The ring is unmapped when neither the capture nor a batch refers to
// it.
type ring struct {
	memory []byte
	blocks []block
	// current is the next block to read.
	current int
	// cooked: packets come without a link-layer header, and get a cooked one.
	cooked  bool
	snapLen int
	link    LinkType
	// lent counts the blocks held by batches.
	lent atomic.Int32
	// unmap runs when the ring is garbage.
	unmap runtime.Cleanup
}

type block struct {
	ring   *ring
	memory []byte
	header *unix.TpacketHdrV1
}

func newRing(fd, bytes, snapLen int, cooked bool) (*ring, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("set TPACKET_V3, which needs Linux 3.2: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, headroom); err != nil {
		return nil, fmt.Errorf("reserve headroom: %w", err)
	}
	size := blockSize(bytes)
	n := bytes / size
	req := unix.TpacketReq3{
		Block_size: uint32(size), Block_nr: uint32(n),
		// The kernel demands that frames fill the blocks, but does not use them.
		Frame_size: minRingBlock, Frame_nr: uint32(n * (size / minRingBlock)),
		Retire_blk_tov: retireAfter,
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, fmt.Errorf("create a ring of %d MiB: %w", bytes>>20, err)
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

// close unmaps the ring at once, or when the last batch returns its block.
func (r *ring) close() {
	if r.lent.Load() == 0 {
		r.unmap.Stop()
		_ = unix.Munmap(r.memory) // fails only for memory that is not mapped
		r.memory, r.blocks = nil, nil
	}
}

// ready reports whether the next block belongs to the program.
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
			continue // it is also received
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

// errRing means that the kernel writes another format than TPACKET_V3.
var errRing = fmt.Errorf("the kernel's packet ring is not in the format of TPACKET_V3")

// tagType returns the EtherType of the tag that the kernel removed.
func tagType(h *unix.Tpacket3Hdr) uint16 {
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		return h.Hv1.Vlan_tpid
	}
	return etherTypeVLAN // before Linux 3.14
}

// tag inserts the VLAN tag before the EtherType and returns the packet's new beginning.
func tag(m []byte, begin uint64, h *unix.Tpacket3Hdr) uint64 {
	begin -= tagLength
	copy(m[begin:begin+addressesLength], m[begin+tagLength:])
	binary.BigEndian.PutUint16(m[begin+addressesLength:], tagType(h))
	binary.BigEndian.PutUint16(m[begin+addressesLength+2:], uint16(h.Hv1.Vlan_tci))
	return begin
}

// cook inserts a LINKTYPE_LINUX_SLL2 header before a packet and returns its beginning. If the
// kernel removed a VLAN tag, its type is the protocol, and the tag and the EtherType follow, as
// in Ethernet.
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
		// Before Linux 6.11, an outgoing packet could begin at the IP header, without its tag.
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

// tagInside reports whether a packet begins inside a VLAN tag although the kernel reports an IP
// protocol. Since 6.11, Linux reports the innermost protocol of packets with a second tag
// (vlan_get_protocol_dgram in net/packet/af_packet.c). Depending on their source, they begin
// after the first tag or at the IP header.
func tagInside(packet []byte, protocol uint16) bool {
	if len(packet) < ipv4Header || protocol != etherTypeIPv4 && protocol != etherTypeIPv6 {
		return false
	}
	behind := binary.BigEndian.Uint16(packet[2:])
	// The bytes of the type could also be the length of an IPv4 packet.
	return (behind == protocol || knownEtherType(behind) == stepVLAN) && beginsWith(packet) != protocol
}

// beginsWith returns the EtherType of an IP packet, 0 for other packets.
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

// networkOrder converts v between native and network byte order.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// release returns the block to the kernel.
func (k *block) release() {
	atomic.StoreUint32(&k.header.Block_status, unix.TP_STATUS_KERNEL)
	k.ring.lent.Add(-1)
}
