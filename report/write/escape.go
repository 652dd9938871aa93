package write

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown bounds, in bytes before escaping, how much of a text from the wire
// a line of output shows. What is longer ends in "..." .
const maxShown = 256

// Escape makes a text from the wire fit for a terminal and for one field of one line. What cannot
// be seen is written as in a Go string literal (\n, \x1b, \u202e), a backslash as \\: control
// characters, newlines, tabs, line and paragraph separators, bidirectional overrides, other
// invisible characters, and bytes that are no UTF-8. What is longer than 256 bytes ends in "...".
// A text with nothing to escape is returned as it is.
func Escape(s string) string {
	if len(s) <= maxShown && plain(s) {
		return s
	}
	return string(appendEscaped(nil, s))
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

// plainRunes is plain for text beyond ASCII.
func plainRunes(s string) bool {
	for i, r := range s {
		if !shown(r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			return false
		}
	}
	return true
}

// shown reports whether r is written as it is. unicode.IsPrint leaves out
// control and format characters (Cc, Cf), private use, surrogates, and all
// spaces but U+0020.
func shown(r rune) bool { return r != '\\' && unicode.IsPrint(r) }

// appendEscaped appends what is shown of s, escaped.
func appendEscaped(dst []byte, s string) []byte {
	if len(s) <= maxShown {
		return appendEscapedAll(dst, s)
	}
	return append(appendEscapedAll(dst, cutRunes(s, maxShown)), "..."...)
}

// appendEscapedAll appends all of s, escaped.
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

// cutRunes is the beginning of s, at most n bytes, that does not split a character.
func cutRunes(s string, n int) string {
	for i := 0; i < utf8.UTFMax && n > 0 && !utf8.RuneStart(s[n]); i++ {
		n--
	}
	return s[:n]
}

// The fields of TSV that stand for something else than their text. A text that
// looks like one of them is written with escapes.
const (
	// tsvUnknown: not known.
	tsvUnknown = "-"
	// tsvEmpty: known to be empty.
	tsvEmpty = `""`
)

// appendTSV appends s as a field: escaped, so that it holds no tab and no line
// end; an empty text as "", a text that is `""` itself as \x22\x22, so that each field
// has one meaning. The first character of what a spreadsheet would take for a formula
// is escaped, too: "=1" is \x3d1, and a text that is "-" is \x2d.
func appendTSV(dst []byte, s string) []byte {
	switch s {
	case "":
		return append(dst, tsvEmpty...)
	case tsvEmpty:
		return append(dst, `\x22\x22`...)
	}
	if c := s[0]; isFormula(s) && c < utf8.RuneSelf && c >= ' ' {
		dst, s = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15]), s[1:]
	} else if isFormula(s) && c >= utf8.RuneSelf {
		first, size := utf8.DecodeRuneInString(s)
		dst, s = fmt.Appendf(dst, `\u%04x`, first), s[size:]
	}
	return appendEscaped(dst, s)
}
