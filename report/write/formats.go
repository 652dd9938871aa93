package write

import (
	"io"

	"github.com/kafkavet/kafkavet/report/model"
)

// Format is a format of a report. Redaction replaces the names and addresses before the report is
// written (redact.Report), so it works with every format.
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
	// Write writes a report.
	Write func(w io.Writer, r *model.Report, opt TextOptions) error
}

// formats are the formats of a report, the default first. It is the only list of them.
var formats = []Format{
	{Name: "text", Extensions: []string{".txt"}, Write: Text},
	{Name: "json", Extensions: []string{".json"}, IsDocument: true, HasEvents: true, Write: withoutOptions(JSON)},
	{Name: "markdown", Extensions: []string{".md", ".markdown"}, IsDocument: true, Write: withoutOptions(Markdown)},
	{
		Name: "html", Extensions: []string{".html", ".htm"}, IsDocument: true,
		Write: withoutOptions(func(w io.Writer, r *model.Report) error { return HTML(w, r, HTMLOptions{}) }),
	},
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
func Formats() []Format { return append([]Format(nil), formats...) }

// RequestFormat is a format of the list of requests.
type RequestFormat struct {
	// Name is the value of --format.
	Name string
	// Extensions are the file name extensions that select it, the usual one first.
	Extensions []string
	// New returns a writer for one list.
	New func(w io.Writer, opt TextOptions) *RequestsWriter
}

// requestFormats are the formats of the list of requests, the default first.
var requestFormats = []RequestFormat{
	{Name: "tsv", Extensions: []string{".tsv"}, New: withoutTextOptions(NewRequestsTSV)},
	{Name: "json", Extensions: []string{".json", ".jsonl", ".ndjson"}, New: withoutTextOptions(NewRequestsJSON)},
	{Name: TableFormat, Extensions: []string{".txt"}, New: NewRequestsTable},
}

// TableFormat is the name of the requests format for people.
const TableFormat = "table"

// withoutTextOptions adapts a constructor without options to RequestFormat.New.
func withoutTextOptions(new func(io.Writer) *RequestsWriter) func(io.Writer, TextOptions) *RequestsWriter {
	return func(w io.Writer, _ TextOptions) *RequestsWriter { return new(w) }
}

// RequestFormats returns the formats of the list of requests, the default first.
func RequestFormats() []RequestFormat { return append([]RequestFormat(nil), requestFormats...) }
