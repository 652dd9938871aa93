//go:build !race

package capturetest

// slowdown is how much longer tests may take than without the race detector.
const slowdown = 1
