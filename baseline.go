package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

const baselineSchema = "kafkavet/baseline/v1"

// maxBaseline bounds a baseline file in bytes: 10,000 findings of about 200.
const maxBaseline = 2 << 20

// baseline is a file of accepted findings. A field that an entry omits matches every value.
type baseline struct {
	Schema   string             `json:"schema"`
	Accepted []model.FindingKey `json:"accepted"`
	// unused are the entries that match no finding of the latest marked report.
	unused []model.FindingKey
}

// readBaseline reads a baseline file; an empty path is an empty baseline.
func readBaseline(path string) (*baseline, error) {
	b := new(baseline)
	if path == "" {
		return b, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--baseline %s: %w", path, reason(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBaseline+1))
	if err == nil && len(text) > maxBaseline {
		err = fmt.Errorf("is larger than %d bytes", maxBaseline)
	}
	if err == nil {
		err = b.parse(text)
	}
	if err != nil {
		return nil, fmt.Errorf("--baseline %s: %w", path, reason(err))
	}
	return b, nil
}

func (b *baseline) parse(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields() // an entry with a misspelled field would match too much
	if err := dec.Decode(b); err != nil {
		return fmt.Errorf("is no baseline: %w", err)
	}
	if b.Schema != baselineSchema {
		return fmt.Errorf("schema %q: must be %q", b.Schema, baselineSchema)
	}
	for i := range b.Accepted {
		if b.Accepted[i].Code == "" {
			return fmt.Errorf("entry %d: has no code", i+1)
		}
	}
	return nil
}

func (b *baseline) accepts(f *model.Finding) bool {
	return slices.ContainsFunc(b.Accepted, func(k model.FindingKey) bool { return k.Fits(f) })
}

// mark marks the accepted findings of a report and moves them after the others.
func (b *baseline) mark(rep *model.Report) {
	if len(b.Accepted) == 0 {
		return
	}
	for i := range rep.Findings {
		rep.Findings[i].Accepted = b.accepts(&rep.Findings[i])
	}
	b.unused = slices.DeleteFunc(slices.Clone(b.Accepted), func(k model.FindingKey) bool {
		return slices.ContainsFunc(rep.Findings, func(f model.Finding) bool { return k.Fits(&f) })
	})
	rep.Summary.Findings = model.CountSeverities(rep.Findings)
	slices.SortStableFunc(rep.Findings, func(x, y model.Finding) int { return model.TrueFirst(y.Accepted, x.Accepted) })
}

// unusedText names in one line the entries that match no finding. It is empty for none.
func (b *baseline) unusedText() string {
	if len(b.unused) == 0 {
		return ""
	}
	var names []string
	for _, k := range b.unused {
		names = append(names, strconv.Quote(k.String()))
	}
	return fmt.Sprintf("baseline: %d of %s %s nothing any more: %s", len(b.unused), words.Plural(uint64(len(b.Accepted)), "entry"),
		words.Agree(uint64(len(b.unused)), "matches", "match"), firstOf(names))
}

func writeBaseline(w io.Writer, rep *model.Report) error {
	b := baseline{Schema: baselineSchema, Accepted: []model.FindingKey{}}
	seen := map[string]bool{}
	for i := range rep.Findings {
		k := rep.Findings[i].Key()
		if text := k.String(); !seen[text] {
			seen[text] = true
			b.Accepted = append(b.Accepted, k)
		}
	}
	slices.SortFunc(b.Accepted, func(x, y model.FindingKey) int { return strings.Compare(x.String(), y.String()) })
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(b)
}
