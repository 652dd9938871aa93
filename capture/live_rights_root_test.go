//go:build linux && root

package capture

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The following tests also run with libpcap.

func TestLiveSeesAConnectionOnLoopbackOnce(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	to := server.Addr().(*net.TCPAddr).AddrPort()
	for _, iface := range []string{"lo", AnyInterface} {
		l, err := OpenLive(LiveOptions{Interface: iface, Filter: Filter{Ports: []uint16{to.Port()}, Nets: []netip.Prefix{netip.PrefixFrom(to.Addr(), 32)}}})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		var b Batch
		var s Segment
		var payload string
		syns, d := 0, NewDissector(DissectorOptions{})
		for end := time.Now().Add(10 * time.Second); payload == "" && time.Now().Before(end); {
			if err := l.Next(&b); err != nil {
				t.Fatal(err)
			}
			for i := range b.Packets {
				if !d.Segment(&b.Packets[i], &s) {
					continue
				}
				if s.Flags&(SYN|ACK) == SYN {
					syns++
				}
				payload += string(s.Payload)
			}
		}
		if syns != 1 || payload != "hello" {
			t.Errorf("%s: %d SYN, payload %q", iface, syns, payload)
		}
		if err := errors.Join(conn.Close(), l.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestLiveMissingInterfaceIsAnError(t *testing.T) {
	for _, name := range []string{"nosuch0", "a-name-that-is-too-long-for-an-interface"} {
		if _, err := OpenLive(LiveOptions{Interface: name}); err == nil || err.Error() != "watch "+name+": there is no such interface; kafkavet interfaces lists them" {
			t.Errorf("error is %v", err)
		}
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
