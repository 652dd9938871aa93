package write

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestExplanationsSayOfWhichCaptureTheirFramesAre: otherwise they lead to the wrong packet.
func TestExplanationsSayOfWhichCaptureTheirFramesAre(t *testing.T) {
	one := []model.Explanation{{Cause: "restart", Evidence: "it answered", Capture: ref(uint32(0)), Frame: ref(uint64(81))}, {Cause: "proxy", Evidence: "none"}}
	two := append(slices.Clone(one), model.Explanation{Cause: "size", Evidence: "as large", Capture: ref(uint32(1)), Frame: ref(uint64(16))})
	captures := []model.Capture{{Path: "dir/a.pcap"}, {Path: "dir/b.pcap"}}
	for name, test := range map[string]struct {
		r           model.Report
		list        []model.Explanation
		long, short string
	}{
		"one capture": {model.Report{Captures: captures[:1]}, one, "restart: it answered (frame 81); proxy: none", "restart (frame 81), proxy"},
		"with evidence": {
			model.Report{Captures: captures[:1], Evidence: &model.EvidenceFile{}}, one,
			"restart: it answered (frame 81); proxy: none; frames of the original capture", "restart (frame 81), proxy; frames of the original capture",
		},
		"several captures, one concerned": {
			model.Report{Captures: captures}, one, "restart: it answered (frame 81); proxy: none; frames of a.pcap", "restart (frame 81), proxy; frames of a.pcap",
		},
		"several captures": {
			model.Report{Captures: captures}, two,
			"restart: it answered (frame 81 of a.pcap); proxy: none; size: as large (frame 16 of b.pcap)", "restart (frame 81 of a.pcap), proxy, size (frame 16 of b.pcap)",
		},
	} {
		if got := explanationTexts(&test.r, test.list); got != test.long {
			t.Errorf("%s: %q, want %q", name, got, test.long)
		}
		if got := excludedText(&test.r, &model.Finding{RuledOut: test.list}); got != test.short {
			t.Errorf("%s: %q, want %q", name, got, test.short)
		}
	}
}

// TestReportWithEvidenceSaysOfWhichFileItsNumbersAre: a bundle has only the evidence.
func TestReportWithEvidenceSaysOfWhichFileItsNumbersAre(t *testing.T) {
	r := richReport()
	r.Captures = r.Captures[:1]
	f := &r.Findings[0]
	f.Occurrences[0].InEvidence = &model.EvidencePlace{Frame: 3}
	wants := []string{"in the original capture, with Wireshark display filters", "packets in the original capture"}
	for _, format := range []string{"markdown", "html"} {
		if got := string(formatted(t, format, r, TextOptions{})); strings.Contains(got, "original capture") {
			t.Errorf("%s without evidence speaks of the original capture", format)
		}
	}
	r.Evidence = &model.EvidenceFile{Path: "evidence.pcapng", Packets: 9, Connections: 1}
	for _, format := range []string{"markdown", "html"} {
		for _, want := range wants {
			if got := string(formatted(t, format, r, TextOptions{})); !strings.Contains(got, want) {
				t.Errorf("%s lacks %q", format, want)
			}
		}
	}
	if got, want := string(formatted(t, "text", r, TextOptions{})), "frame "+"62 of the original capture"; !strings.Contains(got, want) {
		t.Errorf("text lacks %q: %s", want, got)
	}
}

// TestEveryLimitIsSaidInWords: limits and texts about them correspond.
func TestEveryLimitIsSaidInWords(t *testing.T) {
	names := []string{
		"client_members", "client_versions", "broker_tables", "broker_hours", "broker_apis", "other_addresses", "clusters", "shared_connections", "remembered_connections", "departures", "sealed", "evidence_occurrences", "tls_secrets",
		"target_versions", "target_askers", "target_members", "target_connections",
		"merged_captures", "tunnel_depth", "packet_headers", "unsupported_protocols", "802.11_subframes", "fragmented_datagrams", "fragment_bytes", "fragment_pieces",
	}
	var ours reassembly.Limits
	var theirs decode.Limits
	var past history.Limits
	for _, limits := range []any{&ours, &theirs, &past} {
		for v, i := reflect.ValueOf(limits).Elem(), 0; i < v.NumField(); i++ {
			v.Field(i).SetUint(1)
		}
	}
	for _, hit := range []map[string]uint64{ours.Hit(), theirs.Hit(), past.Hit()} {
		for name := range hit {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if l, ok := limitTexts[name]; !ok || l.what == "" || l.lost == "" {
			t.Errorf("%s: no text", name)
		}
	}
	for name := range limitTexts {
		if !slices.Contains(names, name) {
			t.Errorf("%s: there is no such limit", name)
		}
	}
	if got, want := limitText("flows", 544), "too many connections open at once, 544 times: those silent for longest were given up, and what followed on them was not checked"; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := limitText("new_limit", 2), "new limit, twice: something was not kept or not checked"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestExcludedText: the line also says that nothing is excluded.
func TestExcludedText(t *testing.T) {
	frame, capture := uint64(7), uint32(0)
	out := []model.Explanation{{Cause: "restart", Frame: &frame, Capture: &capture}}
	open := []model.Explanation{{Cause: "proxy"}, {Cause: "size"}}
	for want, f := range map[string]*model.Finding{
		"": {}, "restart (frame 7)": {RuledOut: out}, "restart (frame 7); not excluded: proxy and size": {RuledOut: out, NotRuledOut: open},
		"nothing; not excluded: proxy and size": {NotRuledOut: open},
	} {
		if got := excludedText(&model.Report{}, f); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
