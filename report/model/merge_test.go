package model

import (
	"cmp"
	"slices"
	"testing"
)

func TestJoinSpans(t *testing.T) {
	const second = Time(1e9)
	var many []Span
	for i := range 3 * maxSpans {
		at := Time(i*i)*100*second + 10
		many = append(many, Span{First: at, Last: at + 10})
	}
	if got := joinSpans(many, nil); !slices.Equal(got, many[2*maxSpans:]) {
		t.Errorf("%d spans from %d to %d, want the latest ones: no long gap is hidden", len(got), got[0].First, got[len(got)-1].Last)
	}
	for i := range many {
		many[i] = Span{Time(i) * 10 * second, Time(i)*10*second + 1}
	}
	if got := joinSpans(many, nil); len(got) != maxSpans || got[0].First != 0 || got[maxSpans-1].Last != many[len(many)-1].Last {
		t.Errorf("%d spans from %d to %d, want short gaps to be joined", len(got), got[0].First, got[len(got)-1].Last)
	}
	span := func(first, last Time) Span { return Span{First: first * second, Last: last * second} }
	got := joinSpans([]Span{span(5, 9), span(20, 30)}, []Span{span(1, 5), span(22, 25), span(31, 32), span(34, 35)})
	if want := []Span{span(1, 9), span(20, 32), span(34, 35)}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestMergedListsAreLists: an empty list is not nil, because the JSON Schema allows no null.
func TestMergedListsAreLists(t *testing.T) {
	c := Client{Inferred: "Go TLS", ClientIDs: []string{}, Addresses: []string{"10.0.0.1"}, BrokerAddresses: []string{}}
	o := c
	c.Merge(&o)
	if c.ClientIDs == nil || c.BrokerAddresses == nil || !slices.Equal(c.Addresses, []string{"10.0.0.1"}) {
		t.Errorf("%#v", c)
	}
}

// TestMergeAddsEveryCounter: also of nested rows, and of versions that only one side has.
func TestMergeAddsEveryCounter(t *testing.T) {
	client := func(requests uint64, versions ...VersionUsage) *Client {
		return &Client{Requests: requests, APIs: []Usage{{Key: 1, Name: "Fetch", Versions: versions}}}
	}
	c := client(5, VersionUsage{Version: 4, Requests: 3, Outside: 1}, VersionUsage{Version: 12, Requests: 2})
	c.Merge(client(7, VersionUsage{Version: 4, Requests: 6, Unchecked: 6}, VersionUsage{Version: 7, Requests: 1}))
	want := []VersionUsage{{Version: 4, Requests: 9, Outside: 1, Unchecked: 6}, {Version: 7, Requests: 1}, {Version: 12, Requests: 2}}
	if c.Requests != 12 || !slices.Equal(c.APIs[0].Versions, want) {
		t.Errorf("%d requests, versions %+v, want %+v", c.Requests, c.APIs[0].Versions, want)
	}
	a := TargetClient{Connections: 1, Requests: 2, FirstSeen: 5, LastSeen: 9, Counts: TargetCounts{Passes: 2}, Verdict: VerdictFine}
	a.Merge(&TargetClient{Connections: 3, Requests: 4, FirstSeen: 4, LastSeen: 8, Counts: TargetCounts{Breaks: 1, Passes: 3}, Verdict: VerdictBreaks})
	if a.Connections != 4 || a.Requests != 6 || a.FirstSeen != 4 || a.LastSeen != 9 || a.Counts != (TargetCounts{Breaks: 1, Passes: 5}) || a.Verdict != VerdictBreaks {
		t.Errorf("%+v", a)
	}
	unclear := []TargetUse{{Key: 1, Version: 18, Requests: 2, Reason: ReasonNegotiationUnseen}}
	a.Merge(&TargetClient{UnclearAPIs: unclear})
	a.Merge(&TargetClient{UnclearAPIs: unclear})
	if len(a.UnclearAPIs) != 1 || a.UnclearAPIs[0].Requests != 4 {
		t.Errorf("%+v", a.UnclearAPIs)
	}
}

// TestRowsOfHostsMerge: the last refused request, its addresses, and the largest number of
// addresses.
func TestRowsOfHostsMerge(t *testing.T) {
	row := func(address string, omitted int64, version int16, last Time) TargetClient {
		return TargetClient{
			Addresses: []string{address}, BreakingAddresses: []string{address}, AddressesOmitted: omitted, LastSeen: 100, Verdict: VerdictBreaks,
			Counts: TargetCounts{Breaks: 1}, APIs: []TargetUse{{Version: version, Requests: 1, Certain: true, LastSeen: last}},
		}
	}
	a, b := row("10.0.0.1", 10, 1, 20), row("10.0.0.2", 30, 1, 50)
	a.Merge(&b)
	if len(a.APIs) != 1 || a.APIs[0].LastSeen != 50 || a.APIs[0].Requests != 2 || !slices.Equal(a.BreakingAddresses, []string{"10.0.0.1", "10.0.0.2"}) || a.AddressesOmitted != 29 {
		t.Errorf("%+v", a)
	}
}

// TestRowsBlameNoSoftware: of another host.
func TestRowsBlameNoSoftware(t *testing.T) {
	own := TargetClient{ // it announced itself at the first address only
		SoftwareName: "lib", ClientIDs: []string{"svc"}, Addresses: []string{"10.0.0.1", "10.0.0.2"}, AskingAddresses: []string{"10.0.0.1"}, Verdict: VerdictFine, Counts: TargetCounts{Passes: 1},
	}
	silent := TargetClient{
		ClientIDs: []string{"svc"}, Addresses: []string{"10.0.0.1", "10.0.0.2"}, BreakingAddresses: []string{"10.0.0.2"}, Verdict: VerdictBreaks, Counts: TargetCounts{Breaks: 1},
	}
	likely := silent
	likely.BreakingAddresses, likely.Verdict, likely.Counts = nil, VerdictLikely, TargetCounts{Likely: 1}
	same := silent
	same.BreakingAddresses = []string{"10.0.0.1"}
	for _, tt := range []struct {
		row  TargetClient
		want string
	}{{silent, ""}, {likely, ""}, {same, "lib"}} {
		target := Target{}
		rows := target.Join([]TargetClient{tt.row, own}, nil)
		if len(rows) != 1 || rows[0].SoftwareName != tt.want || rows[0].Verdict != tt.row.Verdict {
			t.Errorf("%+v, want software %q", rows, tt.want)
		}
		target.Clients = rows
		if again := new(Target).Join(target.Rows(), nil); len(again) != 1 || again[0].SoftwareName != tt.want || again[0].Counts != rows[0].Counts {
			t.Errorf("joined again: %+v", again)
		}
	}
}

// TestProcessesOfAFleetAreBounded: a service has other processes on each host. The first ones stay,
// in any grouping.
func TestProcessesOfAFleetAreBounded(t *testing.T) {
	var a, b []Process
	for pid := range 3 * maxProcesses {
		a, b = append(a, Process{PID: 2 * pid}), append(b, Process{PID: 2*pid + 1})
	}
	got := UnionProcesses(a, b)
	if len(got) != maxProcesses || got[maxProcesses-1].PID != maxProcesses-1 || !slices.Equal(got, UnionProcesses(UnionProcesses(b, b), a)) {
		t.Errorf("%d processes, %+v", len(got), got)
	}
}

// TestUnion: it is the same in any grouping, also at the limit.
func TestUnion(t *testing.T) {
	most := 3
	of := func(a, b []int) []int { return union(a, b, most, cmp.Compare[int]) }
	for _, tt := range []struct{ a, b, want []int }{
		{nil, nil, nil},
		{nil, []int{2, 1, 2}, []int{1, 2}},
		{[]int{1, 3}, []int{3, 1}, []int{1, 3}},
		{[]int{1, 3}, []int{5}, []int{1, 3, 5}},
		{[]int{1, 3, 5}, []int{9, 3}, []int{1, 3, 5}},
		{[]int{1, 3, 5}, []int{9, 4}, []int{1, 3, 4}},
		{[]int{1, 3, 5, 7}, nil, []int{1, 3, 5}},
	} {
		a := slices.Clone(tt.a)
		if got := of(a, tt.b); !slices.Equal(got, tt.want) || !slices.Equal(a, tt.a) {
			t.Errorf("%v and %v: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
	if a := (&Table[Connection]{}); a.Last() != "" {
		t.Errorf("an empty table has the last key %q", a.Last())
	}
}
