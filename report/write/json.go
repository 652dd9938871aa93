package write

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/kafkavet/kafkavet/report/model"
)

// Schema is the JSON Schema (2020-12) of what JSON writes.
//
//go:embed schema.json
var Schema []byte

// JSON writes r as one indented JSON object and a newline.
func JSON(w io.Writer, r *model.Report) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(buf.Bytes()))
	return err
}

// escapeJSON replaces characters by \u escapes that a terminal may execute or not show: DEL, C1
// controls, bidirectional overrides, invisible characters. encoding/json already escapes control
// characters below U+0020. In JSON all of these are inside strings, so the value does not change.
func escapeJSON(doc []byte) []byte {
	if safeJSON(doc) {
		return doc
	}
	out := make([]byte, 0, len(doc)+len(doc)/8)
	for len(doc) > 0 {
		r, n := utf8.DecodeRune(doc)
		switch {
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			out = append(out, doc[:n]...)
		case r > 0xffff:
			hi, lo := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			out = appendUnicode(appendUnicode(out, hi), lo)
		default:
			out = appendUnicode(out, r)
		}
		doc = doc[n:]
	}
	return out
}

func safeJSON(doc []byte) bool {
	for _, c := range doc {
		if c >= 0x7f {
			return false
		}
	}
	return true
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
	if len(s) <= maxShown && plain(s) && !bytes.ContainsAny([]byte(s), `"`) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	if len(s) > maxShown {
		s = cutRunes(s, maxShown) + "..."
	}
	quoted, _ := json.Marshal(s) // marshalling a string does not fail
	return append(dst, escapeJSON(quoted)...)
}

// JSONLine writes v as one line of JSON, escaped as in JSON.
func JSONLine(w io.Writer, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(buf.Bytes()))
	return err
}
