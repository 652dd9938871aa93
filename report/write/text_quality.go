package write

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// checked says what was held against what, and what could not be.
func (t *textReport) checked() {
	t.blank()
	s := &t.r.Summary
	toCheck := s.Requests - min(s.Requests, s.RequestsExempt)
	text := "no Kafka requests were seen: nothing was checked"
	if s.Requests > 0 {
		text = fmt.Sprintf("checked %s of %s %s", words.Number(s.RequestsChecked), words.Number(toCheck), word(toCheck, "request"))
		text += t.sources()
		if s.RequestsExempt > 0 {
			text += fmt.Sprintf("; %s more %s ApiVersions, which may have any version", words.Number(s.RequestsExempt), isAre(s.RequestsExempt))
		}
	}
	t.paragraph("", "  ", text)
	if s := t.r.Supplied; s != nil {
		t.item(escapeLong("supplied: " + suppliedText(s)))
	}
	for i := range t.r.Quality.NotChecked {
		t.item(notChecked(&t.r.Quality, i))
	}
}

// sources says against which ranges the requests were held.
func (t *textReport) sources() string {
	e, parts := &t.r.Summary.Evidence, []string{}
	for _, source := range []struct {
		n    uint64
		text string
	}{
		{e.Observed, "seen on their own connection"},
		{e.Borrowed, "borrowed from another connection to the same broker"},
		{e.Supplied, "supplied by the user"},
	} {
		switch source.n {
		case 0:
		case t.r.Summary.RequestsChecked:
			return " against ranges " + source.text
		default:
			parts = append(parts, words.Number(source.n)+" "+source.text)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " against ranges: " + words.List(parts)
}

// notChecked says what was not checked, the i-th of q, and what would help.
func notChecked(q *model.Quality, i int) string {
	n := &q.NotChecked[i]
	switch n.Reason {
	case model.NotCheckedNoRange:
		text := fmt.Sprintf("not checked: %s, no ranges of the broker were seen", words.Plural(n.Requests, "request"))
		switch {
		case q.MidstreamStreams > 0:
			return text + "; capture from the start of a connection"
		case q.OneSidedStreams > 0:
			return text + "; capture both directions"
		case q.MissingBytes > 0:
			return text // it may be among them, which is told below
		}
		return text + ": the client did not ask, or was told none; --advertised takes those of a release"
	case model.NotCheckedEncrypted:
		return fmt.Sprintf("not looked into: %s; KV9001 says what would help", words.Plural(n.Streams, "encrypted connection"))
	case model.NotCheckedUndecided:
		return fmt.Sprintf("not recognised: %s with too little in %s to tell the protocol", words.Plural(n.Streams, "connection"), itThem(n.Streams))
	}
	return fmt.Sprintf("not checked: %s, %s", n.Reason, words.Plural(n.Requests+n.Streams, "time"))
}

// quality says what was not seen, or not as it should be.
func (t *textReport) quality() {
	q := &t.r.Quality
	for _, text := range clocks(t.r) {
		t.item(Escape(text))
	}
	for _, text := range fleetNotes(t.r) {
		t.item(escapeLong(text))
	}
	for _, note := range []struct {
		n    uint64
		text string
	}{
		{t.unlessOne(model.CodeBytesMissing, q.MissingBytes), fmt.Sprintf("missing: %s in %s of %s", words.Size(q.MissingBytes), words.Plural(q.Gaps, "place"), words.Plural(q.GapStreams, "connection"))},
		{q.TruncatedPackets, fmt.Sprintf("cut short: %s of which less was captured than was sent (tcpdump -s 0 takes all)", words.Plural(q.TruncatedPackets, "packet"))},
		{t.unlessOne(model.CodeMidstream, q.MidstreamStreams), fmt.Sprintf("begun before the capture: %s", words.Plural(q.MidstreamStreams, "connection"))},
		{q.OneSidedStreams, fmt.Sprintf("one direction only: %s", words.Plural(q.OneSidedStreams, "connection"))},
		{q.IncompleteRequests, fmt.Sprintf("not complete: %s at the end of the capture or connection", words.Plural(q.IncompleteRequests, "request"))},
		{q.Resyncs, fmt.Sprintf("frame borders lost and found again: %s", words.Times(q.Resyncs))},
		{q.ConflictingBytes, fmt.Sprintf("sent again with other content: %s; what came first in order counts", words.Plural(q.ConflictingBytes, "byte"))},
		{q.DisbelievedSegments, fmt.Sprintf("not believed: %s that no receiver accepts (wrong checksum, outside the window, or both sides went on)", words.Plural(q.DisbelievedSegments, "segment"))},
		{q.UnparsedPackets, unparsed(q)},
		{q.ExpectedRefusals, fmt.Sprintf("refused as the client expected: %s (kafka-python probes for the broker's release)", words.Plural(q.ExpectedRefusals, "request"))},
	} {
		if note.n > 0 {
			t.item(note.text)
		}
	}
	t.otherProtocols()
	t.limits()
}

// clocks says which clocks of captures differ.
func clocks(r *model.Report) []string {
	var texts []string
	for i := range r.Captures {
		c := &r.Captures[i]
		if c.Clock == nil || int(c.Clock.Capture) >= len(r.Captures) {
			continue
		}
		other := r.Captures[c.Clock.Capture].Path
		texts = append(texts, fmt.Sprintf("clocks of %s and %s differ by %.3f s; the times are by that of %s",
			other, c.Path, math.Abs(c.Clock.Offset), other))
	}
	return texts
}

// unlessOne is n, or 0 where a single finding of the code has told it already.
func (t *textReport) unlessOne(code string, n uint64) uint64 {
	findings := 0
	for i := range t.r.Findings {
		if t.r.Findings[i].Code == code {
			findings++
		}
	}
	if findings == 1 {
		return 0
	}
	return n
}

// unparsed says which packets could not be read, and why.
func unparsed(q *model.Quality) string {
	text := "not read: " + words.Plural(q.UnparsedPackets, "packet")
	for i, r := range q.UnparsedReasons {
		if i == maxTextNotes {
			return text + "; ..."
		}
		text += fmt.Sprintf("; %s (%s)", Escape(r.Name), words.Number(r.Count))
	}
	return text
}

// otherProtocols names what else was spoken on brokers' ports, but for TLS,
// which checked has told of.
func (t *textReport) otherProtocols() {
	others := slices.DeleteFunc(slices.Clone(t.r.Quality.OtherProtocols), func(o model.OtherProtocol) bool { return o.Protocol == "TLS" })
	for _, o := range others[:min(len(others), maxTextNotes)] {
		name := o.Protocol
		if name == "other" {
			name = "something that is not Kafka"
		}
		t.item(fmt.Sprintf("on a Kafka port: %s at %s, %s", Escape(name), Escape(o.Address), words.Plural(o.Streams, "connection")))
	}
	if more := len(others) - maxTextNotes; more > 0 {
		t.item(fmt.Sprintf("on a Kafka port: %s", words.Plural(uint64(more), "more case")))
	}
}

// limits names the bounds that were reached.
func (t *textReport) limits() {
	names := make([]string, 0, len(t.r.Quality.LimitsHit))
	for name := range t.r.Quality.LimitsHit {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := []string{}
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s (%s)", Escape(limitText(name)), words.Times(t.r.Quality.LimitsHit[name])))
	}
	if len(parts) > 0 {
		t.item("limits exceeded, not kept or not checked: " + strings.Join(parts, "; "))
	}
}

// bottom counts the findings in the last line, in the colour of the gravest.
func (t *textReport) bottom() {
	f, parts, style := &t.r.Summary.Findings, []string{}, t.style.good
	switch checked := t.r.Summary.RequestsChecked; {
	case f.Error > 0:
		style = t.style.err
	case f.Warning > 0:
		style = t.style.warning
	case checked == 0:
		parts, style = append(parts, "nothing found, because nothing was checked"), t.style.warning
	default:
		parts = append(parts, fmt.Sprintf("nothing found in the %s that %s checked", words.Plural(checked, "request"), wasWere(checked)))
	}
	for _, count := range []struct {
		n    int
		noun string
	}{{f.Error, "error"}, {f.Warning, "warning"}, {f.Info, "note"}} {
		if count.n > 0 {
			parts = append(parts, words.Plural(uint64(count.n), count.noun))
		}
	}
	parts = append(parts, unlisted(t.r)...)
	for _, l := range wrap(strings.Join(parts, ", "), t.width, t.width) {
		t.line(style.Sprint(l))
	}
}

// word is noun, in the plural unless n is 1.
func word(n uint64, noun string) string {
	text := words.Plural(n, noun)
	return text[strings.IndexByte(text, ' ')+1:]
}

// isAre, itThem and wasWere agree with a number.
func isAre(n uint64) string   { return one(n, "is", "are") }
func itThem(n uint64) string  { return one(n, "it", "them") }
func wasWere(n uint64) string { return one(n, "was", "were") }

// one is singular for 1, and many otherwise.
func one(n uint64, singular, many string) string {
	if n == 1 {
		return singular
	}
	return many
}
