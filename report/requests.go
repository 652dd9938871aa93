package report

import (
	"bufio"
	"io"
	"net/netip"
	"strconv"

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
	format func(dst []byte, x *decode.Exchange) []byte
	rows   rowHeap
	// bytes is the room that the rows held back take.
	bytes int
	// free are the texts of written rows, to be used again.
	free [][]byte
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
// escaped as by Escape, and a client id that is itself "-" or two quotation
// marks is written as \x2d or \x22\x22. Times are RFC 3339, UTC, with nanoseconds.
func NewRequestsTSV(w io.Writer) *RequestsWriter {
	r := newRequests(w, appendRowTSV)
	_, r.err = r.out.WriteString(tsvHeader)
	return r
}

// NewRequestsJSON writes one JSON object a line with the keys of the columns
// of NewRequestsTSV; null stands for what is not known.
func NewRequestsJSON(w io.Writer) *RequestsWriter { return newRequests(w, appendRowJSON) }

func newRequests(w io.Writer, format func([]byte, *decode.Exchange) []byte) *RequestsWriter {
	return &RequestsWriter{out: bufio.NewWriterSize(w, 64<<10), format: format}
}

// Exchange takes an exchange; x is not kept.
func (r *RequestsWriter) Exchange(x *decode.Exchange) {
	if r.err != nil {
		return
	}
	var text []byte
	if n := len(r.free); n > 0 {
		text, r.free = r.free[n-1], r.free[:n-1]
	}
	text = r.format(text[:0], x)
	r.bytes += cap(text)
	r.rows.push(row{at: x.Request, seq: r.seq, text: text})
	r.seq++
	for len(r.rows) > maxWindowRows || r.bytes > maxWindowBytes {
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

// maxFree bounds the texts kept for use again.
const maxFree = 64

// pop writes the first row.
func (r *RequestsWriter) pop() {
	first := r.rows.pop()
	r.bytes -= cap(first.text)
	if first.at.Before(r.written) {
		r.late++
	} else {
		r.written = first.at
	}
	if r.err == nil {
		_, r.err = r.out.Write(first.text)
	}
	if len(r.free) < maxFree {
		r.free = append(r.free, first.text)
	}
}

// row is a line that waits for its turn.
type row struct {
	at   capture.Position
	seq  uint64
	text []byte
}

// before orders rows by position, those of one packet as they came.
func (r *row) before(o *row) bool {
	if c := comparePositions(r.at, o.at); c != 0 {
		return c < 0
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
	rows[0], rows[last] = rows[last], row{}
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

// tsvHeader is the first line of NewRequestsTSV.
const tsvHeader = "frame\tstream\ttime\tclient\tbroker\tclient_id\tcorrelation_id\tapi_key\tapi\tversion\tmin\tmax\tevidence\tverdict\toutcome\n"

// appendRowTSV appends x as a line of TSV.
func appendRowTSV(dst []byte, x *decode.Exchange) []byte {
	dst = strconv.AppendUint(dst, x.Request.Frame, 10)
	dst = strconv.AppendUint(append(dst, '\t'), uint64(x.Stream), 10)
	dst = x.Request.Timestamp().AppendFormat(append(dst, '\t'), timeLayout)
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
	dst = append(append(dst, '\t'), apiName(x.Key)...)
	dst = strconv.AppendInt(append(dst, '\t'), int64(x.Version), 10)
	if hasRange(x.Verdict) {
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
func appendRowJSON(dst []byte, x *decode.Exchange) []byte {
	dst = strconv.AppendUint(append(dst, `{"frame":`...), x.Request.Frame, 10)
	dst = strconv.AppendUint(append(dst, `,"stream":`...), uint64(x.Stream), 10)
	dst = x.Request.Timestamp().AppendFormat(append(dst, `,"time":"`...), timeLayout)
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
	dst = append(append(dst, `,"api":"`...), apiName(x.Key)...)
	dst = strconv.AppendInt(append(dst, `","version":`...), int64(x.Version), 10)
	if hasRange(x.Verdict) {
		dst = strconv.AppendInt(append(dst, `,"min":`...), int64(x.Advertised.Min), 10)
		dst = strconv.AppendInt(append(dst, `,"max":`...), int64(x.Advertised.Max), 10)
	} else {
		dst = append(dst, `,"min":null,"max":null`...)
	}
	dst = append(append(dst, `,"evidence":"`...), x.Evidence.String()...)
	dst = append(append(dst, `","verdict":"`...), x.Verdict.String()...)
	dst = append(append(dst, `","outcome":"`...), x.Outcome.String()...)
	return append(dst, "\"}\n"...)
}

// appendAddress appends a as IP:port, IPv4 never as mapped IPv6. It holds
// nothing that needs escaping: packets carry no IPv6 zones.
func appendAddress(dst []byte, a netip.AddrPort) []byte {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).AppendTo(dst)
}
