package capture

import "slices"

// encapsulation is one kind of header around IP packets, and the numbers that identify it. The
// dissector and the kernel filter both read this table, so both support the same headers.
type encapsulation struct {
	// name is the name in docs/inputs.md and in the variants of package capturetest.
	name string
	// step parses the header. It is stepOther for headers that only other headers identify.
	step step
	// links are link types that begin with the header.
	links []LinkType
	// etherTypes identify it in Ethernet and in other headers with EtherTypes, protocols in IP,
	// ports in UDP (destination port).
	etherTypes, ports []uint16
	protocols         []uint8
	// answers: who listens on ports also sends from them, to ports that clients chose.
	answers bool
}

// encapsulations are all supported headers around IP.
var encapsulations = []encapsulation{
	{name: "Ethernet", step: stepEthernet, links: []LinkType{LinkTypeEthernet}, etherTypes: []uint16{etherTypeBridging}},
	{name: "SLL", step: stepCooked, links: []LinkType{LinkTypeLinuxSLL}},
	{name: "SLL2", step: stepCooked2, links: []LinkType{LinkTypeLinuxSLL2}},
	{name: "NULL", step: stepLoopback, links: []LinkType{LinkTypeNull}},
	{name: "LOOP", step: stepLoopback, links: []LinkType{LinkTypeLoop}},
	{name: "RAW", step: stepIP, links: []LinkType{LinkTypeRaw, LinkTypeRawDLT12, LinkTypeRawDLT14}},
	{name: "raw IPv4", step: stepIPv4, links: []LinkType{LinkTypeIPv4}, etherTypes: []uint16{etherTypeIPv4}},
	{name: "raw IPv6", step: stepIPv6, links: []LinkType{LinkTypeIPv6}, etherTypes: []uint16{etherTypeIPv6}},
	{name: "NFLOG", step: stepNFLOG, links: []LinkType{LinkTypeNFLOG}},
	{name: "PKTAP", step: stepPKTAP, links: []LinkType{LinkTypePKTAP, LinkTypeUser2}},
	{name: "PFLOG", step: stepPFLOG, links: []LinkType{LinkTypePFLOG}},
	{name: "PPP", step: stepPPP, links: []LinkType{LinkTypePPP}, etherTypes: []uint16{etherTypePPP}},
	{name: "PPP over HDLC", step: stepHDLC, links: []LinkType{LinkTypePPPSerial}},
	{name: "PPP with direction", step: stepDirectedPPP, links: []LinkType{LinkTypePPPWithDir, LinkTypeLinuxPPP}},
	{name: "PPPoE", step: stepPPPoE, links: []LinkType{LinkTypePPPEther}, etherTypes: []uint16{etherTypePPPoE}},
	{name: "Cisco HDLC", step: stepHDLC, links: []LinkType{LinkTypeCiscoHDLC}},
	{name: "Frame Relay", step: stepFrameRelay, links: []LinkType{LinkTypeFrameRelay}, etherTypes: []uint16{etherTypeFrameRelay}},
	{name: "IPoIB", step: stepIPoIB, links: []LinkType{LinkTypeIPoIB}},
	{name: "FDDI", step: stepFDDI, links: []LinkType{LinkTypeFDDI}},
	{name: "Token Ring", step: stepTokenRing, links: []LinkType{LinkTypeTokenRing}},
	{name: "ATM", step: stepLLC, links: []LinkType{LinkTypeATM}},
	{name: "SunATM", step: stepSunATM, links: []LinkType{LinkTypeSunATM}},
	{name: "IP over Fibre Channel", step: stepFibreChannel, links: []LinkType{LinkTypeFibreChannel}},
	{name: "ENC", step: stepENC, links: []LinkType{LinkTypeENC}},
	{name: "802.11", step: step80211, links: []LinkType{LinkType80211}},
	{name: "radiotap", step: stepRadiotap, links: []LinkType{LinkTypeRadiotap}},
	{name: "Prism", step: stepPrism, links: []LinkType{LinkTypePrism}},
	{name: "AVS", step: stepPrism, links: []LinkType{LinkTypeAVS}},
	{name: "PPI", step: stepPPI, links: []LinkType{LinkTypePPI}},
	{name: "VLAN", step: stepVLAN,
		etherTypes: []uint16{etherTypeVLAN, etherTypeQinQ, etherTypeQinQ1, etherTypeQinQ2, etherTypeQinQ3}},
	{name: "VN-Tag", step: stepVNTag, etherTypes: []uint16{etherTypeVNTag}},
	{name: "802.1BR", step: stepETag, etherTypes: []uint16{etherTypeETag}},
	{name: "Cisco MetaData", step: stepMetaData, etherTypes: []uint16{etherTypeMetaData}},
	{name: "HSR", step: stepHSR, etherTypes: []uint16{etherTypeHSR}},
	{name: "TRILL", step: stepTRILL, etherTypes: []uint16{etherTypeTRILL}},
	{name: "FabricPath", step: stepFabricPath, etherTypes: []uint16{etherTypeFabricPath}},
	{name: "PBB", step: stepPBB, etherTypes: []uint16{etherTypePBB}},
	{name: "MACsec", step: stepMACsec, etherTypes: []uint16{etherTypeMACsec}},
	{name: "NSH", step: stepNSH, etherTypes: []uint16{etherTypeNSH}},
	{name: "MPLS", step: stepMPLS, links: []LinkType{LinkTypeMPLS},
		etherTypes: []uint16{etherTypeMPLS, etherTypeMPLSDown}, ports: []uint16{portMPLS}},
	{name: "IP in IP", step: stepInIP, protocols: []uint8{protocolIPv4, protocolIPv6, protocolMPLS}},
	{name: "EtherIP", step: stepEtherIP, protocols: []uint8{protocolEtherIP}},
	{name: "GRE", step: stepGRE, protocols: []uint8{protocolGRE}, ports: []uint16{portGRE}},
	{name: "ERSPAN"}, // in GRE
	{name: "L2TP", step: stepL2TP, ports: []uint16{portL2TP}, answers: true},
	{name: "L2TPv3", step: stepL2TPv3, protocols: []uint8{protocolL2TP}},
	{name: "GTP-U", step: stepGTP, ports: []uint16{portGTP}, answers: true},
	{name: "VXLAN", step: stepVXLAN, ports: []uint16{portVXLAN, portVXLANLinux}},
	{name: "VXLAN-GPE", step: stepVXLANGPE, ports: []uint16{portVXLANGPE}},
	{name: "TZSP", step: stepTZSP, ports: []uint16{portTZSP}},
	{name: "GUE", step: stepGUE, ports: []uint16{portGUE}},
	{name: "LISP", step: stepLISP, ports: []uint16{portLISP}},
	{name: "Teredo", step: stepTeredo, ports: []uint16{portTeredo}, answers: true},
	{name: "CAPWAP", step: stepCAPWAP, ports: []uint16{portCAPWAP}, answers: true},
	{name: "Geneve", step: stepGeneve, ports: []uint16{portGeneve}},
}

// lookup maps a number in a header to the step of the next header.
type lookup[N number] []entry[N]

// number is the type of a field that identifies the next header.
type number interface{ ~uint8 | ~uint16 | ~uint32 }

type entry[N number] struct {
	number N
	step   step
}

var (
	linkSteps      = newLookup(func(e *encapsulation) []LinkType { return e.links })
	etherTypeSteps = newLookup(func(e *encapsulation) []uint16 { return e.etherTypes })
	protocolSteps  = newLookup(func(e *encapsulation) []uint8 { return e.protocols })
	portSteps      = newLookup(func(e *encapsulation) []uint16 { return e.ports })
	sourceSteps    = newLookup(func(e *encapsulation) []uint16 {
		if e.answers {
			return e.ports
		}
		return nil
	})
)

func newLookup[N number](numbers func(*encapsulation) []N) lookup[N] {
	var l lookup[N]
	for i := range encapsulations {
		for _, n := range numbers(&encapsulations[i]) {
			l = append(l, entry[N]{n, encapsulations[i].step})
		}
	}
	return l
}

// find returns the step of a number, else stepOther. A scan of a few dozen numbers is faster
// than a map.
func (l lookup[N]) find(n N) step {
	for i := range l {
		if l[i].number == n {
			return l[i].step
		}
	}
	return stepOther
}

// values returns the numbers for a BPF program, without those in skip.
func (l lookup[N]) values(skip ...N) []uint32 {
	var values []uint32
	for _, e := range l {
		if !slices.Contains(skip, e.number) {
			values = append(values, uint32(e.number))
		}
	}
	return values
}
