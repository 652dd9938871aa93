//go:build browser

// The HTML report in a real browser: headless Chromium, driven over the DevTools
// protocol. It needs a chromium, chrome or headless-shell in the path:
//
//	go test -tags browser ./report/write -run Browser
package write

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	devtoolspage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/kafkavet/kafkavet/report/model"
)

// browserTimeout is the limit for one page. It needs a second, but many on a busy machine.
const browserTimeout = 2 * time.Minute

// tab is a page in a browser, with its requests and its complaints.
type tab struct {
	*testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	console  []string
}

func openTab(t *testing.T) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-component-update", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root otherwise.
	}
	// t.Context would end before the browser is closed.
	ctx, cancel := context.WithTimeout(context.Background(), browserTimeout)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	b := &tab{T: t, ctx: ctx}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
		cancel()
	})
	if err := chromedp.Listen(ctx, b.heard); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return b
}

// heard records a request or a complaint of the page.
func (b *tab) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *log.EventEntryAdded:
		b.console = append(b.console, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	case *runtime.EventConsoleAPICalled:
		b.console = append(b.console, fmt.Sprintf("console.%s", e.Type))
	case *runtime.EventExceptionThrown:
		b.console = append(b.console, "exception: "+e.ExceptionDetails.Text)
	case *devtoolspage.EventJavascriptDialogOpening:
		b.console = append(b.console, "dialog: "+e.Message)
	}
}

// heardSoFar returns the records so far and clears them.
func (b *tab) heardSoFar() (requests, console []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, console = b.requests, b.console
	b.requests, b.console = nil, nil
	return requests, console
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// ask evaluates a JavaScript expression.
func ask[T any](b *tab, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits until an expression is true.
func (b *tab) until(expression string) {
	b.Helper()
	for !ask[bool](b, expression) {
		select {
		case <-b.ctx.Done():
			b.Fatalf("%s: did not become true: %v", expression, b.ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// scheme sets the colour scheme that the reader prefers, "light" or "dark".
func (b *tab) scheme(name string) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}); err != nil {
		b.Fatal(err)
	}
}

// file writes a report and returns its URL.
func (b *tab) file(r *model.Report) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(htmlOf(b, r, 0)), 0o600); err != nil {
		b.Fatal(err)
	}
	return "file://" + filepath.ToSlash(path)
}

func TestBrowserShowsTheReportWithoutARequestOrAnError(t *testing.T) {
	b := openTab(t)
	for name, r := range map[string]*model.Report{"rich": richReport(), "clean": cleanReport(), "empty": emptyReport(), "thousands": hugeReport(3000, 30)} {
		address := b.file(r)
		b.do(chromedp.EmulateViewport(1400, 900), chromedp.Navigate(address))
		requests, console := b.heardSoFar()
		if len(requests) != 1 || requests[0] != address || len(console) > 0 {
			t.Errorf("%s: requests %q, console %q", name, requests, console)
		}
		if got, want := ask[string](b, "document.querySelector('h1').innerText"), escapeLong(truncate(headline(r), maxTitle)); got != want {
			t.Errorf("%s: the page says %q, want %q", name, got, want)
		}
		if ask[string](b, "getComputedStyle(document.querySelector('.summary')).borderLeftStyle") != "solid" {
			t.Errorf("%s: the style is not in force", name)
		}
		for _, width := range []int64{320, 390, 800, 1400} {
			b.do(chromedp.EmulateViewport(width, 900))
			if got := ask[int64](b, "document.documentElement.scrollWidth"); got > width {
				t.Errorf("%s: at a width of %d the page is %d wide", name, width, got)
			}
		}
	}
}

// TestBrowserScrollsWideTablesOnAPhone: the part of a table beyond the screen can be reached, and
// a shadow shows that it exists.
func TestBrowserScrollsWideTablesOnAPhone(t *testing.T) {
	b := openTab(t)
	b.do(chromedp.EmulateViewport(390, 900), chromedp.Navigate(b.file(richReport())))
	got := ask[string](b, `(() => {
		const box = document.querySelector(".finding .scroll"), last = box.querySelector("tr td:last-child");
		const seen = () => last.getBoundingClientRect().right <= box.getBoundingClientRect().right + 1;
		const before = seen();
		box.scrollLeft = box.scrollWidth;
		return [before, seen(), getComputedStyle(box).backgroundAttachment].join(" ");
	})()`)
	if want := "false true local, local, scroll, scroll"; got != want {
		t.Errorf("the last column is seen before and after scrolling, shadows: %q, want %q", got, want)
	}
}

func TestBrowserShowsTheFindingWithItsPictures(t *testing.T) {
	b := openTab(t)
	b.do(chromedp.EmulateViewport(1400, 900), chromedp.Navigate(b.file(richReport())))
	text := ask[string](b, "document.getElementById('findings').innerText")
	for _, want := range []string{"KV1001 above-max", "sends Fetch v12 to 10.0.0.5:19092, which supports up to v7", "confluent-kafka-go 2.6.0", "10.0.0.5:19092", "librdkafka #4870", "tcp.stream eq 1 && kafka.correlation_id == 8"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	// A mark outside its range is visible, and beside the bar.
	if !ask[bool](b, `(() => {
		const strip = document.querySelector(".finding .strip");
		const bar = strip.querySelector(".common").getBoundingClientRect();
		const mark = strip.querySelector(".k-outside use").getBoundingClientRect();
		return bar.width > 50 && mark.width > 10 && mark.left > bar.right;
	})()`) {
		t.Error("the version that was sent is not drawn beside the advertised range")
	}
	// The lanes have six errors in sequence, each before the end of its connection.
	if got := ask[string](b, `[...document.querySelectorAll("#lanes-0, .timeline")].length + " " +
		[...document.querySelectorAll(".lane.error")].map((l) => {
			const mark = l.querySelector(".k-error use").getBoundingClientRect();
			const end = l.querySelector(".end use").getBoundingClientRect();
			return mark.width > 0 && end.width > 0 && mark.left < end.left;
		}).join(" ")`); got != "1 true true true true true true true" {
		t.Errorf("lanes with errors: %s", got)
	}
}

func TestBrowserColoursFollowTheReader(t *testing.T) {
	b := openTab(t)
	address := b.file(richReport())
	background := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.do(chromedp.Navigate(address))
		background[scheme] = ask[string](b, "getComputedStyle(document.body).backgroundColor")
	}
	if background["light"] != "rgb(244, 246, 248)" || background["dark"] != "rgb(18, 22, 27)" {
		t.Errorf("backgrounds %v", background)
	}
}

func TestBrowserPrintsWhatIsFolded(t *testing.T) {
	b := openTab(t)
	b.scheme("dark")
	b.do(chromedp.Navigate(b.file(richReport())))
	if pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF()); err != nil || len(pdf) < 20_000 {
		t.Errorf("printed %d bytes: %v", len(pdf), err)
	}
	folded := "document.querySelector('#lanes-in-words table').checkVisibility({contentVisibilityAuto: true})"
	if ask[bool](b, folded) {
		t.Error("the table is not folded on the screen")
	}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		t.Fatal(err)
	}
	// The browser renders the new medium in its next frame, which may be later than the answer to the call.
	b.until(folded)
	if got := ask[string](b, "getComputedStyle(document.querySelector('.summary')).backgroundColor"); got != "rgb(255, 255, 255)" {
		t.Errorf("it is printed on %s", got)
	}
}

func TestBrowserRunsNothingFromTheWire(t *testing.T) {
	b := openTab(t)
	for _, hostile := range hostileText {
		address := b.file(hostileReport(hostile))
		b.do(chromedp.Navigate(address))
		requests, console := b.heardSoFar()
		if len(requests) != 1 || len(console) > 0 {
			t.Errorf("%q: requests %q, console %q", hostile, requests, console)
		}
	}
}

// TestBrowserPolicyHolds injects forbidden content and checks that the policy stops it.
func TestBrowserPolicyHolds(t *testing.T) {
	for live, refresh := range map[bool]time.Duration{false: 0, true: time.Hour} {
		b := openTab(t)
		asked := make(chan string, 10)
		other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { asked <- q.URL.Path }))
		defer other.Close()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := writeHTML(w, cleanReport(), refresh); err != nil {
				t.Error(err)
			}
		}))
		defer server.Close()
		b.do(chromedp.Navigate(server.URL))
		ask[any](b, fmt.Sprintf(`(() => {
			const main = document.querySelector("main");
			const add = (tag, set) => { const e = document.createElement(tag); set(e); main.append(e); };
			add("script", (e) => e.textContent = "window.ran = true");
			add("script", (e) => e.src = %[1]q + "/script.js");
			add("img", (e) => e.src = %[1]q + "/image.png");
			add("iframe", (e) => e.src = %[1]q + "/frame");
			add("style", (e) => e.textContent = "body { max-width: 7px }");
			main.setAttribute("onclick", "window.ran = true");
			main.click();
			fetch(%[1]q + "/fetched").catch(() => {});
			return null;
		})()`, other.URL))
		time.Sleep(200 * time.Millisecond) // no request should arrive, so there is no event to wait for
		if ask[bool](b, "window.ran === true") || ask[string](b, "getComputedStyle(document.body).maxWidth") == "7px" {
			t.Errorf("live %v: what was put in ran", live)
		}
		select {
		case path := <-asked:
			t.Errorf("live %v: %s was fetched", live, path)
		default:
		}
		if _, console := b.heardSoFar(); len(console) < 5 {
			t.Errorf("live %v: the policy stopped only %q", live, console)
		}
	}
}

func TestBrowserNamesEverythingForScreenReaders(t *testing.T) {
	b := openTab(t)
	b.do(chromedp.Navigate(b.file(richReport())))
	ask[any](b, "document.querySelectorAll('details').forEach((d) => d.open = true)")
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		count[role]++
		switch role {
		case "image", "link", "region", "heading", "DisclosureTriangle", "navigation", "button":
			if n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "" {
				t.Errorf("a node of role %s has no name", role)
			}
		}
	}
	for _, role := range []string{"main", "banner", "contentinfo", "navigation", "table", "columnheader", "rowheader", "image", "heading", "article", "region"} {
		if count[role] == 0 {
			t.Errorf("there is no node of role %s", role)
		}
	}
}

func TestBrowserCanBeUsedWithTheKeyboard(t *testing.T) {
	b := openTab(t)
	b.do(chromedp.Navigate(b.file(richReport())))
	want := ask[int](b, "[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')].filter((e) => e.checkVisibility({contentVisibilityAuto: true})).length")
	for i := range want {
		b.do(chromedp.KeyEvent("\t"))
		if got := ask[string](b, `(() => {
			const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
			if (e === document.body) return "nothing has the focus";
			if (style.outlineStyle !== "solid") return e.outerHTML.slice(0, 80) + " does not show the focus";
			return box.bottom > 0 && box.top < innerHeight ? "" : e.outerHTML.slice(0, 80) + " is not in sight";
		})()`); got != "" {
			t.Errorf("after %d tabs: %s", i+1, got)
		}
	}
	if !ask[bool](b, "document.querySelector('footer').compareDocumentPosition(document.activeElement) === Node.DOCUMENT_POSITION_PRECEDING && !!document.activeElement.closest('#brokers, #clients, #timeline, #reproduce, #quality')") {
		t.Error("the last stop is not in the last parts of the page")
	}
}

// testRefresh is the time between fetches of the pages of liveServer.
const testRefresh = 500 * time.Millisecond

// liveServer serves a live page of a report that a test can change.
type liveServer struct {
	mu     sync.Mutex
	report *model.Report
	broken bool
	served int
}

// ServeHTTP writes the page.
func (s *liveServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served++
	if s.broken {
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", HTMLPolicy(true))
	if err := writeHTML(w, s.report, testRefresh); err != nil {
		panic(err)
	}
}

// change calls do under the lock.
func (s *liveServer) change(do func(*liveServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
}

// fetches returns how often the page was served.
func (s *liveServer) fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

// withNews returns richReport preceded by n findings.
func withNews(n int) *model.Report {
	r := richReport()
	r.Findings = append(hugeReport(n, 10).Findings, r.Findings...)
	return r
}

func TestBrowserLivePageKeepsTheReadersPlace(t *testing.T) {
	live := &liveServer{report: richReport()}
	server := httptest.NewServer(live)
	defer server.Close()
	b := openTab(t)
	b.do(chromedp.EmulateViewport(1200, 800), chromedp.Navigate(server.URL))
	ask[any](b, `(() => {
		document.getElementById("broker-0").open = true;
		document.getElementById("lanes-in-words").open = true;
		document.querySelector(".finding details").open = false;
		document.querySelector(".finding details").dataset.old = "yes";
		document.querySelector("#broker-0 summary").focus();
		document.getElementById("clients").scrollIntoView();
		scrollBy(0, 40);
		return null;
	})()`)
	place := "Math.round(document.getElementById('clients').getBoundingClientRect().top)"
	before, closed := ask[int](b, place), ask[string](b, "document.querySelector('.finding details').id")
	live.change(func(s *liveServer) { s.report = withNews(4) })
	b.until("document.querySelectorAll('.finding').length === 9")
	if after := ask[int](b, place); after < before-2 || after > before+2 {
		t.Errorf("what was read moved from %d to %d", before, after)
	}
	for want, expression := range map[string]string{
		"open":       "document.getElementById('broker-0').open",
		"words open": "document.getElementById('lanes-in-words').open",
		"closed":     fmt.Sprintf("!document.getElementById(%q).open", closed),
		"replaced":   fmt.Sprintf("!document.getElementById(%q).dataset.old", closed),
		"focus":      "document.activeElement === document.querySelector('#broker-0 summary')",
		"title":      "document.title.includes(' sends Fetch v12 ')",
	} {
		if !ask[bool](b, expression) {
			t.Errorf("after the new report: not %s", want)
		}
	}
	if _, console := b.heardSoFar(); len(console) > 0 {
		t.Errorf("console %q", console)
	}
}

func TestBrowserLivePageCanBePausedAndSaysWhenItIsCutOff(t *testing.T) {
	live := &liveServer{report: richReport()}
	server := httptest.NewServer(live)
	defer server.Close()
	b := openTab(t)
	b.do(chromedp.Navigate(server.URL))
	b.until("document.getElementById('live-time').textContent.startsWith('live, ')")
	live.change(func(s *liveServer) { s.broken = true })
	b.until("document.getElementById('live-state').textContent.startsWith('Not reachable')")
	live.change(func(s *liveServer) { s.broken = false; s.report = withNews(2) })
	b.until("document.getElementById('live-state').textContent === '' && document.querySelectorAll('.finding').length === 7")

	b.do(chromedp.Click(chromedp.CSS("#live-pause")))
	b.until("document.getElementById('live-pause').getAttribute('aria-pressed') === 'true'")
	live.change(func(s *liveServer) { s.report = withNews(3) })
	before := live.fetches()
	time.Sleep(3 * testRefresh)
	if n := live.fetches() - before; n > 1 || ask[int](b, "document.querySelectorAll('.finding').length") != 7 {
		t.Errorf("a paused page was fetched %d times", n)
	}
	b.do(chromedp.Click(chromedp.CSS("#live-pause")))
	b.until("document.querySelectorAll('.finding').length === 8")
}

func TestBrowserLivePageLeavesASelectionAlone(t *testing.T) {
	live := &liveServer{report: richReport()}
	server := httptest.NewServer(live)
	defer server.Close()
	b := openTab(t)
	b.do(chromedp.Navigate(server.URL))
	ask[any](b, "getSelection().selectAllChildren(document.querySelector('.finding h3'))")
	live.change(func(s *liveServer) { s.report = withNews(2) })
	time.Sleep(3 * testRefresh)
	if got := ask[string](b, "getSelection().toString()"); got != "confluent-kafka-go 2.6.0 sends Fetch v12 to 10.0.0.5:19092, which supports up to v7; fixed in 2.6.1" {
		t.Errorf("%q is selected", got)
	}
	ask[any](b, "getSelection().removeAllRanges()")
	b.until("document.querySelectorAll('.finding').length === 7")
}
