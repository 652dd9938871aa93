package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// statusLine is the last line at a terminal, which shows how things stand. All
// that is written to standard error goes through it, so that it never stands
// in the middle of something else. Any goroutine may call it.
type statusLine struct {
	out  io.Writer
	size func() (width int, ok bool)

	mu    sync.Mutex
	shown int // columns, 0 for no line
}

// newStatusLine shows a line on w if that is a terminal and quiet is false.
func newStatusLine(w io.Writer, quiet bool) *statusLine {
	l := &statusLine{out: w, size: func() (int, bool) { return 0, false }}
	if f, ok := w.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		l.size = func() (int, bool) {
			width, _, err := term.GetSize(int(f.Fd()))
			return width, err == nil && width > 1
		}
	}
	return l
}

// Write writes to standard error, above the line.
func (l *statusLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	return l.out.Write(p)
}

// hide takes the line away until it is shown again.
func (l *statusLine) hide() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

// show draws the line anew.
func (l *statusLine) show(c liveCounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	width, ok := l.size()
	if !ok {
		return
	}
	text := statusText(c, width-1)               // the last column would make some terminals wrap
	_, _ = io.WriteString(l.out, l.erase()+text) // a picture for the eye: nothing is lost with it
	l.shown = len(text)
}

// clear erases the line.
func (l *statusLine) clear() {
	if l.shown > 0 {
		_, _ = io.WriteString(l.out, l.erase())
		l.shown = 0
	}
}

// erase is what removes the line from the terminal. A terminal that became
// narrower has broken it into several rows (ECMA-48: CUU, ED).
func (l *statusLine) erase() string {
	up := ""
	if width, ok := l.size(); ok && l.shown > width {
		up = fmt.Sprintf("\x1b[%dA", (l.shown-1)/width)
	}
	return "\r" + up + "\x1b[J"
}

// statusText is the line, in ASCII. What matters most stands last, and stays
// where there is no room for everything.
func statusText(c liveCounts, room int) string {
	parts := []string{
		counted(c.Packets, "packet"), fmt.Sprintf("%s (%s open)", counted(c.Connections, "connection"), grouped(c.Open)),
		counted(c.Requests, "request"),
	}
	var findings []string
	for _, f := range []struct {
		n    int
		noun string
	}{{c.Findings.Error, "error"}, {c.Findings.Warning, "warning"}, {c.Findings.Info, "note"}} {
		if f.n > 0 {
			findings = append(findings, counted(uint64(f.n), f.noun))
		}
	}
	if findings == nil {
		findings = []string{"no findings"}
	}
	parts = append(parts, strings.Join(findings, ", "))
	if c.Dropped > 0 {
		parts = append(parts, grouped(c.Dropped)+" DROPPED")
	} else {
		parts = append(parts, "none dropped")
	}
	text := strings.Join(parts, ", ")
	for ; len(text) > room && len(parts) > 1; text = strings.Join(parts, ", ") {
		parts = parts[1:]
	}
	return text[:min(len(text), room)]
}

// counted is a number with its noun.
func counted(n uint64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(n) + " " + noun
}

// grouped is a number with its thousands set apart.
func grouped(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
