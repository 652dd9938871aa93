package decode

import "slices"

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
