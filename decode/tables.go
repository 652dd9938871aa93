package decode

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kversion"
)

// Mode is the kind of a Kafka server.
type Mode string

// The modes.
const (
	// ZooKeeper and KRaft are brokers, Controller is the listener of a KRaft controller.
	ZooKeeper  Mode = "zookeeper"
	KRaft      Mode = "kraft"
	Controller Mode = "controller"
)

// Table is what the servers of a release advertise. It must not be changed.
type Table struct {
	// Release is the release, "4.0.1", or "3.5" for all of its patch releases.
	Release string
	Mode    Mode
	Ranges  *Ranges
	// Recorded: the ranges were recorded from a server of the release. Otherwise the max
	// versions are kversion's and the min versions KIP-896's.
	Recorded bool
	// Source cites where the ranges are from.
	Source string
}

// Name returns the name with which FindTable finds the table.
func (t *Table) Name() string { return "kafka-" + t.Release + "-" + string(t.Mode) }

// Title returns the release for texts, with its mode if the release has two.
func (t *Table) Title() string {
	switch {
	case t.Mode == Controller:
		return "Kafka " + t.Release + " (KRaft controller)"
	case bothModes(t.Release) && t.Mode == KRaft:
		return "Kafka " + t.Release + " (KRaft)"
	case bothModes(t.Release):
		return "Kafka " + t.Release + " (ZooKeeper)"
	}
	return "Kafka " + t.Release
}

// MayOmit reports whether a server of the release can support an API that the table does not
// list. Either the server lists the API only with some configurations, or kversion's table is of
// servers without it. The APIs of vendors, from 10000 on, are in no table.
func (t *Table) MayOmit(key int16) bool {
	return telemetry(key) || key >= 10_000 || !t.Recorded && internalKeys[key]
}

// bothModes reports whether brokers of a release run with ZooKeeper and with KRaft: from 2.8
// (KIP-500) to 3.9 (KIP-833).
func bothModes(release string) bool {
	return compareReleases(release, "2.8") >= 0 && compareReleases(release, "4.0") < 0
}

// Tables returns all known tables by release and mode, oldest first. They are the recorded ones
// and, for releases without one, kversion's. The first call makes them.
var Tables = sync.OnceValue(func() []*Table { return allTables(recorded()) })

// allTables adds the derived tables of releases that recorded lacks.
func allTables(recorded []*Table) []*Table {
	all := slices.Concat(recorded, derivedTables(func(release string) bool {
		return !slices.ContainsFunc(recorded, func(r *Table) bool { return r.Mode != Controller && MinorRelease(r.Release) == release })
	}))
	slices.SortStableFunc(all, func(a, b *Table) int {
		return cmp.Or(compareReleases(a.Release, b.Release), slices.Index(modes, a.Mode)-slices.Index(modes, b.Mode))
	})
	return all
}

// modes are the modes in the order of tables.
var modes = []Mode{ZooKeeper, KRaft, Controller}

// derivedTables returns the tables of the wanted releases, from kversion's max versions and
// KIP-896's min versions. Tables up to 3.9 are of brokers with ZooKeeper, the later ones of
// KRaft brokers.
func derivedTables(wanted func(release string) bool) []*Table {
	var tables []*Table
	for _, k := range kversions {
		if !wanted(k.release) {
			continue
		}
		release, versions := k.release, k.versions()
		t := &Table{Release: release, Mode: ZooKeeper, Source: "max versions of kversion, every min taken for 0"}
		if compareReleases(release, "4.0") >= 0 {
			t.Mode, t.Source = KRaft, "max versions of kversion, min versions of KIP-896"
		}
		first := t.Release
		for _, m := range minimums {
			if MinorRelease(m.only) == release { // the patch releases differ
				first = m.only
			}
		}
		if first != t.Release {
			patch := *t
			patch.Release, patch.Ranges = first, derivedRanges(versions, first)
			tables = append(tables, &patch)
			t.Release = nextPatch(first)
		}
		t.Ranges = derivedRanges(versions, t.Release)
		tables = append(tables, t)
	}
	return tables
}

// kversions are the releases of kversion that support ApiVersions, oldest first. A lookup by
// name would take milliseconds. A test compares the list with kversion's names.
var kversions = []struct {
	release  string
	versions func() *kversion.Versions
}{
	{"0.10.0", kversion.V0_10_0}, {"0.10.1", kversion.V0_10_1}, {"0.10.2", kversion.V0_10_2}, {"0.11.0", kversion.V0_11_0},
	{"1.0", kversion.V1_0_0}, {"1.1", kversion.V1_1_0},
	{"2.0", kversion.V2_0_0}, {"2.1", kversion.V2_1_0}, {"2.2", kversion.V2_2_0}, {"2.3", kversion.V2_3_0}, {"2.4", kversion.V2_4_0},
	{"2.5", kversion.V2_5_0}, {"2.6", kversion.V2_6_0}, {"2.7", kversion.V2_7_0}, {"2.8", kversion.V2_8_0},
	{"3.0", kversion.V3_0_0}, {"3.1", kversion.V3_1_0}, {"3.2", kversion.V3_2_0}, {"3.3", kversion.V3_3_0}, {"3.4", kversion.V3_4_0},
	{"3.5", kversion.V3_5_0}, {"3.6", kversion.V3_6_0}, {"3.7", kversion.V3_7_0}, {"3.8", kversion.V3_8_0}, {"3.9", kversion.V3_9_0},
	{"4.0", kversion.V4_0_0}, {"4.1", kversion.V4_1_0}, {"4.2", kversion.V4_2_0}, {"4.3", kversion.V4_3_0}, {"4.4", kversion.V4_4_0},
}

func derivedRanges(versions *kversion.Versions, release string) *Ranges {
	r := &Ranges{}
	versions.EachMaxKeyVersion(func(key, latest int16) {
		r.APIs = append(r.APIs, API{key, Range{advertisedMin(key, release), latest}})
	})
	slices.SortFunc(r.APIs, func(a, b API) int { return cmp.Compare(a.Key, b.Key) })
	return r
}

// advertisedMin returns the min version that a release advertises, by minimums.
func advertisedMin(key int16, release string) int16 {
	for _, m := range minimums {
		if m.key == key && compareReleases(release, "4.0") >= 0 && (m.only == "" || m.only == release) {
			return m.advertised
		}
	}
	return 0
}

func numbers(release string) []int {
	var out []int
	for _, part := range strings.Split(release, ".") {
		n, _ := strconv.Atoi(part) // the parts are digits: TestRecorded
		out = append(out, n)
	}
	return out
}

// compareReleases orders releases; "4.0" comes before "4.0.0".
func compareReleases(a, b string) int { return slices.Compare(numbers(a), numbers(b)) }

// MinorRelease returns a release without its patch number: "4.0" for 4.0.1, "0.10.2" for
// 0.10.2.2.
func MinorRelease(release string) string {
	parts := strings.Split(release, ".")
	n := 2
	if parts[0] == "0" {
		n = 3
	}
	return strings.Join(parts[:min(n, len(parts))], ".")
}

func nextPatch(release string) string {
	parts := numbers(release)
	parts[len(parts)-1]++
	texts := make([]string, len(parts))
	for i, n := range parts {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ".")
}

// tableName matches a name that FindTable accepts: "kafka-4.0.1", "4.0", "kafka-3.9-zookeeper".
var tableName = regexp.MustCompile(`^(?:kafka-)?([0-9]+(?:\.[0-9]+)+)(?:-(zookeeper|kraft|controller))?$`)

// IsTableName reports whether a text has the form of a release, known or not, and so is not a
// file.
func IsTableName(text string) bool {
	return tableName.MatchString(text) || vendorName.MatchString(text)
}

// FindTable finds the table of a release by its name: "kafka-4.0.1" or "4.0.1", or a vendor's
// name (VendorNames). Without a patch number, it is the latest known patch release.
// "kafka-3.9-zookeeper" selects a mode. The default mode from 3.3 on is KRaft, which is ready
// for production since then (KIP-833).
func FindTable(name string) (*Table, error) {
	release, _, err := fromVendor(Tables(), name)
	if err != nil {
		return nil, err
	}
	return findTable(Tables(), release)
}

func findTable(all []*Table, name string) (*Table, error) {
	parts := tableName.FindStringSubmatch(name)
	if parts == nil {
		return nil, fmt.Errorf("%q is not a release; %s", name, nearest(all, name))
	}
	release, mode := parts[1], Mode(parts[2])
	var best *Table
	for _, t := range all {
		switch {
		case t.Release != release && MinorRelease(t.Release) != release && (t.Recorded || t.Release != MinorRelease(release)):
		case mode != "" && t.Mode != mode || mode == "" && t.Mode == Controller:
		case best == nil || compareReleases(best.Release, t.Release) < 0 || mode == "" && t.Mode == usualMode(t.Release):
			best = t
		}
	}
	if best == nil {
		return nil, fmt.Errorf("%q is an unknown release; %s", name, nearest(all, name))
	}
	return best, nil
}

func usualMode(release string) Mode {
	if compareReleases(release, "3.3") >= 0 {
		return KRaft
	}
	return ZooKeeper
}

// nearestShown is how many releases an error suggests.
const nearestShown = 3

// digits finds the number in a text that may be a release.
var digits = regexp.MustCompile(`[0-9]+(\.[0-9]+)*`)

// nearest suggests the releases nearest to an unknown name.
func nearest(all []*Table, name string) string {
	var known []string
	for _, t := range all {
		if n := len(known); n == 0 || known[n-1] != t.Release {
			known = append(known, t.Release)
		}
	}
	from := max(0, len(known)-nearestShown)
	if wanted := digits.FindString(name); wanted != "" && len(wanted) < 32 {
		i, _ := slices.BinarySearchFunc(known, wanted, compareReleases)
		before := 2
		if i < len(known) && strings.HasPrefix(known[i]+".", MinorRelease(wanted)+".") {
			before = 1
		}
		from = min(max(0, i-before), from)
	}
	for i := range known[from:min(from+nearestShown, len(known))] {
		known[from+i] = "kafka-" + known[from+i]
	}
	shown := known[from:min(from+nearestShown, len(known))]
	return "the nearest are " + strings.Join(shown[:len(shown)-1], ", ") + " and " + shown[len(shown)-1]
}
