package report

import (
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
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
