package report

import (
	"bytes"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/reporttest"
	"github.com/kafkavet/kafkavet/report/write"
)

func reportOf(s scenario) *model.Report {
	b := builderOf(Options{Tool: model.Tool{Name: "kafkavet", Version: "test"}, Target: s.target, Supplied: s.supplied}, s.calls...)
	b.SetInput(s.input)
	return b.Report()
}

func TestGoldenText(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := write.Text(&out, reportOf(s), write.TextOptions{}); err != nil {
				t.Fatal(err)
			}
			reporttest.Golden(t, "testdata/"+s.name+".txt", out.Bytes())
		})
	}
}

func TestGoldenJSON(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := write.JSON(&out, reportOf(s)); err != nil {
				t.Fatal(err)
			}
			reporttest.Golden(t, "testdata/"+s.name+".json", out.Bytes())
		})
	}
}

func TestGoldenRequests(t *testing.T) {
	var tsv, lines bytes.Buffer
	for _, w := range []*write.RequestsWriter{write.NewRequestsTSV(&tsv), write.NewRequestsJSON(&lines)} {
		feed(w, everythingCalls()...)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	reporttest.Golden(t, "testdata/requests.tsv", tsv.Bytes())
	reporttest.Golden(t, "testdata/requests.jsonl", lines.Bytes())
}
