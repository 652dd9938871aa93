// Package capture is where packets come from.
//
// In go capture files (pcap and pcapng, each also gzip-, zstd- or
// lz4-compressed, recognised by content), standard input or an interface; out
// come batches of packets (Source) and the TCP segments inside them
// (Dissector). What is wrong with one capture is said in its Info and leaves
// the others alone.
//
// Memory does not depend on the length of the input: packets are slices into
// the memory of the Batch that they came with, a batch is filled by one read
// of readSize bytes, and no length field of a file sizes an allocation before
// the bytes are there. Every further bound is a named constant.
//
// A Source and a Dissector belong to one goroutine each; what may be called
// from elsewhere says so.
package capture

import "strconv"

// String is the name that tcpdump gives the link type, "LINKTYPE_" and the
// number for those without a name here. Some that are not understood have
// one, so that a message about them can be read.
func (l LinkType) String() string {
	switch l {
	case LinkTypeNull:
		return "NULL"
	case LinkTypeEthernet:
		return "EN10MB"
	case LinkTypeRaw, LinkTypeRawDLT12, LinkTypeRawDLT14:
		return "RAW"
	case LinkTypeLoop:
		return "LOOP"
	case LinkTypeLinuxSLL:
		return "LINUX_SLL"
	case LinkTypeIPv4:
		return "IPV4"
	case LinkTypeIPv6:
		return "IPV6"
	case LinkTypeLinuxSLL2:
		return "LINUX_SLL2"
	case 9:
		return "PPP"
	case 105:
		return "IEEE802_11"
	case 127:
		return "IEEE802_11_RADIO"
	case 189:
		return "USB_LINUX"
	case 220:
		return "USB_LINUX_MMAPPED"
	case 239:
		return "NFLOG"
	case 253:
		return "NETLINK"
	case 258:
		return "PKTAP"
	}
	return "LINKTYPE_" + strconv.FormatUint(uint64(l), 10)
}
