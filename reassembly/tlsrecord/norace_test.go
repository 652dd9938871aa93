//go:build !race

package tlsrecord

// slowdown is 1: the run is as fast as it will be in use.
const slowdown = 1
