package write

import (
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The needed objects of SARIF 2.1.0. Its libraries need a schema validator, which only tests use.
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
		Invocations []sarifInvocation `json:"invocations"`
		Artifacts   []sarifArtifact   `json:"artifacts"`
		Results     []sarifResult     `json:"results"`
	}
	sarifInvocation struct {
		ExecutionSuccessful        bool                `json:"executionSuccessful"`
		ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string     `json:"id"`
		Name                 string     `json:"name"`
		ShortDescription     sarifText  `json:"shortDescription"`
		FullDescription      *sarifText `json:"fullDescription,omitempty"`
		Help                 *sarifText `json:"help,omitempty"`
		HelpURI              string     `json:"helpUri,omitempty"`
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
	// sarifLocation is a place in a file, or a named source of packets.
	sarifLocation struct {
		PhysicalLocation *sarifPhysical `json:"physicalLocation,omitempty"`
		LogicalLocations []sarifLogical `json:"logicalLocations,omitempty"`
		Message          *sarifText     `json:"message,omitempty"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifURI `json:"artifactLocation"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	}
	sarifSuppression struct {
		Kind string `json:"kind"`
	}
)

// SARIF writes r as SARIF 2.1.0 (OASIS), which code scanning of GitHub and others read. The
// location of a finding is its capture. The message of the location has frame and stream. The
// invocation fails if opt.Shortfall is not empty.
func SARIF(w io.Writer, r *model.Report, opt TextOptions) error {
	run := sarifRun{Invocations: []sarifInvocation{{ExecutionSuccessful: true}}, Artifacts: []sarifArtifact{}, Results: []sarifResult{}}
	if opt.Shortfall != "" {
		run.Invocations[0] = sarifInvocation{false, []sarifNotification{{"error", sarifText{escapeLong(opt.Shortfall)}}}}
	}
	run.Tool.Driver = sarifDriver{Name: Escape(r.Tool.Name), Version: Escape(r.Tool.Version), Rules: []sarifRule{}}
	for i := range r.Captures {
		a := sarifArtifact{sarifURI{URI: fileURI(r.Captures[i].Path)}}
		if isFile(&r.Captures[i]) && !slices.Contains(run.Artifacts, a) { // artifacts must be unique
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
			rule := newSARIFRule(f, opt.Rules)
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
	return encodeJSON(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}, "  ")
}

// rulesPage is the published form of RulesMarkdown.
const rulesPage = "https://github.com/kafkavet/kafkavet/blob/main/docs/findings.md"

// newSARIFRule describes the rule of f with the text of explain. A rule that is not in rules has
// only its title: a merged report can be from another version.
func newSARIFRule(f *model.Finding, rules []model.Rule) sarifRule {
	rule := sarifRule{ID: f.Code, Name: f.Title, ShortDescription: sarifText{words.UpperFirst(strings.ReplaceAll(f.Title, "-", " "))}}
	i := slices.IndexFunc(rules, func(r model.Rule) bool { return r.Code == f.Code })
	if i < 0 {
		return rule
	}
	r := &rules[i]
	var help []string
	for _, part := range documentation(r)[1:] {
		help = append(help, part.title+"\n"+part.text)
	}
	rule.ShortDescription.Text = words.UpperFirst(r.Summary) + "."
	rule.FullDescription = &sarifText{r.Documentation.What}
	rule.Help = &sarifText{strings.Join(help, "\n\n")}
	rule.HelpURI = rulesPage + rulesAnchor(r)
	return rule
}

func sarifLocations(f *model.Finding, captures []model.Capture) []sarifLocation {
	if len(f.Occurrences) == 0 || int(f.Occurrences[0].Capture) >= len(captures) {
		return []sarifLocation{}
	}
	o := &f.Occurrences[0]
	l := sarifLocation{Message: &sarifText{fmt.Sprintf("frame %d, stream %d", o.Frame, o.Stream)}}
	if c := &captures[o.Capture]; isFile(c) {
		l.PhysicalLocation = &sarifPhysical{sarifURI{URI: fileURI(c.Path)}}
	} else {
		l.LogicalLocations = []sarifLogical{{Name: textPhrase(sourcePhrase(c)), Kind: "resource"}}
	}
	return []sarifLocation{l}
}

// fileURI returns a path as a URI reference. Relative paths stay relative.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}
