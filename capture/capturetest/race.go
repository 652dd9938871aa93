//go:build race

package capturetest

// slowdown is how much longer tests may take under the race detector, which slows memory accesses
// down 5 to 20 times (https://go.dev/doc/articles/race_detector).
const slowdown = 20
