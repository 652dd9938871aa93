package reassembly

import (
	"maps"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// Options configure a Pool.
type Options struct {
	// Dissector turns packets into segments.
	Dissector *capture.Dissector
	// LooksLikeRequest rates the first bytes of a direction as a Kafka request. size is the value
	// of the 4-byte size field. head is what follows it: 8 to 300 bytes, or all of a shorter
	// frame.
	LooksLikeRequest func(size int64, head []byte) Likelihood
	// LooksLikeExchange reports whether two frames are certainly a request and its response.
	// request is a Weak request, response the next frame in the other direction; both are whole
	// and without their size fields. It is called in connections joined midstream. If nil, no pair
	// is certain.
	LooksLikeExchange func(request, response []byte) bool
	// Want, if not nil, reports whether to analyze a connection, given its first segment.
	Want func(*capture.Segment) bool
	// Tap, if not nil, is called for every packet of an analyzed connection, with its stream
	// number, in the order of the source. p and s are valid during the call only. The reading
	// goroutine calls it.
	Tap func(stream uint32, p *capture.Packet, s *capture.Segment)
	// Secrets decrypt TLS connections; nil for none.
	Secrets *tlsrecord.Secrets
	// Subjects requests the subject of the client's certificate (tlsrecord.Info.Subject).
	Subjects bool
	// Live allows secrets to arrive some seconds after the bytes that need them. It also makes
	// ticks more frequent (liveTicks).
	Live bool
	// Clock, if not nil, replaces packet time for timeouts, in nanoseconds. A live capture needs
	// it: time must pass while no packets arrive, also if someone sets the host's clock. It is
	// read once for each batch and must not go back.
	Clock func() int64
	// Tracer receives every decision about its connection; nil for none.
	Tracer Tracer
	// IdleTimeout in nanoseconds of packet time, or of Clock; 0 is DefaultIdleTimeout.
	IdleTimeout int64
}

// Likelihood rates how likely bytes are a Kafka request.
type Likelihood uint8

// The degrees of likelihood.
const (
	// No: they are not a request.
	No Likelihood = iota
	// Weak: they could be a request. A response with the same correlation id decides; in a
	// connection joined midstream, Options.LooksLikeExchange decides.
	Weak
	// Fits: as Weak. It is also enough that no response arrived, the connection was captured from
	// its beginning, and the request ends where the client's bytes end.
	Fits
	// Likely: as Fits, and the end of the request may be missing.
	Likely
	// Strong: no other protocol looks like this.
	Strong
)

// Limits counts how often each limit was exceeded.
type Limits struct {
	// Flows and SilentFlows count connections evicted because there were too many, or because they
	// took too much memory. Those of SilentFlows carried no payload.
	Flows, SilentFlows uint64
	// Networks counts connections evicted because too many had the same addresses and ports in
	// different networks.
	Networks uint64
	// QueuedSegments counts the times a wait for a missing segment ended early because too much
	// data was queued behind it.
	QueuedSegments uint64
	// Undecided counts connections given up before their protocol was known.
	Undecided uint64
	// HugeSegments counts segments longer than maxSegment.
	HugeSegments uint64
	// HeldBytes counts frames of which less was held than requested.
	HeldBytes uint64
}

// Hit returns the nonzero counts by name, as in the report's quality.limits_hit.
func (l Limits) Hit() map[string]uint64 {
	hit := map[string]uint64{
		"flows": l.Flows, "silent_flows": l.SilentFlows, "networks": l.Networks, "queued_segments": l.QueuedSegments,
		"undecided_streams": l.Undecided, "huge_segments": l.HugeSegments, "held_bytes": l.HeldBytes,
	}
	maps.DeleteFunc(hit, func(_ string, n uint64) bool { return n == 0 })
	return hit
}

func (l *Limits) add(m *Limits) {
	l.Flows += m.Flows
	l.SilentFlows += m.SilentFlows
	l.Networks += m.Networks
	l.QueuedSegments += m.QueuedSegments
	l.Undecided += m.Undecided
	l.HugeSegments += m.HugeSegments
	l.HeldBytes += m.HeldBytes
}

// Stats counts the connections of a Pool.
type Stats struct {
	// Streams counts TCP connections, including those that Options.Want excluded.
	Streams uint64
	// Open counts the connections that have not ended so far.
	Open uint64
	// MissingBytes counts payload bytes that the capture lacks. Gaps counts the places. Both
	// include connections of any protocol.
	MissingBytes, Gaps uint64
	// Disbelieved counts segments that their receiver cannot have accepted. It also counts ends of
	// connections that were revoked because both sides continued.
	Disbelieved uint64
	// Limits counts how often limits were exceeded.
	Limits Limits
}
