package write

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What GitHub, GitLab and Jira make of a text differs: a backslash does not
// keep GitHub from notifying an @user or from linking a #1, an entity is shown
// as such by Jira. The one thing that all of them leave alone is a code span.
// So verbatim text and every word that could mean something goes into one.

// mdCode is s as a code span that means the same inside and outside a table.
// Backtick and pipe are written as \x60 and \x7c, since a table's cells are
// split before its code spans are found and backslashes are counted
// differently by different renderers; spaces at the ends, which a renderer strips,
// as \x20; an empty text as "".
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

// maxProse bounds, in characters before escaping, a sentence that may hold
// names from the wire. Ours are shorter than 500 characters.
const maxProse = 1500

// mdProse is a sentence of ours as Markdown. It may hold names from the wire:
// words that could mean something are put into code spans.
func mdProse(s string) string {
	words := strings.Split(clip(s, maxProse), " ")
	for i, w := range words {
		words[i] = mdWord(w)
	}
	return strings.Join(words, " ")
}

// mdWord is a word of a sentence: as it is where it means nothing to any
// renderer, and in a code span otherwise, without the punctuation around it.
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

// harmless reports whether no renderer takes w for anything but a word.
func harmless(w string) bool {
	// A line may begin with it: of lists and underlines only those with a letter or a digit are.
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

// linked matches words that some renderer makes a link of without being asked:
// bare host names, commit hashes, GitHub's GH-1.
var linked = regexp.MustCompile(`(?i)www\.|\bgh-\d|\b[0-9a-f]{7,}\b`)

// mdPhrase is a phrase as Markdown. Code spans that would touch are kept
// apart: two backticks in a row mean something else.
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

// mdLink is a link, or the text alone where the address is not one of a web
// page. The text is put in escaped already.
func mdLink(text, address string) string {
	target, ok := webLink(address)
	if !ok {
		return text
	}
	return "[" + text + "](" + target + ")"
}

// maxLink bounds the length of a link in bytes.
const maxLink = 500

// webLink is address if it leads to a web page, with everything
// percent-encoded that could end a link in Markdown.
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

// mdFence is a block of code, with a fence longer than any in it.
func mdFence(language, code string) string {
	fence := "```"
	for strings.Contains(code, fence) {
		fence += "`"
	}
	return fence + language + "\n" + code + "\n" + fence + "\n"
}
