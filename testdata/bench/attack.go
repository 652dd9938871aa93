//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// What attacks may cost: CPU time for each byte as a multiple of ordinary traffic's, which is the corpus swarm,
// and peak resident memory in MiB.
const (
	attackRatio  = 10
	attackMemory = 256
	// cheapRatio is the ratio with -cheap: what an attack costs once, its first allocations and the report, weighs
	// more in a small capture, and other programs of a check share the processors.
	cheapRatio = 25
)

// attacks are the corpora that someone makes to cost memory or time. small is the size with -cheap.
var attacks = []struct {
	kind        string
	size, small int
}{
	{"mute", 3000, 600},
	{"onebyte", 262_144, 131_072},
	{"hellos", 10_000, 1000},
	{"sweep", 50_000, 5000},
	{"ticks", 200_000, 40_000},
	{"unmatched", 50_000, 5000},
	{"holes", 200_000, 40_000},
	{"brokers", 50_000, 5000},
	{"disorder", 200_000, 40_000},
	{"unended", 260_000, 130_000},
	{"sealed", 260_000, 100_000},
	{"proxied", 200_000, 120_000},
	{"lone", 600_000, 600_000},
	{"answers", 260_000, 130_000},
	{"sparse", 130_000, 130_000},
	{"tables", 4000, 1000},
	{"prefix", 200_000, 100_000},
}

// cost is what reading a capture takes.
type cost struct {
	bytes    int64
	cpu      time.Duration
	resident float64
}

// costOf makes a capture and reads it. start is what reading nothing takes, and is not counted.
func (o options) costOf(maker, kind string, size int, start time.Duration) (c cost, err error) {
	path := filepath.Join(o.dir, fmt.Sprintf("%s-%d.pcap", kind, size))
	if _, err := os.Stat(path); err != nil {
		if out, err := exec.Command(maker, "-kind", kind, "-size", strconv.Itoa(size), "-o", path).CombinedOutput(); err != nil {
			return c, fmt.Errorf("make the capture: %w: %s", err, out)
		}
		defer os.Remove(path)
	}
	st, err := os.Stat(path)
	if err != nil {
		return c, err
	}
	t := &tool{name: "kafkavet", command: []string{o.kafkavet, "analyze", "-q", "--fail-on", "never", path}}
	for range o.runs {
		if err := t.run(); err != nil {
			return c, err
		}
	}
	return cost{st.Size(), t.leastCPU() - start, t.peak()}, nil
}

// measureAttacks prints what the attacks cost beside ordinary traffic, and returns the bounds that were broken.
func measureAttacks(o options, maker string) (missed []string, err error) {
	nothing, err := o.costOf(maker, "swarm", 1, 0)
	if err != nil {
		return nil, err
	}
	const ordinary = 20_000
	reference, err := o.costOf(maker, "swarm", ordinary, nothing.cpu)
	if err != nil {
		return nil, err
	}
	perByte := func(c cost) float64 { return float64(c.cpu.Nanoseconds()) / float64(c.bytes) }
	allowed := float64(attackRatio)
	if o.cheap {
		allowed = cheapRatio
	}
	fmt.Printf("\nattacks: at most %.0f x the CPU time per byte of ordinary traffic (%.1f ns), at most %d MiB\n", allowed, perByte(reference), attackMemory)
	fmt.Printf("  %-9s %9s %9s %9s %9s %9s\n", "", "MB", "cpu s", "ns/byte", "x", "peak MiB")
	for _, a := range attacks {
		size := a.size
		if o.cheap {
			size = a.small
		}
		c, err := o.costOf(maker, a.kind, size, nothing.cpu)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", a.kind, err)
		}
		ratio := perByte(c) / perByte(reference)
		fmt.Printf("  %-9s %9.1f %9.3f %9.1f %9.1f %9.1f\n", a.kind, float64(c.bytes)/1e6, c.cpu.Seconds(), perByte(c), ratio, c.resident)
		if ratio > allowed {
			missed = append(missed, fmt.Sprintf("%s took %.1f x the CPU time per byte of ordinary traffic, at most %.0f x is allowed", a.kind, ratio, allowed))
		}
		if c.resident > attackMemory {
			missed = append(missed, fmt.Sprintf("%s took %.0f MiB of memory, at most %d MiB is allowed", a.kind, c.resident, attackMemory))
		}
	}
	return missed, nil
}
