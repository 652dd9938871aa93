package capturetest

import (
	"syscall"
	"time"
)

// cpuTime returns the CPU time of the thread.
func cpuTime() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD of getrusage(2)
	var u syscall.Rusage
	_ = syscall.Getrusage(thisThread, &u) // never fails
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
