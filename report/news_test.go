package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

// brief formats news briefly.
func brief(news []model.News) (lines []string) {
	for i := range news {
		n := &news[i]
		lines = append(lines, fmt.Sprintf("%d first=%v more=%d %s count=%d outcomes=%v", n.Number, n.First, n.More, n.Finding.Code, n.Finding.Count, n.Finding.Outcomes))
	}
	return lines
}

// closed returns a Fetch v12 on which the broker closed the connection.
func closed(frame uint64) *decode.Exchange {
	return exchangeOf(frame, uint32(frame), 1, 12, verdictOf(decode.AboveMax), outcomeOf(decode.ClosedByBroker))
}

func expectNews(t *testing.T, what string, got []model.News, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, brief(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestNewsOnceThenCounts(t *testing.T) {
	b := NewBuilder(Options{Watch: true})
	expectNews(t, "nothing", b.News(true, true))
	feed(b, closed(1), exchangeOf(2, 2, 3, 7))
	expectNews(t, "the first", b.News(false, false), "1 first=true more=1 KV1001 count=1 outcomes=map[closed:1]")
	feed(b, closed(3), closed(4))
	expectNews(t, "before the interval", b.News(true, false))
	expectNews(t, "at the interval", b.News(true, true), "1 first=false more=2 KV1001 count=3 outcomes=map[closed:3]")
	expectNews(t, "nothing since", b.News(true, true))
	feed(b, closed(5), exchangeOf(6, 6, 3, 9, verdictOf(decode.AboveMax)))
	expectNews(t, "a second finding", b.News(true, true),
		"2 first=true more=1 KV1001 count=1 outcomes=map[answered:1]", "1 first=false more=1 KV1001 count=4 outcomes=map[closed:4]")
}

func TestNewsOfARequestThatWaits(t *testing.T) {
	b := NewBuilder(Options{Watch: true})
	waits := closed(1)
	waits.Outcome = decode.CutOff
	forged := *waits
	forged.IsLone = true
	b.OutOfRange(&forged)
	expectNews(t, "one packet, which anyone can forge", b.News(true, false))
	expectNews(t, "still", b.News(true, false))
	b.OutOfRange(waits)
	expectNews(t, "the outcome may come soon", b.News(false, false))
	expectNews(t, "or a bit later", b.News(true, false))
	if r := b.Report(); len(r.Findings) != 0 {
		t.Errorf("the report has what is not settled: %+v", r.Findings)
	}
	news := b.News(true, false)
	expectNews(t, "it has not come", news, "1 first=true more=0 KV1001 count=1 outcomes=map[]")
	if o := news[0].Finding.Occurrences; len(o) != 1 || o[0].Outcome != "" || o[0].Frame != 1 || len(news[0].Finding.Client.Addresses) != 1 {
		t.Errorf("%+v", news[0].Finding)
	}
	again := closed(2)
	b.OutOfRange(again)
	expectNews(t, "another one of the same", b.News(true, true))
	b.Exchange(closed(1))
	expectNews(t, "the reported one has its outcome", b.News(true, true))
	b.Exchange(again)
	expectNews(t, "the second one, too", b.News(true, true), "1 first=false more=1 KV1001 count=2 outcomes=map[closed:2]")
	if r := b.Report(); len(r.Findings) != 1 || r.Findings[0].Count != 2 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestNewsOfAnOutcomeThatComesSoonHasIt(t *testing.T) {
	b := NewBuilder(Options{Watch: true})
	b.OutOfRange(closed(1))
	b.News(true, false)
	b.Exchange(closed(1))
	expectNews(t, "settled", b.News(false, false), "1 first=true more=1 KV1001 count=1 outcomes=map[closed:1]")
	expectNews(t, "and no more", b.News(true, true))
}

// TestNewsAreTheFindingsOfTheReport compares the news of a complete input, reported step by step,
// with its report.
func TestNewsAreTheFindingsOfTheReport(t *testing.T) {
	b := NewBuilder(Options{Watch: true})
	var last []model.News
	for _, call := range fetchBug() {
		feed(b, call)
		last = append(last, b.News(false, false)...)
	}
	numbers := map[int]bool{}
	for _, n := range last {
		numbers[n.Number] = true
	}
	if r := b.Report(); len(r.Findings) == 0 || len(last) != len(r.Findings) || len(numbers) != len(last) {
		t.Errorf("%d news with %d numbers, %d findings", len(last), len(numbers), len(r.Findings))
	}
}

func TestNewsAreNotGatheredForNobody(t *testing.T) {
	b := builderOf(Options{}, fetchBug()...)
	if n := &b.findings.bulletin; len(n.fresh)+len(n.again)+len(n.quiet) > 0 {
		t.Errorf("%+v", n)
	}
}

func TestNewsOfNothingCostNothing(t *testing.T) {
	b := NewBuilder(Options{Watch: true})
	offending := closed(1)
	step := func() {
		offending.Request.Frame++
		b.Exchange(offending)
		b.News(true, false)
	}
	for range 2000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n > 0 {
		t.Errorf("%v allocations for a finding that happens again", n)
	}
}

func TestNewsAsText(t *testing.T) {
	b := NewBuilder(Options{Watch: true})
	feed(b, closed(1))
	first := b.News(false, false)
	hostile := closed(2)
	hostile.ClientID = "evil\x1b[2Jname"
	feed(b, closed(3), hostile)
	more := b.News(true, true)
	var text bytes.Buffer
	for _, n := range append(first, more...) {
		if err := write.News(&text, &n, write.TextOptions{Width: 80}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"error KV1001 above-max: ", "  first    frame 1, 2", "\nerror KV1001 again: 1 more, 2 in all: Fetch v12", "evil\\x1b[2Jname"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in:\n%s", want, text.String())
		}
	}
	for _, line := range strings.Split(text.String(), "\n") {
		if len(line) > 80 {
			t.Errorf("longer than 80 columns: %s", line)
		}
	}
}

func TestJSONLineIsOneLine(t *testing.T) {
	var b bytes.Buffer
	if err := write.JSONLine(&b, map[string]string{"a": "x\ny\x7f<\u202e"}); err != nil {
		t.Fatal(err)
	}
	if want := "{\"a\":\"x\\ny\\u007f<\\u202e\"}\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestNewsOfOneClientUnderTwoNames: a reported finding is not new again when its client announces
// its software on another connection.
func TestNewsOfOneClientUnderTwoNames(t *testing.T) {
	b := NewBuilder(Options{Watch: true})
	anonymous := closed(1)
	anonymous.Software = decode.Software{}
	feed(b, anonymous)
	if n := b.News(true, true); len(n) != 1 || !n[0].First {
		t.Fatalf("%d news, want the first one", len(n))
	}
	feed(b, exchangeOf(3, 1, 3, 7), exchangeOf(5, 2, 3, 7, noRange, outcomeOf(decode.ClosedByBroker)))
	b.End()
	for _, n := range b.News(true, true) {
		if n.Finding.Code == "KV1001" {
			t.Errorf("reported again as number %d: first %v, %d more", n.Number, n.First, n.More)
		}
	}
	if r := b.Report(); r.Findings[0].Code != "KV1001" || r.Findings[0].Client.SoftwareName == "" {
		t.Errorf("%+v: the test needs a merged finding", r.Findings[0])
	}
}
