package merge

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
)

// TestCheckFindings checks that only codes and titles are accepted, because writers print both as
// they are.
func TestCheckFindings(t *testing.T) {
	for _, tt := range []struct {
		code, title string
		ok          bool
	}{
		{"KV1001", "above-max", true},
		{"KV9999", "", true},
		{"KV0000", strings.Repeat("a", 64), true},
		{"KV0000", strings.Repeat("a", 65), false},
		{"KV100", "above-max", false},
		{"KV10011", "above-max", false},
		{"KV1001\n", "above-max", false},
		{"KV10x1", "above-max", false},
		{"kv1001", "above-max", false},
		{"", "", false},
		{"KV1001", "Above", false},
		{"KV1001", "above max", false},
		{"KV1001", "above\x1b[31m", false},
	} {
		finding := model.Report{Findings: []model.Finding{{Code: tt.code, Title: tt.title}}}
		folded := model.Report{Folded: &model.Folded{Findings: []model.FoldedFindings{{Code: tt.code, Title: tt.title}}}}
		for _, r := range []*model.Report{&finding, &folded} {
			if err := checkFindings(r); (err == nil) != tt.ok {
				t.Errorf("%q %q: %v", tt.code, tt.title, err)
			}
		}
	}
}
