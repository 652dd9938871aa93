package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const progressInterval = 200 * time.Millisecond

// showProgress draws a progress bar on standard error, if that is a terminal, until stop is
// called.
func showProgress(src *fileSource, isQuiet bool, stderr io.Writer) (stop func()) {
	f, ok := stderr.(*os.File)
	if isQuiet || !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	_, total := src.Progress()
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth(), progressbar.OptionSetDescription("reading"))
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				n, _ := src.Progress()
				_ = bar.Set64(n) // an error only affects the picture
			case <-done:
				_ = bar.Finish()
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
