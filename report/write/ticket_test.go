package write

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// TestHeadlineSaysEachThingOnce: the text after the headline does not repeat its outcome.
func TestHeadlineSaysEachThingOnce(t *testing.T) {
	for _, c := range []struct {
		message      string
		count        uint64
		outcomes     map[string]uint64
		want, course string
	}{
		{"Fetch v12 sent, the broker advertises v4 to v7", 6, map[string]uint64{"closed": 6},
			"A client sends Fetch v12, which supports up to v7", "6 times, each time the broker closed the connection"},
		{"Fetch v12 sent, the broker advertises v4 to v7", 1, map[string]uint64{"closed": 1},
			"A client sends Fetch v12, which supports up to v7", "The broker closed the connection"},
		{"Fetch v12 sent, the broker advertises v4 to v7", 3, map[string]uint64{"closed": 2, "reset": 1},
			"A client sends Fetch v12, which supports up to v7", "3 times: the broker closed the connection twice; the broker reset the connection once"},
		{"Fetch v12 answered UNSUPPORTED_VERSION", 2, map[string]uint64{"error": 2}, "Fetch v12 answered UNSUPPORTED_VERSION", "Twice"},
		{"Fetch v12 sent without a known range, the broker did not answer until the client gave up", 1, map[string]uint64{"left": 1},
			"A client sends Fetch v12, which supports up to v7", "The client closed the connection before an answer"},
	} {
		r := emptyReport()
		r.Findings = []model.Finding{{
			Severity: model.Warning, Message: c.message, APIKey: ref[int16](1), API: "Fetch", Version: ref[int16](12),
			Advertised: &model.Range{Min: 4, Max: 7}, Count: c.count, Outcomes: c.outcomes,
		}}
		course, _ := afterHeadline(r)
		if got := headline(r); got != c.want || course != c.course {
			t.Errorf("got  %s. %s\nwant %s. %s", got, course, c.want, c.course)
		}
	}
}

func TestTitleSaysWhoWhatAndTheFix(t *testing.T) {
	finding := func(change func(f *model.Finding)) *model.Finding {
		f := &model.Finding{
			Severity: model.Error, Code: "KV1001", Message: "Fetch v12 sent, the broker advertises v4 to v10", APIKey: ref[int16](1), API: "Fetch",
			Version: ref[int16](12), Advertised: &model.Range{Min: 4, Max: 10}, Broker: "127.0.0.1:9092",
			Client:     &model.FindingClient{SoftwareName: "confluent-kafka-go", SoftwareVersion: "2.6.0", ClientID: ref("orders")},
			KnownIssue: &model.KnownIssue{FixedIn: "2.6.1", Confidence: "certain"},
		}
		change(f)
		return f
	}
	for _, c := range []struct {
		change func(f *model.Finding)
		want   string
	}{
		{func(*model.Finding) {}, "confluent-kafka-go 2.6.0 sends Fetch v12 to 127.0.0.1:9092, which supports up to v10; fixed in 2.6.1"},
		{func(f *model.Finding) { f.KnownIssue.Confidence = "possible" }, "confluent-kafka-go 2.6.0 sends Fetch v12 to 127.0.0.1:9092, which supports up to v10"},
		{func(f *model.Finding) { f.Client.SoftwareName, f.Client.SoftwareVersion, f.KnownIssue = "", "", nil },
			"orders sends Fetch v12 to 127.0.0.1:9092, which supports up to v10"},
		{func(f *model.Finding) { f.Client, f.KnownIssue = nil, nil }, "a client sends Fetch v12 to 127.0.0.1:9092, which supports up to v10"},
		{func(f *model.Finding) { f.Advertised, f.KnownIssue = &model.Range{Min: 14, Max: 17}, nil },
			"confluent-kafka-go 2.6.0 sends Fetch v12 to 127.0.0.1:9092, which supports v14 or higher"},
		{func(f *model.Finding) { f.Code, f.Advertised, f.KnownIssue = model.CodeNotAdvertised, nil, nil },
			"confluent-kafka-go 2.6.0 sends Fetch v12 to 127.0.0.1:9092, which does not advertise it"},
		{func(f *model.Finding) {
			f.Message, f.Advertised, f.KnownIssue = "Fetch v12 sent, the broker reset the connection", nil, nil
		}, "confluent-kafka-go 2.6.0 sends Fetch v12 to 127.0.0.1:9092, which reset the connection"},
		{func(f *model.Finding) { f.Message = "Fetch v12 answered UNSUPPORTED_VERSION" },
			"confluent-kafka-go 2.6.0 to 127.0.0.1:9092: Fetch v12 answered UNSUPPORTED_VERSION; fixed in 2.6.1"},
		{func(f *model.Finding) {
			f.Message, f.API, f.APIKey, f.Client, f.KnownIssue = "one address advertised 2 different sets of ranges", "", nil, nil, nil
		}, "127.0.0.1:9092: one address advertised 2 different sets of ranges"},
		{func(f *model.Finding) {
			f.Message, f.Reason, f.KnownIssue = "Fetch v12 sent, Kafka 4.0.0 accepts v14 to v17", "no-newer", nil
		}, "confluent-kafka-go 2.6.0 sends Fetch v12, Kafka 4.0.0 accepts v14 to v17"},
	} {
		if got := title(finding(c.change)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// TestNotesAreFolded: beside errors and warnings, and if nothing needs to be done.
func TestNotesAreFolded(t *testing.T) {
	note := model.Finding{Severity: model.Info, Advice: "Capture more."}
	nothing := model.Finding{Severity: model.Info, Advice: "Nothing needs to be done."}
	alone, beside := emptyReport(), emptyReport()
	beside.Findings = []model.Finding{{Severity: model.Warning}}
	for _, c := range []struct {
		r    *model.Report
		f    model.Finding
		want bool
	}{{alone, note, false}, {alone, nothing, true}, {beside, note, true}, {beside, beside.Findings[0], false}} {
		if got := isNote(c.r, &c.f); got != c.want {
			t.Errorf("%d findings, %s: folded %t", len(c.r.Findings), c.f.Advice, got)
		}
	}
}

// TestHeadlineTellsOfANoteWhereThereWasNoKafka: the headline says what prevented it.
func TestHeadlineTellsOfANoteWhereThereWasNoKafka(t *testing.T) {
	r := emptyReport()
	r.Findings = []model.Finding{{Severity: model.Info, Code: "KV9004", Message: "TLS handshake failed on 1 connection: closed by the broker without a byte"}}
	if got, want := headline(r), "No Kafka request was seen: TLS handshake failed on 1 connection: closed by the broker without a byte"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSourcesOfRangesAddUp: a merged report counts shared connections once, and not by source.
func TestSourcesOfRangesAddUp(t *testing.T) {
	for want, s := range map[string]model.Summary{
		"|3 here and 1 there": {RequestsChecked: 4, Evidence: model.EvidenceCounts{Observed: 3, Borrowed: 1}},
		"|here and there":     {RequestsChecked: 3, Evidence: model.EvidenceCounts{Observed: 3, Borrowed: 1}},
		"here|":               {RequestsChecked: 3, Evidence: model.EvidenceCounts{Observed: 4}},
		"there|":              {RequestsChecked: 1, Evidence: model.EvidenceCounts{Borrowed: 1}},
		"|":                   {},
	} {
		one, parts := sources(&s, "here", "there")
		if got := one + "|" + words.List(parts); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}

// TestNothingWasCheckedIsSaidOnce: any report says once that no request was checked.
func TestNothingWasCheckedIsSaidOnce(t *testing.T) {
	for name, findings := range map[string][]model.Finding{
		"nothing found": nil, "a note": {{Code: "KV9003", Message: "open before"}}, "a warning": {{Code: "KV2012", Severity: model.Warning, Message: "HTTP"}},
		"accepted": {{Code: "KV2012", Severity: model.Warning, Message: "HTTP", Accepted: true}},
	} {
		r := emptyReport()
		r.Findings, r.Summary.Findings = findings, model.CountSeverities(findings)
		for _, format := range []string{"text", "markdown"} {
			text := string(formatted(t, format, r, TextOptions{}))
			if n := strings.Count(text, "nothing was checked") + strings.Count(text, "# Nothing to check"); n != 1 {
				t.Errorf("%s, %s: said %d times: %s", name, format, n, text)
			}
		}
	}
}

func TestFindingsBeyondTheLimitAreCounted(t *testing.T) {
	r := richReport()
	r.Folded = &model.Folded{Findings: []model.FoldedFindings{{Code: "KV1001", Severity: model.Error, Findings: 5000, Count: 7000}}}
	const want = "and 5,000 others of KV1001 (7,000 times)"
	var text strings.Builder
	if err := Text(&text, r, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"Markdown": markdownOf(t, r), "HTML": htmlOf(t, r, 0), "text": text.String()} {
		if name == "text" {
			got = strings.ReplaceAll(got, ", 5,000", " and 5,000")
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
}

// TestFoldedFindingsAreToldApart: the title of a folded finding has request and range.
func TestFoldedFindingsAreToldApart(t *testing.T) {
	f := model.Finding{Code: "KV1001", Title: "above-max", API: "Fetch", APIKey: ref[int16](1), Version: ref[int16](12), Advertised: &model.Range{Min: 4, Max: 7}, Count: 6}
	if got, want := summaryOf(&f, 7), "7. KV1001 above-max: Fetch v12, advertised v4 to v7, 6 times"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if text := markdownOf(t, hugeReport(20, 20)); !strings.Contains(text, "<summary>7. KV1001 above-max: Fetch v12, advertised v4 to v7, 14 times</summary>") {
		t.Error("a fold does not say what is in it")
	}
}

// TestAdvertisedSaysOnlyWhatIsTrue: the text that no ranges were captured is missing for
// ApiVersions, which may have any version, and for a broker with captured ranges.
func TestAdvertisedSaysOnlyWhatIsTrue(t *testing.T) {
	for _, c := range []struct{ api, release, want string }{
		{"ApiVersions", model.ReleaseUnknown, ""},
		{"Metadata", model.ReleaseUnknown, "unknown: no ranges of this broker were captured"},
		{"Metadata", "Kafka 3.9", "unknown: the captured ranges of this broker do not apply here"},
	} {
		f := &model.Finding{API: c.api, APIKey: ref[int16](3), Version: ref[int16](3), Release: c.release}
		if got := advertisedText(f); got != c.want {
			t.Errorf("%s at %s: %q, want %q", c.api, c.release, got, c.want)
		}
	}
}
