package write

import (
	"fmt"
	"io"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

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
