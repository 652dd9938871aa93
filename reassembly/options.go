package reassembly

import (
	"maps"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// Options of a Pool.
type Options struct {
	// Dissector turns packets into segments.
	Dissector *capture.Dissector
	// LooksLikeRequest judges the first bytes of a direction: could they be the
	// 4-byte size (given as size) and beginning (head: at least 8 bytes, up to 300, or all of a
	// shorter message) of a Kafka request?
	LooksLikeRequest func(size int64, head []byte) Likelihood
	// LooksLikeExchange decides, for a message that is a Weak request and of one that came back
	// next, both whole and without their sizes, whether there is no doubt that they are a request
	// and its response. It decides in connections that were joined midstream; nil is never.
	LooksLikeExchange func(request, response []byte) bool
	// Want, if not nil, decides by the first segment of a connection whether it is analyzed.
	Want func(*capture.Segment) bool
	// Tap, if not nil, is called for every packet of an analyzed connection, with its stream
	// number, in the order of the source. p and s are valid during the call only. It is called by
	// the goroutine that reads.
	Tap func(stream uint32, p *capture.Packet, s *capture.Segment)
	// Secrets are what TLS connections are decrypted with; nil for none.
	Secrets *tlsrecord.Secrets
	// Subjects: take the subject of the client's certificate (tlsrecord.Info.Subject).
	Subjects bool
	// Live: secrets may come some seconds after the bytes that need them, and
	// what waits is looked at more often.
	Live bool
	// Clock, if not nil, is what timeouts go by instead of packet time, in
	// nanoseconds: for live captures, so that time passes while no packets come, even if
	// the host's clock is set. It is asked once for each batch and must not go back.
	Clock func() int64
	// Tracer gets every decision about its connection; nil for none.
	Tracer Tracer
	// IdleTimeout in nanoseconds of packet time; 0 is DefaultIdleTimeout.
	IdleTimeout int64
}

// Likelihood is how likely bytes are a Kafka request.
type Likelihood uint8

// The degrees of likelihood.
const (
	// No: they are not.
	No Likelihood = iota
	// Weak: they could be; an answer with the same correlation id decides, or, midstream,
	// Options.LooksLikeExchange.
	Weak
	// Fits: as Weak; where no answer came at all and the connection was seen from its beginning,
	// it is enough that the message ends where the client's bytes do.
	Fits
	// Likely: as Fits, and only the beginning of the message may have come.
	Likely
	// Strong: nothing else looks like this.
	Strong
)

// Limits counts how often a limit was reached, each named after what it bounds.
type Limits struct {
	// Flows and SilentFlows count connections evicted because there were too many. Those of
	// SilentFlows carried no payload.
	Flows, SilentFlows uint64
	// QueuedSegments counts waits for a missing segment that were cut short because too much had
	// come after it.
	QueuedSegments uint64
	// Undecided counts connections given up before it was known what they speak.
	Undecided uint64
	// HugeSegments counts segments longer than maxSegment.
	HugeSegments uint64
	// HeldBytes counts messages of which less was held than asked for.
	HeldBytes uint64
}

// Hit returns the counts above zero by name, as in the report's quality.limits_hit.
func (l Limits) Hit() map[string]uint64 {
	hit := map[string]uint64{
		"flows": l.Flows, "silent_flows": l.SilentFlows, "queued_segments": l.QueuedSegments,
		"undecided_streams": l.Undecided, "huge_segments": l.HugeSegments, "held_bytes": l.HeldBytes,
	}
	maps.DeleteFunc(hit, func(_ string, n uint64) bool { return n == 0 })
	return hit
}

func (l *Limits) add(m *Limits) {
	l.Flows += m.Flows
	l.SilentFlows += m.SilentFlows
	l.QueuedSegments += m.QueuedSegments
	l.Undecided += m.Undecided
	l.HugeSegments += m.HugeSegments
	l.HeldBytes += m.HeldBytes
}

// Stats counts the connections of a Pool.
type Stats struct {
	// Streams counts TCP connections, those kept out by Options.Want included.
	Streams uint64
	// Open counts those of them that are open: the capture so far has no end of them.
	Open uint64
	// MissingBytes counts payload bytes that the capture lacks, Gaps the
	// places, in connections of any protocol.
	MissingBytes, Gaps uint64
	// Disbelieved counts segments that their receiver cannot have accepted, and ends that were
	// taken back because both sides went on.
	Disbelieved uint64
	// Limits counts how often limits were reached.
	Limits Limits
}
