package decode

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kversion"
)

// tableOf returns the table of a broker of a release, by kversion's max versions and the table of
// minimums. Of several patch releases it is the newest.
func tableOf(t testing.TB, name string) *Ranges {
	t.Helper()
	versions := kversion.FromString("v" + name)
	if versions == nil {
		t.Fatalf("kversion has no %s", name)
	}
	r := &Ranges{}
	versions.EachMaxKeyVersion(func(key, latest int16) {
		api := API{key, Range{0, latest}}
		if i := slices.IndexFunc(minimums, func(m minimum) bool { return m.key == key && m.only == "" }); i >= 0 && compareReleases(name, "4.0") >= 0 {
			api.Min = minimums[i].advertised
		}
		r.APIs = append(r.APIs, api)
	})
	return r.with() // in the order of keys
}

// with returns a copy of a table with other ranges for some APIs. A max of -1 removes one.
func (r *Ranges) with(triples ...int16) *Ranges {
	out := &Ranges{}
	changed := make(map[int16]bool)
	for _, a := range apiList(triples...) {
		changed[a.Key] = true
		if a.Max >= 0 {
			out.APIs = append(out.APIs, a)
		}
	}
	for _, a := range r.APIs {
		if !changed[a.Key] {
			out.APIs = append(out.APIs, a)
		}
	}
	sorted := apiVersionsAnswer{apis: out.APIs}
	sorted.sort()
	return &Ranges{APIs: sorted.apis}
}

// kraft returns the table of a release without APIs that only brokers with ZooKeeper have.
func kraft(t *testing.T, name string) *Ranges {
	t.Helper()
	return tableOf(t, name).with(4, 0, -1, 5, 0, -1, 6, 0, -1, 7, 0, -1, 50, 0, -1, 51, 0, -1, 56, 0, -1, 58, 0, -1)
}

func TestGuessRelease(t *testing.T) {
	kafka21 := []int16{ // kfake's, capped to Kafka 2.1: testdata/captures/confluent-go-2.6.0_broker-2.1.pcap
		0, 3, 7, 1, 4, 10, 2, 0, 4, 3, 0, 7, 8, 0, 6, 9, 0, 5, 10, 0, 2, 11, 0, 3, 12, 0, 2, 13, 0, 2, 14, 0, 2, 15, 0, 2, 16, 0, 2,
		17, 1, 1, 18, 0, 2, 19, 0, 3, 20, 0, 3, 21, 0, 1, 22, 0, 1, 23, 3, 2, 24, 0, 1, 25, 0, 1, 26, 0, 1, 27, 0, 0, 28, 0, 2,
		29, 0, 1, 30, 0, 1, 31, 0, 1, 32, 0, 2, 33, 0, 1, 34, 0, 1, 35, 0, 1, 36, 0, 0, 37, 0, 1, 42, 0, 1,
	}
	controller := []int16{ // Kafka 3.9's, with its controller-only APIs
		1, 0, 17, 17, 0, 1, 18, 0, 4, 19, 0, 7, 52, 0, 1,
	}
	kafka40 := tableOf(t, "4.0")
	for _, tt := range []struct {
		name  string
		table *Ranges
		want  string
	}{
		{"kfake as 2.1", &Ranges{APIs: apiList(kafka21...)}, "Kafka 2.1"},
		{"2.6 capped, as first reported", tableOf(t, "2.6").with(1, 4, 7), "Kafka 2.6 with Fetch capped at 7"},
		{"two capped", tableOf(t, "3.7").with(1, 4, 11, 0, 0, 8), "Kafka 3.7 with Produce capped at 8, Fetch capped at 11"},
		{"four capped are none", tableOf(t, "3.7").with(1, 4, 11, 0, 0, 8, 3, 0, 5, 8, 0, 3), "cannot tell: of 61 APIs 4 differ from Kafka 3.7, the nearest"},
		{"4.0.0", kafka40.with(11, 2, 9), "Kafka 4.0.0"},
		{"4.0.1", kafka40, "Kafka 4.0.1 or a later 4.0"},
		{"newer than the tables", tableOf(t, "4.4").with(1, 4, 19), "Kafka 4.4 or newer"},
		{"an API that is not known", tableOf(t, "4.4").with(120, 0, 0), "Kafka 4.4 or newer"},
		{"between two", tableOf(t, "3.6").with(0, 0, 10), "between Kafka 3.6 and 3.7"},
		{"without telemetry", tableOf(t, "4.1").with(71, 0, -1, 72, 0, -1), "Kafka 4.1"},
		{"3.7 with KRaft", kraft(t, "3.7").with(55, 0, 1, 64, 0, 0, 71, 0, 0, 72, 0, 0, 74, 0, 0), "Kafka 3.7"},
		{"3.3 with KRaft, which 3.4 left as it was", kraft(t, "3.3").with(55, 0, 1, 64, 0, 0), "Kafka 3.3 or 3.4"},
		{"none", nil, "cannot tell: the ApiVersions answer was not captured whole"},
		{"cut", &Ranges{APIs: apiList(kafka21...), Partial: true}, "cannot tell: the ApiVersions answer was not captured whole"},
		{"next to nothing", &Ranges{APIs: apiList(0, 0, 7, 18, 0, 2)}, "cannot tell: only 2 known APIs advertised"},
		{"controller", &Ranges{APIs: apiList(controller...)}, "cannot tell which release of a KRaft controller"},
	} {
		if got := GuessRelease(tt.table); got.Text != tt.want {
			t.Errorf("%s: %+v, want %q", tt.name, got, tt.want)
		}
	}
}

// TestEveryReleaseIsItself: the table of each release counts as that release, or as several with
// the same table.
func TestEveryReleaseIsItself(t *testing.T) {
	for _, r := range releases() {
		got := GuessRelease(tableOf(t, r.name))
		found := false
		for _, name := range got.Names {
			found = found || name == r.name
		}
		if !found || !strings.HasPrefix(got.Text, "Kafka ") || len(got.Names) > 2 {
			t.Errorf("Kafka %s is taken for %+v", r.name, got)
		}
	}
	if first := releases()[0].name; first != "0.10.0" {
		t.Errorf("the oldest release is %s, want 0.10.0, the first with ApiVersions", first)
	}
}

func TestGuessOfAController(t *testing.T) {
	// The APIs of a KRaft controller of Kafka 3.9, by kversion's c39.
	table := &Ranges{APIs: apiList(
		1, 0, 17, 7, 0, 3, 17, 0, 1, 18, 0, 4, 19, 0, 7, 20, 0, 6, 29, 0, 3, 30, 0, 3, 31, 0, 3, 32, 0, 4, 33, 0, 2, 36, 0, 2, 37, 0, 3,
		38, 0, 3, 39, 0, 2, 40, 0, 2, 41, 0, 3, 43, 0, 2, 44, 0, 1, 45, 0, 0, 46, 0, 0, 49, 0, 1, 50, 0, 0, 51, 0, 0, 52, 0, 1, 53, 0, 1, 54, 0, 1,
		55, 0, 2, 56, 0, 3, 57, 0, 1, 58, 0, 0, 59, 0, 1, 60, 0, 1, 62, 0, 4, 63, 0, 1, 64, 0, 0, 67, 0, 0, 70, 0, 0, 73, 0, 0,
		80, 0, 0, 81, 0, 0, 82, 0, 0,
	)}
	if got := GuessRelease(table); got.Text != "Kafka 3.9 (KRaft controller)" {
		t.Errorf("guess is %+v", got)
	}
}

func TestAlternatives(t *testing.T) {
	for want, names := range map[string][]string{
		"2.1": {"2.1"}, "3.3 or 3.4": {"3.3", "3.4"}, "3.1 to 3.4": {"3.1", "3.2", "3.3", "3.4"}, "3.1 to 3.3": {"3.1", "3.2", "3.3"},
		"3.1 or 3.4": {"3.1", "3.4"}, "3.1, 3.2 or 3.4": {"3.1", "3.2", "3.4"}, "4.1, 4.2 or 9.9": {"4.1", "4.2", "9.9"}, "0.1, 3.2 or 3.3": {"0.1", "3.2", "3.3"},
	} {
		if got := Alternatives(names); got != want {
			t.Errorf("%v: %q, want %q", names, got, want)
		}
	}
}

func TestGuessNamesWhatIsCapped(t *testing.T) {
	got := GuessRelease(tableOf(t, "2.6").with(1, 4, 7))
	want := Release{Text: "Kafka 2.6 with Fetch capped at 7", Names: []string{"2.6"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("guess differs (-want +got):\n%s", diff)
	}
}

func TestGuessIsDeterministic(t *testing.T) {
	table := tableOf(t, "3.3").with(58, 0, -1, 1, 0, 12)
	want := GuessRelease(table)
	for range 50 {
		if diff := cmp.Diff(want, GuessRelease(table)); diff != "" {
			t.Fatalf("guess differs from call to call:\n%s", diff)
		}
	}
}

func TestPhantomMin(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    *Ranges
		key  int16
		want int16
	}{
		{"Produce on 4.0", tableOf(t, "4.0"), 0, 3},
		{"Produce on 4.4", tableOf(t, "4.4"), 0, 3},
		{"Fetch on 4.0 says what it does", tableOf(t, "4.0"), 1, -1},
		{"Produce on something like 4.0 with an old WriteTxnMarkers", tableOf(t, "4.0").with(27, 0, 1), 0, 3},
		{"Produce on 3.9", tableOf(t, "3.9"), 0, -1},
		{"Produce on a broker that says 3", tableOf(t, "4.0").with(0, 3, 12), 0, -1},
		{"Produce on something like 4.0 with an old Fetch", tableOf(t, "4.0").with(1, 0, 17), 0, -1},
		{"Produce on something like 4.0 with an old DescribeAcls", tableOf(t, "4.0").with(29, 0, 3), 0, 3},
		{"the same with an older Produce", tableOf(t, "4.0").with(29, 0, 3, 0, 0, 11), 0, -1},
		{"the same with an old OffsetFetch", tableOf(t, "4.0").with(9, 0, 9), 0, -1},
		{"producers and consumers only", &Ranges{APIs: apiList(0, 0, 12, 1, 4, 17, 2, 1, 10, 3, 0, 13, 8, 2, 9, 9, 1, 9)}, 0, 3},
		{"the same without OffsetFetch", &Ranges{APIs: apiList(0, 0, 12, 1, 4, 17, 2, 1, 10, 3, 0, 13, 8, 2, 9)}, 0, -1},
		{"nothing known", nil, 0, -1},
	} {
		got, ok := tt.r.PhantomMin(tt.key)
		if !ok {
			got = -1
		}
		if got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestMinimumEvidence: a few APIs that begin as in Kafka 4.0 do not make a broker one.
func TestMinimumEvidence(t *testing.T) {
	for _, tt := range []struct {
		agreeing int
		want     bool
	}{{0, false}, {1, false}, {7, false}, {8, true}, {9, true}} {
		r := &Ranges{APIs: []API{{keyProduce, Range{0, firstProduce - 1}}}}
		for _, m := range minimums {
			if m.advertised > 0 && m.only == "" && !internalKeys[m.key] && len(r.APIs) <= tt.agreeing {
				r.APIs = append(r.APIs, API{m.key, Range{m.advertised, 20}})
			}
		}
		if len(r.APIs) != tt.agreeing+1 {
			t.Fatalf("%d APIs, want %d", len(r.APIs), tt.agreeing+1)
		}
		if _, got := r.PhantomMin(keyProduce); got != tt.want {
			t.Errorf("%d APIs with the minimum of Kafka 4.0: %t, want %t", tt.agreeing, got, tt.want)
		}
	}
}

func TestMinimumsAreSortedAndSourced(t *testing.T) {
	last := int16(math.MinInt16)
	for _, m := range minimums {
		if m.key <= last || m.source == "" || m.min < m.advertised || m.min == 0 {
			t.Errorf("row %+v is out of order, without source or without effect", m)
		}
		last = m.key
	}
}
