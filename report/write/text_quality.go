package write

import (
	"fmt"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// checked writes what was compared, and what could not be.
func (t *textReport) checked() {
	t.blank()
	s := &t.r.Summary
	text := "no Kafka requests were seen"
	if s.Findings.Error+s.Findings.Warning > 0 { // otherwise the last line says it
		text += ": nothing was checked"
	}
	switch {
	case s.Requests > 0 && toCheck(s) == 0:
		text = "nothing to check: " + allExempt
	case s.Requests > 0:
		text = fmt.Sprintf("checked %s of %s %s", words.Number(s.RequestsChecked), words.Number(toCheck(s)), words.Noun(toCheck(s), "request"))
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

// quality writes what was not captured completely, unless a finding says it.
func (t *textReport) quality() {
	for _, n := range qualityNotes(t.r) {
		if n.code == "" || !t.hasSingleFinding(n.code) {
			t.item(n.What + ": " + textPhrase(n.Text))
		}
	}
}

func (t *textReport) hasSingleFinding(code string) bool {
	findings := 0
	for i := range t.r.Findings {
		if t.r.Findings[i].Code == code {
			findings++
		}
	}
	return findings == 1
}

// CountTexts returns counts of findings as text, the most severe first: "2 errors", "1 note".
// further precedes errors and warnings. Accepted findings are last.
func CountTexts(n model.SeverityCounts, further string) (texts []string) {
	for _, count := range []struct {
		n    int
		noun string
	}{{n.Error, further + "error"}, {n.Warning, further + "warning"}, {n.Info, "note"}} {
		if count.n > 0 {
			texts = append(texts, words.Plural(uint64(count.n), count.noun))
		}
	}
	if n.Accepted > 0 {
		texts = append(texts, words.Plural(uint64(n.Accepted), "accepted finding"))
	}
	return texts
}

// bottom writes the counts of findings in the last line, in the colour of the highest severity.
func (t *textReport) bottom() {
	f, parts, style := &t.r.Summary.Findings, []string{}, t.style.good
	switch checked := t.r.Summary.RequestsChecked; {
	case f.Error > 0:
		style = t.style.err
	case f.Warning > 0:
		style = t.style.warning
	case checked == 0:
		parts, style = append(parts, "nothing found, because nothing was checked"), t.style.warning
	case f.Accepted > 0:
		parts = append(parts, "nothing new")
	default:
		parts = append(parts, fmt.Sprintf("nothing found in the %s that %s checked", words.Plural(checked, "request"), words.Agree(checked, "was", "were")))
	}
	parts = append(append(parts, CountTexts(*f, "")...), unlisted(t.r)...)
	for _, l := range wrap(strings.Join(parts, ", "), t.width, t.width) {
		t.line(style.Sprint(l))
	}
}
