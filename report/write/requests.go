package write

import (
	"bufio"
	"io"
	"net/netip"
	"strconv"
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

// NewRequestsTSV writes tab-separated values with a header line:
//
//	frame stream time client broker client_id correlation_id api_key api version min max evidence verdict outcome
//
// "-" stands for what is not known, "" for an empty client id; other texts are
// escaped as by Escape, and so are the first character of a formula (= + - @), and a
// client id of two quotation marks. Times are RFC 3339, UTC, with nanoseconds.
func NewRequestsTSV(w io.Writer) *RequestsWriter {
	r := newRequests(w, appendRowTSV)
	_, r.err = r.out.WriteString(tsvHeader)
	return r
}

// NewRequestsJSON writes one JSON object a line with the keys of the columns
// of NewRequestsTSV; null stands for what is not known. With NameCaptures there is a key "capture", too.
func NewRequestsJSON(w io.Writer) *RequestsWriter { return newRequests(w, appendRowJSON) }

// NameCaptures has each JSON object name the capture of its frame, by the captures' paths in the order of the input. It is to be
// called before the first Exchange.
func (r *RequestsWriter) NameCaptures(paths []string) { r.aside.captures = paths }

// aside is what a row needs besides its exchange.
type aside struct {
	stamp
	captures []string // nil where frames need no capture beside them
}

func newRequests(w io.Writer, format func([]byte, *decode.Exchange, *aside) []byte) *RequestsWriter {
	return &RequestsWriter{out: bufio.NewWriterSize(w, 64<<10), format: format}
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
		_, r.err = r.out.Write(text)
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

// tsvHeader is the first line of NewRequestsTSV.
const tsvHeader = "frame\tstream\ttime\tclient\tbroker\tclient_id\tcorrelation_id\tapi_key\tapi\tversion\tmin\tmax\tevidence\tverdict\toutcome\n"

// appendRowTSV appends x as a line of TSV.
func appendRowTSV(dst []byte, x *decode.Exchange, t *aside) []byte {
	dst = strconv.AppendUint(dst, x.Request.Frame, 10)
	dst = strconv.AppendUint(append(dst, '\t'), uint64(x.Request.Stream), 10)
	dst = t.append(append(dst, '\t'), x.Request.Time)
	dst = appendAddress(append(dst, '\t'), x.Client)
	dst = appendAddress(append(dst, '\t'), x.Broker)
	dst = append(dst, '\t')
	if x.HasClientID {
		dst = appendTSV(dst, x.ClientID)
	} else {
		dst = append(dst, tsvUnknown...)
	}
	dst = strconv.AppendInt(append(dst, '\t'), int64(x.CorrelationID), 10)
	dst = strconv.AppendInt(append(dst, '\t'), int64(x.Key), 10)
	dst = append(append(dst, '\t'), decode.APIName(x.Key)...)
	dst = strconv.AppendInt(append(dst, '\t'), int64(x.Version), 10)
	if x.Verdict.HasRange() {
		dst = strconv.AppendInt(append(dst, '\t'), int64(x.Advertised.Min), 10)
		dst = strconv.AppendInt(append(dst, '\t'), int64(x.Advertised.Max), 10)
	} else {
		dst = append(dst, "\t"+tsvUnknown+"\t"+tsvUnknown...)
	}
	dst = append(append(dst, '\t'), x.Evidence.String()...)
	dst = append(append(dst, '\t'), x.Verdict.String()...)
	dst = append(append(dst, '\t'), x.Outcome.String()...)
	return append(dst, '\n')
}

// appendRowJSON appends x as a JSON object and a newline.
func appendRowJSON(dst []byte, x *decode.Exchange, t *aside) []byte {
	dst = strconv.AppendUint(append(dst, `{"frame":`...), x.Request.Frame, 10)
	dst = strconv.AppendUint(append(dst, `,"stream":`...), uint64(x.Request.Stream), 10)
	dst = t.append(append(dst, `,"time":"`...), x.Request.Time)
	dst = appendAddress(append(dst, `","client":"`...), x.Client)
	dst = appendAddress(append(dst, `","broker":"`...), x.Broker)
	dst = append(dst, `","client_id":`...)
	if x.HasClientID {
		dst = appendJSONString(dst, x.ClientID)
	} else {
		dst = append(dst, "null"...)
	}
	dst = strconv.AppendInt(append(dst, `,"correlation_id":`...), int64(x.CorrelationID), 10)
	dst = strconv.AppendInt(append(dst, `,"api_key":`...), int64(x.Key), 10)
	dst = append(append(dst, `,"api":"`...), decode.APIName(x.Key)...)
	dst = strconv.AppendInt(append(dst, `","version":`...), int64(x.Version), 10)
	if x.Verdict.HasRange() {
		dst = strconv.AppendInt(append(dst, `,"min":`...), int64(x.Advertised.Min), 10)
		dst = strconv.AppendInt(append(dst, `,"max":`...), int64(x.Advertised.Max), 10)
	} else {
		dst = append(dst, `,"min":null,"max":null`...)
	}
	dst = append(append(dst, `,"evidence":"`...), x.Evidence.String()...)
	dst = append(append(dst, `","verdict":"`...), x.Verdict.String()...)
	dst = append(append(dst, `","outcome":"`...), x.Outcome.String()...)
	if n := int(x.Request.Capture); n < len(t.captures) {
		dst = appendJSONString(append(dst, `","capture":`...), t.captures[n])
		return append(dst, "}\n"...)
	}
	return append(dst, "\"}\n"...)
}

// appendAddress appends a as IP:port, IPv4 never as mapped IPv6. It holds
// nothing that needs escaping: packets carry no IPv6 zones.
func appendAddress(dst []byte, a netip.AddrPort) []byte {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).AppendTo(dst)
}
