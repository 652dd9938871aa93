package model

import (
	"cmp"
	"slices"
)

// Target says what of the traffic a release would refuse that is not the
// brokers': the check before an upgrade.
type Target struct {
	// Name is the release in words, or what the file given for it is of. Release is its name for --target
	// ("kafka-4.0.1-kraft"), File the file's path; one of them is empty.
	Name    string `json:"name"`
	Release string `json:"release"`
	File    string `json:"file"`
	// Source says where the ranges are from, Notes what one has to know of them.
	Source string   `json:"source"`
	Notes  []string `json:"notes"`
	// Summary counts the clients by verdict.
	Summary TargetSummary `json:"summary"`
	// Clients are ordered by verdict, the gravest first.
	Clients []TargetClient `json:"clients"`
	// Folded counts by verdict the clients that made room for others, nil for none. Summary counts them, too.
	Folded *TargetSummary `json:"folded,omitempty"`
}

// TargetSummary counts clients by verdict; brokers among themselves are none.
type TargetSummary struct {
	Breaks  int `json:"breaks"`
	Likely  int `json:"likely"`
	Unclear int `json:"unclear"`
	Fine    int `json:"fine"`
}

// The verdicts on a client.
const (
	// VerdictBreaks: the target certainly refuses some of its requests.
	VerdictBreaks = "breaks"
	// VerdictLikely: it refuses some, unless the client can do more than it showed.
	VerdictLikely = "likely"
	// VerdictUnclear: of some requests nothing can be said, or there are none to judge.
	VerdictUnclear = "unclear"
	// VerdictFine: the target accepts what the client sends, or would send to it.
	VerdictFine = "fine"
	// VerdictBrokers: requests of brokers among themselves, which are not judged: they are upgraded with the target.
	VerdictBrokers = "between-brokers"
)

// Verdicts are the verdicts in their order.
var Verdicts = []string{VerdictBreaks, VerdictLikely, VerdictUnclear, VerdictFine, VerdictBrokers}

// TargetClient is a client, as in Report.Clients, and what the target makes of it.
type TargetClient struct {
	SoftwareName    string   `json:"software_name"`
	SoftwareVersion string   `json:"software_version"`
	ClientIDs       []string `json:"client_ids"`
	Addresses       []string `json:"addresses"`
	// Principal is the user name with which the client authenticated, or the subject of its certificate; empty where it is unknown.
	Principal string `json:"principal"`
	// Processes are as in Client.
	Processes []Process `json:"processes,omitempty"`
	// Role says which requests of brokers among themselves these are: "replica fetcher"; empty for a client.
	Role string `json:"role,omitempty"`
	// Connections counts its connections, FirstSeen and LastSeen are the times of its first and last request.
	Connections uint64 `json:"connections"`
	FirstSeen   Time   `json:"first_seen"`
	LastSeen    Time   `json:"last_seen"`
	// Verdict is one of the Verdict constants.
	Verdict  string       `json:"verdict"`
	Requests uint64       `json:"requests"`
	Counts   TargetCounts `json:"counts"`
	// APIs are the requests that are refused, certain ones first, UnclearAPIs those of which it is unknown; each by API
	// and version.
	APIs        []TargetUse `json:"apis"`
	UnclearAPIs []TargetUse `json:"unclear_apis,omitempty"`
}

// TargetCounts counts a client's requests by what the target makes of them.
type TargetCounts struct {
	// Breaks are certainly refused, Likely unless the client can do more than it showed.
	Breaks uint64 `json:"breaks"`
	Likely uint64 `json:"likely"`
	// Adapts would be sent in another version, Passes are taken as they are.
	Adapts uint64 `json:"adapts"`
	Passes uint64 `json:"passes"`
	// Unclear: it is unknown. Exempt: ApiVersions, and probes that expect to be refused.
	Unclear uint64 `json:"unclear"`
	Exempt  uint64 `json:"exempt"`
}

// The reasons of requests of which it is unknown whether the target refuses them.
const (
	// ReasonMayBeUnlisted: the target may have the API without advertising it.
	ReasonMayBeUnlisted = "may-be-unlisted"
	// ReasonNegotiationUnseen: above the target's max, and what the client knew of the broker was not captured.
	ReasonNegotiationUnseen = "negotiation-not-seen"
)

// TargetUse counts the requests of one API and version that the target refuses, or may refuse, for one reason.
type TargetUse struct {
	Key      int16  `json:"key"`
	Name     string `json:"name"`
	Version  int16  `json:"version"`
	Requests uint64 `json:"requests"`
	// Certain is false where it is only likely. Reason is as in Finding.
	Certain bool   `json:"certain"`
	Reason  string `json:"reason"`
	// Target is what the target accepts, nil where it has no such API.
	Target *Range `json:"target"`
}

// Supplied describes ranges that the user supplied for brokers whose own were not seen.
type Supplied struct {
	// The fields are as those of Target.
	Name    string   `json:"name"`
	Release string   `json:"release"`
	File    string   `json:"file"`
	Source  string   `json:"source"`
	Notes   []string `json:"notes"`
}

// Of is the count of a verdict, nil for brokers among themselves.
func (s *TargetSummary) Of(verdict string) *int {
	switch verdict {
	case VerdictBreaks:
		return &s.Breaks
	case VerdictLikely:
		return &s.Likely
	case VerdictUnclear:
		return &s.Unclear
	case VerdictFine:
		return &s.Fine
	}
	return nil
}

// Count counts a client with that verdict. Brokers among themselves do not count.
func (s *TargetSummary) Count(verdict string) {
	if n := s.Of(verdict); n != nil {
		*n++
	}
}

// Finish completes t with its clients, and with the counts of those that were folded.
func (t *Target) Finish(clients []TargetClient, folded TargetSummary) {
	t.Clients, t.Summary = clients, folded
	if folded != (TargetSummary{}) {
		t.Folded = &folded
	}
	slices.SortStableFunc(t.Clients, compareTargetClients)
	for i := range t.Clients {
		t.Summary.Count(t.Clients[i].Verdict)
	}
}

// Verdict sums up the requests of a client.
func (n *TargetCounts) Verdict() string {
	switch {
	case n.Breaks > 0:
		return VerdictBreaks
	case n.Likely > 0:
		return VerdictLikely
	case n.Unclear > 0 || n.Passes+n.Adapts == 0:
		return VerdictUnclear
	}
	return VerdictFine
}

// CompareVerdicts orders verdicts, the gravest first.
func CompareVerdicts(a, b string) int { return slices.Index(Verdicts, a) - slices.Index(Verdicts, b) }

// compareTargetClients orders clients by verdict, the gravest first, then by how many requests are refused.
func compareTargetClients(a, b TargetClient) int {
	return cmp.Or(
		CompareVerdicts(a.Verdict, b.Verdict),
		cmp.Compare(b.Counts.Breaks+b.Counts.Likely, a.Counts.Breaks+a.Counts.Likely),
	)
}

// CompareTargetUses orders what a target refuses: certain ones first, then by API and version.
func CompareTargetUses(a, b TargetUse) int {
	if a.Certain != b.Certain {
		if a.Certain {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Reason, b.Reason))
}
