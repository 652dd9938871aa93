package write

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
)

// responseOf matches the beginning of the source of a recorded table.
var responseOf = regexp.MustCompile(`^ApiVersions v[0-9]+ response of `)

// shortSource removes the text that all sources have in common.
func shortSource(source string) string {
	return strings.TrimSuffix(responseOf.ReplaceAllString(source, ""), " with its default configuration")
}

// References lists the known releases with the source of their tables, one line each.
func References(w io.Writer) error {
	var b strings.Builder
	tables := decode.Tables()
	names, width := make([]string, len(tables)), 0
	for i, t := range tables {
		names[i] = t.Name()
		width = max(width, len(names[i]))
	}
	for i, t := range tables {
		kind := "derived "
		if t.Recorded {
			kind = "recorded"
		}
		fmt.Fprintf(&b, "%-*s  %s  %2d APIs  %s\n", width, names[i], kind, len(t.Ranges.APIs), Escape(shortSource(t.Source)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
