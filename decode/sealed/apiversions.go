package sealed

import (
	"cmp"
	"slices"
	"sync"

	"github.com/kafkavet/kafkavet/decode"
)

// Sizes of ApiVersions frames in bytes, including the size field (KIP-35, KIP-511, and the message
// definitions of Apache Kafka).
const (
	// headV0 is the size of a v0 response without APIs: size, correlation id, error, array size.
	headV0 = 4 + 4 + 2 + 4
	// headV1 is the same for v1 and v2, which add a throttle time.
	headV1 = headV0 + 4
	// perAPI is the size of an API in v0 to v2.
	perAPI = 2 + 2 + 2
	// headV3 is the size of a response of v3 and later without APIs and tags: size, correlation
	// id, error, compact array size (below 127 APIs), throttle time.
	headV3 = 4 + 4 + 2 + 1 + 4
	// perFlexibleAPI is the size of an API in v3 and later.
	perFlexibleAPI = perAPI + 1
	// refusedBefore24 and refused are the sizes of the response "unsupported version", before
	// Kafka 2.4 and since then.
	refusedBefore24 = headV0
	refused         = headV0 + perAPI
	// finalizedEpoch is the size of the tag with the epoch of features: tag, size, 8 bytes
	// (KIP-584).
	finalizedEpoch = 1 + 1 + 8
)

// Answer is what the size of an ApiVersions response shows.
type Answer struct {
	// Size is the size of the frame in bytes, including its 4-byte size field.
	Size int
	// APIs is the number of advertised APIs. It is 0 if different numbers give the same size.
	APIs int
	// Releases are those whose brokers send responses of this size, oldest first.
	Releases []string
}

// since22 reports whether all releases with this response are Kafka 2.2 or later.
func (a *Answer) since22() bool {
	return a != nil && a.APIs >= apisOf22 && len(a.Releases) > 0
}

// apisOf22 is the number of APIs of Kafka 2.2. Kafka 1.1 to 2.1 have the same number.
const apisOf22 = 44

// sizedRelease is a release and its number of APIs, for one size of response.
type sizedRelease struct {
	apis    int
	release string
	age     int // its index among the tables, oldest first
}

// form is the layout of an ApiVersions response.
type form uint8

const (
	formV0 form = iota
	formV1
	formV3
	formV4
	forms
)

// sizes are the known sizes of responses, by layout.
var sizes = sync.OnceValue(func() [forms]map[int][]sizedRelease { return sizesOf(decode.Tables()) })

func sizesOf(tables []*decode.Table) (all [forms]map[int][]sizedRelease) {
	for f := range all {
		all[f] = make(map[int][]sizedRelease)
	}
	for age, t := range tables {
		if t.Mode == decode.Controller {
			continue
		}
		n := len(t.Ranges.APIs)
		name := decode.MinorRelease(t.Release)
		add := func(f form, size int) {
			if !slices.ContainsFunc(all[f][size], func(s sizedRelease) bool { return s.apis == n && s.release == name }) {
				all[f][size] = append(all[f][size], sizedRelease{n, name, age})
			}
		}
		add(formV0, headV0+perAPI*n)
		max, _ := t.Ranges.Find(apiVersionsKey)
		if max.Max >= 1 {
			add(formV1, headV1+perAPI*n)
		}
		for f, hidden := range map[form]bool{formV3: true, formV4: false} {
			if max.Max < 3 || f == formV4 && max.Max < 4 {
				continue
			}
			for _, tags := range tagSizes(t.Ranges.Features, hidden) {
				add(f, headV3+perFlexibleAPI*n+tags)
			}
		}
	}
	return all
}

const fetchKey, apiVersionsKey = 1, 18

// tagSizes returns the possible sizes of a response's tags. They are the number of tags, the
// supported features and the finalized features. v3 hides supported features with min 0
// (KIP-1022). The finalized features depend on how the cluster was formatted: none, the metadata
// version, or more.
func tagSizes(features []decode.Feature, v3 bool) []int {
	const noTags = 1
	out := []int{noTags, noTags + finalizedEpoch}
	if len(features) == 0 {
		return out
	}
	supported, least := 0, 0
	var more []int
	for _, f := range features {
		n := 1 + len(f.Name) + 2 + 2 + 1
		if !v3 || f.Min > 0 {
			supported += n
		}
		if f.Min > 0 {
			least += n
		} else {
			more = append(more, n)
		}
	}
	out = out[:0]
	finalized := map[int]bool{}
	for set := range 1 << len(more) {
		n := least
		for i, m := range more {
			if set>>i&1 == 1 {
				n += m
			}
		}
		finalized[n] = true
	}
	for n := range finalized {
		out = append(out, noTags+tag(supported)+finalizedEpoch+tag(n))
	}
	return out
}

// tag returns the size of a tag whose value is a compact array of n bytes.
func tag(n int) int {
	if n == 0 {
		return 0
	}
	n++ // the size of the array
	if n < 128 {
		return 1 + 1 + n
	}
	return 1 + 2 + n
}

// readAnswer looks up the size of a response. fits is false if no known release sends that size.
// flexible and old select the layouts: v3 and later, and v0 to v2.
func readAnswer(m *message, flexible, old bool) (a Answer, fits bool) {
	a.Size = m.size
	known := sizes()
	apis := map[int]bool{}
	var fit []sizedRelease
	for f := range forms {
		if f >= formV3 && !flexible || f < formV3 && !old {
			continue
		}
		for size := m.size - m.slack; size <= m.size; size++ {
			for _, s := range known[f][size] {
				apis[s.apis] = true
				fit = append(fit, s)
			}
		}
	}
	slices.SortFunc(fit, func(x, y sizedRelease) int { return x.age - y.age })
	for _, s := range fit {
		if !slices.Contains(a.Releases, s.release) {
			a.Releases = append(a.Releases, s.release)
		}
	}
	if len(apis) == 1 {
		for n := range apis {
			a.APIs = n
		}
	}
	return a, len(apis) > 0
}

// Bounds for the number of APIs of a broker that is not a recorded release. The smallest recorded
// one advertises 19, the largest 77.
const (
	minAPIs = 12
	maxAPIs = 110
)

// countAPIs returns the number of APIs in a response of v0, or of v1 and v2. It is 0 if no such
// response has that size.
func countAPIs(size int) int {
	return cmp.Or(apisBehind(headV0, perAPI, size), apisBehind(headV1, perAPI, size))
}

// flexibleAPIs is countAPIs for v3 and later, without features.
func flexibleAPIs(size int) int { return apisBehind(headV3+1, perFlexibleAPI, size) }

// apisBehind returns how many APIs of each bytes a response of size bytes has behind its head. It
// is 0 if that is not a whole and likely number.
func apisBehind(head, each, size int) int {
	if n := (size - head) / each; (size-head)%each == 0 && n >= minAPIs && n <= maxAPIs {
		return n
	}
	return 0
}

// isRefusal reports whether a message has the size of an ApiVersions response with error 35.
func isRefusal(m *message) bool {
	return m.size-m.slack <= refused && m.size >= refused || m.size-m.slack <= refusedBefore24 && m.size >= refusedBefore24
}

func isAnswer(m *message) bool {
	_, fits := readAnswer(m, true, true)
	return fits || isRefusal(m) || m.slack == 0 && countAPIs(m.size) > 0
}

// maxApiVersions bounds the size of an ApiVersions request: client id, software name and version
// of some 80 bytes each.
const maxApiVersions = 18 + 3*80

// smallestRetried is the size of the smallest response to a retry that counts as a table of APIs.
const smallestRetried = headV0 + minAPIs*perAPI

// readApiVersions reads the ApiVersions exchange at the beginning of all, and a retry with a lower
// version. It returns how many turns they take, 0 if there is none.
func (r *Reading) readApiVersions(all []turn) int {
	if len(all) == 0 || len(all[0].requests) == 0 || len(all[0].answers) == 0 {
		return 0
	}
	q, a := &all[0].requests[0], &all[0].answers[0]
	if q.guessed || a.guessed || q.size < minRequest || q.size > maxApiVersions {
		return 0
	}
	if isRefusal(a) {
		return r.readRetry(all, q, a)
	}
	answer, fits := readAnswer(a, q.size >= minRequest+flexibleRequest+minSoftware, true)
	switch {
	case fits:
		r.Likeness = ByTable
	case a.slack == 0 && countAPIs(a.size) > 0:
		r.Likeness, answer.APIs = ByForm, countAPIs(a.size)
	case a.slack == 0 && flexibleAPIs(a.size) > 0:
		r.Likeness, answer.APIs = ByForm, flexibleAPIs(a.size)
	default:
		return 0
	}
	r.Answer, r.opening = &answer, q.size
	if old, is := readAnswer(a, false, true); is {
		if _, also := readAnswer(a, true, false); !also {
			r.ClientID = q.size - minRequest
			r.Answer = &old
		}
	}
	return 1
}

// readRetry reads what follows a refused ApiVersions request q: retries with a lower version, or
// another request.
func (r *Reading) readRetry(all []turn, q, a *message) int {
	n := 1
	for n < len(all) && len(all[n].requests) > 0 && len(all[n].answers) > 0 && isRefusal(&all[n].answers[0]) {
		n++
	}
	before24 := a.size < refused
	if n == len(all) || len(all[n].requests) == 0 {
		return 0
	}
	t := &all[n]
	q2 := &t.requests[0]
	if len(t.answers) == 0 {
		if n > 1 || len(all) > 2 || len(t.requests) > 1 || q.size < minRequest+flexibleRequest+minSoftware {
			return 0
		}
		r.Likeness, r.Answer, r.Unnegotiated = ByForm, &Answer{Size: a.size}, true
		r.opening = q.size
		return n
	}
	a2 := &t.answers[0]
	if q2.size < minRequest || q2.size > q.size || a2.size < smallestRetried || a2.guessed {
		return 0
	}
	answer, _ := readAnswer(a2, !before24, true)
	_, old := readAnswer(a2, false, true)
	r.Likeness, r.Answer, r.opening = ByRetry, &answer, q.size
	if count := countAPIs(a2.size); count > 0 && a2.slack == 0 && len(answer.Releases) == 0 {
		answer.APIs, old = count, true
	}
	if old {
		r.ClientID = q2.size - minRequest
		r.Software = q.size - q2.size - flexibleRequest
	}
	return n + 1
}

// flexibleRequest is how many bytes an ApiVersions request of v3 has more than one of v0, without
// the texts: tags of header and body, two compact sizes (KIP-511).
const flexibleRequest = 4

// minSoftware is the length of the shortest software name and version together.
const minSoftware = 2
