package write

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown bounds a text from the wire in a line, in bytes before escaping. "..." ends a longer
// one.
const maxShown = 256

// Escape makes a text from the wire safe for a terminal and for one field of one line. It writes
// invisible characters as in a Go string literal (\n, \x1b, \u202e), and a backslash as \\.
// Invisible are control characters, newlines, tabs, line and paragraph separators, bidirectional
// overrides, others that Go does not print, and bytes that are no UTF-8. A text longer than 256
// bytes ends in "...". A text without such characters is returned unchanged.
func Escape(s string) string {
	return escapeLong(bounded(s))
}

// plain reports whether s needs no escaping.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '\\' {
			return plainRunes(s[i:])
		}
	}
	return true
}

func plainRunes(s string) bool {
	for i, r := range s {
		if !shown(r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			return false
		}
	}
	return true
}

// shown reports whether r is written unchanged. unicode.IsPrint excludes control and format
// characters (Cc, Cf), private use, surrogates, and all spaces except U+0020.
func shown(r rune) bool { return r != '\\' && unicode.IsPrint(r) }

func appendEscapedAll(dst []byte, s string) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\x`...)
			dst = append(dst, hexDigits[s[0]>>4], hexDigits[s[0]&15])
		case r == '\\':
			dst = append(dst, `\\`...)
		case shown(r):
			dst = append(dst, s[:n]...)
		default:
			quoted := strconv.AppendQuoteRuneToASCII(nil, r)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		s = s[n:]
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// bounded returns s or, if it is longer, its first maxShown bytes, without splitting a character,
// and "...".
func bounded(s string) string {
	if len(s) <= maxShown {
		return s
	}
	n := maxShown
	for i := 0; i < utf8.UTFMax && !utf8.RuneStart(s[n]); i++ {
		n--
	}
	return s[:n] + "..."
}

// The TSV fields with a special meaning. A text that equals one of them is escaped.
const (
	// tsvUnknown: the value is unknown.
	tsvUnknown = "-"
	// tsvEmpty: the value is empty.
	tsvEmpty = `""`
)

// appendTSV appends s as a field. It escapes s, so the field has no tab and no line end. An empty
// text is "". It also escapes the first character of a text that a spreadsheet would read as a
// formula or as quoted: "=1" is \x3d1, and "-" is \x2d.
func appendTSV(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, tsvEmpty...)
	}
	if c := s[0]; c == '"' || isFormula(s) && c < utf8.RuneSelf && c >= ' ' {
		dst, s = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15]), s[1:]
	} else if isFormula(s) && c >= utf8.RuneSelf {
		first, size := utf8.DecodeRuneInString(s)
		dst, s = fmt.Appendf(dst, `\u%04x`, first), s[size:]
	}
	return appendEscapedAll(dst, bounded(s))
}
