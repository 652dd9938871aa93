//go:build !race

package tlsrecord

// slowdown is 1: tests run at normal speed.
const slowdown = 1
