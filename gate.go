package main

import (
	"errors"
	"fmt"
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
	// but are remarks on an open gate: what was not judged, and what is not certain.
	but []string
}

// maxUnwatched is the share of its time for which the gate accepts that a broker was not watched,
// as a divisor: 1 %, for restarts. These are 100 minutes of a week.
const maxUnwatched = 100

// newGate returns the gate for the last part of the reports' time. It counts back from the latest
// packet of all reports. withLikely: clients that are likely to break also close it.
func newGate(rep *model.Report, within time.Duration, withLikely bool) (*gate, error) {
	if n := withoutTarget(rep); n > 0 {
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
	breaking, likely, isJudged, folded := judged(rep.Target, w.since, withLikely)
	unwatched, n, hint := w.unwatched(rep)
	torn := unfinished(rep)
	g := &gate{but: append(likelyClients(likely), uncertain(rep, w.since)...)}
	switch {
	case len(breaking) > 0:
		g.closedBy = fmt.Sprintf("%s on %s and %s seen in the last %s: %s", brokenClients(uint64(len(breaking))), rep.Target.Name,
			words.Agree(uint64(len(breaking)), "was", "were"), words.Humane(within), firstOf(breaking))
	case folded > 0:
		g.closedBy = fmt.Sprintf("%s that %s on %s %s not listed", words.Plural(folded, "client"), words.Agree(folded, "breaks", "break"), rep.Target.Name,
			words.Agree(folded, "is", "are"))
	case rep.Quality.Interrupted > 0:
		g.closedBy = fmt.Sprintf("%s interrupted before the end of the input", words.Were(rep.Quality.Interrupted, "report"))
	case len(torn) > 0:
		g.closedBy = fmt.Sprintf("%s not read to the end: %s", words.Were(uint64(len(torn)), "capture"), firstOf(torn))
	case *first-w.since > w.tolerated():
		g.closedBy = fmt.Sprintf("the reports cover %s, less than %s", words.Humane(time.Duration(*last-*first)), words.Humane(within))
	case len(unwatched) > 0:
		g.closedBy = fmt.Sprintf("%s not watched in the last %s: %s%s", words.Were(n, "broker"), words.Humane(within), firstOf(unwatched), hint)
	case !isJudged:
		g.closedBy = fmt.Sprintf("no request of a client was judged in the last %s", words.Humane(within))
	case len(rep.Brokers) == 0:
		g.closedBy = fmt.Sprintf("no broker was watched in the last %s", words.Humane(within))
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

func likelyClients(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	n := uint64(len(names))
	return []string{fmt.Sprintf("%s %s likely to break: %s", words.Plural(n, "client"), words.Agree(n, "is", "are"), firstOf(names))}
}

// uncertain says what the reports do not show: connections that were not judged, lost packets, and
// brokers whose address was assumed.
func uncertain(rep *model.Report, since model.Time) (out []string) {
	q := &rep.Quality
	undecided := uint64(0)
	for i := range rep.Brokers {
		undecided += rep.Brokers[i].Undecided
	}
	for _, r := range []struct {
		n          uint64
		noun, what string
	}{
		{rep.Summary.EncryptedStreams, "encrypted connection", "not judged"},
		{undecided, "connection", "not recognized at the addresses of brokers"},
		{q.DroppedPackets, "packet", "dropped by the capturing system"},
		{q.TruncatedPackets, "packet", "captured only in part"},
		{q.GapStreams, "connection", "captured with gaps"},
		{uint64(rep.Uncaptured(since).Assumed), "broker", "named only by host name, with an assumed address"},
	} {
		if r.n > 0 {
			out = append(out, words.Were(r.n, r.noun)+" "+r.what)
		}
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

// open returns the exit code of the open gate. It prints the remarks.
func (g *gate) open(s streams) int {
	if len(g.but) > 0 {
		s.complain("gate: open, but %s", strings.Join(g.but, "; "))
	}
	return exitClean
}

func brokenClients(n uint64) string {
	return words.Plural(n, "client") + " " + words.Agree(n, "breaks", "break")
}

func withoutTarget(rep *model.Report) (n uint64) {
	for i := range rep.Parts {
		if rep.Parts[i].Target == "" {
			n++
		}
	}
	return n
}

// judged returns the clients that break and those that are likely to, seen since a time, and the
// number of folded ones. With withLikely, both are in breaking. isAny says that the target can be
// judged at all: a request of a client since then has a result.
func judged(t *model.Target, since model.Time, withLikely bool) (breaking, likely []string, isAny bool, folded uint64) {
	for i := range t.Clients {
		c := &t.Clients[i]
		if c.LastSeen < since {
			continue
		}
		isAny = isAny || c.Verdict == model.VerdictFine || c.Verdict == model.VerdictLikely || c.Verdict == model.VerdictBreaks && c.Counts.Passes+c.Counts.Adapts > 0
		if c.LastDecisive() < since {
			continue // fixed since then
		}
		switch {
		case c.Verdict == model.VerdictBreaks || withLikely && c.Verdict == model.VerdictLikely:
			breaking = append(breaking, clientName(c))
		case c.Verdict == model.VerdictLikely:
			likely = append(likely, clientName(c))
		}
	}
	if s := t.Folded; s != nil {
		folded = uint64(s.Breaks)
		if withLikely {
			folded += uint64(s.Likely)
		}
	}
	return breaking, likely, isAny, folded
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
func firstOf(names []string) string {
	shown := slices.Clone(names[:min(len(names), maxNamed)])
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, words.Number(uint64(more))+" more")
	}
	return words.List(shown)
}

// translationHint says what to do if captured addresses are in no Metadata response; empty for
// none.
func translationHint(unnamed int) string {
	if unnamed == 0 {
		return ""
	}
	return fmt.Sprintf("; no Metadata response names %s: with address translation, capture where clients use the named addresses",
		words.Plural(uint64(unnamed), "captured address"))
}

type window struct {
	since, last model.Time
	length      time.Duration
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
	for i := range rep.Brokers {
		b := &rep.Brokers[i]
		switch t := w.watched(b.Watched); {
		case b.BetweenBrokers: // Metadata responses say which brokers clients use
		case t == 0 && w.tolerated() > 0:
			out = append(out, fmt.Sprintf("%q", b.Address))
		case model.Time(w.length)-t > w.tolerated():
			out = append(out, fmt.Sprintf("%q (watched for %s)", b.Address, words.Humane(time.Duration(t))))
		case b.Requests == 0:
			out = append(out, fmt.Sprintf("%q (no request was read)", b.Address))
		}
	}
	u := rep.Uncaptured(w.since)
	if len(u.Nodes) > 0 {
		hint = translationHint(u.Unnamed)
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
