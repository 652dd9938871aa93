package merge

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/reporttest"
	"github.com/kafkavet/kafkavet/report/write"
)

// reportOf returns the report of a host: some clients of a fleet, as one broker sees them.
func reportOf(t testing.TB, seed uint64, changes ...func(*model.Report)) *model.Report {
	t.Helper()
	target, err := decode.LoadReference("kafka-4.0.0")
	if err != nil {
		t.Fatal(err)
	}
	at := func(stream uint32, _ netip.AddrPort) (model.Process, bool) {
		return model.Process{PID: int(stream % 5), Command: fmt.Sprint("svc-", seed%3), Pod: fmt.Sprint("pod-", stream)}, stream%3 > 0
	}
	b := report.NewBuilder(report.Options{Tool: model.Tool{Name: "kafkavet", Version: "test"}, Target: target, ProcessAt: at})
	r := rand.New(rand.NewPCG(seed, 7))
	ranges := &decode.Ranges{APIs: []decode.API{{Key: 0, Range: decode.Range{Max: 8}}, {Key: 1, Range: decode.Range{Min: 4, Max: 10}}, {Key: 2, Range: decode.Range{Max: 5}}, {Key: 3, Range: decode.Range{Max: 9}}}}
	begin := int64(1_790_000_000_000_000_000) + int64(seed)*int64(3600e9)
	for i := range 60 {
		n := r.IntN(12)
		at := capture.Position{Frame: uint64(i + 1), Time: begin + int64(i)*1e9, Capture: uint32(i % 2), Stream: uint32(n)}
		x := &decode.Exchange{
			Stream: uint32(n), Request: at, Decided: at, Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(seed), byte(n)}), 1000),
			Broker:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(seed % 3)}), 9092),
			ClientID: fmt.Sprint("svc-", n%7), HasClientID: true, Key: int16(r.IntN(4)), Version: int16(r.IntN(12)), Ranges: ranges, Evidence: decode.Observed,
			CorrelationID: int32(i), Asked: decode.Asked,
		}
		if n%2 == 0 {
			x.Software = decode.Software{Name: "lib", Version: fmt.Sprint(n % 3)}
		}
		if n == 0 {
			x.Cluster = &decode.Cluster{ID: fmt.Sprint("cluster-", seed%2), Nodes: []decode.Node{{ID: int32(seed % 3), Host: "kafka.example", Port: 9092}}}
		}
		x.Advertised, _ = ranges.Find(x.Key)
		x.Verdict = decode.OK
		if x.Version > x.Advertised.Max {
			x.Verdict, x.Outcome = decode.AboveMax, decode.ClosedByBroker
		}
		if x.Version < x.Advertised.Min {
			x.Verdict = decode.BelowMin
		}
		b.Exchange(x)
	}
	for n := range uint32(12) {
		at := capture.Position{Frame: 70 + uint64(n), Time: begin + 70e9, Stream: n}
		b.Connection(&decode.Connection{Connection: &reassembly.Connection{
			Stream: n, Protocol: reassembly.Kafka, First: at, Last: at, Broker: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(seed % 3)}), 9092),
		}})
	}
	span := func(a, b int64) (first, last *model.Time) {
		x, y := model.Time(begin+a), model.Time(begin+b)
		return &x, &y
	}
	in := report.Input{Captures: []model.Capture{{Path: "a.pcap", Format: "pcap", Packets: 100, LinkTypes: []uint32{1}}, {Path: "b.pcap", Format: "pcap", Packets: 10 + seed}}}
	in.Captures[0].First, in.Captures[0].Last = span(0, 60e9)
	in.Captures[1].First, in.Captures[1].Last = span(1e9, 90e9)
	b.SetInput(in)
	out := b.Report()
	for i := range out.Target.Clients {
		out.Target.Clients[i].AddressesOmitted = int64(r.IntN(5))
	}
	for _, change := range changes {
		change(out)
	}
	Identify(out, Run{})
	return out
}

func save(t testing.TB, name string, r *model.Report) string {
	t.Helper()
	var text bytes.Buffer
	if err := write.JSON(&text, r); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// merged merges files, and writes the result to another file.
func merged(t *testing.T, paths ...string) string {
	t.Helper()
	r, err := Files(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	return save(t, "merged.json", r)
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tree merges files in a random order and grouping, some of them twice.
func tree(t *testing.T, r *rand.Rand, paths []string, overlap bool) string {
	paths = slices.Clone(paths)
	r.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	for len(paths) > 1 {
		n := 1 + r.IntN(min(4, len(paths)))
		group := slices.Clone(paths[:n])
		if overlap && r.IntN(2) == 0 {
			group = append(group, paths[r.IntN(len(paths))]) // also merged in another group
		}
		paths = append(paths[n:], merged(t, append(group, group[0])...))
		if n == 1 {
			r.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		}
	}
	return merged(t, paths[0], paths[0])
}

// TestMergeIsAJoin: the result depends only on the set of reports, byte for byte. Reports with
// embedded parts may overlap in any way. Blocks may only contain each other.
func TestMergeIsAJoin(t *testing.T) {
	for _, tt := range []struct {
		name    string
		most    int
		overlap bool
	}{{"with parts", maxEmbedded, true}, {"as blocks", 0, false}} {
		t.Run(tt.name, func(t *testing.T) {
			defer func(n int) { embeddedLimit = n }(embeddedLimit)
			embeddedLimit = tt.most
			var paths []string
			for seed := range uint64(6) {
				paths = append(paths, save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed)))
			}
			want := text(t, merged(t, paths...))
			for seed := range uint64(4) {
				if got := text(t, tree(t, rand.New(rand.NewPCG(seed, 3)), paths, tt.overlap)); got != want {
					t.Fatalf("another grouping (%d) gives another report", seed)
				}
			}
			if strings.Contains(want, "\"report\":") != tt.overlap {
				t.Errorf("parts are carried along: %v", !tt.overlap)
			}
		})
	}
}

// TestMergedReportsAreValidBySchema: they also have the contents of each report.
func TestMergedReportsAreValidBySchema(t *testing.T) {
	a, b := reportOf(t, 1), reportOf(t, 2)
	path := merged(t, save(t, "a.json", a), save(t, "b.json", b))
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	if err := reporttest.Schema(t, write.Schema).Validate(doc); err != nil {
		t.Error(err)
	}
	r, err := Files([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Summary.Requests, a.Summary.Requests+b.Summary.Requests; got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
	if len(r.Parts) != 2 || len(r.Captures) != 4 || r.Captures[3].Part != b.Parts[0].ID || len(r.Brokers) != 2 || len(r.Brokers[0].Watched) != 1 {
		t.Errorf("%d parts, captures %+v, brokers %d", len(r.Parts), r.Captures, len(r.Brokers))
	}
	count := func(all ...*model.Report) (n uint64, occurrences map[string]bool) {
		occurrences = map[string]bool{}
		for _, r := range all {
			for i := range r.Findings {
				n += r.Findings[i].Count
				for _, o := range r.Findings[i].Occurrences {
					occurrences[fmt.Sprint(o.Time, o.Frame, r.Captures[o.Capture].Path, r.Captures[o.Capture].Packets)] = true
				}
			}
		}
		return n, occurrences
	}
	got, places := count(r)
	want, all := count(a, b)
	if got != want {
		t.Errorf("findings happened %d times, want %d", got, want)
	}
	for p := range places {
		if !all[p] {
			t.Errorf("an occurrence is in neither report: %s", p)
		}
	}
	rows := map[string]uint64{}
	for _, one := range []*model.Report{a, b} {
		for i := range one.Target.Clients {
			rows[fmt.Sprint(one.Target.Clients[i].ClientIDs, one.Target.Clients[i].SoftwareVersion)] += one.Target.Clients[i].Requests
		}
	}
	for i := range r.Target.Clients {
		c := &r.Target.Clients[i]
		if key := fmt.Sprint(c.ClientIDs, c.SoftwareVersion); rows[key] != c.Requests {
			t.Errorf("%s: %d requests, want %d", key, c.Requests, rows[key])
		}
	}
	if len(rows) != len(r.Target.Clients) {
		t.Errorf("%d rows, want %d", len(r.Target.Clients), len(rows))
	}
}

// TestTheLaterStateOfARunCounts: a later report of one interface replaces the earlier ones.
func TestTheLaterStateOfARunCounts(t *testing.T) {
	live := func(packets uint64) func(*model.Report) {
		return func(r *model.Report) {
			for i := range r.Captures {
				r.Captures[i].Format, r.Captures[i].Packets = model.FormatLive, packets
			}
			r.Summary.Requests = packets
		}
	}
	early, late, other := save(t, "early.json", reportOf(t, 1, live(50))), save(t, "late.json", reportOf(t, 1, live(80))), save(t, "other.json", reportOf(t, 2, live(7)))
	for _, paths := range [][]string{{early, late, other}, {late, merged(t, early, other)}, {merged(t, early, late), other}, {merged(t, late, other), early}} {
		r, err := Files(paths, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Summary.Requests != 87 || len(r.Parts) != 2 {
			t.Errorf("%d requests of %d parts, want 87 of 2", r.Summary.Requests, len(r.Parts))
		}
	}
}

// TestListsOfRowsMergeInAnyOrder: addresses are ordered by number in reports, and by text in the
// result. One list may contain the other.
func TestListsOfRowsMergeInAnyOrder(t *testing.T) {
	host := func(seed uint64, addresses ...string) string {
		return save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed, func(r *model.Report) {
			all := func() []string { return slices.Clone(addresses) }
			r.Brokers = []model.Broker{{Address: "10.9.0.1:9092", Behind: all(), ReleaseNames: []string{}, ReleaseRunnersUp: []string{}, APIs: []model.API{}}}
			r.Clients = []model.Client{{SoftwareName: "lib", ClientIDs: all(), Addresses: all(), BrokerAddresses: all(), Principals: all(), APIs: []model.Usage{}}}
			r.Target.Clients = []model.TargetClient{{ClientIDs: []string{"a"}, Addresses: all(), Verdict: model.VerdictFine, APIs: []model.TargetUse{}}}
			r.Findings = []model.Finding{{
				Code: "KV1001", Behind: all(), Client: &model.FindingClient{Addresses: all(), Principals: all()},
				RuledOut: []model.Explanation{}, NotRuledOut: []model.Explanation{},
			}}
		}))
	}
	a, b, c := host(1, "10.0.0.2", "10.0.0.10"), host(2, "10.0.0.10"), host(3, "10.0.0.2", "10.0.0.3", "10.0.0.10", "10.0.0.20")
	want := text(t, merged(t, a, b, c))
	for _, paths := range [][]string{{merged(t, a, b), c}, {a, merged(t, b, c)}, {merged(t, a, c), b}, {merged(t, c), merged(t, b), a}} {
		if got := text(t, merged(t, paths...)); got != want {
			t.Error("another grouping gives another report")
		}
	}
	renamed := filepath.Join(t.TempDir(), "0.json")
	if err := os.WriteFile(renamed, []byte(text(t, c)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := text(t, merged(t, renamed, b, a)); got != want {
		t.Error("another order gives another report")
	}
}

// TestOneOfTwoCopiesCounts: the one with the smaller name, whatever the name of its report.
func TestOneOfTwoCopiesCounts(t *testing.T) {
	copyOf := func(file, capture string) string {
		r := reportOf(t, 1)
		r.Captures[0].Path = capture // as deploy/spark/fleet.py does
		return save(t, file, r)
	}
	other := save(t, "c.json", reportOf(t, 2))
	for _, paths := range [][]string{
		{copyOf("1.json", "a"), copyOf("2.json", "b")}, {copyOf("2.json", "a"), copyOf("1.json", "b"), other},
		{copyOf("2.json", "a"), merged(t, copyOf("1.json", "b"), other)}, {merged(t, copyOf("2.json", "a"), other), copyOf("1.json", "b")},
	} {
		if r, err := Files(paths, nil); err != nil || r.Captures[0].Path != "a" {
			t.Errorf("%v, captures %+v", err, r.Captures)
		}
	}
}

// TestPartsDifferInTheirFirstPackets: the two sides of address translation have equal times and
// sizes.
func TestPartsDifferInTheirFirstPackets(t *testing.T) {
	side := func(opening uint64) string {
		return save(t, fmt.Sprint(opening, ".json"), reportOf(t, 1, func(r *model.Report) { r.Captures[0].Opening = opening }))
	}
	if r, err := Files([]string{side(1), side(2), side(2)}, nil); err != nil || len(r.Parts) != 2 {
		t.Errorf("%v, parts %+v", err, r.Parts)
	}
}

// TestBlocksThatOverlapAreRefused: nothing counts twice.
func TestBlocksThatOverlapAreRefused(t *testing.T) {
	defer func(n int) { embeddedLimit = n }(embeddedLimit)
	embeddedLimit = 0
	var p []string
	for seed := range uint64(3) {
		p = append(p, save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed)))
	}
	ab, bc := merged(t, p[0], p[1]), merged(t, p[1], p[2])
	if _, err := Files([]string{ab, bc}, nil); err == nil || !strings.Contains(err.Error(), "overlap: both hold part") || !strings.Contains(err.Error(), ab) {
		t.Errorf("blocks that overlap: %v", err)
	}
	if r, err := Files([]string{ab, p[0], p[2]}, nil); err != nil || len(r.Parts) != 3 {
		t.Errorf("a block and reports: %v", err)
	}
	all := merged(t, p...)
	if got := text(t, merged(t, ab, all, p[1])); got != text(t, all) {
		t.Error("a block inside another counts again")
	}
}

func TestWhatIsNoReportIsNamedWithItsCause(t *testing.T) {
	good := text(t, save(t, "a.json", reportOf(t, 1)))
	noTarget := reportOf(t, 1)
	noTarget.Target = nil
	for _, tt := range []struct{ name, text, want string }{
		{"torn", good[:len(good)/2], "the JSON breaks off"},
		{"torn at once", good[:1], "the JSON breaks off"},
		{"empty", "", "the JSON breaks off"},
		{"no JSON", "packet capture", "not JSON: byte 0"},
		{"no object", "[1]", "not a report: no JSON object"},
		{"another object", `{"a": 1}`, "not a report: it has no schema"},
		{"a later schema", `{"schema": "kafkavet/report/v2"}`, `schema "kafkavet/report/v2": this release reads "kafkavet/report/v1"`},
		{"another type", `{"schema": "kafkavet/report/v1", "summary": {"streams": "many"}}`, "not a report: byte"},
		{"a part without id", `{"schema": "kafkavet/report/v1", "parts": [{}]}`, "a part has no id"},
		{"an unknown verdict", strings.Replace(good, `"verdict": "breaks"`, `"verdict": "maybe"`, 1), `verdict "maybe" on a client: this release knows breaks, likely, `},
		{"schema alone", `{"schema": "kafkavet/report/v1"}`, "not a report: it has no captures"},
		{"a code that is none", strings.Replace(good, `"code": "KV`, `"code": "::error::KV`, 1), `finding "::error::KV`},
		{"a title with a control character", strings.Replace(good, `"title": "`, `"title": "\u001b[31m`, 1), `finding "KV`},
		{"no target", text(t, save(t, "n.json", noTarget)), "the clients of target \"kafka-4.0.0-kraft\" are missing"},
		{"another type behind the parts", strings.Replace(good, `"streams": 12`, `"streams": true`, 1), "summary/streams is a "},
	} {
		path := filepath.Join(t.TempDir(), "bad.json")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Files([]string{path}, nil); err == nil || !strings.HasPrefix(err.Error(), "read report "+path+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	if _, err := Files([]string{"/nonexistent.json"}, nil); err == nil || err.Error() != "read report /nonexistent.json: no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
	other := reportOf(t, 3, func(r *model.Report) { r.Target.Release = "kafka-4.1.2-kraft" })
	if _, err := Files([]string{save(t, "a.json", reportOf(t, 1)), save(t, "b.json", other)}, nil); err == nil || !strings.Contains(err.Error(), "merge reports with one --target") {
		t.Errorf("two targets: %v", err)
	}
	file := func(seed uint64, ranges string) string {
		return save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed, func(r *model.Report) {
			r.Target.Name, r.Target.Release, r.Target.File, r.Target.Ranges = "1 broker", "", "new.json", ranges
		}))
	}
	if _, err := Files([]string{file(1, "0a"), file(2, "0b")}, nil); err == nil || !strings.Contains(err.Error(), "is about 1 broker (ranges 0a), ") {
		t.Errorf("two files with other ranges: %v", err)
	}
	if r, err := Files([]string{file(1, "0a"), file(2, "0a")}, nil); err != nil || r.Target.Ranges != "0a" {
		t.Errorf("two files with equal ranges: %v", err)
	}
}

// TestReportsWithoutPartsGetThem: an earlier release made them.
func TestReportsWithoutPartsGetThem(t *testing.T) {
	r := reportOf(t, 1)
	now := save(t, "now.json", r)
	r.Parts = nil
	r2, err := Files([]string{save(t, "old.json", r), now}, nil)
	if err != nil || len(r2.Parts) != 1 || r2.Summary.Requests != r.Summary.Requests {
		t.Errorf("%v, %d parts", err, len(r2.Parts))
	}
}

// TestBoundsOfMerge: rows beyond the limits are folded and counted, fine ones first.
func TestBoundsOfMerge(t *testing.T) {
	a := newAggregate(nil)
	for i := range 5*maxFindings + 10 {
		f := &model.Finding{Code: "KV1001", Severity: model.Error, Count: uint64(i + 1), Message: "m", Broker: fmt.Sprint(i)}
		a.addFinding(f, nil)
	}
	var target model.Target
	for i := range 2*maxTargetClients + 100 {
		c := model.TargetClient{ClientIDs: []string{fmt.Sprint(i)}, Requests: 9, Counts: model.TargetCounts{Passes: 9}, Verdict: model.VerdictFine}
		if i%2000 == 0 {
			c.Requests, c.Counts, c.Verdict = 1, model.TargetCounts{Breaks: 1}, model.VerdictBreaks
		}
		target.Clients = append(target.Clients, c)
	}
	a.addTarget(&target)
	r := a.finish()
	if found := r.Findings; len(found) != maxFindings || found[0].Count != 5*maxFindings+10 || r.Folded.Findings[0].Findings != 4*maxFindings+10 {
		t.Errorf("%d findings, folded %+v", len(found), r.Folded)
	}
	if g := r.Target; len(g.Clients) != maxTargetClients || g.Folded.Breaks != 0 || g.Summary.Breaks != 66 || g.Summary.Fine+66 != 2*maxTargetClients+100 {
		t.Errorf("%d rows, %+v, folded %+v", len(g.Clients), g.Summary, g.Folded)
	}
}

// TestConnectionsOnTwoHostsCountOnce: requests that both hosts counted are subtracted once.
func TestConnectionsOnTwoHostsCountOnce(t *testing.T) {
	defer func(n int) { embeddedLimit = n }(embeddedLimit)
	embeddedLimit = 0
	host := func(seed uint64, connections ...model.Connection) string {
		return save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed, func(r *model.Report) {
			r.Connections = connections
			r.Summary = model.Summary{Streams: 5, KafkaStreams: 4, Requests: 100, Responses: 90, RequestsChecked: 80, RequestsExempt: 10}
		}))
	}
	shared := model.Connection{ID: "s", Hosts: 1, Requests: 30, Responses: 20, Checked: 10, Exempt: 5}
	longer := model.Connection{ID: "s", Hosts: 1, Requests: 40, Responses: 19, Checked: 12, Exempt: 5}
	a, b, c := host(1, shared), host(2, longer, model.Connection{ID: "t", Hosts: 1, Requests: 3}), host(3, shared)
	want := model.Summary{Streams: 13, KafkaStreams: 10, Requests: 240, Responses: 231, RequestsChecked: 220, RequestsExempt: 20}
	for _, paths := range [][]string{{a, b, c}, {merged(t, a, b), c}, {merged(t, a, c), b}, {a, merged(t, b, c)}} {
		r, err := Files(paths, nil)
		if err != nil {
			t.Fatal(err)
		}
		want.Findings = r.Summary.Findings
		if r.Summary != want {
			t.Errorf("%+v, want %+v", r.Summary, want)
		}
		if len(r.Connections) != 2 || r.Connections[0].Hosts != 3 || r.Connections[0].Requests != 40 {
			t.Errorf("connections %+v", r.Connections)
		}
		var text bytes.Buffer
		if err := write.Text(&text, r, write.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"1 connection was captured on several hosts: counted once", "8 Kafka connections cannot be compared"} {
			if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), want) {
				t.Errorf("%q is not in\n%s", want, text.String())
			}
		}
	}
}

// TestPseudonymsAreSaid: a name may have several in a merged report.
func TestPseudonymsAreSaid(t *testing.T) {
	host := func(seed uint64, isRedacted bool) string {
		r := reportOf(t, seed)
		Identify(r, Run{Redacted: isRedacted})
		return save(t, fmt.Sprint(seed, ".json"), r)
	}
	for _, tt := range []struct {
		paths []string
		want  string
	}{
		{[]string{host(1, true), host(2, false), host(3, false)}, "1 report was redacted, the others are not"},
		{[]string{host(1, true), host(2, true)}, "all reports are redacted"},
		{[]string{host(1, true)}, ""},
		{[]string{host(1, false), host(2, false)}, ""},
	} {
		r, err := Files(tt.paths, nil)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := write.Text(&text, r, write.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), tt.want) || tt.want == "" && strings.Contains(text.String(), "redacted") {
			t.Errorf("%q is not in\n%s", tt.want, text.String())
		}
	}
}

// TestConnectionsBeyondTheLimitAreNotKept: those with the smallest ids stay.
func TestConnectionsBeyondTheLimitAreNotKept(t *testing.T) {
	a := newAggregate(nil)
	r := &model.Report{}
	for i := range 2*maxConnections + 1 {
		r.Connections = append(r.Connections, model.Connection{ID: fmt.Sprintf("%08d", 2*i), Hosts: 1})
	}
	a.addConnections(r)
	a.addConnections(&model.Report{Connections: []model.Connection{{ID: "00000001", Hosts: 1}, {ID: "99999999", Hosts: 1}, {ID: "00000000", Hosts: 1}}})
	if n, last := a.connections.Len(), fmt.Sprintf("%08d", 2*(maxConnections-1)); n != maxConnections+1 || string(a.last) != last {
		t.Errorf("%d connections up to %s, want %d up to %s", n, a.last, maxConnections+1, last)
	}
	got := a.finish().Connections
	if len(got) != maxConnections || got[0].Hosts != 2 || got[1].ID != "00000001" || got[maxConnections-1].ID != fmt.Sprintf("%08d", 2*(maxConnections-2)) {
		t.Errorf("%d connections, %+v to %+v", len(got), got[0], got[len(got)-1])
	}
}

// TestWhatAnotherHostSeesAsked is no certain refusal, in any grouping.
func TestWhatAnotherHostSeesAsked(t *testing.T) {
	defer func(n int) { embeddedLimit = n }(embeddedLimit)
	embeddedLimit = 0
	host := func(seed uint64, asks, breaks bool, address string) string {
		return save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed, func(r *model.Report) {
			c := model.TargetClient{ClientIDs: []string{"svc"}, Addresses: []string{address}, Requests: 1, Verdict: model.VerdictFine, Counts: model.TargetCounts{Passes: 1}, APIs: []model.TargetUse{}}
			r.Findings = nil
			if asks {
				c.AskingAddresses = []string{address}
			}
			if breaks {
				c.BreakingAddresses, c.Verdict, c.Counts = []string{address}, model.VerdictBreaks, model.TargetCounts{Breaks: 1}
				c.APIs = []model.TargetUse{{Version: 2, Requests: 1, Certain: true, Reason: model.ReasonNotAsked, Target: &model.Range{Min: 3, Max: 12}}}
				r.Findings = []model.Finding{{
					Code: "KV4001", Title: "breaks-on-target", Severity: model.Error, Reason: model.ReasonNotAsked, Target: &model.Range{Min: 3, Max: 12}, Count: 1, Why: "It does not ask.",
					Client: &model.FindingClient{ClientID: new("svc"), Addresses: []string{address}}, RuledOut: []model.Explanation{}, NotRuledOut: []model.Explanation{},
				}}
			}
			r.Target.Clients = []model.TargetClient{c}
		}))
	}
	asks, silent, other := host(1, true, false, "10.0.0.1"), host(2, false, true, "10.0.0.1"), host(3, false, true, "10.0.0.2")
	for _, tt := range []struct {
		paths []string
		want  string
	}{
		{[]string{silent}, "breaks error It does not ask."},
		{[]string{asks, silent}, "likely warning " + whyAsked},
		{[]string{merged(t, silent), merged(t, asks)}, "likely warning " + whyAsked},
		{[]string{asks, silent, other}, "breaks error It does not ask."},
		{[]string{merged(t, asks, silent), other}, "breaks error It does not ask."},
	} {
		r, err := Files(tt.paths, nil)
		if err != nil {
			t.Fatal(err)
		}
		if f := r.Findings[0]; fmt.Sprint(r.Target.Clients[0].Verdict, " ", f.Severity, " ", f.Why) != tt.want {
			t.Errorf("%s %s %q, want %s", r.Target.Clients[0].Verdict, f.Severity, f.Why, tt.want)
		}
	}
	if text(t, merged(t, merged(t, asks, silent), other)) != text(t, merged(t, asks, merged(t, silent, other))) {
		t.Error("another grouping gives another report")
	}
}

// TestOneProgramIsOneRow: one host may have captured the connections with its announced software,
// and another host the others. Two programs with its client id stay apart, in any grouping.
func TestOneProgramIsOneRow(t *testing.T) {
	defer func(n int) { embeddedLimit = n }(embeddedLimit)
	embeddedLimit = 0
	host := func(seed uint64, software, version, id, address string) string {
		return save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed, func(r *model.Report) {
			r.Target.Clients = []model.TargetClient{{
				SoftwareName: software, SoftwareVersion: version, ClientIDs: []string{id}, Addresses: []string{address}, Requests: 1, Connections: 1,
				Counts: model.TargetCounts{Breaks: 1}, Verdict: model.VerdictBreaks,
				APIs: []model.TargetUse{{Key: 8, Requests: 1}}, UnclearAPIs: []model.TargetUse{{Key: 9, Requests: 1}},
			}}
		}))
	}
	first, silent := host(1, "sarama", "1.38", "orders", "10.0.0.1"), host(2, "", "", "orders", "10.0.0.1")
	second, elsewhere := host(3, "sarama", "1.47", "orders", "10.0.0.1"), host(4, "", "", "orders", "10.0.0.9")
	nobody := host(5, "", "", "", "10.0.0.1")
	rows := func(paths ...string) string {
		r, err := Files(paths, nil)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, c := range r.Target.Clients {
			out = append(out, fmt.Sprintf("%s %d %d %d", c.SoftwareVersion, c.Requests, c.APIs[0].Requests, c.UnclearAPIs[0].Requests))
		}
		slices.Sort(out)
		return fmt.Sprint(r.Target.Summary.Breaks, ": ", strings.Join(out, ", "))
	}
	for _, tt := range []struct {
		paths []string
		want  string
	}{
		{[]string{first, silent}, "1: 1.38 2 2 2"},
		{[]string{merged(t, first, silent), nobody}, "2:  1 1 1, 1.38 2 2 2"},
		{[]string{first, elsewhere}, "1: 1.38 2 2 2"},
		{[]string{first, silent, second}, "3:  1 1 1, 1.38 1 1 1, 1.47 1 1 1"},
		{[]string{merged(t, first, silent), second}, "3:  1 1 1, 1.38 1 1 1, 1.47 1 1 1"},
		{[]string{first, merged(t, silent, second)}, "3:  1 1 1, 1.38 1 1 1, 1.47 1 1 1"},
		{[]string{merged(t, first, silent), elsewhere}, "1: 1.38 3 3 3"},
		{[]string{first, merged(t, silent, elsewhere)}, "1: 1.38 3 3 3"},
	} {
		if got := rows(tt.paths...); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
