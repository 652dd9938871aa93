package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

func (s spans) text() string {
	var all []string
	for _, p := range s {
		all = append(all, fmt.Sprintf("%d-%d", p.from.Time, p.to.Time))
	}
	return strings.Join(all, " ")
}

// TestSpansAreJoined: events at most 10 ns apart are in one span, in any order. At the limit of 3
// spans, the shortest pause goes.
func TestSpansAreJoined(t *testing.T) {
	for _, c := range []struct {
		events []int64
		want   string
	}{
		{[]int64{20, 30}, "20-30"}, {[]int64{20, 31}, "20-20 31-31"}, {[]int64{20, 10}, "10-20"}, {[]int64{20, 9}, "9-9 20-20"},
		{[]int64{20, 30, 25}, "20-30"}, {[]int64{20, 30, 60, 25}, "20-30 60-60"}, {[]int64{20, 60, 30}, "20-30 60-60"}, {[]int64{20, 60, 31}, "20-20 31-31 60-60"},
		{[]int64{20, 60, 50}, "20-20 50-60"}, {[]int64{20, 60, 49}, "20-20 49-49 60-60"}, {[]int64{20, 29, 38, 49}, "20-38 49-49"},
		{[]int64{10, 100, 150, 300}, "10-10 100-150 300-300"}, {[]int64{10, 100, 190, 400}, "10-100 190-190 400-400"},
		{[]int64{10, 30, 400, 500}, "10-30 400-400 500-500"}, {[]int64{10, 200, 400, 420}, "10-10 200-200 400-420"},
	} {
		var s spans
		for _, e := range c.events {
			s.add(moment(e), 10, 3)
		}
		if got := s.text(); got != c.want {
			t.Errorf("%v: %s, want %s", c.events, got, c.want)
		}
	}
	s := spans{{from: moment(1), to: moment(1), n: 1}, {from: moment(2), to: moment(2), n: 2}}
	if s.count(2); s.joinClosest()[0].n != 4 {
		t.Errorf("counted %d events, want 4", s[0].n)
	}
}

// TestSpanInALife: a span overlaps a life, and an end of it may be inside.
func TestSpanInALife(t *testing.T) {
	var s span
	for _, e := range []int64{25, 20, 30, 27} {
		s.extend(moment(e))
	}
	for _, c := range []struct {
		from, to, at int64
		want         bool
	}{
		{0, 20, 0, false}, {0, 21, 20, true}, {20, 25, 20, true}, {21, 30, 0, true}, {21, 31, 30, true}, {30, 40, 30, true}, {31, 40, 0, false},
	} {
		if at, ok := s.in(c.from, c.to); ok != c.want || at.Time != c.at {
			t.Errorf("from %d to %d: %v at %d, want %v at %d", c.from, c.to, ok, at.Time, c.want, c.at)
		}
	}
	list := spans{s}
	for _, c := range []struct {
		from, to, at     int64
		covered, between bool
	}{
		{20, 30, 30, true, false}, {19, 30, 20, false, true}, {20, 31, 30, false, true}, {30, 40, 0, false, false}, {10, 20, 20, false, false}, {10, 19, 0, false, false}, {21, 22, 30, true, false},
	} {
		at, _ := list.within(c.from, c.to)
		if at.Time != c.at || list.covers(c.from, c.to) != c.covered || list.anyIn(c.from, c.to) != c.between {
			t.Errorf("from %d to %d: an event at %d, covered %v, between %v, want %+v", c.from, c.to, at.Time, list.covers(c.from, c.to), list.anyIn(c.from, c.to), c)
		}
	}
}

// moment is a position at a time in nanoseconds.
func moment(t int64) capture.Position { return capture.Position{Frame: uint64(t), Time: t} }

// periods returns spans from their ends.
func periods(ends ...int64) (s spans) {
	for i := 0; i < len(ends); i += 2 {
		s = append(s, span{from: moment(ends[i]), to: moment(ends[i+1])})
	}
	return s
}
