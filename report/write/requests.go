package write

import (
	"bufio"
	"cmp"
	"io"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
)

// The window of a RequestsWriter. Exchanges are written in the order of their requests, but a
// request that waits for its answer is finished after later ones. When maxHeldRows are held, the
// first ones are written until windowRows are left. 75,000 rows of some 180 bytes are 14 MB.
// maxHeldBytes also bounds rows with the longest client ids. A request that is finished more than
// a window later is written late, and counted.
const (
	windowRows   = 50_000
	maxHeldRows  = windowRows * 3 / 2
	maxHeldBytes = 16 << 20
)

// RequestsWriter is a decode.Sink that writes a line for every exchange, ordered by the packets in
// which the requests end. Close writes the held lines.
type RequestsWriter struct {
	out    *bufio.Writer
	format func(dst []byte, x *decode.Exchange, a *rowContext) []byte
	// layout returns the output for a held line; nil for the same.
	layout  func(line []byte) []byte
	context rowContext
	// rows are held. Their texts are in lines. spare is the memory for the next lines.
	rows         []row
	lines, spare []byte
	// seq counts the rows. written is the position of the last one written.
	seq     uint64
	written capture.Position
	late    uint64
	err     error
}

var _ decode.Sink = (*RequestsWriter)(nil)

// newRequests returns a writer of lines. It writes header first.
func newRequests(w io.Writer, header string, format func([]byte, *decode.Exchange, *rowContext) []byte) *RequestsWriter {
	r := &RequestsWriter{out: bufio.NewWriterSize(w, 64<<10), format: format}
	_, r.err = r.out.WriteString(header)
	return r
}

// NameCaptures adds to each JSON object the capture of its frame. paths are the captures in the
// order of the input. It must be called before the first Exchange.
func (r *RequestsWriter) NameCaptures(paths []string) { r.context.captures = paths }

// rowContext is what rows need in addition to their exchange.
type rowContext struct {
	stamp
	captures []string // nil for a single capture
}

// Exchange adds a line. It keeps no reference to x.
func (r *RequestsWriter) Exchange(x *decode.Exchange) {
	if r.err != nil {
		return
	}
	from := len(r.lines)
	r.lines = r.format(r.lines, x, &r.context)
	r.rows = append(r.rows, row{x.Request, r.seq, from, len(r.lines)})
	r.seq++
	if len(r.rows) >= maxHeldRows {
		r.write(maxHeldRows - windowRows)
	} else if len(r.lines) >= maxHeldBytes {
		r.write(len(r.rows) / 2)
	}
}

// Advertisement implements decode.Sink. It does nothing.
func (r *RequestsWriter) Advertisement(*decode.Advertisement) {}

// Connection implements decode.Sink. It does nothing.
func (r *RequestsWriter) Connection(*decode.Connection) {}

// Late returns the number of lines that follow a line of a later packet, because they were
// finished more than a window later.
func (r *RequestsWriter) Late() uint64 { return r.late }

// Close writes the held lines and returns the first error. It does not close the underlying
// writer.
func (r *RequestsWriter) Close() error {
	r.write(len(r.rows))
	if r.err == nil {
		r.err = r.out.Flush()
	}
	return r.err
}

func (r *RequestsWriter) write(n int) {
	slices.SortFunc(r.rows, row.compare)
	for _, first := range r.rows[:n] {
		if first.at.Before(r.written) {
			r.late++
		} else {
			r.written = first.at
		}
		line := r.lines[first.from:first.to]
		if r.layout != nil {
			line = r.layout(line)
		}
		if r.err == nil {
			_, r.err = r.out.Write(line)
		}
	}
	left := r.rows[:0]
	rest := r.spare[:0]
	for _, held := range r.rows[n:] {
		from := len(rest)
		rest = append(rest, r.lines[held.from:held.to]...)
		left = append(left, row{held.at, held.seq, from, len(rest)})
	}
	r.rows, r.lines, r.spare = left, rest, r.lines
}

// row is the held line lines[from:to].
type row struct {
	at       capture.Position
	seq      uint64
	from, to int
}

// compare orders rows by position. Rows of one packet stay in order of arrival.
func (r row) compare(o row) int {
	if r.at.Capture == o.at.Capture && r.at.Frame == o.at.Frame {
		return cmp.Compare(r.seq, o.seq)
	}
	return r.at.Compare(o.at)
}

// stamp formats times. It caches the text of the latest second.
type stamp struct {
	second int64
	text   []byte
}

// append appends a time in nanoseconds since the Unix epoch in timeLayout.
func (s *stamp) append(dst []byte, at int64) []byte {
	second, nanos := at/1e9, at%1e9
	if nanos < 0 {
		second, nanos = second-1, nanos+1e9
	}
	if s.text == nil || second != s.second {
		s.second = second
		s.text = time.Unix(second, 0).UTC().AppendFormat(s.text[:0], "2006-01-02T15:04:05.")
	}
	dst = append(dst, s.text...)
	for unit := int64(1e8); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+nanos/unit%10))
	}
	return append(dst, 'Z')
}
