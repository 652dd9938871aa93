package main

import (
	"io"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

// The events of sniff --format json, one object per line.
type (
	// findingEvent is a new finding. Pending says that its request waits for its outcome: count is
	// 1 and outcomes is empty.
	findingEvent struct {
		Event   string        `json:"event"`
		Time    string        `json:"time"`
		Number  int           `json:"number"`
		Pending bool          `json:"pending"`
		Finding model.Finding `json:"finding"`
	}
	// countEvent reports that a finding happened again. more is the number of times since the last
	// event of that finding, count the total.
	countEvent struct {
		Event  string `json:"event"`
		Time   string `json:"time"`
		Number int    `json:"number"`
		Code   string `json:"code"`
		More   uint64 `json:"more"`
		Count  uint64 `json:"count"`
	}
	// statusEvent holds the current counts.
	statusEvent struct {
		Event string `json:"event"`
		Time  string `json:"time"`
		liveCounts
	}
	// reportEvent is the last one.
	reportEvent struct {
		Event  string        `json:"event"`
		Time   string        `json:"time"`
		Report *model.Report `json:"report"`
	}
)

// newsWriter writes findings at once: as text, or with --format json as events.
type newsWriter struct {
	w    io.Writer
	name string
	// terminal is what w writes to in the end.
	terminal io.Writer
	json     bool
	color    string
	line     *statusLine
	// isOpen says that no empty line follows the last text.
	isOpen bool
}

// newNewsWriter returns a newsWriter. Text goes to standard output, or to standard error if the
// report on standard output is a document.
func newNewsWriter(j *job, line *statusLine) *newsWriter {
	opt := &j.opt.output
	t := &newsWriter{w: j.out, terminal: j.out, name: "standard output", json: opt.find(opt.format).HasEvents, color: j.opt.report.color, line: line}
	if f := opt.onStdout(); f != nil && f.IsDocument && !t.json {
		t.w, t.terminal, t.name = line, line.out, "standard error"
	}
	return t
}

// eventTime returns the current time: RFC 3339 in UTC with microseconds.
func eventTime() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }

func (t *newsWriter) write(news []model.News) error {
	t.line.hide()
	opt := textOptions(t.terminal, t.color) // the size of a terminal can change
	for i := range news {
		n := &news[i]
		var err error
		switch {
		case t.json && n.First:
			err = write.JSONLine(t.w, findingEvent{"finding", eventTime(), n.Number, n.More == 0, n.Finding})
		case t.json:
			err = write.JSONLine(t.w, countEvent{"count", eventTime(), n.Number, n.Finding.Code, n.More, n.Finding.Count})
		default:
			block := n.First && n.Finding.Severity > model.Info
			if err = write.News(t.w, n, opt); err == nil && block {
				_, err = io.WriteString(t.w, "\n")
			}
			t.isOpen = !block
		}
		if err != nil {
			return writeError(t.name, err)
		}
	}
	return nil
}

func (t *newsWriter) status(c liveCounts) error {
	if !t.json {
		return nil
	}
	return writeError(t.name, write.JSONLine(t.w, statusEvent{"status", eventTime(), c}))
}

// final writes the report as the last event; in text, only the empty line before the report.
func (t *newsWriter) final(rep *model.Report) (err error) {
	switch {
	case t.json:
		err = write.JSONLine(t.w, reportEvent{"report", eventTime(), rep})
	case t.isOpen:
		_, err = io.WriteString(t.w, "\n")
	}
	return writeError(t.name, err)
}
