package redact

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// fillTexts sets every text of v to "was PATH". It creates one-element lists and pointers.
func fillTexts(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("was " + path)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillTexts(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillTexts(v.Index(0), path+"[]")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillTexts(v.Elem(), path)
	}
}

// textsLeft returns the paths of the texts that fillTexts made and nothing changed.
func textsLeft(v reflect.Value) []string {
	var left []string
	switch v.Kind() {
	case reflect.String:
		if path, ok := strings.CutPrefix(v.String(), "was "); ok {
			left = append(left, path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			left = append(left, textsLeft(v.Field(i))...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			left = append(left, textsLeft(v.Index(i))...)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			left = append(left, textsLeft(v.Elem())...)
		}
	}
	return left
}

// TestRedactKeepsPorts: also of host names. The check of captured brokers needs them.
func TestRedactKeepsPorts(t *testing.T) {
	r := &model.Report{Nodes: []model.Node{{Address: "kafka-1.example:9092"}, {Address: "kafka-1.example:9094"}, {Address: "kafka-1.example"}}}
	Report(r, NewPseudonyms("a"))
	name := r.Nodes[2].Address
	if strings.Contains(name, "kafka") || r.Nodes[0].Address != name+":9092" || r.Nodes[1].Address != name+":9094" {
		t.Errorf("nodes %+v", r.Nodes)
	}
}

// TestRedactReplacesEveryTextButThese: each text of the report is replaced or listed here.
func TestRedactReplacesEveryTextButThese(t *testing.T) {
	var r model.Report
	fillTexts(reflect.ValueOf(&r).Elem(), "")
	Report(&r, NewPseudonyms("key"))
	want := []string{
		"Evidence.Path", "Evidence.Bundle", // without directory, and added after redaction
		"Schema", "Tool.Name", "Tool.Version",
		"Captures[].Format", "Captures[].Part",
		"Parts[].ID", "Parts[].Keys", "Parts[].Digest", "Connections[].ID", // hashes
		"Parts[].Target",
		"Captures[].Problem", // its path is replaced: TestRedactReplacesThePathInAProblem
		"Brokers[].Release", "Brokers[].ReleaseReason", "Brokers[].ReleaseNames[]", "Brokers[].ReleaseRunnersUp[]", "Brokers[].APIs[].Name",
		"Clients[].SoftwareName", "Clients[].SoftwareVersion", "Clients[].APIs[].Name",
		"Clients[].Inferred", "Findings[].Inferred.Releases[]", "Findings[].Inferred.TLSLibrary", // lengths
		// Texts of rules contain no names: TestTextsOfFindingsHoldNoNames.
		"Findings[].Code", "Findings[].Title", "Findings[].Message", "Findings[].API", "Findings[].Evidence",
		"Findings[].Client.SoftwareName", "Findings[].Client.SoftwareVersion", "Findings[].Release",
		"Findings[].Occurrences[].Outcome", "Findings[].Occurrences[].Prefaces[].Kind", "Findings[].Occurrences[].Evidence", "Findings[].Occurrences[].Detail",
		"Findings[].Occurrences[].TLS.Version", "Findings[].Occurrences[].TLS.Suite", "Findings[].Occurrences[].TLS.ClientRandom",
		"Findings[].KnownIssue.ID", "Findings[].KnownIssue.Title", "Findings[].KnownIssue.URL", "Findings[].KnownIssue.FixedIn",
		"Findings[].KnownIssue.Workaround", "Findings[].KnownIssue.Confidence", "Findings[].KnownIssue.ConfidenceReason",
		"Findings[].Why", "Findings[].Advice", "Findings[].Commands[].For", "Findings[].Commands[].Run",
		"Findings[].RuledOut[].Cause", "Findings[].RuledOut[].Evidence", "Findings[].NotRuledOut[].Cause", "Findings[].NotRuledOut[].Evidence",
		"Findings[].Reason", "Folded.Findings[].Code", "Folded.Findings[].Title",
		"Target.Name", "Target.Ranges", "Target.Release", "Target.Source", "Target.Notes[]", // made from numbers: reference_file.go
		"Target.Clients[].SoftwareName", "Target.Clients[].SoftwareVersion", "Target.Clients[].Verdict", "Target.Clients[].Role",
		"Target.Clients[].APIs[].Name", "Target.Clients[].APIs[].Reason", "Target.Clients[].UnclearAPIs[].Name", "Target.Clients[].UnclearAPIs[].Reason",
		"Target.Apart[].SoftwareName", "Target.Apart[].SoftwareVersion", "Target.Apart[].Verdict", "Target.Apart[].Role",
		"Target.Apart[].APIs[].Name", "Target.Apart[].APIs[].Reason", "Target.Apart[].UnclearAPIs[].Name", "Target.Apart[].UnclearAPIs[].Reason",
		"Supplied.Name", "Supplied.Release", "Supplied.Source", "Supplied.Notes[]",
		"Quality.UnexplainedCauses[]", "Quality.UnparsedReasons[].Name", "Quality.OtherProtocols[].Protocol", "Quality.NotChecked[].Reason",
		"Timeline.Lanes[].SoftwareName", "Timeline.Lanes[].SoftwareVersion", "Timeline.Lanes[].End",
		"Timeline.Lanes[].Events[].API", "Timeline.Lanes[].Events[].Verdict", "Timeline.Lanes[].Events[].Outcome", "Timeline.Lanes[].Events[].Code",
	}
	got := textsLeft(reflect.ValueOf(r))
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("texts that stay (-want +got):\n%s", d)
	}
}

func TestRedactReplacesThePathInAProblem(t *testing.T) {
	r := model.Report{Captures: []model.Capture{
		{Path: "/home/alice/prod.pcapng.zst", Problem: "read capture /home/alice/prod.pcapng.zst: packet 3 breaks off"},
		{Path: "-", Problem: "read capture -: breaks off"},
		{Path: "secret.alice"},
	}}
	Report(&r, NewPseudonyms(""))
	want := []model.Capture{
		{Path: "capture-1.pcapng.zst", Problem: "read capture capture-1.pcapng.zst: packet 3 breaks off"},
		{Path: "-", Problem: "read capture -: breaks off"},
		{Path: "capture-3"},
	}
	if d := cmp.Diff(want, r.Captures); d != "" {
		t.Errorf("captures (-want +got):\n%s", d)
	}
}

type kept struct{ x decode.Exchange }

func (k *kept) Exchange(x *decode.Exchange)         { k.x = *x }
func (k *kept) Advertisement(*decode.Advertisement) {}
func (k *kept) Connection(*decode.Connection)       {}

func TestRedactedRequestsLeaveTheExchangeAlone(t *testing.T) {
	x := &decode.Exchange{
		Client: netip.MustParseAddrPort("127.0.0.1:41000"), Broker: netip.MustParseAddrPort("127.0.0.2:9092"),
		ClientID: "orders-svc", HasClientID: true, Key: 1, Version: 12,
	}
	before := *x
	var got kept
	Requests(&got, NewPseudonyms("k")).Exchange(x)
	if x.ClientID != before.ClientID || x.Client != before.Client || x.Broker != before.Broker {
		t.Errorf("the exchange was changed: %+v", x)
	}
	if got.x.ClientID == x.ClientID || got.x.Client == x.Client || got.x.Broker == x.Broker || got.x.Version != 12 {
		t.Errorf("handed on: %+v", got.x)
	}
}

// TestRedactedProcessesHaveNoNumbers: on the host, a process id leads to the name.
func TestRedactedProcessesHaveNoNumbers(t *testing.T) {
	names := NewPseudonyms("key")
	r := model.Report{Clients: []model.Client{{Processes: []model.Process{
		{PID: 1, Command: "java", User: "kafka", Container: "c", Pod: "p", Namespace: "n"}, {PID: 2, Command: "java", User: "kafka", Container: "c", Pod: "p", Namespace: "n"},
	}}}}
	Report(&r, names)
	want := []model.Process{{
		Command: names.Name("command", "java"), User: names.Name("user", "kafka"), Container: names.Name("container", "c"),
		Pod: names.Name("pod", "p"), Namespace: names.Name("namespace", "n"),
	}}
	if diff := cmp.Diff(want, r.Clients[0].Processes); diff != "" {
		t.Error(diff)
	}
}
