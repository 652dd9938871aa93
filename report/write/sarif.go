package write

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The objects of SARIF 2.1.0 that are needed, written by hand: the libraries for it bring a schema
// validator along, which only the tests need.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Artifacts []sarifArtifact `json:"artifacts"`
		Results   []sarifResult   `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string    `json:"id"`
		Name                 string    `json:"name"`
		ShortDescription     sarifText `json:"shortDescription"`
		DefaultConfiguration struct {
			Level string `json:"level"`
		} `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifArtifact struct {
		Location sarifURI `json:"location"`
	}
	sarifURI struct {
		URI string `json:"uri"`
	}
	sarifResult struct {
		RuleID              string             `json:"ruleId"`
		RuleIndex           int                `json:"ruleIndex"`
		Level               string             `json:"level"`
		Message             sarifText          `json:"message"`
		Locations           []sarifLocation    `json:"locations"`
		PartialFingerprints map[string]string  `json:"partialFingerprints"`
		OccurrenceCount     uint64             `json:"occurrenceCount,omitempty"`
		Suppressions        []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		PhysicalLocation struct {
			ArtifactLocation sarifURI `json:"artifactLocation"`
		} `json:"physicalLocation"`
		Message *sarifText `json:"message,omitempty"`
	}
	sarifSuppression struct {
		Kind string `json:"kind"`
	}
)

// SARIF writes r as SARIF 2.1.0 (OASIS), which code scanning of GitHub and others read. The location of
// a finding is its capture; frame and stream stand in the message of the location.
func SARIF(w io.Writer, r *model.Report) error {
	run := sarifRun{Artifacts: []sarifArtifact{}, Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: Escape(r.Tool.Name), Version: Escape(r.Tool.Version), Rules: []sarifRule{}}
	for i := range r.Captures {
		a := sarifArtifact{sarifURI{URI: fileURI(r.Captures[i].Path)}}
		if !slices.Contains(run.Artifacts, a) { // they are a set
			run.Artifacts = append(run.Artifacts, a)
		}
	}
	rules := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		level := map[model.Severity]string{model.Error: "error", model.Warning: "warning", model.Info: "note"}[f.Severity]
		index, known := rules[f.Code]
		if !known {
			index = len(run.Tool.Driver.Rules)
			rules[f.Code] = index
			rule := sarifRule{ID: f.Code, Name: f.Title, ShortDescription: sarifText{words.UpperFirst(strings.ReplaceAll(f.Title, "-", " "))}}
			rule.DefaultConfiguration.Level = level
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		}
		result := sarifResult{
			RuleID: f.Code, RuleIndex: index, Level: level, Message: sarifText{Sentence(f) + "\n" + details(r, f)},
			PartialFingerprints: map[string]string{"kafkavet/v1": f.Key().String()}, OccurrenceCount: f.Count,
			Locations: sarifLocations(f, r.Captures),
		}
		if f.Accepted {
			result.Suppressions = []sarifSuppression{{"external"}}
		}
		run.Results = append(run.Results, result)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

func sarifLocations(f *model.Finding, captures []model.Capture) []sarifLocation {
	if len(f.Occurrences) == 0 || int(f.Occurrences[0].Capture) >= len(captures) {
		return []sarifLocation{}
	}
	o := &f.Occurrences[0]
	l := sarifLocation{Message: &sarifText{fmt.Sprintf("frame %d, stream %d", o.Frame, o.Stream)}}
	l.PhysicalLocation.ArtifactLocation = sarifURI{URI: fileURI(captures[o.Capture].Path)}
	return []sarifLocation{l}
}

// fileURI is a path as a URI reference; relative paths stay relative.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}
