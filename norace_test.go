//go:build !race

package main

// variantStep is that every variant is tried.
const variantStep = 1
