package decode

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// apiList returns a list of APIs from key, min, max triples.
func apiList(triples ...int16) (list []API) {
	for i := 0; i < len(triples); i += 3 {
		list = append(list, API{triples[i], Range{triples[i+1], triples[i+2]}})
	}
	return list
}

func TestParseApiVersions(t *testing.T) {
	full := func(version int16) []byte {
		r := ranges(version, 0, usual...)
		f := kmsg.NewApiVersionsResponseSupportedFeature()
		f.Name, f.MinVersion, f.MaxVersion = "metadata.version", 1, 20
		g := kmsg.NewApiVersionsResponseSupportedFeature()
		g.Name, g.MaxVersion = "kraft.version", 1
		r.SupportedFeatures = append(r.SupportedFeatures, f, g)
		r.ThrottleMillis = 7
		return r.AppendTo(nil)
	}
	features := []Feature{{"kraft.version", Range{0, 1}}, {"metadata.version", Range{1, 20}}}
	type result struct {
		OK, Partial bool
		Misshapen   bool
		Code        int16
		APIs        []API
		Features    []Feature
	}
	good := result{OK: true, APIs: apiList(usual...)}
	goodFeatures := result{OK: true, APIs: apiList(usual...), Features: features}
	misshapen := func(r result) result {
		r.Misshapen = true
		return r
	}
	v0, v3 := full(0), full(3)
	for _, tt := range []struct {
		name    string
		version int16
		body    []byte
		missing int64 // bytes that the capture lacks
		want    result
	}{
		{"v0", 0, v0, 0, good},
		{"v1", 1, full(1), 0, good},
		{"v2", 2, full(2), 0, good},
		{"v3", 3, v3, 0, goodFeatures},
		{"v4", 4, full(4), 0, goodFeatures},
		{"v5", 5, full(5), 0, goodFeatures},
		{"a version that nobody knows", 77, full(5), 0, goodFeatures},
		{"v0 in answer to v3", 3, v0, 0, misshapen(good)},
		{"v1 in answer to v3", 3, full(1), 0, misshapen(good)},
		{"v3 in answer to v0", 0, v3, 0, misshapen(goodFeatures)},
		{"v0 in answer to v1", 1, v0, 0, misshapen(good)},
		{"error 35, v0, empty", 3, ranges(0, 35).AppendTo(nil), 0, result{OK: true, Code: 35}},
		{"error 35, v0, with key 18: no table", 3, ranges(0, 35, 18, 0, 3).AppendTo(nil), 0, result{OK: true, Code: 35}},
		{"error 42", 3, ranges(3, 42).AppendTo(nil), 0, result{OK: true, Code: 42}},
		{"error 129 with APIs: no table", 3, ranges(3, 129, usual...).AppendTo(nil), 0, result{OK: true, Code: 129}},
		{"error code alone", 3, []byte{0, 35}, 0, result{OK: true, Code: 35}},
		{"no error and no APIs", 0, ranges(0, 0).AppendTo(nil), 0, result{}},
		{"cut in the list, v0", 0, v0[:20], int64(len(v0)) - 20, result{OK: true, Partial: true, APIs: apiList(usual[:6]...)}},
		{"cut in the list, v3", 3, v3[:20], int64(len(v3)) - 20, result{OK: true, Partial: true, APIs: apiList(usual[:6]...)}},
		{"cut behind the list", 3, v3[:len(v3)-30], 30, good},
		{"cut before the list", 3, v3[:3], int64(len(v3)) - 3, result{}},
		{"cut in the list and not even captured", 0, v0[:20], 0, result{}},
		{"a byte too much", 0, append(slices.Clone(v0), 0), 0, misshapen(good)},
		{"three bytes too much, v3", 3, append(slices.Clone(v3), 1, 2, 3), 0, misshapen(goodFeatures)},
		{"nothing", 3, nil, 0, result{}},
		{"out of order and twice: the first counts", 0, ranges(0, 0, 18, 0, 3, 0, 1, 2, 18, 0, 9).AppendTo(nil), 0, result{OK: true, APIs: apiList(0, 1, 2, 18, 0, 3)}},
		{"negative key", 0, ranges(0, 0, -5, 0, 3).AppendTo(nil), 0, result{}},
		{"count that the bytes cannot hold", 0, []byte{0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0}, 0, result{}},
		{"tag count of 2^32-1", 3, []byte{0, 0, 2, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}, 0, result{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a apiVersionsAnswer
			ok := a.parse(tt.version, int64(len(tt.body))+tt.missing, tt.body, NewShard(ShardOptions{}).share)
			got := result{OK: ok, Partial: a.partial, Misshapen: a.misshapen, Code: a.errorCode, APIs: a.apis, Features: a.features}
			if !ok {
				got = result{}
			}
			if len(got.APIs) == 0 {
				got.APIs = nil
			}
			if len(got.Features) == 0 {
				got.Features = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseApiVersionsBoundsWhatItKeeps(t *testing.T) {
	var triples []int16
	for i := range int16(maxAPIs + 50) {
		triples = append(triples, i, 0, 1)
	}
	body := ranges(0, 0, triples...).AppendTo(nil)
	var a apiVersionsAnswer
	if !a.parse(0, int64(len(body)), body, NewShard(ShardOptions{}).share) || len(a.apis) != maxAPIs || !a.limited {
		t.Errorf("%d APIs, limited %v, want %d", len(a.apis), a.limited, maxAPIs)
	}
	d := newNetwork().open(t)
	d.respond(d.request(hello(0)), ranges(0, 0, triples...))
	if got := d.net.shard.Limits().LargeAnswers; got != 1 {
		t.Errorf("%d large answers counted, want 1", got)
	}
}

func TestEqualRangesAreShared(t *testing.T) {
	n := newNetwork()
	var first *Ranges
	for i := range 1000 {
		d := n.open(t)
		d.negotiate()
		r := exchangesRanges(n.shard.Take(nil))
		if first == nil {
			first = r
		}
		if r != first {
			t.Fatalf("connection %d has a table of its own", i)
		}
	}
	for i := range int16(3 * maxShared) {
		d := n.open(t)
		d.respond(d.request(hello(0)), ranges(0, 0, i, 0, 1))
	}
	if n.shard.nShared > maxShared {
		t.Errorf("%d ranges kept, want at most %d", n.shard.nShared, maxShared)
	}
}

// exchangesRanges returns the table of the first advertisement among events.
func exchangesRanges(events []Event) *Ranges {
	for _, e := range events {
		if e.Advertisement != nil {
			return e.Advertisement.Ranges
		}
	}
	return nil
}

func TestJudge(t *testing.T) {
	table := &Ranges{APIs: apiList(0, 3, 7, 1, 4, 10, 5, 3, 2, 7, -1, 2, 9, 4, 4, 18, 0, 3)}
	part := &Ranges{APIs: apiList(0, 3, 7), Partial: true}
	for _, tt := range []struct {
		name         string
		key, version int16
		table        *Ranges
		want         Verdict
		known        bool
	}{
		{"at the min", 1, 4, table, OK, true},
		{"at the max", 1, 10, table, OK, true},
		{"below the min", 1, 3, table, BelowMin, true},
		{"above the max", 1, 11, table, AboveMax, true},
		{"not there", 2, 0, table, NotAdvertised, true},
		{"no table", 1, 4, nil, Unknown, false},
		{"max below min: above", 5, 3, table, Unknown, false},
		{"max below min: below", 5, 2, table, Unknown, false},
		{"negative min", 7, 0, table, Unknown, false},
		{"the only version", 9, 4, table, OK, true},
		{"above the only version", 9, 5, table, AboveMax, true},
		{"below the only version", 9, 3, table, BelowMin, true},
		{"ApiVersions above the max", 18, 9, table, Exempt, true},
		{"ApiVersions without a table", 18, 9, nil, Exempt, false},
		{"in the part that is there", 0, 8, part, AboveMax, true},
		{"not in the part that is there", 1, 4, part, Unknown, false},
	} {
		got, _, known := judge(tt.key, tt.version, tt.table)
		if got != tt.want || known != tt.known {
			t.Errorf("%s: %v, known %v; want %v, %v", tt.name, got, known, tt.want, tt.known)
		}
	}
}

func TestAnswerCutByTheCaptureJudgesWhatItLists(t *testing.T) {
	d := newNetwork().open(t)
	id := d.request(hello(0))
	msg := responseBytes(ranges(0, 0, usual...), id)
	d.h.Message(frameOf(d, msg, 24))
	d.request(requestOf(1, 12))
	d.request(requestOf(3, 12))
	got := lines(d.end(0, 0))
	want := []string{"ApiVersions v0 exempt none answered", "Fetch v12 above-max observed cut", "Metadata v12 unknown none cut"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exchanges differ (-want +got):\n%s", diff)
	}
}

func TestWordsAreThoseOfTheContract(t *testing.T) {
	var got []string
	for e := None; e <= Supplied+1; e++ {
		got = append(got, e.String())
	}
	for v := Unknown; v <= Exempt; v++ {
		got = append(got, v.String())
	}
	for o := Answered; o <= NoneExpected; o++ {
		got = append(got, o.String())
	}
	want := []string{
		"none", "observed", "borrowed", "supplied", "evidence(4)",
		"unknown", "ok", "above-max", "below-min", "not-advertised", "exempt",
		"answered", "error", "closed", "reset", "left", "unanswered", "cut", "unseen", "none-expected",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words differ (-want +got):\n%s", diff)
	}
}
