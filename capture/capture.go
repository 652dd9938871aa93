// Package capture reads packets from capture files and network interfaces.
//
// The input is capture files (pcap and pcapng, also compressed with gzip, zstd or lz4,
// recognized by content), standard input or an interface. The output is batches of packets
// (Source) and the TCP segments in them (Dissector). An error in one capture is reported in its
// Info and does not affect the others.
//
// Memory does not depend on the length of the input. Packets are slices of their Batch's memory,
// and one read of readSize bytes fills a batch. No length field of a file sizes an allocation
// before the bytes were read. Every other limit is a named constant.
//
// A Source and a Dissector belong to one goroutine each. Methods that other goroutines may call
// say so.
package capture

import "strconv"

// linkTypeNames are tcpdump's names of link types, https://www.tcpdump.org/linktypes.html. Some of
// them are not supported; messages need their names.
var linkTypeNames = map[LinkType]string{
	LinkTypeNull: "NULL", LinkTypeEthernet: "EN10MB", LinkTypeRaw: "RAW", LinkTypeRawDLT12: "RAW", LinkTypeRawDLT14: "RAW", LinkTypeLoop: "LOOP",
	LinkTypeLinuxSLL: "LINUX_SLL", LinkTypeIPv4: "IPV4", LinkTypeIPv6: "IPV6", LinkTypeLinuxSLL2: "LINUX_SLL2",
	3: "AX25", 6: "IEEE802_5", 8: "SLIP", 9: "PPP", 10: "FDDI", 50: "PPP_SERIAL", 51: "PPP_ETHER", 99: "SYMANTEC_FIREWALL",
	100: "ATM_RFC1483", 104: "C_HDLC", 105: "IEEE802_11", 107: "FRELAY", 109: "ENC", 117: "PFLOG", 119: "PRISM_HEADER",
	122: "IP_OVER_FC", 127: "IEEE802_11_RADIO", 141: "MTP2", 143: "DOCSIS", 147: "USER0", 149: "USER2", 163: "IEEE802_11_AVS",
	166: "PPP_PPPD", 178: "JUNIPER_ETHER", 187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX", 192: "PPI", 195: "IEEE802_15_4", 197: "ERF",
	201: "BLUETOOTH_HCI_H4_WITH_PHDR", 204: "PPP_WITH_DIR", 206: "FRELAY_WITH_DIR", 219: "MPLS", 220: "USB_LINUX_MMAPPED",
	224: "FC_2", 226: "IPNET", 227: "CAN_SOCKETCAN", 239: "NFLOG", 240: "NETANALYZER", 242: "IPOIB", 247: "INFINIBAND",
	249: "USBPCAP", 252: "WIRESHARK_UPPER_PDU", 253: "NETLINK", 258: "PKTAP", 271: "VSOCK",
}

// String returns tcpdump's name of the link type, or "LINKTYPE_" and the number.
func (l LinkType) String() string {
	if name, ok := linkTypeNames[l]; ok {
		return name
	}
	return "LINKTYPE_" + strconv.FormatUint(uint64(l), 10)
}
