//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What attacks may cost: CPU time for each byte as a multiple of ordinary traffic's, which is the
// corpus swarm, and peak resident memory in MiB.
const (
	attackRatio  = 10
	attackMemory = 256
	// cheapRatio is the ratio with -cheap: what an attack costs once, its first allocations and the
	// report, weighs more in a small capture, and other programs of a check share the processors.
	cheapRatio = 25
)

// cost is what reading a capture takes.
type cost struct {
	bytes    int64
	cpu      time.Duration
	resident float64
}

// costOf makes a capture and reads it. start is what reading nothing takes, and is not counted.
func (o options) costOf(kind string, size int, start time.Duration) (c cost, err error) {
	path := filepath.Join(o.dir, fmt.Sprintf("%s-%d.pcap", kind, size))
	if _, err := os.Stat(path); err != nil {
		if err := writeCorpus(kind, size, path); err != nil {
			return c, err
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

// measureAttacks prints what the attacks cost beside ordinary traffic, and returns the bounds that
// were broken.
func measureAttacks(o options) (missed []string, err error) {
	nothing, err := o.costOf("swarm", 1, 0)
	if err != nil {
		return nil, err
	}
	const ordinary = 20_000
	reference, err := o.costOf("swarm", ordinary, nothing.cpu)
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
	for _, a := range kinds {
		if a.small == 0 {
			continue
		}
		size := a.size
		if o.cheap {
			size = a.small
		}
		c, err := o.costOf(a.name, size, nothing.cpu)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", a.name, err)
		}
		ratio := perByte(c) / perByte(reference)
		fmt.Printf("  %-9s %9.1f %9.3f %9.1f %9.1f %9.1f\n", a.name, float64(c.bytes)/1e6, c.cpu.Seconds(), perByte(c), ratio, c.resident)
		if ratio > allowed {
			missed = append(missed, fmt.Sprintf("%s took %.1f x the CPU time per byte of ordinary traffic, at most %.0f x is allowed", a.name, ratio, allowed))
		}
		if c.resident > attackMemory {
			missed = append(missed, fmt.Sprintf("%s took %.0f MiB of memory, at most %d MiB is allowed", a.name, c.resident, attackMemory))
		}
	}
	return missed, nil
}
