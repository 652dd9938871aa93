package write

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// What the documents for a bug ticket say about what was looked at and what was not.

// coverage says in sentences what was held against what.
func coverage(r *model.Report) []phrase {
	s := &r.Summary
	if s.Requests == 0 {
		return []phrase{say("No Kafka request was seen: nothing was checked.")}
	}
	toCheck := s.Requests - min(s.Requests, s.RequestsExempt)
	text := fmt.Sprintf("%s of %s %s held against an advertised range", words.Number(s.RequestsChecked), words.Plural(toCheck, "request"), wasWere(s.RequestsChecked))
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
			sources = append(sources, words.Number(source.n)+" "+source.text)
		}
	}
	text += parenthesis(words.List(sources))
	out := []phrase{say(text + ".")}
	if s.RequestsExempt > 0 {
		out = append(out, say(fmt.Sprintf("%s more %s ApiVersions, which may have any version.", words.Number(s.RequestsExempt), isAre(s.RequestsExempt))))
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
func qualityNotes(r *model.Report) []note {
	notes := torn(r)
	for i := range r.Quality.NotChecked {
		notes = append(notes, uncheckedNote(&r.Quality.NotChecked[i]))
	}
	notes = append(notes, countedNotes(r)...)
	for i, o := range r.Quality.OtherProtocols {
		if i == maxNotes {
			notes = append(notes, note{"Not Kafka", say(words.Plural(uint64(len(r.Quality.OtherProtocols)-i), "more case"))})
			break
		}
		name := say(o.Protocol)
		if o.Protocol == "other" {
			name = say("something else")
		}
		notes = append(notes, note{"Not Kafka", say(words.Plural(o.Streams, "connection")+" to ", verbatim(o.Address), " spoke ", name)})
	}
	return append(notes, limitNotes(r)...)
}

// maxNotes is how many notes of one kind are listed before they are counted.
const maxNotes = 8

// torn tells of captures that could not be read to their end.
func torn(r *model.Report) []note {
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
func uncheckedNote(n *model.NotChecked) note {
	switch n.Reason {
	case model.NotCheckedNoRange:
		return note{"Not checked", say(words.Plural(n.Requests, "request") + " to brokers of which no ranges were seen. Capture from the start of a connection.")}
	case model.NotCheckedEncrypted:
		return note{"Encrypted", say(words.Plural(n.Streams, "connection")+": nothing inside was looked at. Give the key log with ", verbatim("--tls-keylog"), ".")}
	case model.NotCheckedUndecided:
		return note{"Not recognised", say(words.Plural(n.Streams, "connection") + " with too little payload to tell the protocol.")}
	}
	return note{"Not checked", say(words.Plural(n.Requests+n.Streams, "time")+": ", verbatim(n.Reason))}
}

// countedNotes tells what Quality and Summary count.
func countedNotes(r *model.Report) []note {
	q := &r.Quality
	var notes []note
	for _, text := range clocks(r) {
		notes = append(notes, note{"Clocks", say(verbatim(text), ".")})
	}
	for _, text := range fleetNotes(r) {
		notes = append(notes, note{"Fleet", say(verbatim(text), ".")})
	}
	for _, n := range []struct {
		n          uint64
		what, text string
	}{
		{q.MissingBytes, "Missing", fmt.Sprintf("%s in %s of %s", words.Size(q.MissingBytes), words.Plural(q.Gaps, "place"), words.Plural(q.GapStreams, "connection"))},
		{q.DroppedPackets, "Dropped", words.Plural(q.DroppedPackets, "packet") + " lost by the capturing side"},
		{q.TruncatedPackets, "Cut short", words.Plural(q.TruncatedPackets, "packet") + " of which less was captured than was sent (tcpdump -s 0 takes all)"},
		{q.MidstreamStreams, "Begun earlier", words.Plural(q.MidstreamStreams, "connection") + " open before the capture began"},
		{q.OneSidedStreams, "One direction", words.Plural(q.OneSidedStreams, "connection") + " of which only one side was captured"},
		{q.IncompleteRequests, "Not complete", words.Plural(q.IncompleteRequests, "request") + " cut off by the end of the capture or of the connection"},
		{q.Resyncs, "Place lost", "The next message had to be searched for " + words.Times(q.Resyncs)},
		{q.ConflictingBytes, "Sent twice", words.Plural(q.ConflictingBytes, "byte") + " sent again with other content; what came first in order counts"},
		{q.DisbelievedSegments, "Not believed", words.Plural(q.DisbelievedSegments, "segment") + " that no receiver accepts: wrong checksum, outside the window, or both sides went on"},
		{q.UnparsedPackets, "Not read", words.Plural(q.UnparsedPackets, "packet") + unparsedReasons(q)},
		{q.ExpectedRefusals, "Probes", words.Plural(q.ExpectedRefusals, "request") + " refused as the client expected (kafka-python probes for the broker's release)"},
	} {
		if n.n > 0 {
			notes = append(notes, note{n.what, say(n.text + ".")})
		}
	}
	return notes
}

// unparsedReasons says why packets were not read.
func unparsedReasons(q *model.Quality) string {
	var parts []string
	for i, reason := range q.UnparsedReasons {
		if i == maxNotes {
			parts = append(parts, "others")
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s", words.Number(reason.Count), reason.Name))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// limitNotes names the bounds that were reached.
func limitNotes(r *model.Report) []note {
	var notes []note
	for i, name := range slices.Sorted(maps.Keys(r.Quality.LimitsHit)) {
		if i == maxLimitNotes {
			return append(notes, note{"Limit exceeded", say(words.Plural(uint64(len(r.Quality.LimitsHit)-i), "further limit"))})
		}
		notes = append(notes, note{"Limit exceeded", say(words.UpperFirst(limitText(name)) + ", " + words.Times(r.Quality.LimitsHit[name]) + ": not kept or not checked.")})
	}
	return notes
}

// maxLimitNotes is how many limits are named; the program has fewer.
const maxLimitNotes = 32

// nothingMissing is said where there are no notes.
func nothingMissing(r *model.Report) string {
	if r.Summary.Requests == 0 {
		return "No packet is known to be lost."
	}
	return "Nothing that matters here: no packet is known to be lost, every Kafka connection was seen from its start and every request was checked."
}
