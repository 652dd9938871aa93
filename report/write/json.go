package write

import (
	"cmp"
	_ "embed"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/kafkavet/kafkavet/report/model"
)

// Schema is the JSON Schema (2020-12) of what JSON writes.
//
//go:embed schema.json
var Schema []byte

// JSON writes r as one indented JSON object and a newline.
func JSON(w io.Writer, r *model.Report) error {
	return encodeJSON(w, r, "  ")
}

// JSONLine writes v as one line of JSON, escaped as by JSON.
func JSONLine(w io.Writer, v any) error { return encodeJSON(w, v, "") }

// encodeJSON writes v, as encoding/json does, and a newline, without a copy of the text: that of a
// fleet has 100 MB. Without an indent it is one line.
func encodeJSON(w io.Writer, v any, indent string) error {
	opt := []json.Options{jsonv1.DefaultOptionsV1(), jsontext.EscapeForHTML(false)}
	if indent != "" {
		opt = append(opt, jsontext.WithIndent(indent))
	}
	e := &escaper{w: w}
	if err := json.MarshalWrite(e, v, opt...); err != nil {
		return cmp.Or(e.err, err) // the writer's own error
	}
	_, err := e.Write([]byte{'\n'})
	return err
}

// escaper writes JSON with escapeJSON.
type escaper struct {
	w io.Writer
	// rest is the beginning of a character that the next Write completes.
	rest []byte
	err  error
}

// Write implements io.Writer.
func (e *escaper) Write(p []byte) (int, error) {
	doc := append(e.rest, p...)
	end := len(doc)
	for i := end - 1; i >= max(0, end-utf8.UTFMax); i-- {
		if utf8.RuneStart(doc[i]) {
			if !utf8.FullRune(doc[i:]) {
				end = i
			}
			break
		}
	}
	_, e.err = e.w.Write(escapeJSON(doc[:end]))
	e.rest = slices.Clone(doc[end:])
	return len(p), e.err
}

// escapeJSON replaces characters by \u escapes that a terminal may execute or not show: DEL, C1
// controls, bidirectional overrides, invisible characters. encoding/json already escapes control
// characters below U+0020. In JSON all of these are inside strings, so the value does not change.
func escapeJSON(doc []byte) []byte {
	if !slices.ContainsFunc(doc, func(c byte) bool { return c >= 0x7f }) {
		return doc
	}
	out := make([]byte, 0, len(doc)+len(doc)/8)
	for len(doc) > 0 {
		r, n := utf8.DecodeRune(doc)
		switch {
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			out = append(out, doc[:n]...)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = appendUnicode(appendUnicode(out, hi), lo)
		default:
			out = appendUnicode(out, r)
		}
		doc = doc[n:]
	}
	return out
}

// appendUnicode appends r, which is below U+10000, as \uXXXX.
func appendUnicode(dst []byte, r rune) []byte {
	dst = append(dst, `\u`...)
	for shift := 12; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[r>>shift&15])
	}
	return dst
}

// appendJSONString appends s as a JSON string: valid UTF-8, with the same escapes as escapeJSON.
func appendJSONString(dst []byte, s string) []byte {
	if s = bounded(s); plain(s) && !strings.Contains(s, `"`) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	quoted, _ := jsonv1.Marshal(s) // marshalling a string does not fail
	return append(dst, escapeJSON(quoted)...)
}
