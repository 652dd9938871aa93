//go:build !linux

package main

import (
	"errors"
	"runtime"
)

// becomeUser is for Linux only.
func becomeUser(string, belongings) error {
	return errors.New("--user: not supported on " + runtime.GOOS + "; start kafkavet as that user, with access to the capture device")
}
