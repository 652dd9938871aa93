package capturetest

import (
	"math/bits"
	"slices"
)

// The types of pcapng blocks (draft-ietf-opsawg-pcapng).
const (
	BlockSection    = 0x0a0d0d0a
	BlockInterface  = 1
	BlockObsolete   = 2
	BlockSimple     = 3
	BlockNames      = 4
	BlockStatistics = 5
	BlockEnhanced   = 6
	BlockSecrets    = 10
)

// The pcapng options in use.
const (
	OptionComment  = 1
	OptionFlags    = 2  // epb_flags
	OptionTSResol  = 9  // if_tsresol
	OptionTSOffset = 14 // if_tsoffset
	OptionIfDrop   = 5  // isb_ifdrop
)

// SecretsTLS is the type of a decryption secrets block with a TLS key log.
const SecretsTLS = 0x544c534b

// Option is an option of a pcapng block.
type Option struct {
	Code  uint16
	Value []byte
}

// Blocks builds a pcapng file block by block, including invalid ones for tests. Every method
// appends one block to Bytes.
type Blocks struct {
	// BigEndian is the byte order of the next blocks.
	BigEndian bool
	// Bytes is the file so far.
	Bytes []byte
}

// Block appends a block of any type and body.
func (b *Blocks) Block(kind uint32, body []byte) {
	o := order(b.BigEndian)
	padded := pad4(body)
	length := uint32(12 + len(padded))
	b.Bytes = o.AppendUint32(b.Bytes, kind)
	b.Bytes = o.AppendUint32(b.Bytes, length)
	b.Bytes = append(b.Bytes, padded...)
	b.Bytes = o.AppendUint32(b.Bytes, length)
}

// Section appends a section header block.
func (b *Blocks) Section(options ...Option) {
	o := order(b.BigEndian)
	body := o.AppendUint32(nil, 0x1a2b3c4d)
	body = o.AppendUint16(body, 1)
	body = o.AppendUint16(body, 0)
	body = o.AppendUint64(body, 1<<64-1) // unknown length
	b.Block(BlockSection, b.options(body, options))
}

// Interface appends an interface description block.
func (b *Blocks) Interface(link uint32, snapLen uint32, options ...Option) {
	o := order(b.BigEndian)
	body := o.AppendUint16(nil, uint16(link))
	body = o.AppendUint16(body, 0)
	body = o.AppendUint32(body, snapLen)
	b.Block(BlockInterface, b.options(body, options))
}

// Enhanced appends an enhanced packet block. The timestamp is in the unit of the interface.
func (b *Blocks) Enhanced(iface uint32, timestamp uint64, data []byte, length int, options ...Option) {
	o := order(b.BigEndian)
	body := o.AppendUint32(nil, iface)
	body = b.packet(body, timestamp, data, length)
	b.Block(BlockEnhanced, b.options(body, options))
}

// Obsolete appends a packet block of the obsolete type.
func (b *Blocks) Obsolete(iface, drops uint16, timestamp uint64, data []byte, length int, options ...Option) {
	o := order(b.BigEndian)
	body := o.AppendUint16(nil, iface)
	body = o.AppendUint16(body, drops)
	body = b.packet(body, timestamp, data, length)
	b.Block(BlockObsolete, b.options(body, options))
}

// packet appends the common part of enhanced and obsolete packet blocks.
func (b *Blocks) packet(body []byte, timestamp uint64, data []byte, length int) []byte {
	o := order(b.BigEndian)
	body = o.AppendUint32(body, uint32(timestamp>>32))
	body = o.AppendUint32(body, uint32(timestamp))
	body = o.AppendUint32(body, uint32(len(data)))
	body = o.AppendUint32(body, uint32(length))
	return append(body, pad4(data)...)
}

// Simple appends a simple packet block. It has interface 0 and no timestamp. The interface's
// snapshot length limits its captured length.
func (b *Blocks) Simple(data []byte, length int) {
	b.Block(BlockSimple, append(order(b.BigEndian).AppendUint32(nil, uint32(length)), data...))
}

// Secrets appends a decryption secrets block.
func (b *Blocks) Secrets(kind uint32, data []byte) {
	o := order(b.BigEndian)
	body := o.AppendUint32(nil, kind)
	body = o.AppendUint32(body, uint32(len(data)))
	b.Block(BlockSecrets, append(body, data...))
}

// Statistics appends an interface statistics block with the number of dropped packets.
func (b *Blocks) Statistics(iface uint32, timestamp, dropped uint64) {
	o := order(b.BigEndian)
	body := o.AppendUint32(nil, iface)
	body = o.AppendUint32(body, uint32(timestamp>>32))
	body = o.AppendUint32(body, uint32(timestamp))
	b.Block(BlockStatistics, b.options(body, []Option{{OptionIfDrop, o.AppendUint64(nil, dropped)}}))
}

// options appends options and their end, or nothing if there are none.
func (b *Blocks) options(body []byte, options []Option) []byte {
	if len(options) == 0 {
		return body
	}
	o := order(b.BigEndian)
	for _, option := range options {
		body = o.AppendUint16(body, option.Code)
		body = o.AppendUint16(body, uint16(len(option.Value)))
		body = append(body, pad4(option.Value)...)
	}
	return o.AppendUint32(body, 0)
}

// pad4 returns a copy of data with zeros up to a multiple of 4 bytes.
func pad4(data []byte) []byte {
	return append(slices.Clone(data), make([]byte, -len(data)&3)...)
}

// Pcapng says how to write packets as a pcapng file. The zero value is one little-endian section
// of enhanced packet blocks with microseconds.
type Pcapng struct {
	BigEndian bool
	// Block is the block type for packets: BlockEnhanced (also for 0), BlockObsolete, or
	// BlockSimple. BlockSimple loses timestamps and comments and supports only one link type.
	Block uint32
	// Resolution is the value of if_tsresol: 9 for nanoseconds, 0x80|n for units of 2^-n seconds.
	// 0 omits the option, which means microseconds.
	Resolution byte
	// Offset is the value of if_tsoffset in seconds; 0 omits the option.
	Offset int64
	// Section is the number of packets after which a new section with its own interfaces begins; 0
	// means never. Every other section reverses the byte order.
	Section int
	// SnapLen is the snapshot length of the interfaces; 0 means no limit.
	SnapLen uint32
	// KeyLog is a TLS key log for a decryption secrets block before the first packet.
	KeyLog []byte
	// Dropped is the number of dropped packets for an interface statistics block at the end.
	Dropped uint64
}

// Encode returns a file with the packets. Each link type of a section has its own interface, in
// order of appearance.
func (f Pcapng) Encode(packets []Packet) []byte {
	b := Blocks{BigEndian: f.BigEndian}
	var links []uint32
	for i, p := range packets {
		if i == 0 || f.Section > 0 && i%f.Section == 0 {
			b.BigEndian = f.BigEndian != (f.Section > 0 && i/f.Section%2 == 1)
			f.begin(&b)
			links = links[:0]
		}
		iface := slices.Index(links, p.Link)
		if iface < 0 {
			iface = len(links)
			links = append(links, p.Link)
			b.Interface(p.Link, f.SnapLen, f.interfaceOptions(b.BigEndian)...)
		}
		f.write(&b, uint32(iface), p)
	}
	if len(packets) == 0 {
		f.begin(&b)
	}
	if f.Dropped > 0 {
		b.Statistics(0, f.Timestamp(packets[len(packets)-1].Time), f.Dropped)
	}
	return b.Bytes
}

// begin begins a section.
func (f Pcapng) begin(b *Blocks) {
	b.Section()
	if len(f.KeyLog) > 0 {
		b.Secrets(SecretsTLS, f.KeyLog)
	}
}

// interfaceOptions returns the options of the timestamps.
func (f Pcapng) interfaceOptions(big bool) []Option {
	var options []Option
	if f.Resolution != 0 {
		options = append(options, Option{OptionTSResol, []byte{f.Resolution}})
	}
	if f.Offset != 0 {
		options = append(options, Option{OptionTSOffset, order(big).AppendUint64(nil, uint64(f.Offset))})
	}
	return options
}

func (f Pcapng) write(b *Blocks, iface uint32, p Packet) {
	var options []Option
	if p.Comment != "" {
		options = append(options, Option{OptionComment, []byte(p.Comment)})
	}
	if direction := directionOf(p); direction > 0 {
		options = append(options, Option{OptionFlags, order(b.BigEndian).AppendUint32(nil, direction)})
	}
	switch f.Block {
	case BlockSimple:
		if iface != 0 {
			panic("simple packet blocks of a second link type")
		}
		b.Simple(p.Data, p.Length())
	case BlockObsolete:
		b.Obsolete(uint16(iface), 0xffff, f.Timestamp(p.Time), p.Data, p.Length(), options...)
	default:
		b.Enhanced(iface, f.Timestamp(p.Time), p.Data, p.Length(), options...)
	}
}

// directionOf returns the direction in epb_flags: 1 inbound, 2 outbound.
func directionOf(p Packet) uint32 {
	switch {
	case p.Inbound:
		return 1
	case p.Outbound:
		return 2
	}
	return 0
}

// Timestamp converts a time in nanoseconds since the Unix epoch to the unit and offset of the
// format, rounded down.
func (f Pcapng) Timestamp(ns int64) uint64 {
	hi, lo := bits.Mul64(uint64(ns-f.Offset*nanosecondsASecond), unitsASecond(f.Resolution))
	units, _ := bits.Div64(hi, lo, nanosecondsASecond)
	return units
}

// unitsASecond returns the units per second for a value of if_tsresol.
func unitsASecond(resolution byte) uint64 {
	if resolution == 0 {
		resolution = 6
	}
	if resolution&0x80 != 0 {
		return 1 << (resolution & 0x7f)
	}
	units := uint64(1)
	for range resolution {
		units *= 10
	}
	return units
}
