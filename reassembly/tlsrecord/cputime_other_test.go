//go:build !linux

package tlsrecord

import (
	"testing"
	"time"
)

var started = time.Now()

// cpuTime is the time of the clock, where that of the thread cannot be had in the same way.
func cpuTime(testing.TB) time.Duration { return time.Since(started) }
