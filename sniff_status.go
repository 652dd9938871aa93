package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/kafkavet/kafkavet/report/words"
	"github.com/kafkavet/kafkavet/report/write"
)

// statusLine shows the current counts in the last line of a terminal. All writes to standard error
// go through it, so they never mix. Any goroutine may call it.
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

// hide removes the line until it is shown again.
func (l *statusLine) hide() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

func (l *statusLine) show(c liveCounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	width, ok := l.size()
	if !ok {
		return
	}
	text := statusText(c, width-1)               // some terminals wrap after the last column
	_, _ = io.WriteString(l.out, l.erase()+text) // an error only affects the picture
	l.shown = len(text)
}

func (l *statusLine) clear() {
	if l.shown > 0 {
		_, _ = io.WriteString(l.out, l.erase())
		l.shown = 0
	}
}

// erase returns the codes that erase the line. A terminal that became narrower has wrapped it into
// several rows (ECMA-48: CUU, ED).
func (l *statusLine) erase() string {
	up := ""
	if width, ok := l.size(); ok && l.shown > width {
		up = fmt.Sprintf("\x1b[%dA", (l.shown-1)/width)
	}
	return "\r" + up + "\x1b[J"
}

// statusText returns the line in ASCII. It drops the first, less important parts if it is too
// long.
func statusText(c liveCounts, room int) string {
	parts := []string{
		words.Plural(c.Packets, "packet"), fmt.Sprintf("%s (%s open)", words.Plural(c.Connections, "connection"), words.Number(c.Open)),
		words.Plural(c.Requests, "request"),
	}
	findings := write.CountTexts(c.Findings, "")
	if findings == nil {
		findings = []string{"no findings"}
	}
	parts = append(parts, strings.Join(findings, ", "))
	if c.Dropped > 0 {
		parts = append(parts, words.Number(c.Dropped)+" DROPPED")
	} else {
		parts = append(parts, "none dropped")
	}
	text := strings.Join(parts, ", ")
	for ; len(text) > room && len(parts) > 1; text = strings.Join(parts, ", ") {
		parts = parts[1:]
	}
	return text[:min(len(text), room)]
}
