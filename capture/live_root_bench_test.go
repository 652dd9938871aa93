//go:build linux && root && !libpcap

package capture

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// benchmarkReader names the environment variable that makes the benchmark a process that only
// reads.
const benchmarkReader = "KAFKAVET_BENCHMARK_READER"

// BenchmarkLiveCPU sends 100,000 packets a second over a veth pair. It reports the CPU time per
// packet, user and system, of tcpdump -w /dev/null and of a Live, each in its own process:
//
//	go test -tags root ./capture -run '^$' -bench LiveCPU -benchtime 500000x
func BenchmarkLiveCPU(b *testing.B) {
	if os.Getenv(benchmarkReader) != "" {
		readUntilInputEnds(b)
		return
	}
	namespace(b)
	for _, size := range []int{60, 1400} {
		for _, reader := range []string{"tcpdump", "kafkavet"} {
			// b.Run would leave the namespace: sub-benchmarks have their own goroutines.
			cpu := cpuPerPacket(b, reader, segment(1, 9092, size))
			b.ReportMetric(float64(cpu.Nanoseconds()), fmt.Sprintf("%s-%dB-ns/packet", reader, size))
		}
	}
}

// cpuPerPacket runs a reader while b.N packets pass.
func cpuPerPacket(b *testing.B, reader string, frame []byte) time.Duration {
	cmd := exec.Command("tcpdump", "-i", "kv1", "-B", fmt.Sprint(DefaultBuffer>>10), "-Z", "root", "-w", "/dev/null", "tcp")
	if reader == "kafkavet" {
		cmd = exec.Command("/proc/self/exe", "-test.run", "^$", "-test.bench", "^BenchmarkLiveCPU$", "-test.benchtime", "1x")
		cmd.Env = append(os.Environ(), benchmarkReader+"=1")
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	said := bufio.NewReader(stderr)
	if line, err := said.ReadString('\n'); err != nil || !strings.Contains(line, "listening on") {
		b.Fatalf("%s says %q, %v", reader, line, err)
	}
	send, before := sender(b), processorTime(b, cmd.Process.Pid)
	for n, begin := 0, time.Now(); n < b.N; n++ {
		send(frame)
		if ahead := time.Duration(n)*10*time.Microsecond - time.Since(begin); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
	}
	time.Sleep(2 * livePause)
	used := processorTime(b, cmd.Process.Pid) - before
	stdin.Close()
	if reader == "tcpdump" {
		cmd.Process.Signal(os.Interrupt)
	}
	rest, err := io.ReadAll(said)
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%s: %v: %s", reader, err, rest)
	}
	b.Logf("%s, %d packets of %d bytes: %s", reader, b.N, len(frame), strings.ReplaceAll(string(rest), "\n", "; "))
	return used / time.Duration(b.N)
}

// processorTime returns the CPU time of a process so far (clock_getcpuclockid(3)).
func processorTime(b *testing.B, pid int) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// readUntilInputEnds captures until standard input is closed.
func readUntilInputEnds(b *testing.B) {
	l := live(b, LiveOptions{Interface: "kv1"})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		l.Close()
	}()
	fmt.Fprintln(os.Stderr, "listening on kv1")
	var batches [4]Batch // as many as the pool of package reassembly has in flight
	var err error
	for i := 0; err == nil; i++ {
		err = l.Next(&batches[i%len(batches)])
	}
	if err != io.EOF {
		b.Error(err)
	}
	fmt.Fprintf(os.Stderr, "%+v\n", l.Captures()[0])
}
