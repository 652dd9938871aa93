package write

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The limits of a Markdown report in bytes. GitHub accepts 65,536 characters in an issue or a
// comment; 60,000 leave space for the text of its author. A text never has fewer bytes than
// characters. The parts other than findings have budgets, and the findings get the remaining
// bytes:
//
//	head, captures, coverage        5,000
//	the target, if there is one     8,000
//	clients and APIs               12,000
//	brokers                         5,000
//	capture quality                 6,000
//	how to reproduce                6,000
//	findings                       18,000 at the least
const (
	maxMarkdown          = 60_000
	maxMarkdownHead      = 5_000
	maxMarkdownTarget    = 8_000
	maxMarkdownClients   = 12_000
	maxMarkdownBrokers   = 5_000
	maxMarkdownQuality   = 6_000
	maxMarkdownReproduce = 6_000
)

const (
	// maxMarkdownOccurrences is how many occurrences of a finding are listed.
	maxMarkdownOccurrences = 5
	// maxMarkdownOpen is how many findings are shown unfolded.
	maxMarkdownOpen = 5
	// maxMarkdownFull is how many findings are shown in full. Each later one is a row of a table.
	maxMarkdownFull = 20
	// markdownTail is reserved for the sentences that count omitted findings: one line for each of
	// some 20 codes, and a heading.
	markdownTail = 2_500
)

// Markdown writes r as Markdown for a ticket in GitHub, GitLab or Jira, at most 60,000 characters.
// It counts what does not fit. Text from the wire is in code spans, so it cannot format, link or
// notify.
func Markdown(w io.Writer, r *model.Report) error {
	m := &markdown{r: r, ranges: newBrokerRanges(r), titles: titles(r.Findings)}
	head := m.part(maxMarkdownHead, m.head) + m.part(maxMarkdownTarget, m.target)
	after := []string{
		m.part(maxMarkdownClients, m.clients),
		m.part(maxMarkdownBrokers, m.brokers),
		m.part(maxMarkdownQuality, m.quality),
		m.part(maxMarkdownReproduce, m.reproduce),
	}
	room := maxMarkdown - len(head)
	for _, text := range after {
		room -= len(text)
	}
	findings := m.part(room, m.findings)
	_, err := io.WriteString(w, head+findings+strings.Join(after, ""))
	return err
}

type markdown struct {
	r      *model.Report
	ranges *brokerRanges
	titles []string
	// buf is the current part. left is the rest of its budget in bytes.
	buf  strings.Builder
	left int
}

// part returns one part, written within a budget in bytes.
func (m *markdown) part(budget int, write func()) string {
	m.buf.Reset()
	m.left = budget
	write()
	return m.buf.String()
}

func (m *markdown) put(text string) bool {
	if len(text) > m.left {
		return false
	}
	m.left -= len(text)
	m.buf.WriteString(text)
	return true
}

// putLeaving is put, but leaves reserve bytes for later text.
func (m *markdown) putLeaving(reserve int, text string) bool {
	return len(text)+reserve <= m.left && m.put(text)
}

// head writes what happened, where it was captured and what was checked.
func (m *markdown) head() {
	m.put("## " + mdProse(truncate(headline(m.r), maxTitle)) + "\n\n")
	course, others := afterHeadline(m.r)
	if course != "" {
		m.put(mdProse(course) + ".\n\n")
	}
	if others != "" {
		m.put("Also: " + mdProse(others) + ".\n\n")
	}
	rest := m.totals()
	for i := range m.r.Captures {
		line := "- " + mdPhrase(capturePhrase(&m.r.Captures[i])) + "\n"
		if i == maxNotes || !m.putLeaving(len(rest)+rowsTail, line) {
			m.put(fmt.Sprintf("- and %s\n", words.Plural(uint64(len(m.r.Captures)-i), "more capture")))
			break
		}
	}
	m.put(rest)
}

// totals describes the amount of input and the tool, in a few hundred bytes.
func (m *markdown) totals() string {
	s := &m.r.Summary
	text := fmt.Sprintf("- %s%s; %s", words.Plural(s.Streams, "TCP connection"), kafkaText(s, words.Number(s.KafkaStreams)), words.Plural(s.Requests, "Kafka request"))
	if p := evidencePhrase(m.r); len(p) > 0 {
		text += "\n- " + mdPhrase(p)
	}
	return text + "\n- " + mdPhrase(join(coverage(m.r), " ")) + "\n" +
		"- Found by " + mdCode(shorten(strings.TrimSpace(m.r.Tool.Name+" "+m.r.Tool.Version))) + "\n\n"
}

// findings writes the first findings in full, then one line each, then counts.
func (m *markdown) findings() {
	all := m.r.Findings
	if len(all) == 0 {
		return
	}
	m.put("### Findings\n\n")
	shown := 0
	for shown < len(all) && shown < maxMarkdownFull {
		text := m.finding(shown)
		if shown >= maxMarkdownOpen || isNote(m.r, &all[shown]) {
			text = folded(html.EscapeString(summaryOf(&all[shown], shown+1)), text)
		}
		if !m.putLeaving(markdownTail+m.left/3, text) {
			break
		}
		shown++
	}
	m.shortFindings(shown)
}

// shortFindings writes the findings from an index on as one line each, and counts the others.
func (m *markdown) shortFindings(from int) {
	all := m.r.Findings
	if from == len(all) {
		return
	}
	m.put("#### Further findings\n\n" + mdHead("Code", "What", "Client", "Broker", "Times", "First frame"))
	shown := from
	for ; shown < len(all); shown++ {
		f := &all[shown]
		frame := "–"
		if len(f.Occurrences) > 0 {
			frame = fmt.Sprint(f.Occurrences[0].Frame)
		}
		row := mdRow(f.Code+" "+mdWord(f.Title)+acceptedText(f), mdProse(truncate(f.Message, maxTitle)),
			mdCell(clientPhrase(f.Client)), mdCell(brokerPhrase(f.Broker, f.Behind, "")), words.Number(f.Count), frame)
		if !m.putLeaving(markdownTail, row) {
			break
		}
	}
	m.put("\n")
	if left := all[shown:]; len(left) > 0 {
		m.put(fmt.Sprintf("%s for which there is no room here (`kafkavet analyze --format json` has all):\n\n", words.UpperFirst(words.Plural(uint64(len(left)), "more finding"))))
		for _, c := range countCodes(left) {
			m.put(fmt.Sprintf("- %s %s %s: %s, in all %s\n", c.Severity, c.Code, mdWord(c.Title), words.Plural(c.Findings, "finding"), words.Plural(c.Count, "occurrence")))
		}
		m.put("\n")
	}
}

func mdCell(p phrase) string {
	if len(p) == 0 {
		return "–"
	}
	return mdPhrase(p)
}

// summaryOf names a finding in one line without text from the wire.
func summaryOf(f *model.Finding, number int) string {
	text := fmt.Sprintf("%d. %s %s", number, f.Code, f.Title)
	if requestText(f) != "" {
		text += ": " + requestText(f)
	}
	if f.Advertised != nil {
		text += ", advertised " + f.Advertised.Text()
	}
	return text + ", " + words.Times(f.Count)
}

func (m *markdown) finding(i int) string {
	f := &m.r.Findings[i]
	var b strings.Builder
	fmt.Fprintf(&b, "#### %d. %s %s, %s: %s\n\n", i+1, f.Code, mdWord(f.Title)+acceptedText(f), f.Severity, mdProse(truncate(m.titles[i], maxTitle)))
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "- **%s:** %s\n", label, text)
		}
	}
	for _, row := range statements(m.r, f) {
		line(row.Name, mdPhrase(row.Text))
	}
	m.knownIssue(f, line)
	b.WriteString("\n")
	b.WriteString(m.occurrences(f))
	return b.String()
}

func (m *markdown) knownIssue(f *model.Finding, line func(label, text string)) {
	k := f.KnownIssue
	if k == nil {
		line("What to do", mdProse(f.Advice))
		for _, c := range f.Commands {
			line("For "+mdProse(c.For), mdCode(c.Run))
		}
		return
	}
	line("Known issue", mdLink(mdProse(k.Title), k.URL)+mdProse(matchText(k)))
	if k.FixedIn != "" {
		line("Fixed in", mdCode(shorten(k.FixedIn)))
	}
	line("What to do", mdProse(remedy(f)))
}

// occurrences lists the first occurrences of a finding with display filters.
func (m *markdown) occurrences(f *model.Finding) string {
	if len(f.Occurrences) == 0 {
		return ""
	}
	first := f.Occurrences[:min(len(f.Occurrences), maxMarkdownOccurrences)]
	var b strings.Builder
	fmt.Fprintf(&b, "%s, with Wireshark display filters%s:\n\n", words.UpperFirst(firstOf(m.r, uint64(len(first)), f.Count)), mdProse(filterHint(m.r, f)))
	columns := m.occurrenceColumns(first)
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	b.WriteString(mdHead(names...))
	for i := range first {
		var cells []string
		for _, c := range columns {
			cells = append(cells, c.cell(&first[i]))
		}
		b.WriteString(mdRow(cells...))
	}
	b.WriteString("\n")
	if len(f.Occurrences) > 1 {
		b.WriteString(mdPhrase(allPackets(m.r, f)) + ":\n\n" + mdFence("", framesFilter(f.Occurrences)) + "\n")
	}
	if where, filter := inEvidence(m.r, f); len(where) > 0 {
		b.WriteString("In the evidence, " + mdPhrase(where) + ":\n\n" + mdFence("", filter) + "\n")
	}
	return b.String()
}

type occurrenceColumn struct {
	name    string
	isShown bool
	cell    func(o *model.Occurrence) string
}

func (m *markdown) occurrenceColumns(list []model.Occurrence) []occurrenceColumn {
	hasProof := slices.ContainsFunc(list, func(o model.Occurrence) bool { return o.InEvidence != nil })
	hasDetail := slices.ContainsFunc(list, func(o model.Occurrence) bool { return detailPhrase(&o) != nil })
	return slices.DeleteFunc([]occurrenceColumn{
		{"Frame", true, func(o *model.Occurrence) string { return fmt.Sprint(o.Frame) }},
		{"Stream", true, func(o *model.Occurrence) string { return fmt.Sprint(o.Stream) }},
		{"In the evidence", hasProof, func(o *model.Occurrence) string { return cmp.Or(evidencePlace(o), "–") }},
		{"Time (UTC)", true, func(o *model.Occurrence) string { return clockText(o.Time) }},
		{"Client", true, func(o *model.Occurrence) string { return mdCell(addressPhrase(o.Client)) }},
		{"Outcome", true, func(o *model.Occurrence) string { return mdCell(outcomePhrase(o.Outcome)) }},
		{"Display filter", true, func(o *model.Occurrence) string { return mdCode(occurrenceFilter(o)) }},
		{"Capture", len(m.r.Captures) > 1, func(o *model.Occurrence) string { return mdCell(captureName(m.r, o.Capture)) }},
		{"Detail", hasDetail, func(o *model.Occurrence) string { return mdCell(detailPhrase(o)) }},
	}, func(c occurrenceColumn) bool { return !c.isShown })
}

// folded returns text that a click opens. A viewer without HTML shows only its two lines of
// markup. title must not contain text from the wire.
func folded(title, text string) string {
	return "<details>\n<summary>" + title + "</summary>\n\n" + strings.TrimRight(text, "\n") + "\n\n</details>\n\n"
}
