package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds on connections to the HTTP server. Where there is no room, the connection that has been idle
// longest makes room for a new one, first among those of the same peer: who holds connections open keeps nobody out.
const (
	// maxServed bounds the connections: a few readers and scrapers, each of
	// some 30 KB with its goroutine and buffers.
	maxServed = 64
	// maxPeer bounds the connections of one address: a browser opens 6.
	maxPeer = 16
	// maxReports bounds the reports that are sent at one time, each for at most writeTimeout. With maxScrapes they
	// are the only answers that take time, so that /healthz always finds room.
	maxReports = 16
)

// room hands out the places for connections. Its methods may be called by any goroutine.
type room struct {
	net.Listener
	now func() time.Time

	mu   sync.Mutex
	held map[*heldConn]struct{}
	// reports has a place for each report that is sent.
	reports chan struct{}
}

type heldConn struct {
	net.Conn
	room *room
	peer string
	// isAnswered says that an answer is under way, since that the connection is idle; the mutex of the room guards them.
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

// evict closes the connection that has been idle longest, of a peer or, where that is empty, of all. The caller holds mu.
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
	_ = oldest.Conn.Close() // the server notices
	return true
}

// Close gives the place back.
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

// keep has a connection keep its place while it gets an answer.
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

// few turns requests away while as many reports as there may be are being sent.
func (r *room) few(next http.Handler) http.Handler {
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
