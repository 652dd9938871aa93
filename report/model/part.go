package model

import "encoding/json"

// FormatLive is the Capture.Format of an interface.
const FormatLive = "live"

// Part is a run that made a report. Reports that are merged count each part once.
type Part struct {
	// ID is a hash of what the input is recognised by: of files, when they begin and end and how much is in
	// them; of an interface, when the capture began, so that later reports of one run have the same id.
	ID string `json:"id"`
	// Digest is a hash of counts and names in the report, Packets says how far it came: of two with one ID the
	// later one counts.
	Digest  string `json:"digest"`
	Packets uint64 `json:"packets"`
	// First and Last are the earliest and the latest timestamp; nil without packets.
	First *Time `json:"first"`
	Last  *Time `json:"last"`
	// Target is the release that its requests were compared with, empty for none.
	Target string `json:"target"`
	// Report is the report of the part, in a merged report that is small enough to carry it.
	Report json.RawMessage `json:"report,omitempty"`
}

// Span is a time from First to Last.
type Span struct {
	First Time `json:"first"`
	Last  Time `json:"last"`
}

// Node is a broker that Metadata responses name.
type Node struct {
	// Cluster is the id of the cluster, empty where it is unknown. NodeID is the broker's.
	Cluster string `json:"cluster"`
	NodeID  int32  `json:"node_id"`
	// Address is host:port, as the broker advertises it.
	Address string `json:"address"`
	// Captured: connections to it were captured; nil where that is unknown, because it has a host name that no TLS
	// client asked for.
	Captured *bool `json:"captured"`
	// First and Last are the times of the first and the last response that names it.
	First Time `json:"first"`
	Last  Time `json:"last"`
}

// MaxConnections bounds Report.Connections: 4,096 of some 120 bytes are 480 KiB.
const MaxConnections = 4096

// Connection is a Kafka connection that the report of another host may have counted, too.
type Connection struct {
	// ID is a salted hash of the initial sequence numbers of both sides, which address translation keeps.
	ID string `json:"id"`
	// Hosts counts the parts that saw it.
	Hosts uint64 `json:"hosts"`
	// Requests and what follows is counted as in Summary.
	Requests  uint64 `json:"requests"`
	Responses uint64 `json:"responses"`
	Checked   uint64 `json:"checked"`
	Exempt    uint64 `json:"exempt"`
}

// InputSpan is the earliest and the latest moment of all captures, nil without packets.
func InputSpan(captures []Capture) (first, last *Time) {
	for i := range captures {
		c := &captures[i]
		if c.First == nil || c.Last == nil {
			continue
		}
		if first == nil || *c.First < *first {
			first = c.First
		}
		if last == nil || *c.Last > *last {
			last = c.Last
		}
	}
	return first, last
}
