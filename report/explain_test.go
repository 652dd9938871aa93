package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"github.com/kafkavet/kafkavet/report/reporttest"
	"github.com/kafkavet/kafkavet/report/write"
)

func TestEveryRuleIsExplained(t *testing.T) {
	for _, r := range Rules() {
		for _, name := range []string{r.Code, strings.ToLower(r.Code), r.Title} {
			var out bytes.Buffer
			if err := write.Rule(&out, Rules(), name, write.TextOptions{}); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			if first, _, _ := strings.Cut(text, "\n"); first != r.Code+" "+r.Title+" ("+r.Severity.String()+")" {
				t.Errorf("explain %s begins with %q", name, first)
			}
			for _, heading := range []string{"\nWhat it is\n  ", "\nWhy it matters\n  ", "\nOn the wire\n  ", "\nWhat to do\n  "} {
				if !strings.Contains(text, heading) {
					t.Errorf("explain %s has no part %q", name, strings.TrimSpace(heading))
				}
			}
		}
	}
}

func TestExplainListsEveryRule(t *testing.T) {
	var out bytes.Buffer
	if err := write.Rules(&out, Rules(), write.TextOptions{Width: 80}); err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "testdata/rules.txt", out.Bytes())
	for _, r := range Rules() {
		if !strings.Contains(out.String(), "\n"+r.Code+"  ") && !strings.HasPrefix(out.String(), r.Code+"  ") {
			t.Errorf("%s is not listed", r.Code)
		}
	}
}

func TestExplainNamesWhatThereIsForAnUnknownCode(t *testing.T) {
	err := write.Rule(&bytes.Buffer{}, Rules(), "KV9999\x1b[2J", write.TextOptions{})
	if err == nil || !strings.HasPrefix(err.Error(), `KV9999\x1b[2J: no such finding; there are KV1001, `) {
		t.Errorf("error %q", err)
	}
}

func TestExplanationsFitTheWidth(t *testing.T) {
	for _, width := range []int{40, 60, 80, 120} {
		var out bytes.Buffer
		if err := write.Rules(&out, Rules(), write.TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if err := write.Rule(&out, Rules(), r.Code, write.TextOptions{Width: width}); err != nil {
				t.Fatal(err)
			}
		}
		for line := range strings.Lines(out.String()) {
			if w := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); w > width {
				t.Errorf("width %d: a line takes %d columns: %s", width, w, line)
			}
		}
	}
}
