//go:build !linux

package main

import (
	"errors"
	"runtime"
)

// becomeUser exists on Linux only.
func becomeUser(string) error {
	return errors.New("--user: not supported on " + runtime.GOOS + "; start kafkavet as that user, with access to the capture device")
}
