package model

import (
	"fmt"
	"slices"
	"testing"
)

// TestAClientThatAsksElsewhereIsNotCertainToBreak: every address that sent the refused requests
// must ask. The rows before it are kept for the next merge.
func TestAClientThatAsksElsewhereIsNotCertainToBreak(t *testing.T) {
	target := &Range{Min: 3, Max: 12}
	use := func(version int16, reason string) TargetUse {
		return TargetUse{Version: version, Requests: 1, Certain: true, Reason: reason, Target: target}
	}
	asker := TargetClient{SoftwareName: "lib", ClientIDs: []string{"svc"}, AskingAddresses: []string{"10.0.0.1"}, Verdict: VerdictFine, Counts: TargetCounts{Passes: 1}}
	for _, tt := range []struct {
		name      string
		uses      []TargetUse
		addresses []string
		id        string
		want      string
	}{
		{"an old version", []TargetUse{use(2, ReasonNotAsked)}, []string{"10.0.0.1"}, "svc", "likely [false offer-not-seen] [] []"},
		{"a new version", []TargetUse{use(13, ReasonNotAsked)}, []string{"10.0.0.1"}, "svc", "unclear [] [negotiation-not-seen] []"},
		{"also another reason", []TargetUse{use(2, "against-offer"), use(2, ReasonNotAsked)}, []string{"10.0.0.1"}, "svc", "breaks [true against-offer false offer-not-seen] [] [10.0.0.1]"},
		{"from another address", []TargetUse{use(2, ReasonNotAsked)}, []string{"10.0.0.1", "10.0.0.2"}, "svc", "breaks [true not-negotiated] [] [10.0.0.1 10.0.0.2]"},
		{"with another client id", []TargetUse{use(2, ReasonNotAsked)}, []string{"10.0.0.1"}, "cron", "breaks [true not-negotiated] [] [10.0.0.1]"},
		{"an API that the target lacks", []TargetUse{{Requests: 1, Certain: true, Reason: ReasonNotAsked}}, []string{"10.0.0.1"}, "svc", "breaks [true not-negotiated] [] [10.0.0.1]"},
	} {
		silent := TargetClient{ClientIDs: []string{tt.id}, Principal: "p", Addresses: tt.addresses, BreakingAddresses: tt.addresses, APIs: tt.uses,
			Verdict: VerdictBreaks, Counts: TargetCounts{Breaks: uint64(len(tt.uses))}}
		rows := []TargetClient{silent, asker}
		out := new(Target)
		out.Clients = out.Join(slices.Clone(rows), NewAskers(rows))
		row := out.Clients[0]
		var apis, unclear []string
		for _, u := range row.APIs {
			apis = append(apis, fmt.Sprint(u.Certain, " ", u.Reason))
		}
		for _, u := range row.UnclearAPIs {
			unclear = append(unclear, u.Reason)
		}
		if got := fmt.Sprint(row.Verdict, " ", apis, " ", unclear, " ", row.BreakingAddresses); got != tt.want || row.Counts.Breaks+row.Counts.Likely+row.Counts.Unclear != uint64(len(tt.uses)) {
			t.Errorf("%s: %s %+v, want %s", tt.name, got, row.Counts, tt.want)
		}
		if before := out.Rows(); !slices.ContainsFunc(before, func(c TargetClient) bool { return fmt.Sprint(c) == fmt.Sprint(silent) }) || len(before) != 2 {
			t.Errorf("%s: the next merge begins with %+v", tt.name, before)
		}
	}
}

// TestListsOfAddressesThatMayBeCutSayNothing about the others.
func TestListsOfAddressesThatMayBeCutSayNothing(t *testing.T) {
	var all []string
	for i := range MaxMembers {
		all = append(all, fmt.Sprint("10.0.0.", i))
	}
	a := NewAskers([]TargetClient{{ClientIDs: []string{"svc"}, AskingAddresses: all}})
	if a.Has("svc", all) || a.Has("svc", nil) || !a.Has("svc", all[1:]) {
		t.Error("a full list, or an empty one, counts as complete")
	}
}
