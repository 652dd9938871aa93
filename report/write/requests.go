package write

import (
	"bufio"
	"io"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
)

// The window of a RequestsWriter: exchanges are written in the order of their
// requests, although a request that waits for its answer settles after later
// ones. 50,000 rows of some 180 bytes are 9 MB; maxWindowBytes holds with the
// longest client ids, too. A request that settles more than a window later is
// written late, and counted.
const (
	maxWindowRows  = 50_000
	maxWindowBytes = 16 << 20
)

// RequestsWriter is a decode.Sink that writes a line for every exchange, in
// the order of the packets in which the requests end. Close writes what is
// still held back.
type RequestsWriter struct {
	out    *bufio.Writer
	format func(dst []byte, x *decode.Exchange, a *aside) []byte
	// layout makes the line that is written of one that was held back; nil for the same.
	layout func(line []byte) []byte
	aside  aside
	// rows are the rows held back, texts their lines, free the places in texts without one.
	rows  rowHeap
	texts [][]byte
	free  []uint32
	// bytes is the room that texts takes.
	bytes int
	// seq counts the rows, written is the position of the last one written.
	seq     uint64
	written capture.Position
	late    uint64
	err     error
}

var _ decode.Sink = (*RequestsWriter)(nil)

// newRequests makes a writer of lines. header is written first.
func newRequests(w io.Writer, header string, format func([]byte, *decode.Exchange, *aside) []byte) *RequestsWriter {
	r := &RequestsWriter{out: bufio.NewWriterSize(w, 64<<10), format: format}
	_, r.err = r.out.WriteString(header)
	return r
}

// NameCaptures has each JSON object name the capture of its frame, by the captures' paths in the order of the input. It is to be
// called before the first Exchange.
func (r *RequestsWriter) NameCaptures(paths []string) { r.aside.captures = paths }

// aside is what a row needs besides its exchange.
type aside struct {
	stamp
	captures []string // nil where frames need no capture beside them
}

// Exchange takes an exchange; x is not kept.
func (r *RequestsWriter) Exchange(x *decode.Exchange) {
	if r.err != nil {
		return
	}
	place := r.place()
	held := cap(r.texts[place])
	r.texts[place] = r.format(r.texts[place][:0], x, &r.aside)
	r.bytes += cap(r.texts[place]) - held
	r.rows.push(row{at: x.Request, place: place, seq: r.seq})
	r.seq++
	for len(r.rows) > maxWindowRows || r.bytes > maxWindowBytes && len(r.rows) > 0 {
		r.pop()
	}
}

// Advertisement is of no interest here.
func (r *RequestsWriter) Advertisement(*decode.Advertisement) {}

// Connection is of no interest here.
func (r *RequestsWriter) Connection(*decode.Connection) {}

// Late counts the lines that stand behind one of a later packet, because they
// settled more than a window later.
func (r *RequestsWriter) Late() uint64 { return r.late }

// Close writes what is held back and returns the first error of all writing.
// It does not close the writer below.
func (r *RequestsWriter) Close() error {
	for len(r.rows) > 0 && r.err == nil {
		r.pop()
	}
	if r.err == nil {
		r.err = r.out.Flush()
	}
	return r.err
}

// place returns a place in texts that is free.
func (r *RequestsWriter) place() uint32 {
	if n := len(r.free); n > 0 {
		place := r.free[n-1]
		r.free = r.free[:n-1]
		return place
	}
	r.texts = append(r.texts, nil)
	return uint32(len(r.texts) - 1)
}

// maxSpare is the room of a text that is kept for the next one; a longer one is let go.
const maxSpare = 512

// pop writes the first row.
func (r *RequestsWriter) pop() {
	first := r.rows.pop()
	if first.at.Before(r.written) {
		r.late++
	} else {
		r.written = first.at
	}
	text := r.texts[first.place]
	if r.err == nil {
		line := text
		if r.layout != nil {
			line = r.layout(text)
		}
		_, r.err = r.out.Write(line)
	}
	if cap(text) > maxSpare || r.bytes > maxWindowBytes {
		r.bytes -= cap(text)
		r.texts[first.place] = nil
	}
	r.free = append(r.free, first.place)
}

// row is a line that waits for its turn.
type row struct {
	at    capture.Position
	seq   uint64
	place uint32
}

// before orders rows by position, those of one packet as they came.
func (r *row) before(o *row) bool {
	if r.at.Capture != o.at.Capture || r.at.Frame != o.at.Frame {
		return r.at.Before(o.at)
	}
	return r.seq < o.seq
}

// rowHeap is a binary heap with the first row on top. (container/heap would
// allocate for every row.)
type rowHeap []row

// push takes a row in.
func (h *rowHeap) push(r row) {
	*h = append(*h, r)
	rows := *h
	for i := len(rows) - 1; i > 0; {
		parent := (i - 1) / 2
		if !rows[i].before(&rows[parent]) {
			return
		}
		rows[i], rows[parent] = rows[parent], rows[i]
		i = parent
	}
}

// pop takes the first row off; there must be one.
func (h *rowHeap) pop() row {
	rows := *h
	first, last := rows[0], len(rows)-1
	rows[0] = rows[last]
	rows = rows[:last]
	*h = rows
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(rows); child++ {
			if rows[child].before(&rows[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		rows[i], rows[least] = rows[least], rows[i]
		i = least
	}
}

// stamp writes times; it keeps what the second of the last one looks like.
type stamp struct {
	second int64
	text   []byte
}

// append appends a time in nanoseconds since the Unix epoch as timeLayout has it.
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
