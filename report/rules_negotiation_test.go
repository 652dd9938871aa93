package report

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
)

// TestRegularConnections: pauses of 2 s or more, and of one length or multiples of it.
func TestRegularConnections(t *testing.T) {
	for _, c := range []struct {
		at   []int64 // in ms
		n    int
		want bool
	}{
		{[]int64{0}, 0, true}, {[]int64{0, 2000}, 1, true}, {[]int64{0, 1999}, 1, false}, {[]int64{0, 2000, 4100}, 2, true}, {[]int64{0, 2000, 4101}, 2, false},
		{[]int64{0, 2000, 5900}, 2, true}, {[]int64{0, 2000, 5899}, 2, false}, {[]int64{0, 10_000, 15_000}, 2, true},
	} {
		g := new(group)
		for _, ms := range c.at {
			g.first = append(g.first, occurrence{client: testClient, at: capture.Position{Time: ms * 1e6}})
		}
		n, isRegular := g.intervals()
		if text := clientLeftRule.why(&subject{group: g}); n != c.n || isRegular != c.want || strings.Contains(text, "regular intervals") != (n > 1 && isRegular) {
			t.Errorf("%v: %d pauses, regular %v: %s", c.at, n, isRegular, text)
		}
	}
}
