package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds on connections to the HTTP server. At a limit, a new connection evicts the connection
// that has been idle longest. The limit of the peer applies first, so a client that holds
// connections open blocks nobody else.
const (
	// maxServed bounds the connections: a few readers and scrapers, each of some 30 KB with its
	// goroutine and buffers.
	maxServed = 64
	// maxPeer bounds the connections of one address. A browser opens 6.
	maxPeer = 16
	// maxReports bounds the reports sent at once, each for at most writeTimeout. With maxScrapes
	// they are the only slow answers, so /healthz always gets a connection.
	maxReports = 16
)

// room limits the connections of the HTTP server. Any goroutine may call its methods.
type room struct {
	net.Listener
	now func() time.Time

	mu   sync.Mutex
	held map[*heldConn]struct{}
	// reports has one element for each report being sent.
	reports chan struct{}
}

type heldConn struct {
	net.Conn
	room *room
	peer string
	// isAnswered: an answer is in progress. since: it is idle since then. room.mu guards both.
	isAnswered bool
	since      time.Time
}

func newRoom(l net.Listener) *room {
	return &room{Listener: l, now: time.Now, held: map[*heldConn]struct{}{}, reports: make(chan struct{}, maxReports)}
}

// Accept implements net.Listener.
func (r *room) Accept() (net.Conn, error) {
	for {
		c, err := r.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		h := &heldConn{Conn: c, room: r, peer: peer, since: r.now()}
		if r.admit(h) {
			return h, nil
		}
		_ = c.Close() // it got no answer
	}
}

func (r *room) admit(h *heldConn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ofPeer := 0
	for other := range r.held {
		if other.peer == h.peer {
			ofPeer++
		}
	}
	if ofPeer >= maxPeer && !r.evict(h.peer) || len(r.held) >= maxServed && !r.evict("") {
		return false
	}
	r.held[h] = struct{}{}
	return true
}

// evict closes the longest idle connection of peer or, if peer is empty, of all. The caller holds
// mu.
func (r *room) evict(peer string) bool {
	var oldest *heldConn
	for h := range r.held {
		if !h.isAnswered && (peer == "" || h.peer == peer) && (oldest == nil || h.since.Before(oldest.since)) {
			oldest = h
		}
	}
	if oldest == nil {
		return false
	}
	delete(r.held, oldest)
	_ = oldest.Conn.Close() // the server gets an error and closes it
	return true
}

// Close removes the connection from the room.
func (h *heldConn) Close() error {
	h.room.mu.Lock()
	delete(h.room.held, h)
	h.room.mu.Unlock()
	return h.Conn.Close()
}

type heldKey struct{}

func withHeld(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, heldKey{}, c)
}

// keep protects a connection from evict while it gets an answer.
func (r *room) keep(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if h, ok := q.Context().Value(heldKey{}).(*heldConn); ok {
			mark := func(isAnswered bool) {
				r.mu.Lock()
				h.isAnswered, h.since = isAnswered, r.now()
				r.mu.Unlock()
			}
			mark(true)
			defer mark(false)
		}
		next.ServeHTTP(w, q)
	})
}

// limitReports refuses a request while maxReports reports are being sent.
func (r *room) limitReports(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		select {
		case r.reports <- struct{}{}:
			defer func() { <-r.reports }()
			next.ServeHTTP(w, q)
		default:
			http.Error(w, "too many reports are being sent; try again", http.StatusServiceUnavailable)
		}
	})
}
