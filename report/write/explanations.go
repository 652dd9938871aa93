package write

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// originalCapture is the name of the input in a report with evidence: its frame numbers differ
// from those of the evidence.
const originalCapture = "the original capture"

// ofCapture names the capture of a frame. It is empty if only one is possible.
func ofCapture(r *model.Report, capture *uint32) string {
	switch {
	case len(r.Captures) > 1 && capture != nil && int(*capture) < len(r.Captures):
		return " of " + shorten(shortName(r, int(*capture)))
	case r.Evidence != nil:
		return " of " + originalCapture
	}
	return ""
}

// framesOf returns the frames of explanations. If all are of the same capture, suffix names it.
func framesOf(r *model.Report, list []model.Explanation) (frames []string, suffix string) {
	frames = make([]string, len(list))
	var of []string
	for i := range list {
		if e := &list[i]; e.Frame != nil {
			frames[i] = fmt.Sprintf("frame %d", *e.Frame)
			of = append(of, ofCapture(r, e.Capture))
		}
	}
	of = slices.Compact(of)
	switch {
	case len(of) == 1 && of[0] != "":
		return frames, "; frames" + of[0]
	case len(of) > 1:
		for i := range list {
			if frames[i] != "" {
				frames[i] += ofCapture(r, list[i].Capture)
			}
		}
	}
	return frames, ""
}

// excludedText says which other causes are excluded, by which packets, and which are not.
func excludedText(r *model.Report, f *model.Finding) string {
	frames, suffix := framesOf(r, f.RuledOut)
	var parts []string
	for i := range f.RuledOut {
		parts = append(parts, f.RuledOut[i].Cause+parenthesis(frames[i]))
	}
	text := strings.Join(parts, ", ") + suffix
	if open := openText(f); open != "" {
		text = cmp.Or(text, "nothing") + "; not excluded: " + open
	}
	return text
}

// openText names the other causes that nothing excludes.
func openText(f *model.Finding) string {
	var names []string
	for i := range f.NotRuledOut {
		names = append(names, f.NotRuledOut[i].Cause)
	}
	return words.List(names)
}

// explanationTexts lists other causes, with the evidence that excludes them or is missing.
func explanationTexts(r *model.Report, list []model.Explanation) string {
	frames, suffix := framesOf(r, list)
	parts := make([]string, 0, len(list))
	for i := range list {
		parts = append(parts, list[i].Cause+": "+list[i].Evidence+parenthesis(frames[i]))
	}
	return strings.Join(parts, "; ") + suffix
}

// remedy returns the fix of the known issue. If the match is only possible, advice comes first.
func remedy(f *model.Finding) string {
	k := f.KnownIssue
	switch {
	case k == nil || k.Workaround == "":
		return f.Advice
	case k.Confidence == model.MatchPossible:
		return strings.TrimSpace(f.Advice + " If it is this bug: " + k.Workaround)
	}
	return k.Workaround
}

// What a reader can do if a limit was exceeded.
const (
	stillChecked   = "; every request was checked"
	selectLess     = "; select fewer with --host, --net or --port"
	shorterCapture = "; analyze a shorter part of the capture to be certain"
)

// limitTexts say, by the names of limits in JSON, what exceeded the limit and what was lost.
var limitTexts = map[string]struct{ what, lost string }{
	"client_members":       {"too many client ids and addresses of one program", "its row lists the first 64; with --target, each client id has its own row" + stillChecked},
	"client_versions":      {"too many API versions of one client", "those beyond the first 512 are not listed" + stillChecked},
	"broker_tables":        {"too many different ranges of one broker", "those beyond the first 16 are not listed" + stillChecked},
	"broker_hours":         {"hours beyond 85 days in which a broker was used", "the earliest ones count as not watched" + stillChecked},
	"broker_apis":          {"too many API versions of all brokers", "further brokers are listed without theirs" + stillChecked},
	"other_addresses":      {"too many addresses that are not known brokers", "what they sent is not listed"},
	"clusters":             {"too many or too long lists of brokers in Metadata responses", "brokers that were not captured may be missing from the list"},
	"long_texts":           {"too long client ids or software names", "they were cut" + stillChecked},
	"shared_connections":   {"too many connections open at once", "a merged report may count their requests twice if another host captured them too" + selectLess},
	"evidence_occurrences": {"occurrences whose packets were evicted to save memory", "the evidence lacks them; the report has them"},

	"merged_captures":       {"too many captures of the same time", "those beyond the first 64 were not merged by packet time; merge reports of fewer captures"},
	"tunnel_depth":          {"packets in more than 8 tunnels", "they were not read"},
	"packet_headers":        {"packets with too many headers", "they were not read"},
	"unsupported_protocols": {"too many kinds of packets that are not read", "further ones are counted without a name"},
	"802.11_subframes":      {"802.11 frames with several packets", "those behind the first were not read"},
	"fragmented_datagrams":  {"too many incomplete IP datagrams", "the oldest were given up, and what was in them was not checked"},
	"fragment_bytes":        {"too many bytes of incomplete IP datagrams", "the oldest were given up, and what was in them was not checked"},
	"fragment_pieces":       {"IP datagrams in too many pieces", "they were given up, and what was in them was not checked"},

	"outstanding_requests": {"too many requests of one connection that wait for an answer", "the outcome of the oldest is unknown"},
	"early_answers":        {"too many responses captured before their requests", "the outcome of these requests is unknown"},
	"held_exchanges":       {"too many requests that waited for the ApiVersions response of their connection", "they were judged without it"},
	"waiting_exchanges":    {"too many requests that waited for the ranges of their broker", "those without a range were not checked; give --advertised"},
	"large_answers":        {"very large ApiVersions responses", "the rest of them was not read"},
	"correlator_brokers":   {"too many brokers", "other connections to further ones cannot borrow their ranges" + selectLess},
	"correlator_tables":    {"too many different ranges of one broker", "other connections cannot borrow the oldest"},

	"flows":             {"too many connections open at once", "those silent for longest were given up, and what followed on them was not checked" + selectLess},
	"silent_flows":      {"too many open connections without payload", "those silent for longest were given up" + selectLess},
	"networks":          {"too many connections with the same addresses and ports in different networks (VLANs or tunnels)", "those silent for longest were given up" + selectLess},
	"queued_segments":   {"too many segments that waited for a missing one", "it counts as lost; what was in it was not checked"},
	"undecided_streams": {"too many connections of unknown protocol", "they were not checked" + selectLess},
	"huge_segments":     {"segments above the largest size", "what was in them was not checked"},
	"held_bytes":        {"very long messages", "the rest of them was not read"},
	"tls_secrets":       {"too many TLS secrets in the key logs", "connections of the oldest were not decrypted; give key logs of the time of the capture alone"},

	"remembered_connections": {"too many open connections with a request that may explain their end", "that their oldest requests explain it is not seen" + selectLess},

	"departures":          {"too many connections that came to nothing", "they were judged by what was captured before" + shorterCapture},
	"history_suspects":    {"too many requests that were not served", "they were judged by what was captured before" + shorterCapture},
	"history_addresses":   {"too many broker addresses", "of further ones a restart or an idle limit is not recognized" + selectLess},
	"history_versions":    {"too many API versions that brokers answered", "it is unknown whether further ones are answered elsewhere" + shorterCapture},
	"history_tables":      {"too many changes of the ranges of one broker", "the oldest were evicted" + shorterCapture},
	"history_connections": {"too many connections", "the history of the oldest was evicted" + shorterCapture},
	"history_clients":     {"too many clients", "the history of the oldest was evicted" + shorterCapture},
	"sealed":              {"too many encrypted connections or addresses", "from further ones nothing was inferred" + selectLess},

	"target_versions":    {"too many refused API versions of one client", "further ones are not listed; its verdict holds"},
	"target_members":     {"too many client ids and addresses of one client", "further ones are not listed; its verdict holds"},
	"target_askers":      {"too many clients that ask for ranges", "further ones count as such too: one that does not may break, and is not listed" + selectLess},
	"target_connections": {"too many connections of clients", "further ones may count twice; the verdicts hold"},
}

func limitText(name string, n uint64) string {
	limit, ok := limitTexts[name]
	if !ok {
		return strings.ReplaceAll(shorten(name), "_", " ") + ", " + words.Times(n) + ": something was not kept or not checked"
	}
	return limit.what + ", " + words.Times(n) + ": " + limit.lost
}
