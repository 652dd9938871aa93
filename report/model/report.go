// Package model holds the values that a report is made of: the keys of its JSON
// form, the picture of its connections (Timeline), a finding as sniff reports it
// while it watches (News), and what explain says of a rule (Rule).
//
// The values are finished: they share nothing that changes, and belong to
// whoever holds them. Text that came from the wire stands in them as it was
// sent; the writers escape it. The package imports nothing of this program.
package model

import "fmt"

// SchemaName is the value of Report.Schema. A change that breaks a reader of
// the JSON gets a new one.
const SchemaName = "kafkavet/report/v1"

// Report is what analyze and sniff say. The JSON form is described by
// report/write/schema.json; keys are added, never changed.
type Report struct {
	// Schema is SchemaName.
	Schema string `json:"schema"`
	// Tool is the program that made the report.
	Tool Tool `json:"tool"`
	// Parts are what the report was made of: one for each run. A report that was merged has several.
	Parts []Part `json:"parts,omitempty"`
	// Captures are the inputs, in the order in which they were read.
	Captures []Capture `json:"captures"`
	// Summary counts what was looked at and found.
	Summary Summary `json:"summary"`
	// Brokers are the addresses that answered as a Kafka broker, by address.
	Brokers []Broker `json:"brokers"`
	// Nodes are the brokers that Metadata responses name, by cluster and node id: also those of which nothing
	// was captured.
	Nodes []Node `json:"nodes,omitempty"`
	// Clients are the client programs, by software name, version and client id.
	Clients []Client `json:"clients"`
	// Findings are ordered by severity, code, count and first occurrence.
	Findings []Finding `json:"findings"`
	// Folded counts what made room for others, nil where nothing did.
	Folded *Folded `json:"folded,omitempty"`
	// Target says what of the traffic another release would refuse; nil where none was named.
	Target *Target `json:"target,omitempty"`
	// Supplied says which ranges the user supplied; nil for none.
	Supplied *Supplied `json:"supplied,omitempty"`
	// Quality says what could not be seen or not be checked.
	Quality Quality `json:"quality"`
	// Evidence is the file with the packets that prove the findings; nil without one.
	Evidence *EvidenceFile `json:"evidence_file,omitempty"`
	// Connections are those that can be recognised in the report of another host, by id: of more than
	// MaxConnections the first ones.
	Connections []Connection `json:"connections,omitempty"`
	// Timeline shows a selection of connections as they went, for a picture.
	// It is not part of the JSON form.
	Timeline Timeline `json:"-"`
}

// Tool names the program and its version.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Capture describes one input.
type Capture struct {
	// Path is the name as it was given, "-" for standard input, or an interface.
	Path string `json:"path"`
	// Format is "pcap", "pcapng" or "live", with the compression behind it
	// ("pcapng+zstd"); empty where it was not recognised.
	Format string `json:"format"`
	// LinkTypes are link types as registered at
	// https://www.tcpdump.org/linktypes.html, in order of appearance.
	LinkTypes []uint32 `json:"link_types"`
	// Packets counts the packets, Bytes their captured bytes.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// First and Last are the earliest and the latest timestamp; nil without packets.
	First *Time `json:"first"`
	Last  *Time `json:"last"`
	// Torn: the capture breaks off in the middle of a record. What was before counts.
	Torn bool `json:"torn"`
	// Problem says where and how it is torn, or why it could not be read; empty otherwise.
	Problem string `json:"problem"`
	// Truncated counts packets of which less was captured than was on the wire.
	Truncated uint64 `json:"truncated"`
	// Dropped counts packets that the capturing side says it lost.
	Dropped uint64 `json:"dropped"`
	// Part is the id of the part that it belongs to; empty where the report has one part.
	Part string `json:"part,omitempty"`
	// Clock says that the clock of the capture differs from that of another; nil if not.
	Clock *Clock `json:"clock,omitempty"`
}

// Clock is a difference of clocks, measured on connections that two captures share.
type Clock struct {
	// Capture is the index of the capture whose clock the times in the report follow.
	Capture uint32 `json:"capture"`
	// Offset is what was added to the timestamps, in seconds.
	Offset float64 `json:"offset"`
}

// EvidenceFile is a file with the packets that prove findings.
type EvidenceFile struct {
	// Path is its name, Bundle that of the archive that holds it; empty without one.
	Path   string `json:"path"`
	Bundle string `json:"bundle,omitempty"`
	// Packets and Connections count what is in it.
	Packets     uint64 `json:"packets"`
	Connections uint64 `json:"connections"`
	// Redacted: names and addresses in it are pseudonyms, those of the report, and of what is inside TLS
	// only lengths are left.
	Redacted bool `json:"redacted"`
}

// EvidencePlace is where a packet is in the file with the evidence: Wireshark's frame.number and tcp.stream.
type EvidencePlace struct {
	Frame  uint64 `json:"frame"`
	Stream uint32 `json:"stream"`
}

// Summary counts what was looked at and what was found.
type Summary struct {
	// Streams counts TCP connections; KafkaStreams those that spoke Kafka,
	// EncryptedStreams those whose TLS stayed closed.
	Streams          uint64 `json:"streams"`
	KafkaStreams     uint64 `json:"kafka_streams"`
	EncryptedStreams uint64 `json:"encrypted_streams"`
	// Requests counts the Kafka requests, Responses those of them that were answered.
	Requests  uint64 `json:"requests"`
	Responses uint64 `json:"responses"`
	// RequestsChecked counts the requests that were compared with an advertised
	// range; RequestsExempt those that need none (ApiVersions). The rest is in
	// Quality.NotChecked.
	RequestsChecked uint64 `json:"requests_checked"`
	RequestsExempt  uint64 `json:"requests_exempt"`
	// Evidence counts the checked requests by where the range came from.
	Evidence EvidenceCounts `json:"evidence"`
	// DroppedInRange counts requests inside their advertised range on which the
	// broker closed or reset the connection: a cause other than the version.
	DroppedInRange uint64 `json:"dropped_in_range"`
	// Findings counts findings, equal ones as one, by severity.
	Findings SeverityCounts `json:"findings"`
}

// EvidenceCounts counts by where a range came from.
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
	// Accepted counts those that a baseline accepts, which are in no other count.
	Accepted int `json:"accepted,omitzero"`
}

// Broker is an address that answered as a Kafka broker.
type Broker struct {
	// Address is IP:port. Network distinguishes equal addresses in
	// different networks (VLANs, tunnels); it is empty for the plain one.
	Address string `json:"address"`
	Network string `json:"network"`
	// Behind are further addresses of the broker, seen behind address translation: Address is the one that clients use.
	Behind []string `json:"behind,omitempty"`
	// NodeID is the broker's node id, nil where it is not known.
	NodeID *int32 `json:"node_id"`
	// Release is the best guess at the release in words ("Kafka 2.6 with Fetch
	// capped at 7"), or ReleaseUnknown; then ReleaseReason says why.
	Release       string `json:"release"`
	ReleaseReason string `json:"release_reason"`
	// ReleaseNames are the releases that fit equally well, ReleaseRunnersUp
	// those that fit next best, oldest first.
	ReleaseNames     []string `json:"release_names"`
	ReleaseRunnersUp []string `json:"release_runners_up"`
	// APIs are the ranges it advertised last, by key; empty where none were seen.
	APIs []API `json:"apis"`
	// Tables counts the different sets of ranges it advertised (see KV2005).
	Tables int `json:"tables"`
	// Streams and Requests count its Kafka connections and the requests on them.
	Streams  uint64 `json:"streams"`
	Requests uint64 `json:"requests"`
	// Inferred: nothing of its connections was decrypted, and what is said follows from
	// the sizes of encrypted records.
	Inferred bool `json:"inferred,omitempty"`
	// Watched are the times in which it was watched, in order: from the first to the last packet of each part in
	// which it was seen.
	Watched []Span `json:"watched,omitempty"`
	// TLS: a TLS handshake came to its end at this address, so that Wireshark
	// needs other arguments for it.
	TLS bool `json:"tls"`
}

// ReleaseUnknown stands in Broker.Release and Finding.Release where the release is unknown.
const ReleaseUnknown = "cannot tell"

// API is the advertised range of one API.
type API struct {
	Key  int16  `json:"key"`
	Name string `json:"name"`
	Range
}

// Range is a range of API versions, both ends included.
type Range struct {
	Min int16 `json:"min"`
	Max int16 `json:"max"`
}

// Text is the range as it is called in texts: "v4 to v7", "v3 only".
func (r Range) Text() string {
	if r.Min == r.Max {
		return fmt.Sprintf("v%d only", r.Min)
	}
	return fmt.Sprintf("v%d to v%d", r.Min, r.Max)
}

// Client is a client program: everything that announced the same software, or,
// where none was announced, everything with the same client id.
type Client struct {
	// SoftwareName and SoftwareVersion are what it announced in ApiVersions
	// (KIP-511); empty where it did not.
	SoftwareName    string `json:"software_name"`
	SoftwareVersion string `json:"software_version"`
	// ClientIDs are the client ids it used, sorted.
	ClientIDs []string `json:"client_ids"`
	// Addresses are its IP addresses, BrokerAddresses the brokers (IP:port) it spoke to, sorted.
	Addresses       []string `json:"addresses"`
	BrokerAddresses []string `json:"broker_addresses"`
	// Principals are its user names, or the subjects of its certificates, sorted, nil where none is known.
	Principals []string `json:"principals,omitempty"`
	// Processes are its processes on the hosts that captured, sorted, nil where none is known.
	Processes []Process `json:"processes,omitempty"`
	// Requests counts its requests.
	Requests uint64 `json:"requests"`
	// Inferred says what follows from the sizes of encrypted records, where nothing of its connections
	// was decrypted; empty otherwise.
	Inferred string `json:"inferred,omitempty"`
	// APIs are the versions it used, by API key.
	APIs []Usage `json:"apis"`
}

// Usage is how a client used one API.
type Usage struct {
	Key  int16  `json:"key"`
	Name string `json:"name"`
	// Versions are ordered by version.
	Versions []VersionUsage `json:"versions"`
}

// VersionUsage counts the requests of one version.
type VersionUsage struct {
	Version int16 `json:"version"`
	// Requests counts the requests, Outside those of them outside the
	// advertised range, Unchecked those without a known range.
	Requests  uint64 `json:"requests"`
	Outside   uint64 `json:"outside"`
	Unchecked uint64 `json:"unchecked"`
}

// Finding is a coded statement about one or more exchanges or connections.
// Message and Advice hold no address, client id or host name, so that they can
// stay as they are where those are replaced.
type Finding struct {
	// Code and Title are the rule's.
	Code     string   `json:"code"`
	Title    string   `json:"title"`
	Severity Severity `json:"severity"`
	// Message says in one line what happened.
	Message string `json:"message"`
	// APIKey, API and Version are those of the requests; nil and empty where
	// the finding is about connections.
	APIKey  *int16 `json:"api_key"`
	API     string `json:"api"`
	Version *int16 `json:"version"`
	// Advertised is the range the broker gave for the API, nil where it gave none.
	Advertised *Range `json:"advertised"`
	// Target is what the release named with --target takes of the API, nil where it has no such API and where the
	// finding is about something else. Reason says why the request would be refused (Reason constants); empty likewise.
	Target *Range `json:"target,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Evidence is the best evidence among the requests: "observed",
	// "borrowed", "supplied" or "none"; empty where no range is concerned.
	Evidence string `json:"evidence"`
	// Inferred holds the numbers that a finding with evidence "inferred" rests on, nil for others.
	Inferred *Inferred `json:"inferred,omitempty"`
	// EvidenceCounts counts the requests by their evidence.
	EvidenceCounts map[string]uint64 `json:"evidence_counts"`
	// Client is who sent the requests, nil where that is not one client.
	Client *FindingClient `json:"client"`
	// Broker is IP:port, empty where that is not one address. Release is
	// the guess at its release by the ranges concerned, or ReleaseUnknown.
	Broker string `json:"broker"`
	// Behind is Broker.Behind of that address.
	Behind  []string `json:"behind,omitempty"`
	Release string   `json:"release"`
	// Count is how often it happened.
	Count uint64 `json:"count"`
	// Outcomes counts the requests by outcome; empty for connections.
	Outcomes map[string]uint64 `json:"outcomes"`
	// MedianSeconds is, by outcome, the median time from request to outcome:
	// exact for up to 32 of them, within 3.2 % for more.
	MedianSeconds map[string]float64 `json:"median_seconds"`
	// Occurrences are the first ones by position, OccurrencesOmitted counts the others.
	Occurrences        []Occurrence `json:"occurrences"`
	OccurrencesOmitted uint64       `json:"occurrences_omitted"`
	// KnownIssue is a known bug that fits, nil without one.
	KnownIssue *KnownIssue `json:"known_issue"`
	// Greeting is the first line, or the first bytes, that the other side sent where it does not speak Kafka;
	// bytes that are no text are escaped. Empty otherwise.
	Greeting string `json:"greeting,omitempty"`
	// RuledOut are other causes that the finding could have, with what excludes them; NotRuledOut are
	// those that nothing excludes. Both are empty where the finding blames no one.
	RuledOut    []Explanation `json:"ruled_out"`
	NotRuledOut []Explanation `json:"not_ruled_out"`
	// Why says in a sentence what the finding means, Advice what to do about it.
	Why    string `json:"why"`
	Advice string `json:"advice"`
	// Commands are commands to copy, the most useful first; none for most findings.
	Commands []Command `json:"commands,omitempty"`
	// Accepted: a baseline holds the finding, so that it makes no run fail.
	Accepted bool `json:"accepted,omitempty"`
}

// Command is a command to copy.
type Command struct {
	// For says for whom it is, Run is the command. PID, APP and FILE stand for what the reader knows.
	For string `json:"for"`
	Run string `json:"run"`
}

// Explanation is another cause that a finding could have.
type Explanation struct {
	// Cause is "restart", "idle limit", "authentication", "size", "proxy" or "lost packets".
	Cause string `json:"cause"`
	// Evidence says what excludes it, or what is missing to exclude it.
	Evidence string `json:"evidence"`
	// Capture and Frame are the packet that shows it; nil where no single one does.
	Capture *uint32 `json:"capture"`
	Frame   *uint64 `json:"frame"`
}

// IsOnTarget reports whether the finding is about the release named with
// --target: so far nothing was refused.
func (f *Finding) IsOnTarget() bool { return f.Reason != "" }

// EvidenceInferred is the evidence of what follows from the shape of encrypted traffic.
const EvidenceInferred = "inferred"

// Inferred is what the records of encrypted connections show of requests that look refused.
type Inferred struct {
	// Size is the size of the request in bytes, its 4-byte size field included. It may be up to
	// SizeSlack bytes less: CBC suites pad.
	Size      int `json:"size"`
	SizeSlack int `json:"size_slack"`
	// Refused of Total requests of this size to the broker were closed without an answer.
	Refused uint64 `json:"refused"`
	Total   uint64 `json:"total"`
	// ServedLeast and ServedMost are how many requests were answered on these connections before,
	// ApiVersions and authentication not counted. Authenticated counts the connections with SASL.
	ServedLeast   int `json:"served_least"`
	ServedMost    int `json:"served_most"`
	Authenticated int `json:"authenticated"`
	// LongestSeconds is the longest time from a request to the close.
	LongestSeconds float64 `json:"longest_seconds"`
	// AdvertisedAPIs is the number of APIs in the broker's ApiVersions answer by its size, 0 where
	// unknown; Releases are those that answer in this size, oldest first.
	AdvertisedAPIs int      `json:"advertised_apis"`
	Releases       []string `json:"releases"`
	// ClientIDLength and SoftwareLength are the lengths of the client id, and of software name and version together,
	// in bytes; -1 where unknown. OpeningSize is the size of the first ApiVersions request, 0 without one.
	ClientIDLength int `json:"client_id_length"`
	SoftwareLength int `json:"software_length"`
	OpeningSize    int `json:"opening_size"`
	// TLSLibrary is that of the client by its ClientHello: "Java", "Go", "OpenSSL", "rustls"; empty where unknown.
	TLSLibrary string `json:"tls_library"`
}

// FindingClient is the client of a finding.
type FindingClient struct {
	SoftwareName    string `json:"software_name"`
	SoftwareVersion string `json:"software_version"`
	// ClientID is nil where the requests had none.
	ClientID *string `json:"client_id"`
	// Addresses are its first IP addresses, sorted; AddressesOmitted counts
	// requests from others.
	Addresses        []string `json:"addresses"`
	AddressesOmitted uint64   `json:"addresses_omitted"`
	// Principals are its user names, or the subjects of its certificates, sorted, nil where none is known.
	Principals []string `json:"principals,omitempty"`
	// Processes are those of its first occurrences on the hosts that captured, sorted, nil where none is known.
	Processes []Process `json:"processes,omitempty"`
}

// Folded counts what is not listed: it was smaller, and was seen longer ago, than what is. What came again after
// it was folded counts again.
type Folded struct {
	// Findings are ordered by severity, the gravest first, then by code.
	Findings []FoldedFindings `json:"findings"`
	Clients  FoldedRows       `json:"clients"`
	Brokers  FoldedRows       `json:"brokers"`
}

// FoldedRows counts clients or brokers, and their requests.
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
	// Findings counts the findings, Count how often they happened.
	Findings uint64 `json:"findings"`
	Count    uint64 `json:"count"`
}

// Occurrence is one time that a finding happened.
type Occurrence struct {
	// Capture is the index into Report.Captures, Frame the number of the packet
	// in it, Stream the connection: Wireshark's frame.number and tcp.stream.
	Capture uint32 `json:"capture"`
	Frame   uint64 `json:"frame"`
	Stream  uint32 `json:"stream"`
	Time    Time   `json:"time"`
	// InEvidence is the same packet in Report.Evidence, nil where it is not in it.
	InEvidence *EvidencePlace `json:"in_evidence,omitempty"`
	// CorrelationID is the request's, nil for a connection.
	CorrelationID *int32 `json:"correlation_id"`
	// Client is IP:port.
	Client string `json:"client"`
	// Outcome is how it went on; empty for a connection.
	Outcome string `json:"outcome"`
	// Evidence is the request's; empty for a connection.
	Evidence string `json:"evidence"`
	// Contested: the capture has two versions of bytes that it rests on, and does not show which one was received.
	Contested bool `json:"contested,omitempty"`
	// Detail is what sets this occurrence apart, empty without.
	Detail string `json:"detail"`
	// TLS describes the session where the finding is about one.
	TLS *TLSSession `json:"tls"`
	// Prefaces are those of the connection where the finding is about them.
	Prefaces []Preface `json:"prefaces,omitempty"`
}

// Preface is what a proxy, or a client of one, sent before everything else on a connection.
type Preface struct {
	// Kind is the protocol: "PROXY protocol v2".
	Kind string `json:"kind"`
	// Source is the client's IP:port that a load balancer named, Target the host:port that the client
	// asked for. Both are empty where the preface does not have them.
	Source string `json:"source"`
	Target string `json:"target"`
}

// TLSSession is what is known of a TLS session; unknown parts are empty.
type TLSSession struct {
	// Version is "TLS 1.3" and the like, Suite the cipher suite's IANA name.
	Version string `json:"version"`
	Suite   string `json:"suite"`
	// ServerName is the name that the client asked for (SNI).
	ServerName string `json:"server_name"`
	// ClientRandom is the beginning of the client random in hexadecimal, by
	// which a key log names the session.
	ClientRandom string `json:"client_random"`
}

// MatchPossible is the Confidence of a known issue that only the requests or sizes fit.
const MatchPossible = "possible"

// KnownIssue is a known bug of a client or a broker.
type KnownIssue struct {
	ID         string `json:"id"`
	Title      string `json:"title"`
	URL        string `json:"url"`
	FixedIn    string `json:"fixed_in"`
	Workaround string `json:"workaround"`
	// Confidence says what the match rests on.
	Confidence string `json:"confidence"`
	// ConfidenceReason says why the match is not certain, empty where it is.
	ConfidenceReason string `json:"confidence_reason"`
}

// Quality says what could not be seen, and so not be checked.
type Quality struct {
	// MissingBytes counts bytes of Kafka or TLS connections that the capture
	// lacks, Gaps the places, GapStreams the connections.
	MissingBytes uint64 `json:"missing_bytes"`
	Gaps         uint64 `json:"gaps"`
	GapStreams   uint64 `json:"gap_streams"`
	// MidstreamStreams counts Kafka or TLS connections that were open before the capture began.
	MidstreamStreams uint64 `json:"midstream_streams"`
	// OneSidedStreams counts Kafka connections of which only one direction was captured.
	OneSidedStreams uint64 `json:"one_sided_streams"`
	// Resyncs counts how often the next Kafka frame had to be searched for, where bytes were missing.
	Resyncs uint64 `json:"resyncs"`
	// IncompleteRequests counts requests that had begun when their connection
	// or the capture ended.
	IncompleteRequests uint64 `json:"incomplete_requests"`
	// ConflictingBytes counts retransmitted bytes that differed from what came first.
	ConflictingBytes uint64 `json:"conflicting_bytes"`
	// DisbelievedSegments counts segments whose receiver cannot have accepted them: a wrong checksum, a sequence number
	// outside the window, a reset or SYN after which both sides went on.
	DisbelievedSegments uint64 `json:"disbelieved_segments,omitempty"`
	// UnparsedPackets counts packets in which no TCP segment could be looked
	// for or found, UnparsedReasons why.
	UnparsedPackets uint64  `json:"unparsed_packets"`
	UnparsedReasons []Count `json:"unparsed_reasons"`
	// TruncatedPackets and DroppedPackets are summed over the captures.
	TruncatedPackets uint64 `json:"truncated_packets"`
	DroppedPackets   uint64 `json:"dropped_packets"`
	// OtherProtocols names what else was spoken on a Kafka broker's port.
	OtherProtocols []OtherProtocol `json:"other_protocols"`
	// NotChecked counts what was seen and not checked, by reason.
	NotChecked []NotChecked `json:"not_checked"`
	// ExpectedRefusals counts requests that were refused as their client
	// expected: kafka-python's probes.
	ExpectedRefusals uint64 `json:"expected_refusals"`
	// LimitsHit counts by the name of the limit how often a bound was reached.
	LimitsHit map[string]uint64 `json:"limits_hit"`
}

// Count is a number of things with one name.
type Count struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// OtherProtocol is a protocol on a Kafka broker's port.
type OtherProtocol struct {
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Streams  uint64 `json:"streams"`
}

// NotChecked counts what was not checked for one reason.
type NotChecked struct {
	// Reason is one of the NotChecked constants.
	Reason string `json:"reason"`
	// Streams or Requests is how many; the other one is 0.
	Streams  uint64 `json:"streams"`
	Requests uint64 `json:"requests"`
}

// NotCheckedReasons are the reasons in the order of a report.
var NotCheckedReasons = []string{NotCheckedNoRange, NotCheckedEncrypted, NotCheckedUndecided}

// The reasons of NotChecked.
const (
	// NotCheckedNoRange: no range was seen for the broker's address.
	NotCheckedNoRange = "no-range"
	// NotCheckedEncrypted: TLS that was not decrypted.
	NotCheckedEncrypted = "encrypted"
	// NotCheckedUndecided: connections with payload, too little of it to recognise the protocol.
	NotCheckedUndecided = "undecided"
)
