package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/report/model"
)

// TestBaselineIsBounded: a file that is no baseline is not read completely.
func TestBaselineIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "base.json")
	text := `{"schema": "kafkavet/baseline/v1", "accepted": []}`
	for size, want := range map[int]string{maxBaseline: "", maxBaseline + 1: "is larger than 2097152 bytes"} {
		if err := os.WriteFile(path, append([]byte(text), bytes.Repeat([]byte(" "), size-len(text))...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readBaseline(path); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestAcceptedFindingsStandLast: accepted findings are marked and follow the others, in order.
func TestAcceptedFindingsStandLast(t *testing.T) {
	rep := &model.Report{Findings: []model.Finding{{Code: "KV1001", Broker: "a"}, {Code: "KV1002"}, {Code: "KV1001", Broker: "b"}, {Code: "KV2001"}}}
	b := &baseline{Accepted: []model.FindingKey{{Code: "KV1001"}}}
	b.mark(rep)
	var got []string
	for _, f := range rep.Findings {
		name := f.Code + f.Broker
		if f.Accepted {
			name += " accepted"
		}
		got = append(got, name)
	}
	if d := cmp.Diff([]string{"KV1002", "KV2001", "KV1001a accepted", "KV1001b accepted"}, got); d != "" {
		t.Error(d)
	}
}

// TestAcceptedFindingsAreCountedApart: an accepted error is no error of the summary.
func TestAcceptedFindingsAreCountedApart(t *testing.T) {
	rep := &model.Report{Findings: []model.Finding{{Code: "KV1001", Severity: model.Error}, {Code: "KV1002", Severity: model.Error}, {Code: "KV2004", Severity: model.Warning}}}
	b := &baseline{Accepted: []model.FindingKey{{Code: "KV1001"}, {Code: "KV2004"}}}
	b.mark(rep)
	if got, want := rep.Summary.Findings, (model.SeverityCounts{Error: 1, Accepted: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestUnusedEntriesOfABaselineAreNamed: entries for fixed problems should be removed.
func TestUnusedEntriesOfABaselineAreNamed(t *testing.T) {
	rep := &model.Report{Findings: []model.Finding{{Code: "KV1001"}}}
	for want, codes := range map[string][]string{
		"": {"KV1001"},
		`baseline: 1 of 2 entries matches nothing any more: "KV1002|-|-|-|-|-"`:                                             {"KV1001", "KV1002"},
		`baseline: 4 of 4 entries match nothing any more: "KV1|-|-|-|-|-", "KV2|-|-|-|-|-", "KV3\x1b|-|-|-|-|-" and 1 more`: {"KV1", "KV2", "KV3\x1b", "KV4"},
	} {
		b := new(baseline)
		for _, code := range codes {
			b.Accepted = append(b.Accepted, model.FindingKey{Code: code})
		}
		b.mark(rep)
		if got := b.unusedText(); got != want {
			t.Errorf("%v: %q, want %q", codes, got, want)
		}
	}
}

// TestBaselineHoldsEachKindOnce: findings that differ only in the broker are one entry.
func TestBaselineHoldsEachKindOnce(t *testing.T) {
	rep := &model.Report{Findings: []model.Finding{{Code: "KV2001", Broker: "b:1"}, {Code: "KV1002"}, {Code: "KV2001", Broker: "a:1"}}}
	var out bytes.Buffer
	if err := writeBaseline(&out, rep); err != nil {
		t.Fatal(err)
	}
	b := new(baseline)
	if err := b.parse(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]model.FindingKey{{Code: "KV1002"}, {Code: "KV2001"}}, b.Accepted); d != "" {
		t.Error(d)
	}
}
