package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// maxProgram bounds the instructions of a classic BPF program (BPF_MAXINSNS in Linux'
// include/uapi/linux/bpf_common.h).
const maxProgram = 4096

// maxProgramLine bounds a line of a program file: four numbers of at most 10 digits, and blanks.
const maxProgramLine = 4096

// ReadBPF reads a classic BPF program in the format of tcpdump -ddd: the number of instructions,
// then one line for each with code, jt, jf and k in decimal. It skips empty lines and lines that
// begin with #. The kernel checks the program itself.
func ReadBPF(r io.Reader) ([]bpf.RawInstruction, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxProgramLine)
	var program []bpf.RawInstruction
	count := -1
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if count < 0 {
			v, err := strconv.Atoi(fields[0])
			if err != nil || len(fields) != 1 || v < 1 || v > maxProgram {
				return nil, fmt.Errorf("line %d: %q is not the number of instructions, from 1 to %d, that tcpdump -ddd begins with", n, lines.Text(), maxProgram)
			}
			count = v
			continue
		}
		if len(program) == count {
			return nil, fmt.Errorf("line %d: more than the %d instructions announced", n, count)
		}
		ins, err := parseInstruction(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		program = append(program, ins)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("a line is longer than %d bytes: this is not what tcpdump -ddd prints", maxProgramLine)
	case err != nil:
		return nil, err
	case count < 0:
		return nil, errors.New("empty: expected what tcpdump -ddd prints")
	case len(program) < count:
		return nil, fmt.Errorf("ends after %d of %d instructions", len(program), count)
	}
	return program, nil
}

// parseInstruction reads code, jt, jf and k.
func parseInstruction(fields []string) (bpf.RawInstruction, error) {
	if len(fields) != 4 {
		return bpf.RawInstruction{}, fmt.Errorf("%d numbers, expected 4: code, jt, jf and k", len(fields))
	}
	var v [4]uint64
	for i, bits := range [4]int{16, 8, 8, 32} {
		n, err := strconv.ParseUint(fields[i], 10, bits)
		if err != nil {
			return bpf.RawInstruction{}, fmt.Errorf("%s is not a number from 0 to %d", strconv.Quote(fields[i]), uint64(1)<<bits-1)
		}
		v[i] = n
	}
	return bpf.RawInstruction{Op: uint16(v[0]), Jt: uint8(v[1]), Jf: uint8(v[2]), K: uint32(v[3])}, nil
}

// Parts of an instruction's code (Linux' include/uapi/linux/bpf_common.h).
const (
	bpfClass    = 0x07
	bpfLoadX    = 0x01
	bpfReturn   = 0x06
	bpfMode     = 0xe0
	bpfAbsolute = 0x20
	bpfIndirect = 0x40
	bpfHeader   = 0xa0 // 4 * (byte & 0xf)
)

// Ancillary data of Linux: offsets beyond any packet (SKF_AD_ in include/uapi/linux/filter.h).
const (
	ancillary          = 0xfffff000
	ancillaryProtocol  = ancillary + 0
	ancillaryType      = ancillary + 4
	ancillaryInterface = ancillary + 8
	ancillaryHardware  = ancillary + 28
)

// adaptBPF adapts a program to a packet socket. It limits packets to snapLen bytes. If packets
// come without a link-layer header, it converts a program for LINUX_SLL2.
func adaptBPF(program []bpf.RawInstruction, snapLen uint32, cooked bool) ([]bpf.RawInstruction, error) {
	adapted := make([]bpf.RawInstruction, len(program))
	for i, ins := range program {
		switch class, mode := ins.Op&bpfClass, ins.Op&bpfMode; {
		case class == bpfReturn && ins.Op&0x18 == 0:
			ins.K = min(ins.K, snapLen)
		case cooked && class <= bpfLoadX && (mode == bpfAbsolute || mode == bpfIndirect || mode == bpfHeader):
			k, err := cookedOffset(ins.K)
			if err != nil {
				return nil, fmt.Errorf("BPF program: instruction %d: %w", i, err)
			}
			ins.K = k
		}
		adapted[i] = ins
	}
	return adapted, nil
}

// cookedOffset converts an offset of LINUX_SLL2 to the kernel's, as fix_offset of libpcap's
// pcap-linux.c.
func cookedOffset(k uint32) (uint32, error) {
	const header = 20
	switch {
	case k >= ancillary:
		return k, nil
	case k >= header:
		return k - header, nil
	}
	switch k {
	case 0:
		return ancillaryProtocol, nil
	case 4:
		return ancillaryInterface, nil
	case 8:
		return ancillaryHardware, nil
	case 10:
		return ancillaryType, nil
	}
	return 0, fmt.Errorf("reads byte %d of the LINUX_SLL2 header, which the kernel does not provide", k)
}
