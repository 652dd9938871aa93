//go:build race

package main

// variantStep is that every so manieth variant is tried: the race detector
// slows everything down some tenfold, and looks for races, not for differences.
const variantStep = 12

// captureStep is that every so manieth capture is tried, for the same reason.
const captureStep = 3
