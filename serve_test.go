package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

// servedRun is a run of sniff --listen. It ends with the test.
type servedRun struct {
	t    *testing.T
	base string
	fake *fakeInterface
}

// serve starts a run with one refused request and 17 dropped packets.
func serve(t *testing.T) *servedRun {
	t.Helper()
	packets := refused(0)
	f := &fakeInterface{step: 5 * time.Millisecond, dropped: 17}
	f.batch = func(time.Duration) (now []capturetest.Packet) {
		time.Sleep(f.step)
		now, packets = packets, nil
		return now
	}
	ctx, cancel := context.WithCancel(t.Context())
	stderr := &timedLines{now: f.now}
	ended := make(chan int)
	go func() {
		ended <- f.sniff(ctx, streams{strings.NewReader(""), io.Discard, stderr}, "--listen", "127.0.0.1:0")
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitFindings {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	})
	address := regexp.MustCompile(`http://\S+:\d+`)
	for range 1000 {
		if base := address.FindString(stderr.String()); base != "" && strings.Contains(stderr.String(), "watching") {
			return &servedRun{t, base, f}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no address in %q", stderr)
	return nil
}

func (s *servedRun) do(method, path string, change func(*http.Request)) (*http.Response, []byte) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer, body
}

// waitFor requests a path until the answer contains text, and returns the answer.
func (s *servedRun) waitFor(path, text string) []byte {
	s.t.Helper()
	for range 50 {
		if _, body := s.do("GET", path, nil); bytes.Contains(body, []byte(text)) {
			return body
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("%s never held %q", path, text)
	return nil
}

func TestServedReports(t *testing.T) {
	s := serve(t)
	var r model.Report
	if err := json.Unmarshal(s.waitFor("/report.json", "KV1001"), &r); err != nil || r.Schema != model.SchemaName {
		t.Errorf("report.json: %v, schema %q", err, r.Schema)
	}
	for _, test := range []struct{ path, contentType, holds string }{
		{"/", "text/html; charset=utf-8", "KV1001"},
		{"/report.json", "application/json", "KV1001"},
		{"/report.md", "text/markdown; charset=utf-8", "KV1001"},
		{"/metrics", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "kafkavet_packets_total 13"},
		{"/healthz", "text/plain; charset=utf-8", "ok"},
	} {
		answer, body := s.do("GET", test.path, nil)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != test.contentType || !bytes.Contains(body, []byte(test.holds)) {
			t.Errorf("%s: status %d, %q, %.100s", test.path, answer.StatusCode, answer.Header.Get("Content-Type"), body)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", test.path, name, got, want)
			}
		}
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", test.path, policy)
		}
		if head, none := s.do("HEAD", test.path, nil); head.StatusCode != http.StatusOK || len(none) > 0 {
			t.Errorf("HEAD %s: status %d, %d bytes", test.path, head.StatusCode, len(none))
		}
	}
}

func TestServerTurnsAway(t *testing.T) {
	s := serve(t)
	for _, test := range []struct {
		name, method, path string
		change             func(*http.Request)
		want               int
	}{
		{"what would write", "POST", "/", nil, http.StatusMethodNotAllowed},
		{"a deletion", "DELETE", "/report.json", nil, http.StatusMethodNotAllowed},
		{"an odd method", "PROPFIND", "/", nil, http.StatusMethodNotAllowed},
		{"an unknown path", "GET", "/etc/passwd", nil, http.StatusNotFound},
		{"the way up", "GET", "/../main.go", nil, http.StatusNotFound},
		{"profiling", "GET", "/debug/pprof/", nil, http.StatusNotFound},
		{"a name of another's (DNS rebinding)", "GET", "/report.json", func(r *http.Request) { r.Host = "evil.example" }, http.StatusMisdirectedRequest},
		{"a name of another's with the port", "GET", "/metrics", func(r *http.Request) { r.Host = "evil.example:9999" }, http.StatusMisdirectedRequest},
		{"a name that looks like ours", "GET", "/", func(r *http.Request) { r.Host = "localhost.evil.example" }, http.StatusMisdirectedRequest},
		{"nobody: localhost", "GET", "/healthz", func(r *http.Request) { r.Host = "LocalHost:1234" }, http.StatusOK},
		{"nobody: IPv6", "GET", "/healthz", func(r *http.Request) { r.Host = "[::1]:9999" }, http.StatusOK},
		{"nobody: IPv6 without a port", "GET", "/healthz", func(r *http.Request) { r.Host = "[::1]" }, http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			if answer, body := s.do(test.method, test.path, test.change); answer.StatusCode != test.want {
				t.Errorf("status %d, want %d: %.100s", answer.StatusCode, test.want, body)
			}
		})
	}
}

func TestHeadersAreBounded(t *testing.T) {
	s := serve(t)
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.base, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X", strings.Repeat("x", 1<<20))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return // the server has closed the connection before all of it was sent
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func TestMetricsAreAsPrometheusWantsThem(t *testing.T) {
	s := serve(t)
	s.waitFor("/metrics", `api="Fetch"`) // the first scrape may have begun before the packets arrived
	text := s.waitFor("/metrics", `kafkavet_findings_total{api="Fetch",client_software="unknown",code="KV1001",severity="error",version="12"} 1`)
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	for _, want := range []string{
		`kafkavet_requests_total{api="Fetch",client_software="unknown",verdict="above-max",version="12"} 1`,
		`kafkavet_requests_total{api="ApiVersions",client_software="unknown",verdict="exempt",version="0"} 1`,
		"kafkavet_dropped_packets_total 17", "kafkavet_connections_total 1", "kafkavet_gaps_total 0",
		`kafkavet_findings_total{api="",client_software="",code="KV9002",severity="info",version=""} 1`,
		`kafkavet_ended_connections_total{protocol="kafka"} 1`, `kafkavet_build_info{version="`, "go_goroutines ",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s is not in:\n%s", want, text)
		}
	}
}

func TestNobodyAsksNothingIsMade(t *testing.T) {
	s := &httpServer{next: make(chan struct{}), now: func() time.Duration { return time.Hour }}
	if s.wanted(time.Hour) {
		t.Error("wanted before anybody asked")
	}
	got := make(chan *snapshot)
	go func() {
		c, _ := s.snapshot(t.Context())
		got <- c
	}()
	for !s.wanted(time.Hour) {
		time.Sleep(time.Millisecond)
	}
	c := &snapshot{at: time.Hour}
	s.publish(c)
	if <-got != c {
		t.Error("who asked got something else")
	}
	if again, err := s.snapshot(t.Context()); again != c || err != nil {
		t.Error("a fresh snapshot was not handed out again")
	}
	if s.wanted(time.Hour) {
		t.Error("still wanted")
	}
	s.now = func() time.Duration { return time.Hour + 2*freshFor }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.snapshot(ctx); err == nil {
		t.Error("an old snapshot was handed out")
	}
}

func TestHealthTellsThatNothingStirs(t *testing.T) {
	s := &httpServer{now: func() time.Duration { return time.Minute }}
	for beat, want := range map[time.Duration]int{time.Minute: http.StatusOK, time.Second: http.StatusServiceUnavailable} {
		s.beat(beat)
		w := httptest.NewRecorder()
		s.health(w, nil)
		if w.Code != want {
			t.Errorf("last beat at %v of 1m: status %d, want %d", beat, w.Code, want)
		}
	}
}

func TestListenAddress(t *testing.T) {
	for text, want := range map[string]string{
		":9999": "127.0.0.1:9999", "0.0.0.0:80": "0.0.0.0:80", "[::1]:80": "[::1]:80", "localhost:80": "localhost:80",
		"9999": "", "localhost": "", "localhost:": "", "": "",
	} {
		if got, err := listenAddress(text); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestAllAddressesOfIPv4AreNotThoseOfIPv6(t *testing.T) {
	s, err := listen("0.0.0.0:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if got := s.address(); !strings.HasPrefix(got, "0.0.0.0:") {
		t.Errorf("listens at %s", got)
	}
}

func TestSlowAndIdleClientsAreGivenUp(t *testing.T) {
	s := &httpServer{done: make(chan struct{}), next: make(chan struct{}), now: func() time.Duration { return 0 }}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.start(&watch{metrics: newRequestMetrics()})
	defer s.close()
	h := s.server
	if h.ReadHeaderTimeout <= 0 || h.ReadTimeout <= 0 || h.WriteTimeout <= 0 || h.IdleTimeout <= 0 || h.MaxHeaderBytes <= 0 {
		t.Errorf("a bound is missing: %+v", h)
	}
}

// TestSoftwareIsBounded: names announced by clients make at most maxSoftware series.
func TestSoftwareIsBounded(t *testing.T) {
	m := newRequestMetrics()
	x := decode.Exchange{}
	for i := range 3 * maxSoftware {
		x.Software = decode.Software{Name: "lib", Version: strconv.Itoa(i)}
		m.count(&x)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(m.vec)
	families, err := r.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	if n := len(families[0].GetMetric()); n != maxSoftware+1 {
		t.Errorf("%d series, want %d and one for the others", n, maxSoftware)
	}
}

// TestScrapesAreBounded makes more scrapes wait for a snapshot than the limit.
func TestScrapesAreBounded(t *testing.T) {
	s := &httpServer{now: func() time.Duration { return 0 }, next: make(chan struct{})}
	h := newMetrics(s, newRequestMetrics())
	scrape := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		return w.Code
	}
	codes := make(chan int, 3*maxScrapes)
	for range cap(codes) {
		go func() { codes <- scrape() }()
	}
	for range cap(codes) - maxScrapes {
		if code := <-codes; code != http.StatusServiceUnavailable {
			t.Errorf("status %d, want %d", code, http.StatusServiceUnavailable)
		}
	}
	s.publish(&snapshot{report: &model.Report{}})
	for range maxScrapes {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("status %d, want %d", code, http.StatusOK)
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	m := newRequestMetrics()
	x := decode.Exchange{Software: decode.Software{Name: "a", Version: "1"}}
	for i := range 3 * maxRequestSeries {
		x.Key, x.Version = int16(i%2000), int16(i/2000)
		m.count(&x)
	}
	for i := range 3 * maxSoftware {
		x.Software.Version = strings.Repeat("x", i)
		m.count(&x)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(m.vec, m.beyond)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "kafkavet_requests_total" {
			continue
		}
		if n := len(f.GetMetric()); n > maxRequestSeries+6 {
			t.Errorf("%d series", n)
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue()
		}
	}
	if want := float64(3*maxRequestSeries + 3*maxSoftware); sum != want {
		t.Errorf("%v requests were counted, want %v", sum, want)
	}
	findings := make([]model.Finding, 3*maxFindingSeries)
	for i := range findings {
		key, version := int16(i), int16(1)
		findings[i] = model.Finding{Code: "KV1001", APIKey: &key, API: strings.Repeat("x", i), Version: &version, Count: 2}
	}
	series := &findingSeries{known: map[[5]string]struct{}{}}
	counts, all := series.counts(findings), uint64(0)
	for _, n := range counts {
		all += n
	}
	if len(counts) > maxFindingSeries+1 || all != 6*maxFindingSeries {
		t.Errorf("%d series of findings with a sum of %d", len(counts), all)
	}
	slices.Reverse(findings) // the order in a report changes with time
	if again := series.counts(findings); !maps.Equal(again, counts) {
		t.Errorf("the order of findings matters: %d series, before %d", len(again), len(counts))
	}
}

func TestCountingRequestsAllocatesNothing(t *testing.T) {
	m := newRequestMetrics()
	x := decode.Exchange{Software: decode.Software{Name: "a", Version: "1"}}
	i := int16(0)
	count := func() {
		i++
		x.Key = i % 4
		m.count(&x)
	}
	for range 10 {
		count()
	}
	if n := testing.AllocsPerRun(1000, count); n > 0 {
		t.Errorf("%v allocations for a request", n)
	}
}

func TestLabelsHoldNoControlCharacters(t *testing.T) {
	if got := softwareLabel("evil\x1b[31m\n", "1\xff"); strings.ContainsAny(got, "\x1b\n") || !strings.Contains(got, "evil") {
		t.Errorf("%q", got)
	}
}

// TestTargetMetrics: clients with equal labels are one series, brokers have none, and clients
// beyond the limit are "other".
func TestTargetMetrics(t *testing.T) {
	client := func(id, software, verdict string, requests uint64, seen model.Time) model.TargetClient {
		return model.TargetClient{ClientIDs: []string{id}, SoftwareName: software, Verdict: verdict, Requests: requests, LastSeen: seen}
	}
	clients := []model.TargetClient{
		client("orders", "sarama", model.VerdictBreaks, 3, 2e9),
		client("orders", "sarama", model.VerdictBreaks, 4, 1e9),
		client("evil\n", "", model.VerdictLikely, 1, 5e8),
		client("fetcher", "", model.VerdictBrokers, 9, 9e9),
	}
	clients[2].ClientIDs = append(clients[2].ClientIDs, "second")
	clients[0].APIs = []model.TargetUse{{Certain: true, LastSeen: 15e8}} // it is still there
	want := map[[3]string]targetSeries{
		{"orders", "sarama", "breaks"}:                {7, 2},
		{write.Escape("evil\n"), "unknown", "likely"}: {1, 0.5},
		{"second", "unknown", "likely"}:               {0, 0.5},
	}
	if got := seriesOf(clients); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	clients = clients[:1]
	for i := range 2 * maxTargetSeries {
		clients = append(clients, client(strconv.Itoa(i), "", model.VerdictFine, 1, 1e9))
	}
	got := seriesOf(clients)
	folded := got[[3]string{other, other, model.VerdictFine}]
	if len(got) != maxTargetSeries+1 || folded.requests != maxTargetSeries+1 || got[[3]string{"orders", "sarama", "breaks"}].requests != 3 {
		t.Errorf("%d series, %+v of others", len(got), folded)
	}
	brokers := make([]model.Broker, 2*maxBrokerSeries)
	for i := range brokers {
		brokers[i] = model.Broker{Address: strconv.Itoa(i), Requests: uint64(i)}
	}
	to := make(chan prometheus.Metric, len(brokers))
	collectBrokers(brokers, to)
	if len(to) != maxBrokerSeries+1 {
		t.Errorf("%d series of brokers", len(to))
	}
}
