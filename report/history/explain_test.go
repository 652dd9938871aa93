package history

import (
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
)

// TestConnectionExplanations: an answer excludes what could have ended the connection without one.
// A connection that the broker ended without a reason may have ended with the broker.
func TestConnectionExplanations(t *testing.T) {
	at := func(frame uint64, d time.Duration) capture.Position {
		return capture.Position{Frame: frame, Time: int64(time.Hour + d)}
	}
	const later = 10 * time.Second
	for _, c := range []struct {
		name     string
		ended    Ended
		answered time.Duration // when another request is answered; 0 for never
		open     string
	}{
		{"the other side answered", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2)}, 0, "proxy"},
		{"the client left after a pause", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, later)}, 0, "idle limit, proxy"},
		{"the broker ended it after a pause, and had said why", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, later), ByBroker: true}, 0, "proxy"},
		{"the broker ended it without a reason", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2), ByBroker: true, Abrupt: true}, 0, "restart, proxy"},
		{"the same, and it answers at once", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2), ByBroker: true, Abrupt: true}, 200 * time.Millisecond, "proxy"},
		{"the same, and it answers seconds later", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2), ByBroker: true, Abrupt: true}, 3 * time.Second, "restart, proxy"},
		{"the same between two of the connections", Ended{First: at(1, 0), Answered: at(4, 1), End: at(5, 2), Latest: at(9, later), ByBroker: true, Abrupt: true}, 3 * time.Second, "proxy"},
		{"no byte came", Ended{First: at(1, 0), End: at(5, 2)}, 0, "restart, proxy"},
	} {
		p := newPlay(t)
		if c.answered > 0 {
			p.now += c.answered
			p.send(p.connect(), keyMetadata, 1, answered, 0)
		}
		open := ""
		for _, e := range p.book.ConnectionExplanations(decode.Endpoint{Addr: playBroker}, &c.ended, 0) {
			switch {
			case !e.Excluded && open != "":
				open += ", " + e.Name
			case !e.Excluded:
				open = e.Name
			case e.At.Frame == 0:
				t.Errorf("%s: %s is excluded by no packet", c.name, e.Name)
			}
		}
		if open != c.open {
			t.Errorf("%s: open are %s, want %s", c.name, open, c.open)
		}
	}
}

// TestIdleBeforeTheCapture: the first request of a connection that was open before the capture may
// follow a long silence.
func TestIdleBeforeTheCapture(t *testing.T) {
	for _, midstream := range []bool{true, false} {
		p := newPlay(t)
		for range 2 {
			s := p.connect()
			p.send(s, keyFetch, 17, closed, soon, noRange)
			p.endOf(s, func(c *decode.Connection) { c.Midstream = midstream })
			p.now += time.Second
		}
		for _, e := range p.book.Explanations(p.book.Suspects()[0], 0) {
			if e.Name == "idle limit" && e.Excluded == midstream {
				t.Errorf("midstream %v: %+v", midstream, e)
			}
		}
	}
}
