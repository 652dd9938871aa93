package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interruptGrace is how long standard input is read on after a signal. Ctrl-C
// reaches the whole pipeline, and what writes it ends with the packets that it still held.
const interruptGrace = time.Second

// untilInterrupted is in up to its end, or until shortly after ctx is done: the
// capture that comes through a pipe is over then, and what came of it counts.
func untilInterrupted(ctx context.Context, in io.Reader) io.Reader {
	const size = 256 << 10 // of a read: a pipe holds 64 KiB
	r, w := io.Pipe()
	go func() {
		// Both ends are wrapped, or else the copying would be left to them, in smaller pieces.
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{in}, make([]byte, size))
		_ = w.CloseWithError(err) // nil is the end
	}()
	context.AfterFunc(ctx, func() {
		time.AfterFunc(interruptGrace, func() { _ = w.Close() })
	})
	return r
}

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
