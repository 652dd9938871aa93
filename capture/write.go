package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Options of blocks as they are written (draft-ietf-opsawg-pcapng, sections 3.5, 4.1 and 4.2).
const (
	optionComment     = 1
	optionApplication = 4 // shb_userappl
	optionName        = 2 // if_name
	// maxOptionText bounds a text in an option, in bytes: its length field has 16 bits.
	maxOptionText = math.MaxUint16
)

// Interface describes one interface of a capture.
type Interface struct {
	// Name is the interface's name, empty where it is not known.
	Name string
	// Link is its link type.
	Link LinkType
	// SnapLen is the snapshot length in bytes, 0 for none.
	SnapLen uint32
	// Resolution is the unit of its timestamps: 10^-Resolution seconds, up to
	// 9. Timestamps of a finer or of a binary unit are kept in nanoseconds.
	Resolution uint8
}

// Writer writes packets as a pcapng file with one section. The first error is
// kept and returned by every call after it. A Writer belongs to one goroutine;
// it holds no more than the block it is writing.
type Writer struct {
	w          io.Writer
	interfaces []Interface
	block      []byte
	written    int64
	err        error
}

// NewWriter begins a pcapng file on w. application names the program that
// writes it, comment stands on the whole file; either may be empty. w should
// be buffered: it is called once for each block.
func NewWriter(w io.Writer, application, comment string) *Writer {
	n := &Writer{w: w}
	n.begin(blockSection)
	n.u32(byteOrderMagic)
	n.u16(pcapngMajor)
	n.u16(0)
	n.block = binary.LittleEndian.AppendUint64(n.block, math.MaxUint64) // the length of the section is not given
	n.text(optionComment, comment)
	n.text(optionApplication, application)
	n.end()
	return n
}

// AddInterface describes an interface and returns the number by which
// WritePacket calls it. Link types above 65,535 do not fit the format.
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

// WritePacket writes a packet that was seen on the interface of that number:
// its captured bytes, its length on the wire and its time, in the interface's
// unit. Its Capture, Frame, Link and Interface are not looked at. comment, if
// not empty, is what Wireshark shows with the packet.
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

// Written is how many bytes were written so far.
func (n *Writer) Written() int64 { return n.written }

// Err is the first error.
func (n *Writer) Err() error { return n.err }

// fail keeps the first error.
func (n *Writer) fail(err error) error {
	if n.err == nil {
		n.err = fmt.Errorf("write pcapng: %w", err)
	}
	return n.err
}

// begin starts a block, its length left open.
func (n *Writer) begin(kind uint32) {
	n.block = binary.LittleEndian.AppendUint32(n.block[:0], kind)
	n.u32(0)
}

// end ends the options and the block, and writes it.
func (n *Writer) end() {
	n.u32(optionEnd)
	length := uint32(len(n.block) + blockTail)
	n.u32(length)
	binary.LittleEndian.PutUint32(n.block[4:], length)
	if n.err != nil {
		return
	}
	wrote, err := n.w.Write(n.block)
	n.written += int64(wrote)
	if err != nil {
		n.err = err
	}
}

// text adds an option with a text, unless it is empty.
func (n *Writer) text(code uint16, s string) {
	if s != "" {
		n.option(code, []byte(s[:min(len(s), maxOptionText)]))
	}
}

// option adds an option.
func (n *Writer) option(code uint16, value []byte) {
	n.u16(code)
	n.u16(uint16(len(value)))
	n.block = append(n.block, value...)
	n.pad()
}

// pad fills up to a multiple of 4.
func (n *Writer) pad() {
	for len(n.block)%4 != 0 {
		n.block = append(n.block, 0)
	}
}

func (n *Writer) u16(v uint16) { n.block = binary.LittleEndian.AppendUint16(n.block, v) }
func (n *Writer) u32(v uint32) { n.block = binary.LittleEndian.AppendUint32(n.block, v) }
