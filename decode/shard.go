package decode

import (
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

const (
	// maxTexts bounds the texts that a shard shares: 4,096 of at most 259 bytes are 1 MiB.
	maxTexts = 4096
	// maxShared bounds the Ranges that a shard shares: 256 of at most 1.5 KiB are 384
	// KiB. A cluster has fewer than ten.
	maxShared = 256
	// slabSize is how many values a store allocates at once: 32 exchanges of 328 bytes are
	// 10 KiB.
	slabSize = 32
	// maxAnswers bounds the ApiVersions responses recognized by their bytes, of at most
	// maxKnownAnswer bytes each: 64 of 2 KiB are 128 KiB.
	maxAnswers     = 64
	maxKnownAnswer = 2 << 10
	// maxSpare bounds the handlers kept for reuse: 64 of about 600 bytes are 38 KiB.
	maxSpare = 64
)

// knownAnswer are the ranges of an ApiVersions response to a request of a version.
type knownAnswer struct {
	version int16
	ranges  *Ranges
}

// Shard makes the handlers for the connections of one worker, and collects their Events. It
// implements reassembly.Shard[[]Event]. It belongs to the worker's goroutine.
type Shard struct {
	opt    ShardOptions
	events []Event
	limits Limits
	// outstanding counts the requests without a response of all connections
	// (maxShardOutstanding).
	outstanding int
	// ended are the handlers of ended connections, until Closed is called. spare are handlers
	// for reuse.
	ended map[*reassembly.Connection]*handler
	spare []*handler

	texts map[string]string
	// clusters are the clusters of recent Metadata responses, by their bytes in the response.
	clusters map[string]*Cluster
	shared   map[uint64][]*Ranges
	nShared  int
	// answers are earlier ApiVersions responses: a broker sends the same bytes to every client.
	answers map[string]knownAnswer
	// exchanges and the stores below hold the values returned by Take.
	exchanges      store[Exchange]
	advertisements store[Advertisement]
	connections    store[Connection]

	// Scratch memory, valid during one call.
	answer  apiVersionsAnswer
	anchors [][]byte
	anchor  []byte
	text    []byte
}

var _ reassembly.Shard[[]Event] = (*Shard)(nil)

// ShardOptions configure a Shard.
type ShardOptions struct {
	// Watch requests OutOfRange events.
	Watch bool
	// Principals requests the user names of clients from SASL tokens.
	Principals bool
}

// NewShard returns an empty Shard.
func NewShard(opt ShardOptions) *Shard {
	return &Shard{
		opt:     opt,
		ended:   make(map[*reassembly.Connection]*handler),
		texts:   make(map[string]string),
		shared:  make(map[uint64][]*Ranges),
		answers: make(map[string]knownAnswer),
	}
}

// Open returns the handler for a Kafka connection.
func (s *Shard) Open(c *reassembly.Connection) reassembly.Handler {
	n := len(s.spare)
	if n == 0 {
		return newHandler(s, c)
	}
	h := s.spare[n-1]
	s.spare = s.spare[:n-1]
	h.conn = c
	return h
}

// Closed emits the Event of an ended connection.
func (s *Shard) Closed(c *reassembly.Connection) {
	over := s.connections.get()
	*over = Connection{Connection: c}
	h := s.ended[c]
	if h == nil { // it did not speak Kafka
		s.events = append(s.events, Event{At: capture.Later(c.Now, c.End.At), Stream: c.Stream, Connection: over})
		return
	}
	delete(s.ended, c)
	over.ClientIDs = h.clientIDs()
	over.Unanswered, over.LastRequest, over.LastAnswer = h.unanswered, h.lastRequest, h.lastAnswer
	over.Software, over.Advertised, over.AfterAdvertised = h.software, h.ranges, h.afterAdvertised
	over.Mechanism = h.mechanism
	h.emit(Event{Connection: over})
	s.recycle(h)
}

// recycle keeps a handler for reuse.
func (s *Shard) recycle(h *handler) {
	if len(s.spare) < maxSpare {
		h.reset()
		s.spare = append(s.spare, h)
	}
}

// Take returns the Events since the last call. The caller owns them until it returns them as
// old. What its events point to is then reused.
func (s *Shard) Take(old []Event) []Event {
	for i := range old {
		s.exchanges.put(old[i].Exchange)
		s.exchanges.put(old[i].OutOfRange)
		s.advertisements.put(old[i].Advertisement)
		s.connections.put(old[i].Connection)
	}
	clear(old)
	taken := s.events
	s.events = old[:0]
	return taken
}

// Limits returns how often each limit was exceeded. It may be called after the worker ended.
func (s *Shard) Limits() Limits { return s.limits }

// store allocates values, and reuses those that were put back. There are never more than were in
// use at one time.
type store[T any] struct {
	free []*T
	slab []T
}

// get returns a value to overwrite.
func (s *store[T]) get() *T {
	if n := len(s.free); n > 0 {
		v := s.free[n-1]
		s.free = s.free[:n-1]
		return v
	}
	if len(s.slab) == 0 {
		s.slab = make([]T, slabSize)
	}
	v := &s.slab[0]
	s.slab = s.slab[1:]
	return v
}

// put takes a value back, unless it is nil.
func (s *store[T]) put(v *T) {
	if v != nil {
		s.free = append(s.free, v)
	}
}

// share returns b as a string, cut if it is long. Equal texts share their memory.
func (s *Shard) share(b []byte) string {
	short, wasCut := shorten(b)
	if wasCut {
		s.limits.LongTexts++
		return s.shareMarked(short)
	}
	return s.intern(short)
}

// shareMarked returns b and cutMark as a shared string.
func (s *Shard) shareMarked(b []byte) string {
	s.text = append(append(s.text[:0], b...), cutMark...)
	return s.intern(s.text)
}

// intern returns short as a shared string.
func (s *Shard) intern(short []byte) string {
	if t, ok := s.texts[string(short)]; ok {
		return t
	}
	if len(s.texts) == maxTexts {
		clear(s.texts)
	}
	t := string(short)
	s.texts[t] = t
	return t
}

// known returns the ranges of an earlier equal response, else nil.
func (s *Shard) known(version int16, body []byte) *Ranges {
	if a := s.answers[string(body)]; a.version == version {
		return a.ranges
	}
	return nil
}

// remember keeps the ranges of a response for known.
func (s *Shard) remember(version int16, body []byte, r *Ranges) {
	if len(body) > maxKnownAnswer {
		return
	}
	if len(s.answers) == maxAnswers {
		clear(s.answers)
	}
	s.answers[string(body)] = knownAnswer{version, r}
}

// ranges returns the Ranges of a response. Equal ones share their memory. added is how many bytes
// they take if they are new.
func (s *Shard) ranges(a *apiVersionsAnswer) (_ *Ranges, added int) {
	now := Ranges{APIs: a.apis, Features: a.features, Partial: a.partial}
	hash := now.hash()
	for _, r := range s.shared[hash] {
		if r.equal(&now) {
			return r, 0
		}
	}
	if s.nShared == maxShared {
		clear(s.shared)
		s.nShared = 0
	}
	r := &Ranges{APIs: slices.Clone(now.APIs), Features: slices.Clone(now.Features), Partial: now.Partial}
	s.shared[hash] = append(s.shared[hash], r)
	s.nShared++
	return r, r.size()
}
