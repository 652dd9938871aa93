package write

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/reporttest"
	"github.com/kafkavet/kafkavet/report/words"
)

func htmlOf(t testing.TB, r *model.Report, refresh time.Duration) string {
	t.Helper()
	var out bytes.Buffer
	if err := writeHTML(&out, r, refresh); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func parseHTML(t testing.TB, text string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// elements calls do for each element of a page.
func elements(doc *html.Node, do func(*html.Node)) {
	walk(doc, 0, func(n *html.Node, _ int) int {
		if n.Type == html.ElementNode {
			do(n)
		}
		return 0
	})
}

// contentOf returns all text in n.
func contentOf(n *html.Node) string {
	var b strings.Builder
	walk(n, 0, func(n *html.Node, _ int) int {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		return 0
	})
	return b.String()
}

// htmlCases are the reports for tests of the page's properties.
func htmlCases() map[string]*model.Report {
	cases := map[string]*model.Report{"rich": richReport(), "clean": cleanReport(), "empty": emptyReport(), "thousands": hugeReport(3000, 30), "bare": {}}
	for i, text := range hostileText {
		cases[fmt.Sprintf("hostile %d", i)] = hostileReport(text)
	}
	return cases
}

func TestGoldenHTML(t *testing.T) {
	for name, r := range map[string]*model.Report{"rich": richReport(), "clean": cleanReport(), "empty": emptyReport()} {
		t.Run(name, func(t *testing.T) {
			reporttest.Golden(t, "testdata/ticket-"+name+".html", []byte(htmlOf(t, r, 0)))
		})
	}
}

// voidElements have no end tag (HTML Living Standard, 13.1.2).
var voidElements = map[string]bool{"meta": true, "br": true, "hr": true, "img": true, "input": true, "link": true}

// TestHTMLMarksWhatIsNew: findings that a baseline accepts do not mark the page.
func TestHTMLMarksWhatIsNew(t *testing.T) {
	r := &model.Report{Summary: model.Summary{RequestsChecked: 1}, Findings: []model.Finding{{Severity: model.Error}}}
	if got, name := state(r); got != "error" || name != "Error" {
		t.Errorf("an error is marked %s, %s", got, name)
	}
	r.Findings[0].Accepted = true
	if got, name := state(r); got != "good" || name != "Nothing found" {
		t.Errorf("an accepted error is marked %s, %s", got, name)
	}
}

func TestHTMLIsWellFormed(t *testing.T) {
	for name, r := range htmlCases() {
		var open []string
		z := html.NewTokenizer(strings.NewReader(htmlOf(t, r, refreshEvery)))
		for z.Next() != html.ErrorToken {
			switch token := z.Token(); token.Type {
			case html.StartTagToken:
				seen := map[string]bool{}
				for _, a := range token.Attr {
					if seen[a.Key] {
						t.Errorf("%s: <%s> has %s twice", name, token.Data, a.Key)
					}
					seen[a.Key] = true
				}
				if !voidElements[token.Data] {
					open = append(open, token.Data)
				}
			case html.EndTagToken:
				if len(open) == 0 || open[len(open)-1] != token.Data {
					t.Fatalf("%s: </%s> closes nothing: open are %v", name, token.Data, open)
				}
				open = open[:len(open)-1]
			}
		}
		if len(open) > 0 {
			t.Errorf("%s: %v not closed", name, open)
		}
	}
}

func TestHTMLReferencesLeadSomewhere(t *testing.T) {
	for name, r := range htmlCases() {
		doc := parseHTML(t, htmlOf(t, r, refreshEvery))
		ids := map[string]bool{}
		elements(doc, func(n *html.Node) {
			if id := attribute(n, "id"); id != "" {
				if ids[id] || strings.ContainsAny(id, " \t\n") {
					t.Errorf("%s: id %q is not unique, or none", name, id)
				}
				ids[id] = true
			}
		})
		elements(doc, func(n *html.Node) {
			refs := strings.Fields(attribute(n, "aria-labelledby"))
			if href := attribute(n, "href"); strings.HasPrefix(href, "#") {
				refs = append(refs, href[1:])
			}
			for _, ref := range refs {
				if !ids[ref] {
					t.Errorf("%s: <%s> refers to %q, which is not there", name, n.Data, ref)
				}
			}
		})
	}
}

func TestHTMLFetchesAndRunsNothing(t *testing.T) {
	for name, r := range htmlCases() {
		elements(parseHTML(t, htmlOf(t, r, 0)), func(n *html.Node) {
			if slices.Contains([]string{"script", "link", "img", "iframe", "object", "embed", "form", "input", "base", "image", "animate", "foreignobject", "video", "audio"}, n.Data) {
				t.Errorf("%s: the page has <%s>", name, n.Data)
			}
			for _, a := range n.Attr {
				value := strings.TrimSpace(a.Val)
				switch {
				case a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "srcset":
					t.Errorf("%s: <%s> has %s=%q", name, n.Data, a.Key, a.Val)
				case a.Key == "href" && n.Data == "a":
					if !strings.HasPrefix(value, "#") && !strings.HasPrefix(value, "https://github.com/") && !strings.HasPrefix(value, "https://evil.example/") {
						t.Errorf("%s: link to %q", name, a.Val)
					}
				case a.Key == "href" && !strings.HasPrefix(value, "#"):
					t.Errorf("%s: <%s> fetches %q", name, n.Data, a.Val)
				}
			}
		})
	}
	if regexp.MustCompile(`(?i)url\(|@import|@font-face`).MatchString(pageStyle) {
		t.Error("the style fetches something")
	}
}

func TestHTMLPolicyAllowsWhatIsThereAndNothingElse(t *testing.T) {
	for live, refresh := range map[bool]time.Duration{false: 0, true: refreshEvery} {
		doc := parseHTML(t, htmlOf(t, hostileReport(hostileText[2]), refresh))
		policy, styles, scripts := "", 0, 0
		elements(doc, func(n *html.Node) {
			switch {
			case attribute(n, "http-equiv") == "Content-Security-Policy":
				policy = attribute(n, "content")
			case n.Data == "style":
				styles++
				if !strings.Contains(policy, "style-src "+hashSource(contentOf(n))+";") {
					t.Errorf("the policy %q does not allow the style, or comes after it", policy)
				}
			case n.Data == "script":
				scripts++
				if !strings.Contains(policy, "script-src "+hashSource(contentOf(n))+";") {
					t.Errorf("the policy %q does not allow the script", policy)
				}
			}
		})
		if policy != HTMLPolicy(live) || !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
			t.Errorf("live %v: policy %q", live, policy)
		}
		if styles != 1 || (scripts == 1) != live || scripts > 1 || strings.Contains(policy, "script-src") != live || strings.Contains(policy, "connect-src") != live {
			t.Errorf("live %v: %d styles and %d scripts under %q", live, styles, scripts, policy)
		}
	}
}

func TestHTMLFromTheWireStaysText(t *testing.T) {
	want := map[string]int{}
	count := func(r *model.Report) map[string]int {
		found := map[string]int{}
		elements(parseHTML(t, htmlOf(t, r, 0)), func(n *html.Node) { found[n.Data]++ })
		delete(found, "a") // The link of a known issue exists only if it leads to a web page.
		return found
	}
	for i, hostile := range hostileText[:len(hostileText)-8] {
		r := hostileReport(hostile)
		found := count(r)
		if i == 0 {
			want = found
		}
		for tag, n := range found {
			if n != want[tag] {
				t.Errorf("%q makes %d <%s> where another text makes %d", hostile, n, tag, want[tag])
			}
		}
		page := htmlOf(t, r, 0)
		checkText(t, hostile, page, true)
		if shown := escapeLong(hostile); !strings.Contains(contentOf(parseHTML(t, page)), shown) {
			t.Errorf("%q is not shown as %q", hostile, shown)
		}
	}
}

func TestHTMLCanBeReadWithoutSeeingIt(t *testing.T) {
	for name, r := range htmlCases() {
		doc := parseHTML(t, htmlOf(t, r, 0))
		count := map[string]int{}
		level := 0
		elements(doc, func(n *html.Node) {
			count[n.Data]++
			switch n.Data {
			case "html":
				if attribute(n, "lang") != "en" {
					t.Errorf("%s: no language", name)
				}
			case "h1", "h2", "h3", "h4":
				if next := int(n.Data[1] - '0'); next > level+1 {
					t.Errorf("%s: <%s> %q comes after a heading of level %d", name, n.Data, contentOf(n), level)
				}
				level = int(n.Data[1] - '0')
				if strings.TrimSpace(contentOf(n)) == "" {
					t.Errorf("%s: an empty <%s>", name, n.Data)
				}
			case "th":
				if attribute(n, "scope") == "" {
					t.Errorf("%s: <th> %q has no scope", name, contentOf(n))
				}
			case "svg":
				labelled := attribute(n, "role") == "img" && attribute(n, "aria-labelledby") != "" && n.FirstChild.Data == "title" && n.FirstChild.NextSibling.Data == "desc"
				if attribute(n, "aria-hidden") != "true" && !labelled {
					t.Errorf("%s: a picture has neither title and description nor is it hidden", name)
				}
			case "section", "article":
				if attribute(n, "aria-labelledby") == "" && !strings.Contains(attribute(n, "class"), "broker") {
					t.Errorf("%s: <%s> has no name", name, n.Data)
				}
			}
			if attribute(n, "tabindex") == "0" && (attribute(n, "role") != "region" || attribute(n, "aria-label") == "") {
				t.Errorf("%s: <%s> takes the focus and has no name", name, n.Data)
			}
		})
		for _, one := range []string{"main", "header", "footer", "nav", "h1", "title"} {
			if n := count[one]; one != "title" && n != 1 || n == 0 {
				t.Errorf("%s: %d <%s>", name, n, one)
			}
		}
	}
}

func TestHTMLSaysInWordsWhatThePicturesShow(t *testing.T) {
	text := contentOf(parseHTML(t, htmlOf(t, richReport(), 0)))
	for _, want := range []string{
		"Fetch: advertised v4 to v7, v4 to v12 on some brokers, requests outside", "Versions used: v7 (12 requests), v12 (6 requests, outside).",
		"ApiVersions v3, Metadata v9, Fetch v12 (above-max, closed by broker)", "Stream 1, closed by the broker", "frame 62: Fetch v12, advertised v4 to v7, closed by broker (KV1001)",
		"Fetch v16 ×39, Fetch v16 and others ×12", "3 more connections are counted above and not drawn", "end not seen",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestHTMLStaysUsableWithThousandsOfEverything(t *testing.T) {
	page := htmlOf(t, hugeReport(5000, 60), 0)
	count := 0
	elements(parseHTML(t, page), func(*html.Node) { count++ })
	if len(page) > 3_000_000 || count > 40_000 {
		t.Errorf("the page has %d bytes and %d elements", len(page), count)
	}
	for _, want := range []string{
		fmt.Sprintf("%d further findings, a line each", maxHTMLRows), fmt.Sprintf("KV1001 above-max: %s findings", words.Number(5000-maxHTMLFindings-maxHTMLRows)),
		fmt.Sprintf("%d further clients", maxHTMLRows), fmt.Sprintf("and %s more clients", words.Number(5000-maxHTMLFull-maxHTMLRows)),
		fmt.Sprintf("%d further brokers", maxHTMLRows), fmt.Sprintf("and %s more brokers", words.Number(5000-maxHTMLFull-maxHTMLRows)),
		"84 further connections", "and 4,981 more captures", "further limits",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestDocumentsAreTheSameEachTime(t *testing.T) {
	for name, r := range htmlCases() {
		page, text := htmlOf(t, r, 0), markdownOf(t, r)
		for range 3 {
			if htmlOf(t, r, 0) != page || markdownOf(t, r) != text {
				t.Errorf("%s: the same report gives another page", name)
			}
		}
	}
}

func TestHTMLKeepsTheIDsOfWhatStays(t *testing.T) {
	ids := func(r *model.Report) map[string]bool {
		out := map[string]bool{}
		elements(parseHTML(t, htmlOf(t, r, 0)), func(n *html.Node) { out[attribute(n, "id")] = true })
		return out
	}
	later := richReport()
	later.Findings = append(hugeReport(3, 10).Findings, later.Findings...)
	for i := range later.Findings {
		later.Findings[i].Count += 5
	}
	later.Clients = append(hugeReport(2, 10).Clients, later.Clients...)
	found := ids(later)
	for id := range ids(richReport()) {
		if !found[id] {
			t.Errorf("the id %s is gone when findings and clients come", id)
		}
	}
}

func TestHTMLLivePageSaysHowOften(t *testing.T) {
	for want, write := range map[string]func(io.Writer, *model.Report) error{"2000": LiveHTML, "": HTML} {
		var page bytes.Buffer
		if err := write(&page, cleanReport()); err != nil {
			t.Fatal(err)
		}
		got := ""
		elements(parseHTML(t, page.String()), func(n *html.Node) {
			if n.Data == "html" {
				got = attribute(n, "data-refresh")
			}
		})
		if got != want {
			t.Errorf("refreshed every %q ms, want %q", got, want)
		}
	}
}

// luminance returns the relative luminance of a colour #rrggbb (WCAG 2.2).
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	rgb, err := strconv.ParseUint(colour[1:], 16, 32)
	if err != nil || len(colour) != 7 {
		t.Fatalf("colour %q", colour)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb>>(16-8*i)&255) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestHTMLColoursHaveEnoughContrast(t *testing.T) {
	blocks := regexp.MustCompile(`:root \{([^}]*)\}`).FindAllStringSubmatch(pageStyle, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d sets of colours, want a light and a dark one", len(blocks))
	}
	const text, graphics = 4.5, 3 // WCAG 2.2 AA, 1.4.3 and 1.4.11
	for _, block := range blocks {
		colours := map[string]string{}
		for _, c := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(block[1], -1) {
			colours[c[1]] = c[2]
		}
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"text", "page", text}, {"text", "card", text}, {"text", "faint", text}, {"text", "info-card", text}, {"muted", "page", text}, {"muted", "card", text}, {"muted", "info-card", text},
			{"link", "page", text}, {"link", "card", text}, {"link", "info-card", text}, {"error", "card", text}, {"warning", "card", text}, {"info", "card", text}, {"good", "card", text},
			{"bar-line", "card", graphics}, {"mark", "bar", graphics}, {"mark", "card", graphics}, {"api", "card", graphics}, {"error", "bar", graphics},
		} {
			a, b := luminance(t, colours[pair.front]), luminance(t, colours[pair.back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < pair.least {
				t.Errorf("%s on %s: contrast %.2f, less than %.1f", colours[pair.front], colours[pair.back], ratio, pair.least)
			}
		}
	}
}
