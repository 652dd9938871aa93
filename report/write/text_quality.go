package write

import (
	"fmt"
	"strings"

	"github.com/kafkavet/kafkavet/report/words"
)

// checked says what was compared with what, and what could not be.
func (t *textReport) checked() {
	t.blank()
	s := &t.r.Summary
	text := "no Kafka requests were seen: nothing was checked"
	if s.Requests > 0 {
		text = fmt.Sprintf("checked %s of %s %s", words.Number(s.RequestsChecked), words.Number(toCheck(s)), word(toCheck(s), "request"))
		one, parts := sources(s, "seen on their own connection", "borrowed from another connection to the same broker")
		switch {
		case one != "":
			text += " against ranges " + one
		case len(parts) > 0:
			text += " against ranges: " + words.List(parts)
		}
		if s.RequestsExempt > 0 {
			text += "; " + exemptText(s)
		}
	}
	t.paragraph("", "  ", text)
	if s := t.r.Supplied; s != nil {
		t.item(escapeLong("supplied: " + suppliedText(s)))
	}
}

// quality says what was not seen, or not as it should be, as far as no finding says it.
func (t *textReport) quality() {
	for _, n := range qualityNotes(t.r) {
		if n.code == "" || !t.isSaidByOne(n.code) {
			t.item(n.What + ": " + textPhrase(n.Text))
		}
	}
}

// isSaidByOne reports whether a single finding has the code.
func (t *textReport) isSaidByOne(code string) bool {
	findings := 0
	for i := range t.r.Findings {
		if t.r.Findings[i].Code == code {
			findings++
		}
	}
	return findings == 1
}

// bottom counts the findings in the last line, in the colour of the gravest.
func (t *textReport) bottom() {
	f, parts, style := &t.r.Summary.Findings, []string{}, t.style.good
	switch checked := t.r.Summary.RequestsChecked; {
	case f.Error > 0:
		style = t.style.err
	case f.Warning > 0:
		style = t.style.warning
	case checked == 0:
		parts, style = append(parts, "nothing found, because nothing was checked"), t.style.warning
	default:
		parts = append(parts, fmt.Sprintf("nothing found in the %s that %s checked", words.Plural(checked, "request"), wasWere(checked)))
	}
	for _, count := range []struct {
		n    int
		noun string
	}{{f.Error, "error"}, {f.Warning, "warning"}, {f.Info, "note"}} {
		if count.n > 0 {
			parts = append(parts, words.Plural(uint64(count.n), count.noun))
		}
	}
	parts = append(parts, unlisted(t.r)...)
	for _, l := range wrap(strings.Join(parts, ", "), t.width, t.width) {
		t.line(style.Sprint(l))
	}
}

// word is noun, in the plural unless n is 1.
func word(n uint64, noun string) string {
	text := words.Plural(n, noun)
	return text[strings.IndexByte(text, ' ')+1:]
}

// isAre, itThem and wasWere agree with a number.
func isAre(n uint64) string   { return one(n, "is", "are") }
func itThem(n uint64) string  { return one(n, "it", "them") }
func wasWere(n uint64) string { return one(n, "was", "were") }

// one is singular for 1, and many otherwise.
func one(n uint64, singular, many string) string {
	if n == 1 {
		return singular
	}
	return many
}
