//go:build race

package main

// variantStep is that every so manieth variant is tried: the race detector
// slows everything down some tenfold, and looks for races, not for differences.
const variantStep = 12
