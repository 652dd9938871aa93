package write

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// The formats for build servers: annotations of GitHub Actions, and JUnit.

// Sentence describes a finding in one line: what happened, to whom and how often.
func Sentence(f *model.Finding) string {
	text := escapeLong(f.Message)
	var where []string
	if f.Client != nil {
		if name := nameOf(f.Client, "", nil); name != "" {
			where = append(where, "client "+Escape(name))
		}
	}
	if f.Broker != "" {
		where = append(where, "broker "+Escape(f.Broker))
	}
	if f.Count > 1 {
		where = append(where, words.Times(f.Count))
	}
	if len(where) > 0 {
		text += "; " + strings.Join(where, ", ")
	}
	return text
}

// details returns the paragraphs after Sentence: why, what to do, known issue, place of evidence.
func details(r *model.Report, f *model.Finding) string {
	parts := []string{escapeLong(f.Why)}
	if do := remedy(f); do != "" {
		parts = append(parts, escapeLong(do))
	}
	if k := f.KnownIssue; k != nil {
		parts = append(parts, "Known: "+escapeLong(k.Title+matchText(k))+" "+Escape(k.URL))
	}
	if where, filter := inEvidence(r, f); len(where) > 0 {
		parts = append(parts, "Evidence: "+textPhrase(where)+" ("+filter+")")
	}
	return strings.Join(parts, "\n")
}

func checkedText(r *model.Report) string {
	return fmt.Sprintf("%s checked, %s", words.Plural(r.Summary.RequestsChecked, "request"), words.Plural(uint64(len(r.Findings)), "finding"))
}

// GitHub writes r as annotations of GitHub Actions, one line for each finding and for opt.Shortfall:
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
func GitHub(w io.Writer, r *model.Report, opt TextOptions) error {
	var b bytes.Buffer
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for i := range r.Findings {
		f := &r.Findings[i]
		kind := map[model.Severity]string{model.Error: "error", model.Warning: "warning"}[f.Severity]
		if kind == "" || f.Accepted {
			kind = "notice"
		}
		fmt.Fprintf(&b, "::%s title=%s::%s\n", kind, property.Replace(f.Code+" "+f.Title+acceptedText(f)), data.Replace(Sentence(f)+"\n"+details(r, f)))
	}
	switch {
	case opt.Shortfall != "":
		fmt.Fprintf(&b, "::error title=kafkavet::%s\n", data.Replace(escapeLong(opt.Shortfall)))
	case len(r.Findings) == 0:
		fmt.Fprintf(&b, "::notice title=kafkavet::%s\n", checkedText(r))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func acceptedText(f *model.Finding) string {
	if f.Accepted {
		return " (accepted)"
	}
	return ""
}

// The elements of JUnit's XML, as Jenkins and GitLab read it.
type (
	junitSuites struct {
		XMLName xml.Name `xml:"testsuites"`
		junitSuite
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Suite    *junitSuite `xml:"testsuite,omitempty"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string       `xml:"name,attr"`
		ClassName string       `xml:"classname,attr"`
		Failure   *junitResult `xml:"failure,omitempty"`
		Skipped   *junitResult `xml:"skipped,omitempty"`
		Output    string       `xml:"system-out,omitempty"`
	}
	junitResult struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// testName names a finding by properties that are the same in every run: rule, request, client,
// and node id of the broker. A build server treats a different name as a new test.
func testName(r *model.Report, f *model.Finding) string {
	var parts []string
	add := func(lead, name string) {
		if name != "" {
			parts = append(parts, lead+Escape(name))
		}
	}
	k := f.Key()
	add("", cmp.Or(requestText(f), f.API))
	add("", strings.TrimSpace(k.SoftwareName+" "+k.SoftwareVersion))
	add("client id ", k.ClientID)
	if i := slices.IndexFunc(r.Brokers, func(b model.Broker) bool { return b.Address == f.Broker && b.NodeID != nil }); i >= 0 {
		add("broker ", fmt.Sprint(*r.Brokers[i].NodeID))
	}
	name := f.Code + " " + f.Title
	if len(parts) > 0 {
		name += ": " + strings.Join(parts, ", ")
	}
	return name
}

// JUnit writes r as JUnit XML. Each finding is a test case that fails if opt.Fails says so. One
// more test case has the number of checked requests; it fails if opt.Shortfall is not empty.
func JUnit(w io.Writer, r *model.Report, opt TextOptions) error {
	suite := junitSuite{Name: "kafkavet", Cases: []junitCase{{Name: "requests", ClassName: "kafkavet", Output: checkedText(r)}}}
	if opt.Shortfall != "" {
		suite.Cases[0].Failure = &junitResult{Message: escapeLong(opt.Shortfall), Type: "error"}
		suite.Failures++
	}
	named := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		c := junitCase{Name: testName(r, f), ClassName: "kafkavet." + f.Code}
		if named[c.Name]++; named[c.Name] > 1 { // they differ in properties that change between runs
			c.Name += fmt.Sprintf(" (%d)", named[c.Name])
		}
		switch {
		case f.Accepted:
			c.Skipped = &junitResult{Message: "accepted by the baseline: " + Sentence(f)}
			suite.Skipped++
		case opt.Fails != nil && opt.Fails(f):
			c.Failure = &junitResult{Message: Sentence(f), Type: f.Severity.String(), Text: details(r, f)}
			suite.Failures++
		default:
			c.Output = Sentence(f) + "\n" + details(r, f)
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests = len(suite.Cases)
	all := junitSuites{junitSuite: suite}
	all.Suite, all.Cases = &suite, nil
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}
