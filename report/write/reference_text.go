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
func References(w io.Writer, opt TextOptions) error {
	p := newPage(opt)
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
		p.line(fmt.Sprintf("%-*s  %s  %2d APIs  %s", width, names[i], kind, len(t.Ranges.APIs), Escape(shortSource(t.Source))))
	}
	_, err := w.Write(p.buf.Bytes())
	return err
}
