package report

import (
	"math/bits"
	"slices"
	"time"
)

// histogram finds the median of durations. Up to maxExact of them are kept and the median is
// exact. More are counted in buckets. The width of a bucket is 1/16 of the power of two below it.
// The median is the middle of its bucket, with an error of at most 1/32 (3.2 %). The result does
// not depend on the order of the calls. Only used buckets take memory, 8 bytes each. A duration
// has at most 63 significant bits, so there are at most 60*16 buckets (7.5 KiB). Real durations
// use some dozen.
type histogram struct {
	// exact are the durations in ascending order; nil once they are in buckets.
	exact   []time.Duration
	buckets []bucket
	total   uint64
}

type bucket struct {
	index uint16
	count uint32
}

const (
	// maxExact is how many durations are kept individually: 256 bytes.
	maxExact = 32
	// subBits is the binary logarithm of the buckets in each power of two.
	subBits = 4
)

// add counts d. A negative d (a clock set back within the capture) counts as 0.
func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.total++
	if h.total <= maxExact {
		i, _ := slices.BinarySearch(h.exact, d)
		h.exact = slices.Insert(h.exact, i, d)
		return
	}
	for _, e := range h.exact {
		h.count(e)
	}
	h.exact = nil
	h.count(d)
}

func (h *histogram) clone() *histogram {
	return &histogram{slices.Clone(h.exact), slices.Clone(h.buckets), h.total}
}

func (h *histogram) merge(o *histogram) {
	if len(o.buckets) == 0 {
		for _, d := range o.exact {
			h.add(d)
		}
		return
	}
	for _, e := range h.exact {
		h.count(e)
	}
	h.exact = nil
	h.total += o.total
	for _, b := range o.buckets {
		h.countIn(b.index, b.count)
	}
}

func (h *histogram) count(d time.Duration) { h.countIn(bucketOf(uint64(d)), 1) }

func (h *histogram) countIn(index uint16, n uint32) {
	i, found := slices.BinarySearchFunc(h.buckets, index, func(b bucket, index uint16) int { return int(b.index) - int(index) })
	if !found {
		h.buckets = slices.Insert(h.buckets, i, bucket{index: index})
	}
	h.buckets[i].count += min(n, ^uint32(0)-h.buckets[i].count)
}

// median returns the lower median; 0 for an empty histogram.
func (h *histogram) median() time.Duration {
	if n := len(h.exact); n > 0 {
		return h.exact[(n-1)/2]
	}
	rank, seen := (h.total+1)/2, uint64(0)
	for _, b := range h.buckets {
		seen += uint64(b.count)
		if seen >= rank {
			return threeDigits(time.Duration(middle(b.index)))
		}
	}
	return 0
}

// threeDigits rounds d to three significant digits, more than a bucket has.
func threeDigits(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// bucketOf returns the index of the bucket of n. Numbers below 2^subBits have a bucket each.
func bucketOf(n uint64) uint16 {
	if n < 1<<subBits {
		return uint16(n)
	}
	shift := bits.Len64(n) - 1 - subBits
	return uint16(shift<<subBits) + uint16(n>>shift)
}

// middle returns the middle of a bucket, or its only number.
func middle(index uint16) uint64 {
	if index < 1<<subBits {
		return uint64(index)
	}
	shift := index>>subBits - 1
	low := uint64(index-shift<<subBits) << shift
	return low + 1<<shift/2
}
