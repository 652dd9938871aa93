package write

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/words"
)

// refreshEvery is the time between fetches of a live page. A report takes milliseconds.
const refreshEvery = 2 * time.Second

// The limits of the HTML report. Together they give at most some 40,000 elements and 2 MB. A
// browser lays these out in less than a second. The page counts everything beyond the limits.
const (
	// maxHTMLFindings is how many findings are shown in full: some 60 elements and 4 KB each.
	maxHTMLFindings = 40
	// maxHTMLFull is how many clients have a version chart, and how many brokers show all their
	// ranges: some 80 rows each.
	maxHTMLFull = 12
	// maxHTMLRows is how many more findings, clients and brokers have a row of a table.
	maxHTMLRows = 400
	// maxHTMLCaptures is how many captures are listed.
	maxHTMLCaptures = 20
	// maxHTMLAPIs is how many APIs of a client a chart shows; Kafka has some 90.
	maxHTMLAPIs = 100
)

//go:embed page/*.tmpl
var pageTemplates embed.FS

var (
	//go:embed page/style.css
	pageStyle string
	//go:embed page/live.js
	pageScript string
)

// pageTemplate parses the templates when the first page is written.
var pageTemplate = sync.OnceValue(func() *template.Template {
	t := template.New("page").Funcs(template.FuncMap{
		"show":   func(s string) string { return escapeLong(truncate(s, maxProse)) },
		"name":   showName,
		"number": words.Number,
		"plural": words.Plural,
		"clock":  clockText,
		"label":  func(id, text string) region { return region{id, text} },

		"accepted": acceptedText,
		"title":    func(s string) string { return truncate(s, maxTitle) },
		"client":   clientPhrase,
		"at":       func(f *model.Finding) phrase { return brokerPhrase(f.Broker, f.Behind, "") },
		"program":  programPhrase,
		"usage":    usage,
		"some":     func(names []string) phrase { return some(names, maxListed) },
		"broker":   brokerName,
		"release":  releaseText,
		"apis":     apisText,

		"verdict":      func(v string) string { return targetVerdicts[v] },
		"verdictClass": func(v string) string { return targetClasses[v] },
		"targetClient": targetClientPhrase,
		"targetSays":   func(c *model.TargetClient) string { return words.UpperFirst(targetSaysWhen(c, 2*maxTargetAPIs)) },
	})
	return template.Must(t.ParseFS(pageTemplates, "page/*.tmpl"))
})

// region is a part of the page with its own scroll bar.
type region struct{ ID, Name string }

// showName returns a verbatim text for display: escaped, and in quotes if it would be invisible.
func showName(s string) string {
	if strings.Trim(s, " ") == "" {
		return `"` + s + `"`
	}
	return escapeLong(s)
}

// hashSource returns the source expression that allows an inline text by its hash (Content
// Security Policy Level 3, 2.3.1).
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// HTMLPolicy returns the Content-Security-Policy that the HTML report contains. A server of live
// pages may also send it as a header. It allows the one style block of the page by its hash, and
// no requests. For live pages it also allows the one script, and requests to the origin of the
// page.
func HTMLPolicy(live bool) string {
	policy := "default-src 'none'; style-src " + hashSource(pageStyle)
	if live {
		policy += "; script-src " + hashSource(pageScript) + "; connect-src 'self'"
	}
	return policy + "; base-uri 'none'; form-action 'none'"
}

// HTML writes r as one self-contained HTML page. The page makes no request and runs no script, and
// its policy forbids both. Text from the wire is escaped as in all outputs (Escape), and isolated
// from the direction of the surrounding text. The page counts what would make it too long.
func HTML(w io.Writer, r *model.Report) error { return writeHTML(w, r, 0) }

// LiveHTML is HTML for a page from a web server. The page fetches itself every two seconds and
// replaces the old report. Scroll position, open parts and selection stay.
func LiveHTML(w io.Writer, r *model.Report) error { return writeHTML(w, r, refreshEvery) }

// writeHTML writes a page that fetches itself after a time; 0 for never.
func writeHTML(w io.Writer, r *model.Report, refresh time.Duration) error {
	v := newPageView(r)
	v.Policy = HTMLPolicy(refresh > 0)
	// The texts are embedded constants without text from the wire.
	v.Style = template.HTML("<style>" + pageStyle + "</style>")
	if refresh > 0 {
		v.Script = template.HTML("<script>" + pageScript + "</script>")
		v.Refresh = refresh.Milliseconds()
	}
	var buf bytes.Buffer
	if err := pageTemplate().ExecuteTemplate(&buf, "page.tmpl", v); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}
