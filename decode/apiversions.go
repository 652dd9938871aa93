package decode

import (
	"cmp"
	"slices"
)

const (
	// maxApiVersionsAnswer bounds the bytes read of an ApiVersions response. The 95 APIs of
	// Kafka 4.4 take 7 bytes each, its features a few hundred; the limit is 20 times that.
	maxApiVersionsAnswer = 16 << 10
	// maxAPIs bounds the APIs read from one response. Kafka 4.4 has 95, vendors add some; 256 of 6
	// bytes are 1.5 KiB.
	maxAPIs = 256
	// maxFeatures bounds the features read from one response. Kafka 4.4 has fewer than ten.
	maxFeatures = 64
	// flexibleApiVersions is the first flexible version of ApiVersions (KIP-511).
	flexibleApiVersions = 3
)

// apiVersionsAnswer is a parsed ApiVersions response. Its slices are reused.
type apiVersionsAnswer struct {
	errorCode int16
	apis      []API
	features  []Feature
	// partial: the bytes end before the list of APIs ends.
	partial bool
	// limited: there were more APIs than maxAPIs.
	limited bool
	wrong   bool // Exchange.WrongRefusal
	// misshapen: the layout is not that of the request's version, or bytes follow it.
	misshapen bool
	// featureBytes are the supported features as on the wire.
	featureBytes []byte
}

// parse reads the response to an ApiVersions request of the given version. body is the captured
// part of the response after the correlation id, size its complete length. The response header
// is v0 in every version (KIP-511).
//
// parse tries the request's version first. Then it tries v0, which a broker uses to refuse an
// unknown version. Then it tries the other layouts, for a response whose request was not
// captured, and last the request's version with bytes behind it. A response with an error code has
// no ranges. parse reports whether the bytes are an ApiVersions response.
func (a *apiVersionsAnswer) parse(version int16, size int64, body []byte, intern func([]byte) string) bool {
	r := newFieldReader(body)
	*a = apiVersionsAnswer{errorCode: r.Int16(), apis: a.apis[:0], features: a.features[:0]}
	if !r.Ok() || a.errorCode != errNone {
		a.wrong = a.errorCode == errUnsupportedVersion && isWrongRefusal(version, size, body)
		return r.Ok()
	}
	for i, v := range [...]int16{version, 0, 1, flexibleApiVersions, version} {
		a.apis, a.featureBytes, a.partial, a.limited = a.apis[:0], nil, false, false
		const last = 4
		if rest, ok := a.read(r, v, size); ok && (rest == 0 || i == last) && len(a.apis) > 0 {
			a.misshapen = rest > 0 || min(v, flexibleApiVersions) != min(version, flexibleApiVersions) && (v != 1 || version != 2)
			a.readFeatures(intern)
			a.sort()
			return true
		}
	}
	return false
}

// isWrongRefusal reports whether a response with UNSUPPORTED_VERSION has the layout of the
// requested version instead of v0. KIP-511 demands v0, because a client can read nothing else at
// that point.
func isWrongRefusal(version int16, size int64, body []byte) bool {
	l := &layouts[keyApiVersions]
	if how, _ := l.walkResponse(keyApiVersions, 0, size, body); how != misfit {
		return false
	}
	how, _ := l.walkResponse(keyApiVersions, version, size, body)
	return how == fitsExactly
}

// read reads the part after the error code at one version, and reports whether it fits. rest is the
// number of bytes behind it.
func (a *apiVersionsAnswer) read(r fieldReader, version int16, size int64) (rest int, ok bool) {
	whole := int64(len(r.Src))+2 == size
	flexible := version >= flexibleApiVersions
	n := r.count(flexible)
	if n*6 > size {
		return 0, false
	}
	for ; n > 0 && r.Ok(); n-- {
		api := API{r.Int16(), Range{r.Int16(), r.Int16()}}
		if flexible {
			r.tags(nil)
		}
		switch {
		case !r.Ok():
		case api.Key < 0:
			return 0, false
		case len(a.apis) == maxAPIs:
			a.limited = true
		default:
			a.apis = append(a.apis, api)
		}
	}
	if !r.Ok() {
		a.partial = true
		return 0, !whole
	}
	if version >= 1 {
		r.Int32() // throttle time
	}
	if flexible {
		r.tags(func(tag int64, b []byte) {
			if tag == 0 { // supported features: KIP-584
				a.featureBytes = b
			}
		})
	}
	if !whole {
		return 0, true
	}
	return len(r.Src), r.Ok()
}

func (a *apiVersionsAnswer) readFeatures(intern func([]byte) string) {
	r := newFieldReader(a.featureBytes)
	for n := r.count(true); n > 0 && len(a.features) < maxFeatures; n-- {
		name := r.compactText()
		f := Feature{Range: Range{r.Int16(), r.Int16()}}
		r.tags(nil)
		if !r.Ok() {
			return
		}
		f.Name = intern(name)
		a.features = append(a.features, f)
	}
}

// sort orders APIs and features. Of an API that is listed twice, it keeps the first.
func (a *apiVersionsAnswer) sort() {
	byKey := func(x, y API) int { return cmp.Compare(x.Key, y.Key) }
	if !slices.IsSortedFunc(a.apis, byKey) {
		slices.SortStableFunc(a.apis, byKey)
	}
	a.apis = slices.CompactFunc(a.apis, func(x, y API) bool { return x.Key == y.Key })
	slices.SortStableFunc(a.features, func(x, y Feature) int { return cmp.Compare(x.Name, y.Name) })
}

// software reads the client's software from an ApiVersions request, v3 and later (KIP-511). body
// begins with the tagged fields of the request header. ok is false if the fields are missing or
// incomplete.
func software(version int16, body []byte) (name, number []byte, ok bool) {
	if version < flexibleApiVersions {
		return nil, nil, false
	}
	r := newFieldReader(body)
	r.tags(nil)
	name, number = r.compactText(), r.compactText()
	return name, number, r.Ok()
}
