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

// linkTypeNames are the names of rare link types at https://www.tcpdump.org/linktypes.html,
// also of some that are not supported, for messages.
var linkTypeNames = map[LinkType]string{
	3: "AX25", 6: "IEEE802_5", 8: "SLIP", 9: "PPP", 10: "FDDI", 50: "PPP_SERIAL", 51: "PPP_ETHER", 99: "SYMANTEC_FIREWALL",
	100: "ATM_RFC1483", 104: "C_HDLC", 105: "IEEE802_11", 107: "FRELAY", 109: "ENC", 117: "PFLOG", 119: "PRISM_HEADER",
	122: "IP_OVER_FC", 127: "IEEE802_11_RADIO", 141: "MTP2", 143: "DOCSIS", 147: "USER0", 149: "USER2", 163: "IEEE802_11_AVS",
	166: "PPP_PPPD", 178: "JUNIPER_ETHER", 187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX", 192: "PPI", 195: "IEEE802_15_4", 197: "ERF",
	201: "BLUETOOTH_HCI_H4_WITH_PHDR", 204: "PPP_WITH_DIR", 206: "FRELAY_WITH_DIR", 219: "MPLS", 220: "USB_LINUX_MMAPPED",
	224: "FC_2", 226: "IPNET", 227: "CAN_SOCKETCAN", 239: "NFLOG", 240: "NETANALYZER", 242: "IPOIB", 247: "INFINIBAND",
	249: "USBPCAP", 252: "WIRESHARK_UPPER_PDU", 253: "NETLINK", 258: "PKTAP", 271: "VSOCK",
}

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
	}
	if name, ok := linkTypeNames[l]; ok {
		return name
	}
	return "LINKTYPE_" + strconv.FormatUint(uint64(l), 10)
}
