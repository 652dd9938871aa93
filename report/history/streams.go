package history

import "iter"

// Streams is a map with stream numbers as keys. Connections that are open together mostly have
// close numbers. So nearly all have a place of their own in an array, and are found without a
// search.
type Streams[V any] struct {
	// places are indexed by the last bits of the number; nil before the first value. more are the
	// values whose place is taken. spare are values for reuse.
	places []place[V]
	more   map[uint32]*V
	spare  []*V
	n      int
}

type place[V any] struct {
	stream  uint32
	isTaken bool
	value   V
}

// firstPlaces is the initial number of places. It doubles if all are used, up to maxPlaces.
const firstPlaces, maxPlaces = 1 << 8, 1 << 16

// Get returns the value of a stream; nil for none. It is valid until the next Add or Delete.
func (t *Streams[V]) Get(stream uint32) *V {
	if t.places == nil {
		return nil
	}
	if p := t.place(stream); p.isTaken && p.stream == stream {
		return &p.value
	}
	if len(t.more) == 0 {
		return nil
	}
	return t.more[stream]
}

// place returns the place of a stream. Another stream may have taken it.
func (t *Streams[V]) place(stream uint32) *place[V] { return &t.places[stream&uint32(len(t.places)-1)] }

// Add returns the zero value for a new stream. It is valid until the next Add or Delete.
func (t *Streams[V]) Add(stream uint32) *V {
	switch {
	case t.places == nil:
		t.places = make([]place[V], firstPlaces)
	case t.n >= len(t.places) && len(t.places) < maxPlaces:
		t.grow()
	}
	t.n++
	p := t.place(stream)
	if !p.isTaken {
		p.stream, p.isTaken = stream, true
		return &p.value
	}
	if t.more == nil {
		t.more = map[uint32]*V{}
	}
	if len(t.spare) == 0 {
		slab := make([]V, 64)
		for i := range slab {
			t.spare = append(t.spare, &slab[i])
		}
	}
	v := t.spare[len(t.spare)-1]
	t.spare = t.spare[:len(t.spare)-1]
	t.more[stream] = v
	return v
}

func (t *Streams[V]) grow() {
	old := *t
	*t = Streams[V]{places: make([]place[V], 2*len(old.places))}
	for stream, v := range old.All() {
		*t.Add(stream) = *v
	}
}

// Delete removes the value of a stream, if any.
func (t *Streams[V]) Delete(stream uint32) {
	v := t.Get(stream)
	if v == nil {
		return
	}
	t.n--
	*v = *new(V)
	if p := t.place(stream); v == &p.value {
		p.isTaken = false
		return
	}
	delete(t.more, stream)
	t.spare = append(t.spare, v)
}

// Clear removes all values.
func (t *Streams[V]) Clear() {
	for stream := range t.All() {
		t.Delete(stream)
	}
}

// Len returns the number of values.
func (t *Streams[V]) Len() int { return t.n }

// All returns the values in any order. The caller may delete them meanwhile.
func (t *Streams[V]) All() iter.Seq2[uint32, *V] {
	return func(yield func(uint32, *V) bool) {
		for i := range t.places {
			if p := &t.places[i]; p.isTaken && !yield(p.stream, &p.value) {
				return
			}
		}
		for stream, v := range t.more {
			if !yield(stream, v) {
				return
			}
		}
	}
}
