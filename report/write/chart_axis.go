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

// timeAxis maps times to positions from left to right. With few times it stretches short intervals
// and shortens long ones. The events within a millisecond are then visible beside a pause of
// seconds. It keeps the order. With many times it is linear.
type timeAxis struct {
	// times are the times in ascending order, places their positions in percent of the width.
	times  []model.Time
	places []float64
	// Stretched: the axis is not linear.
	Stretched bool
}

const (
	// maxStretched is how many times are stretched, without minor ones. Each gets at least about
	// 1/400th of the width, and most get more.
	maxStretched = 200
	// axisLeft and axisRight are the positions of the first and the last time in percent. They
	// keep complete the marks at both ends.
	axisLeft, axisRight = 2, 97
)

type axisMark struct {
	model.Time
	// Minor: the connection has no findings, while others have some. It gets less space.
	Minor bool
}

// maxMinorShare is the largest share of its space that a minor time gets. All minor times together
// get about as much as the others.
const maxMinorShare = 0.25

// newTimeAxis returns an axis for moments. It sorts them.
func newTimeAxis(moments []axisMark) *timeAxis {
	slices.SortFunc(moments, func(a, b axisMark) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), model.TrueFirst(b.Minor, a.Minor))
	})
	moments = slices.CompactFunc(moments, func(a, b axisMark) bool { return a.Time == b.Time })
	major := 0
	for _, m := range moments {
		if !m.Minor {
			major++
		}
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

// distance returns how far apart times are drawn, without a unit: for a millisecond or less 1 to
// 1.3, for a second 4, for an hour 7.6.
func (a *timeAxis) distance(d time.Duration) float64 {
	if !a.Stretched {
		return d.Seconds()
	}
	return 1 + math.Log10(1+d.Seconds()*1e3)
}

// x returns the position of t in percent. t must be a time of the axis.
func (a *timeAxis) x(t model.Time) float64 {
	i, _ := slices.BinarySearch(a.times, t)
	return a.places[i]
}

type tick struct {
	X, Text, Anchor string
	// Minor ticks are omitted on narrow screens.
	Minor bool
}

const maxTicks = 6

// ticks returns labelled times of the axis, relative to the first one: of events, if it is
// stretched.
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

// offset formats a time since the beginning. Its precision is a tenth of a millisecond, beyond a
// second a millisecond and, unless exact, beyond a minute a second.
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
