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
		p.line(fmt.Sprintf("%-*s  %s  %2d APIs  %s", width, names[i], kind, len(t.Ranges.APIs), Escape(shortSource(t.Source))))
	}
	p.blank()
	p.paragraph("", "", "Recorded are the ApiVersions responses of servers with their default configuration. "+
		"confluent-8.0 (or cp-8.0) names the Kafka in a release of Confluent Platform, msk-4.0 that of Amazon MSK, kafka-4 the newest release 4, latest the newest of all.")
	p.paragraph("", "", "kafka-4.0 is the newest patch release known of 4.0. Without a mode, 3.3 and later are taken for KRaft. "+
		"Instead of a release, the JSON of a report or the output of kafka-broker-api-versions.sh can be given.")
	_, err := w.Write(p.buf.Bytes())
	return err
}
