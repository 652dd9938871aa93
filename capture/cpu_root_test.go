//go:build linux && root && !libpcap

package capture

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func cpuOf(who int) time.Duration {
	var u unix.Rusage
	unix.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestCPUReader(t *testing.T) {
	secs, _ := strconv.Atoi(os.Getenv("KV_SECS"))
	if secs == 0 {
		return
	}
	l, err := OpenLive(LiveOptions{Interface: "kv1"})
	if err != nil {
		t.Fatal(err)
	}
	bs := [4]Batch{}
	c0 := cpuOf(unix.RUSAGE_SELF)
	fmt.Println("ready")
	var last uint64
	for end := time.Now().Add(time.Duration(secs) * time.Second); time.Now().Before(end); {
		for i := range bs {
			if err := l.Next(&bs[i]); err != nil {
				t.Fatal(err)
			}
			for k := range bs[i].Packets {
				last += uint64(bs[i].Packets[k].Data[40])
			}
		}
	}
	fmt.Printf("kafkavet: %+v cpu %v\n", l.Stats(), cpuOf(unix.RUSAGE_SELF)-c0)
}

func TestCPU(t *testing.T) {
	if os.Getenv("KV_RUN") == "" {
		return
	}
	namespace(t)
	size, _ := strconv.Atoi(os.Getenv("KV_SIZE"))
	ip(t, "link set kv0 mtu 1500")
	send := sender(t)
	frame := segment(1, 9092, size)
	for round := range 6 {
		var cmd *exec.Cmd
		if round%2 == 0 {
			cmd = exec.Command("tcpdump", "-i", "kv1", "-w", "/dev/null", "-B", "16384", "tcp")
		} else {
			cmd = exec.Command("/proc/self/exe", "-test.run", "TestCPUReader")
			cmd.Env = append(os.Environ(), "KV_SECS=7")
		}
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.Start()
		time.Sleep(time.Second)
		n := 0
		begin := time.Now()
		for time.Since(begin) < 5*time.Second {
			for range 100 {
				send(frame)
			}
			n += 100
			if ahead := time.Duration(n)*10*time.Microsecond - time.Since(begin); ahead > time.Millisecond {
				time.Sleep(ahead)
			}
		}
		if round%2 == 0 {
			cmd.Process.Signal(os.Interrupt)
		}
		cmd.Wait()
		ps := cmd.ProcessState
		fmt.Printf("%s: sent %d: user %v sys %v\n", cmd.Args[0], n, ps.UserTime(), ps.SystemTime())
	}
}
