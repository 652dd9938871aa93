package sealed

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

type frame struct {
	toServer bool
	size     int // with its size field
	at       capture.Position
}

// conversation is a plaintext connection and its expected results.
type conversation struct {
	conn   decode.Connection
	frames []frame
	// refused: the broker closed on a request outside its range. closed: on any request.
	refused, closed bool
	perhaps         bool // as refused, but its range is unknown
	apis            int
}

type recorder struct {
	*decode.Shard
	mu  *sync.Mutex
	all map[uint32]*conversation
}

type tap struct {
	reassembly.Handler
	v *conversation
}

func (r *recorder) Open(c *reassembly.Connection) reassembly.Handler {
	v := &conversation{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[c.Stream] = v
	return &tap{r.Shard.Open(c), v}
}

func (t *tap) Message(f *reassembly.Frame) {
	t.v.frames = append(t.v.frames, frame{f.Direction == reassembly.ToBroker, int(f.Size) + 4, f.Last})
	t.Handler.Message(f)
}

// conversations reads the plaintext Kafka connections of a capture.
func conversations(t *testing.T, name string) map[uint32]*conversation {
	t.Helper()
	src, err := capture.Open([]string{name}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	all := map[uint32]*conversation{}
	var mu sync.Mutex
	sink := &truth{&mu, all}
	correlator := decode.NewCorrelator(nil, sink)
	pool := reassembly.NewPool(reassembly.Options{
		Dissector: capture.NewDissector(capture.DissectorOptions{}), LooksLikeRequest: decode.LooksLikeRequest,
		LooksLikeExchange: decode.LooksLikeExchange, IdleTimeout: reassembly.DefaultIdleTimeout,
	}, func() reassembly.Shard[[]decode.Event] {
		return &recorder{decode.NewShard(decode.ShardOptions{}), &mu, all}
	},
		func(parts [][]decode.Event) error { correlator.Add(parts); return nil })
	if _, err := pool.Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	correlator.Finish()
	return all
}

const saslAuthenticateKey = 36

// truth records the expected results from the plaintext frames.
type truth struct {
	mu  *sync.Mutex
	all map[uint32]*conversation
}

func (s *truth) of(stream uint32) *conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[stream]
}

func (s *truth) Exchange(x *decode.Exchange) {
	v := s.of(x.Stream)
	if v == nil {
		return
	}
	if x.Outcome == decode.ClosedByBroker || x.Outcome == decode.ResetByBroker {
		v.closed = true
		if x.Key == saslAuthenticateKey {
			return // a wrong password looks the same
		}
		v.refused = v.refused || x.Verdict == decode.AboveMax || x.Verdict == decode.BelowMin || x.Verdict == decode.NotAdvertised
		v.perhaps = v.perhaps || x.Verdict == decode.Unknown || x.Key == 0 && x.Version < 3 // KV2001, KV1004
	}
}

func (s *truth) Advertisement(a *decode.Advertisement) {
	if v := s.of(a.Stream); v != nil && a.Ranges != nil {
		v.apis = len(a.Ranges.APIs)
	}
}

func (s *truth) Connection(c *decode.Connection) {
	if v := s.of(c.Stream); v != nil {
		v.conn = *c
		inner := *c.Connection
		v.conn.Connection = &inner
	}
}

// wrapping is a way in which records contain frames.
type wrapping struct {
	name    string
	tls13   bool
	over    [2]int // bytes added, by direction
	mac     int    // CBC: content, MAC and 1 to 16 bytes of padding fill blocks
	split   func(toServer bool, size int) []int
	tickets int
	retry   bool // a HelloRetryRequest: hellos follow ChangeCipherSpec
	flight  int  // size of the client's Certificate and CertificateVerify, in one record with Finished
}

// content returns the size of a record with n bytes of content.
func (w *wrapping) content(toServer bool, n int) int {
	if w.mac > 0 {
		n += w.mac
		n += blockSize - n%blockSize
	}
	return n + w.over[directionIndex(toServer)]
}

const most = 1 << 14

// inOne fills records: librdkafka, Java since 2.7.
func inOne(_ bool, size int) (parts []int) {
	for ; size > most; size -= most {
		parts = append(parts, most)
	}
	return append(parts, size)
}

// sizeApart writes the size field as a separate record: Java up to 2.6.
func sizeApart(_ bool, size int) []int { return append([]int{4}, inOne(false, size-4)...) }

// sizeApartByBroker is that of a broker up to 2.6 with another client.
func sizeApartByBroker(toServer bool, size int) []int {
	if toServer {
		return inOne(true, size)
	}
	return sizeApart(false, size)
}

var wrappings = []wrapping{
	{name: "TLS 1.2 AES-GCM", over: [2]int{24, 24}, split: inOne},
	{name: "TLS 1.2 AES-GCM, Java to 2.6", over: [2]int{24, 24}, split: sizeApart},
	{name: "TLS 1.2 AES-GCM, broker to 2.6", over: [2]int{24, 24}, split: sizeApartByBroker},
	{name: "TLS 1.2 ChaCha20", over: [2]int{16, 16}, split: sizeApartByBroker},
	{name: "TLS 1.2 CBC SHA-1", over: [2]int{16, 16}, mac: 20, split: inOne},
	{name: "TLS 1.2 CBC SHA-256", over: [2]int{16, 16}, mac: 32, split: inOne},
	{name: "TLS 1.3", tls13: true, over: [2]int{17, 17}, split: inOne, tickets: 2},
	{name: "TLS 1.3 Java", tls13: true, over: [2]int{33, 33}, split: inOne, tickets: 1},
	{name: "TLS 1.3 Java broker to 2.6", tls13: true, over: [2]int{17, 33}, split: sizeApartByBroker, tickets: 1},
	{name: "TLS 1.3 Java broker, Go client", tls13: true, over: [2]int{17, 33}, split: inOne},
	{name: "TLS 1.3, HelloRetryRequest", tls13: true, over: [2]int{17, 17}, split: inOne, tickets: 2, retry: true},
	{name: "TLS 1.3 Java, client certificate", tls13: true, over: [2]int{33, 33}, split: inOne, tickets: 1, flight: 1028},
	{name: "TLS 1.3 Java, no certificate for the broker", tls13: true, over: [2]int{33, 17}, split: inOne, flight: 8},
}

type writer struct {
	w wrapping
	o *tlsrecord.Outline
}

func (w *writer) record(kind byte, toServer bool, size int, at capture.Position) {
	b := make([]byte, 5+size)
	b[0], b[1], b[2], b[3], b[4] = kind, 3, 3, byte(size>>8), byte(size)
	w.o.Data(toServer, b, at)
}

func (w *writer) handshake(at capture.Position) {
	const changeCipher, encrypted, data = 20, 22, 23
	w.record(changeCipher, false, 1, at)
	if w.w.retry {
		w.record(changeCipher, true, 1, at)
		w.record(encrypted, true, 1487, at)
		w.record(encrypted, false, 122, at)
	}
	if w.w.tls13 {
		if w.w.over[1] == 33 { // JSSE: one record
			w.record(data, false, 931, at)
		} else {
			for _, size := range []int{6, 390, 80, 52} {
				w.record(data, false, size+17, at)
			}
		}
		w.record(changeCipher, true, 1, at)
		w.record(data, true, w.w.flight+52+w.w.over[0], at)
		return
	}
	w.record(changeCipher, true, 1, at)
	mac := w.w.content(true, 16)
	w.record(encrypted, true, mac, at)
	w.record(encrypted, false, mac, at)
}

func (w *writer) frames(v *conversation) {
	ticketed := w.w.tickets == 0
	for i, f := range v.frames {
		if i == 0 {
			w.handshake(f.at)
		}
		if !ticketed && !f.toServer {
			ticketed = true
			for range w.w.tickets {
				w.record(23, false, 180+w.w.over[1], f.at)
			}
		}
		for _, n := range w.w.split(f.toServer, f.size) {
			w.record(23, f.toServer, w.w.content(f.toServer, n), f.at)
		}
	}
	e := v.conn.End
	if e.Kind != reassembly.Closed {
		return // the host that resets a plaintext connection need not have the keys
	}
	if w.w.tls13 {
		w.record(23, e.By == reassembly.ToBroker, 2+w.w.over[directionIndex(e.By == reassembly.ToBroker)], e.At)
		return
	}
	w.record(21, e.By == reassembly.ToBroker, w.w.content(e.By == reassembly.ToBroker, 2), e.At)
}

// seal returns the connection as it would look inside TLS.
func (w wrapping) seal(v *conversation) *decode.Connection {
	o := tlsrecord.NewOutline(false)
	wr := writer{w, o}
	wr.frames(v)
	c := v.conn
	inner := *c.Connection
	inner.Outline, inner.Protocol = o, reassembly.TLS
	inner.TLS = &tlsrecord.Info{Suite: "TLS_AES_256_GCM_SHA384", Hello: &tlsrecord.Hello{}}
	if w.tls13 {
		inner.TLS.Version = "TLS 1.3"
	}
	if w.tickets > 0 {
		inner.TLS.Hello.Extensions = append(inner.TLS.Hello.Extensions, extPSKModes)
	}
	if w.flight > 0 {
		inner.TLS.Hello.Extensions = append(inner.TLS.Hello.Extensions, extStatusRequestV2)
	}
	return &decode.Connection{Connection: &inner}
}

// TestWrapped wraps the plaintext frames of every capture into records, and compares what is
// inferred with the frames.
func TestWrapped(t *testing.T) {
	names, err := filepath.Glob("../../testdata/captures/*.pcap")
	if err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	for i, s := range scoreWrapped(t, names) {
		if wrappings[i].mac == 0 && (s.named < 70 || s.apis*100 < s.answers*98) {
			t.Errorf("%s: too little is recognised", wrappings[i].name)
		}
		t.Logf("%-34s %3d of %3d refused requests named, %3d of %3d answers read", wrappings[i].name, s.named, s.refused, s.apis, s.answers)
	}
}

// score counts the correct results, and all of them.
type score struct{ named, refused, apis, answers int }

// scoreWrapped compares captures in all wrappings with the truth. A false result is an error.
func scoreWrapped(t *testing.T, names []string) []score {
	scores := make([]score, len(wrappings))
	for _, name := range names {
		if base := filepath.Base(name); strings.HasPrefix(base, "kv2009-fires") || strings.HasPrefix(base, "kv2008-fires-handshake-closed") || strings.HasPrefix(base, "kv2008-fires-before-the-last-token") {
			continue // requests in range that are refused every time look the same inside TLS
		}
		all := conversations(t, name)
		var order []uint32
		for stream, v := range all {
			if v.conn.Connection != nil && v.conn.TLS == nil && v.conn.Protocol == reassembly.Kafka {
				order = append(order, stream)
			}
		}
		slices.Sort(order)
		for i := range wrappings {
			scoreCapture(t, name, all, order, i, &scores[i])
		}
	}
	return scores
}

// releaseAPIs are the numbers of APIs in the tables of releases. The tables of scenes can have
// other numbers, and inside TLS they look like those of a release.
var releaseAPIs = sync.OnceValue(func() map[int]bool {
	known := map[int]bool{}
	for _, table := range decode.Tables() {
		known[len(table.Ranges.APIs)] = true
	}
	return known
})

func scoreCapture(t *testing.T, name string, all map[uint32]*conversation, order []uint32, i int, s *score) {
	w := &wrappings[i]
	book := NewBook(neverDown)
	for _, stream := range order {
		v := all[stream]
		c := w.seal(v)
		book.Connection(c)
		if r := Read(c); releaseAPIs()[v.apis] && r.Answer != nil && !r.Unnegotiated && w.mac == 0 {
			s.answers++
			if r.Answer.APIs == v.apis || r.Answer.APIs == 0 {
				s.apis++
			}
		}
	}
	named := map[uint32]bool{}
	for _, r := range book.Refusals() {
		for _, c := range r.Cases {
			named[c.Stream] = true
			if !all[c.Stream].refused && !all[c.Stream].perhaps {
				t.Errorf("%s in %s: stream %d falsely named: %+v", filepath.Base(name), w.name, c.Stream, c)
			}
		}
	}
	for _, stream := range order {
		if !all[stream].refused && !all[stream].perhaps {
			continue
		}
		s.refused++
		if named[stream] {
			s.named++
		} else if testing.Verbose() && i == 0 {
			t.Logf("%s in %s: stream %d not named: %+v", filepath.Base(name), w.name, stream, Read(w.seal(all[stream])))
		}
	}
}
