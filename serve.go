package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

// Limits of the HTTP server.
const (
	// maxRequestHeader bounds a request's header in bytes: browsers send < 2 KiB. Bodies are not
	// read.
	maxRequestHeader = 16 << 10
	// The timeouts for clients that send slowly, read about 10 MB slowly, or are silent.
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 10 * time.Second
	// shutdownTimeout is how long current answers may take after the capture has ended.
	shutdownTimeout = time.Second

	// freshFor is how long a snapshot is valid. A report of thousands of findings takes about 10
	// ms, and no packet is analyzed meanwhile.
	freshFor = time.Second
	// snapshotTimeout is how long a request waits for a snapshot.
	snapshotTimeout = 5 * time.Second
	// deadAfter is how long the analysis, active every 100 ms, may be silent for /healthz.
	deadAfter = 10 * time.Second
)

type snapshot struct {
	report *model.Report
	counts liveCounts
	at     time.Duration
	forms  [3]rendering
}

// rendering is the report in a format, written at its first request.
type rendering struct {
	once sync.Once
	body []byte
	err  error
}

func (f *rendering) bytes(r *model.Report, write func(io.Writer, *model.Report) error) ([]byte, error) {
	f.once.Do(func() {
		var b bytes.Buffer
		f.err = write(&b, r)
		f.body = b.Bytes()
	})
	return f.body, f.err
}

// httpServer is the HTTP server of --listen. Any goroutine requests snapshots; the collecting
// goroutine publishes them.
type httpServer struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
	now      func() time.Duration

	current atomic.Pointer[snapshot]
	asked   atomic.Bool
	beaten  atomic.Int64
	mu      sync.Mutex
	next    chan struct{} // closed when the next snapshot is available
}

// listenAddress adds the loopback host to an address without a host.
func listenAddress(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return "", fmt.Errorf("--listen %q: not an address with a port (127.0.0.1:9999, :9999)", text)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// listen opens the address of --listen. start begins to serve.
func listen(text string, now func() time.Duration) (*httpServer, error) {
	address, err := listenAddress(text)
	if err != nil {
		return nil, err
	}
	network := "tcp"
	if a, err := netip.ParseAddrPort(address); err == nil && a.Addr().Is4() {
		network = "tcp4" // "tcp" would also listen on every IPv6 address for 0.0.0.0
	}
	l, err := net.Listen(network, address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("--listen %s: %w", text, err)
	}
	return &httpServer{
		listener: l, now: now, done: make(chan struct{}), next: make(chan struct{}),
	}, nil
}

func (s *httpServer) address() string { return s.listener.Addr().String() }

func (s *httpServer) start(w *watch) {
	places := newRoom(s.listener)
	s.server = &http.Server{
		Handler:           places.keep(s.handler(newMetrics(s, w.metrics), places)),
		ConnContext:       withHeld,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxRequestHeader,
		ErrorLog:       log.New(io.Discard, "", 0), // errors of clients are not logged
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(places); !errors.Is(err, http.ErrServerClosed) {
			w.warn(fmt.Errorf("serve %s: %w", s.address(), err))
		}
	}()
}

func (s *httpServer) close() {
	if s.server == nil {
		_ = s.listener.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
	<-s.done
}

func (s *httpServer) beat(now time.Duration) { s.beaten.Store(int64(now)) }

// wanted reports whether a request waits for a new snapshot.
func (s *httpServer) wanted(now time.Duration) bool {
	if !s.asked.Load() {
		return false
	}
	c := s.current.Load()
	return c == nil || now-c.at >= freshFor
}

func (s *httpServer) publish(c *snapshot) {
	s.asked.Store(false)
	s.current.Store(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}

var errNoSnapshot = errors.New("the analysis is busy; try again")

// snapshot returns the current snapshot if it is fresh, otherwise the next one.
func (s *httpServer) snapshot(ctx context.Context) (*snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	for {
		s.mu.Lock()
		next := s.next
		s.mu.Unlock()
		if c := s.current.Load(); c != nil && s.now()-c.at < freshFor {
			return c, nil
		}
		s.asked.Store(true)
		select {
		case <-next:
			return s.current.Load(), nil
		case <-ctx.Done():
			return nil, errNoSnapshot
		}
	}
}

func (s *httpServer) handler(metrics http.Handler, places *room) http.Handler {
	mux := http.NewServeMux()
	page := write.HTMLPolicy(true) + "; frame-ancestors 'none'"
	for i, f := range [...]struct {
		path, contentType, policy string
		write                     func(io.Writer, *model.Report) error
	}{
		{"/{$}", "text/html; charset=utf-8", page, write.LiveHTML},
		{"/report.json", "application/json", "", write.JSON},
		{"/report.md", "text/markdown; charset=utf-8", "", write.Markdown},
	} {
		form := func(c *snapshot) ([]byte, error) { return c.forms[i].bytes(c.report, f.write) }
		mux.Handle("GET "+f.path, places.limit(aReport, s.reportHandler(f.contentType, f.policy, form)))
	}
	mux.Handle("GET /metrics", places.limit(aScrape, metrics))
	mux.HandleFunc("GET /healthz", s.health)
	return s.guard(mux)
}

func (s *httpServer) reportHandler(contentType, policy string, form func(*snapshot) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.snapshot(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		body, err := form(c)
		if err != nil {
			http.Error(w, "the report could not be written: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType)
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		http.ServeContent(w, &http.Request{Method: r.Method, Header: http.Header{}}, "", time.Time{}, bytes.NewReader(body))
	}
}

func (s *httpServer) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if silent := s.now() - time.Duration(s.beaten.Load()); silent > deadAfter {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintf(w, "no packets were looked at for %v\n", silent.Round(time.Second))
		return
	}
	_, _ = io.WriteString(w, "ok\n") // an error means that the client has closed the connection
}

// guard sets security headers and refuses requests for a foreign host name. A foreign page can
// reach this host under its own name (DNS rebinding). Its request then contains that name.
func (s *httpServer) guard(next http.Handler) http.Handler {
	local := s.listener.Addr().(*net.TCPAddr).IP.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		case local && !localHost(r.Host):
			http.Error(w, "this server serves only its own host: use localhost or 127.0.0.1", http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// localHost reports whether a Host header is a name of the local host.
func localHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}
