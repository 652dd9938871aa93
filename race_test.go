//go:build race

package main

// variantStep: every variantStep-th variant is tested. The race detector makes everything some ten
// times slower, and looks for races, not for differences.
const variantStep = 12

// captureStep: every captureStep-th capture is tested, for the same reason.
const captureStep = 3
