package write

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The text, in all formats for people, about what was checked: sentences without full stop.

func coverage(r *model.Report) []phrase {
	s := &r.Summary
	if s.Requests == 0 {
		if s.Findings.Accepted == 0 && strings.HasPrefix(headline(r), "Nothing ") { // the headline already says that nothing was checked
			return []phrase{say("No Kafka request was seen.")}
		}
		return []phrase{say("No Kafka request was seen: nothing was checked.")}
	}
	var out []phrase
	if toCheck(s) == 0 {
		out = append(out, say(words.UpperFirst(allExempt)+"."))
	} else {
		out = append(out, comparedPhrase(s))
		if s.RequestsExempt > 0 {
			out = append(out, say(exemptText(s)+"."))
		}
	}
	if r.Supplied != nil {
		out = append(out, say("The ranges supplied by the user are those of "+r.Supplied.Name+parenthesis(r.Supplied.File)+"."))
	}
	return out
}

// comparedPhrase says how many requests were compared, and with which ranges.
func comparedPhrase(s *model.Summary) phrase {
	text := fmt.Sprintf("%s of %s %s compared with an advertised range", words.Number(s.RequestsChecked), words.Plural(toCheck(s), "request"), words.Agree(s.RequestsChecked, "was", "were"))
	one, parts := sources(s, "seen on the same connection", "seen on another connection to the same broker")
	if one != "" {
		text += " " + one
	}
	return say(text + parenthesis(words.List(parts)) + ".")
}

func toCheck(s *model.Summary) uint64 { return s.Requests - min(s.Requests, s.RequestsExempt) }

func exemptText(s *model.Summary) string {
	return fmt.Sprintf("%s more %s ApiVersions, which may have any version", words.Number(s.RequestsExempt), words.Agree(s.RequestsExempt, "is", "are"))
}

// allExempt says that there were only requests that are exempt.
const allExempt = "the only Kafka requests are ApiVersions, which may have any version"

// sources describes the sources of the ranges: one source if all requests have the same, otherwise
// parts with their numbers. A merged report counts shared connections once, but not by source. The
// parts then have no numbers.
func sources(s *model.Summary, observed, borrowed string) (one string, parts []string) {
	total := s.Evidence.Observed + s.Evidence.Borrowed + s.Evidence.Supplied
	for _, source := range []struct {
		n    uint64
		text string
	}{{s.Evidence.Observed, observed}, {s.Evidence.Borrowed, borrowed}, {s.Evidence.Supplied, "supplied by the user"}} {
		switch {
		case source.n == 0:
		case source.n == total:
			return source.text, nil
		case total != s.RequestsChecked:
			parts = append(parts, source.text)
		default:
			parts = append(parts, words.Number(source.n)+" "+source.text)
		}
	}
	return "", parts
}

// note describes missing or doubtful input.
type note struct {
	// What names it in lower case. Text says how much, and the consequence.
	What string
	Text phrase
	// code is the code of findings with the same content. If there is a single such finding, the
	// note is not shown. It is empty for none.
	code string
}

// documentNotes returns the notes of a document as sentences, including torn captures.
func documentNotes(r *model.Report) []note {
	notes := append(torn(r), qualityNotes(r)...)
	for i := range notes {
		notes[i].What = words.UpperFirst(notes[i].What)
		notes[i].Text = say(notes[i].Text, ".")
	}
	return notes
}

// qualityNotes describes what was not captured or not checked, and which limits were exceeded. It
// is empty if everything is complete.
func qualityNotes(r *model.Report) []note {
	var notes []note
	for i := range r.Quality.NotChecked {
		notes = append(notes, uncheckedNote(&r.Quality, i))
	}
	notes = append(append(notes, malformedNotes(r)...), countedNotes(r)...)
	others := slices.DeleteFunc(slices.Clone(r.Quality.OtherProtocols), func(o model.OtherProtocol) bool {
		return o.Protocol == "TLS" // uncheckedNote includes it
	})
	for i, o := range others {
		if i == maxNotes {
			notes = append(notes, note{What: "on a Kafka port", Text: say(words.Plural(uint64(len(others)-i), "more case"))})
			break
		}
		name := say(shorten(o.Protocol))
		if o.Protocol == "other" {
			name = say("something that is not Kafka")
		}
		notes = append(notes, note{What: "on a Kafka port", Text: say(name, " at ", verbatim(o.Address), ", "+words.Plural(o.Streams, "connection"))})
	}
	return append(notes, limitNotes(r)...)
}

// maxNotes is how many notes of one kind are listed. The others are counted.
const maxNotes = 8

// malformedNotes names the advertised ranges that are none: negative, or with min above max.
func malformedNotes(r *model.Report) (notes []note) {
	for i := range r.Brokers {
		b := &r.Brokers[i]
		var bad []string
		for _, a := range b.APIs {
			if a.Min < 0 || a.Min > a.Max {
				bad = append(bad, fmt.Sprintf("%s (%s)", a.Name, a.Range.Text()))
			}
		}
		if len(bad) == 0 {
			continue
		}
		if len(notes) == maxNotes {
			return append(notes, note{What: "malformed ranges", Text: say("and those of others")})
		}
		notes = append(notes, note{What: "malformed ranges", Text: say(verbatim(b.Address), " advertises "+words.List(words.Some(bad, maxNotes))+"; requests of "+words.Agree(uint64(len(bad)), "it", "them")+" cannot be checked")})
	}
	return notes
}

// torn returns notes about captures that could not be read to their end.
func torn(r *model.Report) []note {
	var notes []note
	for i := range r.Captures {
		c := &r.Captures[i]
		if !c.Torn && c.Problem == "" {
			continue
		}
		if len(notes) == maxNotes {
			return append(notes, note{What: "broken capture", Text: say("and others")})
		}
		text := say(verbatim(c.Path))
		if c.Torn {
			text = say(text, " is torn and was analyzed up to there")
		}
		if c.Problem != "" {
			text = say(text, ": ", verbatim(c.Problem))
		}
		notes = append(notes, note{What: "broken capture", Text: text})
	}
	return notes
}

// uncheckedNote describes the i-th entry of q.NotChecked, and how to get it checked.
func uncheckedNote(q *model.Quality, i int) note {
	n := &q.NotChecked[i]
	switch n.Reason {
	case model.NotCheckedNoRange:
		text := words.Plural(n.Requests, "request") + ", no usable ranges of the broker were seen"
		switch {
		case q.MidstreamStreams > 0:
			text += "; capture from the start of a connection"
		case q.OneSidedStreams > 0:
			text += "; capture both directions"
		case q.MissingBytes > 0: // a range may be in the missing bytes, which another note reports
		default:
			text += ": the client did not ask, or got none in answer; --advertised supplies those of a release"
		}
		return note{What: "not checked", Text: say(text)}
	case model.NotCheckedEncrypted:
		return note{What: "not looked into", Text: say(words.Plural(n.Streams, "encrypted connection") + "; " + encryptedCode + " says what would help")}
	case model.NotCheckedUndecided:
		return note{What: "not recognised", Text: say(fmt.Sprintf("%s with too little in %s to recognise the protocol", words.Plural(n.Streams, "connection"), words.Agree(n.Streams, "it", "them")))}
	}
	return note{What: "not checked", Text: say(verbatim(n.Reason), ", "+words.Plural(n.Requests+n.Streams, "time"))}
}

// countedNotes returns notes about the counters of Quality and Summary.
func countedNotes(r *model.Report) []note {
	q := &r.Quality
	notes := clocks(r)
	for _, text := range fleetNotes(r) {
		notes = append(notes, note{What: "fleet", Text: say(text)})
	}
	for _, n := range []struct {
		n          uint64
		what, text string
		code       string
	}{
		{q.Interrupted, "interrupted", words.Plural(q.Interrupted, "run") + " before the end of " + words.Agree(q.Interrupted, "its", "their") + " input; the rest was not read", ""},
		{q.MissingBytes, "missing", fmt.Sprintf("%s in %s of %s", words.Size(q.MissingBytes), words.Plural(q.Gaps, "place"), words.Plural(q.GapStreams, "connection")), model.CodeBytesMissing},
		{q.DroppedPackets, "dropped", words.Plural(q.DroppedPackets, "packet") + " lost by the capturing side", model.CodeBytesMissing},
		{q.TruncatedPackets, "cut short", words.Plural(q.TruncatedPackets, "packet") + " of which less was captured than was sent (tcpdump -s 0 takes all)", ""},
		{q.MidstreamStreams, "begun before the capture", words.Plural(q.MidstreamStreams, "connection"), model.CodeMidstream},
		{q.OneSidedStreams, "one direction only", words.Plural(q.OneSidedStreams, "connection"), ""},
		{q.IncompleteRequests, "not complete", words.Plural(q.IncompleteRequests, "request") + " at the end of the capture or connection", ""},
		{q.Resyncs, "frame borders lost and found again", words.Times(q.Resyncs), ""},
		{q.ConflictingBytes, "sent again with other content", words.Plural(q.ConflictingBytes, "byte") + "; what came first in order counts", ""},
		{q.DisbelievedSegments, "not believed", words.Plural(q.DisbelievedSegments, "segment") + " that no receiver accepts (wrong checksum, outside the window, or both sides went on)", ""},
		{q.UnparsedPackets, "not read", words.Plural(q.UnparsedPackets, "packet") + unparsedReasons(q), ""},
		{q.ExpectedRefusals, "refused as the client expected", words.Plural(q.ExpectedRefusals, "request") + " (kafka-python probes for the broker's release)", ""},
		{q.UndeliveredRequests, "not delivered", words.Plural(q.UndeliveredRequests, "request") + " that the broker's host had not acknowledged when the client left: it was away, or the network lost the packets (firewall, or an MTU too small for large ones)", ""},
		{q.UnexplainedRequests, "not explained", words.Plural(q.UnexplainedRequests, "request") + " closed, reset or ignored" + notExcluded(q.UnexplainedCauses) + " (kafkavet requests lists the outcomes)", ""},
	} {
		if n.n > 0 {
			notes = append(notes, note{n.what, say(n.text), n.code})
		}
	}
	return notes
}

// notExcluded lists causes, as the end of a text.
func notExcluded(causes []string) string {
	if len(causes) == 0 {
		return ""
	}
	return "; not excluded: " + words.List(causes)
}

func clocks(r *model.Report) (notes []note) {
	for i := range r.Captures {
		c := &r.Captures[i]
		if c.Clock == nil || int(c.Clock.Capture) >= len(r.Captures) {
			continue
		}
		other := verbatim(r.Captures[c.Clock.Capture].Path)
		notes = append(notes, note{What: "clocks", Text: say("those of ", other, " and ", verbatim(c.Path),
			fmt.Sprintf(" differ by %.3f s; the times are by that of ", math.Abs(c.Clock.Offset)), other)})
	}
	return notes
}

func unparsedReasons(q *model.Quality) string {
	text := ""
	for i, reason := range q.UnparsedReasons {
		if i == maxNotes {
			return text + "; ..."
		}
		text += fmt.Sprintf("; %s (%s)", shorten(reason.Name), words.Number(reason.Count))
	}
	return text
}

func limitNotes(r *model.Report) []note {
	var notes []note
	for i, name := range slices.Sorted(maps.Keys(r.Quality.LimitsHit)) {
		if i == maxLimitNotes {
			return append(notes, note{What: "limit exceeded", Text: say(words.Plural(uint64(len(r.Quality.LimitsHit)-i), "further limit"))})
		}
		notes = append(notes, note{What: "limit exceeded", Text: say(limitText(name, r.Quality.LimitsHit[name]))})
	}
	return notes
}

// maxLimitNotes is how many limits are named. The program has fewer.
const maxLimitNotes = 32

func nothingMissing(r *model.Report) string {
	if r.Summary.Requests == 0 {
		return "No packet is known to be lost."
	}
	return "Nothing that matters here: no packet is known to be lost, every Kafka connection was seen from its start and every request was checked."
}
