package tlsrecord

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// label is which secret of a session a key log line holds.
type label uint8

// The labels that are kept (https://www.ietf.org/archive/id/draft-ietf-tls-keylogfile-05.html).
const (
	labelMaster          label = iota // CLIENT_RANDOM: the master secret of TLS 1.2 and older
	labelClientHandshake              // CLIENT_HANDSHAKE_TRAFFIC_SECRET
	labelServerHandshake              // SERVER_HANDSHAKE_TRAFFIC_SECRET
	labelClientTraffic                // CLIENT_TRAFFIC_SECRET_0
	labelServerTraffic                // SERVER_TRAFFIC_SECRET_0
	labelSession                      // RSA Session-ID, Master-Key: a master secret by the session's id
)

// maxSecretSize is the size in bytes of the largest secret: a master secret
// (RFC 5246 8.1), or a traffic secret of SHA-384.
const maxSecretSize = 48

// maxGeneration bounds the secrets of one generation; two are kept, so that
// the oldest secrets are evicted when a key log grows without end.
// 2 x 131,072 secrets take 56 bytes each, and an index entry of about 60
// bytes for each session: 30 MB if all are of TLS 1.2 (one secret a
// session), 19 MB if all are of TLS 1.3 (four).
const maxGeneration = 1 << 17

// maxFileGeneration is the same for files, whose key logs have an end: they
// are held as a whole up to 1,048,576 secrets at least, which take 75 to 120 MB.
const maxFileGeneration = 1 << 20

// maxWaitingTotal bounds the bytes that all sessions together hold while they
// wait for secrets: 128 sessions with both directions full (2 x 64 KiB).
const maxWaitingTotal = 16 << 20

// Secrets is the store of key log secrets, by client random and label. It is
// safe for concurrent use. The newest 131,072 secrets at least are kept, or
// 1,048,576 of NewFileSecrets.
type Secrets struct {
	mu       sync.RWMutex
	cur, old generation
	evicted  uint64
	max      int
	// version changes whenever a secret is added, so that a waiting session
	// knows when another look is worth it.
	version atomic.Uint64
	// waiting counts the bytes that sessions hold while they wait for secrets.
	waiting atomic.Int64
	// more, if not nil, is called once, before the first secret is missed.
	more     func(*Secrets)
	moreOnce sync.Once
}

// generation is a bounded part of the store.
type generation struct {
	// heads leads from a client random to its first secret in pool, plus one.
	heads map[[32]byte]uint32
	pool  []secret
}

// secret is one key log line.
type secret struct {
	next  uint32 // the next secret of the same client random in pool, plus one
	label label
	size  uint8
	bytes [maxSecretSize]byte
}

// NewSecrets returns an empty store.
func NewSecrets() *Secrets {
	return &Secrets{max: maxGeneration, cur: generation{heads: make(map[[32]byte]uint32)}}
}

// NewFileSecrets returns an empty store for captures in files. more, if not
// nil, is called once, before the store first says what it lacks or what it
// holds in all: it may bring secrets from where reading them costs something.
// The sessions that ask wait for it.
func NewFileSecrets(more func(*Secrets)) *Secrets {
	s := NewSecrets()
	s.max, s.more = maxFileGeneration, more
	return s
}

// complete brings all secrets that there are.
func (s *Secrets) complete() {
	if s.more != nil {
		s.moreOnce.Do(func() { s.more(s) })
	}
}

// Len counts the secrets.
func (s *Secrets) Len() int {
	if s == nil {
		return 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.cur.pool) + len(s.old.pool)
}

// Evicted counts the secrets that were dropped to keep the store bounded.
func (s *Secrets) Evicted() uint64 {
	if s == nil {
		return 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.evicted
}

// Format writes "secrets(n)" for every verb: no key material leaves by way of
// a log line or an error.
func (s *Secrets) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "secrets(%d)", s.Len()) }

// put stores a secret of 1 to maxSecretSize bytes. Of two different secrets
// for the same random and label the later one counts.
func (s *Secrets) put(random *[32]byte, l label, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.cur.find(random, l); e != nil {
		if string(e.bytes[:e.size]) == string(value) {
			return
		}
		e.size = uint8(copy(e.bytes[:], value))
		s.version.Add(1)
		return
	}
	if e := s.old.find(random, l); e != nil && string(e.bytes[:e.size]) == string(value) {
		return
	}
	if len(s.cur.pool) >= s.max {
		s.evicted += uint64(len(s.old.pool))
		s.old = s.cur
		s.cur = generation{heads: make(map[[32]byte]uint32)}
	}
	e := secret{next: s.cur.heads[*random], label: l}
	e.size = uint8(copy(e.bytes[:], value))
	s.cur.pool = append(s.cur.pool, e)
	s.cur.heads[*random] = uint32(len(s.cur.pool))
	s.version.Add(1)
}

// get copies a secret to dst and returns its size, 0 if there is none.
func (s *Secrets) get(random *[32]byte, l label, dst *[maxSecretSize]byte) int {
	if s == nil {
		return 0
	}
	if n := s.held(random, l, dst); n > 0 || s.more == nil {
		return n
	}
	s.complete()
	return s.held(random, l, dst)
}

// held is get for what was put so far.
func (s *Secrets) held(random *[32]byte, l label, dst *[maxSecretSize]byte) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.cur.find(random, l)
	if e == nil {
		e = s.old.find(random, l)
	}
	if e == nil {
		return 0
	}
	return copy(dst[:], e.bytes[:e.size])
}

func (s *Secrets) has(random *[32]byte, l label) bool {
	var b [maxSecretSize]byte
	return s.get(random, l, &b) > 0
}

// changes is a number that differs when secrets were added since it was last asked for.
func (s *Secrets) changes() uint64 {
	if s == nil {
		return 0
	}
	return s.version.Load()
}

// reserve takes up to n bytes from what sessions may hold while they wait and
// returns how many were granted; a negative n gives bytes back.
func (s *Secrets) reserve(n int) int {
	if s == nil {
		return 0
	}
	if n <= 0 {
		s.waiting.Add(int64(n))
		return 0
	}
	if over := s.waiting.Add(int64(n)) - maxWaitingTotal; over > 0 {
		back := min(over, int64(n))
		s.waiting.Add(-back)
		n -= int(back)
	}
	return n
}

func (g *generation) find(random *[32]byte, l label) *secret {
	for i := g.heads[*random]; i > 0; {
		e := &g.pool[i-1]
		if e.label == l {
			return e
		}
		i = e.next
	}
	return nil
}
