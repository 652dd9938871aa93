package reassembly

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
)

// TestClock: packet time moves the clock of timeouts forward, by a limit at once, and ticks.
func TestClock(t *testing.T) {
	p := NewPool(Options{}, func() Shard[[]string] { return new(log) }, nil)
	p.table = newFlowTable(&p.tableLimits, func(*flow, EndKind) {}, func(*flow, item) {})
	for _, step := range []struct {
		now, clock int64
		ticks      int
	}{
		{5000e9, 0, 0}, {5000e9, 0, 0}, {5000.5e9, 0.5e9, 0}, {5001e9, 1e9, 1}, {4000e9, 1e9, 1}, {5001e9, 1e9, 1}, {5002e9, 2e9, 2},
		{5062e9, 62e9, 3}, {9000e9, 122e9, 4}, {9001e9, 123e9, 5},
	} {
		s := new(slot[[]string])
		if p.tick(s, capture.Position{}, step.now); p.clock != step.clock || p.ticks != step.ticks {
			t.Errorf("at %d: clock %d, %d ticks, want %d, %d", step.now, p.clock, p.ticks, step.clock, step.ticks)
		}
	}
}

// TestOldConnectionsLeaveTheTable: closed ones after a minute, open ones after the idle timeout, in a
// live capture too.
func TestOldConnectionsLeaveTheTable(t *testing.T) {
	const tolerance = sweepTicks + 1 // seconds
	for _, isLive := range []bool{false, true} {
		p := NewPool(Options{Live: isLive, IdleTimeout: 200e9}, func() Shard[[]string] { return new(log) }, nil)
		gone := map[uint16]int64{}
		p.table = newFlowTable(&p.tableLimits, func(f *flow, _ EndKind) { gone[f.aPort] = p.clock / 1e9 }, func(*flow, item) {})
		for i, closed := range []uint8{0, 3} {
			s := segmentOf(ToBroker, capture.SYN, 1, 0, 0)
			s.SrcPort = uint16(i)
			p.table.insert(s, p.table.hash(s)).closed = closed
		}
		p.table.inactive = 1
		for now := int64(1e9); now < 400e9; now += 0.1e9 {
			p.tick(new(slot[[]string]), capture.Position{}, now)
		}
		if gone[1] < 60 || gone[1] > 60+tolerance || gone[0] < 200 || gone[0] > 200+tolerance {
			t.Errorf("live %v: the closed connection is gone after %d s, the open one after %d s", isLive, gone[1], gone[0])
		}
	}
}

// TestManyConnectionsWithoutPayload: all of them are reported at the end. If many expire at once, some
// are only counted.
func TestManyConnectionsWithoutPayload(t *testing.T) {
	const n = 3*maxSilentEnds + 10
	for _, batch := range []int{100, 10_000} {
		r := capturetest.NewRecorder()
		for i := range n {
			r.Between(netip.AddrPortFrom(client.Addr(), uint16(1000+i)), broker).Syn(capturetest.ToBroker)
		}
		if got := run(t, r.Packets, batch); len(got.conns) != n || got.stats.Limits != (Limits{}) {
			t.Errorf("%d of %d connections were reported, limits %+v", len(got.conns), n, got.stats.Limits)
		}
		c := r.Open(client, broker)
		for range 40 { // minutes
			r.Wait(60e9)
			c.Exchange(request(3, 1, 1, 10), response(1, 0))
		}
		want := 1 + maxSilentEnds
		got := run(t, r.Packets, batch)
		if len(got.conns) != want || got.stats.Limits.SilentFlows != n-maxSilentEnds {
			t.Errorf("%d connections were reported, want %d; %d were counted only", len(got.conns), want, got.stats.Limits.SilentFlows)
		}
	}
}

// TestManyConnectionsAtTheEnd: they end in several batches.
func TestManyConnectionsAtTheEnd(t *testing.T) {
	r := capturetest.NewRecorder()
	const n = endsPerBatch + 5
	for i := range n {
		c := r.Join(netip.AddrPortFrom(client.Addr(), uint16(1000+i)), broker)
		c.Silent = true
		c.Send(capturetest.ToBroker, request(3, 1, 7, 10))
	}
	batches := 0
	var logs []*log
	p := NewPool(Options{Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike},
		func() Shard[[]string] { logs = append(logs, new(log)); return logs[len(logs)-1] },
		func([][]string) error { batches++; return nil })
	if _, err := p.Run(t.Context(), &memory{packets: r.Packets, batch: 100_000}); err != nil {
		t.Fatal(err)
	}
	reported := 0
	for _, l := range logs {
		reported += len(l.conns)
	}
	if reported != n || batches != 3 {
		t.Errorf("%d of %d connections in %d batches, want 3", reported, n, batches)
	}
}

// failing is a source that ends with an error.
type failing struct {
	memory
	err error
}

func (f *failing) Next(b *capture.Batch) error {
	if err := f.memory.Next(b); err != nil {
		return f.err
	}
	return nil
}

// TestErrorsOfARun: the error of the source, of collect or of the context ends it.
func TestErrorsOfARun(t *testing.T) {
	r := capturetest.NewRecorder()
	talk(r, client, 5)
	source, collect := errors.New("source"), errors.New("collect")
	pool := func(err error) *Pool[[]string] {
		return NewPool(Options{Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: looksLike}, func() Shard[[]string] { return new(log) }, func([][]string) error { return err })
	}
	if stats, err := pool(nil).Run(t.Context(), &failing{memory{packets: r.Packets, batch: 3}, source}); !errors.Is(err, source) || stats.Streams != 1 || stats.Open != 0 {
		t.Errorf("the source fails: %v, %+v", err, stats)
	}
	if _, err := pool(collect).Run(t.Context(), &memory{packets: r.Packets, batch: 3}); !errors.Is(err, collect) {
		t.Errorf("collect fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pool(nil).Run(ctx, &memory{packets: r.Packets, batch: 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("it is canceled: %v", err)
	}
}
