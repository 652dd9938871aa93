package write

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/report/model"
)

// TestTargetInWords checks the text about the clients of a recorded report.
func TestTargetInWords(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "testdata", "target.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r model.Report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	target := r.Target
	var clients []string
	for i := range target.Clients {
		c := &target.Clients[i]
		clients = append(clients, c.Verdict+" "+textPhrase(targetClientPhrase(c))+": "+targetSays(c, maxTargetAPIs))
	}
	wantClients := []string{
		"breaks client id cron from 127.0.0.1: Produce v2 (once; the target accepts v3 to v12), Fetch v18 (once; the target accepts v4 to v17), Fetch v19 (once; the target accepts v4 to v17) and ListOffsets v0 (once; the target accepts v1 to v10)",
		"breaks old-lib 1.0, client id orders-svc from 127.0.0.1: OffsetCommit v1 (3 times; the target accepts v2 to v9) and Unknown(100) v0 (once; the target does not support this API); 1 request accepted unchanged",
		"breaks old-lib 1.0, client id billing from 127.0.0.1: OffsetCommit v1 (once; the target accepts v2 to v9)",
		"likely careful 1, client id orders-svc from 127.0.0.1: Fetch v18 (once; the target accepts v4 to v17), ListOffsets v0 (once; the target accepts v1 to v10), OffsetCommit v1 (once; the target accepts v2 to v9) and InitProducerId v1 (once; the target does not support this API)",
		"likely client id python from 10.0.0.10: OffsetCommit v1 (once; the target accepts v2 to v9)",
		"likely sarama v1.40.0, client id orders-svc from 127.0.0.1: Fetch v18 (once; the target accepts v4 to v17)",
		"unclear client id midstream from 127.0.0.1: 1 request of which nothing can be said, because the capture does not show whether the client negotiates: Fetch v18 (once; the target accepts v4 to v17)",
		"unclear client id probe from 10.0.0.9: sent nothing but ApiVersions",
		"fine both 1, client id orders-svc from 127.0.0.1: 2 requests accepted, of which 1 would be sent in another version",
		"fine modern 2.0, client id orders-svc from 127.0.0.1: 2 requests accepted, of which 1 would be sent in another version",
		"between-brokers brokers among themselves, replica fetcher, client id broker-1-fetcher-0: 1 request, not judged: brokers are upgraded together",
	}
	if diff := cmp.Diff(wantClients, clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	rows := targetRows(target)
	for _, row := range rows[1:] {
		if n := len(rows[0]); len(row) != n || row[n-1] != target.Name || row[n-2] == "" {
			t.Errorf("%q: no reason or no target", row)
		}
	}
	if got := rows[0][len(rows[0])-2:]; got[0] != "reason" || got[1] != "target" {
		t.Errorf("last columns %q", got)
	}
	if got := targetHeadline(target); got != "3 clients break, 3 are likely to break, 2 cannot be judged, 2 are fine" {
		t.Errorf("headline %q", got)
	}
}

// TestUnclearRequestsComeWithTheReason: this holds also for several reasons, and for earlier
// reports, which have none.
func TestUnclearRequestsComeWithTheReason(t *testing.T) {
	c := &model.TargetClient{Counts: model.TargetCounts{Unclear: 6}, UnclearAPIs: []model.TargetUse{
		{Name: "Fetch", Version: 18, Requests: 2, Reason: model.ReasonNegotiationUnseen, Target: &model.Range{Min: 4, Max: 17}},
		{Name: "AlterPartition", Version: 1, Requests: 1, Reason: model.ReasonMayBeUnlisted},
		{Name: "Produce", Version: 13, Requests: 1, Reason: model.ReasonNegotiationUnseen, Target: &model.Range{Min: 3, Max: 12}},
	}}
	want := []string{
		"3 requests of which nothing can be said, because the capture does not show whether the client negotiates: Fetch v18 (twice; the target accepts v4 to v17) and Produce v13 (once; the target accepts v3 to v12)",
		"1 request of which nothing can be said, because the target may have the API without advertising it: AlterPartition v1 (once)",
		"2 requests of which nothing can be said",
	}
	if diff := cmp.Diff(want, unclearTexts(c, 0)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestUnlistedClientsAreCounted: those in the report, and those beyond its limit.
// TestBreakingAddressesComeFirst: also in a table. Those beyond the first addresses are not counted
// twice.
func TestBreakingAddressesComeFirst(t *testing.T) {
	c := &model.TargetClient{Addresses: []string{"10.0.0.1", "10.0.0.2"}, BreakingAddresses: []string{"10.0.0.2", "10.0.9.9"}, AddressesOmitted: 5}
	if got := textPhrase(targetAddresses(c)); got != "10.0.0.2, 10.0.9.9 and 5 more" {
		t.Error(got)
	}
	row := targetRows(&model.Target{Clients: []model.TargetClient{*c}})
	if got := row[1][slices.Index(row[0], "addresses")] + " " + row[1][slices.Index(row[0], "addresses_omitted")]; got != "10.0.0.2 10.0.9.9 10.0.0.1 4" {
		t.Error(got)
	}
	for i := range 62 {
		c.Addresses = append(c.Addresses, fmt.Sprintf("10.0.1.%d", i))
	}
	if got := textPhrase(targetAddresses(c)); got != "10.0.0.2, 10.0.9.9 and at least 67 more" {
		t.Error(got)
	}
}

func TestUnlistedClientsAreCounted(t *testing.T) {
	g := &model.Target{Folded: &model.TargetSummary{Breaks: 1, Fine: 2000}}
	for _, tt := range []struct {
		verdict     string
		shown, most int
		want        string
	}{
		{model.VerdictLikely, 20, 20, ""},
		{model.VerdictLikely, 21, 20, "1 more client (--format json lists it)"},
		{model.VerdictBreaks, 20, 20, "1 client beyond the limit of the list"},
		{model.VerdictFine, 196, 0, "196 clients (--format json lists them), 2,000 clients beyond the limit of the list"},
		{model.VerdictBrokers, 23, 20, "3 more clients (--format json lists them)"},
	} {
		if got := unlistedClients(g, tt.verdict, tt.shown, tt.most); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.verdict, got, tt.want)
		}
	}
}
