// Package knownissues is the catalogue of known bugs of clients and brokers: the built-in one (knownissues.yaml) and
// the user's own files. It finds the bug that fits a finding. Files are bounded in length, depth and number of issues.
// A Catalogue does not change once it is loaded and can be used by several goroutines.
package knownissues

import (
	"slices"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"

	"github.com/kafkavet/kafkavet/report/model"
)

// Confidence says what a match with a known issue rests on. The zero value is no match.
type Confidence uint8

// The levels of confidence, weakest first.
const (
	noMatch Confidence = iota
	// Possible: only the requests fit; nothing shows which software sent them.
	Possible
	// Likely: the client announced the software, but its version is not reliable. Or it
	// announced none, and its client id is the software's default one. Or the range that
	// the issue depends on was not seen.
	Likely
	// Certain: software and version were announced and are the ones that have
	// the bug, or the broker was named.
	Certain
)

// confidenceNames are the words of the levels, in JSON and in known-issues files.
var confidenceNames = [...]string{noMatch: "", Possible: model.MatchPossible, Likely: "likely", Certain: "certain"}

// String is the word for c: "certain", "likely" or "possible", empty for no match.
func (c Confidence) String() string { return confidenceNames[c] }

// Mismatch is what known issues are compared with: what a finding says of its requests.
// What comes from the wire may be of any length and hold any bytes.
type Mismatch struct {
	// Code is the finding's ("KV1001").
	Code string
	// SoftwareName and SoftwareVersion are what the client announced (KIP-511), empty where it did not.
	SoftwareName, SoftwareVersion string
	// ClientID is the client id of the requests, empty without.
	ClientID string
	// HasAPI reports whether the finding is about requests of one API and version: APIKey and Version.
	HasAPI          bool
	APIKey, Version int16
	// HasRange reports whether the broker's range for APIKey is known: Min to Max.
	// Where IsAhead it is the range of the target release.
	HasRange bool
	Min, Max int16
	// IsAhead: nothing was refused so far, so that outcomes say nothing (model.Finding.IsOnTarget).
	IsAhead bool
	// Outcomes counts the requests by outcome, in the words of the report ("closed").
	Outcomes map[string]uint64
	// ServerName is the host name by which the client asked for the broker (SNI), empty where unknown.
	ServerName string
}

// Catalogue is a catalogue of client and broker bugs. It does not change once
// it is loaded and can be used by several goroutines. A nil one matches nothing.
type Catalogue struct {
	// files are the user's files in their order, then the built-in one. Without a user's
	// file that is read when it is first needed: it takes longer than a small capture.
	files []issueFile
	later sync.Once
	// isCode reports whether there is a finding of that code.
	isCode func(code string) bool
}

// issueFile is one file of issues.
type issueFile struct {
	name string
	// DefaultClientIDs are client ids that libraries use by default: where one of them
	// is seen and no client of an issue has it, another library is at work.
	DefaultClientIDs []wildcard `yaml:"default_client_ids"`
	Issues           []issue    `yaml:"issues"`
}

// issue is one entry. Empty lists do not restrict. The head of knownissues.yaml says what the fields mean.
type issue struct {
	ID          placedText    `yaml:"id"`
	Title       text          `yaml:"title"`
	Clients     []issueClient `yaml:"clients"`
	ServerNames []wildcard    `yaml:"server_names"`
	Pattern     flag          `yaml:"pattern"`
	Sent        []sentRange   `yaml:"sent"`
	Range       conditions    `yaml:"range"`
	// UnknownRange is noMatch where the range must be known.
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

// known is the issue as the report shows it.
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
	// placedText has its line in the file, 0 where it is missing.
	placedText struct {
		text string
		line int
	}
	versionRange struct{ min, max int16 }
	conditions   []rangeCondition
	constraint   struct{ *semver.Constraints }
)

// sentRange is an API with the versions that the bug sends.
type sentRange struct {
	API      *apiKey       `yaml:"api"`
	Versions *versionRange `yaml:"versions"`
}

// issueClient is a piece of software that has the bug. Each binding of a library is one, since it announces a name
// and a version of its own.
type issueClient struct {
	// Name is empty for an application that announces its library's.
	Name text `yaml:"name"`
	// Versions is read from the announced version behind the last VersionAfter in it, or from a client id.
	Versions     constraint `yaml:"versions"`
	VersionAfter text       `yaml:"version_after"`
	Also         []text     `yaml:"also"`
	// ClientIDs identify the software where it announced no name, or announced Library.
	ClientIDs []wildcard `yaml:"client_ids"`
	Library   text       `yaml:"library"`
	// AtMost is the most that a match is worth, Because says why it is not more.
	AtMost  Confidence `yaml:"at_most"`
	Because text       `yaml:"because"`
}

// Match finds the issue that fits m best, and how sure that is; false without
// one. A user's file goes before the built-in issues, whatever the
// confidence; within a file the higher confidence wins, then the order.
func (k *Catalogue) Match(m Mismatch) (model.KnownIssue, Confidence, bool) {
	if k == nil {
		return model.KnownIssue{}, noMatch, false
	}
	k.load()
	for f := range k.files {
		var found *issue
		best, why := noMatch, ""
		for i := range k.files[f].Issues {
			candidate := &k.files[f].Issues[i]
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

// ByID returns the issue of that id. A user's file goes before the built-in issues.
func (k *Catalogue) ByID(id string) (model.KnownIssue, bool) {
	if k == nil {
		return model.KnownIssue{}, false
	}
	k.load()
	found := k.byID(id)
	if found.issue == nil {
		return model.KnownIssue{}, false
	}
	return found.known(), true
}

// match returns how sure it is that i is what m shows, and why it is not certain.
func (k *Catalogue) match(i *issue, m *Mismatch) (Confidence, string) {
	if !slices.ContainsFunc(i.Codes, func(c placedText) bool { return c.text == m.Code }) || !i.sentIn(m) || !i.wentOn(m) {
		return noMatch, ""
	}
	if len(i.ServerNames) > 0 && !anyMatches(i.ServerNames, strings.ToLower(m.ServerName)) {
		return noMatch, ""
	}
	c, why := k.who(i, m)
	if r := i.rangeFits(m); r < c {
		return r, "the broker's range was not seen"
	}
	return c, why
}

// sentIn reports whether the request of m is one that the bug sends.
func (i *issue) sentIn(m *Mismatch) bool {
	if len(i.Sent) == 0 {
		return true
	}
	return m.HasAPI && slices.ContainsFunc(i.Sent, func(s sentRange) bool {
		return int16(*s.API) == m.APIKey && s.Versions.min <= m.Version && m.Version <= s.Versions.max
	})
}

// wentOn reports whether a request of m ended in a way that the issue knows.
func (i *issue) wentOn(m *Mismatch) bool {
	if len(i.Outcomes) == 0 || m.IsAhead {
		return true
	}
	return slices.ContainsFunc(i.Outcomes, func(o outcome) bool { return m.Outcomes[string(o)] > 0 })
}

// rangeFits returns how much a match is worth by the broker's range.
func (i *issue) rangeFits(m *Mismatch) Confidence {
	if len(i.Range) == 0 {
		return Certain
	}
	if !m.HasRange || !m.HasAPI {
		return i.UnknownRange
	}
	for _, c := range i.Range {
		if !c.holds(m) {
			return noMatch
		}
	}
	return Certain
}

// who returns how sure it is that the client, or the broker, is one with the bug, and why it is not certain.
func (k *Catalogue) who(i *issue, m *Mismatch) (best Confidence, why string) {
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
	case bool(i.Pattern) && m.SoftwareName == "" && !k.isDefault(m.ClientID):
		return Possible, "only the request fits: the client announced no software"
	}
	return noMatch, ""
}

func (k *Catalogue) isDefault(clientID string) bool {
	return slices.ContainsFunc(k.files, func(f issueFile) bool { return anyMatches(f.DefaultClientIDs, clientID) })
}

// match returns how sure it is that c sent the requests of m, and why it is not certain.
func (c *issueClient) match(m *Mismatch) (Confidence, string) {
	if c.Name != "" && m.SoftwareName == string(c.Name) {
		switch {
		case !c.versionFits(m.SoftwareVersion):
			return noMatch, ""
		case c.AtMost < Certain:
			return c.AtMost, string(c.Because)
		}
		return Certain, ""
	}
	if m.SoftwareName != "" && m.SoftwareName != string(c.Library) && c.Library != anyLibrary {
		return noMatch, ""
	}
	for _, id := range c.ClientIDs {
		between, ok := id.match(m.ClientID)
		switch {
		case !ok || id.version && !constraintAllows(c.Versions.Constraints, between):
		case c.AtMost < Likely:
			return c.AtMost, string(c.Because)
		case m.SoftwareName != "":
			return Likely, "the client id fits, and the announced software does not name the library"
		default:
			return Likely, "the client id fits, and the client announced no software"
		}
	}
	return noMatch, ""
}

// anyLibrary is a library that stands for any announced name.
const anyLibrary = "*"

// versionFits reports whether an announced version is one with the bug.
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

// maxAnnounced is the longest version from the wire that is looked at, in bytes:
// a Go pseudo-version behind a binding's own has about 80.
const maxAnnounced = 128

// constraintAllows reports whether version is one that the constraint allows. What is no version does not fit.
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

// rangeCondition compares an end of the broker's range with a number or with the version sent.
type rangeCondition struct {
	// ofMax: the max is compared, else the min.
	ofMax bool
	// compare reports whether the end of the range, its first argument, fits.
	compare func(end, operand int16) bool
	// operand is what the end is compared with unless sent is set.
	operand int16
	sent    bool
}

// holds reports whether the range of m meets c.
func (c rangeCondition) holds(m *Mismatch) bool {
	end, operand := m.Min, c.operand
	if c.ofMax {
		end = m.Max
	}
	if c.sent {
		operand = m.Version
	}
	return c.compare(end, operand)
}

// wildcard is a text with at most one part left open.
type wildcard struct {
	before, after string
	// open: between before and after may stand anything; version: a version stands there.
	open, version bool
}

func (w wildcard) isEmpty() bool { return w.before+w.after == "" }

// match reports whether s is of the form of w, and what stands in its open part.
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
