package decode

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kversion"
)

// kversionReleases returns the releases of kversion that support ApiVersions, oldest first.
func kversionReleases() (names []string) {
	for _, name := range slices.Backward(kversion.VersionStrings()) {
		if kversion.FromString(name).HasKey(keyApiVersions) {
			names = append(names, strings.TrimPrefix(name, "v"))
		}
	}
	return names
}

// someTables returns tables of all releases of kversion: of 4.0 two patch releases that differ, of
// 3.9 all modes.
func someTables(t testing.TB) []*Table {
	t.Helper()
	tableOf := func(name string) *Ranges { return tableOf(t, name) }
	var tables []*Table
	for _, f := range []struct {
		release string
		mode    Mode
		ranges  *Ranges
	}{
		{"2.1.1", ZooKeeper, tableOf("2.1")},
		{"3.9.1", ZooKeeper, tableOf("3.9")},
		{"3.9.1", KRaft, tableOf("3.9").with(4, 0, -1, 5, 0, -1, 6, 0, -1, 7, 0, -1, 55, 0, 2, 64, 0, 0)},
		{"3.9.1", Controller, &Ranges{APIs: apiList(1, 0, 17, 18, 0, 4, 52, 0, 1, 55, 0, 2, 62, 0, 4)}},
		{"4.0.0", KRaft, tableOf("4.0").with(11, 2, 9)},
		{"4.0.1", KRaft, tableOf("4.0")},
	} {
		tables = append(tables, &Table{Release: f.release, Mode: f.mode, Ranges: f.ranges, Source: "made by a test"})
	}
	for _, name := range kversionReleases() {
		mode := ZooKeeper
		if compareReleases(name, "4.0") >= 0 {
			mode = KRaft
		}
		if !slices.ContainsFunc(tables, func(t *Table) bool { return MinorRelease(t.Release) == name }) {
			tables = append(tables, &Table{Release: name, Mode: mode, Ranges: tableOf(name), Source: "made by a test"})
		}
	}
	return sortTables(tables)
}

func TestBuiltInTables(t *testing.T) {
	last := &Table{Release: "0.0.0"}
	for _, table := range Tables() {
		if compareReleases(last.Release, table.Release) > 0 || table.Source == "" || len(table.Ranges.APIs) < minCompared {
			t.Errorf("%s (after %s): out of order, or without source or APIs", table.Name(), last.Name())
		}
		if got, err := FindTable(table.Name()); err != nil || got != table {
			t.Errorf("%s is not found by its name: %v, %v", table.Name(), got, err)
		}
		last = table
	}
}

// TestRecordedTablesFitTheMinimums compares recorded tables with the known minimums.
func TestRecordedTablesFitTheMinimums(t *testing.T) {
	for _, table := range Tables() {
		if table.Mode == Controller || compareReleases(table.Release, "4.0") < 0 {
			continue
		}
		if lowest, ok := table.Ranges.PhantomMin(keyProduce); !ok || lowest != 3 {
			t.Errorf("%s: Produce is accepted from %d, %v; want 3", table.Name(), lowest, ok)
		}
	}
}

func TestFindTable(t *testing.T) {
	tables := someTables(t)
	for _, tt := range []struct{ name, want string }{
		{"kafka-4.0.0", "kafka-4.0.0-kraft"},
		{"4.0.0", "kafka-4.0.0-kraft"},
		{"kafka-4.0", "kafka-4.0.1-kraft"},
		{"4.0", "kafka-4.0.1-kraft"},
		{"kafka-3.9", "kafka-3.9.1-kraft"},
		{"kafka-3.9-zookeeper", "kafka-3.9.1-zookeeper"},
		{"kafka-3.9.1-controller", "kafka-3.9.1-controller"},
		{"2.1", "kafka-2.1.1-zookeeper"},
		{"4.1", "kafka-4.1-kraft"},
		{"kafka-4.0.7", `error: "kafka-4.0.7" is an unknown release; the nearest are kafka-4.0.0, kafka-4.0.1 and kafka-4.1`},
		{"4.0-zookeeper", `error: "4.0-zookeeper" is an unknown release; the nearest are kafka-3.9.1, kafka-4.0.0 and kafka-4.0.1`},
		{"kafka-9.9", `error: "kafka-9.9" is an unknown release; the nearest are kafka-4.2, kafka-4.3 and kafka-4.4`},
		{"kafka-0.9", `error: "kafka-0.9" is an unknown release; the nearest are kafka-0.10.0, kafka-0.10.1 and kafka-0.10.2`},
		{"kafka", `error: "kafka" is not a release; the nearest are kafka-4.2, kafka-4.3 and kafka-4.4`},
		{"kafka-3.99999999999999999999999", `error: "kafka-3.99999999999999999999999" is an unknown release; the nearest are kafka-3.8, kafka-3.9.1 and kafka-4.0.0`},
	} {
		got := ""
		if table, err := findTable(tables, tt.name); err != nil {
			got = "error: " + err.Error()
		} else {
			got = table.Name()
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestEveryReleaseIsRecorded: no release of kversion is missing.
func TestEveryReleaseIsRecorded(t *testing.T) {
	var got []string
	for _, r := range releases() {
		got = append(got, r.name)
	}
	if diff := cmp.Diff(kversionReleases(), got); diff != "" {
		t.Errorf("kversion's releases differ from the recorded ones (-kversion +recorded):\n%s", diff)
	}
}

// TestGuessByRecordedTables: patch releases and modes are distinguished where recorded tables
// differ, and only there.
func TestGuessByRecordedTables(t *testing.T) {
	known := releasesOf(someTables(t))
	zk := tableOf(t, "3.9")
	kraft := zk.with(4, 0, -1, 5, 0, -1, 6, 0, -1, 7, 0, -1, 55, 0, 2, 64, 0, 0)
	for _, tt := range []struct {
		name  string
		table *Ranges
		want  string
	}{
		{"one patch release is recorded", tableOf(t, "2.1"), "Kafka 2.1"},
		{"capped", tableOf(t, "2.1").with(1, 0, 7), "Kafka 2.1 with Fetch capped at 7"},
		{"ZooKeeper", zk, "Kafka 3.9 (ZooKeeper)"},
		{"KRaft", kraft, "Kafka 3.9 (KRaft)"},
		{"KRaft, with a receiver of telemetry", kraft.with(71, 0, 0, 72, 0, 0), "Kafka 3.9 (KRaft)"},
		{"something that speaks like it, without the internal APIs", kraft.with(55, 0, -1, 64, 0, -1, 27, 0, -1), "Kafka 3.9"},
		{"4.0.0", tableOf(t, "4.0").with(11, 2, 9), "Kafka 4.0.0"},
		{"4.0.1", tableOf(t, "4.0"), "Kafka 4.0.1 or a later 4.0"},
		{"one mode is recorded", tableOf(t, "3.7"), "Kafka 3.7"},
		{"newer", tableOf(t, "4.4").with(1, 4, 30), "Kafka 4.4 or newer"},
	} {
		if got := guess(known, tt.table); got.Text != tt.want {
			t.Errorf("%s: %+v, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTitle(t *testing.T) {
	for want, table := range map[string]Table{
		"Kafka 2.1.1":                    {Release: "2.1.1", Mode: ZooKeeper},
		"Kafka 3.9.1 (ZooKeeper)":        {Release: "3.9.1", Mode: ZooKeeper},
		"Kafka 3.9.1 (KRaft)":            {Release: "3.9.1", Mode: KRaft},
		"Kafka 4.0.0":                    {Release: "4.0.0", Mode: KRaft},
		"Kafka 4.0.0 (KRaft controller)": {Release: "4.0.0", Mode: Controller},
	} {
		if diff := cmp.Diff(want, table.Title()); diff != "" {
			t.Error(diff)
		}
	}
}

// TestEveryTableIsItself: the table of a recorded server counts as its release.
func TestEveryTableIsItself(t *testing.T) {
	for _, table := range Tables() {
		got := GuessRelease(table.Ranges)
		named := slices.Contains(got.Names, MinorRelease(table.Release))
		if !named || len(got.Names) > 3 || !strings.HasPrefix(got.Text, "Kafka ") || (table.Mode == Controller) != strings.Contains(got.Text, "controller") {
			t.Errorf("%s is taken for %+v", table.Name(), got)
		}
	}
}

// TestWhatATableMayOmit: telemetry and the APIs of vendors.
func TestWhatATableMayOmit(t *testing.T) {
	for key, want := range map[int16]bool{71: true, 72: true, 73: false, 10_000: true, 10_001: true, 9_999: false, keyMetadata: false, 4: false} {
		if got := MayOmit(key); got != want {
			t.Errorf("API %d: %v, want %v", key, got, want)
		}
	}
}

// TestVersionsOfAPIs: which ones Kafka 4.0 removed, and which have tagged fields.
func TestVersionsOfAPIs(t *testing.T) {
	for _, c := range []struct {
		key, version int16
		removed      string
		flexible     bool
	}{
		{keyProduce, -1, "", false}, {keyProduce, 2, "4.0", false}, {11, 1, "4.0.0", false}, {11, 2, "", false}, {keyProduce, 3, "", false}, {keyProduce, 8, "", false}, {keyProduce, 9, "", true},
		{keyMetadata, 0, "", false}, {keyMetadata, 9, "", true}, {999, 0, "", false},
	} {
		if removed, flexible := RemovedBy(c.key, c.version), IsFlexible(c.key, c.version); removed != c.removed || flexible != c.flexible {
			t.Errorf("API %d v%d: removed by %q, flexible %v, want %+v", c.key, c.version, removed, flexible, c)
		}
	}
}

// TestTablesThatAgree: the missing end of an incomplete table agrees with everything.
func TestTablesThatAgree(t *testing.T) {
	whole, other := &Ranges{APIs: apiList(0, 0, 7, 1, 4, 10)}, &Ranges{APIs: apiList(0, 0, 7, 1, 4, 11)}
	part, otherPart := &Ranges{APIs: apiList(0, 0, 7), Partial: true}, &Ranges{APIs: apiList(0, 0, 8), Partial: true}
	more := &Ranges{APIs: apiList(0, 0, 7, 2, 0, 1), Partial: true}
	for _, c := range []struct {
		x, y *Ranges
		want bool
	}{
		{whole, whole, true}, {whole, &Ranges{APIs: apiList(0, 0, 7, 1, 4, 10)}, true}, {whole, other, false}, {whole, &Ranges{APIs: apiList(0, 0, 7)}, false},
		{whole, part, true}, {other, part, true}, {whole, otherPart, false}, {whole, more, false}, {part, more, true}, {part, otherPart, false},
		{&Ranges{}, part, false}, {whole, &Ranges{APIs: apiList(0, 0, 7, 1, 4, 10), Partial: true}, true},
	} {
		if got := c.x.Agrees(c.y); got != c.want {
			t.Errorf("%+v and %+v: %v, want %v", c.x, c.y, got, c.want)
		}
		if got := c.y.Agrees(c.x); got != c.want {
			t.Errorf("%+v and %+v: %v, want %v", c.y, c.x, got, c.want)
		}
	}
}

// TestWhatAnExchangeTells: the verdicts with a range, and the outcomes with an error code.
func TestWhatAnExchangeTells(t *testing.T) {
	for v, want := range map[Verdict]bool{Unknown: false, OK: true, AboveMax: true, BelowMin: true, NotAdvertised: false, Exempt: false} {
		if got := v.HasRange(); got != want {
			t.Errorf("%v has a range: %v, want %v", v, got, want)
		}
	}
	for _, c := range []struct {
		key           int16
		outcome       Outcome
		code          int16
		answered, has bool
	}{
		{keyApiVersions, Answered, 0, true, true}, {keySaslHandshake, Error, 33, true, true}, {keySaslAuthenticate, ClosedByBroker, 0, false, false},
		{keyProduce, Answered, 0, true, false}, {keyProduce, Answered, 76, true, true}, {keyProduce, Left, 0, false, false},
	} {
		x := &Exchange{Key: c.key, Outcome: c.outcome, ErrorCode: c.code}
		if x.IsAnswered() != c.answered || x.HasErrorCode() != c.has {
			t.Errorf("%+v: answered %v, has an error code %v", c, x.IsAnswered(), x.HasErrorCode())
		}
	}
}
