package write

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
)

// timeAxis maps moments to places from left to right. With few moments it
// stretches short times and shortens long ones, so that what happened within a
// millisecond can be shown apart beside a pause of seconds; the order is always
// kept. With many it is even.
type timeAxis struct {
	// times are the moments, ascending, without repetition, places where they
	// are, in percent of the width.
	times  []model.Time
	places []float64
	// Stretched: the axis is not even.
	Stretched bool
}

const (
	// maxStretched is how many moments are stretched, not counting minor ones:
	// each gets at least 1/400th of the width or so, and most of them more.
	maxStretched = 200
	// axisLeft and axisRight are the places of the first and the last moment,
	// in percent: marks at the ends must not be cut.
	axisLeft, axisRight = 2, 97
)

type moment struct {
	model.Time
	// Minor: it is of a connection without findings, beside others with some,
	// and gets less room.
	Minor bool
}

// maxMinorShare is the part of its room that a minor moment gets at the most;
// all of them together get about as much as the others.
const maxMinorShare = 0.25

// newTimeAxis is an axis for these moments, which are sorted on the way.
func newTimeAxis(moments []moment) *timeAxis {
	slices.SortFunc(moments, func(a, b moment) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(bit(a.Minor), bit(b.Minor)))
	})
	moments = slices.CompactFunc(moments, func(a, b moment) bool { return a.Time == b.Time })
	major := 0
	for _, m := range moments {
		major += 1 - bit(m.Minor)
	}
	share := min(maxMinorShare, float64(major)/float64(max(len(moments)-major, 1)))
	a := &timeAxis{places: make([]float64, len(moments)), Stretched: major <= maxStretched}
	at := 0.0
	for i, m := range moments {
		a.times = append(a.times, m.Time)
		if i > 0 {
			step := a.distance(time.Duration(m.Time - moments[i-1].Time))
			if a.Stretched && m.Minor {
				step *= share
			}
			at += step
		}
		a.places[i] = at
	}
	for i := range a.places {
		if at > 0 {
			a.places[i] = axisLeft + a.places[i]/at*(axisRight-axisLeft)
		} else {
			a.places[i] = axisLeft
		}
	}
	return a
}

// distance is how far apart moments are drawn, in no particular unit: a
// millisecond or less 1 to 1.3, a second 4, an hour 7.6.
func (a *timeAxis) distance(d time.Duration) float64 {
	if !a.Stretched {
		return d.Seconds()
	}
	return 1 + math.Log10(1+d.Seconds()*1e3)
}

// x is the place of a moment, one of those that the axis was made for, in percent.
func (a *timeAxis) x(t model.Time) float64 {
	i := sort.Search(len(a.times), func(i int) bool { return a.times[i] >= t })
	if i == len(a.times) {
		return axisRight
	}
	return a.places[i]
}

type tick struct {
	X, Text, Anchor string
	// Minor ticks are left out where there is little room.
	Minor bool
}

const maxTicks = 6

// ticks are moments along the axis, as the time since the first one. On a
// stretched axis they are moments at which something happened.
func (a *timeAxis) ticks() []tick {
	var out []tick
	last := -100.0
	for n := range maxTicks {
		share := float64(n) / (maxTicks - 1)
		x := axisLeft + share*(axisRight-axisLeft)
		since := time.Duration(share * float64(a.times[len(a.times)-1]-a.times[0]))
		if a.Stretched {
			i := min(sort.SearchFloat64s(a.places, x-0.01), len(a.places)-1)
			x, since = a.places[i], time.Duration(a.times[i]-a.times[0])
		}
		if x-last < 0.7*(axisRight-axisLeft)/(maxTicks-1) || n > 0 && since == 0 {
			continue
		}
		text := "+" + offset(since, a.Stretched)
		if len(out) > 0 && out[len(out)-1].Text == text {
			continue
		}
		last = x
		out = append(out, tick{percent(x), text, anchor(x, text), n%2 == 1})
	}
	return out
}

// offset is a time since the beginning, to the tenth of a millisecond or, beyond a
// second, to the millisecond; beyond a minute to the second, unless it is to be exact.
func offset(d time.Duration, exact bool) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Minute:
		return fmt.Sprintf("%.3f s", d.Seconds())
	}
	s := int64(d / time.Second)
	text := fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	if exact {
		text += fmt.Sprintf(".%03d", d.Milliseconds()%1000)
	}
	return text
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
