package decode

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/reassembly"
)

func FuzzLooksLikeRequest(f *testing.F) {
	for key := range MaxKnownKey + 1 {
		msg := requestBytes(requestOf(key, layoutOf(key).max), 1, "app")
		f.Add(int64(len(msg)), msg)
	}
	f.Add(int64(1<<40), []byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, size int64, head []byte) {
		capturetest.Bounded(t, len(head), func() {
			got := LooksLikeRequest(size, head)
			if got == reassembly.Strong && (size < clientIDAt || size > maxFirst) {
				t.Errorf("a message of %d bytes is taken for a request", size)
			}
		})
	})
}

func FuzzLayouts(f *testing.F) {
	for key := range MaxKnownKey + 1 {
		latest := layoutOf(key).max
		f.Add(key, latest, filledRequest(f, key, latest, 1))
		f.Add(key, latest, filledResponse(f, key, latest, 1, errUnsupportedVersion))
	}
	f.Add(int16(18), int16(3), []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		l := layoutOf(key)
		if l == nil || version < 0 {
			return
		}
		capturetest.Bounded(t, len(body), func() {
			size := int64(len(body))
			if l.walkRequest(version, size, body) == fitsSoFar {
				t.Errorf("%s v%d: a whole request is said to be longer", l.name, version)
			}
			if how, _ := l.walkResponse(key, version, size, body); how == fitsSoFar {
				t.Errorf("%s v%d: a whole response is said to be longer", l.name, version)
			}
		})
	})
}

func FuzzApiVersionsAnswer(f *testing.F) {
	for _, version := range []int16{0, 1, 3, 5} {
		f.Add(version, ranges(version, 0, usual...).AppendTo(nil), uint16(0))
		f.Add(version, ranges(version, 35, 18, 0, 3).AppendTo(nil), uint16(9))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte, missing uint16) {
		s := NewShard(ShardOptions{})
		capturetest.Bounded(t, len(body), func() {
			a := &s.answer
			if !a.parse(version, int64(len(body))+int64(missing), body, s.share) {
				return
			}
			if a.errorCode != errNone && len(a.apis) > 0 {
				t.Errorf("error %d comes with %d APIs", a.errorCode, len(a.apis))
			}
			for i, api := range a.apis {
				if api.Key < 0 || i > 0 && api.Key <= a.apis[i-1].Key {
					t.Errorf("API %d stands behind %d", api.Key, a.apis[max(i-1, 0)].Key)
				}
			}
			if len(a.apis) > maxAPIs || len(a.features) > maxFeatures || len(a.apis)*6 > len(body) {
				t.Errorf("%d APIs and %d features out of %d bytes", len(a.apis), len(a.features), len(body))
			}
		})
	})
}

// script is a connection for FuzzHandler: an operation, a length of two bytes and a message each.
type script []byte

const (
	sendRequest = iota
	sendResponse
	loseRequests
	loseResponses
	cutRequest  // only half of what Want requests is captured
	cutResponse // the same
	operations
)

func (s *script) add(operation byte, msg []byte) {
	*s = append(*s, operation)
	*s = binary.BigEndian.AppendUint16(*s, uint16(len(msg)))
	*s = append(*s, msg...)
}

// play runs a script and checks what is true for any: every request becomes one exchange, and
// events are in order.
func (s script) play(t *testing.T, end reassembly.End) {
	shard := NewShard(ShardOptions{})
	c := &reassembly.Connection{Client: netip.MustParseAddrPort("[::1]:1"), Broker: netip.MustParseAddrPort("[::1]:2"), Seen: [2]bool{true, true}}
	h := shard.Open(c)
	for len(s) >= 3 {
		operation, n := s[0]%operations, int(binary.BigEndian.Uint16(s[1:]))
		msg := s[3:min(len(s), 3+n)]
		s = s[3+len(msg):]
		c.Last.Frame++
		c.Last.Time += stepTime
		c.Now = c.Last
		switch operation {
		case loseRequests:
			h.Lost(reassembly.ToBroker, c.Now)
		case loseResponses:
			h.Lost(reassembly.ToClient, c.Now)
		default:
			playMessage(t, h, c.Last, operation, msg)
		}
	}
	requests := h.(*handler).requests
	c.End = end
	h.End()
	shard.Closed(c)
	events := shard.Take(nil)
	if got := len(exchanges(events)); uint32(got) != requests {
		t.Errorf("%d requests became %d exchanges", requests, got)
	}
	for i := range events {
		if i > 0 && !before(&events[i-1], &events[i]) {
			t.Errorf("event %d does not follow event %d", i, i-1)
		}
	}
}

// playMessage passes on one message.
func playMessage(t *testing.T, h reassembly.Handler, at capture.Position, operation byte, msg []byte) {
	d := reassembly.Direction(operation % 2)
	size := int64(len(msg))
	h.Plausible(d, size, msg[:min(300, len(msg))])
	if anchors, offset := h.Anchor(d); offset < 4 || len(anchors) > maxAnchors+maxClientIDs {
		t.Errorf("%d anchors at %d", len(anchors), offset)
	}
	n, ok := h.Want(d, size, msg[:min(8, len(msg))])
	if !ok {
		return
	}
	if n < 0 || int64(n) > size {
		t.Fatalf("Want asks for %d of %d bytes", n, size)
	}
	if operation >= cutRequest {
		n /= 2
	}
	h.Message(&reassembly.Frame{Direction: d, Size: size, Head: msg[:n], First: at, Last: at})
}

func FuzzHandler(f *testing.F) {
	var s script
	s.add(sendRequest, requestBytes(hello(3), 1, "app"))
	s.add(sendResponse, responseBytes(ranges(0, 35), 1))
	s.add(sendRequest, requestBytes(hello(0), 2, "app"))
	s.add(sendResponse, responseBytes(ranges(0, 0, usual...), 2))
	s.add(sendRequest, requestBytes(handshakeOf(0, "PLAIN"), 3, "app"))
	s.add(sendResponse, responseBytes(enabled(0, 0, "PLAIN"), 3))
	s.add(sendRequest, []byte(tokens[0]))
	s.add(sendResponse, nil)
	s.add(sendRequest, requestBytes(produce(7, 0), 4, "app"))
	s.add(loseResponses, nil)
	s.add(sendResponse, responseBytes(responseOf(3, 7), 6))
	s.add(sendRequest, requestBytes(requestOf(3, 7), 6, "app"))
	s.add(cutRequest, requestBytes(requestOf(1, 12), 7, "application"))
	s.add(cutResponse, responseBytes(responseOf(1, 12), 7))
	f.Add([]byte(s), uint8(0), uint8(0))
	f.Add([]byte(s[:len(s)/2]), uint8(1), uint8(1))
	var many script
	for i := range int32(300) {
		many.add(sendRequest, requestBytes(requestOf(3, 7), i%7, "app"))
	}
	many.add(sendResponse, responseBytes(responseOf(3, 7), 6))
	f.Add([]byte(many), uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, kind, by uint8) {
		end := reassembly.End{Kind: reassembly.EndKind(kind % 5), By: reassembly.Direction(by % 2)}
		capturetest.Bounded(t, len(b), func() { script(b).play(t, end) })
	})
}

// TestHostileConversationsAreCheap: the most expensive inputs of 64 KiB.
func TestHostileConversationsAreCheap(t *testing.T) {
	header := []byte("\x00\x7b\x00\x00\x00\x00\x00\x00\x00\x00")
	for name, fill := range map[string]func(i int, s *script){
		"answers to nobody, many requests outstanding": func(i int, s *script) {
			if i < maxOutstanding {
				s.add(sendRequest, header)
			} else {
				s.add(sendResponse, []byte{0, 1, byte(i >> 8), byte(i)})
			}
		},
		"losses, many requests outstanding": func(i int, s *script) {
			if i < maxOutstanding {
				s.add(sendRequest, header)
			} else {
				s.add(loseResponses, nil)
			}
		},
		"a new client id with every request": func(i int, s *script) {
			s.add(sendRequest, requestBytes(requestOf(3, 5), int32(i), "client"+string(rune('a'+i%26))+string(rune('a'+i/26%26))))
		},
		"refused ApiVersions": func(i int, s *script) {
			s.add(sendRequest, requestBytes(hello(3), int32(i), "a"))
			s.add(sendResponse, responseBytes(ranges(0, 35), int32(i)))
		},
		"new ranges with every answer": func(i int, s *script) {
			s.add(sendRequest, requestBytes(hello(0), int32(i), "a"))
			s.add(sendResponse, responseBytes(ranges(0, 0, int16(i), 0, 1), int32(i)))
		},
	} {
		var s script
		for i := 0; len(s) < capturetest.BoundedUnit; i++ {
			fill(i, &s)
		}
		t.Run(name, func(t *testing.T) {
			capturetest.Bounded(t, len(s), func() { s.play(t, reassembly.End{}) })
		})
	}
}
