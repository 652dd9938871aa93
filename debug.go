package main

import (
	"fmt"
	"sync"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/words"
	"github.com/kafkavet/kafkavet/report/write"
)

// debugger prints every decision about a connection to standard error, from any goroutine.
type debugger struct {
	stream uint32
	s      streams
	mu     sync.Mutex
	// isSeen: the stream has had at least one decision.
	isSeen bool
}

// Stream implements reassembly.Tracer.
func (d *debugger) Stream() uint32 { return d.stream }

// Printf implements reassembly.Tracer.
func (d *debugger) Printf(at capture.Position, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isSeen = true
	where := ""
	if at.Frame > 0 {
		where = fmt.Sprintf(" frame %d", at.Frame)
	}
	d.s.complain("stream %d%s: %s", d.stream, where, write.Escape(fmt.Sprintf(format, args...)))
}

// debugSink prints the decisions about requests and passes the requests to another sink.
type debugSink struct {
	decode.Sink
	*debugger
}

// Exchange implements decode.Sink.
func (s debugSink) Exchange(x *decode.Exchange) {
	if x.Stream == s.stream {
		s.Printf(x.Request, "request %s v%d, correlation id %d, client id %q", decode.APIName(x.Key), x.Version, x.CorrelationID, x.ClientID)
		ranges := "no range is known"
		if x.Verdict == decode.Exempt {
			ranges = "may have any version"
		} else if x.Evidence != decode.None {
			ranges = fmt.Sprintf("the broker advertises v%d to v%d (%v)", x.Advertised.Min, x.Advertised.Max, x.Evidence)
			if x.Verdict == decode.NotAdvertised {
				ranges = fmt.Sprintf("the broker does not advertise it (%v)", x.Evidence)
			}
		}
		s.Printf(x.Request, "  %s: %v", ranges, x.Verdict)
		code := ""
		if x.ErrorCode != 0 {
			code = fmt.Sprintf(", error code %d", x.ErrorCode)
		}
		s.Printf(x.Decided, "  outcome of correlation id %d: %v after %v%s", x.CorrelationID, x.Outcome, x.Took, code)
	}
	s.Sink.Exchange(x)
}

// Advertisement implements decode.Sink.
func (s debugSink) Advertisement(a *decode.Advertisement) {
	if a.Stream == s.stream {
		partial := ""
		if a.Ranges.Partial {
			partial = ", its end is missing"
		}
		s.Printf(a.At, "ApiVersions v%d answer: %s advertised%s", a.Version, words.Plural(uint64(len(a.Ranges.APIs)), "API"), partial)
	}
	s.Sink.Advertisement(a)
}

// OutOfRange implements decode.Watcher.
func (s debugSink) OutOfRange(x *decode.Exchange) {
	if w, ok := s.Sink.(decode.Watcher); ok {
		w.OutOfRange(x)
	}
}
