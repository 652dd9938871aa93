// Package capturetest makes captures for tests. It builds packets, TCP connections and Kafka
// frames. It rewrites captures into the damaged, tunnelled and reordered forms that occur in
// production. It writes and reads capture files. It is to the packages of kafkavet what
// net/http/httptest is to net/http. Only tests and the generators under testdata import it.
//
// It imports none of the packages that it tests, so a mistake there cannot hide behind the same
// mistake here. It is deterministic: the same call gives the same bytes. It is written to be read,
// not to be fast. It holds whole captures in memory, and panics if a test requests something
// impossible.
package capturetest

import (
	"cmp"
	"slices"
	"time"
)

// The link types that can be built and rewritten, as registered at
// https://www.tcpdump.org/linktypes.html.
const (
	LinkNull     = 0
	LinkEthernet = 1
	LinkRaw      = 101
	LinkLoop     = 108
	LinkSLL      = 113
	LinkIPv4     = 228
	LinkIPv6     = 229
	LinkSLL2     = 276

	LinkTokenRing    = 6
	LinkFDDI         = 10
	LinkATM          = 100
	LinkENC          = 109
	LinkFibreChannel = 122
	LinkSunATM       = 123

	LinkPPP        = 9
	LinkPPPSerial  = 50
	LinkCiscoHDLC  = 104
	Link80211      = 105
	LinkFrameRelay = 107
	LinkPFLOG      = 117
	LinkPrism      = 119
	LinkRadiotap   = 127
	LinkUser2      = 149
	LinkAVS        = 163
	LinkPPI        = 192
	LinkPPPWithDir = 204
	LinkMPLS       = 219
	LinkNFLOG      = 239
	LinkIPoIB      = 242
	LinkPKTAP      = 258
)

// Start is the time of the first packet of a Recorder: 2026-01-02 03:04:05 UTC.
var Start = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC).UnixNano()

// Packet is one record of a capture.
type Packet struct {
	// Time is the timestamp in nanoseconds since the Unix epoch.
	Time int64
	// Link is the type of the header at the beginning of Data.
	Link uint32
	// Data holds the captured bytes.
	Data []byte
	// OrigLen is the length on the wire in bytes; 0 means len(Data).
	OrigLen int
	// Comment is the comment on the packet. Only pcapng has one.
	Comment string
	// Inbound and Outbound are the direction in the packet's flags. Only pcapng has one.
	Inbound, Outbound bool
}

// Length returns the packet's length on the wire in bytes.
func (p Packet) Length() int { return max(p.OrigLen, len(p.Data)) }

// Merge merges captures by time. Packets of the same time keep the order of the arguments.
func Merge(captures ...[]Packet) []Packet {
	all := slices.Concat(captures...)
	slices.SortStableFunc(all, func(a, b Packet) int { return cmp.Compare(a.Time, b.Time) })
	return all
}
