//go:build !race

package main

// variantStep 1: every variant is tested.
const variantStep = 1

// captureStep 1: every capture is tested.
const captureStep = 1
