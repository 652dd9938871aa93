package report

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func medianOf(durations []time.Duration) time.Duration {
	var h histogram
	for _, d := range durations {
		h.add(d)
	}
	return h.median()
}

func TestMedianOfFewIsExact(t *testing.T) {
	for _, c := range []struct {
		in   []time.Duration
		want time.Duration
	}{
		{nil, 0},
		{[]time.Duration{213_457}, 213_457},
		{[]time.Duration{30, 10}, 10},
		{[]time.Duration{30, 10, 20}, 20},
		{[]time.Duration{-5}, 0},
	} {
		if got := medianOf(c.in); got != c.want {
			t.Errorf("median of %v is %d, want %d", c.in, got, c.want)
		}
	}
}

func TestMedianOfManyIsCloseAndDependsOnNoOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		durations := make([]time.Duration, maxExact+random.IntN(2000))
		scale := int64(1) << random.IntN(40)
		for i := range durations {
			durations[i] = time.Duration(random.Int64N(scale + 1))
		}
		got := medianOf(durations)
		random.Shuffle(len(durations), func(i, j int) { durations[i], durations[j] = durations[j], durations[i] })
		if again := medianOf(durations); again != got {
			t.Fatalf("median %v, and %v in another order", got, again)
		}
		slices.Sort(durations)
		want := durations[(len(durations)-1)/2]
		if off := (got - want).Abs(); off*30 > want && off > 1 {
			t.Fatalf("median %v, want %v within 1/30", got, want)
		}
	}
}

func TestBucketsHoldWhatTheyAreFor(t *testing.T) {
	for shift := range 63 {
		for _, n := range []uint64{1 << shift, 1<<shift + 1, 1<<shift - 1, 1<<shift | 1<<shift>>1} {
			index := bucketOf(n)
			if index >= 60*16 {
				t.Fatalf("bucket %d of %d: there are to be 960", index, n)
			}
			if m := middle(index); bucketOf(m) != index {
				t.Fatalf("%d falls into bucket %d, whose middle %d falls into %d", n, index, m, bucketOf(m))
			}
		}
	}
}
