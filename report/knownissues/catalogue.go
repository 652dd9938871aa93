// Package knownissues is the catalogue of known bugs of clients and brokers: the built-in file
// (knownissues.yaml) and the user's own files. It finds the bug that matches a finding. The
// length, depth and number of issues of a file are bounded. A Catalogue does not change after it
// is loaded; several goroutines can use it.
package knownissues

import (
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/kafkavet/kafkavet/report/model"
)

// Confidence says how certain the match with a known issue is. The zero value is no match.
type Confidence uint8

// The levels of confidence, weakest first.
const (
	noMatch Confidence = iota
	// Possible: only the requests match. Nothing shows which software sent them.
	Possible
	// Likely: the client announced the software, but its version is not reliable. Or it announced
	// nothing, and its client id is the default of the software. Or the range on which the issue
	// depends was not captured.
	Likely
	// Certain: the client announced software and version with the bug, or the broker matches.
	Certain
)

// confidenceNames are the names of the levels, in JSON and in known-issues files.
var confidenceNames = [...]string{noMatch: "", Possible: model.MatchPossible, Likely: "likely", Certain: "certain"}

// String returns "certain", "likely" or "possible"; empty for no match.
func (c Confidence) String() string { return confidenceNames[c] }

// candidate is a finding that known issues are compared with. Text from the wire may have any
// length and any bytes.
type candidate struct {
	*model.Finding
	// client is the zero value for none, clientID empty for none.
	client   model.FindingClient
	clientID string
	// broker is the broker's range for the API, or that of the target release; nil if unknown.
	broker     *model.Range
	isAnswered bool
	serverName string
}

// Catalogue is a catalogue of client and broker bugs. It does not change after it is loaded;
// several goroutines can use it. A nil one matches nothing.
type Catalogue struct {
	// files are the user's files in their order, then the built-in file. It is empty without a
	// user's file (see all).
	files []issueFile
}

type issueFile struct {
	name string
	// DefaultClientIDs are client ids that libraries use by default. If a client has one of them
	// and no client of an issue does, another library sent the request.
	DefaultClientIDs []wildcard `yaml:"default_client_ids"`
	Issues           []issue    `yaml:"issues"`
}

// issue is one entry. Empty lists do not restrict. knownissues.yaml explains the fields.
type issue struct {
	ID          placedText    `yaml:"id"`
	Title       text          `yaml:"title"`
	Clients     []issueClient `yaml:"clients"`
	ServerNames []wildcard    `yaml:"server_names"`
	Pattern     flag          `yaml:"pattern"`
	Answered    flag          `yaml:"answered"`
	Sent        []sentRange   `yaml:"sent"`
	Range       conditions    `yaml:"range"`
	// UnknownRange is noMatch if the range must be known.
	UnknownRange Confidence   `yaml:"unknown_range"`
	Codes        []placedText `yaml:"codes"`
	Outcomes     []outcome    `yaml:"outcomes"`
	URL          link         `yaml:"url"`
	See          []link       `yaml:"see"`
	FixedIn      text         `yaml:"fixed_in"`
	Workaround   text         `yaml:"workaround"`
	Source       text         `yaml:"source"`
	Reproduced   text         `yaml:"reproduced"`
}

func (i *issue) known() model.KnownIssue {
	return model.KnownIssue{ID: i.ID.text, Title: string(i.Title), URL: string(i.URL), FixedIn: string(i.FixedIn), Workaround: string(i.Workaround)}
}

// The types of fields. A text is one line of printable characters.
type (
	text    string
	link    string
	flag    bool
	outcome string
	apiKey  int16
	// placedText has its line in the file; 0 if it is missing.
	placedText struct {
		text string
		line int
	}
	versionRange struct{ min, max int16 }
	conditions   []rangeCondition
	constraint   struct{ *semver.Constraints }
)

// sentRange is an API with the versions that software with the bug sends.
type sentRange struct {
	API      *apiKey       `yaml:"api"`
	Versions *versionRange `yaml:"versions"`
}

// issueClient is software with the bug. Each binding of a library is a separate entry, because it
// announces its own name and version.
type issueClient struct {
	// Name is empty for an application that announces the name of its library.
	Name text `yaml:"name"`
	// Versions restricts the version. The version is the announced one after the last VersionAfter
	// in it, or is part of a client id.
	Versions     constraint `yaml:"versions"`
	VersionAfter text       `yaml:"version_after"`
	Also         []text     `yaml:"also"`
	// ClientIDs identify the software if it announced no name, or announced Library.
	ClientIDs []wildcard `yaml:"client_ids"`
	Library   text       `yaml:"library"`
	// AtMost is the highest confidence of a match. Because says why it is not higher.
	AtMost  Confidence `yaml:"at_most"`
	Because text       `yaml:"because"`
}

// Match returns the issue that matches a finding best, and its confidence; false for none. Issues
// of a user's file precede the built-in ones with any confidence. Within a file the highest
// confidence wins, then the first issue. isAnswered: the address answered other requests.
// serverName is the host name that the client requested (SNI); empty if unknown.
func (k *Catalogue) Match(f *model.Finding, isAnswered bool, serverName string) (model.KnownIssue, Confidence, bool) {
	if k == nil {
		return model.KnownIssue{}, noMatch, false
	}
	m := candidate{Finding: f, broker: f.Advertised, isAnswered: isAnswered, serverName: serverName}
	if f.IsOnTarget() {
		m.broker = f.Target
	}
	if f.Client != nil {
		m.client = *f.Client
	}
	if m.client.ClientID != nil {
		m.clientID = *m.client.ClientID
	}
	for _, f := range k.all() {
		var found *issue
		best, why := noMatch, ""
		for i := range f.Issues {
			candidate := &f.Issues[i]
			if c, reason := k.match(candidate, &m); c > best {
				found, best, why = candidate, c, reason
			}
		}
		if found != nil {
			known := found.known()
			known.Confidence, known.ConfidenceReason = best.String(), why
			return known, best, true
		}
	}
	return model.KnownIssue{}, noMatch, false
}

// ByID returns the issue with that id. Issues of a user's file precede the built-in ones.
func (k *Catalogue) ByID(id string) (model.KnownIssue, bool) {
	if k == nil {
		return model.KnownIssue{}, false
	}
	found := byID(k.all(), id)
	if found.issue == nil {
		return model.KnownIssue{}, false
	}
	return found.known(), true
}

// match returns the confidence that m shows i, and why it is not certain.
func (k *Catalogue) match(i *issue, m *candidate) (Confidence, string) {
	if !slices.ContainsFunc(i.Codes, func(c placedText) bool { return c.text == m.Code }) || !i.sentIn(m) || !i.hasOutcome(m) {
		return noMatch, ""
	}
	if bool(i.Answered) && !m.isAnswered || len(i.ServerNames) > 0 && !anyMatches(i.ServerNames, strings.ToLower(m.serverName)) {
		return noMatch, ""
	}
	c, why := k.bestClient(i, m)
	if r := i.rangeFits(m); r < c {
		return r, "the broker's range was not seen"
	}
	return c, why
}

func (i *issue) sentIn(m *candidate) bool {
	if len(i.Sent) == 0 {
		return true
	}
	return m.APIKey != nil && slices.ContainsFunc(i.Sent, func(s sentRange) bool {
		return int16(*s.API) == *m.APIKey && s.Versions.min <= *m.Version && *m.Version <= s.Versions.max
	})
}

// hasOutcome reports whether a request of m had an outcome that the issue lists.
func (i *issue) hasOutcome(m *candidate) bool {
	if len(i.Outcomes) == 0 || m.IsOnTarget() {
		return true
	}
	return slices.ContainsFunc(i.Outcomes, func(o outcome) bool { return m.Outcomes[string(o)] > 0 })
}

// rangeFits returns the highest confidence that the broker's range allows.
func (i *issue) rangeFits(m *candidate) Confidence {
	if len(i.Range) == 0 {
		return Certain
	}
	if m.broker == nil || m.APIKey == nil {
		return i.UnknownRange
	}
	for _, c := range i.Range {
		if !c.holds(m) {
			return noMatch
		}
	}
	return Certain
}

// bestClient returns the confidence that client or broker has the bug, and why it is not certain.
func (k *Catalogue) bestClient(i *issue, m *candidate) (best Confidence, why string) {
	for n := range i.Clients {
		if c, reason := i.Clients[n].match(m); c > best {
			best, why = c, reason
		}
	}
	switch {
	case best > noMatch:
		return best, why
	case len(i.Clients) == 0 && len(i.ServerNames) > 0:
		return Certain, ""
	case bool(i.Pattern) && m.client.SoftwareName == "" && !k.isDefault(m.clientID):
		return Possible, "only the request fits: the client announced no software"
	}
	return noMatch, ""
}

func (k *Catalogue) isDefault(clientID string) bool {
	return slices.ContainsFunc(k.all(), func(f issueFile) bool { return anyMatches(f.DefaultClientIDs, clientID) })
}

// match returns the confidence that c sent the requests of m, and why it is not certain.
func (c *issueClient) match(m *candidate) (Confidence, string) {
	if c.Name != "" && m.client.SoftwareName == string(c.Name) {
		switch {
		case !c.versionFits(m.client.SoftwareVersion):
			return noMatch, ""
		case c.AtMost < Certain:
			return c.AtMost, string(c.Because)
		}
		return Certain, ""
	}
	if m.client.SoftwareName != "" && m.client.SoftwareName != string(c.Library) && c.Library != anyLibrary {
		return noMatch, ""
	}
	for _, id := range c.ClientIDs {
		between, ok := id.match(m.clientID)
		switch {
		case !ok || id.version && !constraintAllows(c.Versions.Constraints, between):
		case c.AtMost < Likely:
			return c.AtMost, string(c.Because)
		case m.client.SoftwareName != "":
			return Likely, "the client id fits, and the announced software does not name the library"
		default:
			return Likely, "the client id fits, and the client announced no software"
		}
	}
	return noMatch, ""
}

// anyLibrary is the Library that matches any announced name.
const anyLibrary = "*"

func (c *issueClient) versionFits(announced string) bool {
	if slices.Contains(c.Also, text(announced)) || c.Versions.Constraints == nil {
		return true
	}
	if c.VersionAfter != "" {
		at := strings.LastIndex(announced, string(c.VersionAfter))
		if at < 0 {
			return false
		}
		announced = announced[at+len(c.VersionAfter):]
	}
	return constraintAllows(c.Versions.Constraints, announced)
}

// maxAnnounced is the longest version from the wire that is parsed, in bytes. A Go pseudo-version
// after the version of a binding has about 80.
const maxAnnounced = 128

// constraintAllows reports whether version is valid and the constraint allows it.
func constraintAllows(versions *semver.Constraints, version string) bool {
	if versions == nil {
		return true
	}
	if len(version) > maxAnnounced {
		return false
	}
	v, err := semver.NewVersion(version)
	return err == nil && versions.Check(v)
}

// rangeCondition compares one end of the broker's range with a number or with the sent version.
type rangeCondition struct {
	// ofMax: compare the max, otherwise the min.
	ofMax bool
	// compare reports whether the end of the range satisfies the condition.
	compare func(end, operand int16) bool
	// operand is the number to compare with, unless sent is set.
	operand int16
	sent    bool
}

func (c rangeCondition) holds(m *candidate) bool {
	end, operand := m.broker.Min, c.operand
	if c.ofMax {
		end = m.broker.Max
	}
	if c.sent {
		operand = *m.Version
	}
	return c.compare(end, operand)
}

// wildcard is a text with at most one open part.
type wildcard struct {
	before, after string
	// open: any text may be between before and after. version: it is a version.
	open, version bool
}

func (w wildcard) isEmpty() bool { return w.before+w.after == "" }

// match reports whether s matches w, and returns the text in its open part.
func (w wildcard) match(s string) (between string, ok bool) {
	if !w.open {
		return "", s == w.before
	}
	if len(s) < len(w.before)+len(w.after) || !strings.HasPrefix(s, w.before) || !strings.HasSuffix(s, w.after) {
		return "", false
	}
	return s[len(w.before) : len(s)-len(w.after)], true
}

func anyMatches(ws []wildcard, s string) bool {
	return slices.ContainsFunc(ws, func(w wildcard) bool {
		_, ok := w.match(s)
		return ok
	})
}
