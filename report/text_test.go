package report

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/knownissues"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

func textOf(t *testing.T, r *model.Report, opt write.TextOptions) string {
	t.Helper()
	var out bytes.Buffer
	if err := write.Text(&out, r, opt); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// colours are the escape sequences that color writes.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestTextFitsTheWidth(t *testing.T) {
	all := scenarios()
	for _, text := range hostileTexts {
		all = append(all, scenario{name: fmt.Sprintf("%.8q", text), input: troubledInput(), calls: hostileCalls(text)})
	}
	for _, s := range all {
		r := reportOf(s)
		for _, width := range []int{40, 60, 80, 120, 200} {
			for _, line := range strings.Split(textOf(t, r, write.TextOptions{Width: width}), "\n") {
				if w := uniseg.StringWidth(line); w > min(width, 120) {
					t.Errorf("%s at width %d: a line takes %d columns: %s", s.name, width, w, line)
				}
				if strings.HasSuffix(line, " ") {
					t.Errorf("%s at width %d: blanks at the end of %q", s.name, width, line)
				}
			}
		}
	}
}

func TestColourChangesNothingButTheColour(t *testing.T) {
	for _, s := range scenarios() {
		r := reportOf(s)
		for _, width := range []int{0, 60, 120} {
			plain := textOf(t, r, write.TextOptions{Width: width})
			colored := textOf(t, r, write.TextOptions{Width: width, Color: true})
			if strings.Contains(plain, "\x1b") {
				t.Errorf("%s: colours without being asked for", s.name)
			}
			if got := colours.ReplaceAllString(colored, ""); got != plain {
				t.Errorf("%s at width %d: text differs with colours:\n%s\nand without:\n%s", s.name, width, got, plain)
			}
			if s.name == "fetch-bug" && !strings.Contains(colored, "\x1b[31") {
				t.Errorf("%s: an error is not red", s.name)
			}
		}
	}
}

func TestTheFirstLineAndTheLastTellTheStory(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(textOf(t, reportOf(scenarios()[0]), write.TextOptions{})), "\n")
	if want := "capture.pcap: 162 packets, 6 connections to 1 broker, 24 requests"; lines[0] != want {
		t.Errorf("first line %q, want %q", lines[0], want)
	}
	if want := "1 error, 1 note"; lines[len(lines)-1] != want {
		t.Errorf("last line %q, want %q", lines[len(lines)-1], want)
	}
}

func TestNothingFoundIsSaidOnlyOfWhatWasChecked(t *testing.T) {
	for name, c := range map[string]struct {
		calls []any
		want  []string
	}{
		"all checked": {cleanCalls(), []string{"nothing found in the 2 requests that were checked"}},
		"one checked": {[]any{exchangeOf(1, 0, 3, 7)}, []string{"checked 1 of 1 request against", "nothing found in the 1 request that was checked"}},
		"some without a range": {[]any{exchangeOf(1, 0, 3, 7), exchangeOf(2, 1, 3, 7, noRange)},
			[]string{"checked 1 of 2 requests", "not checked: 1 request, no usable ranges of the broker were seen", "nothing found in the 1 request that was checked"}},
		"none with a range": {[]any{exchangeOf(2, 1, 3, 7, noRange)},
			[]string{"checked 0 of 1 request\n", "nothing found, because nothing was checked"}},
		"ApiVersions only": {[]any{exchangeOf(1, 0, apiVersionsKey, 0), exchangeOf(3, 1, apiVersionsKey, 0)},
			[]string{"nothing to check: the only Kafka requests are ApiVersions, which may have any version\n", "nothing found, because nothing was checked"}},
		"encrypted": {[]any{connectionOf(0, 1, 9, tlsOf()), connectionOf(1, 1, 9, tlsOf())},
			[]string{"no Kafka requests were seen", "not looked into: 2 encrypted connections; KV9001 says what would help", "nothing found, because nothing was checked, 1 note"}},
		"borrowed": {[]any{exchangeOf(1, 0, 3, 7), exchangeOf(2, 1, 3, 7, borrowedRange)},
			[]string{"checked 2 of 2 requests against ranges: 1 seen on their own connection and 1 borrowed from another connection"}},
		"a warning is no clean bill": {[]any{exchangeOf(2, 1, 3, 7, noRange, outcomeOf(decode.ClosedByBroker))}, []string{"\n1 warning\n"}},
	} {
		text := strings.ReplaceAll(textOf(t, builderOf(Options{}, c.calls...).Report(), write.TextOptions{Width: 120}), "\n  ", "\n ")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in:\n%s", name, want, text)
			}
		}
		if strings.Count(text, "nothing was checked") > 1 {
			t.Errorf("%s: it is said twice that nothing was checked:\n%s", name, text)
		}
		if len(c.calls) > 0 && name == "a warning is no clean bill" && strings.Contains(text, "nothing found") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

func TestThenTellsOutcomesWithTheirTimes(t *testing.T) {
	above := verdictOf(decode.AboveMax)
	took := func(d time.Duration) func(*decode.Exchange) { return func(x *decode.Exchange) { x.Took = d } }
	for _, c := range []struct {
		name  string
		calls []any
		want  string
	}{
		{"one", []any{exchangeOf(1, 0, 1, 12, above, outcomeOf(decode.ClosedByBroker), took(200*time.Microsecond))},
			"the broker closed the connection after 0.2 ms"},
		{"several alike", []any{
			exchangeOf(1, 0, 1, 12, above, outcomeOf(decode.ResetByBroker), took(time.Second)),
			exchangeOf(2, 1, 1, 12, above, outcomeOf(decode.ResetByBroker), took(time.Second)),
		}, "the broker reset the connection, 2 of 2, after 1 s at the median"},
		{"several not alike", []any{
			exchangeOf(1, 0, 1, 12, above, outcomeOf(decode.ClosedByBroker), took(time.Millisecond)),
			exchangeOf(2, 1, 1, 12, above, outcomeOf(decode.ClosedByBroker), took(time.Millisecond)),
			exchangeOf(3, 2, 1, 12, above, outcomeOf(decode.CutOff)),
			exchangeOf(4, 3, 1, 12, above, outcomeOf(decode.Left), took(30*time.Second)),
		}, "the broker closed the connection, 2 of 4, after 1 ms at the median; the client closed the connection before an answer, 1 of 4, after 30 s; the capture ends before an answer, 1 of 4"},
	} {
		text := strings.Join(strings.Fields(textOf(t, builderOf(Options{}, c.calls...).Report(), write.TextOptions{})), " ")
		if !strings.Contains(text, " then "+c.want+" why ") {
			t.Errorf("%s: want %q in:\n%s", c.name, c.want, text)
		}
	}
}

func TestManyFindingsOfOneCodeAreSummedUp(t *testing.T) {
	const shownFindings = 20
	var calls []any
	for v := range int16(shownFindings + 3) {
		calls = append(calls, exchangeOf(uint64(v)+1, 0, 1, 11+v, verdictOf(decode.AboveMax)))
	}
	text := textOf(t, builderOf(Options{}, calls...).Report(), write.TextOptions{})
	if n := strings.Count(text, "error KV1001"); n != shownFindings {
		t.Errorf("%d findings are shown, want %d", n, shownFindings)
	}
	if !strings.Contains(text, "and 3 more findings of KV1001 (--format json has all)") {
		t.Errorf("the others are not counted:\n%s", text)
	}
}

func TestKnownIssueIsShown(t *testing.T) {
	issues, err := knownissues.Load(IsCode)
	if err != nil {
		t.Fatal(err)
	}
	r := builderOf(Options{KnownIssues: issues}, fetchBug()...).Report()
	k := r.Findings[0].KnownIssue
	if k == nil || !strings.Contains(k.URL, "librdkafka/issues/4870") || !strings.Contains(k.FixedIn, "2.6.1") {
		t.Fatalf("known issue %+v, want librdkafka 4870, fixed in 2.6.1", k)
	}
	text := textOf(t, r, write.TextOptions{})
	for _, want := range []string{k.URL, "fixed in " + k.FixedIn[:5]} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func TestPacketsAreNamedWithTheirCapture(t *testing.T) {
	r := reportOf(scenario{calls: fetchBug(), input: Input{Captures: []model.Capture{{Path: "/x/a.pcap"}, {Path: "/x/b.pcap"}}}})
	if text := textOf(t, r, write.TextOptions{}); !strings.Contains(text, "first    frame 16 of a.pcap, ") {
		t.Errorf("the capture is not named:\n%s", text)
	}
	r.Captures[1].Path = "/y/a.pcap"
	if text := textOf(t, r, write.TextOptions{}); !strings.Contains(text, "first    frame 16 of /x/a.pcap, ") {
		t.Errorf("two captures of one name are not distinguished:\n%s", text)
	}
	r.Captures = r.Captures[:1]
	if text := textOf(t, r, write.TextOptions{}); !strings.Contains(text, "first    frame 16, ") {
		t.Errorf("the only capture is named:\n%s", text)
	}
}

func TestWhySaysWhereTheRangeIsFrom(t *testing.T) {
	above := verdictOf(decode.AboveMax)
	supplied := func(x *decode.Exchange) { x.Evidence = decode.Supplied }
	for want, x := range map[string]*decode.Exchange{
		"The broker advertised":                       exchangeOf(1, 0, 1, 12, above),
		"On other connections, the broker advertises": exchangeOf(1, 0, 1, 12, above, borrowedRange, outcomeOf(decode.ClosedByBroker)),
		"The ranges of --advertised give":             exchangeOf(1, 0, 1, 12, above, supplied),
	} {
		f := builderOf(Options{}, x).Report().Findings[0]
		if want += " v10 as the newest version of Fetch. "; !strings.HasPrefix(f.Why, want) {
			t.Errorf("%s: %q, want it to begin with %q", f.Evidence, f.Why, want)
		}
	}
}

// TestHelpForEncryptedConnections: the text says what helps, with or without commands, once for
// each advice.
func TestHelpForEncryptedConnections(t *testing.T) {
	oneWay := tlsOf(func(i *tlsrecord.Info) { i.Reason = "the broker's side is not in the capture" })
	elsewhere := func(c *decode.Connection) { c.Broker = netip.MustParseAddrPort("10.0.0.9:9093") }
	r := builderOf(Options{}, connectionOf(0, 1, 9, oneWay), connectionOf(1, 11, 19, oneWay, elsewhere), connectionOf(2, 21, 29, tlsOf())).Report()
	text := strings.Join(strings.Fields(textOf(t, r, write.TextOptions{Width: 100})), " ")
	for _, help := range []string{"help: One direction does not show which requests were answered. Capture both", "help: Give the client's or the broker's TLS key log"} {
		if n := strings.Count(text, help); n != 1 {
			t.Errorf("%q is there %d times in:\n%s", help, n, text)
		}
	}
}

// TestTLSIsNamedFirst where an address closes on everything in clear text: only on the port of a
// broker, and not if it is silent.
func TestTLSIsNamedFirst(t *testing.T) {
	const first = "Check security.protocol first"
	on := func(port uint16) func(*decode.Exchange) {
		return func(x *decode.Exchange) { x.Broker = netip.AddrPortFrom(x.Broker.Addr(), port) }
	}
	silent := func(x *decode.Exchange) { x.Outcome, x.Took = decode.Left, 30*time.Second }
	closed := outcomeOf(decode.ClosedByBroker)
	for name, c := range map[string]struct {
		calls []any
		want  bool
	}{
		"closed": {[]any{exchangeOf(1, 0, apiVersionsKey, 4, closed), exchangeOf(3, 1, apiVersionsKey, 4, closed)}, true},
		"closed, and others are answered": {[]any{
			exchangeOf(1, 0, apiVersionsKey, 4, closed), exchangeOf(2, 2, 3, 1), exchangeOf(3, 1, apiVersionsKey, 4, closed),
		}, false},
		"two versions closed":                 {[]any{exchangeOf(1, 0, apiVersionsKey, 4, closed), exchangeOf(3, 1, apiVersionsKey, 3, closed)}, true},
		"two versions closed on another port": {[]any{exchangeOf(1, 0, apiVersionsKey, 4, closed, on(2181)), exchangeOf(3, 1, apiVersionsKey, 3, closed, on(2181))}, false},
		"silent":                              {[]any{exchangeOf(1, 0, apiVersionsKey, 4, silent), exchangeOf(60_000, 1, apiVersionsKey, 4, silent)}, false},
	} {
		f := builderOf(Options{}, c.calls...).Report().Findings[0]
		if got := strings.HasPrefix(f.Advice, first); got != c.want {
			t.Errorf("%s: %s, advice %q", name, f.Code, f.Advice)
		}
	}
}

// TestHealthChecksAreNoWarning: connections at regular intervals that ask for ApiVersions alone, at
// an address that serves others.
func TestHealthChecksAreNoWarning(t *testing.T) {
	checksOf := func(r *decode.Ranges, frames ...uint64) (calls []any) {
		for i, frame := range frames {
			calls = append(calls, connectionOf(uint32(i+10), frame, frame+5, leaves, func(c *decode.Connection) { c.Client, c.Advertised = mustAddrPort("127.0.0.9:41000"), r }))
		}
		return calls
	}
	checks := func(frames ...uint64) []any { return checksOf(oldRanges, frames...) }
	byOther := func(frames ...uint64) (calls []any) {
		for _, c := range checks(frames...) {
			x := c.(*decode.Connection)
			x.Stream, x.Client = x.Stream+10, mustAddrPort("127.0.0.10:41000")
			calls = append(calls, x)
		}
		return calls
	}
	controller := &decode.Ranges{APIs: []decode.API{{Key: 52}}}
	served := exchangeOf(1, 0, 0, 7)
	asked := exchangeOf(2, 1, 3, 7, func(x *decode.Exchange) { x.Client = mustAddrPort("127.0.0.9:40000") })
	for name, c := range map[string]struct {
		calls []any
		want  model.Severity
	}{
		"once":                  {append(checks(1000), served), model.Info},
		"regular":               {append(checks(1000, 11_000, 21_000, 31_010), served), model.Info},
		"nobody else is served": {checks(1000, 11_000, 21_000, 31_010), model.Warning},
		"irregular":             {append(checks(1000, 11_000, 21_000, 33_000), served), model.Warning},
		"one is missing":        {append(checks(1000, 11_000, 31_000, 41_010), served), model.Info},
		"soon":                  {append(checks(1000, 2000, 3000, 4000), served), model.Warning},
		"twice":                 {append(checks(1000, 11_000), served), model.Info},
		"twice, soon":           {append(checks(1000, 2000), served), model.Warning},
		"twice, and no other":   {checks(1000, 11_000), model.Warning},
		"by two hosts":          {append(append(checks(1000, 11_000, 21_000), byOther(4000, 14_000, 24_000)...), served), model.Info},
		"by a host each":        {append(append(checks(1000), byOther(11_000)...), served), model.Info},
		"twice, of a client that had asked for more":   {append(checks(300_000, 310_000), served, asked), model.Warning},
		"regular, of a client that had asked for more": {append(checks(300_000, 310_000, 320_000), served, asked), model.Info},
		"at a controller": {append(checksOf(controller, 1000, 11_000, 21_000, 31_010), served), model.Warning},
	} {
		f := builderOf(Options{}, c.calls...).Report().Findings
		if len(f) != 1 || f[0].Code != clientLeftRule.Code || f[0].Severity != c.want {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestOneClientNeverGetsThroughTLS although others do: a warning, unless it got through before or
// later.
func TestOneClientNeverGetsThroughTLS(t *testing.T) {
	closedAtOnce := func(stream uint32) *decode.Connection {
		first := uint64(stream) * 100
		return connectionOf(stream, first, first+1, func(c *decode.Connection) {
			c.Protocol, c.Confusion, c.Bytes[reassembly.ToClient] = reassembly.TLS, reassembly.TLSToClear, 0
			c.TLS = &tlsrecord.Info{HasClientRandom: true}
			c.End.By, c.Advertised = reassembly.ToClient, nil
		})
	}
	from := func(address string) func(*decode.Connection) {
		return func(c *decode.Connection) { c.Client = mustAddrPort(address) }
	}
	for name, c := range map[string]struct {
		served func(*decode.Connection)
		times  int
		want   model.Severity
	}{
		"another client": {from("127.0.0.2:41000"), 3, model.Warning}, "another client, once": {from("127.0.0.2:41000"), 1, model.Info},
		"the same client": {func(*decode.Connection) {}, 3, model.Info},
	} {
		calls := []any{connectionOf(0, 1, 9, tlsOf(), c.served)}
		for i := range c.times {
			calls = append(calls, closedAtOnce(uint32(i+1)))
		}
		r := builderOf(Options{}, calls...).Report()
		i := slices.IndexFunc(r.Findings, func(f model.Finding) bool { return f.Code == handshakeFailedRule.Code })
		if i < 0 || r.Findings[i].Severity != c.want || !strings.Contains(r.Findings[i].Why, "no route for the server name") {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// TestACertificateThatChanged: a client gets through, and then three handshakes of it end in an
// alert. Fewer alerts, and those of a client that gets through again, are notes.
func TestACertificateThatChanged(t *testing.T) {
	refused := tlsOf(func(i *tlsrecord.Info) {
		i.Established, i.Undecrypted, i.Reason, i.Alert = false, 0, "", "unknown_ca"
	})
	for name, c := range map[string]struct {
		times int
		later bool
		want  model.Severity
	}{"three times": {3, false, model.Warning}, "twice": {2, false, model.Info}, "gets through again": {3, true, model.Info}} {
		calls := []any{connectionOf(0, 1, 9, tlsOf())}
		for i := range uint64(c.times) {
			calls = append(calls, connectionOf(uint32(i+1), 100*(i+1), 100*(i+1)+5, refused))
		}
		if c.later {
			calls = append(calls, connectionOf(9, 900, 909, tlsOf()))
		}
		r := builderOf(Options{}, calls...).Report()
		i := slices.IndexFunc(r.Findings, func(f model.Finding) bool { return f.Code == handshakeFailedRule.Code })
		if i < 0 || r.Findings[i].Severity != c.want {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// TestClientLeavesAfterAnUpgrade: a client that was served before the broker advertised other
// ranges, and leaves three times since then. Fewer times are a note: it may have been stopped.
func TestClientLeavesAfterAnUpgrade(t *testing.T) {
	for name, c := range map[string]struct {
		times  int
		ranges *decode.Ranges // after the restart
		later  bool           // it is served again
		want   string         // severity; empty for no finding
	}{
		"three times": {3, newRanges, false, "warning"}, "twice": {2, newRanges, false, "info"},
		"the same ranges": {3, oldRanges, false, ""}, "served later": {3, newRanges, true, ""},
	} {
		calls := []any{adOf(1, 0, oldRanges), exchangeOf(2, 0, 3, 7), exchangeOf(4, 0, 1, 10), connectionOf(0, 1, 9), adOf(1000, 1, c.ranges)}
		for i := range uint64(c.times) {
			calls = append(calls, connectionOf(uint32(i+2), 1001+900*i*i, 1009+900*i*i, leaves))
		}
		if c.later {
			calls = append(calls, exchangeOf(10_000, 9, 1, 12))
		}
		r := builderOf(Options{}, calls...).Report()
		i := slices.IndexFunc(r.Findings, func(f model.Finding) bool { return f.Code == clientLeftRule.Code })
		if i < 0 && c.want != "" || i >= 0 && r.Findings[i].Severity.String() != c.want {
			t.Errorf("%s: %+v, want %q", name, r.Findings, c.want)
		}
	}
}

// TestOneSideOfATLSHandshake: where the capture lacks the other side, nobody was silent.
func TestOneSideOfATLSHandshake(t *testing.T) {
	for _, seen := range []bool{true, false} {
		c := connectionOf(1, 100, 6200, func(c *decode.Connection) {
			c.Protocol, c.Bytes[reassembly.ToClient], c.Seen[reassembly.ToClient], c.Advertised = reassembly.TLS, 0, seen, nil
			c.TLS = &tlsrecord.Info{HasClientRandom: true}
			c.End.By = reassembly.ToBroker
		})
		hasFailed := slices.ContainsFunc(builderOf(Options{}, c).Report().Findings, func(f model.Finding) bool { return f.Code == handshakeFailedRule.Code })
		if hasFailed != seen {
			t.Errorf("the other side is captured %v: the handshake failed %v", seen, hasFailed)
		}
	}
}

// TestTheFooterNamesThePossibleCauses, and no excluded ones.
func TestTheFooterNamesThePossibleCauses(t *testing.T) {
	for name, c := range map[string]struct {
		calls []any
		want  string
	}{
		"in range, alone":   {[]any{exchangeOf(1, 0, 3, 7, outcomeOf(decode.ClosedByBroker))}, "not excluded: TLS, authentication, proxy and restart ("},
		"others are served": {[]any{exchangeOf(1, 1, 3, 6), exchangeOf(2, 0, apiVersionsKey, 3), exchangeOf(3, 0, 3, 7, outcomeOf(decode.ClosedByBroker)), exchangeOf(4, 1, 3, 6)}, "not excluded: proxy ("},
		"none":              {[]any{exchangeOf(1, 0, 3, 7)}, ""},
	} {
		text := strings.Join(strings.Fields(textOf(t, builderOf(Options{}, c.calls...).Report(), write.TextOptions{})), " ")
		if (c.want == "") == strings.Contains(text, "not explained") || !strings.Contains(text, c.want) {
			t.Errorf("%s: want %q in:\n%s", name, c.want, text)
		}
	}
}
