package write

import (
	"io"
	"slices"

	"github.com/kafkavet/kafkavet/report/model"
)

// Format is a format of a report, or of the list of requests. Redaction replaces the names and
// addresses before the report is written (redact.Report), so it works with every format.
type Format struct {
	// Name is the value of --format.
	Name string
	// Extensions are the file name extensions that select it, the usual one first.
	Extensions []string
	// IsDocument says that the output is one document. Live findings must not be written to it.
	IsDocument bool
	// HasEvents says that live findings are written as JSONLine. The last line is the report.
	HasEvents bool
	// ShowsShortfall says that a report without a finding fails for TextOptions.Shortfall.
	ShowsShortfall bool
	// Write writes a report; nil for the list of requests.
	Write func(w io.Writer, r *model.Report, opt TextOptions) error
	// List returns a writer for one list of requests; nil for a report.
	List func(w io.Writer, opt TextOptions) *RequestsWriter
}

// formats are the formats of a report, the default first. It is the only list of them.
var formats = []Format{
	{Name: "text", Extensions: []string{".txt"}, Write: Text},
	{Name: "json", Extensions: []string{".json"}, IsDocument: true, HasEvents: true, Write: withoutOptions(JSON)},
	{Name: "markdown", Extensions: []string{".md", ".markdown"}, IsDocument: true, Write: withoutOptions(Markdown)},
	{Name: "html", Extensions: []string{".html", ".htm"}, IsDocument: true, Write: withoutOptions(HTML)},
	{Name: "csv", Extensions: []string{".csv"}, IsDocument: true, Write: withoutOptions(CSV)},
	{Name: "sarif", Extensions: []string{".sarif"}, IsDocument: true, ShowsShortfall: true, Write: SARIF},
	{Name: "junit", Extensions: []string{".xml"}, IsDocument: true, ShowsShortfall: true, Write: JUnit},
	{Name: "github", IsDocument: true, ShowsShortfall: true, Write: GitHub},
}

// withoutOptions adapts a writer without options to Format.Write.
func withoutOptions(write func(io.Writer, *model.Report) error) func(io.Writer, *model.Report, TextOptions) error {
	return func(w io.Writer, r *model.Report, _ TextOptions) error { return write(w, r) }
}

// Formats returns the formats of a report, the default first.
func Formats() []Format { return slices.Clone(formats) }

// requestFormats are the formats of the list of requests, the default first.
var requestFormats = []Format{
	{Name: "tsv", Extensions: []string{".tsv"}, List: func(w io.Writer, _ TextOptions) *RequestsWriter { return NewRequestsTSV(w) }},
	{
		Name: "json", Extensions: []string{".json", ".jsonl", ".ndjson"},
		List: func(w io.Writer, _ TextOptions) *RequestsWriter { return NewRequestsJSON(w) },
	},
	{Name: TableFormat, Extensions: []string{".txt"}, List: NewRequestsTable},
}

// TableFormat is the name of the requests format for people.
const TableFormat = "table"

// RequestFormats returns the formats of the list of requests, the default first.
func RequestFormats() []Format { return slices.Clone(requestFormats) }
