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
	"slices"
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
)

// builtInIssues is the catalogue that comes with the program; its head says what the fields mean.
//
//go:embed knownissues.yaml
var builtInIssues []byte

// builtInName replaces the file name in messages about builtInIssues.
const builtInName = "knownissues.yaml (built in)"

// The limits of a known-issues file. It is the user's own file, but may come from anywhere.
const (
	// maxIssueFile is its size in bytes. The built-in one has some 20 KiB. Splitting 1 MiB of the
	// worst text into YAML tokens takes about a second.
	maxIssueFile = 1 << 20
	// maxIssues is the number of entries. With 1 KiB each they have the largest size. A finding
	// takes 3 ms with a thousand of them that all match up to the version.
	maxIssues = 1000
	// maxIssueText is the length of one text in bytes, maxIssueID the length of an id.
	maxIssueText, maxIssueID = 2000, 64
	// maxFlowDepth is how deep [ and { may be nested. maxEntriesOnLine is how many "- " one line
	// may have. The YAML parser recurses for each of them and takes quadratic time. It would end
	// at the limit of Go's stack, and that crash cannot be recovered. maxFieldsInRow bounds
	// nesting by indentation.
	maxFlowDepth, maxEntriesOnLine = 4, 2
	// maxFieldsInRow is how many fields may follow each other without a "- ": 16 of an issue, and
	// 7 for each of 30 clients in one pair of brackets. The parser takes quadratic time for the
	// fields of one mapping: 140 s for a file full of them. maxEntries is the number of "- " in
	// the file, 16 for each issue: 130,000 take 8 s.
	maxFieldsInRow, maxEntries = 226, 16 * maxIssues
)

// Load reads the built-in known issues and the user's own files, which precede them. Each id must
// be unique. isCode reports whether a finding with that code exists. Errors name the file, the
// line and the field.
func Load(isCode func(code string) bool, paths ...string) (*Catalogue, error) {
	k := &Catalogue{}
	if len(paths) == 0 {
		return k, nil
	}
	for _, path := range paths {
		data, err := readIssueFile(path)
		if err != nil {
			var named *fs.PathError // the message has the path already
			if errors.As(err, &named) {
				err = named.Err
			}
			return nil, fmt.Errorf("read known issues %s: %w", path, err)
		}
		f, err := parseYAML(data)
		if err := k.add(path, f, isCode, err); err != nil {
			return nil, err
		}
	}
	f, err := builtIn()
	return k, k.add(builtInName, f, isCode, err)
}

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

// builtIn parses the built-in issues at their first use, because that takes longer than a small
// capture. The result never changes.
var builtIn = sync.OnceValues(func() (issueFile, error) { return parseYAML(builtInIssues) })

// all returns the files of k. A test shows that the built-in file is valid.
func (k *Catalogue) all() []issueFile {
	if len(k.files) > 0 {
		return k.files
	}
	f, err := builtIn()
	if err != nil {
		panic(err)
	}
	return []issueFile{f}
}

// add checks a parsed file and appends it; err is the error of parsing it.
func (k *Catalogue) add(name string, f issueFile, isCode func(string) bool, err error) error {
	if err == nil {
		err = f.check(isCode)
	}
	if err != nil {
		return fmt.Errorf("read known issues %s: %w", name, err)
	}
	f.name = name
	k.files = append(k.files, f)
	for i := range f.Issues {
		here := issuePlace{&f.Issues[i], name, i}
		other := byID(k.files, here.ID.text)
		if other.issue == here.issue {
			continue
		}
		if name == builtInName { // the user must change the other file
			here, other = other, here
		}
		return fmt.Errorf("read known issues %s: line %d: issues[%d].id: %q is used already in %s, line %d",
			here.file, here.ID.line, here.index, here.ID.text, other.file, other.ID.line)
	}
	return nil
}

type issuePlace struct {
	*issue
	file  string
	index int
}

// byID returns the first issue with an id; without issue if there is none.
func byID(files []issueFile, id string) issuePlace {
	for _, f := range files {
		for i := range f.Issues {
			if f.Issues[i].ID.text == id {
				return issuePlace{&f.Issues[i], f.name, i}
			}
		}
	}
	return issuePlace{}
}

func fieldError(line int, field, format string, args ...any) error {
	return fmt.Errorf("line %d: %s: %s", line, field, fmt.Sprintf(format, args...))
}

// readField parses a field from its text, or from a number as it is written.
func readField(node ast.Node, parse func(text string) error) error {
	line, field, text := node.GetToken().Position.Line, strings.TrimPrefix(node.GetPath(), "$."), ""
	switch n := node.(type) {
	case *ast.LiteralNode:
		text = strings.TrimSuffix(n.Value.Value, "\n")
	case ast.ScalarNode:
		text = n.GetToken().Value
	default:
		return fieldError(line, field, "is no text")
	}
	if len(text) == 0 || len(text) > maxIssueText {
		return fieldError(line, field, "has %d bytes, not 1 to %d", len(text), maxIssueText)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\ufffd' }) {
		return fieldError(line, field, "holds a control character or a line break")
	}
	if err := parse(text); err != nil {
		return fieldError(line, field, "%v", err)
	}
	return nil
}

// UnmarshalYAML implements yaml.NodeUnmarshaler, like the methods below.
func (t *text) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(s string) error {
		*t = text(s)
		return nil
	})
}

func (p *placedText) UnmarshalYAML(node ast.Node) error {
	p.line = node.GetToken().Position.Line
	return readField(node, func(s string) error {
		p.text = s
		return nil
	})
}

// UnmarshalYAML checks the address, because readers of the report open it.
func (l *link) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(s string) error {
		u, err := url.Parse(s)
		if *l = link(s); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return fmt.Errorf("%q is no http or https address", s)
		}
		return nil
	})
}

func (f *flag) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(s string) error {
		if *f = s == "true"; s != "true" && s != "false" {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		return nil
	})
}

func (o *outcome) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(s string) error {
		if *o = outcome(s); !slices.Contains(decode.OutcomeNames(), s) {
			return fmt.Errorf("%q is no outcome like closed", s)
		}
		return nil
	})
}

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (c *Confidence) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(text string) error {
		for *c = Possible; *c <= Certain; *c++ {
			if text == c.String() {
				return nil
			}
		}
		return fmt.Errorf("%q is none of certain, likely and possible", text)
	})
}

// apiKeys are the API keys by lower-case name.
var apiKeys = sync.OnceValue(func() map[string]int16 {
	keys := make(map[string]int16)
	for key := int16(0); key <= decode.MaxKnownKey; key++ {
		keys[strings.ToLower(decode.APIName(key))] = key
	}
	return keys
})

func (k *apiKey) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(text string) error {
		key, ok := apiKeys()[strings.ToLower(text)]
		if *k = apiKey(key); !ok {
			return fmt.Errorf("%q is no API like Fetch", text)
		}
		return nil
	})
}

// UnmarshalYAML reads "12", "0-2" or "4+".
func (v *versionRange) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(text string) error {
		const newest = "32767"
		low, high, isRange := strings.Cut(text, "-")
		if from, more := strings.CutSuffix(text, "+"); more {
			low, high = from, newest
		} else if !isRange {
			high = low
		}
		var fine [2]bool
		v.min, fine[0] = apiVersion(low)
		v.max, fine[1] = apiVersion(high)
		if !fine[0] || !fine[1] || v.min > v.max {
			return fmt.Errorf("%q is not of the form 12, 0-2 or 4+", text)
		}
		return nil
	})
}

// apiVersion parses an API version: 0 to 32767.
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

// UnmarshalYAML parses "max < 12, min > sent": an end of the broker's range, an operator, and a
// number or the sent version.
func (all *conditions) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(text string) error {
		for _, part := range strings.Split(text, ",") {
			words := append(strings.Fields(part), "", "", "")
			c := rangeCondition{ofMax: words[0] == "max", compare: rangeComparisons[words[1]], sent: words[2] == "sent"}
			operand, isNumber := apiVersion(words[2])
			if c.operand = operand; words[3] != "" || !c.ofMax && words[0] != "min" || c.compare == nil || !c.sent && !isNumber {
				return fmt.Errorf("%q is not of the form \"max < 12\" or \"min > sent\"", strings.TrimSpace(part))
			}
			*all = append(*all, c)
		}
		return nil
	})
}

func (c *constraint) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(text string) (err error) {
		if c.Constraints, err = semver.NewConstraint(text); err != nil {
			return fmt.Errorf("%q is no version constraint like \">=2.1.3, <2.2.1\"", text)
		}
		return nil
	})
}

// UnmarshalYAML parses a text in which one * matches anything, or one {version} a version.
func (w *wildcard) UnmarshalYAML(node ast.Node) error {
	return readField(node, func(text string) error {
		open := "*"
		if strings.Contains(text, "{version}") {
			open = "{version}"
		}
		w.before, w.after, w.open = strings.Cut(text, open)
		w.version = open == "{version}"
		if strings.ContainsAny(w.before+w.after, "*{}") || w.isEmpty() {
			return fmt.Errorf("%q may have one * or one {version}, and must have more than that", text)
		}
		return nil
	})
}

// check checks the rules that the types of the fields do not check.
func (f *issueFile) check(isCode func(string) bool) error {
	switch {
	case len(f.Issues) == 0 && len(f.DefaultClientIDs) == 0:
		return fieldError(1, "issues", "is missing")
	case len(f.Issues) > maxIssues:
		return fieldError(f.Issues[maxIssues].ID.line, "issues", "has %d entries, more than %d", len(f.Issues), maxIssues)
	}
	if n := slices.IndexFunc(f.DefaultClientIDs, wildcard.isEmpty); n >= 0 {
		return fieldError(1, fmt.Sprintf("default_client_ids[%d]", n), "is empty")
	}
	line := 1
	for i := range f.Issues {
		line = max(line, f.Issues[i].ID.line)
		for n, c := range f.Issues[i].Codes {
			if !isCode(c.text) {
				return fieldError(max(c.line, line), fmt.Sprintf("issues[%d].codes[%d]", i, n), "%q is no finding code like KV1001", c.text)
			}
		}
		if field, problem := f.Issues[i].incomplete(); problem != "" {
			return fieldError(line, fmt.Sprintf("issues[%d]%s", i, field), "%s", problem)
		}
	}
	return nil
}

// incomplete returns a missing or invalid field and its problem. Both are empty for a valid issue.
func (i *issue) incomplete() (field, problem string) {
	if len(i.ID.text) == 0 || len(i.ID.text) > maxIssueID || strings.Trim(i.ID.text, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return ".id", fmt.Sprintf("%q is not of 1 to %d lower-case letters, digits, dots and hyphens", i.ID.text, maxIssueID)
	}
	for _, f := range []struct {
		name      string
		isMissing bool
	}{{".title", i.Title == ""}, {".url", i.URL == ""}, {".source", i.Source == ""}, {".codes", len(i.Codes) == 0}} {
		if f.isMissing {
			return f.name, "is missing"
		}
	}
	if len(i.Clients) == 0 && len(i.ServerNames) == 0 && !bool(i.Pattern) {
		return ".clients", "is missing, and so are server_names and pattern: nothing says who has the bug"
	}
	for n, s := range i.Sent {
		if s.API == nil || s.Versions == nil {
			return fmt.Sprintf(".sent[%d]", n), "needs api and versions"
		}
	}
	if n := slices.IndexFunc(i.ServerNames, wildcard.isEmpty); n >= 0 {
		return fmt.Sprintf(".server_names[%d]", n), "is empty"
	}
	for n, c := range i.Clients {
		at := fmt.Sprintf(".clients[%d]", n)
		if c.Name == "" && len(c.ClientIDs) == 0 {
			return at, "has neither name nor client_ids"
		}
		if n := slices.IndexFunc(c.ClientIDs, wildcard.isEmpty); n >= 0 {
			return fmt.Sprintf("%s.client_ids[%d]", at, n), "is empty"
		}
		if n := slices.Index(c.Also, ""); n >= 0 {
			return fmt.Sprintf("%s.also[%d]", at, n), "is empty"
		}
	}
	return "", ""
}

// complete sets defaults, and converts server names to lower case.
func (i *issue) complete() {
	for n := range i.ServerNames {
		w := &i.ServerNames[n]
		w.before, w.after = strings.ToLower(w.before), strings.ToLower(w.after)
	}
	for n := range i.Clients {
		c := &i.Clients[n]
		c.AtMost = cmp.Or(c.AtMost, Certain)
		c.Because = cmp.Or(c.Because, "the catalogue of known issues allows no more for this client")
	}
}

func parseYAML(data []byte) (written issueFile, err error) {
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
	for i := range written.Issues {
		written.Issues[i].complete()
	}
	return written, nil
}

// checkTokens refuses YAML features that a known-issues file does not need, and text for which the
// YAML parser would take very long.
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

// yamlError returns an error of the YAML library with its line and without its excerpt.
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

// issueMessage escapes and shortens a message that may quote the file.
func issueMessage(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
