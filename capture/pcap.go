package capture

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The magic numbers of classic pcap (draft-ietf-opsawg-pcap and libpcap's sf-pcap.c), in
// little-endian byte order.
const (
	pcapMicro = 0xa1b2c3d4
	pcapNano  = 0xa1b23c4d
	// pcapModified is the format of Alexey Kuznetzov's patched libpcap.
	pcapModified = 0xa1b2cd34
)

const (
	pcapHeaderLength = 24
	pcapRecordLength = 16
	// pcapModifiedLength: the modified format adds interface index (4 bytes), protocol (2),
	// packet type (1) and a byte of padding to the record header.
	pcapModifiedLength = 24
	// pcapMajor is the only major version; 2.4 is from 1998.
	pcapMajor = 2
	// pcapLastSwapped is the last minor version that can have the captured length after the
	// length on the wire (libpcap, sf-pcap.c).
	pcapLastSwapped = 3
	// pcapLinkMask removes the length of the frame check sequence from the link type's field
	// (libpcap, pcap-common.h).
	pcapLinkMask = 0x03ffffff
)

// pcapVariant is the variant of a classic pcap file, by its magic number.
type pcapVariant struct {
	// swap: the file's byte order is big-endian.
	swap bool
	// fraction is the unit of the second timestamp field in nanoseconds.
	fraction int64
	// head is the length of a record header.
	head int
}

// pcapMagic returns the variant of a magic number, read as little-endian.
func pcapMagic(magic uint32) (v pcapVariant, ok bool) {
	for _, v.swap = range []bool{false, true} {
		switch magic {
		case pcapMicro:
			v.fraction, v.head = 1000, pcapRecordLength
			return v, true
		case pcapNano:
			v.fraction, v.head = 1, pcapRecordLength
			return v, true
		case pcapModified:
			v.fraction, v.head = 1000, pcapModifiedLength
			return v, true
		}
		magic = bits.ReverseBytes32(magic)
	}
	return v, false
}

// pcap parses classic pcap files.
type pcap struct {
	*records
	pcapVariant
	link LinkType
	// ready: the file header was read.
	ready bool
	// swapped: the two lengths of a record may be swapped.
	swapped bool
}

func (p *pcap) parse(data []byte, b *Batch) (int64, error) {
	pos := 0
	if !p.ready {
		if len(data) < pcapHeaderLength {
			return 0, nil
		}
		if err := p.header(data); err != nil {
			return 0, err
		}
		pos = pcapHeaderLength
	}
	for len(b.Packets) < maxBatchPackets {
		rest := data[pos:]
		if len(rest) < p.head {
			break
		}
		seconds, fraction, captured, length := p.record(rest)
		if captured > maxPacket {
			return int64(pos), p.errorAt(pos, "captured length %d exceeds %d", captured, maxPacket)
		}
		end := p.head + int(captured)
		if len(rest) < end {
			break
		}
		t := int64(seconds)*1e9 + int64(fraction)*p.fraction
		p.at(t)
		p.add(b, rest[p.head:end:end], length, t, p.link, 0)
		pos += end
	}
	return int64(pos), nil
}

func (p *pcap) header(data []byte) error {
	major, minor := binary.LittleEndian.Uint16(data[4:]), binary.LittleEndian.Uint16(data[6:])
	link := binary.LittleEndian.Uint32(data[20:])
	if p.swap {
		major, minor = bits.ReverseBytes16(major), bits.ReverseBytes16(minor)
		link = bits.ReverseBytes32(link)
	}
	// Some writers swap the bytes of the version only.
	if swapped := bits.ReverseBytes16(major); swapped == pcapMajor {
		major, minor = swapped, bits.ReverseBytes16(minor)
	}
	if major != pcapMajor {
		return fmt.Errorf("pcap version %d.%d is not supported, only %d.x is", major, minor, pcapMajor)
	}
	p.link = LinkType(link & pcapLinkMask)
	p.swapped = minor <= pcapLastSwapped
	p.ready = true
	snap := binary.LittleEndian.Uint32(data[16:])
	if p.swap {
		snap = bits.ReverseBytes32(snap)
	}
	resolution := uint8(microExponent)
	if p.fraction == 1 {
		resolution = nanoExponent
	}
	p.addInterface(Interface{Link: p.link, SnapLen: snap, Resolution: resolution})
	return p.addLinkType(p.link)
}

func (p *pcap) record(d []byte) (seconds, fraction, captured, length uint32) {
	_ = d[15]
	seconds = binary.LittleEndian.Uint32(d)
	fraction = binary.LittleEndian.Uint32(d[4:])
	captured = binary.LittleEndian.Uint32(d[8:])
	length = binary.LittleEndian.Uint32(d[12:])
	if p.swap {
		seconds = bits.ReverseBytes32(seconds)
		fraction = bits.ReverseBytes32(fraction)
		captured = bits.ReverseBytes32(captured)
		length = bits.ReverseBytes32(length)
	}
	if p.swapped && captured > length {
		captured, length = length, captured
	}
	return seconds, fraction, captured, length
}

func (p *pcap) torn(rest []byte, end int64) error {
	if !p.ready {
		return fmt.Errorf("file header breaks off: %d of %d bytes", len(rest), pcapHeaderLength)
	}
	if len(rest) == 0 {
		return nil
	}
	start := end - int64(len(rest))
	if len(rest) < p.head {
		return fmt.Errorf("packet %d at offset %d breaks off in its header: %d of %d bytes",
			p.info.Packets+1, start, len(rest), p.head)
	}
	_, _, captured, _ := p.record(rest)
	return fmt.Errorf("packet %d at offset %d breaks off: %d of %d bytes",
		p.info.Packets+1, start, len(rest), p.head+int(captured))
}
