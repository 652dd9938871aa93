package write

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/kafkavet/kafkavet/report/model"
)

func formatted(t *testing.T, name string, r *model.Report, opt TextOptions) []byte {
	t.Helper()
	for _, f := range Formats() {
		if f.Name == name {
			var out bytes.Buffer
			if err := f.Write(&out, r, opt); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
	}
	t.Fatalf("no format %q", name)
	return nil
}

// acceptedReport returns richReport with its first finding accepted.
func acceptedReport() *model.Report {
	r := richReport()
	r.Findings[0].Accepted = true
	return r
}

// TestSARIFIsValid parses SARIF with a strict library, and validates it by the schema of OASIS.
func TestSARIFIsValid(t *testing.T) {
	live := richReport()
	live.Captures[0].Path, live.Captures[0].Format = "any", "live"
	for name, r := range map[string]*model.Report{
		"rich": richReport(), "accepted": acceptedReport(), "empty": emptyReport(), "hostile": hostileReport("\x00<&\xff%\u202e"), "live": live,
	} {
		doc := formatted(t, "sarif", r, TextOptions{Rules: []model.Rule{documentedRule}, Shortfall: "0 requests checked"})
		log, err := sarif.FromBytes(doc)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, run := range log.Runs { // the library omits default values
			run.Language, run.NewlineSequences, run.Tool.Driver.Language = "en-US", []string{"\n"}, "en-US"
		}
		if err := log.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(log.Runs) != 1 || len(log.Runs[0].Results) != len(r.Findings) {
			t.Fatalf("%s: %d runs", name, len(log.Runs))
		}
		for i, result := range log.Runs[0].Results {
			f := &r.Findings[i]
			if *result.RuleID != f.Code || log.Runs[0].Tool.Driver.Rules[result.RuleIndex].ID == nil || *log.Runs[0].Tool.Driver.Rules[result.RuleIndex].ID != f.Code {
				t.Errorf("%s: result %d is %s, want %s", name, i, *result.RuleID, f.Code)
			}
			if (len(result.Suppressions) > 0) != f.Accepted {
				t.Errorf("%s: result %d has %d suppressions", name, i, len(result.Suppressions))
			}
			if result.PartialFingerprints["kafkavet/v1"] != f.Key().String() && name != "hostile" {
				t.Errorf("%s: fingerprint %q", name, result.PartialFingerprints["kafkavet/v1"])
			}
		}
		strict := json.NewDecoder(bytes.NewReader(doc))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&sarif.Report{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var documentedRule = model.Rule{
	Code: "KV1001", Title: "above-max", Summary: "request version above the advertised max",
	Documentation: model.Documentation{What: "What it means.", Why: "Why so.", Wire: "Bytes.", Do: "Upgrade."},
}

// TestSARIFDescribesRules: code scanning shows the text of explain and links to its page.
func TestSARIFDescribesRules(t *testing.T) {
	rules := func(opt TextOptions) []*sarif.ReportingDescriptor {
		log, err := sarif.FromBytes(formatted(t, "sarif", richReport(), opt))
		if err != nil {
			t.Fatal(err)
		}
		return log.Runs[0].Tool.Driver.Rules
	}
	got := rules(TextOptions{Rules: []model.Rule{documentedRule}})[0]
	if *got.ID != "KV1001" || *got.ShortDescription.Text != "Request version above the advertised max." || *got.FullDescription.Text != "What it means." ||
		*got.Help.Text != "Why it matters\nWhy so.\n\nOn the wire\nBytes.\n\nWhat to do\nUpgrade." || !strings.HasSuffix(*got.HelpURI, "/docs/findings.md#kv1001-above-max") {
		t.Errorf("%+v", got)
	}
	if got := rules(TextOptions{})[0]; *got.ShortDescription.Text != "Above max" || got.Help != nil || got.HelpURI != nil {
		t.Errorf("unknown rule: %+v", got)
	}
}

// TestSARIFNamesNoFileOfALiveCapture: an interface and standard input are not files.
func TestSARIFNamesNoFileOfALiveCapture(t *testing.T) {
	r := richReport()
	o := r.Findings[0].Occurrences[0]
	for _, test := range []struct{ path, format, want string }{
		{"any", "live", "live on any"}, {"-", "pcap", "standard input"}, {"any", "pcap", ""},
	} {
		r.Captures[o.Capture].Path, r.Captures[o.Capture].Format = test.path, test.format
		log, err := sarif.FromBytes(formatted(t, "sarif", r, TextOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		at := log.Runs[0].Results[0].Locations[0]
		if isFile := test.want == ""; (at.PhysicalLocation != nil) != isFile || (len(log.Runs[0].Artifacts) == len(r.Captures)) != isFile {
			t.Errorf("%v: file %v, artifacts %v", test, at.PhysicalLocation, log.Runs[0].Artifacts)
		}
		if test.want != "" && *at.LogicalLocations[0].Name != test.want {
			t.Errorf("%v: %s", test, *at.LogicalLocations[0].Name)
		}
	}
}

// TestTestNamesAreStable: counts, ports and times differ between runs. A build server treats a
// different name as a new test.
func TestTestNamesAreStable(t *testing.T) {
	names := func(r *model.Report) (list []string) {
		var suites struct {
			Cases []struct {
				Name string `xml:"name,attr"`
			} `xml:"testsuite>testcase"`
		}
		if err := xml.Unmarshal(formatted(t, "junit", r, TextOptions{}), &suites); err != nil {
			t.Fatal(err)
		}
		for _, c := range suites.Cases {
			list = append(list, c.Name)
		}
		return list
	}
	id, node := "orders", int32(2)
	report := func(broker, message string, count uint64) *model.Report {
		f := model.Finding{
			Code: "KV1001", Title: "above-max", Message: message, API: "Fetch", APIKey: new(int16), Version: new(int16), Broker: broker, Count: count,
			Client: &model.FindingClient{SoftwareName: "librdkafka", SoftwareVersion: "2.6.0", ClientID: &id},
		}
		encrypted := model.Finding{Code: "KV9001", Title: "encrypted", Message: message, Broker: broker, Count: count}
		return &model.Report{Findings: []model.Finding{f, encrypted, encrypted}, Brokers: []model.Broker{{Address: broker, NodeID: &node}}}
	}
	got := names(report("127.0.0.1:39001", "6 connections", 6))
	if d := cmp.Diff([]string{"requests", "KV1001 above-max: Fetch v0, librdkafka 2.6.0, client id orders, broker 2", "KV9001 encrypted: broker 2", "KV9001 encrypted: broker 2 (2)"}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(got, names(report("127.0.0.1:47113", "9 connections", 9))); d != "" {
		t.Error(d)
	}
	if got := names(richReport())[1]; strings.Contains(got, richReport().Findings[0].Broker) {
		t.Error(got)
	}
}

func TestJUnit(t *testing.T) {
	r := acceptedReport()
	fails := func(f *model.Finding) bool { return f.Severity >= model.Warning && !f.Accepted }
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suite    struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Skipped  int `xml:"skipped,attr"`
			Cases    []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	doc := formatted(t, "junit", r, TextOptions{Fails: fails})
	if err := xml.Unmarshal(doc, &suites); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	failures := 0
	for i := range r.Findings {
		c := suites.Suite.Cases[i+1]
		if want := fails(&r.Findings[i]); want != (c.Failure != nil) || r.Findings[i].Accepted != (c.Skipped != nil) {
			t.Errorf("%s: failure %v, skipped %v", c.Name, c.Failure != nil, c.Skipped != nil)
		}
		if c.Failure != nil {
			failures++
		}
	}
	if suites.Tests != len(r.Findings)+1 || suites.Failures != failures || suites.Suite.Tests != suites.Tests || suites.Suite.Skipped != 1 {
		t.Errorf("%+v, want %d failures", suites, failures)
	}
	if err := xml.Unmarshal(formatted(t, "junit", hostileReport("\x00]]><a>\xff"), TextOptions{Fails: fails}), &suites); err != nil {
		t.Error(err)
	}
}

func TestGitHub(t *testing.T) {
	lines := func(r *model.Report) []string {
		return strings.Split(strings.TrimSpace(string(formatted(t, "github", r, TextOptions{}))), "\n")
	}
	r := richReport()
	got := lines(r)
	if len(got) != len(r.Findings) {
		t.Fatalf("%d lines, want %d: %q", len(got), len(r.Findings), got)
	}
	for i, line := range got {
		f := &r.Findings[i]
		kind := map[model.Severity]string{model.Error: "error", model.Warning: "warning", model.Info: "notice"}[f.Severity]
		if want := "::" + kind + " title=" + f.Code + " " + f.Title + "::"; !strings.HasPrefix(line, want) || !strings.Contains(line, "%0A") {
			t.Errorf("%q, want %q", line, want)
		}
	}
	if got := lines(acceptedReport())[0]; !strings.HasPrefix(got, "::notice title="+r.Findings[0].Code) || !strings.Contains(got, "(accepted)") {
		t.Errorf("accepted: %q", got)
	}
	if got := lines(emptyReport()); len(got) != 1 || !strings.HasPrefix(got[0], "::notice title=kafkavet::0 requests checked") {
		t.Errorf("nothing found: %q", got)
	}
	// Text from the wire cannot begin a command or end a property.
	for _, line := range lines(hostileReport("\n::error::x%0A,title=y")) {
		if strings.Count(line, "::error") > 1 && strings.Contains(line, "\n") {
			t.Errorf("%q", line)
		}
	}
}

// TestShortfall: too few checked requests also fail a run in JUnit, GitHub and SARIF.
func TestShortfall(t *testing.T) {
	const short = "0 requests checked, --require-checked asks for 1"
	opt := TextOptions{Shortfall: short}
	if got := string(formatted(t, "github", emptyReport(), opt)); got != "::error title=kafkavet::"+short+"\n" {
		t.Errorf("github: %q", got)
	}
	if got := string(formatted(t, "junit", emptyReport(), opt)); strings.Count(got, `failures="1"`) != 2 || strings.Count(got, `<failure message="`+short+`"`) != 1 {
		t.Errorf("junit: %s", got)
	}
	failed := "\"executionSuccessful\": false,\n          \"toolExecutionNotifications\": [\n            {\n              \"level\": \"error\",\n" +
		"              \"message\": {\n                \"text\": \"" + short + "\""
	if got := string(formatted(t, "sarif", emptyReport(), opt)); !strings.Contains(got, failed) {
		t.Errorf("sarif: %s", got)
	}
	for _, format := range []string{"github", "junit", "sarif"} {
		if got := string(formatted(t, format, emptyReport(), TextOptions{})); strings.Contains(got, "error title") || strings.Contains(got, "<failure") || strings.Contains(got, "Notifications") {
			t.Errorf("%s without a shortfall: %s", format, got)
		}
	}
}

func TestCSV(t *testing.T) {
	r := hostileReport("=cmd|' /C calc'!A0")
	rows, err := csv.NewReader(bytes.NewReader(formatted(t, "csv", r, TextOptions{}))).ReadAll()
	if err != nil || len(rows) != len(r.Findings)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("column %s: %q is calculated", rows[0][i], cell)
			}
		}
	}
	if rows[1][0] != r.Findings[0].Code || rows[1][13] == "" {
		t.Errorf("first row: %q", rows[1])
	}
}

// TestCSVCells: no cell is calculated, with either separator, and no line is a command of GitHub Actions.
func TestCSVCells(t *testing.T) {
	for in, want := range map[string]string{
		"=1": "'=1", "-1": "-1", "-1+1": "'-1+1", ";=1+1": ";'=1+1", "x;=1;-2": "x;'=1;'-2", `x;"=1"`: `x;'"=1"`, "a; b": "a; b", "": "",
	} {
		if got := asCell(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	r := emptyReport()
	r.Target = &model.Target{Name: "kafka-4.0", Clients: []model.TargetClient{{ClientIDs: []string{"::error::x"}}}}
	for line := range strings.Lines(string(formatted(t, "csv", r, TextOptions{}))) {
		if strings.HasPrefix(line, "::") {
			t.Errorf("a command: %s", line)
		}
	}
}

// TestKey: a key matches findings that differ in properties that change between runs. An empty
// field matches every value.
func TestKey(t *testing.T) {
	f := richReport().Findings[0]
	k := f.Key()
	later := f
	later.Broker, later.Count, later.Occurrences = "192.0.2.99:1", 99, nil
	if !k.Fits(&later) || k.String() != later.Key().String() {
		t.Error("the same finding of another run does not fit")
	}
	other := f
	other.Version = new(int16)
	if k.Fits(&other) {
		t.Error("another version fits")
	}
	none := f
	none.Version = nil
	if k.Fits(&none) {
		t.Error("a finding about connections fits")
	}
	if wide := (model.FindingKey{Code: f.Code}); !wide.Fits(&other) || !wide.Fits(&none) {
		t.Error("a code alone does not fit")
	}
	if wide := (model.FindingKey{Code: "KV0000"}); wide.Fits(&f) {
		t.Error("another code fits")
	}
	if narrow := (model.FindingKey{Code: f.Code, Broker: f.Broker}); !narrow.Fits(&f) || narrow.Fits(&later) {
		t.Error("a broker is not heeded")
	}
}

// TestOurTextsAreWhole: the advice is never truncated.
func TestOurTextsAreWhole(t *testing.T) {
	r := richReport()
	f := &r.Findings[0]
	f.KnownIssue, f.Advice = nil, strings.Repeat("Upgrade the client. ", 20)+"Then try again."
	for _, name := range []string{"text", "json", "markdown", "html", "csv", "sarif", "junit", "github"} {
		if got := strings.Join(strings.Fields(string(formatted(t, name, r, TextOptions{}))), " "); !strings.Contains(got, f.Advice) {
			t.Errorf("%s cuts it", name)
		}
	}
}
