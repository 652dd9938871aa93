package capture

// step is the next action of a dissection.
type step uint8

// The steps. All up to stepSegment end the dissection.
const (
	// stepOther: the packet has no TCP.
	stepOther step = iota
	// stepUnparsed: the content is unknown; layer and problem are the reason.
	stepUnparsed
	// stepHeld: the packet is a fragment and does not complete a datagram.
	stepHeld
	// stepSegment: a TCP segment.
	stepSegment

	stepEthernet
	stepLLC
	stepVLAN
	stepMPLS
	stepPPPoE
	stepIP
	stepIPv4
	stepIPv6
	stepExtension
	stepFragment6
	stepAH
	stepInIP
	stepUDP
	stepGRE
	stepVXLAN
	stepVXLANGPE
	stepGeneve
	stepERSPAN
	stepTCP
	stepICMP

	// Rare headers.
	stepCooked
	stepCooked2
	stepLoopback
	stepNFLOG
	stepPKTAP
	stepPFLOG
	stepPPP
	stepDirectedPPP
	stepHDLC
	stepFrameRelay
	stepIPoIB
	step80211
	stepRadiotap
	stepPrism
	stepPPI
	stepVNTag
	stepETag
	stepMetaData
	stepFabricPath
	stepPBB
	stepMACsec
	stepNSH
	stepEtherIP
	stepL2TP
	stepL2TPv3
	stepGTP
	stepTZSP
	stepGUE
	stepLISP
	stepTeredo
	stepCAPWAP
	stepFDDI
	stepTokenRing
	stepSunATM
	stepFibreChannel
	stepENC
	stepHSR
	stepTRILL

	steps // how many there are
)

// parsers are the parsers of the headers.
var parsers = [steps]struct {
	// layer is the header's name in DissectorStats. least is how many bytes parse needs. A packet
	// with fewer is cut, or ends inside the header. With 0, parse checks the length: what it needs
	// depends on the bytes.
	layer Layer
	least int
	parse func(*dissection) step
}{
	stepEthernet:     {LayerLink, ethernetHeader, (*dissection).ethernet},
	stepLLC:          {LayerLink, 0, (*dissection).llc},
	stepVLAN:         {LayerVLAN, 4, (*dissection).vlan},
	stepMPLS:         {LayerMPLS, 0, (*dissection).mpls},
	stepPPPoE:        {LayerPPPoE, 6, (*dissection).pppoe},
	stepIP:           {LayerIP, 1, (*dissection).ip},
	stepIPv4:         {LayerIP, ipv4Header, (*dissection).ipv4},
	stepIPv6:         {LayerIP, ipv6Header, (*dissection).ipv6},
	stepExtension:    {LayerExtension, extensionMinimum, (*dissection).extension},
	stepFragment6:    {LayerFragment, 8, (*dissection).fragment6},
	stepAH:           {LayerExtension, 12, (*dissection).authentication},
	stepInIP:         {LayerIP, 0, (*dissection).inIP},
	stepUDP:          {LayerUDP, 8, (*dissection).udp},
	stepGRE:          {LayerGRE, 4, (*dissection).gre},
	stepVXLAN:        {LayerVXLAN, 8, func(c *dissection) step { return c.vxlan(false) }},
	stepVXLANGPE:     {LayerVXLAN, 8, func(c *dissection) step { return c.vxlan(true) }},
	stepGeneve:       {LayerGeneve, 8, (*dissection).geneve},
	stepERSPAN:       {LayerERSPAN, 8, (*dissection).erspan},
	stepTCP:          {LayerTCP, 0, (*dissection).tcp},
	stepICMP:         {LayerIP, 0, (*dissection).icmp},
	stepCooked:       {LayerLink, 16, (*dissection).cooked},
	stepCooked2:      {LayerLink, 20, (*dissection).cooked2},
	stepLoopback:     {LayerLink, 4, (*dissection).loopback},
	stepNFLOG:        {LayerLink, 4, (*dissection).nflog},
	stepPKTAP:        {LayerLink, 0, (*dissection).pktap},
	stepPFLOG:        {LayerLink, 0, (*dissection).pfLog},
	stepPPP:          {LayerPPP, 0, (*dissection).ppp},
	stepDirectedPPP:  {LayerPPP, 2, (*dissection).directedPPP},
	stepHDLC:         {LayerHDLC, 4, (*dissection).hdlc},
	stepFrameRelay:   {LayerFrameRelay, 0, (*dissection).frameRelay},
	stepIPoIB:        {LayerLink, 44, (*dissection).ipoib},
	step80211:        {Layer80211, 2, (*dissection).dot11},
	stepRadiotap:     {LayerRadio, 0, (*dissection).radiotap},
	stepPrism:        {LayerRadio, 8, (*dissection).prism},
	stepPPI:          {LayerRadio, 8, (*dissection).ppi},
	stepVNTag:        {LayerTag, 6, func(c *dissection) step { return c.tagEnd(6) }},
	stepETag:         {LayerTag, 8, func(c *dissection) step { return c.tagEnd(8) }},
	stepMetaData:     {LayerTag, 2, (*dissection).metaData},
	stepFabricPath:   {LayerTag, 2, (*dissection).fabricPath},
	stepPBB:          {LayerTag, 4, (*dissection).pbb},
	stepMACsec:       {LayerMACsec, 6, (*dissection).macSec},
	stepNSH:          {LayerNSH, 8, (*dissection).nsh},
	stepEtherIP:      {LayerEtherIP, 2, (*dissection).etherIP},
	stepL2TP:         {LayerL2TP, 4, (*dissection).l2tp},
	stepL2TPv3:       {LayerL2TP, 4, (*dissection).l2tp3},
	stepGTP:          {LayerGTP, 8, (*dissection).gtp},
	stepTZSP:         {LayerTZSP, 4, (*dissection).tzsp},
	stepGUE:          {LayerGUE, 4, (*dissection).gue},
	stepLISP:         {LayerLISP, 8, (*dissection).lisp},
	stepTeredo:       {LayerTeredo, 0, (*dissection).teredo},
	stepCAPWAP:       {LayerCAPWAP, 8, (*dissection).capwap},
	stepFDDI:         {LayerLink, 13, func(c *dissection) step { return c.addressed(13, stepLLC) }},
	stepTokenRing:    {LayerLink, 14, func(c *dissection) step { return c.addressed(14, stepLLC) }},
	stepSunATM:       {LayerLink, 4, func(c *dissection) step { return c.addressed(4, stepLLC) }},
	stepFibreChannel: {LayerLink, 16, func(c *dissection) step { return c.addressed(16, stepLLC) }},
	stepENC:          {LayerLink, 12, func(c *dissection) step { return c.addressed(12, stepIP) }},
	stepHSR:          {LayerTag, 6, func(c *dissection) step { return c.tagEnd(6) }},
	stepTRILL:        {LayerTag, 6, (*dissection).trill},
}
