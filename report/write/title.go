package write

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
)

// title says in one line who did what and what fixes it: "sarama 1.38.0 sends Metadata v10 to
// 10.0.0.1:9092, which supports up to v8; fixed in 1.46.0". It may contain names from the wire.
func title(f *model.Finding) string { return titleOf(f, actor(f.Client)) }

// titles returns the titles of findings. Equal ones of the same software also name the client id.
func titles(findings []model.Finding) []string {
	out, count := make([]string, len(findings)), map[string]int{}
	for i := range findings {
		out[i] = title(&findings[i])
		count[findings[i].Code+out[i]]++
	}
	for i := range findings {
		f := &findings[i]
		if who := actor(f.Client); count[f.Code+out[i]] > 1 && who != unnamedClient {
			if id := shorten(value(f.Client.ClientID)); id != who && id != "" {
				out[i] = titleOf(f, who+" (client id "+id+")")
			}
		}
	}
	return out
}

// titleOf returns the title of f. who is the name of its client.
func titleOf(f *model.Finding, who string) string {
	text, request := f.Message, requestText(f)
	to := shorten(f.Broker)
	if rest, ok := strings.CutPrefix(f.Message, request+" sent"); ok && request != "" {
		text = who + " sends " + request
		if to != "" && !f.IsOnTarget() {
			text += " to " + to
			if course, ok := strings.CutPrefix(rest, ", the broker "); ok {
				rest = ", which " + course
			}
		}
		text += cmp.Or(limit(f), rest)
	} else {
		parties := []string{}
		if f.Client != nil && who != unnamedClient {
			parties = append(parties, who)
		}
		if to != "" {
			parties = append(parties, to)
		}
		if len(parties) > 0 {
			text = strings.Join(parties, " to ") + ": " + f.Message
		}
	}
	if k := f.KnownIssue; k != nil && k.FixedIn != "" && k.Confidence != model.MatchPossible {
		text += "; fixed in " + shorten(k.FixedIn)
	}
	return text
}

// Title is title, escaped.
func Title(f *model.Finding) string { return escapeLong(title(f)) }

// actor names the client of a finding by its software or, without one, by its client id.
func actor(c *model.FindingClient) string {
	switch {
	case c == nil:
	case c.SoftwareName != "" || c.SoftwareVersion != "":
		return shorten(strings.TrimSpace(c.SoftwareName + " " + c.SoftwareVersion))
	case value(c.ClientID) != "":
		return shorten(*c.ClientID)
	}
	return unnamedClient
}

const unnamedClient = "a client"

// limit says what the broker supports, as a clause after a request outside it, otherwise "".
func limit(f *model.Finding) string {
	switch {
	case f.Code == model.CodeNotAdvertised:
		return ", which does not advertise it"
	case f.Advertised == nil || f.Version == nil || f.IsOnTarget():
	case *f.Version > f.Advertised.Max:
		return fmt.Sprintf(", which supports up to v%d", f.Advertised.Max)
	case *f.Version < f.Advertised.Min:
		return fmt.Sprintf(", which supports v%d or higher", f.Advertised.Min)
	}
	return ""
}
