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

// object is a JSON object. The libraries for SARIF need a schema validator, which only tests use.
type object map[string]any

func message(text string) object { return object{"text": text} }

// SARIF writes r as SARIF 2.1.0 (OASIS), which code scanning of GitHub and others read. The
// location of a finding is its capture. The message of the location has frame and stream. The
// invocation fails if opt.Shortfall is not empty.
func SARIF(w io.Writer, r *model.Report, opt TextOptions) error {
	invocation := object{"executionSuccessful": opt.Shortfall == ""}
	if opt.Shortfall != "" {
		invocation["toolExecutionNotifications"] = []object{{"level": "error", "message": message(escapeLong(opt.Shortfall))}}
	}
	var files []string // artifacts must be unique
	artifacts, rules, results := []object{}, []object{}, []object{}
	for i := range r.Captures {
		if uri := fileURI(r.Captures[i].Path); isFile(&r.Captures[i]) && !slices.Contains(files, uri) {
			files = append(files, uri)
			artifacts = append(artifacts, object{"location": object{"uri": uri}})
		}
	}
	indexes := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		level := map[model.Severity]string{model.Error: "error", model.Warning: "warning", model.Info: "note"}[f.Severity]
		index, known := indexes[f.Code]
		if !known {
			index = len(rules)
			indexes[f.Code] = index
			rules = append(rules, sarifRule(f, level, opt.Rules))
		}
		result := object{
			"ruleId": f.Code, "ruleIndex": index, "level": level, "message": message(Sentence(f) + "\n" + details(r, f)),
			"partialFingerprints": object{"kafkavet/v1": f.Key().String()}, "locations": sarifLocations(f, r.Captures),
		}
		if f.Count > 0 {
			result["occurrenceCount"] = f.Count
		}
		if f.Accepted {
			result["suppressions"] = []object{{"kind": "external"}}
		}
		results = append(results, result)
	}
	driver := object{"name": Escape(r.Tool.Name), "version": Escape(r.Tool.Version), "rules": rules}
	return encodeJSON(w, object{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": []object{{
		"tool": object{"driver": driver}, "invocations": []object{invocation}, "artifacts": artifacts, "results": results,
	}}}, "  ")
}

// rulesPage is the published form of RulesMarkdown.
const rulesPage = "https://github.com/kafkavet/kafkavet/blob/main/docs/findings.md"

// sarifRule describes the rule of f with the text of explain. A rule that is not in rules has only
// its title: a merged report can be from another version.
func sarifRule(f *model.Finding, level string, rules []model.Rule) object {
	rule := object{
		"id": f.Code, "name": f.Title, "defaultConfiguration": object{"level": level},
		"shortDescription": message(words.UpperFirst(strings.ReplaceAll(f.Title, "-", " "))),
	}
	i := slices.IndexFunc(rules, func(r model.Rule) bool { return r.Code == f.Code })
	if i < 0 {
		return rule
	}
	r := &rules[i]
	var help []string
	for _, part := range documentation(r)[1:] {
		help = append(help, part.title+"\n"+part.text)
	}
	rule["shortDescription"] = message(words.UpperFirst(r.Summary) + ".")
	rule["fullDescription"], rule["help"] = message(r.Documentation.What), message(strings.Join(help, "\n\n"))
	rule["helpUri"] = rulesPage + rulesAnchor(r)
	return rule
}

func sarifLocations(f *model.Finding, captures []model.Capture) []object {
	if len(f.Occurrences) == 0 || int(f.Occurrences[0].Capture) >= len(captures) {
		return []object{}
	}
	o := &f.Occurrences[0]
	location := object{"message": message(fmt.Sprintf("frame %d, stream %d", o.Frame, o.Stream))}
	if c := &captures[o.Capture]; isFile(c) {
		location["physicalLocation"] = object{"artifactLocation": object{"uri": fileURI(c.Path)}}
	} else {
		location["logicalLocations"] = []object{{"name": textPhrase(sourcePhrase(c)), "kind": "resource"}}
	}
	return []object{location}
}

// fileURI returns a path as a URI reference. Relative paths stay relative.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}
