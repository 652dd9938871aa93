package write

import (
	"fmt"
	"io"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
)

// References lists the known releases with the source of their tables.
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
		lead := fmt.Sprintf("%-*s  %s  %2d APIs  ", width, names[i], kind, len(t.Ranges.APIs))
		p.paragraph(lead, strings.Repeat(" ", len(lead)), Escape(t.Source))
	}
	p.blank()
	p.paragraph("", "", "kafka-4.0 is the newest patch release known of 4.0. Without a mode, 3.3 and later are taken for KRaft. "+
		"Instead of a release, the JSON of a report or the output of kafka-broker-api-versions.sh can be given.")
	_, err := w.Write(p.buf.Bytes())
	return err
}
