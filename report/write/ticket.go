package write

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The texts that the documents for a ticket (Markdown, HTML) share.

// headline says in one line what happened: which client sends what, and what fixes it. It may
// contain names from the wire.
func headline(r *model.Report) string {
	if f := worst(r); f != nil {
		text := title(f)
		if strings.HasPrefix(text, f.Message) || strings.HasPrefix(text, unnamedClient) { // no name precedes it
			return words.UpperFirst(text)
		}
		return text
	}
	s := &r.Summary
	switch {
	case s.Findings.Accepted > 0:
		return "Nothing new: the baseline accepts " + words.Plural(uint64(s.Findings.Accepted), "finding")
	case s.RequestsChecked > 0 && len(r.Quality.NotChecked) > 0:
		return fmt.Sprintf("No version mismatch in the %s that could be checked", words.Plural(s.RequestsChecked, "request"))
	case s.RequestsChecked > 0:
		return fmt.Sprintf("No version mismatch in %s", words.Plural(s.RequestsChecked, "request"))
	case s.Requests > s.RequestsExempt:
		return fmt.Sprintf("None of %s could be checked: no advertised range is known", words.Plural(s.Requests-s.RequestsExempt, "request"))
	case s.Requests > 0:
		return "Nothing to check: the only Kafka requests are ApiVersions"
	case s.EncryptedStreams > 0:
		return fmt.Sprintf("Nothing could be checked: %s, no key", words.Plural(s.EncryptedStreams, "encrypted connection"))
	case len(r.Findings) > 0:
		return "No Kafka request was seen: " + r.Findings[0].Message
	}
	return "Nothing to check: no Kafka request was seen"
}

// worst returns the first finding that is neither a note nor accepted; nil for none.
func worst(r *model.Report) *model.Finding {
	if len(r.Findings) > 0 && r.Findings[0].Severity > model.Info && !r.Findings[0].Accepted {
		return &r.Findings[0]
	}
	return nil
}

// parenthesis returns text in parentheses after a space; empty for an empty text.
func parenthesis(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// howItWent says in a few words how often a request was sent and the outcome, unless the message
// says it: "6 times, each time the broker closed the connection". It is empty for findings about
// connections, because their message has the number.
func howItWent(f *model.Finding) string {
	if f.APIKey == nil || f.Count == 0 {
		return ""
	}
	var parts []string
	for _, o := range outcomeTexts {
		switch n := f.Outcomes[o.outcome]; {
		case n == 0:
		case n == f.Count && isInTitle(f, o.outcome, o.text):
			if n == 1 {
				return ""
			}
			return words.Times(n)
		case n == f.Count && n > 1:
			return fmt.Sprintf("%s, each time %s", words.Times(n), o.text)
		case n == f.Count:
			return o.text
		default:
			parts = append(parts, fmt.Sprintf("%s %s", o.text, words.Times(n)))
		}
	}
	return words.Times(f.Count) + ": " + strings.Join(parts, "; ")
}

// isInTitle reports whether the title has this outcome of the requests.
func isInTitle(f *model.Finding, outcome, text string) bool {
	title := title(f)
	switch outcome {
	case "answered", "error":
		return strings.Contains(title, " answered ")
	case "left":
		return strings.Contains(title, "the client gave up")
	}
	return strings.Contains(title, text)
}

// afterHeadline returns the number and outcome of requests, and the other findings, or "".
func afterHeadline(r *model.Report) (course, others string) {
	if f := worst(r); f != nil {
		course = howItWent(f)
		if f.IsOnTarget() { // the outcome so far is not important
			course = words.Times(f.Count)
		}
	}
	return words.UpperFirst(course), otherFindings(r)
}

// isNote reports whether a finding is shown folded: a note beside errors or warnings, or a note
// without anything to do.
func isNote(r *model.Report, f *model.Finding) bool {
	return f.Severity == model.Info && (worst(r) != nil || strings.HasPrefix(f.Advice, "Nothing needs to be done"))
}

// otherFindings counts findings after the first ("1 further warning, 2 notes"), also unlisted
// ones.
func otherFindings(r *model.Report) string {
	others := model.CountSeverities(r.Findings)
	if worst(r) != nil {
		others = model.CountSeverities(r.Findings[1:])
	} else {
		others.Accepted = 0 // the headline has them
	}
	return words.List(append(CountTexts(others, "further "), unlisted(r)...))
}

// unlisted counts the findings, clients and brokers that newer and larger ones replaced.
func unlisted(r *model.Report) (parts []string) {
	if r.Folded == nil {
		return nil
	}
	for _, f := range r.Folded.Findings {
		parts = append(parts, fmt.Sprintf("%s of %s (%s)", words.Plural(f.Findings, "other"), f.Code, words.Times(f.Count)))
	}
	for _, rows := range []struct {
		noun string
		model.FoldedRows
	}{{"other client", r.Folded.Clients}, {"other broker", r.Folded.Brokers}} {
		if rows.Count > 0 {
			parts = append(parts, fmt.Sprintf("%s (%s)", words.Plural(rows.Count, rows.noun), words.Plural(rows.Requests, "request")))
		}
	}
	return parts
}

// matchText describes the confidence in the known issue, and its reason; empty if unknown.
func matchText(k *model.KnownIssue) string {
	if k.Confidence == "" {
		return ""
	}
	return " (match: " + matchWords(k) + ")"
}

func matchWords(k *model.KnownIssue) string {
	if k.ConfidenceReason == "" {
		return k.Confidence
	}
	return k.Confidence + ", " + k.ConfidenceReason
}

// requestText returns the request of a finding, "Fetch v12"; empty if it is about connections.
func requestText(f *model.Finding) string {
	if f.APIKey == nil || f.Version == nil {
		return ""
	}
	return fmt.Sprintf("%s v%d", f.API, *f.Version)
}

// sentText says what was sent; empty for findings about connections.
func sentText(f *model.Finding) string {
	if requestText(f) == "" {
		return ""
	}
	return fmt.Sprintf("%s (API key %d), %s", requestText(f), *f.APIKey, words.Times(f.Count))
}

// advertisedText says what the broker advertised for it, and the source of the range.
func advertisedText(f *model.Finding) string {
	switch {
	case requestText(f) == "", f.API == "ApiVersions":
		return "" // ApiVersions may have any version
	case f.Advertised != nil:
		return f.Advertised.Text() + evidenceText(f)
	case f.Code == model.CodeNotAdvertised, f.IsOnTarget() && f.EvidenceCounts["none"] < f.Count:
		return "nothing for this API" + evidenceText(f)
	}
	if f.Release != "" && f.Release != model.ReleaseUnknown {
		return "unknown: the captured ranges of this broker do not apply here"
	}
	return "unknown: no ranges of this broker were captured"
}

// onTargetText says what the target accepts; empty for findings about something else.
func onTargetText(f *model.Finding) string {
	switch {
	case !f.IsOnTarget():
		return ""
	case f.Target == nil:
		return "no such API"
	}
	return f.Target.Text()
}

// evidenceTexts are the texts for the sources of ranges, in their order in texts.
var evidenceTexts = []struct{ evidence, text string }{
	{"observed", "in the ApiVersions response on the same connection"},
	{"borrowed", "in the ApiVersions response on another connection to this broker"},
	{"supplied", "as supplied by the user"},
}

// evidenceText describes the source of the range, as the end of a sentence.
func evidenceText(f *model.Finding) string {
	var parts []string
	for _, e := range evidenceTexts {
		switch n := f.EvidenceCounts[e.evidence]; n {
		case 0:
		case f.Count:
			return ", " + e.text
		default:
			parts = append(parts, fmt.Sprintf("%s for %s of %s", e.text, words.Number(n), words.Number(f.Count)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ", " + strings.Join(parts, "; ")
}

type statement struct {
	Name string
	Text phrase
}

// statements returns what documents say about a finding, except what to do.
func statements(r *model.Report, f *model.Finding) (out []statement) {
	add := func(name string, text phrase) {
		if len(text) > 0 && text[0].Text != "" {
			out = append(out, statement{name, text})
		}
	}
	add("Client", clientPhrase(f.Client))
	add("Broker", brokerPhrase(f.Broker, f.Behind, f.Release))
	add("Sent", say(sentText(f)))
	add("Advertised", say(advertisedText(f)))
	add("The target accepts", say(onTargetText(f)))
	add(followed(f), say(then(f)))
	if requestText(f) == "" {
		add("Seen", say(words.Times(f.Count)))
	}
	if f.Greeting != "" {
		add("The other side said", say(verbatim(f.Greeting)))
	}
	add("Why it matters", say(f.Why))
	add("Ruled out", say(explanationTexts(r, f.RuledOut)))
	add("Not ruled out", say(explanationTexts(r, f.NotRuledOut)))
	return out
}

// softwarePhrase names software as it was announced: two verbatim texts.
func softwarePhrase(name, version string) phrase {
	if version == "" {
		return say(verbatim(name))
	}
	return say(verbatim(name), " ", verbatim(version))
}

// maxListed is how many names or addresses a line lists. The others are counted.
const maxListed = 4

// clientPhrase names the sender; nil if there are several.
func clientPhrase(c *model.FindingClient) phrase {
	if c == nil {
		return nil
	}
	out := say("software not announced")
	if c.SoftwareName != "" || c.SoftwareVersion != "" {
		out = softwarePhrase(c.SoftwareName, c.SoftwareVersion)
	}
	if c.ClientID != nil {
		out = say(out, ", client id ", verbatim(*c.ClientID))
	}
	out = say(out, ownerPhrase(c.Principals, c.Processes))
	if len(c.Addresses) > 0 {
		out = say(out, ", from ", some(c.Addresses, maxListed))
	}
	if c.AddressesOmitted > 0 || len(c.Addresses) >= model.MaxMembers {
		out = say(out, " and others")
	}
	return out
}

// brokerPhrase names a broker and its release; nil without an address.
func brokerPhrase(address string, behind []string, release string) phrase {
	if address == "" {
		return nil
	}
	if release == "" || release == model.ReleaseUnknown {
		return say(verbatim(translated(address, behind)))
	}
	return say(verbatim(translated(address, behind)), ", looks like "+release)
}

// translated returns the address of a broker, with the addresses behind address translation.
func translated(address string, behind []string) string {
	if len(behind) == 0 {
		return address
	}
	return strings.Join(behind, ", ") + ", behind " + address
}

// programPhrase names a client program by its software or, without one, by its client id.
func programPhrase(c *model.Client) phrase {
	switch {
	case c.SoftwareName != "" || c.SoftwareVersion != "":
		return softwarePhrase(c.SoftwareName, c.SoftwareVersion)
	case len(c.ClientIDs) > 0:
		return say("client id ", verbatim(c.ClientIDs[0]))
	}
	return say("unnamed client")
}

func usage(c *model.Client) (sum model.VersionUsage) {
	for i := range c.APIs {
		for _, v := range c.APIs[i].Versions {
			sum.Requests += v.Requests
			sum.Outside += v.Outside
			sum.Unchecked += v.Unchecked
		}
	}
	return sum
}

// clientsByProblems returns the clients ordered by requests outside the advertised ranges, then by
// requests, the most first.
func clientsByProblems(r *model.Report) []*model.Client {
	out := make([]*model.Client, 0, len(r.Clients))
	bad := make(map[*model.Client]uint64, len(r.Clients))
	for i := range r.Clients {
		out = append(out, &r.Clients[i])
		bad[&r.Clients[i]] = usage(&r.Clients[i]).Outside
	}
	slices.SortStableFunc(out, func(a, b *model.Client) int {
		return cmp.Or(cmp.Compare(bad[b], bad[a]), cmp.Compare(b.Requests, a.Requests))
	})
	return out
}

// versionsText lists the used versions: "v4 (12 requests), v12 (6 requests, all outside)".
func versionsText(u *model.Usage) string {
	parts := make([]string, 0, len(u.Versions))
	for i, v := range u.Versions {
		if i == maxVersionsListed {
			parts = append(parts, words.Plural(uint64(len(u.Versions)-i), "further version"))
			break
		}
		parts = append(parts, fmt.Sprintf("v%d (%s%s)", v.Version, words.Plural(v.Requests, "request"), versionRemark(&v)))
	}
	return strings.Join(parts, ", ")
}

// maxVersionsListed is how many versions of an API a line lists. No API has twenty so far, and a
// client uses one or two of them.
const maxVersionsListed = 20

// versionRemark returns the remark about a version after its number of requests.
func versionRemark(v *model.VersionUsage) string {
	switch {
	case v.Outside > 0 && v.Outside == v.Requests:
		return ", outside"
	case v.Outside > 0:
		return fmt.Sprintf(", %s outside", words.Number(v.Outside))
	case v.Unchecked > 0 && v.Unchecked == v.Requests:
		return ", not checked"
	case v.Unchecked > 0:
		return fmt.Sprintf(", %s not checked", words.Number(v.Unchecked))
	}
	return ""
}

// momentText formats a time to the second, clockText to the microsecond. Both are in UTC.
func momentText(t model.Time) string { return t.UTC().Format(time.DateTime) }
func clockText(t model.Time) string  { return t.UTC().Format("2006-01-02 15:04:05.000000") }

// endText is momentText for the end of a period, without the date if it began on the same day.
func endText(begin, end model.Time) string {
	return strings.TrimPrefix(momentText(end), momentText(begin)[:len(time.DateOnly)]+" ")
}

func addressPhrase(address string) phrase {
	if address == "" {
		return nil
	}
	return say(verbatim(address))
}

func outcomePhrase(outcome string) phrase {
	if outcome == "" {
		return nil
	}
	return say(outcomeLabel(outcome))
}

// detailPhrase returns the detail of an occurrence; nil for none.
func detailPhrase(o *model.Occurrence) phrase {
	parts := sessionPhrases(o)
	if o.Detail != "" {
		parts = slices.Insert(parts, 0, say(o.Detail))
	}
	return join(parts, ", ")
}

// sessionPhrases describes the prefaces and the TLS session of an occurrence. Prefaces have their
// kinds if there are several. Equal ones in a row are one, for example the requests to a proxy that
// asks for a password.
func sessionPhrases(o *model.Occurrence) (parts []phrase) {
	for _, p := range slices.Compact(slices.Clone(o.Prefaces)) {
		part := known(named{"client ", p.Source}, named{"to ", p.Target})
		if len(o.Prefaces) > 1 {
			part = slices.Insert(part, 0, say(p.Kind))
		}
		if len(part) > 0 {
			parts = append(parts, join(part, " "))
		}
	}
	if t := o.TLS; t != nil {
		random := t.ClientRandom
		if random != "" {
			random += "..."
		}
		parts = append(parts, known(named{"", t.Version}, named{"", t.Suite}, named{"server name ", t.ServerName}, named{"client random ", random})...)
	}
	return parts
}

// named is a value and the words before it.
type named struct{ name, value string }

// known returns the values that are not empty.
func known(list ...named) (out []phrase) {
	for _, n := range list {
		if n.value != "" {
			out = append(out, say(n.name, verbatim(n.value)))
		}
	}
	return out
}

// firstOf says how many of the occurrences are listed. In a report with evidence it also says
// whose numbers they have.
func firstOf(r *model.Report, listed, count uint64) string {
	text := ""
	switch {
	case count <= 1:
		text = "the occurrence"
	case listed >= count:
		text = "all " + words.Plural(count, "occurrence")
	case listed == 1:
		text = "the first of " + words.Plural(count, "occurrence")
	default:
		text = fmt.Sprintf("the first %s of %s", words.Number(listed), words.Plural(count, "occurrence"))
	}
	return text + inOriginal(r)
}

// inOriginal says that numbers are of the input, if they could also be of the evidence.
func inOriginal(r *model.Report) string {
	switch {
	case r.Evidence == nil:
		return ""
	case len(r.Captures) > 1:
		return " in the original captures"
	}
	return " in " + originalCapture
}

// countCodes counts findings by code, in order of first appearance.
func countCodes(findings []model.Finding) (out []model.FoldedFindings) {
	for i := range findings {
		f := &findings[i]
		n := slices.IndexFunc(out, func(c model.FoldedFindings) bool { return c.Code == f.Code })
		if n < 0 {
			n = len(out)
			out = append(out, model.FoldedFindings{Code: f.Code, Title: f.Title, Severity: f.Severity})
		}
		out[n].Findings++
		out[n].Count += f.Count
	}
	return out
}

func brokerName(b *model.Broker) phrase {
	out := say(verbatim(translated(b.Address, b.Behind)))
	if b.NodeID != nil {
		out = say(out, fmt.Sprintf(" (node %d)", *b.NodeID))
	}
	if b.Network != "" {
		out = say(out, " in network ", verbatim(b.Network))
	}
	return out
}

func releaseText(b *model.Broker) string {
	if b.Release == model.ReleaseUnknown || b.Release == "" {
		if b.ReleaseReason != "" {
			return "Its release is unknown: " + b.ReleaseReason
		}
		return "Its release is unknown"
	}
	return "Looks like " + b.Release
}

func apisText(b *model.Broker) string {
	switch {
	case len(b.APIs) == 0:
		return "not seen"
	case b.Tables > 1:
		return fmt.Sprintf("%s, in %d different sets of ranges", words.Plural(uint64(len(b.APIs)), "API"), b.Tables)
	}
	return words.Plural(uint64(len(b.APIs)), "API")
}
