package model

// Timeline shows some connections as they went: those with an error or a
// warning first, then the earliest of the others.
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
	// Client and Broker are IP:port, ClientID is empty where none is known.
	Client, Broker, ClientID      string
	SoftwareName, SoftwareVersion string
	First, Last                   Time
	// End says how it ended: "closed", "reset", or empty where the end was
	// not seen. EndedByBroker says by whom, EndFrame is the packet.
	End           string
	EndedByBroker bool
	EndFrame      uint64
	// Events are ordered by position. On a connection with many requests an event
	// stands for several.
	Events []LaneEvent
	// Worst is the gravest severity of its events; meaningful where Flagged.
	Worst   Severity
	Flagged bool
}

// LaneEvent is a request and what became of it, or several requests.
type LaneEvent struct {
	Frame uint64
	Time  Time
	// Count is how many requests it stands for, the last of them sent at Until; all
	// else is said of the first one. Mixed: they differ in API, version or
	// outcome.
	Count uint64
	Until Time
	Mixed bool
	// Seconds is the time from the request to its outcome.
	Seconds float64
	APIKey  int16
	API     string
	Version int16
	// Advertised is the range it was compared with, nil without one.
	Advertised *Range
	Verdict    string
	Outcome    string
	// Code is the finding that it belongs to, empty without one; Severity is that of its rule.
	Code     string
	Severity Severity
}

// The bounds of a Timeline.
const (
	// MaxFlaggedLanes and MaxPlainLanes bound the lanes with and without
	// findings: more than this no picture shows.
	MaxFlaggedLanes = 60
	MaxPlainLanes   = 40
	// MaxLaneEvents bounds the events of a lane: where there are more, they are
	// merged by two, over and over, but for the first ones, which show how it began.
	MaxLaneEvents = 128
)
