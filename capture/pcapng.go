package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The block types that are parsed (draft-ietf-opsawg-pcapng, section 11.1). Others are skipped.
const (
	blockInterface  = 1
	blockObsolete   = 2
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
	blockSecrets    = 0x0000000a
	blockSection    = 0x0a0d0d0a
)

const (
	// byteOrderMagic begins a section and shows its byte order.
	byteOrderMagic = 0x1a2b3c4d
	// pcapngMajor is the only major version.
	pcapngMajor = 1

	// blockHead is the type and the length of a block, blockTail its length again.
	blockHead = 8
	blockTail = 4
	// blockLeast is the shortest block, without a body.
	blockLeast = blockHead + blockTail

	// Lengths up to the packet data, or the options, of the blocks.
	sectionHead    = blockHead + 16
	interfaceHead  = blockHead + 8
	simpleHead     = blockHead + 4
	packetHead     = blockHead + 20 // enhanced and obsolete
	statisticsHead = blockHead + 12
	secretsHead    = blockHead + 8

	// maxBlock bounds the blocks that must be in memory completely: a packet of the largest
	// length with 128 KiB of comments and other options.
	maxBlock = maxPacket + 128<<10
	// maxInterfaces bounds the interfaces of a section: 65,536 of 48 bytes are 3 MiB. dumpcap
	// writes one for each captured interface.
	maxInterfaces = 1 << 16
	// maxSecretLine is the longest line of secrets that is never split. A line of a TLS key log
	// has at most about 300 bytes: label, 64 digits of client random, 96 of secret.
	maxSecretLine = 64 << 10
)

type pcapng struct {
	*records
	// swap: the section is big-endian.
	swap bool
	// interfaces are those of the section so far; base counts those of earlier sections.
	interfaces []ngInterface
	base       uint32
	// processes are those of PacketProcess so far by their comments, nil for other comments.
	// commentText is scratch memory.
	processes   map[string]*PacketProcess
	commentText []byte
	// open is the block that is being skipped or read in parts.
	open ngBlock
	// secret is the number of bytes of secrets next in the open block, their kind, and the
	// number of bytes of padding and options after them.
	secret struct {
		kind        uint32
		left, after int64
	}
}

// ngBlock is the offset, type and length of a block; length 0 is no block.
type ngBlock struct {
	start  int64
	kind   uint32
	length uint32
}

func (p *pcapng) u16(d []byte) uint16 {
	v := binary.LittleEndian.Uint16(d)
	if p.swap {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (p *pcapng) u32(d []byte) uint32 {
	v := binary.LittleEndian.Uint32(d)
	if p.swap {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (p *pcapng) u64(d []byte) uint64 {
	v := binary.LittleEndian.Uint64(d)
	if p.swap {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// parse parses block after block. pos can be after the end of data: the bytes between belong to
// a skipped block.
func (p *pcapng) parse(data []byte, b *Batch) (int64, error) {
	pos := int64(0)
	for len(b.Packets) < maxBatchPackets && pos <= int64(len(data)) {
		var n int64
		var err error
		if rest := data[pos:]; p.open.length > 0 {
			n, err = p.resume(rest)
		} else if n = p.enhanced(rest, b); n == 0 {
			n, err = p.block(rest, pos, b)
		}
		if n == 0 || err != nil {
			return pos, err
		}
		pos += n
	}
	return pos, nil
}

// enhanced is the fast path for most blocks: a complete and valid enhanced packet block. For any
// other block it does nothing and returns 0; block then handles it or returns the error.
func (p *pcapng) enhanced(d []byte, b *Batch) int64 {
	if len(d) < packetHead+blockTail || p.u32(d) != blockEnhanced {
		return 0
	}
	length, iface, captured := p.u32(d[4:]), p.u32(d[8:]), p.u32(d[20:])
	if int64(length) > int64(len(d)) || length%4 != 0 || length > maxBlock || captured > maxPacket ||
		captured+packetHead+blockTail > length || int64(iface) >= int64(len(p.interfaces)) ||
		p.u32(d[length-blockTail:]) != length {
		return 0
	}
	in := &p.interfaces[iface]
	t := in.time(uint64(p.u32(d[12:]))<<32 | uint64(p.u32(d[16:])))
	p.at(t)
	end := packetHead + captured
	p.add(b, d[packetHead:end:end], p.u32(d[24:]), t, in.link, p.base+iface)
	if options := (end + 3) &^ 3; options+optionHead < length-blockTail {
		b.Packets[len(b.Packets)-1].Process = p.comments(d[options : length-blockTail])
	}
	return int64(length)
}

// block handles the block at the beginning of d and returns its length; 0 asks for more bytes.
// pos is the offset of d in the data of the parse call.
func (p *pcapng) block(d []byte, pos int64, b *Batch) (int64, error) {
	if len(d) < blockLeast {
		return 0, nil
	}
	if binary.LittleEndian.Uint32(d) == blockSection {
		if err := p.order(d, pos); err != nil {
			return 0, err
		}
	}
	blk := ngBlock{start: p.offset + pos, kind: p.u32(d), length: p.u32(d[4:])}
	if blk.length < blockLeast || blk.length%4 != 0 {
		return 0, p.wrongBlock(blk, "length %d is not a multiple of 4 from %d up", blk.length, blockLeast)
	}
	head := headOf(blk.kind)
	if int64(blk.length) < int64(head)+blockTail {
		return 0, p.wrongBlock(blk, "length %d is below %d", blk.length, head+blockTail)
	}
	switch {
	case head == 0:
		p.open = blk
		return int64(blk.length) - blockTail, nil
	case len(d) < head:
		return 0, nil
	case blk.kind == blockSecrets && len(b.Packets) > 0 && p.records.secrets != nil:
		return 0, nil // end the batch, because Options.Secrets is called between batches
	case blk.kind == blockSection || blk.kind == blockSecrets:
		return p.begin(blk, d)
	}
	if blk.length > maxBlock {
		return 0, p.wrongBlock(blk, "length %d exceeds %d", blk.length, maxBlock)
	}
	if blk.kind == blockEnhanced || blk.kind == blockObsolete {
		// Before the block is complete: a capture that ends in an invalid block is invalid, not
		// torn.
		if err := p.capturedLength(blk, d); err != nil {
			return 0, err
		}
	}
	if len(d) < int(blk.length) {
		return 0, nil
	}
	end := int(blk.length) - blockTail
	if err := p.sameLength(blk, d[end:]); err != nil {
		return 0, err
	}
	return int64(blk.length), p.complete(blk, d[:end:end], b)
}

// headOf returns how many bytes of a block are needed to check it; 0 for blocks that are
// skipped.
func headOf(kind uint32) int {
	switch kind {
	case blockEnhanced, blockObsolete:
		return packetHead
	case blockSimple:
		return simpleHead
	case blockInterface:
		return interfaceHead
	case blockStatistics:
		return statisticsHead
	case blockSecrets:
		return secretsHead
	case blockSection:
		return sectionHead
	}
	return 0
}

// complete handles a complete block; d ends before its second length.
func (p *pcapng) complete(blk ngBlock, d []byte, b *Batch) error {
	switch blk.kind {
	case blockEnhanced:
		return p.packet(blk, d, p.u32(d[8:]), b)
	case blockObsolete:
		return p.packet(blk, d, uint32(p.u16(d[8:])), b)
	case blockSimple:
		return p.simple(blk, d, b)
	case blockInterface:
		return p.describe(blk, d)
	}
	p.statistics(d)
	return nil
}

// begin handles the head of a block that is not read completely.
func (p *pcapng) begin(blk ngBlock, d []byte) (int64, error) {
	p.open = blk
	if blk.kind == blockSection {
		return int64(blk.length) - blockTail, p.section(blk, d)
	}
	room := int64(blk.length) - secretsHead - blockTail
	p.secret.kind, p.secret.left = p.u32(d[8:]), int64(p.u32(d[12:]))
	p.secret.after = room - p.secret.left
	if p.secret.after < 0 {
		return 0, p.wrongBlock(blk, "length of secrets %d exceeds the %d bytes of its block", p.secret.left, room)
	}
	if p.secret.left == 0 {
		return secretsHead + room, nil
	}
	return secretsHead, nil
}

// resume continues the open block with its secrets or its end.
func (p *pcapng) resume(d []byte) (int64, error) {
	if p.secret.left > 0 {
		return p.secrets(d), nil
	}
	if len(d) < blockTail {
		return 0, nil
	}
	err := p.sameLength(p.open, d)
	p.open = ngBlock{}
	return blockTail, err
}

// secrets passes on the complete lines in d. It returns how far to continue: after the last
// line, and after the last secrets up to the second length of the block.
func (p *pcapng) secrets(d []byte) int64 {
	text := d[:min(int64(len(d)), p.secret.left)]
	if int64(len(text)) < p.secret.left {
		if n := bytes.LastIndexByte(text, '\n') + 1; n > 0 || len(text) < maxSecretLine {
			text = text[:n]
		}
	}
	if len(text) > 0 && p.records.secrets != nil {
		p.records.secrets(Secret{p.records.info.Path, p.records.info.Packets, p.secret.kind, text})
	}
	n := int64(len(text))
	if p.secret.left -= n; p.secret.left == 0 {
		n += p.secret.after
	}
	return n
}

// sameLength compares the two lengths of a block.
func (p *pcapng) sameLength(blk ngBlock, d []byte) error {
	if n := p.u32(d); n != blk.length {
		return p.wrongBlock(blk, "length %d at its beginning, %d at its end", blk.length, n)
	}
	return nil
}

// order reads the byte order of the section at d.
func (p *pcapng) order(d []byte, pos int64) error {
	switch magic := binary.LittleEndian.Uint32(d[8:]); magic {
	case byteOrderMagic:
		p.swap = false
	case bits.ReverseBytes32(byteOrderMagic):
		p.swap = true
	default:
		return fmt.Errorf("section at offset %d after packet %d: byte order magic %08x is unknown",
			p.offset+pos, p.info.Packets, magic)
	}
	return nil
}

func (p *pcapng) section(blk ngBlock, d []byte) error {
	if major := p.u16(d[12:]); major != pcapngMajor {
		return p.wrongBlock(blk, "pcapng version %d.%d is not supported, only %d.x is", major, p.u16(d[14:]), pcapngMajor)
	}
	if blk.start == 0 && int64(blk.length) <= int64(len(d)) {
		p.options(d[sectionHead:blk.length-blockTail], func(code uint16, value []byte) {
			if code == optionComment {
				p.info.Comment = string(value)
			}
		})
	}
	p.base += uint32(len(p.interfaces))
	p.interfaces = p.interfaces[:0]
	return nil
}

// packet handles an enhanced or obsolete packet block. They differ only in the width of the
// interface number.
func (p *pcapng) packet(blk ngBlock, d []byte, iface uint32, b *Batch) error {
	if int64(iface) >= int64(len(p.interfaces)) {
		return p.noInterface(blk, iface)
	}
	in := &p.interfaces[iface]
	t := in.time(uint64(p.u32(d[12:]))<<32 | uint64(p.u32(d[16:])))
	p.at(t)
	end := packetHead + p.u32(d[20:])
	p.add(b, d[packetHead:end:end], p.u32(d[24:]), t, in.link, p.base+iface)
	return nil
}

// capturedLength checks the captured length in the head of an enhanced or obsolete packet block.
func (p *pcapng) capturedLength(blk ngBlock, d []byte) error {
	captured := p.u32(d[20:])
	if captured > maxPacket {
		return p.wrongBlock(blk, "captured length %d exceeds %d", captured, maxPacket)
	}
	if room := blk.length - packetHead - blockTail; captured > room {
		return p.wrongBlock(blk, "captured length %d exceeds the %d bytes of its block", captured, room)
	}
	return nil
}

// simple handles a simple packet block. It has interface 0 and no timestamp; the previous
// packet's is used, else 0. The snapshot length gives its captured length.
func (p *pcapng) simple(blk ngBlock, d []byte, b *Batch) error {
	if len(p.interfaces) == 0 {
		return p.noInterface(blk, 0)
	}
	in := &p.interfaces[0]
	length := p.u32(d[8:])
	captured := min(length, uint32(len(d)-simpleHead))
	if in.snap > 0 {
		captured = min(captured, in.snap)
	}
	if captured > maxPacket {
		return p.wrongBlock(blk, "captured length %d exceeds %d", captured, maxPacket)
	}
	end := simpleHead + int(captured)
	p.add(b, d[simpleHead:end:end], length, p.last, in.link, p.base)
	return nil
}

func (p *pcapng) noInterface(blk ngBlock, iface uint32) error {
	return p.wrongBlock(blk, "interface %d is not described, only %d are so far", iface, len(p.interfaces))
}

func (p *pcapng) torn(rest []byte, end int64) error {
	blk := p.open
	if blk.length == 0 {
		if len(rest) == 0 {
			return nil
		}
		blk.start = end - int64(len(rest))
		if len(rest) < blockLeast {
			return fmt.Errorf("block at offset %d after packet %d breaks off in its header: %d of %d bytes",
				blk.start, p.info.Packets, len(rest), blockLeast)
		}
		blk.kind, blk.length = p.u32(rest), p.u32(rest[4:])
	}
	return fmt.Errorf("%s breaks off: %d of %d bytes", p.name(blk), end-blk.start, blk.length)
}

// name identifies a block in errors, by the number of its packet if it has one.
func (p *pcapng) name(blk ngBlock) string {
	switch blk.kind {
	case blockEnhanced, blockObsolete, blockSimple:
		return fmt.Sprintf("packet %d at offset %d", p.info.Packets+1, blk.start)
	}
	return fmt.Sprintf("block at offset %d after packet %d", blk.start, p.info.Packets)
}

func (p *pcapng) wrongBlock(blk ngBlock, format string, args ...any) error {
	return fmt.Errorf(p.name(blk)+": "+format, args...)
}
