package report

import (
	"slices"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// coverage counts the input, the checked part of it, and the unchecked part.
type coverage struct {
	summary model.Summary
	quality model.Quality
	// unknown counts requests without a known range. encrypted and undecided count connections
	// that were not analyzed.
	unknown, encrypted, undecided uint64
	// offenders are connections with a request outside its range.
	offenders map[uint32]struct{}
	// evicted counts connections that remember evicted.
	evicted uint64
}

func newCoverage() coverage { return coverage{offenders: map[uint32]struct{}{}} }

func (c *coverage) exchange(x *decode.Exchange) {
	s := &c.summary
	s.Requests++
	if x.IsAnswered() {
		s.Responses++
	}
	switch x.Verdict {
	case decode.Exempt:
		s.RequestsExempt++
		return
	case decode.Unknown:
		c.unknown++
		return
	case decode.OK:
		_, isPhantom := history.PhantomMin(x)
		_, offended := c.offenders[x.Stream] // that request then made the broker close the connection
		if (x.Outcome == decode.ClosedByBroker || x.Outcome == decode.ResetByBroker) && !isPhantom && !offended {
			s.DroppedInRange++
		}
	default:
		c.evicted += remember(c.offenders, x.Stream, struct{}{})
	}
	s.RequestsChecked++
	switch x.Evidence {
	case decode.Observed:
		s.Evidence.Observed++
	case decode.Borrowed:
		s.Evidence.Borrowed++
	case decode.Supplied:
		s.Evidence.Supplied++
	}
}

func (v *coverage) connection(c *decode.Connection) {
	q, odd := &v.quality, c.Odd()
	delete(v.offenders, c.Stream)
	v.summary.Streams++
	switch c.Protocol {
	case reassembly.Kafka:
		v.summary.KafkaStreams++
		if odd.Missing > 0 { // otherwise the first frame of a connection joined midstream was searched
			q.Resyncs += odd.Resyncs
		}
		q.IncompleteRequests += odd.Incomplete
		if !c.Seen[reassembly.ToBroker] || !c.Seen[reassembly.ToClient] {
			q.OneSidedStreams++
		}
	case reassembly.TLS:
		if isEncrypted(c) {
			v.summary.EncryptedStreams++
		}
	case reassembly.Undecided:
		if c.Bytes[0]+c.Bytes[1] > 0 && c.Confusion == reassembly.NoConfusion {
			v.undecided++
		}
	}
	if isEncrypted(c) {
		v.encrypted++
	}
	if !isKafkaOrTLS(c) {
		return
	}
	q.MissingBytes += odd.Missing
	q.Gaps += odd.Gaps
	q.ConflictingBytes += odd.Conflicts
	q.GapStreams += uint64(b2i(odd.Missing > 0))
	q.MidstreamStreams += uint64(b2i(c.Midstream))
}

// finish completes the counts. unparsed are the packets without a segment.
func (c *coverage) finish(captures []model.Capture, unparsed []model.Count) model.Quality {
	q := c.quality
	for i := range captures {
		q.TruncatedPackets += captures[i].Truncated
		q.DroppedPackets += captures[i].Dropped
	}
	q.UnparsedReasons = []model.Count{}
	for _, u := range unparsed {
		if u.Count > 0 {
			q.UnparsedPackets += u.Count
			q.UnparsedReasons = append(q.UnparsedReasons, u)
		}
	}
	slices.SortStableFunc(q.UnparsedReasons, model.CompareCounts)
	q.NotChecked = []model.NotChecked{}
	for _, n := range []model.NotChecked{
		{Reason: model.NotCheckedNoRange, Requests: c.unknown},
		{Reason: model.NotCheckedEncrypted, Streams: c.encrypted},
		{Reason: model.NotCheckedUndecided, Streams: c.undecided},
	} {
		if n.Requests+n.Streams > 0 {
			q.NotChecked = append(q.NotChecked, n)
		}
	}
	return q
}

// maxRemembered bounds the connections in a map. They are needed until the connection ends, mostly
// within milliseconds: 4,096 of some 20 bytes. When it is reached, all are evicted, and count as
// "remembered_connections".
const maxRemembered = 4096

// remember keeps v for a connection, and returns how many others it evicted.
func remember[V any](streams map[uint32]V, stream uint32, v V) (evicted uint64) {
	if _, known := streams[stream]; !known && len(streams) >= maxRemembered {
		evicted = uint64(len(streams))
		clear(streams)
	}
	streams[stream] = v
	return evicted
}
