// Package model defines the values of a report: the keys of its JSON form, the picture of its
// connections (Timeline), a finding that sniff reports while it watches (News), and the text of
// explain about a rule (Rule).
//
// The tag redact names the kind of a name or an address, which report/redact replaces by a pseudonym of
// that kind; "none" is a value that it removes.
//
// The values are final: they share no changing data, and belong to their holder. Text from the
// wire is unchanged in them; the writers escape it. The package imports no other package of this
// program.
package model

import "fmt"

// SchemaName is the value of Report.Schema. A change that breaks JSON readers changes it.
const SchemaName = "kafkavet/report/v1"

// Report is the result of analyze and sniff. report/write/schema.json describes its JSON form.
// Keys are added, never changed.
type Report struct {
	// Schema is SchemaName.
	Schema string `json:"schema"`
	// Tool is the program that made the report.
	Tool Tool `json:"tool"`
	// Parts are the runs that made the report. Only a merged report has several.
	Parts []Part `json:"parts,omitempty"`
	// Captures are the inputs, in the order in which they were read.
	Captures []Capture `json:"captures"`
	// Summary counts the input and the findings.
	Summary Summary `json:"summary"`
	// Brokers are the addresses that answered as a Kafka broker, by address.
	Brokers []Broker `json:"brokers"`
	// Nodes are the brokers in Metadata responses, by cluster and node id, including brokers of
	// which no packet was captured.
	Nodes []Node `json:"nodes,omitempty"`
	// Clients are the client programs, by software name, version and client id.
	Clients []Client `json:"clients"`
	// Findings are ordered by severity, code, count and first occurrence.
	Findings []Finding `json:"findings"`
	// Folded counts the rows that were folded at a limit; nil for none.
	Folded *Folded `json:"folded,omitempty"`
	// Target describes the traffic that another release would refuse; nil without --target.
	Target *Target `json:"target,omitempty"`
	// Supplied describes the ranges that the user supplied; nil for none.
	Supplied *Supplied `json:"supplied,omitempty"`
	// Quality describes what was not captured or not checked.
	Quality Quality `json:"quality"`
	// Evidence is the file with the packets that prove the findings; nil for none.
	Evidence *EvidenceFile `json:"evidence_file,omitempty"`
	// Connections can be recognised in the report of another host. They are ordered by id, and are
	// at most the first MaxConnections.
	Connections []Connection `json:"connections,omitempty"`
	// Timeline shows a selection of connections, for a picture. It is not part of the JSON form.
	Timeline Timeline `json:"-"`
}

// Tool names the program and its version.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Capture describes one input.
type Capture struct {
	// Path is the name as given by the user: a file, "-" for standard input, or an interface.
	Path string `json:"path"`
	// Format is "pcap", "pcapng" or "live", followed by the compression ("pcapng+zstd"). It is
	// empty if it was not recognised.
	Format string `json:"format"`
	// Saved is the file with the packets of a live capture; empty for none.
	Saved string `json:"-"`
	// LinkTypes are link types as registered at
	// https://www.tcpdump.org/linktypes.html, in order of appearance.
	LinkTypes []uint32 `json:"link_types"`
	// Packets counts the packets, Bytes their captured bytes.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// First and Last are the earliest and the latest timestamp; nil without packets.
	First *Time `json:"first"`
	Last  *Time `json:"last"`
	// Torn: the capture ends in the middle of a record. The packets before it are used.
	Torn bool `json:"torn"`
	// Problem says where and how it is torn, or why it could not be read. It is empty otherwise.
	Problem string `json:"problem"`
	// Truncated counts packets that were captured only in part.
	Truncated uint64 `json:"truncated"`
	// Dropped counts packets that the capturing system reports as lost.
	Dropped uint64 `json:"dropped"`
	// Opening is a hash of its first packets, for the id of its part.
	Opening uint64 `json:"-"`
	// Part is the id of its part; empty if the report is not merged.
	Part string `json:"part,omitempty"`
	// Clock describes the difference of its clock from another capture's; nil for none.
	Clock *Clock `json:"clock,omitempty"`
}

// Clock is a difference of clocks, measured on connections that are in two captures.
type Clock struct {
	// Capture is the index of the capture whose clock is used for the times in the report.
	Capture uint32 `json:"capture"`
	// Offset is the number of seconds added to the timestamps.
	Offset float64 `json:"offset"`
}

// EvidenceFile is a file with the packets that prove findings.
type EvidenceFile struct {
	// Path is the file name. Bundle is the name of the archive that contains it; empty for none.
	Path   string `json:"path"`
	Bundle string `json:"bundle,omitempty"`
	// Packets and Connections count the contents of the file.
	Packets     uint64 `json:"packets"`
	Connections uint64 `json:"connections"`
	// Redacted: it has the pseudonyms of the report. Of TLS data only lengths remain.
	Redacted bool `json:"redacted"`
}

// EvidencePlace is a packet's place in the evidence: Wireshark's frame.number and tcp.stream.
type EvidencePlace struct {
	Frame  uint64 `json:"frame"`
	Stream uint32 `json:"stream"`
}

// Summary counts the input and the findings.
type Summary struct {
	// Streams counts TCP connections, KafkaStreams the Kafka connections, and EncryptedStreams the
	// TLS connections that were not decrypted.
	Streams          uint64 `json:"streams"`
	KafkaStreams     uint64 `json:"kafka_streams"`
	EncryptedStreams uint64 `json:"encrypted_streams"`
	// Requests counts the Kafka requests, Responses the answered ones.
	Requests  uint64 `json:"requests"`
	Responses uint64 `json:"responses"`
	// RequestsChecked counts the requests that were compared with an advertised range.
	// RequestsExempt counts those that need none (ApiVersions). Quality.NotChecked counts the
	// others.
	RequestsChecked uint64 `json:"requests_checked"`
	RequestsExempt  uint64 `json:"requests_exempt"`
	// Evidence counts the checked requests by the source of the range.
	Evidence EvidenceCounts `json:"evidence"`
	// DroppedInRange counts requests inside their advertised range after which the broker closed
	// or reset the connection. The cause is not the version.
	DroppedInRange uint64 `json:"dropped_in_range"`
	// Findings counts findings by severity. Equal findings count once.
	Findings SeverityCounts `json:"findings"`
}

// EvidenceCounts counts by the source of a range.
type EvidenceCounts struct {
	Observed uint64 `json:"observed"`
	Borrowed uint64 `json:"borrowed"`
	Supplied uint64 `json:"supplied"`
}

// SeverityCounts counts by severity.
type SeverityCounts struct {
	Error   int `json:"error"`
	Warning int `json:"warning"`
	Info    int `json:"info"`
	// Accepted counts the findings that a baseline accepts. They are in no other count.
	Accepted int `json:"accepted,omitzero"`
}

// Broker is an address that answered as a Kafka broker.
type Broker struct {
	// Address is IP:port. Network distinguishes equal addresses in different networks (VLANs,
	// tunnels). It is empty for the untagged network.
	Address string `json:"address" redact:"address"`
	Network string `json:"network" redact:"network"`
	// Behind are further addresses of the broker, captured behind address translation. Address is
	// the one that clients use.
	Behind []string `json:"behind,omitempty" redact:"address"`
	// NodeID is the broker's node id; nil if unknown.
	NodeID *int32 `json:"node_id"`
	// Release describes the most likely release ("Kafka 2.6 with Fetch capped at 7"), or is
	// ReleaseUnknown. ReleaseReason then says why.
	Release       string `json:"release"`
	ReleaseReason string `json:"release_reason"`
	// ReleaseNames are the releases that fit equally well. ReleaseRunnersUp fit next best. Both
	// are ordered oldest first.
	ReleaseNames     []string `json:"release_names"`
	ReleaseRunnersUp []string `json:"release_runners_up"`
	// APIs are the latest advertised ranges, by key; empty if none were captured.
	APIs []API `json:"apis"`
	// Tables counts the different tables of ranges it advertised (see KV2005).
	Tables int `json:"tables"`
	// Streams and Requests count its Kafka connections and the requests on them.
	Streams  uint64 `json:"streams"`
	Requests uint64 `json:"requests"`
	// Undecided counts connections with too little payload to recognise the protocol.
	Undecided uint64 `json:"undecided,omitzero"`
	// Inferred: no connection was decrypted. The data follows from the sizes of TLS records.
	Inferred bool `json:"inferred,omitempty"`
	// BetweenBrokers: only other brokers sent it requests, so its clients were not watched.
	BetweenBrokers bool `json:"between_brokers,omitzero"`
	// Watched are the periods in which it was watched, in order: the hours in which a request of a
	// client to its host was captured, from the first to the last packet of the captures.
	Watched []Span `json:"watched,omitempty"`
	// SeveralClients: a part has requests of several client addresses. With only one address, the
	// capture may be of the client's host, which does not show other clients.
	SeveralClients bool `json:"several_clients,omitzero"`
	// Cluster is the cluster id in its Metadata responses, empty before v2; nil without any.
	Cluster *string `json:"cluster,omitempty" redact:"cluster"`
	// TLS: a TLS handshake completed at this address, so Wireshark needs other arguments for it.
	TLS bool `json:"tls"`
}

// ReleaseUnknown is the value of Broker.Release and Finding.Release if the release is unknown.
const ReleaseUnknown = "cannot tell"

// API is the advertised range of one API.
type API struct {
	Key  int16  `json:"key"`
	Name string `json:"name"`
	Range
}

// Range is a range of API versions, including both ends.
type Range struct {
	Min int16 `json:"min"`
	Max int16 `json:"max"`
}

// Text returns the range as texts name it: "v4 to v7", "v3 only".
func (r Range) Text() string {
	if r.Min == r.Max {
		return fmt.Sprintf("v%d only", r.Min)
	}
	return fmt.Sprintf("v%d to v%d", r.Min, r.Max)
}

// Client is a client program: all clients that announced the same software or, if they announced
// none, have the same client id.
type Client struct {
	// SoftwareName and SoftwareVersion were announced in ApiVersions (KIP-511); empty for none.
	SoftwareName    string `json:"software_name"`
	SoftwareVersion string `json:"software_version"`
	// ClientIDs are the client ids it used, sorted.
	ClientIDs []string `json:"client_ids" redact:"client"`
	// Addresses are its IP addresses, BrokerAddresses its brokers (IP:port), both sorted.
	Addresses       []string `json:"addresses" redact:"address"`
	BrokerAddresses []string `json:"broker_addresses" redact:"address"`
	// Principals are its user names, or the subjects of its certificates, sorted; nil for none.
	Principals []string `json:"principals,omitempty" redact:"principal"`
	// Processes are its processes on the capturing hosts, sorted; nil for none.
	Processes []Process `json:"processes,omitempty"`
	Requests  uint64    `json:"requests"`
	// Inferred describes what the sizes of encrypted records show, if none of its connections was
	// decrypted. It is empty otherwise.
	Inferred string `json:"inferred,omitempty"`
	// APIs are the versions it used, by API key.
	APIs []Usage `json:"apis"`
}

// Usage counts the requests of a client for one API.
type Usage struct {
	Key  int16  `json:"key"`
	Name string `json:"name"`
	// Versions are ordered by version.
	Versions []VersionUsage `json:"versions"`
}

// VersionUsage counts the requests of one version.
type VersionUsage struct {
	Version int16 `json:"version"`
	// Requests counts the requests, Outside those outside the advertised range, and Unchecked
	// those without a known range.
	Requests  uint64 `json:"requests"`
	Outside   uint64 `json:"outside"`
	Unchecked uint64 `json:"unchecked"`
}

// Finding is a coded statement about one or more exchanges or connections. Message and Advice
// contain no address, client id or host name, so redaction leaves them unchanged.
type Finding struct {
	// Code and Title are the code and title of the rule.
	Code     string   `json:"code"`
	Title    string   `json:"title"`
	Severity Severity `json:"severity"`
	// Message says in one line what happened.
	Message string `json:"message"`
	// APIKey, API and Version describe the requests; nil and empty if there are none.
	APIKey  *int16 `json:"api_key"`
	API     string `json:"api"`
	Version *int16 `json:"version"`
	// Advertised is the range that the broker advertised for the API; nil for none.
	Advertised *Range `json:"advertised"`
	// Target is the range that the release named with --target supports; nil if it does not have
	// the API, or if the finding is about something else. Reason says why the release would refuse
	// the request (Reason constants); empty if the finding is about something else.
	Target *Range `json:"target,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Evidence is the best evidence of the requests: "observed", "borrowed", "supplied" or "none".
	// It is empty if the finding is not about a range.
	Evidence string `json:"evidence"`
	// Inferred has the numbers of a finding with evidence "inferred"; nil for others.
	Inferred *Inferred `json:"inferred,omitempty"`
	// EvidenceCounts counts the requests by their evidence.
	EvidenceCounts map[string]uint64 `json:"evidence_counts"`
	// Client is the sender of the requests; nil if there are several.
	Client *FindingClient `json:"client"`
	// Broker is IP:port; empty if there are several. Release is the most likely release by its
	// ranges, or ReleaseUnknown.
	Broker string `json:"broker" redact:"address"`
	// Behind is Broker.Behind of the broker.
	Behind  []string `json:"behind,omitempty" redact:"address"`
	Release string   `json:"release"`
	// Count is how often it happened.
	Count uint64 `json:"count"`
	// Outcomes counts the requests by outcome; empty for connections.
	Outcomes map[string]uint64 `json:"outcomes"`
	// MedianSeconds is the median time from request to outcome, by outcome. It is exact for up to
	// 32 requests, and within 3.2 % for more.
	MedianSeconds map[string]float64 `json:"median_seconds"`
	// Occurrences are the first ones by position. OccurrencesOmitted counts the others.
	Occurrences        []Occurrence `json:"occurrences"`
	OccurrencesOmitted uint64       `json:"occurrences_omitted"`
	// KnownIssue is a matching known bug; nil for none.
	KnownIssue *KnownIssue `json:"known_issue"`
	// Greeting is the first line, or the first bytes, from a side that is not Kafka. Bytes that
	// are no text are escaped. It is empty otherwise.
	Greeting string `json:"greeting,omitempty" redact:"none"`
	// RuledOut are other possible causes, with the evidence that excludes them. NotRuledOut are
	// those that nothing excludes. Both are empty if the finding blames nobody.
	RuledOut    []Explanation `json:"ruled_out"`
	NotRuledOut []Explanation `json:"not_ruled_out"`
	// Why says in one sentence what the finding means. Advice says what to do.
	Why    string `json:"why"`
	Advice string `json:"advice"`
	// Commands are commands to copy, the most useful first. Most findings have none.
	Commands []Command `json:"commands,omitempty"`
	// Accepted: a baseline contains the finding, so it does not fail a run.
	Accepted bool `json:"accepted,omitempty"`
}

// Command is a command to copy.
type Command struct {
	// For says who runs it. Run is the command. PID, APP and FILE are placeholders.
	For string `json:"for"`
	Run string `json:"run"`
}

// Explanation is another possible cause of a finding.
type Explanation struct {
	// Cause is "restart", "idle limit", "authentication", "size", "proxy" or "lost packets".
	Cause string `json:"cause"`
	// Evidence says what excludes the cause, or what is missing to exclude it.
	Evidence string `json:"evidence"`
	// Capture and Frame are the packet that shows it; nil if it is not one packet.
	Capture *uint32 `json:"capture"`
	Frame   *uint64 `json:"frame"`
}

// IsOnTarget reports whether the finding is about --target: nothing was refused so far.
func (f *Finding) IsOnTarget() bool { return f.Reason != "" }

// EvidenceInferred is the evidence of findings from the shape of encrypted traffic.
const EvidenceInferred = "inferred"

// Inferred describes requests that look refused, from the records of encrypted connections.
type Inferred struct {
	// Size is the size of the request in bytes, including its 4-byte size field. The request may
	// be up to SizeSlack bytes smaller, because CBC suites pad.
	Size      int `json:"size"`
	SizeSlack int `json:"size_slack"`
	// Refused counts the requests of this size to the broker that were closed without an answer.
	// Total counts all of this size.
	Refused uint64 `json:"refused"`
	Total   uint64 `json:"total"`
	// ServedLeast and ServedMost are how many requests were answered earlier on a connection,
	// without ApiVersions and authentication. Authenticated counts the connections with SASL.
	ServedLeast   int `json:"served_least"`
	ServedMost    int `json:"served_most"`
	Authenticated int `json:"authenticated"`
	// LongestSeconds is the longest time from a request to the close.
	LongestSeconds float64 `json:"longest_seconds"`
	// AdvertisedAPIs is the number of APIs in the broker's ApiVersions answer, from its size; 0 if
	// unknown. Releases are the releases with an answer of this size, oldest first.
	AdvertisedAPIs int      `json:"advertised_apis"`
	Releases       []string `json:"releases"`
	// ClientIDLength is the length of the client id in bytes. SoftwareLength is the length of
	// software name and version together. Both are -1 if unknown. OpeningSize is the size of the
	// first ApiVersions request; 0 for none.
	ClientIDLength int `json:"client_id_length"`
	SoftwareLength int `json:"software_length"`
	OpeningSize    int `json:"opening_size"`
	// TLSLibrary is the client's TLS library, from its ClientHello: "Java", "Go", "OpenSSL",
	// "rustls"; empty if unknown.
	TLSLibrary string `json:"tls_library"`
}

// FindingClient is the client of a finding.
type FindingClient struct {
	SoftwareName    string `json:"software_name"`
	SoftwareVersion string `json:"software_version"`
	// ClientID is nil if the requests had none.
	ClientID *string `json:"client_id" redact:"client"`
	// Addresses are its first IP addresses, sorted. AddressesOmitted counts other requests.
	Addresses        []string `json:"addresses" redact:"address"`
	AddressesOmitted uint64   `json:"addresses_omitted"`
	// Principals are its user names, or the subjects of its certificates, sorted; nil for none.
	Principals []string `json:"principals,omitempty" redact:"principal"`
	// Processes are those of its first occurrences on the capturing hosts, sorted; nil for none.
	Processes []Process `json:"processes,omitempty"`
}

// Folded counts rows that are not listed: they are smaller and older than the listed ones. A row
// that appears again after it was folded counts again.
type Folded struct {
	// Findings are ordered by severity, the most severe first, then by code.
	Findings []FoldedFindings `json:"findings"`
	Clients  FoldedRows       `json:"clients"`
	Brokers  FoldedRows       `json:"brokers"`
}

// FoldedRows counts clients or brokers and their requests.
type FoldedRows struct {
	Count    uint64 `json:"count"`
	Requests uint64 `json:"requests"`
}

// Add counts a row with that many requests.
func (f *FoldedRows) Add(requests uint64) {
	f.Count++
	f.Requests += requests
}

// FoldedFindings counts findings of one code and severity.
type FoldedFindings struct {
	Code     string   `json:"code"`
	Title    string   `json:"title"`
	Severity Severity `json:"severity"`
	// Findings counts the findings, Count their occurrences.
	Findings uint64 `json:"findings"`
	Count    uint64 `json:"count"`
}

// Occurrence is one occurrence of a finding.
type Occurrence struct {
	// Capture is the index into Report.Captures. Frame is the packet number in that capture,
	// Stream the connection: Wireshark's frame.number and tcp.stream.
	Capture uint32 `json:"capture"`
	Frame   uint64 `json:"frame"`
	Stream  uint32 `json:"stream"`
	Time    Time   `json:"time"`
	// InEvidence is the place of the packet in Report.Evidence; nil if it is not there.
	InEvidence *EvidencePlace `json:"in_evidence,omitempty"`
	// CorrelationID is the correlation id of the request; nil for a connection.
	CorrelationID *int32 `json:"correlation_id"`
	// Client is IP:port.
	Client string `json:"client" redact:"address"`
	// Outcome is the outcome of the request; empty for a connection.
	Outcome string `json:"outcome"`
	// Evidence is the evidence of the request; empty for a connection.
	Evidence string `json:"evidence"`
	// Contested: the capture has two versions of its bytes, and the accepted one is unknown.
	Contested bool `json:"contested,omitempty"`
	// Detail distinguishes this occurrence from others; empty for none.
	Detail string `json:"detail"`
	// TLS describes the session if the finding is about one; nil otherwise.
	TLS *TLSSession `json:"tls"`
	// Prefaces are the prefaces of the connection if the finding is about them.
	Prefaces []Preface `json:"prefaces,omitempty"`
}

// Preface is sent by a proxy, or by a client of one, before everything else on a connection.
type Preface struct {
	// Kind is the protocol: "PROXY protocol v2".
	Kind string `json:"kind"`
	// Source is the client's IP:port that a load balancer sent. Target is the host:port that the
	// client requested. Each is empty if the preface does not have it.
	Source string `json:"source" redact:"address"`
	Target string `json:"target" redact:"address"`
}

// TLSSession describes a TLS session. Unknown fields are empty.
type TLSSession struct {
	// Version is for example "TLS 1.3". Suite is the IANA name of the cipher suite.
	Version string `json:"version"`
	Suite   string `json:"suite"`
	// ServerName is the name that the client requested (SNI).
	ServerName string `json:"server_name" redact:"host"`
	// ClientRandom is the beginning of the client random in hexadecimal, as in a key log.
	ClientRandom string `json:"client_random"`
}

// MatchPossible is the Confidence of a known issue if only the requests or sizes match.
const MatchPossible = "possible"

// KnownIssue is a known bug of a client or a broker.
type KnownIssue struct {
	ID         string `json:"id"`
	Title      string `json:"title"`
	URL        string `json:"url"`
	FixedIn    string `json:"fixed_in"`
	Workaround string `json:"workaround"`
	// Confidence says what the match is based on.
	Confidence string `json:"confidence"`
	// ConfidenceReason says why the match is not certain; empty if it is.
	ConfidenceReason string `json:"confidence_reason"`
}

// Quality describes what was not captured, and therefore not checked.
type Quality struct {
	// Interrupted counts runs that a signal ended before they had read all of their input files.
	Interrupted uint64 `json:"interrupted,omitzero"`
	// MissingBytes counts bytes of Kafka or TLS connections that the capture lacks. Gaps counts
	// the places, GapStreams the connections.
	MissingBytes uint64 `json:"missing_bytes"`
	Gaps         uint64 `json:"gaps"`
	GapStreams   uint64 `json:"gap_streams"`
	// MidstreamStreams counts Kafka or TLS connections that were open before the capture began.
	MidstreamStreams uint64 `json:"midstream_streams"`
	// OneSidedStreams counts Kafka connections with only one captured direction.
	OneSidedStreams uint64 `json:"one_sided_streams"`
	// Resyncs counts the searches for the next Kafka frame after a loss.
	Resyncs uint64 `json:"resyncs"`
	// IncompleteRequests counts requests that the end of the connection or capture interrupted.
	IncompleteRequests uint64 `json:"incomplete_requests"`
	// ConflictingBytes counts retransmitted bytes that differ from the first copy.
	ConflictingBytes uint64 `json:"conflicting_bytes"`
	// DisbelievedSegments counts segments that the receiver cannot have accepted: with a wrong
	// checksum, a sequence number outside the window, or a reset or SYN after which both sides
	// continued.
	DisbelievedSegments uint64 `json:"disbelieved_segments,omitempty"`
	// UnparsedPackets counts packets without a readable TCP segment. UnparsedReasons says why.
	UnparsedPackets uint64  `json:"unparsed_packets"`
	UnparsedReasons []Count `json:"unparsed_reasons"`
	// TruncatedPackets and DroppedPackets are sums over the captures.
	TruncatedPackets uint64 `json:"truncated_packets"`
	DroppedPackets   uint64 `json:"dropped_packets"`
	// OtherProtocols are the other protocols on ports of Kafka brokers.
	OtherProtocols []OtherProtocol `json:"other_protocols"`
	// NotChecked counts unchecked connections and requests, by reason.
	NotChecked []NotChecked `json:"not_checked"`
	// ExpectedRefusals counts requests whose refusal the client expected: kafka-python's probes.
	ExpectedRefusals uint64 `json:"expected_refusals"`
	// UndeliveredRequests counts requests that the broker's side did not acknowledge before the client
	// left.
	UndeliveredRequests uint64 `json:"undelivered_requests,omitzero"`
	// UnexplainedRequests counts requests that were closed, reset or ignored, and are in no finding
	// because the input does not show the reason.
	UnexplainedRequests uint64 `json:"unexplained_requests,omitempty"`
	// UnexplainedCauses are the causes that are not excluded for at least one of them, sorted.
	UnexplainedCauses []string `json:"unexplained_causes,omitempty"`
	// LimitsHit counts how often each limit was exceeded, by its name.
	LimitsHit map[string]uint64 `json:"limits_hit"`
}

// Count is a name with a number.
type Count struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// OtherProtocol is a protocol on a Kafka broker's port.
type OtherProtocol struct {
	Address  string `json:"address" redact:"address"`
	Protocol string `json:"protocol"`
	Streams  uint64 `json:"streams"`
}

// NotChecked counts what was not checked for one reason.
type NotChecked struct {
	// Reason is one of the NotChecked constants.
	Reason string `json:"reason"`
	// Streams or Requests is the number; the other one is 0.
	Streams  uint64 `json:"streams"`
	Requests uint64 `json:"requests"`
}

// NotCheckedReasons are the reasons in the order of the report.
var NotCheckedReasons = []string{NotCheckedNoRange, NotCheckedEncrypted, NotCheckedUndecided}

// The reasons of NotChecked.
const (
	// NotCheckedNoRange: no range of the broker's address was captured.
	NotCheckedNoRange = "no-range"
	// NotCheckedEncrypted: the TLS connection was not decrypted.
	NotCheckedEncrypted = "encrypted"
	// NotCheckedUndecided: the connection had too little payload to recognise the protocol.
	NotCheckedUndecided = "undecided"
)
