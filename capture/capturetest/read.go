package capturetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
)

// errTorn: a file ends inside a record or block.
var errTorn = errors.New("capture ends in the middle of a record")

// ReadFile reads a classic pcap or pcapng file.
func ReadFile(path string) ([]Packet, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	packets, err := Read(data)
	if err != nil {
		return packets, fmt.Errorf("read %s: %w", path, err)
	}
	return packets, nil
}

// MustRead is ReadFile for the captures of tests. It panics on an error.
func MustRead(path string) []Packet {
	packets, err := ReadFile(path)
	if err != nil {
		panic(err)
	}
	return packets
}

// Read reads the bytes of a classic pcap or pcapng file. With an error, it also returns the
// packets before it. The packets refer to data.
func Read(data []byte) ([]Packet, error) {
	if len(data) < pcapHeaderLength {
		return nil, errTorn
	}
	if binary.LittleEndian.Uint32(data) == BlockSection {
		return readPcapng(data)
	}
	return readPcap(data)
}

func readPcap(data []byte) ([]Packet, error) {
	o := order(data[0] == 0xa1)
	fraction, headLength := int64(1000), recordLength
	switch magic := o.Uint32(data); magic {
	case magicMicro:
	case magicNano:
		fraction = 1
	case magicModified:
		headLength = modifiedLength
	default:
		return nil, fmt.Errorf("magic number %08x is neither pcap's nor pcapng's", magic)
	}
	link := o.Uint32(data[20:])
	var packets []Packet
	for data = data[pcapHeaderLength:]; len(data) > 0; {
		if len(data) < headLength {
			return packets, errTorn
		}
		captured := int64(o.Uint32(data[8:]))
		if captured > int64(len(data)-headLength) {
			return packets, errTorn
		}
		end := headLength + int(captured)
		packets = append(packets, Packet{
			Time:    int64(o.Uint32(data))*nanosecondsASecond + int64(o.Uint32(data[4:]))*fraction,
			Link:    link,
			Data:    data[headLength:end:end],
			OrigLen: int(o.Uint32(data[12:])),
		})
		data = data[end:]
	}
	return packets, nil
}

type ngInterface struct {
	link    uint32
	snapLen uint32
	format  Pcapng // resolution and offset
}

func readPcapng(data []byte) ([]Packet, error) {
	var packets []Packet
	var o byteOrder
	var interfaces []ngInterface
	for len(data) > 0 {
		if len(data) < 12 {
			return packets, errTorn
		}
		if binary.LittleEndian.Uint32(data) == BlockSection {
			o = order(data[8] == 0x1a)
			interfaces = interfaces[:0]
		}
		kind, length := o.Uint32(data), int64(o.Uint32(data[4:]))
		if length < 12 || length > int64(len(data)) {
			return packets, errTorn
		}
		body := data[8 : length-4]
		data = data[length:]
		var err error
		switch kind {
		case BlockInterface:
			interfaces, err = readInterface(o, interfaces, body)
		case BlockEnhanced, BlockObsolete, BlockSimple:
			packets, err = readPacketBlock(o, kind, interfaces, packets, body)
		}
		if err != nil {
			return packets, err
		}
	}
	return packets, nil
}

func readInterface(o byteOrder, interfaces []ngInterface, body []byte) ([]ngInterface, error) {
	if len(body) < 8 {
		return interfaces, errTorn
	}
	i := ngInterface{link: uint32(o.Uint16(body)), snapLen: o.Uint32(body[4:])}
	options, err := readOptions(o, body[8:])
	for _, option := range options {
		switch {
		case option.Code == OptionTSResol && len(option.Value) == 1:
			i.format.Resolution = option.Value[0]
		case option.Code == OptionTSOffset && len(option.Value) == 8:
			i.format.Offset = int64(o.Uint64(option.Value))
		}
	}
	return append(interfaces, i), err
}

// readPacketBlock reads a packet block of any of the three types.
func readPacketBlock(o byteOrder, kind uint32, interfaces []ngInterface, packets []Packet, body []byte) ([]Packet, error) {
	const fixed = 20
	if kind == BlockSimple {
		if len(body) < 4 || len(interfaces) == 0 {
			return packets, errTorn
		}
		p := Packet{Link: interfaces[0].link, OrigLen: int(o.Uint32(body))}
		captured := p.OrigLen
		if snap := int(interfaces[0].snapLen); snap > 0 {
			captured = min(captured, snap)
		}
		if captured > len(body)-4 {
			return packets, errTorn
		}
		p.Data = body[4 : 4+captured]
		return append(packets, p), nil
	}
	if len(body) < fixed {
		return packets, errTorn
	}
	iface := o.Uint32(body)
	if kind == BlockObsolete {
		iface = uint32(o.Uint16(body))
	}
	captured := int64(o.Uint32(body[12:]))
	if int(iface) >= len(interfaces) || captured+(-captured&3) > int64(len(body)-fixed) {
		return packets, errTorn
	}
	i := interfaces[iface]
	p := Packet{
		Time:    i.format.nanoseconds(uint64(o.Uint32(body[4:]))<<32 | uint64(o.Uint32(body[8:]))),
		Link:    i.link,
		Data:    body[fixed : fixed+captured],
		OrigLen: int(o.Uint32(body[16:])),
	}
	options, err := readOptions(o, body[fixed+captured+(-captured&3):])
	for _, option := range options {
		if option.Code == OptionComment {
			p.Comment = string(option.Value)
		}
	}
	return append(packets, p), err
}

// readOptions reads the options at the end of a block.
func readOptions(o byteOrder, data []byte) ([]Option, error) {
	var options []Option
	for len(data) >= 4 {
		code, length := o.Uint16(data), int(o.Uint16(data[2:]))
		if code == 0 {
			break
		}
		if 4+length+(-length&3) > len(data) {
			return options, errTorn
		}
		options = append(options, Option{code, data[4 : 4+length]})
		data = data[4+length+(-length&3):]
	}
	return options, nil
}

// nanoseconds is the inverse of Timestamp.
func (f Pcapng) nanoseconds(units uint64) int64 {
	per := unitsASecond(f.Resolution)
	hi, lo := bits.Mul64(units%per, nanosecondsASecond)
	fraction, _ := bits.Div64(hi, lo, per)
	return int64(units/per)*nanosecondsASecond + int64(fraction) + f.Offset*nanosecondsASecond
}
