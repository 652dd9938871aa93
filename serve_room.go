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
// connections open blocks nobody else. Only reports and scrapes are slow answers. Together, those
// of one peer and those of all are fewer than the connections, so /healthz always gets one.
const (
	// maxServed bounds the connections: a few readers and scrapers, each of some 30 KB with its
	// goroutine and buffers.
	maxServed = 64
	// maxPeer bounds the connections of one address.
	maxPeer = 16
	// maxReports bounds the reports sent at once, each for at most writeTimeout; maxPeerReports
	// those of one address. A browser opens 6 connections.
	maxReports     = 16
	maxPeerReports = 8
	// maxPeerScrapes bounds, as maxScrapes does for all, the scrapes of one address. The oldest is
	// the slowest reader.
	maxPeerScrapes = 2
)

// room limits the connections of the HTTP server. Any goroutine may call its methods.
type room struct {
	net.Listener
	now func() time.Time

	mu   sync.Mutex
	held map[*heldConn]struct{}
}

// reply is what a connection is being sent.
type reply int

const (
	nothing reply = iota
	quickReply
	aReport
	aScrape
)

type heldConn struct {
	net.Conn
	room *room
	peer string
	// sent is the reply in progress, or nothing, since then. room.mu guards both.
	sent  reply
	since time.Time
}

func newRoom(l net.Listener) *room {
	return &room{Listener: l, now: time.Now, held: map[*heldConn]struct{}{}}
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
	if ofPeer >= maxPeer && !r.evict(nothing, h.peer) || len(r.held) >= maxServed && !r.evict(nothing, "") {
		return false
	}
	r.held[h] = struct{}{}
	return true
}

// evict closes, of the connections of peer that are sent the same, the oldest. An empty peer is
// all. The caller holds mu.
func (r *room) evict(sent reply, peer string) bool {
	var oldest *heldConn
	for h := range r.held {
		if h.sent == sent && (peer == "" || h.peer == peer) && (oldest == nil || h.since.Before(oldest.since)) {
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

// begin notes what h is sent, and reports whether the limits of reports allow it.
func (r *room) begin(h *heldConn, sent reply) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ofPeer, ofAll := 0, 0
	for other := range r.held {
		if other.sent == sent {
			ofAll++
			if other.peer == h.peer {
				ofPeer++
			}
		}
	}
	switch {
	case sent == aReport && (ofPeer >= maxPeerReports || ofAll >= maxReports):
		return false
	case sent == aScrape && ofPeer >= maxPeerScrapes:
		r.evict(aScrape, h.peer)
	case sent == aScrape && ofAll >= maxScrapes:
		r.evict(aScrape, "")
	}
	h.sent, h.since = sent, r.now()
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

// keep protects a connection from making room for new ones while it gets an answer.
func (r *room) keep(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if h, ok := q.Context().Value(heldKey{}).(*heldConn); ok {
			r.begin(h, quickReply)
			defer r.begin(h, nothing)
		}
		next.ServeHTTP(w, q)
	})
}

func (r *room) limit(sent reply, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if h, ok := q.Context().Value(heldKey{}).(*heldConn); ok && !r.begin(h, sent) {
			http.Error(w, "too many reports are being sent; try again", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, q)
	})
}
