package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

type gate struct {
	// closedBy says in one line why the gate is closed; empty if it is open.
	closedBy string
	// judged is the period that was judged.
	judged string
	// but are remarks on an open gate: what was not judged, and what is not certain.
	but []string
}

// maxUnwatched is the share of its time for which the gate accepts that a broker was not watched,
// as a divisor: 1 %, for restarts. These are 100 minutes of a week.
const maxUnwatched = 100

// newGate returns the gate for the last part of the reports' time. It counts back from the latest
// packet of all reports. withLikely: clients that are likely to break also close it.
func newGate(rep *model.Report, within time.Duration, withLikely bool) (*gate, error) {
	if n := rep.CountParts(func(p *model.Part) bool { return p.Target == "" }); n > 0 {
		return nil, fmt.Errorf("%s made without --target, so it cannot say who breaks", words.Were(n, "report"))
	}
	if rep.Target == nil {
		return nil, errors.New("the reports have no clients of a target")
	}
	first, last := model.InputSpan(rep.Captures)
	if last == nil {
		return nil, errors.New("the reports have no packets")
	}
	w := window{last: *last, since: *last - model.Time(within), length: within}
	c := clientsSince(rep.Target, w.since)
	unwatched, n, hint := w.unwatched(rep)
	torn := unfinished(rep)
	g := &gate{judged: w.String()}
	switch {
	case len(c.names[model.VerdictBreaks]) > 0:
		g.closedBy = c.closing(model.VerdictBreaks, rep.Target, within)
	case withLikely && len(c.names[model.VerdictLikely]) > 0:
		g.closedBy = c.closing(model.VerdictLikely, rep.Target, within)
	case c.folded.Breaks > 0:
		g.closedBy = notListed(c.folded.Breaks, model.VerdictBreaks, rep.Target)
	case withLikely && c.folded.Likely > 0:
		g.closedBy = notListed(c.folded.Likely, model.VerdictLikely, rep.Target)
	case rep.Quality.Interrupted > 0:
		g.closedBy = fmt.Sprintf("%s interrupted before the end of the input", words.Were(rep.Quality.Interrupted, "report"))
	case len(torn) > 0:
		g.closedBy = fmt.Sprintf("%s not read to the end: %s", words.Were(uint64(len(torn)), "capture"), firstOf(torn))
	case *first-w.since > w.tolerated():
		g.closedBy = fmt.Sprintf("the reports cover %s, less than %s", words.Humane(time.Duration(*last-*first)), words.Humane(within))
	case len(unwatched) > 0:
		g.closedBy = fmt.Sprintf("%s not watched in the last %s: %s%s", words.Were(n, "broker"), words.Humane(within), firstOf(unwatched), hint)
	case rep.Quality.LimitsHit["clusters"] > 0:
		g.closedBy = "lists of brokers in Metadata responses were too long or too many, so brokers that were not captured are unknown"
	case len(c.names[model.VerdictFine])+len(c.names[model.VerdictLikely]) == 0:
		g.closedBy = fmt.Sprintf("no request of a client was judged in the last %s", words.Humane(within))
	case len(rep.Brokers) == 0:
		g.closedBy = fmt.Sprintf("no broker was watched in the last %s", words.Humane(within))
	default:
		g.but = append(c.uncertain(), w.uncertain(rep)...)
	}
	return g, nil
}

// unfinished names the captures that are torn or could not be read: what follows is unknown.
func unfinished(rep *model.Report) (names []string) {
	for i := range rep.Captures {
		if c := &rep.Captures[i]; c.Torn || c.Problem != "" {
			names = append(names, strconv.Quote(c.Path))
		}
	}
	return names
}

// uncertain says what the reports do not show: connections that were not judged, lost packets, and
// brokers that may be missing or whose address was assumed.
func (w window) uncertain(rep *model.Report) (out []string) {
	q := &rep.Quality
	undecided, dropped, alone := uint64(0), uint64(0), uint64(0)
	for i := range rep.Brokers {
		b := &rep.Brokers[i]
		undecided += b.Undecided
		if !b.BetweenBrokers && !b.SeveralClients {
			alone++
		}
	}
	for i := range rep.Captures {
		dropped += rep.Captures[i].Dropped
	}
	now, ever := rep.Uncaptured(w.since), rep.Uncaptured(0)
	for _, r := range []struct {
		n          uint64
		noun, what string
	}{
		{rep.Summary.EncryptedStreams, "encrypted connection", "not judged"},
		{undecided, "connection", "not recognized at the addresses of brokers"},
		{max(dropped, q.DroppedPackets), "packet", "dropped by the capturing system"},
		{q.TruncatedPackets, "packet", "captured only in part"},
		{q.GapStreams, "connection", "captured with gaps"},
		{uint64(now.Assumed), "broker", "named only by host name, and taken for " + firstOf(now.Candidates)},
		{uint64(len(ever.Nodes) + ever.Unknown), "broker", "named only before that time, and not captured"},
	} {
		if r.n > 0 {
			out = append(out, words.Were(r.n, r.noun)+" "+r.what)
		}
	}
	if alone > 0 {
		out = append(out, words.Were(alone, "broker")+" used by one client address only, so if that is the capturing host, other clients are unknown")
	}
	if text := selection(rep); text != "" {
		out = append(out, text)
	}
	if now.All == 0 {
		out = append(out, "no Metadata response of that time names the brokers, so brokers that were not captured are unknown")
	}
	if len(q.LimitsHit) > 0 {
		out = append(out, "limits were exceeded: "+firstOf(slices.Sorted(maps.Keys(q.LimitsHit))))
	}
	return out
}

// text returns the line for a closed gate; empty if it is open.
func (g *gate) text() string {
	if g.closedBy == "" {
		return ""
	}
	return "gate: " + g.closedBy
}

// open returns the exit code of the open gate. It prints the time that was judged, and the remarks.
func (g *gate) open(s streams) int {
	text := "gate: open, judged from " + g.judged
	if len(g.but) > 0 {
		text += ", but " + strings.Join(g.but, "; ")
	}
	s.complain("%s", text)
	return exitClean
}

// targetClients are the clients of a target that were seen since a time.
type targetClients struct {
	// names are their names by verdict.
	names  map[string][]string
	folded model.TargetSummary
}

// clientsSince returns the clients that were seen since a time. A client that was refused before it
// and is still there counts: it sends the same request when it starts again.
func clientsSince(t *model.Target, since model.Time) targetClients {
	out := targetClients{names: map[string][]string{}}
	for i := range t.Clients {
		if c := &t.Clients[i]; c.LastSeen >= since || c.LastSeen == 0 { // 0: unknown
			out.names[c.Verdict] = append(out.names[c.Verdict], clientName(c))
		}
	}
	if t.Folded != nil {
		out.folded = *t.Folded
	}
	return out
}

func (c *targetClients) closing(verdict string, t *model.Target, within time.Duration) string {
	n := uint64(len(c.names[verdict]))
	return fmt.Sprintf("%s on %s and %s seen in the last %s: %s", thatBreak(n, verdict), t.Name, words.Agree(n, "was", "were"),
		words.Humane(within), firstOf(c.names[verdict]))
}

// uncertain names the clients that are likely to break, and those without a verdict.
func (c *targetClients) uncertain() (out []string) {
	if likely := c.names[model.VerdictLikely]; len(likely) > 0 {
		out = append(out, thatBreak(uint64(len(likely)), model.VerdictLikely)+": "+firstOf(likely))
	}
	if unclear := c.names[model.VerdictUnclear]; len(unclear) > 0 {
		out = append(out, words.Plural(uint64(len(unclear)), "client")+" cannot be judged: "+firstOf(unclear))
	}
	return out
}

// notListed says that folded clients close the gate.
func notListed(n int, verdict string, t *model.Target) string {
	return fmt.Sprintf("%s on %s and %s not listed", thatBreak(uint64(n), verdict), t.Name, words.Agree(uint64(n), "is", "are"))
}

// thatBreak counts clients with VerdictBreaks or VerdictLikely.
func thatBreak(n uint64, verdict string) string {
	text := words.Plural(n, "client") + " " + words.Agree(n, "breaks", "break")
	if verdict == model.VerdictLikely {
		text = words.Plural(n, "client") + " " + words.Agree(n, "is", "are") + " likely to break"
	}
	return text
}

// clientName returns one name for a client: a client id, an address or the software.
func clientName(c *model.TargetClient) string {
	switch {
	case len(c.ClientIDs) > 0 && c.ClientIDs[0] != "":
		return strconv.Quote(c.ClientIDs[0])
	case len(c.Addresses) > 0:
		return strconv.Quote(c.Addresses[0])
	}
	return strconv.Quote(strings.TrimSpace(c.SoftwareName + " " + c.SoftwareVersion))
}

// maxNamed is how many names of a list one line shows.
const maxNamed = 3

// firstOf lists the first names and counts the others.
func firstOf(names []string) string { return words.List(words.Some(names, maxNamed)) }

// translationHint says what to do if captured addresses are in no Metadata response; empty for
// none.
func translationHint(unnamed int) string {
	if unnamed == 0 {
		return ""
	}
	return fmt.Sprintf("; no Metadata response names %s: with address translation, capture where clients use the named addresses",
		words.Plural(uint64(unnamed), "captured address"))
}

// selection says that reports lack hosts; empty if none does.
func selection(rep *model.Report) string {
	n := rep.CountParts(func(p *model.Part) bool { return p.SelectsHosts })
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s only hosts that --host, --net or --bpf selects", words.Plural(n, "report"), words.Agree(n, "shows", "show"))
}

type window struct {
	since, last model.Time
	length      time.Duration
}

// String returns both ends of the window.
func (w window) String() string {
	const layout = "2006-01-02 15:04:05"
	return w.since.UTC().Format(layout) + " to " + w.last.UTC().Format(layout) + " UTC"
}

// tolerated is the time for which a broker need not be watched.
func (w window) tolerated() model.Time { return model.Time(w.length / maxUnwatched) }

// watched returns for how long the window was watched.
func (w window) watched(spans []model.Span) (total model.Time) {
	for _, s := range spans {
		total += max(0, min(s.Last, w.last)-max(s.First, w.since))
	}
	return total
}

// unwatched returns the brokers that were not watched, each with the reason: too short, encrypted,
// or named in a Metadata response of the window and not captured. n is their number. hint says what
// to do if address translation is the likely cause; empty otherwise.
func (w window) unwatched(rep *model.Report) (out []string, n uint64, hint string) {
	for i, watched := range rep.Watched() {
		b := &rep.Brokers[i]
		switch t := w.watched(watched); {
		case b.BetweenBrokers: // Metadata responses say which brokers clients use
		case b.Requests == 0:
			out = append(out, fmt.Sprintf("%q (no request was read)", b.Address))
		case t == 0 && w.tolerated() > 0:
			out = append(out, fmt.Sprintf("%q", b.Address))
		case model.Time(w.length)-t > w.tolerated():
			out = append(out, fmt.Sprintf("%q (watched for %s)", b.Address, words.Humane(time.Duration(t))))
		}
	}
	u := rep.Uncaptured(w.since)
	if len(u.Nodes) > 0 {
		hint = translationHint(u.Unnamed)
	}
	if text := selection(rep); text != "" {
		hint += "; " + text
	}
	for _, n := range u.Nodes {
		out = append(out, fmt.Sprintf("%q (not captured)", n.Address))
	}
	n = uint64(len(out) + u.Unknown)
	if u.Unknown > 0 {
		out = append(out, fmt.Sprintf("%d of %d in Metadata responses (no captured address for the host name)", u.Unknown, u.All))
	}
	return out, n, hint
}
