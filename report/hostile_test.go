package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/reporttest"
	"github.com/kafkavet/kafkavet/report/write"
)

// hostileTexts are client ids or software names that a client may send.
var hostileTexts = []string{
	"-", "", `""`, "a\tb", "a\nb\r\nc", "\x1b[2J\x1b]0;x\a", "\u009b31m", "\u202eevil", "\xff\xfe\xfd", "\x00",
	"<script>alert(1)</script>", "=cmd|' /C calc'!A0", `{"a":"b"}`, "`rm`|x|\\", strings.Repeat("A", 32<<10),
	strings.Repeat("\x1b", 32<<10), strings.Repeat("字", 9<<10), "\U0001f469\u200d\U0001f4bb",
}

// hostileCalls return calls with a text in every place for text from the wire.
func hostileCalls(text string) []any {
	hostile := func(x *decode.Exchange) {
		x.ClientID, x.HasClientID = text, true
		x.Software = decode.Software{Name: text, Version: text}
		x.Principal = text
	}
	sasl := func(x *decode.Exchange) { x.ErrorCode, x.Mechanism, x.Enabled = 33, text, []string{text, text} }
	return []any{
		exchangeOf(1, 0, 1, 12, verdictOf(decode.AboveMax), outcomeOf(decode.ClosedByBroker), hostile),
		exchangeOf(2, 0, 17, 1, hostile, sasl),
		connectionOf(1, 3, 4, func(c *decode.Connection) {
			c.AfterAdvertised, c.ClientIDs, c.Software = 0, []string{text}, decode.Software{Name: text, Version: text}
		}),
		connectionOf(2, 5, 6, tlsOf(), func(c *decode.Connection) { c.TLS.ServerName = text }),
	}
}

// checkShown fails for bytes in out that a terminal may execute, or that are no UTF-8.
func checkShown(t *testing.T, what string, out []byte, allowed string) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Errorf("%s: not valid UTF-8", what)
	}
	for _, r := range string(out) {
		if !unicode.IsPrint(r) && !strings.ContainsRune(allowed, r) {
			t.Errorf("%s: holds %U", what, r)
			return
		}
	}
}

func TestHostileTextsReachNoOutputUnescaped(t *testing.T) {
	schema := reporttest.Schema(t, write.Schema)
	for i, text := range hostileTexts {
		calls := hostileCalls(text)
		b := builderOf(Options{}, calls...)
		b.SetInput(Input{
			Captures:        []model.Capture{{Path: text, Problem: text, Torn: true}, {Path: text}},
			UnparsedPackets: []model.Count{{Name: text, Count: 1}}, LimitsHit: map[string]uint64{text: 1},
		})
		r := b.Report()
		var plain, doc, tsv, lines bytes.Buffer
		rows, objects := write.NewRequestsTSV(&tsv), write.NewRequestsJSON(&lines)
		feed(rows, calls...)
		feed(objects, calls...)
		for _, err := range []error{
			write.Text(&plain, r, write.TextOptions{Width: 80}), write.JSON(&doc, r), rows.Close(), objects.Close(),
		} {
			if err != nil {
				t.Fatalf("text %d: %v", i, err)
			}
		}
		checkShown(t, "text", plain.Bytes(), "\n")
		checkShown(t, "json", doc.Bytes(), "\n")
		checkShown(t, "tsv", tsv.Bytes(), "\n\t")
		checkShown(t, "json lines", lines.Bytes(), "\n")
		if plain.Len() > 64<<10 {
			t.Errorf("text %d: the report has %d bytes", i, plain.Len())
		}
		checkTable(t, tsv.String(), 3)
		for _, line := range strings.Split(strings.TrimSuffix(lines.String(), "\n"), "\n") {
			var row map[string]any
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Errorf("text %d: line %.80s: %v", i, line, err)
			}
		}
		if err := schema.Validate(written(t, r)); err != nil {
			t.Errorf("text %d: %v", i, err)
		}
	}
}

// checkTable fails unless table has that many lines, each with as many fields as its header.
func checkTable(t *testing.T, table string, lines int) {
	t.Helper()
	rows := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	if len(rows) != lines {
		t.Errorf("%d lines, want %d", len(rows), lines)
	}
	for _, row := range rows {
		if n, want := strings.Count(row, "\t"), strings.Count(rows[0], "\t"); n != want {
			t.Errorf("%d tabs, want %d: %.80q", n, want, row)
		}
	}
}

func TestTSVCanBeReadAsCSVWithTabs(t *testing.T) {
	var out bytes.Buffer
	w := write.NewRequestsTSV(&out)
	feed(w, fetchBug()...)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(&out)
	r.Comma = '\t'
	rows, err := r.ReadAll()
	if err != nil || len(rows) != 25 || strings.Join(rows[0], " ") !=
		"frame stream time client broker client_id correlation_id api_key api version min max evidence verdict outcome response_frame error_code milliseconds response_size" {
		t.Errorf("%d rows, header %v, error %v", len(rows), rows[0], err)
	}
}
