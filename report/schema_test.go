package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/reporttest"
	"github.com/kafkavet/kafkavet/report/write"
)

// written returns the parsed JSON form of a report.
func written(t *testing.T, r *model.Report) any {
	t.Helper()
	var out bytes.Buffer
	if err := write.JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(&out)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestReportsAreValidBySchema(t *testing.T) {
	schema := reporttest.Schema(t, write.Schema)
	for _, s := range scenarios() {
		if err := schema.Validate(written(t, reportOf(s))); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

func TestSchemaRefusesWhatBreaksTheContract(t *testing.T) {
	schema := reporttest.Schema(t, write.Schema)
	for name, spoil := range map[string]func(map[string]any){
		"another schema": func(r map[string]any) { r["schema"] = "kafkavet/report/v2" },
		"no quality":     func(r map[string]any) { delete(r, "quality") },
		"a severity that does not exist": func(r map[string]any) {
			r["findings"].([]any)[0].(map[string]any)["severity"] = "fatal"
		},
		"an outcome that does not exist": func(r map[string]any) {
			r["findings"].([]any)[0].(map[string]any)["outcomes"] = map[string]any{"vanished": 1}
		},
		"a time of another form": func(r map[string]any) {
			r["captures"].([]any)[0].(map[string]any)["first"] = "2026-05-09 15:35:01"
		},
		"no advertised range in a finding": func(r map[string]any) {
			delete(r["findings"].([]any)[0].(map[string]any), "advertised")
		},
	} {
		doc := written(t, reportOf(scenarios()[0])).(map[string]any)
		spoil(doc)
		if schema.Validate(doc) == nil {
			t.Errorf("%s: the schema accepts it", name)
		}
	}
}

// described returns the paths of all keys that the schema describes below a node.
func described(root, node map[string]any, path string, into map[string]bool) {
	if ref, ok := node["$ref"].(string); ok {
		node = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	if items, ok := node["items"].(map[string]any); ok {
		described(root, items, path+"[]", into)
	}
	for _, alternative := range anyList(node["anyOf"]) {
		described(root, alternative.(map[string]any), path, into)
	}
	properties, _ := node["properties"].(map[string]any)
	for key, child := range properties {
		into[path+"."+key] = true
		described(root, child.(map[string]any), path+"."+key, into)
	}
}

// anyList returns v as a list; empty for none.
func anyList(v any) []any {
	list, _ := v.([]any)
	return list
}

// used adds the paths of all keys in a document.
func used(node any, path string, into map[string]bool) {
	switch node := node.(type) {
	case map[string]any:
		for key, child := range node {
			into[path+"."+key] = true
			used(child, path+"."+key, into)
		}
	case []any:
		for _, child := range node {
			used(child, path+"[]", into)
		}
	}
}

func TestSchemaDescribesEveryKeyThatIsWritten(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(write.Schema, &root); err != nil {
		t.Fatal(err)
	}
	known, got := map[string]bool{}, map[string]bool{}
	described(root, root, "", known)
	for _, s := range scenarios() {
		used(written(t, reportOf(s)), "", got)
	}
	for path := range got {
		// The keys of these objects are names that the schema does not fix.
		for _, open := range []string{".limits_hit.", ".outcomes.", ".median_seconds.", ".evidence_counts."} {
			if strings.Contains(path, open) {
				path = ""
				break
			}
		}
		if path != "" && !known[path] {
			t.Errorf("%s is written and not in the schema", path)
		}
	}
}

func TestJSONHasTheKeysOfTheContract(t *testing.T) {
	// The keys of the contract. Keys may be added, none changed.
	contract := map[string]string{
		"":                          "schema tool captures summary brokers clients findings quality",
		".tool":                     "name version",
		".captures[]":               "path format link_types packets bytes first last torn",
		".summary":                  "streams kafka_streams encrypted_streams requests responses findings",
		".summary.findings":         "error warning info",
		".brokers[]":                "address node_id release apis",
		".brokers[].apis[]":         "key name min max",
		".clients[]":                "software_name software_version client_ids addresses broker_addresses",
		".findings[]":               "code title severity message api_key api version advertised evidence client broker count outcomes occurrences occurrences_omitted known_issue advice",
		".findings[].advertised":    "min max",
		".findings[].client":        "software_name software_version client_id addresses",
		".findings[].outcomes":      "closed",
		".findings[].occurrences[]": "frame stream time correlation_id client outcome",
		".findings[].known_issue":   "id title url fixed_in workaround",
		".quality":                  "missing_bytes gaps midstream_streams resyncs unparsed_packets limits_hit",
	}
	r := reportOf(scenarios()[0])
	r.Findings[0].KnownIssue = &model.KnownIssue{}
	got := map[string]bool{}
	used(written(t, r), "", got)
	for parent, keys := range contract {
		for _, key := range strings.Fields(keys) {
			if path := fmt.Sprintf("%s.%s", parent, key); !got[path] {
				t.Errorf("%s is not written", path)
			}
		}
	}
}

func TestReportsCanBeReadBack(t *testing.T) {
	for _, s := range scenarios() {
		want := reportOf(s)
		want.Timeline = model.Timeline{} // no part of the JSON form
		var out bytes.Buffer
		if err := write.JSON(&out, want); err != nil {
			t.Fatal(err)
		}
		var got model.Report
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, &got); diff != "" {
			t.Errorf("%s (-written +read):\n%s", s.name, diff)
		}
	}
}
