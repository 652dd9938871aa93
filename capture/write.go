package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Options of written blocks (draft-ietf-opsawg-pcapng, sections 3.5, 4.1 and 4.2).
const (
	optionComment     = 1
	optionApplication = 4 // shb_userappl
	optionName        = 2 // if_name
	// maxOptionText bounds the bytes of a text in an option: its length field has 16 bits.
	maxOptionText = math.MaxUint16
)

// Interface describes one interface of a capture.
type Interface struct {
	// Name is the interface's name, empty if unknown.
	Name string
	// Link is its link type.
	Link LinkType
	// SnapLen is the snapshot length in bytes, 0 for none.
	SnapLen uint32
	// Resolution is the unit of its timestamps: 10^-Resolution seconds, up to 9. Finer and
	// binary units are converted to nanoseconds.
	Resolution uint8
}

// Writer writes packets as a pcapng file with one section. Every call after the first error
// returns that error. A Writer belongs to one goroutine. It holds no more than the current
// block.
type Writer struct {
	w          io.Writer
	interfaces []Interface
	block      []byte
	err        error
}

// NewWriter begins a pcapng file on w. application is the name of the writing program, comment
// describes the file; either may be empty. w should be buffered: each block is one write.
func NewWriter(w io.Writer, application, comment string) *Writer {
	n := &Writer{w: w}
	n.begin(blockSection)
	n.u32(byteOrderMagic)
	n.u16(pcapngMajor)
	n.u16(0)
	n.block = binary.LittleEndian.AppendUint64(n.block, math.MaxUint64) // unknown length of the section
	n.text(optionComment, comment)
	n.text(optionApplication, application)
	n.end()
	return n
}

// AddInterface adds an interface and returns its number for WritePacket. The format does not
// support link types above 65,535.
func (n *Writer) AddInterface(i Interface) (uint32, error) {
	if i.Link > math.MaxUint16 {
		return 0, n.fail(fmt.Errorf("link type %d exceeds %d", i.Link, math.MaxUint16))
	}
	i.Resolution = min(i.Resolution, nanoExponent)
	n.begin(blockInterface)
	n.u16(uint16(i.Link))
	n.u16(0)
	n.u32(i.SnapLen)
	n.text(optionName, i.Name)
	n.option(optionResol, []byte{i.Resolution})
	n.end()
	n.interfaces = append(n.interfaces, i)
	return uint32(len(n.interfaces) - 1), n.err
}

// WritePacket writes a packet of that interface: its captured bytes, its length on the wire and
// its time, in the interface's unit. It ignores Capture, Frame, Link and Interface of p.
// comment, if not empty, is a comment on the packet.
func (n *Writer) WritePacket(iface uint32, p *Packet, comment string) error {
	if int64(iface) >= int64(len(n.interfaces)) {
		return n.fail(fmt.Errorf("interface %d is not described, only %d are", iface, len(n.interfaces)))
	}
	unit := int64(power10(nanoExponent - n.interfaces[iface].Resolution))
	ticks := uint64(max(p.Time, 0) / unit)
	n.begin(blockEnhanced)
	n.u32(iface)
	n.u32(uint32(ticks >> 32))
	n.u32(uint32(ticks))
	n.u32(uint32(len(p.Data)))
	n.u32(max(p.Length, uint32(len(p.Data))))
	n.block = append(n.block, p.Data...)
	n.pad()
	n.text(optionComment, comment)
	n.end()
	return n.err
}

// Err returns the first error.
func (n *Writer) Err() error { return n.err }

// fail keeps the first error.
func (n *Writer) fail(err error) error {
	if n.err == nil {
		n.err = fmt.Errorf("write pcapng: %w", err)
	}
	return n.err
}

// begin starts a block; end sets its length.
func (n *Writer) begin(kind uint32) {
	n.block = binary.LittleEndian.AppendUint32(n.block[:0], kind)
	n.u32(0)
}

func (n *Writer) end() {
	n.u32(optionEnd)
	length := uint32(len(n.block) + blockTail)
	n.u32(length)
	binary.LittleEndian.PutUint32(n.block[4:], length)
	if n.err != nil {
		return
	}
	if _, err := n.w.Write(n.block); err != nil {
		n.err = err
	}
}

// text adds an option with a text, unless it is empty.
func (n *Writer) text(code uint16, s string) {
	if s != "" {
		n.option(code, []byte(s[:min(len(s), maxOptionText)]))
	}
}

func (n *Writer) option(code uint16, value []byte) {
	n.u16(code)
	n.u16(uint16(len(value)))
	n.block = append(n.block, value...)
	n.pad()
}

func (n *Writer) pad() {
	for len(n.block)%4 != 0 {
		n.block = append(n.block, 0)
	}
}

func (n *Writer) u16(v uint16) { n.block = binary.LittleEndian.AppendUint16(n.block, v) }
func (n *Writer) u32(v uint32) { n.block = binary.LittleEndian.AppendUint32(n.block, v) }
