package report

import (
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/history"
)

// fullGroup returns a group of which no field is zero.
func fullGroup() *group {
	g := new(group)
	fill(reflect.ValueOf(g).Elem())
	return g
}

// fill makes every field of v non-zero. A pointer gets a zero value to point to.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			fill(reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem())
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 4)) // an append to a shared one would be seen
		fill(v.Index(0))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	default:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	}
}

// TestMergedGroupsLoseNoField: what a group has is also in the group into which it is merged.
func TestMergedGroupsLoseNoField(t *testing.T) {
	notMerged := []string{
		"key",      // that of the group into which it is merged
		"pending",  // while count is 0: such groups are not merged
		"inside",   // concluded sets it later
		"listed",   // only in the groups of the bulletin
		"touched",  // find sets it
		"isFolded", // only in folded groups
	}
	var g group
	g.merge(fullGroup())
	v := reflect.ValueOf(g)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() != slices.Contains(notMerged, name) {
			t.Errorf("%s is lost: %v, want %v", name, v.Field(i).IsZero(), slices.Contains(notMerged, name))
		}
	}
}

// TestClonedGroupsShareNothing that changes.
func TestClonedGroupsShareNothing(t *testing.T) {
	shared := []string{
		"sample", "ranges", "inside", "pending", // replaced, never changed
		"value", // of an address
	}
	var same func(name string, x, y reflect.Value)
	same = func(name string, x, y reflect.Value) {
		switch x.Kind() {
		case reflect.Struct:
			for i := range x.NumField() {
				same(x.Type().Field(i).Name, x.Field(i), y.Field(i))
			}
		case reflect.Array:
			for i := range x.Len() {
				same(name, x.Index(i), y.Index(i))
			}
		case reflect.Slice, reflect.Map, reflect.Pointer:
			if x.Pointer() == y.Pointer() && !slices.Contains(shared, name) {
				t.Errorf("%s is shared", name)
			}
			if x.Kind() == reflect.Slice && x.Len() != y.Len() {
				t.Errorf("%s is lost", name)
			}
		}
	}
	g := fullGroup()
	same("", reflect.ValueOf(*g), reflect.ValueOf(*g.clone()))
}

// TestMergedFindingsNameAllUsers: a client that announces its software on one of two connections
// is one client, with the users of both.
func TestMergedFindingsNameAllUsers(t *testing.T) {
	user := func(name string) func(*decode.Exchange) { return func(x *decode.Exchange) { x.Principal = name } }
	above, closed := verdictOf(decode.AboveMax), outcomeOf(decode.ClosedByBroker)
	r := builderOf(Options{}, exchangeOf(1, 0, 1, 12, above, closed, user("alice")), exchangeOf(3, 1, 1, 12, above, closed, user("bob"), softwareOf("", ""))).Report()
	if len(r.Findings) != 1 || r.Findings[0].Count != 2 {
		t.Fatalf("%d findings, want one about both requests", len(r.Findings))
	}
	if d := cmp.Diff([]string{"alice", "bob"}, r.Findings[0].Client.Principals); d != "" {
		t.Error(d)
	}
}

// TestMergedGroupsKnowTheEarlierAnswer: the text says until when the version was answered.
func TestMergedGroupsKnowTheEarlierAnswer(t *testing.T) {
	var g group
	for _, frame := range []uint64{2, 3, 1} {
		g.merge(&group{earlier: at(frame)})
	}
	if g.earlier != at(3) {
		t.Errorf("until %v, want the latest answer", g.earlier)
	}
}

// TestMergedGroups: the numbers of both groups count. The first request and its range stay.
func TestMergedGroups(t *testing.T) {
	x, y := &group{bytes: 1, gaps: 2, unsure: 3, idle: 4, number: 5, ranges: oldRanges, reported: 1, from: at(4), last: at(5), to: at(6)}, &group{bytes: 10, gaps: 20, unsure: 30, idle: 40, number: 50, ranges: newRanges, reported: 6, from: at(3), last: at(4), to: at(7)}
	y.ended.First = at(3)
	none := new(group)
	none.merge(x)
	none.merge(y)
	none.merge(new(group))
	if g := none; g.bytes != 11 || g.gaps != 22 || g.unsure != 33 || g.idle != 44 || g.number != 5 || g.reported != 7 || g.ranges != oldRanges || g.ended.First != at(3) || g.from != at(3) || g.last != at(5) || g.to != at(7) {
		t.Errorf("%+v", g)
	}
	var g group
	for _, c := range []struct{ first, end, wantFirst, wantLatest uint64 }{{5, 9, 5, 9}, {7, 8, 5, 9}, {3, 12, 3, 12}, {4, 20, 3, 20}} {
		if g.end(history.Ended{First: at(c.first), End: at(c.end)}); g.ended.First != at(c.wantFirst) || g.ended.Latest != at(c.wantLatest) {
			t.Errorf("from %d to %d: %+v", c.first, c.end, g.ended)
		}
	}
}

// TestGroupsOfSuspects: the period is that of all requests, and one doubtful request makes doubt.
func TestGroupsOfSuspects(t *testing.T) {
	g := new(group)
	book := history.New(nil)
	k := func(frame uint64) *history.Suspect {
		x := exchangeOf(frame, 0, 1, 12)
		book.Exchange(x)
		return book.Sample(x)
	}
	g.addSuspect(k(1), &history.Ruling{From: at(1), Last: at(5), To: at(9), Earlier: at(3), Certain: true})
	g.addSuspect(k(2), &history.Ruling{From: at(2), Last: at(4), To: at(8), Earlier: at(2), Idle: true, Others: true, WithoutRange: true})
	g.addSuspect(k(3), &history.Ruling{From: at(3), Last: at(6), To: at(10), Earlier: at(4), Certain: true})
	if g.from != at(1) || g.last != at(6) || g.to != at(10) || g.earlier != at(4) || g.unsure != 1 || g.idle != 1 || !g.others || g.count != 3 || g.ranges != oldRanges {
		t.Errorf("%+v", g)
	}
	isAbove := outsideBy(decode.AboveMax)
	for _, c := range []struct {
		verdict decode.Verdict
		cause   history.Cause
		want    bool
	}{{decode.AboveMax, history.Outside, true}, {decode.AboveMax, history.Away, false}, {decode.BelowMin, history.Outside, false}} {
		if _, got := isAbove(&history.Suspect{Exchange: decode.Exchange{Verdict: c.verdict}}, &history.Ruling{Cause: c.cause}); got != c.want {
			t.Errorf("%v, %v: %v", c.verdict, c.cause, got)
		}
	}
}
