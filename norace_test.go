//go:build !race

package main

// variantStep is that every variant is tried.
const variantStep = 1

// captureStep is that every capture is tried.
const captureStep = 1
