package capture

import (
	"hash/maphash"
	"math"
	"slices"
)

const (
	// probeBytes is how many bytes of each file are read to compare clocks before the analysis:
	// 2 ms of reading.
	probeBytes = 1 << 20
	// maxProbes bounds the files whose clocks are compared, and maxMoments the entries for each:
	// 64 * 2 * 4,096 entries of about 40 bytes are 20 MiB, until Open returns.
	maxProbes  = 64
	maxMoments = 4096
	// maxSkew is how far clocks may differ, in nanoseconds: 26 hours, the distance between the
	// two extreme time zones.
	maxSkew = 26 * 3600 * int64(1e9)
	// minSkew is the smallest difference that counts as a difference of clocks, in nanoseconds.
	// Packets in a host's own queues swap places within microseconds.
	minSkew = int64(5e5)
	// trimmed is the share of bounds that may be wrong: one in 10 of 10 or more. If the capture
	// lacks the first copy of a packet, the packet seems to be acknowledged before it was sent.
	trimmed = 10
)

// clockProbe records when the first packets of a capture were sent and acknowledged. Two probes
// compare the clocks of captures of the same connections. A packet is sent before it is
// acknowledged. So each pair of packets in two captures bounds the difference of their clocks from
// one side. A nil probe records nothing.
type clockProbe struct {
	dissector *Dissector
	// sent and answered hold times by moment, from the capture's own clock.
	sent, answered map[uint64]int64
}

// moment identifies the end of a segment by its connection, its direction, and what both sides
// had sent. If both numbers began at random ones, the moment has no addresses, because address
// translation changes them.
type moment struct {
	from, to         [16]byte
	fromPort, toPort uint16
	end, ack         uint32
}

// leastRandom is the least sequence number that counts as random. Those of generated captures are
// small and equal everywhere.
const leastRandom = 1 << 20

// momentSeed is the seed of the hashes of moments.
var momentSeed = maphash.MakeSeed()

// newClockProbe returns a probe for the i-th file, nil beyond maxProbes.
func newClockProbe(i int) *clockProbe {
	if i >= maxProbes {
		return nil
	}
	return &clockProbe{dissector: NewDissector(DissectorOptions{}), sent: map[uint64]int64{}, answered: map[uint64]int64{}}
}

// add records packets. It returns false if it needs no more.
func (p *clockProbe) add(packets []Packet) bool {
	if p == nil {
		return false
	}
	var s Segment
	for i := range packets {
		if !p.dissector.Segment(&packets[i], &s) {
			continue
		}
		length := s.Length
		if s.Flags&(SYN|FIN) != 0 {
			length++
		}
		if length > 0 {
			ack := s.Ack
			if s.Flags&ACK == 0 {
				ack = 0
			}
			p.note(p.sent, moment{s.Src, s.Dst, s.SrcPort, s.DstPort, s.Seq + length, ack}, s.Time)
		}
		if s.Flags&ACK != 0 {
			seq := s.Seq
			if s.Flags&SYN != 0 {
				seq = 0 // it acknowledges a SYN, whose own Ack is 0
			}
			p.note(p.answered, moment{s.Dst, s.Src, s.DstPort, s.SrcPort, s.Ack, seq}, s.Time)
		}
		if len(p.sent) >= maxMoments && len(p.answered) >= maxMoments {
			return false
		}
	}
	return true
}

// note records the first time of a moment.
func (p *clockProbe) note(times map[uint64]int64, m moment, t int64) {
	if m.end >= leastRandom && m.ack >= leastRandom {
		m.from, m.to, m.fromPort, m.toPort = [16]byte{}, [16]byte{}, 0, 0
	}
	key := maphash.Comparable(momentSeed, m)
	if _, ok := times[key]; !ok && len(times) < maxMoments {
		times[key] = t
	}
}

// compareClocks sets the shift of inputs whose clock differs from an earlier one's. It returns
// false if there are none.
func compareClocks(inputs []*input) (shifted bool) {
	for i, in := range inputs {
		for _, earlier := range inputs[:i] {
			if in.clock == nil || earlier.clock == nil {
				continue
			}
			offset, related := in.clock.behind(earlier.clock)
			if !related {
				continue
			}
			if in.shift = offset + earlier.shift; offset != 0 {
				in.reference, shifted = earlier, true
			}
			if in.reference == nil && earlier.shift != 0 {
				in.reference, shifted = earlier.reference, true
			}
			in.first += in.shift
			break
		}
	}
	for _, in := range inputs {
		in.clock = nil
	}
	return shifted
}

// behind returns how far the clock of p is behind that of q; 0 if the two can be equal. related
// is false if the captures share no connection.
func (p *clockProbe) behind(q *clockProbe) (offset int64, related bool) {
	least := bounds(q.sent, p.answered)
	most := bounds(p.sent, q.answered)
	for i := range most {
		most[i] = -most[i]
	}
	if len(least)+len(most) == 0 {
		return 0, false
	}
	slices.Sort(least)
	slices.Sort(most)
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	if n := len(least); n > 0 {
		lo = least[n-1-n/trimmed]
	}
	if n := len(most); n > 0 {
		hi = most[n/trimmed]
	}
	switch {
	case lo <= minSkew && hi >= -minSkew:
		return 0, true
	case len(most) == 0:
		offset = lo
	case len(least) == 0:
		offset = hi
	default:
		offset = lo + (hi-lo)/2
	}
	if offset > maxSkew || offset < -maxSkew {
		return 0, false
	}
	return offset, true
}

// bounds returns the differences of times of moments that are in both captures.
func bounds(sent, answered map[uint64]int64) []int64 {
	var all []int64
	for key, t := range sent {
		if u, ok := answered[key]; ok {
			all = append(all, t-u)
		}
	}
	return all
}
