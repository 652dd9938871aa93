package main

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// The addresses of the scenes that are written frame by frame (RFC 5737).
var (
	brokerA = netip.MustParseAddrPort("198.51.100.10:9092")
	brokerB = netip.MustParseAddrPort("198.51.100.11:9092")
	clientA = netip.MustParseAddr("192.0.2.20")
)

// stage is where a scene is recorded.
type stage struct {
	*capturetest.Recorder
	mu      sync.Mutex // guards the Recorder in scenes with real clients
	clients uint16
	keyLog  []byte
}

// talk is a connection of a client that speaks Kafka.
type talk struct {
	*capturetest.Conversation
	id string // client id
	n  int32  // correlation id of the last request
}

// plays is the play of a scene that cannot fail.
func plays(play func(s *stage)) func(*stage) error {
	return func(s *stage) error {
		play(s)
		return nil
	}
}

// talks is the play of a scene of one connection to broker A.
func talks(play func(t *talk)) func(*stage) error {
	return plays(func(s *stage) { play(s.connect(brokerA)) })
}

// connect opens a connection.
func (s *stage) connect(broker netip.AddrPort) *talk {
	s.clients++
	return &talk{Conversation: s.Open(netip.AddrPortFrom(clientA, 40_000+s.clients), broker), id: "orders-svc"}
}

// negotiate asks for the advertised ranges and gets them.
func (t *talk) negotiate(version int16, apis []capturetest.API) {
	t.n++
	t.Exchange(
		capturetest.ApiVersionsRequest(version, t.n, t.id, "example-client", "1.4.2"),
		capturetest.ApiVersionsResponse(version, t.n, 0, apis...))
}

// request is the frame of the next request, with a body of defaults that
// edit, where it is not nil, may change; response is what answers it.
func request[Q kmsg.Request, A kmsg.Response](t *talk, q Q, version int16, edit func(Q, A)) (request, response []byte) {
	t.n++
	q.SetVersion(version)
	a := q.ResponseKind().(A)
	if edit != nil {
		edit(q, a)
	}
	return capturetest.Request(q, t.n, t.id), capturetest.Response(a, t.n)
}

// frames is request for an API by its key, with defaults alone.
func (t *talk) frames(key, version int16) (request, response []byte) {
	t.n++
	q := kmsg.RequestForKey(key)
	q.SetVersion(version)
	return capturetest.Request(q, t.n, t.id), capturetest.Response(q.ResponseKind(), t.n)
}

// ask sends a request and gets the answer.
func (t *talk) ask(key, version int16) { t.Exchange(t.frames(key, version)) }

// send sends a request and waits for nothing.
func (t *talk) send(key, version int16) {
	q, _ := t.frames(key, version)
	t.Send(capturetest.ToBroker, q)
}

// refused sends a request upon which the broker closes the connection.
func (t *talk) refused(key, version int16) {
	t.send(key, version)
	t.Close(capturetest.ToClient)
}

// leave closes the connection from the client's side.
func (t *talk) leave() { t.Close(capturetest.ToBroker) }

// ranges are the ranges that a release advertises to clients, by the tables of
// kversion. It keeps its minimums to itself, so the ones that matter here are
// given: those of Kafka 4 (KIP-896).
func ranges(v *kversion.Versions, minimums map[int16]int16) []capturetest.API {
	var apis []capturetest.API
	for key := int16(0); key <= int16(kmsg.MaxKey); key++ {
		highest, ok := v.LookupMaxKeyVersion(key)
		if ok && kmsg.RequestForKey(key) != nil {
			apis = append(apis, capturetest.API{Key: key, Min: minimums[key], Max: highest})
		}
	}
	return apis
}

// kafka4 are the minimums of Kafka 4.0.1 that are above 0.
var kafka4 = map[int16]int16{
	1: 4, 2: 1, 8: 2, 9: 1, 19: 2, 20: 1, 23: 2, 29: 1, 30: 1, 31: 1, 32: 1, 34: 1, 35: 1, 38: 1, 39: 1, 40: 1, 41: 1,
}

// The releases that the scenes need.
func kafka0_10() []capturetest.API { return ranges(kversion.V0_10_0(), nil) }
func kafka2_1() []capturetest.API  { return ranges(kversion.V2_1_0(), nil) }
func kafka2_3() []capturetest.API  { return ranges(kversion.V2_3_0(), nil) }
func kafka2_8() []capturetest.API  { return ranges(kversion.V2_8_0(), nil) }
func kafka3_9() []capturetest.API  { return ranges(kversion.V3_9_0(), nil) }
func kafka4_0() []capturetest.API  { return ranges(kversion.V4_0_0(), kafka4) }
func kafka4_1() []capturetest.API  { return ranges(kversion.V4_1_0(), kafka4) }

// mustHave panics where a scene's premise is wrong: that the ranges have, or
// lack, a version.
func mustHave(apis []capturetest.API, key, version int16, want bool) {
	has := slices.ContainsFunc(apis, func(a capturetest.API) bool { return a.Key == key && a.Min <= version && version <= a.Max })
	if has != want {
		panic(fmt.Sprintf("%s v%d in the ranges: %v, want %v", kmsg.NameForKey(key), version, has, want))
	}
}
