package write

import (
	"strings"
	"unicode/utf8"

	"github.com/kafkavet/kafkavet/report/words"
)

// part is a part of a sentence in a document (Markdown, HTML).
type part struct {
	// Text is the text before escaping.
	Text string
	// Verbatim: it is a name, an address or a value, or from the wire. It becomes a code span.
	Verbatim bool
}

// phrase is a sentence of words and verbatim parts. Each writer escapes it in its own way.
type phrase []part

type verbatim string

// say returns a phrase of words (string), verbatim parts (verbatim) and other phrases. An empty
// verbatim text is shown as "".
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

// maxVerbatim bounds, in characters before escaping, the length of a name in a document. Client
// ids, software names and host names are far shorter. A longer name would hide everything else on
// the page.
const maxVerbatim = 96

// shorten removes the middle of s if it is longer than maxVerbatim. Both ends of a path or a
// generated client id are important.
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

// maxTitle bounds, in characters, a heading that may contain names from the wire.
const maxTitle = 240

// truncate returns s, or its first n characters with an ellipsis.
func truncate(s string, n int) string {
	if len(s) > n {
		if end := byteOffset(s, n); end < len(s) {
			return s[:end] + ellipsis
		}
	}
	return s
}

// ellipsis marks omitted text.
const ellipsis = "…"

// byteOffset returns the offset of the n-th character of s, counted from 0. A byte that is no
// UTF-8 counts as a character.
func byteOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// some returns the first n verbatim texts, with a count of the others: "a, b and 3 more".
func some(texts []string, n int) phrase {
	n = min(n, len(texts))
	parts := make([]phrase, 0, n)
	for _, t := range texts[:n] {
		parts = append(parts, say(verbatim(t)))
	}
	out := join(parts, ", ")
	if more := len(texts) - n; more > 0 {
		out = append(out, part{Text: " and " + words.Number(uint64(more)) + " more"})
	}
	return out
}
