package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interruptGrace is how long standard input is read after a signal. Ctrl-C also reaches the writer
// of the pipe, and the writer then sends its buffered packets.
const interruptGrace = time.Second

// untilInterrupted reads in to its end, or until interruptGrace after ctx is done. The capture
// from the pipe is then complete, and its result is valid.
func untilInterrupted(ctx context.Context, in io.Reader) io.Reader {
	const size = 256 << 10 // of a read: a pipe holds 64 KiB
	r, w := io.Pipe()
	go func() {
		// Both ends are wrapped, because their own copy methods use smaller buffers.
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{in}, make([]byte, size))
		_ = w.CloseWithError(err) // nil means EOF
	}()
	context.AfterFunc(ctx, func() {
		time.AfterFunc(interruptGrace, func() { _ = w.Close() })
	})
	return r
}

// onSecondSignal ends the program at the second signal, because the report can take longer than
// the user wants to wait. It calls tidy first. stop ends the waiting. A hangup does not count,
// because a closing terminal can send several.
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
