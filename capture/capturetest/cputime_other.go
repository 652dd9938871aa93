//go:build !linux

package capturetest

import "time"

var started = time.Now()

// cpuTime returns clock time, because this system has no CPU time of a thread.
func cpuTime() time.Duration { return time.Since(started) }
