package write

import (
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
)

// requestColumn is a column of the list of requests.
type requestColumn struct {
	name string
	// isText: in JSON it is a string.
	isText bool
	// append appends the value, or nothing where it is unknown. It holds nothing that must be escaped.
	append func(dst []byte, x *decode.Exchange, t *rowContext) []byte
	// text is a value from the wire, in the place of append; ok is false where it is unknown.
	text func(x *decode.Exchange) (value string, ok bool)
}

// requestColumns are the columns of TSV and the keys of JSON. New ones go last.
var requestColumns = []requestColumn{
	{name: "frame", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.Request.Frame), true })},
	{name: "stream", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.Request.Stream), true })},
	{name: "time", isText: true, append: func(dst []byte, x *decode.Exchange, t *rowContext) []byte { return t.append(dst, x.Request.Time) }},
	{name: "client", isText: true, append: func(dst []byte, x *decode.Exchange, _ *rowContext) []byte { return appendAddress(dst, x.Client) }},
	{name: "broker", isText: true, append: func(dst []byte, x *decode.Exchange, _ *rowContext) []byte { return appendAddress(dst, x.Broker) }},
	{name: "client_id", text: func(x *decode.Exchange) (string, bool) { return x.ClientID, x.HasClientID }},
	{name: "correlation_id", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.CorrelationID), true })},
	{name: "api_key", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.Key), true })},
	{name: "api", isText: true, append: word(func(x *decode.Exchange) string { return decode.APIName(x.Key) })},
	{name: "version", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.Version), true })},
	{name: "min", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.Advertised.Min), x.Verdict.HasRange() })},
	{name: "max", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.Advertised.Max), x.Verdict.HasRange() })},
	{name: "evidence", isText: true, append: word(func(x *decode.Exchange) string { return x.Evidence.String() })},
	{name: "verdict", isText: true, append: word(func(x *decode.Exchange) string { return x.Verdict.String() })},
	{name: "outcome", isText: true, append: word(func(x *decode.Exchange) string { return x.Outcome.String() })},
	{name: "response_frame", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.Decided.Frame), x.IsAnswered() })},
	{name: "error_code", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.ErrorCode), x.HasErrorCode() })},
	{name: "milliseconds", append: func(dst []byte, x *decode.Exchange, _ *rowContext) []byte {
		if !x.IsAnswered() {
			return dst
		}
		return strconv.AppendFloat(dst, float64(x.Took.Microseconds())/1000, 'f', 3, 64)
	}},
	{name: "response_size", append: integer(func(x *decode.Exchange) (int64, bool) { return int64(x.ResponseSize), x.IsAnswered() })},
}

// integer is the append of a number; ok is false where it is unknown.
func integer(of func(x *decode.Exchange) (n int64, ok bool)) func([]byte, *decode.Exchange, *rowContext) []byte {
	return func(dst []byte, x *decode.Exchange, _ *rowContext) []byte {
		if n, ok := of(x); ok {
			dst = strconv.AppendInt(dst, n, 10)
		}
		return dst
	}
}

// word is the append of one of our own words.
func word(of func(x *decode.Exchange) string) func([]byte, *decode.Exchange, *rowContext) []byte {
	return func(dst []byte, x *decode.Exchange, _ *rowContext) []byte { return append(dst, of(x)...) }
}

// NewRequestsTSV writes tab-separated values with a header line:
//
//	frame stream time client broker client_id correlation_id api_key api version min max evidence verdict outcome
//	response_frame error_code milliseconds response_size
//
// "-" stands for what is not known, "" for an empty client id; other texts are
// escaped as by Escape, as are the first character of a formula (= + - @) and a client id of two quotation
// marks: \x3d, \x22\x22. Times are RFC 3339, UTC, with nanoseconds.
func NewRequestsTSV(w io.Writer) *RequestsWriter {
	names := make([]string, 0, len(requestColumns))
	for _, c := range requestColumns {
		names = append(names, c.name)
	}
	return newRequests(w, strings.Join(names, "\t")+"\n", appendRowTSV)
}

func appendRowTSV(dst []byte, x *decode.Exchange, t *rowContext) []byte {
	for i := range requestColumns {
		if i > 0 {
			dst = append(dst, '\t')
		}
		dst = requestColumns[i].appendTSV(dst, x, t)
	}
	return append(dst, '\n')
}

func (c *requestColumn) appendTSV(dst []byte, x *decode.Exchange, t *rowContext) []byte {
	if c.text != nil {
		if value, ok := c.text(x); ok {
			return appendTSV(dst, value)
		}
		return append(dst, tsvUnknown...)
	}
	before := len(dst)
	if dst = c.append(dst, x, t); len(dst) == before {
		dst = append(dst, tsvUnknown...)
	}
	return dst
}

// NewRequestsJSON writes one JSON object a line with the keys of the columns
// of NewRequestsTSV; null stands for what is not known. With NameCaptures there is a key "capture", too.
func NewRequestsJSON(w io.Writer) *RequestsWriter { return newRequests(w, "", appendRowJSON) }

func appendRowJSON(dst []byte, x *decode.Exchange, t *rowContext) []byte {
	dst = append(dst, '{')
	for i := range requestColumns {
		c := &requestColumns[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), c.name...), '"', ':')
		dst = c.appendJSON(dst, x, t)
	}
	if n := int(x.Request.Capture); n < len(t.captures) {
		dst = appendJSONString(append(dst, `,"capture":`...), t.captures[n])
	}
	return append(dst, '}', '\n')
}

func (c *requestColumn) appendJSON(dst []byte, x *decode.Exchange, t *rowContext) []byte {
	if c.text != nil {
		if value, ok := c.text(x); ok {
			return appendJSONString(dst, value)
		}
		return append(dst, "null"...)
	}
	before := len(dst)
	if c.isText {
		dst = append(dst, '"')
	}
	begin := len(dst)
	if dst = c.append(dst, x, t); len(dst) == begin {
		return append(dst[:before], "null"...)
	}
	if c.isText {
		dst = append(dst, '"')
	}
	return dst
}

// appendAddress appends a as IP:port, IPv4 never as mapped IPv6. It holds
// nothing that needs escaping: packets carry no IPv6 zones.
func appendAddress(dst []byte, a netip.AddrPort) []byte {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).AppendTo(dst)
}
