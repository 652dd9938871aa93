package decode

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Release is a guess of the Kafka release that has given ranges.
type Release struct {
	// Text is the guess: "Kafka 2.1", "Kafka 2.6 with Fetch capped at 7", "Kafka 4.4 or newer",
	// or "cannot tell" and why.
	Text string
	// Names are the releases that fit equally well, oldest first, such as "2.6". It is empty if
	// Text is "cannot tell".
	Names []string
	// RunnersUp are the releases with the next best fit, oldest first.
	RunnersUp []string
}

const (
	// minCompared is how many APIs ranges must share with the releases for a guess. The smallest
	// real table, of Kafka 0.10.0, has 19.
	minCompared = 8
	// maxCapped is how many APIs below a release's max count as capped.
	maxCapped = 3
)

// internalKeys are APIs between brokers and controllers, and APIs that depend on mode and
// configuration. They distinguish the modes of a release. They distinguish releases only if one
// fits to the last API: servers that imitate Kafka leave them out.
var internalKeys = map[int16]bool{
	4: true, 5: true, 6: true, 7: true, 27: true, // LeaderAndIsr to ControlledShutdown, WriteTxnMarkers
	38: true, 39: true, 40: true, 41: true, // delegation tokens: KRaft since 3.6
	48: true, 49: true, 50: true, 51: true, // quotas and SCRAM: KRaft since 2.8 and 3.5
	52: true, 53: true, 54: true, 55: true, 56: true, 57: true, 58: true, 59: true, // KRaft quorum to FetchSnapshot
	62: true, 63: true, 64: true, 67: true, 70: true, // broker and controller registration, producer ids
	71: true, 72: true, 74: true, // telemetry, only with a receiver: KIP-714
	73: true, 75: true, 80: true, 81: true, 82: true, // KRaft only
}

// telemetry reports whether an API is advertised only with a configured telemetry receiver
// (KIP-714).
func telemetry(key int16) bool { return key == 71 || key == 72 }

// release is a minor release of Kafka with the tables of its brokers, for its patch releases and
// modes.
type release struct {
	name   string
	tables []*Table
}

// releases are the releases with tables of brokers, oldest first.
var releases = sync.OnceValue(func() []release { return releasesOf(Tables()) })

func releasesOf(tables []*Table) []release {
	var all []release
	for _, t := range tables {
		if t.Mode == Controller {
			continue
		}
		name := MinorRelease(t.Release)
		if n := len(all); n == 0 || all[n-1].name != name {
			all = append(all, release{name: name})
		}
		r := &all[len(all)-1]
		r.tables = append(r.tables, t)
	}
	return all
}

// comparison is the difference between ranges and a table of a release.
type comparison struct {
	release *release
	table   *Table
	// common counts APIs that both have. Of these, below has those with a lower max than the
	// release's. above counts those with a higher max, mins those with another min.
	common, above, mins int
	below               []API
	// extra counts APIs that only the ranges have, missing those that only the release has.
	// inner counts internal APIs that only one of them has.
	extra, missing, inner int
}

// differ counts the differences that exclude the release.
func (c *comparison) differ() int { return c.above + len(c.below) + c.extra }

// whole reports whether the ranges equal those of a recorded broker to the last API.
func (c *comparison) whole() bool { return c.differ()+c.missing+c.inner == 0 }

// compareFit orders by fit: first by differ, then by the APIs that the ranges lack.
func compareFit(a, b *comparison) int {
	return cmp.Or(cmp.Compare(a.differ(), b.differ()), cmp.Compare(a.missing, b.missing))
}

// compareDetail orders the tables of one release by fit.
func compareDetail(a, b *comparison) int {
	return cmp.Or(compareFit(a, b), cmp.Compare(a.inner, b.inner), cmp.Compare(a.mins, b.mins))
}

// compare compares ranges with each table of a release. The best fit is first.
func (r *release) compare(ranges *Ranges) []comparison {
	all := make([]comparison, len(r.tables))
	for i, t := range r.tables {
		all[i] = t.compare(ranges)
		all[i].release = r
	}
	slices.SortStableFunc(all, func(a, b comparison) int { return compareDetail(&a, &b) })
	return all
}

func (t *Table) compare(ranges *Ranges) comparison {
	c := comparison{table: t}
	for _, api := range ranges.APIs {
		known, ok := t.Ranges.Find(api.Key)
		switch {
		case !ok && telemetry(api.Key):
			continue
		case !ok && internalKeys[api.Key]:
			c.inner++
			continue
		case !ok:
			c.extra++
			continue
		case api.Max < known.Max:
			c.below = append(c.below, api)
		case api.Max > known.Max:
			c.above++
		}
		c.common++
		if api.Min != known.Min {
			c.mins++
		}
	}
	for _, api := range t.Ranges.APIs {
		switch _, ok := ranges.Find(api.Key); {
		case ok || telemetry(api.Key):
		case internalKeys[api.Key]:
			c.inner++
		default:
			c.missing++
		}
	}
	return c
}

// GuessRelease guesses which release of Kafka advertises the ranges, by Tables. Max versions
// decide the release; min versions distinguish patch releases. Other servers than Apache Kafka
// can look like any release, or like none.
func GuessRelease(ranges *Ranges) Release { return guess(releases(), ranges) }

func guess(all []release, ranges *Ranges) Release {
	if ranges == nil || ranges.Partial {
		return Release{Text: "cannot tell: the ApiVersions answer was not captured whole"}
	}
	if _, produce := ranges.Find(keyProduce); !produce {
		if _, vote := ranges.Find(keyVote); vote {
			return controllerRelease(ranges)
		}
	}
	compared := make([]comparison, len(all))
	detail := make([][]comparison, len(all))
	for i := range all {
		detail[i] = all[i].compare(ranges)
		compared[i] = detail[i][0]
	}
	newest := &compared[len(compared)-1]
	best := slices.MinFunc(compared, func(a, b comparison) int { return compareFit(&a, &b) })
	switch {
	case best.common < minCompared:
		return Release{Text: fmt.Sprintf("cannot tell: only %d known APIs advertised", best.common)}
	case best.differ() == 0:
		return exact(compared, detail, best.missing)
	case len(newest.below) == 0:
		return Release{Text: "Kafka " + newest.release.name + " or newer", Names: []string{newest.release.name}}
	case best.above == 0 && best.extra == 0 && len(best.below) <= maxCapped:
		return capped(compared, &best)
	}
	if low, high := between(compared); low != nil {
		return Release{
			Text:      "between Kafka " + low.name + " and " + high.name,
			RunnersUp: []string{low.name, high.name},
		}
	}
	return Release{
		Text: fmt.Sprintf("cannot tell: of %d APIs %d differ from Kafka %s, the nearest",
			best.common+best.extra, best.differ(), best.release.name),
		RunnersUp: []string{best.release.name},
	}
}

// controllerRelease guesses the release of a KRaft controller. It uses the recorded tables, else
// kversion, whose tables of controllers are not exported.
func controllerRelease(ranges *Ranges) Release {
	var names []string
	for _, t := range Tables() {
		if t.Mode != Controller {
			continue
		}
		if c := t.compare(ranges); c.differ()+c.missing+c.inner == 0 && (len(names) == 0 || names[len(names)-1] != MinorRelease(t.Release)) {
			names = append(names, MinorRelease(t.Release))
		}
	}
	if len(names) > 0 {
		return Release{Text: "Kafka " + alternatives(names) + " (KRaft controller)", Names: names}
	}
	answer := kmsg.NewPtrApiVersionsResponse()
	for _, api := range ranges.APIs {
		key := kmsg.NewApiVersionsResponseApiKey()
		key.ApiKey, key.MinVersion, key.MaxVersion = api.Key, api.Min, api.Max
		answer.ApiKeys = append(answer.ApiKeys, key)
	}
	guess := kversion.FromApiVersionsResponse(answer).VersionGuess()
	if name, ok := strings.CutPrefix(guess, "v"); ok {
		return Release{Text: "Kafka " + name + " (KRaft controller)", Names: []string{name}}
	}
	if name, ok := strings.CutPrefix(guess, "at least v"); ok {
		return Release{Text: "Kafka " + name + " or newer (KRaft controller)", Names: []string{name}}
	}
	return Release{Text: "cannot tell which release of a KRaft controller"}
}

// exact is the guess if releases fit without a difference. Releases that lack the fewest APIs
// come first. Those that fit to the last internal API precede all others.
func exact(compared []comparison, detail [][]comparison, missing int) Release {
	var r Release
	var only []comparison
	whole := slices.ContainsFunc(compared, func(c comparison) bool { return c.whole() })
	for i := range compared {
		switch c := &compared[i]; {
		case c.differ() != 0:
		case c.missing == missing && c.whole() == whole:
			r.Names = append(r.Names, c.release.name)
			only = detail[i]
		default:
			r.RunnersUp = append(r.RunnersUp, c.release.name)
		}
	}
	r.Text = "Kafka " + alternatives(r.Names)
	if len(r.Names) == 1 {
		r.Text = "Kafka " + patches(only) + mode(only)
	}
	return r
}

// patches returns the release, or its best patch releases if they differ.
func patches(c []comparison) string {
	var all, fit []string
	for i := range c {
		if c[i].table.Mode != c[0].table.Mode {
			continue
		}
		all = append(all, c[i].table.Release)
		if compareDetail(&c[i], &c[0]) == 0 {
			fit = append(fit, c[i].table.Release)
		}
	}
	slices.SortFunc(all, compareReleases)
	slices.SortFunc(fit, compareReleases)
	switch {
	case len(fit) == len(all):
		return c[0].release.name
	case fit[len(fit)-1] == all[len(all)-1]:
		return fit[0] + " or a later " + c[0].release.name
	}
	return alternatives(fit)
}

// mode returns how the broker runs, if the release has two modes and the ranges equal those of
// one to the last API.
func mode(c []comparison) string {
	if !c[0].whole() || !bothModes(c[0].release.name) {
		return ""
	}
	for i := range c {
		if c[i].table.Mode != c[0].table.Mode {
			if compareDetail(&c[i], &c[0]) == 0 {
				return ""
			}
			return strings.TrimPrefix(c[0].table.Title(), "Kafka "+c[0].table.Release)
		}
	}
	return ""
}

// capped is the guess if a release fits except for a few APIs with a lower max.
func capped(compared []comparison, best *comparison) Release {
	r := Release{Names: []string{best.release.name}}
	for i := range compared {
		c := &compared[i]
		if compareFit(c, best) == 0 && c.release != best.release {
			r.RunnersUp = append(r.RunnersUp, c.release.name)
		}
	}
	names := make([]string, len(best.below))
	for i, api := range best.below {
		names[i] = fmt.Sprintf("%s capped at %d", APIName(api.Key), api.Max)
	}
	r.Text = "Kafka " + best.release.name + " with " + strings.Join(names, ", ")
	return r
}

// between returns two consecutive releases: the ranges support more than the first and less than
// the second.
func between(compared []comparison) (low, high *release) {
	for i := 1; i < len(compared); i++ {
		a, b := &compared[i-1], &compared[i]
		if len(a.below) == 0 && b.above == 0 && b.extra == 0 {
			return a.release, b.release
		}
	}
	return nil, nil
}

// Alternatives joins the names of releases: "2.1", "3.3 or 3.4", "3.1 to 3.4". Releases with a
// gap between them are listed.
func Alternatives(names []string) string {
	if len(names) < 3 {
		return alternatives(names)
	}
	all := releases()
	first := slices.IndexFunc(all, func(r release) bool { return r.name == names[0] })
	if first >= 0 && first+len(names) <= len(all) && all[first+len(names)-1].name == names[len(names)-1] {
		return alternatives(names)
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// alternatives is Alternatives for consecutive releases.
func alternatives(names []string) string {
	switch n := len(names); n {
	case 1:
		return names[0]
	case 2:
		return names[0] + " or " + names[1]
	default:
		return names[0] + " to " + names[n-1]
	}
}
