package write

import (
	"strings"
	"unicode/utf8"

	"github.com/kafkavet/kafkavet/report/words"
)

// part is a part of a sentence in a document (Markdown, HTML).
type part struct {
	// Text is the text as it is, not yet escaped.
	Text string
	// Verbatim: it is a name, an address, a value, and is shown as one, in a
	// code span. Everything from the wire is.
	Verbatim bool
}

// phrase is a sentence of words and verbatim parts. The writers escape it, each
// in its way.
type phrase []part

// verbatim marks a text that is shown as it is.
type verbatim string

// say makes a phrase of words (string) and verbatim parts (verbatim); other
// phrases are taken in. An empty verbatim text is shown as "".
func say(parts ...any) phrase {
	out := make(phrase, 0, len(parts))
	for _, given := range parts {
		switch p := given.(type) {
		case string:
			out = append(out, part{Text: p})
		case verbatim:
			out = append(out, part{Text: shorten(string(p)), Verbatim: true})
		case phrase:
			out = append(out, p...)
		}
	}
	return out
}

func textPhrase(p phrase) string {
	var b strings.Builder
	for _, part := range p {
		b.WriteString(escapeLong(part.Text))
	}
	return b.String()
}

// join puts separator between phrases.
func join(phrases []phrase, separator string) phrase {
	var out phrase
	for i, p := range phrases {
		if i > 0 {
			out = append(out, part{Text: separator})
		}
		out = append(out, p...)
	}
	return out
}

// maxVerbatim bounds, in characters before escaping, how much of a name a
// document shows: client ids, software names and host names are far shorter,
// and a longer one would push everything else off the page.
const maxVerbatim = 96

// shorten is s, its middle left out where it is longer than maxVerbatim: of a
// path or a generated client id both ends matter.
func shorten(s string) string {
	if len(s) <= maxVerbatim {
		return s
	}
	runes := utf8.RuneCountInString(s)
	if runes <= maxVerbatim {
		return s
	}
	head := byteOffset(s, maxVerbatim*2/3)
	tail := byteOffset(s, runes-(maxVerbatim-maxVerbatim*2/3-1))
	return s[:head] + ellipsis + s[tail:]
}

// maxTitle bounds, in characters, a heading that may hold names from the wire.
const maxTitle = 240

// clip is s, or its first n characters with an ellipsis.
func clip(s string, n int) string {
	if len(s) > n {
		if end := byteOffset(s, n); end < len(s) {
			return s[:end] + ellipsis
		}
	}
	return s
}

// ellipsis stands where something was left out.
const ellipsis = "…"

// byteOffset is where the n-th character of s begins, from 0. A byte that is
// no UTF-8 counts as a character.
func byteOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// some are the first n verbatim texts, with a count of the others: "a, b and 3 more".
func some(texts []string, n int, omitted uint64) phrase {
	n = min(n, len(texts))
	omitted += uint64(len(texts) - n)
	parts := make([]phrase, 0, n)
	for _, t := range texts[:n] {
		parts = append(parts, say(verbatim(t)))
	}
	out := join(parts, ", ")
	if omitted > 0 {
		out = append(out, part{Text: " and " + words.Number(omitted) + " more"})
	}
	return out
}
