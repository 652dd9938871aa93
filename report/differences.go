package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/words"
)

// maxDifferences is how many APIs a message about differing ranges names.
const maxDifferences = 3

// difference lists the APIs in which an answer differs from the previous one: "Fetch v4 to v11,
// then v4 to v12; 3 more APIs".
func difference(before, after *decode.Ranges) string {
	var parts []string
	more := 0
	before.Compare(after, func(key int16, x, y *decode.Range) {
		if x != nil && y != nil && *x == *y || x == nil && before.Partial || y == nil && after.Partial {
			return
		}
		if len(parts) == maxDifferences {
			more++
			return
		}
		parts = append(parts, fmt.Sprintf("%s %s, then %s", apiName(key), rangeOrNone(x), rangeOrNone(y)))
	})
	if more > 0 {
		parts = append(parts, fmt.Sprintf("%s more", words.Plural(uint64(more), "API")))
	}
	return strings.Join(parts, "; ")
}

// tableDifferences lists the APIs that differ among the tables: "Fetch (v4 to v11, v4 to v12) and
// 3 more APIs".
func tableDifferences(tables []*decode.Ranges) string {
	var names []string
	for _, key := range tableKeys(tables) {
		var seen []string
		for _, t := range tables {
			text := rangeOrNone(nil)
			if r, ok := t.Find(key); ok {
				text = rangeText(r)
			} else if t.Partial {
				continue
			}
			if !slices.Contains(seen, text) {
				seen = append(seen, text)
			}
		}
		if len(seen) > 1 {
			names = append(names, fmt.Sprintf("%s (%s)", apiName(key), strings.Join(seen, ", ")))
		}
	}
	if len(names) <= maxDifferences {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %s", strings.Join(names[:maxDifferences], ", "), words.Plural(uint64(len(names)-maxDifferences), "more API"))
}

// tableKeys returns the API keys of all tables in ascending order.
func tableKeys(tables []*decode.Ranges) []int16 {
	var keys []int16
	for _, t := range tables {
		for i := range t.APIs {
			keys = append(keys, t.APIs[i].Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func rangeOrNone(r *decode.Range) string {
	if r == nil {
		return "none"
	}
	return rangeText(*r)
}
