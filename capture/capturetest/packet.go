// Package capturetest makes captures for tests: it builds packets, TCP
// connections and Kafka frames, rewrites captures into the damaged,
// tunnelled and reordered forms in which production delivers them, and
// writes and reads capture files. It is to the packages of kafkavet what
// net/http/httptest is to net/http, and only tests and the generators under
// testdata import it.
//
// It shares no code with the packages that it tests and imports none of them,
// so that a mistake there cannot hide behind the same mistake here. Everything
// it makes is a function of its arguments: the same call gives the same bytes.
// It is written to be read, not to be fast, holds whole captures in memory,
// and panics where a test asks for something impossible.
package capturetest

import (
	"slices"
	"time"
)

// The link types that are built and rewritten, as registered at
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
	// Link is the type of the header that Data begins with.
	Link uint32
	// Data holds the captured bytes.
	Data []byte
	// OrigLen is the length on the wire in bytes; 0 stands for len(Data).
	OrigLen int
	// Comment is the comment on the packet, which only pcapng can hold.
	Comment string
	// Inbound and Outbound are the direction in the packet's flags, which only pcapng can hold.
	Inbound, Outbound bool
}

// Length is the packet's length on the wire in bytes.
func (p Packet) Length() int { return max(p.OrigLen, len(p.Data)) }

// Merge puts several captures into one, ordered by time; packets of one time
// keep the order of the arguments.
func Merge(captures ...[]Packet) []Packet {
	all := slices.Concat(captures...)
	slices.SortStableFunc(all, func(a, b Packet) int {
		switch {
		case a.Time < b.Time:
			return -1
		case a.Time > b.Time:
			return 1
		}
		return 0
	})
	return all
}
