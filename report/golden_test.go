package report

import (
	"bytes"
	"testing"
)

// reportOf makes the report of a scenario.
func reportOf(s scenario) *Report {
	b := builderOf(Options{Tool: Tool{Name: "kafkavet", Version: "test"}, Target: s.target, Supplied: s.supplied}, s.calls...)
	b.SetInput(s.input)
	return b.Report()
}

func TestGoldenText(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := WriteText(&out, reportOf(s), TextOptions{}); err != nil {
				t.Fatal(err)
			}
			golden(t, s.name+".txt", out.Bytes())
		})
	}
}

func TestGoldenJSON(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := WriteJSON(&out, reportOf(s)); err != nil {
				t.Fatal(err)
			}
			golden(t, s.name+".json", out.Bytes())
		})
	}
}

func TestGoldenRequests(t *testing.T) {
	var tsv, lines bytes.Buffer
	for _, w := range []*RequestsWriter{NewRequestsTSV(&tsv), NewRequestsJSON(&lines)} {
		feed(w, everythingCalls()...)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "requests.tsv", tsv.Bytes())
	golden(t, "requests.jsonl", lines.Bytes())
}
