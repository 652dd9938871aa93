package write

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kafkavet/kafkavet/decode"
)

type tableColumn struct {
	name string
	// isNumber: it is right-aligned.
	isNumber bool
	append   func(dst []byte, x *decode.Exchange, t *rowContext) []byte
}

// tableColumns are the columns of the table, the most important first: a terminal may be too
// narrow.
var tableColumns = []tableColumn{
	{"FRAME", true, sameColumn("frame")},
	{"STREAM", true, sameColumn("stream")},
	{"TIME (UTC)", false, func(dst []byte, x *decode.Exchange, t *rowContext) []byte {
		const month, millisecond = 5, 23 // 2026-11-22T15:35:04.110513000Z
		from := len(dst)
		dst = t.append(dst, x.Request.Time)
		n := copy(dst[from:], dst[from+month:from+millisecond])
		dst[from+len("11-22")] = ' '
		return dst[:from+n]
	}},
	{"REQUEST", false, func(dst []byte, x *decode.Exchange, _ *rowContext) []byte {
		return strconv.AppendInt(append(append(dst, decode.APIName(x.Key)...), " v"...), int64(x.Version), 10)
	}},
	{"ADVERTISED", false, func(dst []byte, x *decode.Exchange, _ *rowContext) []byte {
		if !x.Verdict.HasRange() {
			return append(dst, tsvUnknown...)
		}
		dst = strconv.AppendInt(append(dst, 'v'), int64(x.Advertised.Min), 10)
		return strconv.AppendInt(append(dst, " to v"...), int64(x.Advertised.Max), 10)
	}},
	{"VERDICT", false, sameColumn("verdict")},
	{"OUTCOME", false, sameColumn("outcome")},
	{"MS", true, sameColumn("milliseconds")},
	{"CLIENT ID", false, sameColumn("client_id")},
	{"CLIENT", false, sameColumn("client")},
	{"BROKER", false, sameColumn("broker")},
	{"ANSWER", true, sameColumn("response_frame")},
	{"ERROR", true, sameColumn("error_code")},
	{"SIZE", true, sameColumn("response_size")},
}

// sameColumn returns the append function of a column of TSV.
func sameColumn(name string) func([]byte, *decode.Exchange, *rowContext) []byte {
	for i := range requestColumns {
		if c := &requestColumns[i]; c.name == name {
			return c.appendTSV
		}
	}
	panic("no column " + name)
}

// NewRequestsTable returns a writer of an aligned table for people. Columns are as wide as their
// widest held value. Except in long captures, all values are held. With opt.Width above 0, lines
// end at that width.
func NewRequestsTable(w io.Writer, opt TextOptions) *RequestsWriter {
	t := &requestsTable{width: opt.Width}
	header := make([]string, 0, len(tableColumns))
	for _, c := range tableColumns {
		header = append(header, c.name)
		t.widths = append(t.widths, len(c.name))
	}
	r := newRequests(w, "", t.row)
	r.layout = func(line []byte) []byte {
		if t.hasHeader {
			return t.align(line)
		}
		t.hasHeader = true
		first := bytes.Clone(t.align([]byte(strings.Join(header, "\t") + "\n")))
		return append(first, t.align(line)...)
	}
	return r
}

type requestsTable struct {
	// width is that of the terminal in columns, 0 for any. widths are those of the columns.
	width     int
	widths    []int
	hasHeader bool
	buf       []byte
}

// row appends the cells of a line, separated by tabs.
func (t *requestsTable) row(dst []byte, x *decode.Exchange, s *rowContext) []byte {
	for i := range tableColumns {
		if i > 0 {
			dst = append(dst, '\t')
		}
		from := len(dst)
		dst = tableColumns[i].append(dst, x, s)
		t.widths[i] = max(t.widths[i], cellWidth(dst[from:]))
	}
	return append(dst, '\n')
}

func cellWidth(cell []byte) int {
	if utf8.RuneCount(cell) == len(cell) { // ASCII: control characters are escaped
		return len(cell)
	}
	return displayWidth(string(cell))
}

// align returns a line with its cells padded to the column widths.
func (t *requestsTable) align(line []byte) []byte {
	t.buf = t.buf[:0]
	for i := range tableColumns {
		cell, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))
		line = rest
		pad := max(t.widths[i]-cellWidth(cell), 0)
		if i > 0 {
			t.buf = append(t.buf, "  "...)
		}
		if tableColumns[i].isNumber {
			t.buf = append(t.buf, strings.Repeat(" ", pad)...)
			pad = 0
		}
		t.buf = append(append(t.buf, cell...), strings.Repeat(" ", pad)...)
	}
	t.buf = bytes.TrimRight(t.buf, " ")
	if t.width > 0 && cellWidth(t.buf) > t.width {
		head, _ := splitWidth(string(t.buf), t.width-1)
		t.buf = append(append(t.buf[:0], head...), ellipsis...)
	}
	return append(t.buf, '\n')
}
