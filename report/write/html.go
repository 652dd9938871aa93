package write

import (
	"bytes"
	"cmp"
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

// HTMLOptions say what the HTML report is for.
type HTMLOptions struct {
	// Live makes the page fetch itself again and replace the old report by the new one. What the reader sees, has opened
	// and has selected stays. It is for pages from a web server; a page without it holds no script.
	Live bool
	// Refresh is how often a live page does that, 0 for every two seconds. It
	// is never more often than every half second.
	Refresh time.Duration
}

const (
	// defaultRefresh is how often a live page is fetched again: within a second
	// or two a mismatch is on it, and a report takes milliseconds to make.
	defaultRefresh = 2 * time.Second
	// minRefresh keeps a page from being fetched again before it is read.
	minRefresh = 500 * time.Millisecond
)

// How much the HTML report shows. All of it together is at most some 40,000
// elements and 2 MB, which a browser lays out in less than a second; what is
// beyond is counted on the page.
const (
	// maxHTMLFindings is how many findings are shown in full: some 60 elements
	// and 4 KB each.
	maxHTMLFindings = 40
	// maxHTMLFindingRows is how many more findings have a row of a table.
	maxHTMLFindingRows = 400
	// maxHTMLPrograms is how many clients have a version chart.
	maxHTMLPrograms = 12
	// maxHTMLProgramRows is how many more clients have a row of a table.
	maxHTMLProgramRows = 400
	// maxHTMLTargetRows is how many clients are shown with what the target makes of them.
	maxHTMLTargetRows = 400
	// maxHTMLBrokers is how many brokers show all their ranges: some 80 rows each.
	maxHTMLBrokers = 12
	// maxHTMLBrokerRows is how many more brokers have a row of a table.
	maxHTMLBrokerRows = 400
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

// pageTemplate reads the templates when the first page is written.
var pageTemplate = sync.OnceValue(func() *template.Template {
	t := template.New("page").Funcs(template.FuncMap{
		"show":   func(s string) string { return escapeLong(clip(s, maxProse)) },
		"name":   showName,
		"number": words.Number,
		"plural": words.Plural,
		"clock":  clockText,
		"label":  func(id, text string) region { return region{id, text} },
	})
	return template.Must(t.ParseFS(pageTemplates, "page/*.tmpl"))
})

// region is a part of the page that scrolls by itself: the id and the name that it has.
type region struct{ ID, Name string }

// showName is a verbatim text as it is shown: escaped, in quotes where there
// would be nothing to see.
func showName(s string) string {
	if strings.Trim(s, " ") == "" {
		return `"` + s + `"`
	}
	return escapeLong(s)
}

// hashSource is the source expression that allows an inline text by its hash
// (Content Security Policy Level 3, 2.3.1).
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// HTMLPolicy is the Content-Security-Policy of the HTML report, which is in the
// page itself. A server of live pages may send it as a header as well. It
// allows the one style block of the page by its hash and no request at all;
// of live pages also the one script, and requests to where the page came from.
func HTMLPolicy(live bool) string {
	policy := "default-src 'none'; style-src " + hashSource(pageStyle)
	if live {
		policy += "; script-src " + hashSource(pageScript) + "; connect-src 'self'"
	}
	return policy + "; base-uri 'none'; form-action 'none'"
}

// HTML writes r as one HTML page that needs nothing else: no request is
// made, no script runs (but for live pages), and its policy forbids both. Text
// from the wire is escaped as in all outputs (Escape) and isolated from the
// direction of the text around it. What would make the page too long is counted on it.
func HTML(w io.Writer, r *model.Report, opt HTMLOptions) error {
	v := newPageView(r)
	v.Policy = HTMLPolicy(opt.Live)
	// The texts are embedded, not put together: nothing from the wire is in them.
	v.Style = template.HTML("<style>" + pageStyle + "</style>")
	if opt.Live {
		v.Script = template.HTML("<script>" + pageScript + "</script>")
		v.Refresh = max(cmp.Or(opt.Refresh, defaultRefresh), minRefresh).Milliseconds()
	}
	var buf bytes.Buffer
	if err := pageTemplate().ExecuteTemplate(&buf, "page.tmpl", v); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}
