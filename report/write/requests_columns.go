package write

import (
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
)

type requestColumn struct {
	name string
	// isText: the value is a string in JSON.
	isText bool
	// append appends the value, or nothing if it is unknown. The value needs no escaping.
	append func(dst []byte, x *decode.Exchange, t *rowContext) []byte
	// text returns a value from the wire, instead of append. ok is false if it is unknown.
	text func(x *decode.Exchange) (value string, ok bool)
}

// requestColumns are the columns of TSV and the keys of JSON. New ones are added at the end.
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

// integer returns an append function for a number. ok is false if it is unknown.
func integer(of func(x *decode.Exchange) (n int64, ok bool)) func([]byte, *decode.Exchange, *rowContext) []byte {
	return func(dst []byte, x *decode.Exchange, _ *rowContext) []byte {
		if n, ok := of(x); ok {
			dst = strconv.AppendInt(dst, n, 10)
		}
		return dst
	}
}

// word returns an append function for one of our own words.
func word(of func(x *decode.Exchange) string) func([]byte, *decode.Exchange, *rowContext) []byte {
	return func(dst []byte, x *decode.Exchange, _ *rowContext) []byte { return append(dst, of(x)...) }
}

// NewRequestsTSV returns a writer of tab-separated values with a header line:
//
//	frame stream time client broker client_id correlation_id api_key api version min max evidence verdict outcome
//	response_frame error_code milliseconds response_size
//
// An unknown value is "-", an empty client id is "". Other texts are escaped as by Escape. The
// first character of a formula (= + - @) or of quoted text is also escaped: \x3d, \x22. Times are
// RFC 3339, UTC, with nanoseconds.
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

// NewRequestsJSON returns a writer of one JSON object a line, with the columns of NewRequestsTSV
// as keys. An unknown value is null. NameCaptures adds the key "capture".
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

// appendAddress appends a as IP:port, and never IPv4 as mapped IPv6. It needs no escaping, because
// packets have no IPv6 zones.
func appendAddress(dst []byte, a netip.AddrPort) []byte {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).AppendTo(dst)
}
