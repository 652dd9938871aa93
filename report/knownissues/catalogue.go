// Package knownissues is the catalogue of known bugs of clients and brokers, the
// built-in one (knownissues.yaml) and the user's own files, and finds the one
// that fits a finding. Files are bounded in length, depth and number of issues.
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
	// Possible: only the requests fit; nothing tells which software sent them.
	Possible
	// Likely: the client named its software but its version cannot be relied on,
	// or it named none and its client id is the software's default one, or the
	// range that the issue depends on was not seen.
	Likely
	// Certain: software and version were announced and are the ones that have
	// the bug, or the broker was named.
	Certain
)

// confidenceNames are the words of the levels, in JSON and in known-issues files.
var confidenceNames = [...]string{noMatch: "", Possible: "possible", Likely: "likely", Certain: "certain"}

// String is the word for c: "certain", "likely" or "possible", empty for no match.
func (c Confidence) String() string { return confidenceNames[c] }

// Mismatch is what a finding tells about its requests, as far as known issues go by it.
// What comes from the wire may be of any length and hold any bytes.
type Mismatch struct {
	// Code is the finding's ("KV1001").
	Code string
	// SoftwareName and SoftwareVersion are what the client announced (KIP-511), empty where it did not.
	SoftwareName, SoftwareVersion string
	// ClientID is the client id of the requests, empty without.
	ClientID string
	// HasAPI tells whether the finding is about requests of one API and version: APIKey and Version.
	HasAPI          bool
	APIKey, Version int16
	// HasRange tells whether the broker's range for APIKey is known: Min to Max.
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
	// isCode tells whether there is a finding of that code.
	isCode func(code string) bool
	// foreign are client ids that libraries use by default: where one of them
	// is seen and no client of an issue has it, another library is at work.
	foreign []wildcard
}

// issueFile is one file of issues.
type issueFile struct {
	name   string
	issues []issue
}

// issue is one entry. Empty lists do not restrict.
type issue struct {
	model.KnownIssue
	// line is where its id stands in its file, from 1.
	line int
	// reproduced names the capture in which it was seen, or says after "no: " why there is none.
	reproduced string
	// codes are the findings that it explains, outcomes how those went on.
	codes, outcomes []string
	sent            []sentRange
	// conditions hold for the broker's range; unknownRange is the most that a
	// match is worth where that range was not seen, noMatch for nothing.
	conditions   []rangeCondition
	unknownRange Confidence
	// serverNames are the brokers that have the bug.
	serverNames []wildcard
	clients     []issueClient
	// pattern: the requests alone make it Possible.
	pattern bool
}

// sentRange is an API with the versions, both ends included, that the bug sends.
type sentRange struct{ key, min, max int16 }

// issueClient is a piece of software that has the bug. Each binding of a library is one, since it announces a name
// and a version of its own.
type issueClient struct {
	// name is the announced software name, empty for an application that announces its library's.
	name string
	// versions restricts the version, nil for any. It is read from the announced
	// version behind the last versionAfter in it, or from a client id.
	versions     *semver.Constraints
	versionAfter string
	// also are announced versions that are none, and count as fitting.
	also []string
	// clientIDs are client ids that tell the software where it announced no
	// name, or announced library.
	clientIDs []wildcard
	library   string
	// most is the most that this client is worth, because says why it is not more.
	most    Confidence
	because string
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
		for i := range k.files[f].issues {
			candidate := &k.files[f].issues[i]
			if c, reason := k.match(candidate, &m); c > best {
				found, best, why = candidate, c, reason
			}
		}
		if found != nil {
			known := found.KnownIssue
			known.Confidence, known.ConfidenceReason = best.String(), why
			return known, best, true
		}
	}
	return model.KnownIssue{}, noMatch, false
}

// ByID returns the issue of that id. A user's file goes before the built-in issues.
func (k *Catalogue) ByID(id string) (model.KnownIssue, bool) {
	if k == nil || id == "" {
		return model.KnownIssue{}, false
	}
	k.load()
	for f := range k.files {
		for i := range k.files[f].issues {
			if issue := &k.files[f].issues[i]; issue.ID == id {
				return issue.KnownIssue, true
			}
		}
	}
	return model.KnownIssue{}, false
}

// match tells how sure it is that i is what m shows, and why it is not certain.
func (k *Catalogue) match(i *issue, m *Mismatch) (Confidence, string) {
	if !slices.Contains(i.codes, m.Code) || !i.sentIn(m) || !i.wentOn(m) {
		return noMatch, ""
	}
	if len(i.serverNames) > 0 && !anyMatches(i.serverNames, strings.ToLower(m.ServerName)) {
		return noMatch, ""
	}
	c, why := k.who(i, m)
	if r := i.rangeFits(m); r < c {
		return r, "the broker's range was not seen"
	}
	return c, why
}

// sentIn tells whether the request of m is one that the bug sends.
func (i *issue) sentIn(m *Mismatch) bool {
	if len(i.sent) == 0 {
		return true
	}
	return m.HasAPI && slices.ContainsFunc(i.sent, func(s sentRange) bool {
		return s.key == m.APIKey && s.min <= m.Version && m.Version <= s.max
	})
}

// wentOn tells whether a request of m ended in a way that the issue knows.
func (i *issue) wentOn(m *Mismatch) bool {
	if len(i.outcomes) == 0 || m.IsAhead {
		return true
	}
	return slices.ContainsFunc(i.outcomes, func(o string) bool { return m.Outcomes[o] > 0 })
}

// rangeFits tells how much a match is worth by the broker's range.
func (i *issue) rangeFits(m *Mismatch) Confidence {
	if len(i.conditions) == 0 {
		return Certain
	}
	if !m.HasRange || !m.HasAPI {
		return i.unknownRange
	}
	for _, c := range i.conditions {
		if !c.holds(m) {
			return noMatch
		}
	}
	return Certain
}

// who tells how sure it is that the client, or the broker, is one with the bug, and why it is not certain.
func (k *Catalogue) who(i *issue, m *Mismatch) (best Confidence, why string) {
	for n := range i.clients {
		if c, reason := i.clients[n].match(m); c > best {
			best, why = c, reason
		}
	}
	switch {
	case best > noMatch:
		return best, why
	case len(i.clients) == 0 && len(i.serverNames) > 0:
		return Certain, ""
	case i.pattern && m.SoftwareName == "" && !anyMatches(k.foreign, m.ClientID):
		return Possible, "only the request fits: the client announced no software"
	}
	return noMatch, ""
}

// match tells how sure it is that c sent the requests of m, and why it is not certain.
func (c *issueClient) match(m *Mismatch) (Confidence, string) {
	if c.name != "" && m.SoftwareName == c.name {
		switch {
		case !c.versionFits(m.SoftwareVersion):
			return noMatch, ""
		case c.most < Certain:
			return c.most, c.because
		}
		return Certain, ""
	}
	if m.SoftwareName != "" && m.SoftwareName != c.library && c.library != anyLibrary {
		return noMatch, ""
	}
	for _, id := range c.clientIDs {
		between, ok := id.match(m.ClientID)
		switch {
		case !ok || id.version && !constraintAllows(c.versions, between):
		case c.most < Likely:
			return c.most, c.because
		case m.SoftwareName != "":
			return Likely, "the client id fits, and the announced software does not tell the library"
		default:
			return Likely, "the client id fits, and the client announced no software"
		}
	}
	return noMatch, ""
}

// anyLibrary is a library that stands for any announced name.
const anyLibrary = "*"

// versionFits tells whether an announced version is one with the bug.
func (c *issueClient) versionFits(announced string) bool {
	if slices.Contains(c.also, announced) || c.versions == nil {
		return true
	}
	if c.versionAfter != "" {
		at := strings.LastIndex(announced, c.versionAfter)
		if at < 0 {
			return false
		}
		announced = announced[at+len(c.versionAfter):]
	}
	return constraintAllows(c.versions, announced)
}

// maxAnnounced is the longest version from the wire that is looked at, in bytes:
// a Go pseudo-version behind a binding's own has about 80.
const maxAnnounced = 128

// constraintAllows tells whether version is one that the constraint allows. What is no version does not fit.
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
	// compare tells whether the end of the range, its first argument, fits.
	compare func(end, operand int16) bool
	// operand is what the end is compared with unless sent is set.
	operand int16
	sent    bool
}

// holds tells whether the range of m meets c.
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

// match tells whether s is of the form of w, and what stands in its open part.
func (w wildcard) match(s string) (between string, ok bool) {
	if !w.open {
		return "", s == w.before
	}
	if len(s) < len(w.before)+len(w.after) || !strings.HasPrefix(s, w.before) || !strings.HasSuffix(s, w.after) {
		return "", false
	}
	return s[len(w.before) : len(s)-len(w.after)], true
}

// anyMatches tells whether s is of the form of one of them.
func anyMatches(ws []wildcard, s string) bool {
	return slices.ContainsFunc(ws, func(w wildcard) bool {
		_, ok := w.match(s)
		return ok
	})
}
