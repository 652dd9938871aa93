package capturetest

import (
	"math"
	"runtime"
	"testing"
	"time"
)

// What a test may take for each BoundedUnit bytes of input.
const (
	BoundedUnit   = 64 << 10
	boundedTime   = 50 * time.Millisecond
	boundedMemory = 16 << 20
)

// Bounded runs f, which processes size bytes, and fails if it takes more time or memory than that.
// It measures CPU time, the least of some runs, so that a busy machine does not look like slow
// code. f must do its work in its own goroutine.
func Bounded(t testing.TB, size int, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	units := (1 + size/BoundedUnit) * slowdown
	took, used := time.Duration(math.MaxInt64), uint64(math.MaxUint64)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := cpuTime()
		f()
		took = min(took, cpuTime()-began)
		runtime.ReadMemStats(&after)
		used = min(used, after.TotalAlloc-before.TotalAlloc)
		if took <= time.Duration(units)*boundedTime && used <= uint64(units)*boundedMemory {
			return
		}
	}
	t.Fatalf("%d bytes took %v and %d bytes of memory, allowed are %v and %d for each %d", size, took, used, boundedTime, boundedMemory, BoundedUnit)
}
