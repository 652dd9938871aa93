package reassembly

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

const (
	// shards is the number of parts that the connections are dealt to, by stream
	// number, each part with its own goroutine and limits. It does not depend on the machine, so
	// that neither does what happens when a limit is reached.
	shards = 4
	// batchesInFlight bounds the batches between reading and collecting: 4 of about
	// 2 MiB each are 8 MiB.
	batchesInFlight = 4
	// endsPerBatch is how many connections are ended together when the input is over.
	endsPerBatch = 4096

	// tickInterval is how much packet time passes between two looks at what
	// has waited too long.
	tickInterval = int64(1e9)
	// maxClockStep bounds how far a single packet can move the clock that
	// timeouts go by: a clock that is set, or a machine that was suspended, ends no connection.
	maxClockStep = 60 * int64(1e9)
	// overTimeout is how long a closed connection is remembered, so that late
	// copies of its segments are not taken for a new one. TIME-WAIT is as long (2 MSL on Linux).
	overTimeout = 60 * int64(1e9)
	// sweepTicks is the number of ticks between two searches for idle flows.
	sweepTicks = 16
)

// DefaultIdleTimeout is how long an open connection may be silent, in
// nanoseconds of packet time, before it is given up. Brokers close idle connections after 10 minutes
// (connections.max.idle.ms).
const DefaultIdleTimeout = 30 * 60 * int64(1e9)

// Options of a Pool.
type Options struct {
	// Dissector turns packets into segments.
	Dissector *capture.Dissector
	// LooksLikeRequest judges the first bytes of a direction: could they be the
	// 4-byte size (given as size) and beginning (head: at least 8 bytes, up to 300, or all of a
	// shorter message) of a Kafka request?
	LooksLikeRequest func(size int64, head []byte) Likelihood
	// Want, if not nil, tells for the first segment of a connection whether it is to be looked into.
	Want func(*capture.Segment) bool
	// Secrets are what TLS connections are decrypted with; nil for none.
	Secrets *tlsrecord.Secrets
	// Live: secrets may come some seconds after the bytes that need them.
	Live bool
	// IdleTimeout in nanoseconds of packet time; 0 is DefaultIdleTimeout.
	IdleTimeout int64
}

// Likelihood says how much bytes look like a Kafka request.
type Likelihood uint8

// The degrees of likelihood.
const (
	// No: they are none.
	No Likelihood = iota
	// Weak: they could be; an answer with the same correlation id decides.
	Weak
	// Strong: nothing else looks like this.
	Strong
)

// Limits counts how often a limit was reached, each named after what it bounds.
type Limits struct {
	// Flows and SilentFlows count connections forgotten because there were too many.
	Flows, SilentFlows uint64
	// QueuedSegments counts waits for a missing segment that were cut short because too much had come after it.
	QueuedSegments uint64
	// Undecided counts connections given up before it was known what they speak.
	Undecided uint64
	// HugeSegments counts segments longer than maxSegment.
	HugeSegments uint64
	// HeldBytes counts messages of which less was held than asked for.
	HeldBytes uint64
}

// Hit returns the counts above zero by name, as in the report's quality.limits_hit.
func (l Limits) Hit() map[string]uint64 {
	hit := make(map[string]uint64)
	for name, n := range map[string]uint64{
		"flows": l.Flows, "silent_flows": l.SilentFlows, "queued_segments": l.QueuedSegments,
		"undecided_streams": l.Undecided, "huge_segments": l.HugeSegments, "held_bytes": l.HeldBytes,
	} {
		if n > 0 {
			hit[name] = n
		}
	}
	return hit
}

func (l *Limits) add(m *Limits) {
	l.Flows += m.Flows
	l.SilentFlows += m.SilentFlows
	l.QueuedSegments += m.QueuedSegments
	l.Undecided += m.Undecided
	l.HugeSegments += m.HugeSegments
	l.HeldBytes += m.HeldBytes
}

// Stats describes what a Pool has seen.
type Stats struct {
	// Streams counts TCP connections, those kept out by Options.Want included.
	Streams uint64
	// Limits counts how often limits were reached.
	Limits Limits
}

// Pool puts the packets of a Source into order, connection by connection, and
// hands what they say to the Shards. One goroutine reads and deals, one for each shard works,
// and one collects; Run returns when all are done.
type Pool[R any] struct {
	opt     Options
	workers [shards]*worker
	take    [shards]func(old R) R
	collect func([]R) error
	table   *flowTable
	tabled  Limits

	clock    int64 // packet time, as far as it moved in steps of at most maxClockStep
	newest   int64
	lastTick int64
	ticks    int
}

// NewPool makes a pool. newShard is called once for each shard. collect takes
// what the shards produced for one batch of packets after the other; it is called from one goroutine,
// and an error from it ends Run.
func NewPool[R any](opt Options, newShard func() Shard[R], collect func([]R) error) *Pool[R] {
	if opt.IdleTimeout == 0 {
		opt.IdleTimeout = DefaultIdleTimeout
	}
	p := &Pool[R]{opt: opt, collect: collect}
	for i := range p.workers {
		shard := newShard()
		p.workers[i] = newWorker(&p.opt, shard)
		p.take[i] = shard.Take
	}
	return p
}

// item is one segment on its way to a shard, or the end of a connection (kind).
type item struct {
	conn    *conn // nil for a tick
	payload []byte
	at      capture.Position
	seq     uint32
	ack     uint32
	length  uint32
	flags   capture.TCPFlags
	dir     Direction
	kind    itemKind
	end     EndKind
}

type itemKind uint8

const (
	segmentItem itemKind = iota
	tickItem
	endItem
)

// slot is a batch of packets, the items dealt from it and what came of them.
type slot[R any] struct {
	batch   capture.Batch
	items   [shards][]item
	results []R
	wait    sync.WaitGroup
}

// reset makes the slot ready to be filled again.
func (s *slot[R]) reset() {
	for i := range s.items {
		clear(s.items[i]) // lets go of connections and packets
		s.items[i] = s.items[i][:0]
	}
}

// Run reads src to its end, or until ctx is done, and returns what was seen. The
// error is that of src, ctx or collect.
func (p *Pool[R]) Run(ctx context.Context, src capture.Source) (Stats, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	free := make(chan *slot[R], batchesInFlight)
	for range batchesInFlight {
		free <- &slot[R]{results: make([]R, shards)}
	}
	var in [shards]chan *slot[R]
	var working sync.WaitGroup
	for i := range in {
		in[i] = make(chan *slot[R], batchesInFlight)
		working.Go(func() {
			for s := range in[i] {
				p.workers[i].work(s.items[i])
				s.results[i] = p.take[i](s.results[i])
				s.wait.Done()
			}
		})
	}
	filled := make(chan *slot[R], batchesInFlight)
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for s := range filled {
			s.wait.Wait()
			if err := p.collect(s.results); err != nil {
				stop(err)
			}
			free <- s
		}
	}()

	err := p.deal(ctx, src, free, func(s *slot[R]) {
		s.wait.Add(shards)
		for i := range in {
			in[i] <- s
		}
		filled <- s
	})
	for i := range in {
		close(in[i])
	}
	working.Wait()
	close(filled)
	<-collected
	if cause := context.Cause(ctx); err == nil && cause != nil {
		err = cause
	}
	stats := Stats{Streams: uint64(p.table.streams), Limits: p.tabled}
	for _, w := range p.workers {
		stats.Limits.add(&w.limits)
	}
	return stats, err
}

// deal reads batch after batch and sends it off with its segments dealt to the shards.
func (p *Pool[R]) deal(ctx context.Context, src capture.Source, free <-chan *slot[R], send func(*slot[R])) error {
	var s *slot[R]
	var last capture.Position
	p.table = newFlowTable(&p.tabled, func(f *flow, how EndKind) {
		i := f.stream % shards
		s.items[i] = append(s.items[i], item{conn: f.conn, at: last, kind: endItem, end: how})
	})
	for {
		s = <-free
		s.reset()
		err := src.Next(&s.batch)
		if err == nil && ctx.Err() != nil {
			err = io.EOF
		}
		if err != nil {
			ended := 0
			p.table.all(func(f *flow) {
				if ended++; ended%endsPerBatch == 0 {
					send(s)
					s = <-free
					s.reset()
				}
				p.table.drop(f, Cut)
			})
			send(s)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		var seg capture.Segment
		for i := range s.batch.Packets {
			pkt := &s.batch.Packets[i]
			last = pkt.Position
			p.tick(s, last)
			if p.opt.Dissector.Segment(pkt, &seg) {
				p.segment(s, &seg)
			}
		}
		send(s)
	}
}

// tick moves the clock on, and has the shards look at what waits, once for
// each tickInterval of packet time.
func (p *Pool[R]) tick(s *slot[R], at capture.Position) {
	if at.Time <= p.newest && p.newest != 0 {
		return
	}
	if p.newest != 0 {
		p.clock += min(at.Time-p.newest, maxClockStep)
	}
	p.newest = at.Time
	if p.clock-p.lastTick < tickInterval {
		return
	}
	p.lastTick = p.clock
	for i := range s.items {
		s.items[i] = append(s.items[i], item{at: at, kind: tickItem})
	}
	if p.ticks++; p.ticks%sweepTicks == 0 {
		p.table.expire(p.clock-p.opt.IdleTimeout, p.clock-overTimeout)
	}
}

// segment finds the segment's connection and hands it to the shard of that.
func (p *Pool[R]) segment(s *slot[R], seg *capture.Segment) {
	f, dir, fresh := p.table.lookup(seg)
	if fresh && p.opt.Want != nil {
		f.unwanted = !p.opt.Want(seg)
	}
	f.note(seg, dir)
	f.lastTime = p.clock
	if f.unwanted {
		return
	}
	if f.conn == nil {
		if seg.Length == 0 {
			return
		}
		f.conn = newConn(p.workers[f.stream%shards], f)
		p.table.silent--
	}
	payload := seg.Payload
	if seg.Fragmented {
		payload = bytes.Clone(payload)
	}
	i := f.stream % shards
	s.items[i] = append(s.items[i], item{
		conn: f.conn, payload: payload, at: seg.Position, seq: seg.Seq, ack: seg.Ack,
		length: seg.Length, flags: seg.Flags, dir: dir,
	})
}
