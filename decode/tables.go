package decode

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	Release string // "4.0.1"
	Mode    Mode
	Ranges  *Ranges
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

// MayOmit reports whether a server of a release can support an API that the table of the release
// does not list: the server lists it only with some configurations. The APIs of vendors, from 10000
// on, are in no table.
func MayOmit(key int16) bool { return telemetry(key) || key >= 10_000 }

// bothModes reports whether brokers of a release run with ZooKeeper and with KRaft: from 2.8
// (KIP-500) to 3.9 (KIP-833).
func bothModes(release string) bool {
	return compareReleases(release, "2.8") >= 0 && compareReleases(release, "4.0") < 0
}

// Tables returns all known tables by release and mode, oldest first. The first call reads them.
var Tables = sync.OnceValue(func() []*Table { return sortTables(recorded()) })

func sortTables(all []*Table) []*Table {
	slices.SortStableFunc(all, func(a, b *Table) int {
		return cmp.Or(compareReleases(a.Release, b.Release), slices.Index(modes, a.Mode)-slices.Index(modes, b.Mode))
	})
	return all
}

// modes are the modes in the order of tables.
var modes = []Mode{ZooKeeper, KRaft, Controller}

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
		case t.Release != release && MinorRelease(t.Release) != release:
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
