//go:build !linux

package main

import (
	"errors"
	"io"
)

// startLookup exists on Linux only.
func startLookup(bool) (io.WriteCloser, io.Reader, error) {
	return nil, nil, errors.New("exists on Linux only")
}

// lookUp exists on Linux only.
func lookUp([]string) int { return exitTrouble }
