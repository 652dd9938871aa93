package model

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Table keeps one row for each key. Rows with equal keys are merged. If the result of merge does
// not depend on the order of rows, the Table does not depend on the order of the calls.
type Table[R any] struct {
	key   func(*R) string
	merge func(into, from *R)
	rows  map[string]*R
}

// NewTable makes an empty table. merge merges two rows with equal keys.
func NewTable[R any](key func(*R) string, merge func(into, from *R)) *Table[R] {
	return &Table[R]{key, merge, map[string]*R{}}
}

// JoinKey joins the properties that identify a row. Keys have the order of their properties.
func JoinKey(properties ...string) string { return strings.Join(properties, "\x00") }

// Add adds a row. The table owns its values afterwards. It copies the row, because r may be part of
// a large list that would stay in memory.
func (t *Table[R]) Add(r *R) {
	k := t.key(r)
	if own := t.rows[k]; own != nil {
		t.merge(own, r)
		return
	}
	own := *r
	t.rows[k] = &own
}

// Get returns the row with a key; nil for none.
func (t *Table[R]) Get(key string) *R { return t.rows[key] }

// Len returns the number of rows.
func (t *Table[R]) Len() int { return len(t.rows) }

// Trim keeps the first limit rows, ordered by rank and then by key. It removes the others and
// passes them to folded. Both functions may be nil.
func (t *Table[R]) Trim(limit int, rank func(a, b *R) int, folded func(*R)) {
	if len(t.rows) <= limit {
		return
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.rows), func(a, b string) int {
		order := 0
		if rank != nil {
			order = rank(t.rows[a], t.rows[b])
		}
		return cmp.Or(order, strings.Compare(a, b))
	})[limit:] {
		if folded != nil {
			folded(t.rows[k])
		}
		delete(t.rows, k)
	}
}

// Sorted returns the rows by key; nil for none.
func (t *Table[R]) Sorted() []R {
	if len(t.rows) == 0 {
		return nil
	}
	out := make([]R, 0, len(t.rows))
	for _, k := range slices.Sorted(maps.Keys(t.rows)) {
		out = append(out, *t.rows[k])
	}
	return out
}

// Last returns the largest key; empty for none.
func (t *Table[R]) Last() (last string) {
	for k := range t.rows {
		last = max(last, k)
	}
	return last
}
