package decode

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Release is a guess at the release of Kafka behind a table of ranges.
type Release struct {
	// Text is the guess in words: "Kafka 2.1", "Kafka 2.6 with Fetch capped at
	// 7", "Kafka 4.4 or newer", or "cannot tell" and why.
	Text string
	// Names are the releases that fit equally well, oldest first, such as "2.6". It is empty when Text says that it cannot tell.
	Names []string
	// Capped are the APIs, with what was advertised, whose max is below that of the release.
	Capped []API
	// RunnersUp are the releases that fit next best, oldest first.
	RunnersUp []string
}

const (
	// minCompared is how many APIs a table must have in common with the
	// releases for a guess. The smallest real one, Kafka 0.10.0's, has 19.
	minCompared = 8
	// maxCapped is how many APIs may be below a release's and still be taken for capped.
	maxCapped = 3
)

// release is a release of Kafka and the latest versions it speaks.
type release struct {
	name string
	max  map[int16]int16
}

// internalKeys are APIs between brokers and controllers, or that depend on
// configuration: whether a release's table lists them says nothing, for kversion's
// tables up to 3.9 are those of brokers with ZooKeeper, and brokers without list others.
var internalKeys = map[int16]bool{
	4: true, 5: true, 6: true, 7: true, 27: true, // LeaderAndIsr to ControlledShutdown, WriteTxnMarkers
	38: true, 39: true, 40: true, 41: true, // delegation tokens: KRaft since 3.6
	48: true, 49: true, 50: true, 51: true, // quotas and SCRAM: KRaft since 2.8 and 3.5
	52: true, 53: true, 54: true, 55: true, 56: true, 57: true, 58: true, 59: true, // KRaft quorum to FetchSnapshot
	62: true, 63: true, 64: true, 67: true, 70: true, // broker and controller registration, producer ids
	71: true, 72: true, 74: true, // telemetry, only with a receiver: KIP-714
	73: true, 75: true, 80: true, 81: true, 82: true, // KRaft only
}

// releases are kversion's tables, oldest first. Those up to 3.9 are of brokers with ZooKeeper, the later ones of KRaft brokers.
var releases = sync.OnceValue(func() []release {
	var all []release
	for _, name := range kversion.VersionStrings() {
		r := release{strings.TrimPrefix(name, "v"), make(map[int16]int16)}
		kversion.FromString(name).EachMaxKeyVersion(func(k, v int16) { r.max[k] = v })
		if _, ok := r.max[keyApiVersions]; ok {
			all = append(all, r) // before 0.10.0 there was no ApiVersions to guess by
		}
	}
	slices.Reverse(all)
	return all
})

// comparison is how a table of ranges differs from a release.
type comparison struct {
	release *release
	// common counts APIs that both have; of these, below are those whose max is below the release's, above counts the others that differ.
	common, above int
	below         []API
	// extra and missing count APIs that only the ranges have, only the release has.
	extra, missing int
}

// differ counts what speaks against the release.
func (c *comparison) differ() int { return c.above + len(c.below) + c.extra }

// compare holds ranges against a release.
func (r *release) compare(ranges *Ranges) comparison {
	c := comparison{release: r}
	for _, api := range ranges.APIs {
		latest, ok := r.max[api.Key]
		switch {
		case !ok && !internalKeys[api.Key]:
			c.extra++
		case !ok:
		case api.Max < latest:
			c.common++
			c.below = append(c.below, api)
		case api.Max > latest:
			c.common++
			c.above++
		default:
			c.common++
		}
	}
	for key := range r.max {
		if _, ok := ranges.Find(key); !ok && !internalKeys[key] {
			c.missing++
		}
	}
	return c
}

// GuessRelease tells which release of Kafka advertises such ranges, by their
// max versions (kversion's tables) and, for 4.0, the min of JoinGroup. Brokers that are not
// Apache Kafka's can look like one, or like none.
func GuessRelease(ranges *Ranges) Release {
	if ranges == nil || ranges.Partial {
		return Release{Text: "cannot tell: the ApiVersions answer was not captured whole"}
	}
	if _, produce := ranges.Find(keyProduce); !produce {
		if _, vote := ranges.Find(keyVote); vote {
			return controllerRelease(ranges)
		}
	}
	all := releases()
	compared := make([]comparison, len(all))
	for i := range all {
		compared[i] = all[i].compare(ranges)
	}
	newest := &compared[len(compared)-1]
	best := slices.MinFunc(compared, func(a, b comparison) int {
		if a.differ() != b.differ() {
			return a.differ() - b.differ()
		}
		return a.missing - b.missing
	})
	switch {
	case best.common < minCompared:
		return Release{Text: fmt.Sprintf("cannot tell: only %d known APIs advertised", best.common)}
	case best.differ() == 0:
		return exact(ranges, compared, best.missing)
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

// controllerRelease is the guess for the listener of a KRaft controller, for which kversion keeps its tables to
// itself and tells the outcome only.
func controllerRelease(ranges *Ranges) Release {
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

// exact is the guess where releases fit without a difference; those that lack the
// fewest APIs come first.
func exact(ranges *Ranges, compared []comparison, missing int) Release {
	var r Release
	for i := range compared {
		switch c := &compared[i]; {
		case c.differ() != 0:
		case c.missing == missing:
			r.Names = append(r.Names, c.release.name)
		default:
			r.RunnersUp = append(r.RunnersUp, c.release.name)
		}
	}
	r.Text = "Kafka " + alternatives(r.Names)
	if joinGroup, ok := ranges.Find(11); ok && len(r.Names) == 1 && r.Names[0] == "4.0" {
		r.Text = "Kafka 4.0.1 or a later 4.0"
		if joinGroup.Min >= 2 { // KAFKA-19444
			r.Text = "Kafka 4.0.0"
		}
	}
	return r
}

// capped is the guess where a release fits but for few APIs below it.
func capped(compared []comparison, best *comparison) Release {
	r := Release{Names: []string{best.release.name}, Capped: best.below}
	for i := range compared {
		c := &compared[i]
		if c.differ() == best.differ() && c.missing == best.missing && c.release != best.release {
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

// between returns two releases in a row of which the ranges have more than the first
// and less than the second.
func between(compared []comparison) (low, high *release) {
	for i := 1; i < len(compared); i++ {
		a, b := &compared[i-1], &compared[i]
		if len(a.below) == 0 && b.above == 0 && b.extra == 0 {
			return a.release, b.release
		}
	}
	return nil, nil
}

// alternatives is "2.1", "3.3 or 3.4", or "3.1 to 3.4" for three and more.
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
