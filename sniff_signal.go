package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// onSecondSignal has the program end at once when a signal comes after the one that
// ended ctx: the report may take longer than the user wants to wait. tidy is called
// before. stop ends the waiting. A hangup does not count: a terminal that goes away may
// send several.
func onSecondSignal(ctx context.Context, tidy func()) (stop func()) {
	done := make(chan struct{})
	signals := make(chan os.Signal, 1)
	go func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		select {
		case <-done:
		case <-signals:
			tidy()
			os.Exit(exitTrouble)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
