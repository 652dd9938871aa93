package capture

import "math/bits"

// Options of interface description and statistics blocks
// (draft-ietf-opsawg-pcapng, sections 4.2 and 4.6).
const (
	optionEnd      = 0
	optionResol    = 9  // if_tsresol, 1 byte
	optionOffset   = 14 // if_tsoffset, 8 bytes
	optionIfDrop   = 5  // isb_ifdrop, 8 bytes: dropped by the interface
	optionOSDrop   = 7  // isb_osdrop, 8 bytes: dropped by the operating system
	optionHead     = 4  // code and length
	microExponent  = 6  // units of 10^-6 s where if_tsresol is absent
	nanoExponent   = 9
	maxExponent    = 19 // 10^19 is the largest power of ten in 64 bits
	binaryExponent = 0x80
)

// maxTime bounds timestamps and offsets, in nanoseconds since the Unix epoch, so that their sum
// cannot overflow: 2^62 ns are 146 years. Times after the year 2116 are reduced to that.
const maxTime = 1 << 62

// ngInterface is an interface of a pcapng section.
type ngInterface struct {
	link LinkType
	// snap is the snapshot length, 0 for none.
	snap uint32
	// exponent is if_tsresol: the unit of timestamps is 10^-exponent seconds,
	// or 2^-(exponent&0x7f) with the high bit set.
	exponent uint8
	// base is if_tsoffset in nanoseconds.
	base int64
	// scale is the unit in nanoseconds, for timestamps of up to maxTicks.
	scale, maxTicks uint64
	// dropped is the count in the last statistics block.
	dropped uint64
}

// time converts a timestamp to nanoseconds since the Unix epoch.
func (i *ngInterface) time(ticks uint64) int64 {
	if ticks <= i.maxTicks {
		return int64(ticks*i.scale) + i.base
	}
	return int64(min(nanoseconds(ticks, i.exponent), maxTime)) + i.base
}

func (i *ngInterface) prepare() {
	i.scale, i.maxTicks = 1, 0
	if i.exponent <= nanoExponent {
		i.scale = power10(nanoExponent - i.exponent)
		i.maxTicks = maxTime / i.scale
	}
}

// nanoseconds converts ticks of the unit of exponent. It returns the largest number on overflow.
func nanoseconds(ticks uint64, exponent uint8) uint64 {
	if exponent&binaryExponent != 0 {
		return shiftedNanoseconds(ticks, exponent&^binaryExponent)
	}
	if exponent <= nanoExponent {
		hi, lo := bits.Mul64(ticks, power10(nanoExponent-exponent))
		if hi > 0 {
			return 1<<64 - 1
		}
		return lo
	}
	if exponent-nanoExponent > maxExponent {
		return 0 // 2^64 units are less than a nanosecond
	}
	return ticks / power10(exponent-nanoExponent)
}

// shiftedNanoseconds converts ticks of 2^-shift seconds, shift being at most 127.
func shiftedNanoseconds(ticks uint64, shift uint8) uint64 {
	hi, lo := bits.Mul64(ticks, 1e9)
	switch {
	case shift >= 64:
		return hi >> (shift - 64)
	case hi>>shift > 0:
		return 1<<64 - 1
	}
	return hi<<(64-shift) | lo>>shift
}

// power10 returns 10^n, for n up to maxExponent.
func power10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// describe handles an interface description block; d ends before its second length.
func (p *pcapng) describe(blk ngBlock, d []byte) error {
	if len(p.interfaces) == maxInterfaces {
		return p.wrongBlock(blk, "more than %d interfaces in a section", maxInterfaces)
	}
	in := ngInterface{link: LinkType(p.u16(d[8:])), snap: p.u32(d[12:]), exponent: microExponent}
	name := ""
	p.options(d[interfaceHead:], func(code uint16, value []byte) {
		switch {
		case code == optionName:
			name = string(value[:min(len(value), maxInterfaceName)])
		case code == optionResol && len(value) >= 1:
			in.exponent = value[0]
		case code == optionOffset && len(value) >= 8:
			const limit = maxTime / 1_000_000_000
			in.base = min(max(int64(p.u64(value)), -limit), limit) * 1e9
		}
	})
	in.prepare()
	if err := p.addLinkType(in.link); err != nil {
		return p.wrongBlock(blk, "%w", err)
	}
	p.interfaces = append(p.interfaces, in)
	resolution := in.exponent
	if resolution > nanoExponent { // a finer unit, or a binary one
		resolution = nanoExponent
	}
	p.addInterface(Interface{Name: name, Link: in.link, SnapLen: in.snap, Resolution: resolution})
	return nil
}

// statistics handles an interface statistics block. The numbers count from the beginning of the
// capture, so the last block of an interface is valid.
func (p *pcapng) statistics(d []byte) {
	iface := p.u32(d[8:])
	if int64(iface) >= int64(len(p.interfaces)) {
		return
	}
	in := &p.interfaces[iface]
	dropped, found := uint64(0), false
	p.options(d[statisticsHead:], func(code uint16, value []byte) {
		if (code == optionIfDrop || code == optionOSDrop) && len(value) >= 8 {
			dropped, found = dropped+p.u64(value), true
		}
	})
	if found {
		p.info.Dropped += dropped - in.dropped
		in.dropped = dropped
	}
}

// options calls f with each option in d. An option that does not fit ends the list.
func (p *pcapng) options(d []byte, f func(code uint16, value []byte)) {
	for len(d) >= optionHead {
		code, length := p.u16(d), int(p.u16(d[2:]))
		d = d[optionHead:]
		if code == optionEnd || length > len(d) {
			return
		}
		f(code, d[:length])
		d = d[min((length+3)&^3, len(d)):]
	}
}
