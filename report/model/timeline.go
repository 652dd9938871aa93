package model

// Timeline shows some connections: first those with an error or a warning, then the earliest.
type Timeline struct {
	// Lanes are ordered by the first packet.
	Lanes []Lane
	// Omitted counts the Kafka connections that are not shown.
	Omitted uint64
}

// Lane is one Kafka connection.
type Lane struct {
	Capture uint32
	Stream  uint32
	// Client and Broker are IP:port. ClientID is empty if unknown.
	Client, Broker                string `redact:"address"`
	ClientID                      string `redact:"client"`
	SoftwareName, SoftwareVersion string
	First, Last                   Time
	// End is "closed", "reset", or empty if the end was not captured. EndedByBroker says who ended
	// the connection.
	End           string
	EndedByBroker bool
	// Events are ordered by position. One event may be several of many requests.
	Events []LaneEvent
	// Worst is the highest severity of its events. It is valid if Flagged.
	Worst   Severity
	Flagged bool
}

// LaneEvent is a request and its outcome, or several requests.
type LaneEvent struct {
	Frame uint64
	Time  Time
	// Count is the number of requests. Until is the time of the last one; all other fields
	// describe the first one. Mixed: the requests differ in API, version or outcome.
	Count   uint64
	Until   Time
	Mixed   bool
	APIKey  int16
	API     string
	Version int16
	// Advertised is the range with which it was compared; nil for none.
	Advertised *Range
	Verdict    string
	Outcome    string
	// Code is the code of its finding; empty for none. Severity is the severity of the rule.
	Code     string
	Severity Severity
}

// The bounds of a Timeline.
const (
	// MaxFlaggedLanes and MaxPlainLanes bound the lanes with and without findings.
	MaxFlaggedLanes = 60
	MaxPlainLanes   = 40
	// MaxLaneEvents bounds the events of a lane. Beyond it, pairs of events are merged repeatedly,
	// except for the first events, which show the beginning.
	MaxLaneEvents = 128
)
