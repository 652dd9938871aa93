package capturetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// byteOrder reads and appends integers in one byte order.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func order(big bool) byteOrder {
	if big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// The magic numbers of classic pcap, and the lengths of its headers (draft-ietf-opsawg-pcap). The
// modified format is that of a patched libpcap, with 8 more bytes in every record header.
const (
	magicMicro         = 0xa1b2c3d4
	magicNano          = 0xa1b23c4d
	magicModified      = 0xa1b2cd34
	pcapHeaderLength   = 24
	recordLength       = 16
	modifiedLength     = 24
	defaultSnapLength  = 262144
	nanosecondsASecond = 1_000_000_000
)

// Pcap is a variant of the classic pcap format. The zero value is little-endian with microseconds.
type Pcap struct {
	// BigEndian reverses the byte order of all headers.
	BigEndian bool
	// Nano writes timestamps with nanoseconds.
	Nano bool
	// Modified is the format with magic number a1b2cd34.
	Modified bool
	// Link is the link type of a capture without packets.
	Link uint32
	// SnapLen is the snapshot length in the file header; 0 means 262144.
	SnapLen uint32
}

// Encode returns a file with the packets, which must all have one link type.
func (f Pcap) Encode(packets []Packet) []byte {
	if len(packets) > 0 {
		f.Link = packets[0].Link
	}
	var b bytes.Buffer
	w, err := f.NewWriter(&b)
	for _, p := range packets {
		if err == nil {
			err = w.Write(p)
		}
	}
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

// PcapWriter writes packets one by one.
type PcapWriter struct {
	w      io.Writer
	format Pcap
	order  byteOrder
	head   []byte
}

// NewWriter writes the file header for packets of link type f.Link to w.
func (f Pcap) NewWriter(w io.Writer) (*PcapWriter, error) {
	magic := uint32(magicMicro)
	switch {
	case f.Modified:
		magic = magicModified
	case f.Nano:
		magic = magicNano
	}
	snap := f.SnapLen
	if snap == 0 {
		snap = defaultSnapLength
	}
	o := order(f.BigEndian)
	h := o.AppendUint32(nil, magic)
	h = o.AppendUint16(h, 2)
	h = o.AppendUint16(h, 4)
	h = o.AppendUint64(h, 0) // time zone and accuracy, never used
	h = o.AppendUint32(h, snap)
	h = o.AppendUint32(h, f.Link)
	_, err := w.Write(h)
	return &PcapWriter{w: w, format: f, order: o}, err
}

// Write appends a packet.
func (w *PcapWriter) Write(p Packet) error {
	if p.Link != w.format.Link {
		return fmt.Errorf("link type %d in a pcap file of link type %d", p.Link, w.format.Link)
	}
	fraction := p.Time % nanosecondsASecond
	if !w.format.Nano {
		fraction /= 1000
	}
	h := w.order.AppendUint32(w.head[:0], uint32(p.Time/nanosecondsASecond))
	h = w.order.AppendUint32(h, uint32(fraction))
	h = w.order.AppendUint32(h, uint32(len(p.Data)))
	h = w.order.AppendUint32(h, uint32(p.Length()))
	if w.format.Modified {
		h = w.order.AppendUint64(h, 0) // interface, protocol, packet type
	}
	w.head = h
	if _, err := w.w.Write(h); err != nil {
		return err
	}
	_, err := w.w.Write(p.Data)
	return err
}
