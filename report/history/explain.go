package history

import (
	"fmt"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/words"
)

// Explanation is another possible cause of a request that was not served.
type Explanation struct {
	// Name is "restart", "idle limit", "authentication", "size", "proxy" or "lost packets".
	Name string
	// Excluded: it is not the cause. By says what shows that, or what is missing to show it.
	Excluded bool
	By       string
	// At is the packet that shows it; the zero value if it is not one packet.
	At capture.Position
}

// Explanations returns other possible causes of a request, in the order in which people ask.
// missing is the number of bytes that the connections of equal requests lack.
func (b *Book) Explanations(k *Suspect, missing uint64) []Explanation {
	at := k.Exchange.Endpoint()
	v := b.view(at)
	if v == nil {
		return nil
	}
	return []Explanation{
		v.restartExplains(k), v.idleLimitExplains(k), v.authenticationExplains(k), v.sizeExplains(k), v.proxyExplains(k),
		loss(max(missing, k.Missing()), k.Exchange.Request),
	}
}

func excluded(name string, at capture.Position, format string, args ...any) Explanation {
	return Explanation{Name: name, Excluded: true, At: at, By: fmt.Sprintf(format, args...)}
}

func (v *view) restartExplains(k *Suspect) Explanation {
	const name = "restart"
	x := &k.Exchange
	next, ok := v.alive.firstAfter(x.Decided.Time)
	switch {
	case x.IsAnswered():
		return excluded(name, x.Decided, "the broker answered")
	case ok && next.Time-x.Decided.Time <= restartTakes:
		return excluded(name, next, "the broker answered another request %s later", words.Humane(time.Duration(next.Time-x.Decided.Time)))
	case ok && v.refusedAgain(k):
		return excluded(name, next, "the broker answered other requests in between")
	case v.openConnection(k):
		return excluded(name, x.Decided, "another connection to the broker stayed open")
	}
	return Explanation{Name: name, By: noAnswerAfter}
}

// noAnswerAfter says why a restart cannot be excluded.
const noAnswerAfter = "no answer of the broker soon afterwards was captured"

func (v *view) idleLimitExplains(k *Suspect) Explanation {
	const name = "idle limit"
	x, s := &k.Exchange, k.stream
	last, what := s.first, "the first request"
	if s.answered.Time > 0 && s.answered.Time < x.Request.Time {
		last, what = s.answered, "the answer before it"
	}
	quiet := x.Request.Time - last.Time
	switch {
	case x.IsAnswered():
		return excluded(name, x.Decided, "the broker answered")
	case endedByBroker(x) && int64(x.Took) >= idlePause:
		return Explanation{Name: name, By: fmt.Sprintf("the connection had been quiet for %s before its end", words.Humane(x.Took))}
	case last.Frame == x.Request.Frame && last.Capture == x.Request.Capture && s.midstream:
		return Explanation{Name: name, By: "the connection was open before the capture"}
	case last.Frame == x.Request.Frame && last.Capture == x.Request.Capture:
		return excluded(name, x.Request, "it was the first request of its connection")
	case quiet < idlePause:
		return excluded(name, last, "the request came %s after %s", words.Humane(time.Duration(quiet)), what)
	case x.Outcome == decode.ClosedByBroker && x.Took > 0 && int64(x.Took) <= prompt: // devices reset
		return excluded(name, x.Decided, "the broker closed the connection %s after the request", words.Humane(x.Took))
	}
	return Explanation{Name: name, By: fmt.Sprintf("the connection had been quiet for %s", words.Humane(time.Duration(quiet)))}
}

func (v *view) authenticationExplains(k *Suspect) Explanation {
	const name = "authentication"
	s := k.stream
	switch {
	case s.worked.Time > 0:
		return excluded(name, s.worked, "the broker answered other requests of the connection")
	case k.Exchange.IsAnswered():
		return excluded(name, k.Exchange.Decided, "the broker answered")
	case s.tokened.Time > 0 && k.Exchange.Key != keySaslHandshake && k.Exchange.Key != keySaslAuthenticate:
		return excluded(name, s.tokened, "the client had authenticated")
	}
	from, to := v.life(k.Exchange.Request.Time)
	if at, ok := v.open.in(from, to); ok {
		return excluded(name, at, "the broker answers clients without SASL")
	}
	if at := v.asked(from, to); at.Time > 0 && k.Exchange.Key == keyApiVersions {
		return excluded(name, at, "the broker answered another ApiVersions request, which needs none")
	}
	if s.hasSASL {
		return Explanation{Name: name, By: "the capture does not show that the authentication ended"}
	}
	return Explanation{Name: name, By: "no request of a client without SASL was answered"}
}

// asked returns the first known answer to ApiVersions in a life, in any version, also with an
// error; the zero value for none.
func (v *view) asked(from, to int64) (first capture.Position) {
	for answered, list := range v.answers {
		at, ok := list.within(from-1, to-1)
		if ok && at.Time < to && answered.key == keyApiVersions && (first.Time == 0 || at.Before(first)) {
			first = at
		}
	}
	return first
}

func (v *view) sizeExplains(k *Suspect) Explanation {
	const name = "size"
	x := &k.Exchange
	_, inLife := span{from: v.largestAt, to: v.largestAt}.in(v.life(x.Request.Time))
	switch {
	case x.IsAnswered():
		return excluded(name, x.Decided, "the broker answered")
	case x.Size <= v.largest && inLife:
		return excluded(name, v.largestAt, "the broker answered a request that is as large")
	case x.Size <= v.largest && x.Size >= largeRequest:
		return Explanation{Name: name, By: fmt.Sprintf("the request has %s, and the broker restarted since it answered one as large", words.Size(uint64(x.Size)))}
	}
	return sizeOf(x.Request, x.Size)
}

// sizeOf returns the explanation by the size of a request that is larger than any answered one.
func sizeOf(at capture.Position, size int64) Explanation {
	const name = "size"
	if size < largeRequest {
		return excluded(name, at, "the request has %s", words.Plural(uint64(max(size, 0)), "byte"))
	}
	return Explanation{Name: name, By: fmt.Sprintf("the request has %s, more than any that was answered", words.Size(uint64(size)))}
}

func (v *view) proxyExplains(k *Suspect) Explanation {
	const name = "proxy"
	x, s := &k.Exchange, k.stream
	switch {
	case x.Verdict.IsOutside() && x.Evidence == decode.Observed && s.advertised.Time > 0:
		return excluded(name, s.advertised, "the range came on the same connection")
	case s.worked.Time > 0 && x.Verdict != decode.OK:
		return excluded(name, s.worked, "the connection was served before")
	}
	return Explanation{Name: name, By: behindUnknown}
}

// behindUnknown says why a proxy cannot be excluded.
const behindUnknown = "the capture does not show what stands behind the address"

func loss(missing uint64, at capture.Position) Explanation {
	const name = "lost packets"
	if missing == 0 {
		return excluded(name, at, "no byte of the connection is missing")
	}
	return Explanation{Name: name, By: fmt.Sprintf("%s of the connection are missing", words.Plural(missing, "byte"))}
}

// RequestExplanations returns the other possible causes that a request of a size shows by itself.
// No byte of its connection is missing.
func RequestExplanations(at capture.Position, size int64) []Explanation {
	return []Explanation{sizeOf(at, size), {Name: "proxy", By: behindUnknown}, loss(0, at)}
}

// Ended describes the first connection of a finding about connections.
type Ended struct {
	// First is its first packet, End the last one. Answered is the last answer of the other side;
	// the zero value for none. Latest is the end of the last connection of the finding.
	First, Answered, End, Latest capture.Position
	// ByBroker: the other side ended it. Abrupt: its answer does not say why.
	ByBroker, Abrupt bool
}

// ConnectionExplanations returns the other possible causes for connections to an address. missing
// is the number of bytes that they lack.
func (b *Book) ConnectionExplanations(at decode.Endpoint, c *Ended, missing uint64) []Explanation {
	out := []Explanation{b.restartExplainsEnd(at, c), idleLimitExplainsEnd(c)}
	if c.isExplained() {
		for _, name := range [...]string{Authentication.String(), "size"} {
			out = append(out, excluded(name, c.Answered, "the other side answered"))
		}
	}
	return append(out, Explanation{Name: "proxy", By: behindUnknown}, loss(missing, c.First))
}

// isExplained reports whether the other side answered, and did not end the connection without a
// reason.
func (c *Ended) isExplained() bool { return c.Answered.Time > 0 && !c.Abrupt }

func (b *Book) restartExplainsEnd(at decode.Endpoint, c *Ended) Explanation {
	const name = "restart"
	if c.isExplained() {
		return excluded(name, c.Answered, "the other side answered")
	}
	if v := b.view(at); v != nil {
		if next, ok := v.alive.firstAfter(c.End.Time); ok && next.Time <= max(c.End.Time+restartTakes, c.Latest.Time) {
			return excluded(name, next, "the broker answered a request %s later", words.Humane(time.Duration(next.Time-c.End.Time)))
		}
	}
	return Explanation{Name: name, By: noAnswerAfter}
}

func idleLimitExplainsEnd(c *Ended) Explanation {
	const name = "idle limit"
	last, what := c.First, "its first packet"
	if c.Answered.Time > 0 {
		last, what = c.Answered, "the last answer"
	}
	switch quiet := c.End.Time - last.Time; {
	case c.isExplained() && c.ByBroker:
		return excluded(name, c.Answered, "the other side answered")
	case quiet < idlePause:
		return excluded(name, last, "the connection ended %s after %s", words.Humane(time.Duration(quiet)), what)
	default:
		return Explanation{Name: name, By: fmt.Sprintf("the connection had been quiet for %s", words.Humane(time.Duration(quiet)))}
	}
}

// ChangeExplanations returns the other possible causes of a change of the ranges that an address
// advertised. seen is the position of the change.
func (b *Book) ChangeExplanations(at decode.Endpoint, seen capture.Position) []Explanation {
	e := Explanation{Name: "restart", By: "no connection was served before and after the change"}
	if v := b.view(at); v != nil {
		e = v.restartExplainsChange()
	}
	return []Explanation{e, excluded("lost packets", seen, "both answers are complete")}
}

func (v *view) restartExplainsChange() Explanation {
	const name = "restart"
	if i := v.comesBack(); i > 0 {
		return excluded(name, v.adverts[i].from, "the address advertised the earlier ranges again")
	}
	for i := 1; i < len(v.adverts); i++ {
		if v.livedOn(v.adverts[i-1].to.Time, v.adverts[i].from.Time) {
			return excluded(name, v.adverts[i].from, "a connection that began before was served afterwards")
		}
	}
	return Explanation{Name: name, By: "no connection was served before and after the change"}
}
