// Command bench holds kafkavet sniff against tcpdump -w /dev/null on live
// traffic: two network namespaces joined by a veth pair with an MTU of 1500 and
// no offloads, a fake broker in one, a producer and a consumer at full rate in
// the other. It needs root, ip, ethtool and tcpdump, and fails when kafkavet drops
// packets where tcpdump drops none, or takes more than twice its CPU time.
//
//	go run ./bench -kafkavet ../../kafkavet [-for 10s] [-runs 3]
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	brokerSpace, clientSpace = "kafkavet-b", "kafkavet-c"
	brokerLink, clientLink   = "kvb0", "kvc0"
	brokerAddr               = "10.199.0.1:19092"
	// bufferMiB is the buffer of both.
	bufferMiB = 16
)

func main() {
	kafkavet := flag.String("kafkavet", "../../kafkavet", "the kafkavet to measure")
	lasts := flag.Duration("for", 10*time.Second, "how long each run lasts")
	runs := flag.Int("runs", 3, "how many runs of each; the median counts")
	flag.Parse()
	if err := bench(*kafkavet, *lasts, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// result is what one run of a capturing program cost.
type result struct {
	packets, dropped uint64
	cpu              time.Duration
	rss              int64 // KiB
}

// cost is CPU time for a million packets: runs do not carry the same traffic.
func (r result) cost() float64 { return r.cpu.Seconds() / float64(r.packets) * 1e6 }

func bench(kafkavet string, lasts time.Duration, runs int) error {
	kafkavet, err := filepath.Abs(kafkavet)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kafkavet-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	play := filepath.Join(dir, "play")
	if err := command("go", "build", "-o", play, "./play"); err != nil {
		return err
	}
	defer takeDown()
	if err := setUp(); err != nil {
		return err
	}
	results := map[string][]result{}
	for range runs {
		for _, name := range []string{"tcpdump", "kafkavet"} {
			r, err := measure(name, kafkavet, play, lasts)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			fmt.Printf("%-8s %9d packets, %7.0f a second, %d dropped, CPU %5.2f s, %.2f s a million packets, %d MiB\n",
				name, r.packets, float64(r.packets)/lasts.Seconds(), r.dropped, r.cpu.Seconds(), r.cost(), r.rss>>10)
			results[name] = append(results[name], r)
		}
	}
	return judge(results)
}

// judge holds the results against what is asked for.
func judge(results map[string][]result) error {
	var dropped [2]uint64
	var cost [2]float64
	for i, name := range []string{"tcpdump", "kafkavet"} {
		var all []float64
		for _, r := range results[name] {
			dropped[i] += r.dropped
			all = append(all, r.cost())
		}
		slices.Sort(all)
		cost[i] = all[len(all)/2]
	}
	fmt.Printf("CPU time of kafkavet is %.2f x that of tcpdump for the same number of packets (median); dropped %d, tcpdump %d\n", cost[1]/cost[0], dropped[1], dropped[0])
	switch {
	case dropped[0] == 0 && dropped[1] > 0:
		return fmt.Errorf("kafkavet dropped %d packets, tcpdump none", dropped[1])
	case cost[1] > 2*cost[0]:
		return fmt.Errorf("kafkavet takes %.2f times the CPU time of tcpdump, at most 2 are allowed", cost[1]/cost[0])
	}
	return nil
}

// command runs a command that must succeed.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// setUp makes the namespaces and the pair of interfaces between them.
func setUp() error {
	takeDown() // what an interrupted run has left
	steps := [][]string{
		{"ip", "netns", "add", brokerSpace},
		{"ip", "netns", "add", clientSpace},
		{"ip", "link", "add", brokerLink, "netns", brokerSpace, "type", "veth", "peer", "name", clientLink, "netns", clientSpace},
	}
	for _, side := range []struct{ space, link, addr string }{{brokerSpace, brokerLink, "10.199.0.1/24"}, {clientSpace, clientLink, "10.199.0.2/24"}} {
		in := []string{"ip", "netns", "exec", side.space}
		steps = append(steps,
			append(in, "ip", "addr", "add", side.addr, "dev", side.link),
			append(in, "ip", "link", "set", side.link, "mtu", "1500", "up"),
			append(in, "ip", "link", "set", "lo", "up"),
			append(in, "ethtool", "-K", side.link, "tso", "off", "gso", "off", "gro", "off", "tx", "off", "rx", "off"))
	}
	for _, s := range steps {
		if err := command(s[0], s[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// takeDown removes the namespaces, and with them the interfaces.
func takeDown() {
	for _, space := range []string{brokerSpace, clientSpace} {
		_ = exec.Command("ip", "netns", "del", space).Run() // it may not be there
	}
}

// in is a command in a namespace. ip execs it, so that its process id is the command's.
func in(space string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", space}, args...)...)
}

// measure lets a capturing program watch the traffic.
func measure(name, kafkavet, play string, lasts time.Duration) (result, error) {
	broker := in(brokerSpace, play, "broker", "-addr", brokerAddr)
	if err := broker.Start(); err != nil {
		return result{}, err
	}
	defer stop(broker)
	time.Sleep(time.Second)

	watcher := in(brokerSpace, "tcpdump", "-i", brokerLink, "-s", "0", "-B", strconv.Itoa(bufferMiB<<10), "-Z", "root", "-w", "/dev/null", "tcp port 19092")
	if name == "kafkavet" {
		watcher = in(brokerSpace, kafkavet, "sniff", "-i", brokerLink, "--buffer", strconv.Itoa(bufferMiB), "--port", "19092", "--format", "json", "--fail-on", "never")
	}
	var stdout, stderr bytes.Buffer
	watcher.Stdout, watcher.Stderr = &stdout, &stderr
	if err := watcher.Start(); err != nil {
		return result{}, err
	}
	time.Sleep(time.Second)
	var clients []*exec.Cmd
	for _, role := range []string{"consume", "produce"} {
		c := in(clientSpace, play, role, "-addr", brokerAddr, "-for", lasts.String())
		if err := c.Start(); err != nil {
			stop(watcher)
			return result{}, err
		}
		clients = append(clients, c)
	}
	var failed error
	for _, c := range clients {
		failed = errors.Join(failed, c.Wait())
	}
	time.Sleep(time.Second)
	stop(watcher)
	if failed != nil {
		return result{}, fmt.Errorf("clients: %w", failed)
	}
	return read(name, watcher, stdout.String(), stderr.String())
}

// stop interrupts a command and waits for it.
func stop(c *exec.Cmd) {
	_ = c.Process.Signal(os.Interrupt) // it may have ended
	_ = c.Wait()
}

var numbers = map[string][2]*regexp.Regexp{
	"tcpdump":  {regexp.MustCompile(`(\d+) packets captured`), regexp.MustCompile(`(\d+) packets dropped by kernel`)},
	"kafkavet": {regexp.MustCompile(`"format":"live","link_types":\[1\],"packets":(\d+)`), regexp.MustCompile(`"dropped_packets":(\d+)`)},
}

// read takes the result from what the program said and used.
func read(name string, c *exec.Cmd, stdout, stderr string) (r result, err error) {
	for i, to := range []*uint64{&r.packets, &r.dropped} {
		m := numbers[name][i].FindStringSubmatch(stdout + stderr)
		if m == nil {
			return r, fmt.Errorf("nothing like %s in its output: %s", numbers[name][i], stderr)
		}
		if *to, err = strconv.ParseUint(m[1], 10, 64); err != nil {
			return r, err
		}
	}
	if r.packets == 0 {
		return r, errors.New("no packets")
	}
	usage := c.ProcessState.SysUsage().(*syscall.Rusage)
	r.cpu, r.rss = c.ProcessState.UserTime()+c.ProcessState.SystemTime(), usage.Maxrss
	return r, nil
}
