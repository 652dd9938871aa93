package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestIdleConnectionsKeepNobodyOut opens more connections than the limit, idle ones and ones with
// the beginning of a request. It then sends a request.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	s := serve(t)
	address := strings.TrimPrefix(s.base, "http://")
	for _, begun := range []string{"", "GET / HTTP/1.1\r\nHost: loc"} {
		for range 2 * maxServed {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, begun); err != nil {
				t.Fatal(err)
			}
		}
		client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		for _, path := range []string{"/healthz", "/metrics"} {
			answer, err := client.Get(s.base + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s: status %d", path, answer.StatusCode)
			}
		}
	}
}

// TestRoom: the connection that has been idle longest is evicted, first of the same peer. A
// connection that gets an answer is never evicted.
func TestRoom(t *testing.T) {
	r := newRoom(nil)
	clock := time.Unix(0, 0)
	r.now = func() time.Time { clock = clock.Add(time.Second); return clock }
	admit := func(peer string, isAnswered bool) *heldConn {
		near, far := net.Pipe()
		t.Cleanup(func() { _, _ = near.Close(), far.Close() })
		h := &heldConn{Conn: near, room: r, peer: peer, since: r.now(), isAnswered: isAnswered}
		if !r.admit(h) {
			return nil
		}
		return h
	}
	isHeld := func(h *heldConn) bool { _, ok := r.held[h]; return ok }
	stranger := admit("stranger", false)
	answered := admit("many", true)
	oldest := admit("many", false)
	for range maxPeer - 2 {
		admit("many", false)
	}
	if admit("many", false) == nil || isHeld(oldest) || !isHeld(answered) || !isHeld(stranger) {
		t.Errorf("of one peer: oldest %v, answered %v, stranger %v", isHeld(oldest), isHeld(answered), isHeld(stranger))
	}
	for i := range maxServed - len(r.held) {
		admit(fmt.Sprint("peer ", i), false)
	}
	if admit("another", false) == nil || isHeld(stranger) || len(r.held) != maxServed {
		t.Errorf("of all: stranger %v, %d held", isHeld(stranger), len(r.held))
	}
	for h := range r.held {
		h.isAnswered = true
	}
	if admit("one more", false) != nil {
		t.Error("there was room although all get answers")
	}
	_ = answered.Close() // a pipe cannot fail
	if admit("one more", false) == nil {
		t.Error("a place was not given back")
	}
}
