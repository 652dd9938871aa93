//go:build race

package tlsrecord

// slowdown is how much slower the race detector may make a run.
const slowdown = 20
