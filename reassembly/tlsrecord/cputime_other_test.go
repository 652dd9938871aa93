//go:build !linux

package tlsrecord

import (
	"testing"
	"time"
)

var started = time.Now()

// cpuTime returns clock time, because this system has no CPU time of a thread.
func cpuTime(testing.TB) time.Duration { return time.Since(started) }
