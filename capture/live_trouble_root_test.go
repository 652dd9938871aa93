//go:build linux && root && !libpcap

package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
		await("interface kv1 is gone; waiting for it")
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
	rest(t, l)
	sender(t)(segment(1, 9092, 100))
	if got := collect(t, l, 1); len(got) != 1 {
		t.Errorf("%d packets after it went up; said %q", len(got), said)
	}
}

func TestLiveMissingInterfaceIsAnError(t *testing.T) {
	namespace(t)
	for _, name := range []string{"nosuch0", "a-name-that-is-too-long-for-an-interface"} {
		if _, err := OpenLive(LiveOptions{Interface: name}); err == nil || err.Error() != "watch "+name+": there is no such interface; kafkavet interfaces lists them" {
			t.Errorf("error is %v", err)
		}
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

// TestLiveWithoutRights runs itself as nobody.
func TestLiveWithoutRights(t *testing.T) {
	if os.Getenv("KAFKAVET_AS_NOBODY") != "" {
		_, err := OpenLive(LiveOptions{Interface: "lo"})
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "it's here")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kafkavet")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(path, self, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-test.run", "^TestLiveWithoutRights$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "KAFKAVET_AS_NOBODY=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "watch lo: need CAP_NET_RAW: sudo setcap cap_net_raw+ep '" + strings.ReplaceAll(path, "'", `'\''`) + "', or sudo\n"
	if !strings.HasPrefix(string(out), want) {
		t.Errorf("said %q, want %q", out, want)
	}
}
