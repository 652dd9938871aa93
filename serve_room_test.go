package main

import (
	"bufio"
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
	admit := func(peer string, sent reply) *heldConn {
		near, far := net.Pipe()
		t.Cleanup(func() { _, _ = near.Close(), far.Close() })
		h := &heldConn{Conn: near, room: r, peer: peer, since: r.now(), sent: sent}
		if !r.admit(h) {
			return nil
		}
		return h
	}
	isHeld := func(h *heldConn) bool { _, ok := r.held[h]; return ok }
	stranger := admit("stranger", nothing)
	answered := admit("many", aReport)
	oldest := admit("many", nothing)
	for range maxPeer - 2 {
		admit("many", nothing)
	}
	if admit("many", nothing) == nil || isHeld(oldest) || !isHeld(answered) || !isHeld(stranger) {
		t.Errorf("of one peer: oldest %v, answered %v, stranger %v", isHeld(oldest), isHeld(answered), isHeld(stranger))
	}
	for i := range maxServed - len(r.held) {
		admit(fmt.Sprint("peer ", i), nothing)
	}
	if admit("another", nothing) == nil || isHeld(stranger) || len(r.held) != maxServed {
		t.Errorf("of all: stranger %v, %d held", isHeld(stranger), len(r.held))
	}
	for h := range r.held {
		h.sent = quickReply
	}
	if admit("one more", nothing) != nil {
		t.Error("there was room although all get answers")
	}
	_ = answered.Close() // a pipe cannot fail
	if admit("one more", nothing) == nil {
		t.Error("a place was not given back")
	}
}

// TestSlowReadersKeepNobodyOut opens more connections than the limit of one peer. Each requests an
// answer that it does not read. The same peer still gets health and
// metrics, and another peer also a report.
func TestSlowReadersKeepNobodyOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	places := newRoom(l)
	large := make([]byte, 16<<20) // more than the buffers of a connection
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) })
	mux := http.NewServeMux()
	mux.Handle("/report", places.limit(aReport, answer))
	mux.Handle("/metrics", places.limit(aScrape, answer))
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: places.keep(mux), ConnContext: withHeld}
	go func() { _ = server.Serve(places) }() // it returns at Close
	defer server.Close()
	ask := func(from, path string) int {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 2 * time.Second}
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
			return 0
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return 0
		}
		return r.StatusCode
	}
	const peer, another = "127.0.0.1", "127.0.0.2"
	for i := range 2 * maxPeer {
		want := http.StatusOK
		if i >= maxPeerReports {
			want = http.StatusServiceUnavailable
		}
		if code := ask(peer, "/report"); code != want {
			t.Errorf("report %d: status %d, want %d", i, code, want)
		}
		for _, path := range []string{"/metrics", "/healthz"} {
			if code := ask(peer, path); code != http.StatusOK {
				t.Errorf("%s after %d slow readers: status %d", path, i, code)
			}
		}
	}
	for _, path := range []string{"/report", "/metrics", "/healthz"} {
		if code := ask(another, path); code != http.StatusOK {
			t.Errorf("%s of another peer: status %d", path, code)
		}
	}
}
