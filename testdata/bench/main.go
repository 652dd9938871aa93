//go:build unix

// Command bench holds kafkavet against tcpdump and, where it is installed,
// tshark: all read the same captures in turn, from a warm page cache. It
// prints medians, ratios, packets a second and peak resident memory.
//
//	go run ./testdata/bench [-runs N] [-check] [-only CORPUS]
//	go run ./testdata/bench -write KIND [-size N] -o FILE
//
// The second form writes one of the captures.
//
// With -check it exits with 1 where a goal is missed, each with a line that
// says by how much; 2 means that the measurement itself failed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A corpus is a capture to measure on, and what is asked of kafkavet there.
type corpus struct {
	name, kind string
	size       int
	// ratio is the wall time allowed as a multiple of tcpdump's; 0 asks nothing.
	ratio float64
	// memory is the peak resident memory allowed in MiB.
	memory float64
	// tshark is run too; it takes minutes on the larger ones.
	tshark bool
}

// resident is the memory in MiB that kafkavet may use however long the capture
// is; connections that are open at once cost 2 KiB each beside it.
const resident = 64

// corpora are the captures in the order in which they are measured. bulk-quarter
// is compared with bulk: time has to grow with the file, memory is not.
var corpora = []corpus{
	{"bulk", "bulk", 1000, 0.6, resident, true},
	{"bulk-quarter", "bulk", 250, 0, resident, false},
	{"swarm", "swarm", 20_000, 2.5, resident, true},
	{"open", "open", 100_000, 0, resident + 100_000*2.0/1024, false},
	{"synflood", "synflood", 1_000_000, 0, resident, false},
}

// options are the flags.
type options struct {
	kafkavet, dir, only string
	runs                int
	check, tshark       bool
	cheap               bool
}

func main() {
	var o options
	write := flag.String("write", "", "write a capture of that kind, and measure nothing")
	size := flag.Int("size", 0, "how much of it (default: that of the measurements)")
	path := flag.String("o", "", "the file to write")
	flag.StringVar(&o.kafkavet, "kafkavet", "", "the program to measure (default: built from the module in the current directory)")
	flag.StringVar(&o.dir, "dir", "", "keep the captures here and use those that are there (default: made anew, then removed)")
	flag.StringVar(&o.only, "only", "", "measure on this corpus alone; attacks are all that are made to cost memory or time")
	flag.IntVar(&o.runs, "runs", 5, "runs of each program on each capture; the median counts")
	flag.BoolVar(&o.check, "check", false, "exit with 1 where a goal is missed")
	flag.BoolVar(&o.tshark, "tshark", true, "run tshark too, once on each of two captures")
	flag.BoolVar(&o.cheap, "cheap", false, "small captures of attacks")
	flag.Parse()
	var missed []string
	var err error
	if *write != "" {
		err = writeCorpus(*write, *size, *path)
	} else {
		missed, err = run(o)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case o.check && len(missed) > 0:
		os.Exit(1)
	}
}

// run measures everything and returns the goals that were missed.
func run(o options) (missed []string, err error) {
	if o.runs < 1 {
		return nil, fmt.Errorf("-runs %d is below 1", o.runs)
	}
	if _, err := exec.LookPath("tcpdump"); err != nil {
		return nil, errors.New("tcpdump is not installed: there is nothing to compare with")
	}
	temporary, err := os.MkdirTemp("", "kafkavet-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	if o.dir == "" {
		o.dir = temporary
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, err
	}
	if o.kafkavet == "" {
		o.kafkavet = filepath.Join(temporary, "kafkavet")
		cmd := exec.Command("go", "build", "-trimpath", "-o", o.kafkavet, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build kafkavet: %w\n%s", err, out)
		}
	}
	fmt.Println(machine())
	for _, c := range corpora {
		if o.only != "" && o.only != c.name {
			continue
		}
		more, err := measure(o, c)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", c.name, err)
		}
		missed = append(missed, more...)
	}
	if o.only == "" || o.only == "attacks" {
		more, err := measureAttacks(o)
		if err != nil {
			return missed, fmt.Errorf("attacks: %w", err)
		}
		missed = append(missed, more...)
	}
	fmt.Println()
	for _, m := range missed {
		fmt.Println("missed:", m)
	}
	if len(missed) == 0 {
		fmt.Println("every goal is met")
	}
	return missed, nil
}

// measure runs all programs on one corpus and prints the result.
func measure(o options, c corpus) (missed []string, err error) {
	path := filepath.Join(o.dir, c.name+".pcap")
	if _, err := os.Stat(path); err != nil {
		if err := writeCorpus(c.kind, c.size, path); err != nil {
			return nil, err
		}
	}
	packets, bytes, err := count(path) // which also warms the page cache
	if err != nil {
		return nil, err
	}
	fmt.Printf("\n%s: %s packets, %s MB\n", c.name, thousands(packets), thousands(bytes/1_000_000))
	tools := []*tool{
		{name: "kafkavet", command: []string{o.kafkavet, "analyze", "-q", "--fail-on", "never", path}},
		{name: "tcpdump", command: []string{"tcpdump", "-r", path, "-w", "/dev/null", "tcp"}},
	}
	for range o.runs {
		for _, t := range tools {
			if err := t.run(); err != nil {
				return nil, err
			}
		}
	}
	if _, err := exec.LookPath("tshark"); err == nil && o.tshark && c.tshark {
		t := &tool{name: "tshark", command: []string{"tshark", "-r", path, "-Y", "kafka.api_version", "-T", "fields",
			"-e", "frame.number", "-e", "tcp.stream", "-e", "kafka.api_key", "-e", "kafka.api_version"}}
		if err := t.run(); err != nil {
			return nil, err
		}
		tools = append(tools, t)
	}
	show(tools, packets, bytes)
	return c.judge(tools[0], tools[1]), nil
}

// judge says which goals kafkavet missed.
func (c corpus) judge(kafkavet, tcpdump *tool) (missed []string) {
	ratio := kafkavet.median().wall.Seconds() / tcpdump.median().wall.Seconds()
	if c.ratio > 0 && ratio > c.ratio {
		missed = append(missed, fmt.Sprintf("%s took %.2f x the time of tcpdump, at most %.1f x is allowed", c.name, ratio, c.ratio))
	}
	if peak := kafkavet.peak(); peak > c.memory {
		missed = append(missed, fmt.Sprintf("%s took %.0f MiB of memory, at most %.0f MiB is allowed", c.name, peak, c.memory))
	}
	return missed
}

// show prints a line for each program.
func show(tools []*tool, packets, bytes int64) {
	reference := tools[1].median().wall.Seconds()
	fmt.Printf("  %-9s %9s %9s %9s %12s %8s %9s %10s\n", "", "median s", "best s", "cpu s", "packets/s", "MB/s", "peak MiB", "x tcpdump")
	for _, t := range tools {
		m := t.median()
		s := m.wall.Seconds()
		fmt.Printf("  %-9s %9.3f %9.3f %9.3f %12s %8.0f %9.1f %10.2f\n", t.name, s, t.best().Seconds(), m.cpu.Seconds(),
			thousands(int64(float64(packets)/s)), float64(bytes)/s/1e6, t.peak(), s/reference)
	}
}

// thousands writes a number with a comma before every three digits.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	var b strings.Builder
	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}
