package decode

import (
	"cmp"
	"slices"
)

// Range is a range of API versions, both ends included.
type Range struct{ Min, Max int16 }

// Ranges are the ranges of one ApiVersions response. Equal responses share one Ranges within a
// Shard; it must not be changed.
type Ranges struct {
	// APIs are the advertised ranges by API key, in ascending order of Key.
	APIs []API
	// Features are the broker's supported features (ApiVersions v3 and later), by name.
	Features []Feature
	// Partial: the capture lacks the end of the response. An API that is not listed may also be
	// advertised.
	Partial bool
}

// API is the advertised range of one API key.
type API struct {
	Key int16
	Range
}

// Feature is a supported feature of a broker (KIP-584).
type Feature struct {
	Name string
	Range
}

// Find returns the range of an API key. A nil Ranges has none.
func (r *Ranges) Find(key int16) (Range, bool) {
	if r == nil {
		return Range{}, false
	}
	i, ok := slices.BinarySearchFunc(r.APIs, key, func(a API, key int16) int { return cmp.Compare(a.Key, key) })
	if !ok {
		return Range{}, false
	}
	return r.APIs[i].Range, true
}

func (r *Ranges) equal(o *Ranges) bool {
	return r == o || r != nil && o != nil && r.Partial == o.Partial &&
		slices.Equal(r.APIs, o.APIs) && slices.Equal(r.Features, o.Features)
}

// Agrees reports whether two responses advertise the same ranges. The missing end of an
// incomplete response agrees with everything.
func (r *Ranges) Agrees(o *Ranges) bool {
	if r == o {
		return true
	}
	if !r.Partial && !o.Partial {
		return slices.Equal(r.APIs, o.APIs)
	}
	same := true
	r.Compare(o, func(_ int16, x, y *Range) {
		if x != nil && y != nil {
			same = same && *x == *y
		} else {
			same = same && (x != nil || r.Partial) && (y != nil || o.Partial)
		}
	})
	return same
}

// Compare calls do for each API that r or o has, in ascending order of the keys. The range is
// nil if r or o lacks the API.
func (r *Ranges) Compare(o *Ranges, do func(key int16, x, y *Range)) {
	i, j := 0, 0
	for i < len(r.APIs) || j < len(o.APIs) {
		switch {
		case j >= len(o.APIs) || i < len(r.APIs) && r.APIs[i].Key < o.APIs[j].Key:
			do(r.APIs[i].Key, &r.APIs[i].Range, nil)
			i++
		case i >= len(r.APIs) || o.APIs[j].Key < r.APIs[i].Key:
			do(o.APIs[j].Key, nil, &o.APIs[j].Range)
			j++
		default:
			do(r.APIs[i].Key, &r.APIs[i].Range, &o.APIs[j].Range)
			i++
			j++
		}
	}
}

// The bytes of a table without its APIs, of an API, and of the largest table.
const rangesBytes, apiBytes, maxRangesBytes = 56, 6, rangesBytes + apiBytes*maxAPIs

// size returns about how many bytes the table takes.
func (r *Ranges) size() int { return rangesBytes + len(r.APIs)*apiBytes }

// hash is FNV-1a over the APIs (http://www.isthe.com/chongo/tech/comp/fnv/).
func (r *Ranges) hash() uint64 {
	h := uint64(14695981039346656037)
	for _, a := range r.APIs {
		for _, v := range [...]int16{a.Key, a.Min, a.Max} {
			h = (h ^ uint64(uint16(v))) * 1099511628211
		}
	}
	return h
}
