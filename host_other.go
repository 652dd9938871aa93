//go:build !linux

package main

import (
	"errors"
	"io"
	"runtime"
)

// The following exist on Linux only.

func confine(sandbox) (applied string, err error) { return "none on " + runtime.GOOS, nil }

func emptyBoundingSet() {}

func startLookup(bool) (io.WriteCloser, io.Reader, error) {
	return nil, nil, errors.New("exists on Linux only")
}

func lookUp([]string) int { return exitTrouble }

func becomeUser(string) error {
	return errors.New("--user: not supported on " + runtime.GOOS + "; start kafkavet as that user, with access to the capture device")
}
