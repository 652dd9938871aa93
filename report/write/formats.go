package write

import (
	"io"

	"github.com/kafkavet/kafkavet/report/model"
)

// Format is a format of a report. The names and addresses in a report are
// replaced before it is written (redact.Report), so every format can be redacted.
type Format struct {
	// Name is the value of --format.
	Name string
	// Extensions are the endings of file names that stand for it, the usual one first.
	Extensions []string
	// IsDocument says that the output is one document: nothing else may be
	// written to the same place, such as findings while they come in.
	IsDocument bool
	// HasEvents says that findings that come in are written as JSONLine, the
	// report being the last line.
	HasEvents bool
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
	{Name: "sarif", Extensions: []string{".sarif"}, IsDocument: true, Write: SARIF},
	{Name: "junit", Extensions: []string{".xml"}, IsDocument: true, Write: JUnit},
	{Name: "github", IsDocument: true, Write: GitHub},
}

// withoutOptions makes a Format.Write of a writer without options.
func withoutOptions(write func(io.Writer, *model.Report) error) func(io.Writer, *model.Report, TextOptions) error {
	return func(w io.Writer, r *model.Report, _ TextOptions) error { return write(w, r) }
}

// Formats returns the formats of a report, the default first.
func Formats() []Format { return append([]Format(nil), formats...) }

// RequestFormat is a format of the list of requests.
type RequestFormat struct {
	// Name is the value of --format.
	Name string
	// Extensions are the endings of file names that stand for it, the usual one first.
	Extensions []string
	// New begins a list.
	New func(w io.Writer, opt TextOptions) *RequestsWriter
}

// requestFormats are the formats of the list of requests, the default first.
var requestFormats = []RequestFormat{
	{Name: "tsv", Extensions: []string{".tsv"}, New: withoutTextOptions(NewRequestsTSV)},
	{Name: "json", Extensions: []string{".json", ".jsonl", ".ndjson"}, New: withoutTextOptions(NewRequestsJSON)},
	{Name: TableFormat, Extensions: []string{".txt"}, New: NewRequestsTable},
}

// TableFormat is the name of the format of requests for people.
const TableFormat = "table"

// withoutTextOptions makes a RequestFormat.New of a writer without options.
func withoutTextOptions(new func(io.Writer) *RequestsWriter) func(io.Writer, TextOptions) *RequestsWriter {
	return func(w io.Writer, _ TextOptions) *RequestsWriter { return new(w) }
}

// RequestFormats returns the formats of the list of requests, the default first.
func RequestFormats() []RequestFormat { return append([]RequestFormat(nil), requestFormats...) }
