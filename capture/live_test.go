package capture

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeTap is a tap controlled by tests.
type fakeTap struct {
	batches [][]byte
	err     error
	lost    uint64
	woken   chan struct{}
	closed  int
}

func (f *fakeTap) fill(r *records, b *Batch) error {
	if len(f.batches) == 0 {
		if f.err == nil {
			<-f.woken
			return io.EOF
		}
		return f.err
	}
	for _, p := range f.batches[0] {
		r.add(b, bytes.Repeat([]byte{p}, int(p)), uint32(p)+1, int64(p), LinkTypeEthernet, 0)
		r.at(int64(p))
	}
	f.batches = f.batches[1:]
	return nil
}

func (f *fakeTap) drops() (n uint64) { n, f.lost = f.lost, 0; return n }
func (f *fakeTap) wake()             { close(f.woken) }
func (f *fakeTap) close() error      { f.closed++; return nil }

func newFakeLive(f *fakeTap) *Live {
	f.woken = make(chan struct{})
	info := Info{Path: "eth7", Format: "live"}
	return &Live{tap: f, shown: info, records: records{info: &info}}
}

func TestLiveCountsWhatItReturns(t *testing.T) {
	f := &fakeTap{batches: [][]byte{{60, 70}, {}, {50}}, lost: 3}
	l := newFakeLive(f)
	var b Batch
	var frames []uint64
	var openings []uint64
	for range 3 {
		if err := l.Next(&b); err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			frames = append(frames, p.Frame)
		}
		openings = append(openings, l.Captures()[0].Opening)
	}
	if openings[0] == 0 || openings[2] != openings[0] {
		t.Errorf("openings %x, want that of the first packet", openings)
	}
	if diff := cmp.Diff([]uint64{1, 2, 3}, frames); diff != "" {
		t.Error(diff)
	}
	f.lost = 4
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := []Info{{Path: "eth7", Format: "live", Packets: 3, Bytes: 180, First: 50, Last: 70, Truncated: 3, Opening: openings[0], Dropped: 7}}
	if diff := cmp.Diff(want, l.Captures()); diff != "" {
		t.Error(diff)
	}
}

func TestLiveErrorNamesTheInterface(t *testing.T) {
	broken := errors.New("bad file descriptor")
	l := newFakeLive(&fakeTap{err: broken})
	var b Batch
	if err := l.Next(&b); !errors.Is(err, broken) || err.Error() != "watch eth7: bad file descriptor" {
		t.Errorf("error is %v", err)
	}
}

// loan counts how often it was returned.
type loan int

func (l *loan) release() { *l++ }

func TestNextGivesBackWhatTheBatchHeld(t *testing.T) {
	l := newFakeLive(&fakeTap{batches: [][]byte{{60}}})
	var held loan
	b := Batch{lease: &held}
	if err := l.Next(&b); err != nil {
		t.Fatal(err)
	}
	if held != 1 {
		t.Errorf("memory was given back %d times, want once", held)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b.lease = &held
	if err := l.Next(&b); err != io.EOF || held != 2 || len(b.Packets) != 0 {
		t.Errorf("after Close: error %v, memory given back %d times, %d packets", err, held, len(b.Packets))
	}
}

func TestCloseWakesNextAndClosesOnce(t *testing.T) {
	f := &fakeTap{}
	l := newFakeLive(f)
	done := make(chan error)
	go func() {
		var b Batch
		done <- l.Next(&b)
	}()
	time.Sleep(10 * time.Millisecond)
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("Next returns %v, want io.EOF", err)
	}
	if f.closed != 1 {
		t.Errorf("closed %d times", f.closed)
	}
}

func TestLiveOptionsOutOfBoundsAreRefused(t *testing.T) {
	for want, o := range map[string]LiveOptions{
		"no interface":                       {},
		"there is no such interface":         {Interface: "a\x00b"},
		"snapshot length 10: must be from":   {Interface: "x", SnapLen: 10},
		"snapshot length 262145: must be":    {Interface: "x", SnapLen: 262145},
		"buffer of 1000 bytes: must be from": {Interface: "x", BufferBytes: 1000},
		"buffer of 1073741825 bytes":         {Interface: "x", BufferBytes: 1<<30 + 1},
		"needs one interface, not any":       {Interface: "any", Promiscuous: true},
	} {
		if _, err := OpenLive(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error is %v, want %q in it", o, err, want)
		}
	}
}

func TestDevicesHaveALoopbackInterface(t *testing.T) {
	list, err := Devices()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if slices.ContainsFunc(d.Addresses, func(p netip.Prefix) bool { return p.Addr().IsLoopback() }) && d.Name != "" {
			return
		}
	}
	t.Errorf("none of %v is a loopback interface", list)
}

func TestDeviceStateIsInWords(t *testing.T) {
	for want, d := range map[string]Device{
		"up": {Up: true, Running: true}, "no carrier": {Up: true}, "down": {},
	} {
		if got := d.State(); got != want {
			t.Errorf("%+v is %q, want %q", d, got, want)
		}
	}
	if got := (Device{}).AddressList(); got != "-" {
		t.Errorf("no addresses are %q", got)
	}
}
