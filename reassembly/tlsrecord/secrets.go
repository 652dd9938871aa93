package tlsrecord

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// label says which secret of a session a key log line contains.
type label uint8

// The labels stored (https://www.ietf.org/archive/id/draft-ietf-tls-keylogfile-05.html).
const (
	labelMaster          label = iota // CLIENT_RANDOM: the master secret of TLS 1.2 and older
	labelClientHandshake              // CLIENT_HANDSHAKE_TRAFFIC_SECRET
	labelServerHandshake              // SERVER_HANDSHAKE_TRAFFIC_SECRET
	labelClientTraffic                // CLIENT_TRAFFIC_SECRET_0
	labelServerTraffic                // SERVER_TRAFFIC_SECRET_0
	labelSession                      // RSA Session-ID, Master-Key: a master secret by the session's id
)

// maxSecretSize is the size in bytes of the largest secret: a master secret (RFC 5246 8.1), or a
// traffic secret of SHA-384.
const maxSecretSize = 48

// maxGeneration bounds the secrets of one generation. There are two: a key log that grows forever
// evicts the oldest secrets. 2 x 131,072 secrets take 56 bytes each, and each session some 60
// bytes for an index entry. That is 30 MB if all are of TLS 1.2 (one secret a session), 19 MB if
// all are of TLS 1.3 (four).
const maxGeneration = 1 << 17

// maxFileGeneration is the same for files, whose key logs have an end. At least 524,288 secrets
// are kept, and at most twice as many, which take 75 to 120 MB.
const maxFileGeneration = 1 << 19

// maxWaitingTotal bounds the bytes of all sessions that wait for secrets: 128 sessions with both
// directions full (2 x 64 KiB).
const maxWaitingTotal = 16 << 20

// Secrets stores the secrets of key logs by client random and label. It is safe for concurrent
// use. It keeps at least the newest 131,072 secrets, or the newest 524,288 if made by
// NewFileSecrets.
type Secrets struct {
	mu       sync.RWMutex
	cur, old generation
	evicted  uint64
	max      int
	// version changes with every secret added. A waiting session then tries again.
	version atomic.Uint64
	// waiting counts the bytes of sessions that wait for secrets.
	waiting atomic.Int64
	// more, if not nil, is called once: when a secret is missing, or all are needed.
	more     func(*Secrets)
	moreOnce sync.Once
}

// generation is a bounded part of the store.
type generation struct {
	// heads maps a client random to the index of its first secret in pool, plus one.
	heads map[[32]byte]uint32
	pool  []secret
}

// secret is one key log line.
type secret struct {
	next  uint32 // index in pool of the next secret with the same client random, plus one
	label label
	size  uint8
	bytes [maxSecretSize]byte
}

// NewSecrets returns an empty store.
func NewSecrets() *Secrets {
	return &Secrets{max: maxGeneration, cur: generation{heads: make(map[[32]byte]uint32)}}
}

// NewFileSecrets returns an empty store for captures in files. more, if not nil, is called once:
// when a secret is missing, or all secrets are needed. It may add secrets that are expensive to
// read. Sessions wait for it.
func NewFileSecrets(more func(*Secrets)) *Secrets {
	s := NewSecrets()
	s.max, s.more = maxFileGeneration, more
	return s
}

// complete adds the secrets of more.
func (s *Secrets) complete() {
	if s.more != nil {
		s.moreOnce.Do(func() { s.more(s) })
	}
}

// Len returns the number of secrets.
func (s *Secrets) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.cur.pool) + len(s.old.pool)
}

// Evicted returns the number of secrets evicted to keep the store bounded.
func (s *Secrets) Evicted() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.evicted
}

// Format writes "secrets(n)" for every verb, so logs and errors contain no key material.
func (s *Secrets) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "secrets(%d)", s.Len()) }

// put stores a secret of 1 to maxSecretSize bytes. It replaces a different secret of the same
// random and label.
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
	if n := s.held(random, l, dst); n > 0 || s.more == nil {
		return n
	}
	s.complete()
	return s.held(random, l, dst)
}

// held is get without a call of more.
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

// changes returns a number that changes when secrets are added.
func (s *Secrets) changes() uint64 {
	return s.version.Load()
}

// reserve reserves up to n of the bytes that sessions may hold while they wait. It returns how
// many were granted. A negative n releases bytes.
func (s *Secrets) reserve(n int) int {
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
