package reassembly

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// shards is the number of groups of connections, by stream number. Each group has its own
	// goroutine and limits. It is a constant, so limits act the same on every machine.
	shards = 4
	// batchesInFlight bounds the batches between reading and collecting: 4 of about 2 MiB each are
	// 8 MiB.
	batchesInFlight = 4
	// maxSilentEnds bounds the connections without payload that one batch ends, for example in a
	// scan or a SYN flood. 128 of some 1,000 bytes in each of 4 batches in flight are 512 KiB.
	maxSilentEnds = 128
	// endsPerBatch is how many connections one batch ends at the end of the input.
	endsPerBatch = 4096

	// tickInterval is the packet time between two ticks, in nanoseconds.
	tickInterval = int64(1e9)
	// liveTicks is the number of ticks per tickInterval in a live capture. A reset connection is
	// then over within a second.
	liveTicks = 5
	// maxSpareConns bounds the finished connections that a shard keeps for reuse: 512 of 1 KiB in
	// each of 4 shards are 2 MiB.
	maxSpareConns = 512
	// maxClockStep bounds how far one packet moves the clock of timeouts, in nanoseconds. A clock
	// that was set, or a suspended machine, must not end connections.
	maxClockStep = 60 * int64(1e9)
	// overTimeout is how long a closed connection stays in the table, in nanoseconds. Late copies
	// of its segments must not start a new one. TIME-WAIT is as long (2 MSL on Linux).
	overTimeout = 60 * int64(1e9)
	// sweepTicks is the number of ticks between two searches for idle flows. In live captures it
	// is liveTicks times as many.
	sweepTicks = 16
)

// DefaultIdleTimeout is how long an open connection may be silent before it expires, in
// nanoseconds, by Options.Clock or else by packet time. Brokers close idle connections after 10
// minutes (connections.max.idle.ms).
const DefaultIdleTimeout = 30 * 60 * int64(1e9)

type counts struct {
	missing, gaps uint64
	disbelieved   uint64
	limits        Limits
}

// Pool sorts the packets of a Source into connections and passes their frames to the Shards. One
// goroutine reads and dispatches, one for each shard works, and one collects. Run returns when all
// are done.
type Pool[R any] struct {
	opt         Options
	workers     [shards]*worker
	take        [shards]func(old R) R
	collect     func([]R) error
	table       *flowTable
	tableLimits Limits
	free        chan *slot[R]
	// sent counts the batches dispatched. retired are connections that are over, oldest first;
	// batches in flight may still hold items of them. spare are those ready for reuse.
	sent    uint64
	retired []retired
	spare   [shards][]*conn
	// held are the first items of connections that may be copies of others, oldest first. It also
	// has those that were released. heldBytes is what the others take.
	held      []*held
	heldBytes int

	clock    int64 // packet time; one step adds at most maxClockStep
	newest   int64
	interval int64 // between ticks
	lastTick int64
	ticks    int
	sweep    int   // ticks between two searches for idle flows
	stats    Stats // up to the batch that is being collected
}

// NewPool returns a Pool. It calls newShard once for each shard. collect receives the shards'
// results, one batch of packets after the other, from one goroutine. An error from it ends Run.
func NewPool[R any](opt Options, newShard func() Shard[R], collect func([]R) error) *Pool[R] {
	if opt.IdleTimeout == 0 {
		opt.IdleTimeout = DefaultIdleTimeout
	}
	p := &Pool[R]{opt: opt, collect: collect, interval: tickInterval, sweep: sweepTicks}
	if opt.Live {
		p.interval /= liveTicks
		p.sweep *= liveTicks
	}
	for i := range p.workers {
		shard := newShard()
		p.workers[i] = newWorker(&p.opt, shard)
		p.take[i] = shard.Take
	}
	return p
}

// item is a message to a shard: a segment, the end of a connection, a tick or a twin (kind).
type item struct {
	conn    *conn // nil for a tick
	payload []byte
	covered capture.Covered
	at      capture.Position
	seq     uint32
	ack     uint32
	length  uint32
	flags   capture.TCPFlags
	dir     Direction
	kind    itemKind
	end     EndKind
	// isProven: a wrong checksum is not the sender's (flow.proof).
	isProven bool
	// isForeign: it lacks the timestamps of the connection (flow.isForeign).
	isForeign bool
}

// first returns the sequence number of the segment's first payload byte.
func (it *item) first() uint32 {
	if it.flags&capture.SYN != 0 {
		return it.seq + 1
	}
	return it.seq
}

type itemKind uint8

const (
	segmentItem itemKind = iota
	tickItem
	endItem
	twinItem
)

// endedConn is the conn of every flow whose connection is over. Its later segments are ignored.
var endedConn = new(conn)

// retired is a connection that is over. until is the last batch that can hold items of it.
type retired struct {
	conn  *conn
	until uint64
}

// slot is a batch of packets, its items and their results.
type slot[R any] struct {
	number  uint64 // counts batches from 1
	batch   capture.Batch
	items   [shards][]item
	results []R
	wait    sync.WaitGroup
	silent  int // connections without payload that the batch ended
	// ended are the connections that the batch ended, by shard.
	ended [shards][]*conn
	// seen and counts are the counts up to the end of this batch.
	seen   Stats
	counts [shards]counts
}

func (s *slot[R]) total() Stats {
	t := s.seen
	for i := range s.counts {
		t.MissingBytes += s.counts[i].missing
		t.Gaps += s.counts[i].gaps
		t.Disbelieved += s.counts[i].disbelieved
		t.Limits.add(&s.counts[i].limits)
	}
	return t
}

func (s *slot[R]) reset() {
	for i := range s.items {
		clear(s.items[i]) // releases connections and packets
		s.items[i] = s.items[i][:0]
	}
	s.silent = 0
}

// Run reads src to its end, or until ctx is done, and returns the counts. The error is that of
// src, ctx or collect.
func (p *Pool[R]) Run(ctx context.Context, src capture.Source) (Stats, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p.free = make(chan *slot[R], batchesInFlight)
	for range batchesInFlight {
		p.free <- &slot[R]{results: make([]R, shards)}
	}
	var in [shards]chan *slot[R]
	var working sync.WaitGroup
	for i := range in {
		in[i] = make(chan *slot[R], batchesInFlight)
		working.Go(func() {
			for s := range in[i] {
				p.workers[i].work(s.items[i])
				s.counts[i] = p.workers[i].counts
				s.results[i] = p.take[i](s.results[i])
				s.ended[i], p.workers[i].ended = p.workers[i].ended, s.ended[i]
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
			p.stats = s.total()
			if err := p.collect(s.results); err != nil {
				stop(err)
			}
			p.free <- s
		}
	}()

	err := p.dispatch(ctx, src, func(s *slot[R]) {
		p.sent++
		s.number = p.sent
		s.seen = Stats{Streams: uint64(p.table.streams), Open: uint64(p.table.live - p.table.inactive), Disbelieved: p.table.disbelieved, Limits: p.tableLimits}
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
	if err == nil {
		err = context.Cause(ctx)
	}
	return p.stats, err
}

// Drain waits until the results of all packets read so far are collected. A Source calls it from
// Next.
func (p *Pool[R]) Drain() {
	var idle [batchesInFlight - 1]*slot[R] // Next fills the other one
	for i := range idle {
		idle[i] = <-p.free
	}
	for _, s := range idle {
		p.free <- s
	}
}

// Stats returns the counts up to the end of the batch that is being collected. collect may call
// it; others may after Run has returned.
func (p *Pool[R]) Stats() Stats { return p.stats }

// dispatch reads batches, assigns their segments to the shards, and sends them.
func (p *Pool[R]) dispatch(ctx context.Context, src capture.Source, send func(*slot[R])) error {
	var s *slot[R]
	var last capture.Position
	p.table = newFlowTable(&p.tableLimits, func(f *flow, how EndKind) {
		switch {
		case f.conn == endedConn:
			return
		case f.conn == nil && s.silent == maxSilentEnds:
			p.tableLimits.SilentFlows++
			return
		case f.conn == nil: // it carried no payload, but findings may need it
			s.silent++
			f.conn = p.newConn(f)
		}
		p.release(s, f)
		p.pass(s, f, item{conn: f.conn, at: last, kind: endItem, end: how})
	}, func(f *flow, it item) { p.pass(s, f, it) })
	next := func() {
		s = <-p.free
		p.reclaim(s)
		s.reset()
	}
	for {
		next()
		err := src.Next(&s.batch)
		if err == nil && ctx.Err() != nil {
			err = io.EOF
		}
		if err != nil {
			ended := 0
			p.table.all(func(f *flow) {
				if ended++; ended%endsPerBatch == 0 || s.silent == maxSilentEnds {
					send(s)
					next()
				}
				if !f.dead { // reclaim drops evicted flows
					p.table.drop(f, Cut)
				}
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
			if p.opt.Clock == nil {
				p.tick(s, last, last.Time)
			}
			if p.opt.Dissector.Segment(pkt, &seg) {
				p.segment(s, pkt, &seg)
			} else if seg.NumberOnly {
				p.table.numberOnly(&seg, p.clock)
			}
		}
		if p.opt.Clock != nil {
			p.tick(s, last, p.opt.Clock())
		}
		send(s)
	}
}

// reclaim reuses what the batch of s, and those before it, no longer need. A connection that the
// batch ended gets no more items. It is spare once all batches that may hold its items are back.
func (p *Pool[R]) reclaim(s *slot[R]) {
	for i := range s.ended {
		for _, c := range s.ended[i] {
			if c.flow.conn == c {
				c.flow.conn = endedConn
				if c.isEvicted && !c.flow.over() {
					p.table.drop(c.flow, Expired) // it may go on, as a new connection
				}
			}
			p.retired = append(p.retired, retired{c, p.sent})
		}
		clear(s.ended[i])
		s.ended[i] = s.ended[i][:0]
	}
	n := 0
	for ; n < len(p.retired) && p.retired[n].until <= s.number; n++ {
		c := p.retired[n].conn
		if spare := &p.spare[c.info.Stream%shards]; len(*spare) < maxSpareConns {
			*spare = append(*spare, c)
		}
	}
	p.retired = slices.Delete(p.retired, 0, n)
}

func (p *Pool[R]) newConn(f *flow) *conn {
	i := f.stream % shards
	var c *conn
	if n := len(p.spare[i]); n > 0 {
		c, p.spare[i] = p.spare[i][n-1], p.spare[i][:n-1]
	} else {
		c = new(conn)
	}
	c.init(p.workers[i], f)
	p.table.locate(c, f)
	return c
}

// revive revokes the end of f, whose conn may not be over yet.
func (p *Pool[R]) revive(f *flow, at capture.Position) {
	c := p.newConn(f)
	c.revive(at)
	if f.conn != endedConn {
		c.doubted = &doubts{before: f.conn}
	}
	f.conn = c
	p.table.reopen(f)
}

// tick advances the clock and sends a tick to the shards once per interval. at is the latest
// packet, now the time.
func (p *Pool[R]) tick(s *slot[R], at capture.Position, now int64) {
	if now <= p.newest && p.newest != 0 {
		return
	}
	if p.newest != 0 {
		p.clock += min(now-p.newest, maxClockStep)
	}
	p.newest = now
	if p.clock-p.lastTick < p.interval {
		return
	}
	p.lastTick = p.clock
	for i := range s.items {
		s.items[i] = append(s.items[i], item{at: at, kind: tickItem})
	}
	p.releaseOld(s)
	if p.ticks++; p.ticks%p.sweep == 0 {
		p.table.expire(p.clock-p.opt.IdleTimeout, p.clock-overTimeout)
	}
}

// open makes the connection of f.
func (p *Pool[R]) open(f *flow) {
	f.conn = p.newConn(f)
	p.table.silent--
}

// segment finds the segment's connection and queues an item for its shard.
func (p *Pool[R]) segment(s *slot[R], pkt *capture.Packet, seg *capture.Segment) {
	if neverSent(seg.Flags) {
		p.table.disbelieved++
		p.table.numberOnly(seg, p.clock)
		return
	}
	f, dir, fresh := p.table.lookup(seg)
	if f == nil {
		return
	}
	if f.isNumberOnly {
		f.appear(seg)
		dir, fresh = ToBroker, true
		if seg.Flags&(capture.SYN|capture.ACK) == capture.SYN|capture.ACK {
			dir = ToClient
		}
	}
	if fresh && p.opt.Want != nil {
		f.unwanted = !p.opt.Want(seg)
	}
	if f.discards(seg, dir) {
		p.table.disbelieved++
		return
	}
	isForeign := f.copies == 0 && f.isForeign(seg, dir)
	isBehind := !isForeign && f.isBehind(seg, dir)
	if !isForeign {
		p.table.note(f, seg, dir)
		if f.needsMark(seg, p.clock) && !f.unwanted && !isBehind {
			f, dir = p.mergeTwins(s, f, seg, dir)
		}
	}
	seg.Stream = p.table.number(f, seg.Capture)
	f.lastTime = p.clock
	if f.unwanted {
		return
	}
	if p.opt.Tap != nil {
		p.opt.Tap(f.stream, pkt, seg)
	}
	if f.conn == nil {
		if seg.Length == 0 && seg.Flags&(capture.FIN|capture.RST) == 0 {
			return
		}
		p.open(f)
		if seg.Flags&capture.RST == 0 {
			p.hold(f, dir)
		}
	}
	if isBehind {
		p.revive(f, seg.Position)
	}
	if f.conn == endedConn {
		return
	}
	payload := seg.Payload
	if seg.Fragmented {
		payload = bytes.Clone(payload)
	}
	p.pass(s, f, item{
		conn: f.conn, payload: payload, at: seg.Position, seq: seg.Seq, ack: seg.Ack,
		length: seg.Length, flags: seg.Flags, dir: dir, covered: seg.Covered(), isProven: f.proof[dir] > 0, isForeign: isForeign,
	})
}
