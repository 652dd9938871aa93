package decode

import (
	"container/list"
	"slices"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// maxWaiting bounds the exchanges that wait for a range to borrow: 32,768 of 384 bytes,
	// and 40 for a list element, are 13.3 MiB. At the limit, the oldest exchange stops waiting.
	maxWaiting = 32_768
	// maxBrokers bounds the broker addresses whose ranges are kept: 16,384 of about 200 bytes
	// are 3 MiB. The largest clusters have a thousand brokers.
	maxBrokers = 16_384
	// maxHistory bounds the Ranges kept for one broker address. Equal ones in a row count
	// once. A rolling upgrade changes them once; behind a load balancer they can change with
	// every connection.
	maxHistory = 64
	// maxHistoryBytes bounds the Ranges of all brokers: 32 MiB hold 50,000 of the 95 APIs of Kafka
	// 4.4. Beyond it, new ranges replace the oldest of their broker.
	maxHistoryBytes = 32 << 20
)

// Correlator merges the events of all shards into one order and passes them to a Sink. An
// exchange without ranges on its connection borrows ranges of the same broker address. It takes
// the latest ones before the request, else the first ones after it, else the supplied ones. A time
// at which nothing listened at the address separates them: another release may have begun. So does
// an answer to a request outside later ranges. A Correlator belongs to one goroutine.
type Correlator struct {
	supplied *Ranges
	sink     Sink
	limits   Limits
	brokers  map[Endpoint]*broker
	// historyBytes is what the Ranges of all brokers take.
	historyBytes int
	// hasDowns: an address refused connections.
	hasDowns bool
	// waiting are the *waiters, oldest first.
	waiting list.List
	// waited counts the exchanges that ever had to wait. Those numbered below aged waited before
	// the last call of Age.
	waited, aged uint64
	// unmerged are the remaining parts during a merge.
	unmerged [][]Event
}

// broker is what one broker address advertised, and the exchanges that wait for it.
type broker struct {
	history []advertised
	// downs are the times at which nothing listened at the address, oldest first.
	downs []down
	// waiting are the exchanges that wait for the next ranges, oldest first.
	waiting []*waiter
	// outdone are connections on which the broker answered a request outside later ranges, with these
	// ranges: they are not to the broker that advertised them. At most maxHistory.
	outdone map[uint32]*Ranges
}

// down is a time at which an address refused connections, and answered no ApiVersions request.
type down struct {
	from, to capture.Position
	stream   uint32 // the first refused connection
}

type waiter struct {
	exchange Exchange
	key      Endpoint
	place    *list.Element // in Correlator.waiting
	number   uint64        // by Correlator.waited
}

// advertised is what a broker advertised from a packet on.
type advertised struct {
	at     capture.Position
	ranges *Ranges
}

// NewCorrelator returns a Correlator that passes its results to sink. supplied are ranges given by
// the user for connections whose ApiVersions response was not captured; nil for none. Observed and
// borrowed ranges take precedence.
func NewCorrelator(supplied *Ranges, sink Sink) *Correlator {
	return &Correlator{supplied: supplied, sink: sink, brokers: make(map[Endpoint]*broker)}
}

// Add merges the events of one batch of packets, one part for each shard. It sorts the parts in
// place. The caller owns the parts and their Exchanges again after the call.
func (c *Correlator) Add(parts [][]Event) {
	for _, part := range parts {
		if !inOrder(part) {
			slices.SortFunc(part, func(a, b Event) int {
				if before(&a, &b) {
					return -1
				}
				return 1
			})
		}
	}
	c.unmerged = append(c.unmerged[:0], parts...)
	for {
		least := -1
		for i, part := range c.unmerged {
			if len(part) > 0 && (least < 0 || before(&part[0], &c.unmerged[least][0])) {
				least = i
			}
		}
		if least < 0 {
			return
		}
		c.event(&c.unmerged[least][0])
		c.unmerged[least] = c.unmerged[least][1:]
	}
}

func inOrder(events []Event) bool {
	for i := 1; i < len(events); i++ {
		if before(&events[i], &events[i-1]) {
			return false
		}
	}
	return true
}

// before orders events by packet, then by stream, then by their order in the stream.
func before(a, b *Event) bool {
	switch {
	case a.At.Capture != b.At.Capture:
		return a.At.Before(b.At)
	case a.At.Frame != b.At.Frame:
		return a.At.Frame < b.At.Frame
	case a.Stream != b.Stream:
		return a.Stream < b.Stream
	}
	return a.Order < b.Order
}

func (c *Correlator) event(e *Event) {
	switch {
	case e.Exchange != nil:
		c.exchange(e.Exchange)
	case e.Advertisement != nil:
		c.advertisement(e.Advertisement)
	case e.Connection != nil:
		if b := c.brokers[e.Connection.Endpoint()]; b != nil && e.Connection.Refused {
			b.refuse(e.Connection)
			c.hasDowns = true
		}
		c.sink.Connection(e.Connection)
	case e.OutOfRange != nil:
		c.announce(e.OutOfRange)
	}
}

// exchange passes on an exchange, or lets it wait for a range.
func (c *Correlator) exchange(e *Exchange) {
	if c.hasDowns && (e.Outcome == Answered || e.Outcome == Error) {
		if b := c.brokers[e.Endpoint()]; b != nil {
			b.outlive(e)
		}
	}
	if e.Evidence != None || e.Verdict == Exempt {
		c.sink.Exchange(e)
		return
	}
	key := e.Endpoint()
	b := c.broker(key)
	switch {
	case b == nil:
		c.limits.Brokers++
		e.judge(c.supplied, Supplied)
		c.sink.Exchange(e)
	default:
		ranges := b.lookup(e.Request)
		if ranges == nil {
			c.wait(b, key, e)
			return
		}
		c.borrow(b, e, ranges)
		c.sink.Exchange(e)
	}
}

// borrow judges an exchange by ranges of its broker, unless these do not hold for its connection.
// It reports whether e shows that.
func (c *Correlator) borrow(b *broker, e *Exchange, ranges *Ranges) (outdoes bool) {
	if ranges != nil && b.outdone[e.Stream] == ranges {
		ranges = nil
	}
	c.judge(e, ranges, Borrowed)
	return c.outdo(b, e)
}

// outdo withdraws the ranges of an answered exchange that is outside them, if the broker advertised
// them only later, and reports whether it did.
func (c *Correlator) outdo(b *broker, e *Exchange) bool {
	if e.Outcome != Answered || !e.Verdict.IsOutside() || slices.ContainsFunc(b.history, func(a advertised) bool { return a.ranges == e.Ranges && a.at.Before(e.Request) }) {
		return false
	}
	if len(b.outdone) >= maxHistory {
		clear(b.outdone)
	}
	if b.outdone == nil {
		b.outdone = map[uint32]*Ranges{}
	}
	e.Outdid = e.Ranges
	b.outdone[e.Stream] = e.Outdid
	c.judge(e, nil, None)
	return true
}

// broker returns the broker of a key, and adds it if it is new. It returns nil at the limit
// maxBrokers.
func (c *Correlator) broker(key Endpoint) *broker {
	b := c.brokers[key]
	if b == nil && len(c.brokers) < maxBrokers {
		b = new(broker)
		c.brokers[key] = b
	}
	return b
}

// lookup returns the last ranges advertised before a packet, else the first ones after it. The
// address must have listened in between. It returns nil for none.
func (b *broker) lookup(at capture.Position) *Ranges {
	i := len(b.history)
	for i > 0 && !b.history[i-1].at.Before(at) {
		i--
	}
	switch {
	case i > 0 && !b.wasDown(b.history[i-1].at, at):
		return b.history[i-1].ranges
	case i < len(b.history) && !b.wasDown(at, b.history[i].at):
		return b.history[i].ranges
	}
	return nil
}

// wasDown reports whether nothing listened at the address at a time between two packets.
func (b *broker) wasDown(from, to capture.Position) bool {
	return slices.ContainsFunc(b.downs, func(d down) bool { return from.Before(d.to) && d.from.Before(to) })
}

// outlive removes the times at which the broker of an answered exchange was not down. Its
// connection, which has a lower number than the refused one, began before.
func (b *broker) outlive(e *Exchange) {
	b.downs = slices.DeleteFunc(b.downs, func(d down) bool { return e.Stream < d.stream && d.to.Before(e.Decided) })
}

// refuse records a refused connection. Without ranges since the previous one, both are one time.
func (b *broker) refuse(r *Connection) {
	at := r.First
	if n := len(b.downs); n > 0 && (len(b.history) == 0 || b.history[len(b.history)-1].at.Before(b.downs[n-1].from)) {
		b.downs[n-1].to = at
		return
	}
	b.downs = append(b.downs, down{at, at, r.Stream})
	if len(b.downs) > maxHistory {
		b.downs = slices.Delete(b.downs, 0, 1)
	}
}

// wait adds a copy of an exchange to the waiting exchanges. At the limit, the oldest one gives it
// its memory.
func (c *Correlator) wait(b *broker, key Endpoint, e *Exchange) {
	var w *waiter
	if c.waiting.Len() < maxWaiting {
		w = new(waiter)
		w.place = c.waiting.PushBack(w)
	} else {
		c.limits.WaitingExchanges++
		w = c.giveUp(b)
		c.waiting.MoveToBack(w.place)
	}
	w.exchange, w.key, w.number = *e, key, c.waited
	c.waited++
	b.waiting = append(b.waiting, w)
}

// giveUp passes on the exchange that has waited longest, and returns its waiter, which is still in
// c.waiting. It removes a broker without ranges for which no exchange waits, except keep.
func (c *Correlator) giveUp(keep *broker) *waiter {
	w := c.oldest()
	b := c.brokers[w.key]
	b.waiting[0] = nil
	b.waiting = b.waiting[1:]
	if len(b.waiting)+len(b.history) == 0 && b != keep {
		delete(c.brokers, w.key)
	}
	c.passWithout(w)
	return w
}

// Age ends the wait of exchanges that already waited at the previous call; supplied ranges judge
// them. A live capture calls it, so that its exchanges do not wait without end. The caller
// decides the interval.
func (c *Correlator) Age() {
	for c.waiting.Len() > 0 && c.oldest().number < c.aged {
		c.waiting.Remove(c.giveUp(nil).place)
	}
	c.aged = c.waited
}

// announce passes on a request that was just sent, if it is outside a range
// of its connection, or of others to the same broker.
func (c *Correlator) announce(e *Exchange) {
	w, ok := c.sink.(Watcher)
	if !ok {
		return
	}
	if e.Evidence == None {
		var ranges *Ranges
		if b := c.brokers[e.Endpoint()]; b != nil {
			ranges = b.lookup(e.Request)
		}
		c.judge(e, ranges, Borrowed)
	}
	if e.Verdict.IsOutside() {
		w.OutOfRange(e)
	}
}

// passWithout passes on an exchange for which no broker advertised ranges. The supplied ranges
// judge it.
func (c *Correlator) passWithout(w *waiter) {
	c.judge(&w.exchange, nil, None)
	c.sink.Exchange(&w.exchange)
}

// oldest returns the exchange that has waited longest. There must be one.
func (c *Correlator) oldest() *waiter { return c.waiting.Front().Value.(*waiter) }

// advertisement passes on an ApiVersions response, adds it to the broker's history, and judges
// the exchanges that waited for it. An incomplete response is never borrowed.
func (c *Correlator) advertisement(a *Advertisement) {
	c.sink.Advertisement(a)
	if a.Ranges.Partial {
		return
	}
	b := c.broker(a.Endpoint())
	if b == nil {
		c.limits.Brokers++
		return
	}
	c.remember(b, a)
	// until is the latest request that the broker answered and forbids now: other ranges applied then.
	until := capture.Position{}
	for _, w := range b.waiting {
		e := &w.exchange
		if e.Stream == a.Stream {
			if e.judge(a.Ranges, Observed); c.outdo(b, e) {
				until = capture.Later(until, e.Request)
			}
		} else if c.borrow(b, e, b.lookup(e.Request)) {
			until = capture.Later(until, e.Request)
		}
	}
	for _, w := range b.waiting {
		e := &w.exchange
		if !until.Before(e.Request) {
			c.judge(e, nil, None)
		}
		c.waiting.Remove(w.place)
		c.sink.Exchange(e)
	}
	b.waiting = nil
}

// judge judges an exchange by ranges; without any, by the supplied ranges.
func (c *Correlator) judge(e *Exchange, ranges *Ranges, evidence Evidence) {
	if ranges == nil {
		ranges, evidence = c.supplied, Supplied
	}
	e.judge(ranges, evidence)
}

// remember adds an advertisement to the history of b if it differs from the previous one.
func (c *Correlator) remember(b *broker, a *Advertisement) {
	i := len(b.history)
	for i > 0 && a.At.Before(b.history[i-1].at) {
		i--
	}
	if i > 0 && b.history[i-1].ranges.equal(a.Ranges) && !b.wasDown(b.history[i-1].at, a.At) {
		return
	}
	b.history = slices.Insert(b.history, i, advertised{a.At, a.Ranges})
	c.historyBytes += a.Ranges.size()
	if len(b.history) > maxHistory || len(b.history) > 1 && c.historyBytes > maxHistoryBytes {
		c.historyBytes -= b.history[0].ranges.size()
		b.history = slices.Delete(b.history, 0, 1)
		c.limits.BrokerTables++
	}
}

// Finish passes on the exchanges that still wait. The supplied ranges judge them; without these
// the verdict is Unknown and the evidence None. Add must not be called after it.
func (c *Correlator) Finish() {
	for e := c.waiting.Front(); e != nil; e = e.Next() {
		c.passWithout(e.Value.(*waiter))
	}
	c.waiting.Init()
	clear(c.brokers)
}

// Limits returns how often each limit was exceeded.
func (c *Correlator) Limits() Limits { return c.limits }
