package main

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
)

// snapshotInterval is how often counters are copied for the reporting goroutine.
const snapshotInterval = time.Second

// maxCatchUp bounds how long buffered packets are read at the end: 1 GiB, the largest buffer, in
// 10 s. Without it, a clock that is set back could delay the end for any time.
const maxCatchUp = 10 * time.Second

// live connects a live capture to the pipeline.
type live struct {
	// now is the time since the start of the capture; it never decreases.
	now    func() time.Duration
	shards []*watchedShard
	// each is called on the collecting goroutine after every batch, at least every 100 ms.
	each func(p *pipeline) error
}

// clock is the time for timeouts. Packet time stops without packets, and jumps with the host's
// clock.
func (l *live) clock() int64 { return int64(l.now()) }

// watch makes a shard report its limits while it works.
func (l *live) watch(s *decode.Shard) reassembly.Shard[[]decode.Event] {
	w := &watchedShard{Shard: s}
	l.shards = append(l.shards, w)
	return w
}

// limits returns the limits of the shards at their latest batches.
func (l *live) limits() (all []decode.Limits) {
	for _, s := range l.shards {
		s.mu.Lock()
		all = append(all, s.limits)
		s.mu.Unlock()
	}
	return all
}

// watchedShard is a shard whose limits can be read while it works.
type watchedShard struct {
	*decode.Shard
	mu     sync.Mutex
	limits decode.Limits
}

// Take implements reassembly.Shard.
func (w *watchedShard) Take(old []decode.Event) []decode.Event {
	events := w.Shard.Take(old)
	w.mu.Lock()
	w.limits = w.Shard.Limits()
	w.mu.Unlock()
	return events
}

// liveSource captures until ctx is done, for a time, or for a number of packets. With -w, it also
// saves the packets. Next belongs to one goroutine.
type liveSource struct {
	capture.Source
	// ctx ends the capture. Packets captured before that are still read.
	ctx context.Context
	now func() time.Duration
	// until and most also end it; 0 for no limit.
	until time.Duration
	most  uint64
	// pick selects the analyzed packets; nil for all.
	pick func(*capture.Packet) bool
	// save receives the packets of every batch; nil for none.
	save func(packets []capture.Packet)
	// dissector belongs to the reading goroutine, stats are a copy for others.
	dissector *capture.Dissector
	stats     atomic.Pointer[capture.DissectorStats]
	copied    time.Duration

	// asked is the time (now) at which the end was requested. ends is the same by the clock of
	// packets; 0 before the request.
	asked time.Duration
	ends  int64

	over   bool
	picked uint64 // number of packets
	passed atomic.Uint64
	bytes  atomic.Uint64
	last   atomic.Int64
}

// Next implements capture.Source.
func (s *liveSource) Next(b *capture.Batch) error {
	if s.over {
		b.Packets = b.Packets[:0]
		return io.EOF
	}
	s.copyStats()
	if s.ends == 0 && (s.ctx.Err() != nil || s.until > 0 && s.now() >= s.until) {
		s.asked, s.ends = s.now(), time.Now().UnixNano()
	}
	if err := s.Source.Next(b); err != nil {
		return err
	}
	last := s.ends != 0 && s.caughtUp(b.Packets)
	if s.pick != nil {
		s.pickFrom(b)
	}
	if left := s.most - s.passed.Load(); s.most > 0 && uint64(len(b.Packets)) >= left {
		b.Packets = b.Packets[:left]
		last = true
	}
	s.over = last
	s.count(b.Packets)
	if s.save != nil {
		s.save(b.Packets)
	}
	return nil
}

// pickFrom removes unselected packets from a batch and numbers the others.
func (s *liveSource) pickFrom(b *capture.Batch) {
	picked := b.Packets[:0]
	for i := range b.Packets {
		if s.pick(&b.Packets[i]) {
			picked = append(picked, b.Packets[i])
			s.picked++
			picked[len(picked)-1].Frame = s.picked
		}
	}
	b.Packets = picked
}

func (s *liveSource) caughtUp(packets []capture.Packet) bool {
	return len(packets) == 0 || packets[0].Time >= s.ends || s.now()-s.asked >= maxCatchUp
}

// copyStats publishes the current counts of the dissector to other goroutines.
func (s *liveSource) copyStats() {
	if now := s.now(); s.stats.Load() == nil || now-s.copied >= snapshotInterval {
		stats := s.dissector.Stats()
		s.stats.Store(&stats)
		s.copied = now
	}
}

func (s *liveSource) count(packets []capture.Packet) {
	n := uint64(0)
	for i := range packets {
		n += uint64(len(packets[i].Data))
		s.last.Store(max(s.last.Load(), packets[i].Time))
	}
	s.passed.Add(uint64(len(packets)))
	s.bytes.Add(n)
}

// Captures implements capture.Source. Skipped packets do not count.
func (s *liveSource) Captures() []capture.Info {
	infos := s.Source.Captures()
	infos[0].Packets, infos[0].Bytes, infos[0].Last = s.passed.Load(), s.bytes.Load(), s.last.Load()
	if s.pick != nil {
		infos[0].Path = "loopback and bridges"
	}
	return infos
}
