package model

import (
	"cmp"
	"slices"
)

// Target describes the requests that a release would refuse, except requests between brokers. It
// is the check before an upgrade.
type Target struct {
	// Name describes the release, or the contents of its file. Release is its name for --target
	// ("kafka-4.0.1-kraft"), File the path of the file; one of them is empty.
	Name    string `json:"name"`
	Release string `json:"release"`
	File    string `json:"file"`
	// Ranges is a hash of the ranges in File; empty for a release.
	Ranges string `json:"ranges,omitzero"`
	// Source is the source of the ranges. Notes are remarks about them.
	Source string   `json:"source"`
	Notes  []string `json:"notes"`
	// Summary counts the clients by verdict.
	Summary TargetSummary `json:"summary"`
	// Clients are ordered by verdict, the most severe first.
	Clients []TargetClient `json:"clients"`
	// Apart are the rows that a merged report joined to one row of a client, or judged by the
	// captures of other hosts; empty for none. The next merge begins with them.
	Apart []TargetClient `json:"apart,omitempty"`
	// Folded counts the folded clients by verdict; nil for none. Summary includes them.
	Folded *TargetSummary `json:"folded,omitempty"`
}

// TargetSummary counts clients by verdict. It does not count brokers among themselves.
type TargetSummary struct {
	Breaks  int `json:"breaks"`
	Likely  int `json:"likely"`
	Unclear int `json:"unclear"`
	Fine    int `json:"fine"`
}

// The verdicts about a client.
const (
	// VerdictBreaks: the target certainly refuses some of its requests.
	VerdictBreaks = "breaks"
	// VerdictLikely: the target refuses some of its requests, unless the client supports versions
	// that it has not used so far.
	VerdictLikely = "likely"
	// VerdictUnclear: for some requests the result is unknown, or there are none to judge.
	VerdictUnclear = "unclear"
	// VerdictFine: the target accepts the requests of the client, unchanged or in another version.
	VerdictFine = "fine"
	// VerdictBrokers: requests of brokers among themselves. They are not judged, because the
	// brokers are upgraded with the target.
	VerdictBrokers = "between-brokers"
)

// Verdicts are the verdicts in their order.
var Verdicts = []string{VerdictBreaks, VerdictLikely, VerdictUnclear, VerdictFine, VerdictBrokers}

// TargetClient is a client, as in Report.Clients, with the verdict of the target.
type TargetClient struct {
	SoftwareName    string   `json:"software_name"`
	SoftwareVersion string   `json:"software_version"`
	ClientIDs       []string `json:"client_ids" redact:"client"`
	// Addresses are its first addresses, BreakingAddresses the first of those that sent a request
	// that is certainly refused. AddressesOmitted counts the other addresses in one report. Merging
	// keeps the largest count.
	Addresses         []string `json:"addresses" redact:"address"`
	BreakingAddresses []string `json:"breaking_addresses,omitempty" redact:"address"`
	// AskingAddresses are the first of those that requested the ranges, with one of its client ids.
	AskingAddresses  []string `json:"asking_addresses,omitempty" redact:"address"`
	AddressesOmitted int64    `json:"addresses_omitted,omitzero"`
	// Principal is its user name, or the subject of its certificate; empty if unknown.
	Principal string `json:"principal" redact:"principal"`
	// Processes are the same as in Client.
	Processes []Process `json:"processes,omitempty"`
	// Role describes requests of brokers among themselves ("replica fetcher"); empty for a client.
	Role string `json:"role,omitempty"`
	// Connections counts its connections. FirstSeen and LastSeen are times of requests.
	Connections uint64 `json:"connections"`
	FirstSeen   Time   `json:"first_seen"`
	LastSeen    Time   `json:"last_seen"`
	// Verdict is one of the Verdict constants.
	Verdict  string       `json:"verdict"`
	Requests uint64       `json:"requests"`
	Counts   TargetCounts `json:"counts"`
	// APIs are the refused requests, certain ones first. UnclearAPIs are those with an unknown
	// result. Both are by API and version.
	APIs        []TargetUse `json:"apis"`
	UnclearAPIs []TargetUse `json:"unclear_apis,omitempty"`
}

// TargetCounts counts the requests of a client by the result on the target.
type TargetCounts struct {
	// Breaks are refused. Likely are refused unless the client supports other versions.
	Breaks uint64 `json:"breaks"`
	Likely uint64 `json:"likely"`
	// Adapts would be sent in another version. Passes are accepted unchanged.
	Adapts uint64 `json:"adapts"`
	Passes uint64 `json:"passes"`
	// Unclear: the result is unknown. Exempt: ApiVersions, and probes that expect a refusal.
	Unclear uint64 `json:"unclear"`
	Exempt  uint64 `json:"exempt"`
}

// The reasons for refusals that the captures of another host can change.
const (
	// ReasonNotAsked: the client was not seen to request the ranges.
	ReasonNotAsked = "not-negotiated"
	// ReasonOfferUnseen: the ranges of the broker were not captured.
	ReasonOfferUnseen = "offer-not-seen"
)

// The reasons for an unknown result on the target.
const (
	// ReasonMayBeUnlisted: the target may support the API without advertising it.
	ReasonMayBeUnlisted = "may-be-unlisted"
	// ReasonNegotiationUnseen: the version is above the target's max, and the client's negotiation
	// with the broker was not captured.
	ReasonNegotiationUnseen = "negotiation-not-seen"
)

// TargetUse counts requests of one API version that the target may refuse, for one reason.
type TargetUse struct {
	Key      int16  `json:"key"`
	Name     string `json:"name"`
	Version  int16  `json:"version"`
	Requests uint64 `json:"requests"`
	// LastSeen is the time of the last of these requests.
	LastSeen Time `json:"last_seen,omitzero"`
	// Certain is false if the refusal is only likely. Reason is the same as in Finding.
	Certain bool   `json:"certain"`
	Reason  string `json:"reason"`
	// Target is the range that the target supports; nil if it does not have the API.
	Target *Range `json:"target"`
}

// Supplied describes ranges that the user supplied for brokers without captured ranges.
type Supplied struct {
	// The fields are the same as in Target.
	Name    string   `json:"name"`
	Release string   `json:"release"`
	File    string   `json:"file"`
	Source  string   `json:"source"`
	Notes   []string `json:"notes"`
}

// Of returns the counter of a verdict; nil for brokers among themselves.
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

// Count counts a client with that verdict. It does not count brokers among themselves.
func (s *TargetSummary) Count(verdict string) {
	if n := s.Of(verdict); n != nil {
		*n++
	}
}

// Finish sets the clients of t, and adds the counts of the folded ones.
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

// Verdict returns the verdict for a client with these requests.
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

// CompareVerdicts orders verdicts, the most severe first.
func CompareVerdicts(a, b string) int { return slices.Index(Verdicts, a) - slices.Index(Verdicts, b) }

// compareTargetClients orders clients by verdict, the most severe first, then by refused requests.
func compareTargetClients(a, b TargetClient) int {
	return cmp.Or(
		CompareVerdicts(a.Verdict, b.Verdict),
		cmp.Compare(b.Counts.Breaks+b.Counts.Likely, a.Counts.Breaks+a.Counts.Likely),
	)
}

// CompareTargetUses orders refused requests: certain ones first, then by API and version.
func CompareTargetUses(a, b TargetUse) int {
	return cmp.Or(TrueFirst(a.Certain, b.Certain), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Reason, b.Reason))
}
