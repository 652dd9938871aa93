package write

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	rawhtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/reporttest"
	"github.com/kafkavet/kafkavet/report/words"
)

func markdownOf(t testing.TB, r *model.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := Markdown(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGoldenMarkdown(t *testing.T) {
	for name, r := range map[string]*model.Report{"rich": richReport(), "clean": cleanReport(), "empty": emptyReport(), "thousands": hugeReport(3000, 20)} {
		t.Run(name, func(t *testing.T) {
			reporttest.Golden(t, "testdata/ticket-"+name+".md", []byte(markdownOf(t, r)))
		})
	}
}

func TestMarkdownSaysFirstWhatHappened(t *testing.T) {
	encrypted := emptyReport()
	encrypted.Summary = model.Summary{Streams: 2, EncryptedStreams: 2}
	partly := cleanReport()
	partly.Quality.NotChecked = []model.NotChecked{{Reason: model.NotCheckedEncrypted, Streams: 1}}
	unknown := emptyReport()
	unknown.Summary = model.Summary{Streams: 1, KafkaStreams: 1, Requests: 3}
	greeting := emptyReport()
	greeting.Summary = model.Summary{Streams: 1, KafkaStreams: 1, Requests: 1, RequestsExempt: 1}
	one := richReport()
	one.Findings = one.Findings[1:]
	for want, r := range map[string]*model.Report{
		"## confluent-kafka-go 2.6.0 sends Fetch v12 to 10.0.0.5:19092, which supports up to v7; fixed in 2.6.1": richReport(),
		"## confluent-kafka-go 2.6.0 sends Produce v2 to 10.0.0.5:19092, which supports v3 or higher":            one,
		"## No version mismatch in 42 requests":                                cleanReport(),
		"## No version mismatch in the 42 requests that could be checked":      partly,
		"## Nothing to check: no Kafka request was seen":                       emptyReport(),
		"## Nothing could be checked: 2 encrypted connections, no key":         encrypted,
		"## None of 3 requests could be checked: no advertised range is known": unknown,
		"## Nothing to check: the only Kafka requests are ApiVersions":         greeting,
	} {
		if first, _, _ := strings.Cut(markdownOf(t, r), "\n"); first != want {
			t.Errorf("first line\n%s, want\n%s", first, want)
		}
	}
}

func TestMarkdownHasEverythingTheTicketNeeds(t *testing.T) {
	text := markdownOf(t, richReport())
	for _, want := range []string{
		"`confluent-kafka-go` `2.6.0`, client id `orders-svc`, from `10.0.0.7`", "`10.0.0.5:19092`, looks like Kafka 2.6 with Fetch capped",
		"**Sent:** Fetch v12 (API key 1), 12 times", "**Advertised:** v4 to v7", "the broker closed the connection, 11 of 12",
		"frame.number == 62", "`tcp.stream eq 1 && kafka.correlation_id == 8`", "https://github.com/confluentinc/librdkafka/issues/4870",
		"**Fixed in:** `2.6.1`", "**What to do:** Go back to 2.5.3.", "| `confluent-kafka-go` `2.6.0`", "v12 (6 requests, outside)", "### What was not seen",
		"**Missing:** 15 kB", "<details>", "kafkavet analyze 'orders one.pcap' orders-two.pcapng", "tshark -r 'orders one.pcap' -d tcp.port==19092,kafka",
		"12 times: the broker closed the connection 11 times; the capture ends before an answer once.", "Also: 1 further error, 2 further warnings and 1 note.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestMarkdownFitsIntoATicketWhateverTheInput(t *testing.T) {
	for _, n := range []int{1, 5, 21, 100, 5000} {
		for _, length := range []int{6, 60, 256, 20000} {
			if n*length > 1_000_000 {
				continue
			}
			text := markdownOf(t, hugeReport(n, length))
			if len(text) > maxMarkdown {
				t.Errorf("%d findings with texts of %d bytes: %d bytes, more than %d", n, length, len(text), maxMarkdown)
			}
			for _, want := range []string{" sends Fetch v12 ", "### Findings", "### Clients and APIs", "### Brokers", "### What was not seen", "<summary>How to reproduce",
				"150 of 160 requests were compared", "- Found by `kafkavet 1.0.0`", "What was sent:", "tshark -r"} {
				if !strings.Contains(text, want) {
					t.Errorf("%d findings with texts of %d bytes: no %q", n, length, want)
				}
			}
			if opened, closed := strings.Count(text, "\n<details>\n"), strings.Count(text, "\n</details>\n"); opened != closed {
				t.Errorf("%d findings: %d details opened, %d closed", n, opened, closed)
			}
		}
	}
}

// TestMarkdownFoldsNoClientThatBreaks: in a fleet, the reader looks for the clients that break.
func TestMarkdownFoldsNoClientThatBreaks(t *testing.T) {
	rows := func(text string) int {
		return len(regexp.MustCompile(`(?m)^\| (breaks|likely|fine) \|`).FindAllString(text, -1))
	}
	for _, test := range []struct{ breaks, likely, fine, open int }{{2, 1, 30, 3}, {20, 0, 1, 20}, {0, 0, 30, 0}, {1, 0, 3, 4}, {15, 1, 0, 16}} {
		r := emptyReport()
		r.Target = &model.Target{Name: "Kafka 4.0.0"}
		var clients []model.TargetClient
		for _, of := range []struct {
			verdict string
			n       int
		}{{model.VerdictFine, test.fine}, {model.VerdictLikely, test.likely}, {model.VerdictBreaks, test.breaks}} {
			for range of.n {
				clients = append(clients, model.TargetClient{Verdict: of.verdict, Counts: model.TargetCounts{Passes: 1}})
			}
		}
		r.Target.Finish(clients, model.TargetSummary{})
		text := markdownOf(t, r)
		open, folded, _ := strings.Cut(text, "<summary>Verdicts on")
		if got := rows(open); got != test.open || rows(folded) != len(clients)-test.open {
			t.Errorf("%+v: %d rows stand open, %d are folded", test, got, rows(folded))
		}
	}
}

// TestHeadingsOfFindingsDiffer: findings about clients with the same software have the client id.
func TestHeadingsOfFindingsDiffer(t *testing.T) {
	r := richReport()
	f := r.Findings[0]
	other := f
	client := *f.Client
	client.ClientID = ref("billing")
	other.Client = &client
	r.Findings = []model.Finding{f, other}
	if a, b := title(&f), title(&other); a != b {
		t.Fatalf("the titles differ already: %q, %q", a, b)
	}
	for _, text := range []string{markdownOf(t, r), string(formatted(t, "html", r, TextOptions{}))} {
		for _, id := range []string{*f.Client.ClientID, "billing"} {
			if !strings.Contains(text, "(client id "+id+") sends Fetch v12") {
				t.Errorf("no heading names %s", id)
			}
		}
	}
	if text := markdownOf(t, richReport()); strings.Contains(text, "(client id ") {
		t.Error("a heading that is the only one of its kind names the client id")
	}
}

func TestMarkdownCountsWhatItLeavesOut(t *testing.T) {
	const n = 4000
	text := markdownOf(t, hugeReport(n, 20))
	full := len(regexp.MustCompile(`(?m)^#### \d+\. `).FindAllString(text, -1))
	short := len(regexp.MustCompile(`(?m)^\| KV1001 above-max \|`).FindAllString(text, -1))
	if full < maxMarkdownOpen || short == 0 {
		t.Errorf("%d findings in full and %d a line each: that is too few", full, short)
	}
	left := n - full - short
	want := fmt.Sprintf("- error KV1001 above-max: %s, in all %s\n", words.Plural(uint64(left), "finding"), words.Plural(uint64(left*(left+1)/2), "occurrence"))
	if !strings.Contains(text, want) {
		t.Errorf("no %q after %d and %d findings", want, full, short)
	}
	if !strings.Contains(text, "Also: 3,999 further errors.") {
		t.Error("the head does not count the findings")
	}
}

// render converts text as GitHub and GitLab do, without their own filters: raw HTML remains.
func render(t testing.TB, text string) *html.Node {
	t.Helper()
	var out bytes.Buffer
	md := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote), goldmark.WithRendererOptions(rawhtml.WithUnsafe()))
	if err := md.Convert([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(&out)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// walk calls do for each node, with the result of do for its parent.
func walk[T any](n *html.Node, state T, do func(*html.Node, T) T) {
	state = do(n, state)
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, state, do)
	}
}

// meaningful matches text that a ticket system interprets outside code.
var meaningful = regexp.MustCompile("(?i)@\\w|#\\d|[!%~$&]\\w|\\bGH-\\d|://|www\\.|:[a-z]+:|\\b[0-9a-f]{40}\\b|<|`|\\*\\*|\\$")

func TestMarkdownFromTheWireStaysText(t *testing.T) {
	allowed := map[string]bool{
		"html": true, "head": true, "body": true, "h2": true, "h3": true, "h4": true, "p": true, "ul": true, "li": true, "strong": true, "code": true, "pre": true,
		"table": true, "thead": true, "tbody": true, "tr": true, "th": true, "td": true, "details": true, "summary": true, "a": true,
	}
	for _, hostile := range hostileText {
		r := hostileReport(hostile)
		headings := 0
		walk(render(t, markdownOf(t, r)), false, func(n *html.Node, code bool) bool {
			switch n.Type {
			case html.ElementNode:
				if !allowed[n.Data] {
					t.Errorf("%q became <%s>", hostile, n.Data)
				}
				if n.Data == "a" && !strings.HasPrefix(attribute(n, "href"), "https://") {
					t.Errorf("%q became a link to %q", hostile, attribute(n, "href"))
				}
				if n.Data == "h2" {
					headings++
				}
				return code || n.Data == "code"
			case html.TextNode:
				checkText(t, hostile, n.Data, code)
			}
			return code
		})
		if headings != 1 {
			t.Errorf("%q: %d headings of the report instead of one", hostile, headings)
		}
	}
}

// checkText checks a text as it is shown.
func checkText(t *testing.T, hostile, shown string, code bool) {
	t.Helper()
	if found := meaningful.FindString(shown); !code && found != "" {
		t.Errorf("%q: %q stands outside of code in %q", hostile, found, shown)
	}
	for _, c := range shown {
		if c != '\n' && !unicode.IsPrint(c) {
			t.Errorf("%q: %q is not shown visibly in %q", hostile, c, shown)
		}
	}
}

// attribute returns an attribute of an element.
func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestMarkdownTablesKeepTheirColumns(t *testing.T) {
	for _, hostile := range hostileText {
		for n := range strings.SplitSeq(markdownOf(t, hostileReport(hostile)), "\n\n") {
			rows := strings.Split(n, "\n")
			if !strings.HasPrefix(rows[0], "| ") {
				continue
			}
			want := strings.Count(rows[0], "|")
			for _, row := range rows {
				if row != "" && strings.Count(row, "|") != want {
					t.Errorf("%q: row %s\ndoes not fit to %s", hostile, row, rows[0])
				}
			}
		}
	}
}

// FuzzMarkdown shows that a text from the wire becomes exactly one code span, both in a sentence
// and in a table. In prose it becomes words and code spans.
func FuzzMarkdown(f *testing.F) {
	for _, s := range hostileText {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		span := mdPhrase(say("from ", verbatim(s), " on, ", verbatim(s), verbatim(s)))
		want := mdInCode.Replace(strings.Trim(escapeLong(shorten(s)), " "))
		if s == "" {
			want = `""`
		}
		for _, text := range []string{span, "- " + span, "| a | b |\n|---|---|\n| " + span + " | x |"} {
			found := 0
			walk(render(t, text), 0, func(n *html.Node, _ int) int {
				if n.Type == html.ElementNode && n.Data == "code" {
					found++
					if got := strings.ReplaceAll(n.FirstChild.Data, `\x20`, ""); got != strings.ReplaceAll(want, `\x20`, "") && strings.Trim(want, " ") != "" {
						t.Errorf("%q is shown as %q", want, got)
					}
				}
				return 0
			})
			if found != 3 {
				t.Errorf("%q makes %d code spans instead of 3 in %s", s, found, text)
			}
		}
		walk(render(t, "Upgrade "+mdProse(s)+" now."), false, func(n *html.Node, code bool) bool {
			if n.Type == html.ElementNode && !map[string]bool{"html": true, "head": true, "body": true, "p": true, "code": true}[n.Data] {
				t.Errorf("%q became <%s>", s, n.Data)
			}
			if n.Type == html.TextNode {
				checkText(t, s, n.Data, code)
			}
			return code || n.Data == "code"
		})
	})
}

func TestMarkdownLinkCannotBeLeft(t *testing.T) {
	for address, want := range map[string]string{
		"https://github.com/a/b/issues/1":    "[x](https://github.com/a/b/issues/1)",
		"http://example.org/a_(b)?c=d#e":     "[x](http://example.org/a%5F%28b%29?c=d#e)",
		"https://e.org/a) [y](https://b.org": "[x](https://e.org/a%29%20%5By%5D%28https://b.org)",
		"javascript:alert(1)":                "x",
		"data:text/html,x":                   "x",
		"//example.org/x":                    "x",
		"":                                   "x",
		"https://":                           "x",
		"https://e.org/" + strings.Repeat("a", 600): "x",
	} {
		if got := mdLink("x", address); got != want {
			t.Errorf("link to %q is %q, want %q", address, got, want)
		}
	}
}

func TestShortenKeepsBothEndsAndTheLimit(t *testing.T) {
	for _, s := range []string{"", "a", strings.Repeat("a", maxVerbatim), strings.Repeat("ä", maxVerbatim), strings.Repeat("x", 1000) + "end", strings.Repeat("\xff", 500), strings.Repeat("ä", 500)} {
		got := shorten(s)
		if n := utf8.RuneCountInString(got); n > maxVerbatim {
			t.Errorf("%d characters left of %d, more than %d", n, len(s), maxVerbatim)
		}
		if utf8.RuneCountInString(s) <= maxVerbatim && got != s {
			t.Errorf("%q was shortened to %q", s, got)
		}
		if len(s) > 0 && (got[0] != s[0] || got[len(got)-1] != s[len(s)-1]) {
			t.Errorf("the ends of %q are not in %q", s, got)
		}
	}
}
