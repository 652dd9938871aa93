package write

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// GitHub, GitLab and Jira interpret a text differently. On GitHub, a backslash does not stop @user
// from notifying or #1 from linking. Jira shows an entity as text. Only a code span is left
// unchanged by all of them. So verbatim text, and every word that could have a meaning, becomes a
// code span.

// mdCode returns s as a code span with one meaning, both inside and outside a table. Backtick and
// pipe become \x60 and \x7c: a renderer splits cells before it finds code spans, and renderers
// count backslashes differently. Spaces at the ends, which a renderer removes, become \x20. An
// empty text becomes "".
func mdCode(s string) string {
	if s == "" {
		return "`\"\"`"
	}
	escaped := escapeLong(s)
	head := len(escaped) - len(strings.TrimLeft(escaped, " "))
	escaped = escaped[head:]
	tail := len(escaped) - len(strings.TrimRight(escaped, " "))
	escaped = escaped[:len(escaped)-tail]
	return "`" + strings.Repeat(`\x20`, head) + mdInCode.Replace(escaped) + strings.Repeat(`\x20`, tail) + "`"
}

var mdInCode = strings.NewReplacer("`", `\x60`, "|", `\x7c`)

// maxProse bounds, in characters before escaping, a sentence that may contain names from the wire.
// Our own text in it is shorter than 500 characters.
const maxProse = 1500

// mdProse returns one of our sentences as Markdown. Names from the wire in it, and all other words
// that could have a meaning, become code spans.
func mdProse(s string) string {
	words := strings.Split(truncate(s, maxProse), " ")
	for i, w := range words {
		words[i] = mdWord(w)
	}
	return strings.Join(words, " ")
}

// mdWord returns a word of a sentence. A word with a meaning to any renderer becomes a code span,
// without the punctuation around it.
func mdWord(w string) string {
	if w == "" || harmless(w) {
		return w
	}
	core := strings.TrimLeft(w, `("'`)
	head := w[:len(w)-len(core)]
	core = strings.TrimRight(core, `.,;:)"'?`)
	tail := w[len(head)+len(core):]
	if core == "" {
		return mdCode(w)
	}
	return head + mdCode(core) + tail
}

// harmless reports whether every renderer shows w as plain text.
func harmless(w string) bool {
	// w may begin a line. At its end, =, - and + need a letter or digit before them: alone they
	// begin a list or an underline.
	begins := false
	for i, r := range w {
		switch {
		case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9':
			begins = true
		case r >= utf8.RuneSelf && r != utf8.RuneError && unicode.IsPrint(r):
		case strings.ContainsRune(`.,;()'"/?`, r):
		case r == ':' && (i == len(w)-1 || digit(w, i-1) && digit(w, i+1)):
		case strings.ContainsRune(`=-+`, r) && (begins || i < len(w)-1):
		default:
			return false
		}
	}
	return !linked.MatchString(w)
}

func digit(w string, i int) bool { return i >= 0 && i < len(w) && '0' <= w[i] && w[i] <= '9' }

// linked matches words that renderers turn into links: bare host names, commit hashes, GH-1
// (GitHub).
var linked = regexp.MustCompile(`(?i)www\.|\bgh-\d|\b[0-9a-f]{7,}\b`)

// mdPhrase returns a phrase as Markdown. It separates adjacent code spans, because two backticks
// in a row have another meaning.
func mdPhrase(p phrase) string {
	out := ""
	for _, s := range p {
		text := ""
		if s.Verbatim {
			text = mdCode(s.Text)
		} else {
			text = mdProse(s.Text)
		}
		if strings.HasSuffix(out, "`") && strings.HasPrefix(text, "`") {
			out += " "
		}
		out += text
	}
	return out
}

// mdLink returns a link, or only the text if the address is not a web page. text must be escaped.
func mdLink(text, address string) string {
	target, ok := webLink(address)
	if !ok {
		return text
	}
	return "[" + text + "](" + target + ")"
}

// maxLink bounds the length of a link in bytes.
const maxLink = 500

// webLink returns the address of a web page. It percent-encodes all that could end a link in
// Markdown.
func webLink(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(address) > maxLink {
		return "", false
	}
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>[]\\`|\"'*_@", c) >= 0 {
			b.WriteByte('%')
			b.WriteString(strings.ToUpper(string([]byte{hexDigits[c>>4], hexDigits[c&15]})))
			continue
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// mdFence returns a block of code. Its fence is longer than any in the code.
func mdFence(language, code string) string {
	fence := "```"
	for strings.Contains(code, fence) {
		fence += "`"
	}
	return fence + language + "\n" + code + "\n" + fence + "\n"
}
