package decode

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/reassembly"
)

// watcher is a recorder that also receives requests outside their range.
type watcher struct{ recorder }

func (w *watcher) OutOfRange(e *Exchange) {
	w.got = append(w.got, fmt.Sprintf("%d: out-of-range %s v%d %s %s", e.Stream, APIName(e.Key), e.Version, e.Verdict, e.Evidence))
}

func TestRequestsOutsideTheirRangeAreReportedOnce(t *testing.T) {
	n := newNetwork()
	n.shard.opt.Watch = true
	d := n.open(t)
	d.request(requestOf(3, 1)) // the connection has no range
	d.negotiate()
	for _, version := range []int16{7, 12, 12, 7, 11} {
		d.request(requestOf(1, version))
	}
	w := &watcher{}
	NewCorrelator(nil, w).Add([][]Event{n.shard.Take(nil)})
	var reported []string
	for _, line := range w.got {
		if len(line) > 15 && line[3:15] == "out-of-range" {
			reported = append(reported, line)
		}
	}
	want := []string{"0: out-of-range Fetch v12 above-max observed", "0: out-of-range Fetch v11 above-max observed"}
	if d := cmp.Diff(want, reported); d != "" {
		t.Error(d)
	}
}

func TestRequestsOutsideTheirRangeBorrow(t *testing.T) {
	var p part
	seen := func(frame uint64, stream uint32) {
		x := part{}
		x.asked(frame, frame, stream, broker1)
		p.add(frame, stream, Event{OutOfRange: x[0].Exchange})
	}
	seen(1, 0)
	p.advertise(2, 1, broker1, 7)
	seen(3, 2)
	p.advertise(4, 1, broker1, 13)
	seen(5, 3)
	w := &watcher{}
	NewCorrelator(nil, w).Add([][]Event{p})
	want := []string{"1: advertised 1 APIs", "2: out-of-range Fetch v12 above-max borrowed", "1: advertised 1 APIs"}
	if d := cmp.Diff(want, w.got); d != "" {
		t.Error(d)
	}
}

// TestRequestsOutsideTheirRangeWithSuppliedRanges: a broker for which exchanges wait has no ranges
// to borrow so far.
func TestRequestsOutsideTheirRangeWithSuppliedRanges(t *testing.T) {
	var p, x part
	p.asked(1, 2, 0, broker1)
	x.asked(3, 3, 2, broker1)
	p.add(3, 2, Event{OutOfRange: x[0].Exchange})
	w := &watcher{}
	NewCorrelator(&Ranges{APIs: apiList(1, 0, 7)}, w).Add([][]Event{p})
	if d := cmp.Diff([]string{"2: out-of-range Fetch v12 above-max supplied"}, w.got); d != "" {
		t.Error(d)
	}
}

func TestSinksThatDoNotWatchGetNoRequestsOutsideTheirRange(t *testing.T) {
	n := newNetwork()
	d := n.open(t)
	d.negotiate()
	d.request(requestOf(1, 12))
	for _, e := range d.end(reassembly.Closed, reassembly.ToClient) {
		if e.OutOfRange != nil {
			t.Errorf("reported without Watch: %+v", e.OutOfRange)
		}
	}
	r := &recorder{}
	NewCorrelator(nil, r).Add([][]Event{{{OutOfRange: &Exchange{Key: 1, Version: 12}}}})
	if len(r.got) > 0 {
		t.Errorf("%q", r.got)
	}
}

func TestWatchingAllocatesNothingMore(t *testing.T) {
	n := newNetwork()
	n.shard.opt.Watch = true
	d := n.open(t)
	d.negotiate()
	fetch, answer := requestBytes(requestOf(1, 12), 5, "app"), responseBytes(responseOf(1, 12), 5)
	metadata, other := requestBytes(requestOf(3, 7), 5, "app"), responseBytes(responseOf(3, 7), 5)
	c := NewCorrelator(nil, &nobody{})
	parts := [][]Event{nil}
	step := func() {
		d.message(reassembly.ToBroker, fetch)
		d.message(reassembly.ToClient, answer)
		d.message(reassembly.ToBroker, metadata)
		d.message(reassembly.ToClient, other)
		parts[0] = n.shard.Take(parts[0])
		c.Add(parts)
	}
	for range 100 {
		step()
	}
	if got := testing.AllocsPerRun(1000, step); got > 4 { // the Frame of each message of the driver
		t.Errorf("%v allocations for two exchanges of which one is out of range", got)
	}
}

// nobody is a Watcher that ignores everything.
type nobody struct{}

func (*nobody) Exchange(*Exchange)           {}
func (*nobody) OutOfRange(*Exchange)         {}
func (*nobody) Advertisement(*Advertisement) {}
func (*nobody) Connection(*Connection)       {}

func TestAgeGivesUpWhatHasWaited(t *testing.T) {
	r := &recorder{}
	c := NewCorrelator(nil, r)
	add := func(fill func(*part)) {
		var p part
		fill(&p)
		c.Add([][]Event{p})
	}
	waits := "0: Fetch v12 unknown none closed"
	add(func(p *part) { p.asked(1, 2, 0, broker1) })
	c.Age()
	if len(r.got) > 0 {
		t.Fatalf("given up at once: %q", r.got)
	}
	add(func(p *part) { p.asked(3, 4, 1, broker1); p.asked(3, 5, 2, broker2) })
	c.Age()
	if d := cmp.Diff([]string{waits}, r.got); d != "" {
		t.Errorf("after the second call: %s", d)
	}
	add(func(p *part) { p.advertise(6, 3, broker1, 7) })
	c.Age()
	c.Age()
	want := []string{waits, "3: advertised 1 APIs", "1: Fetch v12 above-max borrowed closed", "2: Fetch v12 unknown none closed"}
	if d := cmp.Diff(want, r.got); d != "" {
		t.Error(d)
	}
	if len(c.brokers) != 1 {
		t.Errorf("%d brokers are remembered, want that of which ranges are known", len(c.brokers))
	}
	if l := c.Limits(); l.WaitingExchanges > 0 {
		t.Errorf("ageing counts as a limit: %+v", l)
	}
	c.Finish()
	if len(r.got) != len(want) {
		t.Errorf("passed on twice: %q", r.got)
	}
}

// TestRequestsThatMayGetRangesAreNotReportedYet: the response to ApiVersions may still judge a
// request without ranges. A request with ranges, and one without ApiVersions, are reported at
// once.
func TestRequestsThatMayGetRangesAreNotReportedYet(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin func(*driver)
		want  bool
	}{
		{"no ApiVersions", func(*driver) {}, true},
		{"a response may come", func(d *driver) { d.request(hello(2)) }, false},
		{"a refusal may be retried", func(d *driver) { d.respond(d.request(hello(3)), ranges(0, errUnsupportedVersion)) }, false},
		{"ranges, and another response may come", func(d *driver) { d.negotiate(); d.request(hello(2)) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNetwork()
			n.shard.opt.Watch = true
			d := n.open(t)
			tt.begin(d)
			d.request(requestOf(1, 12))
			got := false
			for _, e := range n.shard.Take(nil) {
				got = got || e.OutOfRange != nil
			}
			if got != tt.want {
				t.Errorf("reported: %v, want %v", got, tt.want)
			}
		})
	}
}
