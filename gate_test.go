package main

import (
	"strings"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
)

// TestGate: it is open only if everything was watched and something was judged.
func TestGate(t *testing.T) {
	const hour = model.Time(time.Hour)
	week := model.Span{First: 1000 * hour, Last: 1000*hour + 168*hour}
	yes, no := true, false
	node := func(id int32, address string, captured *bool) model.Node {
		return model.Node{Cluster: "c", NodeID: id, Address: address, Captured: captured, First: week.First, Last: week.Last}
	}
	watched := func(spans ...model.Span) []model.Span {
		for i := range spans {
			spans[i].First, spans[i].Last = week.First+spans[i].First*hour, week.First+spans[i].Last*hour
		}
		return spans
	}
	tests := []struct {
		name       string
		change     func(r *model.Report)
		withLikely bool
		want       string // the beginning of closedBy; of an open gate, "but" and a remark
	}{
		{"all is fine", func(*model.Report) {}, false, ""},
		{"a client that breaks", func(r *model.Report) {
			r.Target.Clients = append(r.Target.Clients, model.TargetClient{ClientIDs: []string{"cron"}, Verdict: model.VerdictBreaks, LastSeen: week.Last})
		}, false, `1 client breaks on Kafka 4.0.0 and was seen in the last 7 d: "cron"`},
		{"one that breaks, a week and an hour ago", func(r *model.Report) {
			r.Captures[0].First = new(model.Time)
			r.Target.Clients = append(r.Target.Clients, model.TargetClient{ClientIDs: []string{"cron"}, Verdict: model.VerdictBreaks, LastSeen: week.First - hour})
		}, false, ""},
		{"one that was refused before the week, and only sends heartbeats since then", func(r *model.Report) {
			r.Target.Clients = append(r.Target.Clients, model.TargetClient{
				ClientIDs: []string{"cron"}, Verdict: model.VerdictBreaks, LastSeen: week.Last, APIs: []model.TargetUse{{Certain: true, LastSeen: week.First - hour}},
			})
		}, false, `1 client breaks on Kafka 4.0.0 and was seen in the last 7 d: "cron"`},
		{"one without the time of its last request", func(r *model.Report) {
			r.Target.Clients = append(r.Target.Clients, model.TargetClient{ClientIDs: []string{"cron"}, Verdict: model.VerdictBreaks})
		}, false, `1 client breaks on Kafka 4.0.0`},
		{"one without a verdict", func(r *model.Report) {
			r.Target.Clients = append(r.Target.Clients, model.TargetClient{ClientIDs: []string{"probe"}, Verdict: model.VerdictUnclear, LastSeen: week.Last})
		}, false, `but 1 client cannot be judged: "probe"`},
		{"lists of brokers that were not read", func(r *model.Report) { r.Quality.LimitsHit = map[string]uint64{"clusters": 1} }, false, "lists of brokers in Metadata responses were too long"},
		{"another limit", func(r *model.Report) { r.Quality.LimitsHit = map[string]uint64{"target_askers": 1} }, false, "but limits were exceeded: target_askers"},
		{"dropped packets of a capture", func(r *model.Report) { r.Captures[0].Dropped = 7 }, false, "but 7 packets were dropped by the capturing system"},
		{"no Metadata response", func(r *model.Report) { r.Nodes = nil }, false, "but no Metadata response of that time names the brokers"},
		{"one that is likely to break", func(r *model.Report) { r.Target.Clients[0].Verdict = model.VerdictLikely }, false, `but 1 client is likely to break: "orders"`},
		{"one that is likely to break, as a warning", func(r *model.Report) { r.Target.Clients[0].Verdict = model.VerdictLikely }, true, `1 client is likely to break on Kafka 4.0.0 and was seen in the last 7 d: "orders"`},
		{"a folded client", func(r *model.Report) { r.Target.Folded = &model.TargetSummary{Breaks: 1, Likely: 2} }, false, "1 client breaks on Kafka 4.0.0 and is not listed"},
		{"folded clients, as a warning", func(r *model.Report) { r.Target.Folded = &model.TargetSummary{Breaks: 1, Likely: 2} }, true, "1 client breaks on Kafka 4.0.0 and is not listed"},
		{"folded clients that are likely to break, as a warning", func(r *model.Report) { r.Target.Folded = &model.TargetSummary{Likely: 2} }, true,
			"2 clients are likely to break on Kafka 4.0.0 and are not listed"},
		{"an interrupted analysis", func(r *model.Report) { r.Quality.Interrupted = 1 }, false, "1 report was interrupted before the end of the input"},
		{"a torn capture", func(r *model.Report) { r.Captures[0].Path, r.Captures[0].Torn = "a.pcap", true }, false, `1 capture was not read to the end: "a.pcap"`},
		{"an unreadable capture", func(r *model.Report) {
			r.Captures = append(r.Captures, model.Capture{Path: "b.pcap", Problem: "not a capture"})
		}, false, `1 capture was not read to the end: "b.pcap"`},
		{"losses", func(r *model.Report) {
			r.Summary.EncryptedStreams = 1
			r.Quality, r.Brokers[0].Undecided = model.Quality{DroppedPackets: 2000, TruncatedPackets: 1, GapStreams: 3}, 5
		}, false, "but 1 encrypted connection was not judged; 5 connections were not recognized at the addresses of brokers; 2,000 packets were dropped by the capturing system; " +
			"1 packet was captured only in part; 3 connections were captured with gaps"},
		{"six days", func(r *model.Report) { *r.Captures[0].First += 24 * hour }, false, "the reports cover 6 d, less than 7 d"},
		{"a week less an hour", func(r *model.Report) {
			*r.Captures[0].First += hour
			r.Brokers[0].Watched = watched(model.Span{First: 1, Last: 168})
		}, false, ""},
		{"a restart for an hour", func(r *model.Report) {
			r.Brokers[0].Watched = watched(model.Span{First: -3, Last: 20}, model.Span{First: 21, Last: 168})
		}, false, ""},
		{"two hours unwatched", func(r *model.Report) {
			r.Brokers[0].Watched = watched(model.Span{Last: 20}, model.Span{First: 21, Last: 60}, model.Span{First: 61, Last: 168})
		}, false, `1 broker was not watched in the last 7 d: "10.0.0.1:9092" (watched for 6 d 22 h)`},
		{"two moments", func(r *model.Report) {
			r.Brokers[0].Watched = watched(model.Span{First: 0, Last: 1}, model.Span{First: 167, Last: 168})
		}, false, `1 broker was not watched in the last 7 d: "10.0.0.1:9092" (watched for 2 h)`},
		{"a listener that is seldom used, of a host that was watched", func(r *model.Report) {
			r.Brokers = append(r.Brokers, model.Broker{Address: "10.0.0.1:9094", Requests: 1, Watched: watched(model.Span{First: 9, Last: 10}), SeveralClients: true})
		}, false, ""},
		{"one client", func(r *model.Report) { r.Brokers[0].SeveralClients = false }, false,
			"but 1 broker was used by one client address only, so if that is the capturing host, other clients are unknown"},
		{"no broker", func(r *model.Report) { r.Brokers = nil }, false, "no broker was watched in the last 7 d"},
		{"not in the week", func(r *model.Report) { r.Brokers[0].Watched = watched(model.Span{First: -9, Last: -8}) }, false, `7 d: "10.0.0.1:9092"`},
		{"only TLS", func(r *model.Report) {
			r.Brokers = append(r.Brokers, model.Broker{Address: "10.0.0.1:9093", Inferred: true, TLS: true, Watched: []model.Span{week}})
		}, false, `1 broker was not watched in the last 7 d: "10.0.0.1:9093" (no request was read)`},
		{"a broker that was not captured", func(r *model.Report) {
			r.Nodes = []model.Node{node(1, "10.0.0.1:9092", &yes), node(2, "10.0.0.2:9092", &no)}
		}, false, `1 broker was not watched in the last 7 d: "10.0.0.2:9092" (not captured)`},
		{"a broker that was not captured, and an address that is not named", func(r *model.Report) {
			r.Brokers = append(r.Brokers, model.Broker{Address: "10.9.0.1:9092", Requests: 9, Watched: []model.Span{week}})
			r.Nodes = []model.Node{node(1, "10.0.0.1:9092", &yes), node(2, "10.0.0.2:9092", &no)}
		}, false, `1 broker was not watched in the last 7 d: "10.0.0.2:9092" (not captured); no Metadata response names 1 captured address: ` +
			"with address translation, capture where clients use the named addresses"},
		{"a broker of which only other brokers were captured", func(r *model.Report) {
			r.Brokers = append(r.Brokers, model.Broker{Address: "10.0.0.2:9092", Requests: 9, BetweenBrokers: true})
			r.Nodes = []model.Node{node(1, "10.0.0.1:9092", &yes), node(2, "10.0.0.2:9092", &no)}
		}, false, `1 broker was not watched in the last 7 d: "10.0.0.2:9092" (not captured)`},
		{"a listener for brokers only", func(r *model.Report) {
			r.Brokers = append(r.Brokers, model.Broker{Address: "10.0.0.1:9091", Requests: 9, BetweenBrokers: true})
		}, false, ""},
		{"more host names than addresses", func(r *model.Report) {
			r.Nodes = []model.Node{node(1, "kafka-1:9092", nil), node(2, "kafka-2:9092", nil), node(3, "kafka-3:9092", nil)}
		}, false, `2 brokers were not watched in the last 7 d: 2 of 3 in Metadata responses (no captured address for the host name)`},
		{"a host name for each address", func(r *model.Report) { r.Nodes = []model.Node{node(1, "kafka-1:9092", nil)} }, false,
			`but 1 broker was named only by host name, and taken for 10.0.0.1:9092`},
		{"a host name, and an address of another cluster", func(r *model.Report) {
			r.Nodes, r.Brokers[0].Cluster = []model.Node{node(1, "kafka-1:9092", nil)}, new("d")
		}, false, "1 broker was not watched in the last 7 d: 1 of 1 in Metadata responses (no captured address for the host name)"},
		{"a broker that was named before the week", func(r *model.Report) {
			r.Nodes = []model.Node{node(1, "10.0.0.1:9092", &yes), node(2, "10.0.0.2:9092", &no)}
			r.Nodes[1].Last = week.First - 1
		}, false, "but 1 broker was named only before that time, and not captured"},
		{"no client", func(r *model.Report) { r.Target.Clients = nil }, false, "no request of a client was judged in the last 7 d"},
		{"nothing but ApiVersions", func(r *model.Report) { r.Target.Clients[0].Verdict = model.VerdictUnclear }, false, "no request of a client was judged"},
		{"nothing judged in the week", func(r *model.Report) { r.Target.Clients[0].LastSeen = week.First - 1 }, false, "no request of a client was judged"},
	}
	for _, tt := range tests {
		first, last := week.First, week.Last
		r := &model.Report{
			Captures: []model.Capture{{First: &first, Last: &last}}, Parts: []model.Part{{Target: "kafka-4.0.0-kraft"}},
			Brokers: []model.Broker{{Address: "10.0.0.1:9092", Requests: 9, Watched: []model.Span{week}, SeveralClients: true, Cluster: new("c")}},
			Nodes:   []model.Node{node(1, "10.0.0.1:9092", &yes)},
			Target: &model.Target{Name: "Kafka 4.0.0", Clients: []model.TargetClient{
				{ClientIDs: []string{"orders"}, Verdict: model.VerdictFine, LastSeen: week.Last},
			}},
		}
		tt.change(r)
		g, err := newGate(r, 7*24*time.Hour, tt.withLikely)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := g.closedBy
		if got == "" && len(g.but) > 0 {
			got = "but " + strings.Join(g.but, "; ")
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
