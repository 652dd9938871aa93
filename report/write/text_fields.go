package write

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The fields of a finding in the text.

// client names the client: "orders-svc (confluent-kafka-go 2.6.0) from 127.0.0.1".
func (t *textReport) client(f *model.Finding) string {
	c := f.Client
	if c == nil {
		return ""
	}
	return Escape(nameOf(c, "unnamed", words.Some(ownerTexts(c.Principals, c.Processes), maxOwners))) + from(c)
}

// nameOf returns the client id of a client, otherwise its software, otherwise unnamed. Further
// names are in parentheses.
func nameOf(c *model.FindingClient, unnamed string, more []string) string {
	name := strings.TrimSpace(c.SoftwareName + " " + c.SoftwareVersion)
	if id := value(c.ClientID); id != "" {
		if name != "" {
			more = append([]string{name}, more...)
		}
		name = id
	}
	return cmp.Or(name, unnamed) + parenthesis(strings.Join(more, ", "))
}

func from(c *model.FindingClient) string {
	if len(c.Addresses) == 0 {
		return ""
	}
	more := len(c.Addresses) - min(len(c.Addresses), maxTextDetails)
	shown := make([]string, 0, maxTextDetails)
	for _, a := range c.Addresses[:len(c.Addresses)-more] {
		shown = append(shown, Escape(a))
	}
	text := " from " + strings.Join(shown, ", ")
	switch {
	case more > 0 && c.AddressesOmitted > 0:
		return text + " and more than " + words.Number(uint64(more)) + " others"
	case len(c.Addresses) >= model.MaxMembers: // a merge keeps no more
		return text + " and at least " + words.Number(uint64(more)) + " more"
	case more > 0:
		return text + " and " + words.Number(uint64(more)) + " more"
	}
	return text
}

func (t *textReport) broker(f *model.Finding) string {
	if f.Broker == "" || f.Release == model.ReleaseUnknown || f.Release == "" {
		return Escape(translated(f.Broker, f.Behind))
	}
	return Escape(translated(f.Broker, f.Behind)) + ", looks like " + Escape(f.Release)
}

func (t *textReport) proof(f *model.Finding) {
	if where, filter := inEvidence(t.r, f); len(where) > 0 {
		t.field("evidence", textPhrase(where))
		t.field("filter", filter)
	}
}

// first writes the position of the first occurrence, with its Wireshark filter.
func (t *textReport) first(f *model.Finding) {
	if len(f.Occurrences) == 0 {
		return
	}
	o := &f.Occurrences[0]
	text := t.position(o)
	filter := fmt.Sprintf("frame.number == %d", o.Frame)
	room := t.width - labelColumn
	if line := text + "     wireshark: " + filter; displayWidth(line) <= room {
		t.line("  " + t.style.label.Sprint("first") + strings.Repeat(" ", labelColumn-7) + text +
			"     " + t.style.label.Sprint("wireshark: ") + filter)
		return
	}
	t.field("first", text)
	t.field("filter", filter)
}

func (t *textReport) position(o *model.Occurrence) string {
	text := fmt.Sprintf("%s, %s, stream %d", t.frame(o), t.clock(o.Time), o.Stream)
	if o.CorrelationID != nil {
		text += fmt.Sprintf(", correlation id %d", *o.CorrelationID)
	}
	return text
}

// frame names the packet, with its capture if there are several.
func (t *textReport) frame(o *model.Occurrence) string {
	return fmt.Sprintf("frame %d", o.Frame) + escapeLong(ofCapture(t.r, &o.Capture))
}

// clock formats a time with microseconds. It adds the date if the captures span several days.
func (t *textReport) clock(at model.Time) string {
	if t.dated {
		return at.UTC().Format("2006-01-02 15:04:05.000000")
	}
	return at.UTC().Format("15:04:05.000000")
}

// also lists the frames of the occurrences after the first.
func (t *textReport) also(f *model.Finding) string {
	if len(f.Occurrences) < 2 || f.Occurrences[0].Detail != "" {
		return ""
	}
	frames := []string{}
	for i := range f.Occurrences[1:] {
		o := &f.Occurrences[i+1]
		if o.Capture != f.Occurrences[0].Capture {
			continue
		}
		frames = append(frames, fmt.Sprint(o.Frame))
	}
	if rest := f.Count - 1 - uint64(len(frames)); rest > 0 {
		frames = append(frames, words.Number(rest)+" more")
	}
	if len(frames) == 1 {
		return "frame " + frames[0]
	}
	return "frames " + words.List(frames)
}

func (t *textReport) details(f *model.Finding) {
	listed := 0
	for i := range f.Occurrences {
		o := &f.Occurrences[i]
		if o.Detail == "" || listed == maxTextDetails {
			continue
		}
		listed++
		t.field("change", fmt.Sprintf("%s, stream %d: %s", t.clock(o.Time), o.Stream, escapeLong(o.Detail)))
	}
	if rest := f.Count - uint64(listed); listed > 0 && rest > 0 {
		t.field("change", words.Number(rest)+" more")
	}
}

// outcomeTexts are the texts of outcomes in sentences and tables, in their order in texts.
var outcomeTexts = []struct {
	outcome, text, label string
	// isTimed: the time to it has a meaning.
	isTimed bool
}{
	{"closed", "the broker closed the connection", "closed by broker", true},
	{"reset", "the broker reset the connection", "reset by broker", true},
	{"error", "the broker answered UNSUPPORTED_VERSION", "UNSUPPORTED_VERSION", true},
	{"unanswered", "the broker did not answer, and the connection went on", "no answer", false},
	{"left", "the client closed the connection before an answer", "client left", true},
	{"answered", "the broker answered", "answered", true},
	{"none-expected", "no answer is expected (acks=0)", "no answer expected", false},
	{"cut", "the capture ends before an answer", "capture ended", false},
	{"unseen", "the answer was not captured", "not captured", false},
	{"late", "the broker had closed the connection before", "sent after the close", true},
}

func outcomeLabel(outcome string) string {
	for _, o := range outcomeTexts {
		if o.outcome == outcome {
			return o.label
		}
	}
	return outcome // of a report of another release
}

func then(f *model.Finding) string {
	parts := []string{}
	for _, o := range outcomeTexts {
		n := f.Outcomes[o.outcome]
		if n == 0 {
			continue
		}
		text := o.text
		if f.Count > 1 {
			text += fmt.Sprintf(", %s of %s", words.Number(n), words.Number(f.Count))
		}
		if o.isTimed {
			text += elapsed(f.Count, time.Duration(f.MedianSeconds[o.outcome]*1e9), n)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// elapsed formats the time to an outcome. With several requests, it says that it is the median.
func elapsed(count uint64, d time.Duration, n uint64) string {
	switch {
	case count == 1:
		return " after " + words.Humane(d)
	case n == 1:
		return ", after " + words.Humane(d)
	}
	return ", after " + words.Humane(d) + " at the median"
}

// advice writes what to do: the fix of the known issue if there is one.
func (t *textReport) advice(f *model.Finding) {
	k := f.KnownIssue
	if k == nil {
		t.field("do", escapeLong(f.Advice))
		return
	}
	t.field("known", escapeLong(k.Title+matchText(k)))
	t.field("", Escape(k.URL))
	if k.FixedIn != "" && k.Workaround == "" {
		t.field("fixed in", Escape(k.FixedIn))
	}
	t.field("do", escapeLong(remedy(f)))
}
