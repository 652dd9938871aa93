package model

import (
	"maps"
	"slices"
)

// Table keeps one row for each key. Rows with equal keys are merged. If the result of merge does
// not depend on the order of rows, the Table does not depend on the order of the calls.
type Table[K Key[K], R any] struct {
	key   func(*R) K
	merge func(into, from *R)
	rows  map[K]*R
}

// Key identifies rows. Compare is a total order.
type Key[K any] interface {
	comparable
	Compare(K) int
}

// NewTable makes an empty table. merge merges two rows with equal keys.
func NewTable[K Key[K], R any](key func(*R) K, merge func(into, from *R)) *Table[K, R] {
	return &Table[K, R]{key, merge, map[K]*R{}}
}

// Add adds a row. The table owns its values afterwards. It copies the row, because r may be part of
// a large list that would stay in memory.
func (t *Table[K, R]) Add(r *R) {
	k := t.key(r)
	if own := t.rows[k]; own != nil {
		t.merge(own, r)
		return
	}
	own := *r
	t.rows[k] = &own
}

// Get returns the row with a key; nil for none.
func (t *Table[K, R]) Get(k K) *R { return t.rows[k] }

// Len returns the number of rows.
func (t *Table[K, R]) Len() int { return len(t.rows) }

// Trim keeps the first limit rows, ordered by rank and then by key. It removes the others and
// passes them to folded. Both functions may be nil.
func (t *Table[K, R]) Trim(limit int, rank func(a, b *R) int, folded func(*R)) {
	if len(t.rows) <= limit {
		return
	}
	type entry struct {
		key K
		row *R
	}
	all := make([]entry, 0, len(t.rows))
	for k, r := range t.rows {
		all = append(all, entry{k, r})
	}
	slices.SortFunc(all, func(a, b entry) int {
		if rank != nil {
			if order := rank(a.row, b.row); order != 0 {
				return order
			}
		}
		return a.key.Compare(b.key)
	})
	for _, e := range all[limit:] {
		if folded != nil {
			folded(e.row)
		}
		delete(t.rows, e.key)
	}
}

// Sorted returns the rows by key; nil for none.
func (t *Table[K, R]) Sorted() []R {
	if len(t.rows) == 0 {
		return nil
	}
	out := make([]R, 0, len(t.rows))
	for _, k := range slices.SortedFunc(maps.Keys(t.rows), K.Compare) {
		out = append(out, *t.rows[k])
	}
	return out
}

// Last returns the largest key; the zero value for none.
func (t *Table[K, R]) Last() (last K) {
	for k := range t.rows {
		if k.Compare(last) > 0 {
			last = k
		}
	}
	return last
}
