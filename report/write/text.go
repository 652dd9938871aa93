// Package write writes reports for people and programs: as text (Text), JSON, Markdown for a
// ticket, one HTML page, and the list of requests as TSV or JSON lines (NewRequestsTSV,
// NewRequestsJSON). It also writes the text of explain and --target list.
//
// A writer needs only a complete model.Report. The writers of requests are decode.Sinks. Each
// belongs to one goroutine. Text from the wire is escaped here (Escape). An output counts what
// would make it too long; named constants near each writer are the limits.
package write

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The limits of the text. The JSON form has everything.
const (
	// maxTextFindings is how many findings of a code are shown. Nobody reads more, of eight lines
	// each.
	maxTextFindings = 20
	// maxTextDetails is how many details of a finding are shown (changes of ranges, TLS sessions).
	maxTextDetails = 3
	// maxTextCaptures is how many captures are listed individually.
	maxTextCaptures = 20
)

// Text writes r for people, at a terminal or in a file. It escapes all text from the wire
// (Escape).
func Text(w io.Writer, r *model.Report, opt TextOptions) error {
	t := &textReport{page: newPage(opt), r: r, dated: spansDays(r)}
	t.header()
	t.findings()
	t.target()
	t.checked()
	t.quality()
	t.bottom()
	_, err := w.Write(t.buf.Bytes())
	return err
}

type textReport struct {
	*page
	r *model.Report
	// dated: times have their date, because the captures span several days (UTC).
	dated bool
	// helped is the advice that was listed last.
	helped string
}

// spansDays reports whether the captures span more than one day, or their days are unknown.
func spansDays(r *model.Report) bool {
	first, last := model.InputSpan(r.Captures)
	return first == nil || first.UTC().Format(time.DateOnly) != last.UTC().Format(time.DateOnly)
}

func (t *textReport) header() {
	totals := t.totals()
	if p := evidencePhrase(t.r); len(p) > 0 {
		defer t.paragraph("", "  ", textPhrase(p))
	}
	switch n := len(t.r.Captures); {
	case n == 0:
		t.paragraph("", "  ", totals)
	case n == 1:
		c := &t.r.Captures[0]
		t.paragraph("", "  ", Escape(c.Path)+": "+words.Plural(c.Packets, "packet")+", "+totals)
		t.captureTime(c.First, c.Last)
		t.captureProblem(c)
	default:
		t.captures()
		first, last := model.InputSpan(t.r.Captures)
		t.paragraph("", "  ", "together: "+totals)
		t.captureTime(first, last)
	}
}

func (t *textReport) captures() {
	for i := range t.r.Captures {
		c := &t.r.Captures[i]
		if i >= maxTextCaptures && c.Problem == "" {
			continue
		}
		text := words.Plural(c.Packets, "packet")
		if c.Packets == 0 && c.Problem != "" {
			text = "not read"
		}
		t.paragraph("", "  ", Escape(c.Path)+": "+text)
		t.captureProblem(c)
	}
	if n := len(t.r.Captures); n > maxTextCaptures {
		t.line(fmt.Sprintf("%d captures in all, those with a problem among them are listed", n))
	}
}

func (t *textReport) captureTime(first, last *model.Time) {
	if first == nil || last == nil {
		return
	}
	t.paragraph("", "  ", fmt.Sprintf("%s to %s UTC, %s", momentText(*first), endText(*first, *last), words.Humane(time.Duration(*last-*first))))
}

func (t *textReport) captureProblem(c *model.Capture) {
	if c.Problem == "" && !c.Torn {
		return
	}
	text := Escape(strings.TrimPrefix(c.Problem, "read capture "+c.Path+": "))
	if c.Torn {
		text = strings.TrimSuffix("torn, analyzed up to there: "+text, ": ")
	}
	t.hang("  "+t.style.warning.Sprint("!")+" ", 4, "    ", text)
}

func (t *textReport) totals() string {
	s := &t.r.Summary
	text := words.Plural(s.Streams, "connection")
	if s.Streams > s.KafkaStreams {
		text += kafkaText(s, words.OrNone(s.KafkaStreams))
	}
	if n := len(t.r.Brokers); n > 0 && s.KafkaStreams > 0 {
		text += " to " + words.Plural(uint64(n), "broker")
	}
	return text + ", " + words.Plural(s.Requests, "request")
}

// kafkaText says how many of a report's connections are Kafka. Encrypted ones may be, too.
func kafkaText(s *model.Summary, kafka string) (text string) {
	of := "them"
	if s.EncryptedStreams > 0 {
		text, of = fmt.Sprintf(", %s encrypted", words.Number(s.EncryptedStreams)), "the others"
	}
	if s.KafkaStreams == 0 && s.EncryptedStreams == s.Streams {
		return text
	}
	return text + fmt.Sprintf(", %s of %s Kafka", kafka, of)
}

// findings writes all findings, the most severe first, code by code.
func (t *textReport) findings() {
	for all := t.r.Findings; len(all) > 0; {
		n := 1
		for n < len(all) && all[n].Code == all[0].Code {
			n++
		}
		for i := range all[:min(n, maxTextFindings)] {
			if i == 0 || all[i].Severity > model.Info {
				t.blank()
			}
			t.finding(&all[i])
		}
		t.hidden(all[0].Code, n-min(n, maxTextFindings))
		all = all[n:]
	}
}

func (t *textReport) hidden(code string, n int) {
	if n > 0 {
		t.paragraph("", "  ", fmt.Sprintf("and %s of %s (--format json has all)", words.Plural(uint64(n), "more finding"), code))
	}
}

func (t *textReport) finding(f *model.Finding) {
	t.headline(f)
	if f.Severity == model.Info {
		t.brief(f)
		return
	}
	t.field("client", t.client(f))
	t.field("broker", t.broker(f))
	if f.Advertised != nil || f.Code == model.CodeNotAdvertised || f.IsOnTarget() {
		t.field("range", advertisedText(f))
	}
	t.first(f)
	t.field("also", t.also(f))
	t.proof(f)
	t.details(f)
	if f.IsOnTarget() {
		t.field("today", then(f))
	} else {
		t.field("then", then(f))
	}
	t.field("said", Message(f.Greeting))
	t.field("why", escapeLong(f.Why))
	t.field("excluded", escapeLong(excludedText(t.r, f)))
	t.advice(f)
}

// headline writes severity, code, title and message, and the count at the right end.
func (t *textReport) headline(f *model.Finding) {
	count := words.Times(f.Count)
	if f.Severity == model.Info && f.APIKey == nil {
		count = "" // the message has the number of connections
	}
	lead := fmt.Sprintf("%s %s %s: ", f.Severity, f.Code, f.Title+acceptedText(f))
	message := escapeLong(f.Message)
	if f.Severity > model.Info {
		message = escapeLong(title(f))
	}
	lines := wrap(message, t.width-len(lead), t.width-2)
	used := displayWidth(lines[len(lines)-1])
	if len(lines) == 1 {
		used += len(lead)
	} else {
		used += 2
	}
	right := ""
	if room := t.width - used - len(count); room >= 2 && count != "" {
		right = strings.Repeat(" ", room) + t.style.strong.Sprint(count)
	} else if f.Count > 1 && count != "" {
		lines = wrap(message+", "+count, t.width-len(lead), t.width-2)
	}
	prefix := t.severity(f.Severity).Sprint(f.Severity.String()) + " " + t.style.strong.Sprint(f.Code) + " " + f.Title + acceptedText(f) + ": "
	for _, l := range lines[:len(lines)-1] {
		t.line(prefix + l)
		prefix = "  "
	}
	t.line(prefix + lines[len(lines)-1] + right)
}

// escapeLong escapes one of our texts. Each part of it from the wire must be short already.
func escapeLong(s string) string {
	if plain(s) {
		return s
	}
	return string(appendEscapedAll(nil, s))
}

// Message escapes a line like Escape, but whole and without its backslashes: parts of it are
// already escaped. A line end becomes "; ".
func Message(s string) string {
	parts := strings.Split(strings.ReplaceAll(s, "\n", "; "), `\`)
	for i := range parts {
		parts[i] = escapeLong(parts[i])
	}
	return strings.Join(parts, `\`)
}

// brief writes the important parts of an info finding.
func (t *textReport) brief(f *model.Finding) {
	t.commands(f)
	parts := []string{}
	if f.Client != nil {
		parts = append(parts, t.client(f))
	}
	if f.Broker != "" {
		parts = append(parts, "broker "+Escape(f.Broker))
	}
	if len(f.Occurrences) > 0 {
		parts = append(parts, fmt.Sprintf("first %s, stream %d", t.frame(&f.Occurrences[0]), f.Occurrences[0].Stream))
	}
	if len(parts) > 0 {
		t.item(strings.Join(parts, ", "))
	}
	t.sessions(f)
}

// encryptedCode is the code of connections that were not decrypted.
const encryptedCode = "KV9001"

// commands lists what helps to decrypt connections, once for all findings with the same advice.
func (t *textReport) commands(f *model.Finding) {
	if f.Code != encryptedCode || t.helped == f.Advice {
		return
	}
	t.helped = f.Advice
	t.item("help: " + escapeLong(f.Advice))
	for _, c := range f.Commands {
		t.item(escapeLong(c.For) + ":")
		for _, l := range shellLines(escapeLong(c.Run), t.width-6) {
			t.line("      " + l)
		}
	}
}

// shellLines breaks a command at blanks into lines of at most width columns, one line for a shell.
func shellLines(command string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(command) {
		switch {
		case line == "":
			line = word
		case displayWidth(line)+1+displayWidth(word)+len(continued) <= width:
			line += " " + word
		default:
			lines = append(lines, line+continued)
			line = word
		}
	}
	return append(lines, line)
}

// continued ends a line of a command that the next line continues.
const continued = " \\"

// sessions lists the prefaces and the TLS sessions of a finding.
func (t *textReport) sessions(f *model.Finding) {
	listed := 0
	for i := range f.Occurrences {
		o := &f.Occurrences[i]
		if parts := sessionPhrases(o); len(parts) > 0 && listed < maxTextDetails {
			listed++
			t.item(fmt.Sprintf("stream %d: %s", o.Stream, textPhrase(join(parts, ", "))))
		}
	}
}

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

// News writes n for people: a new finding as Text does, a repeated one as one line. Times have a
// date.
func News(w io.Writer, n *model.News, opt TextOptions) error {
	t := &textReport{page: newPage(opt), r: &model.Report{}, dated: true}
	f := &n.Finding
	if n.First {
		t.finding(f)
	} else {
		text := escapeLong(f.Message)
		if f.Client != nil {
			text += ", " + t.client(f)
		}
		if f.Broker != "" {
			text += " to " + Escape(f.Broker)
		}
		text = fmt.Sprintf("%s more, %s in all: %s", words.Number(n.More), words.Number(f.Count), text)
		lead := fmt.Sprintf("%s %s again: ", f.Severity, f.Code)
		t.hang(t.severity(f.Severity).Sprint(f.Severity.String())+" "+t.style.strong.Sprint(f.Code)+" again: ", len(lead), "  ", text)
	}
	_, err := w.Write(t.buf.Bytes())
	return err
}
