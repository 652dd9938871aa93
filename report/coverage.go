package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What the documents for a bug ticket say about what was looked at and what was not.

// coverage says in sentences what was held against what.
func coverage(r *Report) []phrase {
	s := &r.Summary
	if s.Requests == 0 {
		return []phrase{say("No Kafka request was seen: nothing was checked.")}
	}
	toCheck := s.Requests - min(s.Requests, s.RequestsExempt)
	text := fmt.Sprintf("%s of %s %s held against an advertised range", number(s.RequestsChecked), plural(toCheck, "request"), wasWere(s.RequestsChecked))
	var sources []string
	for _, source := range []struct {
		n    uint64
		text string
	}{
		{s.Evidence.Observed, "seen on the same connection"},
		{s.Evidence.Borrowed, "seen on another connection to the same broker"},
		{s.Evidence.Supplied, "supplied by the user"},
	} {
		switch source.n {
		case 0:
		case s.RequestsChecked:
			text += " " + source.text
		default:
			sources = append(sources, number(source.n)+" "+source.text)
		}
	}
	text += parenthesis(list(sources))
	out := []phrase{say(text + ".")}
	if s.RequestsExempt > 0 {
		out = append(out, say(fmt.Sprintf("%s more %s ApiVersions, which may have any version.", number(s.RequestsExempt), isAre(s.RequestsExempt))))
	}
	if r.Supplied != nil {
		out = append(out, say("The ranges supplied by the user are those of "+r.Supplied.Name+fileText(r.Supplied.File)+"."))
	}
	return out
}

// note is one thing that was not seen, or not as it should be.
type note struct {
	// What names it, Text says how much and what follows.
	What string
	Text phrase
}

// qualityNotes tells what could not be seen or not be checked, and every limit
// that was reached; it is empty where nothing is amiss.
func qualityNotes(r *Report) []note {
	notes := torn(r)
	for i := range r.Quality.NotChecked {
		notes = append(notes, uncheckedNote(&r.Quality.NotChecked[i]))
	}
	notes = append(notes, countedNotes(r)...)
	for i, o := range r.Quality.OtherProtocols {
		if i == maxNotes {
			notes = append(notes, note{"Not Kafka", say(plural(uint64(len(r.Quality.OtherProtocols)-i), "more case"))})
			break
		}
		name := say(o.Protocol)
		if o.Protocol == "other" {
			name = say("something else")
		}
		notes = append(notes, note{"Not Kafka", say(plural(o.Streams, "connection")+" to ", verbatim(o.Address), " spoke ", name)})
	}
	return append(notes, limitNotes(r)...)
}

// maxNotes is how many notes of one kind are listed before they are counted.
const maxNotes = 8

// torn tells of captures that could not be read to their end.
func torn(r *Report) []note {
	var notes []note
	for i := range r.Captures {
		c := &r.Captures[i]
		if !c.Torn && c.Problem == "" {
			continue
		}
		if len(notes) == maxNotes {
			return append(notes, note{"Broken capture", say("and others")})
		}
		text := say(verbatim(c.Path))
		if c.Torn {
			text = say(text, " is torn and was analysed up to there")
		}
		if c.Problem != "" {
			text = say(text, ": ", verbatim(c.Problem))
		}
		notes = append(notes, note{"Broken capture", text})
	}
	return notes
}

// uncheckedNote says what was not checked, and what would help.
func uncheckedNote(n *NotChecked) note {
	switch n.Reason {
	case NotCheckedNoRange:
		return note{"Not checked", say(plural(n.Requests, "request") + " to brokers of which no ApiVersions response was seen. Capture from the start of a connection.")}
	case NotCheckedEncrypted:
		return note{"Encrypted", say(plural(n.Streams, "connection")+": nothing inside was looked at. Give the key log with ", verbatim("--tls-keylog"), ".")}
	case NotCheckedUndecided:
		return note{"Not recognised", say(plural(n.Streams, "connection") + " with too little payload to tell the protocol.")}
	}
	return note{"Not checked", say(plural(n.Requests+n.Streams, "time")+": ", verbatim(n.Reason))}
}

// countedNotes tells what Quality and Summary count.
func countedNotes(r *Report) []note {
	q := &r.Quality
	var notes []note
	for _, n := range []struct {
		n          uint64
		what, text string
	}{
		{q.MissingBytes, "Missing", fmt.Sprintf("%s in %s of %s", size(q.MissingBytes), plural(q.Gaps, "place"), plural(q.GapStreams, "connection"))},
		{q.DroppedPackets, "Dropped", plural(q.DroppedPackets, "packet") + " lost by the capturing side"},
		{q.TruncatedPackets, "Cut short", plural(q.TruncatedPackets, "packet") + " of which less was captured than was sent (tcpdump -s 0 takes all)"},
		{q.MidstreamStreams, "Begun earlier", plural(q.MidstreamStreams, "connection") + " open before the capture began"},
		{q.OneSidedStreams, "One direction", plural(q.OneSidedStreams, "connection") + " of which only one side was captured"},
		{q.IncompleteRequests, "Not complete", plural(q.IncompleteRequests, "request") + " cut off by the end of the capture or of the connection"},
		{q.Resyncs, "Place lost", "The next message had to be searched for " + times(q.Resyncs)},
		{q.ConflictingBytes, "Sent twice", plural(q.ConflictingBytes, "byte") + " sent again with other content; what came first counts"},
		{q.UnparsedPackets, "Not read", plural(q.UnparsedPackets, "packet") + unparsedReasons(q)},
		{q.ExpectedRefusals, "Probes", plural(q.ExpectedRefusals, "request") + " refused as the client expected (kafka-python probes for the broker's release)"},
		{r.Summary.DroppedInRange, "Another cause", "On " + plural(r.Summary.DroppedInRange, "request") + " inside the advertised range the broker closed or reset the connection; look at authentication, quotas and the broker's log"},
	} {
		if n.n > 0 {
			notes = append(notes, note{n.what, say(n.text + ".")})
		}
	}
	return notes
}

// unparsedReasons says why packets were not read.
func unparsedReasons(q *Quality) string {
	var parts []string
	for i, reason := range q.UnparsedReasons {
		if i == maxNotes {
			parts = append(parts, "others")
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s", number(reason.Count), reason.Name))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// limitNotes names the bounds that were reached.
func limitNotes(r *Report) []note {
	var notes []note
	for i, name := range slices.Sorted(maps.Keys(r.Quality.LimitsHit)) {
		if i == maxLimitNotes {
			return append(notes, note{"Limit reached", say(plural(uint64(len(r.Quality.LimitsHit)-i), "further limit"))})
		}
		notes = append(notes, note{"Limit reached", say(verbatim(name), ", "+times(r.Quality.LimitsHit[name])+": what was beyond it was not kept or not checked.")})
	}
	return notes
}

// maxLimitNotes is how many limits are named; the program has fewer.
const maxLimitNotes = 32

// nothingMissing is said where there are no notes.
func nothingMissing(r *Report) string {
	if r.Summary.Requests == 0 {
		return "No packet is known to be lost."
	}
	return "Nothing that matters here: no packet is known to be lost, every Kafka connection was seen from its start and every request was checked."
}
