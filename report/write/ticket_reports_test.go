package write

import (
	"fmt"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
)

// Synthetic reports for the tests of writers. They resemble those of captures, with a combination
// of contents that captures rarely have.

// instant returns the time d after the beginning of the synthetic reports.
func instant(d time.Duration) model.Time {
	return model.Time(time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC).Add(d).UnixNano())
}

// ref returns a pointer to v.
func ref[T any](v T) *T { return &v }

// emptyReport returns the report of a capture without Kafka.
func emptyReport() *model.Report {
	return &model.Report{
		Schema: model.SchemaName, Tool: model.Tool{Name: "kafkavet", Version: "1.0.0"},
		Captures: []model.Capture{{Path: "empty.pcap", Format: "pcap", LinkTypes: []uint32{1}}},
		Brokers:  []model.Broker{}, Clients: []model.Client{}, Findings: []model.Finding{},
		Quality: model.Quality{
			UnparsedReasons: []model.Count{}, OtherProtocols: []model.OtherProtocol{}, NotChecked: []model.NotChecked{}, LimitsHit: map[string]uint64{},
		},
	}
}

// cleanReport returns a report with all requests checked and no findings.
func cleanReport() *model.Report {
	r := emptyReport()
	r.Captures[0] = model.Capture{Path: "clean.pcapng", Format: "pcapng", LinkTypes: []uint32{1}, Packets: 120, Bytes: 31415, First: ref(instant(0)), Last: ref(instant(4 * time.Second))}
	r.Summary = model.Summary{Streams: 2, KafkaStreams: 2, Requests: 44, Responses: 44, RequestsChecked: 42, RequestsExempt: 2, Evidence: model.EvidenceCounts{Observed: 42}}
	r.Brokers = []model.Broker{{Address: "10.0.0.5:9092", Release: "Kafka 3.9", APIs: brokerAPIs(17), Tables: 1, Streams: 2, Requests: 44}}
	r.Clients = []model.Client{{
		SoftwareName: "librdkafka", SoftwareVersion: "2.8.0", ClientIDs: []string{"billing"}, Addresses: []string{"10.0.0.9"}, BrokerAddresses: []string{"10.0.0.5:9092"}, Requests: 44,
		APIs: []model.Usage{
			{Key: 1, Name: "Fetch", Versions: []model.VersionUsage{{Version: 16, Requests: 40}}},
			{Key: 3, Name: "Metadata", Versions: []model.VersionUsage{{Version: 12, Requests: 2}}},
			{Key: 18, Name: "ApiVersions", Versions: []model.VersionUsage{{Version: 3, Requests: 2}}},
		},
	}}
	r.Timeline = model.Timeline{Lanes: []model.Lane{cleanLane(0, 0), cleanLane(1, time.Second)}}
	return r
}

// brokerAPIs returns a table of ranges with this max for Fetch.
func brokerAPIs(fetchMax int16) []model.API {
	return []model.API{
		{Key: 0, Name: "Produce", Range: model.Range{Min: 3, Max: 8}},
		{Key: 1, Name: "Fetch", Range: model.Range{Min: 4, Max: fetchMax}},
		{Key: 2, Name: "ListOffsets", Range: model.Range{Min: 0, Max: 5}},
		{Key: 3, Name: "Metadata", Range: model.Range{Min: 0, Max: 12}},
		{Key: 8, Name: "OffsetCommit", Range: model.Range{Min: 0, Max: 8}},
		{Key: 9, Name: "OffsetFetch", Range: model.Range{Min: 0, Max: 7}},
		{Key: 10, Name: "FindCoordinator", Range: model.Range{Min: 0, Max: 3}},
		{Key: 18, Name: "ApiVersions", Range: model.Range{Min: 0, Max: 3}},
	}
}

// cleanLane returns a connection without findings.
func cleanLane(stream uint32, from time.Duration) model.Lane {
	l := model.Lane{
		Stream: stream, Client: fmt.Sprintf("10.0.0.9:%d", 40000+stream), Broker: "10.0.0.5:9092", ClientID: "billing",
		SoftwareName: "librdkafka", SoftwareVersion: "2.8.0", First: instant(from), Last: instant(from + 3*time.Second),
		End: "closed",
	}
	l.Events = append(l.Events, event(10, from, 18, "ApiVersions", 3, nil, "exempt", "answered", ""),
		event(12, from+2*time.Millisecond, 3, "Metadata", 12, &model.Range{Min: 0, Max: 12}, "ok", "answered", ""))
	for i := range 40 {
		l.Events = append(l.Events, event(uint64(20+2*i), from+time.Duration(10+60*i)*time.Millisecond, 1, "Fetch", 16, &model.Range{Min: 4, Max: 17}, "ok", "answered", ""))
	}
	return l
}

// event returns a request in a lane.
func event(frame uint64, t time.Duration, key int16, api string, version int16, advertised *model.Range, verdict, outcome, code string) model.LaneEvent {
	severity := model.Info
	switch {
	case code == "":
	case code[:3] == "KV1":
		severity = model.Error
	case code[:3] == "KV2":
		severity = model.Warning
	}
	return model.LaneEvent{Frame: frame, Time: instant(t), Count: 1, Until: instant(t), APIKey: key, API: api, Version: version, Advertised: advertised, Verdict: verdict, Outcome: outcome, Code: code, Severity: severity}
}

// brokenLane returns a connection that the broker closes on Fetch v12.
func brokenLane(stream uint32, from time.Duration, frame uint64) model.Lane {
	return model.Lane{
		Stream: stream, Client: fmt.Sprintf("10.0.0.7:%d", 50000+stream), Broker: "10.0.0.5:19092", ClientID: "orders-svc",
		SoftwareName: "confluent-kafka-go", SoftwareVersion: "2.6.0", First: instant(from), Last: instant(from + 105*time.Millisecond),
		End: "closed", EndedByBroker: true, Worst: model.Error, Flagged: true,
		Events: []model.LaneEvent{
			event(frame, from, 18, "ApiVersions", 3, nil, "exempt", "answered", ""),
			event(frame+4, from+900*time.Microsecond, 3, "Metadata", 9, &model.Range{Min: 0, Max: 12}, "ok", "answered", ""),
			event(frame+8, from+104*time.Millisecond, 1, "Fetch", 12, &model.Range{Min: 4, Max: 7}, "above-max", "closed", "KV1001"),
		},
	}
}

// richReport returns a report with findings of each severity, brokers, clients, notes of every
// kind.
func richReport() *model.Report {
	r := emptyReport()
	r.Captures = []model.Capture{
		{Path: "orders one.pcap", Format: "pcap", LinkTypes: []uint32{1}, Packets: 5120, Bytes: 1234567, First: ref(instant(0)), Last: ref(instant(42 * time.Second)), Truncated: 3},
		{Path: "orders-two.pcapng", Format: "pcapng+zstd", LinkTypes: []uint32{1, 276}, Packets: 88, Bytes: 9000, First: ref(instant(43 * time.Second)), Last: ref(instant(50 * time.Second)), Torn: true, Problem: "packet 89: 20 of 96 bytes", Dropped: 12},
	}
	r.Summary = model.Summary{
		Streams: 14, KafkaStreams: 11, EncryptedStreams: 2, Requests: 171, Responses: 160, RequestsChecked: 150, RequestsExempt: 11,
		Evidence: model.EvidenceCounts{Observed: 140, Borrowed: 10}, DroppedInRange: 1, Findings: model.SeverityCounts{Error: 2, Warning: 2, Info: 1},
	}
	r.Brokers = []model.Broker{
		{Address: "10.0.0.5:19092", NodeID: ref(int32(1)), Release: "Kafka 2.6 with Fetch capped", APIs: brokerAPIs(7), Tables: 1, Streams: 8, Requests: 120},
		{Address: "10.0.0.6:19092", NodeID: ref(int32(2)), Release: "Kafka 2.7", APIs: brokerAPIs(12), Tables: 2, Streams: 2, Requests: 50},
		{Address: "[2001:db8::7]:9092", Network: "00000000000000a1", Release: model.ReleaseUnknown, APIs: []model.API{}, Streams: 1, Requests: 1},
	}
	r.Clients = richClients()
	r.Findings = richFindings()
	r.Quality = model.Quality{
		MissingBytes: 14600, Gaps: 2, GapStreams: 1, MidstreamStreams: 1, OneSidedStreams: 1, Resyncs: 2, IncompleteRequests: 1, ConflictingBytes: 5,
		UnparsedPackets: 9, UnparsedReasons: []model.Count{{Name: "not IP", Count: 7}, {Name: "IP fragment missing", Count: 2}}, TruncatedPackets: 3, DroppedPackets: 12,
		OtherProtocols:   []model.OtherProtocol{{Address: "10.0.0.5:19092", Protocol: "HTTP", Streams: 1}, {Address: "10.0.0.6:19092", Protocol: "other", Streams: 2}},
		NotChecked:       []model.NotChecked{{Reason: model.NotCheckedNoRange, Requests: 10}, {Reason: model.NotCheckedEncrypted, Streams: 2}},
		ExpectedRefusals: 1, UnexplainedRequests: 2, UnexplainedCauses: []string{"proxy", "restart"}, LimitsHit: map[string]uint64{"text": 1, "client_members": 3},
	}
	r.Timeline = richTimeline()
	return r
}

func richClients() []model.Client {
	both := []string{"10.0.0.5:19092", "10.0.0.6:19092"}
	return []model.Client{
		{
			ClientIDs: []string{"legacy-loader"}, Addresses: []string{"10.0.0.8"}, BrokerAddresses: []string{"[2001:db8::7]:9092"}, Requests: 1,
			APIs: []model.Usage{{Key: 3, Name: "Metadata", Versions: []model.VersionUsage{{Version: 11, Requests: 1, Unchecked: 1}}}},
		},
		{
			SoftwareName: "confluent-kafka-go", SoftwareVersion: "2.6.0", ClientIDs: []string{"orders-svc", "orders-svc-2"}, Addresses: []string{"10.0.0.7"}, BrokerAddresses: both, Requests: 120,
			APIs: []model.Usage{
				{Key: 0, Name: "Produce", Versions: []model.VersionUsage{{Version: 2, Requests: 1, Outside: 1}, {Version: 8, Requests: 41}}},
				{Key: 1, Name: "Fetch", Versions: []model.VersionUsage{{Version: 7, Requests: 12}, {Version: 12, Requests: 6, Outside: 6}}},
				{Key: 3, Name: "Metadata", Versions: []model.VersionUsage{{Version: 9, Requests: 48}}},
				{Key: 18, Name: "ApiVersions", Versions: []model.VersionUsage{{Version: 3, Requests: 11}}},
				{Key: 117, Name: "Unknown(117)", Versions: []model.VersionUsage{{Version: 29541, Requests: 1, Outside: 1}}},
			},
		},
		{
			SoftwareName: "apache-kafka-java", SoftwareVersion: "3.7.0", ClientIDs: []string{"consumer-reports-1"}, Addresses: []string{"10.0.0.9"}, BrokerAddresses: both, Requests: 50,
			APIs: []model.Usage{
				{Key: 1, Name: "Fetch", Versions: []model.VersionUsage{{Version: 7, Requests: 20}, {Version: 12, Requests: 28}}},
				{Key: 3, Name: "Metadata", Versions: []model.VersionUsage{{Version: 12, Requests: 2, Unchecked: 1}}},
			},
		},
	}
}

func richFindings() []model.Finding {
	orders := &model.FindingClient{SoftwareName: "confluent-kafka-go", SoftwareVersion: "2.6.0", ClientID: ref("orders-svc"), Addresses: []string{"10.0.0.7"}}
	fetch := model.Finding{
		Code: "KV1001", Title: "above-max", Severity: model.Error, Message: "Fetch v12 sent, the broker advertises v4 to v7",
		APIKey: ref(int16(1)), API: "Fetch", Version: ref(int16(12)), Advertised: &model.Range{Min: 4, Max: 7}, Evidence: "observed", EvidenceCounts: map[string]uint64{"observed": 5, "borrowed": 1},
		Client: orders, Broker: "10.0.0.5:19092", Release: "Kafka 2.6 with Fetch capped", Count: 12,
		Outcomes: map[string]uint64{"closed": 11, "cut": 1}, MedianSeconds: map[string]float64{"closed": 0.00026, "cut": 0},
		Why:    "The client was shown that v7 is the newest Fetch this broker knows, and sent v12. The broker drops the connection without an answer, which clients often take for a security or network problem.",
		Advice: "Run a release of confluent-kafka-go 2.6.0 that keeps to the advertised range (Fetch v7 or lower here), or a broker that knows Fetch v12.",
		KnownIssue: &model.KnownIssue{
			ID: "librdkafka-2.6.0-fetch-12", Title: "librdkafka 2.6.0 sends Fetch v12 to brokers that only know older versions, such as Kafka before 2.7 (librdkafka #4870)",
			URL: "https://github.com/confluentinc/librdkafka/issues/4870", FixedIn: "2.6.1", Workaround: "Go back to 2.5.3.", Confidence: "certain",
		},
		OccurrencesOmitted: 2,
	}
	for i := range 10 {
		fetch.Occurrences = append(fetch.Occurrences, model.Occurrence{
			Capture: uint32(i / 8), Frame: uint64(62 + 14*i), Stream: uint32(1 + i), Time: instant(time.Duration(i) * 400 * time.Millisecond),
			CorrelationID: ref(int32(8 + 2*i)), Client: fmt.Sprintf("10.0.0.7:%d", 50001+i), Outcome: "closed", Evidence: "observed",
		})
	}
	produce := model.Finding{
		Code: "KV1002", Title: "below-min", Severity: model.Error, Message: "Produce v2 sent, the broker advertises v3 to v8",
		APIKey: ref(int16(0)), API: "Produce", Version: ref(int16(2)), Advertised: &model.Range{Min: 3, Max: 8}, Evidence: "observed", EvidenceCounts: map[string]uint64{"observed": 1},
		Client: orders, Broker: "10.0.0.5:19092", Release: "Kafka 2.6 with Fetch capped", Count: 1,
		Outcomes: map[string]uint64{"reset": 1}, MedianSeconds: map[string]float64{"reset": 0.0011},
		Why:         "v3 is the oldest Produce this broker still takes; Kafka 4.0 removed many old versions (KIP-896). The broker drops the connection without an answer.",
		Advice:      "Upgrade confluent-kafka-go 2.6.0 to a release that sends Produce v3 or higher, or raise the protocol version it is set to.",
		Occurrences: []model.Occurrence{{Frame: 300, Stream: 12, Time: instant(9 * time.Second), CorrelationID: ref(int32(77)), Client: "10.0.0.7:50099", Outcome: "reset", Evidence: "observed"}},
	}
	return append([]model.Finding{fetch, produce}, richWarnings()...)
}

// richWarnings are the findings of richReport below error.
func richWarnings() []model.Finding {
	return []model.Finding{
		{
			Code: "KV2001", Title: "refused-unnegotiated", Severity: model.Warning, Message: "Metadata v11 sent without a known range, the broker closed the connection",
			APIKey: ref(int16(3)), API: "Metadata", Version: ref(int16(11)), Evidence: "none", EvidenceCounts: map[string]uint64{"none": 1},
			Client: &model.FindingClient{ClientID: ref("legacy-loader"), Addresses: []string{"10.0.0.8"}}, Broker: "[2001:db8::7]:9092", Release: model.ReleaseUnknown, Count: 1,
			Outcomes: map[string]uint64{"closed": 1}, MedianSeconds: map[string]float64{"closed": 0.02},
			Why: "No ApiVersions response of this broker is in the input.", Advice: "Let the client negotiate (sarama before 1.46: set Version), or check security.protocol.",
			Occurrences: []model.Occurrence{{Frame: 410, Stream: 13, Time: instant(11 * time.Second), CorrelationID: ref(int32(1)), Client: "10.0.0.8:33000", Outcome: "closed", Evidence: "none"}},
		},
		{
			Code: "KV2005", Title: "ranges-changed", Severity: model.Warning, Message: "one address advertised 2 different sets of ranges: Fetch (v4 to v7, v4 to v12)",
			Broker: "10.0.0.6:19092", Release: "Kafka 2.7", Count: 1, Why: "Clients that keep what they learned may send what another broker does not take.", Advice: "Finish the upgrade.",
			Occurrences: []model.Occurrence{{Frame: 500, Stream: 14, Time: instant(12 * time.Second), Client: "10.0.0.9:1234", Detail: "Fetch v4 to v7, then v4 to v12"}},
		},
		{
			Code: "KV9001", Title: "encrypted", Severity: model.Info, Message: "TLS on 2 connections was not decrypted: no key log", Broker: "10.0.0.6:19093", Count: 2,
			Why: "Nothing inside was checked.", Advice: "Give the client's or the broker's TLS key log with --tls-keylog.",
			Occurrences: []model.Occurrence{{
				Frame: 600, Stream: 15, Time: instant(13 * time.Second), Client: "10.0.0.9:1235",
				TLS: &model.TLSSession{Version: "TLS 1.3", Suite: "TLS_AES_128_GCM_SHA256", ServerName: "kafka.example.com", ClientRandom: "0011223344556677"},
			}},
		},
	}
}

func richTimeline() model.Timeline {
	t := model.Timeline{Omitted: 3}
	for i := range 6 {
		t.Lanes = append(t.Lanes, brokenLane(uint32(1+i), time.Duration(i*i)*300*time.Millisecond, uint64(54+14*i)))
	}
	reset := brokenLane(12, 9*time.Second, 292)
	reset.End, reset.Events[2] = "reset", event(300, 9*time.Second+104*time.Millisecond, 0, "Produce", 2, &model.Range{Min: 3, Max: 8}, "below-min", "reset", "KV1002")
	early := brokenLane(13, 11*time.Second, 402)
	early.Worst, early.ClientID, early.SoftwareName, early.SoftwareVersion = model.Warning, "legacy-loader", "", ""
	early.Events = []model.LaneEvent{event(410, 11*time.Second, 3, "Metadata", 11, nil, "unknown", "closed", "KV2001")}
	busy := cleanLane(14, 500*time.Millisecond)
	busy.End = ""
	last := &busy.Events[len(busy.Events)-1]
	last.Count, last.Until, last.Mixed = 12, last.Time+model.Time(200*time.Millisecond), true
	t.Lanes = append(t.Lanes, reset, early, busy)
	return t
}

// hostileText are client ids that try to break out of a document, to hide, or to notify someone.
var hostileText = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`</title></style></script><svg onload=alert(1)>`,
	`</code></details></main><h1>fixed</h1>`,
	"a`b``c```d",
	"` @torvalds `",
	`a|b\|c\\|d`,
	"line\n\n# heading\n- item\n```\nfence",
	`[click](javascript:alert(1)) ![x](https://evil.example/x.png)`,
	`@torvalds #4870 !12 %3 ~bug $1 &2 GH-12 kafkavet/kafkavet#1 da39a3ee5e6b4b0d3255bfef95601890afd80709`,
	`https://evil.example/ www.evil.example mailto:a@evil.example`,
	`**bold** _it_ ~~gone~~ :tada: $x^2$ &copy; &lt;b&gt;`,
	"\u202edesrever\u202c \u2066isolate \u200bzero \u00adsoft",
	"\x00\x1b[31mred\x7f\x80\xff\xfe",
	"=========", "---", "- - -", "+ item", "1. item", "> quote", "    code", "\ttab",
	"{{.Advice}} ${x} <!-- --> ]]> --> <?php",
	"", " ", "  two  ", `\`, "`", "|", "-", `""`,
}

// hostileReport returns richReport with text wherever the wire or the user can put one.
func hostileReport(text string) *model.Report {
	r := richReport()
	for i := range r.Captures {
		r.Captures[i].Path, r.Captures[i].Problem = text, text
	}
	r.Captures[0].Format = "live"
	for i := range r.Clients {
		c := &r.Clients[i]
		c.SoftwareName, c.SoftwareVersion = text, text
		c.ClientIDs, c.Addresses, c.BrokerAddresses = []string{text, text + "2"}, []string{text}, []string{text}
	}
	for i := range r.Brokers {
		r.Brokers[i].Address, r.Brokers[i].Network = text, text
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Message += " by " + text
		f.Why, f.Advice, f.Broker = "Why "+text, "Upgrade "+text+" now.", text
		if f.Client != nil {
			f.Client.SoftwareName, f.Client.SoftwareVersion, f.Client.ClientID, f.Client.Addresses = text, text, &text, []string{text}
		}
		for j := range f.Occurrences {
			f.Occurrences[j].Client, f.Occurrences[j].Detail = text, "was "+text
			f.Occurrences[j].TLS = &model.TLSSession{Version: text, Suite: text, ServerName: text, ClientRandom: text}
		}
		if f.KnownIssue != nil {
			f.KnownIssue = &model.KnownIssue{ID: text, Title: "Title " + text, URL: text, FixedIn: text, Workaround: "Do " + text, Confidence: text}
		}
	}
	for i := range r.Quality.OtherProtocols {
		r.Quality.OtherProtocols[i].Address = text
	}
	for i := range r.Timeline.Lanes {
		l := &r.Timeline.Lanes[i]
		l.Client, l.Broker, l.ClientID, l.SoftwareName, l.SoftwareVersion = text, text, text, text, text
	}
	return r
}

// hugeReport returns a report with n of everything and texts of that length.
func hugeReport(n, length int) *model.Report {
	r := richReport()
	text := func(i int) string {
		s := fmt.Sprintf("%06d-%s", i, strings.Repeat("\u202e`|", length))
		return s[:min(len(s), max(length, 6))]
	}
	finding, client, broker, lane := r.Findings[0], r.Clients[1], r.Brokers[0], brokenLane(0, 0, 1)
	r.Findings, r.Clients, r.Brokers, r.Timeline.Lanes, r.Captures = nil, nil, nil, nil, r.Captures[:1]
	for i := range n {
		f, c, b := finding, client, broker
		f.Broker, f.Count = text(i), uint64(n-i)
		f.Client = &model.FindingClient{SoftwareName: text(i), SoftwareVersion: text(i), ClientID: ref(text(i)), Addresses: []string{text(i)}}
		f.Message, f.Why, f.Advice = "Fetch v12 sent by "+text(i), "Why "+text(i), "Upgrade "+text(i)
		c.SoftwareName, c.SoftwareVersion, c.ClientIDs, c.BrokerAddresses = text(i), text(i), []string{text(i), text(i)}, []string{text(i)}
		b.Address = text(i)
		r.Findings, r.Clients, r.Brokers = append(r.Findings, f), append(r.Clients, c), append(r.Brokers, b)
		r.Quality.LimitsHit[text(i)] = 1
		r.Quality.OtherProtocols = append(r.Quality.OtherProtocols, model.OtherProtocol{Address: text(i), Protocol: "other", Streams: 1})
		r.Captures = append(r.Captures, model.Capture{Path: text(i), Problem: text(i), Torn: true})
	}
	for i := range min(n, model.MaxFlaggedLanes+model.MaxPlainLanes) {
		l := lane
		l.Stream, l.First, l.Last, l.ClientID = uint32(i), instant(time.Duration(i)*time.Second), instant(time.Duration(i+300)*time.Second), text(i)
		l.Flagged, l.Events = i < model.MaxFlaggedLanes, nil
		for j := range model.MaxLaneEvents {
			e := event(uint64(i*1000+j), time.Duration(i)*time.Second+time.Duration(j*j)*time.Millisecond, int16(j%5), "Fetch", int16(j%20), &model.Range{Min: 4, Max: 7}, "ok", "answered", "")
			if j%7 == 0 && l.Flagged {
				e.Code, e.Verdict, e.Outcome = "KV1001", "above-max", "unanswered"
			}
			l.Events = append(l.Events, e)
		}
		r.Timeline.Lanes = append(r.Timeline.Lanes, l)
	}
	r.Summary.Findings.Error = n
	return r
}
