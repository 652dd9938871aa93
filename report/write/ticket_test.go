package write

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
)

// TestHeadlineSaysEachThingOnce: how it went on stands in parentheses only as far as
// the message does not say it.
func TestHeadlineSaysEachThingOnce(t *testing.T) {
	for _, c := range []struct {
		message  string
		count    uint64
		outcomes map[string]uint64
		want     string
	}{
		{"Fetch v12 sent, the broker advertises v4 to v7", 6, map[string]uint64{"closed": 6}, "Fetch v12 sent, the broker advertises v4 to v7 (6 times, each time the broker closed the connection)"},
		{"Fetch v12 sent, the broker advertises v4 to v7", 1, map[string]uint64{"closed": 1}, "Fetch v12 sent, the broker advertises v4 to v7 (the broker closed the connection)"},
		{"Fetch v12 sent, the broker advertises v4 to v7", 3, map[string]uint64{"closed": 2, "reset": 1}, "Fetch v12 sent, the broker advertises v4 to v7 (3 times: the broker closed the connection twice; the broker reset the connection once)"},
		{"ApiVersions v4 sent, the broker reset the connection", 1, map[string]uint64{"reset": 1}, "ApiVersions v4 sent, the broker reset the connection"},
		{"ApiVersions v4 sent, the broker reset the connection", 3, map[string]uint64{"reset": 3}, "ApiVersions v4 sent, the broker reset the connection (3 times)"},
		{"ApiVersions v0 sent, the broker did not answer and the client gave up", 1, map[string]uint64{"left": 1}, "ApiVersions v0 sent, the broker did not answer and the client gave up"},
		{"SaslAuthenticate v2 answered with SASL_AUTHENTICATION_FAILED", 2, map[string]uint64{"answered": 2}, "SaslAuthenticate v2 answered with SASL_AUTHENTICATION_FAILED (twice)"},
	} {
		r := emptyReport()
		r.Findings = []model.Finding{{Severity: model.Warning, Message: c.message, APIKey: ref[int16](1), Count: c.count, Outcomes: c.outcomes}}
		if got := headline(r); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// TestHeadlineTellsOfANoteWhereThereWasNoKafka: what kept the client from asking is what happened.
func TestHeadlineTellsOfANoteWhereThereWasNoKafka(t *testing.T) {
	r := emptyReport()
	r.Findings = []model.Finding{{Severity: model.Info, Code: "KV9004", Message: "TLS handshake failed on 1 connection: closed by the broker without a byte"}}
	if got, want := headline(r), "No Kafka request was seen: TLS handshake failed on 1 connection: closed by the broker without a byte"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestFindingsBeyondTheLimitAreCounted in every format that is read by people.
func TestFindingsBeyondTheLimitAreCounted(t *testing.T) {
	r := richReport()
	r.Quality.LimitsHit[model.LimitFindings] = 5000
	const want = "and 5,000 occurrences of others that were not kept"
	var text strings.Builder
	if err := Text(&text, r, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"Markdown": markdownOf(t, r), "HTML": htmlOf(t, r, HTMLOptions{}), "text": text.String()} {
		if name == "text" {
			got = strings.ReplaceAll(got, ", 5,000", " and 5,000")
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
}

// TestFoldedFindingsAreToldApart: what stands on the fold names request and range.
func TestFoldedFindingsAreToldApart(t *testing.T) {
	f := model.Finding{Code: "KV1001", Title: "above-max", API: "Fetch", APIKey: ref[int16](1), Version: ref[int16](12), Advertised: &model.Range{Min: 4, Max: 7}, Count: 6}
	if got, want := summaryOf(&f, 7), "7. KV1001 above-max: Fetch v12, advertised v4 to v7, 6 times"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if text := markdownOf(t, hugeReport(20, 20)); !strings.Contains(text, "<summary>7. KV1001 above-max: Fetch v12, advertised v4 to v7, 14 times</summary>") {
		t.Error("a fold does not say what is in it")
	}
}

// TestAdvertisedSaysOnlyWhatIsTrue: that no ranges were seen is not said of ApiVersions, which may have any version,
// nor of a broker whose ranges were seen.
func TestAdvertisedSaysOnlyWhatIsTrue(t *testing.T) {
	for _, c := range []struct{ api, release, want string }{
		{"ApiVersions", model.ReleaseUnknown, ""},
		{"Metadata", model.ReleaseUnknown, "not known: no ranges of this broker were seen"},
		{"Metadata", "Kafka 3.9", "not known: the ranges that were seen of this broker do not hold here"},
	} {
		f := &model.Finding{API: c.api, APIKey: ref[int16](3), Version: ref[int16](3), Release: c.release}
		if got := advertisedText(f); got != c.want {
			t.Errorf("%s at %s: %q, want %q", c.api, c.release, got, c.want)
		}
	}
}
