//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// tool is a program that reads a capture, and how it fared.
type tool struct {
	name    string
	command []string
	runs    []measurement
}

// measurement is one run of a program.
type measurement struct {
	wall, cpu time.Duration
	resident  float64 // peak in MiB
}

// run runs the program once.
func (t *tool) run() error {
	cmd := exec.Command(t.command[0], t.command[1:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(t.command, " "), err, said.Bytes())
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	unit := 1024.0 // Linux and the BSDs count kilobytes
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	t.runs = append(t.runs, measurement{
		wall:     wall,
		cpu:      cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		resident: float64(usage.Maxrss) * unit / (1 << 20),
	})
	return nil
}

// median is the run with the median wall time.
func (t *tool) median() measurement {
	sorted := slices.Clone(t.runs)
	slices.SortFunc(sorted, func(a, b measurement) int { return int(a.wall - b.wall) })
	return sorted[len(sorted)/2]
}

// leastCPU is the shortest CPU time, which other work on the machine changes least.
func (t *tool) leastCPU() time.Duration {
	least := t.runs[0].cpu
	for _, r := range t.runs {
		least = min(least, r.cpu)
	}
	return least
}

// best is the shortest wall time.
func (t *tool) best() time.Duration {
	best := t.runs[0].wall
	for _, r := range t.runs {
		best = min(best, r.wall)
	}
	return best
}

// peak is the largest resident memory of all runs in MiB.
func (t *tool) peak() float64 {
	var peak float64
	for _, r := range t.runs {
		peak = max(peak, r.resident)
	}
	return peak
}

// count counts the packets of a little-endian pcap file, and the bytes of the file.
func count(path string) (packets, size int64, err error) {
	const fileHeader, recordHeader = 24, 16
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := bufio.NewReaderSize(f, 1<<20)
	if _, err := r.Discard(fileHeader); err != nil {
		return 0, 0, err
	}
	size = fileHeader
	for {
		head, err := r.Peek(recordHeader)
		if len(head) == 0 && errors.Is(err, io.EOF) {
			return packets, size, nil
		}
		if err != nil {
			return 0, 0, err
		}
		n, err := r.Discard(recordHeader + int(binary.LittleEndian.Uint32(head[8:])))
		if err != nil {
			return 0, 0, err
		}
		size += int64(n)
		packets++
	}
}

// machine describes where the numbers come from.
func machine() string {
	parts := []string{fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				parts = append(parts, strings.TrimSpace(value))
				break
			}
		}
	}
	for _, name := range []string{"tcpdump", "tshark"} {
		if out, err := exec.Command(name, "--version").Output(); err == nil {
			line, _, _ := strings.Cut(string(out), "\n")
			parts = append(parts, strings.TrimSpace(line))
		}
	}
	return strings.Join(parts, "; ")
}
