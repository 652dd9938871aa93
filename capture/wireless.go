package capture

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// maxRareHeader bounds the bytes of a packet for a decoder of gopacket. The longest header in
// practice is radiotap with a field for each of 4 antennas, about 100 bytes; AVS and Prism have
// 64 and 144.
const maxRareHeader = 508

// rareHeaders decodes headers with gopacket's layers. A decoder gets a copy of at most
// maxRareHeader bytes, so no length field sizes an allocation and the packet is not changed. A
// panic of a decoder counts as an error.
type rareHeaders struct {
	// window holds the copy, and 4 zero bytes for the check sequence that Dot11 removes.
	window   [maxRareHeader + 4]byte
	dot11    layers.Dot11
	radiotap layers.RadioTap
	prism    layers.PrismHeader
	pflog    layers.PFLog
}

// decoder is the interface of gopacket's layers that is used here.
type decoder interface {
	gopacket.DecodingLayer
	LayerContents() []byte
}

// decode decodes the header at the beginning of data and returns its length, 0 on error.
func (r *rareHeaders) decode(data []byte, into decoder) (length int) {
	defer func() {
		if recover() != nil {
			length = 0
		}
	}()
	n := copy(r.window[:maxRareHeader], data)
	clear(r.window[n : n+4])
	if into.DecodeFromBytes(r.window[:n+4], gopacket.NilDecodeFeedback) != nil {
		return 0
	}
	if length = len(into.LayerContents()); length > n {
		return 0
	}
	return length
}

func (c *dissection) rareHeaders() *rareHeaders {
	if c.rare == nil {
		c.rare = new(rareHeaders)
	}
	return c.rare
}

// rareHeader skips a header that gopacket decodes. On error it ends the dissection and returns
// false.
func (c *dissection) rareHeader(into decoder) bool {
	n := c.rareHeaders().decode(c.data, into)
	if n == 0 {
		if len(c.data) < c.length && len(c.data) < maxRareHeader {
			c.fail(ProblemCut)
		} else {
			c.fail(ProblemMalformed)
		}
		return false
	}
	c.skip(n)
	return true
}

// radiotap parses a radiotap header (https://www.radiotap.org) before 802.11.
func (c *dissection) radiotap() step {
	rare := c.rareHeaders()
	rare.radiotap = layers.RadioTap{} // the decoder does not reset absent fields
	if !c.rareHeader(&rare.radiotap) {
		return stepUnparsed
	}
	c.aligned = rare.radiotap.Flags.Datapad()
	return step80211
}

// prism parses a Prism header before 802.11. AVS replaced it under the same link type: version
// and length.
func (c *dissection) prism() step {
	const size, avs, avsMask = 8, 0x80211000, 0xfffff000
	b := c.data
	if binary.BigEndian.Uint32(b)&avsMask != avs {
		rare := c.rareHeaders()
		rare.prism = layers.PrismHeader{}
		if !c.rareHeader(&rare.prism) {
			return stepUnparsed
		}
		return step80211
	}
	length := binary.BigEndian.Uint32(b[4:])
	if length < size || length > maxRareHeader {
		return c.fail(ProblemLength)
	}
	if len(b) < int(length) {
		return c.cut(int(length))
	}
	c.skip(int(length))
	return step80211
}

// ppi parses a PPI header: version, flags, length, link type. It skips the fields after them,
// which can have a geographic position.
func (c *dissection) ppi() step {
	const size = 8
	b := c.data
	length := int(binary.LittleEndian.Uint16(b[2:]))
	switch {
	case b[0] != 0:
		return c.fail(ProblemVersion)
	case length < size:
		return c.fail(ProblemLength)
	case len(b) < length:
		return c.cut(length)
	}
	c.hide(size, length)
	c.skip(length)
	return c.link(LinkType(binary.LittleEndian.Uint32(b[4:])))
}

// dot11 parses an 802.11 frame (IEEE 802.11 9.2 and 9.3.2). It supports only unencrypted data
// with LLC.
func (c *dissection) dot11() step {
	const (
		typeMask, typeData, noData, qos        = 0x0c, 0x08, 0x40, 0x80
		ways, moreFragments, protected         = 0x03, 0x04, 0x40
		addresses, addressesEnd, fourth        = 4, 22, 6
		fragmentNumber, aggregated, qosControl = 0x0f, 0x80, 24
	)
	b := c.data
	if b[0]&typeMask != typeData || b[0]&noData != 0 {
		return stepOther // management, control, and data frames without data
	}
	rare := c.rareHeaders()
	rare.dot11 = layers.Dot11{}
	if !c.rareHeader(&rare.dot11) {
		return stepUnparsed
	}
	n := len(b) - len(c.data)
	c.hidden(b, addresses, addressesEnd)
	at := qosControl
	if b[1]&ways == ways {
		c.hidden(b, at, at+fourth)
		at += fourth
	}
	switch {
	case b[1]&protected != 0:
		return c.fail(ProblemEncrypted)
	case b[1]&moreFragments != 0, b[addressesEnd]&fragmentNumber != 0:
		return c.fail(ProblemFragment)
	}
	if c.aligned && n%4 != 0 {
		pad := 4 - n%4
		if len(c.data) < pad {
			return c.cut(pad)
		}
		c.skip(pad)
	}
	if b[0]&qos != 0 && b[at]&aggregated != 0 {
		return c.aggregate()
	}
	return stepLLC
}

// aggregate parses an aggregate of frames (A-MSDU, IEEE 802.11 9.3.2.2), each with addresses and
// a length. It parses the first frame and counts the others.
func (c *dissection) aggregate() step {
	const size = 14
	b := c.data
	if len(b) < size {
		return c.cut(size)
	}
	c.hide(0, 12)
	length := int(binary.BigEndian.Uint16(b[12:]))
	c.skip(size)
	if c.length >= (length+3)&^3+size {
		c.counts.subframes++
	}
	c.trim(length)
	return stepLLC
}

// pfLog parses a header of the BSDs' packet filter, LINKTYPE_PFLOG.
func (c *dissection) pfLog() step {
	rare, b := c.rareHeaders(), c.data
	rare.pflog = layers.PFLog{}
	if !c.rareHeader(&rare.pflog) {
		return stepUnparsed
	}
	c.hidden(b, 4, 60) // interface, rule set and processes
	return stepIP
}
