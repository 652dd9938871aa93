package decode

import (
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

const (
	// maxTexts bounds the texts that a shard shares: 4,096 of at most 259 bytes are 1 MiB.
	maxTexts = 4096
	// maxTables bounds the tables of ranges that a shard shares: 256 of at most 6 KiB
	// of APIs are 1.5 MiB. A cluster has a handful.
	maxTables = 256
	// slabExchanges is how many exchanges are allocated at once: 32 of some
	// 300 bytes are 9.4 KiB.
	slabExchanges = 32
	// maxAnswers bounds the ApiVersions answers that are known by their bytes,
	// of at most maxKnownAnswer bytes each: 64 of 2 KiB are 128 KiB.
	maxAnswers     = 64
	maxKnownAnswer = 2 << 10
	// maxSpare bounds the Handlers kept to be used again: 64 of some 600 bytes are 38 KiB.
	maxSpare = 64
)

// knownAnswer is what an ApiVersions answer to a request of some version said.
type knownAnswer struct {
	version int16
	ranges  *Ranges
}

// Shard makes the Handlers of the connections that fall to one worker, and
// gathers their Events. It implements reassembly.Shard[[]Event], and belongs to
// the worker's goroutine.
type Shard struct {
	events []Event
	limits Limits
	// outstanding counts the requests of all connections that wait for an answer (maxShardOutstanding).
	outstanding int
	// ended are Handlers that are over, until Closed is called for their connection; spare are those to be used again.
	ended map[*reassembly.Connection]*handler
	spare []*handler

	texts  map[string]string
	tables map[uint64][]*Ranges
	nTable int
	// answers are ApiVersions answers that were read before: a broker gives the same bytes to everybody.
	answers map[string]knownAnswer
	slab    []Exchange
	// free are the Exchanges given back by Take. There are never more than were on their way at one time.
	free []*Exchange
	// watch: Sighted events are wanted.
	watch bool

	// Scratch space, valid during one call.
	answer  apiVersionsAnswer
	anchors [][]byte
	anchor  []byte
	text    []byte
}

var _ reassembly.Shard[[]Event] = (*Shard)(nil)

// NewShard returns an empty Shard.
func NewShard() *Shard {
	return &Shard{
		ended:   make(map[*reassembly.Connection]*handler),
		texts:   make(map[string]string),
		tables:  make(map[uint64][]*Ranges),
		answers: make(map[string]knownAnswer),
	}
}

// Watch has s make Sighted events, too. It is called before the first Open.
func (s *Shard) Watch() { s.watch = true }

// Open returns the Handler for a connection that speaks Kafka.
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

// Closed makes an Event of a connection that is over.
func (s *Shard) Closed(c *reassembly.Connection) {
	over := &Connection{Connection: c}
	h := s.ended[c]
	if h == nil { // it did not speak Kafka
		s.events = append(s.events, Event{At: later(c.Now, c.End.At), Stream: c.Stream, Connection: over})
		return
	}
	delete(s.ended, c)
	over.ClientIDs, over.ClientIDsOmitted = h.clientIDs(), h.idsOmitted
	over.Unanswered, over.LastRequest, over.LastAnswer = h.unanswered, h.lastRequest, h.lastAnswer
	over.Software, over.Advertised, over.AfterAdvertised = h.software, h.ranges, h.afterAdvertised
	h.emit(Event{Connection: over})
	if len(s.spare) < maxSpare {
		h.reset()
		s.spare = append(s.spare, h)
	}
}

// Take returns the Events since the last call. They are the caller's until it
// gives them back as old, which lets their Exchanges be used again.
func (s *Shard) Take(old []Event) []Event {
	for i := range old {
		if e := old[i].Exchange; e != nil {
			s.free = append(s.free, e)
		}
		if e := old[i].Sighted; e != nil {
			s.free = append(s.free, e)
		}
	}
	clear(old)
	taken := s.events
	s.events = old[:0]
	return taken
}

// Limits tells how often limits were reached. It may be called when the worker has ended.
func (s *Shard) Limits() Limits { return s.limits }

// newExchange returns an Exchange to be written over. It is used again when it
// comes back by Take, so that a Sink that keeps one has to copy it.
func (s *Shard) newExchange() *Exchange {
	if n := len(s.free); n > 0 {
		e := s.free[n-1]
		s.free = s.free[:n-1]
		return e
	}
	if len(s.slab) == 0 {
		s.slab = make([]Exchange, slabExchanges)
	}
	e := &s.slab[0]
	s.slab = s.slab[1:]
	return e
}

// share returns b as a string, cut if it is long. Equal texts share their memory.
func (s *Shard) share(b []byte) string {
	short, wasCut := cut(b)
	if wasCut {
		s.limits.LongTexts++
		return s.shareMarked(short)
	}
	return s.intern(short)
}

// shareMarked is share for the beginning of a text.
func (s *Shard) shareMarked(b []byte) string {
	s.text = append(append(s.text[:0], b...), cutMark...)
	return s.intern(s.text)
}

// intern returns short as a string.
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

// known returns the table of an answer that was read before, nil of another one.
func (s *Shard) known(version int16, body []byte) *Ranges {
	if a := s.answers[string(body)]; a.version == version {
		return a.ranges
	}
	return nil
}

// remember keeps what an answer said.
func (s *Shard) remember(version int16, body []byte, r *Ranges) {
	if len(body) > maxKnownAnswer {
		return
	}
	if len(s.answers) == maxAnswers {
		clear(s.answers)
	}
	s.answers[string(body)] = knownAnswer{version, r}
}

// ranges returns the answer's table. Equal tables share their memory.
func (s *Shard) ranges(a *apiVersionsAnswer) *Ranges {
	now := Ranges{APIs: a.apis, Features: a.features, Partial: a.partial}
	hash := now.hash()
	for _, r := range s.tables[hash] {
		if r.equal(&now) {
			return r
		}
	}
	if s.nTable == maxTables {
		clear(s.tables)
		s.nTable = 0
	}
	r := &Ranges{APIs: slices.Clone(now.APIs), Features: slices.Clone(now.Features), Partial: now.Partial}
	s.tables[hash] = append(s.tables[hash], r)
	s.nTable++
	return r
}

// hash is FNV-1a over the APIs (http://www.isthe.com/chongo/tech/comp/fnv/).
func (r *Ranges) hash() uint64 {
	h := uint64(14695981039346656037)
	for _, a := range r.APIs {
		for _, v := range [...]int16{a.Key, a.Min, a.Max} {
			h = (h ^ uint64(uint16(v))) * 1099511628211
		}
	}
	return h
}

// later is the later of two positions.
func later(p, q capture.Position) capture.Position {
	if p.Before(q) {
		return q
	}
	return p
}
