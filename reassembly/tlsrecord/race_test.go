//go:build race

package tlsrecord

// slowdown is by how much the race detector may slow a run.
const slowdown = 20
