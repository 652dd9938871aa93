package report

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// kafka4 returns a release similar to Kafka 4.0, as far as the tests need it.
func kafka4() *decode.Reference {
	return &decode.Reference{Name: "Kafka 4.0.1", Table: &decode.Table{
		Release: "4.0.1", Mode: decode.KRaft, Ranges: newRanges, Source: "a test",
	}}
}

// referenceFromFile returns the reference of a file about two brokers.
func referenceFromFile() *decode.Reference {
	return &decode.Reference{
		Name: "2 brokers", File: "brokers.txt", Notes: []string{"the brokers in the file differ in 1 API: what all of them take counts"},
		Table: &decode.Table{Ranges: oldRanges, Source: "the ranges of 2 brokers in a file"},
	}
}

// Changes of exchanges for the tests of the target.
func asked(x *decode.Exchange) { x.Asked = decode.Asked }

func maybeAsked(x *decode.Exchange) { x.Asked = decode.MaybeAsked }

func early(x *decode.Exchange) { x.BeforeNegotiation = true }

func softwareOf(name, version string) func(*decode.Exchange) {
	return func(x *decode.Exchange) { x.Software = decode.Software{Name: name, Version: version} }
}

func idOf(id string) func(*decode.Exchange) {
	return func(x *decode.Exchange) { x.ClientID, x.HasClientID = id, true }
}

// offering sets ranges with one API.
func offering(key, lowest, newest int16) func(*decode.Exchange) {
	return rangesOf(&decode.Ranges{APIs: []decode.API{{Key: key, Range: decode.Range{Min: lowest, Max: newest}}}})
}

func lone(x *decode.Exchange) { x.IsLone = true }

func TestJudge(t *testing.T) {
	type changes = []func(*decode.Exchange)
	none := softwareOf("", "")
	for _, tt := range []struct {
		name         string
		key, version int16
		changes      changes
		want         fate
		why          reason
	}{
		{"inside", 1, 10, changes{asked}, passes, noReason},
		{"inside, and not asked", 3, 7, changes{none, noRange}, passes, noReason},
		{"outside what was advertised, inside the target's", 1, 12, changes{asked, verdictOf(decode.AboveMax)}, passes, noReason},
		{"ApiVersions in any version", apiVersionsKey, 9, changes{asked}, exempt, noReason},
		{"a probe of kafka-python", 9, 0, changes{none, noRange, idOf("kafka-python-2.0.2")}, exempt, noReason},

		{"above the target's max, but advertised", 1, 18, changes{asked, offering(1, 0, 18)}, adapts, noReason},
		{"above it, and above what was advertised", 1, 18, changes{asked, verdictOf(decode.AboveMax)}, certain, outsideAdvertised},
		{"above it, not asked", 1, 18, changes{none, noRange}, certain, notAsked},
		{"above it, not asked, though it was advertised", 1, 18, changes{none, borrowedRange, offering(1, 0, 18)}, certain, notAsked},
		{"above it, perhaps asked", 1, 18, changes{maybeAsked, borrowedRange, offering(1, 0, 18)}, unclear, negotiationUnseen},
		{"above it, the offer not seen", 1, 18, changes{asked, noRange}, unclear, negotiationUnseen},
		{"above it, before the answer", 1, 18, changes{asked, early, offering(1, 0, 18)}, likely, guessed},
		{"above it, sarama before 1.46", 1, 18, changes{asked, softwareOf("sarama", "v1.45.1"), offering(1, 0, 18)}, likely, ignored},
		{"above it, sarama of an application", 1, 18, changes{asked, softwareOf("sarama", "dev"), offering(1, 0, 18)}, likely, ignored},
		{"above it, sarama since", 1, 18, changes{asked, softwareOf("sarama", "v1.46.0"), offering(1, 0, 18)}, adapts, noReason},

		{"one packet, which anyone can forge", 1, 99, changes{asked, verdictOf(decode.AboveMax), lone}, unclear, noReason},

		{"below the target's min, which was advertised", 8, 1, changes{asked, offering(8, 0, 2)}, certain, noNewer},
		{"below it, advertised on another connection", 8, 1, changes{none, borrowedRange, offering(8, 0, 9)}, certain, noNewer},
		{"below it, perhaps asked, advertised", 8, 1, changes{maybeAsked, borrowedRange, offering(8, 0, 9)}, certain, noNewer},
		{"below it, the newest that was advertised", 8, 1, changes{asked, offering(8, 0, 1)}, likely, advertisedLess},
		{"below it, older than advertised, which is below it, too", 23, 0, changes{asked, offering(23, 0, 1)}, likely, advertisedLess},
		{"below it, not asked, less advertised", 8, 1, changes{none, borrowedRange, offering(8, 0, 1)}, certain, notAsked},
		{"below it, not asked, nothing known", 8, 1, changes{none, noRange}, certain, notAsked},
		{"below it, perhaps asked, nothing known", 8, 1, changes{none, maybeAsked, noRange}, likely, advertisedUnknown},
		{"below it, asked, the offer not seen", 8, 1, changes{asked, noRange}, likely, advertisedUnknown},
		{"below it, and below what was advertised", 8, 1, changes{asked, verdictOf(decode.BelowMin), offering(8, 2, 9)}, certain, outsideAdvertised},
		{"below it, before the answer, less advertised", 8, 1, changes{asked, early, offering(8, 0, 1)}, likely, guessed},
		{"below it, before the answer, advertised", 8, 1, changes{asked, early, offering(8, 0, 9)}, certain, noNewer},
		{"Produce v2, which the target advertises and refuses", 0, 2, changes{asked, offering(0, 0, 7)}, certain, noNewer},
		{"Produce v3", 0, 3, changes{asked, offering(0, 0, 7)}, passes, noReason},

		{"gone", 100, 0, changes{asked, offering(100, 0, 0)}, certain, noSuchAPI},
		{"gone, not asked", 100, 0, changes{none, noRange}, certain, notAsked},
		{"gone, and not advertised either", 100, 0, changes{asked, verdictOf(decode.NotAdvertised)}, certain, outsideAdvertised},
		{"gone, which some do without", 22, 1, changes{asked, offering(22, 0, 1)}, likely, someDoWithout},
		{"gone, but another stands in", 60, 0, changes{asked, offering(60, 0, 0)}, adapts, noReason},
		{"telemetry, which depends on the configuration", 71, 0, changes{asked, offering(71, 0, 0)}, adapts, noReason},
	} {
		x := exchangeOf(1, 0, tt.key, tt.version, tt.changes...)
		takes := rangeOn(kafka4(), tt.key)
		if f, why := judge(x, &takes, x.Asked == decode.Asked); f != tt.want || why != tt.why {
			t.Errorf("%s: fate %d %q, want %d %q", tt.name, f, why, tt.want, tt.why)
		}
	}
}

// TestWhatIsNotListedIsNotGone: the target may have an API of a vendor, which no table lists.
func TestWhatIsNotListedIsNotGone(t *testing.T) {
	for _, tt := range []struct {
		key  int16
		want fate
		why  reason
	}{{49, certain, noSuchAPI}, {10_002, unclear, mayBeUnlisted}, {100, certain, noSuchAPI}} {
		x := exchangeOf(1, 0, tt.key, 0, asked, offering(tt.key, 0, 0))
		takes := rangeOn(kafka4(), tt.key)
		if f, why := judge(x, &takes, true); f != tt.want || why != tt.why {
			t.Errorf("API %d: fate %d %q, want %d %q", tt.key, f, why, tt.want, tt.why)
		}
	}
}

func TestBetweenBrokers(t *testing.T) {
	for _, tt := range []struct {
		key  int16
		id   string
		want string
	}{
		{1, "broker-2-fetcher-0", "replica fetcher"}, {2, "broker-2-fetcher-0", "replica fetcher"}, {18, "broker-2-fetcher-0", "replica fetcher"},
		{27, "broker-12-txn-marker-sender", "transaction marker sender"}, {27, "12", "transaction marker sender"},
		{52, "raft-client-3", "controller quorum"}, {1, "raft-client-3", "controller quorum"}, {53, "3", "controller quorum"},
		{24, "AddPartitionsManager", "AddPartitionsManager"}, {24, "AddPartitionsManager-1", "AddPartitionsManager"}, {24, "AddPartitionsManager-client-1", "AddPartitionsManager"},
		{6, "0", "controller"}, {1, "broker-2-fetcher", ""}, {1, "my-broker-2-fetcher-0", ""}, {3, "raft-client", ""}, {3, "", ""},
		{24, "AddPartitionsManager-", ""}, {0, "broker-2-fetcher-0", ""}, {8, "raft-client-3", ""},
	} {
		x := exchangeOf(1, 0, tt.key, 0, idOf(tt.id), softwareOf("", ""))
		if got := brokerRole(x); got != tt.want {
			t.Errorf("API %d of %q: %q, want %q", tt.key, tt.id, got, tt.want)
		}
	}
	controllers := &decode.Ranges{APIs: []decode.API{{Key: 19, Range: decode.Range{Max: 7}}, {Key: 52, Range: decode.Range{Max: 1}}}}
	for id, want := range map[string]string{"2": "controller", "": "", "admin-2": ""} {
		x := exchangeOf(1, 0, 19, 7, idOf(id), func(x *decode.Exchange) { x.Ranges = controllers })
		if got := brokerRole(x); got != want {
			t.Errorf("CreateTopics of %q to a controller: %q, want %q", id, got, want)
		}
	}
	for _, name := range []string{"sarama", "apache-kafka-java"} {
		x := exchangeOf(1, 0, 1, 0, idOf("broker-2-fetcher-0"), softwareOf(name, "1"))
		if got := brokerRole(x) != ""; got != (name == "apache-kafka-java") {
			t.Errorf("%s with the id of a replica fetcher: between brokers %v", name, got)
		}
	}
}

// TestConnectionsOfBrokers: the first requests of a broker's connection have its number as client
// id, as those of any client. The next ones show whose they are, also if it asks again.
func TestConnectionsOfBrokers(t *testing.T) {
	for _, namesUsers := range []bool{false, true} {
		c := newTargetCheck(kafka4(), nil)
		c.namesUsers = namesUsers
		for stream, next := range []int16{63, 6, 8} { // BrokerHeartbeat, UpdateMetadata, and OffsetCommit of a client with such an id
			for _, key := range []int16{apiVersionsKey, next, apiVersionsKey, next} {
				c.exchange(exchangeOf(1, uint32(stream), key, 3, softwareOf("apache-kafka-java", "3.9.1"), idOf([]string{"2", "3", "4"}[stream])))
			}
		}
		c.exchange(exchangeOf(1, 4, 6, 0, idOf("1"))) // connected before
		for _, key := range []int16{8, 27} {          // the tool that ends transactions is a client
			c.exchange(exchangeOf(1, 3, key, 1, asked, offering(8, 0, 9), idOf("tool")))
		}
		var rows []string
		for _, r := range c.finish(map[string]uint64{}).Clients {
			rows = append(rows, fmt.Sprint(r.Verdict, " ", r.ClientIDs, " ", r.Connections, " ", r.Requests))
		}
		if d := cmp.Diff([]string{"breaks [tool] 1 1", "fine [4] 1 4", "between-brokers [1 2 3] 3 9", "between-brokers [tool] 1 1"}, rows); d != "" {
			t.Errorf("names of users %v: -want +got:\n%s", namesUsers, d)
		}
	}
}

// targetCalls return requests of clients with every verdict, and of brokers among themselves.
func targetCalls() []any {
	none := softwareOf("", "")
	second := func(x *decode.Exchange) { x.Broker = mustAddrPort("127.0.0.1:19093") }
	from := func(addr string) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.Client = netip.AddrPortFrom(netip.MustParseAddr(addr), 40000) }
	}
	const old = "old-lib"
	return []any{
		// Fine: uses lower versions if lower ones are advertised.
		exchangeOf(1, 0, apiVersionsKey, 3, softwareOf("modern", "2.0")),
		exchangeOf(2, 0, 1, 18, softwareOf("modern", "2.0"), asked, offering(1, 0, 18)),
		exchangeOf(3, 0, 3, 7, softwareOf("modern", "2.0"), asked),
		// Breaks for several reasons, at two brokers and with two client ids.
		exchangeOf(10, 1, 8, 1, softwareOf(old, "1.0"), asked, offering(8, 0, 9)),
		exchangeOf(11, 1, 8, 1, softwareOf(old, "1.0"), asked, offering(8, 0, 9)),
		exchangeOf(12, 2, 8, 1, softwareOf(old, "1.0"), asked, offering(8, 0, 9), second),
		exchangeOf(13, 2, 8, 1, softwareOf(old, "1.0"), asked, offering(8, 0, 9), idOf("billing")),
		exchangeOf(14, 2, 100, 0, softwareOf(old, "1.0"), asked, offering(100, 0, 0)),
		exchangeOf(15, 2, 3, 7, softwareOf(old, "1.0"), asked),
		// Breaks without requesting ranges: also outside the target's APIs and versions.
		exchangeOf(20, 3, 2, 0, none, noRange, idOf("cron"), outcomeOf(decode.ClosedByBroker)),
		exchangeOf(21, 3, 1, 18, none, noRange, idOf("cron")),
		exchangeOf(22, 3, 0, 2, none, borrowedRange, offering(0, 0, 7), idOf("cron")),
		exchangeOf(23, 3, 1, 19, none, verdictOf(decode.AboveMax), offering(1, 0, 18), idOf("cron")),
		// Likely: all advertised versions are too old, or the ranges are unknown.
		exchangeOf(30, 4, 8, 1, softwareOf("careful", "1"), asked, offering(8, 0, 1)),
		exchangeOf(31, 4, 2, 0, softwareOf("careful", "1"), asked, noRange),
		exchangeOf(32, 4, 1, 18, softwareOf("careful", "1"), asked, early, offering(1, 0, 18)),
		exchangeOf(34, 4, 22, 1, softwareOf("careful", "1"), asked, offering(22, 0, 1)),
		exchangeOf(33, 4, 1, 18, softwareOf("sarama", "v1.40.0"), asked, offering(1, 0, 18)),
		// Neither: the newest version of an old broker, and one for a newer broker that the target
		// accepts.
		exchangeOf(40, 5, 8, 1, softwareOf("both", "1"), asked, offering(8, 0, 1)),
		exchangeOf(41, 6, 8, 5, softwareOf("both", "1"), asked, offering(8, 0, 5), second),
		// Unclear, and nothing to judge.
		exchangeOf(50, 7, 1, 18, none, maybeAsked, noRange, idOf("midstream")),
		exchangeOf(51, 8, apiVersionsKey, 0, none, idOf("probe"), from("10.0.0.9")),
		// A client that requested ranges only on another connection.
		exchangeOf(60, 9, apiVersionsKey, 0, none, idOf("python"), from("10.0.0.10")),
		exchangeOf(61, 10, 8, 1, none, borrowedRange, offering(8, 0, 1), idOf("python"), from("10.0.0.10")),
		exchangeOf(70, 11, 1, 3, none, noRange, idOf("broker-1-fetcher-0")),
		connectionOf(0, 1, 5), connectionOf(1, 9, 12), connectionOf(2, 12, 16), connectionOf(3, 19, 24), connectionOf(4, 29, 34),
	}
}

// requestOf returns the request of a finding, "Fetch v12"; empty for none.
func requestOf(f *model.Finding) string {
	if f.APIKey == nil {
		return ""
	}
	return fmt.Sprintf("%s v%d", f.API, *f.Version)
}

// targetOf returns the target's range of a finding's API.
func targetOf(f *model.Finding) string {
	if f.Target == nil {
		return "no such API"
	}
	return rangeText(decode.Range(*f.Target))
}

// findingsOn returns the findings about the target as short texts.
func findingsOn(r *model.Report) []string {
	var out []string
	for i := range r.Findings {
		if f := &r.Findings[i]; f.IsOnTarget() {
			id := ""
			if f.Client.ClientID != nil {
				id = *f.Client.ClientID
			}
			out = append(out, strings.Join([]string{f.Severity.String(), requestOf(f), targetOf(f), f.Reason, f.Client.SoftwareName, id, fmt.Sprint(f.Count)}, ", "))
		}
	}
	return out
}

func TestTarget(t *testing.T) {
	r := builderOf(Options{Target: kafka4()}, targetCalls()...).Report()
	want := []string{
		"error, OffsetCommit v1, v2 to v9, no-newer-version, old-lib, orders-svc, 3", // to two brokers
		"error, OffsetCommit v1, v2 to v9, no-newer-version, old-lib, billing, 1",
		"error, Unknown(100) v0, no such API, no-such-api, old-lib, orders-svc, 1",
		"error, ListOffsets v0, v1 to v10, not-negotiated, , cron, 1",
		"error, Fetch v18, v4 to v17, not-negotiated, , cron, 1",
		"error, Produce v2, v3 to v12, no-newer-version, , cron, 1",
		"error, Fetch v19, v4 to v17, against-offer, , cron, 1",
		"warning, OffsetCommit v1, v2 to v9, offered-less, careful, orders-svc, 1",
		"warning, ListOffsets v0, v1 to v10, offer-not-seen, careful, orders-svc, 1",
		"warning, Fetch v18, v4 to v17, sent-before-the-answer, careful, orders-svc, 1",
		"warning, Fetch v18, v4 to v17, not-heeded, sarama, orders-svc, 1",
		"warning, InitProducerId v1, no such API, no-such-api-some-do-without, careful, orders-svc, 1",
		"warning, OffsetCommit v1, v2 to v9, offered-less, , python, 1",
	}
	if diff := cmp.Diff(want, findingsOn(r)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	var clients []string
	for i := range r.Target.Clients {
		c := &r.Target.Clients[i]
		clients = append(clients, fmt.Sprintf("%s %s %s %d", c.Verdict, c.SoftwareName, c.ClientIDs, len(c.APIs)))
	}
	wantClients := []string{
		"breaks  [cron] 4", "breaks old-lib [orders-svc] 2", "breaks old-lib [billing] 1", "likely careful [orders-svc] 4", "likely  [python] 1", "likely sarama [orders-svc] 1",
		"unclear  [midstream] 0", "unclear  [probe] 0", "fine both [orders-svc] 0", "fine modern [orders-svc] 0", "between-brokers  [broker-1-fetcher-0] 0",
	}
	if diff := cmp.Diff(wantClients, clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	if want := (model.TargetSummary{Breaks: 3, Likely: 3, Unclear: 2, Fine: 2}); r.Target.Summary != want {
		t.Errorf("summary %+v, want %+v", r.Target.Summary, want)
	}
}

// TestTargetCountsEveryRequest: the counts of a client's fates add up to its requests.
func TestTargetCountsEveryRequest(t *testing.T) {
	r := builderOf(Options{Target: kafka4()}, targetCalls()...).Report()
	total := uint64(0)
	for _, c := range r.Target.Clients {
		n := c.Counts
		if sum := n.Breaks + n.Likely + n.Adapts + n.Passes + n.Unclear + n.Exempt; sum != c.Requests {
			t.Errorf("%+v: counts add up to %d of %d requests", c, sum, c.Requests)
		}
		total += c.Requests
	}
	if total != r.Summary.Requests {
		t.Errorf("%d of %d requests were judged", total, r.Summary.Requests)
	}
}

// TestWithoutATargetNothingIsSaidOfOne: outputs do not change.
func TestWithoutATargetNothingIsSaidOfOne(t *testing.T) {
	r := builderOf(Options{}, targetCalls()...).Report()
	if r.Target != nil || len(findingsOn(r)) > 0 {
		t.Errorf("target %+v, findings %v", r.Target, findingsOn(r))
	}
	doc := written(t, r).(map[string]any)
	for _, key := range []string{"target", "supplied"} {
		if _, ok := doc[key]; ok {
			t.Errorf("the JSON has %s", key)
		}
	}
	for _, f := range doc["findings"].([]any) {
		for _, key := range []string{"target", "reason"} {
			if _, ok := f.(map[string]any)[key]; ok {
				t.Errorf("a finding in the JSON has %s", key)
			}
		}
	}
}

// TestTargetIsBounded: clients and versions beyond the limits are only counted.
func TestTargetIsBounded(t *testing.T) {
	b := NewBuilder(Options{Target: kafka4()})
	for i := range maxTargetClients + 10 {
		b.Exchange(exchangeOf(uint64(i), 0, 8, 1, softwareOf("lib", strings.Repeat("x", i%200)+string(rune('a'+i/200))), asked, offering(8, 0, 9)))
	}
	for i := range maxTargetUses + 10 {
		b.Exchange(exchangeOf(uint64(i), 0, int16(200+i), 0, softwareOf("lib", "a"), asked, offering(int16(200+i), 0, 0)))
	}
	for i := range maxClientMembers + 10 {
		b.Exchange(exchangeOf(uint64(i), 0, 8, 1, softwareOf("lib", "a"), asked, func(x *decode.Exchange) {
			x.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1)
		}))
	}
	for i := range maxAskers + 10 {
		b.Exchange(exchangeOf(uint64(i), 0, apiVersionsKey, 0, idOf(strings.Repeat("y", i%250)+string(rune('a'+i/250)))))
	}
	hit := b.Report().Quality.LimitsHit
	for _, name := range []string{"target_versions", "target_askers", "target_members"} {
		if hit[name] == 0 {
			t.Errorf("limit %s was not counted: %v", name, hit)
		}
	}
	if len(b.target.clients) > maxTargetClients || len(b.target.askers) > maxAskers || len(b.target.ranges) > len(newRanges.APIs) {
		t.Errorf("%d clients, %d askers, %d ranges are kept", len(b.target.clients), len(b.target.askers), len(b.target.ranges))
	}
}

// TestTargetAllocatesNothing: this holds in the steady state.
func TestTargetAllocatesNothing(t *testing.T) {
	b := NewBuilder(Options{Target: kafka4()})
	calls := []*decode.Exchange{
		exchangeOf(1, 0, 1, 10, asked), exchangeOf(2, 0, 1, 18, asked, offering(1, 0, 18)), exchangeOf(3, 0, 8, 1, asked, offering(8, 0, 9)),
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, x := range calls {
			if f, _ := b.target.exchange(x); f > certain {
				t.Fatal(f)
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations for three requests", n)
	}
}

// BenchmarkTarget measures the cost of --target for each request.
func BenchmarkTarget(b *testing.B) {
	check := newTargetCheck(kafka4(), nil)
	x := exchangeOf(1, 0, 1, 10, asked)
	b.ReportAllocs()
	for b.Loop() {
		check.exchange(x)
	}
}

// TestTargetFilesAreIdentifiedByTheirRanges: equal names say nothing about the contents.
func TestTargetFilesAreIdentifiedByTheirRanges(t *testing.T) {
	ranges := func(file string, most int16) string {
		table := &decode.Table{Ranges: &decode.Ranges{APIs: []decode.API{{Key: 1, Range: decode.Range{Min: 4, Max: most}}}}}
		return newTargetCheck(&decode.Reference{Name: "1 broker", File: file, Table: table}, nil).finish(map[string]uint64{}).Ranges
	}
	a, b := ranges("a/new.json", 17), ranges("b/new.json", 18)
	if a == "" || a == b || a != ranges("c.json", 17) || ranges("", 17) != "" {
		t.Errorf("ranges %q and %q", a, b)
	}
}

// TestTargetKnowsWhoAsked: a client that requests the ranges on one connection counts as
// negotiating on all. Only the requests of such a client show that it adapts.
func TestTargetKnowsWhoAsked(t *testing.T) {
	none := softwareOf("", "")
	second := func(x *decode.Exchange) { x.Broker = mustAddrPort("127.0.0.1:19093") }
	elsewhere := func(x *decode.Exchange) { x.Client = mustAddrPort("10.0.0.9:40000") }
	old := exchangeOf(5, 1, 8, 1, none, noRange)
	for _, tt := range []struct {
		name   string
		before *decode.Exchange
		x      *decode.Exchange
		want   string
	}{
		{"nothing seen before", nil, old, "not-negotiated"},
		{"ApiVersions on another connection", exchangeOf(1, 0, apiVersionsKey, 3, none), old, "offer-not-seen"},
		{"a request of a connection on which it asked", exchangeOf(1, 0, 3, 7, none, asked), old, "offer-not-seen"},
		{"a request of a connection on which it may have asked", exchangeOf(1, 0, 3, 7, none, maybeAsked), old, "not-negotiated"},
		{"one at another address that asked", exchangeOf(1, 0, 3, 7, none, asked, elsewhere), old, "not-negotiated"},
		{"another client id that asked", exchangeOf(1, 0, 3, 7, none, asked, idOf("other")), old, "not-negotiated"},
		{"a version that the target accepts, having asked", exchangeOf(1, 0, 8, 5, none, asked, offering(8, 0, 5), second), exchangeOf(5, 1, 8, 1, none, asked, offering(8, 0, 1)), ""},
		{"a version that the target accepts, perhaps not having asked", exchangeOf(1, 0, 8, 5, none, maybeAsked, borrowedRange, offering(8, 0, 5), second), exchangeOf(5, 1, 8, 1, none, asked, offering(8, 0, 1)), "offered-less"},
	} {
		var calls []any
		if tt.before != nil {
			calls = append(calls, tt.before)
		}
		got := ""
		for _, f := range builderOf(Options{Target: kafka4()}, append(calls, tt.x)...).Report().Findings {
			if f.IsOnTarget() {
				got = f.Reason
			}
		}
		if got != tt.want {
			t.Errorf("%s: reason %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestTextsAboutOneVersion: a target may accept one version of an API, and not advertise all that
// it accepts.
func TestTextsAboutOneVersion(t *testing.T) {
	one := kafka4()
	table := *one.Table
	table.Ranges = &decode.Ranges{APIs: []decode.API{{Key: 50, Range: decode.Range{Min: 2, Max: 2}}, {Key: 51, Range: decode.Range{Min: 2, Max: 1}}}}
	one.Table = &table
	for _, c := range []struct {
		api, version int16
		accepts, do  string
	}{
		{50, 1, "accepts v2", "Before the brokers are upgraded"}, {50, 2, "accepts v2", "Before the brokers are upgraded"}, {50, 3, "accepts v2", "Have "}, {51, 1, "accepts no version", "Find out"}, {52, 1, "does not support this API", "Find out"},
	} {
		s := &subject{group: &group{key: findingKey{api: c.api, version: c.version, detail: string(notAsked)}}, target: one}
		if accepts, do := s.accepts(), adviceOnTarget(s); !strings.HasPrefix(accepts, c.accepts) || !strings.HasPrefix(do, c.do) {
			t.Errorf("API %d v%d: %s; %s", c.api, c.version, accepts, do)
		}
	}
}
