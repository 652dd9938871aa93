package write

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// followed names the outcome of a finding's requests.
func followed(f *model.Finding) string {
	if f.IsOnTarget() {
		return "Today"
	}
	return "What followed"
}

const (
	// maxTargetTexts is how many clients of one verdict the text lists.
	maxTargetTexts = 20
	// maxFineTexts is the largest number of fine clients that it lists. More are only counted.
	maxFineTexts = 5
	// maxTargetAPIs is how many kinds of requests of one client are named.
	maxTargetAPIs = 5
)

// targetHeadline counts clients by verdict: "2 clients break, 1 likely breaks, 3 are fine".
func targetHeadline(t *model.Target) string {
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{t.Summary.Breaks, "breaks", "break"},
		{t.Summary.Likely, "is likely to break", "are likely to break"},
		{t.Summary.Unclear, "cannot be judged", "cannot be judged"},
		{t.Summary.Fine, "is fine", "are fine"},
	} {
		switch {
		case p.n == 0:
		case len(parts) == 0:
			parts = append(parts, words.Plural(uint64(p.n), "client")+" "+words.Agree(uint64(p.n), p.one, p.many))
		default:
			parts = append(parts, words.Number(uint64(p.n))+" "+words.Agree(uint64(p.n), p.one, p.many))
		}
	}
	if len(parts) == 0 {
		return "no client to judge was seen"
	}
	return strings.Join(parts, ", ")
}

func suppliedText(s *model.Supplied) string {
	text := s.Name + parenthesis(s.File)
	if s.File == "" {
		text += ": " + s.Source
	}
	for _, n := range s.Notes {
		text += "; " + n
	}
	return text
}

var targetVerdicts = map[string]string{
	model.VerdictBreaks: "breaks", model.VerdictLikely: "likely", model.VerdictUnclear: "unclear", model.VerdictFine: "fine", model.VerdictBrokers: "brokers",
}

// targetCaveat describes the basis of the verdicts.
func targetCaveat(r *model.Report) string {
	text := "Judged by what was captured"
	if first, last := model.InputSpan(r.Captures); first != nil && len(r.Parts) < 2 { // there are gaps between parts
		text += " in " + words.Humane(last.UTC().Sub(first.UTC()))
	}
	text += ": what a client did not send in that time was not judged"
	if n := r.Summary.EncryptedStreams; n > 0 {
		text += fmt.Sprintf(", nor what is inside %s", words.Plural(n, "encrypted connection"))
	}
	return text + "."
}

// targetTitle names the target for a heading, without the name of a file.
func targetTitle(g *model.Target) string {
	if g.File == "" {
		return g.Name
	}
	return "the target (" + g.Name + ")"
}

// targetRemarks describe the source of the target's ranges and the basis of the verdicts.
func targetRemarks(g *model.Target, r *model.Report) []phrase {
	source := say("Source: " + g.Source)
	if g.File != "" {
		source = say(source, ", ", verbatim(g.File))
	}
	out := []phrase{source}
	for _, n := range g.Notes {
		out = append(out, say("Note: "+n))
	}
	return append(out, say(targetCaveat(r)))
}

// targetClientPhrase names the client by software and client ids.
func targetClientPhrase(c *model.TargetClient) phrase {
	var names []phrase
	switch {
	case c.Verdict == model.VerdictBrokers:
		names = append(names, say("brokers among themselves, "+c.Role))
	case c.SoftwareName != "":
		names = append(names, softwarePhrase(c.SoftwareName, c.SoftwareVersion))
	}
	if ids := slices.DeleteFunc(slices.Clone(c.ClientIDs), func(id string) bool { return id == "" }); len(ids) > 0 {
		names = append(names, say("client id ", some(ids, 2)))
	}
	who := join(names, ", ")
	switch {
	case c.Verdict == model.VerdictBrokers:
		return who
	case who == nil:
		who = say("unnamed")
	}
	var principals []string
	if c.Principal != "" {
		principals = []string{c.Principal}
	}
	who = say(who, ownerPhrase(principals, c.Processes))
	if len(c.Addresses) > 0 {
		who = say(who, " from ", targetAddresses(c))
	}
	return who
}

// breakingFirst returns the addresses of a client, those with certainly refused requests first.
func breakingFirst(c *model.TargetClient) []string {
	others := slices.DeleteFunc(slices.Clone(c.Addresses), func(a string) bool { return slices.Contains(c.BreakingAddresses, a) })
	return slices.Concat(c.BreakingAddresses, others)
}

// targetAddresses names two addresses of a client, breaking ones first, and counts the others.
func targetAddresses(c *model.TargetClient) phrase {
	addresses := breakingFirst(c)
	n := min(2, len(addresses))
	out := some(addresses[:n], n)
	if more := omittedAddresses(c) + int64(len(addresses)-n); more > 0 {
		text := words.Number(uint64(more)) + " more"
		if len(c.Addresses) >= model.MaxMembers { // the hosts of a merged report have different ones
			text = "at least " + text
		}
		out = say(out, " and "+text)
	}
	return out
}

// omittedAddresses counts the addresses that breakingFirst lacks. It has breaking ones beyond the
// first.
func omittedAddresses(c *model.TargetClient) int64 {
	return max(0, c.AddressesOmitted-int64(len(breakingFirst(c))-len(c.Addresses)))
}

// targetUses lists the requests that the target refuses, or may refuse: "OffsetCommit v1 (12
// times; the target accepts v2 to v9)". most bounds how many are named, 0 for all.
func targetUses(uses []model.TargetUse, certain bool, most int) string {
	var parts []string
	for i := range uses {
		u := &uses[i]
		if u.Certain != certain {
			continue
		}
		takes := "; the target does not support this API"
		switch {
		case u.Target != nil:
			takes = "; the target accepts " + u.Target.Text()
		case u.Reason == model.ReasonMayBeUnlisted:
			takes = ""
		}
		parts = append(parts, fmt.Sprintf("%s v%d (%s%s)", u.Name, u.Version, words.Times(u.Requests), takes))
	}
	if most > 0 {
		parts = words.Some(parts, most)
	}
	return words.List(parts)
}

// targetTable are the columns of the clients of a target, one row for each owner.
var targetTable = []struct {
	name string
	cell func(c *model.TargetClient) string
}{
	{"client_id", func(c *model.TargetClient) string { return strings.Join(c.ClientIDs, " ") }},
	{"principal", func(c *model.TargetClient) string { return c.Principal }},
	{"software_name", func(c *model.TargetClient) string { return c.SoftwareName }},
	{"software_version", func(c *model.TargetClient) string { return c.SoftwareVersion }},
	{"role", func(c *model.TargetClient) string { return c.Role }},
	{"addresses", func(c *model.TargetClient) string { return strings.Join(breakingFirst(c), " ") }},
	{"verdict", func(c *model.TargetClient) string { return c.Verdict }},
	{"breaks", func(c *model.TargetClient) string { return targetUses(c.APIs, true, 0) }},
	{"likely", func(c *model.TargetClient) string { return targetUses(c.APIs, false, 0) }},
	{"connections", func(c *model.TargetClient) string { return strconv.FormatUint(c.Connections, 10) }},
	{"requests", func(c *model.TargetClient) string { return strconv.FormatUint(c.Requests, 10) }},
	{"first_seen", func(c *model.TargetClient) string { return c.FirstSeen.String() }},
	{"last_seen", func(c *model.TargetClient) string { return c.LastSeen.String() }},
	{"processes", func(c *model.TargetClient) string { return strings.Join(processTexts(c.Processes), "; ") }},
	{"addresses_omitted", func(c *model.TargetClient) string { return strconv.FormatInt(omittedAddresses(c), 10) }},
	{"reason", func(c *model.TargetClient) string { return targetSays(c, 0) }},
}

// targetRows returns a header and a row for each client of a target, whose name is the last
// column.
func targetRows(t *model.Target) [][]string {
	rows := make([][]string, 1+len(t.Clients))
	for _, column := range targetTable {
		rows[0] = append(rows[0], column.name)
		for i := range t.Clients {
			rows[i+1] = append(rows[i+1], column.cell(&t.Clients[i]))
		}
	}
	rows[0] = append(rows[0], "target")
	for i := range t.Clients {
		rows[i+1] = append(rows[i+1], t.Name)
	}
	return rows
}

func targetSays(c *model.TargetClient, most int) string {
	n := &c.Counts
	if c.Verdict == model.VerdictBrokers {
		return words.Plural(c.Requests, "request") + ", not judged: brokers are upgraded together"
	}
	var parts []string
	if n.Breaks > 0 {
		parts = append(parts, targetUses(c.APIs, true, most))
	}
	switch {
	case n.Likely > 0 && n.Breaks > 0:
		parts = append(parts, "likely also "+targetUses(c.APIs, false, most))
	case n.Likely > 0:
		parts = append(parts, targetUses(c.APIs, false, most))
	}
	judged := n.Passes + n.Adapts
	switch {
	case judged == 0 && len(parts) == 0 && n.Unclear == 0:
		parts = append(parts, "sent nothing but ApiVersions")
	case n.Adapts > 0 && judged > 0:
		parts = append(parts, fmt.Sprintf("%s accepted, of which %s would be sent in another version", words.Plural(judged, "request"), words.Number(n.Adapts)))
	case judged > 0:
		parts = append(parts, words.Plural(judged, "request")+" accepted unchanged")
	}
	return strings.Join(append(parts, unclearTexts(c, most)...), "; ")
}

// targetSaysWhen adds to targetSays when a client that is not fine was seen, and on how many
// connections.
func targetSaysWhen(c *model.TargetClient, most int) string {
	text := targetSays(c, most)
	if c.Verdict == model.VerdictFine || c.Verdict == model.VerdictBrokers {
		return text
	}
	seen := momentText(c.FirstSeen)
	if seen != momentText(c.LastSeen) {
		seen += " to " + endText(c.FirstSeen, c.LastSeen)
	}
	return fmt.Sprintf("%s; seen on %s, %s UTC", text, words.Plural(c.Connections, "connection"), seen)
}

// unclearReasons are the words for the reasons why nothing can be said of a request.
var unclearReasons = []struct{ reason, text string }{
	{model.ReasonNegotiationUnseen, "the capture does not show whether the client negotiates"},
	{model.ReasonMayBeUnlisted, "the target may have the API without advertising it"},
}

// unclearTexts names the requests with an unknown result, and the reason.
func unclearTexts(c *model.TargetClient, most int) (texts []string) {
	const unclear = " of which nothing can be said"
	rest := c.Counts.Unclear // reports of before have no reasons
	for _, r := range unclearReasons {
		var uses []model.TargetUse
		n := uint64(0)
		for _, u := range c.UnclearAPIs {
			if u.Reason == r.reason {
				uses, n = append(uses, u), n+u.Requests
			}
		}
		if n > 0 {
			rest -= min(rest, n)
			texts = append(texts, words.Plural(n, "request")+unclear+", because "+r.text+": "+targetUses(uses, false, most))
		}
	}
	if rest > 0 {
		texts = append(texts, words.Plural(rest, "request")+unclear)
	}
	return texts
}

// unlistedClients counts the clients of a verdict that the text does not list. The report has
// shown rows of it, and the text lists at most most.
func unlistedClients(g *model.Target, verdict string, shown, most int) string {
	more, folded, noun := uint64(max(0, shown-most)), uint64(0), "more client"
	if n := g.Folded; n != nil && n.Of(verdict) != nil {
		folded = uint64(*n.Of(verdict))
	}
	if most == 0 {
		noun = "client"
	}
	var parts []string
	if more > 0 {
		parts = append(parts, words.Plural(more, noun)+" (--format json lists "+words.Agree(more, "it", "them")+")")
	}
	if folded > 0 {
		parts = append(parts, words.Plural(folded, "client")+" beyond the limit of the list")
	}
	return strings.Join(parts, ", ")
}

func (t *textReport) target() {
	g := t.r.Target
	if g == nil {
		return
	}
	t.blank()
	lead := "on " + targetTitle(g) + ": "
	style := t.style.good
	switch {
	case g.Summary.Breaks > 0:
		style = t.style.err
	case g.Summary.Likely+g.Summary.Unclear > 0 || g.Summary.Fine == 0:
		style = t.style.warning
	}
	for i, l := range wrap(Escape(lead)+targetHeadline(g), t.width, t.width-2) {
		t.line(strings.Repeat("  ", min(i, 1)) + style.Sprint(l))
	}
	most := func(verdict string) int {
		if verdict == model.VerdictFine && g.Summary.Fine > maxFineTexts {
			return 0
		}
		return maxTargetTexts
	}
	shown := map[string]int{}
	for i := range g.Clients {
		c := &g.Clients[i]
		if shown[c.Verdict]++; shown[c.Verdict] <= most(c.Verdict) {
			t.field(targetVerdicts[c.Verdict], textPhrase(targetClientPhrase(c))+": "+escapeLong(targetSaysWhen(c, maxTargetAPIs)))
		}
	}
	for _, v := range model.Verdicts {
		if text := unlistedClients(g, v, shown[v], most(v)); text != "" {
			t.field(targetVerdicts[v], text)
		}
	}
	for _, p := range targetRemarks(g, t.r) {
		t.item(textPhrase(p))
	}
}
