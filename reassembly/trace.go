package reassembly

import "github.com/kafkavet/kafkavet/capture"

// Tracer prints every decision about one connection. The goroutine of the connection's shard calls
// it.
type Tracer interface {
	// Stream returns the connection's number.
	Stream() uint32
	// Printf prints a decision. at is the packet that led to it.
	Printf(at capture.Position, format string, args ...any)
}

// trace enables tracing if t traces c.
func (c *conn) trace(t Tracer) {
	if t == nil || t.Stream() != c.info.Stream {
		return
	}
	c.isTraced = true
	how := "both sides' SYN seen"
	switch {
	case c.info.Midstream:
		how = "joined midstream: no SYN was captured, who is the broker is decided later"
	case !c.half[ToClient].synced:
		how = "the client's SYN was captured"
	case !c.info.HasInitial:
		how = "only the answer to a SYN was captured"
	}
	t.Printf(c.info.First, "connection %v to %v: %s", c.info.Client, c.info.Broker, how)
}

var protocolNames = [...]string{Undecided: "undecided", Kafka: "Kafka", TLS: "TLS", HTTP: "HTTP", Other: "not Kafka"}

// String returns the protocol in words.
func (p Protocol) String() string { return protocolNames[p] }

var endNames = [...]string{Cut: "open when the capture ended", Closed: "closed", Reset: "reset", Expired: "silent for too long", Replaced: "replaced by a new one"}

// String returns the kind of end in words.
func (k EndKind) String() string { return endNames[k] }

// String returns the direction in words.
func (d Direction) String() string {
	if d == ToBroker {
		return "to the broker"
	}
	return "to the client"
}

// traceEnd prints a summary of a connection that is over.
func (c *conn) traceEnd() {
	i := &c.info
	if t := i.TLS; t != nil {
		version, why := "TLS", "decrypted"
		if t.Version != "" {
			version = t.Version
		}
		if t.Reason != "" {
			why = t.Reason
		}
		c.w.opt.Tracer.Printf(i.Now, "%s %s: %s", version, t.Suite, why)
	}
	by := ""
	if i.End.Kind == Closed || i.End.Kind == Reset {
		by = " by the client"
		if i.End.By == ToClient {
			by = " by the broker"
		}
	}
	c.w.opt.Tracer.Printf(i.End.At, "connection %v%s; spoke %v, %d requests, %d responses, %d bytes missing in %d places, found its place again %d times",
		i.End.Kind, by, i.Protocol, i.Requests, i.Responses, i.Odd().Missing, i.Odd().Gaps, i.Odd().Resyncs)
}

func (c *conn) traceMessage(f *Frame) {
	found := ""
	if f.Resynced {
		found = ", found by searching"
	}
	c.w.opt.Tracer.Printf(f.Last, "message %v of %d bytes%s", f.Direction, f.Size, found)
}
