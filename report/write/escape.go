package write

import (
	"fmt"
	"iter"
	"net/netip"
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
// overrides, others that Go does not print, and bytes that are no UTF-8. A "::" at the beginning
// is \x3a:, and ## is \x23#, because a build server may execute them in its log (GitHub Actions,
// Azure Pipelines). A text longer than 256
// bytes ends in "...". A text without such characters is returned unchanged.
func Escape(s string) string {
	return escapeLong(bounded(s))
}

func plain(s string) bool {
	if isCommand(s) || strings.Contains(s, "##") {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '\\' {
			return plainRunes(s[i:])
		}
	}
	return true
}

// isCommand reports whether s begins like a command of GitHub Actions. IPv6 addresses do so too.
func isCommand(s string) bool {
	if !strings.HasPrefix(s, "::") {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err != nil
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
	if isCommand(s) {
		dst, s = appendHex(dst, s[0]), s[1:]
	}
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = appendHex(dst, s[0])
		case strings.HasPrefix(s, "##"):
			dst = appendHex(dst, s[0])
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

func appendHex(dst []byte, c byte) []byte {
	return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
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
	tsvUnknown = "-"
	tsvEmpty   = `""`
)

// appendTSV appends s as a field. It escapes s, so the field has no tab and no line end. An empty
// text is "". It also escapes a character that a spreadsheet would read as the beginning of a
// formula or of a quoted cell: "=1" is \x3d1, and "-" is \x2d.
func appendTSV(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, tsvEmpty...)
	}
	for cell := range cells(bounded(s), ";,") {
		if c := cell[0]; c == '"' || isFormula(cell) && c < utf8.RuneSelf && c >= ' ' {
			dst, cell = appendHex(dst, c), cell[1:]
		} else if isFormula(cell) && c >= utf8.RuneSelf {
			first, size := utf8.DecodeRuneInString(cell)
			dst, cell = fmt.Appendf(dst, `\u%04x`, first), cell[size:]
		}
		dst = appendEscapedAll(dst, cell)
	}
	return dst
}

// isFormula reports whether a spreadsheet would calculate a cell. Some accept full-width signs.
func isFormula(cell string) bool {
	first, _ := utf8.DecodeRuneInString(cell)
	return strings.ContainsRune("=+-@\t\r＝＋－＠", first)
}

// cells returns the parts of a text that a spreadsheet could read as cells, each with the separator
// behind it. A spreadsheet of some languages expects ";" instead of "," and tab.
func cells(s, separators string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s != "" {
			n := strings.IndexAny(s, separators) + 1
			if n == 0 {
				n = len(s)
			}
			if !yield(s[:n]) {
				return
			}
			s = s[n:]
		}
	}
}
