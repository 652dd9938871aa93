package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
	"github.com/kafkavet/kafkavet/report/write"
)

func TestEqualFindingsAreOne(t *testing.T) {
	above := verdictOf(decode.AboveMax)
	base := func(changes ...func(*decode.Exchange)) *decode.Exchange {
		return exchangeOf(1, 0, 1, 12, append([]func(*decode.Exchange){above}, changes...)...)
	}
	for _, c := range []struct {
		name   string
		change func(*decode.Exchange)
		want   int
	}{
		{"another stream", func(x *decode.Exchange) { x.Stream = 9 }, 1},
		{"another client address", func(x *decode.Exchange) { x.Client = mustAddrPort("10.0.0.9:1") }, 1},
		{"another outcome", outcomeOf(decode.ResetByBroker), 1},
		{"another evidence", func(x *decode.Exchange) { borrowedRange(x); x.Outcome = decode.ClosedByBroker }, 1},
		{"another version", func(x *decode.Exchange) { x.Version = 13 }, 2},
		{"another range", rangesOf(newRanges), 2},
		{"another software", func(x *decode.Exchange) { x.Software.Version = "2.6.1" }, 2},
		{"another client id", func(x *decode.Exchange) { x.ClientID = "x" }, 2},
		{"no client id instead of an empty one", func(x *decode.Exchange) { x.ClientID, x.HasClientID = "", false }, 2},
		{"another broker", func(x *decode.Exchange) { x.Broker = mustAddrPort("127.0.0.1:1") }, 2},
		{"another network", func(x *decode.Exchange) { x.Domain = 1 }, 2},
	} {
		got := builderOf(Options{}, base(), base(c.change)).Report().Findings
		total := uint64(0)
		for _, f := range got {
			total += f.Count
		}
		if len(got) != c.want || total != 2 {
			t.Errorf("%s: %d findings of %d requests, want %d of 2", c.name, len(got), total, c.want)
		}
	}
}

func TestAFindingKeepsItsFirstOccurrences(t *testing.T) {
	var calls []any
	for i := range 3 * maxOccurrences {
		// 11 and 30 have no common divisor: each frame comes once, in disorder.
		calls = append(calls, exchangeOf(uint64(11*i%(3*maxOccurrences))+1, 0, 1, 12, verdictOf(decode.AboveMax)))
	}
	f := builderOf(Options{}, calls...).Report().Findings[0]
	got := []uint64{}
	for _, o := range f.Occurrences {
		got = append(got, o.Frame)
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
	if f.Count != 30 || f.OccurrencesOmitted != 20 {
		t.Errorf("count %d, omitted %d, want 30 and 20", f.Count, f.OccurrencesOmitted)
	}
}

func TestFindingsAreOrdered(t *testing.T) {
	above, below := verdictOf(decode.AboveMax), verdictOf(decode.BelowMin)
	r := builderOf(Options{},
		connectionOf(8, 1, 2, func(c *decode.Connection) { c.Midstream = true }),
		exchangeOf(9, 1, 3, 11, noRange, outcomeOf(decode.ClosedByBroker)),
		exchangeOf(8, 1, 1, 3, below), exchangeOf(9, 1, 1, 3, below),
		exchangeOf(7, 1, 3, 8, above), exchangeOf(5, 1, 3, 9, above),
		exchangeOf(20, 1, 1, 12, above), exchangeOf(21, 1, 1, 12, above),
	).Report()
	got := []string{}
	for _, f := range r.Findings {
		got = append(got, fmt.Sprintf("%s %s", f.Code, requestOf(&f)))
	}
	want := []string{"KV1001 Fetch v12", "KV1001 Metadata v9", "KV1001 Metadata v8", "KV1002 Fetch v3", "KV2001 Metadata v11", "KV9003 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if s := r.Summary.Findings; s.Error != 4 || s.Warning != 1 || s.Info != 1 {
		t.Errorf("counts %+v, want 4 errors, 1 warning, 1 info", s)
	}
}

func TestEvidenceIsTheBestThereIs(t *testing.T) {
	above := verdictOf(decode.AboveMax)
	f := builderOf(Options{}, exchangeOf(1, 0, 1, 12, above, borrowedRange, outcomeOf(decode.ClosedByBroker)), exchangeOf(2, 1, 1, 12, above)).Report().Findings[0]
	if f.Evidence != "observed" || f.EvidenceCounts["borrowed"] != 1 || f.EvidenceCounts["observed"] != 1 {
		t.Errorf("evidence %q of %v, want observed and one each", f.Evidence, f.EvidenceCounts)
	}
	if got := [2]string{f.Occurrences[0].Evidence, f.Occurrences[1].Evidence}; got != [2]string{"borrowed", "observed"} {
		t.Errorf("evidence of the occurrences %v", got)
	}
}

func TestSummaryCountsWhatWasChecked(t *testing.T) {
	b := builderOf(Options{},
		exchangeOf(1, 0, apiVersionsKey, 0), exchangeOf(2, 0, 3, 7), exchangeOf(3, 0, 3, 7, borrowedRange),
		exchangeOf(4, 0, 3, 7, noRange, outcomeOf(decode.CutOff)), exchangeOf(5, 1, 1, 12, verdictOf(decode.AboveMax), outcomeOf(decode.ClosedByBroker)),
		exchangeOf(6, 1, 3, 7, outcomeOf(decode.ClosedByBroker)), // after the request that made the broker close
		exchangeOf(7, 2, 3, 7, outcomeOf(decode.ClosedByBroker)),
		connectionOf(0, 1, 9), connectionOf(1, 1, 9, tlsOf()), connectionOf(2, 1, 9, func(c *decode.Connection) { c.Protocol = reassembly.Other }),
	)
	want := model.Summary{
		Streams: 3, KafkaStreams: 1, EncryptedStreams: 1, Requests: 7, Responses: 3, RequestsChecked: 5, RequestsExempt: 1,
		Evidence: model.EvidenceCounts{Observed: 4, Borrowed: 1}, DroppedInRange: 1, Findings: model.SeverityCounts{Error: 1, Info: 1},
	}
	r := b.Report()
	if diff := cmp.Diff(want, r.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	wantNot := []model.NotChecked{{Reason: model.NotCheckedNoRange, Requests: 1}, {Reason: model.NotCheckedEncrypted, Streams: 1}}
	if diff := cmp.Diff(wantNot, r.Quality.NotChecked); diff != "" {
		t.Errorf("not checked (-want +got):\n%s", diff)
	}
	wantOther := []model.OtherProtocol{{Address: "127.0.0.1:19092", Protocol: "TLS", Streams: 1}, {Address: "127.0.0.1:19092", Protocol: "other", Streams: 1}}
	if diff := cmp.Diff(wantOther, r.Quality.OtherProtocols); diff != "" {
		t.Errorf("other protocols (-want +got):\n%s", diff)
	}
}

func TestStrangersOnOtherPortsAreNotNamed(t *testing.T) {
	web := func(c *decode.Connection) {
		c.Protocol, c.Broker = reassembly.HTTP, mustAddrPort("10.1.1.1:80")
	}
	if got := builderOf(Options{}, connectionOf(0, 1, 2, web), connectionOf(1, 3, 4)).Report().Quality.OtherProtocols; len(got) != 0 {
		t.Errorf("%v, want nothing: the address is no broker's", got)
	}
	early := func(c *decode.Connection) { c.Protocol = reassembly.HTTP }
	want := []model.OtherProtocol{{Address: "127.0.0.1:19092", Protocol: "HTTP", Streams: 1}}
	if diff := cmp.Diff(want, builderOf(Options{}, connectionOf(0, 1, 2, early), connectionOf(1, 3, 4)).Report().Quality.OtherProtocols); diff != "" {
		t.Errorf("what came before the address was known as a broker's (-want +got):\n%s", diff)
	}
}

func TestClientsWithoutSoftwareAreToldApartByTheirID(t *testing.T) {
	as := func(id string, software decode.Software) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.ClientID, x.HasClientID, x.Software = id, true, software }
	}
	elsewhere := func(x *decode.Exchange) { x.Client = mustAddrPort("127.0.0.9:41000") }
	sarama := decode.Software{Name: "sarama", Version: "v1.61.1"}
	r := builderOf(Options{},
		exchangeOf(1, 0, 3, 7, as("a", sarama)), exchangeOf(2, 0, 3, 7, as("b", sarama)),
		exchangeOf(3, 1, 3, 7, as("a", decode.Software{}), elsewhere), exchangeOf(4, 1, 1, 12, as("b", decode.Software{}), elsewhere, verdictOf(decode.AboveMax)),
	).Report()
	got := []string{}
	for _, c := range r.Clients {
		got = append(got, fmt.Sprintf("%s %v %d", c.SoftwareName, c.ClientIDs, c.Requests))
	}
	if diff := cmp.Diff([]string{" [a] 1", " [b] 1", "sarama [a b] 2"}, got); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	want := []model.Usage{{Key: 1, Name: "Fetch", Versions: []model.VersionUsage{{Version: 12, Requests: 1, Outside: 1}}}}
	if diff := cmp.Diff(want, r.Clients[1].APIs); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}

func TestBrokersShowWhatTheyAdvertisedLast(t *testing.T) {
	r := builderOf(Options{}, adOf(1, 0, oldRanges), adOf(2, 1, newRanges), adOf(3, 2, oldRanges), exchangeOf(4, 2, 3, 7)).Report()
	b := r.Brokers[0]
	if b.Tables != 2 || len(b.APIs) != len(oldRanges.APIs) || b.APIs[1] != (model.API{Key: 1, Name: "Fetch", Range: model.Range{Min: 4, Max: 10}}) || b.Requests != 1 {
		t.Errorf("broker %+v", b)
	}
	if b.Release != model.ReleaseUnknown || b.ReleaseReason == "" {
		t.Errorf("release %q because %q, want that it is unknown and why", b.Release, b.ReleaseReason)
	}
	if got := r.Findings[0]; got.Count != 2 || got.Occurrences[1].Detail == "" || got.Release != "" {
		t.Errorf("finding %+v, want 2 changes with details", got)
	}
}

func TestFindingsTellTheReleaseByTheRangesConcerned(t *testing.T) {
	r := builderOf(Options{},
		adOf(1, 0, newRanges), exchangeOf(2, 0, 2, 0, verdictOf(decode.BelowMin), rangesOf(newRanges)),
		adOf(3, 1, oldRanges),
	).Report()
	if got := r.Findings[0].Release; !strings.HasPrefix(got, "Kafka 4.0") {
		t.Errorf("release %q, want Kafka 4.0", got)
	}
	if got := r.Brokers[0].Release; got != model.ReleaseUnknown {
		t.Errorf("release of the broker %q, want it by its last ranges", got)
	}
}

// numbered returns an exchange of the i-th client and broker. Each makes another finding.
func numbered(i int) *decode.Exchange {
	return exchangeOf(uint64(i)+1, uint32(i), 1, 12, verdictOf(decode.AboveMax), func(x *decode.Exchange) {
		x.ClientID, x.Software = fmt.Sprint("c", i), decode.Software{}
		x.Broker = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 9092)
	})
}

// TestListedAPIsAreBounded: the brokers beyond maxListedAPIs are listed without APIs, and brokers
// with one table share its rows.
func TestListedAPIsAreBounded(t *testing.T) {
	const each, fit, more = 256, maxListedAPIs / 256, 5
	table := &decode.Ranges{APIs: make([]decode.API, each)}
	for i := range table.APIs {
		table.APIs[i].Key = int16(i)
	}
	b := NewBuilder(Options{})
	for i := range fit + more {
		ad := adOf(uint64(i)+1, 0, table)
		ad.Broker = numbered(i).Broker
		b.Advertisement(ad)
	}
	r := b.Report()
	without := 0
	for i := range r.Brokers {
		switch apis := r.Brokers[i].APIs; {
		case len(apis) == 0:
			without++
		case len(apis) != each || &apis[0] != &r.Brokers[0].APIs[0]:
			t.Fatalf("broker %d has %d APIs, want the %d of the first", i, len(apis), each)
		}
	}
	if len(r.Brokers) != fit+more || without != more || r.Quality.LimitsHit["broker_apis"] != more {
		t.Errorf("%d brokers, %d without APIs, limits %v; want %d and %d", len(r.Brokers), without, r.Quality.LimitsHit, fit+more, more)
	}
}

func TestLimitsHoldAndAreCounted(t *testing.T) {
	b := NewBuilder(Options{})
	n := maxBrokers + 100
	for i := range n {
		b.Exchange(numbered(i))
		b.Connection(connectionOf(uint32(i), uint64(i)+1, uint64(i)+2, func(c *decode.Connection) {
			c.Protocol, c.Broker = reassembly.HTTP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 80)
		}))
		b.Connection(connectionOf(uint32(i), uint64(i)+1, uint64(i)+2, func(c *decode.Connection) {
			c.Protocol, c.Broker = reassembly.HTTP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{12, byte(i >> 16), byte(i >> 8), byte(i)}), 80)
		}))
	}
	for i := range maxTables + 5 {
		b.Advertisement(func() *decode.Advertisement {
			a := adOf(uint64(i)+1, 0, &decode.Ranges{APIs: []decode.API{{Key: 1, Range: decode.Range{Max: int16(i)}}}})
			a.Broker = numbered(0).Broker
			return a
		}())
	}
	for i := range maxClientMembers + 7 {
		b.Exchange(exchangeOf(uint64(n), 0, 3, 7, func(x *decode.Exchange) {
			x.ClientID, x.Software, x.Broker = "c0", decode.Software{}, numbered(0).Broker
			x.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{13, 0, 0, byte(i)}), 1)
		}))
	}
	for i := range maxUsages + 9 {
		b.Exchange(exchangeOf(uint64(n), 0, 3, int16(i), func(x *decode.Exchange) {
			x.ClientID, x.Software, x.Broker = "c1", decode.Software{}, numbered(1).Broker
		}))
	}
	r := b.Report()
	want := map[string]uint64{
		"broker_tables": 5, "client_members": 7, "client_versions": 9, "other_addresses": uint64(2*n - maxNonBrokers),
		"history_clients": 1,
	}
	if diff := cmp.Diff(want, r.Quality.LimitsHit); diff != "" {
		t.Errorf("limits hit (-want +got):\n%s", diff)
	}
	if len(r.Brokers) > maxBrokers || len(r.Clients) > maxClients || r.Summary.Findings.Error > maxGroupsPerCode || r.Folded == nil {
		t.Fatalf("%d brokers, %d clients, %d errors, folded %+v", len(r.Brokers), len(r.Clients), r.Summary.Findings.Error, r.Folded)
	}
	folded := &r.Folded.Findings[0]
	if folded.Code != "KV1001" || folded.Severity != model.Error || folded.Findings != uint64(n-r.Summary.Findings.Error) || folded.Count != folded.Findings {
		t.Errorf("%d findings are listed, folded %+v", len(r.Findings), folded)
	}
	// The first two clients and brokers appeared again after they were folded.
	if c := r.Folded.Clients; c.Count != uint64(n+2-len(r.Clients)) || c.Requests < c.Count {
		t.Errorf("%d clients are listed, folded %+v", len(r.Clients), c)
	}
	if k := r.Folded.Brokers; k.Count != uint64(n+2-len(r.Brokers)) || k.Requests < k.Count {
		t.Errorf("%d brokers are listed, folded %+v", len(r.Brokers), k)
	}
}

// TestAFloodFoldsWhatIsOldAndSmall: frequent findings stay at any age, and new ones are listed.
func TestAFloodFoldsWhatIsOldAndSmall(t *testing.T) {
	b := NewBuilder(Options{Watch: true})
	large := func(x *decode.Exchange) { x.ClientID = "large" }
	for i := range uint64(20) {
		b.Exchange(exchangeOf(i+1, 0, 1, 12, verdictOf(decode.AboveMax), large))
	}
	listed := func(id string) bool {
		return slices.ContainsFunc(b.Report().Findings, func(f model.Finding) bool { return *f.Client.ClientID == id })
	}
	news := 0
	for i := range 5 * maxGroupsPerCode {
		b.Exchange(numbered(i))
		if i%100 == 0 {
			news += len(b.News(false, false))
		}
	}
	b.Exchange(exchangeOf(1, 0, 1, 3, verdictOf(decode.BelowMin), func(x *decode.Exchange) { x.ClientID = "other code" }))
	newest := fmt.Sprint("c", 5*maxGroupsPerCode-1)
	if !listed("large") || !listed(newest) || !listed("other code") || listed("c1") {
		t.Errorf("large %v, newest %v, of another code %v; old and small %v", listed("large"), listed(newest), listed("other code"), listed("c1"))
	}
	if news += len(b.News(false, false)); news != 5*maxGroupsPerCode+2 {
		t.Errorf("%d news", news)
	}
}

func TestReportsShareNothingWithTheBuilder(t *testing.T) {
	calls := fetchBug()
	b := builderOf(Options{}, calls[:len(calls)/2]...)
	b.SetInput(troubledInput())
	early := b.Report()
	var before, after bytes.Buffer
	if err := write.JSON(&before, early); err != nil {
		t.Fatal(err)
	}
	feed(b, calls[len(calls)/2:]...)
	feed(b, everythingCalls()...)
	b.Report()
	if err := write.JSON(&after, early); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.String(), after.String()); diff != "" {
		t.Errorf("an earlier report changed (-before +after):\n%s", diff)
	}
}

func TestSnapshotsDoNotChangeTheLastReport(t *testing.T) {
	calls := everythingCalls()
	watched := NewBuilder(Options{})
	for _, c := range calls {
		feed(watched, c)
		watched.Report()
	}
	if diff := cmp.Diff(builderOf(Options{}, calls...).Report(), watched.Report()); diff != "" {
		t.Errorf("report with and without snapshots (-without +with):\n%s", diff)
	}
}

func TestTheSameCallsGiveTheSameBytes(t *testing.T) {
	outputs := map[string]bool{}
	for range 20 { // each iteration over a map has another order
		var out bytes.Buffer
		r := reportOf(scenario{input: troubledInput(), calls: everythingCalls()})
		if err := write.JSON(&out, r); err != nil {
			t.Fatal(err)
		}
		if err := write.Text(&out, r, write.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&out).Encode(r.Timeline); err != nil {
			t.Fatal(err)
		}
		outputs[out.String()] = true
	}
	if len(outputs) != 1 {
		t.Errorf("%d different outputs of the same calls", len(outputs))
	}
}

func TestTheBuilderAllocatesNothingInTheSteadyState(t *testing.T) {
	b := NewBuilder(Options{})
	fine := exchangeOf(1, 0, 3, 7)
	offending := exchangeOf(2, 1, 1, 12, verdictOf(decode.AboveMax), outcomeOf(decode.ClosedByBroker))
	connection := connectionOf(2, 1, 2)
	step := func() {
		fine.Request.Frame++
		offending.Request.Frame++
		b.Exchange(fine)
		b.Exchange(offending)
		connection.Stream++
		fine.Stream, offending.Stream = connection.Stream, connection.Stream+1
		b.Connection(connection)
	}
	for range 20000 {
		step()
	}
	if n := testing.AllocsPerRun(2000, step); n > 0 {
		t.Errorf("%v allocations for two exchanges and a connection, want 0", n)
	}
}

func BenchmarkBuilderExchange(b *testing.B) {
	b.ReportAllocs()
	builder := NewBuilder(Options{})
	x := exchangeOf(1, 0, 3, 7)
	for b.Loop() {
		x.Request.Frame++
		builder.Exchange(x)
	}
}

func BenchmarkBuilderConnection(b *testing.B) {
	b.ReportAllocs()
	builder := NewBuilder(Options{})
	x, c := exchangeOf(1, 0, 3, 7), connectionOf(0, 1, 2)
	for b.Loop() {
		x.Stream++
		c.Stream++
		builder.Exchange(x)
		builder.Connection(c)
	}
}

// TestOneClientIsOneRow: a client that announces its software on only some of its connections is
// one client, unless two programs use its client id at the same address.
func TestOneClientIsOneRow(t *testing.T) {
	software := func(name string) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.Software = decode.Software{Name: name, Version: "1"} }
	}
	bare := func(x *decode.Exchange) { x.Software = decode.Software{} }
	elsewhere := func(x *decode.Exchange) { x.Client = mustAddrPort("127.0.0.9:41000") }
	unnamed := func(x *decode.Exchange) { bare(x); x.ClientID, x.HasClientID = "", false }
	for name, c := range map[string]struct {
		calls []any
		rows  []string
	}{
		"one client":         {[]any{exchangeOf(1, 0, 3, 7, bare), exchangeOf(2, 1, 3, 7, software("a")), exchangeOf(3, 1, 0, 7, software("a"))}, []string{"a: 3 requests, Metadata v7 twice"}},
		"another address":    {[]any{exchangeOf(1, 0, 3, 7, bare, elsewhere), exchangeOf(2, 1, 3, 7, software("a"))}, []string{": 1 requests, Metadata v7 once", "a: 1 requests, Metadata v7 once"}},
		"two programs":       {[]any{exchangeOf(1, 0, 3, 7, bare), exchangeOf(2, 1, 3, 7, software("a")), exchangeOf(3, 2, 3, 7, software("b"))}, []string{": 1 requests, Metadata v7 once", "a: 1 requests, Metadata v7 once", "b: 1 requests, Metadata v7 once"}},
		"without client ids": {[]any{exchangeOf(1, 0, 3, 7, unnamed), exchangeOf(2, 1, 3, 7, software("a"))}, []string{": 1 requests, Metadata v7 once", "a: 1 requests, Metadata v7 once"}},
	} {
		b := builderOf(Options{}, c.calls...)
		for range 2 { // Report changes nothing
			var rows []string
			for _, row := range b.Report().Clients {
				for _, api := range row.APIs {
					if api.Key == metadataKey {
						rows = append(rows, fmt.Sprintf("%s: %d requests, Metadata v%d %s", row.SoftwareName, row.Requests, api.Versions[0].Version, words.Times(api.Versions[0].Requests)))
					}
				}
			}
			if diff := cmp.Diff(c.rows, rows); diff != "" {
				t.Errorf("%s: rows (-want +got):\n%s", name, diff)
			}
		}
	}
}
