package history

import (
	"math/rand/v2"
	"testing"
)

// TestStreams compares Streams with a map, also for streams that share a place.
func TestStreams(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s Streams[int]
	want := map[uint32]int{}
	for range 20_000 {
		stream := r.Uint32N(8)*maxPlaces + r.Uint32N(2*firstPlaces)
		switch v := s.Get(stream); {
		case (v != nil) != (func() bool { _, ok := want[stream]; return ok }()), v != nil && *v != want[stream]:
			t.Fatalf("stream %d has %v, want %v", stream, v, want[stream])
		case r.IntN(5000) == 0:
			s.Clear()
			clear(want)
		case v == nil:
			want[stream] = r.IntN(1000) + 1
			v = s.Add(stream)
			if *v != 0 {
				t.Fatalf("a new value is %d", *v)
			}
			*v = want[stream]
		case r.IntN(3) == 0:
			s.Delete(stream)
			s.Delete(stream)
			delete(want, stream)
		}
		if s.Len() != len(want) {
			t.Fatalf("%d values, want %d", s.Len(), len(want))
		}
	}
	for stream, v := range s.All() {
		if want[stream] != *v {
			t.Errorf("stream %d has %d, want %d", stream, *v, want[stream])
		}
		s.Delete(stream)
		delete(want, stream)
	}
	if len(want) > 0 || s.Len() > 0 {
		t.Errorf("%d values are not listed, %d are left", len(want), s.Len())
	}
}
