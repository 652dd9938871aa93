package merge

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/kafkavet/kafkavet/report/model"
)

// maxReport bounds the file of one report in bytes: more than twice the size of a report with 4,096
// brokers and 1,000 findings of each code.
const maxReport = 128 << 20

// source is where a report is read from, twice.
type source struct {
	path string
	// held is the text of a pipe, which can be read only once; nil for a file.
	held []byte
}

// newSource opens nothing, except for standard input ("-") and pipes, which it reads to the end.
func newSource(path string, stdin io.Reader) (s source, err error) {
	s.path = path
	if path != "-" {
		st, err := os.Stat(path)
		if err != nil || st.Mode().IsRegular() || st.IsDir() {
			return s, nil // an error is reported when it is read
		}
		f, err := os.Open(path)
		if err != nil {
			return s, fault(path, err)
		}
		defer f.Close()
		stdin = f
	}
	s.held, err = io.ReadAll(io.LimitReader(stdin, maxReport+1))
	if err == nil {
		err = checkSize(int64(len(s.held)))
	}
	if err != nil {
		return s, fault(path, err)
	}
	return s, nil
}

func (s *source) open() (io.ReadCloser, error) {
	if s.held != nil {
		return io.NopCloser(bytes.NewReader(s.held)), nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, fault(s.path, err)
	}
	st, err := f.Stat()
	if err == nil {
		err = checkSize(st.Size())
	}
	if err != nil {
		f.Close()
		return nil, fault(s.path, err)
	}
	return f, nil
}

func checkSize(n int64) error {
	if n > maxReport {
		return fmt.Errorf("more than %d bytes", maxReport)
	}
	return nil
}

type head struct {
	source
	parts    []model.Part
	captures []model.Capture
	// hasParts: it contains the reports of its parts. With several parts and without these, it is
	// a block.
	hasParts bool
}

func (h *head) isBlock() bool { return len(h.parts) > 1 && !h.hasParts }

func (h *head) has(id string) bool {
	return slices.ContainsFunc(h.parts, func(p model.Part) bool { return p.ID == id })
}

// names returns the names of the captures of a part. Copies of a capture make one part.
func (h *head) names(id string) (names string) {
	for i := range h.captures {
		if c := &h.captures[i]; c.Part == "" || c.Part == id {
			names += c.Path + "\x00"
		}
	}
	return names
}

// Files merges the reports in files; "-" is stdin. Errors name the file and the cause.
func Files(paths []string, stdin io.Reader) (*model.Report, error) {
	paths = slices.Compact(slices.Sorted(slices.Values(paths)))
	heads := make([]head, len(paths))
	err := parallel(len(paths), func(i int) (err error) {
		s, err := newSource(paths[i], stdin)
		if err == nil {
			heads[i], err = readHead(s)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	from, err := plan(heads)
	if err != nil {
		return nil, err
	}
	a, mu := newAggregate(captures(heads, from)), sync.Mutex{}
	err = parallel(len(heads), func(i int) error {
		if len(from[i]) == 0 {
			return nil // other files have all of its parts
		}
		reports, err := readParts(&heads[i], from[i])
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range reports {
			a.add(r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.finish(), nil
}

// parallel calls do for all numbers below n, on all processors. It returns the first number's
// error.
func parallel(n int, do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = do(i)
			}
		})
	}
	workers.Wait()
	return cmp.Or(errs...)
}

// captures lists the captures of the parts to read from each file, in the order of the parts. Each
// has the id of its part. Indexes in clocks refer to the list.
func captures(heads []head, from []map[string]bool) []model.Capture {
	type place struct{ file, index int }
	var parts []model.Part
	places, readFrom := map[string][]place{}, map[string]int{}
	for i := range heads {
		h := &heads[i]
		for _, p := range h.parts {
			if len(from[i]) > 0 && (h.isBlock() || from[i][p.Digest]) {
				parts, readFrom[p.ID] = append(parts, p), i
			}
		}
		for j := range h.captures {
			c := &h.captures[j]
			c.Part = cmp.Or(c.Part, h.parts[0].ID)
			if file, isRead := readFrom[c.Part]; isRead && file == i {
				places[c.Part] = append(places[c.Part], place{i, j})
			}
		}
	}
	slices.SortFunc(parts, compareParts)
	out, indexes := []model.Capture{}, map[place]uint32{}
	for _, p := range parts {
		for _, at := range places[p.ID] {
			indexes[at] = uint32(len(out))
			out = append(out, heads[at.file].captures[at.index])
		}
	}
	for at, i := range indexes {
		if clock := out[i].Clock; clock != nil {
			clock.Capture = indexes[place{at.file, int(clock.Capture)}]
		}
	}
	return out
}

// fault describes an error in a report for the user.
func fault(path string, err error) error {
	var wrong *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		err = errors.New("the JSON breaks off: the file is torn or was not written to its end")
	case errors.As(err, &syntax):
		err = fmt.Errorf("not JSON: byte %d: %w", syntax.ByteOffset, syntax.Err)
	case errors.As(err, &wrong):
		err = fmt.Errorf("not a report: byte %d: %s is a %s", wrong.ByteOffset, strings.TrimPrefix(string(wrong.JSONPointer), "/"), wrong.JSONKind)
	default:
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
	}
	if path == "-" {
		path = "standard input"
	}
	return fmt.Errorf("read report %s: %w", path, err)
}

func checkSchema(schema string) error {
	switch {
	case schema == model.SchemaName:
		return nil
	case schema == "":
		return errors.New("not a report: it has no schema; merge reads what --format json of analyze, sniff, run and merge writes")
	}
	return fmt.Errorf("schema %q: this release reads %q", schema, model.SchemaName)
}

// checkFindings checks the codes and titles of the findings, because writers print them as they
// are.
func checkFindings(r *model.Report) (err error) {
	const digits, letters, maxTitle = "0123456789", "abcdefghijklmnopqrstuvwxyz", 64
	check := func(code, title string) {
		number, ok := strings.CutPrefix(code, "KV")
		if !ok || len(number) != 4 || strings.Trim(number, digits) != "" || len(title) > maxTitle || strings.Trim(title, letters+digits+"-") != "" {
			err = cmp.Or(err, fmt.Errorf("finding %q %q: not a code and a title", code, title))
		}
	}
	for i := range r.Findings {
		check(r.Findings[i].Code, r.Findings[i].Title)
	}
	if r.Folded != nil {
		for _, f := range r.Folded.Findings {
			check(f.Code, f.Title)
		}
	}
	return err
}

// checkTarget checks that a report has the target of its parts, and that all verdicts are known.
// They decide how rows are merged.
func checkTarget(r *model.Report) error {
	if r.Target == nil {
		for i := range r.Parts {
			if p := &r.Parts[i]; p.Target != "" {
				return fmt.Errorf("the clients of target %q are missing", p.Target)
			}
		}
		return nil
	}
	for _, rows := range [][]model.TargetClient{r.Target.Clients, r.Target.Apart} {
		for i := range rows {
			if !slices.Contains(model.Verdicts, rows[i].Verdict) {
				return fmt.Errorf("verdict %q on a client: this release knows %s", rows[i].Verdict, strings.Join(model.Verdicts, ", "))
			}
		}
	}
	return nil
}

// readHead reads the beginning of a report, up to parts and captures.
func readHead(s source) (h head, err error) {
	h.source = s
	f, err := s.open()
	if err != nil {
		return h, err
	}
	defer f.Close()
	schema, err := h.read(jsontext.NewDecoder(f))
	if err = cmp.Or(err, checkSchema(schema)); err != nil {
		return h, fault(s.path, err)
	}
	return h, h.identify()
}

// read reads an object up to its schema, parts and captures.
func (h *head) read(d *jsontext.Decoder) (schema string, err error) {
	switch open, err := d.ReadToken(); {
	case err != nil:
		return "", err
	case open.Kind() != '{':
		return "", errors.New("not a report: no JSON object")
	}
	for d.PeekKind() == '"' {
		if h.parts != nil && h.captures != nil && schema != "" {
			return schema, nil
		}
		name, err := d.ReadToken()
		if err != nil {
			return schema, err
		}
		switch name.String() {
		case "schema":
			if err = json.UnmarshalDecode(d, &schema); err == nil {
				err = checkSchema(schema)
			}
		case "parts":
			err = json.UnmarshalDecode(d, &h.parts)
		case "captures":
			err = json.UnmarshalDecode(d, &h.captures)
		default:
			err = d.SkipValue()
		}
		if err != nil {
			return schema, err
		}
	}
	_, err = d.ReadToken() // the complete object was read
	return schema, err
}

// identify checks the parts of a report, and drops their reports. A report of an older release has
// no parts. identify then creates its part.
func (h *head) identify() error {
	h.hasParts = len(h.parts) > 0
	for i := range h.parts {
		h.hasParts = h.hasParts && len(h.parts[i].Report) > 0
		if h.parts[i].ID == "" {
			return fault(h.path, errors.New("not a report: a part has no id"))
		}
	}
	for i := range h.parts {
		h.parts[i].Report = nil
	}
	if len(h.parts) > 0 {
		return nil
	}
	r, err := readReport(&h.source)
	if err != nil {
		return err
	}
	if len(r.Captures) == 0 {
		return fault(h.path, errors.New("not a report: it has no captures"))
	}
	Identify(r, Run{})
	h.parts, h.captures = r.Parts, r.Captures
	return nil
}

func readReport(s *source) (*model.Report, error) {
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := new(model.Report)
	if err := json.UnmarshalRead(f, r); err != nil {
		return nil, fault(s.path, err)
	}
	if err := cmp.Or(checkSchema(r.Schema), checkFindings(r), checkTarget(r)); err != nil {
		return nil, fault(s.path, err)
	}
	// The evidence is a file on one host.
	r.Evidence = nil
	for i := range r.Findings {
		for j := range r.Findings[i].Occurrences {
			r.Findings[i].Occurrences[j].InEvidence = nil
		}
	}
	if len(r.Parts) == 0 {
		Identify(r, Run{})
	}
	r.SortLists()
	return r, nil
}

// readParts reads the reports of the wanted parts of a file, by digest. A block is one report.
func readParts(h *head, wanted map[string]bool) ([]*model.Report, error) {
	r, err := readReport(&h.source)
	if err != nil {
		return nil, err
	}
	if !h.hasParts {
		return []*model.Report{r}, nil
	}
	var out []*model.Report
	for i := range r.Parts {
		p := r.Parts[i]
		if !wanted[p.Digest] {
			continue
		}
		one := new(model.Report)
		err := json.Unmarshal(p.Report, one)
		p.Report = nil
		one.Parts = []model.Part{p}
		if err = cmp.Or(err, checkFindings(one), checkTarget(one)); err != nil {
			return nil, fault(h.path, fmt.Errorf("part %s: %w", p.ID, err))
		}
		one.SortLists()
		out = append(out, one)
	}
	return out, nil
}
