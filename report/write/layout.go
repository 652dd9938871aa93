package write

import (
	"bytes"
	"strings"

	"github.com/fatih/color"
	"github.com/rivo/uniseg"

	"github.com/kafkavet/kafkavet/report/model"
)

// TextOptions configure the layout of text.
type TextOptions struct {
	// Width is the terminal's width in columns; 0 for 100. Lines have 40 to 120 columns.
	Width int
	// Color turns on colours (ANSI escape sequences).
	Color bool
	// Fails reports whether a finding fails the run, for JUnit; nil for none.
	Fails func(*model.Finding) bool
	// Shortfall says why the run fails although no finding does: a capture could not be read, or
	// too few requests were checked. It is for JUnit, GitHub and SARIF; empty for none.
	Shortfall string
	// Rules describe the findings, for SARIF.
	Rules []model.Rule
}

// The widths of text in columns: the default, the smallest that does not split words, and the
// largest that is easy to read.
const (
	defaultWidth = 100
	minWidth     = 40
	maxWidth     = 120
)

// labelColumn is the column of the values of labelled lines.
const labelColumn = 11

// page lays out text. All texts passed to it must be escaped.
type page struct {
	buf   bytes.Buffer
	width int
	style styles
}

// styles are the colours of a page. Each is set independently of the program's standard output.
type styles struct {
	err, warning, info, label, strong, good *color.Color
}

func newPage(opt TextOptions) *page {
	p := &page{width: defaultWidth}
	if opt.Width > 0 {
		p.width = min(max(opt.Width, minWidth), maxWidth)
	}
	style := func(attributes ...color.Attribute) *color.Color {
		c := color.New(attributes...)
		if opt.Color {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c
	}
	p.style = styles{
		err:     style(color.FgRed, color.Bold),
		warning: style(color.FgYellow, color.Bold),
		info:    style(color.FgCyan),
		label:   style(color.Faint),
		strong:  style(color.Bold),
		good:    style(color.FgGreen),
	}
	return p
}

func (p *page) severity(s model.Severity) *color.Color {
	switch s {
	case model.Error:
		return p.style.err
	case model.Warning:
		return p.style.warning
	}
	return p.style.info
}

// line writes s unchanged and ends the line.
func (p *page) line(s string) {
	p.buf.WriteString(strings.TrimRight(s, " "))
	p.buf.WriteByte('\n')
}

func (p *page) blank() { p.buf.WriteByte('\n') }

// paragraph writes wrapped text. first precedes its first line, rest the others, within the width.
func (p *page) paragraph(first, rest, text string) { p.hang(first, displayWidth(first), rest, text) }

// hang is paragraph with a first that may have colors and takes width columns.
func (p *page) hang(first string, width int, rest, text string) {
	for _, l := range wrap(text, p.width-width, p.width-displayWidth(rest)) {
		p.line(first + l)
		first = rest
	}
}

// field writes a labelled value, wrapped.
func (p *page) field(label, text string) {
	if text == "" {
		return
	}
	pad := strings.Repeat(" ", max(labelColumn-2-len(label), 1))
	if label != "" {
		label = p.style.label.Sprint(label)
	}
	p.hang("  "+label+pad, labelColumn, strings.Repeat(" ", labelColumn), text)
}

// item writes a line of a list, wrapped.
func (p *page) item(text string) { p.paragraph("  ", "    ", text) }

func displayWidth(s string) int { return uniseg.StringWidth(s) }

// wrap breaks text at spaces into lines of at most first columns, then rest columns. It splits a
// word that is longer than a line, except a URL, which would become useless.
func wrap(text string, first, rest int) []string {
	var lines []string
	line, used, room := "", 0, max(first, 1)
	next := func() {
		lines, line, used, room = append(lines, line), "", 0, max(rest, 1)
	}
	for _, word := range strings.Split(text, " ") {
		w := displayWidth(word)
		if used > 0 && used+1+w > room {
			next()
		} else if used > 0 {
			line, used = line+" ", used+1
		}
		for w > room-used && !strings.Contains(word, "://") {
			head, tail := splitWidth(word, room-used)
			line, used = line+head, room
			if word, w = tail, displayWidth(tail); word == "" {
				break
			}
			next()
		}
		line, used = line+word, used+w
	}
	return append(lines, line)
}

// splitWidth splits s, which is not empty, after at most width columns, between characters as a
// reader sees them. A character wider than width forms a part of its own.
func splitWidth(s string, width int) (head, tail string) {
	used, at, state := 0, 0, -1
	for rest := s; rest != ""; {
		var cluster string
		var w int
		cluster, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+w > width && at > 0 {
			break
		}
		used, at = used+w, at+len(cluster)
	}
	return s[:at], s[at:]
}
