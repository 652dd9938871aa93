package write

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// Rules writes a line for each rule: code, severity, title and when it fires.
func Rules(w io.Writer, rules []model.Rule, opt TextOptions) error {
	p := newPage(opt)
	title := 0
	for i := range rules {
		title = max(title, len(rules[i].Title))
	}
	for i := range rules {
		p.ruleLine(&rules[i], title)
	}
	p.blank()
	p.paragraph("", "", "kafkavet explain CODE describes one of them.")
	_, err := w.Write(p.buf.Bytes())
	return err
}

// minSummary is the smallest width, in columns, for the summary of a rule after its title.
const minSummary = 24

// ruleLine writes a line of the list of rules. title is the width of titles in columns.
func (p *page) ruleLine(r *model.Rule, title int) {
	indent := len(r.Code) + len("  warning  ") + title + len("  ")
	lead := p.style.strong.Sprint(r.Code) + "  " + p.severity(r.Severity).Sprintf("%-7s", r.Severity) + fmt.Sprintf("  %-*s  ", title, r.Title)
	if p.width-indent < minSummary {
		p.line(lead)
		p.item(r.Summary)
		return
	}
	p.hang(lead, indent, strings.Repeat(" ", indent), r.Summary)
}

// Rule writes the documentation of a rule. name is its code or title, in upper or lower case.
func Rule(w io.Writer, rules []model.Rule, name string, opt TextOptions) error {
	r, err := findRule(rules, name)
	if err != nil {
		return err
	}
	p := newPage(opt)
	p.line(p.style.strong.Sprint(r.Code) + " " + r.Title + " (" + p.severity(r.Severity).Sprint(r.Severity.String()) + ")")
	p.paragraph("", "", r.Summary)
	for _, part := range documentation(r) {
		p.blank()
		p.line(p.style.strong.Sprint(part.title))
		p.paragraph("  ", "  ", part.text)
	}
	_, err = w.Write(p.buf.Bytes())
	return err
}

func findRule(rules []model.Rule, name string) (*model.Rule, error) {
	for i := range rules {
		if strings.EqualFold(name, rules[i].Code) || strings.EqualFold(name, rules[i].Title) {
			return &rules[i], nil
		}
	}
	codes := make([]string, len(rules))
	for i := range rules {
		codes[i] = rules[i].Code
	}
	return nil, fmt.Errorf("%s: no such finding; there are %s", Escape(name), strings.Join(codes, ", "))
}

// RulesMarkdown writes the reference page of all rules: docs/findings.md.
func RulesMarkdown(w io.Writer, rules []model.Rule) error {
	var b strings.Builder
	b.WriteString("# Findings\n\n" +
		"This page is printed by `kafkavet explain --markdown`. Do not edit it: `make golden` writes it.\n\n" +
		"A code is never renumbered and never reused.\n\n")
	b.WriteString(mdHead("code", "severity", "when"))
	for i := range rules {
		r := &rules[i]
		b.WriteString(mdRow(fmt.Sprintf("[%s](%s) %s", r.Code, rulesAnchor(r), r.Title), r.Severity.String(), mdProse(r.Summary)))
	}
	for i := range rules {
		r := &rules[i]
		fmt.Fprintf(&b, "\n## %s %s\n\n%s: %s.\n", r.Code, r.Title, r.Severity, mdProse(r.Summary))
		for _, part := range documentation(r) {
			fmt.Fprintf(&b, "\n**%s.** %s\n", part.title, mdProse(part.text))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rulesAnchor returns the anchor of a rule in RulesMarkdown, as the end of a link.
func rulesAnchor(r *model.Rule) string { return "#" + strings.ToLower(r.Code) + "-" + r.Title }

type rulePart struct{ title, text string }

// documentation returns the parts of a rule's documentation in reading order.
func documentation(r *model.Rule) []rulePart {
	return []rulePart{
		{"What it is", r.Documentation.What},
		{"Why it matters", r.Documentation.Why},
		{"On the wire", r.Documentation.Wire},
		{"What to do", r.Documentation.Do},
	}
}

// responseOf matches the beginning of the source of a recorded table.
var responseOf = regexp.MustCompile(`^ApiVersions v[0-9]+ response of `)

// shortSource removes the text that all sources have in common.
func shortSource(source string) string {
	return strings.TrimSuffix(responseOf.ReplaceAllString(source, ""), " with its default configuration")
}

// References lists the known releases with the source of their tables, one line each.
func References(w io.Writer) error {
	var b strings.Builder
	tables := decode.Tables()
	names, width := make([]string, len(tables)), 0
	for i, t := range tables {
		names[i] = t.Name()
		width = max(width, len(names[i]))
	}
	for i, t := range tables {
		fmt.Fprintf(&b, "%-*s  recorded  %2d APIs  %s\n", width, names[i], len(t.Ranges.APIs), Escape(shortSource(t.Source)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
