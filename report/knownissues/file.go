package knownissues

import (
	"cmp"
	_ "embed" // for the built-in known issues
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// builtInIssues is the catalogue that comes with the program; its head says what the fields mean.
//
//go:embed knownissues.yaml
var builtInIssues []byte

// builtInName stands for a file name in messages about builtInIssues.
const builtInName = "the built-in ones"

// The bounds of a known-issues file. It is the user's own, but may have come from anywhere.
const (
	// maxIssueFile is its size: the built-in one has some 20 KiB. Splitting 1 MiB
	// of the worst text into YAML tokens takes about a second.
	maxIssueFile = 1 << 20
	// maxIssues is the number of entries: 1 KiB each is the file's size, and a
	// thousand of them that all fit as far as the version take a finding 3 ms.
	maxIssues = 1000
	// maxIssueText is the length of one text in bytes, maxIssueID that of an id.
	maxIssueText, maxIssueID = 2000, 64
	// maxFlowDepth is how deep [ and { may be nested, maxEntriesOnLine how many
	// "- " one line may have: the YAML parser calls itself for each, takes
	// quadratic time and ends on the limit of Go's stack, a crash that cannot be
	// caught. maxFieldsInRow bounds nesting by indentation.
	maxFlowDepth, maxEntriesOnLine = 4, 2
	// maxFieldsInRow is how many fields may follow each other without a "- ": 16
	// of an issue and 7 for each of 30 clients in one pair of brackets. The parser
	// needs quadratic time for the fields of one mapping, 140 s for a file full of them.
	// maxEntries is the number of "- " in the file, 16 for each issue: 130,000 take 8 s.
	maxFieldsInRow, maxEntries = 226, 16 * maxIssues
)

// Load reads the built-in known issues and the user's own files,
// which go before them. An id may be used once only. isCode tells whether there
// is a finding of that code. Errors name the file, the line and the field.
func Load(isCode func(code string) bool, paths ...string) (*Catalogue, error) {
	k := &Catalogue{isCode: isCode}
	if len(paths) == 0 {
		return k, nil
	}
	for _, path := range paths {
		data, err := readIssueFile(path)
		if err != nil {
			var named *fs.PathError // the path is in the message already
			if errors.As(err, &named) {
				err = named.Err
			}
			return nil, fmt.Errorf("read known issues %s: %w", path, err)
		}
		if err := k.add(path, data); err != nil {
			return nil, err
		}
	}
	if err := k.add(builtInName, builtInIssues); err != nil {
		return nil, err
	}
	return k, nil
}

// readIssueFile reads a file that is no longer than maxIssueFile.
func readIssueFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIssueFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxIssueFile {
		return nil, fmt.Errorf("longer than %d bytes", maxIssueFile)
	}
	return data, nil
}

// load reads the built-in issues if no file was loaded. That they can be read is tested.
func (k *Catalogue) load() {
	k.later.Do(func() {
		if len(k.files) > 0 {
			return
		}
		if err := k.add(builtInName, builtInIssues); err != nil {
			panic(err)
		}
	})
}

// add parses a file and appends what is in it.
func (k *Catalogue) add(name string, data []byte) error {
	issues, foreign, err := parseIssues(data, k.isCode)
	if err != nil {
		return fmt.Errorf("read known issues %s: %w", name, err)
	}
	k.files = append(k.files, issueFile{name, issues})
	k.foreign = append(k.foreign, foreign...)
	for i := range issues {
		here, file, n, other := &issues[i], name, i, k.byID(issues[i].ID)
		if other.issue == here {
			continue
		}
		if name == builtInName { // it is the user's file that is to be changed
			here, file, n, other = other.issue, other.file, other.index, issuePlace{here, name, i}
		}
		return fmt.Errorf("read known issues %s: line %d: issues[%d].id: %q is used already in %s, line %d",
			file, here.line, n, here.ID, other.file, other.issue.line)
	}
	return nil
}

// issuePlace says where an issue is written.
type issuePlace struct {
	*issue
	file  string
	index int
}

// byID finds the first issue with an id, one without issue if there is none.
func (k *Catalogue) byID(id string) issuePlace {
	for f := range k.files {
		for i := range k.files[f].issues {
			if k.files[f].issues[i].ID == id {
				return issuePlace{&k.files[f].issues[i], k.files[f].name, i}
			}
		}
	}
	return issuePlace{}
}

// yamlFile is a known-issues file as it is written.
type yamlFile struct {
	DefaultClientIDs []yamlText  `yaml:"default_client_ids"`
	Issues           []yamlIssue `yaml:"issues"`
}

// yamlIssue is one entry as it is written.
type yamlIssue struct {
	ID           yamlText     `yaml:"id"`
	Title        yamlText     `yaml:"title"`
	Clients      []yamlClient `yaml:"clients"`
	ServerNames  []yamlText   `yaml:"server_names"`
	Pattern      yamlText     `yaml:"pattern"`
	Sent         []yamlSent   `yaml:"sent"`
	Range        yamlText     `yaml:"range"`
	UnknownRange yamlText     `yaml:"unknown_range"`
	Codes        []yamlText   `yaml:"codes"`
	Outcomes     []yamlText   `yaml:"outcomes"`
	URL          yamlText     `yaml:"url"`
	See          []yamlText   `yaml:"see"`
	FixedIn      yamlText     `yaml:"fixed_in"`
	Workaround   yamlText     `yaml:"workaround"`
	Source       yamlText     `yaml:"source"`
	Reproduced   yamlText     `yaml:"reproduced"`
}

// yamlClient is a client as it is written.
type yamlClient struct {
	Name         yamlText   `yaml:"name"`
	Versions     yamlText   `yaml:"versions"`
	VersionAfter yamlText   `yaml:"version_after"`
	Also         []yamlText `yaml:"also"`
	ClientIDs    []yamlText `yaml:"client_ids"`
	Library      yamlText   `yaml:"library"`
	AtMost       yamlText   `yaml:"at_most"`
	Because      yamlText   `yaml:"because"`
}

// yamlSent is an API with versions as it is written.
type yamlSent struct {
	API      yamlText `yaml:"api"`
	Versions yamlText `yaml:"versions"`
}

// yamlText is a text, or a number as it was written, with its line, 0 where it is missing.
type yamlText struct {
	text string
	line int
}

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (t *yamlText) UnmarshalYAML(node ast.Node) error {
	t.line = node.GetToken().Position.Line
	field := strings.TrimPrefix(node.GetPath(), "$.")
	switch n := node.(type) {
	case *ast.LiteralNode:
		t.text = strings.TrimSuffix(n.Value.Value, "\n")
	case ast.ScalarNode:
		t.text = n.GetToken().Value
	default:
		return fieldError(t.line, field, "is no text")
	}
	if len(t.text) == 0 || len(t.text) > maxIssueText {
		return fieldError(t.line, field, "has %d bytes, not 1 to %d", len(t.text), maxIssueText)
	}
	if strings.ContainsFunc(t.text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\ufffd' }) {
		return fieldError(t.line, field, "holds a control character or a line break")
	}
	return nil
}

// fieldError says what is wrong with a field.
func fieldError(line int, field, format string, args ...any) error {
	return fmt.Errorf("line %d: %s: %s", line, field, fmt.Sprintf(format, args...))
}

// parseIssues reads a known-issues file.
func parseIssues(data []byte, isCode func(string) bool) ([]issue, []wildcard, error) {
	written, err := parseYAML(data)
	if err != nil {
		return nil, nil, err
	}
	if len(written.Issues) == 0 && len(written.DefaultClientIDs) == 0 {
		return nil, nil, fieldError(1, "issues", "is missing")
	}
	if len(written.Issues) > maxIssues {
		return nil, nil, fieldError(written.Issues[maxIssues].ID.line, "issues", "has %d entries, more than %d", len(written.Issues), maxIssues)
	}
	b := issueBuilder{isCode: isCode}
	foreign := b.wildcards(written.DefaultClientIDs, "default_client_ids")
	issues := make([]issue, len(written.Issues))
	for i := range issues {
		b.path, b.line = fmt.Sprintf("issues[%d]", i), max(b.line, written.Issues[i].ID.line, 1)
		issues[i] = b.issue(&written.Issues[i])
	}
	return issues, foreign, b.err
}

// parseYAML reads the YAML of a known-issues file.
func parseYAML(data []byte) (written yamlFile, err error) {
	tokens := lexer.Tokenize(string(data))
	if err := checkTokens(tokens); err != nil {
		return written, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return written, yamlError(err)
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return written, nil
	}
	if err := yaml.NodeToValue(file.Docs[0].Body, &written, yaml.Strict()); err != nil {
		return written, yamlError(err)
	}
	return written, nil
}

// checkTokens refuses what a known-issues file has no use for and what could
// make the YAML parser work for very long, before it sees it.
func checkTokens(tokens token.Tokens) error {
	depth, line, onLine, entries, fields := 0, 0, 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.DirectiveType, token.MappingKeyType:
			return fieldError(line, strconv.Quote(t.Value), "anchors, aliases, tags, directives and ? keys are not used in this file")
		case token.DocumentHeaderType, token.DocumentEndType:
			return fieldError(line, strconv.Quote(t.Value), "the file is one document without document marks")
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			onLine++
			entries++
			fields = 0
		case token.MappingValueType:
			fields++
		}
		switch {
		case depth > maxFlowDepth || onLine > maxEntriesOnLine:
			return fieldError(line, strconv.Quote(t.Value), "nested too deep")
		case fields > maxFieldsInRow:
			return fieldError(line, strconv.Quote(t.Value), "more than %d fields in a row", maxFieldsInRow)
		case entries > maxEntries:
			return fieldError(line, strconv.Quote(t.Value), "more than %d entries", maxEntries)
		}
	}
	return nil
}

// yamlError is an error of the YAML library with its line, without the excerpt that the library adds.
func yamlError(err error) error {
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		return fieldError(unknown.Token.Position.Line, issueMessage(unknown.Token.Value), "there is no such field")
	}
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return fmt.Errorf("line %d: %s", e.GetToken().Position.Line, issueMessage(e.GetMessage()))
	}
	return errors.New(issueMessage(err.Error()))
}

// issueMessage is a message that may quote the file, fit for a terminal.
func issueMessage(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// issueBuilder turns what is written into issues and keeps the first error.
type issueBuilder struct {
	isCode func(code string) bool
	err    error
	// path is the entry that is being read, line the line of its id.
	path string
	line int
}

// fail keeps the first error. A missing field has no line: the entry's is taken.
func (b *issueBuilder) fail(line int, field, format string, args ...any) {
	if b.err != nil {
		return
	}
	if line == 0 {
		line = b.line
	}
	b.err = fieldError(line, field, format, args...)
}

// issue reads one entry.
func (b *issueBuilder) issue(w *yamlIssue) issue {
	i := issue{line: w.ID.line, KnownIssue: model.KnownIssue{
		ID: b.id(w.ID), Title: b.required(w.Title, "title"), URL: b.url(w.URL, "url"),
		FixedIn: w.FixedIn.text, Workaround: w.Workaround.text,
	}, reproduced: w.Reproduced.text}
	b.required(w.Source, "source")
	for n, see := range w.See {
		b.url(see, fmt.Sprintf("see[%d]", n))
	}
	i.codes = b.codes(w.Codes)
	i.outcomes = b.outcomes(w.Outcomes)
	i.sent = b.sent(w.Sent)
	i.conditions = b.conditions(w.Range)
	i.unknownRange = b.confidence(w.UnknownRange, "unknown_range", noMatch)
	for n := range w.ServerNames {
		w.ServerNames[n].text = strings.ToLower(w.ServerNames[n].text)
	}
	i.serverNames = b.wildcards(w.ServerNames, b.path+".server_names")
	i.pattern = b.flag(w.Pattern, "pattern")
	for n := range w.Clients {
		i.clients = append(i.clients, b.client(&w.Clients[n], fmt.Sprintf("clients[%d]", n)))
	}
	if len(i.clients) == 0 && len(i.serverNames) == 0 && !i.pattern {
		b.fail(0, b.path+".clients", "is missing, and so are server_names and pattern: nothing would tell who has the bug")
	}
	return i
}

// id reads an id: lower-case letters, digits, dots and hyphens.
func (b *issueBuilder) id(t yamlText) string {
	if t.line == 0 || len(t.text) > maxIssueID || strings.Trim(t.text, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		b.fail(t.line, b.path+".id", "%q is not of 1 to %d lower-case letters, digits, dots and hyphens", t.text, maxIssueID)
	}
	return t.text
}

// required reads a text that must be there.
func (b *issueBuilder) required(t yamlText, field string) string {
	if t.line == 0 {
		b.fail(0, b.path+"."+field, "is missing")
	}
	return t.text
}

// url reads a link that must be there: the report shows it to be followed.
func (b *issueBuilder) url(t yamlText, field string) string {
	u, err := url.Parse(t.text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		b.fail(t.line, b.path+"."+field, "%q is no http or https address", t.text)
	}
	return t.text
}

// codes reads finding codes, of which there must be one.
func (b *issueBuilder) codes(ts []yamlText) (codes []string) {
	for n, t := range ts {
		if !b.isCode(t.text) {
			b.fail(t.line, fmt.Sprintf("%s.codes[%d]", b.path, n), "%q is no finding code like KV1001", t.text)
		}
		codes = append(codes, t.text)
	}
	if len(codes) == 0 {
		b.fail(0, b.path+".codes", "is missing")
	}
	return codes
}

// outcomeWords are the outcomes as the report writes them.
var outcomeWords = map[string]bool{
	"answered": true, "error": true, "closed": true, "reset": true, "left": true,
	"unanswered": true, "cut": true, "unseen": true, "none-expected": true,
	"late": true,
}

// outcomes reads outcomes.
func (b *issueBuilder) outcomes(ts []yamlText) (words []string) {
	for n, t := range ts {
		if !outcomeWords[t.text] {
			b.fail(t.line, fmt.Sprintf("%s.outcomes[%d]", b.path, n), "%q is no outcome like closed", t.text)
		}
		words = append(words, t.text)
	}
	return words
}

// apiKeys are the API keys by lower-case name.
var apiKeys = sync.OnceValue(func() map[string]int16 {
	keys := make(map[string]int16)
	for key := int16(0); key <= decode.MaxKnownKey; key++ {
		keys[strings.ToLower(decode.APIName(key))] = key
	}
	return keys
})

// sent reads what the bug sends: an API by its name, and "12", "0-2" or "4+".
func (b *issueBuilder) sent(ws []yamlSent) (sent []sentRange) {
	for n, w := range ws {
		path := fmt.Sprintf("%s.sent[%d].", b.path, n)
		key, ok := apiKeys()[strings.ToLower(w.API.text)]
		if !ok {
			b.fail(w.API.line, path+"api", "%q is no API like Fetch", w.API.text)
		}
		const newest = "32767"
		low, high, isRange := strings.Cut(w.Versions.text, "-")
		if from, more := strings.CutSuffix(w.Versions.text, "+"); more {
			low, high = from, newest
		} else if !isRange {
			high = low
		}
		s := sentRange{key: key}
		var fine [2]bool
		s.min, fine[0] = apiVersion(low)
		s.max, fine[1] = apiVersion(high)
		if !fine[0] || !fine[1] || s.min > s.max {
			b.fail(w.Versions.line, path+"versions", "%q is not of the form 12, 0-2 or 4+", w.Versions.text)
		}
		sent = append(sent, s)
	}
	return sent
}

// apiVersion reads an API version: 0 to 32767.
func apiVersion(s string) (int16, bool) {
	v, err := strconv.ParseUint(s, 10, 15)
	return int16(v), err == nil
}

// rangeComparisons are the operators of conditions.
var rangeComparisons = map[string]func(a, b int16) bool{
	"<":  func(a, b int16) bool { return a < b },
	"<=": func(a, b int16) bool { return a <= b },
	"=":  func(a, b int16) bool { return a == b },
	">=": func(a, b int16) bool { return a >= b },
	">":  func(a, b int16) bool { return a > b },
}

// conditions reads "max < 12, min > sent": an end of the broker's range, an
// operator, and a number or the version sent; all of them must hold.
func (b *issueBuilder) conditions(t yamlText) (all []rangeCondition) {
	if t.line == 0 {
		return nil
	}
	for _, part := range strings.Split(t.text, ",") {
		words := strings.Fields(part)
		fine := len(words) == 3
		var c rangeCondition
		if fine {
			var known [3]bool
			c.ofMax, known[0] = words[0] == "max", words[0] == "max" || words[0] == "min"
			c.compare, known[1] = rangeComparisons[words[1]]
			if c.sent = words[2] == "sent"; !c.sent {
				c.operand, known[2] = apiVersion(words[2])
			}
			fine = known[0] && known[1] && (c.sent || known[2])
		}
		if !fine {
			b.fail(t.line, b.path+".range", "%q is not of the form \"max < 12\" or \"min > sent\"", strings.TrimSpace(part))
			return nil
		}
		all = append(all, c)
	}
	return all
}

// confidence reads a level, none where it is missing.
func (b *issueBuilder) confidence(t yamlText, field string, none Confidence) Confidence {
	if t.line == 0 {
		return none
	}
	for c := Possible; c <= Certain; c++ {
		if t.text == c.String() {
			return c
		}
	}
	b.fail(t.line, b.path+"."+field, "%q is none of certain, likely and possible", t.text)
	return none
}

// flag reads true or false, false where it is missing.
func (b *issueBuilder) flag(t yamlText, field string) bool {
	if t.line != 0 && t.text != "true" && t.text != "false" {
		b.fail(t.line, b.path+"."+field, "%q is neither true nor false", t.text)
	}
	return t.text == "true"
}

// client reads a client.
func (b *issueBuilder) client(w *yamlClient, field string) issueClient {
	c := issueClient{
		name: w.Name.text, versionAfter: w.VersionAfter.text, library: w.Library.text,
		clientIDs: b.wildcards(w.ClientIDs, b.path+"."+field+".client_ids"),
		most:      b.confidence(w.AtMost, field+".at_most", Certain),
		because:   cmp.Or(w.Because.text, "the catalogue of known issues allows no more for this client"),
	}
	for n, also := range w.Also {
		if also.line == 0 {
			b.fail(0, fmt.Sprintf("%s.%s.also[%d]", b.path, field, n), "is empty")
		}
		c.also = append(c.also, also.text)
	}
	if w.Versions.line != 0 {
		versions, err := semver.NewConstraint(w.Versions.text)
		if err != nil {
			b.fail(w.Versions.line, b.path+"."+field+".versions", "%q is no version constraint like \">=2.1.3, <2.2.1\"", w.Versions.text)
		}
		c.versions = versions
	}
	if c.name == "" && len(c.clientIDs) == 0 {
		b.fail(0, b.path+"."+field, "has neither name nor client_ids")
	}
	return c
}

// wildcards reads texts in which one * stands for anything, or one {version} for a version.
func (b *issueBuilder) wildcards(ts []yamlText, field string) (ws []wildcard) {
	for n, t := range ts {
		open := "*"
		if strings.Contains(t.text, "{version}") {
			open = "{version}"
		}
		before, after, isOpen := strings.Cut(t.text, open)
		if strings.ContainsAny(before+after, "*{}") || before+after == "" {
			b.fail(t.line, fmt.Sprintf("%s[%d]", field, n), "%q may have one * or one {version}, and must have more than that", t.text)
		}
		ws = append(ws, wildcard{before, after, isOpen, open == "{version}"})
	}
	return ws
}
