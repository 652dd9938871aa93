//go:build !linux

package main

import "runtime"

// confine exists on Linux only.
func confine(sandbox) (applied string, err error) { return "none on " + runtime.GOOS, nil }

// emptyBoundingSet exists on Linux only.
func emptyBoundingSet() {}
