package capture

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFragmentsCutBySnapshotLength guards against payload that was not captured, and against a
// length that omits it.
func TestFragmentsCutBySnapshotLength(t *testing.T) {
	text := numbered(200)
	whole := fragments4(1, protocolTCP, tcpOf(nil, text), 80, 160)
	for name, c := range map[string]struct {
		lengths []int // captured bytes of the payload of each fragment
		want    int   // captured bytes of the text
	}{
		"all of it":              {[]int{80, 80, 60}, 200},
		"the end of the last":    {[]int{80, 80, 10}, 150},
		"all of the last":        {[]int{80, 80, 0}, 140},
		"in the middle":          {[]int{80, 20, 60}, 80},
		"tcp header":             {[]int{tcpNeeded, 80, 60}, 0},
		"part of the first only": {[]int{30, 0, 0}, 10},
	} {
		for order, packets := range map[string][]int{"in order": {0, 1, 2}, "reversed": {2, 1, 0}, "twice": {0, 0, 1, 1, 2}} {
			d := NewDissector(DissectorOptions{})
			var s Segment
			found := 0
			for _, i := range packets {
				p := Packet{Data: whole[i][:ipv4Header+c.lengths[i]], Length: uint32(len(whole[i])), Link: LinkTypeRaw}
				if d.Segment(&p, &s) {
					found++
				}
			}
			if found != 1 || int(s.Length) != len(text) || string(s.Payload) != text[:c.want] {
				t.Errorf("cut %s, %s: %d segments, length %d with %d captured, want 1, %d, %d", name, order, found, s.Length, len(s.Payload), len(text), c.want)
			}
		}
	}
}

// TestFragmentCutToNothingInsideAnother: a fragment has no captured bytes and lies inside another,
// behind its captured bytes. It must not be compared with bytes that no buffer has.
func TestFragmentCutToNothingInsideAnother(t *testing.T) {
	wide := ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(0, true), make([]byte, 40000))
	inside := ipv4Fragment(builtSrc4, builtDst4, protocolTCP, 1, fragmentField(33152, true), make([]byte, 800))
	d := NewDissector(DissectorOptions{})
	var s Segment
	for i, p := range []Packet{
		{Data: wide[:ipv4Header+100], Length: uint32(len(wide))},
		{Data: inside[:ipv4Header], Length: uint32(len(inside))},
	} {
		p.Link = LinkTypeRaw
		if d.Segment(&p, &s) {
			t.Errorf("packet %d: a segment came out of an incomplete datagram", i)
		}
	}
	want := fragmentCounts{Held: 2, Pending: 1}
	if diff := cmp.Diff(want, fragmentsOf(d)); diff != "" {
		t.Errorf("fragments (-want +got):\n%s", diff)
	}
}
