package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// fakeStep is the virtual time between batches of a fake interface.
const fakeStep = 100 * time.Millisecond

// fakeInterface is an interface in virtual time. The test makes its packets.
type fakeInterface struct {
	// batch returns the packets that arrive at now; nil for none.
	batch func(now time.Duration) []capturetest.Packet
	step  time.Duration
	// dropped is the number of packets that it reports as dropped.
	dropped uint64
	// opened are the options of open.
	opened capture.LiveOptions

	clock  atomic.Int64
	mu     sync.Mutex
	info   capture.Info
	frame  uint64
	closed bool
}

// played returns a fake interface with packets, each of them per batch, and then silence.
func played(packets []capturetest.Packet, each int) *fakeInterface {
	f := &fakeInterface{step: fakeStep}
	f.batch = func(time.Duration) []capturetest.Packet {
		n := min(each, len(packets))
		now := packets[:n]
		packets = packets[n:]
		return now
	}
	return f
}

func (f *fakeInterface) now() time.Duration { return time.Duration(f.clock.Load()) }

func (f *fakeInterface) open(opt capture.LiveOptions) (capture.Source, error) {
	f.opened = opt
	f.info = capture.Info{Path: opt.Interface, Format: "live", Interfaces: []capture.Interface{{Name: opt.Interface, Link: 1, Resolution: 9}}}
	return f, nil
}

// Next implements capture.Source.
func (f *fakeInterface) Next(b *capture.Batch) error {
	b.Packets = b.Packets[:0]
	now := time.Duration(f.clock.Add(int64(f.step)))
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return io.EOF
	}
	for _, p := range f.batch(now) {
		f.frame++
		if f.info.First == 0 {
			f.info.First = p.Time
			f.info.LinkTypes = []capture.LinkType{capture.LinkType(p.Link)}
		}
		f.info.Packets, f.info.Last = f.frame, p.Time
		f.info.Bytes += uint64(len(p.Data))
		b.Packets = append(b.Packets, capture.Packet{
			Position: capture.Position{Frame: f.frame, Time: p.Time}, Data: p.Data, Length: uint32(p.Length()), Link: capture.LinkType(p.Link),
		})
	}
	f.info.Dropped = f.dropped
	return nil
}

func (f *fakeInterface) Captures() []capture.Info {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []capture.Info{f.info}
}

func (f *fakeInterface) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// timedLines records lines and the virtual time of each.
type timedLines struct {
	now func() time.Duration
	mu  sync.Mutex
	all bytes.Buffer
	at  []time.Duration
}

func (w *timedLines) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range bytes.Count(p, []byte("\n")) {
		w.at = append(w.at, w.now())
	}
	return w.all.Write(p)
}

func (w *timedLines) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// outcome is the result of a run of sniff.
type outcome struct {
	code           int
	stdout, stderr *timedLines
}

// run runs sniff on a fake interface, in its virtual time.
func (f *fakeInterface) run(ctx context.Context, args ...string) outcome {
	o := outcome{stdout: &timedLines{now: f.now}, stderr: &timedLines{now: f.now}}
	o.code = f.sniff(ctx, streams{strings.NewReader(""), o.stdout, o.stderr}, args...)
	return o
}

// sniff is run with the given streams.
func (f *fakeInterface) sniff(ctx context.Context, s streams, args ...string) int {
	return environment{streams: s, open: f.open, now: f.now}.run(ctx, append([]string{"sniff", "-i", "fake0"}, args...))
}

// event is one line of sniff --format json.
type event struct {
	at      time.Duration
	Event   string `json:"event"`
	Number  int    `json:"number"`
	Pending bool   `json:"pending"`
	Code    string `json:"code"`
	More    uint64 `json:"more"`
	Count   uint64 `json:"count"`
	Dropped uint64 `json:"dropped"`
	Packets uint64 `json:"packets"`
	Finding struct {
		Code     string            `json:"code"`
		Count    uint64            `json:"count"`
		Outcomes map[string]uint64 `json:"outcomes"`
	} `json:"finding"`
	Report json.RawMessage `json:"report"`
}

// events returns the lines of a run with --format json.
func (o outcome) events(t *testing.T) (all []event) {
	t.Helper()
	for i, line := range strings.Split(strings.TrimSuffix(o.stdout.String(), "\n"), "\n") {
		e := event{at: o.stdout.at[i]}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("line %d is no JSON object: %v: %s", i+1, err, line)
		}
		all = append(all, e)
	}
	return all
}

// of returns the events of a kind.
func of(kind string, all []event) (some []event) {
	for _, e := range all {
		if e.Event == kind {
			some = append(some, e)
		}
	}
	return some
}
