package decode

// judge holds a request against an advertised table. known is false where the table cannot tell:
// there is none, or its end is missing and the API is not in what is there.
//
// A range whose min is negative or above its max is malformed and tells nothing.
func judge(key, version int16, r *Ranges) (v Verdict, advertised Range, known bool) {
	advertised, found := r.Find(key)
	switch {
	case key == keyApiVersions:
		return Exempt, advertised, r != nil
	case r == nil || !found && r.Partial:
		return Unknown, Range{}, false
	case !found:
		return NotAdvertised, Range{}, true
	case advertised.Min < 0 || advertised.Min > advertised.Max:
		return Unknown, Range{}, false
	case version > advertised.Max:
		return AboveMax, advertised, true
	case version < advertised.Min:
		return BelowMin, advertised, true
	}
	return OK, advertised, true
}

// judge gives e its verdict by the table r, and reports whether r can tell.
func (e *Exchange) judge(r *Ranges, evidence Evidence) bool {
	v, advertised, known := judge(e.Key, e.Version, r)
	e.Verdict, e.Advertised, e.Ranges, e.Evidence = v, advertised, nil, None
	if known {
		e.Ranges, e.Evidence = r, evidence
	}
	return known
}
