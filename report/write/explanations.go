package write

import (
	"fmt"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// excludedText says in one line which other causes are excluded, and by which packets, and which are not.
func excludedText(f *model.Finding) string {
	var parts []string
	for i := range f.RuledOut {
		e := &f.RuledOut[i]
		text := e.Cause
		if e.Frame != nil {
			text += fmt.Sprintf(" (frame %d)", *e.Frame)
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, ", ")
	if open := openText(f); open != "" {
		if text != "" {
			text += "; "
		}
		text += "not excluded: " + open
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

// explanationTexts are other causes with what excludes them, or what is missing to do so.
func explanationTexts(list []model.Explanation) string {
	parts := make([]string, 0, len(list))
	for i := range list {
		e := &list[i]
		text := e.Cause + ": " + e.Evidence
		if e.Frame != nil {
			text += fmt.Sprintf(" (frame %d)", *e.Frame)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// remedy says what to do: the fix of the known issue, after the general advice where the match is
// only possible.
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

// limitWords say of the limits, by their names in the JSON report, what was not kept.
var limitWords = map[string]string{
	"client_members":         "client ids and addresses of a client beyond the first 64",
	"client_versions":        "API versions of a client beyond the first 512",
	"broker_tables":          "different ranges of one broker beyond the first 16",
	"other_addresses":        "addresses that are not known as brokers",
	"departures":             "connections that came to nothing: they were judged before the end of the input",
	"evidence_occurrences":   "occurrences whose packets were not kept as evidence",
	"history_addresses":      "broker addresses whose history was not kept",
	"history_versions":       "API versions whose answers were not remembered",
	"history_tables":         "older ranges of a broker",
	"history_connections":    "connections whose history was evicted",
	"history_clients":        "clients whose history was evicted",
	"history_suspects":       "requests that were not served: they were judged before the end of the input",
	"outstanding_requests":   "requests without an answer on a connection with too many of them",
	"early_answers":          "responses that came too long before their requests",
	"held_exchanges":         "requests that stopped waiting for the ApiVersions response of their connection",
	"long_texts":             "long client ids and software names: they were cut",
	"large_answers":          "the rest of very large ApiVersions responses",
	"waiting_exchanges":      "requests that stopped waiting for the ranges of their broker",
	"correlator_brokers":     "ranges of further brokers",
	"correlator_tables":      "older ranges of a broker",
	"flows":                  "connections open at once beyond the limit",
	"silent_flows":           "connections that were silent for too long",
	"queued_segments":        "segments that waited for missing ones",
	"undecided_streams":      "connections whose protocol was not recognised within the limit",
	"huge_segments":          "segments above the largest size",
	"held_bytes":             "bytes held for connections that were not recognised yet",
	"tls_secrets":            "TLS secrets beyond the limit",
	"target_clients":         "clients that were compared with the target",
	"target_client_versions": "API versions that were compared with the target",
}

// limitText says in words what a limit kept out.
func limitText(name string) string {
	if text, ok := limitWords[name]; ok {
		return text
	}
	return strings.ReplaceAll(name, "_", " ")
}
