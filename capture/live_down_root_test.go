//go:build linux && root && !libpcap

package capture

import (
	"errors"
	"io"
	"testing"
	"time"
)

func TestLiveWaitsForAnInterfaceThatWentAway(t *testing.T) {
	namespace(t)
	var said []string
	l := live(t, LiveOptions{Interface: "kv1", Warn: func(err error) { said = append(said, err.Error()) }})
	passes := func(when string) {
		t.Helper()
		send := sender(t)
		deadline := time.Now().Add(5 * time.Second)
		for time.Now().Before(deadline) {
			send(segment(1, 9092, 100))
			if len(collect(t, l, 1)) > 0 {
				return
			}
		}
		t.Errorf("no packets %s; said: %q", when, said)
	}
	await := func(want string) {
		t.Helper()
		var b Batch
		deadline := time.Now().Add(5 * time.Second)
		for time.Now().Before(deadline) {
			if err := l.Next(&b); err != nil {
				t.Fatal(err)
			}
			if n := len(said); n > 0 && said[n-1] == want {
				return
			}
		}
		t.Errorf("said %q, want %q last", said, want)
	}
	passes("at first")
	ip(t, "link set kv1 down")
	await("interface kv1 is down; waiting for it")
	ip(t, "link set kv1 up")
	await("interface kv1 is back")
	passes("after it was down")
	for range 2 {
		ip(t, "link del kv0")
		await("interface kv1 was removed; waiting for it")
		addVeth(t)
		await("interface kv1 is back")
		passes("after it was removed and added")
	}
	if len(said) != 6 {
		t.Errorf("said %q", said)
	}
}

func TestLiveWaitsForAnInterfaceThatIsDownAtFirst(t *testing.T) {
	namespace(t)
	ip(t, "link set kv1 down")
	var said []string
	l := live(t, LiveOptions{Interface: "kv1", Warn: func(err error) { said = append(said, err.Error()) }})
	if got := collect(t, l, 1); len(got) != 0 || len(said) != 1 || said[0] != "interface kv1 is down; waiting for it" {
		t.Errorf("%d packets; said %q", len(got), said)
	}
	ip(t, "link set kv1 up")
	expectNone(t, l)
	sender(t)(segment(1, 9092, 100))
	if got := collect(t, l, 1); len(got) != 1 {
		t.Errorf("%d packets after it went up; said %q", len(got), said)
	}
}

func TestLiveCloseWakesNext(t *testing.T) {
	namespace(t)
	l := live(t, LiveOptions{Interface: "kv1"})
	done := make(chan error)
	var took time.Duration
	go func() {
		var b Batch
		for {
			began := time.Now()
			if err := l.Next(&b); err != nil {
				took = time.Since(began)
				done <- err
				return
			}
		}
	}()
	time.Sleep(250 * time.Millisecond)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("Next returns %v, want io.EOF", err)
	}
	if took > 2*livePause {
		t.Errorf("Next returned after %v", took)
	}
}
