package decode

// judge compares a request with an advertised table. known is false if the table does not
// decide: there is none, or it is incomplete and lacks the API.
//
// A range with a negative min, or a min above its max, is malformed and decides nothing.
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

// judge sets the verdict of e by the table r, and reports whether r decides.
func (e *Exchange) judge(r *Ranges, evidence Evidence) bool {
	v, advertised, known := judge(e.Key, e.Version, r)
	e.Verdict, e.Advertised, e.Ranges, e.Evidence = v, advertised, nil, None
	if known {
		e.Ranges, e.Evidence = r, evidence
	}
	return known
}
